load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	G=$ROOT/tests/golden
}

@test "6, 18, 26 neighbours, every integer type, as scipy's label has it" {
	cc-largest -c 6 $G/components_in.ts | ts-cmp - $G/components_c6.ts
	cc-largest -c 18 $G/components_in.ts | ts-cmp - $G/components_c18.ts
	cc-largest -c 26 <$G/components_in.ts | ts-cmp - $G/components_c26.ts
	cat $G/components_in.ts | cc-largest | ts-cmp - $G/components_c26.ts
}

@test "all labels together; the k largest" {
	cc-largest --union -c 6 $G/components_in.ts | ts-cmp - $G/components_u6.ts
	cc-largest --union $G/components_in.ts | ts-cmp - $G/components_u26.ts
	cc-largest -k 3 -c 6 $G/components_in.ts | ts-cmp - $G/components_k3.ts
	cc-largest -k 1000000 $G/components_in.ts | ts-cmp - $G/components_in.ts
}

@test "one label only" {
	volume a U8 1,1,8 '\1\0\1\1\2\2\0\2' >a.ts
	volume a U8 1,1,8 '\1\0\1\1\2\2\0\0' >b.ts
	cc-largest --only 2 a.ts | ts-cmp - b.ts
	cc-largest --only 3 a.ts | ts-cmp - a.ts
	cc-largest --only 1,2 a.ts | ts-cmp - <(cc-largest a.ts)
	cc-largest --only 1,2 a.ts | ts-info | grep -qF '"only":[1,2]'
	fails 2 "cc-largest: --only: 0 is not in 1..1000000000 (see cc-largest --help)" cc-largest --only 1,0 a.ts
}

@test "some labels together, as nnU-Net has a region" {
	# 1 and 2 hang together in pieces of two, three and one voxels; 3 and 4 are no part of it, and hold nothing together
	volume a U8 1,1,12 '\1\2\0\2\1\1\3\2\4\4\0\3' >a.ts
	volume a U8 1,1,12 '\0\0\0\2\1\1\3\0\4\4\0\3' >b.ts
	cc-largest --only 1,2 --union a.ts | ts-cmp - b.ts
	volume a U8 1,1,12 '\1\2\0\2\1\1\3\0\4\4\0\3' >b.ts
	cc-largest --only 1,2 --union -k 2 a.ts | ts-cmp - b.ts
	cc-largest --only 9,8 --union a.ts | ts-cmp - a.ts
	volume a I16 1,1,5 '\1\0\0\0\7\1\7\1\2\0' >a.ts # 263 is not 7
	volume a I16 1,1,5 '\0\0\0\0\7\1\7\1\2\0' >b.ts
	cc-largest --only 1,263 --union a.ts | ts-cmp - b.ts
	cc-largest --only 1,7 --union a.ts | ts-cmp - a.ts
}

@test "a tie goes to the component that begins first" {
	volume a U8 1,1,7 '\1\1\0\1\1\0\1' >a.ts
	volume a U8 1,1,7 '\1\1\0\0\0\0\0' >b.ts
	cc-largest a.ts | ts-cmp - b.ts
	volume a U8 1,2,5 '\0\0\0\0\1\1\0\0\0\0' >a.ts
	volume a U8 1,2,5 '\0\0\0\0\1\0\0\0\0\0' >b.ts
	cc-largest a.ts | ts-cmp - b.ts
}

@test "labels that touch cornerwise in one row" {
	# 1 1 2 2 over 2 2 1 1: with corners both labels are in one piece, by faces they are not
	volume a U8 1,2,4 '\1\1\2\2\2\2\1\1' >a.ts
	volume a U8 1,2,4 '\1\1\2\2\0\0\0\0' >b.ts
	cc-largest a.ts | ts-cmp - a.ts
	cc-largest -c 6 a.ts | ts-cmp - b.ts
}

@test "nothing in it: nothing done" {
	volume a U8 2,2,2 '\0\0\0\0\0\0\0\0' >a.ts
	cc-largest a.ts | ts-cmp - a.ts
}

@test "pred before label, -t before both; the rest passes through; history says so" {
	raw_frame '{"__metadata__":{"id":"h"},"label":{"dtype":"U8","shape":[1,1,3],"data_offsets":[0,3]},"pred":{"dtype":"U8","shape":[1,1,3],"data_offsets":[3,6]}}' '\1\0\1\1\0\1' >a.ts
	raw_frame '{"__metadata__":{"id":"h"},"label":{"dtype":"U8","shape":[1,1,3],"data_offsets":[0,3]},"pred":{"dtype":"U8","shape":[1,1,3],"data_offsets":[3,6]}}' '\1\0\1\1\0\0' >p.ts
	raw_frame '{"__metadata__":{"id":"h"},"label":{"dtype":"U8","shape":[1,1,3],"data_offsets":[0,3]},"pred":{"dtype":"U8","shape":[1,1,3],"data_offsets":[3,6]}}' '\1\0\0\1\0\1' >l.ts
	cc-largest a.ts | ts-cmp - p.ts
	cc-largest -t label a.ts | ts-cmp - l.ts
	run bash -c "cc-largest -k 2 -c 18 a.ts | ts-info"
	[ "${lines[3]}" = '  history  1 cc-largest 0.1.0 {"connectivity":18,"k":2,"tensor":"pred","union":false}' ]
}

@test "messages" {
	volume a F32 1,1,1 '\0\0\0\0' >a.ts
	fails 1 "cc-largest: a.ts: a: tensor 'label' is F32 with 3 axes (expected integers [Z,Y,X])" cc-largest -o out a.ts
	volume a U8 1,1,1 '\0' image >a.ts
	fails 1 "cc-largest: a.ts: a: no pred and no label in this frame" cc-largest -o out a.ts
	fails 1 "cc-largest: a.ts: a: no tensor 'x' in this frame" cc-largest -t x -o out a.ts
	volume a F32 1,1,1,1 '\0\0\0\0' prob >p.ts
	fails 1 "cc-largest: p.ts: a: no pred and no label in this frame: seg-argmax makes pred of prob" cc-largest -o out p.ts
	[ ! -e out ]
	fails 2 "cc-largest: --connectivity: '8' is none of 6|18|26 (see cc-largest --help)" cc-largest -c 8 a.ts
	fails 2 "cc-largest: --keep: 0 is not in 1..1000000000 (see cc-largest --help)" cc-largest -k 0 a.ts
}
