#!/usr/bin/env bats
load helper

G=$BATS_TEST_DIRNAME/golden/nifti

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

meta() { # meta FRAME KEY
	ts-info --json "$1" | grep -oE "\"$2\":(\"[^\"]*\"|\[[^]]*\]|[0-9]+)" | head -1 | cut -d: -f2-
}

@test "a frame: image in the file's type, id from the name, affine, history" {
	nii-read $G/int16.nii >a.ts
	[ "$(meta a.ts shape)" = "[1,3,4,5]" ]
	[ "$(meta a.ts dtype)" = '"I16"' ]
	[ "$(meta a.ts id)" = '"int16"' ]
	[ "$(meta a.ts tool)" = '"nii-read"' ]
	cmp <(tail -c 120 a.ts) <(tail -c 120 $G/int16.nii)
}

@test "standard input, gzip by its bytes and not by its name" {
	cp $G/mask_u8.nii.gz plain-name.nii
	nii-read --id x <$G/mask_u8.nii.gz >a.ts
	cat $G/mask_u8.nii.gz | nii-read --id x >b.ts
	gunzip <$G/mask_u8.nii.gz | nii-read --id x - >c.ts
	cmp a.ts b.ts
	cmp a.ts c.ts
	nii-read --id x plain-name.nii | ts-cmp - a.ts
	nii-read <$G/mask_u8.nii.gz | ts-info --json - | grep -q '"id":"stdin"'
}

@test "the sibling is never read by mistake" {
	cp $G/mask_u8.nii.gz v.nii.gz
	cp $G/int16.nii v.nii
	cp $G/pair.hdr v.hdr
	cp $G/pair.img v.img
	[ "$(nii-read v.nii.gz | meta - dtype)" = '"U8"' ]
	[ "$(nii-read v.nii | meta - shape)" = "[1,3,4,5]" ]
	rm v.nii
	fails 1 "nii-read: v.nii: cannot open: No such file or directory" nii-read v.nii
}

@test "a pair by either name" {
	nii-read $G/pair.hdr | ts-cmp - <(nii-read $G/pair.img)
	nii-read $G/zip.hdr.gz | ts-cmp - <(nii-read $G/zip.img.gz)
	cp $G/pair.hdr alone.hdr
	fails 1 "nii-read: alone.img: cannot open: No such file or directory" nii-read alone.hdr
	cp $G/pair.img short.img
	fails 1 "nii-read: short.hdr: cannot open: No such file or directory" nii-read short.img
	cp $G/pair.hdr short.hdr
	truncate -s 200 short.img
	fails 1 "nii-read: short.img: ends inside the voxels (expected 210 bytes, found 200) (offset 200)" nii-read short.hdr
	cp $G/int16.nii single.hdr
	fails 1 "nii-read: single.hdr: is a single NIfTI file (expected the header of a .hdr/.img pair) (offset 344)" nii-read single.hdr
	fails 1 "nii-read: standard input: is the header of a .hdr/.img pair (expected a single file) (offset 344)" nii-read <$G/pair.hdr
}

@test "the fourth axis becomes channels, a vector's fifth too, a slice is a volume" {
	[ "$(nii-read $G/four.nii | meta - shape)" = "[2,3,4,5]" ]
	[ "$(nii-read $G/five.nii | meta - shape)" = "[3,3,4,5]" ]
	[ "$(nii-read $G/two.nii | meta - shape)" = "[1,1,5,6]" ]
	{ head -c 48 $G/five.nii; printf '\2'; tail -c +50 $G/five.nii; } >both.nii
	fails 1 "nii-read: both.nii: dim[5] is 3: two axes beyond x, y, z (only one can become the channels) (offset 50)" nii-read both.nii
}

@test "several files, several frames" {
	nii-read $G/int16.nii $G/uint8.nii $G/pair.hdr >a.ts
	[ "$(ts-info --json a.ts | wc -l)" -eq 3 ]
}

@test "a name that is not UTF-8 stays in the history, cleaned; as an id it is refused" {
	local odd=$'M\xfcller'
	mkdir $odd
	cp $G/int16.nii $odd/a.nii
	cp $G/int16.nii $odd.nii
	nii-read $odd/a.nii | ts-info --history | diff - <(ts-info --history <(nii-read --id a $G/int16.nii) | sed "s|$G/int16.nii\$|M?ller/a.nii|; 1s|M?ller/a.nii|'&'|")
	fails 1 "nii-read: $odd.nii: id '$odd' is not UTF-8" nii-read $odd.nii
	nii-read --id a $odd.nii | ts-info --history | grep -F "nii-read --id a 'M?ller.nii'"
}

@test "metres and microns become mm, as ITK has them; nii-write puts back what was read" {
	local unit
	for unit in 0 1 2 3; do # not said, metres, mm, microns
		cp $G/int16.nii u.nii
		printf "\\x$unit" | dd of=u.nii bs=1 seek=123 conv=notrunc status=none
		nii-read u.nii >$unit.ts
		[ $unit != 1 ] || cp u.nii 1.nii
		ts-info $unit.ts | grep -o 'voxels of .* mm'
		nii-crop --box 0,0,0,1,1,1 $unit.ts | nii-invert --keep-image | nii-write -t image -o back.nii
		cmp -i 76 -n 48 u.nii back.nii # spacings to unit
		cmp -i 252 -n 76 u.nii back.nii # codes to sform
	done >grids
	diff grids - <<-'EOF'
	voxels of 0.6995x0.704486x2.96939 mm
	voxels of 699.5x704.486x2969.39 mm
	voxels of 0.6995x0.704486x2.96939 mm
	voxels of 0.0006995x0.000704486x0.00296939 mm
	EOF
	fails 1 "nii-read: 1.nii: is on another grid than $G/int16.nii (affine row 1, column 1: -680.000007 against -0.680000007)" nii-read -l 1.nii $G/int16.nii
}

