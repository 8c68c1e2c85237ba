#!/bin/bash
# What seg-window's ways to save windows are worth: windows run, and Dice to the mask of overlap 0.8 in full (mean and lowest of the cases; nothing in
# both is 1), on phantoms the network never saw also Dice to the truth. MODEL: a network as pipelines/demo.sh trains it (48x48x32 patches of 96x96x64
# phantoms, HU -1024..325); without it one is trained first, which takes minutes. Real CTs come at their own grids and at the phantoms' spacing.
# The table of seg-window(1) is from here.
set -u -o pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
draw() { nii-phantom -n "$2" --skip "$1" --seed 1 -s 96,96,64 --volume 5,60; }

if [ -z "${MODEL:-}" ]; then
	MODEL=$tmp/model.ts
	draw 0 64 | nii-normalize --window=-1024,325 >"$tmp/train.ts"
	learn() { # FILE FROM TO OPTION...: steps
		local to=$1 from=$2 end=$3
		shift 3
		nii-patch -s 48,48,32 --pos 0.4 --skip $((from * 4)) -n $((end * 4)) --seed 1 "$tmp/train.ts" | nii-augment --flip x --shift 0.1 --scale 0.1 --seed 1 |
			seg-train -q --net unet --channels 16,32,64,128 --strides 2,2,2 --res-units 1 --loss dicece --batch 4 -o "$to" "$@"
	}
	learn "$tmp/coarse.ts" 0 3000 --lr 1e-3 && learn "$MODEL" 3000 3800 --lr 2e-4 --init "$tmp/coarse.ts" || exit 1
fi

# Rows: options. The first is what the others are compared with.
settings='--overlap 0.8
--overlap 0
--overlap 0.25
--overlap 0.5
--overlap 0.5 --grid staggered
--overlap 0.67
--overlap 0.67 --grid staggered --refine 0.6
--effort 1
--effort 2
--effort 3
--effort 4
--effort 3 --skip-air 0.1
--effort 3 --rule dice
--overlap 0.8 --rule dice'

masks() { # masks DIR STREAM OPTION...: windows "run total"
	local dir=$1 stream=$2
	shift 2
	mkdir -p "$dir"
	seg-window -v --force -m "$MODEL" "$@" -o "$tmp/pred.ts" "$stream" 2>"$tmp/log" || { cat "$tmp/log" >&2; exit 1; }
	nii-write -d "$dir" -t pred "$tmp/pred.ts"
	awk '/ windows; network/ { for (i = 1; i < NF; i++) if ($i == "of") { run += $(i - 1); all += $(i + 1) } } END { print run, all }' "$tmp/log"
}

dice() { # dice DIR DIR: mean and lowest
	local args=() f
	for f in "$1"/*; do args+=("$f" "$2/${f##*/}"); done
	seg-score --union --empty one "${args[@]}" | awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "dice") c = i; next }
		$1 == "mean" { exit } { s += $c; n++; if (n == 1 || $c < least) least = $c } END { printf "%.4f\t%.4f", s / n, least }'
}

table() { # table NAME STREAM [TRUTH] OPTION...
	local name=$1 stream=$2 truth=$3 options run all
	shift 3
	printf '\n%s\noptions\twindows\tof\tDice to full: mean\tlowest%s\n' "$name" "${truth:+	Dice to truth: mean	lowest}"
	while read -r options; do
		# shellcheck disable=SC2086
		read -r run all < <(masks "$tmp/got" "$stream" "$@" $options)
		[ -d "$tmp/full" ] || cp -r "$tmp/got" "$tmp/full"
		printf '%s\t%s\t%s\t%s' "$options" "$run" "$all" "$(dice "$tmp/full" "$tmp/got")"
		[ -n "$truth" ] && printf '\t%s' "$(dice "$truth" "$tmp/got")"
		echo
		rm -rf "$tmp/got"
	done <<<"$settings"
	rm -rf "$tmp/full"
}

draw 102 "${CASES:-10}" | tee >(nii-write -t label -d "$tmp/truth") | nii-replay -m "$MODEL" >"$tmp/phantoms.ts"
table "${CASES:-10} phantoms of 96x96x64, window 48,48,32" "$tmp/phantoms.ts" "$tmp/truth"

for ct in LUNG1-001/LUNG1-001 LUNG1-002/LUNG1-002 elastix/elastix cip/cip64 totalseg/example; do
	[ -e "$NIIPIPE_DATA/ct/${ct}_ct.nii.gz" ] && nii-read "$NIIPIPE_DATA/ct/${ct}_ct.nii.gz"
done >"$tmp/real.ts"
[ -s "$tmp/real.ts" ] || { echo "no $NIIPIPE_DATA/ct: no real CTs"; exit 0; }
nii-resample -s 3.6,3.6,4.5 "$tmp/real.ts" | nii-normalize --window=-1024,325 >"$tmp/small.ts"
table "real CTs at 3.6x3.6x4.5 mm, window 48,48,32" "$tmp/small.ts" ""
nii-read "$NIIPIPE_DATA/ct/LUNG1-002/LUNG1-002_ct.nii.gz" | nii-normalize --window=-1024,325 >"$tmp/large.ts"
table "LUNG1-002 at its own grid, window 160,160,64" "$tmp/large.ts" "" --roi 160,160,64
