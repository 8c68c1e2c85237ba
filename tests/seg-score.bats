load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	G=$ROOT/tests/golden
	old=overlap,volume,diameter
}

# agrees EXPECTED.tsv ARGUMENT...: numbers of seg-score --json, 1e-6 of those expected.
agrees() {
	seg-score --json "${@:2}" >agrees.json
	awk -F '\t' -v rtol=1e-6 -f "$ROOT/tests/score.awk" agrees.json "$1"
}

# The cases of score.ts whose axes are at right angles: others have no surface distances.
right() {
	ts-select --id moved --id ball --id specks --id dense --id oblique --id sagittal --id coronal --id dot --id missed --id invented --id nothing \
		--id slant "$G/score.ts" >right.ts
}

# moved MASK OUT: a voxel in front, one off the end
moved() {
	local h
	nii-read "$1" >t.ts
	h=$(($(od -An -tu8 -N8 t.ts) + 8))
	{ head -c $h t.ts; printf '\0'; tail -c +$((h + 1)) t.ts | head -c -1; } | nii-write -t image -o "$2"
}

# The real tumours and themselves moved by a voxel, as pairs into `set`.
real_pairs() {
	need_data ct/LUNG1-002
	pairs=()
	for n in LUNG1-001 LUNG1-002 pat_3; do
		gtv=$NIIPIPE_DATA/ct/$n/${n}_gtv.nii.gz
		moved "$gtv" "$n.nii.gz"
		pairs+=("$gtv" "$n.nii.gz")
	done
}

# Against numpy and scipy from the definitions, every vertex and every pair (tests/golden/make_score.py).
@test "mesh, centre, corner: by lesion and across all parts" {
	for by in mesh centre corner; do
		seg-score --metrics $old --diameter $by "$G/score.ts" | diff - "$G/score_$by.tsv"
		cat "$G/score.ts" | seg-score --metrics $old --diameter $by --whole | diff - "$G/score_${by}_whole.tsv"
	done
	seg-score --metrics $old "$G/score.ts" | diff - "$G/score_mesh.tsv"
}

@test "all labels together" { seg-score --metrics $old --union "$G/score.ts" | diff - "$G/score_union.tsv"; }

@test "no truth: nnU-Net's way, MONAI's, one" {
	seg-score --metrics $old --empty nnunet "$G/score.ts" | diff - "$G/score_mesh.tsv"
	seg-score --metrics $old --empty monai "$G/score.ts" | diff - "$G/score_monai.tsv"
	seg-score --metrics $old --empty one "$G/score.ts" | diff - "$G/score_one.tsv"
}

@test "labels chosen" {
	fails 2 "seg-score: --labels: 0 is the background, which is not scored (see seg-score --help)" seg-score --labels 0,1 "$G/score.ts"
	ts-select --id dense "$G/score.ts" >d.ts
	[ "$(seg-score --labels 3,7,3 d.ts | grep -v '^[cqs][i123d]' | cut -f1-3,5)" = "$(printf 'id\tlabel\tdice\ttruth_ml\ndense\t3\t0.188366\t0.13725\ndense\t7\tnan\t0\nmean\t3\t0.188366\t0.13725\nmedian\t3\t0.188366\t0.13725\ncount\t3\t1\t1\nmean\t7\tnan\t0\nmedian\t7\tnan\t0\ncount\t7\t0\t1')" ]
}

version=$(sed -n 's/.*NIIPIPE_VERSION "\(.*\)".*/\1/p' "$ROOT/lib/base/version.h")