@test "label: beside the image, integers as they are" {
	nii-read -l $G/mask_u8.nii.gz --id case $G/extension.nii >a.ts
	ts-info --json a.ts | grep -q '"name":"label","dtype":"U8","shape":\[3,5,7\]'
	cmp <(tail -c 105 a.ts) <(gunzip <$G/mask_u8.nii.gz | tail -c 105)
}

@test "float labels and labels with a slope become the smallest integers" {
	nii-read -l $G/mask_u8.nii.gz --id m $G/extension.nii | tail -c 315 >u8
	nii-read -l $G/mask_f32.nii --id m $G/extension.nii | tail -c 315 | cmp - u8
	nii-read -l $G/mask_slope.nii --id m $G/extension.nii | tail -c 315 | cmp - u8
	nii-read -l $G/mask_minus.nii --id m $G/extension.nii | ts-info --json - | grep -q '"name":"label","dtype":"I16"'
	{ head -c 352 $G/mask_f32.nii; printf '\0\0\0\077'; tail -c +357 $G/mask_f32.nii; } >half.nii
	fails 1 "nii-read: half.nii: label is not a whole number (voxel 0,0,0: found 0.5)" nii-read -l half.nii $G/extension.nii
	{ head -c 376 $G/mask_f32.nii; printf '\0\0\300\177'; tail -c +381 $G/mask_f32.nii; } >nan.nii
	fails 1 "nii-read: nan.nii: label is not a whole number (voxel 6,0,0: found nan)" nii-read -l nan.nii $G/extension.nii
	# nibabel's Nifti1Image(mask of floats, ct.affine, ct.header): int16 in steps of a slope, here 2/65535, the nearest one to each label
	volume a I16 1,1,4 '\0\200\0\0\377\177\0\200' | nii-write -t label >steps.nii.gz
	gunzip <steps.nii.gz >plain.nii
	sloped() { { head -c 112 plain.nii; printf "$1"; tail -c +121 plain.nii; } >sloped.nii; } # slope and intercept as float32: 2/65535, 1
	sloped '\200\0\0\70\0\0\200\77'
	nii-read -l sloped.nii --id a steps.nii.gz | ts-info --stats | grep -F "label" | grep -F "U8" | grep -F "min 0, max 2, mean 0.75"
	sloped '\200\0\0\70\0\2\200\77' # a number that is more than half a step off
	fails 1 "nii-read: sloped.nii: label is not a whole number (voxel 0,0,0: found 4.57763672e-05)" nii-read -l sloped.nii steps.nii.gz
}

@test "labels become others" {
	map() { nii-read -l <(nii-write -t label "$1") --map "$2" --id a <(nii-write -t label "$1") | ts-info --stats | grep -o 'label .*bytes, .*'; }
	volume a U8 1,2,4 '\0\1\2\377\0\1\2\377' >a.ts
	volume a I8 1,2,4 '\0\1\2\377\0\1\2\377' >b.ts
	[[ $(map a.ts 255=1) == *"min 0, max 2, mean 1" ]]
	[[ $(map a.ts 1=0,2=1,255=0) == *"min 0, max 1, mean 0.25" ]]
	[[ $(map a.ts '*=0,2=1') == *"min 0, max 1, mean 0.25" ]]
	[[ $(map a.ts '*=1') == *"min 0, max 1, mean 0.75" ]]
	[[ $(map a.ts 1=2,2=1,255=0,0=7,9=8) == *"min 0, max 7, mean 2.5" ]]
	[[ $(map b.ts -1=3) == *"min 0, max 3, mean 1.5" ]]
	nii-write -t label a.ts >u8.nii.gz
	nii-write -t label b.ts >i8.nii.gz
	# where it comes from goes on, and makes the same again
	nii-read -l i8.nii.gz --map='-1=0,*=1' i8.nii.gz >c.ts
	eval "$(ts-info --history c.ts)" | cmp - c.ts
	printf 'i8\ti8.nii.gz\ti8.nii.gz\nb\tu8.nii.gz\n' >cases.tsv
	nii-read -L cases.tsv --map='-1=0,*=1' | ts-select --index 0 | ts-cmp -t label - c.ts
	fails 1 "nii-read: i8.nii.gz: label 1 becomes 200, which its type I8 does not hold" nii-read --map 1=200 -l i8.nii.gz u8.nii.gz
	fails 2 "nii-read: --map: 300 is not in 0..255 (see nii-read --help)" nii-read --map 1=300 -l i8.nii.gz u8.nii.gz
	fails 2 "nii-read: --map: '255' is not FROM=TO (see nii-read --help)" nii-read --map 255 -l i8.nii.gz u8.nii.gz
	fails 2 "nii-read: --map: label 1 is there twice (see nii-read --help)" nii-read --map 1=2,1=3 -l i8.nii.gz u8.nii.gz
	fails 2 "nii-read: --map: * is there twice (see nii-read --help)" nii-read --map '*=2,*=3' -l i8.nii.gz u8.nii.gz
	fails 2 "nii-read: --map goes with labels: --label, --list or --pairs (see nii-read --help)" nii-read --map 1=2 u8.nii.gz
}

