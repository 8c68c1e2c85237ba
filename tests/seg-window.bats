#!/usr/bin/env bats
# seg-window: a small UNet's logits as MONAI gives them (tests/golden/make_window.py), options, what it refuses.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	cp "$BATS_TEST_DIRNAME"/golden/window_model.ts model.ts
	cp "$BATS_TEST_DIRNAME"/golden/window_other.ts other.ts
	for i in 0 1 2; do "$BATS_TEST_DIRNAME/../build/bin/ts-select" --index $i "$BATS_TEST_DIRNAME"/golden/window_net.ts >net$i.ts; done
}
setup() { cd "$BATS_FILE_TMPDIR" || return 1; }

differ() { if ts-cmp -q "$@"; then echo "no difference: $*"; return 1; fi; }
same() { ts-cmp -t prob --atol 1e-4 --rtol 1e-4 "$@"; }

@test "axes that run otherwise than those that the model learned from: nii-replay turns them, seg-window tells where they were not" {
	nii-phantom -s 16,16,16 >v.ts # LPS
	nii-resample --orient SRA v.ts | nii-write -t image -o turned.nii
	nii-write -t image -o v.nii v.ts
	local o f
	for o in "" "--orient RAS"; do
		nii-resample -s 22,22,18 $o v.ts | nii-normalize --window=-1000,400 >t.ts
		nii-patch -s 8,8,8 -n 3 t.ts | nii-augment --flip xyz --prob-flip 1 >p.ts
		seg-train --channels 4,8 --strides 2 -o learned.ts p.ts
		for f in v turned; do
			nii-read $f.nii | nii-replay -m learned.ts | seg-window -m learned.ts 2>said | nii-invert >$f-mask.ts
			[ ! -s said ]
		done
		ts-cmp --data-only -t pred v-mask.ts <(nii-resample --orient LPS turned-mask.ts)
		nii-read turned.nii | nii-resample -s 22,22,18 $o | nii-normalize --window=-1000,400 >by-hand.ts
		seg-window -m learned.ts by-hand.ts 2>said >/dev/null
		if [ -n "$o" ]; then
			[ ! -s said ]
		else
			[ "$(cat said)" = "seg-window: turned: its axes run SRA, those of the model's training data LPS (nii-replay turns them; --orient before training makes all alike)" ]
			seg-window -q -m learned.ts by-hand.ts 2>said >/dev/null
			[ ! -s said ]
			nii-read turned.nii | nii-resample --orient RAS | nii-resample -s 22,22,18 | nii-normalize --window=-1000,400 >by-hand.ts
			fails 1 "seg-window: by-hand.ts: turned: is not prepared as the model's training data: step 1 is nii-resample {\"orient\":\"RAS\"}, the model wants nii-resample {\"align\":\"monai\",\"interp\":\"linear\",\"spacing\":[22.0,22.0,18.0]}" \
				seg-window -m learned.ts by-hand.ts
		fi
	done
	# of several models, each tells
	nii-resample -s 22,22,18 --orient RAS v.ts | nii-write -t image -o ras.nii
	nii-resample -s 22,22,18 --orient RAS v.ts | nii-write -t label -o label.nii
	nii-read -l label.nii ras.nii >ras.ts
	nii-read -l <(nii-write -t label v.ts) v.nii >lps.ts
	for f in ras lps; do nii-patch -s 8,8,8 -n 1 $f.ts | seg-train -q --channels 4,8 --strides 2 -o $f-model.ts; done
	seg-window -m lps-model.ts -m ras-model.ts lps.ts 2>said >/dev/null
	[ "$(cat said)" = "seg-window: v: its axes run LPS, those of ras-model.ts's training data RAS (nii-replay turns them; --orient before training makes all alike)" ]
	# a run that is taken up keeps what the first patch said
	nii-patch -s 8,8,8 -n 2 t.ts | seg-train --channels 4,8 --strides 2 -o part.ts
	nii-patch -s 8,8,8 -n 4 --skip 2 t.ts | seg-train --resume part.last.ts -o whole.ts
	ts-info --json whole.ts | grep -qF '"orient":"RAS"'
}

@test "logits as MONAI's: overlap 0.25, 0.5, 0.8, gaussian and constant" {
	of_fp32
	seg-window -m model.ts --roi 12,16,8 --output logits net0.ts | same - net0.ts
	seg-window -m model.ts --roi 12,16,8 --overlap .5 --mode constant --output logits net1.ts | same - net1.ts
	seg-window -m model.ts --roi 12,12,8 --overlap .8 --output logits net2.ts | same - net2.ts
}

@test "as nnU-Net's predictor and MONAI's: mirrored over every choice of axes, grids, weights, padding, two models" {
	of_fp32
	local o i=0
	while read -r o; do
		ts-select --index $i "$ROOT/tests/golden/window_more.ts" >more.ts
		seg-window -m model.ts --roi 8,8,8 $o more.ts | ts-cmp -t prob --atol 1e-5 --rtol 1e-5 - more.ts || { echo "$o"; return 1; }
		i=$((i + 1))
	done <"$ROOT/tests/golden/window_more.tsv"
	[ $i = 21 ]
}

