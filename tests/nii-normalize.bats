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
	fails 2 "nii-normalize: one of --window, --range, --zscore, --zscore-nonzero is needed, none was given (see nii-normalize --help)" nii-normalize a.ts
	fails 2 "nii-normalize: one of --window, --range, --zscore, --zscore-nonzero is needed, not several (see nii-normalize --help)" nii-normalize --zscore --window 0,1 a.ts
	fails 2 "nii-normalize: --window: 5 is not below 5 (see nii-normalize --help)" nii-normalize --window 5,5 a.ts
	fails 2 "nii-normalize: --window: 2 values wanted (LO,HI), 3 given (see nii-normalize --help)" nii-normalize --window 0,5,6 a.ts
	fails 2 "nii-normalize: --clip goes with --range (see nii-normalize --help)" nii-normalize --clip --window 0,5 a.ts
	fails 2 "nii-normalize: --channel-wise goes with --zscore or --zscore-nonzero (see nii-normalize --help)" nii-normalize --channel-wise --window 0,5 a.ts
	volume b U8 1,1,1 '\1' >b.ts
	fails 1 "nii-normalize: b.ts: b: no tensor 'image' in this frame" nii-normalize --window 0,5 b.ts
}
