#!/usr/bin/env bats
# Planning: the numbers are compared with nnU-Net's in tests/unit/planner.c; here ways in and out, --plan of the other tools, and what is refused.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	nii-phantom -n 3 --seed 5 --size 40,36,24 --spacing 9,9,13 -o v.ts
	mkdir -p flat/imagesTr flat/labelsTr pairs
	nii-write -t image -d flat/imagesTr v.ts
	nii-write -t label -d flat/labelsTr v.ts
	for f in flat/imagesTr/*; do
		id=$(basename "$f" .nii.gz)
		cp "$f" "pairs/${id}_ct.nii.gz"
		cp "flat/labelsTr/$id.nii.gz" "pairs/${id}_gtv.nii.gz"
	done
	seg-plan v.ts --save-fingerprint fp.json -o plan.json
	nii-normalize --plan plan.json v.ts | nii-resample --plan plan.json -o prepared.ts
}

setup() { cd "$BATS_FILE_TMPDIR" || exit; }

got() { tr -d ' \n' <"$1" | grep -qF "$2"; } # got FILE TEXT: JSON without its white space

@test "streams, pairs of files, a table and a fingerprint give one plan" {
	same() { cmp <(grep -v '"history": ' -) <(grep -v '"history": ' plan.json); }
	seg-plan v.ts | cmp - plan.json || { seg-plan v.ts | same; seg-plan v.ts | grep -q '"history": "seg-plan v.ts'; }
	seg-plan <v.ts | same
	seg-plan pairs/*.nii.gz | same
	seg-plan flat/*/*.nii.gz | same
	nii-read --pairs --print flat/*/*.nii.gz >cases.tsv
	seg-plan -L cases.tsv --threads 1 | same
	seg-plan --fingerprint fp.json | same
	nii-read --pairs pairs/*.nii.gz | ts-cmp -q - <(nii-read -L cases.tsv)
}

@test "a directory a case: ct, image or imaging; gtv, label, seg, segmentation or mask" {
	image=(ct image imaging) label=(gtv segmentation mask) i=0
	for id in phantom-0001 phantom-0002 phantom-0003; do
		mkdir -p "each/$id"
		cp "pairs/${id}_ct.nii.gz" "each/$id/${image[i]}.nii.gz"
		cp "pairs/${id}_gtv.nii.gz" "each/$id/${label[i++]}.nii.gz"
	done
	nii-read --pairs each/*/*.nii.gz | ts-cmp -q - <(nii-read --pairs pairs/*.nii.gz)
	(cd each && nii-read --pairs ./*/*.nii.gz | ts-cmp -q - <(nii-read --pairs ../pairs/*.nii.gz))
	(cd each && nii-read --pairs phantom-0001/*.nii.gz | ts-cmp -q - <(nii-read --pairs ../pairs/phantom-0001_*.nii.gz))
	run env -C each/phantom-0001 nii-read --pairs ct.nii.gz gtv.nii.gz # whose?
	[ "$status" = 1 ]
	[ "${lines[0]}" = "nii-read: ct.nii.gz: its name says neither image nor label" ]
}

@test "what is in it" {
	got plan.json '"dataset_name":"Dataset001_niipipe"'
	got plan.json '"patch_size":[24,40,40]'
	got plan.json '"spacing":[13.0,9.0,9.0]'
	got plan.json '"cases":["phantom-0001","phantom-0002","phantom-0003"]'
	got fp.json '"shapes_after_crop":[[24,36,40],'
	seg-plan --fingerprint fp.json --planner nnunet --memory 0.1 --classes 5 --normalization zscore --spacing 10,10,10 --name Dataset007_x >other.json
	got other.json '"dataset_name":"Dataset007_x"'
	got other.json '"normalization_schemes":["ZScoreNormalization"]'
	got other.json '"spacing":[10.0,10.0,10.0]'
	got other.json '"classes":5'
}

@test "--plan of the tools: what nnU-Net's plan says" {
	nii-normalize --stats fp.json v.ts | nii-resample -s 9,9,13 --align nnunet --interp cubic --label-interp argmax | ts-cmp -q - prepared.ts
	nii-patch --plan plan.json -n 4 --seed 3 prepared.ts >patches.ts
	nii-patch -s 40,40,24 --oversample 0.33 --batch "$(tr -d ' \n' <plan.json | grep -oE '"3d_fullres":.*' | grep -oE -m 1 '"batch_size":[0-9]+' | head -n 1 | cut -d : -f 2)" -n 4 --seed 3 prepared.ts | cmp - patches.ts
	nii-patch --plan plan.json -s 16,16,16 --pos 0.5 -n 1 --seed 3 prepared.ts | cmp - <(nii-patch -s 16,16,16 --pos 0.5 -n 1 --seed 3 prepared.ts)
	seg-train --plan plan.json --recipe nnunet --summary patches.ts >planned
	seg-train --plan plan.json --net unet --channels 4,8 --strides 2 --res-units 1 --steps 1 -o model.ts patches.ts
	ts-info model.ts | grep -F '"_target_":"UNet"'
	seg-train --plan plan.json --classes 7 --summary patches.ts | grep -E 'seg_layers.* 24,40,40,7 '
}

@test "--plan of nnU-Net's own plans" {
	p=$ROOT/tests/golden/plan-full.json
	nii-phantom -n 1 --seed 5 --size 16,16,12 --spacing 2,2,3 | nii-normalize --plan "$p" | nii-resample --plan "$p" | ts-info >said
	grep -F '"ct":[-1024.0,325.0,-158.58' said
	grep -E '"spacing":\[0.78515[56]' said
	fails 2 "seg-train: --classes is needed: $p does not say how many there are (see seg-train --help)" seg-train --plan "$p" patches.ts
	nii-phantom -n 1 --seed 5 --size 16,16,12 --spacing 2,2,3 | nii-normalize --plan "$p" --configuration 3d_cascade_fullres |
		nii-resample --plan "$p" --configuration 3d_cascade_fullres | ts-info | diff - said
	fails 1 "nii-resample: $p: there is no configuration 'none' (there are: 2d, 3d_lowres, 3d_fullres, 3d_cascade_fullres)" \
		nii-resample --plan "$p" --configuration none v.ts
}

@test "a plan from another data set, volumes prepared otherwise" {
	nii-phantom -n 1 --skip 7 --seed 5 --size 40,36,24 --spacing 9,9,13 | nii-normalize --plan plan.json | nii-resample --plan plan.json -o stranger.ts
	fails 1 "nii-patch: stranger.ts: phantom-0008: is none of the 3 cases that the plan was made of" nii-patch --plan plan.json -n 1 stranger.ts
	fails 1 "nii-patch: v.ts: phantom-0001: did not go through nii-normalize, which the plan asks for" nii-patch --plan plan.json -n 1 v.ts
	nii-normalize --plan plan.json v.ts | nii-resample -s 8,8,8 -o otherwise.ts
	fails 1 "nii-patch: otherwise.ts: phantom-0001: is not prepared as the plan says: nii-resample {\"align\":\"monai\",\"interp\":\"linear\",\"spacing\":[8.0,8.0,8.0]}, the plan has {\"align\":\"nnunet\",\"interp\":\"cubic\",\"label_interp\":\"argmax\",\"spacing\":[9.0,9.0,13.0]}" \
		nii-patch --plan plan.json -n 1 otherwise.ts
}

@test "files without a partner are all listed" {
	mkdir -p odd
	cp pairs/*.nii.gz odd
	rm -f odd/phantom-0001_gtv.nii.gz odd/phantom-0003_ct.nii.gz
	cp pairs/phantom-0002_ct.nii.gz odd/what.nii.gz
	for t in "seg-plan" "nii-read --pairs" "nii-read --pairs --print"; do
		run $t odd/*.nii.gz
		echo "$output"
		[ "$status" = 1 ]
		[ "${#lines[@]}" = 4 ]
		n=${t%% *}
		[ "${lines[0]}" = "$n: odd/phantom-0001_ct.nii.gz: an image without a label" ]
		[ "${lines[1]}" = "$n: odd/phantom-0003_gtv.nii.gz: a label without an image" ]
		[ "${lines[2]}" = "$n: odd/what.nii.gz: its name says neither image nor label" ]
		[ "${lines[3]}" = "$n: 3 of 5 files are without a partner" ]
	done
	mkdir -p twice
	cp pairs/phantom-0001* twice
	fails 1 "nii-read: twice/phantom-0001_ct.nii.gz: a second case of the id 'phantom-0001' (the first: pairs/phantom-0001_ct.nii.gz)" nii-read --pairs pairs/* twice/*
}

@test "bad volumes and fingerprints" {
	ts-select --drop label v.ts >unlabelled.ts
	fails 1 "seg-plan: unlabelled.ts: phantom-0001: no tensor 'label' in this frame" seg-plan unlabelled.ts
	fails 1 "seg-plan: v.ts: phantom-0001: is there twice" seg-plan v.ts v.ts
	fails 1 "seg-plan: standard input: a: image is 0 everywhere" seg-plan < <(raw_frame '{"__metadata__":{"kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"U8","shape":[1,1,1,2],"data_offsets":[0,2]},"label":{"dtype":"U8","shape":[1,1,2],"data_offsets":[2,4]}}' '\0\0\1\1')
	fails 1 "seg-plan: no foreground in any case: label is 0 everywhere" seg-plan < <(raw_frame '{"__metadata__":{"kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"U8","shape":[1,1,1,2],"data_offsets":[0,2]},"label":{"dtype":"U8","shape":[1,1,2],"data_offsets":[2,4]}}' '\1\1\0\0')
	fails 1 "seg-plan: volumes of 1x1x2 voxels (z,y,x; the median, at the target spacing) are too small for a network" seg-plan < <(raw_frame '{"__metadata__":{"kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"U8","shape":[1,1,1,2],"data_offsets":[0,2]},"label":{"dtype":"U8","shape":[1,1,2],"data_offsets":[2,4]}}' '\1\1\1\0')
	fails 1 "seg-plan: no patch is small enough for 0.001 GB" seg-plan --fingerprint fp.json --memory 0.001 --planner resenc-xl --classes 255
	echo '{"spacings": [[1,1,1]], "shapes_after_crop": []}' >bad.json
	fails 1 "seg-plan: bad.json: spacings and shapes_after_crop are not two lists of one length" seg-plan --fingerprint bad.json
	echo '{"spacings": [[1,1,0]], "shapes_after_crop": [[1,1,1]]}' >bad.json
	fails 1 "seg-plan: bad.json: case 0: spacings, shapes_after_crop: not three numbers above 0" seg-plan --fingerprint bad.json
	fails 1 "seg-plan: plan.json: spacings and shapes_after_crop are not two lists of one length" seg-plan --fingerprint plan.json
	fails 1 "nii-normalize: fp.json: is no plans.json: it has no configurations" nii-normalize --plan fp.json v.ts
	fails 1 "seg-plan: standard input: no frame at all: empty, or what should have written it failed" seg-plan </dev/null
}

@test "misuse" {
	fails 2 "seg-plan: FILE, --list and --fingerprint exclude each other (see seg-plan --help)" seg-plan -L cases.tsv v.ts
	fails 2 "seg-plan: volumes and streams cannot be mixed (see seg-plan --help)" seg-plan v.ts pairs/phantom-0001_ct.nii.gz
	fails 2 "seg-plan: --classes is needed: $ROOT/tests/golden/plan-fingerprint.json does not say how many there are (see seg-plan --help)" \
		seg-plan --fingerprint "$ROOT/tests/golden/plan-fingerprint.json"
	fails 2 "nii-resample: --plan says all of it: no other option has a meaning with it (see nii-resample --help)" nii-resample --plan plan.json -s 1,1,1 v.ts
	fails 2 "seg-train: --plan says all of the network: --spatial-dims, --channels, --strides, --res-units and --kernel have no meaning with it (see seg-train --help)" \
		seg-train --plan plan.json --channels 4,8 patches.ts
	fails 2 "nii-read: --print goes with --pairs (see nii-read --help)" nii-read --print v.nii
}
