#!/usr/bin/env bats
load helper
load preprocess

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	volume a I16 2,1,2 '\0\0\5\0\12\0\377\377' image >a.ts # 0 5 10 -1
}

# bits HEX...: 2x1x2 float32 voxels, big end first as one writes them
floats() {
	local text='' h
	for h in "$@"; do text+="\\x${h:6:2}\\x${h:4:2}\\x${h:2:2}\\x${h:0:2}"; done
	volume a F32 2,1,2 "$text" image
}

@test "MONAI's ScaleIntensityRange and NormalizeIntensity" { golden nii-normalize; }

@test "presets: Radiopaedia's widths and levels; nii-view's are the same" {
	nii-phantom -s 40,40,20 -o ct.ts
	while read -r name width level view; do
		window=$((level - width / 2)),$((level + width / 2))
		nii-normalize --preset "$name" ct.ts | ts-cmp - <(nii-normalize --window="$window" ct.ts)
		[ -z "$view" ] || cmp <(nii-view --no-history --preset "$view" ct.ts) <(nii-view --no-history --window="$window" ct.ts)
	done <<-'END'
		lung 1500 -600 lung
		mediastinum 350 50
		bone 1800 400 bone
		abdomen 400 50 soft
		liver 150 30
		brain 80 40
	END
	nii-normalize --preset lung-tumour ct.ts | ts-cmp - <(nii-normalize --window=-1024,325 ct.ts)
}

@test "percentiles, masks, several windows, presets, nnU-Net's fingerprint: MONAI and numpy" {
	cp "$ROOT/tests/golden/fingerprint.json" .
	golden nii-normalize normalize
}

@test "all of them are replayed; the same for any number of threads" {
	cp "$ROOT/tests/golden/fingerprint.json" .
	nii-phantom -n 1 --seed 5 --size 24,21,17 --spacing 14 -o p.ts
	for o in "--percentile 0.5,99.5" "--zscore --percentile 1,99 --mask label" "--preset lung,bone" "--window 0,100,1,2,5,7"; do
		# shellcheck disable=SC2086
		nii-normalize $o --threads 1 p.ts -o one.ts
		# shellcheck disable=SC2086
		nii-normalize $o --threads 3 p.ts | cmp - one.ts
		args=$(meta one.ts history | grep -oE '"args":\{[^}]*\},"tool":"nii-normalize"')
		model "[{$args}]" >m.ts
		nii-replay -m m.ts p.ts | ts-cmp - one.ts
	done
	ts-select --index 0 "$ROOT/tests/golden/normalize.ts" -o two.ts
	nii-normalize --stats fingerprint.json two.ts -o one.ts
	model "[{$(meta one.ts history | grep -oE '"args":\{[^}]*\},"tool":"nii-normalize"')}]" >m.ts
	nii-replay -m m.ts two.ts | ts-cmp - one.ts
}

@test "a window clips and scales to 0..1" {
	floats 00000000 3f000000 3f800000 00000000 >want.ts # 0 .5 1 0
	nii-normalize --window 0,10 a.ts | ts-cmp - want.ts
	nii-normalize --range 0,10,0,1 --clip a.ts | ts-cmp --meta - <(nii-normalize --window 0,10 a.ts)
	floats 00000000 3f000000 3f800000 bdcccccd >want.ts # 0 .5 1 -.1
	nii-normalize --range 0,10,0,1 a.ts | ts-cmp - want.ts
}

@test "labels and other tensors pass; the history says what was done" {
	nii-phantom -n 1 --seed 3 --size 17,13,11 --spacing 20 -o p.ts
	nii-normalize --zscore p.ts -o n.ts
	ts-cmp -t label p.ts n.ts
	[[ $(meta n.ts history) == *'{"args":{"channel_wise":false,"zscore":"all"},"tool":"nii-normalize","version":"'*'"}]' ]]
	nii-normalize --window=-1000,400 p.ts -o n.ts
	[[ $(meta n.ts history) == *'{"args":{"clip":true,"range":[-1000.0,400.0,0.0,1.0]},"tool":"nii-normalize","version":"'*'"}]' ]]
}

@test "float32 from a pipe, in place, and from a file agree" {
	nii-phantom -n 1 --seed 3 --size 33,29,31 --spacing 10 | nii-normalize --range=-1000,1000,-7,7 -o f.ts
	for how in --zscore --zscore-nonzero --window=-1,1; do
		cat f.ts | nii-normalize $how | ts-cmp --meta - <(nii-normalize $how f.ts)
		nii-normalize $how --threads 1 f.ts | ts-cmp --meta - <(nii-normalize $how --threads 3 f.ts)
	done
}

