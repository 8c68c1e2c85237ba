#!/usr/bin/env bats
# seg-window: a small UNet's logits as MONAI gives them (tests/golden/make_window.py), options, what it refuses.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	cp "$BATS_TEST_DIRNAME"/golden/window_model.ts model.ts
	for i in 0 1 2; do "$BATS_TEST_DIRNAME/../build/bin/ts-select" --index $i "$BATS_TEST_DIRNAME"/golden/window_net.ts >net$i.ts; done
}
setup() { cd "$BATS_FILE_TMPDIR" || return 1; }

same() { ts-cmp -t prob --atol 1e-4 --rtol 1e-4 "$@"; }

@test "logits as MONAI's: overlap 0.25, 0.5, 0.8, gaussian and constant" {
	seg-window -m model.ts --roi 12,16,8 --output logits net0.ts | same - net0.ts
	seg-window -m model.ts --roi 12,16,8 --overlap .5 --mode constant --output logits net1.ts | same - net1.ts
	seg-window -m model.ts --roi 12,12,8 --overlap .8 --output logits net2.ts | same - net2.ts
}

@test "the model's own window, batches, threads: the same logits" {
	seg-window -m model.ts --output logits net0.ts >one.ts
	same one.ts net0.ts
	seg-window -m model.ts --output logits --batch 5 net0.ts | ts-cmp -t prob --atol 1e-5 - one.ts
	seg-window -m model.ts --output logits --threads 1 net0.ts | ts-cmp --meta - one.ts
	seg-window -m model.ts --output logits --threads 3 net0.ts | ts-cmp --meta - one.ts
}

@test "labels are the highest logit, probabilities add up to them" {
	seg-window -m model.ts net0.ts >labels.ts
	seg-window -m model.ts --output logits net0.ts | seg-argmax | ts-cmp -t pred - labels.ts
	seg-window -m model.ts --output prob net0.ts | seg-argmax | ts-cmp -t pred - labels.ts
	seg-window -m model.ts --output prob net0.ts >prob.ts
	seg-window -m model.ts --output logits net0.ts | seg-argmax --threshold .5 | ts-cmp -t pred - <(seg-argmax --threshold .5 prob.ts)
	grep -aqF '"prob":"probabilities"' prob.ts
	# not all one class
	! seg-window -m model.ts net0.ts | ts-cmp -q -t pred - <(volume net0 U8 13,18,21 "$(printf '\\0%.0s' {1..4914})" pred)
}

@test "several frames, in order; image dropped or kept; history" {
	seg-window -m model.ts net0.ts net2.ts >both.ts
	cat net0.ts net2.ts | seg-window -m model.ts | ts-cmp --meta - both.ts
	ts-select --index 1 both.ts | ts-cmp - <(seg-window -m model.ts net2.ts)
	[ "$(grep -acF '"image"' both.ts)" = 0 ]
	seg-window -m model.ts --keep-image net0.ts | ts-cmp -t image - net0.ts
	seg-window -m model.ts --overlap .5 net0.ts | grep -aqF '\"args\":{\"mode\":\"gaussian\",\"model\":\"model.ts\",\"output\":\"labels\",\"overlap\":0.5,\"roi\":[12,16,8],\"sigma\":0.125},\"tool\":\"seg-window\"'
}

@test "other tensors ride along; images of any type" {
	h='"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"}'
	raw_frame "{$h,\"image\":{\"dtype\":\"I16\",\"shape\":[1,1,2,2],\"data_offsets\":[0,8]},\"label\":{\"dtype\":\"U8\",\"shape\":[1,2,2],\"data_offsets\":[8,12]}}" \
		'\1\0\2\0\377\377\0\0\1\2\3\4' >i16.ts
	raw_frame "{$h,\"image\":{\"dtype\":\"F32\",\"shape\":[1,1,2,2],\"data_offsets\":[0,16]},\"label\":{\"dtype\":\"U8\",\"shape\":[1,2,2],\"data_offsets\":[16,20]}}" \
		'\0\0\200\77\0\0\0\100\0\0\200\277\0\0\0\0\1\2\3\4' >f32.ts
	seg-window -m model.ts --output logits i16.ts | ts-cmp - <(seg-window -m model.ts --output logits f32.ts)
	seg-window -m model.ts i16.ts | ts-cmp -t label - i16.ts
	cat f32.ts | seg-window -m model.ts | ts-cmp - <(seg-window -m model.ts f32.ts)
}

