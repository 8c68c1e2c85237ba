load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	for i in 0 1 2 3 4; do volume "case$i" U8 1,1,3 "\\$i\\7\\7"; done >all.ts
	volume case1 U8 1,1,3 '\1\7\7' >one.ts
}

ids() { ts-info | sed -n 's/^frame [0-9]*: \([^,]*\),.*/\1/p' | tr '\n' ' '; }

@test "by id, from a file and from a pipe" {
	ts-select --id case1 all.ts | ts-cmp --meta - one.ts
	cat all.ts | ts-select --id case1 | ts-cmp --meta - one.ts
	[ "$(ts-select --id case3 --id case0 all.ts | ids)" = "case0 case3 " ]
}

@test "by index, over all operands" {
	[ "$(ts-select --index 1 all.ts | ids)" = "case1 " ]
	[ "$(ts-select --index 1..2,4 all.ts | ids)" = "case1 case2 case4 " ]
	[ "$(ts-select --index 3.. all.ts one.ts | ids)" = "case3 case4 case1 " ]
	[ "$(ts-select --index 5 all.ts one.ts | ids)" = "case1 " ]
}

@test "--not turns it round" {
	[ "$(ts-select --not --index 1..3 all.ts | ids)" = "case0 case4 " ]
	[ "$(ts-select --not --id case2 --index 0 all.ts | ids)" = "case1 case3 case4 " ]
}

@test "folds" {
	[ "$(ts-select --fold 1/2 all.ts | ids)" = "case1 case3 " ]
	[ "$(ts-select --not --fold 1/2 all.ts | ids)" = "case0 case2 case4 " ]
	[ "$(ts-select --fold 0/3 --index 1 all.ts | ids)" = "case0 case1 case3 " ]
	for bad in 2/2 1 -1/2 1/0 a/b; do
		fails 2 "ts-select: --fold: '$bad' is not I/N with 0 <= I < N (see ts-select --help)" ts-select --fold "$bad" all.ts
	done
}

@test "folds of a seed: KFold(5, shuffle=True, random_state=12345) of the sorted ids, whatever their order" {
	for i in 3 1 4 0 2; do volume "case$i" U8 1,1,1 '\1'; done >mixed.ts
	for f in all.ts mixed.ts; do
		[ "$(for k in 0 1 2 3 4; do ts-select --fold $k/5 --seed 12345 $f | ids; done)" = "case0 case4 case3 case1 case2 " ]
	done
	[ "$(ts-select --fold 0/2 --seed 0 mixed.ts | ids)" = "case1 case0 case2 " ]
	[ "$(ts-select --not --fold 0/2 --seed 0 <mixed.ts | ids)" = "case3 case4 " ]
	# frames of one id stay together, over all operands
	[ "$(ts-select --fold 3/5 --seed 12345 all.ts one.ts | ids)" = "case1 case1 " ]
}

@test "folds of a seed from a pipe: ids from a list, nii-read's too" {
	printf 'id\timage\tlabel\ncase4\tx\ncase0\ncase1\tx\ty\n\ncase3\ncase2\n' >list
	[ "$(cat all.ts | ts-select --fold 1/5 --seed 12345 --list list | ids)" = "case4 " ]
	fails 1 "ts-select: standard input: a pipe cannot be read twice: --seed needs a file, or all ids with --list" \
		bash -c 'cat all.ts | ts-select --fold 1/5 --seed 1 -o out'
	printf 'case4\ncase0\ncase1\ncase3\n' >list
	fails 1 "ts-select: list: the id 'case2' is not in the list" ts-select --not --fold 1/4 --seed 1 --list list -o out all.ts
	fails 1 "ts-select: 6 folds of 5 ids: a fold would be empty" ts-select --fold 1/6 --seed 1 -o out all.ts
	fails 1 "ts-select: no: cannot open: No such file or directory" ts-select --fold 1/6 --seed 1 --list no -o out all.ts
	[ ! -e out ]
	fails 2 "ts-select: --list needs --seed, and that --fold (see ts-select --help)" ts-select --seed 1 all.ts
	fails 2 "ts-select: --seed: 4294967296 is not in 0..4294967295 (see ts-select --help)" ts-select --fold 1/2 --seed 4294967296 all.ts
	raw_frame '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}' x >h.ts
	fails 1 "ts-select: h.ts: a frame has no id: --seed deals ids to folds" ts-select --fold 0/1 --seed 1 h.ts
}

