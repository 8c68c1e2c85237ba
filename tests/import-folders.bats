#!/usr/bin/env bats
# seg-import of folders: a MONAI bundle and results of nnU-Net, against MONAI and nnU-Net from file to labels (tests/golden/make_bundle.py, make_results.py), and
# what is refused.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	cp -r "$BATS_TEST_DIRNAME/golden/bundle" .
	cp "$BATS_TEST_DIRNAME"/golden/import/plans.* .
	mkdir -p more/configs Dataset006_Lung/nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres/fold_0
	cp -r bundle/models more
	cp bundle/more.json more/configs/inference.json
	cd Dataset006_Lung/nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres || return 1
	cp "$BATS_FILE_TMPDIR/plans.json" .
	cp "$BATS_FILE_TMPDIR/plans.pth" fold_0/checkpoint_final.pth
	echo '{"channel_names": {"0": "CT"}, "labels": {"background": 0, "tumour": [1], "ignore": 2}, "numTraining": 3, "file_ending": ".nii.gz"}' >dataset.json
}
setup() {
	cd "$BATS_FILE_TMPDIR" || return 1
	of_fp32
	results=Dataset006_Lung/nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres
}

frame() { ts-select --index "$2" "$BATS_TEST_DIRNAME/golden/bundle-$1.ts"; }

# A bundle like another, whose configuration perl changed.
changed() { # changed NAME PROGRAM [OF]
	rm -rf "$1"
	cp -r "${3-bundle}" "$1"
	perl -0pi -e "$2" "$1/configs/inference.json"
	! cmp -s "${3-bundle}/configs/inference.json" "$1/configs/inference.json" || { echo "unchanged: $2"; return 1; }
}

refused() { # refused BUNDLE MESSAGE [OPTION...]: what is wrong with its inference.json
	local name=$1 text=$2
	shift 2
	fails 1 "seg-import: $name/configs/inference.json: $text" seg-import "$@" "$name"
}

@test "a bundle does what MONAI does with it, from file to labels" {
	diff <(seg-import bundle/ -o spleen.ts 2>&1) - <<-'END'
		seg-import: bundle/: the weights are bundle/models/model.pt
		seg-import: bundle/: its own way to predict is seg-window --overlap 0.5 --mode constant --output prob | nii-invert --argmax
	END
	nii-read bundle/volume.nii.gz | nii-replay -m spleen.ts >prepared.ts
	ts-cmp --data-only -t image --atol 1e-5 prepared.ts <(frame inference 0)
	seg-window -m spleen.ts --overlap 0.5 --mode constant --output logits prepared.ts | ts-cmp --data-only -t prob --atol 1e-5 - <(frame inference 0)
	seg-window -m spleen.ts --overlap 0.5 --mode constant --output prob prepared.ts | nii-invert --argmax | tee mask.ts | ts-cmp --data-only -t pred - <(frame inference 1)
	nii-write -o mask.nii.gz mask.ts
	nii-read mask.nii.gz | tail -c $((22 * 13 * 18)) | cmp - <(frame inference 1 | tail -c $((22 * 13 * 18)))
	ts-info spleen.ts | grep -qF 'labels   {"0":"background","1":"spleen","2":"cyst"}'
	ts-info spleen.ts | grep -qF 'roi      12,8,8'
}

@test "all that is known of MONAI's transforms, in an order of theirs" {
	seg-import more -o more.ts 2>said
	grep -qxF "seg-import: more: its own way to predict is seg-window --overlap 0.25 --mode gaussian --padding replicate | nii-invert" said
	nii-read bundle/volume.nii.gz | nii-replay -m more.ts >prepared.ts
	ts-cmp --data-only -t image --atol 2e-5 prepared.ts <(frame more 0)
	seg-window -m more.ts --padding replicate prepared.ts | nii-invert | ts-cmp --data-only -t pred - <(frame more 1)
}

