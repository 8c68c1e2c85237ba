#!/usr/bin/env bats
load helper
load preprocess

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	volume a U8 1,3,4 '\0\0\0\0\0\5\0\0\0\0\7\0' image >a.ts # 5 at 1,1,0; 7 at 2,2,0
}

cropped() { AFFINE="1 0 0 $1 0 1 0 $2 0 0 1 $3 0 0 0 1" volume a U8 "$4" "$5" image; }

@test "MONAI's CropForeground: threshold, margin, multiples, padding" { golden nii-crop; }

@test "MONAI's SpatialCrop, SpatialPad, DivisiblePad" { golden nii-crop crop; }

@test "body and lungs of real CTs: the boxes that scipy finds" {
	need_data ct/LUNG1-001
	while IFS=$'\t' read -r what file box; do
		nii-read "$NIIPIPE_DATA/$file" | nii-crop --"$what" -o c.ts
		[[ $(ts-info --json c.ts) == *"\"box\":[$box]"* ]]
	done <"$ROOT/tests/golden/crop_real.tsv"
}

@test "body: a table goes, the box comes back; what is asked goes into the history" {
	# rows of 9 voxels: 2 of air, 20 of body, 2 of air, a table of 1, 1 of air
	volume t I16 1,26,9 "$(for _ in 0 1; do printf '\\0\\374%.0s' {1..9}; done; for _ in {1..20}; do printf '\\50\\0%.0s' {1..9}; done; for _ in 0 1; do printf '\\0\\374%.0s' {1..9}; done; printf '\\50\\0%.0s' {1..9}; printf '\\0\\374%.0s' {1..9})" image >t.ts
	nii-crop --body t.ts -o b.ts
	[[ $(ts-info --json b.ts) == *'"box":[0,2,0,9,22,1]'* ]]
	nii-crop --body --margin-voxels 0,1,0 t.ts | nii-crop --box 0,-1,0,9,3,1 | nii-invert --keep-image -o back.ts
	[ "$(meta back.ts affine)" = "$(meta t.ts affine)" ]
	model '[{"tool":"nii-crop","args":{"body":true,"fill":0,"inside":false,"margin":[0,0,0],"margin_voxels":[0,0,0],"min_size":[0,0,0],"multiple":[1,1,1]}}]' >m.ts
	nii-replay -m m.ts t.ts | ts-cmp - b.ts
	fails 1 "nii-crop: t.ts: t: no lungs found (150 mL or more below -400 HU that do not touch the sides)" nii-crop --lungs t.ts
	volume a I16 1,1,1 '\0\200' image >a.ts
	fails 1 "nii-crop: a.ts: a: no body found (above -300 HU, more than 16 mm across)" nii-crop --body a.ts
}

@test "the box is strict, the affine moves with it" {
	nii-crop --above 4 a.ts | ts-cmp - <(cropped 1 1 0 1,2,2 '\5\0\0\7')
	nii-crop --above 5 a.ts | ts-cmp - <(cropped 2 2 0 1,1,1 '\7')
}

@test "margins in mm are rounded up to voxels; --inside, --fill, --min-size" {
	nii-crop --above 5 --margin 0.5,1,0 a.ts | ts-cmp - <(cropped 1 1 0 1,3,3 '\5\0\0\0\7\0\0\0\0')
	nii-crop --above 5 --margin-voxels 1,1,0 --fill 9 a.ts | ts-cmp - <(cropped 1 1 0 1,3,3 '\5\0\0\0\7\0\11\11\11')
	nii-crop --above 5 --margin-voxels 1 --inside a.ts | ts-cmp - <(cropped 1 1 0 1,2,3 '\5\0\0\0\7\0')
	nii-crop --above 5 --min-size 2,1,1 a.ts | ts-cmp - <(cropped 2 2 0 1,1,2 '\7\0')
}

@test "the box of the label" {
	nii-phantom -n 1 --seed 5 --size 24,21,17 --spacing 14 -o p.ts
	nii-crop --label p.ts -o c.ts
	nii-crop --label c.ts | ts-cmp c.ts -
	nii-invert c.ts | ts-cmp --meta -t label - p.ts
}

@test "other tensors on the grid are cut too, all else passes" {
	m='{"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"}'
	raw_frame "$m,\"image\":{\"dtype\":\"U8\",\"shape\":[1,1,3],\"data_offsets\":[0,3]},\"two\":{\"dtype\":\"I8\",\"shape\":[2,1,1,3],\"data_offsets\":[3,9]},\"w\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[9,12]}}" '\0\1\0abcdefxyz' >o.ts
	m='{"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 1 0 1 0 0 0 0 1 0 0 0 0 1"}'
	raw_frame "$m,\"image\":{\"dtype\":\"U8\",\"shape\":[1,1,1],\"data_offsets\":[0,1]},\"two\":{\"dtype\":\"I8\",\"shape\":[2,1,1,1],\"data_offsets\":[1,3]},\"w\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[3,6]}}" '\1bexyz' >want.ts
	nii-crop --above 0 o.ts | ts-cmp - want.ts
}

@test "errors: no foreground, a fill that does not fit, misuse" {
	fails 1 "nii-crop: a.ts: a: no voxel above 7: nothing to crop to" nii-crop --above 7 a.ts
	fails 1 "nii-crop: a.ts: a: no tensor 'label' in this frame" nii-crop --label a.ts
	volume b U8 1,1,1 '\0' >b.ts
	fails 1 "nii-crop: b.ts: b: no voxel of label above 0: nothing to crop to" nii-crop --label b.ts
	fails 1 "nii-crop: a.ts: a: an image of U8 cannot hold -1 outside of it" nii-crop --above 0 --margin-voxels 9 --fill=-1 a.ts
	fails 2 "nii-crop: one of --above, --nonzero, --label, --body, --lungs, --box and --pad is needed, none was given (see nii-crop --help)" nii-crop a.ts
	fails 2 "nii-crop: one of --above, --nonzero, --label, --body, --lungs, --box and --pad is needed, not several (see nii-crop --help)" nii-crop --above 1 --label a.ts
	fails 2 "nii-crop: --multiple: 0 is not in 1..1048576 (see nii-crop --help)" nii-crop --above 1 --multiple 0 a.ts
	fails 1 "nii-crop: a.ts: a: the box is 3145728 voxels wide on axis x (at most 1048576)" nii-crop --above 1 --multiple 1048576,1,1 --min-size 1048576,1,1 --margin-voxels 1048576,0,0 a.ts
	fails 2 "nii-crop: --box: 6 values wanted (X0,Y0,Z0,X1,Y1,Z1), 3 given (see nii-crop --help)" nii-crop --box 1,2,3 a.ts
	fails 2 "nii-crop: --box: box 2..2 on axis y is not 1 to 1048576 voxels wide (see nii-crop --help)" nii-crop --box 0,2,0,1,2,1 a.ts
	fails 1 "nii-crop: a.ts: a: the box 4..5 on axis x lies outside of the volume's 4 voxels" nii-crop --box 4,0,0,5,1,1 a.ts
}