@test "several masks make one label" {
	mask() { volume "$1" "$2" 1,2,4 "$3" | nii-write -t label -o "$1.nii.gz"; }
	mask ct U8 '\1\2\3\4\5\6\7\10'
	mask a U8 '\0\1\1\1\0\0\0\0'
	mask b I16 '\0\0\0\0\0\1\0\1\377\377\0\0\0\0\0\0' # 256 and -1
	mask c U8 '\0\0\0\1\0\0\0\7'
	nii-read -v -l a.nii.gz -l b.nii.gz -l c.nii.gz ct.nii.gz >all.ts 2>said
	diff said - <<-'E'
		nii-read: 2 voxels are of several labels: the last one counts
		nii-read: ct.nii.gz: done
	E
	ts-info --json all.ts | grep -q '"name":"label","dtype":"U8","shape":\[1,2,4\]'
	volume ct U8 1,2,4 '\0\1\2\3\2\0\0\3' | ts-cmp --data-only -t label - all.ts
	# the order counts, and 0 and 1 are numbers of labels for --map
	nii-read -l c.nii.gz -l b.nii.gz --label a.nii.gz --map 1=9,2=0 ct.nii.gz >map.ts
	volume ct U8 1,2,4 '\0\3\3\3\0\0\0\11' | ts-cmp --data-only -t label - map.ts
	[ "$(ts-info --history map.ts | head -1)" = "nii-read --id ct --label c.nii.gz --label b.nii.gz --label a.nii.gz --map 1=9,2=0 ct.nii.gz" ]
	eval "$(ts-info --history map.ts | head -1)" | cmp - map.ts
	for f in ct c b a; do nii-read $f.nii.gz | ts-info --history | grep "  $f.nii.gz"; done >sums
	[ "$(wc -l <sums)" -eq 4 ]
	ts-info --history map.ts | grep '^# .*nii.gz' | diff - sums
	# one of them is a label as it is
	nii-read -l c.nii.gz ct.nii.gz | ts-info --stats | grep -q 'label .*max 7'
	cp "$G/int16.nii" other.nii
	fails 1 "nii-read: other.nii: is on another grid than ct.nii.gz (5x4x3 against 4x2x1 voxels)" nii-read -l a.nii.gz -l other.nii ct.nii.gz
	fails 1 "nii-read: no.nii: cannot open: No such file or directory" nii-read -l a.nii.gz -l no.nii -o x.ts ct.nii.gz
	[ ! -e x.ts ]
	mapfile -t most < <(for ((i = 0; i < 255; i++)); do echo -l; echo a.nii.gz; done)
	nii-read "${most[@]}" ct.nii.gz | ts-info --stats | grep -q 'label .*max 255'
	fails 2 "nii-read: --label: given more than 255 times (see nii-read --help)" nii-read "${most[@]}" -l a.nii.gz ct.nii.gz
}

@test "a label wider than the image" {
	nii-read -l $G/int32.nii --id x $G/uint8.nii >a.ts
	ts-info --json a.ts | grep -q '"name":"label","dtype":"I32","shape":\[3,4,5\].*"name":"image","dtype":"U8","shape":\[1,3,4,5\]'
	cmp <(tail -c 300 a.ts) <(tail -c 240 $G/int32.nii; tail -c 60 $G/uint8.nii)
	nii-read -l $G/uint8.nii --id x <$G/int32.nii >b.ts
	cmp <(tail -c 300 b.ts) <(tail -c 300 a.ts)
}

@test "label and image on different grids" {
	cp $G/int16.nii a.nii
	cp $G/mask_u8.nii.gz l.nii.gz
	fails 1 "nii-read: l.nii.gz: is on another grid than a.nii (7x5x3 against 5x4x3 voxels)" nii-read -l l.nii.gz a.nii
	cp $G/left.nii b.nii
	fails 1 "nii-read: l.nii.gz: is on another grid than b.nii (affine row 1, column 1: -0.680000007 against -0.699999988)" nii-read -l l.nii.gz b.nii
	# 1e-3 mm is near enough, 2e-3 is not: the sform's last number, 101
	gunzip <l.nii.gz >l.nii
	near() { { head -c 324 l.nii; printf "$1"; tail -c +329 l.nii; } >near.nii; }
	near '\100\000\312\102'
	nii-read -l near.nii $G/extension.nii >/dev/null
	near '\100\001\312\102'
	run nii-read -l near.nii $G/extension.nii
	[ "$status" -eq 1 ]
	cp $G/four.nii v.nii
	fails 1 "nii-read: v.nii: has 2 volumes (a label has one)" nii-read -l v.nii a.nii
}

@test "a table of cases" {
	mkdir d
	cp $G/extension.nii d/ct.nii
	cp $G/mask_u8.nii.gz d/gtv.nii.gz
	printf 'id\timage\tlabel\none\tct.nii\tgtv.nii.gz\r\n\ntwo\tct.nii\t\nthree\tct.nii\n' >d/cases.tsv
	nii-read -L d/cases.tsv >a.ts
	[ "$(ts-info --json a.ts | grep -o '"id":"[a-z]*"' | tr -d '\n')" = '"id":"one""id":"two""id":"three"' ]
	[ "$(ts-info --json a.ts | grep -c '"name":"label"')" -eq 1 ]
	cd d
	nii-read -L cases.tsv | ts-cmp - ../a.ts
	printf 'one\tct.nii\ttypo.nii\n' >bad.tsv
	fails 1 "nii-read: bad.tsv: one: typo.nii: cannot open: No such file or directory" nii-read -L bad.tsv
	printf 'one ct.nii\n' >bad.tsv
	fails 1 "nii-read: bad.tsv: line 1: expected id, image and label with tabs between them, found 1 field" nii-read -L bad.tsv
	printf 'one\tct.nii\none\tct.nii\n' >bad.tsv
	fails 1 "nii-read: bad.tsv: line 2: id 'one' is there twice" nii-read -L bad.tsv
	printf 'a/b\tct.nii\n' >bad.tsv
	fails 1 "nii-read: bad.tsv: line 1: id 'a/b' has a '/' or a control character in it" nii-read -L bad.tsv
	: >bad.tsv
	fails 1 "nii-read: bad.tsv: no case in it" nii-read -L bad.tsv
	printf 'id\tlabel\timage\none\tgtv.nii.gz\tct.nii\n' >bad.tsv
	fails 1 "nii-read: bad.tsv: line 1: a heading of other columns than id, image and label" nii-read -L bad.tsv
	{ printf '\357\273\277'; cat cases.tsv; } >windows.tsv
	nii-read -L windows.tsv | ts-cmp - ../a.ts
}

