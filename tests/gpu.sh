#!/bin/bash
# Everything that only a GPU machine can show, in stages, without bats or Debian packages there. Here: `tests/gpu.sh pack` puts what was built, and what
# of this machine's libraries it needs, into build/gpu-kit.tar.gz, which is what must go along. There, in the repository's root:
#     tests/gpu.sh run DIR [STAGE...]     GPU_SECONDS (560) in all, each stage at most LIMIT (540); without any all of them, in the order of the table
# DIR gets results.tsv, a row a step as soon as it is over (stage, what, ok | not ok | skipped, a figure), and log.txt, whatever was said; all else, models
# and masks too, is in GPU_WORK (build/gpu-work), from where `masks` takes what `train` left: on a machine that forgets, both in one call.
# Where calls are of ten minutes: `device kernels nets train masks`, `same ranks bench slide tight`, `peer sanitize`; of a machine lent for fifteen minutes in all with
# NETS=unet PRECISIONS=bf16 GPU_SECONDS=440: first, right or wrong, `device kernels nets train masks same slide sanitize`, then, how fast, `bench tight peer`
# (an H100: kernels 23 s, nets 28, train of all 83, of the UNet 36, masks 14, same 14 and more, slide 21, tight 13, bench 22; sanitize over 100; the peers' code 180,
# beside what comes before bench; peer over 216: eager comes last, and SwinUNETR's compiled training takes over a minute by itself; an H200: kernels 25 and nets 80 beside train
# of all with 300 steps 112 and masks 17; the peers' code without SwinUNETR's training 136, by itself; that training's beside a UNet's times makes those worse, ours and theirs:
# PEERS="unet dynunet" and PEERS=swinunetr are two calls).
# A stage goes on after whatever failed in it or before; where our backend does not start, which is tried first, only `device` and `peer` are done. Exit 1 if any was not ok.
# Without a GPU, for testing this script: GPU_BACKENDS=DIR, of build/sim's backend and the CPU's, and GPU_KIT, NETS, PEERS (networks of bench and peer), PRECISIONS (of bench),
# STEPS, FED (patches of same's pipeline), PATCH, TRAIN (options of the network), SLIDE, LONG, LEFT (MiB that tight leaves free), ROI. `pack` takes MONAI's wheel along where WHEELS names a python whose pip can fetch it.
#     device    the card, its driver; which library makes which convolution; a copy's bandwidth
#     kernels   every kernel against tests/ref, losses, attention, windows, changes of resolution, softmax of channels, pooling
#     nets      networks against MONAI's golden files, fp32 and bf16, and once more with our own convolutions alone
#     train     steps on the same patches: GPU fp32, bf16 and CPU, means of their losses
#     masks     masks of the GPU against the CPU's
#     same      training and windows as CUDA graphs and without, copies beside the computing and not: the same bytes; the GPU's wait for patches
#     ranks     two ranks that meet by a file, their gradients added up by NCCL, on two GPUs or, where NCCL takes it, on one: one process's losses
#     bench     each operation's share of the bandwidth of a copy, of a large one and of as many bytes, each convolution's of a large product's rate; times
#               of networks, inference and training, fp32, tf32 and bf16; and with --tune
#     slide     a scan of 512x512x300, overlap 0.8
#     tight     another process holds the device's memory but for a little: a scan larger than that, the same bytes; a training too large for it
#     peer      the same in PyTorch and MONAI (its wheel in the kit, or PYTHONPATH): compiled, its code made beside the stages before bench, and eager
#     sanitize  compute-sanitizer over the kernels' tests
set -u -o pipefail
kit=${GPU_KIT:-build/gpu-kit} work=${GPU_WORK:-build/gpu-work}
stages="device kernels nets train masks same ranks bench slide tight peer sanitize"
nets="unet nnunet swinunetr" peers="unet dynunet swinunetr" precisions="bf16 tf32 fp32"
goes=build/gpu-kit.tar.gz

phantoms() {
	build/bin/nii-phantom -q -n 4 -s 160,160,96 --seed 5 --healthy 0 | build/bin/nii-normalize --window=-1024,325 |
		build/bin/nii-crop --above 0.1 >"$kit/phantoms.ts"
}

