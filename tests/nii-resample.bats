#!/usr/bin/env bats
load helper
load preprocess

setup() { cd "$BATS_TEST_TMPDIR" || return; }

@test "MONAI's Spacing: linear and nearest, flipped, rotated, permuted, thin" { golden nii-resample; }

@test "nnU-Net's resampling: cubic, labels by shares, a coarse axis; scipy's cubic; ITK's grid of another" { golden nii-resample resample; }

@test "labels by shares as nnU-Net makes them today, ties among them" { golden nii-resample labels; }

@test "between any two grids: ITK's linear, nearest and B-spline, MONAI's Spacing and Orientation of sheared ones; smoothed as skimage" { golden nii-resample warp; }

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
	shear 3 p.ts >q.ts
	for o in "--like q.ts --label-interp argmax" "--like q.ts --interp cubic" "--size 15,14,12 --antialias"; do
		# shellcheck disable=SC2086
		nii-resample $o --threads 1 p.ts -o one.ts
		# shellcheck disable=SC2086
		for t in 2 5; do cat p.ts | nii-resample $o --threads $t | cmp - one.ts; done
	done
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

@test "an axis of 0 mm keeps its own spacing, each volume its own, and what follows from it" {
	for mm in 2.5 7; do
		nii-phantom -n 1 --seed 3 --size 17,13,11 --spacing 2,2.5,$mm -o p.ts
		for o in "--align monai" "--align nnunet --interp cubic --label-interp linear" "--align zoom --antialias"; do
			# shellcheck disable=SC2086
			nii-resample $o -s 1.3,1.7,$mm p.ts -o want.ts
			# shellcheck disable=SC2086
			nii-resample $o -s 1.3,1.7,0 p.ts -o r.ts
			ts-cmp r.ts want.ts
			nii-invert r.ts | ts-cmp - <(nii-invert want.ts)
		done
	done
	[[ $(meta r.ts history) == *'"spacing":[1.3,1.7,0.0]'* ]]
	nii-replay -m <(raw_frame "{\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"model\",\"id\":\"m\",\"replay\":\"[{\\\"tool\\\":\\\"nii-resample\\\",\\\"args\\\":{\\\"spacing\\\":[1.3,1.7,0],\\\"interp\\\":\\\"linear\\\",\\\"align\\\":\\\"monai\\\"}}]\"}}") p.ts | ts-cmp - <(nii-resample -s 1.3,1.7,0 p.ts)
}

@test "errors: degenerate, apart, too many voxels, misuse" {
	AFFINE="1 1 0 0 0 0.0001 0 0 0 0 1 0 0 0 0 1" volume a U8 1,1,2 '\5\6' >a.ts
	volume b U8 1,1,2 '\5\6' >b.ts
	flat="affine is singular: its axes lie in a plane (volume between them 0.0001)"
	fails 1 "nii-resample: a.ts: a: $flat" nii-resample -s 2 a.ts
	fails 1 "nii-resample: a.ts: a: $flat" nii-resample -s 2 --align nnunet a.ts
	fails 1 "nii-resample: a.ts: a: $flat" nii-resample --orient RAS a.ts
	fails 1 "nii-resample: a.ts: a: the old grid: $flat" nii-resample --like b.ts a.ts
	fails 1 "nii-resample: b.ts: b: the new grid: $flat" nii-resample --like a.ts b.ts
	AFFINE="1 0.2 0 5 0 1 0 0 0 0 1 0 0 0 0 1" volume a U8 1,1,2 '\5\6' >a.ts
	fails 1 "nii-resample: a.ts: a: the two grids do not overlap" nii-resample --like b.ts a.ts
	AFFINE="1 0.2 0 1 0 1 0 0 0 0 1 0 0 0 0 1" volume a U8 1,1,2 '\5\6' image >a.ts
	fails 1 "nii-resample: a.ts: a: an image of U8 cannot hold -1 outside of it" nii-resample --fill=-1 --interp nearest --like b.ts a.ts
	AFFINE="1 99 0 0 0 1 0 0 0 0 1 0 0 0 0 1" volume a U8 1,3,1 '\5\6\7' >a.ts
	fails 1 "nii-resample: a.ts: a: 1e-06 mm on axis x makes 198000001 voxels (at most 1048576)" nii-resample -s 0.000001,1,1 a.ts
	AFFINE="1 0 0 0 0 1 0 0 0 0 0 0 0 0 0 1" volume a U8 1,1,2 '\5\6' >a.ts
	fails 1 "nii-resample: a.ts: a: affine: axis z has no length" nii-resample -s 2 a.ts
	volume a U8 1,1,9 '\5\6\5\6\5\6\5\6\1' >a.ts
	fails 1 "nii-resample: a.ts: a: 1e-06 mm on axis x makes 8000001 voxels (at most 1048576)" nii-resample -s 0.000001,1,1 a.ts
	volume a F32 1,1,1 '\0\0\0\0' >a.ts
	fails 1 "nii-resample: a.ts: a: tensor 'label' is F32 with 3 axes (expected integers [Z,Y,X])" nii-resample -s 2 a.ts
	fails 2 "nii-resample: one of --spacing, --size, --like and --orient is needed (see nii-resample --help)" nii-resample a.ts
	fails 2 "nii-resample: --orient: 'RAR' is no orientation (three letters: R or L, A or P, S or I, in any order) (see nii-resample --help)" nii-resample --orient RAR a.ts
	fails 2 "nii-resample: --spacing: -1 is not in 0..1e+06 (see nii-resample --help)" nii-resample -s 1,-1,1 a.ts
	fails 2 "nii-resample: --spacing: 0 on all axes changes nothing (see nii-resample --help)" nii-resample -s 0 a.ts
	fails 2 "nii-resample: --spacing, --size and --like exclude each other (see nii-resample --help)" nii-resample -s 1 --like a.ts a.ts
	fails 2 "nii-resample: --antialias: with --spacing, --size or --like, and not with --interp nearest (see nii-resample --help)" nii-resample --orient RAS --antialias a.ts
	fails 2 "nii-resample: --antialias: with --spacing, --size or --like, and not with --interp nearest (see nii-resample --help)" nii-resample -s 2 --antialias --interp nearest a.ts
	fails 2 "nii-resample: --like goes without --orient and --align (see nii-resample --help)" nii-resample --align nnunet --like a.ts a.ts
	for o in "--align monai" "--interp linear" "--label-interp nearest"; do
		# shellcheck disable=SC2086
		fails 2 "nii-resample: --align, --interp and --label-interp: with --spacing, --size or --like (see nii-resample --help)" nii-resample --orient RAS $o a.ts
	done
	fails 2 "nii-resample: --fill: one value, with --like (see nii-resample --help)" nii-resample --fill 1 -s 2 a.ts
	volume a U8 1,1,2 '\5\6' >a.ts
	fails 1 "nii-resample: a.ts: a: 100 mm on axis x leaves no voxel" nii-resample -s 100,1,1 --align nnunet a.ts
	AFFINE="1 0 0 5 0 1 0 0 0 0 1 0 0 0 0 1" volume b U8 1,1,2 '\5\6' >b.ts
	fails 1 "nii-resample: a.ts: a: the two grids do not overlap (axis x)" nii-resample --like b.ts a.ts
}

