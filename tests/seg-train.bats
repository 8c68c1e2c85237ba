#!/usr/bin/env bats
# seg-train: learns, gives the same bytes twice, goes on where it stopped, and says what is wrong.
load helper

net="--channels 4,8 --strides 2 --res-units 1 --lr 1e-2 --threads 1"
patches="nii-patch -s 16,16,8 --pos 0.5 --seed 1"

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	nii-phantom -n 3 --seed 1 --size 32,32,16 --healthy 0 --volume 55,60 -o train.ts
	nii-phantom -n 2 --seed 9 --size 40,28,17 --healthy 0 --volume 55,60 -o val.ts
	$patches -n 16 train.ts | nii-augment --flip x --scale 0.1 --seed 3 | seg-train $net --batch 2 --val val.ts --val-every 2 --log whole.tsv -o whole.ts
}

setup() { cd "$BATS_TEST_TMPDIR" && ln -s "$BATS_FILE_TMPDIR"/*.ts "$BATS_FILE_TMPDIR"/*.tsv .; }

column() { awk -F'\t' -v c="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == c) k = i; next } { print $k }' "$1"; }
differ() { ! cmp -s "$@"; }

@test "the loss falls" {
	$patches -n 160 train.ts | seg-train $net --batch 2 --log l.tsv -o m.ts
	[ "$(column l.tsv loss | wc -l)" -eq 80 ]
	column l.tsv loss | awk 'NR <= 8 { a += $1 } NR > 72 { b += $1 } END { print a / 8, b / 8; exit !(b < 0.6 * a) }'
}

@test "the same input and options give the same bytes" {
	$patches -n 16 train.ts | nii-augment --flip x --scale 0.1 --seed 3 | seg-train $net --batch 2 --val val.ts --val-every 2 -o again.ts
	cmp again.ts whole.ts
	cmp again.last.ts whole.last.ts
	for f in a b; do $patches -n 2 train.ts | seg-train $net --threads 2 -o $f.ts; done
	cmp a.last.ts b.last.ts
	$patches -n 2 train.ts | seg-train $net --seed 0 -o a.ts
	$patches -n 2 train.ts | seg-train $net --seed 1 -o b.ts
	differ a.ts b.ts
}

@test "a run broken off goes on bit for bit, options from the checkpoint" {
	cp whole.tsv part.tsv && rm whole.tsv
	$patches -n 16 train.ts | nii-augment --flip x --scale 0.1 --seed 3 | head -c 170000 >cut.ts || true
	run seg-train $net --batch 2 --val val.ts --val-every 2 -o part.ts cut.ts
	[ "$status" -eq 1 ]
	[[ $output == "seg-train: cut.ts: ends inside a frame's data (offset 170000, expected "* ]]
	k=$(ts-info part.last.ts | sed -n 's/.*"next":\([0-9]*\).*/\1/p')
	[ "$k" -gt 0 ]
	[ "$k" -lt 16 ]
	$patches -n 16 --skip "$k" train.ts | nii-augment --flip x --scale 0.1 --seed 3 |
		seg-train --threads 1 --resume part.last.ts --val val.ts --val-every 2 --log part.tsv -o part.ts
	cmp part.ts "$BATS_FILE_TMPDIR/whole.ts"
	cmp part.last.ts "$BATS_FILE_TMPDIR/whole.last.ts"
	diff <(cut -f 1-7 part.tsv) <(cut -f 1-7 "$BATS_FILE_TMPDIR/whole.tsv")
}

@test "SIGTERM finishes the step and saves, exit 0; the rest gives the same bytes" {
	mkfifo p
	$patches train.ts >p 2>/dev/null &
	seg-train $net --batch 2 --log l.tsv -o t.ts <p 2>err &
	pid=$!
	await has_rows l.tsv 3
	kill -TERM $pid
	wait $pid
	k=$(ts-info t.last.ts | sed -n 's/.*"next":\([0-9]*\).*/\1/p')
	[ "$(cat err)" = "seg-train: stopped by SIGTERM after step $((k / 2)): go on with --resume t.last.ts and nii-patch --skip $k" ]
	[ "$(tail -n 1 l.tsv | cut -f 1)" -eq $((k / 2)) ]
	n=$((k + 6))
	$patches -n $n --skip "$k" train.ts | seg-train --threads 1 --resume t.last.ts --log l.tsv -o t.ts
	$patches -n $n train.ts | seg-train $net --batch 2 --log u.tsv -o u.ts
	cmp t.ts u.ts
	cmp t.last.ts u.last.ts
	diff <(cut -f 1-7 l.tsv) <(cut -f 1-7 u.tsv)
}

@test "SIGTERM while no patch comes; SIGINT and SIGHUP kill after saving; SIGUSR1 saves and goes on" {
	for sig in TERM INT HUP; do
		mkfifo p
		rm -f l.tsv t.last.ts
		{ $patches -n 2 train.ts; exec sleep 300; } >p &
		feeder=$!
		# a shell without job control has SIGINT ignored in the background
		perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' seg-train $net --log l.tsv -o t.ts <p 2>err &
		pid=$!
		await has_rows l.tsv 2
		kill -USR1 $pid
		await test -e t.last.ts
		kill -0 $pid
		rm t.last.ts
		kill -STOP $pid # both at once, as srun sends one to all and train.sh another
		kill -$sig $pid
		kill -USR1 $pid
		kill -CONT $pid
		status=0
		wait $pid || status=$?
		kill $feeder 2>/dev/null || true
		[ -e t.ts ]
		[ "$status" -eq "$(case $sig in TERM) echo 0 ;; INT) echo 130 ;; HUP) echo 129 ;; esac)" ]
		[ "$(cat err)" = "seg-train: stopped by SIG$sig after step 2: go on with --resume t.last.ts and nii-patch --skip 2" ]
		rm p
	done
}