pack() {
	local most=$((64 << 20)) bytes
	make -s all unit build/bench/net build/bench/share build/bench/make_model build/bench/feed || exit 1
	rm -rf "$kit" && mkdir -p "$kit"
	tools/libraries.sh "$kit" build/bin/{seg,nii,ts}-* build/bin/niipipe-cpu.so build/test/* build/bench/* || exit 1
	if [ -n "${WHEELS-}" ]; then "$WHEELS" -m pip download -q --no-deps -d "$kit" "monai==$("$WHEELS" -c 'import monai; print(monai.__version__)' 2>/dev/null)" || exit 1; fi
	tar -C build -czf $goes "${kit#build/}" bin test bench || exit 1
	touch "$kit/unpacked"
	bytes=$(git ls-files -z | cat - <(printf '%s\0' $goes) | du -cb --files0-from=- | awk 'END { print $1 }')
	echo "carry $goes: with the repository's files $((bytes >> 20)) MiB"
	[ "$bytes" -lt $most ] || { echo "gpu.sh: that is more than $((most >> 20)) MiB" >&2; exit 1; }
}

row() { # WHAT STATUS FIGURE: 0 ok, 77 skipped, 124 out of time; of what was not ok also the last that was said
	local word figure=$3
	case $2 in 0) word=ok ;; 77) word=skipped ;; 124 | 137) word="not ok (out of time)" ;; *) word="not ok ($2)" ;; esac
	case $2 in 0 | 77) ;; *) failed=1 figure="$figure ($(tail -n 1 "$said" 2>/dev/null | tr -s '\t' ' ' | cut -c 1-200))" ;; esac
	printf '%s\t%s\t%s\t%s\n' "$stage" "$1" "$word" "$figure" | tee -a "$dir/results.tsv" | tee -a "$log"
}

left() { # seconds of this stage, and of all; at most those given
	local rest=$1 of_stage=$((${LIMIT:-540} - SECONDS + begun)) of_all=$((${GPU_SECONDS:-560} - SECONDS))
	[ "$rest" -lt $of_stage ] || rest=$of_stage
	[ "$rest" -lt $of_all ] || rest=$of_all
	[ "$rest" -gt 1 ] && echo "$rest" || echo 1
}

# COMMAND at most so many seconds: its words to $said and to the log
within() {
	local most=$1
	shift
	echo "+ ${NIIPIPE_CUDA:+NIIPIPE_CUDA=$NIIPIPE_CUDA }$*" >>"$log"
	timeout -k 5 "$(left "$most")" "$@" 2>&1 | tee "$said" >>"$log"
}

# As within; what goes to standard output is for who calls, not for the log
figures() {
	local most=$1
	shift
	echo "+ $*" >>"$log"
	timeout -k 5 "$(left "$most")" "$@" 2>>"$log"
}

# Python with its own libraries
peer_python() {
	local most=$1
	shift
	figures "$most" env LD_LIBRARY_PATH="$their_libraries" PYTHONPATH="$work/site:${PYTHONPATH-}" python3 "$@" >"$said"
}

# A unit test on the device: how many of its tests pass
unit() { # NAME WORDS
	local status
	TEST_DEVICE=cuda NIIPIPE_CUDA=managed$2 within 200 build/test/"$1"
	status=$?
	row "unit $1${2:+ ($2)}" $status "$(grep -c '^ok' "$said") ok, $(grep -c '^not ok' "$said") not, first: $(grep -m1 '^not ok' "$said")"
}

steps_of() { case $1 in unet) echo "${STEPS:-300}" ;; swinunetr) echo $((${STEPS:-300} / 15)) ;; *) echo $((${STEPS:-300} / 3)) ;; esac; }
options_of() { case ${TRAIN:+given}$1 in given*) echo "$TRAIN" ;; nnunet) echo --channels 16,32,64,128 ;; esac; }

train() { # NET DEVICE PRECISION: on the same patches
	local out=$work/$1-$2-$3.ts status
	# shellcheck disable=SC2046
	build/bin/nii-patch -q -s "${PATCH:-96,96,64}" --pos 0.5 -n "$(steps_of "$1")" --seed 1 "$kit/phantoms.ts" | within 240 build/bin/seg-train -q --device "$2" --precision "$3" \
		--loss dicece --lr 1e-3 --seed 1 --net "$1" $(options_of "$1") --log "$out.tsv" -o "$out"
	status=$?
	row "train $1 $2 $3, $(steps_of "$1") steps" $status "mean loss $(awk -F'\t' 'NR > 1 { s += $3; n++ } END { print n ? s / n : "none" }' "$out.tsv"), of the last tenth $(
		awk -F'\t' 'NR > 1 { v[++n] = $3 } END { for (i = int(n * 0.9) + 1; i <= n; i++) { s += v[i]; m++ } print m ? s / m : "none" }' "$out.tsv")"
}

stage_device() {
	within 20 nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
	row card $? "$(tail -n 1 "$said" | tr '\t' ' ') $(date -u +%F)"
	for p in bf16 fp32; do
		NIIPIPE_CUDA=report within 120 build/bench/net --device cuda --precision $p --net unet -n 1
		row "UNet's convolutions, $p" $? "$(grep -oE ': (cuDNN|cuBLASLt|own).*' "$said" | sort | uniq -c | tr -s ' \n' ' ')"
	done
	peer_python 60 -c 'import torch; x = torch.empty(1 << 30, dtype=torch.uint8, device="cuda"); y = torch.empty_like(x)
for i in range(3): y.copy_(x)
b, e = torch.cuda.Event(True), torch.cuda.Event(True)
b.record(); [y.copy_(x) for i in range(10)]; e.record(); torch.cuda.synchronize()
print("copy GB/s, bytes read and written:", 20 * (1 << 30) / b.elapsed_time(e) / 1e6)
print("torch", torch.__version__, "cuDNN", torch.backends.cudnn.version(), "NCCL", torch.cuda.nccl.version())'
	row "copy's bandwidth" $? "$(tr '\n' ' ' <"$said")"
}

stage_kernels() { for t in kernels wide loss scale slide attention across pool; do unit $t ""; done; }

stage_nets() {
	unit net ""
	unit swin ""
	unit net ",direct"
	unit kernels ",direct"
	unit kernels ",plain"
}

stage_train() {
	for how in "cuda fp32" "cuda bf16" "cpu fp32"; do
		for net in ${NETS:-$nets}; do
			# shellcheck disable=SC2086
			train "$net" $how
		done
	done
}

stage_ranks() {
	local how="--precision fp32 --net unet ${TRAIN:-} --lr 1e-3 --seed 1" n=20 status=0 i cards pids=()
	[ -e "$NIIPIPE_BACKENDS/niipipe-nccl.so" ] || { row "two ranks" 77 "no niipipe-nccl.so"; return; }
	cards=$(nvidia-smi -L 2>/dev/null | wc -l)
	rm -f "$work"/meet* "$work"/rank*
	draw() { build/bin/nii-patch -q -s "${PATCH:-96,96,64}" --pos 0.5 -n $n --seed 1 "$@" "$kit/phantoms.ts"; }
	for i in 0 1; do
		export NIIPIPE_RENDEZVOUS=$work/meet NIIPIPE_RANKS=2 NIIPIPE_RANK=$i
		# shellcheck disable=SC2086
		draw --shard auto | said=$work/said-$i within 120 build/bin/seg-train -q --device "cuda:$((cards > 1 ? i : 0))" $how --log "$work/rank.tsv" -o "$work/ranks.ts" &
		pids+=($!)
	done
	unset NIIPIPE_RENDEZVOUS NIIPIPE_RANKS NIIPIPE_RANK
	for i in "${pids[@]}"; do wait "$i" || status=$?; done
	[ $status = 0 ] || [ "$cards" -gt 1 ] || ! grep -q 'invalid usage' "$work"/said-[01] || { row "two ranks" 77 "NCCL takes one rank a GPU, and there is one"; return; }
	row "two ranks" $status "$(tail -q -n 1 "$work"/said-[01] | tr '\n' ' ')"
	[ $status = 0 ] || return
	# shellcheck disable=SC2086
	draw | within 120 build/bin/seg-train -q --device cuda:0 $how --batch 2 --log "$work/rank-both.tsv" -o "$work/rank-both.ts"
	paste <(cut -f 3 "$work/rank.tsv") <(cut -f 3 "$work/rank-both.tsv") | awk 'NR > 1 && ($1 - $2) ^ 2 > 1e-8 { exit 1 } END { exit NR != 11 }'
	row "losses of two ranks and of one process" $? "$(tail -n 1 "$work/rank.tsv" | cut -f 3) $(tail -n 1 "$work/rank-both.tsv" | cut -f 3)"
}

stage_masks() {
	for net in ${NETS:-$nets}; do
		local status
		[ -e "$work/$net-cpu-fp32.ts" ] || { row "masks $net" 77 "no model: stage train"; continue; }
		for d in cpu cuda; do
			rm -rf "$work/mask-$d"
			within 120 build/bin/seg-window -q --device $d --precision fp32 --output logits -m "$work/$net-cpu-fp32.ts" -o "$work/logits-$d.ts" "$kit/phantoms.ts" &&
				within 60 bash -c "set -o pipefail; build/bin/seg-argmax -q $work/logits-$d.ts | build/bin/nii-write -q -t pred -d $work/mask-$d"
		done
		# a network of few steps may find nothing: then its logits say more
		within 60 build/bin/ts-cmp -t prob --data-only --atol 1e-2 "$work/logits-cpu.ts" "$work/logits-cuda.ts"
		row "logits $net, within 0.01" $? ""
		within 60 build/bin/seg-score -q --union --empty one --min dice=0.999 -o "$work/masks.tsv" "$work/mask-cpu" "$work/mask-cuda"
		status=$?
		row "masks $net" $status "Dice of every phantom: $(awk -F'\t' 'NR > 1 { print $3 }' "$work/masks.tsv" | head -4 | tr '\n' ' ')"
	done
}

# Without the first steps, of all the time: the loss is not read after every step, so a step's own time is that of handing it over
waited() { # LOG
	awk -F'\t' 'NR > 11 { s += 1 / $8; w += $9 / $8; n++ } END { if (n) printf "wait %.3f, %.0f patches/s", w / s, n / s; else print "wait none" }' "$1"
}

# Every way of giving the work to the device: how it is said, seconds
stage_same() {
	local how status net out b windows
	for net in ${NETS:-$nets}; do
		for how in "" nographs serial nographs,serial; do
			out=$work/same-$net-${how:-plain} b=$(date +%s.%N)
			# shellcheck disable=SC2046
			build/bin/nii-patch -q -s "${PATCH:-96,96,64}" --pos 0.5 -n "$(($(steps_of "$net") / 3))" --seed 1 "$kit/phantoms.ts" |
				NIIPIPE_CUDA=$how within 90 build/bin/seg-train -v -q --device cuda --precision bf16 --loss dicece --lr 1e-3 --seed 1 --net "$net" $(options_of "$net") \
					--log "$out.tsv" -o "$out.ts" && within 20 cmp "$work/same-$net-plain.ts" "$out.ts"
			status=$?
			row "training $net, ${how:-graphs, side by side}: the same bytes" $status "$(awk "BEGIN { print $(date +%s.%N) - $b }") s"
		done
		for windows in "--overlap 0.5 --batch 2" "--effort 3"; do
			for how in "" nographs,serial; do
				out=$work/same-$net-window-${how:-plain}
				# shellcheck disable=SC2086
				NIIPIPE_CUDA=$how within 60 build/bin/seg-window -q --device cuda --precision bf16 $windows -m "$work/same-$net-plain.ts" -o "$out.ts" "$kit/phantoms.ts" &&
					within 20 cmp "$work/same-$net-window-plain.ts" "$out.ts"
				row "windows $net, $windows, ${how:-graphs, side by side}: the same bytes" $? ""
			done
		done
	done
	# a cache on disk, augmented on the way, as in a user's pipeline
	# shellcheck disable=SC2046
	build/bin/nii-patch -q -s "${PATCH:-160,160,64}" --pos 0.5 -n "${FED:-1000}" --seed 1 "$kit/phantoms.ts" | build/bin/nii-augment -q --flip x --shift 0.1 --scale 0.1 --seed 1 |
		within 150 build/bin/seg-train -v -q --device cuda --precision bf16 --loss dicece --net unet $(options_of unet) --log "$work/fed.tsv" -o "$work/fed.ts"
	row "nii-patch | nii-augment | seg-train unet bf16" $? "$(waited "$work/fed.tsv")"
	PATCH=${PATCH:-160,160,64} N=${STEPS:-100} WORK=$work within 60 tests/bench/feed_stages.sh "$kit/phantoms.ts"
	row "its stages alone, from pipe to pipe, patches/s" $? "$(tr '\n' ' ' <"$said")"
}

# How many inputs at once: of nnU-Net's network two, as it is trained
batch_of() { case $1 in dynunet) echo 2 ;; *) echo 1 ;; esac; }
size_of() { case $1 in unet) echo 160,160,64 ;; nnunet | dynunet) echo 128,128,128 ;; *) echo 96,96,96 ;; esac; }

bench() { # NET PRECISION WORDS...
	local net=$1 precision=$2 status
	shift 2
	within 150 build/bench/net --device cuda --precision "$precision" --net "$net" --size "$(size_of "$net")" --batch "$(batch_of "$net")" -n "${REPEATS:-20}" "$@"
	status=$?
	row "time $net $precision $*" $status "$(awk '/^(infer|train)/ { print $1, $2, "s", $14, $15 }' "$said" | tr '\n' ' ')"
}

# A row an operation: time, rate, share of the ceiling measured in the same run; of what moves memory also of a copy of as many bytes
share() { # PRECISION
	local what ms rate part same status
	figures 100 build/bench/share --device cuda --precision "$1" --size "${SHARE:-128}" >"$work/share.txt"
	status=$?
	while IFS=$'\t' read -r what ms rate part same; do row "$1 $what" 0 "$ms, $rate, $part${same:+, of as many bytes $same}"; done <"$work/share.txt"
	row "shares of the ceilings, $1" $status "$(wc -l <"$work/share.txt") operations"
}

stage_bench() {
	peers_made
	for p in ${PRECISIONS:-$precisions}; do [ "$p" = fp32 ] || share "$p"; done
	for net in ${PEERS:-$peers}; do
		for p in ${PRECISIONS:-$precisions}; do bench "$net" "$p"; done
	done
	for net in unet dynunet; do [[ " ${PEERS:-$peers} " != *" $net "* ]] || NIIPIPE_PLANS=$work/plans.tsv bench $net bf16 --tune; done
}

stage_slide() {
	local status
	within 200 bash -c "set -o pipefail; build/bin/nii-phantom -q -n 1 -s ${SLIDE:-512,512,300} --seed 3 | build/bin/nii-normalize --window=-1024,325 -o $work/scan.ts &&
		build/bench/make_model -o $work/unet.ts $work/scan.ts"
	row "a scan of ${SLIDE:-512,512,300}" $? ""
	for b in 1 4; do
		within 200 build/bin/seg-window -v --device cuda --precision bf16 --batch $b -m "$work/unet.ts" --roi "${ROI:-160,160,64}" --overlap 0.8 -o "$work/slide.ts" "$work/scan.ts"
		status=$?
		row "its windows, overlap 0.8, batch $b" $status "$(grep -oE '[0-9]+ of [0-9]+ windows; .*' "$said")"
	done
	# what windows are run depends on what is found: of a network that has learnt something
	[ -e "$work/unet-cuda-bf16.ts" ] || { row "its windows by --effort 3" 77 "no model: stage train"; return; }
	build/bin/nii-crop -q --above 0.1 "$work/scan.ts" >"$work/cropped.ts"
	for b in "--overlap 0.8" "--effort 3"; do
		# shellcheck disable=SC2086
		within 100 build/bin/seg-window -v --device cuda --precision bf16 -m "$work/unet-cuda-bf16.ts" --roi "${ROI:-160,160,64}" $b -o "$work/slide.ts" "$work/cropped.ts"
		row "a trained network's windows, $b" $? "$(grep -oE '[0-9]+ of [0-9]+ windows; .*' "$said")"
	done
}

# A process that holds the device's memory but for so many MiB, until it is killed; what it says is in $work/held
hold() {
	: >"$work/held"
	LD_LIBRARY_PATH=$their_libraries python3 -c 'import sys, time, torch
free = torch.cuda.mem_get_info()[0]
x = torch.empty(free - (int(sys.argv[1]) << 20), dtype=torch.uint8, device="cuda")
print("held:", len(x) >> 20, "of", free >> 20, "MiB", flush=True)
time.sleep(600)' "$1" >"$work/held" 2>>"$log" &
	holder=$!
	until [ -s "$work/held" ]; do kill -0 "$holder" 2>/dev/null && sleep 0.2 || return 1; done
}

stage_tight() {
	local scan=$work/long.ts status holder
	within 120 bash -c "set -o pipefail; build/bin/nii-phantom -q -n 1 -s ${LONG:-512,512,1000} --seed 3 | build/bin/nii-normalize --window=-1024,325 -o $scan && build/bench/make_model -o $work/unet.ts $scan"
	row "a scan of ${LONG:-512,512,1000}" $? "$(($(stat -c %s "$scan") >> 20)) MiB"
	window() { within 100 build/bin/seg-window -v --device cuda --precision bf16 -m "$work/unet.ts" --roi "${ROI:-160,160,64}" --overlap 0.25 -o "$1" "$scan"; }
	window "$work/long-free.ts"
	row "its windows, overlap 0.25, all the memory free" $? "$(grep -oE '[0-9]+ of [0-9]+ windows; .*' "$said")"
	hold "${LEFT:-900}" || { row "the device's memory held" 77 "no torch with CUDA"; return; }
	window "$work/long-held.ts" && within 20 cmp "$work/long-free.ts" "$work/long-held.ts"
	row "its windows, ${LEFT:-900} MiB free: the same bytes" $? "$(cat "$work/held")"
	build/bin/nii-patch -q -s "${PATCH:-160,160,64}" --pos 0.5 -n 16 --seed 1 "$kit/phantoms.ts" |
		within 60 build/bin/seg-train -q --device cuda --precision fp32 --batch 16 --net unet -o "$work/tight.ts"
	status=$?
	[ $status = 1 ] && [ ! -e "$work/tight.ts" ] && [ "$(wc -l <"$said")" = 1 ] && grep -q "not enough memory: the network needs" "$said"
	row "a training too large for it: one line, no file" $? "$(tail -n 1 "$said")"
	kill "$holder"
	wait "$holder"
}

their_net() { # NET MODE REPEATS WORDS...
	local net=$1 mode=$2 repeats=$3
	shift 3
	peer_python 200 tests/bench/peer_net.py "$mode" "$(size_of "$net")" "$repeats" "$net" autocast cuda "$@" "$(batch_of "$net")"
}

# torch.compile's code of all peers, side by side, into a cache on disk, beside stages in which nothing is timed
make_peers() {
	local net mode
	if ls "$kit"/monai-*.whl >/dev/null 2>&1; then
		within 60 env LD_LIBRARY_PATH="$their_libraries" python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$work/site" "$kit"/monai-*.whl
		row "MONAI's wheel" $? "$(tail -n 1 "$said")"
	fi
	export TORCHINDUCTOR_CACHE_DIR=$PWD/$work/inductor
	for net in ${PEERS:-$peers}; do
		for mode in infer train; do said=$work/made-$net-$mode their_net "$net" "$mode" 1 compile & making+=($!); done
	done
}

peers_made() {
	local begun=$SECONDS
	[ ${#making[@]} -gt 0 ] || return 0
	wait "${making[@]}"
	making=()
	row "the peers' code, waited for" 0 "$((SECONDS - begun)) s"
}

stage_peer() {
	local net mode how b
	peers_made
	peer_python 60 -c 'import torch, monai; assert torch.cuda.is_available()' || { row peer 77 "no torch with CUDA and monai in python3"; return; }
	for how in compile ""; do
		for net in ${PEERS:-$peers}; do
			for mode in infer train; do
				# shellcheck disable=SC2086
				their_net "$net" $mode "${REPEATS:-20}" $how
				row "torch $net $mode ${how:-eager}" $? "$(awk '{ print $1, "s, peak", $2, "MB" }' "$said")"
			done
		done
		[ -n "$how" ] && for b in 1 4; do
			peer_python 120 tests/bench/peer_slide.py "${SLIDE:-512,512,300}" 0.8 $b
			row "MONAI's sliding window, sw_batch $b" $? "$(awk '{ print $1, "s, peak", $2, "MB" }' "$said")"
		done
	done
}

# WHAT TOOL COMMAND...
sanitized() {
	local what=$1 tool=$2
	shift 2
	within 100 compute-sanitizer --tool "$tool" --print-limit 20 --error-exitcode 9 "$@"
	row "$tool: $what" $? "$(grep 'SUMMARY' "$said" | tail -n 1)"
}

# TOOL TEST...
sanitized_units() {
	local tool=$1 t
	shift
	for t; do TEST_PRECISION=bf16 TEST_DEVICE=cuda NIIPIPE_CUDA=managed sanitized "$t" "$tool" build/test/"$t"; done
}

# Convolutions, of kernels whose names have one of these in them; else cuDNN's, too, which are not ours to look at. racecheck stops where a test looks into
# memory that host and device share ("failed to handle a hardware exception"): it has steps of networks instead.
sanitized_convs() {
	local tool=$1 k net filter=()
	for k in narrow first grow few point twos norm; do filter+=(--kernel-name "kns=$k"); done
	[ "$tool" = racecheck ] || TEST_PRECISION=bf16 TEST_DEVICE=cuda NIIPIPE_CUDA=managed sanitized kernels "$tool" "${filter[@]}" build/test/kernels
	[ "$tool" = memcheck ] || for net in unet dynunet; do
		sanitized "a step of $net" "$tool" "${filter[@]}" build/bench/net --device cuda --precision bf16 --net $net -s 64,64,64 -n 1 --only train
	done
}

# What has shared memory, and was looked at the least, first
stage_sanitize() {
	local tool
	command -v compute-sanitizer >/dev/null || { row compute-sanitizer 77 "not here"; return; }
	for tool in memcheck racecheck; do sanitized_convs $tool && sanitized_units $tool scale loss; done
	sanitized_units memcheck slide wide pool across attention
	sanitized_units initcheck scale loss slide wide pool across
	sanitized_units racecheck wide pool attention
}

# Where libraries are: the kit's, those of python's wheels (of any CUDA: what is of another is not found by its name), and wherever they were looked for
libraries() {
	local more
	their_libraries=${LD_LIBRARY_PATH-}
	more=$(python3 -c 'import glob, nvidia; print(":".join(sorted(d for p in nvidia.__path__ for d in glob.glob(p + "/*/lib"))))' 2>/dev/null)
	LD_LIBRARY_PATH=$(realpath "$kit")${more:+:$more}${their_libraries:+:$their_libraries}
	for more in /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/local/cuda/lib64; do [ -d $more ] && LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$more; done
	export LD_LIBRARY_PATH PATH=$PATH:/usr/local/cuda/bin:/usr/local/nvidia/bin
}

