#!/usr/bin/env bats
load helper
load preprocess

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	nii-phantom -n 1 --seed 5 --size 29,23,19 --spacing 12,13.5,17 -o p.ts
}

# same PIPELINE: the label comes back through it, with affine, history and all metadata as they were
same() {
	eval "$1" <p.ts | nii-invert -o back.ts || return 1
	ts-cmp --meta -t label p.ts back.ts
}

@test "boxes: the label comes back exactly, affine and history bit for bit" {
	same "nii-crop --above -900"
	same "nii-crop --above -900 --margin-voxels 3 --multiple 16"
	same "nii-normalize --window=-1000,400 | nii-crop --above 0.1 --min-size 40,7,7"
	same "nii-crop --above -900 | nii-normalize --zscore | nii-crop --label --margin 20"
	[ "$(meta back.ts affine)" = "$(meta p.ts affine)" ]
	[ "$(meta back.ts history)" = "$(meta p.ts history)" ]
}

@test "flips and patches come back" {
	same "nii-augment --flip xyz --flip-prob 1 --seed 1"
	same "nii-crop --above -900 | nii-augment --flip yz --flip-prob 1 --shift 0.1 --seed 1"
	same "nii-patch -s 32,32,24 -n 1 --seed 1"
}

@test "turns and cuts of nii-augment come back, warps do not" {
	same "nii-augment --turn xyz --prob-turn 1 --flip xy --seed 3"
	nii-resample -s 7 p.ts | nii-crop --box 0,0,0,24,24,24 -o cube.ts
	for i in 1 2 3 4 5; do
		nii-augment --turn xyz --prob-turn 1 --flip xyz --seed $i cube.ts | nii-invert | ts-cmp --meta -t label - <(nii-invert cube.ts)
	done
	nii-augment --size 40,40,30 --turn z --flip xyz p.ts | nii-invert | ts-cmp --meta -t label - p.ts
	nii-augment --rotate 10 p.ts >w.ts
	fails 1 "nii-invert: w.ts: phantom-0001: cannot undo nii-augment: its voxels were interpolated by a warp, and those before are lost" nii-invert w.ts
}

@test "resampling to finer voxels and back, in any order with boxes" {
	same "nii-resample -s 7,8,9"
	same "nii-resample -s 7,8,9 | nii-crop --above -900"
	same "nii-crop --above -900 | nii-resample -s 11,6,9"
	same "nii-resample -s 12,13.5,17 | nii-normalize --zscore"
	same "nii-crop --above -950 | nii-resample -s 7 | nii-crop --above -900 --multiple 8 | nii-augment --flip x --flip-prob 1 --seed 2"
	[ "$(meta back.ts affine)" = "$(meta p.ts affine)" ]
}

