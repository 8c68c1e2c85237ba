#!/bin/bash
# What seg-window's ways to save windows are worth: windows run, and Dice to the mask of overlap 0.8 in full (mean and lowest of the cases; nothing in
# both is 1), where there is a truth Dice to it. The tables of seg-window(1) are from here.
# MODEL: a network as pipelines/demo.sh trains it (48x48x32 patches of 96x96x64 phantoms, HU -1024..325); it gets phantoms that it never saw, large ones
# too, and the real CTs at the phantoms' spacing and LUNG1-002 at its own.
# REAL: one trained on the real CTs LUNG1-001, LUNG1-002 and pat_3 at 2x2x3 mm (80x80x64 patches): it gets the CTs that it learned, and others.
# LARGE: one trained on the same at 0.977x0.977x0.943 mm (160x160x64 patches): it gets LUNG1-001 and -002 on 512x512x300 voxels, 3549 windows each; only asked
# for, as LARGE=FILE or LARGE=train.
# Those that are not given are trained first, which takes minutes each; KEEP=DIR keeps them.
set -u -o pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-1000}
data=$NIIPIPE_DATA/ct
draw() { nii-phantom -n "$2" --skip "$1" --seed 1 --volume 5,60 -s 96,96,64 "${@:3}"; }

if [ -z "${MODEL:-}" ]; then
	MODEL=${KEEP:-$tmp}/model.ts
	draw 0 64 | nii-normalize --window=-1024,325 >"$tmp/train.ts"
	learn() { # FILE FROM TO OPTION...: steps
		local to=$1 from=$2 end=$3
		shift 3
		nii-patch -s 48,48,32 --pos 0.4 --skip $((from * 4)) -n $((end * 4)) --seed 1 "$tmp/train.ts" | nii-augment --flip x --shift 0.1 --scale 0.1 --seed 1 |
			seg-train -q --net unet --channels 16,32,64,128 --strides 2,2,2 --res-units 1 --loss dicece --batch 4 -o "$to" "$@"
	}
	learn "$tmp/coarse.ts" 0 3000 --lr 1e-3 && learn "$MODEL" 3000 3800 --lr 2e-4 --init "$tmp/coarse.ts" || exit 1
fi

real() { # CASE...: prepared for the network of real CTs
	for c; do
		gtv=$data/${c}_gtv.nii.gz
		[ -e "$gtv" ] || gtv=
		nii-read ${gtv:+-l "$gtv"} "$data/${c}_ct.nii.gz"
	done | nii-resample -s 2,2,3 | nii-normalize --window=-1024,325
}
if [ -z "${REAL:-}" ] && [ -d "$data" ]; then
	REAL=${KEEP:-$tmp}/real.ts
	real LUNG1-001/LUNG1-001 LUNG1-002/LUNG1-002 pat_3/pat_3 >"$tmp/train.ts"
	nii-patch -s 80,80,64 --pos 0.5 -n 5000 --seed 1 "$tmp/train.ts" |
		nii-augment --flip x --rotate 10,10,10 --spatial-scale 0.9,1.1 --shift 0.1 --scale 0.1 --seed 1 |
		seg-train -q --net unet --channels 16,32,64,128,256 --strides 2,2,2,2 --res-units 1 --loss dicece --batch 2 --lr 1e-3 --schedule poly -o "$REAL" || exit 1
fi

