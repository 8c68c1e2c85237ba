#!/usr/bin/env bats
load helper
load preprocess

setup() { cd "$BATS_TEST_TMPDIR" || return; }

@test "MONAI's Spacing: linear and nearest, flipped, rotated, permuted, thin" { golden nii-resample; }

@test "nnU-Net's resampling: cubic, labels by shares, a coarse axis; scipy's cubic; ITK's grid of another" { golden nii-resample resample; }

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
	fails 2 "nii-resample: one of --spacing, --size, --like and --orient is needed (see nii-resample --help)" nii-resample a.ts
	fails 2 "nii-resample: --orient: 'RAR' is no orientation (three letters: R or L, A or P, S or I, in any order) (see nii-resample --help)" nii-resample --orient RAR a.ts
	fails 2 "nii-resample: --spacing: 0 is not in 1e-06..1e+06 (see nii-resample --help)" nii-resample -s 1,0,1 a.ts
	fails 2 "nii-resample: --spacing, --size and --like exclude each other (see nii-resample --help)" nii-resample -s 1 --like a.ts a.ts
	fails 2 "nii-resample: --like goes without --orient and --align (see nii-resample --help)" nii-resample --align nnunet --like a.ts a.ts
	fails 2 "nii-resample: --fill: one value, with --like (see nii-resample --help)" nii-resample --fill 1 -s 2 a.ts
	volume a U8 1,1,2 '\5\6' >a.ts
	fails 1 "nii-resample: a.ts: a: 100 mm on axis x leaves no voxel" nii-resample -s 100,1,1 --align nnunet a.ts
	AFFINE="1 0 0 5 0 1 0 0 0 0 1 0 0 0 0 1" volume b U8 1,1,2 '\5\6' >b.ts
	fails 1 "nii-resample: a.ts: a: the two grids do not overlap (axis x)" nii-resample --like b.ts a.ts
	AFFINE="0.6 -0.8 0 0 0.8 0.6 0 0 0 0 1 0 0 0 0 1" volume b U8 9,9,2 "$(printf 'a%.0s' {1..162})" >b.ts
	fails 1 "nii-resample: a.ts: a: the axes of the two grids do not run alike: off by 5 voxels on axis x (at most 0.05)" nii-resample --like b.ts a.ts
}

@test "labels by shares: of two halves the larger, where there is none 0; argmax, of two the smaller" {
	shares() { AFFINE="$1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1" volume a U8 "$2" "$3"; }
	shares 1 1,1,3 '\1\3\2' >a.ts
	nii-resample -s 0.5,1,1 --label-interp linear a.ts | ts-cmp - <(shares 0.5 1,1,5 '\1\3\3\3\2')
	nii-resample -s 0.5,1,1 --label-interp argmax a.ts | ts-cmp - <(shares 0.5 1,1,5 '\1\1\3\2\2')
	volume a U8 1,2,2 '\1\3\2\7' >a.ts
	nii-resample -s 0.5,0.5,1 --label-interp linear a.ts -o b.ts
	ts-cmp --data-only b.ts <(volume a U8 1,3,3 '\1\3\3\2\0\7\2\7\7')
}

@test "--size: ends stay by either rule" {
	nii-phantom -n 1 --seed 3 --size 31,29,23 --spacing 11 -o p.ts
	[[ $(nii-resample --size 61,15,12 p.ts | ts-info) == *"61x15x12 voxels of 5.5x22x22 mm"* ]]
	[[ $(nii-resample --size 62,29,46 --align nnunet p.ts | ts-info) == *"62x29x46 voxels of 5.5x11x5.5 mm"* ]]
	nii-resample --size 62,29,46 --align nnunet p.ts | nii-invert | ts-cmp --meta -t label - p.ts
	nii-resample --size 61,57,45 p.ts | nii-invert | ts-cmp --meta -t label - p.ts
}

@test "--like: the grid of a NIfTI file or of a stream, and back" {
	nii-phantom -n 1 --seed 3 --size 31,29,23 --spacing 11 -o p.ts
	nii-resample --orient LPI -s 5.5 p.ts | nii-crop --above=-900 --margin 20 -o like.ts
	nii-write -t label -o like.nii.gz like.ts
	nii-resample --like like.ts p.ts -o a.ts
	nii-resample --like like.nii.gz p.ts | ts-cmp --atol 1e-2 - a.ts
	ts-cmp -t label a.ts like.ts
	nii-invert a.ts -o back.ts
	ts-cmp --meta -t label back.ts p.ts
}

@test "what was done is replayed, and undone in any order with boxes" {
	nii-phantom -n 1 --seed 5 --size 29,23,19 --spacing 12,13.5,17 -o p.ts
	for o in "--align nnunet --interp cubic --label-interp linear" "--align nnunet" "--label-interp argmax" "--interp cubic"; do
		# shellcheck disable=SC2086
		nii-crop --above=-900 p.ts | nii-resample -s 6,6.75,8.5 $o | nii-crop --above=-950 --multiple 4 | nii-invert | ts-cmp --meta -t label - p.ts
	done
	nii-resample -s 9 --align nnunet --interp cubic --label-interp linear p.ts -o r.ts
	model '[{"tool":"nii-resample","args":{"align":"nnunet","interp":"cubic","label_interp":"linear","spacing":[9,9,9]}}]' >m.ts
	nii-replay -m m.ts p.ts | ts-cmp - r.ts
}

@test "real tumours: there and back by shares, Dice of at least 0.99 at 1x1x3 mm, 0.985 (a small one: 0.96) at 1.5 mm" {
	need_data ct/LUNG1-001
	for least in LUNG1-001/LUNG1-001:0.985 LUNG1-002/LUNG1-002:0.985 pat_3/pat_3:0.96; do
		f=$NIIPIPE_DATA/ct/${least%:*}
		nii-read -l "${f}_gtv.nii.gz" "${f}_ct.nii.gz" | nii-crop --label --margin 15 -o ct.ts
		for align in monai nnunet; do
			nii-resample -s 1.5 --align $align --label-interp linear ct.ts | nii-invert | nii-write -t label -o back.nii.gz
			seg-score --min dice="${least#*:}" "${f}_gtv.nii.gz" back.nii.gz
			nii-resample -s 1,1,3 --align $align --label-interp linear ct.ts | nii-invert | nii-write -t label -o back.nii.gz
			seg-score --min dice=0.99 "${f}_gtv.nii.gz" back.nii.gz
		done
	done
}
