#!/bin/bash
# Networks alone against their peers': inference and a training step, best of RUNS, time, peak memory and processor time, ours and theirs in turn.
# PRECISIONS="fp32 bf16": ours in that precision, the peer's in it too; bf16: of all in bf16 and torch's autocast to it the quicker.
# NETS="unet nnunet resenc dynunet segresnet attention-unet swinunetr"; SIZE is of all, else 160,160,64 (unet), 128,128,64 or 96,96,96 (segresnet,
# swinunetr).
set -u
export NIIPIPE_BACKENDS=$BIN
runs=${RUNS:-5}
for net in ${NETS:-unet}; do
	case $net in unet) size=160,160,64 ;; segresnet | swinunetr) size=96,96,96 ;; *) size=128,128,64 ;; esac
	size=${SIZE:-$size}
	for mode in infer/fp32 train/fp32 infer/bf16 train/bf16; do
		precision=${mode#*/} mode=${mode%/*}
		case " ${PRECISIONS:-fp32 bf16} " in *" $precision "*) ;; *) continue ;; esac
		echo "$net $size $precision"
		"$BENCH/net" --net "$net" --size "$size" -n "$runs" --only "$mode" --precision "$precision" | tee "$BENCH/net.out" || exit 1
		[ -n "${PYTHON:-}" ] || continue
		case $precision in fp32) as=fp32 ;; *) as="bf16 autocast" ;; esac
		read -r s mb busy < <(for p in $as; do "$PYTHON" tests/bench/peer_net.py "$mode" "$size" "$runs" "$net" "$p" 2>/dev/null; done | sort -n | head -1)
		awk -v s="$s" -v mb="$mb" -v busy="$busy" 'NR == 1 {
			printf "peer %.4f s (niipipe %.2fx as fast), peak %.1f MB (niipipe %.2f of it), processors %.4f s (niipipe %.2fx)\n", s, s / $2, mb, $8 / mb, busy, busy / $(NF - 1) }' \
			"$BENCH/net.out"
	done
done
