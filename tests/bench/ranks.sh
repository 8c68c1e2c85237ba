#!/bin/bash
# seg-train on two ranks of one thread against one process of one thread with the same --accumulate 2: the default UNet, patches of SIZE from a file.
# What starting takes is not counted: a run of 36 patches minus one of 12, best of RUNS. ms a patch: wall, and processors; how many times as fast two
# ranks are, by the clock (needs two idle processors), and by processor time: what two processors that nobody else uses would give.
set -u
command -v mpirun >/dev/null && [ -e "$BIN/niipipe-mpi.so" ] || { echo "no mpirun or no niipipe-mpi.so"; exit 0; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
runs=${RUNS:-3} size=${SIZE:-96,96,64}
nii-phantom -n 2 --size 128,128,80 --healthy 0 --seed 1 | nii-normalize --window=-1024,325 -o "$tmp/v.ts" || exit 1
for n in 12 36; do
	nii-patch -s "$size" -n $n --seed 1 -o "$tmp/all.$n.ts" "$tmp/v.ts" || exit 1
	for r in 0 1; do nii-patch -s "$size" -n $n --seed 1 --shard $r/2 -o "$tmp/$r.$n.ts" "$tmp/v.ts" || exit 1; done
done
train="seg-train --alone --accumulate 2 --threads 1 -o /dev/null"
measure() { # measure NAME 'COMMAND with %': ms a patch
	local a b
	a=$("$BENCH/best" "$runs" bash -c "${2//%/12}") b=$("$BENCH/best" "$runs" bash -c "${2//%/36}")
	echo "$1 $a $b" | awk '{ print $1, ($5 - $2) / 24, ($6 - $3) / 24 }'
}
{
	measure "one-process" "$train $tmp/all.%.ts"
	for wire in auto fp32 bf16; do
		# shellcheck disable=SC2016
		measure "two-ranks-$wire" "mpirun -q -n 2 sh -c '${train/--alone/--wire $wire} $tmp/\$OMPI_COMM_WORLD_RANK.%.ts'"
	done
} | awk 'NR == 1 { wall = $2; cpu = $3; printf "%-20s %8s %8s\n", "", "wall ms", "cpu ms" }
	{ printf "%-20s %8.1f %8.1f", $1, $2, $3 } NR > 1 { printf "   %.2fx by the clock, %.2fx by processor time", wall / $2, 2 * cpu / $3 } { print "" }'
mpirun -q -n 2 sh -c "${train/--alone/-v} $tmp/\$OMPI_COMM_WORLD_RANK.36.ts" 2>&1 | grep ranks:
