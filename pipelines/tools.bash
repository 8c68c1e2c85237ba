# shellcheck shell=bash
# Sourced by the scripts here: the tools built beside them, or installed with them, before any others.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for bin in "$here/../build/bin" "$here/../../../bin"; do
	[ -x "$bin/nii-read" ] && PATH=$(cd "$bin" && pwd):$PATH && break
done
export PATH
