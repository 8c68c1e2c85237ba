#!/usr/bin/env bats
# DESIGN section 3, for every tool there is: help, version, misuse, bad input, full disk, and the manual page.
load helper

# Arguments that make a stream filter work on one small phantom; a tool that is no plain filter is left out.
filters='
nii-normalize --window=-1024,325
nii-crop --above=-900
nii-resample -s 20,20,25
nii-augment --flip x --seed 1
nii-patch -s 8,8,8 --per-volume 2 -n 2
nii-invert
nii-write
cc-largest
cc-filter --min-volume 1 --fill-holes -k 2
ts-select --index 0
seg-join --map 1=1
seg-recist
seg-stats
ts-info
'

tools() {
	for t in "$BIN"/*; do
		case $t in *.so) ;; *) basename "$t" ;; esac
	done
}

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	"${BATS_TEST_DIRNAME}/../build/bin/nii-phantom" -n 1 --seed 7 --size 24,20,16 --spacing 14,15,20 -o sample.ts
}

each_filter() { # each_filter FUNCTION: name and arguments of each; no || behind the call, in which a false line would not count
	local name args
	while read -r name args; do
		[ -z "$name" ] && continue
		echo "in: $name $args"
		# shellcheck disable=SC2086
		"$1" "$name" $args
	done <<<"$filters"
}

@test "every tool has --help on standard output, exit 0" {
	for t in $(tools); do
		run "$BIN/$t" --help
		[ "$status" -eq 0 ]
		[[ ${lines[0]} == "usage: $t "* && ${lines[-1]} == "manual: man $t" ]]
		[ -z "$("$BIN/$t" --help 2>&1 >/dev/null)" ]
	done
}

@test "every tool has --version" {
	v=$(sed -n 's/.*NIIPIPE_VERSION "\(.*\)".*/\1/p' "$ROOT/lib/base/version.h")
	for t in $(tools); do
		[ "$("$BIN/$t" --version)" = "$t (niipipe) $v" ]
	done
}

@test "an unknown option is misuse: exit 2, one line" {
	for t in $(tools); do
		fails 2 "$t: unknown option --no-such-option (see $t --help)" "$BIN/$t" --no-such-option </dev/null
	done
}

@test "an option mistyped: what it may be" {
	for t in $(tools); do
		fails 2 "$t: unknown option --Versoin: did you mean --version? (see $t --help)" "$BIN/$t" --Versoin
		fails 2 "$t: unknown option --thread: did you mean --threads? (see $t --help)" "$BIN/$t" --thread=3
	done
	fails 2 "seg-window: unknown option --model-file: did you mean --model? (see seg-window --help)" seg-window --model-file x
	fails 2 "seg-window: unknown option --overlp: did you mean --overlap? (see seg-window --help)" seg-window --overlp=.5
	fails 2 "seg-window: unknown option --tta (see seg-window --help)" seg-window --tta
}

foreign() {
	case $1 in seg-recist | seg-stats) return 0 ;; esac # take NIfTI as it is
	cd "$BATS_TEST_TMPDIR" || return 1
	while IFS='|' read -r file text; do
		fails 1 "$1: $file: $text" "$BIN/$1" "${@:2}" "$file" || return 1
		fails 1 "$1: standard input: $text" bash -c 'cat "$1" | "${@:2}"' - "$file" "$BIN/$1" "${@:2}" </dev/null || return 1
	done <<-'END'
		ct.nii.gz|is compressed by gzip, no stream: nii-read makes one of a .nii.gz
		ct.nii|is a NIfTI file, no stream: nii-read makes one of it
		ct.hdr|is a NIfTI header, no stream: nii-read makes one of it
		ct2.nii|is a NIfTI file, no stream: nii-read makes one of it
		ct.nrrd|is an NRRD file, no stream: nii-read makes one of it
		model.pt|is a zip file, no stream: seg-import makes a model of one that PyTorch wrote
		ct.mhd|is a MetaImage, no stream: nii-read makes one of it
		view.png|is a picture, no stream
	END
	fails 1 "$1: ct.dcm: is a DICOM file, no stream: from-dicom.sh makes NIfTI of a folder of them, nii-read a stream of that" "$BIN/$1" "${@:2}" ct.dcm || return 1
	# only the whole stream's beginning tells
	fails 1 "$1: both.ts: ends inside a frame's header (offset $(stat -c %s both.ts), expected 559903 bytes, found 100)" "$BIN/$1" "${@:2}" -o out.nii both.ts || return 1
	[ ! -e out.nii ]
}
@test "files of other kinds in a stream's place: what makes a stream of them" {
	cd "$BATS_TEST_TMPDIR"
	nii-write -t image -o ct.nii.gz "$BATS_FILE_TMPDIR/sample.ts"
	nii-write -t image -o ct.nii "$BATS_FILE_TMPDIR/sample.ts"
	nii-write -t image -o ct.hdr "$BATS_FILE_TMPDIR/sample.ts"
	{ printf '\34\2\0\0n+2\0'; head -c 900 /dev/zero; } >ct2.nii
	printf 'NRRD0004\ntype: short\n' >ct.nrrd
	printf 'ObjectType = Image\nNDims = 3\n' >ct.mhd
	printf 'PK\3\4 whatever is in it' >model.pt
	nii-view -o view.png "$BATS_FILE_TMPDIR/sample.ts"
	{ head -c 128 /dev/zero; printf 'DICM'; head -c 40 /dev/zero; } >ct.dcm
	{ cat "$BATS_FILE_TMPDIR/sample.ts"; printf '\37\213\10\0\0\0\0\0'; head -c 100 /dev/zero; } >both.ts
	each_filter foreign
}

