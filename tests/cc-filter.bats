load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	G=$ROOT/tests/golden
}

gold() { # gold NAME ARG...: cc-filter ARG... makes of filter_in what SciPy made
	zcat "$G/filter_in.ts.gz" | cc-filter "${@:2}" | ts-select --drop mask | ts-cmp - <(zcat "$G/filter_$1.ts.gz")
}

@test "too small ones: as SciPy and cc3d have it" {
	gold least -c 6 --min-voxels 3
	gold union -c 18 --union --min-voxels 4
	gold volume -c 6 --min-volume 4.8
}

@test "on a mask, and the k largest of these" {
	gold on -c 6 --on mask
	gold fraction -c 6 --on mask --on-values 2,-1 --on-fraction 0.25
	gold grow -c 6 --on mask --on-values 3 --on-grow 2.3 --on-fraction 0.9
	gold k -c 6 -k 2 --min-voxels 2 --on mask
}

@test "holes: as scipy.ndimage.binary_fill_holes" {
	gold fill6 -c 6 --fill-holes
	gold fill26 --fill-holes
	gold fillu --fill-holes --union -k 1
}

@test "-k alone is cc-largest" {
	cc-filter -c 6 -k 3 $G/components_in.ts | ts-cmp - $G/components_k3.ts
	gold largest -k 1
	zcat $G/filter_in.ts.gz | cc-largest | ts-select --drop mask | ts-cmp - <(zcat $G/filter_largest.ts.gz)
	cc-filter --union -k 1 $G/components_in.ts | ts-cmp - $G/components_u26.ts
}

@test "a volume just reached is enough" {
	AFFINE='0.1 0 0 0 0 0.1 0 0 0 0 0.1 0 0 0 0 1' volume a U8 1,1,6 '\1\1\1\0\1\1' >a.ts
	AFFINE='0.1 0 0 0 0 0.1 0 0 0 0 0.1 0 0 0 0 1' volume a U8 1,1,6 '\1\1\1\0\0\0' >b.ts
	cc-filter --min-volume 0.003 a.ts | ts-cmp - b.ts
	cc-filter --min-volume 0.002 a.ts | ts-cmp - a.ts
	cc-filter --min-volume 0.0021 --min-voxels 1 a.ts | ts-cmp - b.ts
	cc-filter --min-volume 0.0001 --min-voxels 3 a.ts | ts-cmp - b.ts
}

@test "a ring in one slice is open above and below" {
	volume a U8 1,3,3 '\1\1\1\1\0\1\1\1\1' >a.ts
	cc-filter --fill-holes a.ts | ts-cmp - a.ts
	cc-filter -c 6 --fill-holes a.ts | ts-cmp - a.ts
}

@test "nothing in it: nothing done, and nothing left is no error" {
	volume a U8 2,2,2 '\0\0\0\0\0\0\0\0' >a.ts
	cc-filter --fill-holes --min-voxels 5 -k 1 a.ts | ts-cmp - a.ts
	volume b U8 2,2,2 '\1\0\0\0\0\0\0\0' >b.ts
	cc-filter --min-voxels 5 b.ts | ts-select --index 0 -t label | ts-info --stats | grep -q 'max 0'
}

@test "the history says so, and nii-invert passes over it" {
	nii-phantom -n 1 --size 24,20,16 --seed 1 | cc-filter -t label --min-voxels 2 >a.ts
	run ts-info a.ts
	[[ $output == *' cc-filter 0.1.0 {"connectivity":26,"fill_holes":false,"k":0,"min_volume":0.0,"min_voxels":2,"on":null,"on_fraction":0.0,"on_grow":0.0,"on_organ":null,"on_values":[],"tensor":"label","union":false}'* ]]
	nii-crop --above=-900 a.ts | cc-filter -t label --fill-holes | nii-invert -o b.ts
	ts-info b.ts | grep -q cc-filter
}

@test "real tumour and lungs: whole on one voxel, or a tenth of them, gone on a half" {
	need_data ct/LUNG1-002
	d=$NIIPIPE_DATA/ct/LUNG1-002
	nii-read -l $d/LUNG1-002_lungs.nii.gz $d/LUNG1-002_gtv.nii.gz |
		LC_ALL=C sed '1s/"image":{"dtype":"U8","shape":\[1,/"pred":{"dtype":"U8","shape":   [/' >p.ts
	before=$(ts-info --stats p.ts | grep '^  pred')
	[ "$(cc-filter --on label p.ts | ts-info --stats | grep '^  pred')" = "$before" ]
	[ "$(cc-filter --on label --on-values 1,2 --on-fraction 0.1 p.ts | ts-info --stats | grep '^  pred')" = "$before" ]
	cc-filter --on label --on-fraction 0.5 p.ts | ts-info --stats | grep '^  pred' | grep -q 'max 0'
}

# A body of 10x10 voxels in a slice of 20x20, with a cavity, and labels in its tissue, in the cavity and, where $1 is 1, in the air outside.
slice() {
	local image='' label='' x y
	for ((y = 0; y < 20; y++)); do
		for ((x = 0; x < 20; x++)); do
			if ((x < 5 || x > 14 || y < 5 || y > 14 || (x / 2 == 4 && y / 2 == 4))); then image+='\x18\xfc'; else image+='\x28\0'; fi
			if ((x == 6 && y == 6 || x == 9 && y == 9)); then label+='\1'; elif ((x == 2 && y == 18)); then label+="\\$1"; else label+='\0'; fi
		done
	done
	raw_frame '{"__metadata__":{"id":"s","affine":"10 0 0 0 0 10 0 0 0 0 10 0 0 0 0 1"},"image":{"dtype":"I16","shape":[1,1,20,20],"data_offsets":[0,800]},"label":{"dtype":"U8","shape":[1,20,20],"data_offsets":[800,1200]}}' "$image$label"
}

