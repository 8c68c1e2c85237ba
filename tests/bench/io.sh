#!/bin/bash
# Reading and writing NIfTI: nii-read against the bare ISA-L inflate of the same file, both against nibabel and SimpleITK. Best of RUNS; ms of wall clock and of
# processor (a busy machine spoils only the first). Peers: the call alone, in a process that has already imported them; `start` is what the import costs.
set -u
runs=${RUNS:-5}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

table() { printf '%-46s %9s %9s %9s %9s\n' "$@"; }
row() { # row NAME "WALL CPU KB" [REFERENCE CPU]: the ratio of CPU
	local wall cpu kb ratio=
	read -r wall cpu kb <<<"$2"
	[ -n "${3:-}" ] && ratio=$(awk -v a="$cpu" -v b="$3" 'BEGIN { printf "%.2f", a / b }')
	table "$1" "$wall" "$cpu" "$(awk -v kb="$kb" 'BEGIN { printf "%.1f MB", kb / 1024 }')" "$ratio"
}
best() { "$BENCH/best" "$runs" "$@" | tail -1; }

ours() { # ours FILE
	local bare
	table "$(basename "$1")" "wall ms" "cpu ms" "memory" "of bare"
	bare=$(best "$BENCH/inflate" "$1")
	row "ISA-L inflate alone" "$bare"
	row "nii-read >/dev/null" "$(best "$BIN/nii-read" -o /dev/null "$1")" "$(cut -d' ' -f2 <<<"$bare")"
	# shellcheck disable=SC2016
	row "nii-read | dd bs=1M (both)" "$(best sh -c '"$0" "$1" | dd bs=1M of=/dev/null status=none' "$BIN/nii-read" "$1")" "$(cut -d' ' -f2 <<<"$bare")"
	"$BIN/nii-read" "$1" -o "$tmp/v.ts"
	row "nii-write .nii.gz, from a file" "$(best "$BIN/nii-write" -t image -o /dev/null "$tmp/v.ts")"
	row "nii-write .nii.gz, synced to disk" "$(best "$BIN/nii-write" -t image -o "$tmp/o.nii.gz" "$tmp/v.ts")"
	row "nii-write --gzip 6" "$("$BENCH/best" 1 "$BIN/nii-write" -t image --gzip 6 -o /dev/null "$tmp/v.ts")"
	[ -z "${PYTHON:-}" ] || "$PYTHON" tests/bench/peer_io.py "$1" "$tmp" "$runs" "$BIN"
	echo
}

# 512x512x300 with a phantom's texture, compressed as scanners' archives are (zlib 6)
"$BIN/nii-phantom" -n 1 --seed 1 --size 512,512,300 --spacing 0.7,0.7,1 -o "$tmp/p.ts" && "$BIN/nii-write" -t image --gzip 6 -o "$tmp/512x512x300.nii.gz" "$tmp/p.ts" &&
	rm "$tmp/p.ts" && ours "$tmp/512x512x300.nii.gz"
ct=$NIIPIPE_DATA/ct/LUNG1-002/LUNG1-002_ct.nii.gz
[ ! -e "$ct" ] || ours "$ct"
