#!/bin/bash
# Everything that only a GPU machine can show, in stages, without bats or Debian packages there. Here: `tests/gpu.sh pack` puts what the tools need of this
# machine's libraries, and the phantoms, into build/gpu-kit.tar.xz. There, in the repository's root with build/{bin,test,bench} and that:
#     tests/gpu.sh run DIR [STAGE...]     each stage within LIMIT (540) seconds; without any all of them, in the order of the table below
# Every step is a row of DIR/results.tsv as soon as it is over: stage, what, ok | not ok | skipped, a figure; what it said is in DIR/STAGE.log.
# DIR also gets models and masks, which `masks` takes from `train`: on a machine that forgets, both in one call.
# Exit 1 if any was not ok. Without a GPU, for testing this script: GPU_BACKENDS=DIR, of build/sim's backend and
# the CPU's, and GPU_KIT, NETS, STEPS, PATCH, TRAIN (options of the network), SLIDE, ROI.
#     device    the card, its driver, our backend's own line; which library makes which convolution; a copy's bandwidth
#     kernels   every kernel against tests/ref, losses, attention, windows, changes of resolution, softmax of channels
#     nets      networks against MONAI's golden files, fp32 and bf16, and once more with our own convolutions alone
#     train     steps on the same patches: GPU fp32, bf16 and CPU, means of their losses
#     same      training and windows as CUDA graphs and without, copies beside the computing and not: the same bytes; the GPU's wait for patches
#     ranks     two ranks that meet by a file, their gradients added up by NCCL, on two GPUs or, where NCCL takes it, on one: one process's losses
#     masks     masks of the GPU against the CPU's
#     bench     each operation's share of a copy's bandwidth, each convolution's of a large product's rate; times of networks, inference and training,
#               fp32, tf32 and bf16; and with --tune
#     slide     a scan of 512x512x300, overlap 0.8
#     peer      the same in PyTorch and MONAI (their wheels by PYTHONPATH): eager and compiled
#     sanitize  compute-sanitizer over the kernels' tests
set -u -o pipefail
kit=${GPU_KIT:-build/gpu-kit}
stages="device kernels nets train same ranks masks bench slide peer sanitize"
nets="unet nnunet swinunetr"

pack() {
	rm -rf "$kit" && mkdir -p "$kit"
	for f in build/bin/seg-* build/bin/nii-* build/bin/ts-* build/bin/niipipe-cpu.so; do ldd "$f"; done |
		awk '$3 ~ /^\// { print $3 }' | sort -u | grep -vE '/(libc|libm|libpthread|libdl|librt|libstdc\+\+|libgcc_s|ld-linux[^/]*)\.so' | xargs -I{} cp -L {} $kit
	build/bin/nii-phantom -q -n 4 -s 160,160,96 --seed 5 --healthy 0 | build/bin/nii-normalize --window=-1024,325 |
		build/bin/nii-crop --above 0.1 >$kit/phantoms.ts || exit 1
	tar -C "$kit" -cJf build/gpu-kit.tar.xz . && du -sh build/gpu-kit.tar.xz
}

row() { # WHAT STATUS FIGURE: 0 ok, 77 skipped, 124 out of time
	local word
	case $2 in 0) word=ok ;; 77) word=skipped ;; 124) word="not ok (out of time)" ;; *) word="not ok ($2)" ;; esac
	printf '%s\t%s\t%s\t%s\n' "$stage" "$1" "$word" "$3" | tee -a "$dir/results.tsv"
	case $2 in 0 | 77) ;; *) failed=1 ;; esac
}

left() { # seconds of this stage; at most those given
	local rest=$((${LIMIT:-540} - SECONDS + begun))
	[ $rest -gt "$1" ] && rest=$1
	[ $rest -gt 1 ] && echo $rest || echo 1
}

# COMMAND at most so many seconds, its words to the stage's log
within() {
	local most=$1
	shift
	timeout "$(left "$most")" "$@" >>"$dir/$stage.log" 2>&1
}

