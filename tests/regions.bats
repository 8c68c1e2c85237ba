#!/usr/bin/env bats
# Regions, classes that overlap: results of nnU-Net trained by them, against nnU-Net from file to labels (tests/golden/make_regions.py); a MONAI bundle whose
# networks has several sigmoids; training; scores, against nnUNetv2_evaluate_folder (make_region_score.py).
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	cp -r "$BATS_TEST_DIRNAME"/golden/{regions,bundle} "$BATS_TEST_DIRNAME"/golden/region-score.* .
	mv regions nnUNetTrainer__nnUNetPlans__3d_fullres
	for n in 0 1; do seg-import -q nnUNetTrainer__nnUNetPlans__3d_fullres --fold $n -o fold$n.ts; done
	nii-read bundle/volume.nii.gz | nii-replay -m fold0.ts >prepared.ts
	for s in 1 2 3 4 11 12; do perl "$BATS_TEST_DIRNAME/nested.pl" $s; done | nii-normalize --range=0,400,0,1 >all.ts
	ts-select --index 0..3 all.ts >train.ts
	ts-select --index 4,5 all.ts >val.ts
	nii-patch -q -s 16,16,16 --pos 0.5 -n 400 --seed 1 train.ts >patches.ts
	seg-train $NET --log log.tsv -o model.ts patches.ts
}
setup() {
	cd "$BATS_FILE_TMPDIR" || return 1
	of_fp32
	results=nnUNetTrainer__nnUNetPlans__3d_fullres
}
export NET="--device cpu --precision fp32 --channels 4,8,16 --loss nnunet --regions whole=1,2,3/core=2,3/inner=3 --lr 2e-2 --batch 2 --val val.ts --val-every 100"

golden() { ts-select --index "$1" "$BATS_TEST_DIRNAME/golden/regions.ts"; }

@test "results of nnU-Net by regions do what nnU-Net does, one fold and two" {
	own="--overlap 0.5 --grid nnunet --mode nnunet --mirror xy --output logits"
	seg-import $results --fold 0 2>&1 >/dev/null | grep -qF "its own way to predict is seg-window $own | nii-invert --argmax"
	ts-info fold0.ts | grep -qxF '  labels   {"0":"background","1":"rest of kidney","2":"tumor","3":"rest of masses"}'
	ts-info fold0.ts | grep -qxF '  regions  [{"label":1,"labels":[1,2,3],"name":"kidney","order":0},{"label":3,"labels":[2,3],"name":"masses","order":1},{"label":2,"labels":[2],"name":"tumor","order":2}]'
	seg-window -m fold0.ts --precision fp32 $own prepared.ts >logits.ts
	nii-invert --argmax logits.ts | tee pred.ts | ts-cmp --data-only -t pred - <(golden 0)
	nii-invert logits.ts | seg-argmax | ts-cmp --data-only -t pred - pred.ts
	seg-window -m fold0.ts -m fold1.ts --precision fp32 $own prepared.ts | nii-invert --argmax | ts-cmp --data-only -t pred - <(golden 1)
	ts-info pred.ts | grep -qF '"2":"tumor"'
	[ "$(ts-info pred.ts | grep -c regions)" = 0 ]
	"$ROOT/pipelines/segment.sh" --precision fp32 -d masks -m fold1.ts fold0.ts bundle/volume.nii.gz 2>said
	grep -qF "predicts as its own program does" said
	nii-read masks/volume.nii.gz | tail -c $((22 * 13 * 18)) | cmp - <(golden 1 | tail -c $((22 * 13 * 18)))
}

