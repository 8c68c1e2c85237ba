#!/bin/bash
# segment.sh MODEL CT...: NIfTI scans in, masks on the scans' own grids out (DIR/NAME.nii.gz). A scan that fails does not stop the others.
# Scans go through one pipe: the model is loaded once, and the next scan is read and prepared while this one is segmented.
set -eu -o pipefail
usage() {
	cat <<-'EOF'
	usage: segment.sh [-d DIR] [-j N] [--overlap R] [--roi-model FILE] MODEL CT...
	       segment.sh [-d DIR] [-j N] [--overlap R] [--roi-model FILE] --list FILE MODEL
	Segment CTs (.nii, .nii.gz, .hdr, .nrrd, .mhd, .mha) with a model of seg-train: DIR/NAME.nii.gz each.

	  -d, --directory DIR   where the masks go (.); none replaces the scan it is of
	      --effort N        1 quick to 5 thorough, see seg-window(1) (3)
	      --overlap R       instead: overlap of neighbouring windows, 0 to 0.99
	      --roi-model FILE  a coarser model that is asked first: only where it finds something are windows run
	      --list FILE       the scans' names, one a line, or a table of cases: NAME is the id there, and paths are seen from its directory
	EOF
	batch_usage
	cat <<-'EOF'
	      --help            print this and exit

	Exit 0 all done, 1 some failed, 2 misuse.
	EOF
}

# shellcheck source=pipelines/tools.bash
. "$(dirname "$0")/tools.bash"
# shellcheck source=pipelines/batch.bash
. "$(dirname "$0")/batch.bash"

# A scan is CT<tab>NAME everywhere below (batch_scans).
name() { printf '%s' "${1##*$'\t'}"; }
file() { printf '%s' "${1%$'\t'*}"; }

# A scan, with what the coarser model finds as its label, if there is one.
read_scan() { # WORK SCAN
	local region=
	if [ -n "$roi_model" ]; then
		region=$1/region.nii.gz
		nii-read -- "$(file "$2")" | nii-replay -m "$roi_model" | seg-window -m "$roi_model" | nii-invert | nii-write -o "$region" || return 1
	fi
	nii-read --id="$(name "$2")" ${region:+-l "$region"} -- "$(file "$2")"
}

# Read and prepare scans, one after the other, into the pipe; whole or not at all, so that one that fails does no harm. Names of the good ones: list.
prepare() { # MODEL WORK SCAN...
	local model=$1 work=$2 ct
	shift 2
	for ct; do
		if read_scan "$work" "$ct" 2>"$work/log" | nii-replay -m "$model" -o "$work/next.ts" 2>>"$work/log"; then
			printf '%s\0' "$ct" >>"$work/good"
			cat "$work/next.ts"
		else
			echo "segment.sh: $(file "$ct"): failed: $(said "$work/log")" >&2
		fi
	done
	rm -f "$work/next.ts"
}

segmented() { # MODEL THREADS OPTION...: prepared scans to masks on their own grids
	seg-window -m "$1" --threads "$2" ${roi_model:+--within label} "${@:3}" | cc-largest | nii-invert
}

# A scan that stopped the pipe takes those behind it with it: what has no mask then is done by itself.
some() { # STATE MASKS MODEL DIR THREADS OPTION=VALUE SCAN...: STATE gets a file for each that is done; MASKS lies in DIR: a mask moves there whole
	local state=$1 masks=$2 model=$3 dir=$4 threads=$5 option=$6 work ct mask
	shift 6
	work=$(mktemp -d -p "$state")
	: >"$work/good"
	prepare "$model" "$work" "$@" | segmented "$model" "$threads" "$option" 2>/dev/null | nii-write -d "$masks" 2>/dev/null || :
	while IFS= read -r -d '' ct; do
		mask=$masks/$(name "$ct").nii.gz
		if [ -e "$mask" ] || read_scan "$work" "$ct" 2>"$work/log" | nii-replay -m "$model" 2>>"$work/log" |
			segmented "$model" "$threads" "$option" 2>>"$work/log" | nii-write -d "$masks" 2>>"$work/log"; then
			mv "$mask" "$dir" && : >"$state/${mask##*/}" && echo "$dir/${mask##*/}"
		else
			echo "segment.sh: $(file "$ct"): failed: $(said "$work/log")" >&2
		fi
	done <"$work/good"
}

