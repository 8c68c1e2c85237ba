# nii-view: pictures of the right size under the right name; what is in them is tested by tests/unit/view.c.
load helper

size() { od -An -tu1 -j16 -N8 | awk '{ print $3 * 256 + $4 "x" $7 * 256 + $8 }'; } # of a PNG, below 65536

setup() { cd "$BATS_TEST_TMPDIR" || exit; }

@test "a slice is a PNG that respects the spacing" {
	nii-phantom -s 31,29,8 --spacing 4,4,8 >a.ts
	nii-view a.ts | head -c 8 | od -An -c | grep -F '211   P   N   G  \r  \n 032  \n'
	[ "$(nii-view a.ts | size)" = 279x275 ]
	[ "$(nii-view a.ts --zoom 2 | size)" = 62x72 ]
	[ "$(nii-view a.ts --zoom 2 --plane coronal | size)" = 62x46 ]
	[ "$(nii-view a.ts --zoom 2 --plane sagittal | size)" = 58x46 ]
}

@test "a montage has a tile a slice" {
	nii-phantom -s 30,20,7 --spacing 9,9,30 >a.ts
	[ "$(nii-view a.ts --zoom 1 --montage 4 | size)" = 60x54 ]
	[ "$(nii-view a.ts --zoom 1 --montage 100 | size)" = 90x74 ]
}

@test "one picture a frame under -d" {
	nii-phantom -n 2 -s 20,20,10 | nii-view -d .
	[ -s phantom-0001.png ] && [ -s phantom-0002.png ] && [ "$(ls)" = "$(printf 'phantom-0001.png\nphantom-0002.png')" ]
}

@test "errors" {
	nii-phantom -n 2 -s 8,8,8 >two.ts
	nii-phantom -s 8,8,8 >one.ts
	fails 1 "nii-view: two.ts: phantom-0002: a second frame for one picture (-d DIR takes many)" nii-view two.ts
	fails 1 "nii-view: one.ts: phantom-0001: slice 8 (there are 8)" nii-view one.ts --slice 8
	fails 1 "nii-view: one.ts: phantom-0001: no tensor 'prob' in this frame" nii-view one.ts -t prob
	fails 2 "nii-view: --slice, --largest and --montage exclude each other (see nii-view --help)" nii-view --slice 1 --largest one.ts
	fails 2 "nii-view: --window and --preset exclude each other (see nii-view --help)" nii-view --window 0,1 --preset lung one.ts
	fails 1 "nii-view: one.ts: phantom-0001: /nonexistent/phantom-0001.png: cannot write beside it: No such file or directory" nii-view -d /nonexistent one.ts
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
		[ -s a.png ] && [ -s b.png ]
	done
}