@test "the same bytes for any number of threads, and with --batch but for the last digit, whatever is asked for" {
	seg-window -m model.ts --threshold .6 --keep-image -o masked.ts net0.ts
	for o in "--effort 3" "--effort 2 --output prob --mirror x" "--grid staggered --skip-air 2 --output logits" "-m other.ts --mean prob --mirror yz --output prob" "--rule dice" \
		"-m other.ts --rule dice --refine 0.01 --overlap 0.7" "--threshold .3 --mode constant" "--within pred --overlap .5 --output prob" "--grid nnunet --mode nnunet --keep-image"; do
		[[ $o == *within* ]] && in=masked.ts || in=net0.ts
		seg-window --threads 1 -m model.ts $o $in >one.ts
		seg-window --threads 3 -m model.ts $o $in | ts-cmp --meta - one.ts
		case $o in *prob | *logits) seg-window --batch 4 -m model.ts ${o/--effort 2/--overlap .8} $in | ts-cmp -t prob --atol 1e-5 - <(seg-window -m model.ts ${o/--effort 2/--overlap .8} $in) ;; esac
	done
}

@test "the model's own window, batches, threads: the same logits" {
	of_fp32
	seg-window -m model.ts --output logits net0.ts >one.ts
	same one.ts net0.ts
	seg-window -m model.ts --output logits --batch 5 net0.ts | ts-cmp -t prob --atol 1e-5 - one.ts
	seg-window -m model.ts --output logits --threads 1 net0.ts | ts-cmp --meta - one.ts
	seg-window -m model.ts --output logits --threads 3 net0.ts | ts-cmp --meta - one.ts
}

@test "labels are the highest logit, probabilities add up to them" {
	seg-window -m model.ts net0.ts >labels.ts
	seg-window -m model.ts --output logits net0.ts | seg-argmax | ts-cmp -t pred - labels.ts
	seg-window -m model.ts --output prob net0.ts | seg-argmax | ts-cmp -t pred - labels.ts
	seg-window -m model.ts --output prob net0.ts >prob.ts
	seg-window -m model.ts --output logits net0.ts | seg-argmax --threshold .5 | ts-cmp -t pred - <(seg-argmax --threshold .5 prob.ts)
	grep -aqF '"prob":"probabilities"' prob.ts
	# not all one class
	! seg-window -m model.ts net0.ts | ts-cmp -q -t pred - <(volume net0 U8 13,18,21 "$(printf '\\0%.0s' {1..4914})" pred)
}

@test "several frames, in order; image dropped or kept; history" {
	of_fp32
	seg-window -m model.ts net0.ts net2.ts >both.ts
	cat net0.ts net2.ts | seg-window -m model.ts | ts-cmp --meta - both.ts
	ts-select --index 1 both.ts | ts-cmp - <(seg-window -m model.ts net2.ts)
	[ "$(grep -acF '"image"' both.ts)" = 0 ]
	seg-window -m model.ts --keep-image net0.ts | ts-cmp -t image - net0.ts
	seg-window -m model.ts --overlap .5 net0.ts | grep -aqE '\\"args\\":\{\\"hash\\":\[\\"[0-9a-f]{16}\\"\],\\"mode\\":\\"gaussian\\",\\"model\\":\\"model.ts\\",\\"output\\":\\"labels\\",\\"overlap\\":0.5,\\"roi\\":\[12,16,8\],\\"sigma\\":0.125\},\\"tool\\":\\"seg-window\\"'
}

@test "other tensors ride along; images of any type" {
	h='"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"}'
	raw_frame "{$h,\"image\":{\"dtype\":\"I16\",\"shape\":[1,1,2,2],\"data_offsets\":[0,8]},\"label\":{\"dtype\":\"U8\",\"shape\":[1,2,2],\"data_offsets\":[8,12]}}" \
		'\1\0\2\0\377\377\0\0\1\2\3\4' >i16.ts
	raw_frame "{$h,\"image\":{\"dtype\":\"F32\",\"shape\":[1,1,2,2],\"data_offsets\":[0,16]},\"label\":{\"dtype\":\"U8\",\"shape\":[1,2,2],\"data_offsets\":[16,20]}}" \
		'\0\0\200\77\0\0\0\100\0\0\200\277\0\0\0\0\1\2\3\4' >f32.ts
	seg-window -m model.ts --output logits i16.ts | ts-cmp - <(seg-window -m model.ts --output logits f32.ts)
	seg-window -m model.ts i16.ts | ts-cmp -t label - i16.ts
	cat f32.ts | seg-window -m model.ts | ts-cmp - <(seg-window -m model.ts f32.ts)
}

