#!/usr/bin/env bats
# seg-export: what comes out is what went in, in the form of others (tests/golden/check_export.py asks onnxruntime and MONAI), and what it refuses.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	for n in plain aniso affine; do cp "$BATS_TEST_DIRNAME/golden/unet-$n.ts" .; done
	"$BATS_TEST_DIRNAME/../build/bin/ts-select" --index 0 unet-plain.ts >plain.ts
}
setup() { cd "$BATS_FILE_TMPDIR" || return 1; }

@test "safetensors: the weights under their names, one frame, and back" {
	seg-export unet-plain.ts -o plain.safetensors
	ts-cmp --data-only plain.safetensors plain.ts
	grep -aqF '"format":"pt"' plain.safetensors
	seg-import plain.safetensors | ts-cmp --data-only - plain.ts
	seg-export --format safetensors unet-plain.ts | cmp - plain.safetensors
	seg-import plain.safetensors | seg-export --format safetensors /dev/stdin | ts-cmp --data-only - plain.safetensors
}

@test "where it comes from goes along: the model's history, this step, the model's hash" {
	nii-phantom -n 1 --seed 1 --size 32,32,32 --healthy 0 -o v.ts
	nii-patch -s 32,32,32 -n 1 v.ts | seg-train --net unet --channels 4,8 --strides 2 -o trained.ts
	seg-export trained.ts -o trained.safetensors
	ts-info --history trained.safetensors >said
	made=$(ts-info --history trained.ts | head -n 1)
	[ "$(head -n 1 said)" = "$made | seg-export --format safetensors -" ]
	! command -v xxh64sum >/dev/null || sed -n '/patches/d; s/^# //p' said | xxh64sum -c --quiet
	[ "$(grep -c '^# .*  trained.ts$' said)" = 1 ]
	seg-export trained.ts -o trained.onnx
	grep -aqF "$made | seg-export --format onnx -" trained.onnx
	grep -axqE '# [0-9a-f]{16}  trained.ts' trained.onnx
	grep -axqE '## niipipe [0-9.]+.*' trained.onnx
	seg-export unet-plain.ts -o none.safetensors # a model without a history
	ts-info --history none.safetensors | grep -xF 'seg-export --format safetensors unet-plain.ts'
}

@test "onnx: by suffix and by --format, the same bytes whatever the number of threads" {
	seg-export unet-affine.ts -o affine.onnx
	seg-export --format onnx --threads 3 unet-affine.ts | cmp - affine.onnx
	# ir_version 8, producer, its version, opset 17 of the default domain
	v=$(sed -n 's/.*NIIPIPE_VERSION "\(.*\)".*/\1/p' "$ROOT/lib/base/version.h")
	cmp -n 24 affine.onnx <(printf '\010\010\022\007niipipe\032\005%s\102\004\012\000\020\021' "$v")
	seg-export --format onnx unet-plain.ts | grep -aqF ConvTranspose
}

@test "onnx: attention, and normalisation by the batch" {
	nii-phantom -n 1 --seed 1 --size 32,32,32 --healthy 0 -o v.ts
	nii-patch -s 32,32,32 -n 1 v.ts | seg-train --arch '{"_target_": "SwinUNETR", "out_channels": 2, "feature_size": 12, "depths": [1, 1, 1, 2], "num_heads": [1, 2, 3, 4]}' -o swin.ts
	seg-export swin.ts -o swin.onnx
	for op in LayerNormalization Softmax Range GreaterOrEqual; do grep -aqF "$op" swin.onnx; done
	seg-export --format onnx --threads 3 swin.ts | cmp - swin.onnx
	seg-export --format onnx "$BATS_TEST_DIRNAME/golden/arch-unet-swish.ts" | grep -aqF ReduceMean
}