@test "a rank's share of the patches goes on too" {
	$patches -n 12 --shard 1/2 train.ts | seg-train $net -o whole2.ts
	$patches -n 7 --shard 1/2 train.ts | seg-train $net -o s.ts
	fails 1 "seg-train: standard input: begins with patch 9, but s.last.ts wants patch 7 next: give nii-patch --skip 7" \
		bash -c "$patches -n 12 --skip 8 --shard 1/2 train.ts | seg-train --resume s.last.ts -o s.ts"
	$patches -n 12 --skip 7 --shard 1/2 train.ts | seg-train --threads 1 --resume s.last.ts -o s.ts
	cmp s.last.ts whole2.last.ts
}

@test "the model frame has all that inference needs; without -o the last state goes to standard output" {
	$patches -n 3 train.ts | seg-train $net -o m.ts
	$patches -n 3 train.ts | seg-train $net | cmp - m.last.ts
	ts-info m.ts >info
	grep -q '^frame 0: UNet, model' info
	[ "$(grep -c '^frame' info)" -eq 1 ]
	grep -qF 'arch     {"_target_":"UNet","channels":[4,8],"in_channels":1,"kernel_size":3,"num_res_units":1,"out_channels":2,"spatial_dims":3,"strides":[2]}' info
	grep -qE '^  roi +16,16,8$' info
	grep -qE '^  step +3$' info
	cat <(head -c "$(stat -c %s m.ts)" m.last.ts) | cmp - m.ts
}

@test "validation keeps the best" {
	best=$(column whole.tsv val_dice | grep . | sort -g | tail -n 1)
	[ "$(column whole.tsv val_dice | grep -c .)" -eq 4 ]
	ts-info whole.ts | sed -n 's/.*"best_val_dice":\([0-9.e-]*\).*/\1/p' | awk -v b="$best" '{ exit !($1 - b < 1e-4 && b - $1 < 1e-4) }'
	# the one at the end is in the log too, of which the rest stays as it was
	$patches -n 3 train.ts >p.ts
	seg-train $net --val val.ts --log end.tsv -o end.ts p.ts
	seg-train $net --log none.tsv -o none.ts p.ts
	dice=$(column end.tsv val_dice | tail -n 1)
	ts-info end.ts | sed -n 's/.*"val_dice":\([0-9.e-]*\).*/\1/p' | awk -v b="$dice" '{ exit !(b != "" && $1 - b < 1e-4 && b - $1 < 1e-4) }'
	[ "$(awk -F'\t' '{ print NF }' end.tsv | uniq)" = 9 ]
	diff <(cut -f 1-6 end.tsv) <(cut -f 1-6 none.tsv)
	seg-train $net --val val.ts --log >(cat >piped.tsv) -o end.ts p.ts
	await has_rows piped.tsv 3
}

@test "what was best is so for the same validation and as long as it is there" {
	best=$(awk 'NR > 1 && $7 + 0 > most { most = $7; step = $1 } END { print step }' FS='\t' whole.tsv)
	said="seg-train: whole.last.ts: the best model so far, of step $best with Dice $(column whole.tsv val_dice | sed -n "$best p"),"
	$patches -n 18 --skip 16 train.ts | nii-augment --flip x --scale 0.1 --seed 3 >rest.ts
	on() { seg-train --resume whole.last.ts --threads 1 "$@" rest.ts 2>&1; }
	[ "$(on -o new.ts)" = "$said is not in -o's file: the best from here on counts" ]
	ts-info new.ts | grep -qE '^  step +9$'
	ts-select --index 0 val.ts >other.ts
	cp whole.ts b.ts
	[ "$(on --val other.ts -o b.ts)" = "$said was validated otherwise: the best from here on counts" ]
	ts-info b.ts | grep -q '"best_step":9'
	cp whole.ts c.ts
	[ "$(on --val val.ts --val-overlap 0.5 -o c.ts)" = "$said was validated otherwise: the best from here on counts" ]
	# not validated, the best one stays, and what it was validated on is known
	cp whole.ts d.ts
	[ -z "$(on -o d.ts)" ]
	cmp d.ts whole.ts
	ts-info d.last.ts | grep -q "\"best_step\":$best,"
	$patches -n 20 --skip 18 train.ts | nii-augment --flip x --scale 0.1 --seed 3 >rest.ts
	cp d.last.ts e.last.ts
	[ -z "$(seg-train --resume e.last.ts --threads 1 --val val.ts -o d.ts rest.ts 2>&1)" ]
	[ "$(seg-train --resume e.last.ts --threads 1 --val other.ts -o d.ts rest.ts 2>&1 | cut -d, -f 3)" = " was validated otherwise: the best from here on counts" ]
}

