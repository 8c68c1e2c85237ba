#!/usr/bin/env bats
# nii-augment: what is drawn depends on seed and index alone; flips keep every voxel at its place in the world.
load helper

differ() { ! cmp -s "$@"; }

meta() { echo "\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"patch\",\"id\":\"a\",\"affine\":\"$1\"$2}"; }
tensors='"image":{"dtype":"U8","shape":[1,1,2,3],"data_offsets":[0,6]},"label":{"dtype":"U8","shape":[1,2,3],"data_offsets":[6,12]}'

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	raw_frame "{$(meta '2 0 0 10 0 3 0 20 0 0 4 30 0 0 0 1'),$tensors}" '\1\2\3\4\5\6\0\1\0\0\0\1' >a.ts
}

@test "flips on x and y" {
	raw_frame "{$(meta '-2 0 0 14 0 3 0 20 0 0 4 30 0 0 0 1'),$tensors}" '\3\2\1\6\5\4\0\1\0\1\0\0' >x.ts
	nii-augment --flip x --flip-prob 1 a.ts | ts-cmp - x.ts
	raw_frame "{$(meta '-2 0 0 14 0 -3 0 23 0 0 4 30 0 0 0 1'),$tensors}" '\6\5\4\3\2\1\1\0\0\0\1\0' >xy.ts
	nii-augment --flip x,y --flip-prob 1 a.ts | ts-cmp - xy.ts
	nii-augment --flip xyz --flip-prob 1 a.ts | nii-augment --flip zyx --flip-prob 1 | ts-cmp - a.ts
	nii-augment --flip xyz --flip-prob 0 a.ts | ts-cmp - a.ts
	nii-augment --flip xz --flip-prob 1 a.ts | grep -aqF '\"undo\":{\"flip\":[1,0,1]}'
}

@test "nothing asked for: the frame as it was" { nii-augment a.ts | ts-cmp - a.ts; }

@test "scale and shift change the image to F32, within their limits" {
	for i in {1..50}; do cat a.ts; done | nii-augment --scale 0.1 --shift 0.5 --seed 1 >s.ts
	for i in {1..50}; do cat a.ts; done >many.ts
	differ s.ts many.ts
	grep -aqF '"dtype":"F32"' s.ts
	nii-augment --scale 0.1 --shift 0.5 --prob-scale 0 --prob-shift 0 a.ts | ts-cmp - a.ts
}

@test "the index is the patch's, or else the place in the stream" {
	for i in 0 1 2 3 4 5 6 7; do raw_frame "{$(meta '1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1' ",\"patch\":\"$i\""),$tensors}" '\1\2\3\4\5\6\0\1\0\0\0\1'; done >p.ts
	for i in 0 1 2 3 4 5 6 7; do raw_frame "{$(meta '1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1'),$tensors}" '\1\2\3\4\5\6\0\1\0\0\0\1'; done >q.ts
	for i in 3 4 5 6 7; do raw_frame "{$(meta '1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1' ",\"patch\":\"$i\""),$tensors}" '\1\2\3\4\5\6\0\1\0\0\0\1'; done >r.ts
	o="--flip xy --scale 0.1 --shift 0.2 --seed 9"
	nii-augment $o p.ts >p2.ts
	nii-augment $o q.ts | ts-cmp - p2.ts
	nii-augment $o r.ts >r2.ts
	tail -c "$(stat -c %s r2.ts)" p2.ts | cmp - r2.ts
	nii-augment $o --seed 10 p.ts >p3.ts
	differ p2.ts p3.ts
}

@test "one option does not change what another draws" {
	nii-augment --flip xyz --seed 4 a.ts >f.ts
	nii-augment --flip xyz --shift 1 --prob-shift 0 --scale 1 --prob-scale 0 --seed 4 a.ts | ts-cmp f.ts -
}

@test "errors are one line" {
	for bad in q xx 'x,' ',x' 'x,,y'; do
		fails 2 "nii-augment: --flip: '$bad' is no choice of axes out of x,y,z (see nii-augment --help)" nii-augment --flip "$bad" a.ts
	done
	raw_frame "{$(meta '1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1' ',"patch":"x"'),$tensors}" '\1\2\3\4\5\6\0\1\0\0\0\1' >p.ts
	fails 1 "nii-augment: p.ts: a: metadata patch: 'x' is not a whole number" nii-augment p.ts
	volume v U8 1,1,2 '\0\1' >l.ts
	fails 1 "nii-augment: l.ts: v: no tensor 'image' in this frame" nii-augment --shift 1 l.ts
}
