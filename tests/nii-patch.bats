#!/usr/bin/env bats
# nii-patch: the sequence of patches can be entered anywhere, shared out, and is the one documented.
load helper

differ() { ! cmp -s "$@"; }

# labelled ID X,Y,Z FIRST LAST: image U8 with values 1, 2, ... (mod 251), label U8 with ones from voxel FIRST to LAST (none: -1 -1)
labelled() {
	local x y z n data="" i v
	IFS=, read -r x y z <<<"$2"
	n=$((x * y * z))
	for ((i = 0; i < n; i++)); do printf -v v '\\%03o' $((i % 251 + 1)); data+=$v; done
	for ((i = 0; i < n; i++)); do printf -v v '\\%03o' $((i >= $3 && i <= $4)); data+=$v; done
	raw_frame "{\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"volume\",\"id\":\"$1\",\"affine\":\"2 0 0 10 0 3 0 20 0 0 4 30 0 0 0 1\"},\"image\":{\"dtype\":\"U8\",\"shape\":[1,$z,$y,$x],\"data_offsets\":[0,$n]},\"label\":{\"dtype\":\"U8\",\"shape\":[$z,$y,$x],\"data_offsets\":[$n,$((2 * n))]}}" "$data"
}

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	{ labelled a 9,7,5 40 50; labelled b 3,11,2 -1 -1; labelled c 8,8,8 0 511; labelled d 1,1,1 0 0; } >v.ts
	labelled a 9,7,5 40 50 >a.ts
}

setup() { cd "$BATS_FILE_TMPDIR" || return 1; }

ids() { grep -ao '"id":"[^"]*"' "$@" | cut -d'"' -f4 | tr -d '\n'; }
indices() { grep -ao '"patch":"[^"]*"' "$@" | cut -d'"' -f4 | tr '\n' ' '; }

