#!/usr/bin/env bats
load helper
load preprocess

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	nii-phantom -n 2 --seed 3 --size 25,21,17 --spacing 13,15,20 -o p.ts
}

steps='[{"tool":"nii-resample","args":{"spacing":[16,16,16],"interp":"linear","align":"monai"}},{"tool":"nii-normalize","args":{"range":[-1000,400,0,1],"clip":true}},{"tool":"nii-crop","args":{"above":0.1,"margin":[0,0,10],"margin_voxels":[1,0,0],"inside":false,"min_size":[0,0,0],"multiple":[4,4,4],"fill":0}}]'

@test "a replay is the pipeline it came from, byte for byte" {
	model "$steps" >m.ts
	nii-resample -s 16 p.ts | nii-normalize --window=-1000,400 | nii-crop --above 0.1 --margin 0,0,10 --margin-voxels 1,0,0 --multiple 4 -o want.ts
	nii-replay -m m.ts p.ts | cmp - want.ts
	cat p.ts | nii-replay -m m.ts | cmp - want.ts
}

@test "what a tool records is what a replay reads" {
	nii-resample -s 16 --interp nearest p.ts | nii-normalize --zscore-nonzero --channel-wise | nii-crop --above 0 --inside --min-size 9 -o want.ts
	ts-select --index 0 want.ts -o first.ts
	args=$(meta first.ts history | sed -e 's/"affine":\[[^]]*\],//g' -e 's/"size":\[[0-9,]*\],//g' -e 's/"undo":{[^}]*},//g' -e 's/,"version":"[^"]*"//g' -e 's/{[^{]*{[^{}]*},"tool":"nii-phantom"},//')
	model "$args" >m.ts
	nii-replay -m m.ts p.ts | cmp - want.ts
}

@test "no steps: the volumes as they are" {
	model '[]' >m.ts
	nii-replay -m m.ts p.ts | cmp - p.ts
}

@test "errors: not a model, no replay, unknown step or argument, prepared before" {
	fails 1 "nii-replay: p.ts: first frame is of kind 'volume' (expected a model)" nii-replay -m p.ts p.ts
	raw_frame '{"__metadata__":{"kind":"model"}}' >m.ts
	fails 1 "nii-replay: m.ts: the model has no metadata replay: how its data were prepared is not known" nii-replay -m m.ts p.ts
	model '[{"tool":"nii-blur","args":{}}]' >m.ts
	fails 1 "nii-replay: m.ts: metadata replay: unknown step 'nii-blur'" nii-replay -m m.ts p.ts
	model '[{"tool":"nii-normalize","args":{"range":[0,1,0,1],"clip":true,"blur":1}}]' >m.ts
	fails 1 "nii-replay: m.ts: metadata replay: nii-normalize: unknown argument 'blur'" nii-replay -m m.ts p.ts
	model '[{"tool":"nii-normalize","args":{"range":[0,1,0],"clip":true}}]' >m.ts
	fails 1 "nii-replay: m.ts: metadata replay: nii-normalize: argument 'range' is malformed" nii-replay -m m.ts p.ts
	model '[{"tool":"nii-crop","args":{"above":1}}]' >m.ts
	fails 1 "nii-replay: m.ts: metadata replay: nii-crop: argument 'margin' is missing" nii-replay -m m.ts p.ts
	model '[{"tool":"nii-resample","args":{"spacing":[1,-1,1],"interp":"linear","align":"monai"}}]' >m.ts
	fails 1 "nii-replay: m.ts: metadata replay: nii-resample: spacing on axis y is below 0" nii-replay -m m.ts p.ts
	model '[{"tool":"nii-resample","args":{"spacing":[0,0,0],"interp":"linear","align":"monai"}}]' >m.ts
	fails 1 "nii-replay: m.ts: metadata replay: nii-resample: spacing is 0 on all axes" nii-replay -m m.ts p.ts
	model '{}' >m.ts
	fails 1 "nii-replay: m.ts: metadata replay: not an array" nii-replay -m m.ts p.ts
	model "$steps" >m.ts
	ts-select --index 0 p.ts | nii-normalize --zscore -o n.ts
	id=$(meta n.ts id)
	fails 1 "nii-replay: n.ts: $id: went through nii-normalize before: replay starts from what nii-read made" nii-replay -m m.ts n.ts
	fails 2 "nii-replay: --model is needed (see nii-replay --help)" nii-replay p.ts
	fails 1 "nii-replay: /no/such: cannot open: No such file or directory" nii-replay -m /no/such p.ts
}

@test "of the model only the header is read" {
	model '[]' | head -c -2 >m.ts # a mapped file is checked for its length
	fails 1 "nii-replay: m.ts: ends inside a frame's data (offset $(stat -c %s m.ts), expected 2 bytes, found 0)" nii-replay -m m.ts p.ts
}

@test "what was turned is of the same preparation as what was not: patches, validation and a run that goes on take both" {
	nii-phantom -n 2 --seed 4 -s 20,16,12 -o v.ts # LPS
	nii-resample -s 16 v.ts | nii-normalize --window=-1000,400 >t.ts
	local how="--channels 4,8 --strides 2 -q"
	nii-patch -s 8,8,8 -n 2 t.ts | seg-train $how -o m.ts
	for t in image label; do nii-resample --orient SRA v.ts | ts-select --index 1 | nii-write -t $t -o $t.nii; done
	nii-read -l label.nii image.nii >turned.ts
	(ts-select --index 0 v.ts && cat turned.ts) | nii-replay -m m.ts >both.ts
	nii-patch -s 8,8,8 -n 4 both.ts >p.ts
	seg-train $how --val both.ts --save-every 1 -o n.ts p.ts
	[ "$(ts-info n.ts | grep -aE '^  (replay|orient)')" = "$(ts-info m.ts | grep -aE '^  (replay|orient)')" ]
	nii-patch -s 8,8,8 -n 6 --skip 4 both.ts | seg-train -q --resume n.last.ts --val both.ts -o n.ts
	nii-replay -m n.ts turned.ts | seg-window -m n.ts | nii-invert | ts-info | grep -qF "12x20x16 voxels"
}
