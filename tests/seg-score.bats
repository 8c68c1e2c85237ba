load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	G=$ROOT/tests/golden
}

# Against numpy and scipy from the definitions, every vertex and every pair (tests/golden/make_score.py).
@test "mesh, centre, corner: by lesion and across all parts" {
	for by in mesh centre corner; do
		seg-score --diameter $by "$G/score.ts" | diff - "$G/score_$by.tsv"
		cat "$G/score.ts" | seg-score --diameter $by --whole | diff - "$G/score_${by}_whole.tsv"
	done
	seg-score "$G/score.ts" | diff - "$G/score_mesh.tsv"
}

@test "all labels together" { seg-score --union "$G/score.ts" | diff - "$G/score_union.tsv"; }

@test "no truth: nnU-Net's way, MONAI's, one" {
	seg-score --empty nnunet "$G/score.ts" | diff - "$G/score_mesh.tsv"
	seg-score --empty monai "$G/score.ts" | diff - "$G/score_monai.tsv"
	seg-score --empty one "$G/score.ts" | diff - "$G/score_one.tsv"
}

@test "labels chosen" {
	ts-select --id dense "$G/score.ts" >d.ts
	[ "$(seg-score --labels 3,7,3 d.ts | cut -f1-3,5)" = "$(printf 'id\tlabel\tdice\ttruth_ml\ndense\t3\t0.188366\t0.13725\ndense\t7\tnan\t0\nmean\t3\t0.188366\t0.13725\nmedian\t3\t0.188366\t0.13725\ncount\t3\t1\t1\nmean\t7\tnan\t0\nmedian\t7\tnan\t0\ncount\t7\t0\t1')" ]
}

@test "JSON has the same numbers, and voxels and lesions" {
	ts-select --id missed "$G/score.ts" | seg-score --json >m.json
	[ "$(head -n 24 m.json | tail -n +4 | tr -d ' \n')" = '"id":"missed","label":1,"truth_voxels":1,"pred_voxels":0,"both_voxels":0,"truth_lesions":1,"pred_lesions":0,"dice":0.0,"iou":0.0,"truth_ml":0.029999999999999999,"pred_ml":0.0,"volume_error":1.0,"volume_bias":-1.0,"truth_3d_mm":5.0,"pred_3d_mm":0.0,"error_3d":1.0,"error_3d_clipped":1.0,"truth_axial_mm":3.0,"pred_axial_mm":0.0,"error_axial":1.0,"error_axial_clipped":1.0' ]
	[ "$(sed -n '/summary/,/iou/p' m.json | tr -d ' \n')" = '"summary":[{"label":1,"dice":{"mean":0.0,"median":0.0,"count":1},"iou":{' ]
	ts-select --id nothing "$G/score.ts" | seg-score --json >n.json
	[ "$(grep -c '"dice": null,' n.json)" -eq 1 ]
}

@test "other tensors; whatever the threads" {
	seg-score --truth pred --pred label "$G/score.ts" | cut -f1-3 >a
	seg-score --threads 1 "$G/score.ts" | cut -f1-3 >b
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
	fails 1 "seg-score: dot.nii: 3x1x2 voxels, but truth/ball.nii.gz has 40x37x19" seg-score -o out truth/ball.nii.gz dot.nii
	fails 1 "seg-score: pred/moved.nii.gz: lies elsewhere in space than truth/ball.nii.gz: their affines differ by more than 0.001 mm" \
		seg-score -o out truth/ball.nii.gz pred/moved.nii.gz
	[ ! -e out ]
}

@test "masks of different grids in a frame" {
	raw_frame '{"__metadata__":{"id":"h","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"label":{"dtype":"U8","shape":[1,1,2],"data_offsets":[0,2]},"pred":{"dtype":"U8","shape":[1,2,1],"data_offsets":[2,4]}}' abcd >h.ts
	fails 1 "seg-score: h.ts: h: 'label' and 'pred' are on different grids" seg-score h.ts
	raw_frame '{"__metadata__":{"id":"h","affine":"1 0 0 0 0 1 0 0 1 1 0 0 0 0 0 1"},"label":{"dtype":"U8","shape":[1,1,2],"data_offsets":[0,2]},"pred":{"dtype":"U8","shape":[1,1,2],"data_offsets":[2,4]}}' abcd >h.ts
	fails 1 "seg-score: h.ts: h: the affine is singular: no lengths in mm" seg-score h.ts
}

@test "real tumours against themselves moved by a voxel, as an independent script has it" {
	need_data ct/LUNG1-002
	set --
	for n in LUNG1-001 LUNG1-002 pat_3; do
		gtv=$NIIPIPE_DATA/ct/$n/${n}_gtv.nii.gz
		nii-read "$gtv" >t.ts
		h=$(($(od -An -tu8 -N8 t.ts) + 8)) # a voxel in front, one off the end
		{ head -c $h t.ts; printf '\0'; tail -c +$((h + 1)) t.ts | head -c -1; } | nii-write -t image -o "$n.nii.gz"
		set -- "$@" "$gtv" "$n.nii.gz"
	done
	seg-score "$@" | diff - "$G/score_real.tsv"
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