@test "options say what the bundle would" {
	seg-import -q bundle --roi 16,8,8 --replay '[]' -o roi.ts
	ts-info roi.ts | grep -qxF '  roi      16,8,8'
	ts-info roi.ts | grep -qxF '  replay   []'
	perl -0pe 's/.*"network_def": (.*?),\s*"network".*/$1/s; s/"\@classes"/3/' bundle/configs/inference.json >net.json
	changed other 's/"UNet"/"VNet"/; s/"Orientationd"/"Flipd"/; s/"SlidingWindowInferer"/"PatchInferer"/'
	changed clip 's/"clip": true/"clip": 1/'
	seg-import -q clip | ts-cmp --meta --ignore-meta history - <(seg-import -q bundle)
	seg-import -q other --arch net.json --replay '[]' --roi 12,8,8 -o other.ts
	seg-import -q bundle --replay '[]' | ts-cmp --meta --ignore-meta history --ignore-meta predict - other.ts
	seg-import -q bundle/models/model.pt --arch net.json --axes xyz | ts-cmp --data-only - other.ts
	ts-info --history roi.ts >line
	[ "$(head -n 1 line)" = "seg-import --replay '[]' --roi 16,8,8 bundle" ]
	grep -qE '^# [0-9a-f]{16}  bundle/models/model.pt$' line
}

@test "what of a bundle is not known is refused by name" {
	say=": say how volumes are prepared with --replay"
	changed b 's/"ScaleIntensityRanged"/"RandFlipd"/'
	refused b "preprocessing: RandFlipd: no transform that is known$say"
	changed b 's/"EnsureTyped"/"scripts.my.EnsureTyped"/'
	refused b "preprocessing: scripts.my.EnsureTyped: no transform that is known$say"
	changed b 's/"mode": "bilinear"/"mode": "bilinear", "diagonal": true/'
	refused b "preprocessing: Spacingd: diagonal is true (known: false)$say"
	changed b 's/"mode": "bilinear"/"mode": 3/'
	refused b "preprocessing: Spacingd: mode is neither bilinear nor nearest$say"
	changed b 's/"clip": true/"clip": true, "speed": 1/'
	refused b "preprocessing: ScaleIntensityRanged: speed is not known$say"
	changed b 's/"a_min": -57/"a_min": 300/'
	refused b "preprocessing: nii-normalize: range 300..164 is empty$say"
	changed b 's/"a_min": -57,//'
	refused b "preprocessing: ScaleIntensityRanged: a_min is not said: it should be a number$say"
	changed b 's/"pixdim": \[.*?\]/"pixdim": "\$[1.5] * 3"/s'
	refused b "preprocessing: Spacingd: pixdim is '\$[1.5] * 3': expressions are not followed$say"
	changed b 's/"\@pixdim"/"\@spacing"/'
	refused b "preprocessing: Spacingd: pixdim is '@spacing', which is not there$say"
	changed b 's/"pixdim": \[.*?\]/"pixdim": "\@pixdim"/s'
	refused b "preprocessing: Spacingd: pixdim refers to itself, or is nested more than 32 deep$say"
	changed b 's/"\$lambda x: x > -100"/"\$lambda x: x > x.mean()"/' more
	refused b "preprocessing: CropForegroundd: select_fn is '\$lambda x: x > x.mean()', not \$lambda x: x > NUMBER$say"
	changed b 's/"\$\@transforms"/"\$\@transforms + \@more"/' more
	refused b "preprocessing: transforms is '\$@transforms + @more': expressions are not followed$say"
	changed b 's/"preprocessing"/"transform"/'
	refused b "preprocessing: has no list of transforms$say"
	changed b 's/("_target_": "Compose",)/$1 "lazy": true,/'
	refused b "preprocessing: lazy transforms, which are done together, are not known$say"
	changed b 's/"\@classes"/"\$\@classes + 1"/'
	refused b "network_def: out_channels is '\$@classes + 1': expressions are not followed: say the network with --arch"
	changed b 's/"SlidingWindowInferer"/"SliceInferer"/'
	refused b "inferer: SliceInferer is of networks of two dimensions"
	changed b 's/"image_key": "image"/"image_key": "scan"/; s/"\@image_key"/"image"/g'
	refused b "preprocessing: no LoadImaged of 'scan': which key is the image is not known$say"
	changed b 's/"UNet"/"UNesT"/'
	run seg-import b
	[[ $output == "seg-import: b/configs/inference.json: architecture 'UNesT' is not known (there are "* ]]
	changed b 's/"softmax": true/"sigmoid": 1/'
	fails 1 "seg-import: b: postprocessing: 3 classes, each by itself: which labels each is made of is not said: say with --regions" seg-import b
	changed b 's/"argmax": true/"threshold": 0.5/'
	[[ $(seg-import b 2>&1) == *"3 classes, each by itself"* ]]
	changed b 's/"AsDiscreted"/"KeepLargestConnectedComponentd"/'
	seg-import b 2>&1 >/dev/null | grep -qxF 'seg-import: b: of that is left out, as it is not known: KeepLargestConnectedComponentd'
}

