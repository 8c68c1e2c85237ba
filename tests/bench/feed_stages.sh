#!/bin/bash
# feed_stages.sh VOLUMES.ts: patches a second of each stage of nii-patch | nii-augment | seg-train alone, from a pipe into a pipe, and of all, N patches of PATCH
# voxels; in place of seg-train, build/bench/feed takes them in. A line a stage. For a machine without what feed.sh needs (tests/gpu.sh). Files go into WORK.
set -u -o pipefail
bin=build/bin n=${N:-100}
cut() { $bin/nii-patch -q -s "${PATCH:-160,160,64}" --pos 0.5 -n "$n" --seed 1 "$1"; }
change() { $bin/nii-augment -q --flip x --shift 0.1 --scale 0.1 --seed 1; }
rate() { # NAME COMMAND: of all it does from its start
	local b=$EPOCHREALTIME
	eval "$2" || exit 1
	awk -v n="$n" -v s="$(awk "BEGIN { print $EPOCHREALTIME - $b }")" -v name="$1" 'BEGIN { printf "%s %.0f\n", name, n / s }'
}
in=$1 patches=${WORK:-.}/patches.ts
cut "$in" >"$patches" || exit 1
rate nii-patch 'cut "$in" | cat >/dev/null'
rate nii-augment 'cat "$patches" | change | cat >/dev/null'
cat "$patches" | build/bench/feed 1 | awk '{ printf "reader %.0f\n", 1000 / $2 }' || exit 1
cut "$in" | change | build/bench/feed 1 | awk '{ printf "all %.0f\n", 1000 / $2 }' || exit 1
rm -f "$patches"