# NIIPIPE_PYTHON: one that has onnxruntime
@test "onnxruntime gives the logits that MONAI and nnU-Net gave, and seg-window's" {
	python=${NIIPIPE_PYTHON:-python3}
	"$python" -c 'import numpy, onnxruntime' 2>/dev/null || skip "no onnxruntime for $python"
	for golden in "$ROOT"/tests/golden/{unet,arch}-*.ts; do
		seg-export "$golden" -o net.onnx
		"$python" "$ROOT/tests/golden/run_onnx.py" net.onnx "$golden" || { echo "$golden"; return 1; }
	done
	nii-phantom -n 1 --seed 2 --size 64,32,32 --healthy 0 | nii-normalize --window=-1024,325 -o v.ts
	nii-patch -s 64,32,32 -n 1 v.ts | seg-train --arch '{"_target_": "SwinUNETR", "out_channels": 2, "feature_size": 12, "depths": [1, 2, 1, 1], "num_heads": [1, 2, 3, 4], "use_v2": true}' -o swin.ts
	seg-export swin.ts -o swin.onnx
	seg-window --force --precision fp32 -m swin.ts --roi 64,32,32 --output logits v.ts -o logits.ts
	"$python" "$ROOT/tests/golden/run_onnx.py" swin.onnx v.ts logits.ts
	# and it does tell one network from another
	run "$python" "$ROOT/tests/golden/run_onnx.py" net.onnx "$ROOT/tests/golden/unet-res1.ts"
	[ "$status" -eq 1 ]
}

@test "what PyTorch has by several names is written by all of them, and left out again" {
	for n in dynunet-deep resenc plain-first segresnet unet-batch attention segresnetds; do
		ts-select --index 0 "$BATS_TEST_DIRNAME/golden/arch-$n.ts" >model.ts
		seg-export model.ts -o all.safetensors
		seg-import all.safetensors 2>"said-$n" | ts-cmp --data-only - model.ts
	done
	[ "$(cat said-dynunet-deep)" = "seg-import: all.safetensors: tensors left out, as they repeat others bit for bit: 71" ]
	[ "$(cat said-segresnet)" = "seg-import: all.safetensors: tensors left out, as they repeat others bit for bit: 1" ]
	[ ! -s said-unet-batch ]
	[ ! -s said-segresnetds ]
	seg-export "$BATS_TEST_DIRNAME/golden/arch-unet-batch.ts" --format safetensors | grep -aqF 'num_batches_tracked":{"dtype":"I64","shape":[]'
}

@test "roi, replay and arch go along" {
	seg-import --roi 16,12,8 --replay '[{"tool":"nii-normalize","args":{"range":[-1024,325,0,1],"clip":true}}]' plain.ts -o m.ts
	seg-export m.ts -o m.safetensors
	seg-import m.safetensors | ts-cmp --meta --ignore-meta history - m.ts
	seg-export --format onnx m.ts | grep -aqF '16,12,8'
	seg-export --format onnx m.ts | grep -aqF 'nii-normalize'
}

@test "what it refuses" {
	fails 2 "seg-export: no format: give --format, or -o FILE.safetensors or FILE.onnx (see seg-export --help)" seg-export plain.ts
	fails 2 "seg-export: no format: give --format, or -o FILE.safetensors or FILE.onnx (see seg-export --help)" seg-export plain.ts -o plain.pt
	fails 2 "seg-export: MODEL wanted (see seg-export --help)" seg-export --format onnx
	fails 1 "seg-export: nosuch.ts: cannot open: No such file or directory" seg-export --format onnx nosuch.ts
	ts-select --index 1 unet-plain.ts >patch.ts
	fails 1 "seg-export: patch.ts: does not say what network it is of: it has no metadata arch (seg-import --arch says it)" seg-export --format onnx patch.ts
	head -c 20000 plain.ts >cut.ts
	run seg-export cut.ts -o left.onnx
	[ "$status" -eq 1 ]
	[[ $output == "seg-export: cut.ts: ends inside a frame's data (offset 20000, "* ]]
	[ ! -e left.onnx ]
	run bash -c 'seg-export --format onnx plain.ts >/dev/full'
	[ "$status" -eq 1 ]
	[[ $output == "seg-export: standard output: cannot write (offset "*"): No space left on device" ]]
}