# A unit test on the device: how many of its tests pass
unit() { # NAME WORDS
	local status
	TEST_DEVICE=cuda NIIPIPE_CUDA=managed$2 timeout "$(left 200)" build/test/"$1" >"$dir/unit.txt" 2>&1
	status=$?
	row "unit $1${2:+ ($2)}" $status "$(grep -c '^ok' "$dir/unit.txt") ok, $(grep -c '^not ok' "$dir/unit.txt") not, first: $(grep -m1 '^not ok' "$dir/unit.txt")"
	cat "$dir/unit.txt" >>"$dir/$stage.log"
}

steps_of() { case $1 in unet) echo "${STEPS:-300}" ;; swinunetr) echo $((${STEPS:-300} / 15)) ;; *) echo $((${STEPS:-300} / 3)) ;; esac; }
options_of() { case ${TRAIN:+given}$1 in given*) echo "$TRAIN" ;; nnunet) echo --channels 16,32,64,128 ;; esac; }

train() { # NET DEVICE PRECISION: on the same patches
	local out=$dir/$1-$2-$3.ts status
	# shellcheck disable=SC2046
	build/bin/nii-patch -q -s "${PATCH:-96,96,64}" --pos 0.5 -n "$(steps_of "$1")" --seed 1 $kit/phantoms.ts | within 240 build/bin/seg-train -q --device "$2" --precision "$3" \
		--loss dicece --lr 1e-3 --seed 1 --net "$1" $(options_of "$1") --log "$out.tsv" -o "$out"
	status=$?
	row "train $1 $2 $3, $(steps_of "$1") steps" $status "mean loss $(awk -F'\t' 'NR > 1 { s += $4; n++ } END { print n ? s / n : "none" }' "$out.tsv"), of the last tenth $(
		awk -F'\t' 'NR > 1 { v[++n] = $4 } END { for (i = int(n * 0.9) + 1; i <= n; i++) s += v[i], m++; print m ? s / m : "none" }' "$out.tsv")"
}

stage_device() {
	nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader >>"$dir/$stage.log" 2>&1
	row card $? "$(tail -n 1 "$dir/$stage.log" | tr '\t' ' ') $(date -u +%F)"
	NIIPIPE_CUDA=report within 100 build/bench/net --device cuda --precision bf16 --net unet -n 1
	row "UNet's convolutions, bf16" $? "$(grep -c cuDNN: "$dir/$stage.log") $(grep -oE ': (cuDNN|cuBLASLt|own).*' "$dir/$stage.log" | sort | uniq -c | tr -s ' \n' ' ')"
	NIIPIPE_CUDA=report within 100 build/bench/net --device cuda --precision fp32 --net unet -n 1
	row "UNet's convolutions, fp32" $? ""
	within 60 env -u LD_LIBRARY_PATH python3 -c 'import torch; x = torch.empty(1 << 30, dtype=torch.uint8, device="cuda"); y = torch.empty_like(x)
for i in range(3): y.copy_(x)
b, e = torch.cuda.Event(True), torch.cuda.Event(True)
b.record(); [y.copy_(x) for i in range(10)]; e.record(); torch.cuda.synchronize()
print("copy GB/s, bytes read and written:", 20 * (1 << 30) / b.elapsed_time(e) / 1e6)'
	row "copy's bandwidth" $? "$(tail -n 1 "$dir/$stage.log")"
}

stage_kernels() { TEST_DEVICE=cuda within 100 build/test/lines; row "unit lines" $? ""; for t in kernels wide loss scale window attention across; do unit $t ""; done; }

stage_nets() {
	unit net ""
	unit swin ""
	unit net ",direct"
	unit kernels ",direct"
	unit kernels ",plain"
}

stage_train() {
	for net in ${NETS:-$nets}; do
		for how in "cuda fp32" "cuda bf16" "cpu fp32"; do
			# shellcheck disable=SC2086
			train "$net" $how
		done
	done
}

