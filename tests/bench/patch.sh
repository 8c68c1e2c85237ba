#!/bin/bash
# nii-patch | nii-augment: N patches of 160x160x64 with the hackathon's augmentation, from a saved stream in the page cache, whole processes; against MONAI's
# transforms on arrays that are in memory already, imports (seconds) not counted. ms a patch, best of RUNS.
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
[ -n "${PYTHON:-}" ] || exit 0
"$PYTHON" tests/bench/peer_patch.py "$tmp/v.ts" $n "$runs" 2>/dev/null |
	awk -F '\t' '{ printf "%-44s %8.2f %8.2f\n", $1, $2, $3 }'