@test "--history: what made the table, which makes it again, with the hashes of what was read" {
	nii-phantom -n 2 --seed 3 -s 20,18,12 --healthy 0 -o v.ts
	nii-write -t image -d ct v.ts
	nii-write -t label -d truth v.ts
	for i in 1 2; do nii-read --id "it's $i" -l truth/phantom-000$i.nii.gz ct/phantom-000$i.nii.gz; done | nii-normalize --window=-1000,400 >seen.ts
	cc-largest -t label <seen.ts | nii-write -t label -d pred
	cp -r truth truth2
	again() { # TABLE
		! command -v xxh64sum >/dev/null || sed -n 's/^# //p' "$1.history" | xxh64sum -c --quiet
		[ "$(grep '^##' "$1.history")" = "## niipipe $version" ]
		bash -e "$1.history" | cmp - "$1"
	}
	# frames through a pipe: what made each of them
	seg-score --threads 2 --pred label --history p.tsv.history <seen.ts >p.tsv
	[ "$(grep -c '^# .*nii.gz$' p.tsv.history)" = 4 ]
	[ "$(sed -n 3p p.tsv.history)" = '} | seg-score --pred label' ]
	again p.tsv
	ts-select --index 1 seen.ts | seg-score --pred label --history one.tsv.history -o one.tsv
	grep -E "^nii-read --id 'it'..'s 2' .* [|] nii-normalize .* [|] seg-score --pred label$" one.tsv.history
	again one.tsv
	# files: operands, tables, directories
	cp seen.ts ./'-odd one.ts'
	seg-score --pred label --history o.tsv.history -o o.tsv -- '-odd one.ts'
	[ "$(head -n 1 o.tsv.history)" = "seg-score --pred label -- '-odd one.ts'" ]
	again o.tsv
	seg-score --bootstrap=100 --seed 3 -q --history d.tsv.history -o d.tsv truth truth2
	diff <(grep -c '^# ' d.tsv.history) <(echo 4)
	again d.tsv
	printf '%s\ttruth/phantom-000%d.nii.gz\tpred/it'"'"'s %d.nii.gz\n' a 1 1 b 2 2 >list.tsv
	seg-score --lesions -L list.tsv --history l.tsv.history -o l.tsv
	diff <(grep -c '^# ' l.tsv.history) <(echo 5)
	again l.tsv
	cp -r truth $'caf\xe9' # no UTF-8
	seg-score --json $'caf\xe9/phantom-0001.nii.gz' truth2/phantom-0001.nii.gz | grep -F '  caf?/phantom-0001.nii.gz\n# '
	seg-score --compare --history c.tsv.history -o c.tsv d.tsv d.tsv
	[ "$(head -n 1 c.tsv.history)" = "seg-score --compare d.tsv d.tsv" ]
	again c.tsv
	seg-score --pred label --json <seen.ts | grep -F '} | seg-score --pred label --json\n# '
	fails 1 "seg-score: --history names a file: standard output is the table's" seg-score --pred label --history - seen.ts
	fails 1 "seg-score: /dev/full: cannot write (offset 0): No space left on device" seg-score --pred label --history /dev/full -o none.tsv seen.ts
	[ ! -e none.tsv ]
}

@test "JSON has the same numbers, and voxels and lesions" {
	ts-select --id missed "$G/score.ts" | seg-score --metrics $old --json >m.json
	[ "$(head -n 27 m.json | tail -n +4 | tr -d ' \n')" = '"id":"missed","label":1,"truth_voxels":1,"pred_voxels":0,"both_voxels":0,"truth_lesions":1,"pred_lesions":0,"dice":0.0,"iou":0.0,"truth_ml":0.029999999999999999,"pred_ml":0.0,"volume_error":1.0,"volume_bias":-1.0,"truth_3d_mm":5.0,"pred_3d_mm":0.0,"error_3d":1.0,"error_3d_clipped":1.0,"truth_axial_mm":3.0,"pred_axial_mm":0.0,"error_axial":1.0,"error_axial_clipped":1.0,"sensitivity":0.0,"precision":null,"volume_diff_ml":-0.029999999999999999' ]
	[ "$(sed -n '/summary/,/iou/p' m.json | tr -d ' \n')" = '"summary":[{"label":1,"dice":{"mean":0.0,"median":0.0,"sd":null,"q1":0.0,"q3":0.0,"ci_low":null,"ci_high":null,"count":1},"iou":{' ]
	[ "$(sed -n '/options/,$p' m.json | tr -d ' \n')" = '"options":{"diameter":"mesh","empty":"nnunet","surface":"monai","whole":false,"union":false,"connectivity":26,"match":0.5,"nsd":[2.0],"bootstrap":2000,"seed":0},"history":"seg-score--metrics'"$old"'--json\n##niipipe'"$version"'\n"}' ]
	ts-select --id missed "$G/score.ts" | seg-score --metrics hd_mm --json | grep -q '"hd_mm": "inf"'
	ts-select --id nothing "$G/score.ts" | seg-score --json >n.json
	[ "$(grep -c '"dice": null,' n.json)" -eq 1 ]
}

@test "other tensors; whatever the threads" {
	right
	seg-score --truth pred --pred label right.ts | cut -f1-3 >a
	seg-score --threads 1 right.ts | tee b1 | cut -f1-3 >b
	seg-score --threads 3 right.ts | diff - b1
	diff a b
	fails 1 "seg-score: $G/score.ts: moved: no tensor 'x' in this frame" seg-score --pred x "$G/score.ts"
}

