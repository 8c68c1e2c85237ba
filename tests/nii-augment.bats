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

# The nnunet preset on small patches of two phantoms, 20 of them.
patches() {
	nii-phantom -n 2 --size 60,64,40 --spacing 5,5,8 --healthy 0 --seed 3 | nii-normalize --zscore -o v.ts
	nii-patch -s 42,51,35 --pos 1 -n "${1:-20}" --seed 1 -o p.ts v.ts
}

@test "same seed, same bytes, for one thread and two; another seed, others" {
	patches
	o="--preset nnunet --size 32,32,16 --elastic 3 --elastic-spacing 8 --prob-elastic 0.5 --turn z --dropout 1,3 --dropout-size 4,4,4 --dropout-max 9,9,9"
	nii-augment $o --seed 5 --threads 1 p.ts >a1.ts
	nii-augment $o --seed 5 --threads 2 p.ts | cmp - a1.ts
	nii-augment $o --seed 6 p.ts >b.ts
	differ a1.ts b.ts
	nii-augment --size 32,32,16 --preset nnunet --seed 5 p.ts >c.ts
	nii-augment --preset nnunet --size 32,32,16 --seed 5 p.ts | cmp - c.ts
}

@test "presets are what the page says, and options win wherever they stand" {
	patches 6
	nii-augment --preset hackathon --seed 2 p.ts | ts-cmp --data-only - <(nii-augment --flip x --shift 0.1 --scale 0.1 --seed 2 p.ts)
	nn="--rotate 30 --prob-rotate 0.2 --spatial-scale 0.7,1.4 --prob-spatial-scale 0.2 --flip xyz --noise 0.1 --prob-noise 0.1 --blur 0.5,1
		--prob-blur 0.2 --prob-blur-channel 0.5 --brightness 0.75,1.25 --prob-brightness 0.15 --contrast 0.75,1.25 --prob-contrast 0.15 --lowres 0.5,1
		--prob-lowres 0.25 --prob-lowres-channel 0.5 --gamma-inverted 0.7,1.5 --prob-gamma-inverted 0.1 --gamma 0.7,1.5 --prob-gamma 0.3 --dummy-2d auto"
	nii-augment --preset nnunet --size 32,32,16 --seed 2 p.ts | ts-cmp --meta - <(nii-augment $nn --size 32,32,16 --seed 2 p.ts)
	nii-augment --flip y --prob-flip 1 --preset nnunet --prob-rotate 0 --prob-spatial-scale 0 p.ts >f.ts
	[ "$(grep -aoF '\"flip\":[0,1,0]' f.ts | wc -l)" -eq 6 ]
	nii-augment --preset nnunet --preset none p.ts | ts-cmp - p.ts
}

@test "a plane: where the patch is flat, slices do not mix" {
	for z in 1 2 3 4; do printf '%.0s\\'$z {1..1024}; done >bytes
	volume v U8 4,32,32 "$(cat bytes)" image >z.ts
	o="--preset nnunet --prob-noise 0 --prob-blur 0 --prob-brightness 0 --prob-contrast 0 --prob-lowres 0 --prob-gamma 0 --prob-gamma-inverted 0 --prob-flip 0"
	o="$o --prob-rotate 1 --prob-spatial-scale 1 --elastic 1 --fill 9 --seed 1"
	same="nii-augment --dummy-2d yes --translate 0 --size 13,13,4 z.ts" # a warp that moves nothing
	nii-augment $o --size 13,13,4 z.ts | ts-cmp --data-only --atol 1e-6 - <($same)
	nii-augment $o --dummy-2d no --size 13,13,4 z.ts >other.ts
	fails 1 "" ts-cmp -q --data-only --atol 1e-6 other.ts <($same)
	nii-augment $o --size 12,12,4 z.ts >flat.ts # 12 is not more than 3 times 4
	fails 1 "" ts-cmp -q --data-only --atol 1e-6 flat.ts <(nii-augment --dummy-2d yes --translate 0 --size 12,12,4 z.ts)
}

@test "size: the middle, filled beyond" {
	raw_frame "{$(meta '2 0 0 8 0 3 0 23 0 0 4 30 0 0 0 1'),\"image\":{\"dtype\":\"U8\",\"shape\":[1,1,1,5],\"data_offsets\":[0,5]},\"label\":{\"dtype\":\"U8\",\"shape\":[1,1,5],\"data_offsets\":[5,10]}}" \
		'\7\4\5\6\7\0\0\0\1\0' >want.ts
	nii-augment --size 5,1,1 --fill 7 a.ts | ts-cmp - want.ts
	fails 1 "nii-augment: a.ts: a: an image of U8 cannot hold -1 outside of it" nii-augment --size 5,1,1 --fill -1 a.ts
}

@test "four channels: geometry, noise's strength, scale are shared; blur and gamma are each one's own" {
	volume c I16 4,3,4,5 "$(for i in {1..240}; do printf '\\%o\\0' $((i * 7 % 61)); done)" image >c.ts
	nii-augment --gamma 0.5,2 --blur 0.5,1 --prob-blur-channel 0.5 --scale 0.5 --seed 3 c.ts >g.ts
	grep -aqE '\\"drawn\\":\{\\"blur\\":\[(\[[^]]*\]|null),(\[[^]]*\]|null),(\[[^]]*\]|null),(\[[^]]*\]|null)\],\\"gamma\\":\[[^]]*,[^]]*,[^]]*,[^]]*\],\\"scale\\":[0-9.]*\}' g.ts
}

