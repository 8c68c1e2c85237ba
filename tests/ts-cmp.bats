load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	volume a U8 2,1,2 '\1\2\3\4' >a.ts
	volume a U8 2,1,2 '\1\2\3\7' >b.ts
}

@test "a stream is the same as itself, from a file and from a pipe" {
	run ts-cmp a.ts a.ts
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	cat a.ts b.ts a.ts >c.ts
	cat c.ts | ts-cmp - c.ts
	cat c.ts | ts-cmp c.ts -
}

@test "the first difference is said, with index, values, largest difference" {
	run ts-cmp a.ts b.ts
	[ "$status" -eq 1 ]
	[ "$output" = "a.ts b.ts: frame 0 (a): label[1,0,1] is 4 and 7 (largest difference 3, 1 of 4 values differ)" ]
	run ts-cmp -q a.ts b.ts
	[ "$status" -eq 1 ]
	[ -z "$output" ]
}

@test "frames are counted" {
	cat a.ts a.ts >aa.ts
	run ts-cmp a.ts aa.ts
	[ "$status" -eq 1 ]
	[ "$output" = "a.ts aa.ts: a.ts ends after 1 frame" ]
	run ts-cmp aa.ts a.ts
	[ "$status" -eq 1 ]
	[ "$output" = "aa.ts a.ts: a.ts ends after 1 frame" ]
	cat a.ts b.ts >ab.ts
	run ts-cmp aa.ts ab.ts
	[ "${output#*: }" = "frame 1 (a): label[1,0,1] is 4 and 7 (largest difference 3, 1 of 4 values differ)" ]
}

@test "trouble is 2" {
	run ts-cmp a.ts none.ts
	[ "$status" -eq 2 ]
	[ "$output" = "ts-cmp: none.ts: cannot open: No such file or directory" ]
	head -c -1 a.ts >t.ts
	run ts-cmp a.ts t.ts
	[ "$status" -eq 2 ]
	[[ $output == "ts-cmp: t.ts: ends inside a frame's data ("*"expected 4 bytes, found 3)" ]]
	run ts-cmp -t none a.ts a.ts
	[ "$status" -eq 2 ]
	[ "$output" = "ts-cmp: frame 0 (a): no tensor 'none' in either frame" ]
	run ts-cmp a.ts
	[ "$status" -eq 2 ]
	run ts-cmp - - <a.ts
	[ "$status" -eq 2 ]
	run bash -c 'ts-cmp a.ts b.ts >/dev/full'
	[ "$status" -eq 2 ]
	[ "$output" = "ts-cmp: standard output: cannot write (offset 0): No space left on device" ]
}

@test "dtype, shape, names" {
	volume a I8 2,1,2 '\1\2\3\4' >i.ts
	volume a U8 2,2,1 '\1\2\3\4' >s.ts
	volume a U8 2,1,2 '\1\2\3\4' pred >p.ts
	run ts-cmp a.ts i.ts
	[ "$status" -eq 1 ]
	[ "${output#*: }" = "frame 0 (a): label is U8 and I8" ]
	run ts-cmp a.ts s.ts
	[ "$status" -eq 1 ]
	[ "${output#*: }" = "frame 0 (a): label has the shape [2,1,2] and [2,2,1]" ]
	run ts-cmp a.ts p.ts
	[ "$status" -eq 1 ]
	[ "${output#*: }" = "frame 0 (a): label is in the first only" ]
	run ts-cmp -t pred a.ts p.ts
	[ "$status" -eq 1 ]
	[ "${output#*: }" = "frame 0 (a): pred is in the second only" ]
}

@test "floats: tolerances, NaN equals NaN, infinities" {
	# 1.0, NaN, inf against 1.5, NaN, inf; then against -inf
	volume a F32 1,1,3 '\0\0\x80\x3f\0\0\xc0\x7f\0\0\x80\x7f' >f.ts
	volume a F32 1,1,3 '\0\0\xc0\x3f\0\0\xc0\x7f\0\0\x80\x7f' >g.ts
	volume a F32 1,1,3 '\0\0\x80\x3f\0\0\xc0\x7f\0\0\x80\xff' >h.ts
	ts-cmp f.ts f.ts
	run ts-cmp --atol 0.49 f.ts g.ts
	[ "$status" -eq 1 ]
	[ "${output#*: }" = "frame 0 (a): label[0,0,0] is 1 and 1.5 (largest difference 0.5, 1 of 3 values differ)" ]
	ts-cmp --atol 0.5 f.ts g.ts
	ts-cmp --rtol 0.34 f.ts g.ts
	run ts-cmp --rtol 0.33 f.ts g.ts
	[ "$status" -eq 1 ]
	run ts-cmp --atol 1e9 f.ts h.ts
	[ "$status" -eq 1 ]
	[ "${output#*: }" = "frame 0 (a): label[0,0,2] is inf and -inf (largest difference inf, 1 of 3 values differ)" ]
	run ts-cmp -v --atol 1 f.ts g.ts
	[ "$status" -eq 0 ]
	[ "$output" = "ts-cmp: 1 frame, largest difference of a float 0.5" ]
}

@test "integers: exact beyond 2^53, no tolerance" {
	volume a I64 1,1,1 '\1\0\0\0\0\0\x20\0' >i.ts
	volume a I64 1,1,1 '\0\0\0\0\0\0\x20\0' >j.ts
	run ts-cmp --atol 5 i.ts j.ts
	[ "$status" -eq 1 ]
	[ "${output#*: }" = "frame 0 (a): label[0,0,0] is 9007199254740993 and 9007199254740992 (largest difference 1, 1 of 1 values differ)" ]
}

@test "metadata: id, kind, affine by default; all with --meta; none with --data-only" {
	volume other U8 2,1,2 '\1\2\3\4' >o.ts
	run ts-cmp a.ts o.ts
	[ "$status" -eq 1 ]
	[ "${output#*: }" = "frame 0 (a): metadata id is 'a' and 'other'" ]
	ts-cmp --data-only a.ts o.ts
	ts-cmp --ignore-meta id a.ts o.ts
	AFFINE='1.0 0 0 0 0 1 0 0 -0 0 1.0000001 0 0 0 0 1' volume a U8 2,1,2 '\1\2\3\4' | sed 's/"niipipe":"1"/"niipipe":"2"/' >m.ts
	ts-cmp a.ts m.ts
	run ts-cmp --meta a.ts m.ts
	[ "$status" -eq 1 ]
	[ "${output#*: }" = "frame 0 (a): metadata niipipe is '1' and '2'" ]
	ts-cmp --meta --ignore-meta niipipe a.ts m.ts
	ts-cmp --meta --ignore-meta niipipe m.ts a.ts
	sed 's/"1 0 0 0 0/"2 0 0 0 0/' a.ts >m.ts
	run ts-cmp a.ts m.ts
	[ "$status" -eq 1 ]
	[[ $output == *"metadata affine is '1 0 0 0 0 1 "*"' and '2 0 0 0 0 1 "* ]]
	run ts-cmp --meta --data-only a.ts m.ts
	[ "$status" -eq 2 ]
}