@test "--min: exit 1 below" {
	ts-select --id ball "$G/score.ts" >b.ts
	seg-score --min dice=0.62 --min iou=0.4 b.ts >/dev/null
	fails 1 "seg-score: mean dice of label 1 is 0.625864, below 0.63" seg-score --min iou=0.4 --min dice=0.63 b.ts
	fails 2 "seg-score: --min: 'dise=1' is not METRIC=VALUE with a metric of the table (see seg-score --help)" seg-score --min dise=1 b.ts
	fails 2 "seg-score: --min: 'x' is not a finite number (see seg-score --help)" seg-score --min dice=x b.ts
}

@test "pairs of NIfTI files" {
	ts-select --id ball --id moved "$G/score.ts" >s.ts
	nii-write -d truth -t label s.ts
	nii-write -d pred -t pred s.ts
	seg-score truth/moved.nii.gz pred/moved.nii.gz truth/ball.nii.gz pred/ball.nii.gz >a
	seg-score s.ts >b
	diff a b
	fails 2 "seg-score: NIfTI files come in pairs: TRUTH PRED (see seg-score --help)" seg-score truth/ball.nii.gz
	fails 2 "seg-score: NIfTI files and streams do not mix (see seg-score --help)" seg-score truth/ball.nii.gz s.ts
	ts-select --id dot "$G/score.ts" | nii-write -t label -o dot.nii
	fails 1 "seg-score: dot.nii: is on another grid than truth/ball.nii.gz (3x1x2 against 40x37x19 voxels)" seg-score -o out truth/ball.nii.gz dot.nii
	fails 1 "seg-score: pred/moved.nii.gz: is on another grid than truth/ball.nii.gz (affine row 1, column 4: 0 against -100)" \
		seg-score -o out truth/ball.nii.gz pred/moved.nii.gz
	[ ! -e out ]
}

@test "masks of different grids in a frame" {
	raw_frame '{"__metadata__":{"id":"h","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"label":{"dtype":"U8","shape":[1,1,2],"data_offsets":[0,2]},"pred":{"dtype":"U8","shape":[1,2,1],"data_offsets":[2,4]}}' abcd >h.ts
	fails 1 "seg-score: h.ts: h: 'pred' is on another grid than 'label' (1x2x1 against 2x1x1 voxels)" seg-score h.ts
	raw_frame '{"__metadata__":{"id":"h","affine":"1 0 0 0 0 1 0 0 1 1 0 0 0 0 0 1"},"label":{"dtype":"U8","shape":[1,1,2],"data_offsets":[0,2]},"pred":{"dtype":"U8","shape":[1,1,2],"data_offsets":[2,4]}}' abcd >h.ts
	fails 1 "seg-score: h.ts: h: the affine is singular: no lengths in mm" seg-score h.ts
}

@test "real tumours against themselves moved by a voxel, as an independent script has it" {
	real_pairs
	seg-score --metrics $old "${pairs[@]}" | diff - "$G/score_real.tsv"
}

@test "real masks: voxels, lesions, mL, diameters between centres, as shared/data says" {
	need_data ct/LUNG1-002
	while read -r path label voxels ml lesions space axial; do
		seg-score --json --whole --diameter centre --labels "$label" "$NIIPIPE_DATA/$path" "$NIIPIPE_DATA/$path" >s.json
		got=$(sed -n 's/^   "\(truth_[a-z3_]*\)": \([0-9.]*\),$/\2/p' s.json | tr '\n' ' ')
		echo "$path: $got, not $voxels $lesions $ml $space $axial"
		awk -v g="$got" -v w="$voxels $lesions $ml $space $axial" \
			'BEGIN { split(g, a); split(w, b); for (i = 1; i <= 5; i++) if ((a[i] - b[i]) ^ 2 > 0.011 ^ 2) exit 1 }'
	done <<'END'
ct/LUNG1-001/LUNG1-001_gtv.nii.gz 1 54449 155.78 1 94.77 94.16
ct/LUNG1-001/LUNG1-001_lungs.nii.gz 2 1033605 2957.168 3 278.18 212.35
ct/LUNG1-001/LUNG1-001_cord.nii.gz 1 15567 44.538 1 259.42 23.76
ct/LUNG1-002/LUNG1-002_gtv.nii.gz 1 125204 358.533 1 123.71 103.26
ct/pat_3/pat_3_gtv.nii.gz 1 4047 11.589 1 38.21 30.54
ct/pyradiomics/lung1_gtv.nii.gz 1 837 1.361 1 18.18 15.98
ct/cip/cip64_lungs.nii.gz 1 65624 4554.159 1 312.7 238.93
ct/totalseg/example_sm_organs.nii.gz 2 3947 106.569 1 85.75 64.62
END
}

