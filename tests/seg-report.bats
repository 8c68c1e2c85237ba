# seg-report: what is on the page and how it behaves in a browser (tests/report.js), what is refused.
load helper

# Three phantoms, what a network of two steps makes of them, its log.
setup_file() {
	export DIR=$BATS_FILE_TMPDIR PATH=$BATS_TEST_DIRNAME/../build/bin:$PATH
	cd "$DIR" || return 1
	nii-phantom -n 3 --seed 5 -s 40,36,24 --spacing 9,9,13 --healthy 0 --volume 40,60 -o raw.ts
	nii-normalize --window=-1024,325 -o train.ts raw.ts
	nii-patch -s 16,16,16 --pos 0.9 -n 8 --seed 1 train.ts |
		seg-train --net unet --channels 4,8 --strides 2 --res-units 1 --batch 1 --val train.ts --val-every 3 --log log.tsv -q -o model.ts
	nii-replay -m model.ts raw.ts | seg-window -m model.ts --keep-image | nii-invert --keep-image -o pred.ts
	seg-score -o scores.tsv pred.ts
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	cp "$DIR"/*.ts "$DIR"/*.tsv .
}

browser() {
	command -v chromium chromium-browser google-chrome >/dev/null && command -v python3 >/dev/null || skip "no chromium, or no python3"
	python3 "$ROOT/tests/browser.py" "$@"
}

page() { seg-report -s scores.tsv -l log.tsv -m model.ts -o page.html pred.ts; }
lacks() { ! grep -qE -- "$1" page.html || { echo "on the page: $1"; return 1; }; }
has() { grep -qF -- "$1" page.html || { echo "not on the page: $1"; return 1; }; }

@test "all sections; nothing comes from elsewhere; the same bytes" {
	page
	for id in summary model curves scores charts cases history; do has "id=\"$id\""; done
	for text in '<dt>architecture</dt><dd>UNet</dd>' '<dt>channels</dt><dd>[4, 8]</dd>' '<code>nii-normalize</code>' '<dt>range</dt><dd>[-1024.0, 325.0, 0.0, 1.0]</dd>' \
		'training loss' 'validation Dice' 'Bland-Altman plot: Volume, 3 pairs' 'Bland-Altman plot: RECIST' 'box plot: Dice, 3 values' '>phantom-0002<'; do
		has "$text"
	done
	[ -z "$(grep -oE '(src|href|url)[=(]"?[a-z]+:[^"]{0,20}' page.html | grep -vF 'src="data:image/png')" ]
	[ "$(grep -c 'class="slices"' page.html)" -eq 3 ]
	cp page.html first.html
	seg-report --threads 1 -s scores.tsv -l log.tsv -m model.ts pred.ts | cmp - first.html
	seg-report -s scores.tsv -l log.tsv -m model.ts - <pred.ts >piped.html
	cmp <(sed '/<pre>/,$d' piped.html) <(sed '/<pre>/,$d' first.html)
	# where it comes from
	[ "$(sed -n '/<pre>/,/<.pre>/p' first.html | wc -l)" = 7 ]
	has '<pre>seg-report --scores scores.tsv --log log.tsv --model model.ts pred.ts'
	for f in pred.ts scores.tsv log.tsv model.ts; do grep -qE "^# [0-9a-f]{16}  $f$" first.html; done
	sed -n '/<pre>/,/<.pre>/p' piped.html | grep -E '^} [|] seg-report .* -$'
}

@test "the table alone is enough; what is not there is left out" {
	seg-report -s scores.tsv >page.html
	lacks 'id="(model|curves)"|<figure|<img|class="slices"'
	cut -f 1-3 scores.tsv >few.tsv
	seg-report -s few.tsv >page.html
	has 'box plot: Dice, 3 values'
	lacks 'Bland-Altman plot'
	printf 'id\tlabel\tdice\tnsd_2mm\na\t1\t0.5\t0.25\nb\t1\tnan\tnan\n' >more.tsv
	seg-report -s more.tsv >page.html
	has '<td data-v="0.25">0.250</td>'
	has 'Surface Dice, 2 mm'
	has '<td data-v="nan">&#8211;</td>'
}

@test "the statistics are those of the numbers" {
	printf 'id\tlabel\tdice\na\t1\t0.1\nb\t1\t0.4\nc\t1\t0.3\nd\t1\tnan\ne\t1\t0.9\n0\t10\t1\nf\t2\t1\nmean\t1\t9\n' >s.tsv
	seg-report -s s.tsv >page.html
	has '<td>1</td><td>4</td><td>0.425</td><td>0.175</td><td>0.750</td><td>0.340</td><td>0.100</td><td>0.250</td><td>0.350</td><td>0.525</td><td>0.900</td>' # numpy
	has '<td>2</td><td>1</td><td>1.000</td><td>&#8211;</td><td>&#8211;</td><td>&#8211;</td><td>1.000</td>'
	[ "$(grep -oE '<h3 id="name-[0-9]+">[0-9a-z]' page.html | grep -oE '.$' | tr -d '\n')" = acbe0fd ] # the worst first
	[ "$(sed -n 's/.*<h3>Label \([0-9]*\).*/\1/p' page.html | tr '\n' ' ')" = "1 2 10 1 2 10 " ]
}

