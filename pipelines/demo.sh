#!/bin/bash
# demo.sh [--quick] [-d DIR]: the whole job on synthetic chests: draw patients, train a network, segment patients it never saw, score, make pictures.
# A few minutes on two cores; --quick: seconds, too short to learn much.
set -eu -o pipefail
dir=demo quick=0
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=1 ;;
	-d) dir=${2:?demo.sh: -d needs a directory}; shift ;;
	--help) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
	*) echo "demo.sh: unknown option $1 (see demo.sh --help)" >&2; exit 2 ;;
	esac
	shift
done
# shellcheck source=pipelines/tools.bash
. "$(dirname "$(realpath "$0")")/tools.bash"

# What is drawn, and how many steps are trained. On a slow machine training ends after `most` seconds, and the best model so far is taken.
train=96 val=6 test=10 size=96,96,64 volume=5,60 patch=48,48,32 channels=16,32,64,128 strides=2,2,2 batch=4 steps=2800 every=200 most=280
if [ $quick = 1 ]; then
	train=8 val=1 test=2 size=48,48,32 volume=20,60 patch=32,32,32 channels=8,16,32 strides=2,2 batch=2 steps=12 every=4 most=50
fi

say() { printf '\n== %s\n' "$1"; }
began=$SECONDS
if [ -e "$dir" ] && [ ! -e "$dir/.demo" ]; then
	echo "demo.sh: $dir: is there already and no demo's: give another with -d" >&2
	exit 1
fi
rm -rf "$dir"
mkdir -p "$dir/pictures" "$dir/masks"
: >"$dir/.demo"

say "drawing $((train + val + test)) patients"
draw() { nii-phantom -n "$2" --skip "$1" --seed 1 -s "$size" --volume "$volume" --healthy "$3"; }
prepare() { nii-normalize --window=-1024,325; }
draw 0 "$train" 0.05 | prepare >"$dir/train.ts"
draw "$train" "$val" 0 | prepare >"$dir/val.ts"
draw $((train + val)) "$test" 0 >"$dir/test.ts"

say "training a UNet ($channels), $steps steps of $batch patches of $patch voxels"
trained() { [ "$3" = 124 ] || [ "$1$2$3" = 000 ]; } # 124: time was up, and the patches broke off
nii-patch -s "$patch" --pos 0.4 -n $((steps * batch)) --seed 1 "$dir/train.ts" | nii-augment --flip x --shift 0.1 --scale 0.1 --seed 1 |
	timeout --foreground -s TERM "$most" seg-train --net unet --channels "$channels" --strides "$strides" --res-units 1 --loss dicece --batch "$batch" \
		--lr 1e-3 --schedule poly --val "$dir/val.ts" --val-every "$every" --val-roi "$size" --log "$dir/train.tsv" -o "$dir/model.ts" ||
	trained "${PIPESTATUS[@]}"
[ -s "$dir/model.ts" ] || cp "$dir/model.last.ts" "$dir/model.ts" # a slow machine: time was up before the first validation
rm -f "$dir/model.last.ts"
reached=$(awk 'NR > 1 { n = $1 } END { print n + 0 }' "$dir/train.tsv")
[ "$reached" = "$steps" ] || echo "its $most s were over at step $reached of $steps, as on a slow or busy machine: the masks are the worse for it"

say "segmenting $test patients it never saw"
nii-replay -m "$dir/model.ts" "$dir/test.ts" | seg-window -m "$dir/model.ts" --roi "$size" --keep-image | cc-largest | nii-invert --keep-image >"$dir/pred.ts"
nii-write -d "$dir/masks" "$dir/pred.ts"

say "scores"
seg-score --history "$dir/scores.tsv.history" -o "$dir/scores.tsv" "$dir/pred.ts"
cut -f 1-3 "$dir/scores.tsv"
nii-view --montage 6 --recist -d "$dir/pictures" "$dir/pred.ts"

make -s -f "$(dirname "$(realpath "$0")")/figures.mk" LOG="$dir/train.tsv" SCORES="$dir/scores.tsv" DIR="$dir/figures" FORMATS=svg figures
seg-report --title "niipipe's demo" -s "$dir/scores.tsv" -l "$dir/train.tsv" -m "$dir/model.ts" -o "$dir/report.html" "$dir/pred.ts"

cat <<-EOF

	== done in $(((SECONDS - began) / 60)) min $(((SECONDS - began) % 60)) s
	mean Dice on unseen patients: $(awk -F'\t' '$1 == "mean" { print $3; exit }' "$dir/scores.tsv")

	pictures (truth blue, prediction orange, both yellow):
	$(for p in "$dir"/pictures/*.png; do echo "  $p"; done)
	report:          $dir/report.html   (open it in a browser)
	figures:         $dir/figures/
	scores:          $dir/scores.tsv
	masks (NIfTI):   $dir/masks/
	model:           $dir/model.ts   (for your own scans: ${0%demo.sh}segment.sh $dir/model.ts scan.nii.gz)
EOF
