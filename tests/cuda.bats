#!/usr/bin/env bats
# The CUDA backend where there is no GPU: it builds, it says what is missing; and its kernels' texts, compiled by gcc over memory that only they and
# copies reach (tests/sim), do what the CPU's do. What only a GPU can show is in tests/gpu.sh.
load helper

setup_file() {
	export SIM=$BATS_FILE_TMPDIR
	export OMP_NUM_THREADS=1 # blocks come one after the other, other tests run beside this
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

@test "a driver that is too old, none, a device that is too old: what there is, what is needed" {
	local train="env NIIPIPE_BACKENDS=$ROOT/build/sim seg-train -q --device cuda --net unet -o m.ts $SIM/p.ts"
	SIM_DRIVER=12040 run $train
	[ "$status" -eq 1 ]
	[ "$output" = "seg-train: cuda: the driver is for CUDA 12.4, this program needs 13.0" ]
	SIM_DRIVER=0 run $train
	[ "$status" -eq 1 ]
	[ "$output" = "seg-train: cuda: there is no NVIDIA driver here" ]
	SIM_CAPABILITY=7 run $train
	[ "$status" -eq 1 ]
	[ "$output" = "seg-train: cuda: device 0, this machine in a GPU's place, has compute capability 7.0: this program needs 8.0" ]
	[ ! -e m.ts ]
}

@test "a library that is missing: which" {
	mkdir lib
	echo | cc -shared -x c -o lib/libnothere.so.9 -Wl,-soname,libnothere.so.9 -
	echo | cc -shared -x c -o lib/niipipe-cuda.so - -Wl,--no-as-needed -Llib -l:libnothere.so.9
	rm lib/libnothere.so.9
	run env NIIPIPE_BACKENDS=lib seg-train -q --device cuda --net unet -o m.ts "$SIM/p.ts"
	[ "$status" -eq 1 ]
	[ "$output" = "seg-train: device cuda: libnothere.so.9: cannot open shared object file: No such file or directory" ]
	run env NIIPIPE_BACKENDS=nowhere seg-train -q --device cuda --net unet -o m.ts "$SIM/p.ts"
	[ "$status" -eq 1 ]
	[ "$output" = "seg-train: device cuda: no niipipe-cuda.so beside the tool nor in ../lib/niipipe" ]
	[ ! -e m.ts ]
}

@test "code for compute capability 8.0 and 9.0, and PTX for what comes; CUDA=0 asks for no nvcc" {
	run make -C "$ROOT" -n -B CUDA=0 all
	[ "$status" -eq 0 ]
	[[ "$output" != *nvcc* && "$output" != *niipipe-cuda.so* ]]
	run make -C "$ROOT" -n -B CUDA=1 NVCC=nvcc "build/gpu/bf16/norm.o"
	[ "$status" -eq 0 ]
	[[ "$output" == *"-gencode arch=compute_80,code=[sm_80,sm_90,compute_80]"* ]]
}

@test "where CUDA's own headers are not, a GPU's place is made with tests/sim/none" {
	for f in kernels/gpu/cuda.c kernels/gpu/lines.c tests/sim/memory.c tests/sim/stream.c tests/sim/team.c tests/sim/wall.c tests/sim/none/libraries.c; do
		(cd "$ROOT" && ${CC:-cc} -std=c11 -I. -isystem tests/sim/none -Wall -Wextra -Wmissing-prototypes -Werror -fopenmp -D_DEFAULT_SOURCE \
			-fsyntax-only "$f")
	done
}

# What a GPU's tools would find, of a kernel that does it when it is told to
@test "races of a team's lanes, syncs that not all come by, and the like end the process in a GPU's place" {
	cat >bad.c <<-'END'
		#include <cuda_runtime_api.h>
		#include <stdlib.h>
		#define K_PLAIN
		#include "kernels/gpu/tile.h"

		void *gpu_stream;
		static float *heap;

		SIDE_KERNEL(bad, (int how, float *y), (how, y), 2, how == 16 ? MOST_ROOM : 2048, 0)
		{
			TEAM_FOR(t, how == 1 ? 3 : 2) {
				TEAM_ARRAY(float, a, TEAM);
				TEAM_ROOM(room);

				LANE_FOR(i, how == 2, TEAM)
					a[how == 3 ? i / 2 : i] = (float)i;
				LANE_FOR(i, 0, TEAM)
					y[t * TEAM + i] = how == 4 ? a[TEAM - 1 - i] : how == 2 ? 0 : a[i];
				team_sync();
				LANE_FOR(i, 0, TEAM) {
					y[t * TEAM + i] += how == 3 ? 0 : a[TEAM - 1 - i];
					if (how == 5)
						a[i] = a[(i + 1) % TEAM];
					if (how == 6)
						team_sync();
				}
				LANE_FOR(i, 0, 128)
					begin_quad(room + i + (how == 7), y + t * TEAM + (how == 13), how != 13 && (int)i % 2);
				if (how != 8)
					quads_arrived();
				team_sync();
				WARP_FOR(w) {
					MEMBER_FOR(i, 0, WARP, WARP)
						y[t * TEAM + w * WARP + i] += get((float *)room, i);
					if (how == 9)
						MEMBER_FOR(i, 0, WARP, WARP)
							put((float *)room, 128 + w * WARP + i, 0);
					MEMBER_FOR(i, 0, WARP, WARP)
						y[t * TEAM + w * WARP + i] += get((float *)room, 128 + w * WARP + (how == 9 ? i ^ 1 : i));
				}
				team_sync();
				LANE_FOR(i, 0, TEAM)
					if (how == 10)
						y[i] = 1;
					else if (how == 11)
						put(y, t * TEAM + i, get(y, t * TEAM + i) + get(y, t * TEAM + (i ^ 1)));
					else if (how == 12)
						put(y, t * TEAM + i, get(y, t * TEAM + i) + get(y, i));
				if (how == 14)
					y[t] += (float)get_bytes((const uint8_t *)y + 2);
				if (how == 15)
					y[t] += left_of((const word *)room + 2, TILE + WIDE).v[0];
				if (how == 17)
					y[t] += get(y, 2 * TEAM);
				if (how == 18)
					put(y - 1, 0, 1);
				if (how == 19)
					put(heap, 0, 1);
			}
		}

		int main(int argc, char **argv)
		{
			void *y;

			heap = calloc(1, 1 << 20);
			return argc != 2 || cudaStreamCreateWithFlags((cudaStream_t *)&gpu_stream, cudaStreamNonBlocking) || cudaMalloc(&y, 8 * TEAM) ||
				gpu_bad(atoi(argv[1]), y);
		}
	END
	(cd "$ROOT" && ${CC:-cc} -std=c11 -I. -isystem tests/sim/none -Itests/sim -fopenmp -D_DEFAULT_SOURCE -O2 -fsanitize=kernel-address --param \
		asan-instrumentation-with-call-threshold=0 --param asan-stack=0 --param asan-globals=0 -c -o "$BATS_TEST_TMPDIR/bad.o" "$BATS_TEST_TMPDIR/bad.c")
	${CC:-cc} -fopenmp -o bad bad.o "$ROOT"/build/gpu/sim/{memory,stream,team,wall}.o -lm
	./bad 0
	local where="a team's memory, byte "
	export OMP_NUM_THREADS=1
	said() { # HOW WHAT
		run ./bad "$1"
		[ "$status" -ne 0 ]
		[[ "$output" == *"kernel bad, $where"*": $2"* ]] || { echo "$1: $output" >&2; return 1; }
	}
	said 1 "another number of teams than was launched"
	said 2 "read, and no lane wrote it"
	said 3 "two lanes write it and no sync between them"
	said 4 "read by another lane than wrote it and no sync between them"
	said 5 "written by another lane than read it and no sync between them"
	said 6 "a team's sync within a loop over its lanes or warps"
	said 7 "no place for 16 bytes on their way"
	said 8 "read while it is on its way"
	said 9 "read by another lane than wrote it and no sync between them"
	said 16 "more arrays than a team has room for"
	for how in 13 14 15; do # what gcc does one by one, or not at all
		run ./bad $how
		[ "$status" -ne 0 ]
		[[ "$output" == *"kernel bad has "*" bytes at 0x"*", not aligned to them"* ]] || { echo "$how: $output" >&2; return 1; }
	done
	beyond() { # HOW DOES
		run ./bad "$1"
		[ "$status" -ne 0 ]
		[[ "$output" == *"kernel bad $2 4 bytes at 0x"*": no device memory"* ]] || { echo "$1: $output" >&2; return 1; }
	}
	beyond 17 reads
	beyond 18 writes
	beyond 19 writes
	./bad 10
	export SIM_RACES=1
	beyond 17 reads
	where="byte "
	./bad 0
	said 10 "two lanes write it in no order"
	said 11 "read and written in no order"
	said 12 "read and written in no order"
}

# With stand-ins for cuDNN and cuBLASLt (tests/sim)
libraries() { [ -e "$ROOT/build/gpu/sim/cudnn.o" ] || skip "cuDNN's headers are not here"; }

sim() { NIIPIPE_BACKENDS=$ROOT/build/sim "$@"; }

@test "cuDNN that does not start, a device that is too small: what is there, what is needed, what would fit" {
	libraries
	export SIM_CUDNN=broken
	run sim seg-train -q --device cuda --net unet --channels 16,32 --strides 2 -o m.ts <"$SIM/p.ts"
	[ "$status" -eq 1 ]
	[[ "$output" == "seg-train: standard input: "*" (patch 0): model.0.conv.unit0.conv: cuDNN does not start: CUDNN_STATUS_NOT_INITIALIZED: in a GPU's place" ]]
	[ ! -e m.ts ]
	export SIM_CUDNN='' SIM_MEMORY=12000000
	run sim seg-train -q --device cuda --precision fp32 --net unet --channels 64,128 --strides 2 -o m.ts <"$SIM/p.ts"
	[ "$status" -eq 1 ]
	[[ "$output" =~ ": not enough memory: the network needs "[0-9]+" MB for this input ("[0-9]+" MB of them activations), 5 MB are there"$ ]]
	[ ! -e m.ts ]
}

@test "tf32 is a GPU's" {
	run seg-train -q --device cpu --precision tf32 --net unet -o m.ts <"$SIM/p.ts"
	[ "$status" -eq 1 ]
	[ "$output" = "seg-train: tf32 is a GPU's: the cpu device has fp32 and bf16" ]
}

@test "the backend loads with every symbol it needs" {
	[ -e "$BIN/niipipe-cuda.so" ] || skip "no nvcc here: niipipe-cuda.so was not built"
	run ldd -r "$BIN/niipipe-cuda.so"
	[[ "$output" != *"undefined symbol"* && "$output" != *"not found"* ]]
}

@test "the real cuDNN has a plan for every convolution of our networks, asked for an H100 without one" {
	[ -e "$ROOT/build/sim/plans" ] || skip "cuDNN is not here"
	run "$ROOT/build/sim/plans"
	[ "$status" -eq 0 ]
	[[ "$output" != *"not ok"* ]]
}

# A unit test on the device, in the repository: it reads tests/golden
for_unit() {
	(cd "$ROOT" && SIM_WALL=0 TEST_DEVICE=cuda BIN=$ROOT/build/sim NIIPIPE_BACKENDS=$ROOT/build/sim "build/test/$1") >out ||
		{ grep '^not ok' out >&2; return 1; }
}

@test "kernels in a GPU's place: all of them against tests/ref" { for_unit kernels; }
@test "losses in a GPU's place" { SIM_RACES=1 for_unit loss; }
@test "norms and slices of any form in a GPU's place" { SIM_RACES=1 for_unit wide; }
@test "attention in a GPU's place" { for_unit attention; }
@test "changes of resolution in a GPU's place" { SIM_RACES=1 for_unit scale; }
@test "softmax and local response of channels in a GPU's place" { SIM_RACES=1 for_unit across; }
@test "max pooling and sums of columns in a GPU's place" { SIM_RACES=1 for_unit pool; }
@test "sliding windows in a GPU's place" { SIM_RACES=1 for_unit slide; }
@test "networks in a GPU's place: MONAI's logits and gradients" { for_unit net; }

@test "regions, trained in a GPU's place: the CPU's weights; their labels and what is looked at with --effort: the CPU's" {
	for s in 1 2 3; do perl "$ROOT/tests/nested.pl" $s; done | nii-normalize --range=0,400,0,1 >r.ts
	nii-patch -q -s 16,16,16 --pos 0.5 -n 8 --seed 1 r.ts >p.ts
	for o in "--loss nnunet --regions 1,2,3/2,3/3" "--loss dicefocal --regions 3/1,2,3/2,3/1/2" "--loss dice --regions 1,2,3" "--loss gdice --regions 1/2 --ignore-label 3"; do
		seg-train -q --device cpu --precision fp32 --channels 4,8 --strides 2 --batch 2 $o -o cpu.ts p.ts
		NIIPIPE_BACKENDS=$ROOT/build/sim seg-train -q --device cuda --precision fp32 --channels 4,8 --strides 2 --batch 2 $o -o cuda.ts p.ts
		ts-cmp -q --atol 1e-4 --rtol 1e-3 cpu.ts cuda.ts
		for way in "" "--mean prob" "--effort 3" "--output prob"; do
			seg-window -q --device cpu --precision fp32 -m cpu.ts $way r.ts >a.ts
			NIIPIPE_BACKENDS=$ROOT/build/sim seg-window -q --device cuda --precision fp32 -m cpu.ts $way r.ts >b.ts
			ts-cmp --data-only --atol 1e-4 a.ts b.ts
		done
	done
}

@test "max pooling, of odd sizes too, and vision transformers, of slices too, trained in a GPU's place: the CPU's weights" {
	local basic='"BasicUNet", "features": 4, "norm": ["GROUP", {"num_groups": 2}]'
	$BIN/nii-patch -q -s 16,16,16 --pos 0.5 -n 4 --seed 1 "$SIM/t.ts" >p.ts
	$BIN/nii-patch -q -s 17,18,19 --pos 0.5 -n 4 --seed 1 "$SIM/t.ts" >odd.ts
	alike() { # PATCHES ARCH
		seg-train -q --device cpu --precision fp32 --arch "{\"_target_\": $2}" --batch 2 -o cpu.ts "$1"
		NIIPIPE_BACKENDS=$ROOT/build/sim seg-train -q --device cuda --precision fp32 --arch "{\"_target_\": $2}" --batch 2 -o cuda.ts "$1"
		ts-cmp -q --atol 1e-4 --rtol 1e-3 cpu.ts cuda.ts
	}
	alike p.ts "$basic"
	alike odd.ts "$basic"
	alike p.ts '"UNETR", "out_channels": 2, "feature_size": 4, "hidden_size": 12, "mlp_dim": 16, "num_heads": 3, "qkv_bias": true, "dropout_rate": 0.1'
	$BIN/nii-patch -q -s 32,32,1 --pos 0.5 -n 4 --seed 1 "$SIM/t.ts" >slices.ts
	alike slices.ts '"UNETR", "spatial_dims": 2, "out_channels": 2, "feature_size": 4, "hidden_size": 12, "mlp_dim": 16, "num_heads": 3, "qkv_bias": true, "dropout_rate": 0.1'
	nii-phantom -q -n 2 -s 64,64,16 --seed 3 --healthy 0 | nii-normalize --window=-1024,325 | nii-patch -q -s 64,64,1 -n 2 --seed 1 >large.ts
	alike large.ts '"SwinUNETR", "spatial_dims": 2, "out_channels": 2, "feature_size": 12, "depths": [2, 1, 1, 1], "num_heads": [1, 2, 3, 4], "drop_rate": 0.1, "attn_drop_rate": 0.1'
}

@test "lines, marks and recorded calls in a GPU's place: what forgets a mark is found out, and what cannot be recorded" { for_unit lines; }
@test "a batch's way to the device in a GPU's place: every mark that is forgotten is found out" { for_unit deliver; }

# The same command in orders that streams and events allow, as late as may be among them, recorded and not, side by side and not: the same bytes
orders() { # OUTPUT COMMAND...
	local out=$1 how
	shift
	SIM_ORDER=0 NIIPIPE_CUDA=nographs,serial sim "$@" -o plain.ts
	for how in 1: 2: 3: 7: 4:nographs 5:serial; do
		SIM_ORDER=${how%:*} NIIPIPE_CUDA=${how#*:} sim "$@" -o "$out"
		cmp plain.ts "$out"
	done
}

@test "training in every order, as CUDA graphs and without, with dropout, gathered and deep supervision: the same bytes" {
	local arch='{"_target_":"UNet","spatial_dims":3,"in_channels":1,"out_channels":2,"channels":[4,8,16],"strides":[2,2],"num_res_units":1,"dropout":0.2}'
	orders a.ts seg-train -q --device cuda --precision fp32 --arch "$arch" --loss dicece "$SIM/p.ts"
	seg-train -q --device cpu --precision fp32 --arch "$arch" --loss dicece "$SIM/p.ts" -o cpu.ts
	ts-cmp -q --atol 1e-4 --rtol 1e-3 cpu.ts a.ts
	orders b.ts seg-train -q --device cuda --precision fp32 --net nnunet --channels 4,8,16 --strides 2,2 --accumulate 2 "$SIM/p.ts"
}

@test "the optimizer's numbers and the average of the weights, step by step, in every order: the same bytes, and the CPU's" {
	local net="--net unet --channels 4,8 --strides 2 --loss dicece" o many
	$BIN/nii-patch -q -s 16,16,8 --pos 0.5 -n 12 --seed 1 "$SIM/t.ts" >many.ts
	many="$net --ema 0.7 --clip 1 --no-decay --decay 0.1 --schedule onecycle --steps 12 --warmup 3"
	for o in "--lr 1e-2" "--optimizer sgd --lr 1e-2 --nesterov" "--optimizer adam --lr 1e-2 --accumulate 2"; do
		# shellcheck disable=SC2086
		orders a.ts seg-train -q --device cuda --precision fp32 $many $o many.ts
		# shellcheck disable=SC2086
		seg-train -q --device cpu --precision fp32 $many $o -o cpu.ts many.ts
		ts-cmp -q --atol 1e-4 --rtol 1e-3 cpu.ts a.ts
		ts-cmp -q --atol 1e-4 --rtol 1e-3 cpu.last.ts a.last.ts
	done
}

@test "a log, validation, saving and going on in every order: the same rows and bytes, every step with its own" {
	local train="seg-train -q --device cuda --precision fp32 --net unet --channels 4,8 --strides 2 --seed 3 --accumulate 2" o
	$BIN/nii-patch -q -s 24,24,16 --pos 0.5 -n 20 --seed 1 "$SIM/t.ts" >many.ts
	$BIN/nii-patch -q -s 24,24,16 --pos 0.5 -n 8 --seed 1 "$SIM/t.ts" >first.ts
	$BIN/nii-patch -q -s 24,24,16 --pos 0.5 -n 20 --seed 1 --skip 8 "$SIM/t.ts" >rest.ts
	rows() { cut -f 1-7 "$1"; }
	SIM_ORDER=0 NIIPIPE_CUDA=serial,nographs sim $train --val "$SIM/t.ts" --val-every 4 --save-every 3 --log plain.tsv -o plain.ts many.ts
	[ "$(rows plain.tsv | wc -l)" -eq 11 ]
	[ "$(cut -f 7 plain.tsv | grep -c '\.')" -eq 3 ] # the end's, too
	for o in 1 2 5; do
		SIM_ORDER=$o sim $train --val "$SIM/t.ts" --val-every 4 --save-every 3 --log a.tsv -o a.ts many.ts
		diff <(rows plain.tsv) <(rows a.tsv)
		cmp plain.ts a.ts
		cmp plain.last.ts a.last.ts
		SIM_ORDER=$o sim $train -o b.ts first.ts
		SIM_ORDER=$o sim $train --resume b.last.ts -o b.ts rest.ts
		ts-cmp -q --atol 0 plain.last.ts b.last.ts
	done
}

@test "a loss that is no number, found out one step later: the CPU's words, rows and state before it" {
	local train="seg-train -q --precision fp32 --net unet --channels 4,8 --strides 2 --ema 0.8" f h o
	$BIN/nii-patch -q -s 24,24,16 --pos 0.5 -n 8 --seed 1 "$SIM/t.ts" | $BIN/nii-normalize --zscore >z.ts
	f=$($BIN/ts-info z.ts | sed -n 's/^frame 5: .* at byte \([0-9]*\) of.*/\1/p')
	h=$(od -An -tu8 -j "$f" -N 8 z.ts)
	printf '\0\0\300\177' | dd of=z.ts bs=1 seek=$((f + 8 + h)) conv=notrunc status=none # the image comes first
	run $train --device cpu --log cpu.tsv -o m.ts z.ts
	[ "$status" -eq 1 ]
	[[ "$output" == "seg-train: z.ts: the loss is not a number at step 6: "*" (patch 5)"*"; the last good state is in m.last.ts" ]]
	local said=${output/: the image of patch 5 is not a number at voxel 0,0,0 of the patch}
	[ "$output" != "$said" ] # the batch is gone by then
	mv m.last.ts cpu.last.ts
	for o in 0 1 2 5; do
		export SIM_ORDER=$o
		rm -f m.ts cuda.tsv
		run sim $train --device cuda --log cuda.tsv -o m.ts z.ts
		[ "$status" -eq 1 ]
		[ "$output" = "$said" ]
		diff <(cut -f 1 cpu.tsv) <(cut -f 1 cuda.tsv)
		ts-cmp -q --rtol 1e-3 --atol 1e-4 cpu.last.ts m.last.ts
		rm m.last.ts
	done
}

@test "windows in every order, as CUDA graphs and without: the same bytes" {
	export SIM_WALL=0 # who reaches what is looked at elsewhere
	seg-train -q --device cpu --precision fp32 --net unet --channels 4,8,16 --strides 2,2 --res-units 1 --lr 1e-3 -o m.ts <"$SIM/p.ts"
	prepared() { $BIN/nii-phantom -q --healthy 0 "$@" | $BIN/nii-normalize --window=-1024,325; }
	prepared -n 2 -s 40,36,16 --seed 4 >two.ts
	orders a.ts seg-window -q --device cuda --precision fp32 -m m.ts --roi 24,24,8 --overlap 0.5 --batch 2 two.ts
	prepared -n 1 -s 40,24,24 --seed 3 >one.ts
	orders b.ts seg-window -q --device cuda --precision fp32 -m m.ts --roi 24,24,8 --effort 3 --mirror x one.ts
}

@test "windows that are chosen one after the other: the device is waited for less than twice a window" {
	export SIM_WALL=0 SIM_WAITS=1
	seg-train -q --device cpu --precision fp32 --net unet --channels 4,8,16 --strides 2,2 --res-units 1 --lr 1e-3 -o m.ts <"$SIM/p.ts"
	run sim seg-window -v --device cuda --precision fp32 -m m.ts --roi 24,24,8 --effort 3 -o w.ts "$SIM/t.ts"
	[ "$status" -eq 0 ]
	awk '/ windows; network/ { run += $3 } / waits for a stream$/ { waits = $2 } END { print waits " waits, " run " windows"; exit !(run > 100 && waits < 2 * run) }' <<<"$output"
}

@test "a driver that records nothing: one by one, and -v says why" {
	local train="seg-train --device cuda --precision fp32 --net unet --channels 4,8 --strides 2"
	sim $train -q -o a.ts "$SIM/p.ts"
	export SIM_CAPTURE
	for SIM_CAPTURE in "refused operation not supported (cudaErrorNotSupported)" \
		"begin operation not permitted when stream is capturing (cudaErrorStreamCaptureUnsupported)"; do
		local says=${SIM_CAPTURE#* }
		SIM_CAPTURE=${SIM_CAPTURE%% *}
		run sim $train -v -o b.ts "$SIM/p.ts"
		[ "$status" -eq 0 ]
		[[ "$output" == *"seg-train: operations are given to the device one by one: cuda: a graph: $says"* ]]
		cmp a.ts b.ts
	done
	run sim seg-window -v --device cuda --precision fp32 -m a.ts --roi 24,24,8 -o c.ts "$SIM/t.ts"
	[ "$status" -eq 0 ]
	[[ "$output" == *"seg-window: operations are given to the device one by one: cuda: a graph: "* ]]
}

@test "an error that stays: which kernel, at or before which step or window; the last checkpoint is whole" {
	local train="seg-train -q --device cuda --precision fp32 --net unet --channels 4,8 --strides 2 --save-every 1"
	$BIN/nii-patch -q -s 24,24,16 --pos 0.5 -n 8 --seed 1 "$SIM/t.ts" >many.ts
	export SIM_FAULT=norm_back_fold:9 SIM_ORDER=1
	run sim $train -o m.ts many.ts
	[ "$status" -eq 1 ]
	[[ "$output" =~ ^"seg-train: step "[0-9]+", or before: cuda: at or before ".*": an illegal memory access was encountered (cudaErrorIllegalAddress); NIIPIPE_CUDA=sync says in which kernel"$ ]]
	ts-info -q m.last.ts
	[ "$(ls | sort | tr '\n' ' ')" = "m.last.ts m.ts many.ts out " ] || [ "$(ls | sort | tr '\n' ' ')" = "m.last.ts m.ts many.ts " ]
	export NIIPIPE_CUDA=sync
	run sim $train -o n.ts many.ts
	[ "$status" -eq 1 ]
	[[ "$output" =~ "cuda: norm backward: an illegal memory access was encountered (cudaErrorIllegalAddress)"$ ]]
	export NIIPIPE_CUDA='' SIM_FAULT=window_blend_any:3
	run sim seg-window -q --device cuda --precision fp32 -m m.ts --roi 24,24,8 -o w.ts "$SIM/t.ts"
	[ "$status" -eq 1 ]
	[[ "$output" =~ "phantom-0001: window "[0-9]+" of "[0-9]+", or before: cuda: at or before "[a-z\ ]+": an illegal memory access was encountered" ]]
	[ ! -e w.ts ]
}

@test "a scan larger than the device's memory: the same mask; too little for a window: what is needed, what is there" {
	seg-train -q --device cpu --precision fp32 --net unet --channels 4,8 --strides 2 --res-units 0 -o m.ts <"$SIM/p.ts"
	$BIN/nii-phantom -q -n 1 -s 64,64,400 --seed 3 | $BIN/nii-normalize --window=-1024,325 >scan.ts
	local window="seg-window -q --device cuda --precision fp32 -m m.ts --roi 24,24,16 --overlap 0.25 scan.ts"
	sim $window -o all.ts
	[ "$(stat -c %s scan.ts)" -gt 6000000 ]
	SIM_MEMORY=5000000 sim $window -o few.ts
	cmp all.ts few.ts
	export SIM_MEMORY=1500000
	run sim $window -o none.ts
	[ "$status" -eq 1 ]
	[[ "$output" == *"not enough memory: the network needs "*" MB for this input ("*" are there" || "$output" == *"roi: a window of 24,24,16 voxels (x,y,z) needs "*" MB, there are "* ]]
	[ ! -e none.ts ]
}

@test "training that does not fit into the device: recomputation is offered, and fits" {
	local train="seg-train -q --device cuda --precision fp32 --net unet --channels 8,16,32 --strides 2,2"
	$BIN/nii-patch -q -s 32,32,24 --pos 0.5 -n 2 --seed 1 "$SIM/t.ts" >big.ts
	sim $train -o all.ts big.ts
	export SIM_MEMORY
	local offered=
	for SIM_MEMORY in 3800000 3700000 3600000 3500000 3400000 3300000 3200000 3100000 3000000 2900000; do
		rm -f few.ts
		run sim $train -o few.ts big.ts
		[[ "$output" == *"not enough memory: the network needs "*", "*" MB are there; --recompute "* ]] || continue
		[ "$status" -eq 1 ]
		[ ! -e few.ts ]
		offered=$(grep -o 'recompute [a-z]*' <<<"$output")
		# shellcheck disable=SC2086
		sim $train --$offered -o few.ts big.ts
		break
	done
	[ -n "$offered" ]
	ts-cmp -q --atol 0 all.ts few.ts
}

@test "a UNet trained behind the wall: the CPU's weights" {
	both unet --channels 4,8,16 --strides 2,2 --res-units 1 --lr 1e-3
	ts-cmp -q --atol 1e-4 --rtol 1e-3 cpu.ts cuda.ts
}

@test "where cuDNN has no engine: dense copies, its second heuristic, bf16 gradients, our own kernels; products with and without cuBLASLt" {
	local net="unet --channels 4,8,16 --strides 2,2 --res-units 1 --lr 1e-3"
	for SIM_CUDNN in packed alone late none tf32; do
		export SIM_CUDNN
		# shellcheck disable=SC2086
		both $net
		ts-cmp -q --atol 1e-4 --rtol 1e-3 cpu.ts cuda.ts
	done
	export SIM_CUDNN='' NIIPIPE_CUDA=plain
	# shellcheck disable=SC2086
	both $net
	ts-cmp -q --atol 1e-4 --rtol 1e-3 cpu.ts cuda.ts
	export NIIPIPE_CUDA=''
	for SIM_CUDNN in half full; do
		# shellcheck disable=SC2086
		sim seg-train -q --device cuda --precision bf16 --net $net --loss dicece -o half.ts <"$SIM/p.ts"
		ts-cmp -q --atol 1e-2 cpu.ts half.ts
	done
}

@test "tf32: the engines that fp32 must not take" {
	libraries
	export SIM_CUDNN=tf32
	sim seg-train -q --device cuda --precision tf32 --net unet --channels 4,8 --strides 2 -o t.ts <"$SIM/p.ts"
	export SIM_CUDNN=''
	! sim seg-train -q --device cuda --precision tf32 --net unet --channels 4,8 --strides 2 -o t.ts <"$SIM/p.ts" || false
}

@test "NIIPIPE_CUDA=report: who makes which convolution" {
	libraries
	export NIIPIPE_CUDA=report
	run sim seg-train -q --device cuda --precision fp32 --net unet --channels 4,8 --strides 2 -o m.ts <"$SIM/p.ts"
	[ "$status" -eq 0 ]
	[[ "$output" == *"weights 1 -> 4 of 3x3x3 step 2 to 8x12x12: cuDNN"* ]]
	[[ "$output" == *", transposed: cuDNN"* && "$output" == *"of 1x1x1 step 1"*": cuBLASLt"* ]]
}

@test "--tune: each shape is measured once, and remembered" {
	libraries
	local train="seg-train -q --device cuda --precision fp32 --tune --net unet --channels 4,8 --strides 2"
	export NIIPIPE_PLANS=plans.tsv
	sim $train -o a.ts <"$SIM/p.ts"
	[ "$(wc -l <plans.tsv)" -gt 5 ]
	[ "$(cut -f1 plans.tsv | sort | uniq -d | wc -l)" -eq 0 ]
	[[ "$(cut -f2 plans.tsv | sort -u)" == 3 ]] # of this stand-in's clock the last is always the quickest
	cp plans.tsv was.tsv
	sim $train -o b.ts <"$SIM/p.ts"
	cmp plans.tsv was.tsv
	cmp a.ts b.ts
	printf 'nonsense\n%s\t99\t1.0\n' "$(head -1 was.tsv | cut -f1)" >plans.tsv # from elsewhere: a plan that is not there
	sim $train -o c.ts <"$SIM/p.ts"
	cmp a.ts c.ts
	export NIIPIPE_PLANS=/nowhere/plans.tsv
	sim $train -o d.ts <"$SIM/p.ts"
	cmp a.ts d.ts
}

@test "tests/gpu.sh: its stages, each row as it is over" {
	cd "$ROOT" || return
	local out=$BATS_TEST_TMPDIR/out KIT=$BATS_TEST_TMPDIR/kit
	run tests/gpu.sh run "$out" nonsense
	[ "$status" -eq 2 ]
	[[ "$output" == "gpu.sh: no stage nonsense"* ]]
	mkdir -p "$KIT"
	cp "$SIM/t.ts" "$KIT/phantoms.ts"
	ln -s "$ROOT/build/sim/niipipe-cuda.so" "$BIN/niipipe-cpu.so" "$KIT"
	local stages="train same masks" rows=20
	if [ -e "$ROOT/build/sim/niipipe-nccl.so" ]; then ln -s "$ROOT/build/sim/niipipe-nccl.so" "$KIT" && stages="train same ranks masks" rows=23; fi
	export GPU_KIT=$KIT GPU_WORK=$BATS_TEST_TMPDIR/work GPU_BACKENDS=$KIT NETS=unet STEPS=3 FED=3 PATCH=24,24,16 TRAIN="--channels 4,8 --strides 2 --res-units 0"
	run tests/gpu.sh run "$out" $stages
	cat "$out/results.tsv"
	[ "$status" -eq 0 ]
	[ "$(grep -c "	ok	" "$out/results.tsv")" -eq $rows ]
	grep -q "^masks	masks unet	ok	Dice of every phantom: 1" "$out/results.tsv"
	[ "$(ls "$out" | tr '\n' ' ')" = "log.txt results.tsv " ] # of many files few come back
	grep -q '^+ .*build/bin/seg-train .*--net unet' "$out/log.txt"
	grep -qE "^same	nii-patch \| nii-augment \| seg-train unet bf16	ok	wait none" "$out/results.tsv"
}

@test "tests/gpu.sh: a backend that does not start leaves the rest out; no time, no stage; a stage that fails is not the last" {
	cd "$ROOT" || return
	local out=$BATS_TEST_TMPDIR/out KIT=$BATS_TEST_TMPDIR/kit
	mkdir -p "$KIT"
	export GPU_KIT=$KIT GPU_WORK=$BATS_TEST_TMPDIR/work GPU_BACKENDS=$KIT NETS=unet STEPS=3 PATCH=24,24,16 TRAIN="--channels 4,8 --strides 2 --res-units 0"
	echo nothing >"$KIT/niipipe-cuda.so"
	: >"$KIT/phantoms.ts"
	run tests/gpu.sh run "$out" train masks
	[ "$status" -eq 1 ]
	grep -q "^start	our backend	not ok (1)	not ok 1" "$out/results.tsv"
	[ "$(cut -f 1 "$out/results.tsv" | sort -u)" = start ]
	ln -sf "$ROOT/build/sim/niipipe-cuda.so" "$KIT/niipipe-cuda.so" # no CPU
	run tests/gpu.sh run "$out" train masks
	[ "$status" -eq 1 ]
	grep -q "^train	train unet cuda fp32, 3 steps	not ok (1)	mean loss" "$out/results.tsv"
	grep -q "^masks	all of it	ok" "$out/results.tsv"
	GPU_SECONDS=1 run tests/gpu.sh run "$out" masks
	[ "$status" -eq 1 ]
	[[ "$(tail -n 1 "$out/results.tsv")" == "masks	all of it	not ok (out of time)	"* ]]
}

@test "tests/gpu.sh bench: a row an operation, with its share of what the device can do" {
	cd "$ROOT" || return
	mkdir -p "$BATS_TEST_TMPDIR/kit"
	ln -s "$ROOT/build/sim/niipipe-cuda.so" "$BIN/niipipe-cpu.so" "$BATS_TEST_TMPDIR/kit"
	run env NIIPIPE_BACKENDS="$BATS_TEST_TMPDIR/kit" build/bench/share --precision bf16 --size 16 -n 1 --only moves
	[ "$status" -eq 0 ]
	[ "$(grep -cE $'^[^\t]+\t[0-9.]+ ms\t[0-9.]+ GB/s\t[0-9]+ %\t[0-9]+ %$' <<<"$output")" -eq 23 ]
	[ "${lines[0]%%	*}" = "a copy" ]
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
