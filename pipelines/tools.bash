# shellcheck shell=bash
# Sourced by the scripts here: their name and how they tell misuse; the tools built beside them, or installed with them, before any others.
me=${0##*/}
misuse() { echo "$me: $1 (see $me --help)" >&2; exit 2; }
valued() { [ $# -gt 1 ] || misuse "$1 needs a value"; } # OPTION and what is behind it

await_ended_by() { # COMMAND: for what runs behind this script; a signal that ends the script does COMMAND first, which ends that
	local signal
	for signal in HUP:129 INT:130 QUIT:131 TERM:143; do
		# shellcheck disable=SC2064
		trap "{ $1; } || :; wait; exit ${signal#*:}" "${signal%:*}"
	done
	wait $!
}

# A function, in a process group of its own: a signal that ends this script ends all that it has begun.
guarded() { # FUNCTION ARGUMENT...
	set -m
	"$@" &
	set +m
	await_ended_by "kill -- -$! 2>/dev/null"
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for bin in "$here/../build/bin" "$here/../../../bin"; do
	[ -x "$bin/nii-read" ] && PATH=$(cd "$bin" && pwd):$PATH && break
done
export PATH
