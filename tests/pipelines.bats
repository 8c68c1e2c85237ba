# The shell pipelines that are the product too.
load helper

setup_file() {
	"$BATS_TEST_DIRNAME/../pipelines/demo.sh" --quick -d "$BATS_FILE_TMPDIR/demo" >"$BATS_FILE_TMPDIR/said"
}

setup() {
	cd "$BATS_FILE_TMPDIR" || exit
	segment=$ROOT/pipelines/segment.sh
	model=demo/model.ts
}

@test "demo: a model, masks on the scans' grid, scores, pictures, figures, a report" {
	for f in model.ts scores.tsv report.html figures/curves.svg figures/dice.svg pictures/phantom-0010.png pictures/phantom-0011.png masks/phantom-0010.nii.gz train.tsv; do
		[ -s "demo/$f" ] || { echo "no $f"; false; }
		case $f in *.png | scores.tsv | report.html) grep -F "demo/${f%/*}" said ;; esac
	done
	[ "$(cut -f 1 demo/scores.tsv | head -3 | tr '\n' ' ')" = "id phantom-0010 phantom-0011 " ]
	nii-read demo/masks/phantom-0011.nii.gz | ts-info | grep -F "48x48x32 voxels of 7.2x7.2x9 mm, axes LPS"
}

@test "segment.sh gives what the demo's pipeline gave" {
	nii-write -d scans -t image demo/test.ts
	"$segment" --overlap 0.25 -d out "$model" scans/*.nii.gz >list
	[ "$(cat list)" = "$(printf 'out/phantom-0010.nii.gz\nout/phantom-0011.nii.gz')" ]
	nii-read --id a out/phantom-0010.nii.gz | ts-info | grep -F "48x48x32 voxels of 7.2x7.2x9 mm, axes LPS"
}

@test "one bad scan does not stop the others" {
	mkdir -p bad
	nii-write -t image <demo/test.ts 2>/dev/null -d bad
	echo junk >bad/junk.nii
	for j in 1 2; do
		rm -rf out
		run "$segment" -j $j -d out "$model" bad/junk.nii bad/phantom-0010.nii.gz
		echo "$output"
		[ "$status" = 1 ]
		[ "$(ls out)" = phantom-0010.nii.gz ]
		[[ $output == *"segment.sh: bad/junk.nii: failed: nii-read: bad/junk.nii: "* ]]
		[[ $output == *"segment.sh: 1 of 2 failed" ]]
	done
}

@test "segment.sh: masks are there as they are made; a signal ends all that it began and leaves nothing else" {
	mkfifo slow.nii
	exec 7<>slow.nii # which never comes
	"$segment" -d early "$model" scans/phantom-0010.nii.gz slow.nii scans/phantom-0011.nii.gz >list 2>said &
	pid=$!
	await has_rows list 0
	[ "$(cat list)" = early/phantom-0010.nii.gz ]
	kill -TERM $pid
	wait $pid && return 1
	[ $? = 143 ]
	exec 7>&-
	cat said
	[ ! -s said ]
	[ "$(ls -A early)" = phantom-0010.nii.gz ]
	[ -z "$(pgrep -f "slow.nii")" ]
}

@test "segment.sh, models whose names begin with a dash: their own way to predict, jobs, a coarser model" {
	mkdir -p dash
	cp "$model" dash/-m.ts
	python=$(command -v "${PYTHON:-python3}")
	"$python" - "$model" dash/-own.ts <<-'EOF'
		import json, struct, sys
		b = open(sys.argv[1], "rb").read()
		n, = struct.unpack("<Q", b[:8])
		h = json.loads(b[8:8 + n])
		h["__metadata__"]["predict"] = "seg-window --overlap 0.5 | nii-invert"
		t = json.dumps(h).encode()
		t += b" " * (-len(t) % 8)
		open(sys.argv[2], "wb").write(struct.pack("<Q", len(t)) + t + b[8 + n:])
	EOF
	cd dash
	"$segment" -d own -- -own.ts ../scans/phantom-0010.nii.gz 2>said
	grep -qF "segment.sh: -own.ts: predicts as its own program does: seg-window --overlap 0.5 | nii-invert" said
	for j in 1 2; do
		"$segment" -j $j --roi-model -m.ts -d roi$j -- -m.ts ../scans/phantom-0010.nii.gz
	done
	ts-cmp <(nii-read roi1/phantom-0010.nii.gz) <(nii-read roi2/phantom-0010.nii.gz)
}

@test "segment.sh: one that stops the pipe is done by itself, and so are those behind it" {
	mkdir -p stop
	nii-write -t image <demo/test.ts 2>/dev/null -d stop
	# an image that is not finite passes reading and preparing
	printf 'NRRD0004\ntype: float\ndimension: 3\nsizes: 2 1 1\nencoding: raw\nendian: little\nspace: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n\n\0\0\0\0\0\0\300\177' >stop/nan.nrrd
	rm -rf out
	run "$segment" -d out "$model" stop/phantom-0010.nii.gz stop/nan.nrrd stop/phantom-0011.nii.gz
	echo "$output"
	[ "$status" = 1 ]
	[ "$(ls out | tr '\n' ' ')" = "phantom-0010.nii.gz phantom-0011.nii.gz " ]
	[[ $output == *"segment.sh: stop/nan.nrrd: failed: "*" is nan (expected finite values)"* ]]
	[[ $output == *"segment.sh: 1 of 3 failed" ]]
	nii-read out/phantom-0011.nii.gz | nii-write -o a.nii.gz
	"$segment" --effort 3 -d alone "$model" stop/phantom-0011.nii.gz
	ts-cmp <(nii-read alone/phantom-0011.nii.gz) <(nii-read out/phantom-0011.nii.gz)
}

@test "segment.sh loads the model once and reads the next scan while one is segmented" {
	mkdir -p slow tree/pipelines
	printf '#!/bin/bash\necho "read" >>"%s/order"\nexec "%s/nii-read" "$@"\n' "$PWD" "$BIN" >slow/nii-read
	printf '#!/bin/bash\necho "load" >>"%s/order"\nexec "%s/seg-window" -v "$@" 2> >(grep -o "[0-9]*: done" >>"%s/order")\n' "$PWD" "$BIN" "$PWD" >slow/seg-window
	chmod +x slow/*
	nii-write -t image <demo/test.ts -d scans
	cp "$segment" "${segment%/*}"/*.bash tree/pipelines # away from build/bin, which would come first
	: >order
	PATH=$PWD/slow:$PATH tree/pipelines/segment.sh --overlap 0.95 -d out "$model" scans/phantom-0010.nii.gz scans/phantom-0011.nii.gz
	[ "$(sort order | uniq -c | tr -s ' \n' ' ')" = " 1 0010: done 1 0011: done 1 load 2 read " ]
	[ "$(grep -n '0010: done' order | cut -d : -f 1)" -gt "$(grep -n read order | tail -n 1 | cut -d : -f 1)" ]
	# models that are joined: prepared once
	: >order
	PATH=$PWD/slow:$PATH tree/pipelines/segment.sh --overlap 0.95 -d out --join "$model" --map 1=1 --map 1=2 "$model" scans/phantom-0010.nii.gz
	[ "$(sort order | uniq -c | tr -s ' \n' ' ')" = " 2 0010: done 2 load 1 read " ]
}

@test "segment.sh --roi-model: windows where a coarser model found something" {
	nii-write -t image <demo/test.ts -d scans
	nii-read scans/phantom-0011.nii.gz | nii-replay -m "$model" | seg-window -m "$model" | nii-invert | nii-write -o low.nii.gz
	nii-read -l low.nii.gz scans/phantom-0011.nii.gz | nii-replay -m "$model" >labelled.ts
	seg-window -m "$model" --effort 3 --within label labelled.ts | cc-largest | nii-invert | nii-write -o hand.nii.gz
	for j in 1 2; do
		rm -rf roi
		"$segment" -j $j --roi-model "$model" -d roi "$model" scans/phantom-0010.nii.gz scans/phantom-0011.nii.gz
		[ "$(ls roi | wc -l)" = 2 ]
		ts-cmp <(nii-read roi/phantom-0011.nii.gz) <(nii-read --id phantom-0011 hand.nii.gz)
	done
	fails 1 "segment.sh: none.ts: cannot be read" "$segment" --roi-model none.ts "$model" scans/phantom-0011.nii.gz
}

@test "segment.sh: no mask replaces its scan; each is there whole or not at all, where the disk is full, too" {
	mkdir -p own
	nii-write -t image -d own demo/test.ts
	cp -r own kept
	ln -sfn own link
	for d in own ./own/ link; do
		fails 2 "segment.sh: own/phantom-0010.nii.gz: its mask would replace it: give another directory with -d (see segment.sh --help)" \
			"$segment" -d $d "$model" own/*.nii.gz
	done
	diff -r own kept
	[ "$(id -u)" -eq 0 ] || skip "not root: no tmpfs to mount"
	"$segment" -d ref "$model" own/*.nii.gz
	pages=0
	for f in ref/*; do pages=$((pages + ($(stat -c %s "$f") + 4095) / 4096)); done # one fewer does not hold both
	mkdir small
	mount -t tmpfs -o size=$(((pages - 1) * 4))k tmpfs small 2>/dev/null || skip "no tmpfs may be mounted"
	run "$segment" -d small "$model" own/phantom-0010.nii.gz own/phantom-0011.nii.gz
	left=$(ls -A small) whole=$(gzip -t small/*.gz 2>&1) || :
	umount small
	echo "$output"; echo "left: $left"
	[ "$status" -eq 1 ]
	[ "$left:$whole" = phantom-0010.nii.gz: ]
	[[ $output == *"segment.sh: own/phantom-0011.nii.gz: failed: nii-write: "*": No space left on device"* ]]
}

@test "segment.sh: names with blanks and dashes; a table's ids and paths, made on Windows or not" {
	mkdir -p far/s1 far/s2
	nii-write -t image -d far demo/test.ts
	mv far/phantom-0010.nii.gz far/s1/ct.nii.gz
	mv far/phantom-0011.nii.gz far/s2/ct.nii.gz
	cp far/s1/ct.nii.gz "a b.nii.gz"
	cp far/s1/ct.nii.gz -- -x.nii.gz
	[ "$("$segment" -d odd "$model" -- -x.nii.gz "a b.nii.gz")" = "$(printf 'odd/-x.nii.gz\nodd/a b.nii.gz')" ]
	printf '\357\273\277id\timage\r\none\ts1/ct.nii.gz\t\r\n\r\ntwo\ts2/ct.nii.gz\r\n' >far/cases.tsv
	for j in 1 2; do
		[ "$("$segment" -d far-$j -j $j --list far/cases.tsv "$model")" = "$(printf 'far-%s/one.nii.gz\n' $j; printf 'far-%s/two.nii.gz' $j)" ]
	done
	cmp far-1/two.nii.gz far-2/two.nii.gz
	printf 'far/s1/ct.nii.gz\n' >names
	[ "$("$segment" -d plain --list names "$model")" = plain/ct.nii.gz ]
	fails 2 "segment.sh: --list goes without other scans (see segment.sh --help)" "$segment" --list names "$model" a.nii
}

# A model like bundle.ts, whose metadata predict are others.
predicts() { # predicts LINE
	perl -0777 -pe 'BEGIN { $line = shift } $n = unpack "Q<", $_; $h = substr $_, 8, $n, ""; $h =~ s/("predict":")[^"]*/$1$line/; substr($_, 0, 8) = pack("Q<", length $h) . $h' "$1" bundle.ts
}

