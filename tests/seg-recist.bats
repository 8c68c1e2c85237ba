load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	G=$ROOT/tests/golden
}

# box ID LABEL,X0,X1,Y0,Y1,Z...: a mask of 40x30x9 voxels of 1x2x3 mm with boxes of voxels in it (X0 to X1 - 1, ...)
boxes() {
	awk -v boxes="${*:2}" 'BEGIN {
		n = split(boxes, b, " ")
		for (i = 1; i <= n; i++) {
			split(b[i], p, ",")
			for (z = p[6]; z < p[7]; z++) for (y = p[4]; y < p[5]; y++) for (x = p[2]; x < p[3]; x++) v[(z * 30 + y) * 40 + x] = p[1]
		}
		for (i = 0; i < 40 * 30 * 9; i++) printf "\\%o", v[i]
	}' >octal
	AFFINE="1 0 0 -10 0 2 0 5 0 0 3 100 0 0 0 1" volume "$1" U8 9,30,40 "$(cat octal)"
}

columns() { awk -F '\t' -v names="$1" 'BEGIN { n = split(names, a, ",") } NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next } { for (i = 1; i <= n; i++) printf "%s%s", $at[a[i]], i < n ? " " : "\n" }'; }

@test "a box in every convention: longest diameter, short axis, width, ends" {
	boxes box 1,5,21,3,9,2,5 >b.ts # 16 x 6 voxels in three slices
	# corner: 16 mm x 12 mm, its diagonal; across it, width and chord by the formulas of a rectangle
	[ "$(seg-recist --diameter corner b.ts | columns slice,voxels,ml,long_mm,short_mm,width_mm,diameter_3d_mm,inside,measurable,target)" = "2 288 1.728 20 15 19.2 21.9317 1 yes yes" ]
	[ "$(seg-recist --diameter corner b.ts | columns long_from,long_to,long_from_mm,long_to_mm)" = "4.5,8.5,2 20.5,2.5,2 -5.5,22,106 10.5,10,106" ]
	[ "$(seg-recist --diameter centre b.ts | columns long_mm,long_from,long_to)" = "18.0278 5,8,2 20,3,2" ]
	[ "$(seg-recist b.ts | columns long_mm,long_from,long_to)" = "19.2094 5,8.5,2 20,2.5,2" ] # sqrt(15^2 + 12^2)
	[ "$(seg-recist --json b.ts | sed -n '/"long_to"/,/]/p' | tr -d ' \n')" = '"long_to":[20.0,2.5,2.0],' ]
}

@test "bays and holes are crossed, and said so; a slanted lesion's longest slice" {
	boxes bay 1,5,8,3,9,2,3 1,18,21,3,9,2,3 1,8,18,8,9,2,3 >b.ts
	[ "$(seg-recist --diameter centre b.ts | columns long_mm,inside)" = "18.0278 0.333333" ]
	boxes steps 1,5,10,3,9,1,2 1,5,12,3,9,2,3 1,5,12,3,9,3,4 1,5,8,3,9,4,5 >s.ts
	[ "$(seg-recist s.ts | columns lesion,slice)" = "1 2" ]
}

@test "targets: measurable, five in all, two of a label; nodes by their short axis" {
	boxes many 1,0,12,0,4,0,1 1,14,24,0,4,0,1 1,26,39,0,4,0,1 2,0,12,10,14,0,1 2,14,20,10,12,0,1 3,0,20,20,29,0,1 4,22,39,20,29,4,5 5,0,12,20,24,6,7 6,14,25,20,24,6,7 >m.ts
	[ "$(seg-recist --nodes 3,4 m.ts | columns label,lesion,node,measurable,target | tr '\n' ';')" = "1 1 no yes yes;1 2 no yes no;1 3 no yes yes;2 1 no yes yes;2 2 no no no;3 1 yes yes yes;4 1 yes yes yes;5 1 no yes no;6 1 no yes no;" ]
	[ "$(seg-recist --cases m.ts | columns lesions,measurable,targets,response)" = "9 8 5 NE" ]
	[ "$(seg-recist --cases --targets 3 --per-organ 1 m.ts | columns targets)" = 3 ]
	[ "$(seg-recist --cases --slice-thickness 7 m.ts | columns measurable)" = 3 ]
	[ "$(seg-recist --labels 2 m.ts | columns label,lesion | tr '\n' ' ')" = "2 1 2 2 " ]
	[ "$(seg-recist --union m.ts | columns label,lesion | tail -1)" = "1 9" ]
}