@test "nnU-Net's splits_final.json" {
	printf '%s' '[{"train": ["case0", "case4", "case2"], "val": ["case1", "case3"]}, {"train": ["case3", "gone"], "val": ["case2", "case2"]}]' >splits_final.json
	[ "$(ts-select --splits splits_final.json --fold 0 all.ts one.ts | ids)" = "case1 case3 case1 " ]
	[ "$(cat all.ts | ts-select --splits splits_final.json --fold 0 --not | ids)" = "case0 case2 case4 " ]
	# what is in one of them alone is left out, and said
	ts-select --splits splits_final.json --fold 1 --not -o out.ts all.ts 2>said
	[ "$(ids <out.ts)" = "case3 " ]
	[ "$(cat said)" = "ts-select: splits_final.json: 3 of 5 frames are in neither part of fold 1
ts-select: splits_final.json: 1 of the ids in 'train' of fold 1 are of no frame" ]
	fails 1 "ts-select: splits_final.json: no fold 2 (there are 2)" ts-select --splits splits_final.json --fold 2 -o out all.ts
	fails 2 "ts-select: --fold: '0/2' is not a whole number (of --splits a number from 0 on) (see ts-select --help)" ts-select --splits splits_final.json --fold 0/2 all.ts
	for more in "" "--fold 0 --seed 1" "--fold 0 --id case1" "--fold 0 --index 1"; do
		fails 2 "ts-select: --splits needs --fold, and goes without --seed, --id and --index (see ts-select --help)" ts-select --splits splits_final.json $more all.ts
	done
	echo '{"train": []}' >bad.json
	fails 1 "ts-select: bad.json: is no list of folds, as nnU-Net's splits_final.json is" ts-select --splits bad.json --fold 0 -o out all.ts
	echo '[{"train": []}]' >bad.json
	fails 1 "ts-select: bad.json: fold 0: no list 'val'" ts-select --splits bad.json --fold 0 -o out all.ts
	echo '[{"train": ["a", 1], "val": []}]' >bad.json
	fails 1 "ts-select: bad.json: fold 0: 'train' is no list of ids" ts-select --splits bad.json --fold 0 -o out all.ts
	echo '[{"train": ["a"], "val": ["b", "a"]}]' >bad.json
	fails 1 "ts-select: bad.json: fold 0: the id 'a' is in 'train' and in 'val'" ts-select --splits bad.json --fold 0 -o out all.ts
	[ ! -e out ]
}

@test "tensors kept or dropped" {
	raw_frame '{"__metadata__":{"id":"h"},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}' xyz >h.ts
	raw_frame '{"__metadata__":{"id":"h"},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}' z >b.ts
	ts-select -t b h.ts | ts-cmp --meta - b.ts
	ts-select --drop a h.ts | ts-cmp --meta - b.ts
	fails 1 "ts-select: h.ts: h: no tensor 'c' in this frame" ts-select -t c h.ts
	fails 2 "ts-select: --tensor and --drop exclude each other (see ts-select --help)" ts-select -t b --drop a h.ts
}

@test "what is not there is an error, and no file is left" {
	fails 1 "ts-select: no frame with the id 'x'" ts-select --id case1 --id x -o out all.ts
	fails 1 "ts-select: no frame 7 (there are 5)" ts-select --index 3..7 -o out all.ts
	fails 1 "ts-select: no frame 5 (there are 5)" ts-select --index 5.. -o out all.ts
	fails 1 "ts-select: none of the 5 frames is chosen" ts-select --not --index 0.. -o out all.ts
	[ ! -e out ]
	fails 2 "ts-select: --index: 'a' is not a whole number (see ts-select --help)" ts-select --index a all.ts
	fails 2 "ts-select: --index: 1 is not in 2..9223372036854775807 (see ts-select --help)" ts-select --index 2..1 all.ts
}

@test "frames left out are still checked" {
	head -c -1 all.ts >t.ts
	fails 1 "ts-select: t.ts: ends inside a frame's data (offset $(stat -c %s t.ts), expected 3 bytes, found 2)" ts-select --index 0 -o out t.ts
	[ ! -e out ]
}