@test "labels are called what the volumes say; where two say otherwise, by number" {
	named() { # ID LABELS
		raw_frame "{\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"volume\",\"id\":\"$1\",\"affine\":\"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\",\"labels\":\"$2\"},\"image\":{\"dtype\":\"U8\",\"shape\":[1,1,4],\"data_offsets\":[0,4]},\"label\":{\"dtype\":\"U8\",\"shape\":[1,1,4],\"data_offsets\":[4,8]},\"pred\":{\"dtype\":\"U8\",\"shape\":[1,1,4],\"data_offsets\":[8,12]}}" '\1\2\3\4\0\1\2\3\0\1\2\2'
	}
	printf 'id\tlabel\tdice\na\t1\t1\na\t2\t0.5\na\t3\t0.1\nb\t1\t1\nb\t2\t0.5\nb\t3\t0.1\n' >s.tsv
	{ named a '{\"1\":\"<liver>\",\"2\":\"spleen\"}'; named b '{\"1\":\"<liver>\",\"2\":\"milt\"}'; } >v.ts
	seg-report -s s.tsv v.ts >page.html
	for text in '<h3>Label 1 &#60;liver&#62;</h3>' '<h3>Label 2</h3>' '<h3>Label 3</h3>' '<h4>Label 1 &#60;liver&#62;</h4>' '<td data-v="1">1 &#60;liver&#62;</td>' '<td>1 &#60;liver&#62;</td>'; do
		has "$text"
	done
	lacks 'spleen|milt'
	named a '{\"x\":\"liver\"}' >w.ts
	fails 1 "seg-report: w.ts: a: metadata labels: 'x' is not the number of a label (0 to 255) with a name" seg-report -s <(sed /^b/d s.tsv) w.ts
}

@test "--viewers, --slices, --pixels make the page smaller" {
	page
	all=$(stat -c %s page.html)
	for o in "--viewers 1" "--slices 3" "--pixels 16"; do
		seg-report $o -s scores.tsv -l log.tsv -m model.ts -o less.html pred.ts
		[ "$(stat -c %s less.html)" -lt "$all" ]
	done
	seg-report --viewers 1 -s scores.tsv -o page.html pred.ts
	[ "$(grep -c 'class="slices"' page.html)" -eq 1 ]
	[ "$(grep -c '<figure' page.html)" -eq 3 ]
	seg-report --viewers 0 -s scores.tsv --preset lung -o a.html pred.ts
	seg-report --viewers 0 -s scores.tsv -o b.html pred.ts
	[ "$(cksum <a.html)" != "$(cksum <b.html)" ]
}

@test "names that are HTML stay names" {
	id='<b>&"x" onload='"'1'"'>'
	printf 'id\tlabel\tdice\t<i>\n%s\t1\t0.5\t0.2\n' "$id" >s.tsv
	nii-write -t image -d . train.ts
	nii-write -t label -d labels train.ts
	nii-read --id "$id" -l labels/phantom-0001.nii.gz phantom-0001.nii.gz >v.ts
	seg-report --title "</title><script>alert(1)</script>" -s s.tsv -o page.html v.ts
	lacks '<b>|<i>|alert\(1\)</script>|onload='"'"
	has '&#60;b&#62;&#38;&#34;x&#34; onload=&#39;1&#39;&#62;'
	has '<title>&#60;/title&#62;&#60;script&#62;alert(1)&#60;/script&#62;</title>'
}

