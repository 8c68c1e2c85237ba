#!/usr/bin/env bats
# Whole experiments by make, small to the point of learning nothing: what is made, what is remade, what goes on, what is refused.
load helper

settings() {
	export OMP_NUM_THREADS=1
	small=("CASES=6" "VSIZE=40,40,32" "VOLUME=20,80" "PATCH=32,32,32" "STEPS=4" "BATCH=1" "NET_unet=--net unet --channels 4,8 --strides 2"
		"NET_resenc=--net resenc --channels 4,8 --strides 2")
}
hackathon() { make --no-print-directory -f "$ROOT/pipelines/hackathon.mk" "${small[@]}" "$@"; }
cross() { make --no-print-directory -f "$ROOT/pipelines/cross-validate.mk" "${small[@]}" "$@"; }

setup_file() {
	settings
	cd "$BATS_FILE_TMPDIR" || return 1
	nii-phantom -n 6 --seed 1 -s 40,40,32 --volume 20,80 --healthy 0 -o v.ts
	mkdir -p msd/imagesTr msd/labelsTr flat
	nii-write -t image -d msd/imagesTr v.ts
	nii-write -t label -d msd/labelsTr v.ts
	for f in msd/imagesTr/*; do
		id=$(basename "$f" .nii.gz)
		ln "$f" "flat/${id}_ct.nii.gz"
		ln "msd/labelsTr/$id.nii.gz" "flat/${id}_gtv.nii.gz"
		ln "msd/labelsTr/$id.nii.gz" "flat/${id}_lungs.nii.gz"
	done
	hackathon OUT=h -j 2 ablations >said
}

setup() {
	cd "$BATS_FILE_TMPDIR" || exit
	settings
}

@test "phantoms to the ablations' table, several at once" {
	[ "$(wc -l <said)" = 12 ]
	[ "$(cut -f 1-3 h/ablations.tsv | sort -u | wc -l)" = 12 ]
	awk -F'\t' 'NR > 1 && !($4 >= 0 && $4 <= 1 && $6 >= 0 && $6 <= 1) { exit 1 }' h/ablations.tsv
	[ "$(cat h/train.tsv h/val.tsv h/test.tsv | cut -f 1 | sort | tr '\n' ' ')" = "$(tail -n +2 h/cases.tsv | cut -f 1 | tr '\n' ' ')" ]
	for m in h/train/*/; do [ -s "$m/model.ts" ] && [ -s "$m/log.tsv" ] && [ -e "$m/model.ts.log" ]; done
	# the truth was scored on the scan's own grid
	id=$(cut -f 1 h/test.tsv)
	mask=h/masks/unet-dicece-aug-crop/o0.5-gaussian/largest/$id.nii.gz
	nii-read -l "$mask" "h/data/imagesTr/$id.nii.gz" >/dev/null
	gzip -dc "$mask" | grep -aqE '^# [0-9a-f]{16}  h/train/unet-dicece-aug-crop/model.ts$' # and says which model made it
	sed -n 's/^# //p' h/ablations.tsv.history | sha256sum -c --quiet
	[ "$(grep -c '^# ' h/ablations.tsv.history)" = 11 ]
	grep -qxF '## h/values/split:25 10 1' h/ablations.tsv.history
	for f in h/score/*/*/*.tsv; do # every table knows the masks that it is about
		[ "$(grep -cE '^# [0-9a-f]{16}  (/.*/)?h/(masks|data)/' "$f.history")" = 2 ]
	done
}

@test "nothing is made twice, and a value remakes only what hangs on it" {
	hackathon OUT=h h/ablations.tsv -q
	cp h/ablations.tsv before
	touch stamp
	hackathon OUT=h ablations "NET_resenc=--net resenc --channels 4,12 --strides 2" >/dev/null
	[ "$(find h/train -name model.ts -newer stamp)" = h/train/resenc-dicece-aug-crop/model.ts ]
	[ "$(find h/pred -name '*.ts' -newer stamp)" = h/pred/resenc-dicece-aug-crop/o0.5-gaussian.ts ]
	diff before h/ablations.tsv | grep '^[<>]' | cut -f 1 | sort -u | diff - <(printf '< resenc-dicece-aug-crop\n> resenc-dicece-aug-crop\n') || :
	[ "$(grep -v ^resenc before | md5sum)" = "$(grep -v ^resenc h/ablations.tsv | md5sum)" ]
}

