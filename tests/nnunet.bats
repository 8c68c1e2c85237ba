#!/usr/bin/env bats
# nnU-Net's whole way by make: configurations, the cascade, ensembles, the best; small to the point of learning nothing.
load helper

nnunet() { make --no-print-directory -f "$ROOT/pipelines/nnunet.mk" DATA=D OUT=o FOLDS=2 STEPS=2 FLIPS=x "WINDOWS=--overlap 0" PLAN=small.json "$@"; }

setup_file() {
	export OMP_NUM_THREADS=1
	cd "$BATS_FILE_TMPDIR" || return 1
	nii-phantom -n 5 --seed 1 -s 64,64,48 --volume 40,100 --healthy 0 -o v.ts
	mkdir -p D/imagesTr D/labelsTr
	nii-write -t image --split -d D/imagesTr v.ts
	nii-write -t label -d D/labelsTr v.ts
	echo '{"channel_names": {"0": "CT"}, "labels": {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}, "regions_class_order": [1, 2],
		"numTraining": 5, "file_ending": ".nii.gz"}' >D/dataset.json
	# nnU-Net's own networks, of 4 channels
	seg-plan --planner nnunet --memory 0.03 v.ts | tr -d '\n' | sed -E ':a; s/("features_per_stage": *\[[^]]*)[0-9]{2,3}/\14/; ta' >small.json
	nnunet -j 2 CONFIGURATIONS="2d 3d_cascade_fullres" >said
}
setup() {
	export OMP_NUM_THREADS=1
	cd "$BATS_FILE_TMPDIR" || return 1
}
ids() { ts-info --json "$1" | grep -oE '"id":"[^"]*"' | sort; }

@test "the cascade brings its first stage; all configurations, ensembles of two, the best of them, post-processing" {
	[ "$(cut -f 1 o/table.tsv | tr '\n' ' ')" = "configuration 3d_lowres 2d 3d_cascade_fullres 3d_lowres+2d 3d_lowres+3d_cascade_fullres 2d+3d_cascade_fullres " ]
	[ "$(tail -n +2 o/table.tsv | sort -t "$(printf '\t')" -k 2,2gr -s | head -n 1 | cut -f 1)" = "$(cat o/best)" ]
	grep -qx "best: $(cat o/best)" said
	grep -qE '^post-processing: (cat|cc-largest --union)' said
	[ "$(grep '^mean' o/2d/cv.tsv | cut -f 2 | tr '\n' ' ')" = "whole core " ] # dataset.json's regions
	nnunet -q CONFIGURATIONS="2d 3d_cascade_fullres" o/table.tsv o/components
	sed -n 's/^# //p' o/table.tsv.history | sha256sum -c --quiet
}

@test "the second stage learns from masks of the fold that has not seen a case" {
	for k in 0 1; do
		cmp <(ids o/3d_lowres/fold/$k/val.ts) <(ids o/3d_cascade_fullres/fold/$k/val.ts)
		[ -z "$(comm -12 <(ids o/3d_lowres/fold/$k/val.ts) <(ids o/3d_lowres/fold/$k/train.ts))" ]
	done
	[ "$(ls o/3d_lowres/masks | wc -l)" = 5 ]
	seg-argmax o/3d_lowres/fold/0/scores.ts | ts-select --index 0 | nii-write -o mask.nii.gz
	cmp <(nii-read --id a mask.nii.gz | tail -c 100000) <(nii-read --id a "o/3d_lowres/masks/$(ids o/3d_lowres/fold/0/val.ts | head -n 1 | cut -d '"' -f 4).nii.gz" | tail -c 100000)
	ts-info o/3d_cascade_fullres/prepared.ts | grep -q '^  previous U8'
	ts-info o/3d_cascade_fullres/fold/1/model.ts | grep -qF '{"args":{"classes":2},"tool":"nii-onehot"}'
}

@test "best.sh: masks of other cases by what was found best, or by what is asked for" {
	nii-phantom -n 1 --skip 7 --seed 1 -s 64,64,48 --volume 40,100 | nii-write -t image -o other.nii.gz
	printf 'other\tother.nii.gz\n' >other.tsv
	best=$ROOT/pipelines/best.sh
	"$best" -d masks o other.tsv
	[ "$(ls masks)" = other.nii.gz ]
	"$best" -d two -c 2d+3d_cascade_fullres o other.tsv
	of() { # CONFIGURATION [nii-read's]: as the page says that ensembles are made
		nii-read -L other.tsv "${@:2}" | nii-replay -m "o/$1/fold/0/model.ts" |
			seg-window -m "o/$1/fold/0/model.ts" -m "o/$1/fold/1/model.ts" --overlap 0 --mirror x --output logits | nii-invert
	}
	of 3d_lowres | seg-argmax | nii-write -d coarse
	seg-argmax --mean prob <(of 2d) <(of 3d_cascade_fullres --with previous=coarse) | nii-write -o by-hand.nii.gz
	cmp <(nii-read --id a by-hand.nii.gz | tail -c 196608) <(nii-read --id a two/other.nii.gz | tail -c 196608)
	fails 1 "best.sh: o/3d_fullres: no models there" "$best" -d none -c 3d_fullres o other.tsv
	[ ! -e none/other.nii.gz ]
	fails 1 "best.sh: D: nothing is found best there: make -f nnunet.mk OUT=D" "$best" D other.tsv
	fails 2 "best.sh: the directory of nnunet.mk and a table of cases (see best.sh --help)" "$best" o
}

@test "an ignored label, classes by dataset.json or the plan; what is not said" {
	mkdir -p E
	cp -r D/imagesTr D/labelsTr E
	nnunet DATA=E OUT=e e/labels # no dataset.json: the classes of seg-plan
	[ "$(cat e/labels)" = "1 0 x" ]
	echo '{"channel_names": {"0": "CT"}, "labels": {"background": 0, "lesion 7": 1, "b": 2, "ignore": 3}, "numTraining": 5}' >E/dataset.json
	nnunet DATA=E OUT=e e/3d_fullres/fold/0/model.ts
	[ "$(cat e/labels)" = "2 3 x" ]
	ts-info --history e/3d_fullres/fold/0/model.ts | grep -qF -e '--ignore-label 3'
	# the other experiments take channels' names from it, too, and so what each is normalized by
	echo '{"channel_names": {"0": "T1"}, "labels": {"background": 0, "tumour": 1}}' >E/dataset.json
	make --no-print-directory -f "$ROOT/pipelines/cross-validate.mk" DATA=E OUT=n FOLDS=2 n/plan.json
	grep -q ZScoreNormalization n/plan.json
	rm E/dataset.json
	sed 's/"niipipe"/"other"/' small.json >foreign.json
	run nnunet DATA=E OUT=f PLAN=foreign.json f/labels
	[ "$status" != 0 ]
	[[ $output == *"f/plan.json: does not say how many classes there are, and there is no dataset.json"* ]]
	run nnunet PATCH=32,32,32
	[ "$status" = 2 ]
	[[ $output == *"nnunet.mk: PATCH has no meaning here: the plan says it, or there is none"* ]]
}
