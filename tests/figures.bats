# pipelines/figures.mk: curves and box plots out of the tables.
load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	printf 'step\tlr\tloss\tval_dice\twait\n1\t0.1\t1.5\t\t0\n2\t0.1\t1.25\t0.5\t0\n3\t0.1\t1\t\t0\n4\t0.1\t0.75\t0.75\t0\n' >train.tsv
	printf 'id\tlabel\tdice\tvolume_bias\na\t1\t0.5\t-0.5\nb\t1\t0.75\t0.25\nb\t2\t0.25\t0.25\nc\t1\tnan\tnan\nmean\t1\t0.625\t0\ncount\t1\t2\t2\n' >one.tsv
	sed 's/0\.5\t/0.9\t/' one.tsv >other_model.tsv
}

figures() { make -s -f "$ROOT/pipelines/figures.mk" "$@" figures; }

@test "curves and box plots, as SVG and PDF; the same bytes" {
	figures LOG=train.tsv SCORES="one.tsv other_model.tsv" METRICS="dice volume_bias"
	[ "$(ls figures | tr '\n' ' ')" = "curves.history curves.pdf curves.svg dice.history dice.pdf dice.svg volume_bias.history volume_bias.pdf volume_bias.svg " ]
	[ "$(head -n 1 figures/dice.history)" = "make -f figures.mk SCORES='one.tsv other_model.tsv' METRICS=dice FORMATS='svg pdf' SIZE=12,8 figures" ]
	for f in figures/*.history; do sed -n 's/^# //p' $f | sha256sum -c --quiet && grep -q '^## gnuplot ' $f; done
	[ "$(grep -h '^# ' figures/*.history | sort -u | wc -l)" = 3 ]
	for f in figures/*.pdf; do [ "$(head -c 5 "$f")" = %PDF- ] && [ "$(tail -c 6 "$f")" = "%%EOF" ]; done
	for text in 'training loss' 'validation Dice' step; do grep -qF ">$text</tspan>" figures/curves.svg; done
	for text in dice one other_model; do grep -qF "<text>$text</text>" figures/dice.svg; done
	sleep 1.1
	TZ=Asia/Tokyo figures LOG=train.tsv SCORES="one.tsv other_model.tsv" METRICS="dice volume_bias" DIR=again
	diff -r figures again
}

@test "a figure is made anew when its table changes, and only then" {
	figures SCORES=one.tsv METRICS=dice FORMATS=svg
	touch -d '2020-01-01' one.tsv figures/dice.svg
	touch -d '2019-01-01' one.tsv
	figures SCORES=one.tsv METRICS=dice FORMATS=svg
	[ "$(date -r figures/dice.svg +%Y)" != 2020 ] # boxes.gp is newer
	touch figures/dice.svg
	before=$(stat -c %Y.%y figures/dice.svg)
	figures SCORES=one.tsv METRICS=dice FORMATS=svg
	[ "$(stat -c %Y.%y figures/dice.svg)" = "$before" ]
}

# points: one a value, nan and the table's own summary left out
points() { grep -oE "<use xlink:href='#gpPt6'" "$1" | wc -l; }

@test "every value is a point; a label alone; no validation, no second axis" {
	figures SCORES="one.tsv other_model.tsv" METRICS=dice FORMATS=svg
	[ "$(points figures/dice.svg)" -eq 6 ]
	figures SCORES=one.tsv METRICS=dice FORMATS=svg LABEL=2 DIR=two
	[ "$(points two/dice.svg)" -eq 1 ]
	cut -f 1-3 train.tsv >bare.tsv
	figures LOG=bare.tsv FORMATS=svg DIR=bare
	[ "$(grep -c 'validation Dice' bare/curves.svg)" -eq 0 ]
}

refused() { # refused MESSAGE ARGUMENT...
	local text=$1
	shift
	run make -s -f "$ROOT/pipelines/figures.mk" "$@" figures
	[ "$status" -ne 0 ] && [ "${lines[0]}" = "$text" ] || { echo "$output"; return 1; }
	[ -z "$(find figures -type f 2>/dev/null)" ]
}

@test "errors, and nothing half written" {
	refused 'figures.mk: nothing to draw: LOG=train.tsv, SCORES="a.tsv b.tsv" or both'
	refused "figures.mk: one.tsv: no column 'hd95'" SCORES=one.tsv METRICS=hd95
	refused "figures.mk: train.tsv: no column 'dice'" SCORES="train.tsv one.tsv" METRICS=dice
	refused "figures.mk: one.tsv: no column 'step'" LOG=one.tsv
	head -n 1 train.tsv >none.tsv
	refused "figures.mk: none.tsv: not one step with a loss" LOG=none.tsv
	refused "figures.mk: one.tsv: not one value of 'dice'" SCORES=one.tsv METRICS=dice LABEL=3
	refused "figures.mk: SIZE: 12 is not WIDTH,HEIGHT in cm" LOG=train.tsv SIZE=12
	run make -s -f "$ROOT/pipelines/figures.mk" SCORES=absent.tsv figures
	[ "$status" -ne 0 ]
	[[ $output == *"No rule to make target 'absent.tsv'"* ]]
}

@test "a table's text never becomes a command" {
	printf 'step\tloss\n1\t1\nEOD\t1\n!touch owned\t1\n`touch owned`\t$(touch owned)\n' >log.tsv
	printf "id\tlabel\tdice\na\t1\t0.5\nb\t1\tEOD\n!touch owned\t1\t'. system(\"touch owned\") .'\n" >s.tsv
	figures LOG=log.tsv SCORES=s.tsv METRICS=dice FORMATS=svg
	[ ! -e owned ]
	[ "$(points figures/dice.svg)" -eq 1 ]
}

@test "help says every variable that can be set, though nothing is given to draw" {
	make -f "$ROOT/pipelines/figures.mk" help >said
	for v in $(grep -oE '^[A-Z]+ *\?=' "$ROOT/pipelines/figures.mk" | grep -oE '^[A-Z]+'); do
		grep -q "^$v " said || { echo "$v is not there"; return 1; }
	done
}
