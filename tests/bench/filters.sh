#!/bin/bash
# Preprocessing of LUNG1-002 (311x324x95, int16), whole processes from a saved stream to /dev/null, against the bare calls of numpy and SimpleITK.
# Wall milliseconds, best of RUNS.
set -u
ct=$NIIPIPE_DATA/ct/LUNG1-002/LUNG1-002_ct.nii.gz
[ -e "$ct" ] || { echo "no $ct"; exit 0; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
runs=${RUNS:-10}
nii-read -o "$tmp/ct.ts" "$ct" || exit 1
[ -n "${PYTHON:-}" ] && "$PYTHON" tests/bench/peer_filters.py "$ct" "$runs" >"$tmp/peer"

row() { # row NAME PEER COMMAND...: PEER is the first word of a line of peer_filters.py
	local name=$1 peer=$2 best=999999999 a b
	shift 2
	for _ in $(seq "$runs"); do
		a=$(date +%s%N)
		"$@" -o /dev/null "$tmp/ct.ts" || exit 1
		b=$(date +%s%N)
		[ $(((b - a) / 1000)) -lt "$best" ] && best=$(((b - a) / 1000))
	done
	awk -v name="$name" -v us="$best" -v peer="$peer" '$1 == peer { p = $2 }
		END { printf "%-18s %7.1f ms", name, us / 1000; if (p) printf "   %s %7.1f ms   %.1fx", peer, p, p * 1000 / us; print "" }' "$tmp/peer" 2>/dev/null ||
		printf '%-18s %d us\n' "$name" "$best"
}

touch "$tmp/peer"
row window numpy-window nii-normalize --window=-1024,325
row z-score numpy-zscore nii-normalize --zscore
row z-score-nonzero numpy-nonzero nii-normalize --zscore-nonzero
row crop numpy-crop nii-crop --above=-500
row resample-1.5mm sitk-resample nii-resample -s 1.5
row resample-1x1x3 sitk-1x1x3 nii-resample -s 1,1,3
