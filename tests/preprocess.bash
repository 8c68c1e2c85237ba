# shellcheck shell=bash
# For the bats files of preprocessing: `load preprocess` after `load helper`.

# golden TOOL [NAME]: every command of tests/golden/NAME.tsv (preprocess) that begins with it, against what MONAI, scipy or ITK made. The word LIKE
# becomes the name of a file with the result.
golden() {
	local frames=$ROOT/tests/golden/${2-preprocess}.ts command source result atol n=0
	if [ -e "$frames.gz" ]; then
		zcat "$frames.gz" >"$BATS_TEST_TMPDIR/golden.ts"
		frames=$BATS_TEST_TMPDIR/golden.ts
	fi
	while IFS=$'\t' read -r command source result atol; do
		[[ $command == "$1 "* ]] || continue
		n=$((n + 1))
		ts-select --index "$result" "$frames" -o "$BATS_TEST_TMPDIR/like.ts"
		# shellcheck disable=SC2086
		ts-select --index "$source" "$frames" | ${command/LIKE/$BATS_TEST_TMPDIR/like.ts} >"$BATS_TEST_TMPDIR/made.ts" || { echo "in: $command"; return 1; }
		ts-select --index "$result" "$frames" | ts-cmp --atol "$atol" "$BATS_TEST_TMPDIR/made.ts" - || { echo "in: $command on frame $source"; return 1; }
	done <"$ROOT/tests/golden/${2-preprocess}.tsv"
	[ "$n" -gt 0 ]
}

# meta FRAME KEY: the value of a metadata key as it stands in the header of a file of one frame, quotes unescaped.
meta() {
	head -c 20000 "$1" | grep -aoE "\"$2\":\"([^\"\\\\]|\\\\.)*\"" | head -1 | sed -e "s/^\"$2\":\"//" -e 's/"$//' -e 's/\\"/"/g'
}

# model REPLAY: a model frame whose metadata replay is this JSON, with one weight.
model() {
	raw_frame "{\"__metadata__\":{\"niipipe\":\"1\",\"kind\":\"model\",\"id\":\"m\",\"replay\":\"${1//\"/\\\"}\"},\"w\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}" '\1\2'
}

# shear DIGIT [FILE]: a phantom's frame whose second axis runs that many mm along the first
shear() {
	LC_ALL=C sed "1s/\"affine\":\"\([^ ]*\) 0 /\"affine\":\"\1 $1 /" "${@:2}"
}
