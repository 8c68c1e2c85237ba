#!/bin/bash
# best.sh -d DIR OUT CASES: masks of a table's cases by what nnunet.mk found best in OUT: a configuration, the cascade, or an ensemble, and post-processing.
set -eu -o pipefail
usage() {
	cat <<-'EOF'
	usage: best.sh [-d DIR] [-c CONFIGURATION[+CONFIGURATION]] OUT CASES
	Segment the cases of a table with the models of nnunet.mk: DIR/ID.nii.gz each. All folds predict, and the mean counts.

	  -d, --directory DIR   where the masks go (.)
	  -c, --configuration C one, or two with + between them, instead of what OUT/best says; no post-processing then
	      --help            print this and exit

	CASES has lines of id, image, label and further channels with tabs between them, as nii-read --pairs --print makes them; the label may be empty.
	Exit 0 done, 1 failed, 2 misuse.
	EOF
}

# shellcheck source=pipelines/tools.bash
. "$(dirname "$(realpath "$0")")/tools.bash"

dir=. best='' args=()
while [ $# -gt 0 ]; do
	taken=2
	case $1 in
	--help) usage; exit 0 ;;
	-d | --directory) valued "$@"; dir=$2 ;;
	-c | --configuration) valued "$@"; best=$2 ;;
	--) shift; args+=("$@"); break ;;
	-?*) misuse "unknown option $1" ;;
	*) args+=("$1"); taken=1 ;;
	esac
	shift $taken
done
[ ${#args[@]} = 2 ] || misuse "the directory of nnunet.mk and a table of cases"
out=${args[0]} cases=${args[1]} after=cat
[ -r "$cases" ] || { echo "best.sh: $cases: cannot be read" >&2; exit 1; }
if [ -z "$best" ]; then
	[ -s "$out/components" ] || { echo "best.sh: $out: nothing is found best there: make -f nnunet.mk OUT=$out" >&2; exit 1; }
	best=$(cat "$out/best") after=$(cat "$out/components")
fi
IFS=+ read -ra configurations <<<"$best"
[ ${#configurations[@]} -le 2 ] || misuse "-c: '$best' is more than two configurations"
for c in "${configurations[@]}"; do
	compgen -G "$out/$c/fold/*/model.ts" >/dev/null || { echo "best.sh: $out/$c: no models there" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

scores() { # CONFIGURATION: of all cases, on their own grids
	local c=$1 models=("$out/$1"/fold/*/model.ts) read=() windows
	[ "$c" != 3d_cascade_fullres ] || read=(--with "previous=$work/previous")
	read -ra windows <"$out/$c/windows"
	nii-read -L "$cases" "${read[@]}" | nii-replay -m "${models[0]}" | seg-window "${models[@]/#/--model=}" "${windows[@]}" --output logits | nii-invert
}

case +$best+ in
*+3d_cascade_fullres+*) scores 3d_lowres | seg-argmax | nii-write -d "$work/previous" ;;
esac
if [ ${#configurations[@]} = 1 ]; then
	scores "$best" | seg-argmax
else
	seg-argmax --mean prob <(scores "${configurations[0]}") <(scores "${configurations[1]}")
fi | eval "$after" | nii-write -d "$dir"
