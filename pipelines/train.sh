#!/bin/bash
# train.sh -d DIR -n N TRAIN.ts: patches, augmentation and training in one command that goes on where it was stopped: by a signal, a limit of time, a crash.
set -eu -o pipefail
usage() {
	cat <<-'EOF'
	usage: train.sh -d DIR -n N [--patch ARGS] [--augment ARGS] [--onehot K] [--train ARGS] TRAIN.ts
	Train on a saved stream of volumes: nii-patch | nii-augment | seg-train. DIR/model.ts is there when all is done; until then the same command goes on.

	  -d, --directory DIR   model.ts, log.tsv; until the end best.ts and best.last.ts, from which training goes on
	  -n, --number N        patches in all
	      --patch ARGS      arguments of nii-patch in one word, as '-s 96,96,64 --seed 1'
	      --augment ARGS    of nii-augment; without them nothing is augmented
	      --onehot K        then tensor previous becomes K channels of the image, for the second stage of a cascade (nii-onehot)
	      --train ARGS      of seg-train, as '--net unet --val val.ts --val-every 250'
	      --help            print this and exit

	SIGTERM, SIGINT and SIGUSR1 (SLURM's, before its limit): the step is finished and saved. Other arguments, another TRAIN.ts,
	another file that --val, --init, --plan, --arch, --loss-config or --regions names: training begins anew. Else a model.ts that is there is not trained again.
	As one of several ranks (mpirun, srun) each takes its share of the patches.
	Exit 0 all done, 1 failed, 2 misuse, 75 stopped by a signal: the same command goes on.
	EOF
}
say() { echo "train.sh: $1" >&2; }

# shellcheck source=pipelines/tools.bash
. "$(dirname "$(realpath "$0")")/tools.bash"

dir='' n='' patch='' augment='' onehot='' train='' data=()
while [ $# -gt 0 ]; do
	taken=2
	case $1 in
	--help) usage; exit 0 ;;
	-d | --directory) valued "$@"; dir=$2 ;;
	-n | --number) valued "$@"; n=$2 ;;
	--patch) valued "$@"; patch=$2 ;;
	--augment) valued "$@"; augment=$2 ;;
	--onehot) valued "$@"; onehot=$2 ;;
	--train) valued "$@"; train=$2 ;;
	--) shift; data+=("$@"); break ;;
	-?*) misuse "unknown option $1" ;;
	*) data+=("$1"); taken=1 ;;
	esac
	shift $taken
done
[ -n "$dir" ] || misuse "-d DIR is needed"
case $n in '' | *[!0-9]* | 0) misuse "-n: '$n' is not a number of patches" ;; esac
case $onehot in *[!0-9]* | 0) misuse "--onehot: '$onehot' is not a number of labels" ;; esac
[ ${#data[@]} -eq 1 ] || misuse "one saved stream of volumes"
[ -r "${data[0]}" ] || { say "${data[0]}: cannot be read"; exit 1; }
read -ra patch <<<"$patch"
read -ra augment <<<"$augment"
read -ra train <<<"$train"

rank=${OMPI_COMM_WORLD_RANK:-${PMIX_RANK:-0}} ranks=${OMPI_COMM_WORLD_SIZE:-1}
[ -z "${SLURM_STEP_NUM_TASKS-}" ] || [ -z "${PMIX_RANK-}" ] || ranks=$SLURM_STEP_NUM_TASKS
[ "$ranks" = 1 ] || patch+=(--shard auto)

# What decides the result: training goes on only where all of it is as it was.
mkdir -p "$dir"
files() { # TRAIN.ts and those that options name
	local word option=''
	for word in "${patch[@]}" "${augment[@]}" "${train[@]}"; do
		[[ $word != --*=* ]] || option=${word%%=*} word=${word#*=}
		case $option in --val | --init | --plan | --arch | --loss-config | --regions) [ ! -e "$word" ] || printf '%s\0' "$word" ;; esac
		option=$word
	done
	printf '%s\0' "${data[0]}"
}
options() { printf '%s\n' "$n" "${patch[*]-}" "${augment[*]-}" "${train[*]-}" ${onehot:+"onehot $onehot"} && files | xargs -0 stat -L -c '%n %s %Y'; }
asked=$(options)
state() { # next: the patch to go on with; rest: what is left where no patch is
	local said
	said=$(ts-info --json "$dir/best.last.ts" | tail -n 1)
	next=$(sed -n 's/.*\\"next\\":\([0-9]*\).*/\1/p' <<<"$said")
	rest=$(sed -n 's/.*\\"pending\\":.*/the last validation/p' <<<"$said")
}
next=0 rest='' resume=() same=
[ ! -e "$dir/options" ] || [ "$(cat "$dir/options")" != "$asked" ] || same=1
if [ -n "$same" ] && [ -s "$dir/model.ts" ]; then
	[ "$rank" != 0 ] || { say "$dir: model.ts is there"; touch "$dir/model.ts"; } # for make, which has asked
	exit
elif [ -n "$same" ] && [ -s "$dir/best.last.ts" ]; then
	state
	resume=(--resume "$dir/best.last.ts")
elif [ "$rank" = 0 ]; then
	rm -f "$dir/model.ts" "$dir"/best.*
	printf '%s\n' "$asked" >"$dir/options"
fi

{ # read to its end before it runs: the script may be replaced by a new one while it waits for days
deaf() { trap '' TERM INT USR1; }
augmented() { # [COMMAND ARGUMENT...]: which they go through then
	if [ ${#augment[@]} = 0 ]; then "${@:-cat}"; elif [ $# = 0 ]; then nii-augment "${augment[@]}"; else nii-augment "${augment[@]}" | "$@"; fi
}
stopped=''
if [ "${next:-0}" -lt "$n" ] || [ -n "$rest" ]; then
	[ "${#resume[@]}" = 0 ] || [ "$rank" != 0 ] || say "$dir: going on with ${rest:-patch $next of $n}"
	set +o pipefail # when it is stopped, those before it die of the closed pipe; patches that end early are found out below
	# a signal to all (a SLURM step's, a terminal's) is for seg-train alone: patches that broke off before it stops would be an error
	(deaf && { [ -n "$rest" ] || nii-patch "${patch[@]}" -n "$n" --skip "$next" "${data[0]}"; }) |
		(deaf && { [ -n "$rest" ] || augmented ${onehot:+nii-onehot --classes "$onehot"}; }) |
		seg-train "${train[@]}" "${resume[@]}" --log "$dir/log.tsv" -o "$dir/best.ts" &
	job=$!
	trap 'stopped+=1; kill -TERM $job 2>/dev/null || :' TERM INT USR1
	before=-
	until [ "$before" = "$stopped" ]; do # a signal ends the wait, not the job
		before=$stopped status=0
		wait $job || status=$?
	done
	[ "$status" = 0 ] || exit 1
fi
[ "$rank" = 0 ] || exit 0
state
if [ -n "$rest" ] || { [ -n "$stopped" ] && [ "$next" -lt "$n" ]; }; then
	say "$dir: stopped before ${rest:-patch $next of $n}: the same command goes on"
	exit 75
fi
[ "$next" -ge "$n" ] || case " ${train[*]} " in
*" --patience "* | *" --steps "*) ;; # ended by itself
*) say "$dir: the patches ended before patch $next of $n"; exit 1 ;;
esac
[ -s "$dir/best.ts" ] || ts-select --index 0 -o "$dir/best.ts" "$dir/best.last.ts"
rm -f "$dir/best.last.ts"
mv "$dir/best.ts" "$dir/model.ts"
exit
}
