#!/usr/bin/env bats
# The networks beside the UNet: each trains, goes on bit for bit, segments; their options by name and by JSON.
load helper

patches="nii-patch -s 16,16,8 --pos 0.5 --seed 1"
three="--channels 4,6,8 --strides 2,2x2x1"

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	nii-phantom -n 2 --seed 1 --size 32,32,16 --healthy 0 --volume 55,60 -o train.ts
	nii-phantom -n 1 --seed 9 --size 24,20,9 --healthy 0 --volume 55,60 -o scan.ts
}

setup() { cd "$BATS_TEST_TMPDIR" && ln -s "$BATS_FILE_TMPDIR"/*.ts .; }

differ() { ! cmp -s "$@"; }

# trains OPTIONS...: 4 batches of 2 at once with a thread, and 2 + 2 with two; the same bytes. Then it segments.
trains() {
	$patches -n 8 train.ts | seg-train "$@" --batch 2 --lr 1e-2 --threads 1 --log l.tsv -o whole.ts
	[ "$(wc -l <l.tsv)" -eq 5 ]
	$patches -n 4 train.ts | seg-train "$@" --batch 2 --lr 1e-2 --threads 2 -o part.ts
	$patches -n 8 --skip 4 train.ts | seg-train --resume part.last.ts --threads 2 -o part.ts
	cmp whole.ts part.ts
	cmp whole.last.ts part.last.ts
	seg-window -m whole.ts -o pred.ts scan.ts
	ts-info pred.ts | grep -q pred
}

@test "PlainConvUNet" {
	trains --net nnunet $three --res-units 1
}

@test "ResidualEncoderUNet" {
	trains --net resenc $three --res-units 1 --kernel 3x3x1
}

@test "DynUNet" {
	trains --net dynunet $three
}

@test "AttentionUnet" {
	trains --net attention-unet $three
}

@test "BasicUNet" {
	patches="nii-patch -s 16,16,16 --pos 0.5 --seed 1"
	trains --arch '{"_target_": "monai.networks.nets.BasicUNet", "features": [2, 3, 4, 4, 6, 4], "norm": ["GROUP", {"num_groups": 1}], "dropout": 0.1}'
	rm -f part.ts part.last.ts
	trains --precision bf16 --arch '{"_target_": "BasicUNet", "features": 4, "norm": "BATCH", "act": "RELU"}'
}

@test "BasicUNet at odd sizes, as patches and as windows; not below 16" {
	patches="nii-patch -s 17,19,16 --pos 0.5 --seed 1"
	trains --arch '{"_target_": "BasicUNet", "features": [2, 3, 4, 4, 6, 4], "norm": ["GROUP", {"num_groups": 1}]}'
	seg-window -m whole.ts --roi 18,17,23 -o pred.ts scan.ts
	nii-phantom -n 1 --seed 9 --size 23,20,17 -o whole-scan.ts
	seg-window -m whole.ts --roi 0,0,0 -o one.ts whole-scan.ts # the scan as it is
	seg-window -m whole.ts --roi 23,20,17 whole-scan.ts | ts-cmp -q - one.ts
	fails 1 "seg-window: roi: input of 15,31,17 voxels (x,y,z) does not fit the network (layer down_4.max_pooling): it takes 16,16,16 and larger, as 16,31,17" \
		seg-window -m whole.ts --roi 15,31,17 -o pred.ts scan.ts
}

# It has 45.6 million weights whatever is asked for: one step.
@test "VNet: trains, comes back from MONAI's names, segments; its weights with the same recomputation" {
	nii-patch -s 16,16,32 --pos 0.5 --seed 1 -n 2 train.ts >two.ts
	seg-train --net vnet --batch 2 --lr 1e-3 -o vnet.ts two.ts
	rm vnet.last.ts
	ts-info vnet.ts | grep -q '^  up_tr128.ops.1.conv_block.adn.N.running_var  *F32'
	seg-export vnet.ts -o vnet.safetensors
	seg-import --arch '{"_target_": "monai.networks.nets.VNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 2}' vnet.safetensors | ts-cmp -q --data-only - vnet.ts
	seg-export --format onnx vnet.ts | grep -aq Elu
	seg-window -m vnet.ts -o pred.ts scan.ts
	ts-info pred.ts | grep -q pred
	seg-train --net vnet --batch 2 --lr 1e-3 --recompute segments -o again.ts two.ts
	ts-cmp -q --data-only again.ts vnet.ts
	rm vnet.* again.*
}

@test "SegResNet" {
	trains --arch '{"_target_": "monai.networks.nets.SegResNet", "init_filters": 4, "norm": ["GROUP", {"num_groups": 2}], "blocks_down": [1, 1], "blocks_up": [1], "dropout_prob": 0.2}'
}

@test "SegResNetDS, with deep supervision and voxels that are no cubes" {
	trains --arch '{"_target_": "monai.networks.nets.SegResNetDS", "init_filters": 4, "norm": "INSTANCE", "blocks_down": [1, 1, 1], "dsdepth": 2, "resolution": [2.5, 1, 1]}'
	ts-info whole.ts | grep -q 'encoder.conv_init.weight *F32 *\[4,1,1,3,3\]'
	ts-info whole.ts | grep -q 'up_layers.0.head.weight'
	rm -f part.ts part.last.ts
	trains --precision bf16 --arch '{"_target_": "SegResNetDS", "init_filters": 4, "blocks_down": [1, 1, 1], "dsdepth": 2, "upsample_mode": "nontrainable"}'
	small='"_target_": "SegResNetDS", "init_filters": 4, "in_channels": 1, "blocks_down": [1, 1, 1]'
	seg-import --axes xyz --arch "{$small, \"dsdepth\": 2, \"upsample_mode\": \"nontrainable\", \"resolution\": [1, 1, 1.5]}" whole.ts -o turned.ts
	ts-info --json turned.ts | grep -qF '\"resolution\":[1.5,1,1]'
}

@test "SegResNet without its last layers: the first one's channels come out; in a file of MONAI's these are there all the same" {
	local a='"_target_": "SegResNet", "init_filters": 3, "norm": "INSTANCE", "act": "PRELU", "blocks_down": [1, 1], "blocks_up": [1]'
	trains --arch "{$a, \"out_channels\": 7, \"use_conv_final\": false}"
	ts-info whole.ts >said
	[ "$(grep -c "conv_final\\." said)" -eq 0 ]
	[ "$(seg-window -m whole.ts --output logits scan.ts | ts-info --json | grep -o '"name":"prob","dtype":"F32","shape":.3,')" ]
	$patches -n 2 train.ts | seg-train --arch "{$a}" -o with.ts
	seg-export with.ts -o with.safetensors
	seg-import --arch "{$a, \"use_conv_final\": false}" with.safetensors -o bare.ts 2>said
	[ "$(cat said)" = "seg-import: with.safetensors: tensors left out, of layers that are not used: 4" ]
	seg-export bare.ts -o bare.safetensors
	names() { ts-info "$1" | grep -oE '^  [a-z][^ ]*\.[^ ]+ +F32 .*bytes'; }
	diff <(names with.safetensors) <(names bare.safetensors) # load_state_dict(strict=True) wants them all
	seg-import -q bare.safetensors | ts-cmp --data-only - bare.ts
}

@test "SwinUNETR" {
	nii-phantom -n 1 --seed 1 --size 32,32,32 --healthy 0 --volume 55,60 -o train.ts.32
	local patches="nii-patch -s 32,32,32 --pos 0.5 --seed 1" v=train.ts.32
	arch='{"_target_": "SwinUNETR", "out_channels": 2, "feature_size": 12, "depths": [1, 1, 1, 2], "num_heads": [1, 2, 3, 4]}'
	$patches -n 4 $v | seg-train --arch "$arch" --batch 2 --threads 1 -o whole.ts
	$patches -n 2 $v | seg-train --arch "$arch" --batch 2 --threads 2 -o part.ts
	$patches -n 4 --skip 2 $v | seg-train --resume part.last.ts --threads 2 -o part.ts
	cmp whole.last.ts part.last.ts
	ts-info whole.ts | grep -q 'swinViT.layers4.0.blocks.1.attn.relative_position_bias_table *F32 *\[2197,4\]'
	seg-window -m whole.ts -o pred.ts scan.ts
	for rates in '"drop_rate": 0.2' '"attn_drop_rate": 0.3' '"dropout_path_rate": 0.5'; do
		for f in a b; do $patches -n 2 $v | seg-train --arch "${arch/\}/, $rates\}}" --batch 2 -o $f.ts; done
		cmp a.ts b.ts
		$patches -n 2 $v | seg-train --arch "$arch" --batch 2 -o c.ts
		differ a.ts c.ts
		seg-window -m a.ts -o pred.ts scan.ts
	done
	fails 1 "seg-train: SwinUNETR: attn_drop_rate must be a number from 0 to below 1" seg-train --arch '{"_target_": "SwinUNETR", "out_channels": 2, "attn_drop_rate": 1}' -o m.ts <($patches -n 1 $v)
	fails 1 "seg-train: SwinUNETR: feature_size must be a multiple of 12" seg-train --arch '{"_target_": "SwinUNETR", "out_channels": 2, "feature_size": 16}' -o m.ts <($patches -n 1 $v)
	fails 1 "seg-train: SwinUNETR: num_heads: 5 does not divide the 12 channels of stage 1" seg-train -o m.ts <($patches -n 1 $v) \
		--arch '{"_target_": "SwinUNETR", "out_channels": 2, "feature_size": 12, "num_heads": [5, 2, 3, 4]}'
	fails 1 'seg-train: SwinUNETR: downsample must be "merging", "mergingv2" or "merging_1.4"' seg-train -o m.ts <($patches -n 1 $v) \
		--arch '{"_target_": "SwinUNETR", "out_channels": 2, "downsample": "pool"}'
}

@test "UNETR: its size is the first patch's, others are refused; what MONAI saves and does not use; x,y,z arrays' patches turned, and back" {
	patches="nii-patch -s 32,32,16 --pos 0.5 --seed 1"
	small='"_target_": "UNETR", "out_channels": 2, "feature_size": 4, "hidden_size": 12, "mlp_dim": 16, "num_heads": 3'
	trains --arch "{$small, \"dropout_rate\": 0.1}"
	ts-info whole.ts | grep -q 'vit.patch_embedding.position_embeddings *F32 *\[1,4,12\]'
	ts-info --json whole.ts | grep -qF '\"img_size\":[16,32,32]'
	fails 1 "seg-window: roi: input of 32,16,16 voxels (x,y,z) does not fit the network (layer vit.patch_embedding.position_embeddings): it takes 32,32,16 alone" \
		seg-window -m whole.ts --roi 32,16,16 scan.ts
	rm -f part.ts part.last.ts
	small="$small, \"in_channels\": 1, \"proj_type\": \"perceptron\", \"conv_block\": false"
	trains --precision bf16 --arch "{$small}"
	seg-export whole.ts -o all.safetensors
	grep -aqF vit.blocks.11.norm_cross_attn.bias all.safetensors
	seg-import all.safetensors 2>said | ts-cmp --data-only - whole.ts
	[ "$(cat said)" = "seg-import: all.safetensors: tensors left out, of layers that are not used: 24" ]
	LC_ALL=C sed 's/"roi"/"was"/' all.safetensors >bare.safetensors # its windows are its own size then
	seg-import -q bare.safetensors | ts-info | grep -qE '^  roi +32,32,16$'
	seg-import --axes xyz --arch "{$small, \"img_size\": [16, 32, 32]}" --roi 16,32,32 whole.ts -o turned.ts
	ts-info --json turned.ts | grep -qF '\"img_size\":[32,32,16]'
	for t in position_embeddings patch_embeddings.1.weight; do
		run ts-cmp -q --data-only -t vit.patch_embedding.$t turned.ts whole.ts
		[ "$status" -eq 1 ]
	done
	seg-import --axes xyz --arch "{$small, \"img_size\": [32, 32, 16]}" --roi 32,32,16 turned.ts | ts-cmp --data-only - whole.ts
}

@test "SwinUNETR with all that is random, averaged, gathered and scheduled, broken off within a step and after one, goes on bit for bit" {
	nii-phantom -n 1 --seed 1 --size 32,32,32 --healthy 0 --volume 55,60 -o v.ts
	nii-patch -s 32,32,32 --pos 0.5 --seed 1 -n 9 v.ts >p.ts
	arch='{"_target_": "SwinUNETR", "out_channels": 2, "feature_size": 12, "depths": [1, 1, 1, 2], "num_heads": [1, 2, 3, 4], "drop_rate": 0.1, "attn_drop_rate": 0.1, "dropout_path_rate": 0.3}'
	all="--accumulate 2 --ema 0.6 --schedule warmup-cosine --warmup 2 --clip 1 --no-decay --steps 5"
	# shellcheck disable=SC2086
	seg-train --arch "$arch" $all --threads 1 --log w.tsv -o w.ts p.ts
	# shellcheck disable=SC2086
	run seg-train --arch "$arch" $all --threads 2 --log r.tsv -o r.ts <(ts-select --index 0..2 p.ts; head -c 99 p.ts)
	[ "$status" -eq 1 ]
	run seg-train --resume r.last.ts --threads 1 --log r.tsv -o r.ts <(ts-select --index 2..5 p.ts; head -c 99 p.ts)
	[ "$status" -eq 1 ]
	seg-train --resume r.last.ts --threads 2 --log r.tsv -o r.ts <(ts-select --index 6..8 p.ts)
	cmp r.last.ts w.last.ts
	cmp r.ts w.ts
	diff <(cut -f 1-7 r.tsv) <(cut -f 1-7 w.tsv)
}

@test "dropout, batch normalisation and other activations, from a file" {
	echo '{"_target_": "UNet", "out_channels": 2, "channels": [4, 8], "strides": [2], "num_res_units": 1, "norm": "BATCH", "act": "MISH", "dropout": 0.3}' >net.json
	trains --arch net.json
	ts-info whole.ts | grep -q running_var
}

@test "dropout: the same bytes again, and others than without" {
	arch='{"_target_": "UNet", "out_channels": 2, "channels": [4, 8], "strides": [2], "dropout": 0.5}'
	for f in a b; do $patches -n 2 train.ts | seg-train --arch "$arch" -o $f.ts; done
	cmp a.ts b.ts
	$patches -n 2 train.ts | seg-train --arch "${arch/0.5/0}" -o c.ts
	differ a.ts c.ts
}

@test "softmax, local response and alpha dropout, from a file" {
	echo '{"_target_": "UNet", "out_channels": 2, "channels": [4, 8], "strides": [2], "num_res_units": 1, "norm": ["LOCALRESPONSE", {"size": 3}], "act": "SOFTMAX", "dropout": ["ALPHADROPOUT", {"p": 0.3}]}' >net.json
	trains --arch net.json
	$patches -n 8 train.ts | seg-train --arch <(sed 's/ALPHADROPOUT/DROPOUT/' net.json) --batch 2 --lr 1e-2 -o plain.ts
	differ whole.last.ts plain.last.ts
}

@test "--summary names every activation and normalisation" {
	$patches -n 1 train.ts >p.ts
	for act in relu leakyrelu prelu elu gelu swish mish sigmoid tanh relu6 selu celu softmax logsoftmax; do
		seg-train --arch "{\"_target_\": \"UNet\", \"out_channels\": 2, \"channels\": [4, 8], \"strides\": [2], \"norm\": null, \"act\": \"$act\"}" --summary p.ts |
			sed -nE 's/^model\.0\.adn\.A +(\S+( \S+)*)  .*/\1/p' >>acts
	done
	[ "$(cat acts | xargs)" = "relu lrelu prelu elu gelu swish mish sigmoid tanh relu6 selu celu softmax log softmax" ]
}

