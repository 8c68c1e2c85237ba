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

@test "a MONAI bundle whose SliceInferer goes along y does what MONAI does, from file to labels" {
	golden="$BATS_TEST_DIRNAME/golden/slice-bundle"
	seg-import -q "$golden" -o bundle.ts
	nii-read volume.nii.gz | nii-replay -m bundle.ts >prepared.ts
	ts-cmp --data-only -t image --atol 1e-5 prepared.ts <(ts-select --index 0 "$golden.ts")
	seg-window -m bundle.ts --overlap 0.5 --mode constant --output logits prepared.ts | ts-cmp --data-only -t prob --atol 1e-5 - <(ts-select --index 0 "$golden.ts")
	seg-window -m bundle.ts --overlap 0.5 --mode constant --output prob prepared.ts | nii-invert --argmax |
		ts-cmp --data-only -t pred - <(ts-select --index 1 "$golden.ts")
	ts-info bundle.ts | grep -qxF '  roi      12,1,8'
	# its weights, and back: as Conv2d has them, but on arrays z,y,x
	seg-export bundle.ts -o b.safetensors
	seg-import -q b.safetensors | ts-cmp --data-only - bundle.ts
	seg-import -q "$golden/models/model.pt" --axes xyz --arch '{"_target_": "UNet", "spatial_dims": 2, "in_channels": 1, "out_channels": 3, "channels": [4, 6, 8],
		"strides": [2, [2, 1]], "kernel_size": [5, 3], "num_res_units": 1, "norm": "batch", "slice_axis": "y"}' | ts-cmp --data-only - bundle.ts
}

@test "bundles of two dimensions whose windows are other, or wrong" {
	changed() { # PROGRAM: what perl makes of the bundle's configuration
		rm -rf b
		cp -r "$BATS_TEST_DIRNAME/golden/slice-bundle" b
		perl -0pi -e "$1" b/configs/inference.json
	}
	changed 's/"SliceInferer",/"SlidingWindowInferer",/; s/"spatial_dim": 1,//'
	seg-import -q b | ts-info >info
	grep -qxF '  roi      12,8,1' info
	if grep -qF slice_axis info; then return 1; fi
	changed 's/"spatial_dim": 1,//; s/(roi_size": )\[\s*12,\s*8/$1\[-1, 8/'
	seg-import -q b | ts-info | grep -qF -- '  predict  seg-window --roi 1,0,8 '
	changed 's/"spatial_dim": 1/"spatial_dim": 3/'
	fails 1 "seg-import: b/configs/inference.json: inferer: spatial_dim is not 0, 1 or 2" seg-import b
	changed 's/(roi_size": )\[\s*12,\s*8/$1\[12, 8, 8/'
	fails 1 "seg-import: b/configs/inference.json: inferer: roi_size is not one or two numbers of voxels" seg-import b
	changed 's/"spatial_dims": 2/"spatial_dims": 3/'
	fails 1 "seg-import: b/configs/inference.json: inferer: SliceInferer is of networks of two dimensions" seg-import b
	fails 1 "seg-import: roi: input of 12,8,8 voxels (x,y,z) does not fit the network, which is of two dimensions: it takes a slice, as 12,8,1" \
		seg-import -q z --roi 12,8,8
}

@test "as ONNX a network of two dimensions is one of two" {
	export LC_ALL=C
	seg-export z.ts -o z.onnx
	seg-export 3d.ts -o 3d.onnx
	# names of the axes: no depth
	for axis in n h w; do grep -aqP "\x12\x01$axis" z.onnx; done
	grep -aqP '\x12\x01d' 3d.onnx
	if grep -aqP '\x12\x01d' z.onnx; then return 1; fi
}
