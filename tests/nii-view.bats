# nii-view: pictures of the right size under the right name; what is in them is tested by tests/unit/view.c.
load helper

size() { od -An -tu1 -j16 -N8 | awk '{ print $3 * 256 + $4 "x" $7 * 256 + $8 }'; } # of a PNG, below 65536

setup() { cd "$BATS_TEST_TMPDIR" || exit; }

@test "a slice is a PNG that respects the spacing" {
	nii-phantom -s 31,29,8 --spacing 4,4,8 >a.ts
	nii-view a.ts | head -c 8 | od -An -c | grep -F '211   P   N   G  \r  \n 032  \n'
	[ "$(nii-view a.ts | size)" = 527x525 ] # 17 pixels a voxel, two lines of legend
	[ "$(nii-view a.ts --plain | size)" = 527x493 ]
	for p in axial=62x58 coronal=62x32 sagittal=58x32; do
		[ "$(nii-view a.ts --plain --zoom 2 --plane ${p%=*} | size)" = ${p#*=} ]
	done
}

@test "a montage has a tile a slice, a strip a tile every slice with a mask" {
	nii-phantom -s 30,20,7 --spacing 9,9,30 >a.ts
	[ "$(nii-view a.ts --plain --zoom 1 --montage 4 | size)" = 60x40 ]
	[ "$(nii-view a.ts --plain --zoom 1 --montage 100 | size)" = 90x60 ]
	[ "$(nii-view a.ts --plain --zoom 1 --montage 6 --columns 2 | size)" = 60x60 ]
	volume s U8 5,1,2 '\0\0\0\1\0\0\1\0\0\0' image >image.ts
	[ "$(nii-view image.ts --plain --zoom 1 --strip | size)" = 10x1 ]
	volume s U8 5,1,2 '\0\0\0\1\0\0\1\0\0\0' label >label.ts
	[ "$(nii-view label.ts -t label --plain --zoom 1 --strip | size)" = 6x1 ]
}

@test "close, marks and windows change the picture" {
	nii-phantom -s 48,48,24 --spacing 8,8,12 --volume 60,60 --healthy 0 >a.ts
	nii-view --no-history a.ts -o whole.png
	for o in "--close 20" "--marks fill" "--marks both" "--marks none" "--window=-100,100" "--preset lung" "--preset mediastinum" "--preset bone" \
		"--preset abdomen" "--preset liver" "--preset brain" "--preset lung-tumour" "--preset soft"; do
		nii-view --no-history a.ts $o -o "$o.png"
	done
	for o in auto wide; do nii-view --no-history a.ts --preset $o | cmp - <(nii-view --no-history a.ts); done
	rm ./*soft.png # the same as abdomen
	[ "$(md5sum -- *.png | cut -d ' ' -f 1 | sort -u | wc -l)" = 13 ]
}

@test "the slices of the longest diameters are shown" {
	volume s U8 4,3,5 '\1\1\1\0\0\0\0\0\0\0\0\0\0\0\0\1\1\1\0\0\1\1\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\1\1\1\0\0\0\0\0\0\0\0\0\0\0' >a.ts
	nii-view --no-history -t label --zoom 9 a.ts -o most.png
	nii-view --no-history -t label --zoom 9 --slice 1 a.ts | cmp - most.png
	nii-view --no-history -t label --zoom 9 --montage 1 a.ts | cmp - most.png
	nii-view --no-history -t label --zoom 9 --recist a.ts -o recist.png
	nii-view --no-history -t label --zoom 9 --recist --slice 3 a.ts | cmp - recist.png
	nii-view --no-history -t label --plain --zoom 9 --montage 2 --recist a.ts >two.png # 0 and 3, not 0 and 1
	nii-view --no-history -t label --plain --zoom 9 --montage 2 a.ts | cmp -s - two.png && false
	[ "$(size <two.png)" = 90x27 ]
	fails 2 "nii-view: --recist is a diameter in an axial slice: no --plane coronal (see nii-view --help)" nii-view --recist --plane coronal a.ts
}

@test "where a picture comes from is its comment, whatever the file that its frame was in" {
	nii-phantom -s 20,18,12 >a.ts
	nii-view --montage 2 --window=-1000,400 a.ts -o a.png
	nii-view --montage 2 --window=-1000,400 <a.ts | cmp - a.png
	nii-view --no-history --montage 2 --window=-1000,400 a.ts | cmp -s - a.png && false
	[ "$(tr -d '\0' <a.png | LC_ALL=C grep -acE '^.*iTXtComment.*nii-phantom .* [|] nii-view --montage 2 --window=-1000,400$')" = 1 ]
	v=$(sed -n 's/.*NIIPIPE_VERSION "\(.*\)".*/\1/p' "$ROOT/lib/base/version.h")
	grep -axF "## niipipe $v" a.png
}

@test "one picture a frame under -d" {
	nii-phantom -n 2 -s 20,20,10 | nii-view -d .
	[ -s phantom-0001.png ]
	[ -s phantom-0002.png ]
	[ "$(ls)" = "$(printf 'phantom-0001.png\nphantom-0002.png')" ]
	nii-phantom -n 2 -s 20,20,10 -o v.ts
	nii-view --dir new v.ts # made, as nii-write makes it
	cmp new/phantom-0002.png phantom-0002.png
	fails 1 "nii-view: v.ts: phantom-0001: a second frame of this id" nii-view -d new v.ts v.ts
}

@test "errors" {
	nii-phantom -n 2 -s 8,8,8 >two.ts
	nii-phantom -s 8,8,8 >one.ts
	fails 1 "nii-view: two.ts: phantom-0002: a second frame for one picture (-d DIR takes many)" nii-view two.ts
	fails 1 "nii-view: two.ts: phantom-0002: a second frame for one picture (-d DIR takes many)" nii-view -o out.png two.ts
	head -c 1000 two.ts | cat one.ts - >cut.ts
	run nii-view -o out.png cut.ts
	[ "$status" -eq 1 ]
	[ -z "$(find . -name '*out.png*')" ]
	fails 1 "nii-view: one.ts: phantom-0001: slice 8 (there are 8)" nii-view one.ts --slice 8
	fails 1 "nii-view: one.ts: phantom-0001: no tensor 'prob' in this frame" nii-view one.ts -t prob
	fails 2 "nii-view: --slice, --largest, --montage and --strip exclude each other (see nii-view --help)" nii-view --slice 1 --largest one.ts
	fails 2 "nii-view: --window and --preset exclude each other (see nii-view --help)" nii-view --window 0,1 --preset lung one.ts
	fails 2 "nii-view: --preset: 'pelvis' is not auto or one of lung, mediastinum, bone, abdomen, liver, brain, lung-tumour, soft, wide (see nii-view --help)" \
		nii-view --preset pelvis one.ts
	fails 1 "nii-view: one.ts: phantom-0001: /nonexistent/x: cannot make the directory: No such file or directory" nii-view -d /nonexistent/x one.ts
}

@test "an image that was normalised by a window is shown in HU again; one that is in none has no window by name" {
	nii-phantom -s 48,48,24 --spacing 8,8,12 >a.ts
	nii-normalize --window=-1024,325 -o n.ts a.ts
	nii-view n.ts -o n.png # what is drawn is tested by tests/unit/view.c
	nii-view n.ts --preset brain -o brain.png
	[ "$(cksum <n.png)" != "$(cksum <brain.png)" ]
	nii-normalize --zscore -o z.ts a.ts
	nii-view z.ts -o z.png
	fails 1 "nii-view: z.ts: phantom-0001: tensor 'image' is not in HU: no window by name" nii-view z.ts --preset brain
	fails 1 "nii-view: a.ts: phantom-0001: tensor 'label' is not in HU: no window by name" nii-view a.ts -t label --preset brain
}

@test "normalised images and other tensors" {
	nii-phantom -s 9,7,5 | nii-view -t label --window 0,1 -o l.png
	[ -s l.png ]
}

@test "a montage of marked layers, of their neighbours, of all" {
	nii-phantom -s 24,24,20 --spacing 14,14,14 --healthy 0 --volume 60,60 >ill.ts
	nii-phantom -s 24,24,20 --spacing 14,14,14 --healthy 1 >healthy.ts
	for n in 2 3 7 20; do
		nii-view --montage $n --zoom 1 -o a.png ill.ts
		nii-view --montage $n --zoom 1 -o b.png healthy.ts
		[ -s a.png ]
		[ -s b.png ]
	done
}