@test "in a browser: no error, the table sorts, the viewer draws; dark, narrow, on paper" {
	sed '2,4{/phantom-0001/s/\t1\t[^\t]*/\t1\tnan/}' scores.tsv >s.tsv
	seg-report -s s.tsv -l log.tsv -m model.ts -o page.html pred.ts
	[ "$(browser page.html --script "$ROOT/tests/report.js" --png light.png)" = "3 rows, 3 pictures, true viewer, ground rgb(255, 255, 255)" ] || browser page.html --script "$ROOT/tests/report.js"
	[ "$(browser page.html --script "$ROOT/tests/report.js" --size 500x800 --dark --png dark.png --pdf page.pdf)" = "3 rows, 3 pictures, true viewer, ground rgb(18, 22, 26)" ]
	[ -s light.png ]
	[ -s dark.png ]
	[ "$(head -c 5 page.pdf)" = %PDF- ]
}

@test "in a browser: yellow is where both have the same label, not another one" {
	for l in 1 2; do
		none=$(printf '\\0%.0s' {1..36}) row="\\0\\$l\\$l\\$l\\$l\\0" gap='\0\0\0\0\0\0'
		other=${row//$l/1}
		raw_frame '{"__metadata__":{"niipipe":"1","kind":"volume","id":"a","affine":"9 0 0 0 0 9 0 0 0 0 9 0 0 0 0 1"},"image":{"dtype":"U8","shape":[1,3,6,6],"data_offsets":[0,108]},"label":{"dtype":"U8","shape":[3,6,6],"data_offsets":[108,216]},"pred":{"dtype":"U8","shape":[3,6,6],"data_offsets":[216,324]}}' \
			"$none$none$none$none$gap$row$row$row$row$gap$none$none$gap$other$other$other$other$gap$none" >p.ts
		printf 'id\tlabel\tdice\na\t1\t0.5\n' >s.tsv
		seg-report -s s.tsv -o page.html p.ts
		cat >colours.js <<-'EOF'
			const figure = document.querySelector("figure");
			figure.scrollIntoView();
			for (let i = 0; i < 200 && !figure.querySelector("canvas[data-drawn]"); i++) await new Promise((done) => setTimeout(done, 25));
			const canvas = figure.querySelector("canvas"), d = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
			let yellow = 0;
			for (let i = 0; i < d.length; i += 4)
				yellow += d[i] > 200 && d[i + 1] > 200 && d[i + 2] < 80;
			return `${yellow > 0}`;
		EOF
		browser page.html --script colours.js >>said
	done
	[ "$(tr '\n' , <said)" = "true,false," ]
}

@test "in a browser: names that are HTML" {
	id='<img src=x onerror=alert(1)>&amp;"'"'"
	printf 'id\tlabel\tdice\n%s\t1\t0.5\nb\t1\t0.25\n' "$id" >s.tsv
	seg-report -s s.tsv -o page.html
	printf 'return document.querySelectorAll(".sorts th")[1].textContent + document.querySelectorAll("img").length;' >text.js
	[ "$(browser page.html --script text.js)" = "${id}0" ]
}

@test "nothing to report is an error" {
	head -n 1 scores.tsv >none.tsv
	fails 1 "seg-report: none.tsv: not one case: there is nothing to report" seg-report -s none.tsv
	{ head -n 1 scores.tsv; grep -E '^(mean|median|count)' scores.tsv; } >none.tsv
	fails 1 "seg-report: none.tsv: not one case: there is nothing to report" seg-report -s none.tsv
	: >none.tsv
	fails 1 "seg-report: none.tsv: empty: a table begins with a line that names its columns" seg-report -s none.tsv
	fails 2 "seg-report: -s SCORES is needed (see seg-report --help)" seg-report pred.ts
}

@test "bad tables" {
	bad() { printf "$1" >bad.tsv; fails 1 "seg-report: bad.tsv: $2" seg-report -s bad.tsv; }
	bad 'id\tlabel\na\t1\n' "no column 'dice'"
	bad 'id\tlabel\tdice\na\t1\n' "line 2 has 2 cells, the heading has 3"
	bad 'id\tlabel\tdice\tdice\na\t1\t1\t1\n' "two columns are named 'dice'"
	bad 'id\tlabel\tdice\na\t1\thigh\n' "line 2, dice: 'high' is not a finite number"
	bad 'id\tlabel\tdice\tx\na\t1\t1\t0x\n' "line 2, x: '0x' is not a finite number"
	bad 'id\tlabel\tdice\na\t1\t1\na\t1\t0\n' "two rows for label 1 of 'a'"
	bad 'id\tlabel\tdice\na\t\t1\n' "a row without a label"
	bad 'id\tlabel\tdice\n..\t1\t1\n' "id '..' is a directory's name"
	bad 'id\0label\n' "a byte 0: this is not a table"
	fails 1 "seg-report: no.tsv: cannot open: No such file or directory" seg-report -s no.tsv
}

@test "cases of table and volumes must be the same ones" {
	ts-select --index 1 pred.ts >one.ts
	fails 1 "seg-report: 2 of 3 cases of scores.tsv have no volume: phantom-0001, phantom-0003" seg-report -s scores.tsv one.ts
	grep -v phantom-0002 scores.tsv >two.tsv
	fails 1 "seg-report: pred.ts: phantom-0002: no such case in two.tsv" seg-report -s two.tsv -o page.html pred.ts
	fails 1 "seg-report: one.ts: phantom-0002: this case came before" seg-report -s scores.tsv -o page.html pred.ts one.ts
	ts-select --drop image pred.ts >masks.ts
	fails 1 "seg-report: masks.ts: phantom-0001: no tensor 'image' in this frame" seg-report -s scores.tsv -o page.html masks.ts
	[ ! -e page.html ]
}

@test "streams cut short, a full disk: nothing is left behind" {
	head -c -1 pred.ts >cut.ts
	run seg-report -s scores.tsv -o page.html cut.ts
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == "seg-report: cut.ts: "* ]]
	fails 1 "seg-report: standard input: no frame at all: empty, or what should have written it failed" seg-report -s scores.tsv -o page.html - </dev/null
	run bash -c 'seg-report -s scores.tsv pred.ts >/dev/full'
	[ "$status" -eq 1 ]
	[ "$output" = "seg-report: standard output: cannot write (offset 0): No space left on device" ]
	[ ! -e page.html ]
	[ -z "$(find . -name '.page*')" ]
}