@test "labels and scores of regions agree, whatever the way to them" {
	for mean in logits prob; do
		both="-m fold0.ts -m fold1.ts --mirror x --mean $mean --precision fp32"
		seg-window $both prepared.ts >labels.ts
		seg-window $both --output prob prepared.ts >prob.ts
		seg-argmax prob.ts | ts-cmp --data-only -t pred - labels.ts
		seg-argmax --threshold 0.3,0.6,0.4 prob.ts | ts-cmp --data-only -t pred - <(seg-window $both --threshold 0.3,0.6,0.4 prepared.ts)
		seg-argmax --rule dice prob.ts | ts-cmp --data-only -t pred - <(seg-window $both --rule dice prepared.ts)
	done
	seg-window -m fold0.ts --precision fp32 --output prob prepared.ts >p0.ts
	seg-window -m fold0.ts --precision fp32 --output logits prepared.ts >l0.ts
	# a probability is the logit's sigmoid: nothing of a softmax
	perl -e 'local $/; my @v = map { open my $f, "<:raw", $_; [unpack "f<*", substr <$f>, -37632] } @ARGV; for (0..$#{$v[0]}) { abs($v[0][$_] - 1 / (1 + exp -$v[1][$_])) < 1e-6 or die "$_: $v[0][$_]" }' p0.ts l0.ts
	each() { seg-window -m "$1" --mean prob --output prob --precision fp32 prepared.ts; }
	seg-argmax <(each fold0.ts) <(each fold1.ts) | ts-cmp --data-only -t pred - <(seg-window -m fold0.ts -m fold1.ts --mean prob --precision fp32 prepared.ts)
	fails 1 "seg-argmax: prob.ts: volume: 2 thresholds for 3 regions (expected one, or one for each)" seg-argmax --threshold 0.5,0.2 prob.ts
	fails 1 "seg-argmax: prob.ts: volume: --class has no meaning with regions: a threshold is that of all or of each" seg-argmax --threshold 0.5 --class 2 prob.ts
	seg-argmax --keep-prob prob.ts | ts-info | grep -q regions
	each() { seg-window -m "$1" --output "$2" --precision fp32 prepared.ts; }
	seg-argmax --mean prob --keep-prob <(each fold0.ts logits) <(each fold1.ts logits) | ts-cmp --data-only --atol 1e-6 - <(seg-argmax --keep-prob <(each fold0.ts prob) <(each fold1.ts prob))
}

@test "--effort looks where a region is not sure" {
	for s in 1 2 3; do perl "$BATS_TEST_DIRNAME/nested.pl" $s; done | nii-normalize --range=0,400,0,1 | nii-resample -q -s 0.4,0.4,0.4 >large.ts
	for mean in logits prob; do
		seg-window -q -m model.ts --force --overlap 0.8 --mean $mean --precision fp32 large.ts >full.ts
		seg-window -v -m model.ts --force --effort 2 --mean $mean --precision fp32 large.ts 2>said >few.ts
		awk '/windows/ { ran += $3; of += $5 } END { exit !(ran < 0.9 * of) }' said || { cat said; return 1; }
		ts-select -t pred full.ts >a.ts && nii-write -q -d full a.ts && ts-select -t pred few.ts >b.ts && nii-write -q -d few b.ts
		seg-score --regions 1,2,3/2,3/3 --metrics dice --min dice=0.98 full few >/dev/null
	done
}

@test "outside of a box that was cut out there is background, by every rule" {
	nii-crop --box 6,6,4,18,18,12 val.ts >cut.ts
	for kind in logits prob; do
		seg-window -q --force -m model.ts --precision fp32 --output $kind cut.ts >inside.ts
		for rule in "" "--rule dice" "--threshold 0.5" "--threshold 0.01"; do
			nii-invert inside.ts | seg-argmax $rule | ts-cmp --data-only -t pred - <(seg-argmax $rule inside.ts | nii-invert)
		done
	done
}