@test "through a pipe, while it comes and goes: the same bytes" {
	ts-select -t image net0.ts >bare.ts
	for o in "" "--effort 3" "--output prob" "--output logits --batch 3" "--output prob --keep-image" "--skip-air 0.5 --overlap 0" "--threshold .3"; do
		seg-window --force -m model.ts $o bare.ts >file.ts
		cat bare.ts | seg-window --force -m model.ts $o | ts-cmp --meta - file.ts
		cat bare.ts net2.ts bare.ts | seg-window --force -m model.ts $o >three.ts
		for i in 0 2; do ts-select --index $i three.ts | ts-cmp --meta - file.ts; done
		ts-select --index 1 three.ts | ts-cmp --meta - <(seg-window --force -m model.ts $o net2.ts)
	done
	[ "$(cat bare.ts | seg-window -m model.ts --output prob | ts-info --json | grep -c '"prob"')" -gt 0 ]
	seg-window --force -m model.ts --keep-image bare.ts | ts-cmp -t image - bare.ts
	# what comes broken: what was written is no frame, and nothing stays under a name
	head -c -100 bare.ts >cut.ts
	mkdir -p piped
	fails 1 "seg-window: standard input: ends inside a frame's data (offset $(wc -c <cut.ts), expected 19656 bytes, found 19556)" bash -c 'cat cut.ts | seg-window -m model.ts -o piped/out.ts'
	for o in "--output prob" "--output logits --batch 3" "--rule dice" "--keep-image" "--effort 3 --skip-air 0" "--grid staggered --mirror x"; do
		fails 1 "seg-window: standard input: ends inside a frame's data (offset $(wc -c <cut.ts), expected 19656 bytes, found 19556)" bash -c 'cat cut.ts | seg-window -m model.ts '"$o"' -o piped/out.ts'
		fails 1 "seg-window: cut.ts: ends inside a frame's data (offset $(wc -c <cut.ts), expected 19656 bytes, found 19556)" seg-window -m model.ts $o -o piped/out.ts cut.ts
	done
	[ -z "$(ls -A piped)" ]
	run bash -c 'cat cut.ts | seg-window -m model.ts 2>/dev/null | ts-info'
	[ "$status" = 1 ]
	[[ "$output" == "ts-info: standard input: ends inside a frame's data "* ]]
	TMPDIR=/nowhere fails 1 "seg-window: /nowhere: cannot make a temporary file: No such file or directory" seg-window -m model.ts --output prob bare.ts
	run bash -c 'ulimit -f 1; seg-window -m model.ts --output prob bare.ts 2>&1 >/dev/null | cat'
	[[ $output =~ ^'seg-window: '.*': cannot write a temporary file (offset '[0-9]+'): File too large'$ ]]
}

@test "a window of 0 is the whole axis, padded to what fits" {
	seg-window -m model.ts --roi 0,0,0 --output logits net0.ts | ts-cmp -t prob - <(seg-window -m model.ts --roi 24,20,16 --output logits net0.ts)
	seg-window -m model.ts --roi 12,0,8 --output logits net0.ts | ts-cmp -t prob - <(seg-window -m model.ts --roi 12,20,8 --output logits net0.ts)
}

@test "several models: the mean of their logits or probabilities, as of streams" {
	nii-patch -s 12,16,8 -n 1 --seed 1 <(nii-phantom -n 1 --size 16,20,12 --spacing 9,9,13 --seed 3) |
		seg-train --net unet --channels 4,8,16 --strides 2,2 --res-units 2 --seed 7 -q -o second.ts
	seg-window -m model.ts --output logits net0.ts >a.ts
	seg-window -m second.ts --output logits net0.ts >b.ts
	seg-argmax --keep-prob a.ts b.ts >mean.ts
	seg-window -m model.ts -m second.ts --output logits net0.ts >both.ts
	ts-cmp -t prob --atol 1e-5 both.ts mean.ts
	seg-window -m model.ts -m second.ts net0.ts | ts-cmp -t pred - mean.ts
	differ -t prob both.ts a.ts
	differ -t prob both.ts b.ts
	seg-window -m model.ts -m model.ts --mean prob --output prob net0.ts | ts-cmp -t prob --atol 1e-6 - <(seg-window -m model.ts --mean prob --output prob net0.ts)
	# one window: the mean over windows is none, so the probabilities' mean is that of the streams'
	w="--roi 24,20,16 --output prob"
	seg-argmax --keep-prob <(seg-window -m model.ts $w net0.ts) <(seg-window -m second.ts $w net0.ts) >mean.ts
	seg-window -m model.ts -m second.ts --mean prob $w net0.ts | ts-cmp -t prob --atol 1e-6 - mean.ts
	for t in 1 3; do seg-window --threads $t -m model.ts -m second.ts --mirror xy --mean prob --output prob net0.ts | sha256sum; done | uniq | wc -l | grep -qx 1
	grep -aqF '\"models\":[\"model.ts\",\"second.ts\"]' both.ts
}

@test "models that don't go together" {
	ph() { nii-phantom -n 1 --size 16,20,12 --spacing 9,9,13 --seed 3; }
	train() { seg-train --net unet --channels 4,8 --strides 2 --res-units 1 -q "$@"; }
	nii-patch -s 12,16,8 -n 1 --seed 1 <(ph) | train --classes 3 -o three.ts
	nii-patch -s 12,16,8 -n 1 --seed 1 <(ph | nii-normalize --zscore) | train -o zscore.ts
	nii-patch -s 8,8,8 -n 1 --seed 1 <(ph) | train -o small.ts
	fails 1 "seg-window: three.ts: gives 3 classes, model.ts 2: models of different jobs" seg-window -m model.ts -m three.ts net0.ts
	fails 1 "seg-window: zscore.ts: wants volumes that are prepared otherwise than for model.ts" seg-window -m model.ts -m zscore.ts net0.ts
	fails 1 "seg-window: small.ts: was trained on patches of 8,8,8 voxels, model.ts of 12,16,8" seg-window -m model.ts -m small.ts net0.ts
}