@test "baseline, nadir: PR, PD, SD, CR, NE" {
	box() { boxes p "1,0,$1,0,1,0,1"; } # so many mm long between corners: sqrt(n^2 + 4)
	box 30 | seg-recist --diameter corner -o base.tsv
	day() { box "$1" | seg-recist --diameter corner --baseline base.tsv "${@:2}"; }
	[ "$(day 20 | columns response,lesions,targets)" = "PR 1 1" ]
	[ "$(day 25 | columns response,sum_mm,baseline_mm,nadir_mm,from_baseline)" = "SD 25.0799 30.0666 30.0666 -0.165856" ]
	[ "$(day 37 | columns response)" = PD ]
	day 10 -o nadir.tsv
	[ "$(day 20 --nadir nadir.tsv | columns response,nadir_mm,from_nadir)" = "PD 10.198 0.97095" ]
	[ "$(day 20 --nadir 40 --nadir 18.5 | columns response,nadir_mm)" = "PR 18.5" ]
	# a table of lesions of the day between counts by the baseline's targets, not by its own: what shrank below 10 mm is one of them still
	box 7 | seg-recist --diameter corner -o nadir.tsv
	[ "$(columns target <nadir.tsv)" = no ]
	[ "$(day 10 --nadir nadir.tsv | columns response,nadir_mm)" = "PR 7.28011" ]
	boxes p 1,0,12,0,1,0,1 1,14,39,0,1,0,1 2,0,30,8,9,0,1 | seg-recist --diameter corner -o nadir.tsv # a new one is none
	[ "$(day 20 --nadir nadir.tsv | columns response,nadir_mm)" = "PR 25.0799" ]
	box 10 | seg-recist --diameter corner --cases -o nadir.tsv
	fails 1 "seg-recist: standard input: p: nadir.tsv: line 2: the sum is not of the baseline's targets: make it with --baseline" day 20 --nadir nadir.tsv
	sed s/^p/q/ base.tsv >nadir.tsv
	fails 1 "seg-recist: standard input: p: nadir.tsv: has no case 'p' (of a day without lesions give its table of cases, or 0)" day 20 --nadir nadir.tsv
	box 10 | seg-recist --diameter corner -o nadir.tsv
	[ "$(day 20 --nadir 40 --nadir nadir.tsv | columns response,nadir_mm)" = "PD 10.198" ]
	boxes p 2,0,3,0,1,0,1 >other.ts
	[ "$(seg-recist --baseline base.tsv other.ts | columns response,targets,sum_mm)" = "PR 0 0" ] # what is left is no target, but a lesion
	boxes p >none.ts
	[ "$(seg-recist --baseline base.tsv none.ts | columns response,lesions,sum_mm)" = "CR 0 0" ]
	boxes p 1,0,5,0,1,0,1 | seg-recist -o small.tsv
	box 30 | seg-recist --baseline small.tsv >ne.tsv
	[ "$(columns response <ne.tsv)" = NE ]
}

@test "nodes: CR with a node below 10 mm, which still counts" {
	boxes p 1,0,20,0,9,0,1 | seg-recist --nodes 1 -o base.tsv
	[ "$(columns measurable,target <base.tsv)" = "yes yes" ]
	boxes p 1,0,20,0,4,0,1 | seg-recist --nodes 1 --baseline base.tsv >now.tsv
	[ "$(columns targets,response <now.tsv)" = "1 CR" ]
}

@test "the same from files, from streams, from a mask on its side, whatever the threads" {
	ts-select --id sagittal --id coronal --id ball "$G/score.ts" >s.ts
	nii-write -d m -t label s.ts
	seg-recist -t label s.ts >a
	seg-recist m/ball.nii.gz m/sagittal.nii.gz m/coronal.nii.gz | diff - a
	seg-recist --threads 1 -t label s.ts | diff - a
	# turned so that z is the patient's head-foot axis, a lesion has the same diameters
	nii-resample --orient RAS s.ts | seg-recist -t label | columns id,label,long_mm,diameter_3d_mm,ml,size_mm | sort >turned
	columns id,label,long_mm,diameter_3d_mm,ml,size_mm <a | sort >plain
	awk '{ k = $1 " " $2; n[k]++; for (i = 3; i <= 6; i++) s[k, i] += (NR == FNR ? 1 : -1) * $i } END { for (k in n) for (i = 3; i <= 6; i++) if (s[k, i] ^ 2 > 1e-4) { print k, i, s[k, i]; bad = 1 } exit bad }' plain turned
}

@test "--history: what made the table, which makes it again, with the hashes of what was read" {
	nii-phantom -n 2 --seed 3 -s 40,36,24 --healthy 0 --volume 30,60 -o v.ts
	seg-recist v.ts --history base.tsv.history -o base.tsv
	for args in past "--json"; do
		[ "$args" = --json ] || args="--baseline base.tsv --nadir base.tsv"
		cc-largest -t label <v.ts | seg-recist -t label $args --history now.history --threads 1 >now
		grep -qxE "} [|] seg-recist --tensor label ${args/ --nadir*/}.*" now.history
		! command -v xxh64sum >/dev/null || [ "$args" = --json ] || sed -n 's/^# //p' now.history | xxh64sum -c --quiet
		bash now.history | cmp - now
	done
	grep -F '} | seg-recist --tensor label --json\n## niipipe ' now
	grep -qxE '# [0-9a-f]{16}  v.ts' base.tsv.history
	bash base.tsv.history | cmp - base.tsv
}

