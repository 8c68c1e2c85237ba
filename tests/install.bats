#!/usr/bin/env bats
# make install: DESTDIR, PREFIX, MANDIR; the installed tree works alone and finds its own backend; uninstall leaves nothing.
load helper

@test "clang builds it, too, and its kernels pass" {
	[ -n "${NIIPIPE_LONG:-}" ] || skip "in make check-long"
	command -v clang >/dev/null || skip "no clang"
	b=$BATS_TEST_TMPDIR/clang
	make -s -C "$ROOT" CC=clang CUDA=0 B="$b" -j"$(nproc)" all "$b"/test/{kernels,plan,loss,attention} >"$BATS_TEST_TMPDIR/made" 2>&1
	[ ! -s "$BATS_TEST_TMPDIR/made" ]
	for unit in kernels plan loss attention; do
		BIN=$b/bin NIIPIPE_BACKENDS=$b/bin "$b/test/$unit" >"$BATS_TEST_TMPDIR/said"
		[ "$(grep -c '^ok' "$BATS_TEST_TMPDIR/said")" -gt 10 ]
	done
}

@test "without CUDA's toolkit: what stands for its libraries in tests has all of their functions" {
	cd "$ROOT"
	gcc -std=c11 -I. -c -o "$BATS_TEST_TMPDIR/none.o" tests/sim/none/libraries.c
	nm --defined-only "$BATS_TEST_TMPDIR/none.o" | sed -n 's/.* T //p' | sort >"$BATS_TEST_TMPDIR/has"
	sed -nE 's/^[a-z].*[ *]([a-z_]+)\(.*\);.*/\1/p' kernels/gpu/cudnn.h kernels/gpu/product.h | sort | diff - "$BATS_TEST_TMPDIR/has"
}

@test "install, run from there, uninstall" {
	cd "$ROOT"
	d=$BATS_TEST_TMPDIR/root
	make -s install DESTDIR="$d" PREFIX=/opt/nii MANDIR=/opt/nii/man >/dev/null
	[ -x "$d/opt/nii/bin/nii-read" ]
	[ -e "$d/opt/nii/lib/niipipe/niipipe-cpu.so" ]
	[ -e "$d/opt/nii/man/man1/nii-read.1" ]
	[ -e "$d/opt/nii/man/man5/tensor-stream.5" ]
	[ -e "$d/opt/nii/man/man7/niipipe.7" ]
	cmp "$ROOT/build/completion" "$d/opt/nii/share/bash-completion/completions/nii-patch"
	[ -x "$d/opt/nii/share/niipipe/pipelines/segment.sh" ]
	printf 'step\tloss\n1\t2\n2\t1\n' >"$BATS_TEST_TMPDIR/train.tsv"
	make -s -f "$d/opt/nii/share/niipipe/pipelines/figures.mk" LOG="$BATS_TEST_TMPDIR/train.tsv" DIR="$BATS_TEST_TMPDIR/figures" figures
	[ -s "$BATS_TEST_TMPDIR/figures/curves.pdf" ]
	cd "$BATS_TEST_TMPDIR"
	b=$d/opt/nii/bin
	"$b/nii-phantom" -n 2 --seed 3 --size 32,32,16 --spacing 10,10,20 | "$b/nii-normalize" --window=-1024,325 >v.ts
	"$b/nii-patch" -s 16,16,16 -n 2 --seed 1 v.ts | "$b/seg-train" --net unet --channels 4,8 --strides 2 --res-units 1 -o m.ts
	"$b/seg-window" -m m.ts v.ts | "$b/ts-info" >/dev/null
	"$b/ts-select" --index 0 v.ts | "$b/nii-write" -o scan.nii.gz
	env PATH=/usr/bin:/bin "$d/opt/nii/share/niipipe/pipelines/segment.sh" -d masks m.ts scan.nii.gz
	[ -s masks/scan.nii.gz ]
	cd "$ROOT"
	make -s uninstall DESTDIR="$d" PREFIX=/opt/nii MANDIR=/opt/nii/man
	[ -z "$(find "$d" -type f -o -type l)" ]
}
