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
	export NIIPIPE_PIPELINES=$ROOT/pipelines
	for j in 1 2; do
		"$NIIPIPE_PIPELINES"/segment.sh -j $j -d masks$j 3d.ts --ensemble z.ts --ensemble y.ts volume.nii.gz 2>said
		nii-read masks$j/volume.nii.gz | tail -c 5148 | cmp - <(tail -c 5148 "$BATS_TEST_DIRNAME/golden/slices-all.ts")
	done
	grep -qxF 'segment.sh: z.ts: predicts as its own program does: seg-window --overlap 0.5 --grid nnunet --mode nnunet --mirror xy --output logits | nii-invert' said
	"$NIIPIPE_PIPELINES"/segment.sh -d other --effort 1 3d.ts --ensemble z.ts -m z.ts volume.nii.gz 2>/dev/null
	nii-read other/volume.nii.gz | tail -c 5148 | cmp - <(for m in 3d z; do
		nii-read volume.nii.gz | nii-replay -m $m.ts | seg-window -m $m.ts --effort 1 --output logits | nii-invert >$m.one
	done; seg-argmax --mean prob 3d.one z.one | tail -c 5148)
	fails 2 "segment.sh: --join or --ensemble, not both (see segment.sh --help)" "$NIIPIPE_PIPELINES"/segment.sh 3d.ts --join z.ts --ensemble y.ts volume.nii.gz
	fails 2 "segment.sh: --labels and --map go with --join (see segment.sh --help)" "$NIIPIPE_PIPELINES"/segment.sh 3d.ts --ensemble y.ts --map 1=1 volume.nii.gz
	# its line makes it again, from files
	line=$(ts-info --history all.ts | sed -n 1p)
	[[ $line == *" | nii-invert | seg-argmax --mean prob - <(nii-read "*" <(nii-read "*")" ]]
	eval "$line" | ts-cmp - all.ts
	[ "$(ts-info --history all.ts | grep -c '^# .*\.ts$')" = 3 ]
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

@test "nnU-Net's 2d from a plan to a model: patches of one slice, its augmentation, its network" {
	nii-phantom -n 3 --seed 5 --size 40,36,12 --spacing 9,9,18 -o v.ts
	seg-plan v.ts --planner nnunet -o plan.json
	of="--plan plan.json --configuration 2d"
	# shellcheck disable=SC2086
	nii-normalize $of v.ts | nii-resample $of -o planned.ts
	# shellcheck disable=SC2086
	nii-patch $of -n 12 --seed 1 planned.ts >patches.ts
	ts-info patches.ts | grep -qxF '  image    F32  [1,1,40,40] 6400 bytes'
	# shellcheck disable=SC2086
	nii-augment --preset nnunet --seed 1 patches.ts | seg-train -q $of --recipe nnunet --batch 4 -o planned-model.ts
	ts-info planned-model.ts >info
	grep -qF '"conv_op":"torch.nn.modules.conv.Conv2d"' info
	grep -qxF '  roi      40,40,1' info
	grep -qF '"spacing":[9.0,9.0,0.0]' info
	nii-read volume.nii.gz | nii-replay -m planned-model.ts | seg-window -m planned-model.ts >/dev/null
	fails 1 "seg-train: standard input: phantom-0001 (patch 0): input of 40,40,8 voxels (x,y,z) does not fit the network, which is of two dimensions: it takes a slice, as 40,40,1" \
		seg-train -q --plan plan.json --configuration 2d < <(nii-patch -s 40,40,8 -n 1 --seed 1 planned.ts)
}

@test "a network of slices that is asked for by hand learns" {
	nii-phantom -n 12 --seed 9 --size 64,64,16 --spacing 6,6,12 --healthy 0 --volume 30,60 | nii-normalize --window=-1024,325 -o train.ts
	nii-phantom -n 3 --skip 12 --seed 9 --size 64,64,16 --spacing 6,6,12 --healthy 0 --volume 30,60 | nii-normalize --window=-1024,325 -o test.ts
	nii-patch -s 64,64,1 --pos 0.7 -n 1200 --seed 1 train.ts | nii-augment --flip x --seed 1 |
		seg-train -q --spatial-dims 2 --channels 8,16,32 --res-units 1 --batch 8 --lr 5e-3 --steps 150 -o learned.ts
	seg-window -m learned.ts --keep-image test.ts | seg-score | awk '$1 == "mean" { print; good = $3 > 0.15 } END { exit !good }'
}