@test "MSD's directory and one of pairs give the same numbers as the phantoms drawn" {
	hackathon OUT=h NETS=unet all >/dev/null
	grep -q '<html' h/report/unet.html
	grep -q 'data:image/png' h/report/unet.html # with pictures
	for d in msd flat; do
		hackathon "OUT=d-$d" DATA=$d NETS=unet all >/dev/null
		cmp <(cut -f 4-6 "d-$d/comparison.tsv") <(cut -f 4-6 h/comparison.tsv)
	done
	for f in flat/*_ct.* flat/*_gtv.*; do # and of a directory a case
		d=each/$(basename "${f%_*}") && mkdir -p "$d" && ln "$f" "$d/${f##*_}"
	done
	hackathon OUT=d-each DATA=each d-each/cases.tsv >/dev/null
	diff <(sed 's|each/\([^/]*\)/|flat/\1_|g' d-each/cases.tsv) d-flat/cases.tsv
}

made_since() { find "$1" -newer "$2" -type f \( -name '*.ts' -o -name '*.tsv' \) ! -name '*.new' | sort | tr '\n' ' '; }

@test "a scan that changes, comes or goes remakes what hangs on it" {
	rm -rf some && mkdir some && cp flat/*_ct.* flat/*_gtv.* some
	hackathon OUT=s DATA=some NETS=unet s/comparison.tsv
	hackathon OUT=s DATA=some NETS=unet s/comparison.tsv -q
	id=$(cut -f 1 s/test.tsv)
	sleep 0.01 && touch stamp && sleep 0.01
	touch "some/${id}_gtv.nii.gz" # of the test: nothing is trained again
	hackathon OUT=s DATA=some NETS=unet s/comparison.tsv
	[ "$(made_since s stamp)" = "s/comparison.tsv s/pred/unet-dicece-aug-crop/o0.5-gaussian.ts s/score/unet-dicece-aug-crop/o0.5-gaussian/largest.tsv " ]
	hackathon OUT=s DATA=some NETS=unet s/comparison.tsv -q
	touch stamp && sleep 0.01
	touch "some/$(head -n 1 s/train.tsv | cut -f 1)_ct.nii.gz"
	hackathon OUT=s DATA=some NETS=unet s/comparison.tsv
	[[ $(made_since s stamp) == *" s/prepared/train-crop.ts "*" s/train/unet-dicece-aug-crop/model.ts " ]]
	# one of the training goes: the test stays the same, as does its table
	n=$(wc -l <s/train.tsv)
	rm "some/$(head -n 1 s/train.tsv | cut -f 1)"_*
	hackathon OUT=s DATA=some NETS=unet s/comparison.tsv
	[ "$(cat s/train.tsv s/val.tsv s/test.tsv | wc -l)" = 5 ]
	[ "$(wc -l <s/train.tsv)" = $((n - 1)) ]
	# one comes that is older than all of it
	cp flat/phantom-0001_ct.nii.gz some/old_ct.nii.gz
	cp flat/phantom-0001_gtv.nii.gz some/old_gtv.nii.gz
	touch -d 2020-01-01 some/old_*
	hackathon OUT=s DATA=some NETS=unet s/comparison.tsv
	cut -f 1 s/cases.tsv | grep -qx old
}

@test "scans whose names make cannot have, here by a directory above, are looked after, too" {
	mkdir "a (b)"
	cp -r flat "a (b)"
	cd "a (b)"
	parts="s/prepared/train-crop.ts s/prepared/test-crop.ts"
	hackathon OUT=s DATA=flat $parts
	hackathon OUT=s DATA=flat $parts -q
	touch stamp && sleep 0.01
	touch "flat/$(head -n 1 s/test.tsv | cut -f 1)_gtv.nii.gz"
	hackathon OUT=s DATA=flat $parts
	[ "$(made_since s stamp)" = "s/prepared/test-crop.ts " ]
	hackathon OUT=s DATA=flat $parts -q
}

@test "make is interrupted and killed in a training; it goes on, and the table is that of a run that was not" {
	long=(NETS=unet STEPS=60 EVERY=1)
	hackathon OUT=cut "${long[@]}" cut/comparison.tsv
	mv cut whole
	for signal in INT KILL; do
		rm -rf cut
		setsid env --default-signal=INT make --no-print-directory -f "$ROOT/pipelines/hackathon.mk" "${small[@]}" OUT=cut "${long[@]}" cut/comparison.tsv >said 2>&1 &
		pid=$!
		await test -s cut/train/unet-dicece-aug-crop/best.last.ts
		kill -$signal -- -$pid
		wait $pid && false
		[ ! -e cut/train/unet-dicece-aug-crop/model.ts ]
		hackathon OUT=cut "${long[@]}" cut/comparison.tsv
		grep -E 'going on with patch [1-9][0-9]* of 60$' cut/train/unet-dicece-aug-crop/model.ts.log
		cmp <(cut -f 1-6 whole/comparison.tsv) <(cut -f 1-6 cut/comparison.tsv)
		cmp whole/train/unet-dicece-aug-crop/model.ts cut/train/unet-dicece-aug-crop/model.ts
	done
}

@test "every training on two ranks, by RUN: what one process learns from batches of two" {
	if [ ! -e "$BIN/niipipe-mpi.so" ] || ! command -v mpirun >/dev/null; then skip "no niipipe-mpi.so or no mpirun"; fi
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
	hackathon OUT=ranks NETS=unet "RUN=mpirun -q --oversubscribe -n 2" ranks/comparison.tsv
	hackathon OUT=pairs NETS=unet STEPS=2 BATCH=2 EVERY=1 pairs/comparison.tsv
	[ "$(wc -l <ranks/train/unet-dicece-aug-crop/log.tsv)" = 3 ]
	paste <(cut -f 3 ranks/train/unet-dicece-aug-crop/log.tsv) <(cut -f 3 pairs/train/unet-dicece-aug-crop/log.tsv) |
		awk 'NR > 1 && ($1 - $2) ^ 2 > 1e-10 { exit 1 } END { exit NR != 3 }'
	[ ! -e ranks/train/unet-dicece-aug-crop/best.last.ts ]
}

@test "a host that does not answer ends a training by RUN in seconds" {
	if ! command -v mpirun >/dev/null || ! command -v ssh >/dev/null || ! command -v ip >/dev/null; then skip "no mpirun, no ssh or no ip"; fi
	unshare -n true 2>/dev/null || skip "no network namespace may be made"
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
	hackathon OUT=dead NETS=unet dead/prepared/train-crop.ts dead/prepared/val-crop.ts
	cat >alone <<-'EOF' # packets to .7 and .8 leave and nothing comes back
		ip link set lo up
		ip link add name here type veth peer name there
		ip addr add 10.9.9.1/24 dev here
		ip link set here up
		ip link set there up
		for h in 7 8; do ip neigh add 10.9.9.$h lladdr 02:00:00:00:00:0$h dev here; done
		exec "$@"
	EOF
	SECONDS=0
	run unshare -n bash alone make --no-print-directory -f "$ROOT/pipelines/hackathon.mk" "${small[@]}" OUT=dead NETS=unet "RUN=mpirun -q --host 10.9.9.7:1,10.9.9.8:1 -n 2" dead/comparison.tsv
	echo "$output"
	[ "$status" != 0 ]
	[ "$SECONDS" -lt 30 ]
	[[ $output == *"ssh: connect to host 10.9.9."*" port 22: Connection timed out"* ]]
	[ ! -e dead/train/unet-dicece-aug-crop/model.ts ]
}

@test "real CTs, linked into one directory with other masks beside them" {
	need_data ct
	mkdir real
	for p in LUNG1-001 LUNG1-002 pat_3; do ln -s "$NIIPIPE_DATA/ct/$p/"* real; done
	hackathon OUT=r DATA=real NETS=unet SPACING=5,5,5
	[ "$(cut -f 1 r/cases.tsv | tail -n +2 | tr '\n' ' ')" = "LUNG1-001 LUNG1-001_slab512 LUNG1-002 pat_3 " ]
	id=$(cut -f 1 r/test.tsv)
	[ "$(cut -f 1 r/score/unet-dicece-aug-crop/o0.5-gaussian/largest.tsv | sed -n 2p)" = "$id" ]
	nii-read -l "r/masks/unet-dicece-aug-crop/o0.5-gaussian/largest/$id.nii.gz" "real/${id}_ct.nii.gz" >/dev/null # on its grid
	grep -q 'data:image/png' r/report/unet.html
}

@test "a thousand cases: their names are no argument of make's" {
	mkdir many
	for i in $(seq 1000 1999); do
		ln "flat/phantom-0001_ct.nii.gz" "many/a-patient-of-the-hospital-by-the-river-$i-first-visit_ct.nii.gz"
		ln "flat/phantom-0001_gtv.nii.gz" "many/a-patient-of-the-hospital-by-the-river-$i-first-visit_gtv.nii.gz"
	done
	hackathon OUT=m DATA=many m/split
	[ "$(cat m/train.tsv m/val.tsv m/test.tsv | wc -l)" = 1000 ]
	[ "$(wc -l <m/test.tsv)" = 250 ]
	hackathon OUT=m DATA=many m/split -q
	rm -r many
}

@test "an interrupted training goes on, and gives the same model" {
	prepared=h/prepared/train-crop.ts
	args=(-n 40 --patch '-s 32,32,32 --pos 0.5 --seed 3' --augment '--flip x --seed 3' --train '--net unet --channels 4,8 --strides 2 --save-every 1')
	"$ROOT/pipelines/train.sh" -d whole "${args[@]}" $prepared
	for signal in TERM USR1 KILL; do
		rm -rf broken
		"$ROOT/pipelines/train.sh" -d broken "${args[@]}" $prepared 2>said &
		pid=$!
		await test -s broken/best.last.ts
		if [ $signal = KILL ]; then
			pkill -KILL -P $pid || :
			wait $pid && false
		else
			status=0
			kill -$signal $pid
			wait $pid || status=$?
			[ $status = 75 ] || [ -e broken/model.ts ]
			[ -e broken/model.ts ] || grep -E '^train.sh: broken: stopped before patch [0-9]+ of 40: the same command goes on$' said
		fi
		"$ROOT/pipelines/train.sh" -d broken "${args[@]}" $prepared 2>said
		grep -E '^train.sh: broken: going on with patch [1-9][0-9]* of 40$' said || [ $signal != KILL ]
		cmp whole/model.ts broken/model.ts
		cmp <(cut -f 1-6 whole/log.tsv) <(cut -f 1-6 broken/log.tsv)
	done
	# other options: anew
	"$ROOT/pipelines/train.sh" -d broken -n 2 --patch '-s 32,32,32' --train '--net unet --channels 4,8 --strides 2' $prepared
	[ "$(wc -l <broken/log.tsv)" = 3 ]
}

@test "train.sh: stopped in the last validation, the same command makes up for it" {
	nii-phantom -n 1 --seed 2 --size 32,32,32 --healthy 0 -o short.ts
	nii-phantom -n 1 --seed 9 --size 128,128,128 --healthy 0 -o long.ts
	rest=("$ROOT/pipelines/train.sh" -d rest -n 2 --patch '-s 32,32,32' --train '--channels 4,8 --strides 2 --val long.ts --val-overlap 0.95 --progress json --threads 1' short.ts)
	"${rest[@]}" 2>said &
	pid=$!
	await grep -q validating said
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	[ $status = 75 ]
	grep -x 'train.sh: rest: stopped before the last validation: the same command goes on' said
	[ ! -e rest/model.ts ]
	cp short.ts long.ts && sed -i 's/^long.ts .*/'"$(stat -L -c '%n %s %Y' long.ts)"/ rest/options # another would take hours
	"${rest[@]}" 2>said
	grep -x 'train.sh: rest: going on with the last validation' said
	ts-info rest/model.ts | grep -q '"best_step":2'
}

