#!/usr/bin/env bats
# Networks of two dimensions: nnU-Net's configuration 2d against nnU-Net from file to labels (tests/golden/make_slices.py).
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	cp "$BATS_TEST_DIRNAME/golden/bundle/volume.nii.gz" .
	for name in z y; do
		mkdir $name
		cp -r "$BATS_TEST_DIRNAME/golden/slices-$name" $name/nnUNetTrainer__nnUNetPlans__2d
	done
	mkdir 3d
	cp -r "$BATS_TEST_DIRNAME/golden/results" 3d/nnUNetTrainer__nnUNetPlans__3d_fullres
	for name in z y 3d; do
		seg-import -q $name -o $name.ts || return 1
	done
}
setup() {
	cd "$BATS_FILE_TMPDIR" || return 1
	of_fp32
}

predict() { # predict MODEL [SUFFIX]: the volume as nnU-Net predicts it; SUFFIX taken off the line
	local line
	line=$(ts-info --json "$1" | sed -n 's/.*"predict":"\([^"]*\)".*/\1/p')
	line=${line/-window/-window -m $1}
	nii-read volume.nii.gz | nii-replay -m "$1" | eval "${line%"${2-}"}"
}

@test "nnU-Net's 2d: slices along z, far apart, resampled by themselves" {
	ts-info z.ts >info
	grep -qF '  encoder.stages.1.0.convs.0.conv.weight F32  [4,3,3,3] 432 bytes' info
	grep -qxF '  roi      20,12,1' info
	grep -qxF '  predict  seg-window --overlap 0.5 --grid nnunet --mode nnunet --mirror xy --output logits | nii-invert --argmax' info
	grep -qF '"spacing":[0.69999999999999996,1.3,0.0]' info
	predict z.ts | ts-cmp --data-only -t pred - "$BATS_TEST_DIRNAME/golden/slices-z.ts"
}

@test "nnU-Net's 2d: coronal slices whose axes change places, residual, one axis flipped" {
	ts-info y.ts >info
	grep -qxF '  roi      12,1,8' info
	grep -qF '"slice_axis":"y"' info
	grep -qF ' --mirror z ' info
	predict y.ts | ts-cmp --data-only -t pred - "$BATS_TEST_DIRNAME/golden/slices-y.ts"
}

@test "slices go through a network as many at once as --batch says, and alone" {
	nii-read volume.nii.gz | nii-replay -m z.ts >prepared.ts
	seg-window -m z.ts --overlap 0.5 --grid nnunet --mode nnunet --output logits prepared.ts >one.ts
	seg-window -m z.ts --overlap 0.5 --grid nnunet --mode nnunet --output logits --batch 7 prepared.ts | ts-cmp --data-only --atol 1e-5 - one.ts
	# every slice is predicted from itself alone
	nii-crop --box 0,0,5,23,19,6 prepared.ts | seg-window --force -m z.ts --overlap 0.5 --grid nnunet --mode nnunet --output logits >fifth.ts
	nii-crop --box 0,0,5,23,19,6 one.ts | ts-cmp --data-only -t prob --atol 1e-5 - fifth.ts
}

@test "nnUNetv2_ensemble: the mean of the probabilities of 2d and 3d_fullres on the scan's own grid" {
	for m in 3d z y; do
		predict $m.ts ' --argmax' >$m.prob
	done
	seg-argmax --mean prob 3d.prob z.prob y.prob >all.ts
	ts-cmp --data-only -t pred all.ts "$BATS_TEST_DIRNAME/golden/slices-all.ts"
	# not what the mean of the logits has
	seg-argmax 3d.prob z.prob y.prob >logits.ts
	if ts-cmp -q --data-only -t pred logits.ts all.ts; then return 1; fi
}
