# shellcheck shell=bash
# Sourced by segment.sh and prepare.sh: a job a case by GNU parallel, on this machine and others, with a log, from which it goes on; what failed is told
# once, at the end. A job is the script itself: $0 --one NUMBER ARGUMENT... CASE, which says on standard output
# "done<tab>FILE" or "failed<tab>NUMBER<tab>MESSAGE".
# shellcheck disable=SC2154
jobs=1 hosts='' joblog='' resume='' halt='' retries='' timeout=''

batch_usage() {
	cat <<-'EOF'
	  -j, --jobs N          jobs at once, on every host (1); more than one, and all that follows, needs GNU parallel
	  -S, --hosts LIST      hosts for ssh, separated by commas, or a file of them, one a line; : is this one; paths must be the same there
	      --joblog FILE     a line a case: its number, host, time, exit status
	      --resume          go on from the joblog: what it has as done is left out, what failed is tried again
	      --retries N       try a case up to N times, if there are others on another host (1)
	      --timeout S       a case that takes longer has failed (never)
	      --halt N          begin no other case after N have failed (never)
	EOF
}

batch_name() { # of a scan: the file's without its directory and ending
	local n=${1##*/}
	n=${n%.gz}
	case $n in *.nii | *.hdr | *.img | *.nrrd | *.nhdr | *.mha | *.mhd) n=${n%.*} ;; esac
	printf '%s' "$n"
}

# batch_table LIST: a table of cases, or a list, as nii-read -L takes it: without its heading, and what Windows puts at the ends of lines and before the first
batch_table() { tr -d '\r' <"$1" | awk -F'\t' 'NR == 1 { sub(/^\357\273\277/, "") } NF && !(NR == 1 && $1 == "id")'; }

# batch_channels MODEL: how many channels a scan has for its network, but for those made of labels that another one found
batch_channels() {
	local said all labels
	said=$(ts-info --json -- "$1" 2>/dev/null | sed -n 1p | tr -d '\134')
	all=$(grep -oE '"(in|input)_channels":[0-9]+' <<<"$said" | head -n 1 | cut -d : -f 2) || :
	labels=$(grep -oE '"classes":[0-9]+},"tool":"nii-onehot"' <<<"$said" | head -n 1 | tr -cd 0-9) || :
	echo $((${all:-1} - ${labels:-0}))
}