@test "a bundle's largest components are kept by cc-largest, before nii-invert or behind it" {
	after() { # PROGRAM COMMANDS: what follows seg-window
		changed k "$1"
		seg-import k 2>&1 >/dev/null | grep -xE "seg-import: k: its own way to predict is seg-window [^|]* [|] $2" || { echo "not: $2"; return 1; }
	}
	kept='{"_target_": "KeepLargestConnectedComponentd"' labels='("argmax": true\s*\})'
	after "s/$labels/\$1, $kept}/" 'nii-invert --argmax [|] cc-largest'
	after "s/$labels/\$1, $kept, \"applied_labels\": [2], \"connectivity\": 1, \"num_components\": 3}/" \
		'nii-invert --argmax [|] cc-largest -c 6 -k 3 --only 2'
	after "s/(?=\{\s*\"_target_\": \"Invertd\")/{\"_target_\": \"AsDiscreted\", \"argmax\": true}, $kept, \"connectivity\": 2}, /" 'cc-largest -c 18 [|] nii-invert'
	after "s/$labels/\$1, $kept, \"independent\": false}/" 'nii-invert --argmax'
	seg-import k 2>&1 >/dev/null | grep -qxF 'seg-import: k: of that is left out, as it is not known: KeepLargestConnectedComponentd'
}

