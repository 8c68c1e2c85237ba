#!/usr/bin/env bats
# The CUDA backend where there is no GPU: it builds, it says what is missing; and its kernels' texts, compiled by gcc over memory that only they and
# copies reach (tests/sim), do what the CPU's do. What only a GPU can show is in tests/gpu.sh.
load helper

setup_file() {
	export SIM=$BATS_FILE_TMPDIR
	$BIN/nii-phantom -q -n 2 -s 40,40,24 --seed 3 --healthy 0 | $BIN/nii-normalize --window=-1024,325 >"$SIM/t.ts"
	$BIN/nii-patch -q -s 24,24,16 --pos 0.5 -n 4 --seed 1 "$SIM/t.ts" >"$SIM/p.ts"
}

setup() { cd "$BATS_TEST_TMPDIR" || return; }

# Train on both devices, from the same patches: net, options
both() {
	local net=$1
	shift
	seg-train -q --device cpu --precision fp32 --net "$net" --loss dicece "$@" -o cpu.ts <"$SIM/p.ts"
	NIIPIPE_BACKENDS=$ROOT/build/sim seg-train -q --device cuda --precision fp32 --net "$net" --loss dicece "$@" -o cuda.ts <"$SIM/p.ts"
}

no_gpu() {
	! ls /dev/nvidia0 >/dev/null 2>&1 || skip "there is a GPU here"
	[ -e "$BIN/niipipe-cuda.so" ] || skip "no nvcc here: niipipe-cuda.so was not built"
}

@test "--device cuda where there is no device: one line, exit 1" {
	no_gpu
	run seg-train -q --device cuda --net unet -o m.ts <"$SIM/p.ts"
	[ "$status" -eq 1 ]
	[[ "$output" == "seg-train: cuda: there is no NVIDIA driver here" || "$output" == "seg-train: cuda: "*"CUDA"* ]]
	[ ! -e m.ts ]
}

@test "auto takes the CPU then, and says so with -v" {
	no_gpu
	run seg-train -v --net unet --channels 4,8 --strides 2 --res-units 0 -o m.ts <"$SIM/p.ts"
	[ "$status" -eq 0 ]
	[[ "$output" == *"seg-train: cuda: there is no NVIDIA driver here"*"threads, oneDNN"* || "$output" == *"cuda: "*"oneDNN"* ]]
}

@test "a device that is not there, names that are none" {
	run env NIIPIPE_BACKENDS="$ROOT/build/sim" seg-train -q --device cuda:3 --net unet -o m.ts <"$SIM/p.ts"
	[ "$status" -eq 1 ]
	[ "$output" = "seg-train: cuda: there is no device 3 (1 here, from 0)" ]
	run seg-train -q --device cuda:x --net unet -o m.ts <"$SIM/p.ts"
	[ "$status" -eq 1 ]
	[[ "$output" == "seg-train: device cuda:x: "* ]]
}

@test "the backend loads with every symbol it needs" {
	[ -e "$BIN/niipipe-cuda.so" ] || skip "no nvcc here: niipipe-cuda.so was not built"
	run ldd -r "$BIN/niipipe-cuda.so"
	[[ "$output" != *"undefined symbol"* && "$output" != *"not found"* ]]
}

# A unit test on the device, in the repository: it reads tests/golden
for_unit() {
	(cd "$ROOT" && SIM_WALL=0 TEST_DEVICE=cuda BIN=$ROOT/build/sim NIIPIPE_BACKENDS=$ROOT/build/sim "build/test/$1") >out ||
		{ grep '^not ok' out >&2; return 1; }
}

@test "kernels in a GPU's place: all of them against tests/ref" { for_unit kernels; }
@test "losses in a GPU's place" { for_unit loss; }
@test "attention in a GPU's place" { for_unit attention; }
@test "changes of resolution in a GPU's place" { for_unit scale; }
@test "sliding windows in a GPU's place" { for_unit window; }
@test "networks in a GPU's place: MONAI's logits and gradients" { for_unit net; }

@test "a UNet trained behind the wall: the CPU's weights" {
	both unet --channels 4,8,16 --strides 2,2 --res-units 1 --lr 1e-3
	ts-cmp -q --atol 1e-4 --rtol 1e-3 cpu.ts cuda.ts
}

@test "nnU-Net's network, SGD, clip, EMA, deep supervision" {
	both nnunet --channels 4,8,16 --strides 2,2 --optimizer sgd --lr 1e-3 --clip 12 --ema 0.9
	ts-cmp -q --atol 1e-4 --rtol 1e-3 cpu.ts cuda.ts
}

@test "bf16 behind the wall: fp32 weights, near" {
	NIIPIPE_BACKENDS=$ROOT/build/sim seg-train -q --device cuda --net unet --channels 4,8,16 --strides 2,2 --res-units 1 --lr 1e-3 -o half.ts <"$SIM/p.ts"
	both unet --channels 4,8,16 --strides 2,2 --res-units 1 --lr 1e-3
	ts-cmp -q --atol 1e-2 cpu.ts half.ts
	[[ "$(ts-info --json half.ts)" != *BF16* ]]
}

@test "seg-window behind the wall: the CPU's masks and probabilities" {
	seg-train -q --device cpu --precision fp32 --net unet --channels 4,8,16 --strides 2,2 --res-units 1 --lr 1e-3 -o m.ts <"$SIM/p.ts"
	for o in "--overlap 0.5" "--overlap 0.5 --mirror xy --mean prob" "--effort 3" "--output prob --batch 2"; do
		# shellcheck disable=SC2086
		seg-window -q --device cpu --precision fp32 -m m.ts --roi 24,24,16 $o "$SIM/t.ts" >cpu.ts
		# shellcheck disable=SC2086
		NIIPIPE_BACKENDS=$ROOT/build/sim seg-window -q --device cuda --precision fp32 -m m.ts --roi 24,24,16 $o "$SIM/t.ts" >cuda.ts
		ts-cmp -q --atol 1e-4 cpu.ts cuda.ts
	done
}