@test "a network of slices along y, by hand" {
	nii-phantom -n 1 --seed 9 --size 24,24,24 --spacing 12 --healthy 0 -o small.ts
	nii-patch -s 16,1,24 -n 2 --seed 1 small.ts >slab.ts
	seg-train -q --spatial-dims 2 --channels 4,8 --strides 2x1 --steps 1 -o coronal.ts slab.ts
	ts-info coronal.ts | grep -qF '"slice_axis":"y","spatial_dims":2,"strides":[[1,2]]'
	seg-window --force -m coronal.ts small.ts >/dev/null
	fails 2 "seg-train: --plan says all of the network: --spatial-dims, --channels, --strides, --res-units and --kernel have no meaning with it (see seg-train --help)" \
		seg-train --plan "$ROOT/tests/golden/plan-full.json" --classes 2 --spatial-dims 2 slab.ts
}

# Their numbers are MONAI's: tests/unit/swin.c
swin='"_target_": "SwinUNETR", "spatial_dims": 2, "in_channels": 1, "out_channels": 2, "feature_size": 12, "depths": [1, 2, 1, 1], "num_heads": [1, 2, 3, 4]'
unetr='"_target_": "UNETR", "spatial_dims": 2, "out_channels": 2, "feature_size": 4, "hidden_size": 12, "mlp_dim": 16, "num_heads": 3'

@test "transformers of slices by name, and what does not fit them" {
	nii-phantom -n 1 --seed 9 --size 40,48,32 --spacing 12 --healthy 0 -o t.ts
	nii-patch -s 32,1,32 -n 1 --seed 1 -o coronal.ts t.ts
	for n in swinunetr unetr; do seg-train --net $n --spatial-dims 2 --summary coronal.ts >$n.table; done
	grep -qE '^swinViT.layers1.0.blocks.1.attn.attention +3 heads 1x7x7 shifted +1,16,16,48 ' swinunetr.table
	grep -qE '^swinViT.layers1.0.downsample.merge +merge 1x2x2 +1,8,8,192 ' swinunetr.table
	grep -qE '^vit.patch_embedding.patch_embeddings +conv 1x16x16 /1x16x16 +1,2,2,768 ' unetr.table
	# as many parameters as MONAI's
	[ "$(tail -qn 1 swinunetr.table unetr.table | grep -o '^total: [0-9]* parameters' | cut -d ' ' -f 2 | xargs)" = "25137980 87121858" ]
	nii-patch -s 40,32,1 -n 1 --seed 1 -o odd.ts t.ts
	fails 1 "seg-train: odd.ts: phantom-0001 (patch 0): input of 40,32,1 voxels (x,y,z) does not fit the network (layer swinViT.layers3.0.downsample.merge): it takes multiples of 32,32,1, as 64,32,1" \
		seg-train --arch "{$swin}" odd.ts
	fails 1 "seg-train: UNETR: img_size must be multiples of 16" seg-train --arch "{$unetr}" odd.ts
	fails 1 "seg-train: SwinUNETR: has a size of three numbers, and is of two dimensions" seg-train --arch "{$swin, \"window_size\": [7, 7, 7]}" odd.ts
}

# learns ARCH PATCHES: 4 batches of 2 at once with a thread, and 2 + 2 with two; then out and back
learns() {
	seg-train -q --arch "{$1}" --batch 2 --threads 1 -o whole.ts "$2"
	ts-select --index 0..3 "$2" | seg-train -q --arch "{$1}" --batch 2 --threads 2 -o part.ts
	ts-select --index 4..7 "$2" | seg-train -q --resume part.last.ts --threads 2 -o part.ts
	cmp whole.last.ts part.last.ts
	seg-export whole.ts -o out.safetensors
	seg-import -q out.safetensors | ts-cmp --data-only - whole.ts
	rm part.*
}

@test "SwinUNETR of slices: trained, taken up again, out and back; slices together and alone" {
	nii-phantom -n 1 --seed 9 --size 40,48,40 --spacing 12 --healthy 0 -o t.ts
	nii-patch -s 32,1,32 -n 8 --seed 1 -o eight.ts t.ts
	learns "$swin, \"drop_rate\": 0.1, \"attn_drop_rate\": 0.1, \"dropout_path_rate\": 0.2" eight.ts
	ts-info whole.ts | grep -qE 'layers2.0.blocks.1.attn.relative_position_bias_table +F32 +\[169,2\]'
	ts-info out.safetensors | grep -qE 'layers2.0.blocks.1.attn.relative_position_index +I64 +\[49,49\]'
	seg-window --force -m whole.ts --output logits t.ts >one.ts
	seg-window --force -m whole.ts --output logits --batch 5 t.ts | ts-cmp --data-only --atol 1e-5 - one.ts
	nii-crop --box 0,7,0,40,8,40 t.ts | seg-window --force -m whole.ts --output logits >seventh.ts
	nii-crop --box 0,7,0,40,8,40 one.ts | ts-cmp --data-only -t prob --atol 1e-5 - seventh.ts
	seg-export whole.ts -o net.onnx
	for op in Unsqueeze Squeeze GreaterOrEqual; do grep -aqF "$op" net.onnx; done
}

