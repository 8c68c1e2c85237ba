#!/usr/bin/env bats
# Cases of several images, a file a channel: PET and CT, phases of a CT. tests/golden/channels is nnU-Net's (make_channels.py).
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	nii-phantom --pet -n 3 -s 32,32,24 --volume 20,80 --healthy 0 --seed 9 -o p.ts
	mkdir data
	nii-write -t image --split -d data/imagesTr p.ts
	nii-write -t label -d data/labelsTr p.ts
	nii-read --pairs --print data/imagesTr/* data/labelsTr/* >cases.tsv
	nii-read --channels CT,PET -L cases.tsv -o cases.ts
	nii-normalize --channel 0 --window=-1000,400 cases.ts | nii-normalize --channel 1 --zscore -o prepared.ts
	nii-patch -s 16,16,16 --pos 0.5 -n 2 --seed 1 prepared.ts | seg-train --net unet --channels 4,8 --strides 2 -o model.ts
}

setup() {
	cd "$BATS_FILE_TMPDIR" || exit
	G=$ROOT/tests/golden/channels
	a=data/imagesTr/phantom-0001_0000.nii.gz b=data/imagesTr/phantom-0001_0001.nii.gz
}

meta() { ts-info --json "$1" | tr -d '\\' | grep -oE "\"$2\":(\"\[[^]]*\]\"|\"[^\"]*\"|\[[^]]*\])" | head -n 1 | cut -d: -f 2- | sed 's/^"\[/[/; s/\]"$/]/'; } # meta FRAME KEY

@test "files of a case become channels, in their order" {
	[ "$(meta cases.ts shape)" = "[2,24,32,32]" ]
	[ "$(meta cases.ts channels)" = '["CT","PET"]' ]
	ts-cmp --data-only cases.ts p.ts # --split and back
	nii-read --channels 2 "$a" "$b" -l data/labelsTr/phantom-0001.nii.gz | ts-cmp --data-only - <(ts-select --index 0 cases.ts)
	nii-read --channels 2 data/imagesTr/* -o three.ts
	[ "$(ts-info --json three.ts | grep -oE '^[^}]*"id":"[^"]*"' | grep -oE 'phantom-000.' | tr '\n' ' ')" = "phantom-0001 phantom-0002 phantom-0003 " ]
	nii-read --id x --channels 2 "$b" "$a" -o turned.ts # with --id they are what one says
	ts-cmp --data-only <(nii-write -t image --split -d turned turned.ts; nii-read --channels 2 --id x turned/*) turned.ts
	ts-cmp --data-only <(nii-read --id x turned/x_0000.nii.gz) <(nii-read --id x "$b")
	echo '{"channel_names": {"0": "CT", "1": "PET"}}' >dataset.json
	nii-read --channels dataset.json "$a" "$b" | ts-cmp --data-only - <(nii-read --channels CT,PET "$a" "$b")
	[ "$(nii-read --channels dataset.json "$a" "$b" | meta - channels)" = '["CT","PET"]' ]
}

@test "the history has every file and its hash; its line makes the frame again" {
	nii-read --channels CT,PET -l data/labelsTr/phantom-0001.nii.gz "$a" "$b" -o one.ts
	ts-info --history one.ts >said
	[ "$(head -n 1 said)" = "nii-read --id phantom-0001 --channels CT,PET --label data/labelsTr/phantom-0001.nii.gz $a $b" ]
	[ "$(grep -c '^# ' said)" = 3 ]
	eval "$(head -n 1 said)" | cmp - one.ts
	nii-normalize --channel 1 --zscore one.ts | nii-crop --channel 0 --above=-500 | ts-info --history | grep -F '| nii-normalize --channel 1 --zscore | nii-crop --above=-500 --channel 0'
	ts-select --drop image one.ts >mask.ts
	fails 1 "nii-write: mask.ts: phantom-0001: $b: is the scan itself: label does not replace it" nii-write -t label -o "$b" mask.ts
	fails 1 "nii-write: mask.ts: phantom-0001: $a: is the scan itself: label does not replace it" nii-write -t label -o "$a" mask.ts
}

@test "a table of cases: further images from the fourth column on, the label may be empty" {
	[ "$(head -n 1 cases.tsv)" = "$(printf 'id\timage\tlabel\timage2')" ]
	printf 'a\t%s\t\t%s\n' "$a" "$b" >table.tsv
	nii-read -L table.tsv | ts-cmp --data-only - <(nii-read --channels 2 "$a" "$b")
	cut -f 1-3 cases.tsv >plain.tsv
	nii-read --pairs --print data/imagesTr/*_0000* data/labelsTr/* | cmp - plain.tsv # one file a case
	seg-score -L cases.tsv data/labelsTr | awk -F'\t' '$2 == "mean" || $1 == "mean" { n++; exit $3 != 1 } END { exit !n }'
	table() { printf "$@" >bad.tsv; }
	table 'a\tx.nii\t\ty.nii\t\n'
	fails 1 "nii-read: bad.tsv: line 1: image 3 of 3 is empty" nii-read -L bad.tsv
	table 'id\timage\tlabel\timage3\n'
	fails 1 "nii-read: bad.tsv: line 1: a heading of other columns than id, image and label" nii-read -L bad.tsv
	table 'id\ttruth\tpred\na\tx.nii\ty.nii\tz.nii\n'
	fails 1 "seg-score: bad.tsv: line 2: expected id, truth and pred with tabs between them, found 4 fields" seg-score -L bad.tsv
	table 'a\tx.nii\ty.nii\tz.nii\n'
	fails 1 "seg-score: bad.tsv: a: has more than id, truth and prediction" seg-score -L bad.tsv
	fails 1 "nii-read: table.tsv: a: $a: is a case of 2 files (--channels says 3)" nii-read --channels 3 -L table.tsv
	fails 1 "nii-read: plain.tsv: phantom-0001: $PWD/$a: is a case of 1 file (--channels says 2)" nii-read --channels CT,PET -L plain.tsv
}

@test "--pairs: nnU-Net's numbers, ID_pet, ids that end in a number themselves, channels that are missing" {
	mkdir -p odd/imagesTr odd/labelsTr one each/k
	cp "$a" odd/imagesTr/case_0007.nii.gz # its id, and no channel 7
	cp data/labelsTr/phantom-0001.nii.gz odd/labelsTr/case_0007.nii.gz
	nii-read --pairs --print odd/imagesTr/* odd/labelsTr/* | cmp - <(printf 'id\timage\tlabel\ncase_0007\t%s\t%s\n' "$PWD/odd/imagesTr/case_0007.nii.gz" "$PWD/odd/labelsTr/case_0007.nii.gz")
	mv odd/imagesTr/case_0007.nii.gz odd/imagesTr/case_0007_0000.nii.gz
	cp "$b" odd/imagesTr/case_0007_0001.nii.gz
	[ "$(nii-read --pairs --print odd/imagesTr/* odd/labelsTr/* | sed 1d | cut -f 1,4)" = "$(printf 'case_0007\t%s' "$PWD/odd/imagesTr/case_0007_0001.nii.gz")" ]
	for end in ct:$a pet:$b gtv:data/labelsTr/phantom-0001.nii.gz; do
		cp "${end#*:}" "one/k_${end%%:*}.nii.gz"
		cp "${end#*:}" "each/k/${end%%:*}.nii.gz"
	done
	nii-read --pairs one/* | ts-cmp --data-only - <(ts-select --index 0 cases.ts)
	nii-read --pairs each/*/* | ts-cmp --data-only - <(ts-select --index 0 cases.ts)
	# BraTS and AutoPET
	mkdir -p brats auto/p1
	for n in brats/a_t1 brats/a_t1ce brats/a_t2 brats/a_flair brats/a_seg brats/b-t1n brats/b-t1c brats/b-t2w brats/b-t2f brats/b-seg auto/p1/CTres auto/p1/SUV auto/p1/SEG; do : >$n.nii.gz; done
	nii-read --pairs --print brats/* | sed "1d; s#$PWD/brats/##g; s/[.]nii[.]gz//g" | cmp - <(printf 'a\ta_t1\ta_seg\ta_t1ce\ta_t2\ta_flair\nb\tb-t1n\tb-seg\tb-t1c\tb-t2w\tb-t2f\n')
	nii-read --pairs --print auto/*/* | sed "1d; s#$PWD/auto/##g; s/[.]nii[.]gz//g" | cmp - <(printf 'p1\tp1/CTres\tp1/SEG\tp1/SUV\n')
	says() { # LAST LINE..., of --pairs on what is there
		run nii-read --pairs --print "${@:3}"
		[ "$status" = 1 ]
		[ "${lines[0]}" = "nii-read: $1" ]
		[ "${lines[-1]}" = "nii-read: $2" ]
	}
	says "$a: of its case there is no channel 1, which others have" "1 of 3 cases has not 2 channels" "$a" data/imagesTr/phantom-000[23]* data/labelsTr/*
	says "$b: of its case there is no channel 0" "1 of 5 files is without a partner" "$b" data/imagesTr/phantom-0002* data/labelsTr/phantom-000[12]*
	cp "$a" one/k_image.nii.gz
	says "one/k_image.nii.gz: a second image of one channel" "1 of 4 files is without a partner" one/*
}

@test "files that are not of one case, or not on one grid, are refused" {
	fails 1 "nii-read: $a: is file 1 of a case of 2 (--channels), and no other is named" nii-read --channels 2 "$a"
	fails 1 "nii-read: $b: is channel 1 of its case by its name (expected channel 0)" nii-read --channels 2 "$b" "$a"
	c=data/imagesTr/phantom-0002_0001.nii.gz
	fails 1 "nii-read: $c: is not channel 1 of the case of $a by its name" nii-read --channels 2 "$a" "$c"
	fails 1 "nii-read: data/labelsTr/phantom-0001.nii.gz: is not channel 1 of the case of $a by its name" nii-read --channels 2 "$a" data/labelsTr/phantom-0001.nii.gz
	nii-read --id x "$b" | nii-resample -s 12 | nii-write -t image -o coarse.nii.gz
	size=$(nii-read coarse.nii.gz | ts-info | grep -oE 'grid +[0-9x]+' | tr -s ' ' | cut -d ' ' -f 2)
	fails 1 "nii-read: coarse.nii.gz: is on another grid than $a ($size against 32x32x24 voxels)" nii-read --id x --channels 2 "$a" coarse.nii.gz
	nii-read --id x --channels 2 "$a" <(nii-read --id x coarse.nii.gz | nii-resample --like "$a" | nii-write -t image -o /dev/stdout) >/dev/null # as the page says
	AFFINE="-10.8 0 0 167.4 0 -10.8 0 167.402 0 0 12 -138 0 0 0 1" volume x F32 24,32,32 "$(printf '\\0%.0s' $(seq $((4 * 24 * 32 * 32))))" image | nii-write -t image -o moved.nii.gz
	fails 1 "nii-read: moved.nii.gz: is on another grid than $a (affine row 2, column 4: 167.401993 against 167.399994)" nii-read --id x --channels 2 "$a" moved.nii.gz
	fails 1 "nii-read: $ROOT/tests/golden/nifti/four.nii: has 2 channels (expected one in each of a case's 2 files)" \
		nii-read --id x --channels 2 "$ROOT/tests/golden/nifti/four.nii" "$ROOT/tests/golden/nifti/four.nii"
	fails 2 "nii-read: --channels: 'a,,b' is no number, and names nothing or nothing in UTF-8 between two commas (see nii-read --help)" nii-read --channels a,,b "$a" "$b"
	fails 2 "nii-read: --channels: 65 is not in 1..64 (see nii-read --help)" nii-read --channels 65 "$a"
	echo '{"channel_names": {"0": "CT", "2": "PET"}}' >holes.json
	fails 1 "nii-read: holes.json: channel_names: channel 1 has no name" nii-read --channels holes.json "$a" "$b"
	fails 2 "nii-read: --label and --id go with one case (see nii-read --help)" nii-read --channels 2 --id x data/imagesTr/*
	printf 'junk' | cat "$b" - >torn.nii.gz
	fails 1 "nii-read: torn.nii.gz: bytes after the end of the gzip data (expected the end or zeroes, found 0x6a) (offset $(wc -c <"$b"))" \
		nii-read --id x --channels 2 "$a" torn.nii.gz
}

@test "types: the smallest that holds all values" {
	of() { # TYPE DATA: a file of one voxel of it
		volume v "$1" 1,1,1 "$2" image | nii-write -t image -o "$1.nii"
	}
	of U8 '\377'; of I8 '\200'; of U16 '\377\377'; of I16 '\0\200'; of U32 '\377\377\377\377'; of I32 '\0\0\0\200'
	of U64 '\1\0\0\0\0\0\0\0'; of I64 '\377\377\377\377\377\377\377\377'; of F32 '\0\0\0\77'; of F64 '\0\0\0\0\0\0\340\77'
	while read -r x y want values; do
		nii-read --id v --channels 2 "$x.nii" "$y.nii" >got.ts
		[ "$(meta got.ts dtype)" = "\"$want\"" ]
		[ "$(ts-info --stats got.ts | grep -oE 'min .*, max [^,]*')" = "$values" ]
	done <<-END
		U8 U8 U8 min 255, max 255
		U8 I8 I16 min -128, max 255
		U16 I16 I32 min -32768, max 65535
		U8 I16 I16 min -32768, max 255
		U32 I32 I64 min -2.14748365e+09, max 4.2949673e+09
		U8 U64 U64 min 1, max 255
		I16 F32 F32 min -32768, max 0.5
		U16 F32 F32 min 0.5, max 65535
		I32 F32 F64 min -2.14748365e+09, max 0.5
		U32 F64 F64 min 0.5, max 4.2949673e+09
		F32 F64 F64 min 0.5, max 0.5
		I8 I64 I64 min -128, max -1
	END
	fails 1 "nii-read: I8.nii: has voxels of type I8, and those of its other channels fit no type with them without loss" nii-read --id v --channels 2 I8.nii U64.nii
	fails 1 "nii-read: I64.nii: has voxels of type I64, and those of its other channels fit no type with them without loss" nii-read --id v --channels 2 I64.nii F32.nii
	nii-read --id v --channels 3 U8.nii I8.nii F32.nii | ts-info --stats | grep -q 'F32 .* min -128, max 255'
}

@test "nii-normalize: another scheme for a channel; replayed, and undone" {
	nii-read --id x "$a" | nii-normalize --window=-1000,400 -o ct.ts
	nii-read --id x "$b" | nii-normalize --zscore -o pet.ts
	ts-select --index 0 prepared.ts | nii-write -t image --split -d split
	nii-read --id x split/phantom-0001_0000.nii.gz | ts-cmp --data-only - ct.ts
	nii-read --id x split/phantom-0001_0001.nii.gz | ts-cmp --data-only - pet.ts
	nii-replay -m model.ts cases.ts | ts-cmp --data-only - prepared.ts
	nii-invert --keep-image prepared.ts | ts-cmp --data-only -t label - cases.ts
	for way in "--zscore-nonzero" "--percentile 1,99" "--zscore --percentile 1,99" "--zscore --mask label" "--range 0,10,0,1 --clip" "--ct 0,10,2,3"; do
		nii-normalize --channel 1 $way cases.ts | nii-normalize --channel 0 --range 0,1,0,1 | nii-write -t image --split -d way
		nii-read --id x -l data/labelsTr/phantom-0001.nii.gz "$b" | nii-normalize $way | ts-cmp -q --data-only -t image - <(nii-read --id x way/phantom-0001_0001.nii.gz)
		nii-read --id x way/phantom-0001_0000.nii.gz | ts-cmp --data-only - <(nii-read --id x "$a" | nii-normalize --range 0,1,0,1)
	done
	fails 1 "nii-normalize: cases.ts: phantom-0001: 'image' has no channel 2: it has 2" nii-normalize --channel 2 --zscore cases.ts
	fails 2 "nii-normalize: --channel goes without --plan and --channel-wise, with one window, and 4 values of --ct (see nii-normalize --help)" \
		nii-normalize --channel 0 --window 0,1,1,2 cases.ts
	fails 2 "nii-normalize: --channel: one window, 2 given (see nii-normalize --help)" nii-normalize --channel 0 --preset lung,bone cases.ts
	ts-info model.ts | grep -qx '  channels \["CT","PET"\]'
	nii-read --id x "$a" >alone.ts
	fails 1 'nii-replay: alone.ts: x: image has 1 channel, the model takes 2: ["CT","PET"]' nii-replay -m model.ts alone.ts
	nii-read --id x --channels PET,CT "$b" "$a" >turned.ts
	fails 1 'nii-replay: turned.ts: x: its channels are ["PET","CT"], the model'"'"'s ["CT","PET"]' nii-replay -m model.ts turned.ts
	nii-read --id x --channels pet,ct "$b" "$a" | ts-cmp --data-only - turned.ts
}

@test "channels whose names say that they are others are refused, prepared in the same way or not" {
	alike() { nii-normalize --channel 0 --window=-1000,400 | nii-normalize --channel 1 --zscore; }
	nii-read --id x --channels PET,CT "$b" "$a" -l data/labelsTr/phantom-0001.nii.gz | alike >swapped.ts
	said='its channels are ["PET","CT"], '
	fails 1 "seg-window: swapped.ts: x: ${said}the model's [\"CT\",\"PET\"]" seg-window -m model.ts swapped.ts
	seg-window --force -m model.ts swapped.ts >/dev/null
	net="--net unet --channels 4,8 --strides 2 --device cpu"
	nii-patch -q -s 16,16,16 --pos 0.5 -n 2 --seed 1 prepared.ts >ours.ts
	nii-patch -q -s 16,16,16 --pos 0.5 -n 2 --seed 1 swapped.ts >theirs.ts
	fails 1 "seg-train: standard input: x (patch 0): ${said}those of the patches before it [\"CT\",\"PET\"]" seg-train $net -o n.ts < <(cat ours.ts theirs.ts)
	fails 1 "seg-train: swapped.ts: x: ${said}the model's [\"CT\",\"PET\"]" seg-train $net --val swapped.ts -o v.ts ours.ts
	[ ! -e v.ts ]
	seg-train -q $net --steps 1 -o first.ts ours.ts
	nii-patch -q -s 16,16,16 --pos 0.5 -n 2 --skip 1 swapped.ts >rest.ts
	fails 1 'seg-train: rest.ts: the patches'"'"' channels are ["PET","CT"], those that first.last.ts was trained with ["CT","PET"]' \
		seg-train -q --device cpu --resume first.last.ts --steps 2 -o n.ts rest.ts
	seg-train -q $net --steps 1 -o second.ts theirs.ts
	fails 1 'seg-window: second.ts: takes channels ["PET","CT"], model.ts ["CT","PET"]' seg-window -m model.ts -m second.ts prepared.ts
}

@test "a z-score of what is not 0 in all channels, with the holes in there" {
	volume a F32 1,5,5 '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\200\77\0\0\200\77\0\0\200\77\0\0\0\0\0\0\0\0\0\0\200\77\0\0\0\0\0\0\200\77\0\0\0\0\0\0\0\0\0\0\200\77\0\0\200\77\0\0\200\77\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' image >ring.ts
	for i in 1 2 3; do nii-write -t image -o ring$i.nii ring.ts; done
	nii-read --id a --channels 3 ring1.nii ring2.nii ring3.nii | nii-resample --size 5,5,1 | nii-normalize --zscore-masked -o masked.ts
	# a hole through the only slice reaches the border: 8 voxels of 1 become 0, as does the hole where it stays out
	ts-info --stats masked.ts | grep -q 'min 0, max 0, mean 0'
	box() { volume a U8 3,3,3 "$1" image; }
	box '\2\2\2\2\2\2\2\2\2\2\2\2\2\0\2\2\2\2\2\2\2\2\2\2\2\2\2' | nii-normalize --zscore-masked | ts-info --stats | grep -q 'min -5.0990' # (0 - 2 26/27) / std
	box '\2\2\2\2\2\2\2\2\2\2\2\2\2\0\2\2\2\2\2\2\2\2\2\2\2\2\2' | nii-normalize --zscore-nonzero | ts-info --stats | grep -q 'min 0, max 0'
}

@test "nii-crop: any channel that is not 0, or one channel" {
	zero() { nii-crop --box "$1" cases.ts | nii-invert --keep-image; } # 0 outside of the box
	zero 4,5,6,20,21,18 | nii-crop --nonzero | ts-info --json | grep -q '"size":\[16,16,12\]'
	zero 4,5,6,20,21,18 | nii-crop --nonzero | nii-invert --keep-image | ts-cmp --data-only - <(zero 4,5,6,20,21,18)
	nii-crop --above=-500 cases.ts | ts-cmp --data-only - cases.ts # no PET is below that
	nii-read --pairs data/imagesTr/*_0000* data/labelsTr/* | nii-crop --above=-500 | ts-info --json | grep -oE '"size":[^]]*' >want
	nii-crop --channel 0 --above=-500 cases.ts | ts-info --json | grep -oE '"size":[^]]*' | diff - want
	nii-crop --body cases.ts 2>&1 >/dev/null | grep -q 'expected one channel'
	nii-crop --channel 0 --body cases.ts >/dev/null
	fails 1 "nii-crop: cases.ts: phantom-0001: 'image' has no channel 2: it has 2" nii-crop --channel 2 --above 0 cases.ts
	fails 2 "nii-crop: --channel goes with --above, --nonzero, --body and --lungs (see nii-crop --help)" nii-crop --channel 1 --label cases.ts
	fails 1 "nii-crop: standard input: a: no voxel other than 0: nothing to crop to" nii-crop --nonzero < <(volume a U8 1,1,2 '\0\0' image)
	volume a I8 1,1,3 '\0\377\0' image | nii-crop --nonzero | ts-info --json | grep -q '"size":\[1,1,1\]' # below 0
}

@test "augmentation: what nnU-Net draws for each channel, and what for all of them" {
	nii-read --id x --channels 2 "$a" "$a" | nii-normalize --window=-1000,400 | nii-patch -s 16,16,16 --grid | ts-select --index 0 -o twins.ts
	alike() { # OPTION: are channels that were alike?
		nii-augment --seed 3 $1 twins.ts | nii-write -t image --split -d twins
		ts-cmp -q --data-only <(nii-read --id x twins/x_0000.nii.gz) <(nii-read --id x twins/x_0001.nii.gz)
	}
	for each in "--noise 0.5" "--blur 0.5,1" "--brightness 0.75,1.25" "--contrast 0.75,1.25" "--lowres 0.5,0.6" "--gamma 0.7,1.5" "--gamma-inverted 0.7,1.5"; do
		run alike "$each"
		[ "$status" = 1 ]
	done
	for all in "--flip x,y,z" "--scale 0.1" "--shift 0.1" "--rotate 30,30,30" "--spatial-scale 0.7,1.4" "--dropout 1,3"; do
		alike "$all"
	done
}

@test "nnU-Net's fingerprint and plan of five channels" {
	nii-read --pairs --print "$G"/imagesTr/* "$G"/labelsTr/* >five.tsv
	seg-plan --channels "$G/dataset.json" -L five.tsv --save-fingerprint fp.json -o plan.json
	shapes() { tr -d ' \n' <"$1" | grep -oE '"shapes_after_crop":[^a-z"]*' | tr -d , | sort; }
	diff <(shapes fp.json) <(shapes "$G/fingerprint.json")
	numbers() { tr -d ' \n' <"$1" | grep -oE '"[a-z0-9_]+":-?[0-9.e-]+' | grep -vE 'classes|volume_mm3|components|numTraining' | tr ':' ' ' | sort -s -k 1,1; }
	paste <(numbers fp.json) <(numbers "$G/fingerprint.json") |
		awk '{ d = $2 - $4; e = 1e-5 * ($4 < 0 ? -$4 : $4); n++ } $1 != $3 || d > e || d < -e { print; bad = 1 } END { exit bad || n != 36 }'
	grep -A 5 normalization_schemes plan.json | tr -d ' ",\n' | grep -qF 'normalization_schemes:[CTNormalizationZScoreNormalizationNoNormalizationRescaleTo01NormalizationRGBTo01Normalization'
	seg-plan --fingerprint fp.json --normalization ct,zscore,nonorm,rescale_to_0_1,RGB_to_0_1 | grep -v '"history' | cmp - <(grep -v '"history' plan.json)
	seg-plan --fingerprint fp.json | grep -v '"history' | cmp - <(grep -v '"history' plan.json)
	fails 1 "seg-plan: 2 schemes of normalization for 5 channels" seg-plan --normalization ct,zscore --fingerprint fp.json
	fails 2 "seg-plan: --normalization: 'mri' is not one of ct, zscore, nonorm, rescale_to_0_1, rgb_to_0_1 (see seg-plan --help)" seg-plan --normalization ct,mri -L five.tsv
	fails 2 "seg-plan: --channels goes with NIfTI files and --list (see seg-plan --help)" seg-plan --channels 2 p.ts
	# the plan's steps are those of a line by hand
	nii-crop --nonzero <(nii-read -L five.tsv) | nii-normalize --plan plan.json -o by-plan.ts
	ct=$(grep -A 8 '"0"' fp.json | tr -d ' ",' | awk -F: '{ v[$1] = $2 } END { print v["percentile_00_5"] "," v["percentile_99_5"] "," v["mean"] "," v["std"] }')
	nii-read -L five.tsv | nii-crop --nonzero | nii-normalize --channel 1 --zscore-masked | nii-normalize --channel 0 --ct="$ct" |
		nii-normalize --channel 2 --range 0,1,0,1 | nii-normalize --channel 3 --percentile 0,100 | nii-normalize --channel 4 --range 0,255,0,1 |
		ts-cmp --data-only --atol 1e-5 - by-plan.ts
	nii-normalize --channel 0 --stats fp.json <(nii-read -L five.tsv | nii-crop --nonzero) | nii-write -t image --split -d stats
	ts-select --index 0 by-plan.ts | nii-write -t image --split -d by-plan
	ts-cmp --data-only <(nii-read --id x stats/case_0007_0000.nii.gz) <(nii-read --id x by-plan/case_0007_0000.nii.gz)
	nii-resample --plan plan.json by-plan.ts -o prepared5.ts
	"$ROOT/pipelines/prepare.sh" -d five --plan plan.json -L five.tsv >/dev/null
	cat five/*.ts | ts-cmp --data-only - prepared5.ts
	nii-patch --plan plan.json -s 8,8,8 -n 1 prepared5.ts >/dev/null
	fails 1 "nii-patch: by-plan.ts: case_0007: did not go through nii-resample, which the plan asks for" nii-patch --plan plan.json -s 8,8,8 -n 1 by-plan.ts
	nii-normalize --channel 1 --zscore-masked <(nii-read -L five.tsv) -o half.ts
	run nii-patch --plan plan.json -s 8,8,8 -n 1 half.ts
	[ "$status" = 1 ]
	[[ $output == *": case_0007: is not prepared as the plan says: nii-normalize "* ]]
}

@test "segment.sh does with five channels what nnU-Net does, by names, a table, a list, in jobs" {
	nii-read --pairs --print "$G"/imagesTr/* "$G"/labelsTr/* >five.tsv
	seg-import -q --configuration 3d_fullres "$G" -o five.model.ts
	[ "$(meta five.model.ts channels)" = '["CT","PET","noNorm","rescale_to_0_1","rgb_to_0_1"]' ]
	same() { # DIR
		[ "$(cd "$1" && echo *)" = "case_0007.nii.gz other.nii.gz" ]
		nii-read --id x -l "$1/case_0007.nii.gz" "$G/imagesTr/case_0007_0000.nii.gz" | ts-select --drop image - >got.ts
		ts-cmp --data-only <(tail -c 3060 got.ts | wrap) <(tail -c 3060 "$ROOT/tests/golden/channels-pred.ts" | wrap)
	}
	wrap() { raw_frame '{"__metadata__":{"kind":"volume","id":"x"},"pred":{"dtype":"U8","shape":[12,15,17],"data_offsets":[0,3060]}}'; cat; }
	segment="$ROOT/pipelines/segment.sh --precision fp32"
	$segment -d m1 five.model.ts "$G"/imagesTr/*.nii.gz >said 2>/dev/null
	cmp said <(printf 'm1/case_0007.nii.gz\nm1/other.nii.gz\n')
	same m1
	$segment -d m2 --list five.tsv five.model.ts >/dev/null 2>&1
	same m2
	printf '%s\n' "$G"/imagesTr/*.nii.gz >names
	$segment -d m3 --list names five.model.ts >/dev/null 2>&1
	same m3
	if command -v parallel >/dev/null; then
		$segment -d m4 -j 2 --list five.tsv five.model.ts >/dev/null 2>&1
		same m4
		$segment -d m5 -j 2 five.model.ts "$G"/imagesTr/*.nii.gz >/dev/null 2>&1
		same m5
	fi
	run $segment -d m6 five.model.ts "$G"/imagesTr/case_0007_000[0-3].nii.gz "$G"/imagesTr/other_000*
	[ "$status" = 1 ]
	[[ $output == *"case_0007_0000.nii.gz: failed: nii-replay: standard input: case_0007: image has 4 channels, the model takes 5: [\"CT\",\"PET\",\"noNorm\",\"rescale_to_0_1\",\"rgb_to_0_1\"]"* ]]
	[ -s m6/other.nii.gz ]
	cp "$G"/imagesTr/other_000* .
	run $segment five.model.ts other_000*.nii.gz
	[ "$status" = 0 ]
	[ -s other.nii.gz ]
	mkdir same
	for i in 0 1 2 3 4; do cp "$G/imagesTr/other_000$i.nii.gz" same/"$([ $i = 3 ] && echo other || echo "o$i")".nii.gz; done
	printf 'other\tsame/o0.nii.gz\t\tsame/o1.nii.gz\tsame/o2.nii.gz\tsame/other.nii.gz\tsame/o4.nii.gz\n' >same.tsv
	fails 2 "segment.sh: same/other.nii.gz: its mask would replace it: give another directory with -d (see segment.sh --help)" $segment -d same --list same.tsv five.model.ts
}

@test "nii-view and seg-report show the channel that is asked for" {
	ts-select --index 0 p.ts >one.ts
	nii-view --no-history -o ct.png one.ts
	ts-select --index 0 cases.ts | nii-view --no-history -o ct2.png
	cmp ct.png ct2.png
	nii-view --no-history --channel 1 -o pet.png one.ts
	run cmp -s ct.png pet.png
	[ "$status" = 1 ]
	nii-view --no-history --channel 0 --preset lung one.ts >/dev/null
	fails 1 "nii-view: one.ts: phantom-0001: tensor 'image' is not in HU: no window by name" nii-view --channel 1 --preset lung one.ts # SUV
	nii-view --no-history --channel 0 --preset lung <(ts-select --index 0 prepared.ts) >/dev/null                                       # the other channel's step is none of this one's
	fails 1 "nii-view: one.ts: phantom-0001: 'image' has no channel 2: it has 2" nii-view --channel 2 one.ts
	nii-read -l data/labelsTr/phantom-0001.nii.gz --channels 2 "$a" "$b" | seg-stats --channel 1 | head -n 1 | grep -q mean
	seg-score -o scores.tsv data/labelsTr/phantom-0001.nii.gz data/labelsTr/phantom-0001.nii.gz
	seg-report -s scores.tsv -o ct.html one.ts
	seg-report --channel 1 -s scores.tsv -o pet.html one.ts
	[ "$(wc -c <ct.html)" -ne "$(wc -c <pet.html)" ]
	fails 1 "seg-report: one.ts: phantom-0001: 'image' has no channel 2: it has 2" seg-report --channel 2 -s scores.tsv one.ts
}

@test "phantoms with a PET: the CT is that of those without; tumours take up more; the same bytes for any threads" {
	nii-phantom -n 3 -s 32,32,24 --volume 20,80 --healthy 0 --seed 9 | ts-cmp --data-only -t label - p.ts
	nii-phantom -n 1 -s 32,32,24 --volume 20,80 --healthy 0 --seed 9 | nii-normalize --range 0,1,0,1 | nii-write -t image --split -d ct
	ts-cmp --data-only <(nii-read --id x ct/phantom-0001_0000.nii.gz) <(nii-read --id x "$a")
	nii-phantom --pet --threads 3 -n 3 -s 32,32,24 --volume 20,80 --healthy 0 --seed 9 | cmp - p.ts
	nii-phantom --pet --skip 2 -s 32,32,24 --volume 20,80 --healthy 0 --seed 9 | cmp - <(ts-select --index 2 p.ts)
	seg-stats --channel 1 p.ts | awk -F'\t' 'NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i } NR > 1 { n++; if ($c["mean"] < 2) exit 1 } END { exit n != 3 }'
	fails 2 "nii-phantom: --pet and --into exclude each other (see nii-phantom --help)" nii-phantom --pet --into p.ts
	fails 2 "nii-write: --split goes with --dir (see nii-write --help)" nii-write --split p.ts
}

@test "UNETR's perceptron over patches of two channels: trained, exported, its axes turned and turned back" {
	arch='{"_target_": "UNETR", "in_channels": 2, "out_channels": 2, "feature_size": 2, "hidden_size": 6, "mlp_dim": 8, "num_heads": 1, "proj_type": "perceptron", "img_size": [16, 16, 32]}'
	nii-patch -s 32,16,16 --pos 0.5 -n 1 --seed 1 prepared.ts | seg-train --arch "$arch" -o unetr.ts
	ts-info unetr.ts | grep -qE 'vit.patch_embedding.patch_embeddings.1.weight +F32 +\[6,8192\]'
	seg-export unetr.ts -o all.safetensors
	seg-import -q all.safetensors | ts-cmp --data-only - unetr.ts
	seg-import -q --axes xyz --arch "$arch" --roi 16,16,32 unetr.ts -o turned.ts
	run ts-cmp -q --data-only -t vit.patch_embedding.patch_embeddings.1.weight turned.ts unetr.ts
	[ "$status" = 1 ]
	seg-import -q --axes xyz --arch "${arch/16, 16, 32/32, 16, 16}" --roi 32,16,16 turned.ts | ts-cmp --data-only - unetr.ts
	seg-export unetr.ts -o unetr.onnx
}

# NIIPIPE_PYTHON: one that has onnxruntime
@test "onnxruntime gives that network's logits" {
	python=${NIIPIPE_PYTHON:-python3}
	"$python" -c 'import numpy, onnxruntime' 2>/dev/null || skip "no onnxruntime for $python"
	of_fp32
	nii-patch -s 32,16,16 -n 1 prepared.ts | ts-select --drop label - | seg-window -m unetr.ts --output logits --keep-image -o both.ts
	"$python" "$ROOT/tests/golden/run_onnx.py" unetr.onnx both.ts
}

@test "an experiment from nnU-Net's directories of two files a case" {
	make -s -f "$ROOT/pipelines/hackathon.mk" DATA=data OUT=two NETS=unet STEPS=2 BATCH=1 PATCH=16,16,16 EVERY=2 NORMALIZATION=ct,zscore NET_unet='--net unet --channels 4,8 --strides 2' \
		VAL=34 two/comparison.tsv
	[ "$(wc -l <two/comparison.tsv)" = 2 ]
	ts-info two/train/*/model.ts | grep -qF '"in_channels":2'
	grep -qF -- '--normalization ct,zscore' two/plan.json
	[ "$(head -n 1 two/test.tsv | awk -F'\t' '{ print NF }')" = 4 ]
	"$ROOT/pipelines/train.sh" -d trained -n 2 --patch '-s 16,16,16 --seed 1' --augment '--preset nnunet --seed 1' --train '--net unet --channels 4,8 --strides 2' prepared.ts 2>/dev/null
	"$ROOT/pipelines/segment.sh" -d found --list cases.tsv trained/model.ts >/dev/null
	[ "$(cd found && echo *)" = "phantom-0001.nii.gz phantom-0002.nii.gz phantom-0003.nii.gz" ]
	nii-replay -m trained/model.ts cases.ts | seg-window -m trained/model.ts | nii-invert -o found.ts
	"$ROOT/pipelines/choose-components.sh" -L cases.tsv found.ts | grep -qE '^(cat|cc-largest)'
}