# ---- peers: tests/golden/make_score.py ----

@test "surfaces and lesions as MONAI, surface-distance and panoptica have them" {
	right
	agrees "$G/score_peer_monai.tsv" --nsd 0.5,2 right.ts
	agrees "$G/score_peer_deepmind.tsv" --surface deepmind --nsd 0.5,2 right.ts
	real_pairs
	agrees "$G/score_peer_real_monai.tsv" --nsd 0.5,2 "${pairs[@]}"
	agrees "$G/score_peer_real_deepmind.tsv" --surface deepmind --nsd 0.5,2 "${pairs[@]}"
}

@test "diameters as pyradiomics has them" {
	right
	agrees "$G/score_peer_radiomics.tsv" --whole right.ts
	real_pairs
	agrees "$G/score_peer_real_radiomics.tsv" --whole "${pairs[@]}"
}

@test "no truth, no prediction: surfaces and lesions" {
	ts-select --id missed --id invented --id nothing "$G/score.ts" >e.ts
	for how in nnunet monai; do
		[ "$(seg-score --empty $how --metrics hd_mm,nsd,lesion_f1,pq e.ts | sed -n 2,4p)" = "$(printf 'missed\t1\tinf\t0\t0\t0\ninvented\t1\tinf\t0\t0\t0\nnothing\t1\tnan\tnan\tnan\tnan')" ]
	done
	[ "$(seg-score --empty one --metrics hd_mm,nsd,lesion_f1,sq,pq e.ts | sed -n 4p)" = "$(printf 'nothing\t1\t0\t1\t1\t1\t1')" ]
}

@test "two tables compared: differences, Wilcoxon's test as scipy has it" {
	seg-score --compare "$G/score_a.tsv" "$G/score_b.tsv" | diff - "$G/score_compare.tsv"
	seg-score --compare --metrics gap,even "$G/score_a.tsv" "$G/score_b.tsv" >some
	awk -F '\t' 'NR == 1 || $1 == "gap"' "$G/score_compare.tsv" | diff - <(grep -v ^even some)
	seg-score --compare --json "$G/score_a.tsv" "$G/score_b.tsv" >c.json
	sed -n 's/^   "\(metric\|w\|p\)": "\{0,1\}\([^",]*\).*/\2/p' c.json | paste - - - | awk '{ printf "%s %.6g %.6g\n", $1, $2, $3 }' |
		diff - <(awk 'NR > 1 { print $1, $10, $11 }' "$G/score_compare.tsv")
	seg-score --compare --seed 1 "$G/score_a.tsv" "$G/score_b.tsv" | cut -f 1-7,10,11 | diff - <(cut -f 1-7,10,11 "$G/score_compare.tsv")
	[ "$(seg-score --compare --bootstrap 0 "$G/score_a.tsv" "$G/score_b.tsv" | sed -n 2p | cut -f 8,9)" = "$(printf 'nan\tnan')" ]
}

@test "a table compared with what seg-score itself wrote" {
	right
	seg-score -o a.tsv right.ts
	seg-score --connectivity 6 -o b.tsv right.ts
	seg-score --compare a.tsv b.tsv | awk -F '\t' '$6 != 0 && $6 != "nan" && !/lesion|^sq|^pq|^metric|axial|3d/ { print; bad = 1 } $1 == "dice" && $2 == 1 && $3 == 11 && $11 == 1 { n++ } END { exit bad || n != 1 }'
}

