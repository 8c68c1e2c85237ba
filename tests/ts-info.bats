load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	AFFINE='-0.5 0 0 7 0 0 2 8 0 -1 0 9 0 0 0 1' volume a U8 2,1,2 '\1\2\3\4' >a.ts
	volume b F32 1,1,2 '\0\0\x80\x3f\0\0\xc0\x7f' image >b.ts
	cat a.ts b.ts >ab.ts
}

@test "text: place, tensors, grid, other metadata" {
	run ts-info ab.ts
	[ "$status" -eq 0 ]
	[ "$output" = "frame 0: a, volume, 4 bytes of data, at byte 0 of ab.ts
  label    U8   [2,1,2] 4 bytes
  grid     2x1x2 voxels of 0.5x1x2 mm, axes LIA
  affine         -0.5          0          0          7
                    0          0          2          8
                    0         -1          0          9
  niipipe  1
frame 1: b, volume, 8 bytes of data, at byte $(stat -c %s a.ts) of ab.ts
  image    F32  [1,1,2] 8 bytes
  grid     2x1x1 voxels of 1x1x1 mm, axes RAS
  affine            1          0          0          0
                    0          1          0          0
                    0          0          1          0
  niipipe  1" ]
}

@test "statistics leave NaN out and count it" {
	run ts-info --stats a.ts b.ts
	[ "${lines[1]}" = "  label    U8   [2,1,2] 4 bytes, min 1, max 4, mean 2.5" ]
	[ "${lines[8]}" = "  image    F32  [1,1,2] 8 bytes, min 1, max 1, mean 1, 1 NaN" ]
}

@test "JSON: an object a line" {
	run ts-info --json a.ts b.ts
	[ "${#lines[@]}" -eq 2 ]
	[ "${lines[0]}" = '{"file":"a.ts","offset":0,"id":"a","kind":"volume","bytes":4,"tensors":[{"name":"label","dtype":"U8","shape":[2,1,2],"bytes":4}],"history":[],"meta":{"niipipe":"1"},"size":[2,1,2],"spacing":[0.5,1.0,2.0],"axes":"LIA","affine":[-0.5,0.0,0.0,7.0,0.0,0.0,2.0,8.0,0.0,-1.0,0.0,9.0,0.0,0.0,0.0,1.0]}' ]
	run ts-info --json --stats b.ts
	[[ $output == *'"min":1.0,"max":1.0,"mean":1.0,"nan":1'* ]]
}

@test "history is a list" {
	raw_frame '{"__metadata__":{"id":"h","history":"[{\"tool\":\"nii-x\",\"version\":\"0.1.0\",\"args\":{\"b\":2,\"a\":[1]}},{\"tool\":\"nii-y\"}]"}}' >h.ts
	run ts-info h.ts
	[ "${lines[0]}" = "frame 0: h, ?, 0 bytes of data, at byte 0 of h.ts" ]
	[ "${lines[1]}" = '  history  1 nii-x 0.1.0 {"a":[1],"b":2}' ]
	[ "${lines[2]}" = '           2 nii-y ? ' ]
	raw_frame '{"__metadata__":{"id":"h","history":"[1]"}}' >h.ts
	fails 1 "ts-info: h.ts: h: metadata history: an entry is not an object with a tool" ts-info h.ts
}

@test "control bytes do not reach the terminal" {
	raw_frame '{"__metadata__":{"x":"a\u001b[2J\nb"}}' >x.ts
	run ts-info x.ts
	[ "${lines[1]}" = '  x        a?[2J?b' ]
}

@test "without --stats data are skipped, but must be there" {
	head -c -1 ab.ts >t.ts
	fails 1 "ts-info: t.ts: ends inside a frame's data (offset $(stat -c %s t.ts), expected 8 bytes, found 7)" ts-info t.ts
	run bash -c 'cat t.ts | ts-info -o out'
	[ "$status" -eq 1 ]
	[ ! -e out ]
}

@test "a grid that does not agree with itself is an error" {
	raw_frame '{"__metadata__":{"id":"h","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"U8","shape":[1,1,2],"data_offsets":[0,2]},"label":{"dtype":"U8","shape":[1,1,1],"data_offsets":[2,3]}}' abc >h.ts
	fails 1 "ts-info: h.ts: h: 'label' is on another grid than 'image' (1x1x1 against 2x1x1 voxels)" ts-info h.ts
}

@test "--npy: byte for byte what numpy.save writes, every type" {
	for f in "$ROOT"/tests/golden/npy_*.npy; do
		n=$(basename "$f" .npy)
		ts-info --npy "${n#npy_}" "$ROOT/tests/golden/npy.ts" | cmp - "$f"
		cat "$ROOT/tests/golden/npy.ts" | ts-info --npy "${n#npy_}" -o out.npy
		cmp out.npy "$f"
	done
	[ "$(find . -name 'out.npy' | wc -l)" -eq 1 ]
}

@test "--npy: BF16 becomes F32" {
	raw_frame '{"__metadata__":{"id":"h"},"a":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]}}' '\x80\x3f\x20\xc0' >h.ts
	ts-info --npy a h.ts >h.npy
	[ "$(head -c 69 h.npy | tail -c +11)" = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }" ]
	[ "$(stat -c %s h.npy)" -eq 136 ]
	[ "$(tail -c 8 h.npy | od -An -tx1)" = " 00 00 80 3f 00 00 20 c0" ]
}

@test "--npy: one frame, one tensor that is there, or an error and no file" {
	fails 1 "ts-info: ab.ts: a: no tensor 'x' in this frame" ts-info --npy x -o out ab.ts
	cat a.ts a.ts >aa.ts
	fails 1 "ts-info: aa.ts: a: a second frame (--npy writes the tensor of one)" ts-info --npy label -o out aa.ts
	fails 2 "ts-info: --npy goes with none of --header, --json, --stats (see ts-info --help)" ts-info --npy label --json a.ts
	[ ! -e out ]
	run bash -c 'ts-info --npy label a.ts >/dev/full'
	[ "$status" -eq 1 ]
}

@test "--header: the NIfTI header's fields as they were read" {
	nii-phantom -n 1 --size 12,10,8 --spacing 3,3,5 --seed 1 | nii-write -t image -o x.nii.gz
	nii-read x.nii.gz | nii-resample -s 6,6,5 >x.ts
	run ts-info --header x.ts
	out=$(grep -A14 '^  header' <<<"$output" | cut -c12- | sed 's/ *$//')
	[ "$out" = "version     1
datatype    4 INT16
dim         3 12 10 8 1 1 1 1
pixdim      1 3 3 5 1 1 1 1
xyzt_units  2 mm
qform_code  1 Scanner Anat
quatern     0 0 1
qoffset     16.5 13.5 -17.5
sform_code  1 Scanner Anat
srow        -3 0 0 16.5 0 -3 0 13.5 0 0 5 -17.5
scl         0 0
intent_code 0 Unknown
intent_p    0 0 0
intent_name
descrip" ]
	[[ $(ts-info --header --json x.ts) == *'"header":{"datatype":4,"descrip":"","dim":[3,12,10,8,1,1,1,1],'* ]]
	ts-info --header a.ts | grep -qx '  header   none: not read from a NIfTI file'
	ts-info --header --json a.ts | grep -q '"header":null'
}

@test "--history: the line that made it, which makes the same bytes again" {
	nii-phantom -n 2 --seed 5 -s 40,36,24 -o v.ts
	nii-write -t image -d images v.ts
	nii-write -t label -d labels v.ts
	mkdir -p "a b"
	mv images/phantom-0001.nii.gz "a b/it's.nii.gz"
	nii-normalize --window=-1024,325 v.ts | nii-resample -s 10,10,14 | nii-patch -s 16,16,8 -n 2 --seed 1 | seg-train --net unet --channels 4,8 --strides 2 -o m.ts
	cp m.ts n.ts
	again() { # STREAM
		ts-info --history "$1" >line
		[ "$(grep -vc '^#' line)" = 1 ]
		eval "$(cat line)" >made
		cmp made "$1" || { cat line; return 1; }
	}
	nii-read -l labels/phantom-0001.nii.gz "a b/it's.nii.gz" -o x.ts
	again x.ts
	! command -v xxh64sum >/dev/null || [ "$(sed -n 's/^# //p' line | xxh64sum -c)" = "a b/it's.nii.gz: OK
labels/phantom-0001.nii.gz: OK" ]
	nii-resample --orient RAS -s 10,10.5,12 --antialias x.ts | nii-crop --above=-500 --margin 5,5,5 | nii-normalize --zscore --percentile 1,99.5 -o y.ts
	again y.ts
	for n in --window=-1024,325 --window=-1024,325,0,1 "--preset lung" "--range=0,100,-1,1" --zscore-nonzero "--zscore --channel-wise" "--percentile 5,95" "--ct=-900,300,-158.58,324.7"; do
		nii-normalize $n x.ts -o y.ts
		again y.ts
	done
	for c in --label "--body --margin-voxels 1,2,3" "--box=-1,2,3,20,21,22 --fill=-3" "--pad --multiple 7,8,9" "--lungs --inside --min-size 30,30,20"; do
		nii-crop $c x.ts -o y.ts
		again y.ts
	done
	nii-read --id other images/phantom-0002.nii.gz | nii-replay -m m.ts -o r.ts
	again r.ts
	for w in "" "--effort 3" "--mode constant --overlap 0.5 --grid nnunet" "-m n.ts --mean prob" "--output prob --padding reflect --mirror x" "--threshold 0.4 --skip-air=-3"; do
		seg-window -m m.ts $w r.ts | nii-invert -o y.ts
		again y.ts
		! command -v xxh64sum >/dev/null || [ "$(sed -n 's/^# //p' line | xxh64sum -c --quiet && grep -c '^# ' line)" = $((2 + $(grep -oE 'model n' line | wc -l))) ]
	done
	seg-window -m m.ts r.ts | cc-filter --fill-holes --min-volume 5 -k 3 | cc-largest -c 6 | nii-invert | cc-largest --only 1 -o y.ts
	again y.ts
	seg-window -m m.ts --output prob r.ts | nii-invert --argmax -o y.ts
	again y.ts
	nii-phantom -n 1 --skip 3 --seed 9 -s 20,20,16 --healthy 0 | nii-augment --preset hackathon --turn x,z --elastic 2 --seed 4 -o y.ts
	again y.ts
	# a model: what was read is not there, all else is
	nii-normalize --window=-1024,325 v.ts | nii-patch -s 16,16,8 -n 4 --per-volume 2 --pos 0.5 --seed 1 | nii-augment --flip x,y --seed 2 |
		seg-train --net unet --channels 4,8 --strides 2 --loss tversky --tversky-beta 0.7 --optimizer sgd --nesterov --schedule poly --batch 2 --lr 1e-3 --seed 5 -o q.ts
	ts-info --history q.ts >line
	eval "nii-patch() { command nii-patch -n 4 \"\$@\"; }; cat v.ts | $(grep -v '^#' line) -o again.ts"
	cmp q.ts again.ts
	[ "$(ts-select --drop label v.ts | nii-crop --box 0,0,0,2,2,2 | ts-info --history | grep -vc '^#')" = 2 ]
	volume a U8 1,1,1 '\1' | ts-info --history | grep -x '# a: no history'
	fails 2 "ts-info: --history goes with none of --header, --json, --npy, --stats (see ts-info --help)" ts-info --history --json v.ts
}

@test "--history: a history that wants to be run is words and comments" {
	raw_frame '{"__metadata__":{"id":"h","history":"[{\"tool\":\"x; touch a\",\"version\":\"1\\ntouch b\",\"args\":{\"k; touch c\":\"$(touch d)\",\"l\":\"\\ntouch e\"}},{\"tool\":\"nii-normalize\",\"args\":{\"zscore\":\"; touch f\"}},{\"tool\":\"nii-read\",\"args\":{\"file\":\"g\",\"hash\":\"0\\ntouch h\"}}]"}}' >h.ts
	ts-info --history h.ts >line
	[ "$(head -n 1 line)" = "'x; touch a' '--k; touch c' '\$(touch d)' --l '?touch e' | nii-normalize '--zscore-; touch f' | nii-read --id h g" ]
	[ "$(sed -n 2,3p line)" = "$(printf '# 0?touch h  g\n## niipipe 1?touch b')" ]
	bash line 2>/dev/null || :
	[ "$(find . -maxdepth 1 -name '[a-h]')" = "" ]
}

@test "hashes in a history are those of xxh64sum" {
	command -v xxh64sum >/dev/null || skip "no xxh64sum"
	nii-phantom -n 1 --seed 5 -s 20,20,16 | nii-write -t image -o i.nii.gz
	[ "$(nii-read i.nii.gz | ts-info | grep -oE '"hash":"[0-9a-f]*"')" = "\"hash\":\"$(xxh64sum <i.nii.gz | cut -d ' ' -f 1)\"" ]
}