@test "--help lists no option twice" {
	for t in $(tools); do
		[ -z "$("$BIN/$t" --help | sed -nE 's/^ {2,6}((-., )?--?[[:alnum:]-]+).*/\1/p' | tr -s ', ' '\n' | sort | uniq -d)" ] || { echo "$t"; return 1; }
	done
	[[ $(seg-window --help) == *$'\n'"  -o FILE "* ]] # its --output is another thing
}

@test "an output without a name is misuse, as -o \"$OUT\" with none set" {
	for t in $(tools); do
		"$BIN/$t" --help | grep -q '^ *-o, --output' || continue
		fails 2 "$t: --output: a file without a name (see $t --help)" "$t" -o '' </dev/null
	done
}

@test "--help on a full disk is an error" {
	cd "$BATS_TEST_TMPDIR"
	for t in $(tools); do
		if "$BIN/$t" --help >/dev/full 2>said; then
			echo "$t succeeded"
			return 1
		fi
		[ "$(cat said)" = "$t: standard output: cannot write: No space left on device" ]
	done
}

empty() { fails 1 "$1: standard input: no frame at all: empty, or what should have written it failed" "$BIN/$1" "${@:2}" </dev/null; }
@test "an empty stream is an error" { each_filter empty; }

cut_data() {
	size=$(stat -c %s "$BATS_FILE_TMPDIR/sample.ts")
	head -c $((size - 1)) "$BATS_FILE_TMPDIR/sample.ts" >"$BATS_TEST_TMPDIR/cut.ts"
	# from a mapped file and from a pipe
	run "$BIN/$1" "${@:2}" <"$BATS_TEST_TMPDIR/cut.ts"
	[ "$status" -eq 1 ] && [[ $output == *"$1: standard input: ends inside a frame's data (offset $((size - 1)), expected "* ]] || return 1
	run bash -c 'cat "$1" | "$2" "${@:3}"' - "$BATS_TEST_TMPDIR/cut.ts" "$BIN/$1" "${@:2}"
	[ "$status" -eq 1 ]
	[[ $output == *"$1: standard input: ends inside a frame's data (offset $((size - 1)), expected "* ]]
}
@test "a truncated stream is an error, from a file and from a pipe" { each_filter cut_data; }

junk() {
	{ cat "$BATS_FILE_TMPDIR/sample.ts"; printf 'abc'; } >"$BATS_TEST_TMPDIR/junk.ts"
	size=$(stat -c %s "$BATS_TEST_TMPDIR/junk.ts")
	rm -f "$BATS_TEST_TMPDIR/out.nii.gz"
	run "$BIN/$1" "${@:2}" -o "$BATS_TEST_TMPDIR/out.nii.gz" "$BATS_TEST_TMPDIR/junk.ts"
	[ "$status" -eq 1 ] && [[ $output == *"$1: $BATS_TEST_TMPDIR/junk.ts: ends inside a frame's length (offset $size, expected 8 bytes, found 3)" ]] || return 1
	[ "$(find "$BATS_TEST_TMPDIR" -type f | wc -l)" -eq 1 ]
}
@test "bytes after the last frame are an error, and nothing is left behind" { each_filter junk; }

full() {
	run bash -c '"$1" "${@:3}" <"$2" >/dev/full' - "$BIN/$1" "$BATS_FILE_TMPDIR/sample.ts" "${@:2}"
	[ "$status" -eq 1 ]
	[[ $output == "$1: standard output: cannot write (offset "*"): No space left on device" ]]
}
@test "a full disk is an error" { each_filter full; }

missing() { fails 1 "$1: /no/such/file: cannot open: No such file or directory" "$BIN/$1" "${@:2}" /no/such/file; }
@test "a missing file is an error" { each_filter missing; }

threads() {
	"$BIN/$1" "${@:2}" --threads 1 <"$BATS_FILE_TMPDIR/sample.ts" >"$BATS_TEST_TMPDIR/one"
	"$BIN/$1" "${@:2}" --threads 3 <"$BATS_FILE_TMPDIR/sample.ts" >"$BATS_TEST_TMPDIR/three"
	cmp "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/three"
}
@test "the same bytes whatever the number of threads" { each_filter threads; }

@test "the pages' options are those of --help" {
	for t in $(tools); do
		page=$ROOT/man/$t.1
		[ -e "$page" ]
		diff <("$BIN/$t" --help | grep -oE '^  (-.,|   ) --[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+' |
			grep -vxE -- '--(help|version|quiet|verbose|threads|progress|output)' | sort) \
			<(grep -E '^\.It Fl' "$page" | grep -oE 'Fl -[a-z0-9-]+' | sed 's/^Fl /-/' |
				grep -vxE -- '--(help|version|quiet|verbose|threads|progress|output)' | sort) || { echo "page of $t"; return 1; }
	done
}

@test "the pages have exit status and examples" {
	for t in $(tools); do
		grep -q '^\.Sh EXIT STATUS' "$ROOT/man/$t.1" && grep -q '^\.Sh EXAMPLES' "$ROOT/man/$t.1" || { echo "page of $t"; return 1; }
	done
}
