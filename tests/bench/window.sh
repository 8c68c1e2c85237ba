#!/bin/bash
# A whole segmentation of LUNG1-002 against MONAI's, random weights, gaussian. NETS="unet swinunetr-24 swinunetr-48": UNet 16-32-64-128-256 in windows of
# 160x160x64, SwinUNETR of that feature size in 96x96x96. PRECISIONS="fp32 bf16": MONAI's is torch's autocast. OVERLAPS="0.25 0.8".
# Bookkeeping is all of the windows' time that is not the network's: by seg-window -v, of the run where it was least.
# Wall and processor seconds of the quickest of RUNS; memory: the largest sum of the resident sets of all processes at one moment.
set -u
ct=$NIIPIPE_DATA/ct/LUNG1-002/LUNG1-002_ct.nii.gz
[ -e "$ct" ] || { echo "no $ct"; exit 0; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export NIIPIPE_BACKENDS=$BIN ct tmp overlap net roi precision
runs=${RUNS:-3}

nii-read "$ct" | nii-normalize --window=-1024,325 -o "$tmp/v.ts" || exit 1

# shellcheck disable=SC2016
seg='seg-window -m "$tmp/model.ts" --roi "$roi" --overlap "$overlap" --precision "$precision"'
# shellcheck disable=SC2016
whole='set -o pipefail; nii-read "$ct" | nii-normalize --window=-1024,325 | '$seg' | cc-largest | nii-write -o "$tmp/mask.nii.gz"'
# shellcheck disable=SC2016
alone=$seg' -o /dev/null "$tmp/v.ts"'
# shellcheck disable=SC2016
peer='"$PYTHON" tests/bench/peer_window.py "$ct" "$overlap" $variant "$net" "$precision" 2>/dev/null | tail -1 >"$tmp/peer"'

best() { # best COMMAND: ms, KB and processor ms of the quickest run
	for _ in $(seq "$runs"); do "$BENCH/peak" bash -c "$1" || exit 1; done | sort -n | head -1
}

model() { # of $net, and $roi
	roi=160,160,64
	case $net in
	unet) "$BENCH/make_model" -o "$tmp/model.ts" "$tmp/v.ts" ;;
	*)
		roi=96,96,96
		"$BENCH/make_model" --arch "{\"_target_\":\"SwinUNETR\",\"in_channels\":1,\"out_channels\":2,\"feature_size\":${net#*-}}" --roi $roi -o "$tmp/model.ts" "$tmp/v.ts" ;;
	esac
}

row() { # of $net, $precision, $overlap
	read -r ms kb cpu < <(best "$whole")
	read -r part _ < <(best "$alone")
	rest=$(for _ in $(seq "$runs"); do eval "$alone -v" 2>&1; done | sed -n 's/.*(\(.*\) %)$/\1/p' | sort -n | head -1)
	awk -v n="$net $precision" -v o="$overlap" -v ms="$ms" -v kb="$kb" -v cpu="$cpu" -v w="$part" -v rest="$rest" 'BEGIN {
		printf "%s, overlap %s: niipipe whole %.2f s (processor %.2f s), seg-window %.2f s (bookkeeping %.1f %%), memory %.0f MB\n",
			n, o, ms / 1e3, cpu / 1e3, w / 1e3, rest, kb / 1024 }'
	[ -n "${PYTHON:-}" ] || return 0
	for variant in "1 plain" "4 channels_last"; do
		export variant
		read -r pms pkb pcpu < <(best "$peer")
		[ -s "$tmp/peer" ] || { echo "  MONAI, sw_batch $variant: did not run; python tests/bench/peer_window.py $ct $overlap $variant $net $precision says why"; continue; }
		awk -v v="$variant" -v pms="$pms" -v pkb="$pkb" -v pcpu="$pcpu" -v ms="$ms" -v kb="$kb" -v cpu="$cpu" -v w="$part" '{
			printf "  MONAI, sw_batch %s: whole %.2f s (%.1fx), processor %.2f s (%.1fx), window part %.2f s (%.1fx), memory %.0f MB (%.1fx)\n",
				v, pms / 1e3, pms / ms, pcpu / 1e3, pcpu / cpu, $1, $1 * 1e3 / w, pkb / 1024, pkb / kb }' "$tmp/peer"
	done
}

for net in ${NETS:-unet}; do
	model || exit 1
	for precision in ${PRECISIONS:-fp32}; do
		for overlap in ${OVERLAPS:-0.25}; do row || exit 1; done
	done
done
