#!/usr/bin/env bats
# Completion of the tools for bash: every option of --help, with the words it takes.
load helper

setup() {
	# shellcheck disable=SC1091
	. "$ROOT/build/completion"
}

# What bash offers for a line, the last word of which is being written, in words as readline cuts it
offers() { # offers WORD ...
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_niipipe "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
	[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\n' "${COMPREPLY[@]}"
}

tools() {
	for t in "$BIN"/*; do
		case $t in *.so) ;; *) basename "$t" ;; esac
	done
}

@test "every option of every tool is completed, and nothing else is" {
	n=0
	for t in $(tools); do
		complete -p "$t" >/dev/null
		options=$("$BIN/$t" --help | sed -nE 's/^ +(-[a-zA-Z], )?--([a-z0-9-]+).*/\2/p' | sort -u)
		[ -n "$options" ]
		[ -z "$(offers "$t" -- -)" ] # operands are files
		[ "$(offers "$t" - | sed -n 's/^--//p' | sort -u)" = "$options" ] || { echo "$t"; return 1; }
		[ "$(offers "$t" - | grep -c '^-.$' || true)" -eq "$("$BIN/$t" --help | grep -cE '^ {2,6}-[a-zA-Z][, ]' || true)" ]
		for o in $options; do
			offers "$t" "--$o" | grep -qx -e "--$o" || { echo "$t --$o"; return 1; }
			n=$((n + 1))
		done
	done
	[ "$n" -gt 300 ]
}

@test "words to choose from are completed, wherever they stand" {
	for t in $(tools); do
		while read -r option words; do
			[ "$(offers "$t" "$option" "" | paste -sd '|')" = "$words" ] || { echo "$t $option: $words"; return 1; }
			[ "$(offers "$t" "$option" = | paste -sd '|')" = "$words" ] || { echo "$t $option=: $words"; return 1; }
		done < <("$BIN/$t" --help | sed -nE 's/^ +(-[a-zA-Z], )?(--[a-z0-9-]+) ([a-z0-9-]+([|][a-z0-9-]+)+)( .*)?$/\2 \3/p')
	done
	[ "$(offers seg-train --optimizer = ad | paste -sd ' ')" = "adamw adam" ]
	[ "$(offers cc-filter -c 1)" = 18 ]
}

@test "files stand where a file is wanted, and nothing where a number is" {
	kind() { echo "${_niipipe_table["$1"]-}"; }
	[ "$(kind "seg-window --model")" = file ]
	[ "$(kind "seg-window -m")" = file ]
	[ "$(kind "nii-patch --plan")" = file ]
	[ "$(kind "seg-train --output")" = file ]
	[ "$(kind "seg-window -o")" = file ] # its --output is not that
	[ "$(kind "seg-window --output")" = "labels prob logits" ]
	[ "$(kind "nii-patch --number")" = other ]
	[ "$(kind "nii-patch --grid")" = "" ]
	[ -z "$(offers nii-patch -- --gr)" ]
}
