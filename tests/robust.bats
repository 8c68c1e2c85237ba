#!/usr/bin/env bats
# The whole main job, and what may go wrong on its way: real CTs come out on their own grid; full disks, kills, truncation, wrong models and grids lose nothing
# and leave nothing half-written under the final name.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	cp "$BATS_TEST_DIRNAME/golden/window_model.ts" model.ts
	"$BATS_TEST_DIRNAME/../build/bin/nii-phantom" -n 1 --seed 3 --size 40,36,24 --spacing 9,9,12 -o phantom.ts
}
setup() { cd "$BATS_TEST_TMPDIR" || return 1; model=$BATS_FILE_TMPDIR/model.ts phantom=$BATS_FILE_TMPDIR/phantom.ts; }

# The model has random weights and knows of no preparation: hence --force.
segment() { # segment CT MASK
	nii-read "$1" | nii-normalize --window=-1024,325 | nii-crop --above 0.1 | seg-window --force -m "$model" --roi 64,64,32 | cc-largest | nii-invert |
		nii-write -o "$2"
}

# Of a little-endian NIfTI-1 file: dim 0-3, pixdim 0-3, codes, quaternion, offsets, sform rows.
grid_of() {
	local head
	head=$(gzip -dc "$1" 2>/dev/null | head -c 352 | od -An -v -tx1 | tr -d ' \n')
	for span in 40,8 76,16 252,4 256,24 280,48; do
		echo "$span ${head:$((2 * ${span%,*})):$((2 * ${span#*,}))}"
	done
}

own_grid() { # own_grid CT: through the whole job and back
	need_data "ct/${1%%/*}"
	set -o pipefail
	segment "$NIIPIPE_DATA/ct/$1" mask.nii.gz
	diff <(grid_of "$NIIPIPE_DATA/ct/$1") <(grid_of mask.nii.gz)
	diff <(nii-read --id a "$NIIPIPE_DATA/ct/$1" | ts-info | grep -E '^ +(grid|affine|-?[0-9. ]+$)') <(nii-read --id a mask.nii.gz | ts-info | grep -E '^ +(grid|affine|-?[0-9. ]+$)')
}
long() { [ -n "${NIIPIPE_LONG:-}" ] || skip "NIIPIPE_LONG=1 runs it"; }

@test "cip64 comes out on its own grid" { own_grid cip/cip64_ct.nii.gz; }
@test "pat_3 comes out on its own grid" { own_grid pat_3/pat_3_ct.nii.gz; }
@test "elastix comes out on its own grid" { long; own_grid elastix/elastix_ct.nii.gz; }
@test "LUNG1-001 comes out on its own grid" { long; own_grid LUNG1-001/LUNG1-001_ct.nii.gz; }
@test "LUNG1-001_slab512 comes out on its own grid" { long; own_grid LUNG1-001/LUNG1-001_slab512_ct.nii.gz; }
@test "LUNG1-002 comes out on its own grid" { long; own_grid LUNG1-002/LUNG1-002_ct.nii.gz; }

@test "resampled, cropped and segmented volumes come out on their own grid, too" {
	nii-write -t image -o ct.nii.gz "$phantom"
	nii-read ct.nii.gz | nii-resample -s 10,11,13 | nii-normalize --window=-1024,325 | nii-crop --above 0.1 --multiple 4,4,4 |
		seg-window --force -m "$model" | cc-largest | nii-invert | nii-write -o mask.nii.gz
	diff <(grid_of ct.nii.gz) <(grid_of mask.nii.gz)
}

@test "a stream cut anywhere ends the whole job with an error and no mask" {
	nii-normalize --window=-1024,325 "$phantom" >whole.ts
	size=$(stat -c %s whole.ts)
	for cut in 4 100 $((size / 3)) $((size - 1)); do
		run bash -c 'set -o pipefail; head -c "$1" whole.ts | seg-window --force -m "$2" | cc-largest | nii-invert | nii-write -o mask.nii.gz' - "$cut" "$model"
		[ "$status" -eq 1 ]
		[[ ${lines[0]} == "seg-window: standard input: ends inside a frame's "* ]]
		[ -z "$(find . -name '*mask*')" ]
	done
	# a second case cut: the first one's mask was on its way, nothing may pretend to be complete
	run bash -c 'set -o pipefail; { cat whole.ts; head -c 5000 whole.ts; } | seg-window --force -m "$1" -o pred.ts' - "$model"
	[ "$status" -eq 1 ]
	[ -z "$(find . -name '*pred*')" ]
}

@test "a first program that dies is noticed by all behind it" {
	run bash -c 'set -o pipefail; nii-read /no/such.nii.gz | nii-normalize --window=0,1 | seg-window --force -m "$1" | cc-largest | nii-write -o mask.nii.gz' - "$model"
	[ "$status" -eq 1 ]
	[ ! -e mask.nii.gz ]
	for t in nii-normalize seg-window cc-largest nii-write; do
		[[ $output == *"$t: standard input: no frame at all: empty, or what should have written it failed"* ]]
	done
}

@test "a reader that leaves early ends the writers quietly" {
	for _ in {1..40}; do cat "$phantom"; done >many.ts
	run bash -c 'nii-normalize --window=-1024,325 "$1" | head -c 1000 >/dev/null; echo "${PIPESTATUS[0]}"' - many.ts
	[ "$output" = 141 ]
}