@test "a bundle's weights: none, another name, two" {
	changed w 's/"a_min": -57/"a_min": -58/'
	mv w/models/model.pt w/models/last.pt
	seg-import w 2>&1 >/dev/null | grep -qxF "seg-import: w: the weights are w/models/last.pt"
	cp w/models/last.pt w/models/best.pt
	fails 1 "seg-import: w/models: has no model.pt, but 2 files of weights: say which with --weights (there are: best.pt, last.pt)" seg-import w
	seg-import w --weights best.pt 2>&1 >/dev/null | grep -qxF "seg-import: w: the weights are w/models/best.pt"
	fails 1 "seg-import: w/models: has no 'worst.pt' (there are: best.pt, last.pt)" seg-import w --weights worst.pt
	rm w/models/*
	fails 1 "seg-import: w/models: has no weights: no model.pt" seg-import w
	fails 1 "seg-import: w: is a MONAI bundle: it has no folds (--fold)" seg-import --fold 0 w
	rm w/configs/inference.json
	cp bundle/models/model.pt w/models
	fails 1 "seg-import: w: has no configs/inference.json, .yaml or .yml" seg-import w
}

@test "TorchScript: the weights in a bundle's folder, a bundle by itself, a network without one" {
	cp "$ROOT/tests/golden/bundle-script.ts" script.ts
	cp "$ROOT/tests/golden/bundle-trace.ts" trace.ts
	seg-import bundle -o b.ts 2>/dev/null
	# ckpt_export put the configs into it
	seg-import script.ts -o s.ts 2>said
	[ "$(cat said)" = "seg-import: script.ts: its own way to predict is seg-window --overlap 0.5 --mode constant --output prob | nii-invert --argmax" ]
	ts-cmp --meta --ignore-meta history s.ts b.ts
	[ "$(ts-info --history s.ts | head -1)" = "seg-import script.ts" ]
	# in the place of model.pt
	cp -r bundle t
	rm t/models/model.pt
	cp script.ts t/models/model.ts
	seg-import t 2>said | ts-cmp --meta --ignore-meta history - b.ts
	grep -qxF "seg-import: t: the weights are t/models/model.ts" said
	# no configs, and made otherwise: told what network it is
	fails 1 "seg-import: trace.ts: does not say what network it is of: it has no metadata arch (seg-import --arch says it)" seg-import trace.ts
	seg-import --arch '{"_target_": "UNet", "in_channels": 1, "out_channels": 3, "channels": [4, 6, 8], "strides": [[1, 2, 2], [2, 2, 1]], "num_res_units": 1, "norm": "batch"}' \
		--axes xyz trace.ts | ts-cmp - b.ts
	[ "$(seg-import --list script.ts | sort)" = "$(seg-import --list bundle/models/model.pt | sort)" ]
	# what is said instead of the configs
	seg-import --replay '[]' --roi 16,16,16 script.ts 2>/dev/null | ts-info | grep -q 'replay *\[\]'
	# a module of it; configs that are broken; a class that is none of its own
	[ "$(seg-import --list --key model script.ts 2>&1 | wc -l)" -gt 0 ]
	perl -0777 -pe 's/"imports"/"imports /' script.ts >broken.ts
	[[ $(seg-import broken.ts 2>&1) == "seg-import: broken.ts: extra/inference.json: line 1: "* ]]
	perl -0777 -pe 's/__torch__\.monai/__tarch__.monai/' script.ts >other.ts
	[[ $(seg-import other.ts 2>&1) == "seg-import: other.ts: asks for __tarch__.monai."*": a file of weights may hold tensors and containers alone"* ]]
}

# A bundle like another, with this YAML for its JSON.
of_yaml() { # of_yaml NAME [OF] <YAML
	rm -rf "$1"
	cp -r "${2-bundle}" "$1"
	rm "$1/configs/inference.json"
	cat >"$1/configs/inference.yaml"
}
same() { seg-import -q "$1" | ts-cmp --meta --ignore-meta history - <(seg-import -q "$2"); } # same BUNDLE BUNDLE: their models, but for history

@test "a bundle whose configuration is YAML is the same to the last bit" {
	of_yaml y <bundle/inference.yaml
	same y bundle
	diff <(seg-import y -o y.ts 2>&1) <(seg-import bundle -o b.ts 2>&1 | sed s/bundle/y/g)
	mv y/configs/inference.yaml y/configs/inference.yml
	same y bundle
	of_yaml y more <bundle/more.yaml
	same y more
	# as people write it
	perl -0pe 's/^/# by hand\n---\n/; s/image_key: image/image_key: &key image/; s/\x27\@image_key\x27/*key/g; s/a_min: -57/a_min: -0x39 # HU/; s/clip: true/clip: on/;
		s/pixdim:\n- 1.5\n- 1.25\n- 2.0\n/pixdim: &mm [1.5, "\$1 + 1", 2.0]\n/; s/"\$1 \+ 1"/125.0e-2/; s/\x27\@pixdim\x27/*mm/; s/(roi_size):\n.*?(?= +sw_)/$1: !!seq [1_2, 010, 8]\n/s' \
		bundle/inference.yaml | of_yaml y
	[ "$(grep -cE '[*]key|-0x39|clip: on|[*]mm|1_2' y/configs/inference.yaml)" -ge 9 ]
	same y bundle
	# JSON is taken where both are
	cp bundle/configs/inference.json y/configs
	echo 'a: [' >y/configs/inference.yaml
	same y bundle
	perl -0ne 'print $1 =~ s/^  //mgr =~ s/\x27\@classes\x27/3/r if /^network_def:\n(.*?)^network:/ms' bundle/inference.yaml >net.yaml
	seg-import -q bundle/models/model.pt --arch net.yaml --axes xyz | ts-cmp --data-only - <(seg-import -q bundle)
}

@test "YAML that is at fault is refused by line and column" {
	wrong() { # wrong PROGRAM MESSAGE: what perl makes of the YAML
		perl -0pe "$1" bundle/inference.yaml | of_yaml y
		fails 1 "seg-import: y/configs/inference.yaml: $2" seg-import y
	}
	wrong 's/a_min: -57/a_min: 1e-5/' "preprocessing: ScaleIntensityRanged: a_min is no number: say how volumes are prepared with --replay"
	wrong 's/\@pixdim/\@spacing/' "preprocessing: Spacingd: pixdim is '@spacing', which is not there: say how volumes are prepared with --replay"
	wrong 's/classes: 3/classes: 3\nimage_key: scan/' "line 6, column 1: key 'image_key' a second time"
	wrong 's/(classes): 3/$1: !include n.yaml/' "line 5, column 10: tag '!include' is not known"
	wrong 's/(classes): 3/$1: *three/' "line 5, column 10: alias '*three' of nothing before it"
	wrong 's/(classes): 3/$1: [3/' "line 6, column 7: did not find expected ',' or ']'"
	wrong 's/(classes): 3/$1: \xff/' "line 5, column 10: invalid leading UTF-8 octet"
	wrong 's/\z/---\n/' "line 81, column 1: a second document begins: one is read"
	wrong 's/.*/#/s' "line 2, column 1: holds nothing"
	wrong 's/^/"#" x (1 << 20) . "\n"/e' "is larger than 1048576 bytes"
	rm y/configs/inference.yaml
	mkdir y/configs/inference.yaml
	fails 1 "seg-import: y/configs/inference.yaml: cannot read: Is a directory" seg-import y
}

