#!/bin/bash
# from-dicom.sh FOLDER...: CTs out of folders of DICOM files, by dcm2niix: DIR/NAME.nii.gz and DIR/cases.tsv. A folder that fails does not stop the others.
set -eu -o pipefail
usage() {
	cat <<-'EOF'
	usage: from-dicom.sh [-d DIR] [--least N] FOLDER...
	CT series in folders of DICOM files (a folder a patient, searched 5 levels deep) to NIfTI and a table for nii-read -L.

	  -d, --directory DIR   where DIR/NAME.nii.gz and DIR/cases.tsv go (.)
	      --least N         slices that make a series a CT and no localizer (10)
	      --help            print this and exit

	NAME is the folder's, with -SERIES behind it where the folder holds several CTs. Of a scan with a tilted gantry or uneven slices the corrected
	volume is taken. Needs dcm2niix. Exit 0 all done, 1 some failed, 2 misuse.
	EOF
}
say() { echo "from-dicom.sh: $1" >&2; }

# shellcheck source=pipelines/tools.bash
. "$(dirname "$(realpath "$0")")/tools.bash"

dir=. least=10 folders=()
while [ $# -gt 0 ]; do
	taken=2
	case $1 in
	--help) usage; exit 0 ;;
	-d | --directory) valued "$@"; dir=$2 ;;
	--least) valued "$@"; least=$2 ;;
	--) shift; folders+=("$@"); break ;;
	-?*) misuse "unknown option $1" ;;
	*) folders+=("$1"); taken=1 ;;
	esac
	shift $taken
done
[ ${#folders[@]} -gt 0 ] || misuse "a folder at least"
case $least in '' | *[!0-9]* | 0) misuse "--least: $least is not a number of slices" ;; esac
name() { basename "$(realpath -m -- "$1")"; }
twice=$(for f in "${folders[@]}"; do name "$f"; done | sort | uniq -d | head -n 1)
[ -z "$twice" ] || misuse "two folders would both become $dir/$twice.nii.gz"
command -v dcm2niix >/dev/null || { say "no dcm2niix here: apt-get install dcm2niix (Debian, Ubuntu), or github.com/rordenlab/dcm2niix"; exit 1; }

mkdir -p "$dir"
work=$(mktemp -d "$dir/.from-dicom.XXXXXX")
trap 'rm -rf "$work"' EXIT

# slices FILE: of one volume; says why not and fails where the file is no such.
slices() {
	local shape
	shape=$(nii-read --id x "$1" 2>"$work/said" | ts-info --json 2>/dev/null | grep -oE '"shape":\[[0-9,]+\]') || { head -n 1 "$work/said"; return 1; }
	shape=${shape//[!0-9,]/}
	[ "${shape%%,*}" = 1 ] || { echo "${shape%%,*} volumes"; return 1; }
	shape=${shape#*,}
	echo "${shape%%,*}"
}

# cts FOLDER: the files in $work/out that are its CTs, one a line.
cts() {
	local nii base n
	for nii in "$work"/out/*.nii; do
		base=${nii%.nii}
		compgen -G "${base}_Tilt*.nii" >/dev/null && continue # there is a better one
		compgen -G "${base}_Eq*.nii" >/dev/null && continue
		base=${base%%_Tilt*} base=${base%%_Eq*}
		grep -qs '"Modality": "CT"' "$base.json" || continue
		n=$(slices "$nii") || { say "$1: series ${base##*/}: left out: $n"; continue; }
		[ "$n" -ge "$least" ] || continue
		echo "$nii"
	done
}

one() { # FOLDER
	local id list nii n
	id=$(name "$1")
	[ -d "$1" ] || { say "$1: no such folder"; return 1; }
	rm -rf "$work/out"
	mkdir "$work/out"
	if ! dcm2niix -g i -b y -z n -f %s -o "$work/out" "$1" >"$work/log" 2>&1; then
		say "$1: dcm2niix: $(grep -iE 'error|unable' "$work/log" | head -n 1)"
		return 1
	fi
	list=$(cts "$1")
	n=$(grep -c . <<<"$list") || { say "$1: no CT of at least $least slices"; return 1; }
	while read -r nii; do
		out=$id
		[ "$n" = 1 ] || out=$id-$(basename "$nii" .nii)
		gzip -c -n -1 "$nii" >"$work/$out.nii.gz"
		mv "$work/$out.nii.gz" "$dir/$out.nii.gz"
		printf '%s\t%s.nii.gz\n' "$out" "$out" >>"$work/cases.tsv"
		echo "$dir/$out.nii.gz"
	done <<<"$list"
}

printf 'id\timage\n' >"$work/cases.tsv"
failed=0
for f in "${folders[@]}"; do
	one "$f" || failed=$((failed + 1))
done
[ "$failed" = ${#folders[@]} ] || mv "$work/cases.tsv" "$dir/cases.tsv"
if [ "$failed" -gt 0 ]; then
	say "$failed of ${#folders[@]} failed"
	exit 1
fi