# Rows: options. The first is what the others are compared with.
settings=${SETTINGS:-'--overlap 0.8
--overlap 0.25
--overlap 0.5
--overlap 0.5 --grid staggered
--overlap 0.67
--effort 2
--effort 3
--effort 4
--effort 3 --skip-air 0.1
--effort 3 --rule dice
--overlap 0.8 --rule dice'}

masks() { # masks DIR STREAM OPTION...: windows "run total"; of $net
	local dir=$1 stream=$2
	shift 2
	mkdir -p "$dir"
	seg-window -v --force -m "$net" "$@" -o "$tmp/pred.ts" "$stream" 2>"$tmp/log" || { cat "$tmp/log" >&2; exit 1; }
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

net=$MODEL
draw 102 "${CASES:-10}" | tee >(nii-write -t label -d "$tmp/truth") | nii-replay -m "$net" >"$tmp/phantoms.ts"
table "${CASES:-10} phantoms of 96x96x64, window 48,48,32" "$tmp/phantoms.ts" "$tmp/truth"
draw 202 2 -s 154,154,150 --spacing 3.6,3.6,4.5 | nii-replay -m "$net" >"$tmp/wide.ts"
table "2 phantoms of 154x154x150, window 48,48,32: as many windows as 512x512x300 has of 160,160,64" "$tmp/wide.ts" ""

[ -d "$data" ] || { echo "no $data: no real CTs"; exit 0; }
for ct in LUNG1-001/LUNG1-001 LUNG1-002/LUNG1-002 elastix/elastix cip/cip64 totalseg/example; do
	nii-read "$data/${ct}_ct.nii.gz"
done | nii-resample -s 3.6,3.6,4.5 | nii-normalize --window=-1024,325 >"$tmp/small.ts"
table "real CTs at 3.6x3.6x4.5 mm, window 48,48,32" "$tmp/small.ts" ""

net=$REAL
for ct in LUNG1-001/LUNG1-001 LUNG1-002/LUNG1-002; do
	real "$ct" | tee >(nii-write -t label -d "$tmp/gtv") >"$tmp/own.ts"
	table "${ct##*/}, which the network was trained on, at 2x2x3 mm, window 80,80,64" "$tmp/own.ts" "$tmp/gtv"
	rm -rf "$tmp/gtv"
done
real LUNG1-002/LUNG1-002 | nii-crop --pad --min-size 262,262,300 >"$tmp/wide.ts"
table "LUNG1-002 in the middle of 262x262x300 voxels, the rest air" "$tmp/wide.ts" ""
real elastix/elastix totalseg/example >"$tmp/others.ts"
table "2 CTs that it never saw" "$tmp/others.ts" ""

[ -n "${LARGE:-}" ] || exit 0
fine() { # SIZE CASE...: prepared for the network of large scans
	local size=$1 c
	shift
	for c; do nii-read -l "$data/${c}_gtv.nii.gz" "$data/${c}_ct.nii.gz"; done | nii-resample -s 0.977,0.977,0.943 | nii-normalize --window=-1024,325 |
		nii-crop --pad --min-size "$size"
}
if [ ! -e "$LARGE" ]; then
	LARGE=${KEEP:-$tmp}/large.ts
	learn_large() { # SIZE PATCHES POS SEED OPTION...: on scans padded with air to SIZE
		fine "$1" LUNG1-001/LUNG1-001 LUNG1-002/LUNG1-002 pat_3/pat_3 >"$tmp/train.ts"
		nii-patch -s 160,160,64 --pos "$3" -n "$2" --seed "$4" "$tmp/train.ts" |
			nii-augment --flip x --rotate 10,10,10 --spatial-scale 0.9,1.1 --shift 0.1 --scale 0.1 --seed "$4" |
			seg-train -q --net unet --loss dicece --lr 1e-3 --schedule poly "${@:5}"
	}
	learn_large 400,400,1 6000 0.5 1 -o "$tmp/first.ts" && learn_large 512,512,300 10000 0.25 11 --init "$tmp/first.ts" -o "$LARGE" || exit 1
fi
net=$LARGE
settings=${SETTINGS:-$(printf -- '--overlap 0.8\n--overlap 0.25\n--effort 2\n--effort 3\n--effort 4')}
for ct in LUNG1-001/LUNG1-001 LUNG1-002/LUNG1-002; do
	fine 512,512,300 "$ct" | tee >(nii-write -t label -d "$tmp/gtv") >"$tmp/own.ts"
	table "${ct##*/}, which the network was trained on, on 512x512x300 voxels, window 160,160,64" "$tmp/own.ts" "$tmp/gtv"
	rm -rf "$tmp/gtv"
done
