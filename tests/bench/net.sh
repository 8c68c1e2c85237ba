#!/bin/bash
# The UNet alone against MONAI's: inference and a training step, best of RUNS, time and peak memory, ours and theirs in turn.
set -u
export NIIPIPE_BACKENDS=$BIN
size=${SIZE:-160,160,64} runs=${RUNS:-5}
for mode in infer train; do
	"$BENCH/net" --size "$size" -n "$runs" --only "$mode" | tee "$BENCH/net.out" || exit 1
	[ -n "${PYTHON:-}" ] || continue
	read -r s mb < <("$PYTHON" tests/bench/peer_net.py "$mode" "$size" "$runs" 2>/dev/null)
	awk -v s="$s" -v mb="$mb" 'NR == 1 { printf "MONAI %.4f s (niipipe %.2fx as fast), peak %.1f MB (niipipe %.2f of it)\n", s, s / $2, mb, $8 / mb }' "$BENCH/net.out"
done