@test "a window of 0 is the whole axis, padded to what fits" {
	seg-window -m model.ts --roi 0,0,0 --output logits net0.ts | ts-cmp -t prob - <(seg-window -m model.ts --roi 24,20,16 --output logits net0.ts)
	seg-window -m model.ts --roi 12,0,8 --output logits net0.ts | ts-cmp -t prob - <(seg-window -m model.ts --roi 12,20,8 --output logits net0.ts)
}

@test "what it refuses" {
	fails 2 "seg-window: no model: give -m FILE (see seg-window --help)" seg-window net0.ts
	fails 2 "seg-window: --overlap: 1 is not in 0..0.999 (see seg-window --help)" seg-window -m model.ts --overlap 1 net0.ts
	fails 1 "seg-window: nosuch.ts: cannot open: No such file or directory" seg-window -m nosuch.ts net0.ts
	fails 1 "seg-window: device 'abacus' is none of auto, cpu, cuda, cuda:N" seg-window -m model.ts --device abacus net0.ts
	fails 1 "seg-window: roi: input of 10,16,8 voxels (x,y,z) does not fit the network: it takes multiples of 4,4,4" seg-window -m model.ts --roi 10,16,8 net0.ts
	fails 1 "seg-window: net0.ts: is not a model: its first frame is of kind 'volume', not 'model' (offset 0)" seg-window -m net0.ts net0.ts
	head -c 70000 model.ts >cut.ts
	fails 1 "seg-window: cut.ts: ends inside a frame's data (offset 70000, expected 73076 bytes, found 66272)" seg-window -m cut.ts net0.ts
	h='"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"}'
	raw_frame "{$h,\"image\":{\"dtype\":\"F32\",\"shape\":[1,3,1,1],\"data_offsets\":[0,12]}}" '\0\0\0\0\0\0\0\0\0\0\300\177' >nan.ts
	fails 1 "seg-window: nan.ts: a: the image has values that are not finite in slice 2" seg-window -m model.ts nan.ts
	raw_frame "{$h,\"image\":{\"dtype\":\"U8\",\"shape\":[2,3,1,1],\"data_offsets\":[0,6]}}" '\0\0\0\0\0\0' >two.ts
	fails 1 "seg-window: two.ts: a: the image has 2 channels, the model wants 1" seg-window -m model.ts two.ts
	volume a U8 3,1,1 '\0\0\0' image >three.ts
	fails 1 "seg-window: three.ts: a: tensor 'image' has 3 axes (expected [C,Z,Y,X])" seg-window -m model.ts three.ts
	volume a U8 3,1,1 '\0\0\0' label >noimage.ts
	fails 1 "seg-window: noimage.ts: a: no tensor 'image' in this frame" seg-window -m model.ts noimage.ts
	raw_frame "{$h,\"image\":{\"dtype\":\"U8\",\"shape\":[1,3,1,1],\"data_offsets\":[0,3]},\"label\":{\"dtype\":\"U8\",\"shape\":[3,1,2],\"data_offsets\":[3,9]}}" \
		'\0\0\0\0\0\0\0\0\0' >grids.ts
	fails 1 "seg-window: grids.ts: a: 'label' is on another grid than 'image' (2x1x3 against 1x1x3 voxels)" seg-window -m model.ts grids.ts
}

@test "nothing is left behind after a failure" {
	mkdir -p left
	cat net0.ts nan.ts >mixed.ts
	fails 1 "seg-window: mixed.ts: a: the image has values that are not finite in slice 2" seg-window -m model.ts -o left/out.ts mixed.ts
	[ -z "$(ls -A left)" ]
}

@test "a volume prepared otherwise is refused unless forced" {
	h='"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1","history":"[{\"tool\":\"nii-normalize\",\"args\":{\"zscore\":true}}]"}'
	raw_frame "{$h,\"image\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1],\"data_offsets\":[0,1]}}" '\1' >z.ts
	fails 1 "seg-window: z.ts: a: is not prepared as the model's training data: step 1 is nii-normalize {\"zscore\":true}, the model wants nothing" seg-window -m model.ts z.ts
	seg-window --force -m model.ts z.ts | grep -aqF '"pred"'
}

@test "progress as JSON" {
	seg-window -m model.ts --progress json net0.ts 2>log >/dev/null
	grep -q '{"tool": "seg-window", "unit": "window", "done": 8, "total": 8,' log
	seg-window -m model.ts net0.ts 2>log >/dev/null
	[ ! -s log ]
}
