#!/bin/bash
# The way of patches to a training: nii-patch | nii-augment | seg-train, N patches of 160x160x64 and of nnU-Net's 128x128x128 (with its augmentation), each stage
# alone, from a pipe into a pipe, and all together; in place of the network, build/bench/feed throws the batches away. ms of wall and processor time a patch,
# best of RUNS. PYTHON: MONAI's transforms in a DataLoader of two processes, on volumes in memory.
set -u -o pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
runs=${RUNS:-3} n=${N:-100}
mkfifo "$tmp/sink"

stage() { # NAME INPUT COMMAND...: COMMAND reads INPUT from a pipe and writes to one
	local name=$1 in=$2 i
	shift 2
	for ((i = 0; i < runs; i++)); do
		cat "$tmp/sink" >/dev/null &
		cat "$in" | "$BENCH/best" 1 "$@" -o "$tmp/sink" || return 1
		wait
	done | awk -v n="$n" '{ print $1 / n, $2 / n }' | least "$name"
}

least() { # NAME <WALL CPU a run
	awk -v name="$1" 'NR == 1 || $1 < w { w = $1 } NR == 1 || $2 < c { c = $2 }
		END { printf "%-34s %8.2f %8.2f %8.0f\n", name, w, c, 1000 / w }'
}

feed() { # NAME BATCH COMMAND: what it writes, taken in
	local i
	for ((i = 0; i < runs; i++)); do eval "$3" | "$BENCH/feed" "$2" || return 1; done | cut -d' ' -f 2,3 | least "$1"
}

# What comes out of nii-patch and of nii-augment with these options
all() { # BATCH PATCH AUGMENT
	local patch="nii-patch -q --seed 1 -n $n $2 $tmp/v.ts" augment="nii-augment -q --seed 1 $3"
	printf '%-34s %8s %8s %8s\n' "$2 | $3" "wall ms" "cpu ms" "a second"
	$patch >"$tmp/p.ts" && $augment "$tmp/p.ts" >"$tmp/a.ts" || exit 1
	# shellcheck disable=SC2086
	stage nii-patch /dev/null $patch
	# shellcheck disable=SC2086
	stage nii-augment "$tmp/p.ts" $augment
	feed "seg-train's reader" "$1" "cat $tmp/a.ts"
	feed "all (cpu: of the reader)" "$1" "$patch | $augment"
}

nii-phantom -q -n 4 -s 160,160,160 --seed 5 --healthy 0 | nii-normalize --window=-1024,325 -o "$tmp/v.ts" || exit 1
all 1 "-s 160,160,64 --pos 0.5" "--flip x --shift 0.1 --scale 0.1"
[ -z "${PYTHON:-}" ] || "$PYTHON" tests/bench/peer_patch.py "$tmp/v.ts" "$n" 1 2>/dev/null |
	awk -F '\t' '/DataLoader/ { printf "%-34s %8.2f %8s %8.0f\n", $1, $2, "", 1000 / $2 }'
all 2 "-s 160,160,160 --oversample 0.33 --batch 2" "--preset nnunet --size 128,128,128"
