#!/usr/bin/env bats
# seg-window: a small UNet's logits as MONAI gives them (tests/golden/make_window.py), options, what it refuses.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	cp "$BATS_TEST_DIRNAME"/golden/window_model.ts model.ts
	for i in 0 1 2; do "$BATS_TEST_DIRNAME/../build/bin/ts-select" --index $i "$BATS_TEST_DIRNAME"/golden/window_net.ts >net$i.ts; done
}
setup() { cd "$BATS_FILE_TMPDIR" || return 1; }

differ() { if ts-cmp -q "$@"; then echo "no difference: $*"; return 1; fi; }
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
	seg-window -m model.ts --overlap .5 net0.ts | grep -aqE '\\"args\\":\{\\"hash\\":\[\\"[0-9a-f]{16}\\"\],\\"mode\\":\\"gaussian\\",\\"model\\":\\"model.ts\\",\\"output\\":\\"labels\\",\\"overlap\\":0.5,\\"roi\\":\[12,16,8\],\\"sigma\\":0.125\},\\"tool\\":\\"seg-window\\"'
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

@test "through a pipe, while it comes and goes: the same bytes" {
	ts-select -t image net0.ts >bare.ts
	for o in "" "--effort 3" "--output prob" "--output logits --batch 3" "--output prob --keep-image" "--skip-air 0.5 --overlap 0" "--threshold .3"; do
		seg-window --force -m model.ts $o bare.ts >file.ts
		cat bare.ts | seg-window --force -m model.ts $o | ts-cmp --meta - file.ts
		cat bare.ts net2.ts bare.ts | seg-window --force -m model.ts $o >three.ts
		for i in 0 2; do ts-select --index $i three.ts | ts-cmp --meta - file.ts; done
		ts-select --index 1 three.ts | ts-cmp --meta - <(seg-window --force -m model.ts $o net2.ts)
	done
	[ "$(cat bare.ts | seg-window -m model.ts --output prob | ts-info --json | grep -c '"prob"')" -gt 0 ]
	seg-window --force -m model.ts --keep-image bare.ts | ts-cmp -t image - bare.ts
	# what comes broken: what was written is no frame, and nothing stays under a name
	head -c -100 bare.ts >cut.ts
	mkdir -p piped
	fails 1 "seg-window: standard input: ends inside a frame's data (offset $(wc -c <cut.ts), expected 19656 bytes, found 19556)" bash -c 'cat cut.ts | seg-window -m model.ts -o piped/out.ts'
	[ -z "$(ls -A piped)" ]
	run bash -c 'cat cut.ts | seg-window -m model.ts 2>/dev/null | ts-info'
	[ "$status" = 1 ]
	[ "$output" = "ts-info: standard input: no frame at all: empty, or what should have written it failed" ]
	TMPDIR=/nowhere fails 1 "seg-window: /nowhere: cannot make a temporary file: No such file or directory" seg-window -m model.ts --output prob bare.ts
	run bash -c 'ulimit -f 1; seg-window -m model.ts --output prob bare.ts 2>&1 >/dev/null | cat'
	[[ $output =~ ^'seg-window: '.*': cannot write a temporary file (offset '[0-9]+'): File too large'$ ]]
}

@test "a window of 0 is the whole axis, padded to what fits" {
	seg-window -m model.ts --roi 0,0,0 --output logits net0.ts | ts-cmp -t prob - <(seg-window -m model.ts --roi 24,20,16 --output logits net0.ts)
	seg-window -m model.ts --roi 12,0,8 --output logits net0.ts | ts-cmp -t prob - <(seg-window -m model.ts --roi 12,20,8 --output logits net0.ts)
}