@test "--summary of every network" {
	nii-phantom -n 1 --size 32,32,32 --seed 1 -o cube.ts
	for n in unet basic-unet nnunet resenc dynunet segresnet segresnet-ds attention-unet swinunetr unetr vnet; do
		nii-patch -s 32,32,32 -n 1 --seed 1 cube.ts | seg-train --net $n --summary | tail -n 1 >>totals
	done
	[ "$(grep -o '^total: [0-9]* parameters' totals | cut -d ' ' -f 2 | xargs)" = "4806481 5749410 31195594 102349770 31189410 4700914 87164200 5909130 62186708 92624098 45597898" ]
}

@test "what is refused" {
	says() { # says STATUS TEXT OPTIONS...: what seg-train says of patches
		local want=$1 text=$2
		shift 2
		$patches -n 1 train.ts >p.ts
		run seg-train "$@" -o m.ts p.ts
		[ "$status" -eq "$want" ]
		[ "${lines[0]}" = "$text" ] || { echo "$output"; return 1; }
		[ ! -e m.ts ]
	}
	says 2 "seg-train: --arch says all of the network: --net, --spatial-dims, --channels, --strides, --res-units, --kernel and --classes have no meaning with it (see seg-train --help)" --arch x.json --net unet
	says 1 "seg-train: x.json: cannot open: No such file or directory" --arch x.json
	says 1 "seg-train: JSON: line 1: string or '}' expected near end of file" --arch '{'
	says 1 "seg-train: the network segresnet has no channels to choose" --net segresnet --channels 8,16
	says 1 "seg-train: the network dynunet has no residual units to choose" --net dynunet --res-units 2
	says 1 "seg-train: SegResNet: blocks_up must have 3 entries, one fewer than blocks_down" --arch '{"_target_": "SegResNet", "blocks_up": [1]}'
	says 1 "seg-train: 1 strides for 3 levels of channels: one fewer is wanted" --net nnunet --channels 4,8,8 --strides 2
}