@test "a constant image: mean 0, std 1 for 0" {
	volume c I16 1,1,3 '\7\0\7\0\7\0' image | nii-normalize --zscore | ts-cmp - <(volume c F32 1,1,3 '\0\0\0\0\0\0\0\0\0\0\0\0' image)
}

@test "voxels that are not finite are named" {
	floats 00000000 3f800000 7fc00000 7f800000 >nan.ts
	fails 1 "nii-normalize: nan.ts: a: image: voxel 0,0,1 of channel 0 is nan (expected finite values)" nii-normalize --window 0,1 nan.ts
	fails 1 "nii-normalize: nan.ts: a: image: voxel 0,0,1 of channel 0 is nan (expected finite values)" nii-normalize --zscore nan.ts
	floats 00000000 ff800000 7fc00000 7f800000 >inf.ts
	fails 1 "nii-normalize: inf.ts: a: image: voxel 1,0,0 of channel 0 is infinite (expected finite values)" nii-normalize --zscore-nonzero inf.ts
}

@test "misuse and frames without an image" {
	fails 2 "nii-normalize: one of --window, --preset, --range, --percentile, --zscore, --zscore-nonzero, --zscore-masked, --stats, --ct, --plan is needed, none was given (see nii-normalize --help)" nii-normalize a.ts
	fails 2 "nii-normalize: one of --window, --preset, --range, --percentile, --zscore, --zscore-nonzero, --zscore-masked, --stats, --ct, --plan is needed, not several (see nii-normalize --help)" nii-normalize --zscore --window 0,1 a.ts
	fails 2 "nii-normalize: --window: 5 is not below 5 (see nii-normalize --help)" nii-normalize --window 5,5 a.ts
	fails 2 "nii-normalize: --window: 2 values wanted (LO,HI) for each window, 3 given (see nii-normalize --help)" nii-normalize --window 0,5,6 a.ts
	fails 2 "nii-normalize: --clip goes with --range (see nii-normalize --help)" nii-normalize --clip --window 0,5 a.ts
	fails 2 "nii-normalize: --channel-wise goes with --zscore, --zscore-nonzero or --percentile (see nii-normalize --help)" nii-normalize --channel-wise --window 0,5 a.ts
	volume b U8 1,1,1 '\1' >b.ts
	fails 1 "nii-normalize: b.ts: b: no tensor 'image' in this frame" nii-normalize --window 0,5 b.ts
	fails 2 "nii-normalize: --percentile: 2 values of 0 to 100 wanted (LO,HI), the first below the second (see nii-normalize --help)" nii-normalize --percentile 5,101 a.ts
	fails 2 "nii-normalize: --mask goes with --zscore or --percentile (see nii-normalize --help)" nii-normalize --mask label --window 0,5 a.ts
	fails 2 "nii-normalize: --preset: 'lungs' is not one of lung, mediastinum, bone, abdomen, liver, brain, lung-tumour (see nii-normalize --help)" nii-normalize --preset bone,lungs a.ts
	fails 1 "nii-normalize: a.ts: a: no tensor 'label' in this frame" nii-normalize --zscore --mask label a.ts
	fails 1 "nii-normalize: a.ts: a: image has 1 channels, the statistics are of 2" nii-normalize --stats "$ROOT/tests/golden/fingerprint.json" a.ts
	echo '{"spacings":[]}' >f.json
	fails 1 "nii-normalize: f.json: no foreground_intensity_properties_per_channel of 1 to 64 channels" nii-normalize --stats f.json a.ts
	echo '{"foreground_intensity_properties_per_channel":{"0":{"mean":1}}}' >f.json
	fails 1 "nii-normalize: f.json: channel 0 has no number percentile_00_5" nii-normalize --stats f.json a.ts
	echo '{' >f.json
	fails 1 "nii-normalize: f.json: line 2: string or '}' expected near end of file" nii-normalize --stats f.json a.ts
	fails 1 "nii-normalize: none.json: cannot open: No such file or directory" nii-normalize --stats none.json a.ts
	ts-select --index 0 "$ROOT/tests/golden/normalize.ts" -o two.ts
	fails 1 "nii-normalize: two.ts: ints: image has 2 channels (expected one, for several windows)" nii-normalize --preset lung,bone two.ts
	nii-phantom -n 1 --seed 3 --size 9,8,7 --spacing 1 | nii-normalize --window 0,1 -o z.ts
	nii-crop --box 0,0,0,1,1,1 z.ts -o z1.ts
	fails 1 "nii-normalize: z1.ts: phantom-0001: mask: no voxel of 'label' is above 0: nothing to take statistics of" nii-normalize --zscore --mask label z1.ts
}
