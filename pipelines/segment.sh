#!/bin/bash
# segment.sh MODEL CT...: NIfTI scans in, masks on the scans' own grids out (DIR/NAME.nii.gz). A scan that fails does not stop the others.
# Scans go through one pipe: the model is loaded once, and the next scan is read and prepared while this one is segmented.
set -eu -o pipefail
usage() {
	cat <<-'EOF'
	usage: segment.sh [-d DIR] [-j N] [-m MODEL]... [--join|--ensemble MODEL [-m MODEL]...]... [--overlap R] [--roi-model FILE] [--previous DIR] MODEL CT...
	       segment.sh [-d DIR] [-j N] [-m MODEL]... [--join|--ensemble MODEL [-m MODEL]...]... [--overlap R] [--roi-model FILE] [--previous DIR] --list FILE MODEL
	Segment CTs (.nii, .nii.gz, .hdr, .nrrd, .mhd, .mha) with a model of seg-train or seg-import: DIR/NAME.nii.gz each. Where the model takes several
	channels, files of nnU-Net's names that follow one another, ID_0000, ID_0001, ..., are one scan: DIR/ID.nii.gz.

	  -d, --directory DIR   where the masks go (.); none replaces the scan it is of
	  -m, --model FILE      a model more, again for each: all of them predict, and the mean counts
	      --join FILE       a model of other classes, again for each: what it finds goes over what those before found, numbered behind it, see seg-join(1);
	                        an -m that follows is one more for its mean
	      --ensemble FILE   a model of the same classes that wants other volumes (nnU-Net's 2d beside 3d_fullres), again for each: the mean of the models'
	                        probabilities on the scan's own grid, as nnUNetv2_ensemble has it; an -m that follows is one more for its own mean
	      --labels FILE     with --join: a table of columns label and name: these labels, and no others
	      --map FROM=TO,... with --join: instead, and for models that have no names of their classes: once for MODEL and once for each --join
	      --effort N        1 quick to 5 thorough, see seg-window(1) (3), and the largest component, but of regions all; an imported model that says
	                        how its own program predicts does that instead, unless this or --overlap is given
	      --overlap R       instead: overlap of neighbouring windows, 0 to 0.99
	      --device D        auto, cpu, cuda or cuda:N, see seg-window(1) (auto); cuda: jobs at once take a host's GPUs in turn
	      --precision P     auto, fp32 or bf16 (auto)
	      --roi-model FILE  a coarser model that is asked first: only where it finds something are windows run
	      --previous DIR    for the second stage of a cascade: where the masks are that the first one made of these scans, DIR/NAME.nii.gz
	      --ending E        the masks' format: .nii.gz, .nii, .nrrd, or .seg.nrrd for 3D Slicer (.nii.gz): DIR/NAMEE each
	      --list FILE       the scans' names, one a line, or a table of cases (id, image, label, further channels): NAME is the id there, and paths are
	                        seen from its directory
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

# A scan is CT<tab>NAME everywhere below, CT one file or several, a channel each, with tabs between (batch_scans).
name() { printf '%s' "${1##*$'\t'}"; }
file() { printf '%s' "${1%%$'\t'*}"; } # the first one
files_of() { mapfile -d $'\t' -t files < <(printf '%s' "${1%$'\t'*}"); }

# A scan, with what the coarser model finds as its label, if there is one.
read_scan() { # WORK SCAN
	local region='' files read
	files_of "$2"
	read=(nii-read --id="$(name "$2")")
	[ ${#files[@]} = 1 ] || read+=("--channels=${#files[@]}")
	if [ -n "$roi_model" ]; then
		region=$1/region.nii.gz
		"${read[@]}" -- "${files[@]}" | nii-replay -m "$roi_model" | seg-window -m "$roi_model" "${window[@]}" | nii-invert | nii-write -o "$region" || return 1
	fi
	"${read[@]}" ${region:+-l "$region"} ${previous:+--with "previous=$previous"} -- "${files[@]}"
}

# Read and prepare scans, one after the other, into the pipe; whole or not at all, so that one that fails does no harm. Names of the good ones: list.
prepare() { # WORK SCAN...
	local work=$1 ct
	shift
	for ct; do
		kill -0 $$ 2>/dev/null || exit # the script was killed, and nobody waits for the rest
		if { read_scan "$work" "$ct" | nii-replay -m "${models[0]}" -o "$work/next.ts"; } 2>"$work/log"; then
			cat "$work/log" >&2
			printf '%s\0' "$ct" >>"$work/good"
			cat "$work/next.ts"
		else
			echo "segment.sh: $(file "$ct"): failed: $(said "$work/log")" >&2
		fi
	done
	rm -f "$work/next.ts"
}

# The way to predict that the model's own program has, if it says one: a line of these programs and options, of which none names a file.
own_way() { # MODEL
	local value='[a-z0-9.,+-]+' way window after
	window="^seg-window( --(fill|grid|mirror|mode|overlap|padding|roi|sigma|threshold) $value| --output (logits|prob))*"
	after="( [|] (cc-largest|nii-invert|seg-argmax)( (-[ck]|--only|--threshold) $value| --argmax)*)*\$"
	way=$(ts-info --json -- "$1" 2>/dev/null | sed -n '1s/.*"predict":"\([^"]*\)".*/\1/p')
	[ -n "$way" ] || return 0
	if [[ $way =~ $window$after ]]; then
		printf '%s' "$way"
	else
		echo "segment.sh: $1: its own way to predict is not followed: $way" >&2
	fi
}

# That way as far as the scores on the scan's own grid.
scores() { # WAY
	local step=${1%% | *}
	[[ $step == *' --output '* ]] || step+=' --output logits'
	printf '%s' "$step | nii-invert"
}

segmented() { # THREADS WAY: prepared scans through that line of programs
	local words step=${2%% | *}
	read -ra words <<<"$step"
	[ "${words[0]}" != seg-window ] || words+=("${models[@]/#/--model=}" --threads "$1" "${window[@]}" ${roi_model:+--within label})
	if [ "$step" = "$2" ]; then
		"${words[@]}"
	else
		"${words[@]}" | segmented "$1" "${2#* | }"
	fi
}

# A part is WAY<tab>MODEL[<tab>MODEL]... : the way to predict, and models whose mean counts. Several are joined.
part() { IFS=$'\t' read -ra models <<<"$1" && way=${models[0]} && models=("${models[@]:1}"); }

# What a model asks of volumes: the steps, and which way their axes run.
asks() { ts-info --json -- "$1" | sed -n 1p | grep -oE '"(replay|orient)":"([^"\\]|\\.)*"'; }

# What its parts said of a scan, in one.
united() { # STREAM...
	local with=seg-join
	[ "${join[*]}" != --mean=prob ] || with=seg-argmax
	"$with" "${join[@]}" "$@"
}

# One scan's labels by all parts, one part after the other; prepared once for those that ask for the same.
joined() { # WORK SCAN THREADS
	local streams=() asked=none way models one now
	for one in "${parts[@]}"; do
		kill -0 $$ 2>/dev/null || return 1 # as in prepare
		part "$one"
		now=$(asks "${models[0]}")
		[ "$asked" = "$now" ] || read_scan "$1" "$2" | nii-replay -m "${models[0]}" -o "$1/next.ts" || return 1
		asked=$now
		streams+=("$1/part${#streams[@]}.ts")
		segmented "$3" "$way" <"$1/next.ts" >"${streams[-1]}" || return 1
	done
	united "${streams[@]}"
}

alone() { # WORK SCAN DIR THREADS: one scan, from file to mask
	local way models
	part "${parts[0]}"
	if [ ${#parts[@]} -gt 1 ]; then
		joined "$1" "$2" "$4" | nii-write -d "$3" --ending "$ending"
	else
		read_scan "$1" "$2" | nii-replay -m "${models[0]}" | segmented "$4" "$way" | nii-write -d "$3" --ending "$ending"
	fi
}

# NAME: its mask is there; FILE has what was said of it meanwhile.
finished() {
	grep -F ": $1: " "$2" >&2 || :
	: >"$state/$1" && echo "$dir/$1$ending"
}

# A scan that stopped the pipe takes those behind it with it: what has no mask then is done by itself.
some() { # STATE DIR THREADS SCAN...: STATE gets a file for each that is done
	local state=$1 dir=$2 threads=$3 work ct line way models
	shift 3
	work=$(mktemp -d -p "$state")
	: >"$work/good"
	part "${parts[0]}"
	[ ${#parts[@]} = 1 ] || printf '%s\0' "$@" >"$work/good"
	[ ${#parts[@]} -gt 1 ] || prepare "$work" "$@" | segmented "$threads" "$way" 2>"$work/told" | nii-write -v -d "$dir" --ending "$ending" 2>&1 | while IFS= read -r line; do
		line=${line#nii-write: }
		[ "${line%: done}" = "$line" ] || finished "${line%: done}" "$work/told"
	done || :
	while IFS= read -r -d '' ct; do
		if [ -e "$state/$(name "$ct")" ]; then
			continue
		elif ! kill -0 $$ 2>/dev/null; then
			exit
		elif alone "$work" "$ct" "$dir" "$threads" 2>"$work/log"; then
			finished "$(name "$ct")" "$work/log"
		else
			echo "segment.sh: $(file "$ct"): failed: $(said "$work/log")" >&2
		fi
	done <"$work/good"
}

# A GPU of this host that no job has, while this one runs: its number into gpu; 0 where all are taken, or their number is not known.
take_gpu() {
	local names=(/dev/nvidia[0-9]*) lock
	[ -z "${CUDA_VISIBLE_DEVICES-}" ] || IFS=, read -ra names <<<"$CUDA_VISIBLE_DEVICES"
	for ((gpu = 0; gpu < ${#names[@]}; gpu++)); do
		exec {lock}>>"/tmp/niipipe-$UID-gpu-$gpu" || break
		! flock -n "$lock" || return 0
		exec {lock}>&-
	done
	gpu=0
}

# A job of a batch. COARSER-MODEL -: none; OPTIONS of seg-window, in one word; JOIN of seg-join, or of seg-argmax, each in one.
one() { # NUMBER DIR THREADS COARSER-MODEL OPTIONS [JOIN]... PART... SCAN
	local work status=0 scan=${!#} word
	trap 'exit 143' TERM # when what runs has ended
	work=$(mktemp -d)
	# shellcheck disable=SC2064
	trap "rm -rf '$work'" EXIT
	roi_model=$4
	[ "$4" != - ] || roi_model=
	read -ra window <<<"$5"
	if [[ " $5 " == *" cuda "* ]]; then
		take_gpu
		window=("${window[@]/%cuda/cuda:$gpu}")
	fi
	for word in "${@:6:$#-6}"; do
		case $word in --previous=*) previous=${word#*=} ;; --ending=*) ending=${word#*=} ;; -*) join+=("$word") ;; *) parts+=("$word") ;; esac
	done
	alone "$work" "$scan" "$2" "$3" 2>"$work/log" || status=$?
	[ "$status" != 0 ] || cat "$work/log" >&2
	batch_told "$1" "$status" "$2/$(name "$scan")$ending" "$work/log"
}

parts=() join=() previous='' ending=.nii.gz
if [ "${1-}" = --one ]; then # how parallel comes back here
	shift
	one "$@"
	exit
fi

dir=. effort='' overlap='' list='' roi_model='' window=() args=() sets=('') maps=0 ensemble=0
while [ $# -gt 0 ]; do
	taken=2
	case $1 in
	--help) usage; exit 0 ;;
	-d | --directory) valued "$@"; dir=$2 ;;
	-m | --model) valued "$@"; sets[-1]+=$'\t'$2 ;;
	--join) valued "$@"; sets+=("$2") ;;
	--ensemble) valued "$@"; sets+=("$2"); ensemble=$((ensemble + 1)) ;;
	--labels) valued "$@"; join+=("--labels=$2") ;;
	--map) valued "$@"; join+=("--map=$2"); maps=$((maps + 1)) ;;
	--effort) valued "$@"; effort=$2 ;;
	--overlap) valued "$@"; overlap=$2 ;;
	--device | --precision)
		valued "$@"
		[[ $2 =~ ^[a-z0-9:]+$ ]] || misuse "$1: '$2' is none"
		window+=("$1" "$2") ;;
	--list) valued "$@"; list=$2 ;;
	--roi-model) valued "$@"; roi_model=$2 ;;
	--previous)
		valued "$@"
		[ -d "$2" ] || misuse "--previous: '$2' is no directory"
		previous=$2 ;;
	--ending)
		valued "$@"
		[[ $2 =~ ^(\.nii|\.nii\.gz|\.nrrd|\.seg\.nrrd)$ ]] || misuse "--ending: '$2' is not .nii.gz, .nii, .nrrd or .seg.nrrd"
		ending=$2 ;;
	--) shift; args+=("$@"); break ;;
	-?*) batch_option "$@" || misuse "unknown option $1" ;;
	*) args+=("$1"); taken=1 ;;
	esac
	shift $taken