@test "a full disk: an error, and the old file stays" {
	nii-normalize --window=-1024,325 "$phantom" >v.ts
	for t in "nii-normalize --window=-1024,325" "seg-window --force -m $model" "cc-largest" "nii-invert"; do
		run bash -c 'f=$1; shift; "$@" "$f" >/dev/full' - "$phantom" $t
		[ "$status" -eq 1 ]
		[[ $output == "${t%% *}: standard output: cannot write (offset "*"): No space left on device" ]]
	done
	echo old >mask.nii.gz
	run bash -c 'ulimit -f 8; nii-write -t image -o mask.nii.gz --gzip 0 "$1"' - "$phantom"
	[ "$status" -eq 1 ]
	[[ $output == "nii-write: mask.nii.gz: cannot write (offset "*"): File too large" ]]
	run bash -c 'ulimit -f 8; nii-normalize --window=0,1 -o mask.nii.gz "$1"' - "$phantom"
	[ "$status" -eq 1 ]
	[[ $output == "nii-normalize: mask.nii.gz: cannot write (offset "*"): File too large" ]]
	[ "$(cat mask.nii.gz)" = old ]
	[ "$(find . -name '*mask*')" = ./mask.nii.gz ]
}

@test "a symbolic link gives way to the result, what it points to stays" {
	echo kept >far
	ln -s far link
	ln -s nowhere gone
	for l in link gone; do
		nii-normalize --window=-1024,325 -o $l "$phantom"
		[ ! -L $l ]
		ts-info $l >/dev/null
	done
	[ "$(cat far)" = kept ]
	[ ! -e nowhere ]
}

@test "a file system that is really full" {
	[ "$(id -u)" -eq 0 ] || skip "not root: no tmpfs to mount"
	mkdir small
	mount -t tmpfs -o size=64k tmpfs small 2>/dev/null || skip "no tmpfs may be mounted"
	run nii-normalize --window=-1024,325 -o small/v.ts "$phantom"
	left=$(ls -A small)
	umount small
	[ "$status" -eq 1 ]
	[[ $output == "nii-normalize: small/v.ts: cannot write (offset "*"): No space left on device" ]]
	[ -z "$left" ]
}

# A tool that has begun its file and waits for more input: is killed by SIGNAL, leaves LEFT files.
killed() { # killed SIGNAL LEFT COMMAND...
	local signal=$1 left=$2 pid
	shift 2
	rm -rf k fifo
	mkdir k
	mkfifo fifo
	"$@" -o k/out <fifo 2>/dev/null &
	pid=$!
	exec 8>fifo
	cat "$BATS_TEST_TMPDIR/v.ts" >&8
	await holds k
	kill "-$signal" "$pid"
	wait "$pid" && return 1
	exec 8>&-
	[ ! -e k/out ]
	[ "$(ls -A k | wc -l)" -eq "$left" ]
}

@test "killed midway: nothing under the final name, and after SIGTERM nothing at all" {
	nii-normalize --window=-1024,325 "$phantom" >v.ts
	killed TERM 0 nii-normalize --window=0,1
	killed TERM 0 cc-largest
	killed HUP 0 nii-invert
	killed PIPE 0 nii-invert
	killed TERM 0 seg-window --force -m "$model"
	killed KILL 1 nii-normalize --window=0,1
	killed KILL 1 seg-window --force -m "$model"
}

@test "a scan cut or damaged in its gzip: no mask" {
	nii-write -t image -o ct.nii.gz "$phantom"
	size=$(stat -c %s ct.nii.gz)
	head -c $((size / 2)) ct.nii.gz >cut.nii.gz
	{ head -c $((size / 2)) ct.nii.gz; printf 'garbage'; tail -c +$((size / 2 + 8)) ct.nii.gz; } >bad.nii.gz
	for f in cut bad; do
		run bash -c 'set -o pipefail; nii-read "$1" | nii-normalize --window=0,1 | seg-window --force -m "$2" | nii-write -o mask.nii.gz' - $f.nii.gz "$model"
		[ "$status" -eq 1 ]
		[[ $output == *"nii-read: $f.nii.gz: "* ]]
		[ ! -e mask.nii.gz ]
	done
}

@test "an id that is a path is refused by whoever meets it" {
	volume ../evil U8 1,1,1 '\1' >evil.ts
	for t in nii-write "nii-write -d ." cc-largest nii-invert ts-info; do
		run $t evil.ts
		[ "$status" -eq 1 ]
		[[ $output == *"evil.ts: "*id* ]]
	done
	[ -z "$(find .. -name '*evil*' ! -name evil.ts)" ]
}

@test "label and image of different grids" {
	nii-write -t image -o ct.nii.gz "$phantom"
	nii-resample -s 18,18,24 "$phantom" | nii-write -t label -o small.nii.gz
	run nii-read -l small.nii.gz ct.nii.gz -o v.ts
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[ ! -e v.ts ]
}

@test "a model of another network" {
	m() { raw_frame "{\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"model\",\"id\":\"m\",\"arch\":\"$1\",\"replay\":\"[]\",\"roi\":\"16,16,16\"},\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}" '\0\0\0\0'; }
	nii-normalize --window=-1024,325 "$phantom" >v.ts
	m '{\"_target_\":\"UNet\",\"spatial_dims\":3,\"in_channels\":1,\"out_channels\":2,\"channels\":[4,8],\"strides\":[2]}' >other.ts
	m '{\"_target_\":\"Teapot\"}' >teapot.ts
	m 'not json' >broken.ts
	for bad in other teapot broken; do
		run seg-window --force -m $bad.ts -o pred.ts v.ts
		echo "$output"
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == "seg-window: $bad.ts: "* ]]
		[ ! -e pred.ts ]
	done
}

@test "a checkpoint is no volume, a volume no checkpoint" {
	fails 1 "seg-window: $phantom: is not a model: its first frame is of kind 'volume', not 'model' (offset 0)" seg-window -m "$phantom" "$phantom"
	run nii-normalize --window=0,1 "$model"
	[ "$status" -eq 1 ]
	run cc-largest "$model"
	[ "$status" -eq 1 ]
}
