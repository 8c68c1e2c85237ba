#!/bin/bash
# tests/fuzz/run.sh TARGET [SECONDS]: builds tests/fuzz/TARGET.c with clang, ASan and UBSan, and runs libFuzzer from the seeds of tests/fuzz/TARGET/ or
# tests/golden/TARGET/, with the words of tests/fuzz/TARGET.dict where there are some.
# What it finds stays in build/fuzz/TARGET-found.
set -eu
cd "$(dirname "$0")/../.."
target=$1 seconds=${2:-60}
out=build/fuzz
mkdir -p "$out/$target-corpus" "$out/$target-found"
mapfile -t lib < <(printf '%s\n' lib/*/*.c lib/*/*/*.c | grep -v '^lib/comm/\(mpi\|nccl\).c$')
clang -std=c11 -g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -I. -I/usr/include/nifti \
	-D_FILE_OFFSET_BITS=64 -D_DEFAULT_SOURCE -o "$out/$target" "tests/fuzz/$target.c" "${lib[@]}" \
	-ljansson -lyaml -lnifti2 -lznz -lisal -lz -lpng -lm -ldl -fopenmp=libgomp
seeds=()
for d in "tests/fuzz/$target" "tests/golden/$target"; do [ -d "$d" ] && seeds+=("$d"); done
[ -f "tests/fuzz/$target.dict" ] && seeds+=("-dict=tests/fuzz/$target.dict")
"$out/$target" -max_total_time="$seconds" -max_len=4096 -rss_limit_mb=4096 -malloc_limit_mb=3000 -artifact_prefix="$out/$target-found/" -timeout=10 \
	"$out/$target-corpus" "${seeds[@]}"