@test "values that are not numbers make their neighbours so; one voxel onto a rotated grid" {
	nan='\0\0\300\177' one='\0\0\200\77'
	AFFINE="1 0 0 1 0 1 0 0 0 0 1 0 0 0 0 1" volume a F32 1,1,5 "$nan$one$one$one$one" image >a.ts
	AFFINE="1 0.1 0 0.9 0 1 0 0 0 0 1 0 0 0 0 1" volume b U8 1,2,5 '\0\0\0\0\0\0\0\0\0\0' >b.ts
	nii-resample --like b.ts a.ts -o c.ts
	[[ $(ts-info --stats c.ts) == *" 2 NaN"* ]]
	nii-resample --like b.ts --antialias --interp cubic a.ts -o c.ts
	volume a U8 1,1,1 '\5' >a.ts
	AFFINE="1 0.1 0 -0.4 0 1 0 0 0 0 1 0 0 0 0 1" volume b U8 1,1,2 '\0\0' >b.ts
	nii-resample --like b.ts --label-interp linear a.ts | ts-cmp --data-only - <(volume a U8 1,1,2 '\5\0')
}

@test "sheared: its orientation and back, exactly; without its shear as MONAI; nnunet leaves it; undone on its own affine" {
	nii-phantom -n 1 --seed 5 --size 29,23,19 --spacing 12,13.5,17 | shear 3 >q.ts
	[[ $(nii-resample -s 12,13.829,17 q.ts | ts-info) == *"34x22x19 voxels of 12x13.829x17 mm"* ]]
	for o in "--orient ASR" "-s 7" "-s 7 --orient LPI --label-interp linear" "--size 50,60,40" "-s 7 --align nnunet" "--size 50,60,40 --align nnunet" "-s 8 --antialias"; do
		# shellcheck disable=SC2086
		nii-resample $o q.ts -o r.ts
		nii-invert r.ts | ts-cmp --meta -t label - q.ts
	done
	[[ $(nii-resample -s 7 --align nnunet q.ts | ts-info) == *"affine        -6.96    1.53333          0"* ]]
	nii-resample --orient LPI q.ts | nii-invert --keep-image | ts-cmp --meta - q.ts
}

@test "a tilted gantry: the head of niivue as MONAI 1.6.1 has it, and back on its affine" {
	need_data nifti
	nii-read "$NIIPIPE_DATA/nifti/shear.nii.gz" -o q.ts
	nii-resample -s 1 q.ts -o r.ts
	[[ $(ts-info r.ts) == *"148x244x120 voxels of 1x1x1 mm"*"0   0.948324  -0.317305   -117.106"*"0   0.317305   0.948324   -102.204"* ]]
	nii-invert --keep-image r.ts -o back.ts
	[ "$(meta back.ts affine)" = "$(meta q.ts affine)" ]
	nii-resample --orient LPS q.ts | nii-invert --keep-image | ts-cmp - q.ts
}

