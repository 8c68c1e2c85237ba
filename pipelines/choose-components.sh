#!/bin/bash
# choose-components.sh -L CASES PRED.ts: does keeping largest components only make a cross-validation's masks better? Decides as nnU-Net does.
set -eu -o pipefail
usage() {
	cat <<-'EOF'
	usage: choose-components.sh [-d DIR] [--regions REGIONS] [--ignore-label N] -L CASES PRED.ts
	Post-processing that helps: a command for masks in a stream, cat, or cc-largest's, printed on standard output.
	First the largest component of all labels together: kept where the mean Dice rises and no label's falls; then, of several labels, that of each by
	itself where that label's rises. With --regions the same of these, each the labels that it is made of. The rule of nnU-Net
	(postprocessing/remove_connected_components.py).

	  -L, --list CASES      table of cases: id, image, label with tabs between; the truth is the label
	      --regions R/R/... sets of labels that overlap, 1,2,3/2,3/3, or nnU-Net's dataset.json, as seg-score(1) has them
	      --ignore-label N  voxels whose truth is this label count nowhere, as seg-score(1) has it
	  -d, --directory DIR   keep the tables of scores there: none.tsv, union.tsv, only-L.tsv, each with its .history
	      --help            print this and exit

	PRED.ts holds masks on the scans' own grids, as nii-invert makes them. Exit 0 done, 1 failed, 2 misuse.
	EOF
}

# shellcheck source=pipelines/tools.bash
. "$(dirname "$(realpath "$0")")/tools.bash"

list='' dir='' pred=() regions='' how_scored=()
while [ $# -gt 0 ]; do
	taken=2
	case $1 in
	--help) usage; exit 0 ;;
	-L | --list) valued "$@"; list=$2 ;;
	-d | --directory) valued "$@"; dir=$2 ;;
	--regions) valued "$@"; regions=1 how_scored+=("$1" "$2") ;;
	--ignore-label) valued "$@"; how_scored+=("$1" "$2") ;;
	-?*) misuse "unknown option $1" ;;
	*) pred+=("$1"); taken=1 ;;
	esac
	shift $taken
done
[ -n "$list" ] && [ ${#pred[@]} -eq 1 ] || misuse "-L CASES and one stream of masks"
base='' # of what the table names
case $list in */*) base=${list%/*}/ ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -n "$dir" ] || dir=$work
mkdir -p "$dir"

masks() { # COMMAND: what it makes of the masks, with the truth of each into pairs
	local id truth
	rm -rf "$work/masks"
	mkdir "$work/masks"
	eval "$1" <"${pred[0]}" | nii-write -d "$work/masks"
	pairs=()
	while IFS=$'\t' read -r id truth; do
		[ -e "$work/masks/$id.nii.gz" ] || continue
		[ -n "$truth" ] || { echo "choose-components.sh: $list: $id: has no label" >&2; exit 1; }
		[[ $truth == /* ]] || truth=$base$truth
		pairs+=("$truth" "$work/masks/$id.nii.gz")
	done < <(cut -f 1,3 "$list" | tr -d '\r')
	[ ${#pairs[@]} -gt 0 ] || { echo "choose-components.sh: none of the masks is of a case in $list" >&2; exit 1; }
}

score() { # NAME COMMAND: the table of what the command makes of the masks
	masks "$2"
	seg-score "${how_scored[@]}" --history "$dir/$1.tsv.history" -o "$dir/$1.tsv" "${pairs[@]}"
}

means() { # TABLE: label, or a region's name, and its mean Dice, a line each
	awk -F'\t' -v OFS='\t' 'NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i } $1 == "mean" { print $c["label"], $c["dice"] }' "$1"
}

better() { # BEFORE AFTER [LABEL]: is it, by the rule?
	only=${3-} awk -F'\t' '
		NR == FNR { before[$1] = $2; next }
		{ a += $2; b += before[$1]; n++; if ($2 + 0 < before[$1] + 0) worse = 1; if ($1 "" == ENVIRON["only"] "" && $2 + 0 > before[$1] + 0) rises = 1 }
		END { exit !(ENVIRON["only"] != "" ? rises : n && a > b && !worse) }' <(means "$dir/$1.tsv") <(means "$dir/$2.tsv")
}

region_labels() { # of each, with commas between, a line each
	masks cat
	seg-score "${how_scored[@]}" --metrics dice --json "${pairs[@]:0:2}" | tr -d ' \n' | grep -oE '"labels":\[[0-9,]+\]' | tr -cd '0-9,\n'
}

command=cat best=none
score none "$command"
score union "cc-largest --union"
if better none union; then
	command="cc-largest --union" best=union
fi
mapfile -t names < <(means "$dir/none.tsv" | cut -f 1)
labels=("${names[@]}")
[ -z "$regions" ] || mapfile -t labels < <(region_labels)
for ((i = 0; i < ${#names[@]} && ${#names[@]} > 1; i++)); do
	l=${labels[i]} how=
	[ "$l" = "${l#*,}" ] || how=' --union'
	next="cc-largest$how --only $l"
	[ "$command" = cat ] || next="$command | $next"
	score "only-$l" "$next"
	if better "$best" "only-$l" "${names[i]}"; then
		command=$next best=only-$l
	fi
done
echo "$command"