@test "axes that run otherwise than the patches' are told: of volumes to validate on, of weights to begin with" {
	nii-phantom -n 2 --seed 9 --size 24,20,12 --healthy 0 -o v.ts # LPS
	for t in image label; do nii-resample --orient RAS v.ts | ts-select --index 1 | nii-write -t $t -o $t.nii; done
	nii-read -l label.nii image.nii >turned.ts
	$patches -n 2 train.ts >p.ts
	(ts-select --index 0 v.ts && cat turned.ts) >both.ts
	said="the axes of 1 volume run otherwise than those of the training data (LPS): nii-resample --orient makes all alike"
	[ "$(seg-train $net --val both.ts -o m.ts p.ts 2>&1)" = "seg-train: both.ts: $said" ]
	[ -z "$(seg-train $net --val v.ts -o m.ts p.ts 2>&1)" ]
	(ts-select --index 0 v.ts && nii-resample --orient LPS turned.ts) >again.ts # by hand, as nii-replay does it
	[ -z "$(seg-train $net --val again.ts -o m.ts p.ts 2>&1)" ]
	$patches -n 2 turned.ts >r.ts
	said="seg-train: r.ts: the axes of the patches' volumes run RAS, those that m.ts was trained with LPS: nii-resample --orient turns them"
	[ "$(seg-train --init m.ts -o n.ts r.ts 2>&1)" = "$said" ]
}