@test "segment.sh: an imported model predicts as its own program does, unless told otherwise" {
	ct=$ROOT/tests/golden/bundle/volume.nii.gz
	seg-import -q "$ROOT/tests/golden/bundle" -o bundle.ts
	own=$(ts-info --json bundle.ts | sed 's/.*"predict":"\([^"]*\)".*/\1/')
	run "$segment" --overlap 0 -d told bundle.ts "$ct"
	[ "$output" = "$(printf '%s\n' "segment.sh: bundle.ts: its own program predicts otherwise: $own" told/volume.nii.gz)" ]
	for j in 1 2; do
		run "$segment" -j $j -d "own $j" bundle.ts "$ct"
		[ "$output" = "$(printf '%s\n' "segment.sh: bundle.ts: predicts as its own program does: $own" "own $j/volume.nii.gz")" ]
		nii-read "$ct" | nii-replay -m bundle.ts | eval "${own/-window/-window -m bundle.ts}" | nii-write -o by-hand.nii.gz
		ts-cmp --data-only <(nii-read by-hand.nii.gz) <(nii-read "own $j/volume.nii.gz")
	done
	predicts "seg-window --roi 12,8,8 --threshold 1e-05 | cc-largest -c 6 -k 2 --only 1" >largest.ts
	"$segment" -d largest largest.ts "$ct" 2>&1 | grep -xF "segment.sh: largest.ts: predicts as its own program does: seg-window --roi 12,8,8 --threshold 1e-05 | cc-largest -c 6 -k 2 --only 1 | nii-invert"
}

