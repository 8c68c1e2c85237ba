#!/bin/bash
# Completion of all tools for bash, made of what their --help says: completion.sh BIN TOOL ... >niipipe
# The table: ["TOOL"] its options; ["TOOL OPTION"] what value it takes: words to choose from; "file"; "other".
set -eu
bin=$1
shift

rows() { # rows TOOL
	"$bin/$1" --help | awk -v tool="$1" '
	function kind(value,  n, i, w, words) {
		n = split(value, w, "|")
		for (i = 1; i <= n; i++)
			if (w[i] ~ /^(FILE|JSON|DIR|TABLE|PATH|CASES|LIST)/)
				return "file"
			else if (n > 1 && w[i] !~ /[A-Z]/)
				words = words (words == "" ? "" : " ") w[i]
		return words == "" ? "other" : words
	}
	/^ +(-[a-zA-Z0-9](, --[a-z]| )|--[a-z])/ {
		n = $1 ~ /^-.,$/ ? 2 : 1
		names = (n == 2 ? substr($1, 1, 2) " " : "") $n
		options = options (options == "" ? "" : " ") names
		line = $0
		sub(/^ +(-., )?-[a-zA-Z0-9-]+/, "", line)
		if (line !~ /^ [^ ]/)
			next
		split(names, both, " ")
		for (i = 1; i <= n; i++)
			printf "\t[\"%s %s\"]=\"%s\"\n", tool, both[i], kind($(n + 1))
	}
	END { printf "\t[\"%s\"]=\"%s\"\n", tool, options }'
}

printf '# Completion of niipipe for bash. Made by tools/completion.sh.\n# shellcheck shell=bash\ndeclare -gA _niipipe_table=(\n'
for tool; do rows "$tool"; done
printf ')\n'
cat <<'END'

_niipipe() {
	local tool=${1##*/} word=$2 before=$3 value i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		[ "${COMP_WORDS[i]}" = -- ] && return # operands, which are files
	done
	if [ "$word" = = ]; then # --option=
		word=
	elif [ "$before" = = ]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	value=${_niipipe_table["$tool $before"]-}
	case $value in
	file) ;;
	other) compopt +o default 2>/dev/null ;;
	?*) mapfile -t COMPREPLY < <(compgen -W "$value" -- "$word") ;;
	*) [[ $word != -* ]] || mapfile -t COMPREPLY < <(compgen -W "${_niipipe_table[$tool]-}" -- "$word") ;;
	esac
}
END
printf 'complete -o default -F _niipipe%s\n' "$(printf ' %s' "$@")"