@test "several models: the mean of their logits or probabilities, as of streams" {
	nii-patch -s 12,16,8 -n 1 --seed 1 <(nii-phantom -n 1 --size 16,20,12 --spacing 9,9,13 --seed 3) |
		seg-train --net unet --channels 4,8,16 --strides 2,2 --res-units 2 --seed 7 -q -o other.ts
	seg-window -m model.ts --output logits net0.ts >a.ts
	seg-window -m other.ts --output logits net0.ts >b.ts
	seg-argmax --keep-prob a.ts b.ts >mean.ts
	seg-window -m model.ts -m other.ts --output logits net0.ts >both.ts
	ts-cmp -t prob --atol 1e-5 both.ts mean.ts
	seg-window -m model.ts -m other.ts net0.ts | ts-cmp -t pred - mean.ts
	differ -t prob both.ts a.ts
	differ -t prob both.ts b.ts
	seg-window -m model.ts -m model.ts --mean prob --output prob net0.ts | ts-cmp -t prob --atol 1e-6 - <(seg-window -m model.ts --mean prob --output prob net0.ts)
	# one window: the mean over windows is none, so the probabilities' mean is that of the streams'
	w="--roi 24,20,16 --output prob"
	seg-argmax --keep-prob <(seg-window -m model.ts $w net0.ts) <(seg-window -m other.ts $w net0.ts) >mean.ts
	seg-window -m model.ts -m other.ts --mean prob $w net0.ts | ts-cmp -t prob --atol 1e-6 - mean.ts
	for t in 1 3; do seg-window --threads $t -m model.ts -m other.ts --mirror xy --mean prob --output prob net0.ts | sha256sum; done | uniq | wc -l | grep -qx 1
	grep -aqF '\"models\":[\"model.ts\",\"other.ts\"]' both.ts
}

@test "models that don't go together" {
	ph() { nii-phantom -n 1 --size 16,20,12 --spacing 9,9,13 --seed 3; }
	train() { seg-train --net unet --channels 4,8 --strides 2 --res-units 1 -q "$@"; }
	nii-patch -s 12,16,8 -n 1 --seed 1 <(ph) | train --classes 3 -o three.ts
	nii-patch -s 12,16,8 -n 1 --seed 1 <(ph | nii-normalize --zscore) | train -o zscore.ts
	nii-patch -s 8,8,8 -n 1 --seed 1 <(ph) | train -o small.ts
	fails 1 "seg-window: three.ts: gives 3 classes, model.ts 2: models of different jobs" seg-window -m model.ts -m three.ts net0.ts
	fails 1 "seg-window: zscore.ts: wants volumes that are prepared otherwise than for model.ts" seg-window -m model.ts -m zscore.ts net0.ts
	fails 1 "seg-window: small.ts: was trained on patches of 8,8,8 voxels, model.ts of 12,16,8" seg-window -m model.ts -m small.ts net0.ts
}

@test "mirror: the mean over flips" {
	seg-window -m model.ts --roi 24,20,16 --output logits net0.ts >plain.ts
	seg-window -m model.ts --roi 24,20,16 --mirror x --output logits net0.ts >x.ts
	differ -t prob plain.ts x.ts
	seg-window -m model.ts --mirror xyz --output logits net0.ts >xyz.ts
	for t in 1 3; do seg-window -m model.ts --mirror xyz --threads $t --output logits net0.ts | ts-cmp --meta - xyz.ts; done
	seg-window -m model.ts --mirror xyz --batch 3 --output logits net0.ts | ts-cmp -t prob --atol 1e-5 - xyz.ts
	grep -aqF '\"mirror\":\"xyz\"' xyz.ts
}

@test "grids, nnU-Net's Gaussian, padding" {
	for o in "--grid nnunet" "--grid staggered" "--mode nnunet" "--padding reflect --roi 24,20,16" "--padding replicate --roi 24,20,16" "--padding circular --roi 24,20,16" \
		"--fill 3 --roi 24,20,16"; do
		seg-window -m model.ts $o --output logits net0.ts >o.ts
		differ -t prob o.ts net0.ts
		seg-window -m model.ts $o --threads 1 --output logits net0.ts | ts-cmp --meta - o.ts
	done
	fails 1 "seg-window: net0.ts: net0: the z axis has 13 voxels: too few to pad it with 14 of its own" seg-window -m model.ts --padding reflect --roi 12,16,40 net0.ts
	fails 1 "seg-window: net0.ts: net0: the z axis has 13 voxels: too few to pad it with 14 of its own" seg-window -m model.ts --padding circular --roi 12,16,40 net0.ts
}