stage_ranks() {
	local how="--precision fp32 --net unet ${TRAIN:-} --lr 1e-3 --seed 1" n=20 status=0 i cards pids=()
	[ -e "$NIIPIPE_BACKENDS/niipipe-nccl.so" ] || { row "two ranks" 77 "no niipipe-nccl.so"; return; }
	cards=$(nvidia-smi -L 2>/dev/null | wc -l)
	rm -f "$dir"/meet* "$dir"/rank*
	draw() { build/bin/nii-patch -q -s "${PATCH:-96,96,64}" --pos 0.5 -n $n --seed 1 "$@" $kit/phantoms.ts; }
	for i in 0 1; do
		export NIIPIPE_RENDEZVOUS=$dir/meet NIIPIPE_RANKS=2 NIIPIPE_RANK=$i
		# shellcheck disable=SC2086
		draw --shard auto | within 120 build/bin/seg-train -q --device "cuda:$((cards > 1 ? i : 0))" $how --log "$dir/rank.tsv" -o "$dir/ranks.ts" &
		pids+=($!)
	done
	unset NIIPIPE_RENDEZVOUS NIIPIPE_RANKS NIIPIPE_RANK
	for i in "${pids[@]}"; do wait "$i" || status=$?; done
	[ $status = 0 ] || [ "$cards" -gt 1 ] || ! grep -q 'invalid usage' "$dir/$stage.log" || { row "two ranks" 77 "NCCL takes one rank a GPU, and there is one"; return; }
	row "two ranks" $status "$(tail -n 1 "$dir/$stage.log")"
	[ $status = 0 ] || return
	# shellcheck disable=SC2086
	draw | within 120 build/bin/seg-train -q --device cuda:0 $how --batch 2 --log "$dir/rank-both.tsv" -o "$dir/rank-both.ts"
	paste <(cut -f 3 "$dir/rank.tsv") <(cut -f 3 "$dir/rank-both.tsv") | awk 'NR > 1 && ($1 - $2) ^ 2 > 1e-8 { exit 1 } END { exit NR != 11 }'
	row "losses of two ranks and of one process" $? "$(tail -n 1 "$dir/rank.tsv" | cut -f 3) $(tail -n 1 "$dir/rank-both.tsv" | cut -f 3)"
}

stage_masks() {
	for net in ${NETS:-$nets}; do
		local status
		[ -e "$dir/$net-cpu-fp32.ts" ] || { row "masks $net" 77 "no model: stage train"; continue; }
		for d in cpu cuda; do
			rm -rf "$dir/mask-$d"
			within 120 bash -c "set -o pipefail; build/bin/seg-window -q --device $d --precision fp32 -m $dir/$net-cpu-fp32.ts $kit/phantoms.ts |
				build/bin/nii-write -q -t pred -d $dir/mask-$d"
		done
		within 60 build/bin/seg-score -q --union --min dice=0.999 -o "$dir/masks.tsv" "$dir/mask-cpu" "$dir/mask-cuda"
		status=$?
		row "masks $net" $status "Dice of every phantom: $(awk -F'\t' 'NR > 1 { print $3 }' "$dir/masks.tsv" | head -4 | tr '\n' ' ')"
	done
}

share() { # LOG: of the time, without the first steps
	awk -F'\t' 'NR > 11 { s += $9; n++ } END { print n ? s / n : "none" }' "$1"
}