@test "what would be wrong is refused: other regions, a rule of classes, metadata that do not fit" {
	remade() { perl -0777 -pe 'BEGIN { $a = shift; $b = shift } $n = unpack "Q<", $_; $h = substr $_, 8, $n, ""; $h =~ s/\Q$a\E/$b/ or die; substr($_, 0, 8) = pack("Q<", length $h) . $h' "$@"; }
	seg-window -m fold0.ts --precision fp32 --output prob prepared.ts >p0.ts
	seg-window -m fold1.ts --precision fp32 --output prob prepared.ts >p1.ts
	remade 'name\":\"kidney' 'name\":\"kidnee' fold1.ts >other.ts
	fails 1 "seg-window: other.ts: has other regions than fold0.ts: models of different jobs" seg-window -m fold0.ts -m other.ts prepared.ts
	remade '"regions"' '"rejoins"' fold1.ts >none.ts
	fails 1 "seg-window: none.ts: has other regions than fold0.ts: models of different jobs" seg-window -m fold0.ts -m none.ts prepared.ts
	remade '[2,3]' '[2,4]' fold1.ts >some.ts
	seg-window -q -m some.ts prepared.ts >/dev/null
	remade '\"order\":1' '\"order\":2' fold1.ts >bad.ts
	fails 1 "seg-window: bad.ts: metadata regions: region 'tumor' has no place of its own in their order, from 0" seg-window -m bad.ts prepared.ts
	remade '},{\"label\":2,\"labels\":[2],\"name\":\"tumor\",\"order\":2}]' '}]' fold1.ts >two.ts
	fails 1 "seg-window: two.ts: has 2 regions, and a network of 3 classes" seg-window -m two.ts prepared.ts
	remade 'name\":\"kidney' 'name\":\"kidnee' p1.ts >q1.ts
	fails 1 "seg-argmax: q1.ts: volume: one has other regions than the other: scores of different jobs" seg-argmax p0.ts q1.ts
	fails 1 "seg-window: 2 thresholds for 3 regions (expected one, or one for each)" seg-window -m fold0.ts --threshold 0.1,0.2 prepared.ts
}

@test "a dataset.json that nnU-Net would not take, and regions that are not the network's" {
	cp -r $results bad
	refused() { # LABELS MESSAGE
		echo "{\"labels\": {\"background\": 0, $1}" >bad/dataset.json
		fails 1 "$2" seg-import bad --configuration 3d_fullres --fold 0
	}
	refused '"a": [1, 2], "b": [2], "c": 3}' "seg-import: bad: dataset.json: regions_class_order has 0 numbers for 3 regions"
	refused '"a": [1, 2], "b": [2]}, "regions_class_order": [1, 2]' "seg-import: bad: 2 regions, and a network of 3 classes"
	refused '"a": [1, "two"]}, "regions_class_order": [1]' "seg-import: bad: dataset.json: region 'a': its labels are no numbers from 1 to 255"
	refused '"a": "one"}' "seg-import: bad: dataset.json: label 'a' is no number of 0 to 255"
	fails 1 "seg-import: $results: 2 regions, and a network of 3 classes" seg-import --fold 0 --regions 1,2/2 $results
	fails 1 "seg-import: --regions: '1,x' is no list of labels from 1 to 255 (1,2,3/2,3/3), and no file" seg-import --fold 0 --regions 1,x $results
	seg-import -q --fold 0 --regions $results/dataset.json $results | ts-cmp --meta --ignore-meta history - fold0.ts
	rm -r bad
}

