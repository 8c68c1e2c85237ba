#!/bin/bash
# seg-score and seg-recist on the tumour of LUNG1-002 and itself moved by a voxel: whole processes, against calls of peers whose arrays are in memory
# already and whose imports (seconds) are not counted; then PAIRS pairs of .nii.gz against a whole Python script with MONAI's metrics, with and without
# its imports. Best of RUNS, two threads; a busy machine spoils only the wall clock.
set -u
gtv=$NIIPIPE_DATA/ct/LUNG1-002/LUNG1-002_gtv.nii.gz
[ -e "$gtv" ] || { echo "no $gtv"; exit 0; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
runs=${RUNS:-10} pairs=${PAIRS:-100}
export OMP_NUM_THREADS=2

nii-read "$gtv" >"$tmp/t.ts" || exit 1
h=$(($(od -An -tu8 -N8 "$tmp/t.ts") + 8))
n=$(($(stat -c %s "$tmp/t.ts") - h))
{ head -c $h "$tmp/t.ts"; printf '\0'; tail -c +$((h + 1)) "$tmp/t.ts" | head -c -1; } >"$tmp/m.ts" # a voxel in front, one off the end
nii-write -t image -o "$tmp/moved.nii.gz" "$tmp/m.ts" || exit 1
affine=$(head -c "$h" "$tmp/t.ts" | grep -aoE '"affine":"[^"]*"')
shape=$(head -c "$h" "$tmp/t.ts" | grep -aoE '"shape":\[1,[0-9,]*\]' | sed 's/\[1,/[/')
header="{\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"volume\",\"id\":\"both\",$affine},\"label\":{\"dtype\":\"U8\",$shape,\"data_offsets\":[0,$n]},\"pred\":{\"dtype\":\"U8\",$shape,\"data_offsets\":[$n,$((2 * n))]}}"
{ # truth and prediction in one frame
	for i in 0 8 16 24; do printf "\\x$(printf %02x $((${#header} >> i & 255)))"; done
	printf '\0\0\0\0%s' "$header"
	tail -c "$n" "$tmp/t.ts"
	tail -c "$n" "$tmp/m.ts"
} >"$tmp/both.ts"
mkdir "$tmp/truth" "$tmp/pred"
for ((i = 0; i < pairs; i++)); do
	cp "$gtv" "$tmp/truth/case$i.nii.gz"
	cp "$tmp/moved.nii.gz" "$tmp/pred/case$i.nii.gz"
done

ours() { # ours WHAT RUNS NAME COMMAND...: wall ms and KB
	read -r ms cpu kb < <("$BENCH/best" "$2" "${@:4}")
	printf '%-10s %-44s %8.1f %8.1f   %d MB\n' "$1" "$3" "$ms" "$cpu" $((kb / 1024))
	printf '%s\t%s\t%s\n' "$1" "$ms" "$cpu" >>"$tmp/ours"
}
surfaces=hd95_mm,assd_mm,nsd
printf '%-10s %-44s %8s %8s\n' "" "" "wall ms" "cpu ms"
ours overlap "$runs" "seg-score, overlap and volumes, of .ts" seg-score --metrics overlap,volume -o /dev/null "$tmp/both.ts"
ours "" "$runs" "   of .nii.gz" seg-score --metrics overlap,volume -o /dev/null "$gtv" "$tmp/moved.nii.gz"
ours monai "$runs" "seg-score, HD95, ASSD, NSD, of .ts" seg-score --metrics $surfaces -o /dev/null "$tmp/both.ts"
ours deepmind "$runs" "   --surface deepmind" seg-score --metrics $surfaces --surface deepmind -o /dev/null "$tmp/both.ts"
ours "" "$runs" "   all columns, of .nii.gz" seg-score -o /dev/null "$gtv" "$tmp/moved.nii.gz"
ours diameter "$runs" "seg-recist, of .nii.gz" seg-recist -o /dev/null "$gtv"
ours pairs 3 "seg-score, Dice, HD95, ASSD, NSD, $pairs pairs" seg-score --metrics dice,$surfaces -o /dev/null "$tmp/truth" "$tmp/pred"
ours all 3 "   all columns" seg-score -o /dev/null "$tmp/truth" "$tmp/pred"
[ -n "${PYTHON:-}" ] || exit 0
"$PYTHON" tests/bench/peer_score.py calls "$gtv" "$tmp/moved.nii.gz" "$runs" 2>/dev/null >"$tmp/peer"
read -r ms cpu _ < <("$BENCH/best" 1 "$PYTHON" tests/bench/peer_score.py pairs "$tmp/truth" "$tmp/pred" "$tmp/inside" 2>/dev/null)
{
	printf 'pairs\t%s\t%s\tPython with MONAI, %s pairs (process)\n' "$ms" "$cpu" "$pairs"
	printf 'pairs\t%s\tits imports not counted\n' "$(cat "$tmp/inside")"
} >>"$tmp/peer"
awk -F '\t' 'NR == FNR { ms[$1] = $2; cpu[$1] = $3; next }
	{ printf "%-10s %-44s %8.1f %8.1f   %.1fx wall, %.1fx cpu\n", $1, $4, $2, $3, $2 / ms[$1], $3 / cpu[$1] }' "$tmp/ours" "$tmp/peer"