@test "UNETR of slices: its size is the first patch's, its axes turned and back" {
	nii-phantom -n 1 --seed 9 --size 40,48,40 --spacing 12 --healthy 0 -o t.ts
	nii-patch -s 48,1,32 -n 8 --seed 1 -o eight.ts t.ts
	learns "$unetr, \"dropout_rate\": 0.1" eight.ts
	small="$unetr, \"in_channels\": 1, \"proj_type\": \"perceptron\", \"slice_axis\": \"y\""
	learns "$small" eight.ts
	ts-info whole.ts >info
	grep -qE 'vit.patch_embedding.patch_embeddings.1.weight +F32 +\[12,256\]' info
	grep -qF '"img_size":[32,48]' info
	fails 1 "seg-window: roi: input of 32,1,32 voxels (x,y,z) does not fit the network (layer vit.patch_embedding.position_embeddings): it takes 48,1,32 alone" \
		seg-window --force -m whole.ts --roi 32,1,32 t.ts
	seg-window --force -m whole.ts t.ts >/dev/null
	seg-import -q --axes xyz --arch "{$small, \"img_size\": [32, 48]}" --roi 32,1,48 out.safetensors -o turned.ts
	ts-info turned.ts >info
	grep -qF '"img_size":[48,32]' info
	grep -qxF '  roi      32,1,48' info
	for t in position_embeddings patch_embeddings.1.weight; do
		run ts-cmp -q --data-only -t vit.patch_embedding.$t turned.ts whole.ts
		[ "$status" -eq 1 ]
	done
	seg-export turned.ts -o again.safetensors
	seg-import -q --axes xyz --arch "{$small, \"img_size\": [48, 32]}" --roi 48,1,32 again.safetensors | ts-cmp --data-only - whole.ts
}

@test "SwinUNETR of slices that was trained on arrays x,y" {
	of_fp32
	local more="$swin, \"window_size\": [3, 4]" meta='{"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"F32","shape":[1,2'
	perl -e 'binmode STDOUT; for $z (0..1) { for $y (0..63) { print pack "f<*", map { ($z * 7 + $y * 3 + $_ * $_) % 11 / 5 } 0..31 } }' >yx.raw
	perl -e 'binmode STDOUT; for $z (0..1) { for $x (0..31) { print pack "f<*", map { ($z * 7 + $_ * 3 + $x * $x) % 11 / 5 } 0..63 } }' >xy.raw
	{ raw_frame "$meta,64,32],\"data_offsets\":[0,16384]}}"; cat yx.raw; } >yx.ts
	{ raw_frame "$meta,32,64],\"data_offsets\":[0,16384]}}"; cat xy.raw; } >xy.ts
	nii-phantom -n 1 --seed 9 --size 40,80,20 --spacing 12 --healthy 0 | nii-patch -s 32,64,1 -n 1 --seed 1 | seg-train -q --arch "{$more}" -o swin.ts
	seg-export swin.ts -o swin.safetensors
	seg-import -q --axes xyz --arch "{$more}" swin.safetensors -o turned.ts
	ts-info turned.ts >info
	grep -qF '"axes":"xyz"' info
	grep -qF '"window_size":[4,3]' info
	seg-window --force -m swin.ts --roi 32,64,1 --output logits yx.ts | ts-select -t prob | tail -c 32768 >want
	seg-window --force -m turned.ts --roi 64,32,1 --output logits xy.ts | ts-select -t prob | tail -c 32768 >got
	perl -e 'local $/; for (@ARGV) { open F, "<:raw", $_; push @v, [unpack "f<*", <F>] }
		for $k (0..3) { for $y (0..63) { for $x (0..31) { $d = abs($v[0][($k * 64 + $y) * 32 + $x] - $v[1][($k * 32 + $x) * 64 + $y]); $m = $d if $d > $m } } }
		die "$m\n" if @{$v[0]} != 8192 || !($m < 1e-4)' want got
	seg-export turned.ts -o back.safetensors
	ts-cmp --data-only back.safetensors swin.safetensors
	seg-import -q back.safetensors | ts-cmp --meta --ignore-meta history - turned.ts
}

