#!/usr/bin/env bats
# Ranks: several pipelines under mpirun train one network as one process would; whatever happens to one of them ends the job with one message.
load helper

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none OMP_NUM_THREADS=1
net="--channels 4,8 --strides 2 --res-units 1 --lr 1e-2"
patches="nii-patch -s 16,16,8 --pos 0.5 --seed 1"

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	nii-phantom -n 3 --seed 1 --size 32,32,16 --healthy 0 --volume 55,60 -o train.ts
	nii-phantom -n 3 --seed 9 --size 40,28,17 --healthy 0 --volume 55,60 -o val.ts
}

setup() {
	if [ ! -e "$BIN/niipipe-mpi.so" ] || ! command -v mpirun >/dev/null; then skip "no niipipe-mpi.so or no mpirun"; fi
	cd "$BATS_TEST_TMPDIR" && ln -s "$BATS_FILE_TMPDIR"/*.ts .
	host=$(hostname)
}

# ranks N 'PIPELINE': its last command with $exec before it leaves its process id in pid.RANK
ranks() {
	export exec='sh -c '\''echo $$ >pid.$OMPI_COMM_WORLD_RANK; exec "$@"'\'' -' rank='$OMPI_COMM_WORLD_RANK'
	timeout 120 mpirun -q --oversubscribe --bind-to none -n "$1" sh -c "${2//\$exec/$exec}"
}
column() { awk -F'\t' -v c="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == c) k = i; next } { print $k }' "$1"; }
same_losses() { paste <(column "$1" loss) <(column "$2" loss) | awk -v most="${3:-1e-5}" '{ d = $1 - $2; if (d * d > most * most) exit 1 } END { exit !NR }'; }
next_of() { ts-info "$1" | sed -n 's/.*"next":\([0-9]*\).*/\1/p'; }

# said FILE MESSAGE: that line of seg-train and no other
said() {
	[ "$(grep -c '^seg-train: ' "$1")" -eq 1 ] && grep -qxF "seg-train: $2" "$1" && return
	echo "said:     $(cat "$1")"
	echo "expected: seg-train: $2"
	return 1
}

@test "a shard of the launcher's" {
	OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=3 $patches -n 9 --shard auto train.ts | cmp - <($patches -n 9 --shard 1/3 train.ts)
	SLURM_PROCID=2 SLURM_STEP_NUM_TASKS=3 $patches -n 9 --shard auto train.ts | cmp - <($patches -n 9 --shard 2/3 train.ts)
	$patches -n 9 --shard auto train.ts | cmp - <($patches -n 9 train.ts)
	OMPI_COMM_WORLD_RANK=3 OMPI_COMM_WORLD_SIZE=3 fails 1 "nii-patch: OMPI_COMM_WORLD_RANK: 3 is not in 0..2" $patches --shard auto train.ts
}

@test "N ranks with batches of 1 are one process with batches of N: losses, validation, weights; the same bytes every time, with messages and without" {
	of_fp32
	drop='{"_target_":"UNet","spatial_dims":3,"out_channels":2,"channels":[4,8],"strides":[2],"num_res_units":1,"dropout":0.2}'
	for n in 2 3 4; do # 22 patches: the last step has fewer than ranks
		$patches -n 22 train.ts | nii-augment --flip x --seed 3 |
			seg-train --arch "$drop" --lr 1e-2 --batch $n --val val.ts --val-every 3 --log one.tsv -o one.ts
		for f in a b c; do
			ranks $n "$patches -n 22 --shard auto train.ts | nii-augment --flip x --seed 3 |
				seg-train --arch '$drop' --lr 1e-2 --wire $([ $f = c ] && echo fp32 || echo auto) --val val.ts --val-every 3 --log $f.tsv -o $f.ts"
		done
		[ "$(column a.tsv step | wc -l)" -eq $(((21 + n) / n)) ]
		same_losses one.tsv a.tsv
		diff <(column one.tsv val_dice) <(column a.tsv val_dice)
		ts-cmp --data-only --atol 2e-5 -t model.2.1.conv.unit0.conv.weight <(ts-select --index 0 one.last.ts) <(ts-select --index 0 a.last.ts)
		cmp a.ts b.ts
		cmp a.last.ts b.last.ts
		cmp a.last.ts c.last.ts
		diff <(ts-info --history one.last.ts | grep patches) <(ts-info --history a.last.ts | grep patches) # trained on the same ones
	done
}

@test "a network of several buckets of gradients" {
	wide="--channels 32,64,128,256 --strides 2,2,2 --res-units 2 --lr 1e-3" # 4.7 million
	nii-patch -s 16,16,16 -n 6 --seed 1 train.ts | seg-train $wide --batch 2 --clip 0.5 --log one.tsv -o one.ts
	for w in auto fp32; do
		ranks 2 "nii-patch -s 16,16,16 -n 6 --seed 1 --shard auto train.ts | seg-train $wide --clip 0.5 --wire $w --log $w.tsv -o $w.ts"
		same_losses one.tsv $w.tsv
		diff <(column one.tsv grad_norm) <(column $w.tsv grad_norm)
	done
}

@test "batch normalisation takes its statistics over all ranks" {
	norm='{"_target_":"UNet","spatial_dims":3,"out_channels":2,"channels":[4,8],"strides":[2],"num_res_units":1,"norm":"BATCH"}'
	$patches -n 12 train.ts | seg-train --arch "$norm" --lr 1e-2 --batch 4 --val val.ts --val-every 1 --log one.tsv -o one.ts
	for n in 2 4; do # of 13 patches the last one is left out where it would be a batch for one rank alone
		ranks $n "$patches -n $((n == 4 ? 13 : 12)) --shard auto train.ts |
			seg-train --arch '$norm' --lr 1e-2 --batch $((4 / n)) --val val.ts --val-every 1 --log a.tsv -o a.ts"
		[ "$(column a.tsv step | wc -l)" -eq 3 ]
		same_losses one.tsv a.tsv
		diff <(column one.tsv val_dice) <(column a.tsv val_dice)
		ts-cmp --data-only --atol 1e-4 --rtol 1e-5 <(ts-select --index 0 one.last.ts) <(ts-select --index 0 a.last.ts)
	done
}

@test "--accumulate counts the batches of all ranks: the same run on 1, 2 and 4, gone on with by any of them" {
	$patches -n 24 train.ts | seg-train $net --accumulate 4 --schedule poly --log one.tsv -o one.ts
	for n in 2 4; do
		ranks $n "$patches -n 24 --shard auto train.ts | seg-train $net --accumulate 4 --schedule poly --log $n.tsv -o $n.ts"
		same_losses one.tsv $n.tsv
		diff <(column one.tsv lr) <(column $n.tsv lr)
	done
	ranks 4 "$patches -n 12 --shard auto train.ts | seg-train $net --steps 6 --schedule poly --log go.tsv -o go.ts"
	ranks 2 "$patches -n 20 --skip 12 --shard auto train.ts | seg-train --resume go.last.ts --log go.tsv -o go.ts"
	$patches -n 24 --skip 20 train.ts | seg-train --resume go.last.ts --log go.tsv -o go.ts
	same_losses one.tsv go.tsv
	ranks 2 "$patches -n 24 --shard auto train.ts | seg-train $net --accumulate 3 -o m.ts" 2>err || status=$?
	[ "$status" -eq 1 ]
	said err "rank 0 ($host): --accumulate 3: that many batches a step cannot be shared out to 2 ranks" ||
		said err "rank 1 ($host): --accumulate 3: that many batches a step cannot be shared out to 2 ranks"
}

@test "gradients as bfloat16 on the way; --verbose says what was hidden" {
	ranks 2 "$patches -n 12 --shard auto train.ts | seg-train $net --log a.tsv -o a.ts"
	ranks 2 "$patches -n 12 --shard auto train.ts | seg-train $net --wire bf16 -v --log b.tsv -o b.ts" 2>err
	same_losses a.tsv b.tsv 2e-2
	run cmp -s a.ts b.ts
	[ "$status" -eq 1 ]
	grep -qE '^seg-train: 2 ranks: gradients [0-9.]+ ms a step under way, [0-9.]+ ms of it waited for: [0-9]+ % hidden behind the backward pass$' err
}

# on_gpus: the backends in a GPU's place, here
on_gpus() {
	[ -e "$ROOT/build/sim/niipipe-nccl.so" ] || skip "no nccl.h here: build/sim/niipipe-nccl.so was not built"
	mkdir -p gpus && ln -sf "$ROOT"/build/sim/niipipe-*.so "$BIN/niipipe-mpi.so" gpus
	export NIIPIPE_BACKENDS=$PWD/gpus
}

@test "GPUs, in their place: sums by NCCL behind the backend's stream, ranks met by MPI and by a file, one process's numbers" {
	on_gpus
	gpu="seg-train --device cuda:0 --precision fp32 $net --val val.ts --val-every 3"
	$patches -n 11 train.ts | $gpu --batch 2 --log one.tsv -o one.ts
	for f in a b; do ranks 2 "$patches -n 11 --shard auto train.ts | $gpu --log $f.tsv -o $f.ts"; done
	same_losses one.tsv a.tsv
	diff <(column one.tsv val_dice) <(column a.tsv val_dice)
	cmp a.last.ts b.last.ts
	for i in 0 1 2; do
		(export NIIPIPE_RENDEZVOUS=$PWD/meet NIIPIPE_RANKS=3 NIIPIPE_RANK=$i
		$patches -n 11 --shard auto train.ts | $gpu --log f.tsv -o f.ts) 2>err.$i &
	done
	wait
	cat err.*
	[ "$(cat err.* | wc -l)" -eq 0 ]
	[ ! -e meet ]
	[ -z "$(find . -name 'nccl-*')" ]
	$patches -n 11 train.ts | $gpu --batch 3 --log three.tsv -o three.ts
	same_losses three.tsv f.tsv
	job 2 "rank 0 ($host): --wire bf16: the gradients of GPUs travel as fp32" "$patches -n 9 --shard auto train.ts | $gpu --wire bf16 -o m.ts" ||
		said err "rank 1 ($host): --wire bf16: the gradients of GPUs travel as fp32"
}

@test "GPUs, in their place: kill -9 of a rank that met by a file: one message, the other ends in seconds" {
	on_gpus
	for i in 0 1; do
		(export NIIPIPE_RENDEZVOUS=$PWD/meet NIIPIPE_RANKS=2 NIIPIPE_RANK=$i
		$patches --shard auto train.ts 2>/dev/null | sh -c 'echo $$ >pid.'$i'; exec "$@"' - seg-train --device cuda:0 $net --save-every 3 --log l.tsv -o m.ts) 2>err.$i &
	done
	await has_rows l.tsv 4
	begun=$(date +%s)
	kill -9 "$(cat pid.1)"
	wait
	[ $(($(date +%s) - begun)) -lt 15 ]
	said err.0 "rank 1 ($host): ended without a word: killed, or out of memory"
	[ "$(next_of m.last.ts)" -gt 0 ]
}

# one_kill RANK ROWS: that rank is killed when the log has so many rows; then the run goes on to the end
one_kill() {
	rm -f m.* l.tsv pid.* err
	ranks 3 "$big --shard auto train.ts 2>/dev/null | \$exec seg-train $net --save-every 3 --log l.tsv -o m.ts" 2>err &
	local job=$! status=0 from=0 begun took
	await has_rows l.tsv "$2"
	sleep "0.0$((RANDOM % 100))"
	begun=$(date +%s%N)
	kill -9 "$(cat "pid.$1")"
	wait $job || status=$?
	took=$((($(date +%s%N) - begun) / 1000000))
	[ "$status" -ne 0 ]
	[ "$took" -lt 15000 ]
	said err "rank $1 ($host): ended without a word: killed, or out of memory"
	[ ! -e m.last.ts ] || from=$(next_of m.last.ts)
	if [ "$from" -gt 0 ]; then
		ranks 3 "$big --skip $from --shard auto train.ts | seg-train --resume m.last.ts --save-every 3 -o m.ts"
	else
		ranks 3 "$big --shard auto train.ts | seg-train $net -o m.ts"
	fi
	cmp m.last.ts u.last.ts
	[ -z "${NIIPIPE_LONG-}" ] || echo "# rank $1 killed after $2 rows: exit status $status after $took ms, gone on from patch $from, the same bytes" >&3
}

@test "kill -9 of a rank: one message, the job ends in seconds, the checkpoint is whole, and the run goes on bit for bit" {
	big="nii-patch -s 32,32,16 -n 900 --seed 1"
	ranks 3 "$big --shard auto train.ts | seg-train $net -o u.ts"
	for i in $(seq $((${NIIPIPE_LONG:+58} + 2))); do # long: twenty of each rank
		one_kill $((i % 3)) $((1 + RANDOM % 60))
	done
}

@test "SIGTERM for one rank ends all after the same step, saved, exit 0; SIGUSR1 saves; the rest gives the same bytes" {
	ranks 3 "$patches --shard auto train.ts 2>/dev/null | \$exec seg-train $net --val val.ts --val-every 50 --log l.tsv -o t.ts" 2>err &
	job=$!
	await has_rows l.tsv 3
	kill -USR1 "$(cat pid.2)"
	await test -e t.last.ts
	kill -TERM "$(cat pid.1)"
	wait $job
	k=$(next_of t.last.ts)
	said err "stopped by SIGTERM after step $((k / 3)): go on with --resume t.last.ts and nii-patch --skip $k"
	n=$((k + 9))
	ranks 3 "$patches -n $n --skip $k --shard auto train.ts | seg-train --resume t.last.ts --val val.ts --val-every 50 --log l.tsv -o t.ts"
	ranks 3 "$patches -n $n --shard auto train.ts | seg-train $net --val val.ts --val-every 50 --log u.tsv -o u.ts"
	cmp t.ts u.ts
	cmp t.last.ts u.last.ts
	diff <(cut -f 1-7 l.tsv) <(cut -f 1-7 u.tsv)
}

# job N MESSAGE PIPELINE: fails with one message, exit 1, in seconds
job() {
	local status=0 begun
	begun=$(date +%s)
	ranks "$1" "$3" 2>err || status=$?
	[ "$status" -eq 1 ] && [ $(($(date +%s) - begun)) -lt 30 ] || { echo "status $status: $3"; cat err; return 1; }
	said err "$2"
}

@test "a rank whose patches break off, end early, never come or are late" {
	only() { echo "(if [ $rank = $1 ]; then $2; else cat; fi)"; }
	rank='$OMPI_COMM_WORLD_RANK'
	job 3 "rank 1 ($host): standard input: ends inside a frame's data (offset 30000, expected 6144 bytes, found 688)" \
		"$patches -n 30 --shard auto train.ts | $(only 1 'head -c 30000') | seg-train $net -o m.ts"
	[ "$(next_of m.last.ts)" -eq 12 ] # what was learnt is kept
	job 3 "rank 1 ($host): its patches end before patch 13, others have more" \
		"$patches -n 30 --shard auto train.ts | $(only 1 'ts-select --index 0..3') | seg-train $net -o m.ts"
	job 3 "rank 2 ($host): its patches end before patch 29, others have more" \
		"$patches -n 30 --shard auto train.ts | $(only 2 'ts-select --index 0..8') | seg-train $net -o m.ts"
	job 3 "rank 2 ($host): standard input: no frame at all: empty, or what should have written it failed" \
		"$patches -n 2 --shard auto train.ts 2>/dev/null | seg-train $net -o m.ts"
	job 2 "rank 1 ($host): keeps the others waiting for more than 1 s (--timeout)" \
		"$patches -n 30 --shard auto train.ts | $(only 1 'head -c 30000; exec sleep 20') | seg-train $net --timeout 1 -o m.ts"
	[ "$(next_of m.last.ts)" -eq 8 ]
}

@test "a rank that fails while nobody reads rank 0's messages: what was learnt is kept" {
	rank='$OMPI_COMM_WORLD_RANK' begun=$(date +%s)
	ranks 2 "if [ $rank = 0 ]; then $patches -n 30 --shard auto train.ts 2>/dev/null | { seg-train $net -o m.ts 2>&1 >/dev/null; echo \$? >status.0; } | true
		else $patches -n 30 --shard auto train.ts 2>/dev/null | head -c 30000 | seg-train $net -o m.ts; fi" && return 1
	[ $(($(date +%s) - begun)) -lt 30 ]
	[ "$(cat status.0)" -eq 1 ]
	[ "$(next_of m.last.ts)" -eq 8 ]
}

@test "ranks with other seeds, options, networks, patches or data order are named at the first step" {
	rank='$OMPI_COMM_WORLD_RANK'
	job 3 "rank 1 ($host): its options are not rank 0's: --seed 1, not 0" "$patches -n 9 --shard auto train.ts | seg-train $net --seed \$(($rank % 2)) -o m.ts"
	job 2 "rank 1 ($host): its options are not rank 0's: --clip 3, not 2" "$patches -n 9 --shard auto train.ts | seg-train $net --clip \$((2 + $rank)) -o m.ts"
	job 2 "rank 1 ($host): its network is not rank 0's" "$patches -n 9 --shard auto train.ts | seg-train $net --kernel \$((3 + 2 * $rank)) -o m.ts"
	job 2 "rank 1 ($host): its patches are drawn otherwise than rank 0's: nii-patch and nii-augment want the same options and --seed on all ranks" \
		"nii-patch -s 16,16,8 --seed $rank -n 9 --shard auto train.ts | seg-train $net -o m.ts"
	job 2 "rank 1 ($host): its patches are of another size than rank 0's" \
		"nii-patch -s 16,16,\$((8 + 8 * $rank)) --seed 1 -n 9 --shard auto train.ts | seg-train $net -o m.ts"
	job 2 "rank 1 ($host): begins with patch 0, not with 1: give nii-patch --shard auto" "$patches -n 9 train.ts | seg-train $net -o m.ts"
	$patches -n 2 train.ts | seg-train $net -o i0.ts
	$patches -n 4 train.ts | seg-train $net -o i1.ts
	job 2 "rank 1 ($host): its initial weights are not rank 0's" "$patches -n 9 --shard auto train.ts | seg-train $net --init i$rank.ts -o m.ts"
	[ ! -e m.ts ]
}

@test "a full disk on rank 0; not a number on one rank" {
	rank='$OMPI_COMM_WORLD_RANK'
	job 2 "rank 0 ($host): /dev/full: cannot write (offset 0): No space left on device" "$patches -n 9 --shard auto train.ts | seg-train $net -o /dev/full"
	$patches -n 12 train.ts | nii-normalize --zscore >z.ts
	f=$(ts-info z.ts | sed -n 's/^frame 7: .* at byte \([0-9]*\) of.*/\1/p')
	h=$(od -An -tu8 -j "$f" -N 8 z.ts)
	printf '\0\0\300\177' | dd of=z.ts bs=1 seek=$((f + 8 + h)) conv=notrunc status=none # the image comes first
	job 2 "rank 1 ($host): standard input: the loss is not a number at step 4: $(ts-info z.ts | sed -n 's/^frame 7: \([^,]*\),.*/\1/p') (patch 7): the image of patch 7 is not a number at voxel 0,0,0 of the patch; the last good state is in m.last.ts" \
		"ts-select --index \$(seq -s, $rank 2 11) z.ts | seg-train $net --save-every 2 -o m.ts"
	next=$(next_of m.last.ts)
	[ "$next" -eq 4 ] || [ "$next" -eq 6 ] # what was saved last; where rank 0 heard of it before it began step 4, all of step 3
}

@test "a disk that is full in mid-training ends all; what was saved stays whole" {
	[ "$(id -u)" -eq 0 ] || skip "not root: no tmpfs to mount"
	ranks 2 "$patches -n 6 --shard auto train.ts | seg-train $net -o six.ts" # as large as the others
	mkdir small
	mount -t tmpfs -o size=$(($(stat -c %s six.last.ts) / 4096 * 4 + 40))k tmpfs small 2>/dev/null || skip "no tmpfs may be mounted"
	bad=0
	ranks 2 "$patches -n 30 --shard auto train.ts | seg-train $net --save-every 3 -o small/m.ts" 2>err || status=$?
	cp small/m.last.ts kept.ts || bad=1
	left=$(ls -A small)
	umount small
	[ "$bad" -eq 0 ]
	[ "$status" -eq 1 ]
	[ "$(grep -c '^seg-train: ' err)" -eq 1 ]
	grep -qE "^seg-train: rank 0 \($host\): small/m(.last)?.ts: cannot write \(offset [0-9]+\): No space left on device$" err
	[[ $left != *.tmp* ]]
	cmp kept.ts six.last.ts
}

@test "more ranks than volumes to validate on; patches for fewer ranks than there are" {
	ts-select --index 0 -o single.ts val.ts
	ranks 4 "$patches -n 8 --shard auto train.ts | seg-train $net --val single.ts --log a.tsv -o a.ts"
	$patches -n 8 train.ts | seg-train $net --batch 4 --val single.ts --log one.tsv -o one.ts
	diff <(column one.tsv val_dice) <(column a.tsv val_dice)
	job 4 "rank 3 ($host): standard input: no frame at all: empty, or what should have written it failed" \
		"$patches -n 3 --shard auto train.ts 2>/dev/null | seg-train $net -o m.ts"
}

@test "no MPI, another MPI, and ranks that want to be alone" {
	mkdir none && ln -s "$BIN/niipipe-cpu.so" none
	$patches -n 2 train.ts >p.ts
	OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=2 NIIPIPE_BACKENDS=none fails 1 \
		"seg-train: mpirun started 2 ranks: no niipipe-mpi.so beside the tool nor in ../lib/niipipe" seg-train $net -o m.ts p.ts
	SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=2 fails 1 \
		"seg-train: srun says rank 0 of 2, MPI says 0 of 1: srun wants --mpi=pmix, mpirun must be that of the MPI niipipe was built with" seg-train $net -o m.ts p.ts
	[ "$(ldd "$BIN/seg-train" | grep -cE 'mpi|nccl|cuda')" -eq 0 ] # linked to none of it, and alone it loads none
	LD_DEBUG=files seg-train $net -o a.ts p.ts 2>files
	[ "$(grep -c 'niipipe-cpu' files)" -gt 0 ]
	[ "$(grep -cE 'niipipe-mpi|libmpi|niipipe-nccl' files)" -eq 0 ]
	OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=2 seg-train $net --alone -o b.ts p.ts
	cmp a.last.ts b.last.ts
	for i in 0 1; do
		NIIPIPE_RENDEZVOUS=meet NIIPIPE_RANKS=2 NIIPIPE_RANK=$i seg-train $net -o m.ts p.ts 2>err.$i &
	done
	wait
	cat err.0 err.1 >err
	said err "rank 0 ($host): NIIPIPE_RENDEZVOUS is for GPUs: sums between processors need MPI" ||
		said err "rank 1 ($host): NIIPIPE_RENDEZVOUS is for GPUs: sums between processors need MPI"
	[ ! -e meet ]
}
