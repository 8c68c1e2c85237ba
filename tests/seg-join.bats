#!/usr/bin/env bats
# seg-join: labels of several streams in one volume, against TotalSegmentator's way of joining its parts (tests/golden/make_join.py); and what is refused.
load helper

named() { # named ID LABELS DATA: a row of voxels and the names of its labels, as JSON
	local n
	n=$(printf "$3" | wc -c)
	raw_frame "{\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"volume\",\"id\":\"$1\",\"affine\":\"${AFFINE-1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1}\",\"labels\":\"${2//\"/\\\"}\"},\"pred\":{\"dtype\":\"U8\",\"shape\":[1,1,$n],\"data_offsets\":[0,$n]}}" "$3"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	named a '{"0":"background","1":"lung","2":"heart"}' '\1\2\1\0\0' >a.ts
	named a '{"0":"background","1":"tumour"}' '\0\1\0\1\0' >b.ts
}

names() { ts-info --json "$1" | sed 's/\\"/"/g; s/.*"labels":"\({[^}]*}\)".*/\1/'; }

part() { ts-select --index "$2" "$BATS_TEST_DIRNAME/golden/join-$1.ts"; }

@test "TotalSegmentator's parts, in its order, get its own numbers" {
	for task in total:5 total_mr:2 headneck_muscles:2; do
		n=${task#*:} task=${task%:*} parts=()
		for ((i = 0; i < n; i++)); do
			part "$task" "$i" >"$i.ts"
			parts+=("$i.ts")
		done
		seg-join "${parts[@]}" | ts-cmp --meta --ignore-meta history - <(part "$task" "$n")
	done
}

@test "behind those before; the last one counts; all else is the first one's" {
	seg-join a.ts b.ts >j.ts
	ts-cmp j.ts <(volume a U8 1,1,5 '\1\3\1\3\0' pred)
	[ "$(names j.ts)" = '{"0":"background","1":"lung","2":"heart","3":"tumour"}' ]
	seg-join b.ts a.ts | ts-cmp - <(volume a U8 1,1,5 '\2\3\2\1\0' pred)
	seg-join a.ts | ts-cmp - a.ts
	[ "$(seg-join -v a.ts b.ts 2>&1 >/dev/null)" = "seg-join: a: 1 labels of voxels gave way to those of later streams" ]
	seg-join <(cat a.ts a.ts) <(cat b.ts b.ts) | ts-cmp - <(cat j.ts j.ts)
	m='"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1","labels":"{\"1\":\"x\"}","more":"kept"}'
	raw_frame "{$m,\"label\":{\"dtype\":\"I16\",\"shape\":[1,1,5],\"data_offsets\":[0,10]}}" '\0\0\1\0\0\0\0\0\1\0' >c.ts
	seg-join c.ts a.ts >j.ts
	ts-cmp j.ts <(volume a U8 1,1,5 '\2\3\2\0\1' label)
	ts-info j.ts | grep -qxF '  more     kept'
	raw_frame "{${m/,\"labels*\"more/,\"more},\"label\":{\"dtype\":\"I16\",\"shape\":[1,1,2],\"data_offsets\":[0,4]}}" '\0\0\1\0' >d.ts
	fails 1 "seg-join: d.ts: a: no tensor 'mask' in this frame" seg-join -t mask --map 1=1 d.ts
}

@test "--labels: numbers by names, and no other labels" {
	printf 'label\tname\n7\ttumour\n9\tlung\n' >t.tsv
	seg-join --labels t.tsv a.ts b.ts >j.ts
	ts-cmp j.ts <(volume a U8 1,1,5 '\11\7\11\7\0' pred)
	[ "$(names j.ts)" = '{"0":"background","7":"tumour","9":"lung"}' ]
	printf 'name\tlabel\r\nlung\t255\r\n' >t.tsv
	seg-join --labels t.tsv a.ts b.ts | ts-cmp - <(volume a U8 1,1,5 '\377\0\377\0\0' pred)
	bad() { # bad ROW MESSAGE
		printf "label\tname\n$1\n" >t.tsv
		fails 1 "seg-join: $2" seg-join --labels t.tsv -o out a.ts b.ts
		[ ! -e out ]
	}
	bad '7\ttumor' "a.ts: a: the table t.tsv has 'tumor', which no stream has"
	bad '0\tlung' "t.tsv: line 2: label 0 (expected 1 to 255)"
	bad '256\tlung' "t.tsv: line 2: label 256 (expected 1 to 255)"
	bad '7\tlung\n7\theart' "t.tsv: line 3: label 7, 'heart': one of them is there twice"
	bad '7\tlung\n8\tlung' "t.tsv: line 3: label 8, 'lung': one of them is there twice"
	printf 'id\tname\n1\tlung\n' >t.tsv
	fails 1 "seg-join: t.tsv: no column 'label'" seg-join --labels t.tsv a.ts b.ts
	fails 1 "seg-join: none.tsv: cannot open: No such file or directory" seg-join --labels none.tsv a.ts b.ts
}

@test "--map: numbers by numbers; labels that become one have a name only if it is theirs all" {
	volume a U16 1,1,5 '\1\0\2\0\1\0\0\0\54\1' pred >n.ts
	seg-join --map '*=1' --map 1=2 n.ts b.ts >j.ts
	ts-cmp j.ts <(volume a U8 1,1,5 '\1\2\1\2\1' pred)
	[ "$(names j.ts)" = '{"0":"background","2":"tumour"}' ]
	seg-join --map '*=1' --map 1=2 a.ts b.ts >j.ts
	[ "$(names j.ts)" = '{"0":"background","2":"tumour"}' ]
	seg-join --map 1=5 --map 2=6 a.ts a.ts >j.ts
	ts-cmp j.ts <(volume a U8 1,1,5 '\1\6\1\0\0' pred)
	fails 1 "seg-join: n.ts: a: label 300 (voxel 4,0,0) becomes what is not 0 to 255" seg-join --map 1=1 n.ts
	fails 2 "seg-join: --map: one for each stream (there are 1 for 2) (see seg-join --help)" seg-join --map 1=1 a.ts b.ts
	fails 2 "seg-join: --map: '1' is not FROM=TO (see seg-join --help)" seg-join --map 1 a.ts
	fails 2 "seg-join: --labels or --map, not both (see seg-join --help)" seg-join --map 1=1 --labels x a.ts
}

@test "names that are missing, wrong, or of two labels; numbers above 255" {
	volume a U8 1,1,5 '\1\1\0\0\0' pred >n.ts
	bad() { # bad STREAM MESSAGE
		fails 1 "seg-join: $1: a: $2" seg-join -o out a.ts "$1"
		[ ! -e out ]
	}
	bad n.ts "has no names of its labels (metadata labels): say with --map what they become"
	bad a.ts "'lung' is a label of a.ts, too: one name for two"
	named a '{"1":"x"}' '\1\2\0\0\0' >x.ts
	bad x.ts "label 2 (voxel 1,0,0) has no name in metadata labels, or is not 0 to 255"
	named a '{"1":"x","2":"x"}' '\1\2\0\0\0' >x.ts
	bad x.ts "'x' is a label of x.ts, too: one name for two"
	named a '{"254":"x"}' '\0\0\0\0\0' >x.ts
	bad x.ts "'x' would be label 256 (expected at most 255)"
	named a '{"256":"x"}' '\0\0\0\0\0' >x.ts
	bad x.ts "metadata labels: '256' is not the number of a label (0 to 255) with a name"
	named a '{"1":2}' '\0\0\0\0\0' >x.ts
	bad x.ts "metadata labels: '1' is not the number of a label (0 to 255) with a name"
	for json in '[]' '{}' '{"1":"x"' '{"1":"x","1":"y"}'; do
		named a "$json" '\0\0\0\0\0' >x.ts
		bad x.ts "metadata labels is not {NUMBER: NAME, ...}"
	done
	volume a I8 1,1,5 '\0\0\377\0\0' pred >n.ts
	fails 1 "seg-join: n.ts: a: label -1 (voxel 2,0,0) becomes what is not 0 to 255" seg-join --map '*=1' n.ts
}

@test "streams out of step, on other grids, cut off" {
	t='{"1":"x"}'
	named b "$t" '\0\0\0\0\0' >x.ts
	fails 1 "seg-join: x.ts: b: streams are out of step: id 'a' against 'b'" seg-join -o out a.ts x.ts
	named a "$t" '\0\0\0\0' >x.ts
	fails 1 "seg-join: x.ts: a: is on another grid than a.ts (4x1x1 against 5x1x1 voxels)" seg-join -o out a.ts x.ts
	AFFINE='2 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1' named a "$t" '\0\0\0\0\0' >x.ts
	run seg-join -o out a.ts x.ts
	[ "$status:${#lines[@]}" = 1:1 ]
	[[ $output == "seg-join: x.ts: a: "*a.ts* ]]
	named a "$t" '\0\0\0\0\0' >x.ts
	cat x.ts x.ts >two.ts
	fails 1 "seg-join: a.ts: ends before two.ts does: the streams are out of step" seg-join -o out a.ts two.ts
	cat a.ts a.ts >more.ts
	fails 1 "seg-join: x.ts: ends before more.ts does: the streams are out of step" seg-join -o out more.ts x.ts
	head -c -1 x.ts >cut.ts
	for s in "a.ts cut.ts" "cut.ts a.ts"; do
		run seg-join -o out $s
		[ "$status:${#lines[@]}" = 1:1 ]
		[[ $output == "seg-join: cut.ts: "*"offset"* ]]
	done
	m='"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"label":{"dtype":"U8","shape":[1,1,1],"data_offsets":[0,1]}'
	raw_frame "{$m,\"mask\":{\"dtype\":\"U8\",\"shape\":[1,1,1],\"data_offsets\":[1,2]}}" '\1\1' >a.ts
	raw_frame "{$m,\"mask\":{\"dtype\":\"U8\",\"shape\":[1,1,3],\"data_offsets\":[1,4]}}" '\1\1\1\1' >x.ts
	for s in "a.ts x.ts" "x.ts a.ts"; do
		fails 1 "seg-join: x.ts: a: tensor 'mask' is on another grid than the frame's others" seg-join -o out -t mask --map 1=1 --map 1=2 $s
	done
	[ ! -e out ]
}

@test "the history is a line that makes the same again" {
	nii-phantom -n 1 --seed 3 --size 24,20,16 --spacing 14,15,20 -o p.ts
	nii-write -o ct.nii.gz -t image p.ts
	nii-write -o gtv.nii.gz -t label p.ts
	seg-join --map '*=1' --map 1=2 <(nii-read --id a -l gtv.nii.gz ct.nii.gz | nii-normalize --range=-1000,1000,0,1) \
		<(nii-read --id a -l gtv.nii.gz ct.nii.gz | cc-largest -t label) >j.ts
	line=$(ts-info --history j.ts | head -n 1)
	echo "$line"
	[[ $line == "nii-read --id a "*" | nii-normalize "*" | seg-join --map '*=1' --map 1=2 - <(nii-read --id a "*" | cc-largest "*")" ]]
	eval "$line" | ts-cmp - j.ts
	[ "$(ts-info --history j.ts | grep -c '^# [0-9a-f]\{16\}  ')" = 2 ]
}
