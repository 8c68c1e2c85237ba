# shellcheck shell=bash
# What all bats files share: `load helper`.
ROOT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
export ROOT BIN=${BIN:-$ROOT/build/bin} NIIPIPE_DATA=${NIIPIPE_DATA:-$ROOT/../shared/data}
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-0} # as tests/run.sh
case :$PATH: in *:$BIN:*) ;; *) export PATH=$BIN:$PATH ;; esac

# Skip, and be counted, where the real CTs are absent.
need_data() {
	[ -d "$NIIPIPE_DATA/${1:-}" ] || skip "no $NIIPIPE_DATA/${1:-}"
}

# Run a tool that must fail: status, and its one line on standard error, word for word.
fails() { # fails STATUS MESSAGE COMMAND...
	local want=$1 text=$2 got
	shift 2
	got=$("$@" 2>&1 >/dev/null) && { echo "succeeded: $*"; return 1; }
	local status=$?
	[ "$status" -eq "$want" ] || { echo "status $status, not $want: $got"; return 1; }
	[ "$got" = "$text" ] || { printf 'said:     %s\nexpected: %s\n' "$got" "$text"; return 1; }
}

# Wait for a command to succeed, however busy the machine is: two minutes are for what never comes.
await() {
	local end=$((SECONDS + 120))
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || { echo "not within two minutes: $*"; return 1; }
		sleep 0.01
	done
}
has_rows() { [ -e "$1" ] && [ "$(wc -l <"$1")" -gt "$2" ]; } # has_rows FILE N: more than N
holds() { [ -n "$(ls -A "$1")" ]; } # holds DIR: something

# raw_frame JSON [DATA]: a frame from header text and data in printf's escapes ('\1\0'); volume ID DTYPE Z,Y,X DATA [NAME]: a frame of
# kind volume with one tensor (label); its affine is $AFFINE or the identity.
raw_frame() {
	local n=${#1} i
	for i in 0 8 16 24; do printf "\\x$(printf %02x $((n >> i & 255)))"; done
	printf '\0\0\0\0%s' "$1"
	printf "${2-}"
}

volume() {
	local n a=${AFFINE-1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1}
	n=$(printf "$4" | wc -c)
	raw_frame "{\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"volume\",\"id\":\"$1\",\"affine\":\"$a\"},\"${5-label}\":{\"dtype\":\"$2\",\"shape\":[$3],\"data_offsets\":[0,$n]}}" "$4"
}

# What is compared with results of fp32 is of fp32 where auto would be bf16, too: on a processor with AMX.
of_fp32() { export DNNL_MAX_CPU_ISA=AVX512_CORE_BF16; }
