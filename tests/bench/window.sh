#!/bin/bash
# A whole segmentation of LUNG1-002 against MONAI's: UNet 16-32-64-128-256 with random weights, window 160x160x64, gaussian.
# Bookkeeping is all of the windows' time that is not the network's: by seg-window -v, of the run where it was least.
# Wall and processor seconds of the quickest of RUNS; memory: the largest sum of the resident sets of all processes at one moment.
set -u
ct=$NIIPIPE_DATA/ct/LUNG1-002/LUNG1-002_ct.nii.gz
[ -e "$ct" ] || { echo "no $ct"; exit 0; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export NIIPIPE_BACKENDS=$BIN ct tmp overlap
runs=${RUNS:-3}

nii-read "$ct" | nii-normalize --window=-1024,325 -o "$tmp/v.ts" && "$BENCH/make_model" -o "$tmp/model.ts" "$tmp/v.ts" || exit 1

# shellcheck disable=SC2016
whole='set -o pipefail; nii-read "$ct" | nii-normalize --window=-1024,325 | seg-window -m "$tmp/model.ts" --roi 160,160,64 --overlap "$overlap" |
	cc-largest | nii-write -o "$tmp/mask.nii.gz"'
# shellcheck disable=SC2016
alone='seg-window -m "$tmp/model.ts" --roi 160,160,64 --overlap "$overlap" -o /dev/null "$tmp/v.ts"'
# shellcheck disable=SC2016
peer='"$PYTHON" tests/bench/peer_window.py "$ct" "$overlap" $variant 2>/dev/null | tail -1 >"$tmp/peer"'

best() { # best COMMAND: ms, KB and processor ms of the quickest run
	for _ in $(seq "$runs"); do "$BENCH/peak" bash -c "$1" || exit 1; done | sort -n | head -1
}

for overlap in ${OVERLAPS:-0.25}; do
	read -r ms kb cpu < <(best "$whole")
	read -r part _ < <(best "$alone")
	rest=$(for _ in $(seq "$runs"); do eval "$alone -v" 2>&1; done | sed -n 's/.*(\(.*\) %)$/\1/p' | sort -n | head -1)
	awk -v o="$overlap" -v ms="$ms" -v kb="$kb" -v cpu="$cpu" -v w="$part" -v rest="$rest" 'BEGIN {
		printf "overlap %s: niipipe whole %.2f s (processor %.2f s), seg-window %.2f s (bookkeeping %.1f %%), memory %.0f MB\n",
			o, ms / 1e3, cpu / 1e3, w / 1e3, rest, kb / 1024 }'
	[ -n "${PYTHON:-}" ] || continue
	for variant in "1 plain" "4 channels_last"; do
		export variant
		read -r pms pkb pcpu < <(best "$peer")
		awk -v v="$variant" -v pms="$pms" -v pkb="$pkb" -v pcpu="$pcpu" -v ms="$ms" -v kb="$kb" -v cpu="$cpu" -v w="$part" '{
			printf "  MONAI, sw_batch %s: whole %.2f s (%.1fx), processor %.2f s (%.1fx), window part %.2f s (%.1fx), memory %.0f MB (%.1fx)\n",
				v, pms / 1e3, pms / ms, pcpu / 1e3, pcpu / cpu, $1, $1 * 1e3 / w, pkb / 1024, pkb / kb }' "$tmp/peer"
	done
done
