#!/bin/bash
# A scan to labels with nnU-Net's results as TotalSegmentator's are: PlainConvUNet of 6 stages to 320 channels, windows of 128^3 at half overlap, 1.5 mm,
# 25 classes, random weights. nnU-Net's own prediction on the CPU against what segment.sh does, whole processes, and how many voxels get the same label.
# CONFIGURATION=2d: slices, 8 stages to 512 channels.
# NNUNET: a Python with nnunetv2 (PYTHON). PRECISIONS="fp32 bf16": ours; nnU-Net's on a CPU is fp32. CT, CLASSES, SPACING, PATCH: others. RUNS: the quickest counts.
set -u
ct=${CT:-$NIIPIPE_DATA/ct/LUNG1-002/LUNG1-002_ct.nii.gz}
nnunet=${NNUNET:-${PYTHON:-}}
[ -e "$ct" ] || { echo "no $ct"; exit 0; }
"${nnunet:-false}" -c 'import nnunetv2' 2>/dev/null || { echo "no Python with nnunetv2 (NNUNET), which makes the weights"; exit 0; }
tmp=$(mktemp -d) results=nnUNetTrainer__nnUNetPlans__${CONFIGURATION:-3d_fullres}
trap 'rm -rf "$tmp"' EXIT
export NIIPIPE_BACKENDS=$BIN ct tmp nnunet results precision
mkdir -p "$tmp/in"
ln -s "$(realpath "$ct")" "$tmp/in/ct_0000.nii.gz"
ln -s "$(realpath "$ct")" "$tmp/ct.nii.gz"
# shellcheck disable=SC2016
peer='"$nnunet" tests/bench/peer_nnunet.py'
eval "$peer make tests/golden/import/plans.json $tmp/$results ${CLASSES:-25} ${SPACING:-1.5} ${PATCH:-128} ${CONFIGURATION:-3d_fullres}" && seg-import -q "$tmp/$results" -o "$tmp/model.ts" || exit 1

predict=$(ts-info --json "$tmp/model.ts" | sed -n 's/.*"predict":"\([^"]*\)".*/\1/p')

best() { # best COMMAND: ms, KB and processor ms of the quickest run
	for _ in $(seq "${RUNS:-1}"); do "$BENCH/peak" bash -c "$1" || exit 1; done | sort -n | head -1
}

# shellcheck disable=SC2016
read -r pms pkb pcpu < <(best "$peer"' predict "$tmp/$results" "$tmp/in" "$tmp/theirs" >/dev/null 2>&1')
[ -n "$pms" ] || exit 1
awk -v ms="$pms" -v kb="$pkb" -v cpu="$pcpu" 'BEGIN { printf "nnU-Net: %.1f s (processor %.1f s), memory %.0f MB\n", ms / 1e3, cpu / 1e3, kb / 1024 }'
for precision in ${PRECISIONS:-fp32}; do
	# shellcheck disable=SC2016
	read -r ms kb cpu < <(best 'set -o pipefail; nii-read "$tmp/ct.nii.gz" | nii-replay -m "$tmp/model.ts" | '"${predict/-window/-window -m \"\$tmp/model.ts\" --precision \$precision}"' |
		nii-write -o "$tmp/$precision.nii.gz"')
	[ -n "$ms" ] || exit 1
	read -r share labels < <(eval "$peer same $tmp/$precision.nii.gz $tmp/theirs/ct.nii.gz")
	awk -v p="$precision" -v ms="$ms" -v kb="$kb" -v cpu="$cpu" -v pms="$pms" -v pkb="$pkb" -v same="$share" -v labels="$labels" 'BEGIN {
		printf "niipipe, %s: %.1f s (%.1fx; processor %.1f s), memory %.0f MB (%.1fx); the same label of %d: %.4f %% of the voxels\n",
			p, ms / 1e3, pms / ms, cpu / 1e3, kb / 1024, pkb / kb, labels, same * 100 }'
done
