#!/usr/bin/env bats
load helper

G=$BATS_TEST_DIRNAME/golden/nifti

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

field() { # field FILE OFFSET COUNT: bytes of a little-endian header
	od -An -tx1 -j "$2" -N "$3" "$1" | tr -d ' \n'
}

@test "what was read is written: geometry bit for bit, every type, both versions, pairs" {
	outs=(b.nii b.nii.gz b2.hdr b3.img.gz) n=0
	for f in "$G"/*.nii "$G"/*.nii.gz "$G"/*.hdr "$G"/*.hdr.gz; do
		nii-read --id x "$f" >a.ts
		out=${outs[n++ % 4]}
		nii-write -t image -o "$out" a.ts
		nii-read --id x "$out" | ts-cmp - a.ts || { echo "$f $out"; return 1; }
		nii-write -t image a.ts | nii-read --id x | ts-cmp - a.ts || { echo "$f"; return 1; }
	done
}

@test "header fields of the original, bytes for bytes" {
	for f in int16 four five two slope_0 neither left flip half_turn itk extension; do
		nii-read $G/$f.nii | nii-write -t image | gunzip >b.nii
		# dim, datatype to pixdim, slope, units, codes to sform
		for at in 40:16 70:4 76:32 112:8 123:1 252:76; do
			[ "$(field b.nii ${at%:*} ${at#*:})" = "$(field $G/$f.nii ${at%:*} ${at#*:})" ] || { echo "$f at $at"; return 1; }
		done
	done
	nii-read $G/nifti2.nii | nii-write -t image -o b.nii
	cmp <(head -c 240 b.nii) <(head -c 240 $G/nifti2.nii)
	cmp <(tail -c +345 b.nii) <(tail -c +345 $G/nifti2.nii)
}

@test "pred, else label, else image; --tensor" {
	nii-read -l $G/mask_u8.nii.gz $G/extension.nii >a.ts
	nii-write a.ts | nii-read --id x | ts-info --json - | grep -q '"dtype":"U8"'
	nii-write -t image a.ts | nii-read --id x | ts-info --json - | grep -q '"dtype":"I16"'
	fails 1 "nii-write: a.ts: extension: no tensor 'prob' in this frame" nii-write -t prob a.ts
	AFFINE='1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1' volume a U8 1,1,1 '\1' extra >b.ts
	fails 1 "nii-write: b.ts: a: no pred, label or image in this frame (--tensor names another)" nii-write b.ts
}

@test "a mask does not replace its scan; an image does, and a mask its mask" {
	nii-phantom -n 1 --size 16,20,12 --spacing 9,9,13 --seed 3 -o v.ts
	nii-write -t image -o ct.nii.gz v.ts
	nii-write -t label -o gtv.nii.gz v.ts
	cp ct.nii.gz kept
	text="is the scan itself: label does not replace it"
	nii-read -l gtv.nii.gz ct.nii.gz >c.ts
	fails 1 "nii-write: c.ts: ct: ct.nii.gz: $text" nii-write -t label -o ct.nii.gz c.ts
	fails 1 "nii-write: c.ts: ct: ./ct.nii.gz: $text" nii-write -d . c.ts
	cmp ct.nii.gz kept
	mkdir d
	for i in 1 2; do nii-write -d d c.ts; done # what is there is a mask
	nii-write -t label -o gtv.nii.gz c.ts
	nii-read -l gtv.nii.gz gtv.nii.gz | nii-write -o gtv.nii.gz
	ts-cmp -t label <(nii-read --id a -l gtv.nii.gz ct.nii.gz) <(nii-read --id a -l d/ct.nii.gz ct.nii.gz)
	nii-read ct.nii.gz | nii-write -t image -o ct.nii.gz
}

@test "a mask that was not brought back onto the scan's grid is told" {
	cp "$ROOT/tests/golden/window_model.ts" model.ts
	nii-phantom -n 1 --size 16,20,12 --spacing 9,9,13 --seed 3 | nii-write -t image -o ct.nii
	prepared() { nii-read ct.nii | "$@" | seg-window --force -m model.ts; }
	text="nii-write: ct: is written on the grid it was prepared on, not on the scan's of 16x20x12 voxels: nii-invert, before, brings it back"
	[ "$(prepared nii-resample -s 10 | nii-write -o a.nii 2>&1)" = "$text" ]
	[ "$(prepared nii-crop --box 1,0,0,16,20,12 | nii-write -d d 2>&1)" = "$text" ]
	[ -s a.nii ]
	[ -s d/ct.nii.gz ]
	[ -z "$(prepared nii-resample -s 10 | nii-write -q -o a.nii 2>&1)" ]
	[ -z "$(prepared nii-resample -s 10 | nii-invert | nii-write -o a.nii 2>&1)" ]
	[ -z "$(prepared nii-normalize --window=-1024,325 | nii-write -o a.nii 2>&1)" ]
	[ -z "$(nii-read ct.nii | nii-resample -s 10 | nii-write -t image -o a.nii 2>&1)" ]
}

@test "a mask takes the image's slope only where it says nothing" {
	nii-read -l $G/mask_u8.nii.gz $G/slope.nii >a.ts
	nii-write -o m.nii a.ts
	[ "$(field m.nii 112 8)" = 0000000000000000 ]
	nii-read m.nii | tail -c 105 | cmp - <(gunzip <$G/mask_u8.nii.gz | tail -c 105)
}

@test "without nii-read's history: sform and qform from the affine, mm" {
	AFFINE='-0.5 0 0 7 0 0 2 8 0 -1 0 9 0 0 0 1' volume a U8 2,1,2 '\1\2\3\4' >a.ts
	nii-write -o a.nii a.ts
	[ "$(field a.nii 40 8)" = 0300020001000200 ]  # 3 axes: 2, 1, 2
	[ "$(field a.nii 123 1)" = 02 ]               # mm
	[ "$(field a.nii 252 4)" = 01000100 ]         # codes
	[ "$(field a.nii 80 12)" = 0000003f0000803f00000040 ]
	nii-read --id a a.nii | ts-info --json - | grep -q '"affine":\[-0.5,0.0,0.0,7.0,0.0,0.0,2.0,8.0,0.0,-1.0,0.0,9.0'
	AFFINE='1 0.5 0 7 0 1 0 8 0 0 1 9 0 0 0 1' volume a U8 2,1,2 '\1\2\3\4' >shear.ts
	nii-write -o s.nii shear.ts
	[ "$(field s.nii 252 4)" = 00000100 ]         # no rotation: no qform
}

@test "off the original's grid the affine is written" {
	nii-read $G/itk.nii | sed 's/ 7 0 0 0 1"/ 8 0 0 0 1"/' >moved.ts
	nii-write -t image -o m.nii moved.ts
	[ "$(field m.nii 252 4)" = 01000100 ]
	[ "$(field m.nii 324 4)" = 00000041 ]         # 8.0
}

@test "one file takes one frame, and nothing is left" {
	nii-read $G/int16.nii $G/uint8.nii >two.ts
	fails 1 "nii-write: two.ts: uint8: a second frame (one file takes one; --dir takes many)" nii-write -o x.nii.gz two.ts
	fails 1 "nii-write: two.ts: uint8: a second frame (one file takes one; --dir takes many)" nii-write -o x.hdr two.ts
	[ "$(ls -A)" = two.ts ]
}

@test "a directory takes many, by id" {
	nii-read $G/int16.nii $G/uint8.nii >two.ts
	nii-write -t image -d out two.ts
	[ "$(ls -A out | tr '\n' ' ')" = "int16.nii.gz uint8.nii.gz " ]
	nii-read out/int16.nii.gz | ts-cmp - <(nii-read $G/int16.nii)
	fails 1 "nii-write: two.ts: int16: a second frame of this id" nii-write -d out two.ts two.ts
	fails 1 "nii-write: two.ts: int16: no/dir: cannot make the directory: No such file or directory" nii-write -d no/dir two.ts
	fails 2 "nii-write: --output and --dir: one of them (see nii-write --help)" nii-write -d out -o x.nii two.ts
	volume ../x U8 1,1,1 '\1' >evil.ts
	fails 1 "nii-write: evil.ts: id '../x' has a '/' or a control character in it" nii-write -d out evil.ts
	[ ! -e x.nii.gz ]
}

@test "the name says what is written" {
	nii-read $G/int16.nii >a.ts
	nii-write -o a.nii a.ts
	nii-write -o a.nii.gz a.ts
	cmp <(gunzip <a.nii.gz) a.nii
	nii-write a.ts | cmp - a.nii.gz
	nii-write -o - a.ts | cmp - a.nii.gz
	cat a.ts | nii-write | cmp - a.nii.gz
	for l in 0 1 2 3 4 5 6 7 8 9; do nii-write --gzip $l a.ts | gunzip | cmp - a.nii; done
	fails 1 "nii-write: a.ts: int16: a.mha: name of what? (expected .nii, .nii.gz, .hdr, .img, .nrrd or .seg.nrrd at its end)" nii-write -o a.mha a.ts
	nii-write -o p.img a.ts
	[ "$(stat -c %s p.hdr p.img | tr '\n' ' ')" = "352 120 " ]
}

@test "the history of another program is not trusted" {
	nii-read $G/int16.nii | sed 's/sform_code\\":2/sform_code\\":7/' >a.ts
	fails 1 "nii-write: a.ts: int16: metadata history: nii-read: undo: sform_code is not a whole number in 0..5" nii-write a.ts
	nii-read $G/int16.nii | sed 's/\\"dim\\":\[3,5/\\"dim\\":[3,0/' >a.ts
	run nii-write a.ts
	[ "$status" -eq 1 ]
}

@test "a real mask goes through the filters and back: the original's header but for the type" {
	need_data ct
	for f in LUNG1-002/LUNG1-002 pat_3/pat_3; do
		f=$NIIPIPE_DATA/ct/$f
		nii-read -l "${f}_gtv.nii.gz" "${f}_ct.nii.gz" | nii-normalize --window=-1024,325 | nii-resample -s 3,3,3 | nii-crop --above 0.1 | nii-invert |
			nii-write -o b.nii
		[ "$(cmp -l <(gunzip <"${f}_ct.nii.gz" | head -c 352) <(head -c 352 b.nii) | awk '{ printf "%d ", $1 }')" = "71 73 " ]
	done
}

@test "real scans and masks come out on their own grid" {
	need_data ct
	for f in LUNG1-001/LUNG1-001_slab512 LUNG1-002/LUNG1-002 pat_3/pat_3 elastix/elastix cip/cip64; do
		f=$NIIPIPE_DATA/ct/$f
		nii-read "${f}_ct.nii.gz" | nii-write -t image -o b.nii
		gunzip <"${f}_ct.nii.gz" | head -c 352 >a.hdr
		for at in 40:16 70:4 76:32 123:1 252:76; do
			[ "$(field b.nii ${at%:*} ${at#*:})" = "$(field a.hdr ${at%:*} ${at#*:})" ] || { echo "$f at $at"; return 1; }
		done
	done
}

@test "the same bytes whatever the threads; one gzip member that zlib's own reader takes whole" {
	nii-phantom -n 1 --size 130,129,97 --spacing 3,3,3 --seed 2 -o a.ts   # 3.1 MiB: 13 pieces
	nii-write -t image -o a.nii a.ts
	for l in 0 1 3 4 6; do
		nii-write -t image --gzip $l --threads 1 -o one.nii.gz a.ts
		for n in 2 3 7; do cat a.ts | nii-write -t image --gzip $l --threads $n | cmp - one.nii.gz || { echo "level $l, $n threads"; return 1; }; done
		gzip -dc one.nii.gz | cmp - a.nii
		# gzip -l reads the size from the last eight bytes: right only where there is one member
		[ "$(gzip -l one.nii.gz | awk 'NR == 2 { print $2 }')" = "$(stat -c %s a.nii)" ]
		nii-read --id x one.nii.gz | ts-cmp - <(nii-read --id x a.nii)
	done
}

@test "labels wider than 16 bits become the smallest of U8, I16, I32 that holds them; images stay" {
	try() { # try DTYPE BYTES DATATYPE VALUES [TENSOR]
		volume a "$1" "1,1,$(($(printf "$2" | wc -c) * 8 / ${1:1}))" "$2" "${5-label}" >a.ts
		nii-write -t "${5-label}" -o a.nii a.ts
		[ "$(field a.nii 70 2) $(field a.nii 352 64)" = "$3 $4" ] || { echo "$1 $2: $(field a.nii 70 2) $(field a.nii 352 64)"; return 1; }
	}
	try I32 '\0\0\0\0\377\0\0\0' 0200 00ff
	try I32 '\0\0\0\0\0\1\0\0' 0400 00000001
	try I32 '\377\377\377\377\5\0\0\0' 0400 ffff0500
	try I32 '\0\0\0\0\0\200\0\0' 0800 0000000000800000
	try U32 '\0\0\0\0\377\0\0\0' 0200 00ff
	try U32 '\0\0\0\0\0\0\0\200' 0003 0000000000000080
	try I64 '\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0' 0200 0102
	try I64 '\377\377\377\377\377\377\377\377\0\0\1\0\0\0\0\0' 0800 ffffffff00000100
	try I64 '\0\0\0\0\1\0\0\0' 0004 0000000001000000
	try U64 '\3\0\0\0\0\0\0\0' 0200 03
	try U16 '\3\0' 0002 0300
	try U8 '\377' 0200 ff
	try I16 '\377\377' 0400 ffff
	volume a I32 1,1,1,1 '\3\0\0\0' image >a.ts
	nii-write -t image -o a.nii a.ts
	[ "$(field a.nii 70 2)" = 0800 ]
}

@test "an image keeps its type, whatever its values; no slope, no intercept is made up" {
	while read -r dtype code size; do
		data=$(for ((i = 0; i < 4 * size; i++)); do printf '\\0'; done)
		volume a "$dtype" 1,1,2,2 "$data" image >a.ts
		nii-write -o a.nii a.ts
		[ "$(field a.nii 70 2) $(field a.nii 112 8)" = "$code 0000000000000000" ] || { echo "$dtype: $(field a.nii 70 2) $(field a.nii 112 8)"; return 1; }
		nii-read --id a a.nii | ts-cmp - a.ts
	done <<-'END'
		U8 0200 1
		I8 0001 1
		I16 0400 2
		U16 0002 2
		I32 0800 4
		U32 0003 4
		F32 1000 4
		F64 4000 8
		I64 0004 8
		U64 0005 8
	END
}

@test "--history: where a mask comes from as a comment in the header, behind which the voxels are the same" {
	nii-phantom -n 1 --seed 3 -s 20,18,12 -o v.ts
	nii-write -t image -o ct.nii.gz v.ts
	nii-write -t label -o gtv.nii.gz v.ts
	nii-read -l gtv.nii.gz ct.nii.gz | cc-largest -t label | nii-normalize --window=-1024,325 -o f.ts
	ts-info --history f.ts >said
	grep -qx 'nii-read --id ct --label gtv.nii.gz ct.nii.gz | cc-largest .* | nii-normalize --clip --range=-1024,325,0,1' said
	nii-write -t label -o plain.nii f.ts
	for f in h.nii h.hdr; do
		nii-write -t label --history -o $f f.ts
		[ "$(od -An -tu1 -j 348 -N 4 $f | tr -s ' ')" = " 1 0 0 0" ]
		size=$(od -An -td4 -j 352 -N 4 $f | tr -d ' ')
		[ $((size % 16)) -eq 0 ]
		[ "$(od -An -td4 -j 356 -N 4 $f | tr -d ' ')" = 6 ]
		tail -c +361 $f | head -c $((size - 8)) | tr -d '\0' | cmp - said
		[ $f = h.hdr ] || tail -c "+$((353 + size))" $f | cmp - <(tail -c +353 plain.nii)
		nii-read --id x $f | ts-cmp - <(nii-read --id x plain.nii)
	done
	cmp h.img <(tail -c +353 plain.nii)
	mv ct.nii.gz $'c\nt.nii.gz' # a name does not begin a line
	nii-read --id x $'c\nt.nii.gz' | nii-write --history | gunzip | grep -aqE '^# [0-9a-f]{16}  c\?t.nii.gz$'
	# a history that is none
	raw_frame '{"__metadata__":{"id":"h","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1","history":"[1]"},"label":{"dtype":"U8","shape":[1,1,1],"data_offsets":[0,1]}}' '\1' >h.ts
	fails 1 "nii-write: h.ts: h: metadata history: an entry is not an object with a tool" nii-write --history -o none.nii h.ts
	[ ! -e none.nii ]
}

@test "names of labels: a label table as the first extension, voxels the same" {
	cd "$BATS_TEST_TMPDIR"
	m='"id":"n","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1","labels":"{\"0\":\"background\",\"1\":\"a<b & \\u00e9\",\"117\":\"z\"}"'
	t='{"dtype":"U8","shape":[1,1,3],"data_offsets":'
	raw_frame "{\"__metadata__\":{$m},\"pred\":${t}[0,3]},\"label\":${t}[3,6]}}" '\1\0\165\0\0\1' >n.ts
	for history in --no-history --history; do
		nii-write $history -o n.nii n.ts
		size=$(od -An -td4 -j 352 -N 4 n.nii | tr -d ' ')
		[ "$(od -An -td4 -j 356 -N 4 n.nii | tr -d ' ')$((size % 16))" = 00 ]
		[ "$(od -An -tu1 -j 348 -N 1 n.nii | tr -d ' ')" = 1 ]
		tail -c +361 n.nii | head -c $((size - 8)) | tr -d '\0' >n.xml
		[ "$(head -c 5 n.xml):$(tail -n 1 n.xml)" = "<?xml:</CaretExtension>" ]
		[ "$(grep -c '<Label ' n.xml)" = 2 ]
		grep -qxF '<Label Key="1" Red="0.5020" Green="0.0000" Blue="0.0000" Alpha="1">a&#60;b &#38; é</Label>' n.xml
		grep -qE '^<Label Key="117" .*>z</Label>$' n.xml
		nii-read n.nii | tail -c 3 | cmp - <(printf '\1\0\165')
	done
	od -An -td4 -j $((352 + size + 4)) -N 4 n.nii | grep -qx ' *6'
	# read again they are the label's, as a map has its numbers
	names() { ts-info --json - | sed -n 's/.*"labels":"\(\([^"\\]\|\\.\)*\)".*/\1/p' | tr -d '\\'; }
	nii-write -t pred -o n.nii.gz n.ts
	[ "$(nii-read -l n.nii n.nii | names)" = '{"1":"a<b & é","117":"z"}' ]
	[ "$(nii-read -l n.nii.gz n.nii | nii-write -t label -o again.nii && nii-read -l again.nii n.nii | names)" = '{"1":"a<b & é","117":"z"}' ]
	[ "$(nii-read -l n.nii --map 117=2 n.nii | names)" = '{"1":"a<b & é","2":"z"}' ]
	[ "$(nii-read -l n.nii --map 117=0 n.nii | names)" = '{"1":"a<b & é"}' ]
	[ "$(nii-read -l n.nii --map 117=1 n.nii | names)" = "" ]
	[ "$(nii-read n.nii | names)" = "" ]
	# nor are those of a table so long that it might not go into a header again
	long=$(head -c 600000 /dev/zero | tr '\0' l)
	raw_frame "{\"__metadata__\":{${m/z/$long}},\"label\":${t}[0,3]}}" '\1\0\2' | nii-write -o long.nii
	[ "$(nii-read -l long.nii n.nii | names)" = "" ]
	nii-read -l long.nii n.nii | nii-write -t label -o again.nii
	# a pipe, which has a mask's name, is read once
	mkfifo pipe.nii
	cat n.nii >pipe.nii &
	timeout 10 nii-read -l pipe.nii n.nii | ts-cmp -t label --data-only - <(nii-read -l n.nii n.nii)
	wait $!
	# of several masks their files' names
	cp n.nii liver.nii
	cp n.nii spleen.nii
	[ "$(nii-read -l spleen.nii -l liver.nii n.nii | names)" = '{"1":"spleen","2":"liver"}' ]
	[ "$(nii-read -l spleen.nii -l liver.nii --map 1=7 n.nii | names)" = '{"2":"liver","7":"spleen"}' ]
	# TotalSegmentator's table, and what is none
	volume m U8 1,1,2 '\1\2' | nii-write -t label -o m.nii
	for text in '<CaretExtension><Label Key="1" Red="0"><![CDATA[a<b]]></Label><Label Key="2">b&#xe9;&lt;</Label>={"1":"a<b","2":"bé<"}' \
		'<CaretExtension><Label Key="-1">?</Label><Label Key="1">a</Label><Label Key="1002">b</Label><Label Key="256">c</Label>={"1":"a"}' '<CaretExtension><Label Key="1">a</Label><Label Key="x">b</Label>=' '<CaretExtension><Label Key="1">a</Label><Label Key="1">b</Label>=' \
		'<CaretExtension><Label Key="1">a=' '<CaretExtension><Label Key="1"><![CDATA[a</Label>=' '<CaretExtension><Label Key="1">&#;</Label>=' \
		'<CaretExtension><Label Key="1">&bad;</Label>=' '<Label Key="1">a</Label>=' '<CaretExtension><Label Key="1" a</Label>=' '='; do
		python3 - m.nii t.nii "${text%=*}" <<-'END'
			import struct, sys
			d = bytearray(open(sys.argv[1], "rb").read())
			x = sys.argv[3].encode()
			n = (8 + len(x) + 15) // 16 * 16
			d[108:112] = struct.pack("<f", 352 + n)
			d[348:352] = bytes([1, 0, 0, 0])
			d[352:352] = struct.pack("<ii", n, 0) + x.ljust(n - 8, b"\0")
			open(sys.argv[2], "wb").write(d)
		END
		got=$(nii-read -l t.nii m.nii | names)
		[ "$got" = "${text##*=}" ] || { echo "$text: $got"; return 1; }
	done
	# they are those of pred
	nii-write -t label -o l.nii n.ts
	[ "$(stat -c %s l.nii)" = 355 ]
	nii-write -o n.hdr n.ts
	grep -aq '<LabelTable>' n.hdr
	LC_ALL=C sed 's/117/256/' n.ts >bad.ts
	fails 1 "nii-write: bad.ts: n: metadata labels: '256' is not the number of a label (0 to 255) with a name" nii-write -o bad.nii bad.ts
	[ ! -e bad.nii ]
}

