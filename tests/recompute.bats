#!/usr/bin/env bats
# seg-train --recompute: less memory and the same bytes; memory is looked for before the first step.
load helper

unet='{"_target_": "UNet", "spatial_dims": 3, "out_channels": 2, "channels": [4, 8, 16], "strides": [2, 2], "num_res_units": 2, "norm": "BATCH", "dropout": 0.2}'
dynunet='{"_target_": "DynUNet", "spatial_dims": 3, "out_channels": 2, "kernel_size": [3, 3, 3], "strides": [1, 2, 2], "upsample_kernel_size": [2, 2], "filters": [32, 32, 32]}'
segresnet='{"_target_": "SegResNet", "out_channels": 2, "init_filters": 8, "blocks_down": [1, 2], "blocks_up": [1], "dropout_prob": 0.2}'
attention='{"_target_": "AttentionUnet", "spatial_dims": 3, "out_channels": 2, "channels": [4, 8, 16], "strides": [2, 2], "dropout": 0.1}'
swin='{"_target_": "SwinUNETR", "out_channels": 2, "feature_size": 12, "depths": [1, 1, 1, 2], "num_heads": [1, 2, 3, 4], "drop_rate": 0.1, "attn_drop_rate": 0.1, "dropout_path_rate": 0.3}'

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	nii-phantom -n 1 --seed 1 --size 40,36,34 --healthy 0 --volume 55,60 -o v.ts
	nii-patch -s 32,32,32 -n 8 --seed 1 -o q.ts v.ts
	ts-select --index 0..3 q.ts >p.ts
}

setup() { cd "$BATS_TEST_TMPDIR" && ln -s "$BATS_FILE_TMPDIR"/[pq].ts .; }

arena() { seg-train "$@" --summary p.ts | sed -n 's/.* arena \([0-9.]*\) MB.*/\1/p'; }

# none, norms, segments and auto: the same checkpoint, in less and less memory
same() {
	for how in none norms segments auto; do
		seg-train "$@" --threads 1 --batch 2 --recompute $how -o $how.ts p.ts
		cmp none.last.ts $how.last.ts
	done
	[ "$(ts-info none.ts | grep -cE '^  step +2$')" -eq 1 ]
	echo "$(arena "$@") $(arena "$@" --recompute norms) $(arena "$@" --recompute segments)" | tee /dev/stderr | awk '{ exit !($2 < 0.95 * $1 && $3 < 0.95 * $2) }'
}

@test "UNet with batch normalisation and dropout" { same --arch "$unet"; }
@test "DynUNet" { same --arch "$dynunet"; }
@test "nnU-Net's, with deep supervision" { same --net nnunet --channels 32,32,32 --strides 2,2; }
@test "ResidualEncoderUNet" { same --net resenc --channels 4,8,16 --strides 2,2; }
@test "SegResNet" { same --arch "$segresnet"; }
@test "SegResNetDS" { same --arch '{"_target_": "SegResNetDS", "init_filters": 8, "blocks_down": [1, 2, 1], "dsdepth": 2}'; }
@test "BasicUNet" { same --arch '{"_target_": "BasicUNet", "features": 4, "norm": "BATCH", "dropout": 0.2}'; }
@test "UNETR" { same --arch '{"_target_": "UNETR", "out_channels": 2, "feature_size": 4, "hidden_size": 12, "mlp_dim": 16, "num_heads": 3, "dropout_rate": 0.1}'; }
@test "AttentionUnet" { same --arch "$attention"; }
@test "SwinUNETR with every dropout" { same --arch "$swin"; }

@test "more and fewer threads: the same bytes" {
	seg-train --arch "$dynunet" --threads 1 --recompute segments -o one.ts p.ts
	seg-train --arch "$dynunet" --threads 2 --recompute segments -o two.ts p.ts
	cmp one.last.ts two.last.ts
}

# Broken off within its third step of four: what was gathered for that is lost with it.
killed() {
	local pid feeder
	mkfifo feed
	{ ts-select --index 0..4 q.ts; exec sleep 60; } >feed &
	feeder=$!
	seg-train "$@" -o k.ts feed &
	pid=$!
	until ts-info k.last.ts 2>/dev/null | grep -q '"next":4'; do kill -0 $pid; sleep 0.05; done
	kill -KILL $pid
	wait $pid && return 1
	kill $feeder
	rm feed
}

@test "accumulation, EMA, dropout: killed while recomputing and taken up again, the bytes of the unbroken run that keeps everything" {
	all="--accumulate 2 --ema 0.6 --schedule poly --steps 4"
	for arch in "$unet" "$swin"; do
		# shellcheck disable=SC2086
		seg-train --arch "$arch" $all --threads 1 -o w.ts q.ts
		for how in norms segments; do
			# shellcheck disable=SC2086
			seg-train --arch "$arch" $all --threads 1 --recompute $how -o u.ts q.ts
			# shellcheck disable=SC2086
			killed --arch "$arch" $all --threads 1 --save-every 1 --recompute $how
			seg-train --resume k.last.ts --threads 1 --recompute $how -o k.ts <(ts-select --index 4..7 q.ts)
			for f in u k; do
				cmp $f.last.ts w.last.ts
				cmp $f.ts w.ts
			done
			rm k.ts k.last.ts
		done
	done
}

@test "too little memory is said before the first step, with what would fit" {
	of_fp32
	large="--channels 64,64,64 --strides 2,2 --threads 1"
	limited() { (ulimit -v $((1024 * $1)) && shift && exec seg-train $large "$@"); }
	nii-phantom -n 1 --seed 1 --size 130,130,130 | nii-patch -s 128,128,128 -n 1 --seed 1 -o large.ts
	text='not enough memory: the network needs N MB for this input (N MB of them activations), N MB are there; --recompute segments needs N MB'
	run limited 720 -o m.ts large.ts
	[ "$status" -eq 1 ]
	[ "$(sed -E 's/^seg-train: large.ts: [^:]*: //; s/[0-9]+ MB/N MB/g' <<<"$output")" = "$text" ]
	[ ! -e m.ts ]
	limited 720 --recompute auto --summary large.ts | grep -q 'training, recompute segments: without'
	limited 300 --summary large.ts | grep -q '^total: '
}