@test "results of nnU-Net: plans, weights, labels and the way to predict" {
	seg-import -q --arch plans.json plans.pth -o plans.ts
	diff <(seg-import $results -o results.ts 2>&1 | sed "s|$results|R|g") - <<-'END'
		seg-import: R: the weights are R/fold_0/checkpoint_final.pth
		seg-import: R: its own way to predict is seg-window --overlap 0.5 --grid nnunet --mode nnunet --mirror xyz --output logits | nii-invert --argmax
		seg-import: R: the weights are in 'network_weights'
		seg-import: R: tensors left out, as they repeat others bit for bit: 56
	END
	ts-cmp --meta --ignore-meta history --ignore-meta labels --ignore-meta channels --ignore-meta predict results.ts plans.ts
	ts-info results.ts | grep -qxF '  labels   {"0":"background","1":"tumour"}'
	# the folder of the data set holds them alone; from within
	seg-import -q Dataset006_Lung | ts-cmp --meta --ignore-meta history - results.ts
	(cd $results && seg-import -q .) | ts-cmp --meta --ignore-meta history - results.ts
	# the configuration is in the folder's name
	cp -r $results nnUNetTrainer__nnUNetPlans__3d_zscore
	seg-import -q nnUNetTrainer__nnUNetPlans__3d_zscore | ts-info | grep -qF '"zscore":"all"'
	seg-import -q $results --configuration 3d_zscore | ts-info | grep -qF '"zscore":"all"'
	# the reader that turned the volumes
	perl -pi -e 's/"dataset_name"/"image_reader_writer": "NibabelIOWithReorient", "dataset_name"/' nnUNetTrainer__nnUNetPlans__3d_zscore/plans.json
	seg-import -q nnUNetTrainer__nnUNetPlans__3d_zscore | ts-info | grep -qF '"orient":"RAS"'
	perl -pi -e 's/NibabelIOWithReorient/NaturalImage2DIO/' nnUNetTrainer__nnUNetPlans__3d_zscore/plans.json
	fails 1 "seg-import: nnUNetTrainer__nnUNetPlans__3d_zscore/plans.json: configuration 3d_zscore: image_reader_writer 'NaturalImage2DIO' is not known: say the preparation with --replay" \
		seg-import nnUNetTrainer__nnUNetPlans__3d_zscore
}