@test "mirror: the mean over flips" {
	seg-window -m model.ts --roi 24,20,16 --output logits net0.ts >plain.ts
	seg-window -m model.ts --roi 24,20,16 --mirror x --output logits net0.ts >x.ts
	differ -t prob plain.ts x.ts
	seg-window -m model.ts --mirror xyz --output logits net0.ts >xyz.ts
	for t in 1 3; do seg-window -m model.ts --mirror xyz --threads $t --output logits net0.ts | ts-cmp --meta - xyz.ts; done
	seg-window -m model.ts --mirror xyz --batch 3 --output logits net0.ts | ts-cmp -t prob --atol 1e-5 - xyz.ts
	grep -aqF '\"mirror\":\"xyz\"' xyz.ts
}

@test "grids, nnU-Net's Gaussian, padding" {
	for o in "--grid nnunet" "--grid staggered" "--mode nnunet" "--padding reflect --roi 24,20,16" "--padding replicate --roi 24,20,16" "--padding circular --roi 24,20,16" \
		"--fill 3 --roi 24,20,16"; do
		seg-window -m model.ts $o --output logits net0.ts >o.ts
		differ -t prob o.ts net0.ts
		seg-window -m model.ts $o --threads 1 --output logits net0.ts | ts-cmp --meta - o.ts
	done
	fails 1 "seg-window: net0.ts: net0: the z axis has 13 voxels: too few to pad it with 14 of its own" seg-window -m model.ts --padding reflect --roi 12,16,40 net0.ts
	fails 1 "seg-window: net0.ts: net0: the z axis has 13 voxels: too few to pad it with 14 of its own" seg-window -m model.ts --padding circular --roi 12,16,40 net0.ts
}