@test "bad logs and models; gnuplot that is not there" {
	cut -f 2- log.tsv >l.tsv
	fails 1 "seg-report: l.tsv: no column 'step'" seg-report -s scores.tsv -l l.tsv -o page.html
	printf 'step\tloss\n1\t\n2\tnan\n' >l.tsv
	fails 1 "seg-report: l.tsv: not one step with a loss" seg-report -s scores.tsv -l l.tsv -o page.html
	# a log that would be a command
	printf 'step\tloss\n1\t1\n!touch owned\t1\n' >l.tsv
	fails 1 "seg-report: l.tsv: line 3, step: '!touch owned' is not a finite number" seg-report -s scores.tsv -l l.tsv -o page.html
	fails 1 "seg-report: pred.ts: a frame of kind 'volume' (expected model) (offset 0)" seg-report -s scores.tsv -m pred.ts -o page.html
	mkdir empty
	fails 1 "seg-report: cannot run gnuplot, which draws the curves of --log: No such file or directory" \
		env PATH="$PWD/empty" "$BIN/seg-report" -s scores.tsv -l log.tsv -o page.html
	printf '#!/bin/sh\nexit 3\n' >empty/gnuplot
	chmod +x empty/gnuplot
	fails 1 "seg-report: gnuplot failed on the curves of --log" env PATH="$PWD/empty:$PATH" seg-report -s scores.tsv -l log.tsv -o page.html
	[ ! -e page.html ]
	[ ! -e owned ]
}

@test "options that do not go together" {
	fails 2 "seg-report: --window and --preset exclude each other (see seg-report --help)" seg-report -s scores.tsv --window 0,1 --preset lung
	fails 2 "seg-report: --preset: 'pelvis' is not auto or one of lung, mediastinum, bone, abdomen, liver, brain, lung-tumour, soft, wide (see seg-report --help)" \
		seg-report -s scores.tsv --preset pelvis
	fails 2 "seg-report: --window: 1 is more than 0 (see seg-report --help)" seg-report -s scores.tsv --window 1,0
}