@test "tables that cannot be compared" {
	cd "$G" || return
	t=$BATS_TEST_TMPDIR/t.tsv
	bad() { printf "$1" >"$t"; fails 1 "$2" seg-score --compare "$t" score_a.tsv; }
	bad '' "seg-score: $t: empty: a table begins with a line that names its columns"
	bad 'id\tlabel\tdice\n' "seg-score: $t: no case in it"
	bad 'id\tlabel\tdice\nmean\t1\t0\n' "seg-score: $t: no case in it"
	bad 'id\tdice\na\t1\n' "seg-score: $t: line 1: expected the columns id and label and a metric at least, as seg-score writes them"
	bad 'id\tlabel\tdice\na\t1\n' "seg-score: $t: line 2 has 2 cells, the heading has 3"
	bad 'id\tlabel\tdice\na\t\t1\n' "seg-score: $t: line 2: no label"
	bad 'id\tlabel\tdice\na\tx\t1\n' "seg-score: score_a.tsv: has not 1 of the cases of $t: a (label x)"
	bad 'id\tlabel\tdice\na\t1\t0.5mm\n' "seg-score: $t: line 2, dice: '0.5mm' is not a finite number"
	bad 'id\tlabel\tdice\ta\tdice\n' "seg-score: $t: two columns are named 'dice'"
	bad 'id\tlabel\tdice\na\t1\t0\na\t2\t0\na\t1\t1\n' "seg-score: $t: case 'a', label 1 is there twice"
	bad 'id\tlabel\tdice\na/b\t1\t0\n' "seg-score: $t: line 2: id 'a/b' has a '/' or a control character in it"
	bad 'id\tlabel\tdi\0ce\n' "seg-score: $t: a byte 0: this is not a table"
	printf 'id\tlabel\teven\ttied\tsame\tgap\ncase00\t1\t1\t1\t1\t1\ncase00\t4\t1\t1\t1\t1\n' >"$t"
	fails 1 "seg-score: score_a.tsv: has not 1 of the cases of $t: case00 (label 4)" seg-score --compare "$t" score_a.tsv
	sed 's/gap/gaps/' score_a.tsv >"$t"
	fails 1 "seg-score: score_a.tsv: has not 1 of the columns of $t (choose with --metrics): gaps" seg-score --compare "$t" score_a.tsv
	fails 1 "seg-score: score_a.tsv: has no column 'gaps'" seg-score --compare --metrics even,gaps "$t" score_a.tsv
	fails 1 "seg-score: nosuch.tsv: cannot open: No such file or directory" seg-score --compare score_a.tsv nosuch.tsv
	fails 2 "seg-score: --compare takes two tables: A.tsv B.tsv (see seg-score --help)" seg-score --compare score_a.tsv
	fails 2 "seg-score: --compare goes with --metrics, --bootstrap, --seed, --history and --json only (see seg-score --help)" seg-score --compare --lesions score_a.tsv score_b.tsv
}

# ---- lists ----

masks() {
	ts-select --id ball --id moved --id slant "$G/score.ts" >s.ts
	nii-write -d truth -t label s.ts
	nii-write -d pred -t pred s.ts
}

@test "pairs of a table, of two directories: as the files one by one, whatever the threads" {
	masks
	seg-score truth/ball.nii.gz pred/ball.nii.gz truth/moved.nii.gz pred/moved.nii.gz truth/slant.nii.gz pred/slant.nii.gz >want
	seg-score truth pred | diff - want
	seg-score --threads 1 truth/ pred/ | diff - want
	touch truth/dataset.json pred/.hidden.nii.gz pred/plans.pkl
	seg-score --threads 3 truth pred | diff - want
	mkdir t
	{ printf 'id\ttruth\tpred\n'; for n in ball moved slant; do printf "$n\t../truth/$n.nii.gz\t../pred/$n.nii.gz\n"; done; } >t/pairs.tsv
	seg-score -L t/pairs.tsv | diff - want
	sed 's|\.\./||g' t/pairs.tsv | seg-score --list - | diff - want
	mv pred/ball.nii.gz pred/ball_0000.nii.gz # as nnU-Net's images are named
	seg-score truth pred | diff - want
	cp pred/ball_0000.nii.gz pred/ball.nii.gz
	fails 1 "seg-score: pred: ball.nii.gz and ball_0000.nii.gz are both case 'ball'" seg-score truth pred
	cp truth/ball.nii.gz truth/ball_0000.nii.gz # two cases
	seg-score --metrics dice truth pred | awk '$1 ~ /^ball/ { print $1 }' | diff - <(printf 'ball\nball_0000\n')
}