@test "a bundle of several sigmoids: --regions says which labels they are, in the order of what is in what" {
	perl -0pi -e 's/"softmax": true/"sigmoid": true/; s/"argmax": true/"threshold": 0.5/' bundle/configs/inference.json
	fails 1 "seg-import: bundle: postprocessing: 3 classes, each by itself: which labels each is made of is not said: say with --regions" seg-import bundle
	seg-import --regions tc=1,4/wt=1,2,4/et=4 bundle -o brats.ts 2>said
	grep -qF "its own way to predict is seg-window --overlap 0.5 --mode constant --output prob | nii-invert | seg-argmax --threshold 0.5" said
	ts-info brats.ts | grep -qxF '  labels   {"0":"background","1":"rest of tc","2":"rest of wt","4":"et"}'
	nii-read bundle/volume.nii.gz | nii-replay -m brats.ts >b.ts
	seg-window -m brats.ts --precision fp32 b.ts >pred.ts
	seg-window -m brats.ts --precision fp32 --output logits b.ts >logits.ts
	perl -e 'local $/; open F, "<:raw", "pred.ts"; $p = <F>; open F, "<:raw", "logits.ts"; $l = <F>; $n = unpack "Q<", $p; @p = unpack "C*", substr $p, 8 + $n;
		$n = unpack "Q<", $l; @l = unpack "f<*", substr $l, 8 + $n; $v = @l / 3; die unless @p == $v;
		for (0..$v-1) { $is = $l[2*$v+$_] > 0 ? 4 : $l[$_] > 0 ? 1 : $l[$v+$_] > 0 ? 2 : 0; $seen{$is}++; $is == $p[$_] or die "voxel $_: $p[$_], not $is" } die if keys %seen < 3'
	"$ROOT/pipelines/segment.sh" --precision fp32 -d masks brats.ts bundle/volume.nii.gz 2>/dev/null
	seg-window -m brats.ts --precision fp32 --overlap 0.5 --mode constant --output prob b.ts | nii-invert | seg-argmax --threshold 0.5 | nii-write -q -o own.nii.gz
	cmp <(nii-read own.nii.gz | tail -c $((22 * 13 * 18))) <(nii-read masks/volume.nii.gz | tail -c $((22 * 13 * 18)))
}

@test "a model of regions survives export and import" {
	seg-export fold0.ts -o out.safetensors
	seg-import -q out.safetensors | ts-cmp --meta --ignore-meta history --ignore-meta predict --ignore-meta channels - fold0.ts
	seg-export model.ts -o out.onnx
	grep -qa '"name":"core"' out.onnx
}

@test "seg-train --regions: validation is the mean Dice of the regions, the model segments by them" {
	seg-window -m model.ts --precision fp32 val.ts -o pred.ts
	seg-score --regions whole=1,2,3/core=2,3/inner=3 --metrics dice --min dice=0.85 pred.ts >scores.tsv
	mean=$(awk '$1 ~ /^case/ { sum += $3; n++ } END { printf "%.4f", sum / n }' scores.tsv)
	[ "$(awk -F '\t' 'END { print $7 }' log.tsv)" = "$mean" ]
	ts-info model.ts | grep -qxF '  labels   {"0":"background","1":"rest of whole","2":"rest of core","3":"inner"}'
	ts-info --history model.ts | grep -qF -e "--regions '[{\"label\":1,\"labels\":[1,2,3],\"name\":\"whole\",\"order\":0}"
	seg-argmax <(seg-window -m model.ts --precision fp32 --output prob val.ts) | ts-cmp --data-only -t pred - pred.ts
}

