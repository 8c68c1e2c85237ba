#!/usr/bin/env bats
# The CPU kernels at every instruction set this processor has, not only the best.
load helper

# A thread alone: what several threads do is the same at every level, and other tests run beside this.
setup_file() {
	export OMP_NUM_THREADS=1
	BEST=$("$BATS_TEST_DIRNAME/../build/test/loss" | sed -n '1s/^ok 1 - \([a-z0-9_]*\), .*/\1/p')
	export BEST
}

# at LEVEL: 25 s of a processor, with swin twice that; of networks at random fewer than at the best level
at() {
	local unit
	[ "$1" != "$BEST" ] || [ -n "${NIIPIPE_LONG-}" ] || skip "the units themselves are of $1 here"
	export NIIPIPE_CPU=$1
	for unit in kernels loss net "plan 100" attention scale across ${NIIPIPE_LONG:+swin}; do
		# shellcheck disable=SC2086
		"$ROOT/build/test/"$unit >"$BATS_TEST_TMPDIR/out" 2>&1 && continue
		! grep -q "names no instruction set" "$BATS_TEST_TMPDIR/out" || skip "this processor has no $1"
		echo "$unit"
		grep -A 1 '^not ok' "$BATS_TEST_TMPDIR/out"
		return 1
	done
}

@test "kernels and networks with AVX-512 and its bfloat16" { at avx512_bf16; }
@test "kernels and networks with AVX-512 and its bfloat16, not AMX" {
	grep -qw amx_bf16 /proc/cpuinfo || skip "the test before was without AMX"
	export DNNL_MAX_CPU_ISA=AVX512_CORE_BF16 ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16
	at avx512_bf16
}
@test "kernels and networks with AVX-512" { at avx512; }
@test "kernels and networks with AVX2" { at avx2; }
@test "kernels and networks with SSE2, which all have" { at sse2; }

# Units with oneDNN's convolutions, which NIIPIPE_CONV asks for. library VERSION ISA UNIT...
library() {
	local version=$1 isa=$2 unit
	shift 2
	export NIIPIPE_CONV=onednn DNNL_MAX_CPU_ISA=$isa ONEDNN_MAX_CPU_ISA=$isa
	for unit; do
		"$ROOT/build/test/$unit" >"$BATS_TEST_TMPDIR/out" 2>&1 || { echo "$isa, $unit"; grep -A 1 '^not ok' "$BATS_TEST_TMPDIR/out"; return 1; }
		grep -q "^ok 1 - .*, oneDNN $version" "$BATS_TEST_TMPDIR/out"
	done
}

@test "oneDNN's convolutions: the system's version" {
	library "" DEFAULT kernels net ${NIIPIPE_LONG:+swin}
	[ "$BEST" = avx2 ] || library "" AVX2 kernels ${NIIPIPE_LONG:+net swin}
	[ -z "${NIIPIPE_LONG-}" ] || library "" SSE41 swin
}

@test "oneDNN's convolutions: 3.2, which is built here" {
	three=$("$ROOT/tests/onednn3.sh" 2>/dev/null) || skip "no oneDNN 3.2: pip cannot fetch it"
	cp -a "$ROOT/build/kobj" "$BATS_TEST_TMPDIR"
	make -s -C "$ROOT" B="$BATS_TEST_TMPDIR" DNNL="$three" "$BATS_TEST_TMPDIR/bin/niipipe-cpu.so"
	export NIIPIPE_BACKENDS=$BATS_TEST_TMPDIR/bin
	library 3.2 DEFAULT kernels net
	[ "$BEST" = avx2 ] || library 3.2 AVX2 kernels ${NIIPIPE_LONG:+net}
}

@test "an instruction set that is not there is an error" {
	nii-phantom -n 1 -s 24,24,16 --spacing 14,14,20 | nii-normalize --window=-1024,325 >"$BATS_TEST_TMPDIR/v.ts"
	nii-patch -s 16,16,16 -n 1 "$BATS_TEST_TMPDIR/v.ts" >"$BATS_TEST_TMPDIR/p.ts"
	NIIPIPE_CPU=mmx fails 1 "seg-train: NIIPIPE_CPU=mmx names no instruction set that this processor has" \
		seg-train --device cpu --channels 4,8 --strides 2 -o "$BATS_TEST_TMPDIR/m.ts" "$BATS_TEST_TMPDIR/p.ts"
}