# Every way of giving the work to the device: how it is said, seconds
stage_same() {
	local how status net out b
	for net in ${NETS:-$nets}; do
		for how in "" nographs serial nographs,serial; do
			out=$dir/same-$net-${how:-plain} b=$(date +%s.%N)
			# shellcheck disable=SC2046
			build/bin/nii-patch -q -s "${PATCH:-96,96,64}" --pos 0.5 -n "$(($(steps_of "$net") / 3))" --seed 1 $kit/phantoms.ts |
				NIIPIPE_CUDA=$how within 90 build/bin/seg-train -v -q --device cuda --precision bf16 --loss dicece --lr 1e-3 --seed 1 --net "$net" $(options_of "$net") \
					--log "$out.tsv" -o "$out.ts" && cmp "$dir/same-$net-plain.ts" "$out.ts" >>"$dir/$stage.log" 2>&1
			status=$?
			row "training $net, ${how:-graphs, side by side}: the same bytes" $status "$(awk "BEGIN { print $(date +%s.%N) - $b }") s"
		done
		for how in "" nographs,serial; do
			out=$dir/same-$net-window-${how:-plain}
			NIIPIPE_CUDA=$how within 60 build/bin/seg-window -q --device cuda --precision bf16 --overlap 0.5 --batch 2 -m "$dir/same-$net-plain.ts" -o "$out.ts" $kit/phantoms.ts &&
				cmp "$dir/same-$net-window-plain.ts" "$out.ts" >>"$dir/$stage.log" 2>&1
			row "windows $net, ${how:-graphs, side by side}: the same bytes" $? ""
		done
	done
	# a cache on disk, augmented on the way, as in a user's pipeline
	# shellcheck disable=SC2046
	build/bin/nii-patch -q -s "${PATCH:-160,160,64}" --pos 0.5 -n "${STEPS:-300}" --seed 1 $kit/phantoms.ts | build/bin/nii-augment -q --flip x --shift 0.1 --scale 0.1 --seed 1 |
		within 150 build/bin/seg-train -v -q --device cuda --precision bf16 --loss dicece --net unet $(options_of unet) --log "$dir/fed.tsv" -o "$dir/fed.ts"
	row "nii-patch | nii-augment | seg-train unet bf16" $? "wait $(share "$dir/fed.tsv"), $(awk -F'\t' 'NR > 11 { s += $8; n++ } END { print n ? s / n : "none" }' "$dir/fed.tsv") patches/s"
}

size_of() { case $1 in unet) echo 160,160,64 ;; nnunet | dynunet) echo 128,128,128 ;; *) echo 96,96,96 ;; esac; }

bench() { # NET PRECISION WORDS...
	local net=$1 precision=$2 status
	shift 2
	timeout "$(left 150)" build/bench/net --device cuda --precision "$precision" --net "$net" --size "$(size_of "$net")" -n "${REPEATS:-20}" "$@" >"$dir/time.txt" 2>&1
	status=$?
	row "time $net $precision $*" $status "$(awk '/^(infer|train)/ { print $1, $2, "s", $14, $15 }' "$dir/time.txt" | tr '\n' ' ')"
	cat "$dir/time.txt" >>"$dir/$stage.log"
}

# A row an operation: time, rate, share of the ceiling measured in the same run
share() { # PRECISION
	local what ms rate part status
	timeout "$(left 100)" build/bench/share --device cuda --precision "$1" --size "${SHARE:-128}" >"$dir/share.txt" 2>>"$dir/$stage.log"
	status=$?
	while IFS=$'\t' read -r what ms rate part; do row "$1 $what" 0 "$ms, $rate, $part"; done <"$dir/share.txt"
	row "shares of the ceilings, $1" $status "$(wc -l <"$dir/share.txt") operations"
}

stage_bench() {
	for p in bf16 tf32; do share $p; done
	for net in ${NETS:-$nets}; do
		for p in bf16 tf32 fp32; do bench "$net" $p; done
	done
	NIIPIPE_PLANS=$dir/plans.tsv bench unet bf16 --tune
}

