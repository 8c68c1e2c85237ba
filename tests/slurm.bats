#!/usr/bin/env bats
# The sbatch files, each run on a SLURM of two nodes in network namespaces (tests/slurm/up.sh): needs root and Debian's slurm packages.
load helper

setup_file() {
	[ "$(id -u)" = 0 ] && command -v slurmctld slurmd munged sbatch ip >/dev/null || return 0
	export SL
	SL=$(mktemp -d /tmp/nii.XXXX) # a short path: sockets
	"$BATS_TEST_DIRNAME/slurm/up.sh" "$SL" >"$BATS_FILE_TMPDIR/conf" 2>"$BATS_FILE_TMPDIR/why" || { cat "$BATS_FILE_TMPDIR/why"; rm -f "$BATS_FILE_TMPDIR/conf"; }
	cd "$BATS_FILE_TMPDIR" || return 1
	nii-phantom -n 5 --seed 1 -s 40,40,32 --volume 20,80 --healthy 0 -o raw.ts
	nii-normalize --window=-1024,325 raw.ts -o v.ts
	nii-write -t image -d ct raw.ts
}

teardown_file() {
	[ -z "${SL-}" ] || { "$BATS_TEST_DIRNAME/slurm/down.sh" "$SL"; rm -rf "$SL"; }
}

setup() {
	cd "$BATS_FILE_TMPDIR" || exit
	[ -s conf ] || skip "no SLURM here: needs root, slurmctld, slurmd, slurm-client, slurm-wlm-basic-plugins, munge, iproute2"
	SLURM_CONF=$(cat conf)
	export SLURM_CONF OMP_NUM_THREADS=1
	slurm=$ROOT/pipelines/slurm
	# --wire fp32: the nodes, one machine here, send as two would
	how=(-n 40 --patch '-s 32,32,32 --pos 0.5 --seed 3' --augment '--flip x --seed 3' --train '--net unet --channels 4,8 --strides 2 --save-every 1 --wire fp32')
}

state() { scontrol show job -o "$1" | sed -n "1s/.* $2=\\([^ ]*\\).*/\\1/p"; }

