#!/bin/bash
# A whole segmentation slice by slice of 42 slices of 512x512 voxels against MONAI's, random weights: UNet 16-32-64-128-256 of two dimensions.
# PRECISIONS="fp32 bf16": MONAI's is torch's autocast. nnU-Net's 2d: CONFIGURATION=2d of nnunet.sh.
# Wall and processor seconds of the quickest of RUNS; memory: the largest sum of the resident sets of all processes at one moment.
set -u
ct=${CT:-$NIIPIPE_DATA/ct/LUNG1-001/LUNG1-001_slab512_ct.nii.gz}
[ -e "$ct" ] || { echo "no $ct"; exit 0; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export NIIPIPE_BACKENDS=$BIN ct tmp precision variant
nii-read "$ct" | nii-normalize --window=-1024,325 -o "$tmp/v.ts" || exit 1
"$BENCH/make_model" --arch '{"_target_":"UNet","spatial_dims":2,"in_channels":1,"out_channels":2,"channels":[16,32,64,128,256],"strides":[2,2,2,2],"num_res_units":2}' \
	--roi 512,512,1 -o "$tmp/model.ts" "$tmp/v.ts" || exit 1

best() { # best COMMAND: ms, KB and processor ms of the quickest run
	for _ in $(seq "${RUNS:-3}"); do "$BENCH/peak" bash -c "$1" || exit 1; done | sort -n | head -1
}

for precision in ${PRECISIONS:-fp32}; do
	# shellcheck disable=SC2016
	read -r ms kb cpu < <(best 'set -o pipefail; nii-read "$ct" | nii-normalize --window=-1024,325 | seg-window -m "$tmp/model.ts" --precision "$precision" | cc-largest |
		nii-write -o "$tmp/mask.nii.gz"')
	# shellcheck disable=SC2016
	read -r part _ pcpu < <(best 'seg-window -m "$tmp/model.ts" --precision "$precision" -o /dev/null "$tmp/v.ts"')
	awk -v n="$precision" -v ms="$ms" -v kb="$kb" -v cpu="$cpu" -v w="$part" -v wcpu="$pcpu" 'BEGIN {
		printf "%s: niipipe whole %.2f s (processor %.2f s), seg-window %.2f s (processor %.2f s), memory %.0f MB\n", n, ms / 1e3, cpu / 1e3, w / 1e3, wcpu / 1e3, kb / 1024 }'
	[ -n "${PYTHON:-}" ] || continue
	for variant in "1 plain" "8 plain" "1 channels_last" "8 channels_last"; do
		# shellcheck disable=SC2016
		read -r pms pkb pcpu < <(best '"$PYTHON" tests/bench/peer_slices.py "$ct" $variant "$precision" 2>/dev/null | tail -1 >"$tmp/peer"')
		[ -s "$tmp/peer" ] || { echo "  MONAI, sw_batch $variant: did not run"; continue; }
		awk -v v="$variant" -v pms="$pms" -v pkb="$pkb" -v pcpu="$pcpu" -v ms="$ms" -v kb="$kb" -v cpu="$cpu" -v w="$part" '{
			printf "  MONAI, sw_batch %s: whole %.2f s (%.1fx), processor %.2f s (%.1fx), window part %.2f s (%.1fx), memory %.0f MB (%.1fx)\n",
				v, pms / 1e3, pms / ms, pcpu / 1e3, pcpu / cpu, $1, $1 * 1e3 / w, pkb / 1024, pkb / kb }' "$tmp/peer"
	done
done
