#!/usr/bin/env bats
# Peak memory of the filters against what their pages state. It is the largest resident set, pages of mapped files included. 4 MiB are the program's
# own and 2 MiB are for rounding to huge pages; the smallest copy of a tensor would be 8 MiB.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	bin=$BATS_TEST_DIRNAME/../build/bin
	"$bin/nii-phantom" --size 256,256,128 --seed 2 -o ct.ts # 3 bytes a voxel: image 2, label 1
	cat ct.ts ct.ts ct.ts >three.ts
	"$bin/nii-write" -t image -o ct.nii.gz ct.ts
	"$bin/nii-write" -t label -o gtv.nii.gz ct.ts
	"$bin/nii-normalize" --window=-1024,325 -o float.ts ct.ts
	h='{"__metadata__":{"niipipe":"1","kind":"volume","id":"a","prob":"logits","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"}'
	zeros() { # TENSOR DTYPE SHAPE BYTES: a frame of them, aligned to 8 bytes
		local text="$h,\"$1\":{\"dtype\":\"$2\",\"shape\":[$3],\"data_offsets\":[0,$4]}}"
		while [ $((${#text} % 8)) -ne 0 ]; do text+=' '; done
		raw_frame "$text" && head -c "$4" /dev/zero
	}
	zeros prob F32 2,128,256,256 67108864 >prob.ts
	zeros prob F16 2,128,256,256 33554432 >half.ts
	zeros label I64 128,256,256 67108864 >wide.ts
	zeros image F32 1,128,256,256 33554432 >few.ts
	zeros image F32 1,320,256,256 83886080 >many.ts
	{ volume a U8 1,1,1 '\1' && cat wide.ts; } >odd.ts
	printf 'NRRD0004\ntype: short\ndimension: 4\nsizes: 2 256 256 128\nencoding: raw\nendian: little\nkinds: vector domain domain domain\nspace: left-posterior-superior\nspace directions: none (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\ndata file: v.raw\n' >v.nhdr
	truncate -s 33554432 v.raw
	step() { printf '{\\"tool\\":\\"nii-%s\\",\\"args\\":%s}' "$1" "$("$bin/nii-$1" "${@:2}" ct.ts | "$bin/ts-info" --json | grep -oE '"args":\{[^}]*\}' | tail -1 | cut -c8- | sed 's/"/\\"/g')"; }
	raw_frame "{\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"model\",\"replay\":\"[$(step normalize --window=-1024,325),$(step crop --pad)]\"}}" >model.ts
	mkfifo sink
}

setup() {
	if ldd "$BIN/ts-info" | grep -q libasan; then skip "AddressSanitizer needs more memory"; fi
}

# peak COMMAND: KiB of one run that writes to a pipe. As many threads on every machine: each has a stack and scratch.
peak() {
	local kb
	cat sink >/dev/null &
	kb=$("$ROOT/build/bench/best" 1 "$@" --threads 2 -o sink 2>said) || { kill $! 2>/dev/null; cat said; echo "failed: $*"; return 1; }
	wait $!
	echo "${kb##* }"
}

# within BYTES MIB COMMAND: no more than BYTES a voxel, MIB and those 6.
within() {
	local kb limit=$(($1 * 8192 + $2 * 1024 + 6144))
	kb=$(peak "${@:3}") || { echo "$kb"; return 1; }
	echo "$kb of $limit KiB: ${*:3}"
	[ "$kb" -le "$limit" ]
}

# Rows: bytes a voxel, MiB, command; the last word is a stream, read from the file and from a pipe.
rows() {
	local bytes mib cmd n=0 bad=0
	cd "$BATS_FILE_TMPDIR" || return 1
	while read -r bytes mib cmd; do
		[ -n "$bytes" ] || continue
		n=$((n + 1))
		# shellcheck disable=SC2086
		within "$bytes" "$mib" $cmd || bad=1
		# shellcheck disable=SC2086
		cat "${cmd##* }" | within "$bytes" "$mib" ${cmd% *} - || bad=1
	done
	[ "$n" -gt 0 ]
	[ "$bad" -eq 0 ]
}

@test "nii-read: an image of any size in next to nothing; a label whole" {
	cd "$BATS_FILE_TMPDIR"
	within 0 0 nii-read ct.nii.gz
	within 0 0 nii-read <ct.nii.gz
	within 1 0 nii-read -l gtv.nii.gz ct.nii.gz
	within 4 0 nii-read v.nhdr
	within 0 1 nii-read --id x --channels 3 ct.nii.gz ct.nii.gz ct.nii.gz
}

@test "nii-write" {
	rows <<-'END'
		3 2 nii-write -t image ct.ts
		3 2 nii-write -t label ct.ts
		8 6 nii-write -t label wide.ts
		4 6 nii-write -t prob half.ts
	END
}

@test "nii-normalize" {
	rows <<-'END'
		3 4 nii-normalize --window=-1024,325 ct.ts
		3 4 nii-normalize --zscore ct.ts
		3 4 nii-normalize --zscore-nonzero --channel-wise ct.ts
		4 6 nii-normalize --zscore-masked ct.ts
		3 4 nii-normalize --zscore --channel 0 ct.ts
		3 5 nii-normalize --percentile 0.5,99.5 ct.ts
		3 4 nii-normalize --preset lung,bone,liver ct.ts
		4 4 nii-normalize --zscore --mask label ct.ts
		5 4 nii-normalize --window 0,1 float.ts
	END
}

@test "nii-crop" {
	rows <<-'END'
		3 4 nii-crop --above=-500 ct.ts
		3 4 nii-crop --nonzero ct.ts
		3 4 nii-crop --pad --multiple 160 ct.ts
		4 4 nii-crop --lungs ct.ts
		5 4 nii-crop --body ct.ts
	END
}

@test "nii-replay: the step that needs most, and what stands between two" {
	rows <<<'7 4 nii-replay -m model.ts ct.ts'
}

@test "components" {
	rows <<-'END'
		3 2 cc-largest ct.ts
		3 2 cc-filter --fill-holes -k 1 ct.ts
		4 2 cc-filter --on label --on-grow 10 ct.ts
		4 4 cc-filter --on-organ lungs ct.ts
		5 4 cc-filter --on-organ body ct.ts
	END
}

@test "scores and labels" {
	rows <<-'END'
		9 0 seg-argmax prob.ts
		9 0 seg-argmax --threshold 0.5 prob.ts
		13 0 seg-argmax half.ts
		17 0 seg-argmax prob.ts prob.ts
		4 2 seg-join --map 1=1 ct.ts
		7 2 seg-join --map 1=1 --map 1=2 ct.ts ct.ts
		7 2 seg-join --map 1=1 --map 1=2 --map 1=3 --map 1=4 ct.ts ct.ts ct.ts ct.ts
		3 2 seg-score --truth label --pred label ct.ts
		3 2 seg-recist -t label ct.ts
		3 4 seg-stats -t label ct.ts
	END
	cd "$BATS_FILE_TMPDIR"
	within 2 2 seg-score gtv.nii.gz gtv.nii.gz
	within 1 2 seg-recist gtv.nii.gz
	mkdir -p many
	for n in a b c d e; do cp gtv.nii.gz many/$n.nii.gz; done
	within 4 4 seg-score many many # two pairs at a time
}

@test "streams" {
	rows <<-'END'
		0 0 ts-info ct.ts
		3 0 ts-info --stats ct.ts
		8 0 ts-info --stats odd.ts
		3 0 ts-info --npy image ct.ts
		3 0 ts-select --index 0 ct.ts
		3 2 nii-view ct.ts
	END
}

# Up to 16 MiB that were freed may be kept for what comes next.
@test "a stream of many volumes needs no more than one of them" {
	rows <<-'END'
		3 16 nii-normalize --window=-1024,325 three.ts
		3 16 nii-crop --above=-500 three.ts
		3 2 cc-largest three.ts
		3 0 ts-info --stats three.ts
	END
}

@test "nii-phantom" {
	cd "$BATS_FILE_TMPDIR"
	within 3 4 nii-phantom -n 2 --size 256,256,128
	within 8 4 nii-phantom --into ct.ts
}

@test "ts-cmp" {
	cd "$BATS_FILE_TMPDIR"
	read -r _ _ kb < <("$ROOT/build/bench/best" 1 ts-cmp ct.ts ct.ts)
	[ "$kb" -le $((6 * 8192 + 6144)) ]
	cat ct.ts | {
		read -r _ _ kb < <("$ROOT/build/bench/best" 1 ts-cmp - ct.ts)
		[ "$kb" -le $((6 * 8192 + 6144)) ]
	}
}

@test "nii-resample: the frame, what it becomes, slices" {
	rows <<<'6 8 nii-resample -s 1.5,1.5,2.5 ct.ts'
}

@test "patches: a volume at most; two patches; each of two threads has one as it comes and as it goes" {
	rows <<<'3 4 nii-patch -s 64,64,64 --per-volume 2 -n 2 ct.ts'
	nii-patch -s 128,128,128 -n 3 --seed 1 -o patches.ts ct.ts
	rows <<<'4 2 nii-augment --flip x --shift 0.1 --seed 1 patches.ts'
}

@test "nii-invert: one frame, and its tensors on the grid that was read" {
	cd "$BATS_FILE_TMPDIR"
	nii-crop --above=-500 -o cropped.ts ct.ts
	rows <<<'4 4 nii-invert cropped.ts'
}

# Accumulators of 3 floats a voxel and the image's slab, as deep as a window or two; a part of the result of 8 MiB; code and activations, 40 MiB.
@test "seg-window: the same for any number of slices" {
	cd "$BATS_FILE_TMPDIR"
	cp "$ROOT/tests/golden/window_model.ts" net.ts
	local from kind depth o a b
	while read -r kind depth o; do
		from=(few.ts many.ts)
		[ "$kind" = file ] || from=(- -)
		# shellcheck disable=SC2086
		a=$(cat few.ts | peak seg-window -m net.ts --roi 128,128,16 $o "${from[0]}")
		# shellcheck disable=SC2086
		b=$(cat many.ts | peak seg-window -m net.ts --roi 128,128,16 $o "${from[1]}")
		echo "$o, ${from[*]}: $a and $b KiB of $(((depth + 48) * 1024))"
		[ "$b" -le $((a + 2048)) ]
		[ "$b" -le $(((depth + 48) * 1024)) ]
	done <<-'END'
		file 16 --overlap 0
		pipe 16 --overlap 0
		file 44 --overlap 0.5 --refine 0.01
		pipe 16 --overlap 0 --output prob
	END
}

@test "every page states the memory" {
	for t in "$BIN"/*; do
		case $t in *.so) continue ;; esac
		grep -q 'Memory:' "$ROOT/man/${t##*/}.1" || { echo "page of $t"; return 1; }
	done
}