@test "effort: its steps are what the page says; refine is exact where nothing is certain" {
	of_fp32
	seg-window -m model.ts --overlap 0.8 --output logits net0.ts >full.ts
	for e in "1 --overlap 0.25" "2 --overlap 0.8 --refine 0.004" "3 --overlap 0.8 --refine 0.001" "4 --overlap 0.8 --refine 0.0003" "5 --overlap 0.8"; do
		seg-window -m model.ts --effort ${e%% *} --output logits net0.ts | ts-cmp - <(seg-window -m model.ts ${e#* } --output logits net0.ts)
	done
	seg-window -m model.ts --effort 2 net0.ts >effort.ts
	[ "$(ts-info --history effort.ts | head -1)" = "seg-window --effort 2 --mode gaussian --model model.ts --output labels --roi 12,16,8 --sigma 0.125" ]
	seg-window -m model.ts --overlap 0.8 net0.ts >labels.ts
	seg-window -m model.ts --overlap 0.8 --refine 0.000001 net0.ts | ts-cmp -t pred - labels.ts
	for o in "" "--mirror xyz" "--mean prob" "--grid staggered" "--mode constant" "--mode nnunet"; do
		seg-window -m model.ts --overlap 0.8 --refine 0.01 $o --output prob net0.ts >one.ts
		seg-window --threads 1 -m model.ts --overlap 0.8 --refine 0.01 $o --output prob net0.ts | ts-cmp --meta - one.ts
	done
	seg-window -v -m model.ts --effort 5 net0.ts 2>&1 >/dev/null | grep -E '^seg-window: net0: ([0-9]+) of \1 windows; network [0-9.]+ s, all else [0-9.]+ s \([0-9.]+ %\)$'
	fails 2 "seg-window: --effort sets --overlap, --grid and --refine: give it or them (see seg-window --help)" seg-window -m model.ts --effort 3 --overlap .5 net0.ts
	fails 2 "seg-window: --refine: 0.6 is not in 1e-06..0.1 (see seg-window --help)" seg-window -m model.ts --refine 0.6 net0.ts
}

@test "air and what a mask leaves out is background" {
	h='"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"}'
	n=$((8 * 16 * 36)) # a row of three windows: air, something, air
	raw_frame "{$h,\"image\":{\"dtype\":\"U8\",\"shape\":[1,8,16,36],\"data_offsets\":[0,$n]},\"label\":{\"dtype\":\"U8\",\"shape\":[8,16,36],\"data_offsets\":[$n,$((2 * n))]}}" \
		"$(for _ in $(seq 128); do printf '\\0%.0s' {1..12}; printf '\\7%.0s' {1..12}; printf '\\0%.0s' {1..12}; done; for _ in $(seq 128); do printf '\\0%.0s' {1..24}; printf '\\2%.0s' {1..12}; done)" >row.ts
	run="seg-window -v -m model.ts --overlap 0 --output prob row.ts"
	$run >all.ts 2>log && grep -q ' 3 of 3 windows' log
	$run --skip-air 0 >air.ts 2>log && grep -q ' 1 of 3 windows' log
	$run --within label >within.ts 2>log && grep -q ' 1 of 3 windows' log
	$run --within label --skip-air 0 >none.ts 2>log && grep -q ' 0 of 3 windows' log
	differ -t prob all.ts air.ts
	differ -t prob air.ts within.ts
	seg-window -m model.ts --overlap 0 --within label --skip-air 0 row.ts | ts-cmp -t pred - <(volume a U8 8,16,36 "$(printf '\\0%.0s' {1..4608})" pred)
	# a mask that is replaced by what comes
	seg-window -m model.ts --overlap 0 --within pred <(sed 's/"label"/"pred" /' row.ts) | ts-cmp -t pred - <(seg-window -m model.ts --overlap 0 --within label row.ts)
	fails 1 "seg-window: row.ts: a: no tensor 'lungs' in this frame" seg-window -m model.ts --within lungs row.ts
	raw_frame "{$h,\"image\":{\"dtype\":\"U8\",\"shape\":[1,3,1,1],\"data_offsets\":[0,3]},\"lungs\":{\"dtype\":\"U8\",\"shape\":[1,1,3],\"data_offsets\":[3,6]}}" '\0\0\0\0\0\0' >else.ts
	fails 1 "seg-window: else.ts: a: tensor 'lungs' is on another grid than the frame's others" seg-window -m model.ts --within lungs else.ts
}

@test "rules: thresholds and the Dice rule, the same on the fly as on a stream" {
	seg-window -m model.ts --output prob net0.ts net2.ts >prob.ts
	for r in "--threshold .3" "--threshold .6 --class 1" "--rule dice" "--rule argmax"; do
		seg-window -m model.ts $r net0.ts net2.ts >fly.ts
		seg-argmax $r prob.ts | ts-cmp -t pred - fly.ts
		ts-select -t image net0.ts | seg-window -m model.ts $r >bare.ts
		[ "$(grep -acF '"prob":{' bare.ts)" = 0 ]
		ts-cmp -t pred bare.ts <(ts-select --index 0 fly.ts)
	done
	differ -t pred <(seg-window -m model.ts --rule dice net0.ts) <(seg-window -m model.ts net0.ts)
	fails 2 "seg-window: --rule and --threshold make labels: with --output prob or logits there are none (see seg-window --help)" seg-window -m model.ts --rule dice --output prob net0.ts
	fails 2 "seg-window: --output logits: with --mean prob there are none (see seg-window --help)" seg-window -m model.ts --mean prob --output logits net0.ts
	fails 1 "seg-window: no class 2 among 2" seg-window -m model.ts --threshold .5 --class 2 net0.ts
	fails 1 "seg-window: 3 thresholds for 2 classes (expected one, or one for each class but the first)" seg-window -m model.ts --threshold .5,.5,.5 net0.ts
	fails 2 "seg-window: --rule dice finds its own threshold: give it or --threshold (see seg-window --help)" seg-window -m model.ts --rule dice --threshold .5 net0.ts
}

@test "rules of several classes, one, and more than a label holds: on the fly as on a stream of probabilities or logits" {
	of_fp32
	patch() { nii-patch -s 12,16,8 -n 1 --seed 1 <(nii-phantom -n 1 --size 16,20,12 --spacing 9,9,13 --seed 3); }
	patch | seg-train --net unet --channels 4,8 --strides 2 --res-units 1 -q --seed 2 --classes 3 -o k3.ts
	patch | seg-train --net unet --channels 4,8 --strides 2 --res-units 1 -q --seed 2 --classes 1 -o k1.ts
	n=0
	while read -r m r; do
		seg-window -m $m.ts $r net0.ts net2.ts >fly.ts
		for kind in prob logits; do
			seg-window -m $m.ts --output $kind net0.ts net2.ts >scores.ts
			seg-argmax $r scores.ts | ts-cmp -t pred - fly.ts
			cat scores.ts | seg-argmax --threads 1 $r | ts-cmp -t pred - fly.ts
		done
		ts-info --stats fly.ts | grep -q 'pred .*max [12]' || { echo "nothing of $m by $r"; return 1; }
		n=$((n + 1))
	done <<-'END'
		k3 --rule argmax
		k3 --rule dice
		k3 --threshold .3,.4
		k3 --threshold .3 --class 2
		k1 --rule argmax
		k1 --rule dice
		k1 --threshold .45
	END
	[ $n = 7 ]
	ts-cmp -q -t pred <(seg-window -m k3.ts --threshold .3,.4 net0.ts) <(seg-window -m k3.ts --rule argmax net0.ts) && return 1
	fails 1 "seg-window: no class 3 among 3" seg-window -m k3.ts --threshold .3 --class 3 net0.ts
	patch | seg-train --net unet --channels 2,4 --strides 2 --seed 2 --classes 255 -q -o k255.ts
	seg-window -m k255.ts net0.ts | ts-cmp -t pred - <(seg-window -m k255.ts --output logits net0.ts | seg-argmax)
}

@test "many classes: the last convolution behind the sums of windows gives the logits that it gives before them" {
	of_fp32
	nii-phantom -n 1 --size 25,19,23 --spacing 9,9,9 --seed 3 -o many.ts
	for k in 5 118; do
		nii-patch -s 16,16,16 -n 1 --seed 1 many.ts | seg-train -q --net nnunet --channels 3,6 --strides 2 --classes $k --seed 2 -o k.ts
		for o in "--overlap .5" "--overlap .25 --mirror xz --batch 3" "--overlap .6 --grid nnunet --mode nnunet --skip-air 0" "--mode constant --overlap .8"; do
			# of two models, be they the same, logits are added up
			seg-window -m k.ts $o --output logits many.ts >behind.ts
			seg-window -m k.ts -m k.ts $o --output logits many.ts | ts-cmp -t prob --atol 1e-5 --rtol 1e-5 - behind.ts
			seg-window -m k.ts $o --threads 1 --output logits many.ts | ts-cmp --meta - behind.ts
			seg-window -m k.ts $o --threads 3 many.ts >labels.ts
			seg-argmax behind.ts | ts-cmp -t pred - labels.ts
			cat many.ts | seg-window -m k.ts $o --threads 1 | ts-cmp --meta - labels.ts
		done
	done
	seg-window -m k.ts -m k.ts --precision bf16 --output logits many.ts |
		ts-cmp -t prob --atol .1 - <(seg-window -m k.ts --precision bf16 --output logits many.ts)
}

@test "a model through a pipe, or in standard input before the scans" {
	seg-window -m model.ts net0.ts >a.ts
	seg-window -m <(cat model.ts) net0.ts | ts-cmp --data-only - a.ts
	seg-window -m - net0.ts <model.ts | ts-cmp --data-only - a.ts
	cat model.ts net0.ts | seg-window -m - | ts-cmp --data-only - a.ts
}

@test "a window that does not fit in memory; output that breaks off" {
	run seg-window -m model.ts --roi 8192,8192,8192 net0.ts
	[ "$status" = 1 ]
	[[ $output =~ ^'seg-window: roi: '(a window of 8192,8192,8192 voxels \(x,y,z\) needs [0-9]+ MB, there are [0-9]+: take a smaller --roi|not enough memory: the network needs [0-9]+ MB for this input .*)$ ]]
	run bash -c 'seg-window -m model.ts --output prob net0.ts >/dev/full'
	[ "$status" = 1 ]
	[[ $output == "seg-window: standard output: "*"No space left on device" ]]
	mkdir -p broken
	seg-window -m model.ts --overlap .95 --mirror xyz -o broken/out.ts net0.ts net0.ts net0.ts net0.ts net0.ts & p=$!
	sleep 0.3
	kill -TERM $p
	status=0
	wait $p || status=$? # not by run, whose subshell has no such child and does not wait
	[ "$status" != 0 ]
	[ -z "$(ls -A broken)" ]
}

@test "what it refuses" {
	fails 2 "seg-window: no model: give -m FILE (see seg-window --help)" seg-window net0.ts
	fails 2 "seg-window: --sigma: with --mode constant there is no Gaussian (see seg-window --help)" seg-window -m model.ts --mode constant --sigma .125 net0.ts
	fails 2 "seg-window: --fill goes with --padding constant (see seg-window --help)" seg-window -m model.ts --padding reflect --fill 0 net0.ts
	fails 2 "seg-window: --overlap: 1 is not in 0..0.999 (see seg-window --help)" seg-window -m model.ts --overlap 1 net0.ts
	fails 2 "seg-window: --overlap: -0.1 is not in 0..0.999 (see seg-window --help)" seg-window -m model.ts --overlap=-0.1 net0.ts
	fails 2 "seg-window: --overlap: 'nan' is not a finite number (see seg-window --help)" seg-window -m model.ts --overlap nan net0.ts
	fails 2 "seg-window: --class goes with one --threshold (see seg-window --help)" seg-window -m model.ts --class 2 net0.ts
	fails 1 "seg-window: nosuch.ts: cannot open: No such file or directory" seg-window -m nosuch.ts net0.ts
	fails 1 "seg-window: device 'abacus' is none of auto, cpu, cuda, cuda:N" seg-window -m model.ts --device abacus net0.ts
	fails 1 "seg-window: roi: input of 10,16,8 voxels (x,y,z) does not fit the network (layer model.1.submodule.0.conv.unit0.conv): it takes multiples of 4,4,4, as 12,16,8" seg-window -m model.ts --roi 10,16,8 net0.ts
	fails 1 "seg-window: net0.ts: is not a model: its first frame is of kind 'volume', not 'model' (offset 0)" seg-window -m net0.ts net0.ts
	head -c 70000 model.ts >cut.ts
	fails 1 "seg-window: cut.ts: ends inside a frame's data (offset 70000, expected 73076 bytes, found 66272)" seg-window -m cut.ts net0.ts
	h='"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"}'
	raw_frame "{$h,\"image\":{\"dtype\":\"F32\",\"shape\":[1,3,1,1],\"data_offsets\":[0,12]}}" '\0\0\0\0\0\0\0\0\0\0\300\177' >nan.ts
	fails 1 "seg-window: nan.ts: a: the image has values that are not finite in slice 2" seg-window -m model.ts nan.ts
	raw_frame "{$h,\"image\":{\"dtype\":\"U8\",\"shape\":[2,3,1,1],\"data_offsets\":[0,6]}}" '\0\0\0\0\0\0' >two.ts
	fails 1 "seg-window: two.ts: a: the image has 2 channels, the network (layer model.0.conv.unit0.conv) takes 1" seg-window -m model.ts two.ts
	volume a U8 3,1,1 '\0\0\0' image >three.ts
	fails 1 "seg-window: three.ts: a: tensor 'image' has 3 axes (expected [C,Z,Y,X])" seg-window -m model.ts three.ts
	volume a U8 3,1,1 '\0\0\0' label >noimage.ts
	fails 1 "seg-window: noimage.ts: a: no tensor 'image' in this frame" seg-window -m model.ts noimage.ts
	raw_frame "{$h,\"image\":{\"dtype\":\"U8\",\"shape\":[1,3,1,1],\"data_offsets\":[0,3]},\"label\":{\"dtype\":\"U8\",\"shape\":[3,1,2],\"data_offsets\":[3,9]}}" \
		'\0\0\0\0\0\0\0\0\0' >grids.ts
	fails 1 "seg-window: grids.ts: a: 'label' is on another grid than 'image' (2x1x3 against 1x1x3 voxels)" seg-window -m model.ts grids.ts
}

image() { # ID DTYPE SHAPE DATA: a frame of that image
	local n
	n=$(printf "$4" | wc -c)
	raw_frame "{\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"volume\",\"id\":\"$1\",\"affine\":\"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\"},\"image\":{\"dtype\":\"$2\",\"shape\":[$3],\"data_offsets\":[0,$n]}}" "$4"
}

@test "every type of voxels; axes of one voxel" {
	local zero='\0\0\0\0\0\0\0\0' i
	image a F32 1,1,2,2 '\0\0\0\0\0\0\200\77\0\0\200\77\0\0\0\0' >f32.ts
	seg-window -m model.ts --output prob f32.ts >want.ts
	while read -r type one; do
		i=${zero:0:$(($(printf "$one" | wc -c) * 2))}
		image a "$type" 1,1,2,2 "$i$one$one$i" >any.ts
		seg-window -m model.ts --output prob any.ts | ts-cmp - want.ts
		cat any.ts | seg-window -m model.ts --output prob | ts-cmp - want.ts
	done <<-'END'
		BOOL \1
		U8 \1
		I8 \1
		U16 \1\0
		I16 \1\0
		F16 \0\74
		BF16 \200\77
		U32 \1\0\0\0
		I32 \1\0\0\0
		U64 \1\0\0\0\0\0\0\0
		I64 \1\0\0\0\0\0\0\0
		F64 \0\0\0\0\0\0\360\77
	END
	for shape in 1,1,1,1 1,1,1,7 1,1,7,1 1,7,1,1 1,7,1,5; do
		n=$((${shape//,/*}))
		image a U8 $shape "$(printf '\\3%.0s' $(seq $n))" >thin.ts
		for o in "--output logits" "--effort 3" "--grid staggered --overlap .5 --batch 3 --mirror xyz" "--rule dice --padding replicate"; do
			seg-window -m model.ts $o thin.ts >file.ts
			cat thin.ts | seg-window -m model.ts $o | ts-cmp --meta - file.ts
			ts-info file.ts | grep -qE " \[(2,)?${shape#1,}\] "
		done
	done
}

@test "a stream whose second volume is bad: no file appears, from files, one file and a pipe" {
	cp net0.ts good.ts
	nii-phantom -n 1 --size 16,20,12 --spacing 9,9,13 --seed 3 | nii-normalize --preset lung,bone | nii-patch -s 12,16,8 -n 1 --seed 1 |
		seg-train --net unet --channels 2,4 --strides 2 --seed 2 -q -o c2.ts
	local zero='\0\0\0\0'
	image b U8 2,3,1,1 '\0\0\0\0\0\0' >two.ts
	image b U8 1,0,1,1 '' >none.ts
	image b F32 1,3,1,1 "$zero$zero\\0\\0\\200\\377" >inf.ts
	image b F32 2,2,1,1 "$zero$zero$zero\\0\\0\\300\\177" >nan2.ts
	image b U8 1,1,3,1,1 '\0\0\0' >five.ts
	mkdir -p second
	while IFS='|' read -r f text; do
		cat good.ts $f >both.ts
		fails 1 "seg-window: both.ts: b: $text" seg-window -m model.ts -o second/out.ts both.ts
		fails 1 "seg-window: $f: b: $text" seg-window -m model.ts -o second/out.ts good.ts $f
		[ -z "$(ls -A second)" ]
		fails 1 "seg-window: standard input: b: $text" bash -c 'cat both.ts | seg-window -m model.ts'
	done <<-'END'
		two.ts|the image has 2 channels, the network (layer model.0.conv.unit0.conv) takes 1
		none.ts|tensor 'image' has no voxels
		inf.ts|the image has values that are not finite in slice 2
		five.ts|tensor 'image' has 5 axes (expected [Z,Y,X] or [C,Z,Y,X])
	END
	fails 1 "seg-window: nan2.ts: b: the image has values that are not finite in slice 1 of channel 1" seg-window --force -m c2.ts nan2.ts
	fails 1 "seg-window: standard input: no frame at all: empty, or what should have written it failed" seg-window -m model.ts -o second/out.ts </dev/null
	[ -z "$(ls -A second)" ]
}

@test "models that are damaged, or give what cannot be told" {
	{ head -c -4 other.ts; printf '\0\0\300\177'; } >nanw.ts
	fails 1 "seg-window: nanw.ts: model.2.1.conv.unit0.conv.weight holds nan at place 107: not a weight" seg-window -m nanw.ts net0.ts
	{ head -c -432 other.ts; printf '\377\377\177\177%.0s' {1..108}; } >large.ts
	fails 1 "seg-window: net0.ts: net0: the network gives numbers that are not finite at slice 0" seg-window -m large.ts net0.ts
	fails 1 "seg-window: net0.ts: net0: the network gives numbers that are not finite at slice 0" seg-window -m large.ts --output prob net0.ts
	size=$(stat -c %s other.ts)
	for n in 0 3 8 100 $((size / 2)) $((size - 1)); do
		head -c $n other.ts >cut.ts
		fails 1 "$(seg-window -m cut.ts net0.ts 2>&1 >/dev/null | head -n 1)" seg-window -m cut.ts net0.ts
		[[ $(seg-window -m cut.ts net0.ts 2>&1 >/dev/null) == "seg-window: cut.ts: "* ]]
	done
	{ printf x; tail -c +2 other.ts; } >bent.ts
	run seg-window -m bent.ts net0.ts
	[ "$status" = 1 ]
	[[ ${#lines[@]} = 1 && $output == "seg-window: bent.ts: "* ]]
	head -c 196712 /dev/zero >zeros
	{ raw_frame '{"__metadata__":{"niipipe":"1","kind":"model","id":"k","replay":"[]","roi":"8,8,8","arch":"{\"_target_\": \"UNet\", \"spatial_dims\": 3, \"in_channels\": 1, \"out_channels\": 300, \"channels\": [2, 4], \"strides\": [2], \"num_res_units\": 0}"},"model.0.adn.A.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"model.0.conv.bias":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},"model.0.conv.weight":{"dtype":"F32","shape":[2,1,3,3,3],"data_offsets":[12,228]},"model.1.submodule.adn.A.weight":{"dtype":"F32","shape":[1],"data_offsets":[228,232]},"model.1.submodule.conv.bias":{"dtype":"F32","shape":[4],"data_offsets":[232,248]},"model.1.submodule.conv.weight":{"dtype":"F32","shape":[4,2,3,3,3],"data_offsets":[248,1112]},"model.2.conv.bias":{"dtype":"F32","shape":[300],"data_offsets":[1112,2312]},"model.2.conv.weight":{"dtype":"F32","shape":[6,300,3,3,3],"data_offsets":[2312,196712]}}'; cat zeros; } >k300.ts
	fails 1 "seg-window: net0.ts: net0: labels of a network with 300 classes (at most 256)" seg-window -m k300.ts net0.ts
	fails 1 "seg-window: net0.ts: net0: tensor 'prob' has 300 classes (expected 1 to 256)" seg-window -m k300.ts --rule dice net0.ts
	seg-window -m k300.ts --output prob net0.ts | ts-info | grep -qF 'prob     F32  [300,13,18,21]'
}

@test "interrupted: by signals, a reader that leaves, a full disk: the status says so, nothing is left" {
	mkdir -p stopped
	for _ in {1..30}; do cat net0.ts; done >many.ts
	for sig in INT TERM HUP; do
		for o in "" "--output prob" "--rule dice"; do
			# a shell without job control has SIGINT ignored in the background
			TMPDIR=$PWD/stopped perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' seg-window -m model.ts $o --overlap .95 --mirror xyz -o stopped/out.ts many.ts 2>err &
			p=$!
			await holds stopped
			kill -$sig $p
			status=0
			wait $p || status=$?
			[ "$status" = "$(case $sig in INT) echo 130 ;; TERM) echo 143 ;; HUP) echo 129 ;; esac)" ]
			[ -z "$(ls -A stopped)" ]
		done
	done
	for o in "" "--output prob"; do
		run bash -c 'seg-window -m model.ts '"$o"' many.ts | head -c 1000 >/dev/null; echo "${PIPESTATUS[0]}"'
		[ "$output" = 141 ]
		run bash -c 'echo old >stopped/out.ts; ulimit -f 1; seg-window -m model.ts '"${o/prob/logits}"' -o stopped/out.ts many.ts'
		[ "$status" = 1 ]
		[[ $output =~ ^'seg-window: '('stopped/out.ts: cannot write'|.*': cannot write a temporary file')' (offset '[0-9]+'): File too large'$ ]]
		[ "$(ls -A stopped) $(cat stopped/out.ts)" = "out.ts old" ]
		rm stopped/out.ts
	done
}

@test "nothing is left behind after a failure" {
	mkdir -p left
	cat net0.ts nan.ts >mixed.ts
	fails 1 "seg-window: mixed.ts: a: the image has values that are not finite in slice 2" seg-window -m model.ts -o left/out.ts mixed.ts
	[ -z "$(ls -A left)" ]
}

@test "a volume prepared otherwise is refused unless forced" {
	h='"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1","history":"[{\"tool\":\"nii-normalize\",\"args\":{\"zscore\":true}}]"}'
	raw_frame "{$h,\"image\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1],\"data_offsets\":[0,1]}}" '\1' >z.ts
	fails 1 "seg-window: z.ts: a: is not prepared as the model's training data: step 1 is nii-normalize {\"zscore\":true}, the model wants nothing" seg-window -m model.ts z.ts
	seg-window --force -m model.ts z.ts | grep -aqF '"pred"'
}

@test "progress as JSON" {
	seg-window -m model.ts --progress json net0.ts 2>log >/dev/null
	grep -q '{"tool": "seg-window", "unit": "window", "done": 8, "total": 8,' log
	seg-window -m model.ts net0.ts 2>log >/dev/null
	[ ! -s log ]
	cat net0.ts net2.ts >two.ts
	seg-window -m model.ts --progress json two.ts net1.ts 2>log >/dev/null
	grep -q '"done": 8, "total": 8, .*"note": ""' log
	grep -qE '"note": "scan 1/3, all [0-9]+:[0-9]{2}"' log
	grep -qE '"note": "scan 3/3, all [0-9]+:[0-9]{2}"' log
	cat two.ts | seg-window -m model.ts --progress json 2>log >/dev/null
	grep -q '"note": "scan 2"' log # a pipe does not say how many will come
}
