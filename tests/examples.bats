#!/usr/bin/env bats
# The EXAMPLES of every page are extracted and run, in a directory that has what they name; large numbers are made small first.
load helper

setup_file() {
	export NIIPIPE_PIPELINES=$ROOT/pipelines DIR=$BATS_FILE_TMPDIR PATH=$BATS_TEST_DIRNAME/../build/bin:$PATH
	cd "$DIR" || return 1
	nii-phantom -n 3 --seed 5 --size 40,36,24 --spacing 9,9,13 -o volumes.ts
	nii-write -t image -d images volumes.ts
	nii-write -t label -d labels volumes.ts
	for f in images/*; do
		id=$(basename "$f" .nii.gz)
		printf '%s\t%s\tlabels/%s.nii.gz\n' "$id" "$f" "$id"
	done >cases.tsv
	cp cases.tsv train.tsv
	cp cases.tsv val.tsv
	set -- images/*
	cp "$1" scan.nii.gz
	cp "$1" ct.nii.gz
	set -- labels/*
	cp "$1" truth.nii.gz
	cp "$1" mask.nii.gz
	cp "$1" label.nii.gz
	cp "$1" lungs.nii.gz
	nii-read -L cases.tsv | nii-normalize --window=-1024,325 -o train.ts
	cp train.ts val.ts
	cp train.ts test.ts
	cp volumes.ts raw.ts
	nii-read scan.nii.gz >scan.ts
	nii-patch -s 16,16,16 -n 4 --seed 1 -o patches.ts train.ts
	seg-train --net unet --channels 4,8 --strides 2 --res-units 1 -o model.ts patches.ts
	nii-read -l truth.nii.gz scan.nii.gz | nii-replay -m model.ts -o case.ts
	cp case.ts v.ts
	cp case.ts prepared.ts
	nii-read scan.nii.gz | nii-replay -m model.ts | seg-window -m model.ts --output prob -o prob.ts
	nii-read -l truth.nii.gz scan.nii.gz | nii-replay -m model.ts | seg-window -m model.ts --keep-image -o pred.ts
	for f in ct lesion.seg; do cp "$BATS_TEST_DIRNAME/golden/nrrd/itk.nrrd" $f.nrrd; done
	cp model.ts a.ts
	cp model.ts b.ts
	cp model.ts 3d.ts
	nii-patch -s 16,16,1 -n 2 --seed 1 train.ts | seg-train --spatial-dims 2 --channels 4,8 --strides 2 --res-units 1 -o 2d.ts
	cp model.ts low.ts
	cp model.ts lung.ts
	cp model.ts tumour.ts
	cp "$BATS_TEST_DIRNAME/golden/import/zip.pt" weights.pt
	cp "$BATS_TEST_DIRNAME/golden/import/xyz.pt" bundle.pt
	cp "$BATS_TEST_DIRNAME/golden/import/xyz.json" inference.json
	cp -r "$BATS_TEST_DIRNAME/golden/bundle" spleen_ct_segmentation
	perl -0pi -e 's/"pixdim": \[.*?\]/"pixdim": [12, 12, 14]/s' spleen_ct_segmentation/configs/inference.json
	results=nnUNetTrainer__nnUNetPlans__3d_fullres
	mkdir -p $results/fold_0 $results/fold_1
	perl -0pe 's/"spacing": \[[^]]*2.5[^]]*\]/"spacing": [12, 14, 12]/g' "$BATS_TEST_DIRNAME/golden/import/plans.json" >$results/plans.json
	echo '{"labels": {"background": 0, "tumour": 1}}' >$results/dataset.json
	for n in 0 1; do cp "$BATS_TEST_DIRNAME/golden/import/plans.pth" $results/fold_$n/checkpoint_final.pth; done
	for n in 1 2 3 4 5; do
		mkdir Dataset29${n}_part
		cp -r $results Dataset29${n}_part/$results
		rm -r Dataset29${n}_part/$results/fold_1
		sed -i "s/tumour/class$n/" Dataset29${n}_part/$results/dataset.json
	done
	echo '{"_target_": "UNet", "in_channels": 1, "out_channels": 2, "channels": [4, 8, 16], "strides": [2, 2], "num_res_units": 0}' >network.json
	(set -- scan.nii.gz && gzip -dc "$1" >scan.nii)
}

# The literal displays of EXAMPLES, as plain text.
extract() {
	awk '/^\.Sh EXAMPLES/ { on = 1; next } /^\.Sh/ { on = 0 } on && /^\.Bd -literal/ { lit = 1; next } on && /^\.Ed/ { lit = 0; print ""; next }
	     on && lit { gsub(/\\&/, ""); gsub(/\\e/, "\\"); gsub(/\\\(aq/, "\047"); gsub(/\\-/, "-"); print } on && /^\.Dl / { sub(/^\.Dl /, ""); gsub(/\\&/, ""); gsub(/\\-/, "-"); print; print "" }' "$1"
}

shrink() {
	sed -E 's/160,160,64/16,16,16/g; /nii-phantom/!s/(96|128|64),(96|128|64),(96|128|64|32|48)/16,16,16/g; s/512,512,[0-9]+/64,64,24/g;
		/--skip/s/-n [0-9]{2,}/-n 8/; s/-n [0-9]{2,}/-n 4/g; /nii-patch/s/--skip [0-9]+/--skip 4/; s/--val-every [0-9]+/--val-every 2/g; s/--channels 16,32,64,128,256 --strides 2,2,2,2/--channels 4,8 --strides 2/g;
		/--channels|--resume|--plan/!s/seg-train /seg-train --channels 4,8 --strides 2 --res-units 1 /; s/--overlap 0\.8/--overlap 0.5/g'
}

@test "the examples of every page run" {
	for page in "$ROOT"/man/*.[1-8]; do
		case $page in *.5) continue ;; esac
		extract "$page" | shrink >"$BATS_TEST_TMPDIR/example.sh"
		[ -s "$BATS_TEST_TMPDIR/example.sh" ] || { echo "$page: no example"; return 1; }
		rm -rf "$BATS_TEST_TMPDIR/run"
		cp -r "$DIR" "$BATS_TEST_TMPDIR/run"
		(cd "$BATS_TEST_TMPDIR/run" && printf 'PK' >study.zip && bash -eu -o pipefail -c 'unzip() { cat scan.nii.gz; }; . "$1"' - "$BATS_TEST_TMPDIR/example.sh") \
			>"$BATS_TEST_TMPDIR/out" 2>&1 </dev/null || { echo "$page:"; cat "$BATS_TEST_TMPDIR/example.sh" "$BATS_TEST_TMPDIR/out"; return 1; }
	done
}