@test "train.sh: what is done is not done again, but where a file that an option names is another" {
	nii-phantom -n 1 --seed 2 --size 32,32,32 --healthy 0 -o once.ts
	cp once.ts held-out.ts
	once() { "$ROOT/pipelines/train.sh" -d once -n 1 --patch '-s 32,32,32' --train "--channels 4,8 --val=held-out.ts" once.ts 2>&1; }
	[ -z "$(once)" ]
	touch -d '1 hour ago' once/model.ts
	cp once/model.ts first.ts
	[ "$(once)" = "train.sh: once: model.ts is there" ]
	cmp once/model.ts first.ts
	[ once/model.ts -nt held-out.ts ] # make is content
	touch -d '1 hour ago' held-out.ts
	[ -z "$(once)" ]
}

@test "train.sh: what fails, misuse" {
	t=$ROOT/pipelines/train.sh
	run "$t" -d bad -n 4 --patch '-s 32,32,32' --train '--net unet --channels 4' h/prepared/train-crop.ts
	[ "$status" = 1 ]
	[[ $output == *"seg-train: "* ]]
	[ ! -e bad/model.ts ]
	run "$t" -d bad -n 4 --patch '-s 0,0,0' --train '--net unet' h/prepared/train-crop.ts
	[ "$status" = 1 ]
	[ ! -e bad/model.ts ]
	fails 2 "train.sh: -d DIR is needed (see train.sh --help)" "$t" -n 4 v.ts
	fails 2 "train.sh: -n: 'x' is not a number of patches (see train.sh --help)" "$t" -d bad -n x v.ts
	fails 2 "train.sh: unknown option --y (see train.sh --help)" "$t" --y
	fails 1 "train.sh: none.ts: cannot be read" "$t" -d bad -n 4 none.ts
	"$t" --help | grep -q '^usage: train.sh'
}