@test "names of labels and of channels, and the way to predict, go along when a model is exported, and come back" {
	seg-import -q "$results" -o own.ts
	seg-export own.ts -o own.safetensors
	seg-import -q own.safetensors | ts-cmp --meta --ignore-meta history - own.ts
	seg-export own.ts -o own.onnx
	for said in '{"0":"background","1":"tumour"}' '["CT"]' 'seg-window --overlap 0.5 --grid nnunet --mode nnunet --mirror xyz'; do
		grep -aqF "$said" own.onnx
	done
	sed 's/{\\"0\\":\\"background\\"/{\\"x\\":\\"background\\"/' own.safetensors >bad.safetensors
	fails 1 "seg-import: bad.safetensors: metadata labels: 'x' is not the number of a label (0 to 255) with a name" seg-import -q bad.safetensors
}

@test "results of nnU-Net do what nnU-Net does with them, from file to labels" {
	mkdir whole
	cp -r "$BATS_TEST_DIRNAME/golden/results" whole/nnUNetTrainer__nnUNetPlans__3d_fullres
	seg-import whole -o whole.ts 2>said
	predict="seg-window --overlap 0.5 --grid nnunet --mode nnunet --mirror xy --output logits | nii-invert --argmax"
	grep -qF "its own way to predict is $predict" said
	ts-info whole.ts | grep -qxF "  predict  $predict"
	nii-read bundle/volume.nii.gz | nii-replay -m whole.ts | eval "${predict/-window/-window -m whole.ts}" |
		ts-cmp --data-only -t pred - "$BATS_TEST_DIRNAME/golden/results.ts"
}

@test "results of TotalSegmentator: volumes are resampled before nnU-Net sees them" {
	seg-import -q --totalsegmentator whole -o total.ts
	ts-info total.ts | grep -qxF '  replay   [{"args":{"align":"zoom","interp":"linear","orient":"RAS","spacing":[1.2,1.5,2.2000000000000002],"truncate":true},"tool":"nii-resample"},{"args":{"fill":0.0,"inside":false,"margin":[0.0,0.0,0.0],"margin_voxels":[0,0,0],"min_size":[0,0,0],"multiple":[1,1,1],"nonzero":true},"tool":"nii-crop"},{"args":{"ct":[-180.0,60.0,-90.0,60.0]},"tool":"nii-normalize"}]'
	ts-info total.ts | grep -qxF '  predict  seg-window --overlap 0.5 --grid nnunet --mode nnunet | nii-invert'
	[ "$(ts-info --history total.ts | head -n 1)" = "seg-import --totalsegmentator whole" ]
	nii-read bundle/volume.nii.gz | nii-replay -m total.ts | ts-cmp --data-only - <(nii-read bundle/volume.nii.gz |
		nii-resample -s 1.2,1.5,2.2 --orient RAS --align zoom --truncate | nii-crop --nonzero | nii-normalize --ct=-180,60,-90,60)
	seg-import -q --totalsegmentator whole --replay '[]' | ts-info | grep -qxF '  replay   []'
	for n in 290:5 291:2 298:2 853:2 85:5; do
		rm -rf total
		cp -r whole total
		find total -name plans.json -exec sed -i "s/Dataset006_Lung/Dataset${n%:*}_Total/" {} +
		seg-import -q --totalsegmentator total | ts-info | grep -qxF "  predict  seg-window --overlap 0.${n#*:} --grid nnunet --mode nnunet | nii-invert"
	done
	fails 1 "seg-import: bundle: is a MONAI bundle: --totalsegmentator is of results of nnU-Net" seg-import --totalsegmentator bundle
	fails 1 "seg-import: bundle/models/model.pt: is no folder: --totalsegmentator is of one" seg-import --totalsegmentator bundle/models/model.pt
}

