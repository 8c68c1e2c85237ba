#!/bin/bash
# prepare.sh -d DIR -L CASES: every case read and prepared for training, DIR/ID.ts each. A case that fails does not stop the others.
set -eu -o pipefail
usage() {
	cat <<-'EOF'
	usage: prepare.sh [-d DIR] [--plan FILE | -m MODEL | --steps PIPELINE] [--previous DIR] -L CASES
	Read and prepare the cases of a table (id, image, label, further channels, with tabs between): DIR/ID.ts each; cat DIR/*.ts makes a training set.

	  -d, --directory DIR   where the streams go (.)
	  -L, --list CASES      the table, as nii-read --pairs --print makes one
	      --plan FILE       as a plans.json of seg-plan or nnU-Net says, after what surrounds everything that is not 0 was cut off
	      --configuration NAME  of the plan: 2d, 3d_lowres (3d_fullres)
	  -m, --model MODEL     as a model's training data were
	      --steps PIPELINE  a pipeline of filters in one word: 'nii-resample -s 1,1,3 | nii-normalize --window=-1024,325'
	      --previous DIR    for the second stage of a cascade: where what the first one found of each case is, DIR/ID.nii.gz; tensor previous
	EOF
	batch_usage
	cat <<-'EOF'
	      --help            print this and exit

	Exit 0 all done, 1 some failed, 2 misuse.
	EOF
}

# shellcheck source=pipelines/tools.bash
. "$(dirname "$(realpath "$0")")/tools.bash"
# shellcheck source=pipelines/batch.bash
. "$(dirname "$(realpath "$0")")/batch.bash"

prepared() { # DIR STEPS PREVIOUS (-: none) ID IMAGE [LABEL [IMAGE]...]
	local read=(--id="$4")
	[ "$3" = - ] || read+=("--with=previous=$3")
	[ -z "${6-}" ] || read+=("--label=$6")
	[ $# -le 6 ] || read+=("--channels=$(($# - 5))")
	read+=(-- "$5" "${@:7}")
	eval "nii-read \"\${read[@]}\" | $2 -o \"\$1/\$4.ts\""
}

one() { # NUMBER DIR STEPS PREVIOUS ID<tab>IMAGE<tab>LABEL[<tab>IMAGE]...
	local log status=0 fields
	trap 'exit 143' TERM # when what runs has ended
	log=$(mktemp)
	# shellcheck disable=SC2064
	trap "rm -f '$log'" EXIT
	mapfile -d $'\t' -t fields < <(printf '%s' "$5")
	prepared "$2" "$3" "$4" "${fields[@]}" 2>"$log" || status=$?
	batch_told "$1" "$status" "$2/${fields[0]}.ts" "$log"
}

if [ "${1-}" = --one ]; then # how parallel comes back here
	shift
	one "$@"
	exit
fi

dir=. list='' plan='' configuration='' model='' steps='' previous=-
while [ $# -gt 0 ]; do
	taken=2
	case $1 in
	--help) usage; exit 0 ;;
	-d | --directory) valued "$@"; dir=$2 ;;
	-L | --list) valued "$@"; list=$2 ;;
	--plan) valued "$@"; plan=$2 ;;
	--configuration) valued "$@"; configuration=$2 ;;
	-m | --model) valued "$@"; model=$2 ;;
	--steps) valued "$@"; steps=$2 ;;
	--previous)
		valued "$@"
		[ -d "$2" ] || misuse "--previous: '$2' is no directory"
		previous=$(realpath "$2") ;;
	*) batch_option "$@" || misuse "unknown option $1" ;;
	esac
	shift $taken
done
[ -n "$list" ] || misuse "-L CASES is needed"
[ -r "$list" ] || { echo "prepare.sh: $list: cannot be read" >&2; exit 1; }
ways=("${plan:+1}" "${model:+1}" "${steps:+1}")
[ "$(IFS=; echo "${ways[*]}")" = 1 ] || misuse "one of --plan, --model and --steps is needed"
[ -z "$configuration" ] || [ -n "$plan" ] || misuse "--configuration is of a --plan"
of="--plan $(printf %q "$(realpath "${plan:-.}")")${configuration:+ --configuration $(printf %q "$configuration")}"
[ -z "$plan" ] || steps="nii-crop --nonzero | nii-normalize $of | nii-resample $of"
[ -z "$model" ] || steps="nii-replay -m $(printf %q "$(realpath "$model")")"
batch_check
mkdir -p "$dir"

# A case is its line of the table, with whole paths: those in the table are seen from its directory. What nii-read -L refuses is refused here, too.
base=$(dirname "$(realpath "$list")")/
said=$(batch_table "$list" | awk -F'\t' '
	NF < 2 || $1 == "" || $2 == "" || (NF > 3 && $NF == "") { print "expected id, image and label with tabs between them: " substr($0, 1, 80); exit }
	n[$1]++ { print "id \047" $1 "\047 is there twice"; exit }')
[ -z "$said" ] || { echo "prepare.sh: $list: $said" >&2; exit 1; }
mapfile -t cases < <(batch_table "$list" | awk -F'\t' -v OFS='\t' -v base="$base" '{
	for (i = 2; i <= NF; i++) if ($i != "" && $i !~ /^\//) $i = base $i; print }')
[ ${#cases[@]} -gt 0 ] || { echo "prepare.sh: $list: no case in it" >&2; exit 1; }
if batch_wanted; then
	batch_guarded "$(realpath "$dir")" "$steps" "$previous"
	exit
fi
failed=0
for c in "${cases[@]}"; do
	IFS=$'\t' read -r kind file message < <(one 1 "$dir" "$steps" "$previous" "$c") || :
	if [ "$kind" = "done" ]; then
		echo "$file"
	else
		echo "prepare.sh: ${c%%$'\t'*}: failed: $message" >&2
		failed=$((failed + 1))
	fi
done
if [ "$failed" -gt 0 ]; then
	echo "prepare.sh: $failed of ${#cases[@]} failed" >&2
	exit 1
fi