one() { # NUMBER MODEL DIR THREADS OPTION=VALUE COARSER-MODEL SCAN: a job of a batch; COARSER-MODEL -: none
	local work status=0
	work=$(mktemp -d)
	roi_model=$6
	[ "$roi_model" != - ] || roi_model=
	read_scan "$work" "$7" 2>"$work/log" | nii-replay -m "$2" 2>>"$work/log" | segmented "$2" "$4" "$5" 2>>"$work/log" | nii-write -d "$3" 2>>"$work/log" || status=$?
	batch_told "$1" "$status" "$3/$(name "$7").nii.gz" "$work/log" || status=$?
	rm -rf "$work"
	return "$status"
}

if [ "${1-}" = --one ]; then # how parallel comes back here
	shift
	one "$@"
	exit
fi

dir=. effort='' overlap='' list='' roi_model='' args=()
while [ $# -gt 0 ]; do
	taken=2
	case $1 in
	--help) usage; exit 0 ;;
	-d | --directory) valued "$@"; dir=$2 ;;
	--effort) valued "$@"; effort=$2 ;;
	--overlap) valued "$@"; overlap=$2 ;;
	--list) valued "$@"; list=$2 ;;
	--roi-model) valued "$@"; roi_model=$2 ;;
	--) shift; args+=("$@"); break ;;
	-?*) batch_option "$@" || misuse "unknown option $1" ;;
	*) args+=("$1"); taken=1 ;;
	esac
	shift $taken
done
if [ -n "$list" ]; then
	[ ${#args[@]} -le 1 ] || misuse "--list goes without other scans"
	[ -r "$list" ] || { echo "segment.sh: $list: cannot be read" >&2; exit 1; }
	mapfile -t scans < <(batch_scans "$list")
else
	mapfile -d '' scans < <(for ct in "${args[@]:1}"; do printf '%s\t%s\0' "$ct" "$(batch_name "$ct")"; done)
fi
[ ${#args[@]} -ge 1 ] && [ ${#scans[@]} -ge 1 ] || misuse "a model and at least one scan"
batch_check
case $effort in '' | [1-5]) ;; *) misuse "--effort: $effort is not 1 to 5" ;; esac
case $overlap in '' | 0 | 0.[0-9] | 0.[0-9][0-9]) ;; *) misuse "--overlap: $overlap is not 0 to 0.99" ;; esac
[ -z "$effort" ] || [ -z "$overlap" ] || misuse "--effort or --overlap, not both"
option=--effort=${effort:-3}
[ -z "$overlap" ] || option=--overlap=$overlap
model=${args[0]}
for m in "$model" ${roi_model:+"$roi_model"}; do
	[ -r "$m" ] || { echo "segment.sh: $m: cannot be read" >&2; exit 1; }
done
twice=$(for ct in "${scans[@]}"; do name "$ct"; echo; done | sort | uniq -d | head -n 1)
[ -z "$twice" ] || misuse "two scans would both become $dir/$twice.nii.gz"
for ct in "${scans[@]}"; do
	[ ! "$dir/$(name "$ct").nii.gz" -ef "$(file "$ct")" ] || misuse "$(file "$ct"): its mask would replace it: give another directory with -d"
done
own=$(ts-info --json "$model" 2>/dev/null | sed -n '1s/.*"predict":"\([^"]*\)".*/\1/p') || :
[ -z "$own" ] || echo "segment.sh: $model: whoever trained it predicts otherwise: $own" >&2
mkdir -p "$dir"

threads=$(($(nproc) / jobs))
[ "$threads" -ge 1 ] || threads=1
if batch_wanted; then
	cases=("${scans[@]}")
	batch "$model" "$dir" "$threads" "$option" "${roi_model:--}"
	exit
fi
state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT
masks=$(mktemp -d -p "$dir" .segment.XXXXXXXXXX)
trap 'rm -rf "$state" "$masks"' EXIT
some "$state" "$masks" "$model" "$dir" "$threads" "$option" "${scans[@]}" || :
failed=$((${#scans[@]} - $(find "$state" -maxdepth 1 -type f | wc -l)))
if [ "$failed" -gt 0 ]; then
	echo "segment.sh: $failed of ${#scans[@]} failed" >&2
	exit 1
fi