@test "segment.sh leaves regions whole: a label is what one has beside others within it" {
	for s in 11 12; do perl "$BATS_TEST_DIRNAME/nested.pl" $s; done >raw.ts
	nii-write -q -t image -d scans raw.ts
	seg-train -q ${NET% --val val.ts*} --steps 20 -o specks.ts patches.ts
	"$ROOT/pipelines/segment.sh" --precision fp32 -d own specks.ts scans/*.nii.gz >/dev/null
	nii-normalize --range=0,400,0,1 raw.ts | seg-window -m specks.ts --effort 3 --precision fp32 >specks
	fails 1 "" ts-cmp -q --data-only -t pred specks <(cc-largest specks)
	nii-invert specks | nii-write -q -t pred -d plain
	for i in 11 12; do cmp <(nii-read own/case$i.nii.gz | tail -c 9216) <(nii-read plain/case$i.nii.gz | tail -c 9216); done
}

@test "a training by regions that was broken off goes on to the same bytes; on others it does not" {
	nii-patch -q -s 16,16,16 --pos 0.5 -n 40 --seed 2 train.ts >few.ts
	net=${NET% --val val.ts*}
	seg-train -q $net -o whole.ts few.ts
	nii-patch -q -s 16,16,16 --pos 0.5 -n 40 --seed 2 train.ts | seg-train -q $net --steps 8 -o half.ts
	nii-patch -q -s 16,16,16 --pos 0.5 -n 40 --seed 2 --skip 16 train.ts | seg-train -q --device cpu --resume half.last.ts --steps 20 -o rest.ts
	seg-train -q $net --steps 20 -o steps.ts few.ts
	ts-cmp rest.last.ts steps.last.ts
	fails 1 "seg-train: half.last.ts: was trained on other regions (--init takes the weights alone)" seg-train -q --device cpu --resume half.last.ts --regions 1,2,3/2,3/3 -o n.ts few.ts
	seg-train -q --init half.ts --steps 1 --device cpu -o init.ts few.ts
	ts-info init.ts | grep -q '"name":"inner"'
	seg-train --init half.ts --steps 1 --regions 1,2,3/3 --device cpu -o two.ts few.ts 2>said
	grep -qF "has 3 classes, not 2: what begins anew is" said
	seg-train -q --init half.ts --steps 1 --classes 4 --device cpu -o plain.ts few.ts
	[ "$(ts-info plain.ts | grep -c regions)" = 0 ]
}

@test "a plan's network by regions, with deep supervision; train.sh goes on with it" {
	echo '{"labels": {"background": 0, "all": [1, 2, 3], "core": [2, 3], "inner": 3}, "regions_class_order": [1, 2, 3]}' >three.json
	nii-write -q -t image -d images train.ts && nii-write -q -t label -d labels train.ts
	for n in 1 2 3 4; do printf 'case%d\timages/case%d.nii.gz\tlabels/case%d.nii.gz\n' $n $n $n; done >cases.tsv
	seg-plan -q -L cases.tsv -o plan.json
	$ROOT/pipelines/train.sh -d run -n 4 --patch '-s 16,16,16 --oversample 0.5 --seed 1 --regions three.json' \
		--train "--plan plan.json --recipe nnunet --regions three.json --batch 2 --device cpu" train.ts
	ts-info run/model.ts | grep -qF '"num_classes":3' && ts-info run/model.ts | grep -qF '"name":"core"'
	nii-patch -q -s 16,16,16 --oversample 0.5 --seed 1 --regions three.json -n 4 train.ts |
		seg-train -q --plan plan.json --recipe nnunet --regions three.json --batch 2 --device cpu --steps 1 -o first.ts
	nii-patch -q -s 16,16,16 --oversample 0.5 --seed 1 --regions three.json --skip 2 -n 4 train.ts |
		seg-train -q --resume first.last.ts --plan plan.json --device cpu --steps 2 -o second.ts
}

@test "seg-train --regions refuses labels in none, other classes, losses of a softmax" {
	net="--device cpu --channels 4,8 --strides 2"
	run seg-train -q $net --regions 1,2/2 -o n.ts patches.ts
	[ "$status" -eq 1 ]
	[[ "$output" == "seg-train: patches.ts: "*": label 3 at voxel "*" of the patch (in no region)" ]]
	fails 2 "seg-train: --regions are 3: --classes says otherwise (see seg-train --help)" seg-train -q $net --regions 1,2,3/2,3/3 --classes 2 -o n.ts patches.ts
	fails 2 "seg-train: --regions: '1,,2' is no list of labels from 1 to 255 (1,2,3/2,3/3), and no file (see seg-train --help)" seg-train --regions 1,,2 -o n.ts patches.ts
	fails 1 "seg-train: --no-background has no meaning with regions" seg-train -q $net --regions 1,2,3/2,3/3 --no-background -o n.ts patches.ts
	fails 1 "seg-train: --regions: 3 given, the network has 2 classes" seg-train -q --device cpu --arch '{"_target_": "UNet", "channels": [4, 8], "strides": [2], "out_channels": 2}' --regions 1,2,3/2,3/3 -o n.ts patches.ts
	fails 1 "seg-train: DiceCELoss: its cross entropy is a softmax's: not of regions (--loss dicece has a sigmoid's)" seg-train -q $net --regions 1,2,3/2,3/3 --loss-config '{"_target_": "DiceCELoss", "sigmoid": true}' -o n.ts patches.ts
	seg-train -q $net --regions 1,2,3/2,3/3 --loss-config '{"_target_": "DiceLoss", "sigmoid": true, "smooth_nr": 0, "squared_pred": true}' --steps 1 -o n.ts patches.ts
	echo '{"labels": {"background": 0, "all": [1, 2], "two": 2, "ignore": 3}, "regions_class_order": [1, 2]}' >dataset.json
	seg-train -q $net --regions dataset.json --steps 1 -o n.ts patches.ts
	ts-info --history n.ts | grep -qF -e '--ignore-label 3'
	for t in "seg-train $net -o n.ts" "nii-patch --oversample 1"; do
		fails 2 "${t%% *}: --regions: label 2 is ignored, and in a region (see ${t%% *} --help)" $t --regions 1,2,3/2,3/3 --ignore-label 2 patches.ts
	done
}

@test "nii-patch --regions: one of the regions that are there, one of its voxels, each as often" {
	echo '{"labels": {"background": 0, "all": [1, 2, 3], "three": [3]}, "regions_class_order": [1, 3]}' >two.json
	nii-patch -q -s 1,1,1 --oversample 1 --regions two.json -n 6000 --seed 3 train.ts | perl -e 'local $/; $_ = <STDIN>; while (length) { $n = unpack "Q<", $_; substr($_, 0, 8 + $n) = "";
		$c[unpack "x4C", $_]++; substr($_, 0, 5) = "" } print join(" ", map { $_ // 0 } @c[0..3]), "\n"' >counts
	# boxes of 27, 343 - 27, 1331 - 343 voxels: of all: 1331; half of the patches are around all, half around three
	perl -lane '$t = 6000; @p = (0, 0.5 * 988 / 1331, 0.5 * 316 / 1331, 0.5 + 0.5 * 27 / 1331);
		for (1..3) { abs($F[$_] - $t * $p[$_]) < 4 * sqrt($t * $p[$_] * (1 - $p[$_])) or die "label $_: $F[$_]" } die if $F[0]' counts
	nii-patch -q -s 4,4,4 --oversample 0.5 --regions 7/8 -n 10 --seed 3 train.ts >/dev/null # nothing there: anywhere
	fails 2 "nii-patch: --regions has no meaning with --pos (see nii-patch --help)" nii-patch -s 4,4,4 --pos 0.5 --regions 1/2 -n 1 train.ts
	fails 2 "nii-patch: --regions: '1,' is no list of labels from 1 to 255 (1,2,3/2,3/3), and no file (see nii-patch --help)" nii-patch -s 4,4,4 --oversample 1 --regions 1, -n 1 train.ts
}

@test "experiments by regions: trained, scored and post-processed by them" {
	mkdir exp
	nii-write -q -t image -d exp/imagesTr all.ts
	nii-write -q -t label -d exp/labelsTr all.ts
	small=(DATA=exp STEPS=2 BATCH=1 "PATCH=16,16,16" EVERY=2 NORMALIZATION=zscore "NET_unet=--net unet --channels 4,8 --strides 2" "REGIONS=whole=1,2,3/inner=3")
	make -s -f "$ROOT/pipelines/hackathon.mk" OUT=exp/h NETS=unet "${small[@]}" exp/h/comparison.tsv
	[ "$(cut -f 8 exp/h/comparison.tsv | tr '\n' ' ')" = "label whole inner " ]
	ts-info exp/h/train/*/model.ts | grep -qF '"name":"whole"'
	make -s -f "$ROOT/pipelines/cross-validate.mk" OUT=exp/c FOLDS=2 NET=unet "${small[@]}" exp/c/table.tsv
	[ "$(grep '^all folds' exp/c/table.tsv | cut -f 8 | tr '\n' ' ')" = "whole inner " ]
	grep -qE '^(cat|cc-largest)' exp/c/components
	[ -s exp/c/chosen/only-1,2,3.tsv ]
	run make -s -f "$ROOT/pipelines/hackathon.mk" OUT=exp/n DATA=exp "REGIONS=a b=1/2"
	[[ $output == *"hackathon.mk: REGIONS=a b=1/2: no blanks or quotes there: a file, as dataset.json, may have them"* ]]
}