@test "off the body, air in it belonging to it" {
	slice 1 >a.ts
	slice 0 >b.ts
	cc-filter --on-organ body a.ts | ts-cmp - b.ts
	cc-filter --on-organ body --on-fraction 1 a.ts | ts-cmp - b.ts
	cc-filter --on-organ body --on-grow 49 a.ts | ts-cmp - b.ts
	cc-filter --on-organ body --on-grow 50 a.ts | ts-cmp - a.ts
	cc-filter --on-organ body --union -k 1 a.ts >c.ts
	ts-info c.ts | grep -q '"on_organ":"body"'
	fails 1 "cc-filter: a.ts: s: no lungs found (150 mL or more below -400 HU that do not touch the sides)" cc-filter --on-organ lungs -o out a.ts
	volume a U8 1,1,2 '\1\1' >a.ts
	fails 1 "cc-filter: a.ts: a: no tensor 'image' in this frame" cc-filter --on-organ lungs -o out a.ts
	fails 2 "cc-filter: --on and --on-organ exclude each other (see cc-filter --help)" cc-filter --on-organ lungs --on m a.ts
}

@test "real tumours stay on the lungs grown by 20 mm, a heart does not" {
	need_data ct/LUNG1-002
	for c in LUNG1-001/LUNG1-001 LUNG1-002/LUNG1-002; do
		nii-read -l "$NIIPIPE_DATA/ct/${c}_gtv.nii.gz" "$NIIPIPE_DATA/ct/${c}_ct.nii.gz" >a.ts
		cc-filter -t label --on-organ lungs --on-grow 20 --on-fraction 0.7 a.ts | ts-cmp - a.ts
		cc-filter -t label --on-organ body --on-fraction 0.9 a.ts | ts-cmp - a.ts
	done
	nii-read -l "$NIIPIPE_DATA/ct/${c}_heart.nii.gz" "$NIIPIPE_DATA/ct/${c}_ct.nii.gz" | cc-filter -t label --on-organ lungs --on-grow 20 --on-fraction 0.7 |
		ts-info --stats | grep '^  label' | grep -q 'max 0'
}

@test "memory in proportion to the runs: no second volume, not even of bytes" {
	ldd "$BIN/cc-filter" | grep -q libasan && skip "AddressSanitizer needs more memory"
	h='{"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"label":{"dtype":"U8","shape":[400,512,512],"data_offsets":[0,104857600]}}'
	raw_frame "$h" >big.ts
	n=$(stat -c %s big.ts)
	truncate -s $((n + 104857600)) big.ts
	for at in 1 60000000 60000001 60000513 99999999; do printf '\1' | dd of=big.ts bs=1 seek=$((n + at)) conv=notrunc status=none; done
	for args in '--min-voxels 2' '--fill-holes -k 1' '--union --on label'; do
		# the mapped file, and 80 MB for the program, its libraries and stacks
		bash -c 'ulimit -v $(((100 + 80) << 10)); exec cc-filter $1 -o /dev/null big.ts' - "$args"
	done
	bash -c 'ulimit -v $(((100 + 80) << 10)); exec cc-largest -o /dev/null big.ts'
	cc-filter --min-voxels 3 big.ts | ts-info --stats | grep -q 'mean 2.861'
}

@test "messages" {
	volume a U8 1,1,2 '\1\1' >a.ts
	fails 2 "cc-filter: nothing to do: none of --min-voxels, --min-volume, --on, --on-organ, --keep, --fill-holes (see cc-filter --help)" cc-filter a.ts
	fails 2 "cc-filter: --on-values needs --on, --on-fraction and --on-grow that or --on-organ (see cc-filter --help)" cc-filter -k 1 --on-fraction 0.5 a.ts
	fails 2 "cc-filter: --min-voxels: 0 is not in 1..1000000000000000 (see cc-filter --help)" cc-filter --min-voxels 0 a.ts
	fails 2 "cc-filter: --min-volume: -1 is not in 1e-09..1e+15 (see cc-filter --help)" cc-filter --min-volume=-1 a.ts
	fails 1 "cc-filter: a.ts: a: no tensor 'x' in this frame" cc-filter --on x -o out a.ts
	raw_frame '{"__metadata__":{"id":"h"},"label":{"dtype":"U8","shape":[1,1,2],"data_offsets":[0,2]},"m":{"dtype":"U8","shape":[2,1,1],"data_offsets":[2,4]},"f":{"dtype":"F32","shape":[1,1,2],"data_offsets":[4,12]}}' 'aabb00000000' >b.ts
	fails 1 "cc-filter: b.ts: h: 'm' is on another grid than 'label'" cc-filter --on m -o out b.ts
	fails 1 "cc-filter: b.ts: h: tensor 'f' is F32 with 3 axes (expected integers [Z,Y,X])" cc-filter --on f -o out b.ts
	fails 1 "cc-filter: b.ts: h: no metadata 'affine'" cc-filter --min-volume 1 -o out b.ts
	AFFINE='1 0 0 0 0 1 0 0 1 1 0 0 0 0 0 1' volume a U8 1,1,2 '\1\1' >a.ts
	fails 1 "cc-filter: a.ts: a: affine: a voxel has no volume (0 mm3)" cc-filter --min-volume 1 -o out a.ts
	[ ! -e out ]
}
