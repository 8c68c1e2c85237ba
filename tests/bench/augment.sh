#!/bin/bash
# nii-augment --preset nnunet: patches of 128x128x64 (F32 and a U8 label) out of nnU-Net's initial patches, from a saved stream in the page cache, whole
# processes with 2 threads; then each transform alone and certain. Against batchgeneratorsv2's call alone on tensors that are in memory already, imports
# not counted. ms a patch, best of RUNS.
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
runs=${RUNS:-3} n=10 size=168,205,140 # nnU-Net's initial size for 128,128,64: peer_augment.py size

nii-phantom -n 2 --size 311,324,150 --spacing 1,1,2 --healthy 0 --seed 1 | nii-normalize --zscore -o "$tmp/v.ts" || exit 1
nii-patch -s $size -n $n --seed 1 -o "$tmp/p.ts" "$tmp/v.ts" || exit 1
[ -z "${PYTHON:-}" ] || "$PYTHON" tests/bench/peer_augment.py bench "$tmp/p.ts" "$runs" 2>/dev/null >"$tmp/peer"
ours() { # ours NAME ROUNDS OPTION...: the file ROUNDS times over, as other patches
	local name=$1 rounds=$2 files=() i
	shift 2
	for ((i = 0; i < rounds; i++)); do files+=("$tmp/q$i.ts"); done
	read -r ms cpu kb < <("$BENCH/best" "$runs" nii-augment --threads 2 --size 128,128,64 --seed 1 "$@" -o /dev/null "${files[@]}")
	awk -F '\t' -v name="$name" -v ms="$ms" -v cpu="$cpu" -v kb="$kb" -v n=$((n * rounds)) '$1 == name { wall = $2; proc = $3 }
		END { printf "%-22s %8.2f %8.2f %8.2f %8.2f", name, ms / n, cpu / n, wall, proc; if (wall) printf " %6.1fx %6.1fx", wall * n / ms, proc * n / cpu; print "   " int(kb / 1024) " MB" }' \
		"$tmp/peer" 2>/dev/null
}
touch "$tmp/peer"
for i in 0 1 2 3; do nii-patch -s $size -n $((n * (i + 1))) --skip $((n * i)) --seed 1 -o "$tmp/q$i.ts" "$tmp/v.ts" || exit 1; done
printf '%-22s %8s %8s %8s %8s\n' "ms a patch" wall cpu "peer wall" cpu
ours nnunet 4 --preset nnunet
ours cut 1
ours rotate,spatial-scale 1 --rotate 30 --spatial-scale 0.7,1.4
ours flip 1 --flip xyz
ours noise 1 --noise 0.1
ours blur 1 --blur 0.5,1
ours brightness 1 --brightness 0.75,1.25
ours contrast 1 --contrast 0.75,1.25
ours lowres 1 --lowres 0.5,1
ours gamma 1 --gamma 0.7,1.5
ours gamma-inverted 1 --gamma-inverted 0.7,1.5
ours elastic 1 --elastic 8