@test "misuse" {
	fails 2 "nii-read: --list goes without FILE, --label, --id and --pairs (see nii-read --help)" nii-read -L x.tsv y.nii
	fails 2 "nii-read: --label and --id go with one FILE (see nii-read --help)" nii-read --id x a.nii b.nii
	fails 1 "nii-read: $G/int16.nii: id 'a/b' has a '/' or a control character in it" nii-read --id a/b $G/int16.nii
}

@test "nothing, no NIfTI, a directory" {
	: >empty.nii
	fails 1 "nii-read: empty.nii: is empty (expected a NIfTI header)" nii-read empty.nii
	fails 1 "nii-read: standard input: is empty (expected a NIfTI header)" nii-read </dev/null
	echo "not a scan" >text.nii
	fails 1 "nii-read: text.nii: neither NIfTI (a header of size 348 or 540) nor NRRD nor MetaImage (offset 0)" nii-read text.nii
	fails 1 "nii-read: .: is a directory: name its files (of DICOM files from-dicom.sh makes NIfTI)" nii-read .
	{ head -c 128 /dev/zero; printf 'DICM'; head -c 40 /dev/zero; } >scan.dcm
	for f in scan.dcm -; do
		fails 1 "nii-read: ${f/-/standard input}: is a DICOM file, neither NIfTI nor NRRD nor MetaImage: from-dicom.sh makes NIfTI of a folder of them" bash -c "cat scan.dcm | nii-read $f"
	done
	nii-read $G/int16.nii -o stream.nii.gz
	fails 1 "nii-read: stream.nii.gz: is a stream already, or safetensors: the other programs take it as it is" nii-read stream.nii.gz
	printf 'PK\3\4 and more' >weights.pt
	for z in gzip bzip2 xz zstd; do
		command -v $z >/dev/null || continue
		$z -c <$G/mask_u8.nii.gz >twice.$z
		run nii-read twice.$z
		[ "$status" = 1 ]
		[[ $output == "nii-read: twice.$z: is compressed by $z"* ]]
	done
	fails 1 "nii-read: weights.pt: is a zip file, neither NIfTI nor NRRD nor MetaImage" nii-read weights.pt
	printf 'PK\3\4' >weights.pt
	fails 1 "nii-read: weights.pt: neither NIfTI (a header of size 348 or 540) nor NRRD nor MetaImage (offset 0)" nii-read weights.pt
	head -c 300 $G/int16.nii >cut.nii
	fails 1 "nii-read: cut.nii: ends inside the header (expected 348 bytes, found 300) (offset 300)" nii-read cut.nii
}

@test "a damaged gzip never makes a whole frame" {
	size=$(stat -c %s $G/int16_big.nii.gz)
	whole=$(nii-read $G/int16_big.nii.gz | wc -c)
	head -c $((size - 5)) $G/int16_big.nii.gz >cut.nii.gz
	fails 1 "nii-read: cut.nii.gz: ends inside the gzip data: truncated (offset $((size - 5)))" nii-read cut.nii.gz
	[ "$(nii-read cut.nii.gz 2>/dev/null | wc -c)" -lt "$whole" ]
	{ head -c $((size - 8)) $G/int16_big.nii.gz; printf 'abcd'; tail -c 4 $G/int16_big.nii.gz; } >crc.nii.gz
	fails 1 "nii-read: crc.nii.gz: corrupt gzip: CRC or length is not what the member's end says (offset $size)" nii-read crc.nii.gz
	fails 1 "nii-read: crc.nii.gz: corrupt gzip: CRC or length is not what the member's end says (offset $size)" nii-read -o x.ts crc.nii.gz
	[ ! -e x.ts ]
	{ cat $G/int16_big.nii.gz; head -c 1000 /dev/zero; } >padded.nii.gz
	nii-read --id int16_big padded.nii.gz | ts-cmp - <(nii-read $G/int16_big.nii.gz)
	gunzip <$G/int16_big.nii.gz >plain
	{ head -c 50 plain | gzip; tail -c +51 plain | gzip; } >members.nii.gz
	nii-read --id int16_big members.nii.gz | ts-cmp - <(nii-read $G/int16_big.nii.gz)
	{ cat $G/int16_big.nii.gz; echo x; } >junk.nii.gz
	fails 1 "nii-read: junk.nii.gz: bytes after the end of the gzip data (expected the end or zeroes, found 0x78) (offset $size)" nii-read junk.nii.gz
}

@test "bytes after the voxels" {
	{ cat $G/int16.nii; printf abc; } >junk.nii
	fails 1 "nii-read: junk.nii: 3 bytes after the voxels (offset 472)" nii-read junk.nii
	fails 1 "nii-read: standard input: bytes after the voxels (offset 472)" nii-read <junk.nii
}

@test "a full disk" {
	run bash -c 'nii-read "$1" >/dev/full' - $G/int16.nii
	[ "$status" -eq 1 ]
	[ "$output" = "nii-read: standard output: cannot write (offset 0): No space left on device" ]
}