@test "cases that are not there: all of them named, nothing written" {
	masks
	rm truth/slant.nii.gz pred/ball.nii.gz
	said() { # said EXPECTED COMMAND...: status 1, these lines, no output
		local got
		got=$("${@:2}" -o out 2>&1) && return 1
		[ "$got" = "$1" ] && [ ! -e out ] || { echo "$got"; return 1; }
	}
	said "$(printf '%s\n' "seg-score: truth: ball.nii.gz has no prediction in pred" "seg-score: pred: slant.nii.gz has no truth in truth")" seg-score truth pred
	cp truth/moved.nii.gz truth/ball.nii.gz pred
	gunzip -k pred/moved.nii.gz pred/ball.nii.gz
	said "$(printf '%s\n' "seg-score: pred: ball.nii and ball.nii.gz are both case 'ball'" "seg-score: pred: moved.nii and moved.nii.gz are both case 'moved'")" seg-score truth pred
	mkdir none
	said "seg-score: none: no masks in it (.nii, .nii.gz, .hdr, .nrrd, .nhdr, .mha, .mhd)" seg-score truth none
	: >empty.nii.gz
	printf 'a\ttruth/ball.nii.gz\tpred/ball.nii.gz\nb\ttruth/ball.nii.gz\nc\ttruth/no.nii.gz\tempty.nii.gz\n' >p.tsv
	said "$(printf '%s\n' "seg-score: p.tsv: case 'b' has no prediction" "seg-score: p.tsv: case 'c': truth/no.nii.gz: cannot open: No such file or directory" "seg-score: p.tsv: case 'c': empty.nii.gz: is empty")" seg-score -L p.tsv
	printf 'a\ttruth/ball.nii.gz\tpred/ball.nii.gz\na\ttruth/ball.nii.gz\tpred/ball.nii.gz\n' >p.tsv
	said "seg-score: p.tsv: line 2: id 'a' is there twice" seg-score -L p.tsv
	: >p.tsv
	said "seg-score: p.tsv: no case in it" seg-score -L p.tsv
	said "seg-score: truth/ball.nii.gz: id 'ball' is there twice" seg-score truth/ball.nii.gz pred/ball.nii.gz truth/ball.nii.gz pred/ball.nii.gz
	cat "$G/score.ts" "$G/score.ts" >two.ts
	said "seg-score: two.ts: moved: id 'moved' is there twice" seg-score --metrics dice two.ts
	head -c 300 truth/ball.nii.gz >pred/ball.nii.gz
	rm pred/*.nii
	said "$(printf '%s\n' "seg-score: pred/ball.nii.gz: ends inside the gzip data: truncated (offset 300)" "seg-score: truth/no.nii.gz: cannot open: No such file or directory")" \
		seg-score truth/ball.nii.gz pred/ball.nii.gz truth/moved.nii.gz pred/moved.nii.gz truth/no.nii.gz pred/moved.nii.gz
	fails 2 "seg-score: --list takes one operand at most, the directory of the masks (see seg-score --help)" seg-score -L p.tsv a.ts
	fails 2 "seg-score: --list takes one operand at most, the directory of the masks (see seg-score --help)" seg-score -L p.tsv pred pred
}

@test "a table of cases and a directory of masks: in the table's order, images unread; what lacks the other is named" {
	masks
	: >ct.nii
	mkdir t
	{ printf 'id\timage\tlabel\n'; for n in slant ball moved; do printf "$n\tno.nii\t../truth/$n.nii.gz\n"; done; } >t/cases.tsv
	seg-score truth/slant.nii.gz pred/slant.nii.gz truth/ball.nii.gz pred/ball.nii.gz truth/moved.nii.gz pred/moved.nii.gz >want
	seg-score -L t/cases.tsv pred 2>err | diff - want
	[ ! -s err ]
	sed 's|\.\./||' t/cases.tsv | seg-score --threads 1 -L - pred/ | diff - want
	mv pred/ball.nii.gz pred/ball_0000.nii.gz
	gunzip pred/slant.nii.gz
	seg-score -L t/cases.tsv pred | diff - want
	seg-score --metrics dice --history h -L t/cases.tsv pred >dice
	[ "$(head -n 1 h)" = "seg-score --metrics dice --list t/cases.tsv pred" ]
	[ "$(grep -c '^# ' h)" = 7 ]
	# fewer cases than masks
	seg-score --metrics dice -L <(sed -n '/ball/s|\.\.|'"$PWD"'|p' t/cases.tsv) pred 2>err | diff - <(seg-score --metrics dice truth/ball.nii.gz pred/ball_0000.nii.gz)
	sed 's|in /[^,]*|in LIST|' err | diff - <(echo "seg-score: pred: 2 masks of no case in LIST, not scored: moved.nii.gz, slant.nii")
	# fewer masks than cases: all of them
	printf 'unlabelled\tct.nii\nnone\tct.nii\t../truth/ball.nii.gz\nlost\tct.nii\t../truth/lost.nii.gz\nempty\tct.nii\t../truth/ball.nii.gz\n' >>t/cases.tsv
	: >pred/empty.nii
	cp pred/slant.nii pred/lost.nii
	cp pred/slant.nii pred/odd.nii
	status=0
	seg-score -o out -L t/cases.tsv pred 2>err || status=$?
	[ $status = 1 ]
	[ ! -e out ]
	diff err - <<-'E'
		seg-score: pred: 1 mask of no case in t/cases.tsv, not scored: odd.nii
		seg-score: t/cases.tsv: case 'unlabelled' has no label
		seg-score: t/cases.tsv: case 'unlabelled' has no mask in pred
		seg-score: t/cases.tsv: case 'none' has no mask in pred
		seg-score: t/cases.tsv: case 'lost': t/../truth/lost.nii.gz: cannot open: No such file or directory
		seg-score: t/cases.tsv: case 'empty': pred/empty.nii: is empty
	E
	cp pred/slant.nii pred/moved.nii
	fails 1 "seg-score: pred: moved.nii and moved.nii.gz are both case 'moved'" seg-score -L t/cases.tsv pred
	sed -i '1s/.*/id\ttruth\tpred/' t/cases.tsv
	fails 1 "seg-score: t/cases.tsv: has predictions (id, truth, pred): a table of cases has id, image, label beside a directory of masks" seg-score -L t/cases.tsv pred
	mkdir none
	fails 1 "seg-score: none: no masks in it (.nii, .nii.gz, .hdr, .nrrd, .nhdr, .mha, .mhd)" seg-score -L <(printf 'a\tb\tc\n') none
	for i in $(seq 12); do : >"none/m$i.nii"; done
	rm none/m3.nii
	cp truth/ball.nii.gz none/m3.nii.gz
	printf 'm3\tb\ttruth/ball.nii.gz\n' >one.tsv
	seg-score -L one.tsv none 2>&1 | grep -q 'not scored: m1.nii, m10.nii, m11.nii, m12.nii, m2.nii, m4.nii, m5.nii, m6.nii, m7.nii, m8.nii, \.\.\.$'
}