@test "folds: the only one, one of several, one that is not there" {
	rm -rf some
	mkdir some
	cp -r $results some/nnUNetTrainer__nnUNetPlans__3d_fullres
	r=some/nnUNetTrainer__nnUNetPlans__3d_fullres
	cp -r $r/fold_0 $r/fold_all
	mkdir $r/fold_3
	fails 1 "seg-import: $r: has weights of 2 folds: say which with --fold, one model each; seg-window takes several (there are: fold_0, fold_all)" seg-import $r
	seg-import -q $r --fold all | ts-cmp --data-only - <(seg-import -q $results)
	fails 1 "seg-import: $r: has no weights of fold '3' (there are: fold_0, fold_all)" seg-import $r --fold 3
	mv $r/fold_0/checkpoint_final.pth $r/fold_0/checkpoint_best.pth
	seg-import $r --fold 0 2>&1 >/dev/null | grep -qF "$r/fold_0/checkpoint_best.pth"
	seg-import $r --weights checkpoint_best.pth 2>&1 >/dev/null | grep -qF "$r/fold_0/checkpoint_best.pth"
	rm -r $r/fold_*
	fails 1 "seg-import: $r: has no weights: no fold_N/checkpoint_final.pth nor checkpoint_best.pth" seg-import $r
	cp -r $r some/nnUNetTrainer__nnUNetPlans__3d_lowres
	fails 1 "seg-import: some: holds 2 folders of results: name one of them (there are: nnUNetTrainer__nnUNetPlans__3d_fullres, nnUNetTrainer__nnUNetPlans__3d_lowres)" \
		seg-import some
}

@test "results that do not fit, and folders of neither kind" {
	rm -rf bad
	cp -r $results bad
	fails 1 "seg-import: bad: its name is not TRAINER__PLANS__CONFIGURATION: say which of the plans with --configuration" seg-import bad
	seg-import -q bad --configuration 3d_fullres | ts-cmp --data-only - <(seg-import -q $results)
	echo '{"labels": {"background": 0, "a": 1, "b": 2}}' >bad/dataset.json
	fails 1 "seg-import: bad: dataset.json has 3 labels, the network 2 classes" seg-import bad --configuration 3d_fullres
	echo '{"labels": {"background": 0, "whole": [1, 2], "core": 1}}' >bad/dataset.json
	fails 1 "seg-import: bad: dataset.json: regions_class_order has 0 numbers for 2 regions" seg-import bad --configuration 3d_fullres
	rm bad/dataset.json
	fails 1 "seg-import: bad/dataset.json: cannot open: No such file or directory" seg-import bad --configuration 3d_fullres
	rm bad/plans.json
	fails 1 "seg-import: $results/fold_0: is one fold of results of nnU-Net: give the folder above it, and its number with --fold" seg-import "$results/fold_0"
	fails 1 "seg-import: bad: is a folder of neither kind: it has no plans.json (results of nnU-Net), here or one below, and no configs/inference.json (a MONAI bundle)" \
		seg-import bad
	fails 1 "seg-import: plans.pth: is no folder: --fold is of one" seg-import --fold 0 plans.pth
	fails 1 "seg-import: plans.pth: is no folder: --weights is of one" seg-import --weights a plans.pth
}