@test "of several labels the tables have a row each" {
	mkdir -p two
	local f id map=1=1
	for f in msd/imagesTr/*; do
		id=$(basename "$f" .nii.gz)
		ln "$f" "two/${id}_ct.nii.gz"
		nii-read -l "msd/labelsTr/$id.nii.gz" --map "$map" "$f" | nii-write -t label -o "two/${id}_gtv.nii.gz"
		[ "$map" = 1=1 ] && map=1=2 || map=1=1
	done
	hackathon OUT=l DATA=two NETS=unet "NET_unet=--net unet --channels 4,8 --strides 2 --classes 3" l/comparison.tsv
	[ "$(cut -f 8 l/comparison.tsv | tr '\n' ' ')" = "label 1 2 " ]
	cross OUT=lc DATA=two FOLDS=2 NET=unet "NET_unet=--net unet --channels 4,8 --strides 2 --classes 3" lc/table.tsv
	[ "$(grep '^all folds' lc/table.tsv | cut -f 8 | tr '\n' ' ')" = "1 2 " ]
}

@test "folds, post-processing, ensemble, table" {
	cross OUT=c FOLDS=2 >said
	[ "$(cut -f 1 c/table.tsv | tr '\n' ';')" = "cases of;fold 0;fold 1;all folds;ensemble, test;" ]
	[ "$(cut -f 2 c/table.tsv | tr '\n' ';')" = "n;3;2;5;1;" ]
	grep -E '^post-processing: (cat|cc-largest --union)$' said
	awk -F'\t' '$1 == "all folds" { exit !($4 <= $3 && $3 <= $5 && $5 <= 1) }' c/table.tsv
	# every case was predicted by the fold that did not see it
	for k in 0 1; do
		ts-info --json c/fold/$k/val.ts | grep -oE '"id":"[^"]*"' | sort >val.ids
		ts-info --json c/fold/$k/train.ts | grep -oE '"id":"[^"]*"' | sort >train.ids
		[ -z "$(comm -12 val.ids train.ids)" ]
		ts-info --json c/fold/$k/pred.ts | grep -oE '"id":"[^"]*"' | sort | cmp - val.ids
	done
	cross OUT=c FOLDS=2 c/fold/1/pred.ts -q
	# the folds of a file, which are these the other way round
	list() { ts-info --json "$1" | grep -oE '"id":"[^"]*"' | cut -d : -f 2 | paste -sd ,; }
	local zero one
	zero=$(list c/fold/0/val.ts) one=$(list c/fold/1/val.ts)
	echo "[{\"train\":[$zero],\"val\":[$one]},{\"train\":[$one],\"val\":[$zero]}]" >splits_final.json
	cp -a c s
	cross OUT=s FOLDS=2 SPLITS=splits_final.json s/fold/0/val.ts s/fold/0/train.ts
	[ "$(list s/fold/0/val.ts) $(list s/fold/0/train.ts)" = "$one $zero" ]
	sed -n 's/^# //p' c/table.tsv.history | sha256sum -c --quiet
}

@test "choose-components: nnU-Net's rule" {
	mask() { # ID LABELS: a mask as a frame
		volume "$1" U8 1,1,14 "$2" pred
	}
	mkdir -p t
	true_is() { volume "$1" U8 1,1,14 "$2" | nii-write -o "t/$1.nii.gz"; printf '%s\tx\t%s\n' "$1" "t/$1.nii.gz"; }
	{ true_is a '\1\1\1\1\0\0\0\0\0\0\0\0\0\0'; true_is b '\0\1\1\1\0\0\0\0\0\0\0\0\0\0'; } >t.tsv
	{ mask a '\1\1\1\0\0\0\1\0\0\0\0\0\0\0'; mask b '\0\1\1\1\0\0\0\0\1\1\0\0\0\0'; } >p.ts
	[ "$("$ROOT/pipelines/choose-components.sh" -d chosen -L t.tsv p.ts)" = "cc-largest --union" ]
	[ -s chosen/none.tsv ]
	[ -s chosen/union.tsv ]
	# the largest is the wrong one
	{ mask a '\1\1\1\0\0\0\1\1\1\1\1\0\0\0'; mask b '\0\1\1\1\0\0\0\0\0\0\0\0\0\0'; } >p.ts
	[ "$("$ROOT/pipelines/choose-components.sh" -L t.tsv p.ts)" = cat ]
	# two labels: all together would lose label 2; label 1 by itself gains, label 2 does not
	{ true_is a '\1\1\1\1\0\0\2\2\0\2\0\0\0\0'; true_is b '\1\1\1\0\0\0\2\0\0\2\2\0\0\0'; } >t.tsv
	{ mask a '\1\1\1\1\0\0\2\2\0\2\0\0\1\0'; mask b '\1\1\1\0\1\0\2\0\0\2\2\0\0\0'; } >p.ts
	[ "$("$ROOT/pipelines/choose-components.sh" -L t.tsv p.ts)" = "cc-largest --only 1" ]
	# 1 about 2, and a speck: label 1 has three parts, the two together, a region, have two; all together would lose 3
	true_is a '\1\2\1\0\3\3\3\3\0\0\0\0\0\0' | sed 's/t\/a/a/; s/$/\r/' >t/t.tsv # of a table's own directory, from Windows
	mask a '\1\2\1\0\3\3\3\3\0\1\0\0\0\0' >p.ts
	[ "$("$ROOT/pipelines/choose-components.sh" -L t/t.tsv p.ts)" = cat ]
	echo '{"labels": {"background": 0, "whole tumour": [1, 2], "core": 2, "other": [3]}, "regions_class_order": [1, 2, 3]}' >regions.json
	[ "$("$ROOT/pipelines/choose-components.sh" -d chosen --regions regions.json -L t/t.tsv p.ts)" = "cc-largest --union --only 1,2" ]
	[ "$(cut -f 2 chosen/only-1,2.tsv | sed -n '2,4p' | tr '\n' ' ')" = "whole tumour core other " ]
	# the largest loses what is right, but where the truth counts nowhere
	{ true_is a '\1\1\1\4\4\4\0\0\0\0\0\0\0\0'; true_is b '\1\1\1\1\0\0\0\0\0\0\0\0\0\0'; } >t.tsv
	{ mask a '\1\1\0\1\1\1\0\0\0\0\0\0\0\0'; mask b '\1\1\1\1\0\0\0\0\0\1\0\0\0\0'; } >p.ts
	"$ROOT/pipelines/choose-components.sh" -d chosen --ignore-label 4 -L t.tsv p.ts
	[ "$(grep '^a' chosen/none.tsv | cut -f 2,3)" = "$(printf '1\t0.8')" ]
	fails 2 "seg-score: --regions: '1,x' is no list of labels from 1 to 255 (1,2,3/2,3/3), and no file (see seg-score --help)" \
		"$ROOT/pipelines/choose-components.sh" --regions 1,x -L t/t.tsv p.ts
	printf 'a\tx\n' >t.tsv
	fails 1 "choose-components.sh: t.tsv: a: has no label" "$ROOT/pipelines/choose-components.sh" -L t.tsv p.ts
	fails 2 "choose-components.sh: -L CASES and one stream of masks (see choose-components.sh --help)" "$ROOT/pipelines/choose-components.sh" p.ts
	printf 'a\tx\tt/a.nii.gz\n' >t.tsv
	mask c '\1\1\1\1\0\0\2\2\0\2\0\0\1\0' >p.ts
	fails 1 "choose-components.sh: none of the masks is of a case in t.tsv" "$ROOT/pipelines/choose-components.sh" -L t.tsv p.ts
}

@test "bad data: pairs without a partner all listed, too few cases, no files, a foreign plan" {
	rm -rf odd && cp -r flat odd && rm odd/phantom-0002_gtv.nii.gz odd/phantom-0005_ct.nii.gz
	run hackathon OUT=o DATA=odd
	echo "$output"
	[ "$status" != 0 ]
	[ ! -e o/cases.tsv ]
	[[ $output == *"nii-read: odd/phantom-0002_ct.nii.gz: an image without a label"* ]]
	[[ $output == *"nii-read: odd/phantom-0005_gtv.nii.gz: a label without an image"* ]]
	[[ $output == *"hackathon.mk: o/cases.tsv: failed, all of it in o/cases.tsv.log"* ]]
	run cross OUT=f DATA=flat FOLDS=6
	[ "$status" != 0 ]
	[[ $output == *"cross-validate.mk: f/cases.tsv: 6 cases: 7 at least are needed"* ]]
	run cross OUT=f DATA=flat FOLDS=5 TEST=40
	[ "$status" != 0 ]
	[[ $output == *"5 folds of 4 ids: a fold would be empty"* ]]
	mkdir -p nothing
	run hackathon OUT=n DATA=nothing
	[ "$status" = 2 ]
	[[ $output == *"hackathon.mk: nothing: no ID_ct and ID_gtv files there, no ID/ct and ID/gtv, nor imagesTr and labelsTr"* ]]
	run hackathon OUT=n DATA="my scans"
	[ "$status" = 2 ]
	[[ $output == *"hackathon.mk: DATA=my scans: make cannot do with blanks in a directory's name"* ]]
	run hackathon OUT="my out" clean
	[ "$status" = 2 ]
	[[ $output == *"hackathon.mk: OUT=my out: make cannot do with blanks in a directory's name"* ]]
	for c in "'" '(' ';' : '[' '*' '`' '$$'; do
		run hackathon OUT=n DATA="a${c}b"
		[ "$status" = 2 ]
		[[ $output == *"hackathon.mk: DATA=a${c}b: make and the shell cannot do with ${c:0:1} in a name"* ]]
	done
	run cross OUT=
	[ "$status" = 2 ]
	[[ $output == *"cross-validate.mk: OUT=: a directory is needed"* ]]
	run hackathon OUT=n SIZE=huge
	[ "$status" = 2 ]
	[[ $output == *"SIZE=huge is not one of small, medium, large"* ]]
	nii-phantom -n 3 --skip 9 --seed 1 -s 40,40,32 --volume 20,80 --healthy 0 | seg-plan -o foreign.json
	run hackathon OUT=p DATA=flat NETS=unet PLAN=foreign.json
	[ "$status" != 0 ]
	[[ $output == *"is none of the 3 cases that the plan was made of"* ]]
}

@test "help says every variable that can be set" {
	for m in hackathon cross-validate nnunet; do
		make -f "$ROOT/pipelines/$m.mk" help >said
		for v in $(grep -hoE '^[A-Z_a-z]+ *\?=' "$ROOT/pipelines/experiment.mk" "$ROOT/pipelines/$m.mk" | grep -oE '^[A-Za-z_]+' | sed 's/^NET_.*/NET_/' | sort -u); do
			[ "$m$v" = cross-validateVAL ] || grep -q "^not_here.*$v" "$ROOT/pipelines/$m.mk" || grep -q -- "$v" said || { echo "$m: $v is not there"; return 1; }
		done
	done
	[ ! -e hackathon-small ]
}