# Is everything found, and does the device begin (if so: true), copy, and record? What libraries are there
starts() {
	local nccl=$NIIPIPE_BACKENDS/niipipe-nccl.so
	stage=start begun=$SECONDS
	[ -e "$nccl" ] || nccl=
	within 20 ldd "$NIIPIPE_BACKENDS"/niipipe-c*.so build/bin/seg-train ${nccl:+"$nccl"}
	! grep -q 'not found' "$said"
	row libraries $? "$(grep -E 'not found|lib(cudnn|cublasLt|nccl|cudart)\.so' "$said" | sort -u | tr -s '\n\t ' ' ') glibc $(ldd --version | sed -n '1s/.* //p')"
	TEST_DEVICE=cuda within 60 build/test/lines
	row "our backend" $? "$(grep -m 1 -E '^(not )?ok' "$said"), $(grep -c '^not ok' "$said") not ok"
	grep -q '^ok 1 ' "$said"
}

run() {
	local wanted
	dir=$1 failed=0 log=$1/log.txt said=$work/said making=()
	shift
	# shellcheck disable=SC2086
	[ $# -gt 0 ] || set -- $stages
	for wanted; do
		case " $stages " in *" $wanted "*) ;; *) echo "gpu.sh: no stage $wanted (there are: $stages)" >&2; exit 2 ;; esac
	done
	mkdir -p "$dir" "$work"
	[ -n "${GPU_KIT-}" ] || [ "$kit/unpacked" -nt $goes ] || { mkdir -p "$kit" && tar -C build -xzf $goes && touch "$kit/unpacked" || exit 1; }
	export NIIPIPE_BACKENDS=${GPU_BACKENDS:-$PWD/build/bin} BIN=$PWD/build/bin BENCH=$PWD/build/bench
	libraries
	[ -e "$kit/phantoms.ts" ] || phantoms || exit 1
	starts || { wanted=" $* " && set -- && for stage in device peer; do [[ $wanted != *" $stage "* ]] || set -- "$@" $stage; done; }
	stage=peer begun=$SECONDS
	[[ " $* " != *" peer "* ]] || make_peers
	for stage; do
		begun=$SECONDS
		echo "== $stage" >>"$log"
		[ $SECONDS -lt $((${GPU_SECONDS:-560} - 5)) ] || { row "all of it" 124 ""; continue; }
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
