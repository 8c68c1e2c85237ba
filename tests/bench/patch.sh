#!/bin/bash
# nii-patch | nii-augment: N patches of 160x160x64 with the hackathon's augmentation, from a saved stream in the page cache, whole processes; against MONAI's
# transforms on arrays that are in memory already, imports (seconds) not counted. ms a patch, best of RUNS. COLD=GB: also from a stream of so many
# GB of which nothing is in memory, against bare preads of as many bytes and numpy's memory map; where cgroups v1 can be written, within 256 MB.
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
runs=${RUNS:-3} n=40

nii-phantom -n 2 --size 311,324,95 --spacing 1,1,3 --healthy 0 --seed 1 | nii-normalize --window=-1024,325 -o "$tmp/v.ts" || exit 1
ours() { # ours NAME COMMAND...
	read -r ms cpu kb < <("$BENCH/best" "$runs" "${@:2}")
	awk -v name="$1" -v ms="$ms" -v cpu="$cpu" -v kb="$kb" -v n=$n 'BEGIN { printf "%-44s %8.2f %8.2f   %d MB\n", name, ms / n, cpu / n, kb / 1024 }'
}
printf '%-44s %8s %8s\n' "" "wall ms" "cpu ms"
ours "nii-patch" nii-patch -s 160,160,64 -n $n --seed 1 -o /dev/null "$tmp/v.ts"
# shellcheck disable=SC2016
ours "nii-patch | nii-augment" bash -c 'nii-patch -s 160,160,64 -n "$1" --seed 1 "$2" | nii-augment --flip x --shift 0.1 --scale 0.1 --seed 1 -o /dev/null' - $n "$tmp/v.ts"
for way in "-s 160,160,64 --classes 1,1" "-s 160,160,64 --oversample 0.33 --batch 2" "-s 160,160,64 --weight label" "-s 160,160,64 --grid" --whole; do
	# shellcheck disable=SC2086
	ours "nii-patch ${way#-s * }" nii-patch $way -n $n -o /dev/null "$tmp/v.ts"
done
if [ -n "${PYTHON:-}" ]; then
	"$PYTHON" tests/bench/peer_patch.py "$tmp/v.ts" $n "$runs" 2>/dev/null |
		awk -F '\t' '{ printf "%-44s %8.2f %8.2f\n", $1, $2, $3 }'
fi
[ "${COLD:-0}" -gt 0 ] || exit 0

group=/sys/fs/cgroup/memory/nii-patch-bench many=100
mkdir "$group" 2>/dev/null && echo $((256 << 20)) >"$group/memory.limit_in_bytes" && trap 'rmdir "$group"; rm -rf "$tmp"' EXIT
cold() { # cold NAME PATCHES COMMAND...: COMMAND, from the disk and within the group if there is one, prints ms for so many patches; NAME, ms a patch
	dd if="$tmp/big.ts" iflag=nocache count=0 status=none
	({ echo "$BASHPID" >"$group/cgroup.procs"; } 2>/dev/null; exec "${@:3}") | awk -v name="$1" -v n="$2" '{ print name "\t" $1 / n }'
}
nii-phantom -n 1 --size 311,324,95 --spacing 1,1,3 --healthy 0 --seed 1 | nii-normalize --window=-1024,325 -o "$tmp/one.ts"
frame=$(stat -c %s "$tmp/one.ts")
head=$((frame - 311 * 324 * 95 * 5))
for ((i = 0; i < COLD * 1000000000 / frame; i++)); do cat "$tmp/one.ts"; done >"$tmp/big.ts"
sync "$tmp/big.ts"
echo "from a stream of $(stat -c %s "$tmp/big.ts") bytes, nothing of it in memory:"
for ((run = 0; run < runs; run++)); do # in turn: disks are shared
	cold "bare pread, slice by slice" 1 "$BENCH/disk" "$tmp/big.ts" "$frame" "$head" $many
	cold "bare pread, a patch's slices announced" 1 "$BENCH/disk" "$tmp/big.ts" "$frame" "$head" $many ahead
	cold "nii-patch --oversample 0" $many "$BENCH/best" 1 nii-patch -s 160,160,64 -n $many --oversample 0 -o /dev/null "$tmp/big.ts"
	cold "nii-patch" $many "$BENCH/best" 1 nii-patch -s 160,160,64 -n $many -o /dev/null "$tmp/big.ts"
	[ -z "${PYTHON:-}" ] || cold "numpy.memmap" 1 "$PYTHON" tests/bench/peer_disk.py "$tmp/big.ts" "$frame" "$head" $many
done | awk -F '\t' '!($1 in least) { name[n++] = $1; least[$1] = $2 } $2 < least[$1] { least[$1] = $2 }
	END { for (i = 0; i < n; i++) printf "%-44s %8.2f\n", name[i], least[name[i]] }'
