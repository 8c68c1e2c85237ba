#!/bin/bash
# make bench [PARTS="io net"]: every part prints its table. PYTHON names a Python with monai, torch, nibabel, SimpleITK, connected-components-3d, scipy: then each
# part runs its peer too, in the same run, and prints the ratio. Nothing here passes or fails.
set -u
cd "$(dirname "$0")/../.." || exit 1
export BIN=$PWD/build/bin BENCH=$PWD/build/bench PATH=$PWD/build/bin:$PATH
export NIIPIPE_DATA=${NIIPIPE_DATA:-$PWD/../shared/data} PYTHON=${PYTHON:-}
echo "# $(date -u +%F) $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) processors, $(git rev-parse --short HEAD 2>/dev/null)"
[ -n "$PYTHON" ] || echo "# no PYTHON given: no peers, no ratios"
for part in ${PARTS:-start io filters components score patch augment feed kernels net ranks window}; do
	[ -x "tests/bench/$part.sh" ] || continue
	printf '\n== %s\n' "$part"
	"tests/bench/$part.sh" || echo "bench: $part failed (exit $?)"
done
