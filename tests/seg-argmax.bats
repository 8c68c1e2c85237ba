#!/usr/bin/env bats
# seg-argmax: highest class, threshold, mean of streams.
load helper

f32() { # numbers in quarters, from -1 to 2, nan: bytes for printf
	for v; do
		case $v in
		-1) printf '%s' '\0\0\200\277' ;; 0) printf '%s' '\0\0\0\0' ;; .25) printf '%s' '\0\0\200\76' ;; .5) printf '%s' '\0\0\0\77' ;;
		.75) printf '%s' '\0\0\100\77' ;; 1) printf '%s' '\0\0\200\77' ;; 2) printf '%s' '\0\0\0\100' ;; nan) printf '%s' '\0\0\300\177' ;;
		esac
	done
}

scores() { # scores ID KIND K NUMBER...: K classes of a row of voxels
	local n=$(($# - 3)) k=$3 kind=$2 meta
	[ -n "$kind" ] && kind=",\"prob\":\"$kind\""
	meta="\"niipipe\":\"1\",\"kind\":\"volume\",\"id\":\"$1\",\"affine\":\"${AFFINE-1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1}\"$kind"
	shift 3
	raw_frame "{\"__metadata__\":{$meta},\"prob\":{\"dtype\":\"F32\",\"shape\":[$k,1,1,$((n / k))],\"data_offsets\":[0,$((4 * n))]}}" "$(f32 "$@")"
}

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

@test "the highest class, the lowest of equals" {
	scores a probabilities 2  .25 .75 .5 1  .75 .25 .5 0 | seg-argmax | ts-cmp - <(volume a U8 1,1,4 '\1\0\0\0' pred)
	scores a logits 3  0 1 -1 2 0  1 0 -1 2 2  2 2 -1 2 1 | seg-argmax | ts-cmp - <(volume a U8 1,1,5 '\2\2\0\0\1' pred)
}

@test "a single class: above one half" {
	scores a logits 1  -1 0 1 .25 | seg-argmax | ts-cmp - <(volume a U8 1,1,4 '\0\0\1\1' pred)
	scores a probabilities 1  .25 .5 .75 | seg-argmax | ts-cmp - <(volume a U8 1,1,3 '\0\0\1' pred)
}

@test "several slices and frames, other tensors, metadata and history" {
	{ scores a logits 2  0 1; scores b logits 2  1 0; } | seg-argmax | ts-cmp - <(volume a U8 1,1,1 '\1' pred; volume b U8 1,1,1 '\0' pred)
	m='"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1","prob":"logits","more":"kept"}'
	t="\"label\":{\"dtype\":\"U8\",\"shape\":[3,1,1],\"data_offsets\":[24,27]}"
	raw_frame "{$m,\"prob\":{\"dtype\":\"F32\",\"shape\":[2,3,1,1],\"data_offsets\":[0,24]},$t}" "$(f32 0 1 2 1 0 1)\\5\\6\\7" >a.ts
	raw_frame "{$m,\"pred\":{\"dtype\":\"U8\",\"shape\":[3,1,1],\"data_offsets\":[0,3]},${t/24,27/3,6}}" '\1\0\0\5\6\7' >b.ts
	seg-argmax a.ts | ts-cmp - b.ts
	seg-argmax a.ts | ts-cmp --meta --ignore-meta history --ignore-meta prob - b.ts
	seg-argmax a.ts | ts-info --json | grep -q '"tool": *"seg-argmax"'
	seg-argmax --keep-prob a.ts | ts-cmp -t prob - a.ts
	seg-argmax --keep-prob a.ts | ts-cmp -t pred - b.ts
	! seg-argmax a.ts | grep -aqF '"prob"'
}

@test "threshold" {
	scores a probabilities 2  .25 .5 .75 1  .75 .5 .25 0 >p.ts
	seg-argmax --threshold 0.5 p.ts | ts-cmp - <(volume a U8 1,1,4 '\1\1\0\0' pred)
	seg-argmax --threshold 0.51 p.ts | ts-cmp - <(volume a U8 1,1,4 '\1\0\0\0' pred)
	seg-argmax --threshold 0 p.ts | ts-cmp - <(volume a U8 1,1,4 '\1\1\1\1' pred)
	# one for each of TotalSegmentator's classes but the first
	mapfile -t none < <(yes 0 | head -n 117)
	scores a probabilities 118 "${none[@]}" .75 >many.ts
	seg-argmax --threshold "$(printf '.5,%.0s' {1..116}).75" many.ts | ts-cmp - <(volume a U8 1,1,1 '\165' pred)
	seg-argmax --threshold "$(printf '.5,%.0s' {1..116}).76" many.ts | ts-cmp - <(volume a U8 1,1,1 '\0' pred)
	# logits: softmax(1,2)[1] = 0.731; sigmoid(1) = 0.731
	scores a logits 2  1 2  2 1 >l.ts
	seg-argmax --threshold 0.73 l.ts | ts-cmp - <(volume a U8 1,1,2 '\1\0' pred)
	seg-argmax --threshold 0.74 l.ts | ts-cmp - <(volume a U8 1,1,2 '\0\0' pred)
	scores a logits 1  1 -1 0 | seg-argmax --threshold 0.5 | ts-cmp - <(volume a U8 1,1,3 '\1\0\1' pred)
	scores a probabilities 3  0 1  0 0  1 0 | seg-argmax --threshold 0.5 --class 2 | ts-cmp - <(volume a U8 1,1,2 '\2\0' pred)
}

@test "thresholds of several classes" {
	scores a probabilities 3  .5 .25 .25 0  .25 .25 .5 1  .25 .5 .25 0 >p.ts
	seg-argmax --threshold .25,.5 p.ts | ts-cmp - <(volume a U8 1,1,4 '\1\2\1\1' pred)
	seg-argmax --threshold .5,.25 p.ts | ts-cmp - <(volume a U8 1,1,4 '\2\2\1\1' pred)
	seg-argmax --threshold .75,.75 p.ts | ts-cmp - <(volume a U8 1,1,4 '\0\0\0\1' pred)
	seg-argmax --threshold .25,.5 p.ts | grep -aqF '\"threshold\":[0.25,0.5]'
	fails 1 "seg-argmax: p.ts: a: 3 thresholds for 3 classes (expected one, or one for each class but the first)" seg-argmax --threshold .1,.2,.3 p.ts
}

@test "the Dice rule: all voxels above half of the best expected Dice" {
	# 1 .75 .5 .25: 2 / (1 + 2.5 + 1) = .44, 3.5 / 5.5 = .64, 4.5 / 6.5 = .69, 5 / 7.5 = .67: three voxels, above .35
	scores a probabilities 2  0 .25 .5 .75  1 .75 .5 .25 | seg-argmax --rule dice | ts-cmp - <(volume a U8 1,1,4 '\1\1\1\0' pred)
	scores a probabilities 1  1 .75 .5 .25 | seg-argmax --rule dice | ts-cmp - <(volume a U8 1,1,4 '\1\1\1\0' pred)
	# nothing is more probable than not
	scores a probabilities 2  .5 .5 .75 1  .5 .5 .25 0 | seg-argmax --rule dice | ts-cmp - <(volume a U8 1,1,4 '\0\0\0\0' pred)
	scores a logits 2  0 0 2  2 .25 0 >l.ts
	seg-argmax --rule dice l.ts | ts-cmp - <(volume a U8 1,1,3 '\1\1\0' pred)
	for t in 1 3; do seg-argmax --threads $t --rule dice l.ts | ts-cmp --meta - <(seg-argmax --rule dice l.ts); done
	seg-argmax --rule dice l.ts | grep -aqF '\"rule\":\"dice\"'
	scores a logits 2  1 nan >nan.ts
	fails 1 "seg-argmax: nan.ts: a: tensor 'prob' is not finite at slice 0" seg-argmax --rule dice nan.ts
	scores a '' 2  1 0 >plain.ts
	fails 1 "seg-argmax: plain.ts: a: no metadata prob says whether the scores are probabilities or logits" seg-argmax --rule dice plain.ts
	fails 2 "seg-argmax: --rule dice finds its own threshold: give it or --threshold (see seg-argmax --help)" seg-argmax --rule dice --threshold .5 l.ts
	fails 2 "seg-argmax: --class goes with one --threshold (see seg-argmax --help)" seg-argmax --class 2 l.ts
}

@test "the mean of streams" {
	scores a probabilities 2  .25 .5 1  .75 .5 0 >p.ts
	scores a probabilities 2  .5 .25 .25  .5 .75 .75 >q.ts
	scores a probabilities 2  1 .25 .25  0 .75 .75 >r.ts
	seg-argmax p.ts q.ts | ts-cmp - <(volume a U8 1,1,3 '\1\1\0' pred)
	seg-argmax p.ts q.ts r.ts | ts-cmp - <(volume a U8 1,1,3 '\0\1\0' pred)
	cat p.ts | seg-argmax - q.ts | ts-cmp - <(volume a U8 1,1,3 '\1\1\0' pred)
	seg-argmax --keep-prob p.ts p.ts p.ts | ts-cmp -t prob --atol 1e-7 - p.ts
}

@test "streams that are out of step" {
	scores a logits 2  1 0 >a.ts
	scores b logits 2  1 0 >b.ts
	scores a probabilities 2  1 0 >p.ts
	scores a logits 3  1 0 1 >k.ts
	scores a logits 2  1 0 1 0 >g.ts
	AFFINE='2 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1' scores a logits 2  1 0 >f.ts
	cat a.ts b.ts >ab.ts
	fails 1 "seg-argmax: b.ts: b: streams are out of step: id 'a' against 'b'" seg-argmax a.ts b.ts
	fails 1 "seg-argmax: p.ts: a: one holds probabilities, the other logits: metadata prob 'logits' and 'probabilities'" seg-argmax a.ts p.ts
	fails 1 "seg-argmax: k.ts: a: 2 classes and 3" seg-argmax a.ts k.ts
	fails 1 "seg-argmax: g.ts: a: is on another grid than a.ts (2x1x1 against 1x1x1 voxels)" seg-argmax a.ts g.ts
	fails 1 "seg-argmax: f.ts: a: is on another grid than a.ts (affine row 1, column 1: 2 against 1)" seg-argmax a.ts f.ts
	fails 1 "seg-argmax: a.ts: ends before ab.ts does: the streams are out of step" seg-argmax ab.ts a.ts
	fails 1 "seg-argmax: a.ts: ends before ab.ts does: the streams are out of step" seg-argmax -o out.ts a.ts ab.ts
	[ ! -e out.ts ]
	[ -z "$(find . -name '.*.tmp')" ]
}

@test "what it refuses" {
	scores a logits 2  1 nan >nan.ts
	scores a '' 1  1 >one.ts
	scores a '' 2  1 0 >plain.ts
	scores a odds 2  1 0 >odds.ts
	fails 1 "seg-argmax: nan.ts: a: tensor 'prob' is not finite at slice 0" seg-argmax nan.ts
	fails 1 "seg-argmax: nan.ts: a: tensor 'prob' is not finite at slice 0" seg-argmax --threshold .5 nan.ts
	fails 1 "seg-argmax: one.ts: a: no metadata prob says whether the scores are probabilities or logits" seg-argmax one.ts
	fails 1 "seg-argmax: plain.ts: a: no metadata prob says whether the scores are probabilities or logits" seg-argmax --threshold .5 plain.ts
	fails 1 "seg-argmax: odds.ts: a: metadata prob is 'odds' (expected probabilities or logits)" seg-argmax odds.ts
	fails 1 "seg-argmax: nan.ts: a: no class 2 among 2" seg-argmax --threshold .5 --class 2 nan.ts
	m='"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"}'
	t='"label":{"dtype":"U8","shape":[1,1,2],"data_offsets":[8,10]}'
	raw_frame "{$m,\"prob\":{\"dtype\":\"F32\",\"shape\":[2,1,1,1],\"data_offsets\":[0,8]},$t}" "$(f32 0 1)\\1\\1" >grids.ts
	fails 1 "seg-argmax: grids.ts: a: 'prob' is on another grid than 'label' (1x1x1 against 2x1x1 voxels)" seg-argmax grids.ts
	volume a U8 1,1,1 '\1' prob >u8.ts
	fails 1 "seg-argmax: u8.ts: a: tensor 'prob' is U8 with 3 axes (expected floats [K,Z,Y,X])" seg-argmax u8.ts
	fails 2 "seg-argmax: --threshold: 1.5 is not in 0..1 (see seg-argmax --help)" seg-argmax --threshold 1.5 plain.ts
	seg-argmax plain.ts | ts-cmp - <(volume a U8 1,1,1 '\0' pred)
}
