#!/bin/bash
# cc-largest and cc-filter on the thresholded LUNG1-002 (above -300 HU) and seg-score on its tumour moved by a voxel: whole processes, against calls of peers
# whose arrays are in memory already and whose imports (seconds) are not counted. Best of RUNS; a busy machine spoils only the wall clock.
set -u
d=$NIIPIPE_DATA/ct/LUNG1-002
ct=$d/LUNG1-002_ct.nii.gz gtv=$d/LUNG1-002_gtv.nii.gz
[ -e "$ct" ] || { echo "no $ct"; exit 0; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
runs=${RUNS:-10}

nii-read "$ct" | nii-normalize --window=-300,-299 | nii-write -t image -o "$tmp/mask.nii.gz" &&
	nii-read -l "$tmp/mask.nii.gz" "$ct" | ts-select -t label -o "$tmp/mask.ts" && nii-read "$gtv" >"$tmp/t.ts" || exit 1
h=$(($(od -An -tu8 -N8 "$tmp/t.ts") + 8)) # moved: a voxel in front, one off the end
{ head -c $h "$tmp/t.ts"; printf '\0'; tail -c +$((h + 1)) "$tmp/t.ts" | head -c -1; } | nii-write -t image -o "$tmp/moved.nii.gz" || exit 1

ours() { # ours WHAT NAME COMMAND...: wall ms and KB
	read -r ms cpu kb < <("$BENCH/best" "$runs" "${@:3}")
	printf '%-10s %-34s %8.1f %8.1f   %d MB\n' "$1" "$2" "$ms" "$cpu" $((kb / 1024))
	printf '%s\t%s\t%s\n' "$1" "$ms" "$cpu" >>"$tmp/ours"
}
printf '%-10s %-34s %8s %8s\n' "" "" "wall ms" "cpu ms"
ours component "cc-largest (process, file to file)" cc-largest -o /dev/null "$tmp/mask.ts"
ours dust "cc-filter --min-voxels 100" cc-filter --min-voxels 100 -o /dev/null "$tmp/mask.ts"
ours fill "cc-filter --fill-holes" cc-filter --fill-holes -o /dev/null "$tmp/mask.ts"
ours dice "seg-score (process, all columns)" seg-score -o /dev/null "$gtv" "$tmp/moved.nii.gz"
[ -n "${PYTHON:-}" ] || exit 0
"$PYTHON" tests/bench/peer_components.py "$tmp/mask.nii.gz" "$gtv" "$tmp/moved.nii.gz" "$runs" 2>/dev/null |
	awk -F '\t' 'NR == FNR { ms[$1] = $2; cpu[$1] = $3; next }
		{ printf "%-10s %-34s %8.1f %8.1f   %.1fx wall, %.1fx cpu\n", $1, $4 " (call)", $2, $3, $2 / ms[$1], $3 / cpu[$1] }' "$tmp/ours" -
