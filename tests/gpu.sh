#!/bin/bash
# Everything that only a GPU machine can show, in one go, without bats or Debian packages there. Here: `tests/gpu.sh pack` puts what the tools need of this
# machine's libraries, and the phantoms, into build/gpu-kit. There, in the repository's root with build/{bin,test,bench,gpu-kit}:
#     tests/gpu.sh run LOG TSV
# kernels against tests/ref, networks against MONAI's golden files, training and masks against the CPU's, compute-sanitizer, times against PyTorch. Every
# step is a line of TSV: what, ok or not, a figure. Exit 1 if any was not ok.
set -u
kit=build/gpu-kit

pack() {
	rm -rf $kit && mkdir -p $kit
	for f in build/bin/seg-* build/bin/nii-* build/bin/ts-* build/bin/niipipe-cpu.so; do ldd "$f"; done |
		awk '$3 ~ /^\// { print $3 }' | sort -u | grep -vE '/(libc|libm|libpthread|libdl|librt|ld-linux[^/]*)\.so' | xargs -I{} cp -L {} $kit
	build/bin/nii-phantom -q -n 4 -s 160,160,96 --seed 5 --healthy 0 |
		build/bin/nii-normalize --window=-1024,325 --range 0,1 | build/bin/nii-crop --above 0.1 >$kit/phantoms.ts
	du -sh $kit
}

row() { # WHAT STATUS FIGURE
	printf '%s\t%s\t%s\n' "$1" "$([ "$2" = 0 ] && echo ok || echo "not ok")" "$3" | tee -a "$tsv"
	[ "$2" = 0 ] || failed=1
}

# A unit test on the device: how many of its tests pass
unit() {
	TEST_DEVICE=cuda NIIPIPE_CUDA=managed timeout 200 "$@" >>"$log" 2>&1
	local status=$?
	row "unit: ${*##*/}" $status "$(tail -n 400 "$log" | grep -c '^ok') of the last 400 lines ok"
}

train() { # STEPS DEVICE PRECISION OUT NET...: on the same patches
	local steps=$1 device=$2 precision=$3 out=$4
	shift 4
	build/bin/nii-patch -q -s 96,96,64 --pos 0.5 -n "$steps" --seed 1 $kit/phantoms.ts |
		build/bin/seg-train -q --device "$device" --precision "$precision" --loss dicece --lr 1e-3 --seed 1 --log "$out.tsv" "$@" -o "$out" >>"$log" 2>&1
}

curve() { awk -F'\t' 'NR > 1 { s += $4; n++ } END { print n ? s / n : "none" }' "$1"; }

run() {
	log=$1 tsv=$2 failed=0
	: >"$log"
	: >"$tsv"
	LD_LIBRARY_PATH=$PWD/$kit:$(python3 -c 'import glob, nvidia; print(":".join(glob.glob(list(nvidia.__path__)[0] + "/*/lib")))' 2>/dev/null)
	export LD_LIBRARY_PATH NIIPIPE_BACKENDS=$PWD/build/bin BIN=$PWD/build/bin BENCH=$PWD/build/bench
	nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | tee -a "$log"
	row device $? "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | tr '\n' ' ')$(date -u +%F)"
	for t in kernels loss attention scale window net swin; do unit build/test/$t; done
	for n in "300 unet" "100 nnunet --channels 16,32,64,128" "20 swinunetr"; do
		read -r steps n <<<"$n"
		# shellcheck disable=SC2086
		train "$steps" cuda fp32 build/g.ts --net $n; row "$steps steps fp32: $n" $? "mean loss $(curve build/g.ts.tsv)"
		# shellcheck disable=SC2086
		train "$steps" cuda bf16 build/h.ts --net $n; row "$steps steps bf16: $n" $? "mean loss $(curve build/h.ts.tsv)"
		# shellcheck disable=SC2086
		train "$steps" cpu fp32 build/c.ts --net $n; row "$steps steps on the CPU: $n" $? "mean loss $(curve build/c.ts.tsv)"
		for d in cpu cuda; do
			rm -rf build/mask-$d
			build/bin/seg-window -q --device $d --precision fp32 -m build/c.ts $kit/phantoms.ts | build/bin/nii-write -q -t pred -d build/mask-$d 2>>"$log"
		done
		build/bin/seg-score -q --union --min dice=0.999 build/mask-cpu build/mask-cuda >build/masks.tsv 2>>"$log"
		row "masks of the GPU to the CPU's: $n" $? "Dice of every phantom: $(awk -F'\t' 'NR > 1 { print $3 }' build/masks.tsv | head -4 | tr '\n' ' ')"
	done
	for tool in memcheck racecheck initcheck; do
		TEST_DEVICE=cuda NIIPIPE_CUDA=managed timeout 240 compute-sanitizer --tool $tool --error-exitcode 9 build/test/scale >>"$log" 2>&1
		row "compute-sanitizer $tool: scale" $? ""
		TEST_DEVICE=cuda NIIPIPE_CUDA=managed timeout 240 compute-sanitizer --tool $tool --error-exitcode 9 build/test/loss >>"$log" 2>&1
		row "compute-sanitizer $tool: loss" $? ""
	done
	for p in fp32 bf16; do
		for net in unet nnunet swinunetr; do
			timeout 120 build/bench/net --device cuda --precision $p --net $net -n 10 >build/time.txt 2>&1
			row "time $net $p" $? "$(awk '/^(infer|train)/ { print $1, $2, "s," }' build/time.txt | tr '\n' ' ')"
			cat build/time.txt >>"$log"
		done
	done
	return $failed
}

case ${1-} in
pack) pack ;;
run) run "$2" "$3" ;;
*) echo "usage: tests/gpu.sh pack | run LOG TSV" >&2; exit 2 ;;
esac