# Every network in bf16: the same bytes with one thread and two, and when it goes on without a word about it; the checkpoint is F32.
@test "bf16: every network" {
	for net in "unet $three" "nnunet $three --res-units 1" "attention-unet $three"; do
		trains --precision bf16 --net $net
		rm -f part.ts part.last.ts
	done
	ts-info whole.last.ts | grep -q 'exp_avg *F32'
	[ "$(ts-info whole.last.ts | grep -c BF16)" -eq 0 ]
	trains --precision bf16 --arch '{"_target_": "SegResNet", "init_filters": 4, "norm": ["GROUP", {"num_groups": 2}], "blocks_down": [1, 1], "blocks_up": [1], "dropout_prob": 0.2}'
}

@test "bf16: the loss follows fp32's, --verbose names it, activations take half the memory, and logits are near" {
	for p in fp32 bf16; do
		$patches -n 40 train.ts | seg-train -v --precision $p --channels 16,32,64 --strides 2,2 --lr 1e-3 --log $p.tsv -o $p.ts 2>$p.err
		grep -q ", $p, .* threads" $p.err
		grep -qE '^seg-train: [0-9.]+ patches/s, [0-9.]+ % of the time spent waiting for patches$' $p.err
		seg-window --precision $p -v -m fp32.ts --output logits -o $p.logits.ts scan.ts 2>$p.window
		grep -q ", $p, .* threads" $p.window
	done
	paste fp32.tsv bf16.tsv | awk -F '\t' 'NR == 1 { for (i = 1; i <= NF / 2; i++) if ($i == "loss") at = i; half = NF / 2; next }
		{ d = $(at) - $(at + half); d = d < 0 ? -d : d; if (d > 0.02 * $(at)) bad = 1; if (d > 0) differ = 1 }
		END { exit !at || bad || !differ || NR != 41 }'
	nii-phantom -n 1 --seed 1 --size 96,96,64 | nii-patch -s 96,96,64 -n 1 >large.ts
	mb() { seg-train --precision $1 --summary large.ts | sed -n 's/.* arena \([0-9.]*\) MB.*/\1/p'; }
	awk -v a="$(mb fp32)" -v b="$(mb bf16)" 'BEGIN { exit !(b > 0 && b < 0.6 * a) }'
	differ fp32.logits.ts bf16.logits.ts
	ts-cmp -t prob --atol 0.15 --rtol 0.03 fp32.logits.ts bf16.logits.ts
	ts-info bf16.logits.ts | grep -q '"precision":"bf16"'
}