@test "real scans: every file of ct/ is read, label beside image" {
	need_data ct
	for f in "$NIIPIPE_DATA"/ct/*/*_ct.nii.gz; do nii-read "$f" >/dev/null; done
	for c in LUNG1-001/LUNG1-001 LUNG1-002/LUNG1-002 pat_3/pat_3; do
		nii-read -l "$NIIPIPE_DATA/ct/${c}_gtv.nii.gz" "$NIIPIPE_DATA/ct/${c}_ct.nii.gz" | ts-info --json - | grep -q '"name":"label","dtype":"U8"'
	done
}

@test "NRRD: image, label, list, standard input, by its first bytes" {
	N=$BATS_TEST_DIRNAME/golden/nrrd
	nii-read $N/itk.nrrd >a.ts
	[ "$(meta a.ts shape) $(meta a.ts dtype) $(meta a.ts id) $(meta a.ts tool)" = '[1,3,5,7] "I16" "itk" "nii-read"' ]
	for f in itk_gz.nrrd itk.nhdr itk_gz.nhdr; do nii-read --id itk $N/$f | ts-cmp - a.ts || { echo $f; return 1; }; done
	nii-read --id itk <$N/itk_gz.nrrd | ts-cmp - a.ts
	cat $N/itk.nrrd | nii-read --id itk - | ts-cmp - a.ts
	gzip <$N/itk.nrrd >zipped.nii
	nii-read --id itk zipped.nii | ts-cmp - a.ts
	cp $N/itk_gz.nrrd called.nii.gz
	nii-read --id itk called.nii.gz | ts-cmp - a.ts
	nii-read -l $N/mask.seg.nrrd $N/itk.nrrd | ts-info --json - | grep -q '"name":"label","dtype":"U8","shape":\[3,5,7\]'
	printf 'a\t%s\t%s\n' $N/itk.nhdr $N/mask.seg.nrrd >cases.tsv
	nii-read -L cases.tsv | ts-cmp - <(nii-read -l $N/mask.seg.nrrd --id a $N/itk.nrrd)
	[ "$(nii-read $N/list_first.nrrd | meta - shape)" = "[2,3,5,7]" ]
	[ "$(nii-read $N/mask.seg.nrrd | meta - id)" = '"mask"' ]
}

@test "3D Slicer's segments: labels and names as slicerio has them, layers become one label, told where they overlap" {
	S=$BATS_TEST_DIRNAME/golden/nrrd
	names() { ts-info --json "$1" | sed -n 's/.*"labels":"\(\([^"\\]\|\\.\)*\)".*/\1/p' | tr -d '\\'; }
	nii-read $S/plain.seg.nrrd | nii-write -o ct.nii.gz
	while IFS=$'\t' read -r file labels names shared; do
		nii-read -l $S/$file ct.nii.gz >a.ts 2>said
		[ "$(tail -c 24 a.ts | od -An -v -tx1 | tr -d ' \n')" = "$labels" ]
		[ "$(names a.ts)" = "$(tr -d '\\' <<<"${names#"{}"}")" ]
		[ "$(cat said)" = "$([ $shared = 0 ] || echo "nii-read: $S/$file: $shared voxels are of several segments: the last of them counts")" ]
		nii-read --with "previous=$S/$file" ct.nii.gz 2>/dev/null | tail -c 24 | cmp - <(tail -c 24 a.ts)
	done <$S/segments.tsv
	[ "$(nii-read -l $S/plain.seg.nrrd --map 7=1,40=2 ct.nii.gz | names -)" = '{"2":"third: "c" := d"}' ]
	[ "$(nii-read $S/layers.seg.nrrd | meta - shape)" = "[2,2,3,4]" ]
	# beside its image
	mkdir pairs
	for n in a.nii.gz b_ct.nii.gz c.nii.gz; do cp ct.nii.gz pairs/$n; done
	for n in a b; do cp $S/plain.seg.nrrd pairs/$n.seg.nrrd; done
	cp ct.nii.gz pairs/c_mask.nii.gz
	[ "$(nii-read --pairs --print pairs/* | cut -f 1-3 | sed "s#$PWD/##g" | tr '\t\n' ' |')" = "id image label|a pairs/a.nii.gz pairs/a.seg.nrrd|b pairs/b_ct.nii.gz pairs/b.seg.nrrd|c pairs/c.nii.gz pairs/c_mask.nii.gz|" ]
	cp ct.nii.gz pairs/b.nii.gz
	run nii-read --pairs --print pairs/*
	[ "$status" = 1 ]
	[ "${lines[0]}" = "nii-read: pairs/b_ct.nii.gz: a second image of one channel" ]
}

@test "3D Slicer's segments: what goes wrong" {
	S=$BATS_TEST_DIRNAME/golden/nrrd
	nii-read $S/plain.seg.nrrd | nii-write -o ct.nii.gz
	with() { { head -1 $S/layers.seg.nrrd; echo "$1"; tail -n +2 $S/layers.seg.nrrd; } >bad.seg.nrrd; }
	with "Segment3_Layer:=2"
	fails 1 "nii-read: bad.seg.nrrd: segment 3 is in layer 2 (expected less than 2)" nii-read -l bad.seg.nrrd ct.nii.gz
	with "Segment3_Layer:=-1"
	fails 1 "nii-read: bad.seg.nrrd: Segment3_Layer: -1 is not in 0..1073741824" nii-read -l bad.seg.nrrd ct.nii.gz
	with "Segment3_LabelValue:=0"
	fails 1 "nii-read: bad.seg.nrrd: Segment3_LabelValue: 0 is not in 1..1073741824" nii-read -l bad.seg.nrrd ct.nii.gz
	with "Segment300_Name:=x"
	fails 1 "nii-read: bad.seg.nrrd: Segment300_Name: more than 255 segments" nii-read -l bad.seg.nrrd ct.nii.gz
	with "$(printf 'Segment3_Name:=\xff')"
	fails 1 "nii-read: bad.seg.nrrd: segment 3: its name is no text in UTF-8" nii-read -l bad.seg.nrrd ct.nii.gz
	with "Segmentation_SourceRepresentation:=Fractional labelmap"
	fails 1 "nii-read: bad.seg.nrrd: Segmentation_SourceRepresentation 'Fractional labelmap' is not read (expected Binary labelmap)" nii-read -l bad.seg.nrrd ct.nii.gz
	sed 's/^space origin: .*/space origin: (12.5,-3.25,102.5)/' $S/plain.seg.nrrd >bad.seg.nrrd
	fails 1 "nii-read: bad.seg.nrrd: is on another grid than ct.nii.gz (affine row 3, column 4: 102.5 against 100)" nii-read -l bad.seg.nrrd ct.nii.gz
	sed -i 's/^space origin: .*/space origin: (12.6,-3.25,102.5)/' bad.seg.nrrd
	fails 1 "nii-read: bad.seg.nrrd: has labels outside of its image" nii-read -l bad.seg.nrrd ct.nii.gz
	with "Segmentation:=1"
	nii-read -q -l bad.seg.nrrd ct.nii.gz | tail -c 24 | cmp - <(nii-read -q -l $S/layers.seg.nrrd ct.nii.gz | tail -c 24)
}

@test "NRRD and NIfTI of one volume are on one grid, and nii-write's file is on it too" {
	N=$BATS_TEST_DIRNAME/golden/nrrd
	nii-read -l $N/mask.seg.nrrd $N/itk.nrrd >a.ts
	nii-write -t image -o ct.nii.gz a.ts
	nii-write -o mask.nii.gz a.ts
	nii-read -l mask.nii.gz --id itk $N/itk.nrrd | ts-cmp - a.ts
	nii-read -l $N/mask.seg.nrrd --id itk ct.nii.gz | tail -c 315 | cmp - <(tail -c 315 a.ts)
	seg-score $N/mask.seg.nrrd mask.nii.gz | cut -f 1,3 | head -2 | tail -1 | grep -q '	1$'
	nii-read $N/itk.nrrd | nii-resample -s 1,1,1 | nii-crop --above 0 | nii-invert --keep-image | nii-write -t image -o b.nii
	cmp <(gunzip <ct.nii.gz | head -c 352 | tail -c 276) <(head -c 352 b.nii | tail -c 276)
}

@test "NRRD: what goes wrong" {
	N=$BATS_TEST_DIRNAME/golden/nrrd
	cp $N/itk.nhdr $N/itk.nrrd .
	fails 1 "nii-read: itk.raw: cannot open: No such file or directory" nii-read itk.nhdr
	fails 1 "nii-read: standard input: a NRRD header with data file 'itk.raw', which is not looked for from here (name the header)" nii-read <itk.nhdr
	head -c 200 $N/itk.raw >itk.raw
	fails 1 "nii-read: itk.raw: ends inside the voxels (expected 210 bytes, found 200) (offset 200)" nii-read itk.nhdr
	{ cat $N/itk.raw; echo; } >itk.raw
	fails 1 "nii-read: itk.raw: 1 bytes after the voxels (offset 210)" nii-read itk.nhdr
	size=$(stat -c %s itk.nrrd)
	head -c $((size - 1)) itk.nrrd >cut.nrrd
	fails 1 "nii-read: cut.nrrd: ends inside the voxels (expected 210 bytes, found 209) (offset $((size - 1)))" nii-read cut.nrrd
	fails 1 "nii-read: standard input: ends inside the voxels (expected 210 bytes, found 209) (offset $((size - 1)))" nii-read <cut.nrrd
	head -c 100 itk.nrrd >cut.nrrd
	run nii-read cut.nrrd
	[ "$status" -eq 1 ]
	fails 1 "nii-read: $N/list_first.nrrd: has 2 volumes (a label has one)" nii-read -l $N/list_first.nrrd itk.nrrd
	sed 's/encoding: raw/encoding: hex/' itk.nrrd >hex.nrrd
	fails 1 "nii-read: hex.nrrd: encoding 'hex' is not read (expected raw or gzip) (offset $(grep -abo 'encoding: hex' hex.nrrd | cut -d: -f1))" nii-read hex.nrrd
	sed 's/NRRD0004/NRRD0006/' itk.nrrd >six.nrrd
	fails 1 'nii-read: six.nrrd: not a NRRD file that is known here (expected NRRD0001 to NRRD0005, found "NRRD0006") (offset 0)' nii-read six.nrrd
	nii-read itk.nrrd >a.ts
	fails 1 "nii-write: a.ts: itk: x.mhd: name of what? (expected .nii, .nii.gz, .hdr, .img, .nrrd or .seg.nrrd at its end)" nii-write -o x.mhd a.ts
}

@test "MetaImage: image, label, list, pairs, standard input, by its first bytes" {
	M=$BATS_TEST_DIRNAME/golden/meta
	nii-read $M/itk.mhd >a.ts
	[ "$(meta a.ts shape) $(meta a.ts dtype) $(meta a.ts id) $(meta a.ts tool)" = '[1,3,4,5] "I16" "itk" "nii-read"' ]
	ts-info --history a.ts | grep -q 'itk.mhd'
	nii-read $M/luna.mhd | tail -c 120 | cmp - $M/luna.raw
	for f in int16_z big odd vector_z; do
		nii-read --id m $M/$f.mha >m.ts
		nii-read --id m <$M/$f.mha | ts-cmp - m.ts
		dd if=$M/$f.mha bs=1 status=none | nii-read --id m - | ts-cmp - m.ts
		gzip <$M/$f.mha >zipped.nii
		[[ $f == *_z ]] || nii-read --id m zipped.nii | ts-cmp - m.ts
	done
	fails 1 "nii-read: zipped.nii: zlib inside gzip" nii-read zipped.nii
	cp $M/odd.mha called.nii.gz
	nii-read --id odd called.nii.gz | ts-cmp - <(nii-read $M/odd.mha)
	nii-read -l $M/mask.mha $M/itk.mhd | ts-info --json - | grep -q '"name":"label","dtype":"U8","shape":\[3,4,5\]'
	printf 'a\t%s\t%s\n' $M/itk.mhd $M/mask.mha >cases.tsv
	nii-read -L cases.tsv | ts-cmp - <(nii-read -l $M/mask.mha --id a $M/itk.mhd)
	mkdir imagesTr labelsTr
	cp $M/itk.mhd $M/itk.raw imagesTr
	cp $M/mask.mha labelsTr/itk.mha
	nii-read --pairs imagesTr/itk.mhd labelsTr/itk.mha | ts-cmp - <(nii-read -l $M/mask.mha $M/itk.mhd)
	[ "$(nii-read $M/vector.mha | meta - shape)" = "[3,3,4,5]" ]
}

@test "MetaImage and NIfTI of one volume are on one grid, and nii-write's file is on it too" {
	M=$BATS_TEST_DIRNAME/golden/meta
	nii-read -l $M/mask.mha $M/itk.mhd >a.ts
	nii-write -t image -o ct.nii.gz a.ts
	nii-write -o mask.nii.gz a.ts
	nii-read -l mask.nii.gz --id itk $M/itk.mhd | ts-cmp - a.ts
	nii-read -l $M/mask.mha --id itk ct.nii.gz | tail -c 180 | cmp - <(tail -c 180 a.ts)
	seg-score $M/mask.mha mask.nii.gz | cut -f 1,3 | head -2 | tail -1 | grep -q '	1$'
	mkdir truth found
	cp $M/mask.mha truth/case.mha
	cp mask.nii.gz found/case.nii.gz
	seg-score truth found | grep -q '^case	'
}

@test "MetaImage: what goes wrong" {
	M=$BATS_TEST_DIRNAME/golden/meta
	cp $M/itk.mhd $M/itk_z.mhd .
	fails 1 "nii-read: itk.raw: cannot open: No such file or directory" nii-read itk.mhd
	fails 1 "nii-read: standard input: a MetaImage header with data file 'itk.raw', which is not looked for from here (name the header)" nii-read <itk.mhd
	head -c 100 $M/itk.raw >itk.raw
	fails 1 "nii-read: itk.raw: ends inside the voxels (expected 120 bytes, found 100) (offset 100)" nii-read itk.mhd
	{ cat $M/itk.raw; echo; } >itk.raw
	fails 1 "nii-read: itk.raw: 1 bytes after the voxels (offset 120)" nii-read itk.mhd
	cp $M/itk.raw .
	echo 'Offset = 0 0 0' >>itk.mhd
	fails 1 "nii-read: itk.mhd: bytes after a MetaImage header with a data file (offset $(stat -c %s $M/itk.mhd))" nii-read itk.mhd
	z=$(stat -c %s $M/itk_z.zraw)
	head -c $((z - 1)) $M/itk_z.zraw >itk_z.zraw
	fails 1 "nii-read: itk_z.zraw: ends inside the zlib data: truncated (offset $((z - 1)))" nii-read itk_z.mhd
	{ cat $M/itk_z.zraw; printf '\0'; } >itk_z.zraw
	fails 1 "nii-read: itk_z.zraw: bytes after the end of the zlib data (offset $z)" nii-read itk_z.mhd
	{ head -c $((z - 1)) $M/itk_z.zraw; printf '\1'; } >itk_z.zraw
	fails 1 "nii-read: itk_z.zraw: corrupt zlib: Adler-32 is not what its end says (offset $z)" nii-read itk_z.mhd
	cp $M/itk_z.zraw .
	sed -i 's/CompressedDataSize = .*/CompressedDataSize = 99/' itk_z.mhd
	fails 1 "nii-read: itk_z.zraw: the compressed voxels end here (expected 99 bytes, found $z) (offset $z)" nii-read itk_z.mhd
	sed -i '/CompressedDataSize/d' itk_z.mhd
	nii-read itk_z.mhd | ts-cmp - <(nii-read $M/itk_z.mhd)
	gzip -c $M/itk.raw >itk_z.zraw
	nii-read --id m itk_z.mhd | tail -c 120 | cmp - $M/itk.raw
	grep -v ElementDataFile $M/itk.mhd >none.mhd
	fails 1 "nii-read: none.mhd: no field 'ElementDataFile' in the MetaImage header" nii-read none.mhd
	printf '%s' "$(grep -v ElementDataFile $M/itk.mhd; echo 'ElementDataFile = LOCAL')" >bare.mha
	fails 1 "nii-read: bare.mha: ends inside the voxels (expected 120 bytes, found 0) (offset $(stat -c %s bare.mha))" nii-read bare.mha
	{ cat none.mhd; head -c 1100000 /dev/zero | tr '\0' ' '; } >long.mhd
	fails 1 "nii-read: long.mhd: no ElementDataFile ends the MetaImage header within 1048576 bytes (offset 1048576)" nii-read long.mhd
	sed 's/itk.raw/slice%03d.raw 1 3 1/' $M/itk.mhd >list.mhd
	fails 1 "nii-read: list.mhd: ElementDataFile 'slice%03d.raw 1 3 1': voxels in several files are not read (offset $(grep -bo ElementDataFile list.mhd | cut -d: -f1))" nii-read list.mhd
	fails 1 "nii-read: $M/vector.mha: has 3 volumes (a label has one)" nii-read -l $M/vector.mha $M/itk.mhd
	cp $M/odd.mha odd.hdr
	fails 1 "nii-read: odd.hdr: is a MetaImage file (expected the header of a .hdr/.img pair) (offset 0)" nii-read odd.hdr
}

@test "--with: further tensors of files on the grid, by name or by the case's name in a folder" {
	cd "$BATS_TEST_TMPDIR"
	nii-phantom -n 2 --seed 3 --size 12,11,10 --spacing 20,20,30 -o p.ts
	nii-write -d ct -t image p.ts
	nii-write -d lungs -t label p.ts
	nii-read ct/phantom-0001.nii.gz --with lungs=lungs/phantom-0001.nii.gz --with weight=ct/phantom-0001.nii.gz -o a.ts
	[ "$(ts-info a.ts | sed -n 's/^  \(image\|lungs\|weight\)  */\1 /p')" = "image I16  [1,10,11,12] 2640 bytes
weight I16  [10,11,12] 2640 bytes
lungs U8   [10,11,12] 1320 bytes" ]
	ts-select --index 0 p.ts | ts-cmp -t image --data-only - a.ts
	# of several cases
	printf 'phantom-0001\tct/phantom-0001.nii.gz\tlungs/phantom-0001.nii.gz\nphantom-0002\tct/phantom-0002.nii.gz\tlungs/phantom-0002.nii.gz\n' >t.tsv
	nii-read -L t.tsv --with lungs=lungs/ -o l.ts
	nii-read ct/*.nii.gz --with lungs=lungs -o o.ts
	for i in 0 1; do
		ts-select --index $i l.ts | LC_ALL=C sed '1s/"label"/"xabel"/; 1s/"lungs"/"label"/' >m.ts
		ts-select --index $i p.ts | ts-cmp -t label --data-only - m.ts
		ts-select --index $i o.ts | LC_ALL=C sed '1s/"lungs"/"label"/' | ts-cmp -t label --data-only - m.ts
	done
	# an ending in capitals
	mkdir -p odd
	cp lungs/phantom-0001.nii.gz odd/phantom-0001.NII.GZ
	nii-read ct/phantom-0001.nii.gz --with lungs=odd | ts-cmp --data-only - <(nii-read ct/phantom-0001.nii.gz --with lungs=lungs)
	# nnU-Net's mask of ID_0000
	cp ct/phantom-0001.nii.gz odd/phantom-0001_0000.nii.gz
	nii-read odd/phantom-0001_0000.nii.gz --with lungs=lungs | ts-cmp --data-only - <(nii-read ct/phantom-0001.nii.gz --with lungs=lungs)
	# a line that makes it, which runs again
	ts-info --history a.ts | grep -xF "nii-read --id phantom-0001 --with lungs=lungs/phantom-0001.nii.gz --with weight=ct/phantom-0001.nii.gz ct/phantom-0001.nii.gz"
	[ "$(ts-info --history a.ts | grep '^# [0-9a-f]' | cut -d ' ' -f 4 | tr '\n' ' ')" = "ct/phantom-0001.nii.gz lungs/phantom-0001.nii.gz " ]
	# floats that are no whole numbers stay what they are
	nii-normalize --window=-1024,325 p.ts | ts-select --index 0 | nii-write -t image -o float.nii.gz
	nii-read ct/phantom-0001.nii.gz --with w=float.nii.gz | ts-info | grep -qE '^  w +F32 +\[10,11,12\]'
}

@test "--with: what is wrong" {
	cd "$BATS_TEST_TMPDIR"
	nii-phantom -n 2 --seed 3 --size 12,11,10 --spacing 20,20,30 -o p.ts
	nii-write -d ct -t image p.ts
	nii-phantom -n 1 --seed 3 --size 12,11,9 --spacing 20,20,30 | nii-write -d other -t label
	fails 1 "nii-read: other/phantom-0001.nii.gz: is on another grid than ct/phantom-0001.nii.gz (12x11x9 against 12x11x10 voxels)" nii-read -o out --with m=other ct/phantom-0001.nii.gz
	fails 1 "nii-read: other: has no file of 'phantom-0002' (.nii, .nii.gz, .hdr, .nrrd, .nhdr, .mha, .mhd)" nii-read -o out --with m=other ct/phantom-0002.nii.gz
	fails 1 "nii-read: nosuch.nii: cannot open: No such file or directory" nii-read -o out --with m=nosuch.nii ct/phantom-0001.nii.gz
	cp other/phantom-0001.nii.gz other/phantom-0001.mha
	[[ $(nii-read -o out --with m=other ct/phantom-0001.nii.gz 2>&1) == "nii-read: other: has two files of 'phantom-0001': "* ]]
	fails 2 "nii-read: --with: 'm' is not NAME=FILE (see nii-read --help)" nii-read --with m ct/phantom-0001.nii.gz
	fails 2 "nii-read: --with: 'label' is not for this: give --label (see nii-read --help)" nii-read --with label=x.nii ct/phantom-0001.nii.gz
	fails 2 "nii-read: --with: 'pred' is not for this: it has a meaning of its own (see nii-read --help)" nii-read --with pred=x.nii ct/phantom-0001.nii.gz
	fails 2 "nii-read: --with: 'm' is there twice (see nii-read --help)" nii-read --with m=a.nii --with m=b.nii ct/phantom-0001.nii.gz
	fails 2 "nii-read: --with m=a.nii: of several cases it is a folder of files with their names (see nii-read --help)" nii-read --with m=a.nii ct/*.nii.gz
	[ ! -e out ]
}
