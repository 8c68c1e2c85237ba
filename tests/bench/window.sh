#!/bin/bash
# A whole segmentation of LUNG1-002 against MONAI's: UNet 16-32-64-128-256 with random weights, window 160x160x64, gaussian.
# Wall seconds (best of RUNS) and peak memory (the sum of all processes of the pipe); `window` is the time inside seg-window beyond its start.
set -u
ct=$NIIPIPE_DATA/ct/LUNG1-002/LUNG1-002_ct.nii.gz
[ -e "$ct" ] || { echo "no $ct"; exit 0; }
export NIIPIPE_BACKENDS=$BIN
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
runs=${RUNS:-3}
overlaps=${OVERLAPS:-0.25}

nii-read "$ct" | nii-normalize --window=-1024,325 -o "$tmp/v.ts" && "$BENCH/make_model" -o "$tmp/model.ts" "$tmp/v.ts" || exit 1

ours() { # ours OVERLAP: seconds and KB, best of runs
	local best=999999 peak=0 a b kb
	for _ in $(seq "$runs"); do
		: >"$tmp/peak"
		a=$(date +%s%N)
		"$BENCH/peak" "$tmp/peak" nii-read "$ct" | "$BENCH/peak" "$tmp/peak" nii-normalize --window=-1024,325 |
			"$BENCH/peak" "$tmp/peak" seg-window -m "$tmp/model.ts" --roi 160,160,64 --overlap "$1" |
			"$BENCH/peak" "$tmp/peak" cc-largest | "$BENCH/peak" "$tmp/peak" nii-write -o "$tmp/mask.nii.gz" || return 1
		b=$(date +%s%N)
		kb=$(awk '{ s += $1 } END { print s }' "$tmp/peak")
		[ $(((b - a) / 1000000)) -lt "$best" ] && best=$(((b - a) / 1000000))
		[ "$kb" -gt "$peak" ] && peak=$kb
	done
	echo "$best $peak"
}

part() { # part OVERLAP: ms of seg-window alone on the prepared volume
	local best=999999 a b
	for _ in $(seq "$runs"); do
		a=$(date +%s%N)
		seg-window -m "$tmp/model.ts" --roi 160,160,64 --overlap "$1" -o /dev/null "$tmp/v.ts"
		b=$(date +%s%N)
		[ $(((b - a) / 1000000)) -lt "$best" ] && best=$(((b - a) / 1000000))
	done
	echo "$best"
}

for overlap in $overlaps; do
	read -r ms kb < <(ours "$overlap")
	alone=$(part "$overlap")
	awk -v o="$overlap" -v ms="$ms" -v kb="$kb" -v w="$alone" 'BEGIN { printf "overlap %-5s niipipe: whole %.2f s, seg-window alone %.2f s, memory %.0f MB\n", o, ms / 1000, w / 1000, kb / 1024 }'
	awk '{ printf "  %-14s %5.0f MB\n", $2, $1 / 1024 }' "$tmp/peak"
	[ -n "${PYTHON:-}" ] || continue
	for variant in "1 plain" "4 channels_last"; do
		best="999999 0 0"
		for _ in $(seq "$runs"); do
			# shellcheck disable=SC2086
			got=$("$PYTHON" tests/bench/peer_window.py "$ct" "$overlap" $variant 2>/dev/null | tail -1)
			best=$(printf '%s\n%s\n' "$best" "$got" | sort -g | head -1)
		done
		echo "$variant $best" | awk -v o="$overlap" -v ms="$ms" -v kb="$kb" -v w="$alone" '{ printf "overlap %-5s MONAI sw_batch %s %s: whole %.2f s, window part %.2f s, memory %.0f MB; ratio: whole %.1fx, window %.1fx, memory 1/%.1f\n", o, $1, $2, $3, $4, $5, $3 * 1000 / ms, $4 * 1000 / w, $5 * 1024 / kb }'
	done
done