@test "seg-score --regions: nnUNetv2_evaluate_folder's numbers, a row a region" {
	seg-score --regions region-score.json --json region-score.ts >scores.json
	grep -v ^mean region-score.tsv >expected.tsv
	awk -F '\t' -v rtol=1e-8 -f "$ROOT/tests/score.awk" scores.json expected.tsv
	seg-score --regions region-score.json --metrics dice,iou region-score.ts >scores.tsv
	diff <(grep ^mean scores.tsv) <(awk -F '\t' -v OFS='\t' '/^mean/ { print $1, $2, sprintf("%.6g", $3), sprintf("%.6g", $4) }' region-score.tsv)
	# a region by itself, as the labels' union
	for l in 1,2,3:whole 2,3:core 3:enhancing; do
		seg-score --regions x=${l%:*} --metrics dice,volume,diameter,surface region-score.ts | sed "s/\tx\t/\t${l#*:}\t/" | grep "^case0"
	done >ones.tsv
	seg-score --regions whole=1,2,3/core=2,3/enhancing=3 --metrics dice,volume,diameter,surface region-score.ts | grep "^case0" | diff - ones.tsv
	# a label that counts nowhere, of regions that are given and of labels: enhancing is label 3
	diff <(seg-score --regions region-score.json region-score.ts) <(seg-score --regions whole=1,2,3/core=2,3/enhancing=3 --ignore-label 4 region-score.ts)
	diff <(seg-score --regions region-score.json region-score.ts | grep enhancing | sed 's/enhancing/3/') <(seg-score --ignore-label 4 --labels 3 region-score.ts | awk '$2 == 3')
	[ "$(seg-score --ignore-label 4 --metrics dice region-score.ts | cut -f 2 | sort -u | tr '\n' ' ')" = "1 2 3 label " ]
	fails 2 "seg-score: --ignore-label: label 3 is ignored, and in a region (see seg-score --help)" seg-score --regions 1/3 --ignore-label 3 region-score.ts
	fails 1 "seg-score: mean dice of region enhancing is 0.419935, below 0.43" seg-score --regions region-score.json --min dice=0.43 region-score.ts
	seg-score --regions region-score.json --lesions region-score.ts | awk -F '\t' 'NR > 1 && $2 !~ /^(whole|core|enhancing)$/ { exit 1 }'
	seg-score --compare --metrics dice scores.tsv scores.tsv >compared.tsv
	[ "$(cut -f 2 compared.tsv | tr '\n' ' ')" = "label core enhancing whole " ]
	seg-score --compare --json scores.tsv scores.tsv | grep -qF '"label": "core"'
	fails 2 "seg-score: --regions says what is scored: --labels, --allow and --union have no meaning with it (see seg-score --help)" seg-score --regions 1/2 --union region-score.ts
	fails 2 "seg-score: --regions: '0' is no list of labels from 1 to 255 (1,2,3/2,3/3), and no file (see seg-score --help)" seg-score --regions 0 region-score.ts
}

@test "a report calls regions by their names" {
	seg-score --regions 'a&b=1,2,3/core=2,3' region-score.ts >scores.tsv
	seg-report -s scores.tsv -o report.html
	grep -qF 'Label a&#38;b' report.html
	[ "$(grep -c 'Label a&b' report.html)" = 0 ]
}
