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

# The same grid, turned by 3 degrees around x and 7 around z about its middle.
turned() { # turned NX NY NZ < the 16 numbers of an affine
	awk -v nx="$1" -v ny="$2" -v nz="$3" '{
		p = atan2(0, -1) / 180; c = cos(3 * p); s = sin(3 * p); C = cos(7 * p); S = sin(7 * p)
		split(C " " (-S * c) " " (S * s) " " S " " (C * c) " " (-C * s) " 0 " s " " c, r, " ")
		m[0] = (nx - 1) / 2; m[1] = (ny - 1) / 2; m[2] = (nz - 1) / 2
		for (i = 0; i < 3; i++) {
			t = $(4 * i + 4)
			for (k = 0; k < 3; k++) {
				v = 0
				for (j = 0; j < 3; j++) v += r[3 * i + j + 1] * $(4 * j + k + 1)
				t += ($(4 * i + k + 1) - v) * m[k]
				printf "%.17g ", v
			}
			printf "%.17g ", t
		}
		print "0 0 0 1" }'
}
size=(311 324 95)
n=$((size[0] * size[1] * size[2]))
affine=$(head -c 20000 "$tmp/ct.ts" | grep -aoE '"affine":"[^"]*"' | head -1 | cut -d'"' -f4 | turned "${size[@]}")
header="{\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"volume\",\"id\":\"turned\",\"affine\":\"$affine\"},\"label\":{\"dtype\":\"U8\",\"shape\":[${size[2]},${size[1]},${size[0]}],\"data_offsets\":[0,$n]}}"
{
	for i in 0 8 16 24; do printf "\\x$(printf %02x $((${#header} >> i & 255)))"; done
	printf '\0\0\0\0%s' "$header"
	head -c "$n" /dev/zero
} >"$tmp/turned.ts"
nii-write -t label -o "$tmp/turned.nii.gz" "$tmp/turned.ts" || exit 1
[ -n "${PYTHON:-}" ] && "$PYTHON" tests/bench/peer_filters.py "$ct" "$runs" "$tmp/turned.nii.gz" >"$tmp/peer"

row() { # row NAME PEER COMMAND...: PEER is the first word of a line of peer_filters.py
	local name=$1 peer=$2 ms
	shift 2
	read -r ms _ < <("$BENCH/best" "$runs" "$@" -o /dev/null "$tmp/ct.ts") || exit 1
	awk -v name="$name" -v ms="$ms" -v peer="$peer" '$1 == peer { p = $2 }
		END { printf "%-18s %7.1f ms", name, ms; if (p) printf "   %s %7.1f ms   %.1fx", peer, p, p / ms; print "" }' "$tmp/peer"
}

touch "$tmp/peer"
row window numpy-window nii-normalize --window=-1024,325
row z-score numpy-zscore nii-normalize --zscore
row z-score-nonzero numpy-nonzero nii-normalize --zscore-nonzero
row crop numpy-crop nii-crop --above=-500
row resample-1.5mm sitk-resample nii-resample -s 1.5
row resample-1x1x3 sitk-1x1x3 nii-resample -s 1,1,3
row rotated-linear sitk-linear nii-resample --like "$tmp/turned.nii.gz"
row rotated-nearest sitk-nearest nii-resample --like "$tmp/turned.nii.gz" --interp nearest
row rotated-cubic sitk-bspline nii-resample --like "$tmp/turned.nii.gz" --interp cubic
row antialias-3mm skimage-3mm nii-resample -s 3 --align nnunet --antialias