@test "segment.sh: a way to predict that names a file or another program is not followed" {
	for way in "seg-window -o x" "seg-window --output x" "seg-window x" "seg-window --model=x" "seg-window | nii-write" "seg-window | cc-largest --output prob" \
		"seg-window --overlap ../x" "nii-invert" 'seg-window --roi $(id)' "seg-window --overlap 0.5; id" "seg-window | tee x" "seg-window |"; do
		predicts "$way" >way.ts
		run "$segment" -d way way.ts "$ROOT/tests/golden/bundle/volume.nii.gz"
		echo "$output"
		[ "$output" = "$(printf '%s\n' "segment.sh: way.ts: its own way to predict is not followed: $way" way/volume.nii.gz)" ]
	done
}

@test "segment.sh: the mean of several models" {
	nii-write -t image -d scans demo/test.ts
	nii-patch -q -s 32,32,32 -n 2 demo/train.ts | seg-train -q --channels 8,16,32 --strides 2,2 --res-units 1 --lr 1e-2 -o second.ts
	nii-read scans/phantom-0010.nii.gz | nii-replay -m "$model" | seg-window -m "$model" -m second.ts --overlap 0 | cc-largest | nii-invert | nii-write -o by-hand.nii.gz
	for j in 1 2; do
		"$segment" -j $j --overlap 0 -d mean-$j -m second.ts "$model" scans/phantom-0010.nii.gz
		ts-cmp --data-only <(nii-read by-hand.nii.gz) <(nii-read mean-$j/phantom-0010.nii.gz)
		# what its programs have to say of a scan that succeeds is said
		LC_ALL=C sed 's/"orient":"LPS"/"orient":"RAS"/' second.ts >other.ts
		"$segment" -j $j --overlap 0 -d mean-$j -m other.ts "$model" scans/phantom-0010.nii.gz 2>said
		grep -q "^seg-window: phantom-0010: its axes run LPS, those of other.ts's training data RAS " said
	done
	"$segment" --device cpu --precision fp32 -j 2 -d options "$model" scans/*.nii.gz
	fails 2 "segment.sh: --device: '/x' is none (see segment.sh --help)" "$segment" --device /x "$model" a.nii
	run "$segment" --device gpu -d options "$model" scans/phantom-0010.nii.gz
	[ "${lines[0]}" = "segment.sh: scans/phantom-0010.nii.gz: failed: seg-window: device 'gpu' is none of auto, cpu, cuda, cuda:N" ]
	fails 1 "segment.sh: none.ts: cannot be read" "$segment" -m none.ts "$model" scans/phantom-0010.nii.gz
}

@test "segment.sh --join: masks of models of other classes become one" {
	nii-write -t image -d scans demo/test.ts
	[ -e second.ts ] || nii-patch -q -s 32,32,32 -n 2 demo/train.ts | seg-train -q --channels 8,16,32 --strides 2,2 --res-units 1 --lr 1e-2 -o second.ts
	seg-import -q "$ROOT/tests/golden/bundle" -o bundle.ts
	LC_ALL=C sed '1s/:\\"spleen/:\\"kidney/; 1s/:\\"cyst/:\\"duct/' bundle.ts >kidney.ts # as long as it was
	cp kidney.ts "a {1}.ts"
	alone() { nii-read "$1" | nii-replay -m "$2" | seg-window -m "$2" "${@:3}" --overlap 0 | cc-largest | nii-invert; }
	ct=$ROOT/tests/golden/bundle/volume.nii.gz
	alone "$ct" bundle.ts >1.ts
	alone "$ct" kidney.ts >2.ts
	seg-join 1.ts 2.ts | nii-write -o by-hand.nii.gz
	printf 'label\tname\n9\tkidney\n' >'t 1.tsv'
	seg-join --labels 't 1.tsv' 1.ts 2.ts | nii-write -o table.nii.gz
	alone scans/phantom-0010.nii.gz "$model" -m second.ts >1.ts
	alone scans/phantom-0010.nii.gz second.ts >2.ts
	seg-join --map 1=1 --map 1=2 1.ts 2.ts | nii-write -o mapped.nii.gz
	for j in 1 2; do
		rm -rf "join $j"
		"$segment" -j $j --overlap 0 -d "join $j" --join "a {1}.ts" bundle.ts "$ct" 2>/dev/null
		ts-cmp --data-only <(nii-read by-hand.nii.gz) <(nii-read "join $j/volume.nii.gz")
		gunzip <"join $j/volume.nii.gz" | grep -a -o 'Key="[0-9]*"\|>[a-z]*</Label>' | tr -d '\n' | grep -qx 'Key="1">spleen</Label>Key="2">cyst</Label>Key="3">kidney</Label>Key="4">duct</Label>'
		"$segment" -j $j --overlap 0 -d "join $j" --join "a {1}.ts" --labels 't 1.tsv' bundle.ts "$ct" 2>/dev/null
		ts-cmp --data-only <(nii-read table.nii.gz) <(nii-read "join $j/volume.nii.gz")
		# of two models the mean, beside a third; one bad scan does not stop the other
		run "$segment" -j $j --overlap 0 -d "join $j" -m second.ts --join second.ts --map 1=1 --map 1=2 "$model" bad/junk.nii scans/phantom-0010.nii.gz
		[ "$status" = 1 ]
		[[ $output == *"segment.sh: bad/junk.nii: failed: nii-read: bad/junk.nii: "* ]]
		ts-cmp --data-only <(nii-read mapped.nii.gz) <(nii-read "join $j/phantom-0010.nii.gz")
		[ "$(ls "join $j" | tr '\n' ' ')" = "phantom-0010.nii.gz volume.nii.gz " ]
		# a model that fails leaves no mask of the others
		rm "join $j/volume.nii.gz"
		run "$segment" -j $j --overlap 0 -d "join $j" --join bundle.ts bundle.ts "$ct"
		[ "$status" = 1 ]
		[[ $output == *"failed: seg-join: "*"'spleen' is a label of "*" too: one name for two"* ]]
		head -c 3000 kidney.ts >cut.ts
		run "$segment" -j $j --overlap 0 -d "join $j" --join cut.ts bundle.ts "$ct"
		[ "$status" = 1 ]
		[ "$(ls "join $j")" = phantom-0010.nii.gz ]
	done
	# axes that ran otherwise are turned for each model
	LC_ALL=C sed '1s/"orient":"LPS"/"orient":"RAS"/' "$model" >other.ts
	alone scans/phantom-0010.nii.gz other.ts >2.ts
	seg-join --map 1=1 --map 1=2 <(alone scans/phantom-0010.nii.gz "$model") 2.ts | nii-write -o turned.nii.gz
	"$segment" --overlap 0 -d turned --join other.ts --map 1=1 --map 1=2 "$model" scans/phantom-0010.nii.gz 2>said
	ts-cmp --data-only <(nii-read turned.nii.gz) <(nii-read turned/phantom-0010.nii.gz)
	[ ! -s said ]
	fails 1 "segment.sh: $model: has no names of its classes: say with --map what its labels become" "$segment" --join bundle.ts "$model" "$ct"
	fails 2 "segment.sh: --labels and --map go with --join (see segment.sh --help)" "$segment" --map 1=1 bundle.ts "$ct"
	fails 2 "segment.sh: --map: one for MODEL and one for each --join (see segment.sh --help)" "$segment" --map 1=1 --join kidney.ts bundle.ts "$ct"
	fails 1 "segment.sh: none.ts: cannot be read" "$segment" --join none.ts bundle.ts "$ct"
	fails 2 "segment.sh: a model without a name (see segment.sh --help)" "$segment" --join '' bundle.ts "$ct"
	fails 2 "segment.sh: a model without a name (see segment.sh --help)" "$segment" -m '' bundle.ts "$ct"
	fails 1 "segment.sh: seg-join: none.tsv: cannot open: No such file or directory" "$segment" --labels none.tsv --join kidney.ts bundle.ts "$ct"
	fails 1 "segment.sh: seg-join: --map: '1' is not FROM=TO (see seg-join --help)" "$segment" --map 1=1 --map 1 --join kidney.ts bundle.ts "$ct"
}

@test "segment.sh --ending: masks for 3D Slicer, one after the other and in jobs" {
	nii-write -t image -d scans demo/test.ts
	"$segment" --overlap 0 -d nifti "$model" scans/*.nii.gz >/dev/null
	for j in 1 2; do
		[ "$("$segment" -j $j --overlap 0 --ending .seg.nrrd -d "slicer $j" "$model" scans/*.nii.gz)" = "$(printf "slicer $j/phantom-0010.seg.nrrd\nslicer $j/phantom-0011.seg.nrrd")" ]
		seg-score --metrics dice --min dice=1 nifti "slicer $j" >/dev/null # of the same names
		for k in 10 11; do ts-cmp --data-only <(nii-read "slicer $j/phantom-00$k.seg.nrrd") <(nii-read "nifti/phantom-00$k.nii.gz"); done
	done
	fails 2 "segment.sh: --ending: '.png' is not .nii.gz, .nii, .nrrd or .seg.nrrd (see segment.sh --help)" "$segment" --ending .png "$model" scans/phantom-0010.nii.gz
	nii-read scans/phantom-0010.nii.gz | nii-write -t image -o scans/a.nrrd
	fails 2 "segment.sh: scans/a.nrrd: its mask would replace it: give another directory with -d (see segment.sh --help)" "$segment" --ending .nrrd -d scans "$model" scans/a.nrrd
}

@test "segment.sh: jobs at once take a host's GPUs in turn" {
	export NIIPIPE_BACKENDS=$ROOT/build/sim CUDA_VISIBLE_DEVICES=4,5 # in whose place there is one
	nii-write -t image -d scans demo/test.ts
	cuda="$segment --device cuda -j 2 -d turns $model scans/phantom-0010.nii.gz"
	[ "$($cuda)" = turns/phantom-0010.nii.gz ]
	first=/tmp/niipipe-$UID-gpu-0
	flock "$first" $cuda 2>&1 | grep -F "failed: seg-window: cuda: there is no device 1 (1 here, from 0)"
	CUDA_VISIBLE_DEVICES=4 flock "$first" $cuda
}

@test "segment.sh: misuse" {
	fails 2 "segment.sh: a model and at least one scan (see segment.sh --help)" "$segment" "$model"
	fails 2 "segment.sh: two scans would both become ./a.nii.gz (see segment.sh --help)" "$segment" "$model" x/a.nii y/a.nii.gz
	fails 2 "segment.sh: unknown option -x (see segment.sh --help)" "$segment" -x
	fails 2 "segment.sh: --overlap: 1.5 is not 0 to 0.99 (see segment.sh --help)" "$segment" --overlap 1.5 "$model" a.nii
	fails 2 "segment.sh: --effort: 7 is not 1 to 5 (see segment.sh --help)" "$segment" --effort 7 "$model" a.nii
	fails 2 "segment.sh: --effort or --overlap, not both (see segment.sh --help)" "$segment" --effort 3 --overlap 0.5 "$model" a.nii
	fails 1 "segment.sh: none.ts: cannot be read" "$segment" none.ts a.nii
	fails 2 "segment.sh: a scan with a tab in its name (see segment.sh --help)" "$segment" "$model" a.nii $'b\tc.nii'
	"$segment" --help | grep -q '^usage: segment.sh'
	# by a link, as somewhere on a PATH
	mkdir -p links
	for script in segment prepare train choose-components from-dicom demo best; do
		ln -s "$ROOT/pipelines/$script.sh" links/$script
		links/$script --help | grep -qF "$script.sh "
	done
}

@test "demo.sh says so where the time was over before the training was" {
	grep -q 'were over at step' said && return 1
	mkdir -p late
	printf '#!/bin/bash\n"${@:5}" --steps 3\nexit 124\n' >late/timeout
	chmod +x late/timeout
	PATH=$PWD/late:$PATH "$ROOT/pipelines/demo.sh" --quick -d late/demo |
		grep -qx 'its 50 s were over at step 3 of 12, as on a slow or busy machine: the masks are the worse for it'
}

@test "demo.sh: misuse; leaves alone what it did not make" {
	fails 2 "demo.sh: unknown option --x (see demo.sh --help)" "$ROOT/pipelines/demo.sh" --x
	mkdir -p mine
	fails 1 "demo.sh: mine: is there already and no demo's: give another with -d" "$ROOT/pipelines/demo.sh" -d mine
	[ -d mine ]
}
