#!/bin/bash
# How long each tool takes to start: best of 20 runs of `TOOL --version`, ms. The bar is 10 ms.
set -u
for t in "$BIN"/*; do
	case $t in *.so) continue ;; esac
	best=999999
	for _ in $(seq 20); do
		a=$(date +%s%N)
		"$t" --version >/dev/null
		b=$(date +%s%N)
		[ $(((b - a) / 1000)) -lt "$best" ] && best=$(((b - a) / 1000))
	done
	printf '%-16s %s.%03d ms\n' "$(basename "$t")" $((best / 1000)) $((best % 1000))
done