# ---- lesions, labels, columns ----

@test "a line a lesion: matched, missed, invented" {
	ts-select --id sagittal "$G/score.ts" >s.ts
	seg-score --lesions s.ts >l.tsv
	[ "$(for k in tp fp fn; do grep -c "	$k	" l.tsv; done | tr '\n' ' ')" = "1 28 37 " ]
	[ "$(head -1 l.tsv)" = "$(printf 'id\tlabel\tkind\ttruth\tpred\ttruth_ml\tpred_ml\tdice\tiou\ttruth_3d_mm\tpred_3d_mm\ttruth_axial_mm\tpred_axial_mm\terror_axial\ttruth_slice\tpred_slice')" ]
	# what the cases say follows from the lesions
	for n in specks dense coronal; do
		ts-select --id $n "$G/score.ts" >s.ts
		seg-score --match 0 --lesions s.ts | awk -F '\t' 'NR > 1 { n[$2]++; t[$2] += $3 == "tp"; d[$2] += $8; u[$2] += $9; if ($13 != "nan" && $13 > p[$2]) p[$2] = $13 }
			END { for (l in n) printf "%d %d %.4f %.4f %.3f\n", l, t[l], d[l] / n[l], u[l] / (t[l] + (n[l] - t[l]) / 2), p[l] }' | sort >a
		seg-score --match 0 --metrics pred_axial_mm,lesion_tp,lesion_dice,pq s.ts | awk -F '\t' -v n=$n '$1 == n { printf "%d %d %.4f %.4f %.3f\n", $2, $4, $5, $6, $3 }' | sort | diff - a
	done
	seg-score --lesions --json s.ts | grep -c '"kind": "fn"' | grep -qx "$(seg-score --lesions s.ts | grep -c '	fn	')"
}

