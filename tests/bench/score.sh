#!/bin/bash
# seg-score and seg-recist on the tumour of LUNG1-002 and itself moved by a voxel. Calls, the masks being in memory, against calls of peers; then
# processes: PAIRS pairs of .nii.gz against a Python script with MONAI's metrics, with and without its imports, and pyradiomics' diameters (a call)
# against a whole seg-recist. Best of RUNS, two threads; a busy machine spoils only the wall clock.
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

row() { # row WHAT NAME WALL CPU KB; WHAT: what peers are compared with it
	printf '%-10s %-44s %8.2f %8.2f   %s\n' "$1" "$2" "$3" "$4" "$([ "$5" -gt 0 ] && echo $(($5 / 1024)) MB)"
	printf '%s\t%s\t%s\n' "$1" "$3" "$4" >>"$tmp/ours"
}
call() { # call WHAT NAME METRICS SURFACE
	read -r ms cpu kb < <("$BENCH/score" "$tmp/both.ts" "$runs" "$3" "$4")
	row "$1" "$2 (call)" "$ms" "$cpu" "$kb"
}
process() { # process WHAT NAME RUNS COMMAND...
	read -r ms cpu kb < <("$BENCH/best" "$3" "${@:4}")
	row "$1" "$2 (process)" "$ms" "$cpu" "$kb"
}
surfaces=hd95_mm,assd_mm,nsd
printf '%-10s %-44s %8s %8s\n' "" "" "wall ms" "cpu ms"
call overlap "Dice and volumes" overlap,volume monai
call monai "HD95, ASSD, NSD" $surfaces monai
call deepmind "   --surface deepmind" $surfaces deepmind
process - "seg-score, Dice and volumes, of .ts" "$runs" seg-score --metrics overlap,volume -o /dev/null "$tmp/both.ts"
process - "   of .nii.gz" "$runs" seg-score --metrics overlap,volume -o /dev/null "$gtv" "$tmp/moved.nii.gz"
process - "   all columns, of .nii.gz" "$runs" seg-score -o /dev/null "$gtv" "$tmp/moved.nii.gz"
process diameter "seg-recist, of .nii.gz" "$runs" seg-recist -o /dev/null "$gtv"
process pairs "$pairs pairs: Dice, HD95, ASSD, NSD" 3 seg-score --metrics dice,$surfaces -o /dev/null "$tmp/truth" "$tmp/pred"
process - "   all columns" 3 seg-score -o /dev/null "$tmp/truth" "$tmp/pred"
[ -n "${PYTHON:-}" ] || exit 0
"$PYTHON" tests/bench/peer_score.py calls "$gtv" "$tmp/moved.nii.gz" "$runs" 2>/dev/null >"$tmp/peer"
read -r ms cpu _ < <("$BENCH/best" 1 "$PYTHON" tests/bench/peer_score.py pairs "$tmp/truth" "$tmp/pred" "$tmp/inside" 2>/dev/null)
{
	printf 'pairs\t%s\t%s\tPython with MONAI, %s pairs (process)\n' "$ms" "$cpu" "$pairs"
	printf 'pairs\t%s\tits imports not counted\n' "$(cat "$tmp/inside")"
} >>"$tmp/peer"
awk -F '\t' 'NR == FNR { ms[$1] = $2; cpu[$1] = $3; next }
	{ printf "%-10s %-44s %8.2f %8.2f   %.1fx wall, %.1fx cpu\n", $1, $4, $2, $3, $2 / ms[$1], $3 / cpu[$1] }' "$tmp/ours" "$tmp/peer"