@test "every round visits every case once, in an order of its own" {
	nii-patch -s 4,4,4 -n 40 --seed 5 v.ts >p.ts
	all=$(ids p.ts)
	[ ${#all} -eq 40 ]
	for ((i = 0; i < 40; i += 4)); do [ "$(fold -w1 <<<"${all:i:4}" | sort | tr -d '\n')" = abcd ]; done
	[ "$(for ((i = 0; i < 40; i += 4)); do echo "${all:i:4}"; done | sort -u | wc -l)" -gt 3 ]
}

@test "skip, shards and redirection give parts of the same sequence" {
	nii-patch -s 4,3,2 -n 23 --seed 1 v.ts >whole
	nii-patch -s 4,3,2 -n 23 --seed 1 --skip 9 <v.ts >rest
	tail -c "$(stat -c %s rest)" whole | cmp - rest
	[ "$(indices rest)" = "9 10 11 12 13 14 15 16 17 18 19 20 21 22 " ]
	nii-patch -s 4,3,2 -n 9 --seed 1 v.ts >first
	cat first rest | ts-cmp - whole
	for i in 0 1 2; do nii-patch -s 4,3,2 -n 23 --seed 1 --shard $i/3 v.ts -o s$i; done
	[ "$(indices s1)" = "1 4 7 10 13 16 19 22 " ]
	nii-patch -s 4,3,2 -n 23 --seed 1 --shard 1/3 --skip 8 v.ts >t
	[ "$(indices t)" = "10 13 16 19 22 " ]
	grep -aq '"shards":"3"' t
	nii-patch -s 4,3,2 -n 11 --skip 10 --seed 1 v.ts >u
	nii-patch -s 4,3,2 -n 11 --shard 1/3 --skip 10 --seed 1 v.ts | ts-cmp u -
	nii-patch -s 4,3,2 -n 23 --seed 2 v.ts >other
	differ whole other
}

@test "a saved stream has no end: the consumer gives it one" {
	nii-patch -s 4,4,4 --seed 1 v.ts | head -c 100000 | wc -c | grep -qx 100000
	fails 2 "nii-patch: -n N wanted: the patches of a saved stream have no end, and the output is a file (see nii-patch --help)" nii-patch -s 4,4,4 -o x v.ts
	[ ! -e x ]
}

@test "a pipe: volume by volume, deterministic" {
	cat v.ts | nii-patch -s 4,4,4 --per-volume 3 --seed 1 >p
	[ "$(ids p)" = aaabbbcccddd ]
	cat v.ts | nii-patch -s 4,4,4 --per-volume 3 --seed 1 --skip 7 -n 8 >q
	[ "$(ids q)$(indices q)" = "c7 " ]
	fails 1 "nii-patch: standard input: ends after 4 volumes, before patch 4 of 9 (a saved stream is gone over again and again)" \
		bash -c 'cat v.ts | nii-patch -s 4,4,4 -n 9'
	[ "$(nii-patch -s 4,4,4 -n 12 --per-volume 3 --seed 1 a.ts | sha1sum)" = "$(for i in 1 2 3 4; do cat a.ts; done | nii-patch -s 4,4,4 -n 12 --per-volume 3 --seed 1 | sha1sum)" ]
}

@test "positive patches are centred on foreground" {
	nii-patch -s 1,1,1 --pos 1 -n 400 --seed 1 a.ts >p
	[ "$(grep -ao 'box..:[^]]*' p | sort -u | wc -l)" -eq 11 ]
	nii-patch -s 1,1,1 --pos 0 -n 4000 --seed 1 a.ts >p
	[ "$(grep -ao 'box..:[^]]*' p | sort -u | wc -l)" -eq 304 ]
	# none in this case: background; only foreground: foreground
	nii-patch -s 1,1,1 --pos 1 -n 4 --seed 1 v.ts >p
	nii-patch -s 1,1,1 --pos 0 -n 4 --seed 1 v.ts >p
}

@test "no foreground in any volume: one warning, as soon as all were looked at" {
	local none="nii-patch: no foreground in any volume (2): every patch is around background"
	{ labelled a 9,7,5 -1 -1; labelled b 3,11,2 -1 -1; } >none.ts
	{ labelled a 9,7,5 -1 -1; labelled b 3,11,2 3 3; } >some.ts
	said() { { "$@" >p; } 2>&1; }
	[ "$(said nii-patch -s 4 -n 9 --seed 1 none.ts)" = "$none" ]
	[ "$(said nii-patch -s 4 -n 2 --shard 1/2 --seed 1 none.ts)" = "" ]
	[ "$(said bash -c 'nii-patch -s 4 --seed 1 none.ts | head -c 50000')" = "$none" ]
	[ "$(said bash -c 'cat none.ts | nii-patch -s 4 --per-volume 3')" = "$none" ]
	[ "$(said bash -c 'cat none.ts none.ts | nii-patch -s 4 -n 2')" = "$none" ]
	for o in "some.ts" "v.ts" "--pos 0 none.ts" "-q none.ts" "--oversample 1 none.ts" "--grid none.ts"; do
		# shellcheck disable=SC2086
		[ "$(said nii-patch -s 4 -n 20 $o)" = "" ]
	done
	[ "$(said bash -c 'cat some.ts | nii-patch -s 4 --per-volume 3')" = "" ]
	# what is not to be trained on is none
	[ "$(said nii-patch -s 4 -n 9 --ignore-label 1 some.ts)" = "$none" ]
}

@test "a patch larger than the volume has the volume in its middle" {
	labelled a 2,1,1 1 1 | nii-patch -s 5,2,1 --fill 9 >p
	raw_frame '{"__metadata__":{"niipipe":"1","kind":"patch","id":"a","affine":"2 0 0 8 0 3 0 20 0 0 4 30 0 0 0 1"},"image":{"dtype":"U8","shape":[1,1,2,5],"data_offsets":[0,10]},"label":{"dtype":"U8","shape":[1,2,5],"data_offsets":[10,20]}}' \
		'\011\001\002\011\011\011\011\011\011\011\0\0\001\0\0\0\0\0\0\0' >q
	ts-cmp p q
	fails 1 "nii-patch: standard input: a: fill 0.5 cannot be held by an image of U8" bash -c 'cat a.ts | nii-patch -s 20,2,2 --fill 0.5'
}

@test "a grid covers each volume once, in order" {
	nii-patch -s 4,4,4 --grid v.ts >p
	[ "$(ids p)" = aaaaaaaaaaaabbbccccccccd ]
	nii-patch -s 3,7,5 --grid a.ts >p
	[ "$(grep -ao 'box..:[^]]*' p | tr -d '\n')" = 'box\":[0,0,0,3,7,5box\":[3,0,0,6,7,5box\":[6,0,0,9,7,5' ]
	nii-patch -s 4,4,4 --grid --overlap 0.5 v.ts >whole
	cat v.ts | nii-patch -s 4,4,4 --grid --overlap 0.5 --skip 20 >rest
	tail -c "$(stat -c %s rest)" whole | cmp - rest
}

# starts FILE: x,y,z of the boxes, one a line
starts() { grep -ao 'box..:[^]]*' "$1" | cut -d'[' -f2 | cut -d, -f1-3; }

@test "classes: only voxels of those with a ratio" {
	labelled a 9,7,5 40 50 >l.ts
	nii-patch -s 1,1,1 --classes 0,1 -n 400 --seed 1 l.ts >p
	[ "$(starts p | sort -u | wc -l)" -eq 11 ]
	nii-patch -s 1,1,1 --classes 3,1 -n 4000 --seed 1 l.ts >p
	n=$(starts p | grep -cE '^([4-8],4,0|[0-5],5,0)$') # a quarter of them: 1000, standard deviation 27
	[ "$n" -gt 890 ]
	[ "$n" -lt 1110 ]
	# the ratio of a class that a volume has not goes to the others
	nii-patch -s 1,1,1 --classes 1,1,98 -n 4000 --seed 1 l.ts >p
	n=$(starts p | grep -cE '^([4-8],4,0|[0-5],5,0)$')
	[ "$n" -gt 1870 ]
	[ "$n" -lt 2130 ]
	fails 1 "nii-patch: v.ts: b: no voxel of the classes that --classes gives a share" nii-patch -s 1 --classes 0,1 -n 4 --seed 5 v.ts
	# of as many classes as there are labels of a byte
	raw_frame '{"__metadata__":{"niipipe":"1","kind":"volume","id":"x","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"U8","shape":[1,1,1,4],"data_offsets":[0,4]},"label":{"dtype":"U8","shape":[1,1,4],"data_offsets":[4,8]}}' '\1\2\3\4\0\100\165\377' >few.ts
	nii-patch -s 1,1,1 --classes "$(printf '0,%.0s' {1..117})1" -n 9 few.ts >p
	[ "$(starts p | sort -u)" = 2,0,0 ]
	nii-patch -s 1,1,1 --classes "$(printf '0,%.0s' {1..255})1" -n 9 few.ts >p
	[ "$(starts p | sort -u)" = 3,0,0 ]
	few=$(printf '0,%.0s' {1..256})
	fails 2 "nii-patch: --classes: more than 256 values in '${few:0:80}' (see nii-patch --help)" nii-patch -s 1 --classes "${few}1" few.ts
}

@test "--above: background where the image is above it" {
	nii-patch -s 1,1,1 --pos 0 --above 240 -n 400 --seed 1 a.ts >p # image 241 to 251, then from 1 again
	[ "$(starts p | sort -u | wc -l)" -eq 11 ]
	nii-patch -s 1,1,1 --classes 1,1 --above 50 -n 400 --seed 1 a.ts >p
	[ "$(starts p | grep -cE '^5,5,0$')" -gt 150 ] # the only one of the foreground
}

@test "--ignore-label: no patch is around it" {
	nii-patch -s 1,1,1 --oversample 0.25 --batch 3 --ignore-label 0 -n 60 --seed 1 a.ts >p # those from anywhere too are around the rest, label 1
	[ "$(starts p | grep -vcE '^([4-8],4,0|[0-5],5,0)$')" -eq 0 ]
	grep -aqF '"args\":{\"batch\":3,\"fill\":0.0,\"final\":[1,1,1],\"ignore-label\":0,\"oversample\":0.25,' p
	nii-patch -s 1,1,1 --pos 1 --ignore-label 1 -n 60 --seed 1 a.ts >p
	[ "$(starts p | grep -cE '^([4-8],4,0|[0-5],5,0)$')" -eq 0 ]
	fails 2 "nii-patch: --ignore-label has no meaning with --grid (see nii-patch --help)" nii-patch -s 4 --grid --ignore-label 3 a.ts
}

@test "oversample: the last ones of a batch are around foreground" {
	nii-patch -s 1,1,1 --oversample 0.33 --batch 3 -n 600 --seed 1 a.ts >p
	[ "$(starts p | awk 'NR % 3 == 0' | grep -vcE '^([4-8],4,0|[0-5],5,0)$')" -eq 0 ]
	[ "$(starts p | awk 'NR % 3' | sort -u | wc -l)" -gt 200 ]
	# shards of it: the same patches
	for i in 0 1 2; do nii-patch -s 1,1,1 --oversample 0.33 --batch 3 -n 600 --seed 1 --shard $i/3 a.ts >s$i; done
	[ "$(starts s2 | grep -vcE '^([4-8],4,0|[0-5],5,0)$')" -eq 0 ]
	[ "$(starts s1)" = "$(starts p | awk 'NR % 3 == 2')" ]
	nii-patch -s 1,1,1 --oversample 0.33 -n 3000 --seed 1 a.ts >p
	n=$(starts p | grep -cE '^([4-8],4,0|[0-5],5,0)$') # 0.33 + 0.67 * 11/315: 1060, standard deviation 26
	[ "$n" -gt 950 ]
	[ "$n" -lt 1170 ]
	# no foreground: anywhere; the volume is thought padded to the patch, at both ends where it is odd
	nii-patch -s 4,11,2 --oversample 1 -n 40 --seed 1 v.ts >p
	ts-select --id b p >b
	[ "$(starts b | sort -u | tr '\n' ' ')" = "-1,0,0 0,0,0 " ]
	nii-patch -s 5,3,3 --oversample 0 --final 3,3,3 -n 400 --seed 1 a.ts >p
	[ "$(starts p | cut -d, -f1 | sort -nu | tr '\n' ' ')" = "-1 0 1 2 3 4 5 " ]
}

@test "weight: around voxels drawn by a map" {
	raw_frame '{"__metadata__":{"niipipe":"1","kind":"volume","id":"w","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"U8","shape":[1,1,1,6],"data_offsets":[0,6]},"map":{"dtype":"U8","shape":[1,1,6],"data_offsets":[6,12]}}' \
		'\1\2\3\4\5\6\0\1\0\3\0\077' >w.ts
	nii-patch -s 1 --weight map -n 4000 --seed 1 w.ts >p
	[ "$(starts p | sort -u | tr '\n' ' ')" = "1,0,0 3,0,0 " ]
	n=$(starts p | grep -c ^1)
	[ "$n" -gt 890 ]
	[ "$n" -lt 1110 ]
	fails 1 "nii-patch: v.ts: a: no tensor 'map' in this frame" nii-patch -s 1 --weight map -n 4 v.ts
	raw_frame '{"__metadata__":{"niipipe":"1","kind":"volume","id":"w","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"U8","shape":[1,1,1,2],"data_offsets":[0,2]},"map":{"dtype":"I8","shape":[2],"data_offsets":[2,4]},"neg":{"dtype":"I8","shape":[1,1,2],"data_offsets":[4,6]}}' \
		'\1\2\3\4\377\377' >x.ts
	fails 1 "nii-patch: x.ts: w: tensor 'map' is not on the grid of the image" nii-patch -s 1 --weight map -n 4 x.ts
	fails 1 "nii-patch: x.ts: w: neg: weight -1 at voxel 0,0,0 (expected finite, 0 or more)" nii-patch -s 1 --weight neg -n 4 x.ts
}

@test "whole volumes" {
	nii-patch --whole -n 8 --seed 5 v.ts >p
	[ "$(ids p | fold -w4 | while read -r r; do fold -w1 <<<"$r" | sort | tr -d '\n'; echo; done | sort -u)" = abcd ]
	nii-patch --whole a.ts -n 1 | ts-cmp --data-only - a.ts
	cat v.ts | nii-patch --whole | ts-cmp --data-only - v.ts
	grep -aqF '"args\":{\"seed\":5,\"whole\":true}' p
}

@test "nnU-Net's batches go on where they were left" {
	o="-s 2,2,2 --oversample 0.25 --batch 4 --seed 3"
	nii-patch $o -n 23 v.ts >whole
	nii-patch $o -n 23 --skip 9 v.ts >rest
	tail -c "$(stat -c %s rest)" whole | cmp - rest
	grep -aqF '"args\":{\"batch\":4,\"fill\":0.0,\"final\":[2,2,2],\"oversample\":0.25,\"per-volume\":1,\"seed\":3,\"size\":[2,2,2]}' whole
	nii-patch -s 2 --classes 1,0.5 --above 3 -n 1 --seed 3 a.ts >p
	grep -aqF '"args\":{\"above\":3.0,\"classes\":[1.0,0.5],\"fill\":0.0,\"per-volume\":1,\"seed\":3,\"size\":[2,2,2]}' p
}

@test "options of one way are misuse with another" {
	while read -r options; do
		fails 2 "nii-patch: ${options#*: } (see nii-patch --help)" nii-patch ${options%%: *} v.ts
	done <<-end
		-s 4 --grid --pos 1: --pos and --grid exclude each other
		-s 4 --classes 1,1 --oversample 1: --classes and --oversample exclude each other
		-s 4 --weight w --whole: --weight and --whole exclude each other
		-s 4 --whole: --size has no meaning with --whole
		--whole --fill 1: --fill has no meaning with --whole
		--whole --per-volume 1: --per-volume has no meaning with --whole
		-s 4 --grid --per-volume 1: --per-volume has no meaning with --grid
		-s 4 --grid --seed 0: --seed has no meaning with --grid
		-s 4 --overlap 0: --overlap has no meaning with --pos
		-s 4 --batch 2: --batch has no meaning with --pos
		-s 4 --weight w --above 2: --above has no meaning with --weight
		-s 4 --classes 1,1 --final 2: --final has no meaning with --classes
		-s 4 --oversample 1 --final 5: --final is larger than --size
		-s 4 --classes 0,0: --classes: all of them have a ratio of 0
		-s 4 --above 1,2: --above: 1 value wanted, 2 given
		-s 4 --fill 1,2: --fill: 1 value wanted, 2 given
		-s 4 --classes 1,-1: --classes: -1 is not in 0..1e+09
	end
}

@test "volumes whose axes run otherwise are counted, of a saved stream" {
	AFFINE="0 0 2 0 3 0 0 0 0 4 0 0 0 0 0 1" volume t U8 1,1,2 '\0\1' image >t.ts
	cat a.ts t.ts t.ts >turned.ts
	[ "$(nii-patch -s 1 --pos 0 -n 1 turned.ts 2>&1 >/dev/null)" = "nii-patch: the axes of 2 volumes run otherwise (ASR) than those of the first (RAS): nii-resample --orient makes all alike" ]
	[ -z "$(nii-patch -q -s 1 --pos 0 -n 1 turned.ts 2>&1 >/dev/null)" ]
	nii-resample --orient RAS turned.ts >alike.ts
	[ -z "$(nii-patch -s 1 --pos 0 -n 1 alike.ts 2>&1 >/dev/null)" ]
}

@test "history: the options, the box, the grid before" {
	nii-patch -s 2,2,2 -n 1 --seed 3 a.ts >p
	grep -aqF '{\"affine\":[2.0,0.0,0.0,10.0,0.0,3.0,0.0,20.0,0.0,0.0,4.0,30.0,0.0,0.0,0.0,1.0],\"args\":{\"fill\":0.0,\"per-volume\":1,\"pos\":0.25,\"seed\":3,\"size\":[2,2,2]},\"size\":[9,7,5],\"tool\":\"nii-patch\",\"undo\":{\"box\":[' p
}

@test "errors are one line" {
	fails 2 "nii-patch: --size X,Y,Z wanted: voxels of a patch (see nii-patch --help)" nii-patch v.ts
	fails 2 "nii-patch: --shard: '3/3' is neither I/N with 0 <= I < N nor auto (see nii-patch --help)" nii-patch -s 4 --shard 3/3 v.ts
	fails 2 "nii-patch: --shard: '1' is neither I/N with 0 <= I < N nor auto (see nii-patch --help)" nii-patch -s 4 --shard 1 v.ts
	fails 1 "nii-patch: no patch at all: the sequence ends before patch 5" nii-patch -s 4 -n 5 --skip 5 v.ts
	volume x U8 1,1,2 '\0\1' image >x.ts
	cat a.ts x.ts >ax.ts
	for in in "ax.ts" "-"; do
		name=$in
		[ "$in" = - ] && name="standard input"
		fails 1 "nii-patch: $name: x: no label to find foreground by (--pos 0 takes patches without)" bash -c "cat ax.ts | nii-patch -s 4 --per-volume 2 $in"
	done
	nii-patch -s 1 --pos 0 -n 3 x.ts >p
	volume x U8 1,1,2 '\0\1' >l.ts
	fails 1 "nii-patch: l.ts: x: no tensor 'image' in this frame" nii-patch -s 4 l.ts
	nii-patch -s 4 -n 1 a.ts >p.ts
	fails 1 "nii-patch: p.ts: a: a frame of kind 'patch' (expected volume)" nii-patch -s 4 p.ts
}