@test "effort: its steps are what the page says; refine is exact where nothing is certain" {
	seg-window -m model.ts --overlap 0.8 --output logits net0.ts >full.ts
	for e in "1 --overlap 0.25" "2 --overlap 0.8 --refine 0.6 --gain 0.001" "3 --overlap 0.8 --refine 0.6" "4 --overlap 0.8 --refine 0.7 --gain 0.00003" "5 --overlap 0.8"; do
		seg-window -m model.ts --effort ${e%% *} --output logits net0.ts | ts-cmp - <(seg-window -m model.ts ${e#* } --output logits net0.ts)
	done
	seg-window -m model.ts --effort 2 net0.ts >effort.ts
	[ "$(ts-info --history effort.ts | head -1)" = "seg-window --effort 2 --mode gaussian --model model.ts --output labels --roi 12,16,8 --sigma 0.125" ]
	seg-window -m model.ts --overlap 0.8 --refine 0.999999 --gain 0 --output logits net0.ts | ts-cmp -t prob --atol 1e-5 - full.ts
	seg-window -v -m model.ts --effort 5 net0.ts 2>&1 >/dev/null | grep -E '^seg-window: net0: ([0-9]+) of \1 windows; network [0-9.]+ s, all else [0-9.]+ s \([0-9.]+ %\)$'
	fails 2 "seg-window: --effort sets --overlap, --grid, --refine and --gain: give it or them (see seg-window --help)" seg-window -m model.ts --effort 3 --overlap .5 net0.ts
	fails 2 "seg-window: --gain says what --refine leaves out: give both (see seg-window --help)" seg-window -m model.ts --gain .1 net0.ts
}

@test "air and what a mask leaves out is background" {
	h='"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"}'
	n=$((8 * 16 * 36)) # a row of three windows: air, something, air
	raw_frame "{$h,\"image\":{\"dtype\":\"U8\",\"shape\":[1,8,16,36],\"data_offsets\":[0,$n]},\"label\":{\"dtype\":\"U8\",\"shape\":[8,16,36],\"data_offsets\":[$n,$((2 * n))]}}" \
		"$(for _ in $(seq 128); do printf '\\0%.0s' {1..12}; printf '\\7%.0s' {1..12}; printf '\\0%.0s' {1..12}; done; for _ in $(seq 128); do printf '\\0%.0s' {1..24}; printf '\\2%.0s' {1..12}; done)" >row.ts
	run="seg-window -v -m model.ts --overlap 0 --output prob row.ts"
	$run >all.ts 2>log && grep -q ' 3 of 3 windows' log
	$run --skip-air 0 >air.ts 2>log && grep -q ' 1 of 3 windows' log
	$run --within label >within.ts 2>log && grep -q ' 1 of 3 windows' log
	$run --within label --skip-air 0 >none.ts 2>log && grep -q ' 0 of 3 windows' log
	differ -t prob all.ts air.ts
	differ -t prob air.ts within.ts
	seg-window -m model.ts --overlap 0 --within label --skip-air 0 row.ts | ts-cmp -t pred - <(volume a U8 8,16,36 "$(printf '\\0%.0s' {1..4608})" pred)
	# a mask that is replaced by what comes
	seg-window -m model.ts --overlap 0 --within pred <(sed 's/"label"/"pred" /' row.ts) | ts-cmp -t pred - <(seg-window -m model.ts --overlap 0 --within label row.ts)
	fails 1 "seg-window: row.ts: a: no tensor 'lungs' in this frame" seg-window -m model.ts --within lungs row.ts
	raw_frame "{$h,\"image\":{\"dtype\":\"U8\",\"shape\":[1,3,1,1],\"data_offsets\":[0,3]},\"lungs\":{\"dtype\":\"U8\",\"shape\":[1,1,3],\"data_offsets\":[3,6]}}" '\0\0\0\0\0\0' >else.ts
	fails 1 "seg-window: else.ts: a: tensor 'lungs' is on another grid than the image" seg-window -m model.ts --within lungs else.ts
}

@test "rules: thresholds and the Dice rule, the same on the fly as on a stream" {
	seg-window -m model.ts --output prob net0.ts net2.ts >prob.ts
	for r in "--threshold .3" "--threshold .6 --class 1" "--rule dice" "--rule argmax"; do
		seg-window -m model.ts $r net0.ts net2.ts >fly.ts
		seg-argmax $r prob.ts | ts-cmp -t pred - fly.ts
		ts-select -t image net0.ts | seg-window -m model.ts $r >bare.ts
		[ "$(grep -acF '"prob":{' bare.ts)" = 0 ]
		ts-cmp -t pred bare.ts <(ts-select --index 0 fly.ts)
	done
	differ -t pred <(seg-window -m model.ts --rule dice net0.ts) <(seg-window -m model.ts net0.ts)
	fails 2 "seg-window: --rule and --threshold make labels: with --output prob or logits there are none (see seg-window --help)" seg-window -m model.ts --rule dice --output prob net0.ts
	fails 2 "seg-window: --output logits: with --mean prob there are none (see seg-window --help)" seg-window -m model.ts --mean prob --output logits net0.ts
	fails 1 "seg-window: no class 2 among 2" seg-window -m model.ts --threshold .5 --class 2 net0.ts
	fails 1 "seg-window: 3 thresholds for 2 classes (expected one, or one for each class but the first)" seg-window -m model.ts --threshold .5,.5,.5 net0.ts
	fails 2 "seg-window: --rule dice finds its own threshold: give it or --threshold (see seg-window --help)" seg-window -m model.ts --rule dice --threshold .5 net0.ts
}

@test "a window that does not fit in memory; output that breaks off" {
	run seg-window -m model.ts --roi 8192,8192,8192 net0.ts
	[ "$status" = 1 ]
	[[ $output =~ ^'seg-window: roi: '(a window of 8192,8192,8192 voxels \(x,y,z\) needs [0-9]+ MB, there are [0-9]+: take a smaller --roi|not enough memory: the network needs [0-9]+ MB for this input .*)$ ]]
	run bash -c 'seg-window -m model.ts --output prob net0.ts >/dev/full'
	[ "$status" = 1 ]
	[[ $output == "seg-window: standard output: "*"No space left on device" ]]
	mkdir -p broken
	seg-window -m model.ts --overlap .95 --mirror xyz -o broken/out.ts net0.ts net0.ts net0.ts net0.ts net0.ts & p=$!
	sleep 0.3
	kill -TERM $p
	status=0
	wait $p || status=$? # not by run, whose subshell has no such child and does not wait
	[ "$status" != 0 ]
	[ -z "$(ls -A broken)" ]
}

@test "what it refuses" {
	fails 2 "seg-window: no model: give -m FILE (see seg-window --help)" seg-window net0.ts
	fails 2 "seg-window: --overlap: 1 is not in 0..0.999 (see seg-window --help)" seg-window -m model.ts --overlap 1 net0.ts
	fails 2 "seg-window: --overlap: -0.1 is not in 0..0.999 (see seg-window --help)" seg-window -m model.ts --overlap=-0.1 net0.ts
	fails 2 "seg-window: --overlap: 'nan' is not a finite number (see seg-window --help)" seg-window -m model.ts --overlap nan net0.ts
	fails 1 "seg-window: nosuch.ts: cannot open: No such file or directory" seg-window -m nosuch.ts net0.ts
	fails 1 "seg-window: device 'abacus' is none of auto, cpu, cuda, cuda:N" seg-window -m model.ts --device abacus net0.ts
	fails 1 "seg-window: roi: input of 10,16,8 voxels (x,y,z) does not fit the network (layer model.1.submodule.0.conv.unit0.conv): it takes multiples of 4,4,4, as 12,16,8" seg-window -m model.ts --roi 10,16,8 net0.ts
	fails 1 "seg-window: net0.ts: is not a model: its first frame is of kind 'volume', not 'model' (offset 0)" seg-window -m net0.ts net0.ts
	head -c 70000 model.ts >cut.ts
	fails 1 "seg-window: cut.ts: ends inside a frame's data (offset 70000, expected 73076 bytes, found 66272)" seg-window -m cut.ts net0.ts
	h='"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"}'
	raw_frame "{$h,\"image\":{\"dtype\":\"F32\",\"shape\":[1,3,1,1],\"data_offsets\":[0,12]}}" '\0\0\0\0\0\0\0\0\0\0\300\177' >nan.ts
	fails 1 "seg-window: nan.ts: a: the image has values that are not finite in slice 2" seg-window -m model.ts nan.ts
	raw_frame "{$h,\"image\":{\"dtype\":\"U8\",\"shape\":[2,3,1,1],\"data_offsets\":[0,6]}}" '\0\0\0\0\0\0' >two.ts
	fails 1 "seg-window: two.ts: a: the image has 2 channels, the network (layer model.0.conv.unit0.conv) takes 1" seg-window -m model.ts two.ts
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
	cat net0.ts net2.ts >two.ts
	seg-window -m model.ts --progress json two.ts net1.ts 2>log >/dev/null
	grep -q '"done": 8, "total": 8, .*"note": ""' log
	grep -qE '"note": "scan 1/3, all [0-9]+:[0-9]{2}"' log
	grep -qE '"note": "scan 3/3, all [0-9]+:[0-9]{2}"' log
	cat two.ts | seg-window -m model.ts --progress json 2>log >/dev/null
	grep -q '"note": "scan 2"' log # a pipe does not say how many will come
}