stage_slide() {
	local status
	within 200 bash -c "set -o pipefail; build/bin/nii-phantom -q -n 1 -s ${SLIDE:-512,512,300} --seed 3 | build/bin/nii-normalize --window=-1024,325 -o $dir/scan.ts &&
		build/bench/make_model -o $dir/unet.ts $dir/scan.ts"
	row "a scan of ${SLIDE:-512,512,300}" $? ""
	for b in 1 4; do
		timeout "$(left 200)" build/bin/seg-window -v --device cuda --precision bf16 --batch $b -m "$dir/unet.ts" --roi "${ROI:-160,160,64}" --overlap 0.8 -o "$dir/slide.ts" "$dir/scan.ts" \
			>"$dir/slide.txt" 2>&1
		status=$?
		row "its windows, overlap 0.8, batch $b" $status "$(grep -o 'windows; .*' "$dir/slide.txt")"
		cat "$dir/slide.txt" >>"$dir/$stage.log"
	done
}

stage_peer() {
	env -u LD_LIBRARY_PATH python3 -c 'import torch, monai; assert torch.cuda.is_available()' >>"$dir/$stage.log" 2>&1 || { row peer 77 "no torch with CUDA and monai in python3"; return; }
	for net in ${PEERS:-unet dynunet swinunetr}; do
		for mode in infer train; do
			for how in "autocast cuda" "autocast cuda compile"; do
				local status
				# shellcheck disable=SC2086
				timeout "$(left 120)" env -u LD_LIBRARY_PATH python3 tests/bench/peer_net.py $mode "$(size_of "$net")" "${REPEATS:-20}" "$net" $how >"$dir/peer.txt" 2>>"$dir/$stage.log"
				status=$?
				row "torch $net $mode $how" $status "$(awk '{ print $1, "s, peak", $2, "MB" }' "$dir/peer.txt")"
			done
		done
	done
	for b in 1 4; do
		within 120 env -u LD_LIBRARY_PATH python3 tests/bench/peer_slide.py "${SLIDE:-512,512,300}" 0.8 $b
		row "MONAI's sliding window, sw_batch $b" $? "$(tail -n 1 "$dir/$stage.log")"
	done
}

stage_sanitize() {
	command -v compute-sanitizer >/dev/null || { row compute-sanitizer 77 "not here"; return; }
	for tool in memcheck racecheck initcheck; do
		for t in scale loss attention; do
			TEST_DEVICE=cuda NIIPIPE_CUDA=managed within 150 compute-sanitizer --tool $tool --error-exitcode 9 build/test/$t
			row "$tool: $t" $? "$(grep 'ERROR SUMMARY' "$dir/$stage.log" | tail -n 1)"
		done
	done
}

run() {
	local wanted
	dir=$1 failed=0
	shift
	# shellcheck disable=SC2086
	[ $# -gt 0 ] || set -- $stages
	for wanted; do
		case " $stages " in *" $wanted "*) ;; *) echo "gpu.sh: no stage $wanted (there are: $stages)" >&2; exit 2 ;; esac
	done
	mkdir -p "$dir"
	[ -d "$kit" ] || { mkdir -p "$kit" && tar -C "$kit" -xJf build/gpu-kit.tar.xz || exit 1; }
	# what python finds its libraries by must not be ours
	LD_LIBRARY_PATH=$(realpath "$kit"):$(python3 -c 'import glob, nvidia; print(":".join(sorted(glob.glob(list(nvidia.__path__)[0] + "/*/lib"))))' 2>/dev/null)
	export LD_LIBRARY_PATH NIIPIPE_BACKENDS=${GPU_BACKENDS:-$PWD/build/bin} BIN=$PWD/build/bin BENCH=$PWD/build/bench
	for stage; do
		begun=$SECONDS
		: >"$dir/$stage.log"
		"stage_$stage"
		row "all of it" 0 "$((SECONDS - begun)) s"
	done
	return $failed
}

case ${1-} in
pack) pack ;;
run) [ $# -gt 1 ] || { echo "gpu.sh: run needs a directory" >&2; exit 2; }; shift; run "$@" ;;
*) echo "usage: tests/gpu.sh pack | run DIR [STAGE...]" >&2; exit 2 ;;
esac
