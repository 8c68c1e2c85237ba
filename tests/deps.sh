#!/bin/bash
# Install the Debian packages that are missing, and say so. Elsewhere: print the list. deps.sh PACKAGE...: these too, where the system has them.
set -eu
need=(gcc make pkg-config libnifti-dev libisal-dev zlib1g-dev libjansson-dev libyaml-dev libdnnl-dev libpng-dev gnuplot-nox bats mandoc shellcheck perl
	dcm2niix libopenmpi-dev openmpi-bin)

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "deps: not a Debian system; the project needs what Debian calls: ${need[*]}"
	exit 0
fi
# For the tests of SLURM and ssh, where installing them starts no daemon: as root in a container.
if [ $# -gt 0 ] && [ "$(id -u)" -eq 0 ] && [ ! -d /run/systemd/system ]; then
	set -- "$@" slurmd slurmctld slurm-client slurm-wlm-basic-plugins munge iproute2 openssh-server openssh-client
fi
installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'; }
known() { apt-cache show "$1" >/dev/null 2>&1; }
missing=() wanted=()
for p in "${need[@]}"; do installed "$p" || missing+=("$p"); done
for p in "$@"; do installed "$p" || wanted+=("$p"); done
[ $((${#missing[@]} + ${#wanted[@]})) -eq 0 ] && exit 0
sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)
if [ ${#missing[@]} -gt 0 ] || ! known gcc; then
	"${sudo[@]}" apt-get update -qq
fi
for p in "${wanted[@]}"; do
	if known "$p"; then missing+=("$p"); fi
done
[ ${#missing[@]} -eq 0 ] && exit 0
echo "deps: installing ${missing[*]} (bats, mandoc, shellcheck, perl, dcm2niix, chromium, parallel, xxhash, slurm, ssh: for the tests)"
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
