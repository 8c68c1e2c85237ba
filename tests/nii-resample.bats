#!/usr/bin/env bats
load helper
load preprocess

setup() { cd "$BATS_TEST_TMPDIR" || return; }

@test "MONAI's Spacing: linear and nearest, flipped, rotated, permuted, thin" { golden nii-resample; }

@test "the same spacing changes nothing, type included" {
	nii-phantom -n 1 --seed 3 --size 17,13,11 --spacing 20,21,22.5 -o p.ts
	nii-resample -s 20,21,22.5 p.ts -o r.ts
	ts-cmp r.ts p.ts
	[[ $(meta r.ts history) == *'{"args":{"align":"monai","interp":"linear","spacing":[20.0,21.0,22.5]},"tool":"nii-resample","version":"'*'"}]' ]]
}

@test "the same values for any number of threads, from a file and from a pipe" {
	nii-phantom -n 1 --seed 3 --size 31,29,23 --spacing 11 -o p.ts
	nii-resample -s 7,13,5 --threads 1 p.ts -o one.ts
	for t in 2 3 7; do cat p.ts | nii-resample -s 7,13,5 --threads $t | cmp - one.ts; done
}

@test "one voxel, and a spacing larger than the volume" {
	volume a U8 1,1,1 '\5' >a.ts
	nii-resample -s 3 a.ts -o b.ts
	ts-cmp --data-only a.ts b.ts
	nii-phantom -n 1 --seed 3 --size 5,4,3 --spacing 60 | nii-resample -s 1000 -o c.ts
	[[ $(ts-info c.ts) == *"1x1x1 voxels of 1000x1000x1000 mm"* ]]
}

@test "every orientation there and back, exactly; the same one changes nothing" {
	nii-phantom -n 1 --seed 5 --size 13,11,7 --spacing 30,35,40 -o p.ts
	for code in RAS LPS LAI ASR PIL SRA IPR; do
		nii-resample --orient $code p.ts -o r.ts
		[[ $(ts-info r.ts) == *"axes $code"* ]]
		nii-resample --orient $code r.ts | ts-cmp - r.ts
		nii-resample -s 21,19,23 --orient $code p.ts | nii-invert | ts-cmp --meta -t label - p.ts
		nii-invert --keep-image r.ts | ts-cmp --meta - p.ts
	done
}

@test "errors: sheared, degenerate, too many voxels, misuse" {
	AFFINE="1 0.2 0 0 0 1 0 0 0 0 1 0 0 0 0 1" volume a U8 1,1,2 '\5\6' >a.ts
	fails 1 "nii-resample: a.ts: a: affine is sheared: axes x and y are not at right angles (cosine 0.1961)" nii-resample -s 2 a.ts
	AFFINE="1 0 0 0 0 1 0 0 0 0 0 0 0 0 0 1" volume a U8 1,1,2 '\5\6' >a.ts
	fails 1 "nii-resample: a.ts: a: affine: axis z has no length" nii-resample -s 2 a.ts
	volume a U8 1,1,9 '\5\6\5\6\5\6\5\6\1' >a.ts
	fails 1 "nii-resample: a.ts: a: 1e-06 mm on axis x makes 8000001 voxels (at most 1048576)" nii-resample -s 0.000001,1,1 a.ts
	volume a F32 1,1,1 '\0\0\0\0' >a.ts
	fails 1 "nii-resample: a.ts: a: tensor 'label' is F32 with 3 axes (expected integers [Z,Y,X])" nii-resample -s 2 a.ts
	fails 2 "nii-resample: one of --spacing and --orient is needed (see nii-resample --help)" nii-resample a.ts
	fails 2 "nii-resample: --orient: 'RAR' is no orientation (three letters: R or L, A or P, S or I, in any order) (see nii-resample --help)" nii-resample --orient RAR a.ts
	fails 2 "nii-resample: --spacing: 0 is not in 1e-06..1e+06 (see nii-resample --help)" nii-resample -s 1,0,1 a.ts
}