# batch_cases N: scans' files, a zero byte behind each, to SCAN<tab>NAME in the same way; what has a tab is such a line already. Where a network takes N > 1
# channels, files of one directory whose names are nnU-Net's and follow one another, ID_0000, ID_0001, ..., are one scan, ID: SCAN is FILE<tab>FILE...
batch_cases() {
	local file name scan='' of='' next=0
	while IFS= read -r -d '' file; do
		name=$(batch_name "$file")
		if [ -n "$of" ] && [ "$of" = "${file%"${file##*/}"}${name%_*}" ] && [ "${name##*_}" = "$(printf %04d "$next")" ]; then
			scan+=$'\t'$file next=$((next + 1))
			continue
		fi
		batch_case
		scan=$file of='' next=1
		[ "$1" = 1 ] || [[ $file == *$'\t'* || $name != ?*_0000 ]] || of=${file%"${file##*/}"}${name%_*}
	done
	batch_case
}

batch_case() { # what batch_cases has of a scan
	if [ "$next" -gt 1 ]; then
		printf '%s\t%s\0' "$scan" "${of##*/}"
	elif [[ $scan == *$'\t'* ]]; then
		printf '%s\0' "$scan"
	elif [ -n "$scan" ]; then
		printf '%s\t%s\0' "$scan" "$(batch_name "$scan")"
	fi
}

# batch_scans LIST N: the scans it names, SCAN<tab>NAME with a zero byte behind each. A line is a file's name (batch_cases), or one of a table of cases: id,
# image, label, further images; there a relative path is seen from the table's directory, as nii-read -L has it.
batch_scans() {
	local base=''
	case $1 in */*) base=${1%/*}/ ;; esac
	batch_table "$1" | base=$base awk -F'\t' '
		function seen(path) { return (path ~ /^\// ? "" : ENVIRON["base"]) path }
		{ s = NF > 1 ? seen($2) : $1; for (i = 4; i <= NF; i++) s = s FS seen($i); print s (NF > 1 ? FS $1 : "") }' | tr '\n' '\0' | batch_cases "$2"
}

said() { grep -v 'no frame' "$1" | head -n 1; } # what went wrong first is what the first tool said

# batch_told NUMBER STATUS FILE LOG: what a job says of itself; its status.
batch_told() {
	if [ "$2" = 0 ]; then
		printf 'done\t%s\n' "$3"
	else
		printf 'failed\t%s\t%s\n' "$1" "$(said "$4")"
	fi
	return "$2"
}

# batch_option OPTION...: is it one of those above? It is kept then, or misuse; how many words it took is in `taken`.
# shellcheck disable=SC2034
batch_option() {
	case $1 in
	--resume) resume=1 taken=1; return ;;
	-j | --jobs | -S | --hosts | --joblog | --retries | --timeout | --halt) valued "$@"; taken=2 ;;
	*) return 1 ;;
	esac
	case $1 in
	-S | --hosts) hosts=$2 ;;
	--joblog) joblog=$2 ;;
	*) case $2 in '' | *[!0-9]* | 0) misuse "$1: '$2' is not a whole number above 0" ;; esac ;;
	esac
	case $1 in -j | --jobs) jobs=$2 ;; --retries) retries=$2 ;; --timeout) timeout=$2 ;; --halt) halt=$2 ;; esac
}

batch_check() {
	[ -z "$resume" ] || [ -n "$joblog" ] || misuse "--resume goes with --joblog"
	[ "$jobs" != 1 ] || [ -n "$hosts$joblog$halt$retries$timeout" ] || return 0
	command -v parallel >/dev/null && return
	[ -z "$hosts$joblog$halt$retries$timeout" ] || { echo "$me: no GNU parallel here: apt-get install parallel (Debian, Ubuntu)" >&2; exit 1; }
	echo "$me: no GNU parallel here: one case at a time" >&2
	jobs=1
}

# Is it asked for, beyond one after the other?
batch_wanted() { [ "$jobs" != 1 ] || [ -n "$hosts$joblog$halt$retries$timeout" ]; }

# Hosts that answer, separated by commas; the others are named.
batch_hosts() {
	local list h answer
	list=$hosts
	[ ! -f "$hosts" ] || list=$(grep -vE '^[[:blank:]]*(#|$)' "$hosts" | paste -sd , -)
	for h in ${list//,/ }; do
		printf '%s\n' "$h"
	done | while read -r h; do
		[ "$h" = : ] || { answer=$(timeout 20 ${PARALLEL_SSH:-ssh} -o BatchMode=yes -o ConnectTimeout=10 "${h##*/}" true 2>&1 </dev/null) && answer=; } ||
			{ echo "$me: host $h: left out: ${answer:-no answer}" | tr '\r\n' '  ' | sed 's/ *$//' >&2; echo >&2; continue; }
		printf '%s\n' "$h"
	done | paste -sd , -
}

# batch_ended JOBLOG: what became of the cases that were tried: number, exit status, host. A case's last line counts.
batch_ended() {
	awk -F'\t' -v OFS='\t' '$1 ~ /^[0-9]+$/ && match($9, /--one [0-9]+/) { i = substr($9, RSTART + 6, RLENGTH - 6); at[i] = $8 > 0 ? 128 + $8 : $7; host[i] = $2 }
		END { for (i in at) print i, at[i], host[i] }' "$1" | sort -n
}

# batch ARGUMENT...: the jobs of all `cases`. Files that are done go to standard output, in the order of the cases; then what failed, and 1 where any did.
batch() {
	# a job that is ended has ten seconds to leave nothing half-written, on a busy disk, too
	local how=(-0 -k -q -N $(($# + 2)) -j "$jobs" --will-cite --termseq "TERM,10000,KILL,25") alive work kind number what failed=0 n=${#cases[@]} i
	trap 'exit 143' TERM # when what runs has ended
	work=$(mktemp -d)
	# shellcheck disable=SC2064
	trap "rm -rf '$work'" EXIT
	if [ -n "$hosts" ]; then
		alive=$(batch_hosts)
		[ -n "$alive" ] || { echo "$me: no host is left" >&2; exit 1; }
		how+=(-S "$alive" --workdir .)
	fi
	[ -n "$joblog" ] || joblog=$work/joblog
	if [ -n "$resume" ] && [ -e "$joblog" ]; then
		printf '%s\0' "${cases[@]}" | cmp -s - "$joblog.cases" || { echo "$me: $joblog: is of other cases: --resume goes on with the same ones" >&2; exit 1; }
	else
		printf 'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n' >"$joblog"
		printf '%s\0' "${cases[@]}" >"$joblog.cases"
	fi
	batch_ended "$joblog" | awk '$2 == 0 { print $1 }' >"$work/done"
	for ((i = 1; i <= n; i++)); do
		grep -qx "$i" "$work/done" || printf '%s\0' "$i" "$@" "${cases[$((i - 1))]}" # all in one place, as they are: nothing of parallel's, {}, is in a name
	done >"$work/todo"
	[ -z "$halt" ] || how+=(--halt "soon,fail=$halt")
	[ -z "$retries" ] || how+=(--retries "$retries")
	[ -z "$timeout" ] || how+=(--timeout "$timeout")
	[ ! -t 2 ] || how+=(--bar)
	parallel "${how[@]}" --joblog "+$joblog" "$(realpath "$0")" --one <"$work/todo" 2> >(grep -vE '^parallel: (This job failed|Warning: This job was killed)|/.* --one [0-9]+ ' >&2) |
		while IFS=$'\t' read -r kind number what; do
			case $kind in
			done) printf '%s\n' "$number" ;;
			failed) printf '%s\t%s\n' "$number" "$what" >>"$work/messages" ;;
			esac
		done || :
	touch "$work/messages"
	batch_ended "$joblog" | awk -v OFS='\t' -F'\t' '!all { said[$1] = $2; next }
		$2 { print $1, $2, ($1 in said ? said[$1] : $2 == 255 && $3 != ":" ? "host " $3 " was lost" : "killed, or out of time") }' "$work/messages" all=1 - >"$work/failed"
	while IFS=$'\t' read -r number kind what; do
		echo "$me: ${cases[$((number - 1))]%%$'\t'*}: failed: $what (exit $kind)" >&2
		failed=$((failed + 1))
	done <"$work/failed"
	what=$((n - $(batch_ended "$joblog" | wc -l)))
	[ "$what" = 0 ] || echo "$me: $what of $n not begun" >&2
	[ "$failed" = 0 ] || echo "$me: $failed of $n failed" >&2
	[ "$((failed + what))" = 0 ]
}

# batch_guarded ARGUMENT...: batch; a signal that ends this script ends the jobs. All stays in this process group: who kills that one kills all of it.
batch_guarded() {
	batch "$@" &
	await_ended_by "kill $!; while pkill -TERM -P $!; do sleep 0.2; done" # it begins nothing more; parallel, which does not listen at first, ends its jobs
}