@test "stopped within a validation, the next run does it first" {
	nii-phantom -n 1 --seed 9 --size 128,128,128 --healthy 0 -o long.ts # 51000 windows: not over before the signal, and not waited for
	$patches -n 6 train.ts | seg-train $net --batch 2 --val val.ts --val-every 2 --log u.tsv -o u.ts
	mkfifo p
	{ $patches -n 6 train.ts | ts-select --index 0..3; exec sleep 300; } >p & # no third step, however late the signal is
	feeder=$!
	seg-train $net --batch 2 --val long.ts --val-overlap 0.75 --val-every 2 --progress json --log t.tsv -o t.ts <p 2>err &
	pid=$!
	await grep -q validating err
	kill -TERM $pid
	wait $pid
	kill $feeder 2>/dev/null || true
	k=$(ts-info t.last.ts | sed -n 's/.*"next":\([0-9]*\).*/\1/p')
	[ "$k" -eq 4 ]
	[ "$(grep -c 'window \([0-9]*\)/\1"' err)" -eq 0 ]
	$patches -n 6 --skip "$k" train.ts | seg-train --threads 1 --resume t.last.ts --val val.ts --val-every 2 --log t.tsv -o t.ts
	cmp t.ts u.ts
	cmp t.last.ts u.last.ts
	diff <(cut -f 1-7 t.tsv) <(cut -f 1-7 u.tsv)
}

@test "stopped or killed in the validation at the end, it is made up for, without patches" {
	nii-phantom -n 1 --seed 9 --size 128,128,128 --healthy 0 -o long.ts # not over before the signal
	$patches -n 6 train.ts >p.ts
	for signal in TERM KILL; do
		rm -f t.*
		seg-train $net --batch 2 --val long.ts --val-overlap 0.75 --progress json --log t.tsv -o t.ts p.ts 2>err &
		await grep -q validating err
		kill -$signal $!
		wait $! || [ $signal = KILL ]
		[ $signal = KILL ] || [ "$(grep ^seg-train: err)" = "seg-train: stopped by SIGTERM in the last validation: go on with --resume t.last.ts and no patches, </dev/null" ]
		cp t.last.ts before.ts
		seg-train --threads 1 --resume t.last.ts --val val.ts --log t.tsv -o t.ts </dev/null
		seg-train $net --batch 2 --val val.ts --log u.tsv -o u.ts p.ts
		cmp t.ts u.ts
		cmp t.last.ts u.last.ts
		diff <(cut -f 1-7 t.tsv) <(cut -f 1-7 u.tsv)
	done
	# what else may be given: more patches; else they are wanted
	$patches -n 8 --skip 6 train.ts | seg-train --threads 1 --resume before.ts --val val.ts -o t.ts
	ts-info t.last.ts | grep -q '"next":8'
	for wanted in "t.last.ts --val val.ts" "before.ts"; do
		fails 1 "seg-train: standard input: no frame at all: empty, or what should have written it failed" seg-train --threads 1 --resume $wanted -o t.ts </dev/null
	done
}

@test "stopped before the first validation, there is a model all the same" {
	mkfifo p
	$patches train.ts >p 2>/dev/null &
	seg-train $net --val val.ts --val-every 100000 --log l.tsv -o v.ts <p 2>err &
	pid=$!
	await has_rows l.tsv 2
	kill -TERM $pid
	wait $pid
	[ "$(stat -c %s v.ts)" -lt "$(stat -c %s v.last.ts)" ]
	$patches -n 1 train.ts | seg-train $net -o /dev/null
	[ ! -e /dev/null.last.ts ]
}

@test "init takes weights, not the optimizer" {
	$patches -n 2 train.ts | seg-train --init whole.ts --lr 0 --decay 0 -o i.ts
	ts-cmp --data-only i.ts whole.ts
	ts-info i.ts | grep -qE '^  step +2$'
}

@test "init with other classes: the layers that make them begin anew, and it is said" {
	$patches -n 2 train.ts >i.patches
	seg-train --init whole.ts --classes 5 --lr 0 --decay 0 -o five.ts i.patches 2>said
	cat said
	[ "$(cat said)" = "seg-train: whole.ts: has 2 classes, not 5: what begins anew is $(ts-info whole.ts | awk '/^  model[^ ]* F32  .*[[,]2[],]/ { printf "%s%s", n++ ? ", " : "", $1 }')" ]
	ts-info five.ts | grep -qF '"out_channels":5'
	ts-cmp --data-only -t model.0.conv.unit0.conv.weight five.ts whole.ts
	fails 1 "seg-train: whole.last.ts: is another network: out_channels 2, not 5" seg-train --resume whole.last.ts --classes 5 -o m.ts i.patches
	# what its history says makes it again
	eval "$(ts-info --history five.ts | sed -n '1s/.*| //p') -q -o again.ts i.patches"
	ts-cmp --data-only again.ts five.ts
	# nnU-Net's networks call classes otherwise; every resolution's layer makes them
	seg-train -q --net nnunet --channels 4,8,8 --strides 2,2 --res-units 1 -o n.ts i.patches
	seg-train --init n.ts --classes 3 --summary i.patches 2>&1 >/dev/null |
		grep -x "seg-train: n.ts: has 2 classes, not 3: what begins anew is decoder.seg_layers.0.weight, decoder.seg_layers.0.bias, decoder.seg_layers.1.weight, decoder.seg_layers.1.bias"
	seg-train -q --net nnunet --init n.ts --lr 0 --decay 0 -o m.ts i.patches
	seg-train --arch '{"_target_": "some.where.UNet"}' --init whole.ts --summary i.patches | grep -q '^total: '
	nii-normalize --range=0,1,0,2 train.ts | $patches -n 1 >other.patches
	seg-train --init whole.ts -o m.ts other.patches
	seg-train --init m.ts -o m.ts i.patches 2>&1 | grep -x "seg-train: i.patches: the patches are prepared otherwise than those that m.ts was trained with"
	[ -z "$(seg-train -q --init n.ts --classes 3 --summary i.patches 2>&1 >/dev/null)" ]
}

@test "names of the labels: of a table or a dataset.json, kept by --resume and by --init of the same classes, in masks" {
	names() { ts-info "$1" | sed -n 's/^  labels   //p'; }
	$patches -n 4 train.ts >i.patches
	printf 'label\tname\n1\ttumour\n' >l.tsv
	echo '{"labels": {"background": 0, "a \"b\"": [1], "ignore": 2}}' >d.json
	seg-train $net --labels l.tsv -q -o l.ts i.patches
	[ "$(names l.ts)" = '{"1":"tumour"}' ]
	seg-train $net -q -o plain.ts i.patches
	ts-cmp --data-only l.ts plain.ts
	[ "$(names plain.ts)" = "" ]
	eval "$(ts-info --history l.ts | sed -n '1s/.*| //p') -q -o again.ts i.patches"
	[ "$(names again.ts)" = '{"1":"tumour"}' ]
	ts-info --history l.ts | grep -qx "# [0-9a-f]*  l.tsv"
	$patches -n 8 --skip 4 train.ts >more.patches
	cp l.last.ts go.ts
	seg-train -q --resume go.ts -o go.ts more.patches
	[ "$(names go.ts)" = '{"1":"tumour"}' ]
	seg-train -q --resume l.last.ts --labels d.json -o go.ts more.patches
	[ "$(names go.ts)" = '{"0":"background","1":"a \"b\""}' ]
	seg-train -q --init l.ts --classes 2 -o i.ts i.patches
	[ "$(names i.ts)" = '{"1":"tumour"}' ]
	seg-train -q --init l.ts --classes 3 -o i.ts i.patches
	[ "$(names i.ts)" = "" ]
	seg-train $net --classes 1 --labels l.tsv -q -o one.ts i.patches
	[ "$(ts-select --drop label val.ts | seg-window -m one.ts | names -)" = "$(printf '{"1":"tumour"}\n{"1":"tumour"}')" ]
	sed -i s/1/2/ l.tsv
	fails 1 "seg-train: l.tsv: names label 2, 'tumour' (the network has 2 classes)" seg-train $net --labels l.tsv -o no.ts i.patches
	fails 1 "seg-train: none.json: cannot open: No such file or directory" seg-train $net --labels none.json -o no.ts i.patches
	echo '{"labels": {"a": "b"}}' >d.json
	fails 1 "seg-train: d.json: label 'a' is no number of 0 to 255" seg-train $net --labels d.json -o no.ts i.patches
	fails 1 "seg-train: l.tsv: --labels has no meaning with regions, which have names of their own" seg-train $net --regions 1/1,2 --labels l.tsv -o no.ts i.patches
}

@test "strides and kernels that differ by axis; a table" {
	nii-patch -s 16,16,6 -n 2 train.ts | seg-train --threads 1 --channels 4,8,12 --strides 2x2x1,2 --kernel 3x3x1 -o m.ts
	ts-info m.ts | grep -qF '"kernel_size":[1,3,3],"num_res_units":2,"out_channels":2,"spatial_dims":3,"strides":[[1,2,2],2]'
	$patches -n 2 train.ts | seg-train $net --summary >table
	[[ $(head -n 1 table) == layer*operation*parameters* ]]
	tail -n 1 table | grep -q '^total: '
}

@test "patches that do not fit" {
	tail="(the network has 2 classes: 0 to 1)"
	volume a U8 1,2,2 '\0\1\2\1' >l.ts
	fails 1 "seg-train: l.ts: a (patch 0): no tensor 'image' in this frame" seg-train $net -o m.ts l.ts
	i='"image":{"dtype":"U8","shape":[1,2,2,2],"data_offsets":[0,8]},"label":{"dtype":"U8","shape":[2,2,2],"data_offsets":[8,16]}}'
	m='{"__metadata__":{"niipipe":"1","kind":"patch","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"'
	raw_frame "$m,\"patch\":\"7\"},$i" '\1\2\3\4\5\6\7\10\0\1\0\0\0\0\2\0' >l.ts
	fails 1 "seg-train: l.ts: a (patch 7): label 2 at voxel 0,1,1 of the patch $tail" seg-train $net -o m.ts l.ts
	raw_frame "${m/patch/model}},$i" '\1\2\3\4\5\6\7\10\0\1\0\0\0\0\1\0' >l.ts
	fails 1 "seg-train: l.ts: a (patch 0): a frame of kind 'model' (expected patch)" seg-train $net -o m.ts l.ts
	{ $patches -n 1 train.ts; nii-patch -s 16,16,6 -n 1 train.ts; } >l.ts
	fails 1 "seg-train: l.ts: phantom-0003 (patch 0): a patch of 16x16x6 voxels, 1 channel(s), after patches of 16x16x8, 1" seg-train $net -o m.ts l.ts
	rm m.ts m.last.ts # what was learnt from the first is kept
	nii-patch -s 15,16,8 -n 1 --seed 1 train.ts >l.ts
	run seg-train $net -o m.ts l.ts
	[ "$status" -eq 1 ]
	[ "$output" = "seg-train: l.ts: phantom-0001 (patch 0): input of 15,16,8 voxels (x,y,z) does not fit the network (layer model.0.conv.unit0.conv): it takes multiples of 2,2,2, as 16,16,8" ]
	f='"image":{"dtype":"F32","shape":[1,2,2,2],"data_offsets":[0,32]},"label":{"dtype":"U8","shape":[2,2,2],"data_offsets":[32,40]}}'
	z='\0\0\0\0'
	raw_frame "$m,\"patch\":\"5\"},$f" "\0\0\300\177$z$z$z$z$z$z$z"'\0\1\0\0\0\0\1\0' >l.ts
	fails 1 "seg-train: l.ts: the loss is not a number at step 1: a (patch 5): the image of patch 5 is not a number at voxel 0,0,0 of the patch" seg-train $net -o m.ts l.ts
	fails 1 "seg-train: standard input: no frame at all: empty, or what should have written it failed" seg-train $net -o m.ts </dev/null
	[ ! -e m.ts ]
	[ ! -e m.last.ts ]
}

@test "not enough memory: what is needed and what there is, before the first step" {
	m='{"__metadata__":{"niipipe":"1","kind":"patch","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"U8","shape":[1,128,128,128],"data_offsets":[0,2097152]},"label":{"dtype":"U8","shape":[128,128,128],"data_offsets":[2097152,4194304]}}'
	for _ in {1..16}; do raw_frame "$m"; head -c 4194304 /dev/zero; done >l.ts
	arch='{"_target_":"UNet","spatial_dims":3,"out_channels":2,"channels":[4096,4096],"strides":[1],"kernel_size":1,"up_kernel_size":1}'
	run seg-train --arch "$arch" --batch 16 -o m.ts l.ts
	[ "$status" -eq 1 ]
	[[ $output =~ ^"seg-train: l.ts: a (patch 0), ".*"a (patch 15): not enough memory: the network needs "[0-9]{6,}" MB for this input ("[0-9]{6,}" MB of them activations), "[0-9]+" MB are there"$ ]]
	[ ! -e m.ts ]
	[ ! -e m.last.ts ]
}

@test "checkpoints that do not fit" {
	fails 1 "seg-train: standard input: begins with patch 0, but whole.last.ts wants patch 16 next: give nii-patch --skip 16" \
		bash -c "$patches -n 20 train.ts | seg-train --resume whole.last.ts -o m.ts"
	fails 1 "seg-train: whole.ts: holds a model alone, no optimizer frame: training goes on from the file *.last.ts (--init takes the weights)" \
		seg-train --resume whole.ts -o m.ts train.ts
	fails 1 "seg-train: whole.ts: is another network: channels [4,8], not [4,12]" seg-train --init whole.ts --channels 4,12 -o m.ts train.ts
	fails 1 "seg-train: /no/such/dir/m.ts: cannot write beside it: No such file or directory" seg-train -o /no/such/dir/m.ts train.ts
	volume a U8 1,2,2 '\0\1\0\1' image >v.ts
	fails 1 "seg-train: v.ts: a: no tensor 'label' in this frame" seg-train $net --val v.ts -o m.ts <($patches -n 2 train.ts)
	$patches -n 1 train.ts >p.ts
	cp p.ts p.last.ts
	fails 1 "seg-train: p.ts: is what is trained or validated on: the model goes to another file" seg-train $net -o p.ts p.ts
	fails 1 "seg-train: ./p.ts: is what is trained or validated on: the model goes to another file" seg-train $net -o ./p.ts <p.ts
	fails 1 "seg-train: p.last.ts: is what is trained or validated on: the model goes to another file" seg-train $net -o p.ts --val p.last.ts <(cat p.ts)
	cmp p.ts p.last.ts
	run seg-train $net --val <(cat val.ts) -o m.ts p.ts
	[ "$status" -eq 1 ]
	[[ $output == "seg-train: /dev/fd/"*": is not a saved stream: validation volumes are gone over again and again" ]]
	fails 2 "seg-train: --init and --resume exclude one another (see seg-train --help)" seg-train --init a --resume b
	fails 2 "seg-train: --val-every has no meaning without --val (see seg-train --help)" seg-train --val-every 3
	fails 2 "seg-train: --strides: '2x' is neither N nor XxY nor XxYxZ, each 1..15 (see seg-train --help)" seg-train --strides 2,2x
	fails 2 "seg-train: --kernel: 'q' is neither N nor XxY nor XxYxZ, each 1..15 (see seg-train --help)" seg-train --kernel q
	[ ! -e m.ts ]
}

# against.tsv: options, five losses, Dice of the volumes; the options that all have in common
runs_are() {
	local g=$ROOT/tests/golden table=$1
	shift
	while IFS=$'\t' read -r -a want; do
		# shellcheck disable=SC2086
		seg-train --threads 1 --init "$g/train_init.ts" "$@" ${want[0]} --val "$g/train_val.ts" --log l.tsv -o m.ts "$g/train_patches.ts"
		{ column l.tsv loss; ts-info m.ts | sed -n 's/.*"best_val_dice":\([0-9.e-]*\).*/\1/p'; } |
			paste - <(printf '%s\n' "${want[@]:1}") |
			awk '{ d = ($1 - $2) / $2; if (d < 0) d = -d; if (d > 1e-5 + ($2 < 0.5) * 1e-4) { print; bad = 1 } } END { exit bad || NR != 6 }' || { echo "${want[0]}"; return 1; }
		[ "${want[0]}" != "--loss dicece" ] || cp m.ts final.ts
	done <"$g/$table"
}

@test "losses, weights and validation are MONAI's (tests/golden/make_train.py)" {
	of_fp32
	g=$ROOT/tests/golden
	runs_are train.tsv --lr 1e-2 --decay 1e-3 --beta1 0.8 --beta2 0.99 --batch 2
	# a bias before a normalisation has no gradient but rounding, which Adam makes large: it is left out
	for t in model.0.conv.unit0.conv.weight model.1.submodule.conv.unit0.conv.weight model.2.0.conv.weight model.2.1.conv.unit0.conv.weight; do
		ts-cmp --data-only --atol 2e-5 -t $t final.ts "$g/train_final.ts"
	done
}

@test "optimizers, schedules, clipping, accumulation, moving average and nnU-Net's recipe are torch's (tests/golden/make_optim.py)" {
	of_fp32
	runs_are optim.tsv
}

@test "everything at once, broken off after every step, goes on bit for bit" {
	all="--loss dicefocal --class-weights 1,2 --focal-alpha 0.7 --optimizer sgd --nesterov --clip 1 --no-decay --accumulate 3 --ema 0.6"
	all="$all --schedule warmup-cosine --warmup 2"
	$patches -n 12 train.ts >p.ts
	# shellcheck disable=SC2086
	seg-train $net $all --val val.ts --val-every 2 --log w.tsv -o w.ts p.ts
	[ "$(column w.tsv lr | tr '\n' ' ')" = "0 0.005 0.01 0.005 " ]
	# shellcheck disable=SC2086
	run seg-train $net $all --val val.ts --val-every 2 --log r.tsv -o r.ts <(ts-select --index 0..3 p.ts; head -c 99 p.ts)
	[ "$status" -eq 1 ]
	for to in 7 9 11; do # an unfinished step is done again
		k=$(ts-info r.last.ts | sed -n 's/.*"next":\([0-9]*\).*/\1/p')
		run seg-train --threads 1 --resume r.last.ts --val val.ts --val-every 2 --log r.tsv -o r.ts <(ts-select --index "$k..$to" p.ts; [ $to = 11 ] || head -c 99 p.ts)
		[ "$status" -eq $((to < 11)) ]
	done
	cmp r.last.ts w.last.ts
	cmp r.ts w.ts
	diff <(cut -f 1-7 r.tsv) <(cut -f 1-7 w.tsv)
}

@test "batches without a full step at the end are a step; --accumulate N is --batch N to rounding" {
	$patches -n 7 train.ts >p.ts
	seg-train $net --batch 4 --log a.tsv -o a.ts p.ts
	seg-train $net --accumulate 4 --log b.tsv -o b.ts p.ts
	seg-train $net --batch 2 --accumulate 2 --log c.tsv -o c.ts p.ts
	for f in b c; do
		paste <(column a.tsv loss) <(column $f.tsv loss) | awk '{ if ($1 - $2 > 2e-6 || $2 - $1 > 2e-6) exit 1 } END { exit NR != 2 }'
	done
	ts-cmp --data-only --atol 1e-5 -t model.2.1.conv.unit0.conv.weight a.ts b.ts
}

@test "the moving average is what is validated and kept, beside the weights that are trained" {
	$patches -n 4 train.ts | seg-train $net --ema 0.9 --val val.ts --val-every 2 -o e.ts
	$patches -n 4 train.ts | seg-train $net -o plain.ts
	ts-info e.last.ts | grep -qE '^  weights +F32 +\[1899\]'
	run ts-cmp --data-only -t model.0.residual.weight e.last.ts plain.last.ts
	[ "$status" -eq 1 ]
	# without an average from here on, the trained weights are taken up
	$patches -n 6 --skip 4 train.ts | seg-train --threads 1 --resume e.last.ts --ema 0 -o off.ts
	$patches -n 6 --skip 4 train.ts | seg-train --threads 1 --resume plain.last.ts -o plain.ts
	ts-cmp --data-only <(ts-select --index 0 off.last.ts) <(ts-select --index 0 plain.last.ts)
}

@test "--steps ends a run, and a schedule knows its end" {
	$patches -n 10 train.ts | seg-train $net --batch 2 --steps 3 --log l.tsv -o s.ts
	[ "$(column l.tsv step | tail -n 1)" -eq 3 ]
	fails 1 "seg-train: s.last.ts: all of its 3 steps are done (--steps says how many there shall be)" seg-train --resume s.last.ts -o s.ts train.ts
	$patches -n 10 --skip 6 train.ts | seg-train --threads 1 --resume s.last.ts --steps 5 -o s.ts
	$patches -n 10 train.ts | seg-train $net --batch 2 -o t.ts
	ts-cmp --data-only s.ts t.ts
	$patches -n 9 train.ts | seg-train $net --batch 2 --schedule poly --power 1 --log l.tsv -o s.ts
	[ "$(column l.tsv lr | tr '\n' ' ')" = "0.01 0.008 0.006 0.004 0.002 " ]
	ts-select --index 0 train.ts >one.ts
	fails 1 "seg-train: one.ts: does not say how many patches there are, and the schedule needs the number of steps: give --steps" \
		seg-train $net --schedule cosine -o u.ts one.ts
	[ ! -e u.ts ]
}

@test "patience ends a run that gets no better" {
	run seg-train $net --val val.ts --val-every 1 --patience 2 --lr 0 --log l.tsv -o p.ts <($patches -n 9 train.ts)
	[ "$status" -eq 0 ]
	[[ $output == "seg-train: stopped after step 3: no better validation in 2; the best is of step 1, Dice 0."* ]]
	[ "$(column l.tsv step | tail -n 1)" -eq 3 ]
	ts-info p.ts | grep -qE '^  step +1$'
}

@test "one channel: a sigmoid against labels 0 and 1" {
	of_fp32
	$patches -n 60 train.ts >p.ts
	for loss in dicece bce dicefocal tversky; do
		seg-train $net --classes 1 --loss $loss --batch 2 --val val.ts --log l.tsv -o one.ts p.ts
		column l.tsv loss | awk 'NR <= 5 { a += $1 } NR > 25 { b += $1 } END { exit !(b < 0.99 * a) }'
	done
	seg-window -m one.ts val.ts | ts-info | grep -qE '^  pred +U8'
	seg-window -m one.ts --output prob val.ts | seg-argmax --threshold 0.5 >t.ts
	seg-window -m one.ts val.ts | ts-cmp --data-only -t pred t.ts -
}

# hash_of FILE N: of its first N patches, by the definition: the sum of (2 i + 1) XXH64(data of patch i)
hash_of() {
	local sum=0 i=0 at bytes head
	while read -r at bytes; do
		head=$(od -An -tu8 -j "$at" -N 8 "$1")
		sum=$((sum + (2 * i++ + 1) * 0x$(tail -c "+$((at + 9 + head))" "$1" | head -c "$bytes" | xxh64sum | cut -d ' ' -f 1)))
	done < <(ts-info "$1" | sed -n 's/^frame [0-9]*: .*, \([0-9]*\) bytes of data, at byte \([0-9]*\) of .*/\2 \1/p' | head -n "$2")
	printf '%016x' "$sum"
}

@test "where it comes from: the hash of all patches, other files' hashes, and the line, also of a run that went on" {
	command -v xxh64sum >/dev/null || skip "no xxh64sum"
	$patches -n 10 -o p.ts train.ts
	cp whole.ts start.ts
	seg-train $net --init start.ts --val val.ts --val-every 3 -o m.ts p.ts
	ts-info --history m.last.ts >said
	grep -qE ' \| seg-train --arch .* --init start.ts .* --val val.ts --val-every 3$' said
	sed -n 's/^# \([0-9a-f]*  \)/\1/p' said | diff - <(xxh64sum start.ts val.ts; echo "$(hash_of p.ts 10)  patches before 10")
	step=$(ts-info m.ts | sed -n 's/^  step *//p')
	ts-info --history m.ts | grep -qxF "# $(hash_of p.ts "$step")  patches before $step"
	# taken up, and with other batches: the same patches
	$patches -n 4 train.ts | seg-train $net --init start.ts --val val.ts -o r.ts
	$patches -n 10 --skip 4 train.ts | seg-train --threads 1 --resume r.last.ts --val val.ts --val-every 3 -o r.ts
	diff <(ts-info --history r.last.ts) said
	seg-train $net --batch 5 -o b.ts p.ts
	ts-info --history b.ts | grep -qxF "# $(hash_of p.ts 10)  patches before 10"
	# a voxel, the order
	for i in 1 0 2..9; do ts-select --index $i p.ts; done >turned.ts
	cp p.ts bit.ts
	printf '\1' | dd of=bit.ts bs=1 seek=$(($(stat -c %s p.ts) - 1)) conv=notrunc status=none
	for f in turned bit; do
		seg-train $net -o o.ts $f.ts
		ts-info --history o.ts | grep -qE '^# [0-9a-f]{16}  patches before 10$'
		[ "$(ts-info --history o.ts | grep -cF "$(hash_of p.ts 10)")" -eq 0 ]
	done
}

@test "a checkpoint of the first version goes on" {
	of_fp32
	g=$ROOT/tests/golden
	ts-select --index 4..9 "$g/train_patches.ts" | seg-train --resume "$g/train_v1.last.ts" --threads 1 --log l.tsv -o m.ts
	paste <(column l.tsv loss) <(head -n 1 "$g/train.tsv" | cut -f 4-6 | tr '\t' '\n') |
		awk '{ if ($1 - $2 > 2e-5 || $2 - $1 > 2e-5) exit 1 } END { exit NR != 3 }'
	[ "$(ts-info --history m.last.ts | grep -c '^# .* patches')" -eq 0 ] # it does not know what came before
	fails 1 "seg-train: $g/train_v1.last.ts: holds the state of AdamW, not of SGD (--init takes the weights alone)" \
		seg-train --resume "$g/train_v1.last.ts" --optimizer sgd -o m.ts "$g/train_patches.ts"
}

@test "a loss as MONAI's JSON, also inside a bundle's, is the one that options make" {
	$patches -n 4 train.ts >p.ts
	echo '{"lr": 1, "loss": {"_target_": "monai.losses.DiceFocalLoss", "to_onehot_y": true, "softmax": true, "gamma": 1.5, "weight": [1, 3]}}' >train.json
	seg-train $net --loss-config train.json -o a.ts p.ts
	seg-train $net --loss dicefocal --no-squared --gamma 1.5 --class-weights 1,3 -o b.ts p.ts
	ts-cmp a.ts b.ts
	seg-train $net --loss-config '{"_target_": "FocalLoss", "use_softmax": true}' -o a.ts p.ts
	seg-train $net --loss focal --focal-softmax -o b.ts p.ts
	ts-cmp a.last.ts b.last.ts
}

@test "a label to be ignored: not in the loss, nor in validation, nor after --resume" {
	local data="" v
	for ((i = 0; i < 512; i++)); do printf -v v '\\%03o' $((i * 37 % 251)); data+=$v; done
	for ((i = 0; i < 512; i++)); do printf -v v '\\%03o' $((i % 3 ? i / 8 % 2 : 7)); data+=$v; done
	raw_frame "{\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"volume\",\"id\":\"a\",\"affine\":\"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\"},\"image\":{\"dtype\":\"U8\",\"shape\":[1,8,8,8],\"data_offsets\":[0,512]},\"label\":{\"dtype\":\"U8\",\"shape\":[8,8,8],\"data_offsets\":[512,1024]}}" "$data" >a.ts
	cat a.ts a.ts >b.ts
	fails 1 "seg-train: a.ts: a (patch 0): label 7 at voxel 0,0,0 of the patch (the network has 2 classes: 0 to 1)" seg-train $net -o m.ts a.ts
	seg-train $net --ignore-label 7 --val a.ts --val-every 1 --log l.tsv -o m.ts b.ts
	[ "$(column l.tsv val_dice | grep -cE '^(0|1)(\.[0-9]+)?$')" -eq 2 ]
	# no label is ignored unless asked for, not even -1
	raw_frame '{"__metadata__":{"niipipe":"1","kind":"volume","id":"n","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"},"image":{"dtype":"U8","shape":[1,2,2,2],"data_offsets":[0,8]},"label":{"dtype":"I8","shape":[2,2,2],"data_offsets":[8,16]}}' '\1\2\3\4\5\6\7\1\0\0\377\0\0\1\0\0' >n.ts
	fails 1 "seg-train: n.ts: n (patch 0): label -1 at voxel 0,1,0 of the patch (the network has 2 classes: 0 to 1)" seg-train $net -o m.ts n.ts
	fails 1 "seg-train: n.ts: n: label -1 (the network has 2 classes: 0 to 1)" seg-train $net --ignore-label 7 --val n.ts -o m.ts a.ts
	ts-select --index 0 train.ts | nii-patch -s 8,8,8 -n 1 - | fails 1 "seg-train: n.ts: n: label -1 (the network has 2 classes: 0 to 1)" seg-train $net --val n.ts -o m.ts
	nii-patch -s 8,8,8 --pos 0.5 --ignore-label 7 -n 2 --seed 1 a.ts >p.ts
	seg-train $net --ignore-label 7 -o whole.ts p.ts
	ts-select --index 0 p.ts | seg-train $net --ignore-label 7 -o part.ts
	nii-patch -s 8,8,8 --pos 0.5 --ignore-label 7 -n 2 --seed 1 --skip 1 a.ts | seg-train --threads 1 --resume part.last.ts -o part.ts
	ts-cmp whole.ts part.ts
}

@test "options that do not go together" {
	fails 1 "seg-train: --gamma has no meaning with --loss dicece" seg-train --gamma 1 -o m.ts train.ts
	fails 1 "seg-train: --no-squared has no meaning with --loss nnunet" seg-train --recipe nnunet --no-squared -o m.ts train.ts
	fails 1 "seg-train: --nesterov has no meaning with --optimizer adam" seg-train --nesterov --optimizer adam -o m.ts train.ts
	fails 1 "seg-train: --warmup has no meaning with --schedule constant" seg-train --warmup 3 -o m.ts train.ts
	$patches -n 1 train.ts >p.ts
	fails 1 "seg-train: --class-weights: 3 given, the network has 2 classes" seg-train $net --class-weights 1,2,3 -o m.ts p.ts
	seg-train $net --classes 118 --class-weights "$(seq -s , 118)" -o many.ts p.ts
	fails 1 "seg-train: --class-weights has no meaning with this loss" seg-train $net --loss gdice --class-weights 1,2 -o m.ts p.ts
	fails 1 "seg-train: 2 strides for 2 levels of channels: one fewer is wanted" seg-train $net --strides 2,2 -o m.ts p.ts
	fails 1 "seg-train: --focal-softmax has no meaning with --loss dicece" seg-train $net --focal-softmax -o m.ts p.ts
	fails 1 "seg-train: --focal-softmax needs classes: the network has one channel" seg-train $net --classes 1 --loss focal --focal-softmax -o m.ts p.ts
	fails 1 "seg-train: --loss-config says all of the loss: --loss and its options have no meaning with it" \
		seg-train $net --loss-config '{"_target_": "FocalLoss"}' --gamma 1 -o m.ts p.ts
	fails 1 "seg-train: no.json: cannot open: No such file or directory" seg-train $net --loss-config no.json -o m.ts p.ts
	fails 2 "seg-train: --patience has no meaning without --val (see seg-train --help)" seg-train --patience 3
	[ ! -e m.ts ]
}