@test "the longest diameter is seg-score's, its ends are as far apart" {
	ts-select --id specks --id oblique --id shear --id slant --id dense "$G/score.ts" >s.ts
	for by in centre corner; do # of the mesh seg-score takes slices between two as well
		seg-score --truth label --pred label --metrics truth_axial_mm,truth_3d_mm --diameter $by s.ts | awk '/^mean/ { exit } NR > 1 { print $1, $2, $4, $3 }' >want
		seg-recist -t label --diameter $by s.ts | columns id,label,long_mm,diameter_3d_mm |
			awk '{ k = $1 " " $2; if (!(k in a)) o[++n] = k; if ($3 > a[k] + 0) a[k] = $3; if ($4 > b[k] + 0) b[k] = $4 } END { for (i = 1; i <= n; i++) print o[i], a[o[i]] + 0, b[o[i]] + 0 }' | diff - want
	done
	seg-recist -t label s.ts 2>/dev/null | columns long_mm,long_from_mm,long_to_mm,short_mm,short_from_mm,short_to_mm | tr ',' ' ' |
		awk 'function far(i) { return sqrt(($i - $(i + 3)) ^ 2 + ($(i + 1) - $(i + 4)) ^ 2 + ($(i + 2) - $(i + 5)) ^ 2) } (far(2) - $1) ^ 2 > 1e-7 || (far(9) - $8) ^ 2 > 1e-7 { print; bad = 1 } END { exit bad || NR < 30 }'
}

@test "oblique slices are told, once a case" {
	ts-select --id oblique "$G/score.ts" >o.ts
	[ "$(seg-recist -t label o.ts 2>&1 >/dev/null)" = "seg-recist: oblique: the slices are 11.5 degrees away from the axial plane" ]
	[ -z "$(seg-recist -q -t label o.ts 2>&1 >/dev/null)" ]
}

@test "bad input" {
	boxes p 1,0,30,0,1,0,1 >b.ts
	seg-recist -o base.tsv b.ts
	boxes q 1,0,30,0,1,0,1 >q.ts
	fails 1 "seg-recist: q.ts: q: base.tsv: has no case 'q'" seg-recist --baseline base.tsv -o out q.ts
	cut -f 1-3 base.tsv >cut.tsv
	fails 1 "seg-recist: b.ts: p: cut.tsv: no column 'target'" seg-recist --baseline cut.tsv -o out b.ts
	awk -F '\t' -v OFS='\t' 'NR == 2 { $14 = "x" } { print }' base.tsv >bad.tsv
	fails 1 "seg-recist: b.ts: p: bad.tsv: line 2, size_mm: 'x' is not a finite number" seg-recist --baseline bad.tsv -o out b.ts
	: >empty.tsv
	fails 1 "seg-recist: empty.tsv: empty: a table begins with a line that names its columns" seg-recist --baseline empty.tsv -o out b.ts
	fails 1 "seg-recist: nosuch.tsv: cannot open: No such file or directory" seg-recist --baseline base.tsv --nadir nosuch.tsv -o out b.ts
	fails 2 "seg-recist: --nadir goes with --baseline (see seg-recist --help)" seg-recist --nadir 12 b.ts
	fails 2 "seg-recist: NIfTI files and streams do not mix (see seg-recist --help)" seg-recist b.ts b.nii
	cat b.ts b.ts >two.ts
	fails 1 "seg-recist: two.ts: p: id 'p' is there twice" seg-recist -o out two.ts
	AFFINE="1 0 0 0 0 1 0 0 1 1 0 0 0 0 0 1" volume h U8 1,1,2 '\1\0' >h.ts
	fails 1 "seg-recist: h.ts: h: the affine is singular: no lengths in mm" seg-recist -o out h.ts
	[ ! -e out ]
}

@test "real masks: diameters between centres, as shared/data says" {
	need_data ct/LUNG1-002
	while read -r path label axial; do
		got=$(seg-recist -q --diameter centre --labels "$label" "$NIIPIPE_DATA/$path" | columns long_mm | sort -g | tail -1)
		awk -v g="$got" -v w="$axial" 'BEGIN { exit (g - w) ^ 2 > 0.0051 ^ 2 }' || { echo "$path: $got, not $axial"; false; }
	done <<'END'
ct/LUNG1-001/LUNG1-001_gtv.nii.gz 1 94.16
ct/LUNG1-001/LUNG1-001_cord.nii.gz 1 23.76
ct/LUNG1-002/LUNG1-002_gtv.nii.gz 1 103.26
ct/pat_3/pat_3_gtv.nii.gz 1 30.54
ct/pyradiomics/lung1_gtv.nii.gz 1 15.98
ct/totalseg/example_sm_organs.nii.gz 2 64.62
END
}