@test "NRRD: the same volume again, whatever its type and affine, channels, --gzip, and nothing where it fails" {
	cd "$BATS_TEST_TMPDIR"
	D=$BATS_TEST_DIRNAME/golden
	for f in $D/nrrd/itk.nrrd $D/nrrd/float64.nrrd $D/nrrd/uint64.nrrd $D/nrrd/list_first.nrrd $D/nrrd/las.nrrd; do
		nii-read --id x "$f" >a.ts
		nii-write -o x.nrrd a.ts
		nii-read x.nrrd | ts-cmp --data-only - a.ts
		[ "$(ts-info a.ts | grep -A 2 affine)" = "$(nii-read x.nrrd | ts-info | grep -A 2 affine)" ]
	done
	nii-read --id x $D/nrrd/itk.nrrd | nii-write --gzip 9 --history -o h.nrrd
	[ "$(grep -ac '^niipipe_history:=nii-read .*\\n# ' h.nrrd)" = 1 ]
	nii-read h.nrrd | ts-cmp --data-only - <(nii-read $D/nrrd/itk.nrrd)
	nii-phantom -n 2 --size 16,16,8 --seed 1 -o p.ts
	nii-write -d out --ending .nrrd -t image p.ts
	nii-write -d out --ending .nii p.ts
	[ "$(cd out && ls | sed 's/.*\.//' | sort | tr '\n' ' ')" = "nii nii nrrd nrrd " ]
	nii-read out/*.nrrd | ts-cmp -t image --data-only - p.ts
	nii-write -d split --ending .nrrd --split -t image p.ts
	holds split
	fails 2 "nii-write: --ending '.mha' (expected .nii.gz, .nii, .nrrd or .seg.nrrd) (see nii-write --help)" nii-write -d out --ending .mha p.ts
	fails 2 "nii-write: --ending goes with --dir (see nii-write --help)" nii-write --ending .nrrd p.ts
	# a header that nii-read would not take
	long=$(head -c 1100000 /dev/zero | tr '\0' l)
	m='"id":"n","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"'
	raw_frame "{\"__metadata__\":{$m,\"labels\":\"{\\\"1\\\":\\\"$long\\\"}\"},\"label\":{\"dtype\":\"U8\",\"shape\":[1,1,2],\"data_offsets\":[0,2]}}" '\1\0' >l.ts
	fails 1 "nii-write: l.ts: n: a header of more than 1048576 bytes, with its names and its history: nii-read would not take it" nii-write -o l.seg.nrrd l.ts
	[ ! -e l.seg.nrrd ]
}

@test ".seg.nrrd: 3D Slicer's segments with their names, those that are there and those that are named" {
	cd "$BATS_TEST_TMPDIR"
	m='"id":"n","affine":"-1 0 0 5 0 1 0 0 0 0 2.5 -7 0 0 0 1","labels":"{\"0\":\"background\",\"1\":\"a\\\\b\\nc\",\"117\":\"z\"}"'
	for as in U8 I16 F32; do
		case $as in U8) bytes='\1\0\5' n=3 ;; I16) bytes='\1\0\0\0\5\0' n=6 ;; F32) bytes='\0\0\200\077\0\0\0\0\0\0\240\100' n=12 ;; esac
		raw_frame "{\"__metadata__\":{$m},\"label\":{\"dtype\":\"$as\",\"shape\":[1,1,3],\"data_offsets\":[0,$n]}}" "$bytes" >n.ts
		nii-write -o n.seg.nrrd n.ts
		sed -n '1,/^$/p' n.seg.nrrd | tr -d '\0' >head.txt
		grep -qxF 'space directions: (1,0,0) (0,-1,0) (0,0,2.5)' head.txt
		grep -qxF 'space origin: (-5,0,-7)' head.txt
		[ "$(sed -n 's/^Segment\([0-9]\)_\(LabelValue\|Name\):=/\1 /p' head.txt | tr '\n' '|')" = '0 1|0 a\\b\nc|1 5|1 Segment_5|2 117|2 z|' ]
		nii-read -l n.seg.nrrd n.seg.nrrd >back.ts
		[ "$(tail -c 3 back.ts | od -An -tu1 | tr -d ' ')" = 105 ]
		ts-info back.ts | grep -qF '"1":"a\\b c","117":"z","5":"Segment_5"'
	done
	raw_frame "{\"__metadata__\":{$m},\"label\":{\"dtype\":\"I16\",\"shape\":[1,1,2],\"data_offsets\":[0,4]}}" '\1\0\0\1' >big.ts
	fails 1 "nii-write: big.ts: n: tensor 'label' has 256 (expected labels of 0 to 255)" nii-write -o big.seg.nrrd big.ts
	nii-phantom -n 1 --pet --size 8,8,8 --seed 1 -o two.ts
	run nii-write -t image -o two.seg.nrrd two.ts
	[ "$status" = 1 ]
	[ "$(echo *.seg.nrrd)" = n.seg.nrrd ]
}
