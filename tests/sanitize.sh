#!/bin/bash
# What runs on a CPU, its plain kernels alone, under AddressSanitizer and UndefinedBehaviorSanitizer: of a copy of the tree, in build/sanitize, with
# what they found in report.PROCESS there. tests/sanitize.sh [FILE...]
set -eu
cd "$(dirname "$0")/.."
to=build/sanitize flags='-fsanitize=address,undefined -fno-sanitize-recover=undefined'
export NIIPIPE_DATA=${NIIPIPE_DATA:-$PWD/../shared/data} UBSAN_OPTIONS=print_stacktrace=1:log_path=$PWD/$to/report
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:log_path=$PWD/$to/report
mkdir -p "$to"
find "$to" -mindepth 1 -maxdepth 1 ! -name build -exec rm -r {} + # what the tree has no more
git ls-files -z | xargs -0 cp -p --parents -t "$to"
cd "$to"
units=$(for f in tests/unit/*.c; do echo "build/test/$(basename "$f" .c)"; done)
# shellcheck disable=SC2086
make -s -j"$(nproc)" CUDA=0 K_LEVELS=plain CFLAGS="-O1 -g -Wno-maybe-uninitialized $flags" LDFLAGS="$flags" all fuzz $units
# but what makes programs of its own, measures or limits memory, or has a GPU's place
without=' cuda levels install memory fuzz slurm batch '
if [ $# -eq 0 ]; then
	for t in $units tests/*.bats; do
		[[ $t == *.bats && $without == *" $(basename "$t" .bats) "* ]] || set -- "$@" "$t"
	done
fi
status=0
tests/run.sh "$@" || status=$?
if grep -hE 'ERROR: AddressSanitizer|runtime error' report.* 2>/dev/null; then # of processes, too, whose failure a test expects
	status=1
fi
exit "$status"
