#!/bin/bash
# choose-components.sh -L CASES PRED.ts: does keeping largest components only make a cross-validation's masks better? Decides as nnU-Net does.
set -eu -o pipefail
usage() {
	cat <<-'EOF'
	usage: choose-components.sh [-d DIR] -L CASES PRED.ts
	Post-processing that helps: a command for masks in a stream, cat, or cc-largest's, printed on standard output.
	First the largest component of all labels together: kept where the mean Dice rises and no label's falls; then, of several labels, that of each by
	itself where that label's rises. The rule of nnU-Net (postprocessing/remove_connected_components.py).

	  -L, --list CASES      table of cases: id, image, label with tabs between; the truth is the label
	  -d, --directory DIR   keep the tables of scores there: none.tsv, union.tsv, only-L.tsv, each with its .history
	      --help            print this and exit

	PRED.ts holds masks on the scans' own grids, as nii-invert makes them. Exit 0 done, 1 failed, 2 misuse.
	EOF
}

# shellcheck source=pipelines/tools.bash
. "$(dirname "$0")/tools.bash"

list='' dir='' pred=()
while [ $# -gt 0 ]; do
	taken=2
	case $1 in
	--help) usage; exit 0 ;;
	-L | --list) valued "$@"; list=$2 ;;
	-d | --directory) valued "$@"; dir=$2 ;;
	-?*) misuse "unknown option $1" ;;
	*) pred+=("$1"); taken=1 ;;
	esac
	shift $taken
done
[ -n "$list" ] && [ ${#pred[@]} -eq 1 ] || misuse "-L CASES and one stream of masks"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -n "$dir" ] || dir=$work
mkdir -p "$dir"

score() { # NAME COMMAND: the table of what the command makes of the masks
	local pairs=() id truth
	rm -rf "$work/masks"
	mkdir "$work/masks"
	eval "$2" <"${pred[0]}" | nii-write -d "$work/masks"
	while IFS=$'\t' read -r id truth; do
		[ ! -e "$work/masks/$id.nii.gz" ] || pairs+=("$truth" "$work/masks/$id.nii.gz")
	done < <(cut -f 1,3 "$list")
	[ ${#pairs[@]} -gt 0 ] || { echo "choose-components.sh: none of the masks is of a case in $list" >&2; exit 1; }
	seg-score --history "$dir/$1.tsv.history" -o "$dir/$1.tsv" "${pairs[@]}"
}

means() { # TABLE: label and its mean Dice, a line each
	awk -F'\t' 'NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i } $1 == "mean" { print $c["label"], $c["dice"] }' "$1"
}

better() { # BEFORE AFTER [LABEL]: is it, by the rule?
	awk -v only="${3-}" '
		NR == FNR { before[$1] = $2; next }
		{ a += $2; b += before[$1]; n++; if ($2 + 0 < before[$1] + 0) worse = 1; if ($1 == only && $2 + 0 > before[$1] + 0) rises = 1 }
		END { exit !(only != "" ? rises : n && a > b && !worse) }' <(means "$dir/$1.tsv") <(means "$dir/$2.tsv")
}

command=cat best=none
score none "$command"
score union "cc-largest --union"
if better none union; then
	command="cc-largest --union" best=union
fi
mapfile -t labels < <(means "$dir/none.tsv" | cut -d ' ' -f 1)
[ ${#labels[@]} -gt 1 ] || labels=()
for l in ${labels[@]+"${labels[@]}"}; do
	next="cc-largest --only $l"
	[ "$command" = cat ] || next="$command | $next"
	score "only-$l" "$next"
	if better "$best" "only-$l" "$l"; then
		command=$next best=only-$l
	fi
done
echo "$command"
