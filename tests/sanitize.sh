#!/bin/bash
# What runs on a CPU, its plain kernels alone, under AddressSanitizer and UndefinedBehaviorSanitizer: of a copy of the tree, in build/sanitize.
# tests/sanitize.sh [FILE...]
set -eu
cd "$(dirname "$0")/.."
to=build/sanitize flags='-fsanitize=address,undefined -fno-sanitize-recover=undefined'
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 NIIPIPE_DATA=${NIIPIPE_DATA:-$PWD/../shared/data}
mkdir -p "$to"
git ls-files -z | xargs -0 cp -u --parents -t "$to"
cd "$to"
units=$(for f in tests/unit/*.c; do echo "build/test/$(basename "$f" .c)"; done)
# shellcheck disable=SC2086
make -s -j"$(nproc)" CUDA=0 K_LEVELS=plain CFLAGS="-O1 -g -Wno-maybe-uninitialized $flags" LDFLAGS="$flags" all fuzz $units
if [ $# -eq 0 ]; then # but what makes programs of its own, measures or limits memory, or has a GPU's place
	for t in $units tests/*.bats; do
		case $t in tests/cuda.bats | tests/levels.bats | tests/install.bats | tests/memory.bats | tests/fuzz.bats | tests/slurm.bats | tests/batch.bats) ;; *) set -- "$@" "$t" ;; esac
	done
fi
tests/run.sh "$@"
