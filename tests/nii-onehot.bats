#!/usr/bin/env bats
# nii-onehot, and a cascade of nnU-Net: the second stage takes what the first one found, against nnU-Net's own prediction (tests/golden/make_cascade.py).
load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	G=$ROOT/tests/golden
	of_fp32
}

# two ID META TENSORS DATA: a frame of 1x1x3 voxels with an affine
two() { raw_frame "{\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"volume\",\"id\":\"$1\",\"affine\":\"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\"},$2}" "$3"; }
@test "labels become channels behind the image's own" {
	two a '"image":{"dtype":"I16","shape":[2,1,1,3],"data_offsets":[0,12]},"label":{"dtype":"U8","shape":[1,1,3],"data_offsets":[12,15]}' '\1\0\2\0\3\0\4\0\5\0\6\0\2\0\1' >a.ts
	two a '"image":{"dtype":"F32","shape":[5,1,1,3],"data_offsets":[0,60]}' "$(for v in 1 2 3 4 5 6 0 0 1 1 0 0 0 0 0; do perl -e 'printf "\\%03o\\%03o\\%03o\\%03o", unpack "C4", pack "f<", shift' "$v"; done)" >want.ts
	nii-onehot --classes 3 a.ts >b.ts
	ts-cmp b.ts want.ts
	nii-onehot --classes 3 <a.ts | ts-cmp --meta - b.ts
	ts-info b.ts | grep -qE '^ *history  1 nii-onehot [0-9.]+ \{"classes":3\}$'
	[ "$(nii-onehot --classes 2 a.ts | ts-info | sed -n 's/^ *image  *//p')" = "F32  [4,1,1,3] 48 bytes" ]
	# `previous` rather than the truth, which stays
	two a '"image":{"dtype":"I16","shape":[1,1,3],"data_offsets":[0,6]},"label":{"dtype":"U8","shape":[1,1,3],"data_offsets":[6,9]},"previous":{"dtype":"I64","shape":[1,1,3],"data_offsets":[9,33]}' \
		"\\1\\0\\2\\0\\3\\0\\1\\1\\1$(printf '\\0%.0s' {1..8})\\1$(printf '\\0%.0s' {1..15})" >p.ts
	[ "$(nii-onehot p.ts | ts-info --stats | sed -n 's/^ *\(image\|label\|previous\)  */\1 /p')" = "image F32  [2,1,1,3] 24 bytes, min 0, max 3, mean 1.16666667
label U8   [1,1,3] 3 bytes, min 1, max 1, mean 1" ]
	# and again on another volume, and undone: only the image changed
	raw_frame '{"__metadata__":{"niipipe":"1","kind":"model","id":"m","replay":"[{\"tool\":\"nii-onehot\",\"args\":{\"classes\":3}}]"}}' '' >m.ts
	nii-replay -m m.ts a.ts | ts-cmp --meta - b.ts
	nii-invert --keep-image b.ts | ts-cmp -t image - b.ts
}

@test "what is wrong" {
	two a '"image":{"dtype":"U8","shape":[1,1,3],"data_offsets":[0,3]},"label":{"dtype":"U8","shape":[1,1,3],"data_offsets":[3,6]}' '\1\2\3\0\0\4' >a.ts
	fails 1 "nii-onehot: a.ts: a: tensor 'label': label 4 at voxel 2,0,0 (expected 0 to 3)" nii-onehot --classes 3 -o out a.ts
	two a '"image":{"dtype":"U8","shape":[1,1,3],"data_offsets":[0,3]},"label":{"dtype":"I8","shape":[1,1,3],"data_offsets":[3,6]}' '\1\2\3\0\377\0' >n.ts
	fails 1 "nii-onehot: n.ts: a: tensor 'label': label -1 at voxel 1,0,0 (expected 0 to 1)" nii-onehot -o out n.ts
	two a '"image":{"dtype":"U8","shape":[1,1,3],"data_offsets":[0,3]}' '\1\2\3' >i.ts
	fails 1 "nii-onehot: i.ts: a: no tensor 'previous' or 'label' in this frame: what the model before it found (nii-read --with previous=FILE, segment.sh --previous)" nii-onehot -o out i.ts
	two a '"image":{"dtype":"U8","shape":[1,1,3],"data_offsets":[0,3]},"previous":{"dtype":"U8","shape":[1,1,2],"data_offsets":[3,5]}' '\1\2\3\0\0' >g.ts
	fails 1 "nii-onehot: g.ts: a: tensor 'previous' is on another grid than the frame's others" nii-onehot -o out g.ts
	two a '"image":{"dtype":"U8","shape":[1,1,3],"data_offsets":[0,3]},"label":{"dtype":"F32","shape":[1,1,1],"data_offsets":[3,7]}' '\1\2\3\0\0\0\0' >f.ts
	fails 1 "nii-onehot: f.ts: a: 'label' is on another grid than 'image' (1x1x1 against 3x1x1 voxels)" nii-onehot -o out f.ts
	fails 2 "nii-onehot: --classes: 0 is not in 1..255 (see nii-onehot --help)" nii-onehot --classes 0 a.ts
	raw_frame '{"__metadata__":{"niipipe":"1","kind":"model","id":"m","replay":"[{\"tool\":\"nii-onehot\",\"args\":{\"classes\":0}}]"}}' '' >m.ts
	fails 1 "nii-replay: m.ts: metadata replay: nii-onehot: classes: 0 is not 1 to 255" nii-replay -m m.ts a.ts
	[ ! -e out ]
}

@test "the second stage of nnU-Net's cascade does what nnU-Net does with it, from file and first stage's labels to labels" {
	mkdir two one
	cp -r "$G/cascade" two/nnUNetTrainer__nnUNetPlans__3d_cascade_fullres
	cp -r "$G/results" one/nnUNetTrainer__nnUNetPlans__3d_fullres
	seg-import two -o two.ts 2>said
	seg-import -q one -o one.ts
	predict="seg-window --overlap 0.5 --grid nnunet --mode nnunet --mirror yz --output logits | nii-invert --argmax"
	grep -qF "its own way to predict is $predict" said
	ts-info two.ts | grep -qF '{"args":{"classes":2},"tool":"nii-onehot"}]'
	# the labels that the first stage found, as nnU-Net found them: tests/import-folders.bats
	scan=$G/bundle/volume.nii.gz
	nii-read "$scan" | nii-replay -m one.ts | seg-window -m one.ts --overlap 0.5 --grid nnunet --mode nnunet --mirror xy --output logits |
		nii-invert --argmax | nii-write -o first.nii.gz
	nii-read "$scan" -l first.nii.gz | nii-replay -m two.ts | eval "${predict/-window/-window -m two.ts}" |
		ts-cmp --data-only -t pred - "$G/cascade.ts"
	# and by segment.sh, one after the other and as jobs
	mkdir scans
	cp "$scan" scans/volume.nii.gz
	"$ROOT/pipelines/segment.sh" --precision fp32 -d first one.ts scans/volume.nii.gz 2>/dev/null
	"$ROOT/pipelines/segment.sh" --precision fp32 -d second --previous first two.ts scans/volume.nii.gz 2>/dev/null
	nii-read scans/volume.nii.gz -l second/volume.nii.gz | LC_ALL=C sed '1s/"label":/"pred" :/' | ts-cmp --data-only -t pred - "$G/cascade.ts"
	if command -v parallel >/dev/null; then
		"$ROOT/pipelines/segment.sh" --precision fp32 -d jobs -j 2 --previous first two.ts scans/volume.nii.gz 2>/dev/null
		nii-read scans/volume.nii.gz -l jobs/volume.nii.gz | LC_ALL=C sed '1s/"label":/"pred" :/' | ts-cmp --data-only -t pred - "$G/cascade.ts"
	fi
	run "$ROOT/pipelines/segment.sh" -d third two.ts scans/volume.nii.gz
	[ "$status" -eq 1 ]
	[[ $output == *"nii-onehot: no tensor 'previous' or 'label' in this frame"* ]]
	fails 2 "segment.sh: --previous: masks would replace those of the stage before: give another directory with -d (see segment.sh --help)" \
		"$ROOT/pipelines/segment.sh" -d first/ --previous first two.ts scans/volume.nii.gz
	fails 2 "segment.sh: --previous: 'none' is no directory (see segment.sh --help)" "$ROOT/pipelines/segment.sh" --previous none two.ts scans/volume.nii.gz
	fails 1 "nii-replay: standard input: volume: nii-onehot: no tensor 'previous' or 'label' in this frame: what the model before it found (nii-read --with previous=FILE, segment.sh --previous)" \
		nii-replay -m two.ts < <(nii-read "$scan")
}

@test "a second stage is trained: labels become channels behind the augmentation; the model asks for the same" {
	nii-phantom -n 2 --seed 2 --size 40,36,24 --spacing 9,9,13 --healthy 0 --volume 40,60 -o p.ts
	nii-write -d ct -t image p.ts
	nii-write -d truth -t label p.ts # and in place of what a first stage found
	nii-read --pairs --print ct/*.nii.gz truth/*.nii.gz >cases.tsv 2>/dev/null || printf '%s\tct/%s.nii.gz\ttruth/%s.nii.gz\n' phantom-0001{,,} phantom-0002{,,} >cases.tsv
	nii-read -L cases.tsv --with previous=truth | nii-normalize --window=-1024,325 -o prepared.ts
	nii-onehot -o val.ts prepared.ts
	nii-patch -s 16,16,8 --pos 0.5 -n 60 --seed 1 prepared.ts | nii-augment --flip x --previous-ball 1,2 --prob-previous-ball 0.3 --seed 1 | nii-onehot |
		seg-train --net unet --channels 8,16 --strides 2 --res-units 1 --batch 2 --lr 1e-2 --val val.ts -q -o two.ts
	ts-info two.ts | grep -qF '"tool":"nii-normalize"},{"args":{"classes":1},"tool":"nii-onehot"}]'
	[[ $(ts-info --history two.ts) == *"| nii-patch "*"| nii-augment "*"| nii-onehot --classes 1 | seg-train "* ]]
	[ "$(ts-info --history two.ts | grep -o nii-onehot | wc -l)" -eq 1 ]
	"$ROOT/pipelines/train.sh" -d run -n 60 --patch '-s 16,16,8 --pos 0.5 --seed 1' --augment '--flip x --previous-ball 1,2 --prob-previous-ball 0.3 --seed 1' --onehot 1 \
		--train '--net unet --channels 8,16 --strides 2 --res-units 1 --batch 2 --lr 1e-2 --val val.ts -q' prepared.ts
	ts-cmp run/model.ts two.ts
	fails 2 "train.sh: --onehot: '0' is not a number of labels (see train.sh --help)" "$ROOT/pipelines/train.sh" -d run -n 60 --onehot 0 prepared.ts
	# it found out that the answer is among its channels
	nii-read ct/phantom-0001.nii.gz -l truth/phantom-0001.nii.gz | nii-replay -m two.ts | seg-window -m two.ts | nii-write -t pred -o mask.nii.gz
	seg-score --metrics dice truth/phantom-0001.nii.gz mask.nii.gz --min dice=0.6 >/dev/null
}
