# shellcheck shell=bash
# What all bats files share: `load helper`.
ROOT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
export ROOT BIN=${BIN:-$ROOT/build/bin} NIIPIPE_DATA=${NIIPIPE_DATA:-$ROOT/../shared/data}
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