# NIIPIPE_PYTHON: one that has onnxruntime
@test "onnxruntime gives the logits of transformers of slices" {
	python=${NIIPIPE_PYTHON:-python3}
	"$python" -c 'import numpy, onnxruntime' 2>/dev/null || skip "no onnxruntime for $python"
	of_fp32
	nii-phantom -n 1 --seed 9 --size 40,1,72 --spacing 12 --healthy 0 -o t.ts
	nii-patch -s 32,1,64 -n 1 --seed 1 -o slice.ts t.ts
	for arch in "$swin" "$unetr" "$unetr, \"proj_type\": \"perceptron\""; do
		seg-train -q --arch "{$arch}" -o net.ts slice.ts
		seg-export net.ts -o net.onnx
		seg-window --force -m net.ts --roi 32,1,64 --output logits --keep-image slice.ts | "$python" "$ROOT/tests/golden/run_onnx.py" net.onnx /dev/stdin
	done
}

@test "nnU-Net's 2d as its plans were before 2.4; plans that do not agree with themselves" {
	cat >old.json <<-'END'
		{"dataset_name": "Dataset006_Lung", "transpose_forward": [0, 1, 2], "configurations": {"2d": {"patch_size": [16, 24], "spacing": [1.3, 0.7], "batch_size": 9,
		"batch_dice": true, "normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [false], "resampling_fn_data": "resample_data_or_seg_to_shape",
		"resampling_fn_data_kwargs": {"is_seg": false, "order": 3, "order_z": 0, "force_separate_z": null}, "UNet_class_name": "PlainConvUNet",
		"UNet_base_num_features": 4, "unet_max_num_features": 512, "n_conv_per_stage_encoder": [2, 2, 2], "n_conv_per_stage_decoder": [2, 2],
		"pool_op_kernel_sizes": [[1, 1], [2, 2], [2, 1]], "conv_kernel_sizes": [[3, 3], [3, 3], [3, 3]]}}}
	END
	nii-phantom -n 1 --seed 1 --size 24,16,4 --spacing 14 --healthy 0 | nii-patch -s 24,16,1 -n 1 >one.ts
	seg-train --plan old.json --configuration 2d --classes 2 --summary one.ts >summary
	grep -qE '^encoder.stages.2.0.convs.0.conv +conv 1x3x3 /1x2x1 ' summary
	wrong() { # PROGRAM MESSAGE
		perl -0pe "$1" old.json >wrong.json
		fails 1 "seg-train: wrong.json: configuration 2d: $2" seg-train --plan wrong.json --configuration 2d --classes 2 one.ts
	}
	wrong 's/\[1.3, 0.7\]/[3, 1.3, 0.7]/' "spacing has 3 numbers (expected 2)"
	wrong 's/\[1.3, 0.7\]/[1.3, 0]/' "spacing is not two numbers above 0"
	wrong 's/\[16, 24\]/[16]/' "patch_size has 1 numbers (expected 3)"
	wrong 's/"UNet_class_name": "PlainConvUNet"/"architecture": {"network_class_name": "PlainConvUNet", "arch_kwargs": {"conv_op": "torch.nn.Conv3d"}}/' \
		"has a patch_size of 2 numbers, and a network of 3 dimensions"
}

@test "training of slices goes on, and from other weights; activations may be made again" {
	nii-phantom -n 1 --seed 9 --size 24,24,24 --spacing 12 --healthy 0 -o small.ts
	nii-patch -s 16,16,1 -n 4 --seed 1 small.ts >four.ts
	net="--spatial-dims 2 --channels 4,8 --strides 2 --batch 2"
	# shellcheck disable=SC2086
	seg-train -q $net -o whole.ts four.ts
	# shellcheck disable=SC2086
	seg-train -q $net --recompute segments -o again.ts four.ts
	ts-cmp --data-only --atol 1e-6 again.ts whole.ts
	# shellcheck disable=SC2086
	ts-select --index 0,1 four.ts | seg-train -q $net -o half.ts
	ts-select --index 2,3 four.ts | seg-train -q --resume half.last.ts -o half.ts
	ts-cmp --data-only half.ts whole.ts
	seg-train -q --init whole.ts --classes 3 -o three.ts four.ts
	seg-window --force -m three.ts --output logits small.ts | ts-info | grep -qF 'prob     F32  [3,24,24,24]'
}