@test "columns chosen; tolerances" {
	right
	[ "$(seg-score --metrics nsd,dice,pq --nsd 1,2.5 right.ts | head -1)" = "$(printf 'id\tlabel\tdice\tnsd_1mm\tnsd_2.5mm\tpq')" ]
	seg-score --metrics overlap,volume "$G/score.ts" | cut -f 3- | head -1 | grep -qx "dice	iou	truth_ml	pred_ml	volume_error	volume_bias	sensitivity	precision	volume_diff_ml"
	fails 2 "seg-score: --metrics: there is no metric 'dise' (see seg-score --help)" seg-score --metrics dice,dise right.ts
	fails 2 "seg-score: --metrics: 9 tolerances (at most 8) (see seg-score --help)" seg-score --nsd 1,2,3,4,5,6,7,8,9 right.ts
	fails 2 "seg-score: --nsd: -1 is below 0 (see seg-score --help)" seg-score --nsd 1,-1 right.ts
	while IFS='|' read -r o text; do
		# shellcheck disable=SC2086
		fails 2 "seg-score: $text (see seg-score --help)" seg-score $o right.ts
	done <<-'E'
		--metrics hd_mm --nsd 2|--nsd: the metric nsd is not asked for
		--metrics overlap --surface monai|--surface: no metric of surfaces is asked for
		--metrics surface --diameter mesh|--diameter: no metric of diameters is asked for
		--metrics lesion --whole|--whole: no metric of diameters is asked for
		--metrics diameter --match 0.5|--match: no metric of lesions is asked for
		--metrics dice -c 26|--connectivity: no metric of lesions or diameters is asked for
		--lesions --metrics dice|--metrics: --lesions has columns of its own: only with --min or --max
		--lesions --nsd 1|--nsd: the metric nsd is not asked for
		--lesions --surface deepmind|--surface: no metric of surfaces is asked for
		--lesions --whole|--whole: no metric of diameters is asked for
		--lesions --empty one|--empty: no metric is asked for
		--compare --nsd 1 right.ts|--compare goes with --metrics, --bootstrap, --seed, --history and --json only
	E
	seg-score --lesions --diameter corner --match 0 -c 6 --metrics nsd --nsd 1 --min nsd_1mm=0 --union right.ts >l.tsv || [ $? -eq 1 ]
	seg-score --lesions "$G/score.ts" >l.tsv
	fails 1 "seg-score: $G/score.ts: shear: no distances of surfaces (leave them out with --metrics): affine is sheared: axes y and z are not at right angles (cosine 0.2873)" \
		seg-score "$G/score.ts"
	sed 's/"id": "moved"/"id": "count"/' "$G/score.ts" | seg-score --metrics dice --json >/dev/null
	fails 1 "seg-score: a case's id is 'count', which is what a line of the summary is called" seg-score --metrics dice <(sed 's/"id": "moved"/"id": "count"/' "$G/score.ts")
}

@test "a scan in a mask's place" {
	nii-phantom -n 1 --seed 1 --size 64,64,16 --healthy 0 -o p.ts
	nii-write -t image -o ct.nii p.ts
	nii-write -t label -o mask.nii p.ts
	fails 1 "seg-score: ct.nii: 'pred' is no mask: it has 1430 labels, -1024 to 451, more than 1024" seg-score mask.nii ct.nii
	fails 1 "seg-score: ct.nii: 'label' is no mask: it has 1430 labels, -1024 to 451, more than 1024" seg-score ct.nii mask.nii
	[ "$(seg-score --labels 1 mask.nii ct.nii | wc -l)" -eq "$(seg-score mask.nii mask.nii | wc -l)" ]
}

@test "labels outside the set, masks that are none, no lengths" {
	ts-select --id dense "$G/score.ts" >d.ts
	seg-score --allow 1,2,3 d.ts >/dev/null
	seg-score --allow "$(seq -s , 118)" --labels "$(seq -s , 118)" --metrics dice d.ts >many # TotalSegmentator's
	[ "$(grep -c ^dense many)" = 118 ]
	fails 1 "seg-score: d.ts: dense: 'label' has label 3 at voxel 3,0,0, which is none of --allow" seg-score --allow 1,2 -o out d.ts
	AFFINE="2 0 0 0 0 2 0 0 0 0 2 0 0 0 0 1" volume f F32 1,1,4 '\0\0\0\77\0\0\0\77\0\0\0\77\0\0\0\77' image | nii-write -t image -o half.nii
	fails 1 "seg-score: half.nii: label is not a whole number (voxel 0,0,0: found 0.5)" seg-score half.nii half.nii
	nii-write -t label -o dense.nii d.ts
	{ head -c 80 dense.nii; printf '\0\0\0\0'; tail -c +85 dense.nii; } >flat.nii # pixdim 1
	cmp -s dense.nii flat.nii && return 1
	{ head -c 252 flat.nii; printf '\0\0\0\0'; tail -c +257 flat.nii; } >none.nii # and no qform, no sform
	fails 1 "seg-score: none.nii: pixdim[1] is 0 (expected mm) (offset 80)" seg-score none.nii none.nii
}

@test "--max: exit 1 above" {
	ts-select --id ball "$G/score.ts" >b.ts
	seg-score --max hd_mm=3.5 --min nsd_2mm=0.5 b.ts >/dev/null
	fails 1 "seg-score: mean hd_mm of label 1 is 3.40588, above 3.4" seg-score --max hd_mm=3.4 b.ts
	fails 2 "seg-score: --max: 'hd_mm=1' is not METRIC=VALUE with a metric of the table (see seg-score --help)" seg-score --metrics dice --max hd_mm=1 b.ts
	ts-select --id missed "$G/score.ts" | { ! seg-score --max hd95_mm=1000 >/dev/null 2>err; }
	grep -qx "seg-score: mean hd95_mm of label 1 is inf, above 1000" err
}
