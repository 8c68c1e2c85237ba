#!/usr/bin/env bats
# Every reader on inputs changed at random, always the same ones (tests/fuzz/mutate.c): no crash, no hang, nothing accepted that is not accepted again.
# NIIPIPE_LONG=1: with AddressSanitizer and UBSan, and thirty times as many.
load helper

setup_file() {
	export MUTATE_BUILD=$ROOT/build TIMES=1
	[ -n "${NIIPIPE_LONG:-}" ] || return 0
	TIMES=30 MUTATE_BUILD=$ROOT/build/san
	export ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=3000 UBSAN_OPTIONS=print_stacktrace=1
	make -s -j2 -C "$ROOT" B=build/san CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined" \
		LDFLAGS="-fsanitize=address,undefined" fuzz
}

mutated() { # mutated TARGET ROUNDS SEED...: those and the seeds of tests/fuzz/TARGET
	local target=$1 rounds=$(($2 * TIMES)) dict=tests/fuzz/$1.dict
	shift 2
	cd "$ROOT" || return 1
	[ -e "$dict" ] || dict=-
	[ ! -d "tests/fuzz/$target" ] || set -- "$@" tests/fuzz/"$target"/*
	run bash -c 'ulimit -c 0; [ "$TIMES" -gt 1 ] || ulimit -v 6000000; exec "$@"' - "$MUTATE_BUILD/mutate/$target" "$rounds" "$dict" "$@"
	echo "$output" | tail -n 40
	[ "$status" -eq 0 ]
	[ "${lines[-1]}" = "$(($# * (rounds + 1))) inputs" ]
}

@test "a frame, a stream" { mutated stream 400; }
@test "NIfTI" { mutated nifti 60 tests/golden/nifti/*.nii tests/golden/nifti/*.nii.gz; }
@test "NRRD" { mutated nrrd 60 tests/golden/nrrd/*.n???; }
@test "MetaImage" { mutated meta 60 tests/golden/meta/*.mh?; }
@test "tables" { mutated table 200; }
@test "what torch.save writes, and pickles" { mutated torch 1500 tests/golden/import/protocol*.pt; }
@test "weights as a model" { mutated import 150 tests/golden/import/{zip.pt,legacy.pt,strided.pt,half.pth,training.pth,nnunet.pth,plain.safetensors}; }
@test "checkpoints" { mutated checkpoint 400 tests/golden/train_v1.last.ts tests/golden/window_model.ts; }
@test "networks, bundles, plans, fingerprints, preparations" { mutated json 1500 tests/golden/plan-f*.json tests/golden/fingerprint.json tests/golden/import/*.json; }
@test "YAML" { mutated yaml 1000 tests/golden/bundle/*.yaml; }

@test "an input that is at fault can be had alone" {
	cd "$ROOT"
	MUTATE=0:7 "$ROOT/build/mutate/json" 100 - tests/fuzz/json/unet >"$BATS_TEST_TMPDIR/a"
	MUTATE=0:7 "$ROOT/build/mutate/json" 9 - tests/fuzz/json/unet | cmp - "$BATS_TEST_TMPDIR/a"
	run cmp -s "$BATS_TEST_TMPDIR/a" tests/fuzz/json/unet
	[ "$status" -eq 1 ]
}

# Networks whose description is damaged go the whole way of a tool: an error of one line, or a table.
@test "seg-train --summary of damaged descriptions" {
	nii-phantom -n 1 --size 32,32,32 --seed 1 | nii-patch -s 32,32,32 -n 1 --seed 1 -o "$BATS_TEST_TMPDIR/p.ts"
	cd "$ROOT"
	for ((s = 0; s < 4; s++)); do
		for ((i = 1; i <= 12 * TIMES; i++)); do
			MUTATE=$s:$i "$ROOT/build/mutate/json" $i - tests/fuzz/json/{unet,dynunet,swin,resenc,swin-flat,unetr-flat} >"$BATS_TEST_TMPDIR/net.json"
			run timeout 60 seg-train --arch "$BATS_TEST_TMPDIR/net.json" --summary "$BATS_TEST_TMPDIR/p.ts"
			case $status in
			0) [[ ${lines[-1]} == total:* ]] ;;
			1) [[ ${#lines[@]} -eq 1 && $output == seg-train:* ]] ;;
			*) false ;;
			esac || { echo "MUTATE=$s:$i"; echo "$output"; return 1; }
		done
	done
}