@test "odd shapes: one voxel, rows, planes; types; a larger result" {
	all="--rotate 90 --spatial-scale 0.5,2 --shear 0.3 --translate 2 --elastic 2 --elastic-spacing 3 --turn xyz --flip xyz --noise 1 --blur 0,10 --brightness 0,2
		--contrast 0,2 --lowres 0.1,1 --gamma-inverted 0.2,5 --gamma 0.2,5 --scale 1 --shift 1 --dropout 1,3 --dropout-size 2,2,2 --dropout-max 9,9,9"
	for shape in 1,1,1 1,1,7 1,5,1 3,1,1 1,4,3 2,3,4; do
		n=$((${shape//,/*}))
		for t in U8:1 I16:2 I32:4 I64:8; do
			volume v "${t%:*}" $shape "$(for ((i = 0; i < n * ${t#*:}; i++)); do printf '\\1'; done)" image >o.ts
			for s in 1 2 3; do
				nii-augment $all --seed $s o.ts | ts-info | grep -q 'image    F32  *\['"$shape"
				nii-augment $all --size 5,4,3 --seed $s o.ts | ts-info | grep -q 'image    F32  *\[3,4,5\]'
			done
		done
	done
}

@test "patches several at once: an error comes at its turn, after all before it; so does a stream's end in a frame; a pipe that breaks ends it" {
	nii-phantom -n 2 --size 48,48,48 --seed 3 -o v.ts
	nii-patch -s 32,32,32 -n 9 --seed 1 -o nine.ts v.ts
	nii-augment --flip x --shift 0.1 --threads 1 -o want.ts nine.ts
	ts-select --index 0..5 -o six.ts nine.ts
	nii-augment --flip x --shift 0.1 -o begun.ts six.ts
	raw_frame "{$(meta '1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1' ',"patch":"x"'),$tensors}" '\1\2\3\4\5\6\0\1\0\0\0\1' | sed 's/"volume"/"patch"/' >bad.ts
	for t in 1 4; do
		nii-augment --flip x --shift 0.1 --threads $t nine.ts | cmp - want.ts
		cat nine.ts | nii-augment --flip x --shift 0.1 --threads $t | cmp - want.ts
		run sh -c "cat six.ts bad.ts nine.ts | nii-augment --flip x --shift 0.1 --threads $t 2>said | cat >got.ts; cat said; [ ! -s said ]"
		[ "$output" = "nii-augment: standard input: a: metadata patch: 'x' is not a whole number" ]
		cmp got.ts begun.ts
		run sh -c "{ cat six.ts; head -c 1000 nine.ts; } | nii-augment --flip x --shift 0.1 --threads $t 2>said | cat >got.ts; cat said; [ ! -s said ]"
		[[ "$output" == "nii-augment: standard input: ends inside a frame's "* ]]
		cmp got.ts begun.ts
		run bash -c "nii-augment --flip x --threads $t nine.ts nine.ts nine.ts | head -c 1 >/dev/null; exit \${PIPESTATUS[0]}"
		[ "$status" -eq 141 ] && [ -z "$output" ] || return 1
		fails 1 "nii-augment: standard output: cannot write (offset 0): No space left on device" sh -c "nii-augment --flip x --threads $t nine.ts >/dev/full"
	done
}

@test "errors are one line" {
	for bad in q xx 'x,' ',x' 'x,,y' ''; do
		fails 2 "nii-augment: --turn: '$bad' is no choice of axes out of x,y,z (see nii-augment --help)" nii-augment --turn "$bad" a.ts
	done
	fails 2 "nii-augment: --blur: 2 is above 1 (see nii-augment --help)" nii-augment --blur 2,1 a.ts
	fails 2 "nii-augment: --blur: 2 values wanted (LO,HI), 1 given (see nii-augment --help)" nii-augment --blur 2 a.ts
	fails 2 "nii-augment: --prob-gamma has no meaning without --gamma (see nii-augment --help)" nii-augment --prob-gamma 0.5 a.ts
	fails 2 "nii-augment: --prob-lowres-channel has no meaning without --lowres (see nii-augment --help)" nii-augment --prob-lowres-channel 0.5 --preset hackathon a.ts
	fails 2 "nii-augment: --dropout: 1,2.5 are not whole numbers (see nii-augment --help)" nii-augment --dropout 1,2.5 a.ts
	fails 2 "nii-augment: --preset: 'monai' is none of none|hackathon|nnunet (see nii-augment --help)" nii-augment --preset monai a.ts
	for bad in q xx 'x,' ',x' 'x,,y'; do
		fails 2 "nii-augment: --flip: '$bad' is no choice of axes out of x,y,z (see nii-augment --help)" nii-augment --flip "$bad" a.ts
	done
	raw_frame "{$(meta '1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1' ',"patch":"x"'),$tensors}" '\1\2\3\4\5\6\0\1\0\0\0\1' >p.ts
	fails 1 "nii-augment: p.ts: a: metadata patch: 'x' is not a whole number" nii-augment p.ts
	volume v U8 1,1,2 '\0\1' >l.ts
	fails 1 "nii-augment: l.ts: v: no tensor 'image' in this frame" nii-augment --shift 1 l.ts
}
