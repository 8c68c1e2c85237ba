#!/usr/bin/env bats
# pipelines/from-dicom.sh on a synthetic study (tests/golden/make_dicom.py).
load helper

D=$BATS_TEST_DIRNAME/golden/dicom

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	from=$ROOT/pipelines/from-dicom.sh
}

need_dcm2niix() {
	command -v dcm2niix >/dev/null || skip "no dcm2niix here (apt-get install dcm2niix)"
}

@test "a study: the CT as SimpleITK reads it, not the localizer; a table nii-read takes" {
	need_dcm2niix
	"$from" -d out "$D/study" >said
	[ "$(cat said)" = out/study.nii.gz ]
	[ "$(ls -A out | tr '\n' ' ')" = "cases.tsv study.nii.gz " ]
	nii-read -L out/cases.tsv | nii-resample --orient LPS >a.ts
	nii-read --id study "$D/ct.nii.gz" >b.ts
	nii-write -t image -o a.nii a.ts
	nii-write -t image -o b.nii b.ts
	numbers() { tail -c +$(($3 + 1)) "$1" | head -c "$4" | od -An -v "-t$2" -w4 | awk '{ for (i = 1; i <= NF; i++) print $i + 0 }'; }
	# sizes, spacings, sform, and the values: float32 after DICOM's intercept, int16 as SimpleITK wrote them
	cmp <(numbers a.nii d2 42 6) <(numbers b.nii d2 42 6)
	cmp <(numbers a.nii f4 80 12) <(numbers b.nii f4 80 12)
	cmp <(numbers a.nii f4 280 48) <(numbers b.nii f4 280 48)
	cmp <(numbers a.nii f4 352 3960) <(numbers b.nii d2 352 1980)
}

@test "several series, several folders, one of them bad" {
	need_dcm2niix
	mkdir -p p1 p2 junk
	cp "$D"/study/* p1
	cp "$D"/study/* p2
	echo x >junk/a.txt
	run "$from" -d out --least 1 p1 junk nowhere
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"from-dicom.sh: junk: dcm2niix: "* && $output == *"from-dicom.sh: nowhere: no such folder"* && $output == *"from-dicom.sh: 2 of 3 failed" ]]
	[ "$(cat out/cases.tsv)" = "$(printf 'id\timage\np1-1\tp1-1.nii.gz\np1-3\tp1-3.nii.gz')" ]
	"$from" -d out p1 p2/
	[ "$(cut -f 1 out/cases.tsv | tr '\n' ' ')" = "id p1 p2 " ]
	fails 1 "$(printf 'from-dicom.sh: p1: no CT of at least 11 slices\nfrom-dicom.sh: 1 of 1 failed')" "$from" --least 11 p1
	[ "$(ls -A out)" = "$(printf 'cases.tsv\np1-1.nii.gz\np1-3.nii.gz\np1.nii.gz\np2.nii.gz')" ]
}

@test "misuse, and no dcm2niix" {
	fails 2 "from-dicom.sh: a folder at least (see from-dicom.sh --help)" "$from"
	fails 2 "from-dicom.sh: unknown option -x (see from-dicom.sh --help)" "$from" -x .
	fails 2 "from-dicom.sh: --least: none is not a number of slices (see from-dicom.sh --help)" "$from" --least none .
	fails 2 "from-dicom.sh: two folders would both become ./a.nii.gz (see from-dicom.sh --help)" "$from" x/a y/a
	"$from" --help | grep -q '^usage: from-dicom.sh'
	mkdir bin
	for t in bash basename realpath sort uniq head dirname; do ln -s "$(command -v $t)" bin; done
	PATH=$PWD/bin fails 1 "from-dicom.sh: no dcm2niix here: apt-get install dcm2niix (Debian, Ubuntu), or github.com/rordenlab/dcm2niix" "$from" .
}