done
if [ -n "$list" ]; then
	[ ${#args[@]} -le 1 ] || misuse "--list goes without other scans"
	[ -r "$list" ] || { echo "segment.sh: $list: cannot be read" >&2; exit 1; }
fi
[ ${#args[@]} -gt 1 ] || [ "${list:+1}${#args[@]}" = 11 ] || misuse "a model and at least one scan"
[[ ${args[*]:1} != *$'\t'* ]] || misuse "a scan with a tab in its name"
batch_check
case $effort in '' | [1-5]) ;; *) misuse "--effort: $effort is not 1 to 5" ;; esac
case $overlap in '' | 0 | 0.[0-9] | 0.[0-9][0-9]) ;; *) misuse "--overlap: $overlap is not 0 to 0.99" ;; esac
[ -z "$effort" ] || [ -z "$overlap" ] || misuse "--effort or --overlap, not both"
sets[0]=${args[0]}${sets[0]}
[ $ensemble = 0 ] || [ $((ensemble + 1)) = ${#sets[@]} ] || misuse "--join or --ensemble, not both"
[ ${#join[@]} = 0 ] || [ ${#sets[@]} -gt $((ensemble + 1)) ] || misuse "--labels and --map go with --join"
[ $maps = 0 ] || [ $maps = ${#sets[@]} ] || misuse "--map: one for MODEL and one for each --join"
[ $maps = 0 ] || [ $maps = ${#join[@]} ] || misuse "--labels or --map, not both"
[[ $(IFS=$'\t'; printf '\t%s\t' "${sets[*]}") != *$'\t\t'* ]] || misuse "a model without a name"
said=$([ ${#join[@]} = 0 ] || seg-join "${join[@]}" "${sets[@]/*//dev/null}" 2>&1) || # not only when scans are done
	[[ $said == "seg-join: /dev/null: "* ]] || { echo "segment.sh: $said" >&2; exit 1; }
IFS=$'\t' read -ra models <<<"$(IFS=$'\t'; printf '%s' "${sets[*]}")"
for m in "${models[@]}" ${roi_model:+"$roi_model"}; do
	[ -r "$m" ] || { echo "segment.sh: $m: cannot be read" >&2; exit 1; }
done
channels=$(batch_channels "${models[0]}")
if [ -n "$list" ]; then
	mapfile -d '' -t scans < <(batch_scans "$list" "$channels")
else
	mapfile -d '' -t scans < <(printf '%s\0' "${args[@]:1}" | batch_cases "$channels")
fi
((${#scans[@]})) || misuse "a model and at least one scan"
windows="--effort ${effort:-3}"
[ -z "$overlap" ] || windows="--overlap $overlap"
[ ! "$dir" -ef "$previous" ] || misuse "--previous: masks would replace those of the stage before: give another directory with -d"
twice=$(for ct in "${scans[@]}"; do name "$ct"; echo; done | sort | uniq -d | head -n 1)
[ -z "$twice" ] || misuse "two scans would both become $dir/$twice$ending"
for ct in "${scans[@]}"; do
	files_of "$ct"
	for file in "${files[@]}"; do
		[ ! "$dir/$(name "$ct")$ending" -ef "$file" ] || misuse "$file: its mask would replace it: give another directory with -d"
	done
done
[ $ensemble = 0 ] || join=(--mean=prob)
for set in "${sets[@]}"; do
	model=${set%%$'\t'*} way="seg-window $windows | cc-largest | nii-invert"
	# a label of regions is what one has beside others within it: in parts where it is not
	[ -z "$(ts-info --json -- "$model" | sed -n '1s/.*"regions":"\[.*/x/p')" ] || way=${way/ | cc-largest/}
	own=$(own_way "$model")
	[[ -z $own || $own == *nii-invert* ]] || own+=' | nii-invert'
	[ $ensemble = 0 ] || { way=$(scores "$way"); own=${own:+$(scores "$own")}; }
	if [ -n "$own" ] && [ -z "$effort$overlap" ]; then
		way=$own
		echo "segment.sh: $model: predicts as its own program does: $way" >&2
	elif [ -n "$own" ]; then
		echo "segment.sh: $model: its own program predicts otherwise: $own" >&2
	fi
	parts+=("$way"$'\t'"$set")
	[ ${#sets[@]} = 1 ] || [ $((maps + ensemble)) -gt 0 ] || [ -n "$(ts-info --json -- "$model" | sed -n '1s/.*"labels":"{.*/x/p')" ] ||
		{ echo "segment.sh: $model: has no names of its classes: say with --map what its labels become" >&2; exit 1; }
done
mkdir -p "$dir"

threads=$(($(nproc) / jobs))
[ "$threads" -ge 1 ] || threads=1
if batch_wanted; then
	cases=("${scans[@]}")
	batch_guarded "$dir" "$threads" "${roi_model:--}" "${window[*]}" "--ending=$ending" ${previous:+"--previous=$previous"} "${join[@]}" "${parts[@]}"
	exit
fi
state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT
guarded some "$state" "$dir" "$threads" "${scans[@]}" || :
failed=$((${#scans[@]} - $(find "$state" -maxdepth 1 -type f | wc -l)))
if [ "$failed" -gt 0 ]; then
	echo "segment.sh: $failed of ${#scans[@]} failed" >&2
	exit 1
fi
