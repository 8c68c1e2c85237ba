load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	G=$ROOT/tests/golden
}

@test "numpy's values: turned and other grids, labels of 16 bits, names, a label without voxels" {
	seg-stats "$G/stats.ts" | diff - "$G/stats.tsv"
	for threads in 1 3; do seg-stats --threads $threads <"$G/stats.ts" | diff - "$G/stats.tsv"; done
}

@test "the same of files; columns of values only where there is an image" {
	nii-write -d masks -t label "$G/stats.ts"
	cut -f 1-9 "$G/stats.tsv" >want
	seg-stats masks/turned.nii.gz masks/named.nii.gz | diff - want
	[ "$(seg-stats masks/named.nii.gz | head -1)" = "id	label	name	voxels	ml	centroid_mm	box_from	box_to	border" ]
	nii-write -d scans -t image "$G/stats.ts"
	nii-read scans/turned.nii.gz -l masks/turned.nii.gz | seg-stats >read.tsv
	grep -E "^(id|turned)" "$G/stats.tsv" | diff - read.tsv
}

@test "these labels, all together, another image and channel" {
	[ "$(seg-stats --labels 300,9 "$G/stats.ts" | cut -f 1,2,4 | tr '\n\t' '; ')" = "id label voxels;turned 9 0;turned 300 51;named 9 0;named 300 0;" ]
	[ "$(seg-stats --union "$G/stats.ts" | cut -f 1,2,4 | tr '\n\t' '; ')" = "id label voxels;turned 1 284;named 1 283;" ]
	[ "$(seg-stats --union --image label "$G/stats.ts" | cut -f 12,16 | tail -1)" = "1	4" ]
	# channels 1 2 and 5 7, label where x is 1
	raw_frame '{"__metadata__":{"niipipe":"1","kind":"volume","id":"two","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"U8","shape":[2,1,1,2],"data_offsets":[0,4]},"label":{"dtype":"U8","shape":[1,1,2],"data_offsets":[4,6]}}' '\1\2\5\7\0\1' >two.ts
	[ "$(seg-stats two.ts | cut -f 10 | tail -1)" = 2 ]
	[ "$(seg-stats --channel 1 two.ts | cut -f 10 | tail -1)" = 7 ]
	fails 1 "seg-stats: two.ts: two: 'image' has no channel 2: it has 2" seg-stats --channel 2 two.ts
	fails 1 "seg-stats: two.ts: two: no tensor 'ct' in this frame" seg-stats --image ct two.ts
}

@test "values that are no numbers, values that were normalized: said" {
	raw_frame '{"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"F32","shape":[1,1,2],"data_offsets":[0,8]},"label":{"dtype":"U8","shape":[1,1,2],"data_offsets":[8,10]}}' '\0\0\300\177\0\0\200\77\1\2' >nan.ts
	seg-stats nan.ts >table 2>said
	[ "$(cut -f 2,10,16 table | tail -2 | tr '\n\t' '; ')" = "1 nan nan;2 1 1;" ]
	[ "$(cat said)" = "seg-stats: a: 'image' has a voxel that is no number in label 1: no values of it" ]
	nii-normalize --window=-1024,3071 "$G/stats.ts" | seg-stats --union 2>said | cut -f 1 >/dev/null
	[ "$(cat said)" = "seg-stats: turned: values are those that nii-normalize left, not the scan's
seg-stats: named: values are those that nii-normalize left, not the scan's" ]
	[ -z "$(nii-normalize --window=-1024,3071 "$G/stats.ts" | seg-stats -q 2>&1 >/dev/null)" ]
}

@test "--json and --history: the same numbers, and what makes them again" {
	seg-stats --json "$G/stats.ts" >all.json
	python3 - all.json "$G/stats.tsv" <<-'END'
		import json, sys
		rows = [l.rstrip("\n").split("\t") for l in open(sys.argv[2])]
		for got, want in zip(json.load(open(sys.argv[1]))["labels"], rows[1:], strict=True):
		    for k, v in zip(rows[0], want):
		        g = got.get(k, "")
		        text = lambda x: "nan" if x is None else "yes" if x is True else "no" if x is False else x if isinstance(x, str) else "%.6g" % x
		        assert ",".join(map(text, g)) == v if isinstance(g, list) else text(g) == v, (k, g, v)
	END
	cc-largest -t label <"$G/stats.ts" | seg-stats --union --history now.history >now
	grep -qxE "} [|] seg-stats --union.*" now.history
	ts-select --index 0 "$G/stats.ts" | nii-write -t label -o m.nii.gz
	nii-read m.nii.gz --id m -l m.nii.gz | seg-stats --history now.history >now
	bash now.history | cmp - now
	grep -q "^# [0-9a-f]*  m.nii.gz" now.history
}

@test "what fails: twice the same case, a singular affine, files and streams, too many labels, misuse" {
	cat "$G/stats.ts" "$G/stats.ts" >twice.ts
	fails 1 "seg-stats: twice.ts: turned: id 'turned' is there twice" seg-stats -o table twice.ts
	[ ! -e table ]
	AFFINE="1 0 0 0 0 1 0 0 0 0 0 0 0 0 0 1" volume flat U8 1,1,2 '\0\1' >flat.ts
	fails 1 "seg-stats: flat.ts: flat: the affine is singular: no volumes in mL" seg-stats flat.ts
	volume many U16 1,1,1100 "$(awk 'BEGIN { for (i = 1; i <= 1100; i++) printf "\\%o\\%o", i % 256, i / 256 }')" >many.ts
	fails 1 "seg-stats: many.ts: many: no mask: it has more than 1024 labels" seg-stats many.ts
	ts-select --index 0 "$G/stats.ts" | nii-write -t label -o m.nii.gz
	fails 2 "seg-stats: NIfTI files and streams do not mix (see seg-stats --help)" seg-stats m.nii.gz flat.ts
	fails 2 "seg-stats: --image is of a stream: nii-read SCAN --label MASK | seg-stats (see seg-stats --help)" seg-stats -i image m.nii.gz
	fails 2 "seg-stats: --labels and --union do not go together (see seg-stats --help)" seg-stats --labels 1 --union flat.ts
}

@test "a real CT's lungs, liver and kidneys: as numpy has them" {
	need_data ct
	D=$NIIPIPE_DATA/ct
	[ "$(nii-read "$D/LUNG1-002/LUNG1-002_ct.nii.gz" --label "$D/LUNG1-002/LUNG1-002_lungs.nii.gz" | seg-stats | cut -f 4,5,6,10-16 | tail -2)" = \
		"686333	1965.37	-77.5642,2.49056,35.751	-740.532	204.786	-1024	-919	-805	-270	1171
658479	1885.61	57.5707,17.4043,40.0483	-695.602	248.957	-1024	-931	-791	-113	1126" ]
	nii-read "$D/totalseg/example_sm_ct.nii.gz" --label "$D/totalseg/example_sm_organs.nii.gz" | seg-stats | cut -f 2,4,7-12 | sed -n '6,7p' >got
	diff got - <<-'END'
		5	38634	41,25,0	105,86,29	yes	45.2911	15.2081	-94
		6	4675	33,45,0	66,81,29	yes	-21.8015	200.345	-1005
	END
}