ended() { # JOB: wait until it is, then whether it completed
	local s
	for _ in $(seq 3000); do # ten minutes and more: two ranks that share busy processors are slow
		s=$(scontrol show job -o "$1" | grep -oE 'JobState=[A-Z_]+' | sort -u)
		case $s in *PENDING* | *RUNNING* | *COMPLETING* | *REQUEUE*) sleep 0.2 ;; *) break ;; esac
	done
	[ "$s" = JobState=COMPLETED ] || { scontrol show job -o "$1"; cat ./*.log; return 1; }
}

at_once() { # JOB: one that was queued again would wait two minutes, if it has not begun, or ended, by itself
	for _ in $(seq 1200); do
		case $(state "$1" Restarts)$(state "$1" JobState) in 0*) sleep 0.1 ;; *PENDING | *RUNNING | *COMPLETED) break ;; *) sleep 0.1 ;; esac
	done
	sleep 2 # within the second of the first start's end the node takes the new one for it: hence the two minutes
	scontrol update JobId="$1" StartTime=now || [ "$(state "$1" Restarts)" != 0 ] || { scontrol show job -o "$1"; cat ./*"-$1.log"; return 1; }
}

@test "one node: a training, as without SLURM" {
	"$ROOT/pipelines/train.sh" -d plain "${how[@]}" v.ts
	id=$(sbatch --parsable "$slurm/train.sbatch" -d one "${how[@]}" v.ts)
	ended "$id"
	cmp plain/model.ts one/model.ts
	id=$(sbatch --parsable "$slurm/train.sbatch" -d none "${how[@]}" none.ts)
	ended "$id" >said && return 1
	grep -F "train.sh: none.ts: cannot be read" "niipipe-train-$id.log"
	[ "$(state "$id" ExitCode)" = 1:0 ]
}

@test "before its limit a job saves and is queued again; it goes on, and gives the same model" {
	[ -e plain/model.ts ] || "$ROOT/pipelines/train.sh" -d plain "${how[@]}" v.ts
	id=$(sbatch --parsable "$slurm/train.sbatch" -d again "${how[@]}" v.ts)
	await test -s again/best.last.ts
	scancel --signal=USR1 --batch "$id" # what --signal=B:USR1@300 does
	at_once "$id"
	[ "$(state "$id" Restarts)" = 1 ]
	ended "$id"
	log=niipipe-train-$id.log
	grep -E '^train.sh: again: stopped before patch [0-9]+ of 40: the same command goes on$' "$log"
	grep -F "train.sbatch: job $id: queued again" "$log"
	grep -E '^train.sh: again: going on with patch [1-9][0-9]* of 40$' "$log"
	cmp plain/model.ts again/model.ts
}

need_ranks() { [ -e "$BIN/niipipe-mpi.so" ] || skip "no niipipe-mpi.so"; }

@test "two nodes, a rank each: what one process makes of batches of two; stopped and queued again, too" {
	need_ranks
	two=(-n 300 "${how[@]:2}")
	"$ROOT/pipelines/train.sh" -d pairs "${two[@]:0:6}" --train '--net unet --channels 4,8 --strides 2 --batch 2' v.ts
	id=$(sbatch --parsable -N 2 "$slurm/train.sbatch" -d nodes "${two[@]}" v.ts)
	ended "$id"
	[ "$(state "$id" NumNodes)" = 2 ]
	ts-cmp --atol 1e-3 pairs/model.ts nodes/model.ts
	two[1]=6000 # long enough for a signal to come in time: 2000 were over in 4 seconds
	id=$(sbatch --parsable -N 2 "$slurm/train.sbatch" -d whole "${two[@]}" v.ts)
	ended "$id"
	id=$(sbatch --parsable -N 2 "$slurm/train.sbatch" -d broken "${two[@]}" v.ts)
	await test -s broken/best.last.ts
	scancel --signal=USR1 --batch "$id"
	at_once "$id"
	ended "$id"
	grep -E '^train.sh: broken: going on with patch [1-9][0-9]* of 6000$' "niipipe-train-$id.log"
	cmp whole/model.ts broken/model.ts
}

@test "two nodes, one rank killed: the job ends in seconds with one message" {
	need_ranks
	id=$(sbatch --parsable -N 2 "$slurm/train.sbatch" -d dead -n 100000 "${how[@]:2}" v.ts)
	await test -s dead/best.last.ts
	for p in $(pgrep -x seg-train); do
		! tr '\0' '\n' <"/proc/$p/environ" | grep -qx "SLURM_JOB_ID=$id" || ! tr '\0' '\n' <"/proc/$p/environ" | grep -qx SLURM_PROCID=1 || kill -KILL "$p"
	done
	for _ in $(seq 100); do [ "$(state "$id" JobState)" = RUNNING ] || break; sleep 0.2; done
	cat "niipipe-train-$id.log"
	[ "$(state "$id" JobState)" = FAILED ]
	[ "$(grep -c '^seg-train: ' "niipipe-train-$id.log")" = 1 ]
	[ -s dead/best.last.ts ]
	[ ! -e dead/model.ts ]
}

@test "a node that is lost: the job is queued again on another and goes on" {
	[ -e plain/model.ts ] || "$ROOT/pipelines/train.sh" -d plain "${how[@]}" v.ts
	id=$(sbatch --parsable -w n2 "$slurm/train.sbatch" -d lost "${how[@]}" v.ts)
	await test -s lost/best.last.ts
	scontrol update NodeName=n2 State=DOWN Reason=test # what SLURM does when a node no longer answers
	for _ in $(seq 200); do [ "$(state "$id" Restarts)" = 0 ] || break; sleep 0.1; done
	scontrol update JobId="$id" ReqNodeList=
	at_once "$id"
	ended "$id"
	[ "$(state "$id" NodeList)" = n1 ]
	cmp plain/model.ts lost/model.ts
	scontrol update NodeName=n2 State=RESUME 2>/dev/null || : # it may have come back by itself
}

@test "an array over the folds, with what comes before and after" {
	mkdir -p folds
	cd folds
	id=$("$slurm/folds.sh" --time=10 -- "CASES=6" "VSIZE=40,40,32" "VOLUME=20,80" "PATCH=32,32,32" "STEPS=4" "BATCH=1" "FOLDS=2" "OUT=cv" \
		"NET_resenc=--net resenc --channels 4,8 --strides 2")
	ended "$id"
	[ "$(cut -f 1 cv/table.tsv | tr '\n' ';')" = "cases of;fold 0;fold 1;all folds;ensemble, test;" ]
	[ "$(find . -maxdepth 1 -name 'niipipe-fold-*-[01].log' | wc -l)" = 2 ]
	grep -q 'post-processing: ' "niipipe-table-$id.log"
	fails 2 "folds.sh: -- is needed before the variables (see folds.sh --help)" "$slurm/folds.sh" --time=10
	fails 2 "folds.sh: FOLDS=1 is not a number of folds" "$slurm/folds.sh" -- "FOLDS=1"
}

@test "a fold that is stopped goes on" {
	mkdir -p stopped
	cd stopped
	v=("CASES=6" "VSIZE=40,40,32" "VOLUME=20,80" "PATCH=32,32,32" "STEPS=60" "BATCH=1" "FOLDS=2" "OUT=cv" "EVERY=1" "NET_resenc=--net resenc --channels 4,8 --strides 2")
	make -f "$ROOT/pipelines/cross-validate.mk" "${v[@]}" prepared >/dev/null
	id=$(sbatch --parsable --array=0 "$slurm/folds.sbatch" "${v[@]}")
	await test -s cv/fold/0/best.last.ts
	scancel --signal=USR1 --batch "${id}_0"
	at_once "${id}_0"
	ended "$id"
	grep -F "folds.sbatch: task 0: queued again" niipipe-fold-*-0.log
	grep -E 'going on with patch [1-9]' cv/fold/0/model.ts.log
	[ -s cv/fold/0/pred.ts ]
}

@test "an array over the cases; what is done already is left out" {
	[ -e plain/model.ts ] || "$ROOT/pipelines/train.sh" -d plain "${how[@]}" v.ts
	find "$PWD/ct" -name '*.nii.gz' | sort >scans
	id=$(sbatch --parsable --array=0-2 "$slurm/segment.sbatch" -d masks plain/model.ts scans)
	ended "$id"
	"$ROOT/pipelines/segment.sh" -d serial plain/model.ts ct/*.nii.gz >/dev/null
	for f in serial/*; do ts-cmp <(nii-read --id x "$f") <(nii-read --id x "masks/${f##*/}"); done # their headers say whence, by other names
	rm masks/phantom-0004.nii.gz
	id=$(sbatch --parsable --array=0-1 "$slurm/segment.sbatch" -d masks plain/model.ts scans)
	ended "$id"
	grep -F "segment.sbatch: task 0: nothing is left to do" "niipipe-segment-$id-0.log"
	[ "$(cat "niipipe-segment-$id-1.log")" = masks/phantom-0004.nii.gz ]
	id=$(sbatch --parsable "$slurm/segment.sbatch" -d masks plain/model.ts scans --ending .nii)
	ended "$id"
	[ "$(printf '%s\n' masks/*.nii | wc -l)" = "$(wc -l <scans)" ]
}
