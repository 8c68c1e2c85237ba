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
	[ "$status" -eq 1 ] && [ ! -e out ]
}

@test "a grid that does not agree with itself is an error" {
	raw_frame '{"__metadata__":{"id":"h","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"U8","shape":[1,1,2],"data_offsets":[0,2]},"label":{"dtype":"U8","shape":[1,1,1],"data_offsets":[2,3]}}' abc >h.ts
	fails 1 "ts-info: h.ts: h: 'label' is on another grid than 'image' (1x1x1 against 2x1x1 voxels)" ts-info h.ts
}