@test "--antialias: recorded, replayed, not undone; nothing where nothing becomes coarser" {
	nii-phantom -n 1 --seed 3 --size 31,29,23 --spacing 11 -o p.ts
	nii-resample -s 23,11,5 --antialias p.ts -o r.ts
	[[ $(meta r.ts history) == *'{"align":"monai","antialias":true,"interp":"linear","spacing":[23.0,11.0,5.0]}'* ]]
	model '[{"tool":"nii-resample","args":{"align":"monai","antialias":true,"interp":"linear","spacing":[23,11,5]}}]' >m.ts
	nii-replay -m m.ts p.ts | ts-cmp - r.ts
	[ "$(nii-resample -s 23,11,5 p.ts | ts-cmp -q -t image --atol 20 - r.ts || echo other)" = other ]
	nii-resample -s 23,11,5 p.ts | ts-cmp -t label - r.ts
	nii-resample -s 8 p.ts -o fine.ts
	nii-resample -s 8 --antialias p.ts | ts-cmp --data-only - fine.ts
	nii-invert --keep-image r.ts -o back.ts
	model '[{"tool":"nii-resample","args":{"orient":"RAS","antialias":true}}]' >m.ts
	fails 1 "nii-replay: m.ts: metadata replay: nii-resample: arguments are no orientation (orient), spacing (spacing, interp, align), size (size, interp, align) or grid (size, affine, fill, interp)" nii-replay -m m.ts p.ts
}

@test "--truncate: what is interpolated is cut towards 0; recorded, replayed; what is not interpolated stays" {
	volume a I16 1,1,4 '\375\377\2\0\7\0\4\0' image >t.ts # -3 2 7 4
	AFFINE="0.5 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1" volume a F32 1,1,7 \
		'\0\0\100\300\0\0\0\200\0\0\0\100\0\0\200\100\0\0\340\100\0\0\240\100\0\0\200\100' image >want.ts # -3 -0 2 4 7 5 4
	nii-resample -s 0.5,1,1 --truncate t.ts -o r.ts
	ts-cmp --data-only r.ts want.ts
	nii-resample --size 7,1,1 --truncate t.ts | ts-cmp --data-only - want.ts
	[[ $(meta r.ts history) == *'{"align":"monai","interp":"linear","spacing":[0.5,1.0,1.0],"truncate":true}'* ]]
	model '[{"tool":"nii-resample","args":{"align":"monai","truncate":true,"interp":"linear","spacing":[0.5,1,1]}}]' >m.ts
	nii-replay -m m.ts t.ts | ts-cmp - r.ts
	nii-resample -s 1 --truncate t.ts | ts-cmp --data-only - t.ts
	nii-resample --orient LAS t.ts | nii-resample -s 1 --truncate | ts-cmp -t image --data-only - <(nii-resample --orient LAS t.ts)
	volume a F32 1,1,1 '\0\0\240\77' image | nii-resample -s 1 --truncate | ts-cmp --data-only - <(volume a F32 1,1,1 '\0\0\240\77' image)
	fails 2 "nii-resample: --truncate: with --spacing, --size or --like, and not with --interp nearest (see nii-resample --help)" nii-resample --orient RAS --truncate t.ts
	fails 2 "nii-resample: --truncate: with --spacing, --size or --like, and not with --interp nearest (see nii-resample --help)" nii-resample -s 2 --interp nearest --truncate t.ts
}

@test "labels by shares: of two halves the larger, where there is none 0; argmax, of two the nearer one's" {
	shares() { AFFINE="$1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1" volume a U8 "$2" "$3"; }
	shares 1 1,1,3 '\1\3\2' >a.ts
	nii-resample -s 0.5,1,1 --label-interp linear a.ts | ts-cmp - <(shares 0.5 1,1,5 '\1\3\3\3\2')
	nii-resample -s 0.5,1,1 --label-interp argmax a.ts | ts-cmp - <(shares 0.5 1,1,5 '\1\3\3\2\2')
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

@test "--like: the grid of a file of any kind or of a stream, and back" {
	nii-phantom -n 1 --seed 3 --size 31,29,23 --spacing 11 -o p.ts
	nii-resample --orient LPI -s 5.5 p.ts | nii-crop --above=-900 --margin 20 -o like.ts
	nii-write -t label -o like.nii.gz like.ts
	nii-resample --like like.ts p.ts -o a.ts
	nii-resample --like like.nii.gz p.ts | ts-cmp --atol 1e-2 - a.ts
	ts-cmp -t label a.ts like.ts
	for f in nrrd/itk.nrrd nrrd/itk_gz.nhdr meta/int16.mha meta/itk_z.mhd; do # onto its own grid: as it was
		f=$BATS_TEST_DIRNAME/golden/$f
		nii-read "$f" >whole.ts
		nii-resample --interp nearest --like "$f" whole.ts | ts-cmp --data-only - whole.ts || { echo "$f"; return 1; }
	done
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