# orders STEP...: every order of the steps, a pipeline a line
orders() {
	local i
	[ $# -gt 1 ] || { echo "$1"; return; }
	for ((i = 1; i <= $#; i++)); do orders "${@:1:i-1}" "${@:i+1}" | sed "s/^/${!i} | /"; done
}

@test "every order of orientation, flip, crop and pad: exactly, sheared or not" {
	n=0
	while read -r pipeline; do
		same "$pipeline"
		n=$((n + 1))
	done < <(orders "nii-resample --orient SLP" "nii-augment --flip xz --flip-prob 1 --seed 1" "nii-crop --above=-900 --margin-voxels 1" \
		"nii-crop --pad --multiple 8")
	[ $n = 24 ]
	shear 3 p.ts >q.ts && mv q.ts p.ts
	while read -r pipeline; do same "$pipeline"; done < <(orders "nii-resample --orient SLP" "nii-augment --flip xyz --flip-prob 1 --seed 1" "nii-crop --above=-900 --margin-voxels 2")
}

@test "every order of these and resampling to finer voxels" {
	while read -r pipeline; do same "$pipeline"; done < <(orders "nii-resample --orient SLP" "nii-augment --flip xz --flip-prob 1 --seed 1" \
		"nii-crop --above=-900" "nii-resample -s 7")
	shear 3 p.ts >q.ts && mv q.ts p.ts
	while read -r pipeline; do same "$pipeline"; done < <(orders "nii-augment --flip xz --flip-prob 1 --seed 1" "nii-crop --above=-900 --margin-voxels 2" "nii-resample -s 5")
}

@test "onto a grid that is rotated, and back: what it held, on the affine bit for bit" {
	nii-resample -s 5 p.ts -o fine.ts
	shear 2 fine.ts >like.ts
	same "nii-resample --like like.ts"
	same "nii-crop --above=-900 | nii-resample --like like.ts --label-interp linear | nii-crop --pad --multiple 16"
	nii-resample --like like.ts p.ts | nii-crop --box 0,0,0,20,99,99 | nii-invert -o back.ts
	[ "$(meta back.ts affine)" = "$(meta p.ts affine)" ]
}

@test "prob: background is class 0, of probabilities and of logits" {
	m='{"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 1 0 1 0 0 0 0 1 0 0 0 0 1","prob":"WHAT","history":"[{\"tool\":\"nii-crop\",\"args\":{},\"size\":[3,1,1],\"affine\":[1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1],\"undo\":{\"box\":[1,0,0,2,1,1]}}]"}'
	w='{"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"}'
	half='\0\0\0\77' zero='\0\0\0\0' one='\0\0\200\77' sixteen='\0\0\200\101' t='"prob":{"dtype":"F32","shape":[2,1,1,N],"data_offsets":[0,M]}}'
	t1=${t/N/1} t1=${t1/M/8} t3=${t/N/3} t3=${t3/M/24}
	raw_frame "${m/WHAT/probabilities},$t1" "$half$half" | nii-invert | ts-cmp - <(raw_frame "$w,$t3" "$one$half$one$zero$half$zero")
	raw_frame "${m/WHAT/logits},$t1" "$half$half" | nii-invert | ts-cmp - <(raw_frame "$w,$t3" "$sixteen$half$sixteen$zero$half$zero")
}

@test "--argmax is seg-argmax of what is brought back, byte for byte" {
	h='[{\"tool\":\"nii-crop\",\"args\":{},\"size\":[6,1,1],\"affine\":[1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1],\"undo\":{\"box\":[1,0,0,6,1,1]}},{\"tool\":\"nii-resample\",\"args\":{\"align\":\"monai\",\"interp\":\"linear\",\"spacing\":[2,1,1]},\"size\":[5,1,1],\"affine\":[1,0,0,1,0,1,0,0,0,0,1,0,0,0,0,1]}]'
	m="{\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"volume\",\"id\":\"a\",\"affine\":\"2 0 0 1 0 1 0 0 0 0 1 0 0 0 0 1\",\"prob\":\"logits\",\"history\":\"$h\"}"
	half='\0\0\0\77' zero='\0\0\0\0' one='\0\0\200\77' nan='\0\0\300\177' t='"prob":{"dtype":"F32","shape":[2,1,1,3],"data_offsets":[0,24]}}'
	raw_frame "$m,$t" "$half$half$one$zero$one$half" >s.ts
	nii-invert --argmax s.ts -o a.ts
	nii-invert s.ts | seg-argmax | cmp - a.ts
	ts-cmp --data-only a.ts <(volume a U8 1,1,6 '\0\0\0\1\0\0' pred)
	raw_frame "$m,$t" "$half$half$one$zero$one$nan" >s.ts
	fails 1 "nii-invert: s.ts: a: cannot undo nii-resample: tensor 'prob' is not finite" nii-invert --argmax s.ts
	volume a U8 1,1,1 '\5' >a.ts
	fails 1 "nii-invert: a.ts: a: no tensor 'prob' in this frame" nii-invert --argmax a.ts
}

@test "the image is dropped, or kept with its intensities and what the history says of them" {
	nii-crop --above -900 p.ts | nii-invert -o back.ts
	[[ $(ts-info back.ts) != *image* ]]
	nii-crop --above -2000 p.ts | nii-invert --keep-image | ts-cmp --meta - p.ts
	nii-normalize --window=-1000,400 p.ts -o n.ts
	nii-crop --above 0.1 n.ts | nii-crop --label | nii-invert --keep-image | ts-cmp --meta -t label - n.ts
}

@test "errors: nothing to bring back, a step that is not known, a box that does not fit" {
	volume a U8 1,1,1 '\5' image >a.ts
	fails 1 "nii-invert: a.ts: a: no label, pred or prob in this frame: nothing to bring back (--keep-image for the image alone)" nii-invert a.ts
	h='[{\"tool\":\"TOOL\",\"size\":[1,1,1],\"affine\":[1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1],\"undo\":UNDO}]'
	t='"label":{"dtype":"U8","shape":[1,1,2],"data_offsets":[0,2]}}'
	m='{"__metadata__":{"kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1","history":"'
	x=${h/TOOL/nii-warp} && raw_frame "$m${x/UNDO/\{\}}\"},$t" '\1\2' >x.ts
	fails 1 "nii-invert: x.ts: a: cannot undo nii-warp: it changed the grid, and how is not known" nii-invert x.ts
	x=${h/TOOL/nii-crop} && raw_frame "$m${x/UNDO/\{\}}\"},$t" '\1\2' >x.ts
	fails 1 "nii-invert: x.ts: a: cannot undo nii-crop: undo has no box of six whole numbers" nii-invert x.ts
	raw_frame "$m${x/UNDO/\{\\\"box\\\":[0,0,0,1,1,1]\}}\"},$t" '\1\2' >x.ts
	fails 1 "nii-invert: x.ts: a: cannot undo nii-crop: 2 voxels on axis x, but its box is 1 wide" nii-invert x.ts
	raw_frame "$m${x/UNDO/\{\\\"box\\\":[0,0,0,0,1,1]\}}\"},$t" '\1\2' >x.ts
	fails 1 "nii-invert: x.ts: a: cannot undo nii-crop: box 0..0 on axis x is not 1 to 1048576 voxels wide" nii-invert x.ts
	x=${x/\[1,1,1\]/[1048576,1048576,1048576]}
	raw_frame "$m${x/UNDO/\{\\\"box\\\":[0,0,0,2,1,1]\}}\"},$t" '\1\2' >x.ts
	fails 1 "nii-invert: x.ts: a: cannot undo nii-crop: not enough memory for label (needs 1152921504606846976 bytes)" nii-invert x.ts
}

@test "real tumours: crop comes back exactly, 1x1x3 mm with Dice of at least 0.99" {
	need_data ct/LUNG1-001
	for case in LUNG1-001/LUNG1-001 LUNG1-002/LUNG1-002 pat_3/pat_3 LUNG1-001/LUNG1-001_slab512; do
		f=$NIIPIPE_DATA/ct/$case
		nii-read -l "${f}_gtv.nii.gz" "${f}_ct.nii.gz" -o ct.ts
		nii-normalize --window=-1000,400 ct.ts | nii-crop --above 0.1 --multiple 16 | nii-invert | ts-cmp --meta -t label - ct.ts
		nii-resample -s 1,1,3 ct.ts | nii-normalize --window=-1000,400 | nii-crop --above 0.1 --multiple 16 | nii-invert -o back.ts
		[ "$(meta back.ts affine)" = "$(meta ct.ts affine)" ]
		nii-write -t label -o back.nii.gz back.ts
		seg-score --min dice=0.99 "${f}_gtv.nii.gz" back.nii.gz
	done
}

@test "real tumours: every order of orientation, flip, crop, and resampling to 1x1x3 mm: Dice of at least 0.99" {
	need_data ct/LUNG1-001
	cases=pat_3/pat_3
	[ -n "${NIIPIPE_LONG:-}" ] && cases="LUNG1-001/LUNG1-001 LUNG1-002/LUNG1-002 pat_3/pat_3"
	for case in $cases; do
		f=$NIIPIPE_DATA/ct/$case
		nii-read -l "${f}_gtv.nii.gz" "${f}_ct.nii.gz" -o p.ts
		while read -r pipeline; do same "$pipeline"; done < <(orders "nii-resample --orient SLP" "nii-augment --flip xz --flip-prob 1 --seed 1" \
			"nii-crop --above=-500 --margin-voxels 1")
		while read -r pipeline; do
			spacing=1,1,3 # of the axes as they were read
			[[ $pipeline == *SLP*" -s "* ]] && spacing=3,1,1
			eval "${pipeline/SPACING/$spacing}" <p.ts | nii-invert -o back.ts
			[ "$(meta back.ts affine)" = "$(meta p.ts affine)" ]
			nii-write -t label -o back.nii.gz back.ts
			seg-score --min dice=0.99 "${f}_gtv.nii.gz" back.nii.gz
		done < <(orders "nii-resample --orient SLP" "nii-augment --flip xz --flip-prob 1 --seed 1" "nii-crop --above=-500" \
			"nii-resample -s SPACING --label-interp linear")
	done
}

@test "what zoom made goes back by zoom, halves of voxels too, where the ratio of the spacings misses them" {
	local each
	each=$(printf '\\%o' {0..32})
	for spacing in 0.7 1.1 2.9; do
		AFFINE="1 0 0 0 0 1 0 0 0 0 $spacing 0 0 0 0 1" volume a U8 33,1,1 "$each" | nii-resample --align zoom --size 1,1,14 -o zoomed.ts
		nii-resample --align zoom --size 1,1,33 zoomed.ts | ts-cmp --data-only - <(nii-invert zoomed.ts)
	done
}
