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

@test "make dist: one archive; no program there, nor its backend, takes a library of the system's but C's, C++'s and gcc's" {
	cd "$ROOT"
	archive=$(make -s dist)
	archive=${archive##*	}
	tar -C "$BATS_TEST_TMPDIR" -xzf "$archive"
	d=$BATS_TEST_TMPDIR/$(basename "$archive" .tar.gz)
	cd "$BATS_TEST_TMPDIR"
	loads() { # COMMAND...: runs it, keeps which objects were loaded
		env -i PATH=/usr/bin:/bin LD_DEBUG=libs "$@" 2>said || { cat said; return 1; }
		sed -nE 's/.*calling init: //p' said | xargs realpath >>loaded
	}
	for tool in "$d"/bin/*; do loads "$tool" --version >/dev/null; done
	loads "$d/bin/nii-phantom" -n 2 --seed 3 --size 32,32,16 --spacing 10,10,20 >raw.ts
	loads "$d/bin/nii-normalize" --window=-1024,325 raw.ts >v.ts
	loads "$d/bin/nii-patch" -s 16,16,16 -n 2 --seed 1 v.ts >p.ts
	loads "$d/bin/seg-train" --device cpu --net unet --channels 4,8 --strides 2 --res-units 1 -o m.ts p.ts
	loads "$d/bin/seg-window" --device cpu -m m.ts v.ts >mask.ts
	cmp <("$BIN/seg-window" --device cpu -m m.ts v.ts) mask.ts
	grep -q "^$d/lib/niipipe/niipipe-cpu.so$" loaded
	grep -q "^$d/lib/niipipe/lib/libdnnl.so" loaded
	sort -u loaded | grep -v "^$d/" | grep -vE '/(libc|libm|libpthread|libdl|librt|libstdc\+\+|libgcc_s|ld-linux[^/]*)\.so' >others || true
	cat others
	[ ! -s others ]
	[ -s "$d/lib/niipipe/lib/licences/libdnnl2" ] || ! command -v dpkg-query
	env -i PATH=/usr/bin:/bin "$d/share/niipipe/pipelines/segment.sh" --help >/dev/null
}
