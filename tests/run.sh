#!/bin/bash
# All tests: units in TAP, tools in bats, in parallel; the last line counts them. tests/run.sh FILE... runs some.
set -eu
cd "$(dirname "$0")/.."
export BIN=$PWD/build/bin PATH=$PWD/build/bin:$PATH TAP=$PWD/build/tap
export GOMP_SPINCOUNT=0 # tests share the processors: threads that spin for each other starve, and take time (1000: build/test/net thrice as much)
export NIIPIPE_DATA=${NIIPIPE_DATA:-$PWD/../shared/data}
rm -rf "$TAP"
mkdir -p "$TAP"
# the longest first, so that no processor waits for the last one
if [ $# -eq 0 ]; then
	set -- tests/{slurm,cuda,levels}.bats
	for t in build/test/* tests/*.bats; do
		[[ " $* " == *" $t "* ]] || set -- "$@" "$t"
	done
fi
status=0
# one more than there are processors, since some wait; under nohup hangups would be ignored, and tests send some
env --default-signal=HUP prove -j "$(($(nproc) + 1))" -e tests/prove-one "$@" || status=$?
count() { cat "$TAP"/* | grep -cE "$1" || true; }
skipped=$(count '^ok .*# *(skip|SKIP)')
echo "$(($(count '^ok ') - skipped)) passed, $(count '^not ok ') failed, $skipped skipped"
exit "$status"
