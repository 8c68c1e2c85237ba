#!/bin/bash
# segment.sh MODEL CT...: NIfTI scans in, masks on the scans' own grids out (DIR/NAME.nii.gz). A scan that fails does not stop the others.
set -eu -o pipefail
usage() {
	cat <<-'EOF'
	usage: segment.sh [-d DIR] [-j N] [--overlap R] MODEL CT...
	Segment CTs (.nii, .nii.gz, .hdr, .nrrd) with a model of seg-train: DIR/NAME.nii.gz each.

	  -d, --directory DIR   where the masks go (.)
	  -j, --jobs N          scans at once (1; needs GNU parallel)
	      --overlap R       of neighbouring windows, 0 to 0.99 (0.5)
	      --help            print this and exit

	Exit 0 all done, 1 some failed, 2 misuse.
	EOF
}
misuse() { echo "segment.sh: $1 (see segment.sh --help)" >&2; exit 2; }

# shellcheck source=pipelines/tools.bash
. "$(dirname "$0")/tools.bash"

name() { # of a scan: the file's without its directory and ending
	local n=${1##*/}
	n=${n%.gz}
	case $n in *.nii | *.hdr | *.img | *.nrrd | *.nhdr) n=${n%.*} ;; esac
	printf '%s' "$n"
}

# One scan; what went wrong first is what the first tool said.
one() { # MODEL DIR OVERLAP THREADS CT
	local log mask
	log=$(mktemp)
	mask=$2/$(name "$5").nii.gz
	if nii-read "$5" 2>"$log" | nii-replay -m "$1" 2>>"$log" |
		seg-window -m "$1" --overlap "$3" --threads "$4" 2>>"$log" | cc-largest 2>>"$log" | nii-invert 2>>"$log" | nii-write -o "$mask" 2>>"$log"; then
		rm -f "$log"
		echo "$mask"
	else
		echo "segment.sh: $5: failed: $(grep -v 'no frame' "$log" | head -n 1)" >&2
		rm -f "$log"
		return 1
	fi
}

if [ "${1-}" = --one ]; then # how parallel comes back here
	shift
	one "$@"
	exit
fi

dir=. jobs=1 overlap=0.5 args=()
while [ $# -gt 0 ]; do
	case $1 in
	--help) usage; exit 0 ;;
	-d | --directory | -j | --jobs | --overlap)
		[ $# -gt 1 ] || misuse "$1 needs a value"
		case $1 in -d | --directory) dir=$2 ;; -j | --jobs) jobs=$2 ;; *) overlap=$2 ;; esac
		shift ;;
	--) shift; args+=("$@"); break ;;
	-?*) misuse "unknown option $1" ;;
	*) args+=("$1") ;;
	esac
	shift
done
[ ${#args[@]} -ge 2 ] || misuse "a model and at least one scan"
case $jobs in '' | *[!0-9]* | 0) misuse "--jobs: $jobs is not a number of jobs" ;; esac
case $overlap in 0 | 0.[0-9] | 0.[0-9][0-9]) ;; *) misuse "--overlap: $overlap is not 0 to 0.99" ;; esac
model=${args[0]} cts=("${args[@]:1}")
[ -r "$model" ] || { echo "segment.sh: $model: cannot be read" >&2; exit 1; }
twice=$(for ct in "${cts[@]}"; do name "$ct"; echo; done | sort | uniq -d | head -n 1)
[ -z "$twice" ] || misuse "two scans would both become $dir/$twice.nii.gz"
mkdir -p "$dir"

if [ "$jobs" -gt 1 ] && ! command -v parallel >/dev/null; then
	echo "segment.sh: no GNU parallel here: one scan at a time" >&2
	jobs=1
fi
threads=$(($(nproc) / jobs))
[ "$threads" -ge 1 ] || threads=1
failed=0
if [ "$jobs" -gt 1 ]; then
	printf '%s\0' "${cts[@]}" | parallel --will-cite -0 -k -j "$jobs" "$0" --one "$model" "$dir" "$overlap" "$threads" || failed=$?
else
	for ct in "${cts[@]}"; do
		one "$model" "$dir" "$overlap" "$threads" "$ct" || failed=$((failed + 1))
	done
fi
if [ "$failed" -gt 0 ]; then
	echo "segment.sh: $failed of ${#cts[@]} failed" >&2
	exit 1
fi
