#!/usr/bin/env bats
# Thousands of cases, here five: segment.sh and prepare.sh through GNU parallel, on this host and on others, which are this one by an sshd of our own.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	nii-phantom -n 5 --seed 2 -s 40,40,32 --volume 20,80 --healthy 0 -o v.ts
	seg-plan v.ts -o plan.json
	mkdir -p ct gtv
	nii-write -t image -d ct v.ts
	nii-write -t label -d gtv v.ts
	nii-normalize --window=-1024,325 v.ts | nii-patch -s 32,32,32 -n 2 | seg-train --net unet --channels 4,8 --strides 2 -o model.ts
	for f in ct/*; do
		id=$(basename "$f" .nii.gz)
		printf '%s\t%s\tgtv/%s.nii.gz\n' "$id" "$f" "$id"
	done >cases.tsv
	"$ROOT/pipelines/segment.sh" -d serial model.ts ct/*.nii.gz >/dev/null
	if sshd=$(PATH=$PATH:/usr/sbin command -v sshd) && command -v ssh-keygen >/dev/null && command -v parallel >/dev/null; then
		ssh-keygen -q -t ed25519 -N '' -f host_key
		ssh-keygen -q -t ed25519 -N '' -f key
		cp key.pub authorized
		mkdir -p /run/sshd 2>/dev/null || :
		port=$((2222 + $$ % 20000)) # this suite may run twice at a time
		printf '%s\n' "Port $port" "ListenAddress 127.0.0.1" "HostKey $PWD/host_key" "AuthorizedKeysFile $PWD/authorized" "PidFile $PWD/sshd.pid" "StrictModes no" \
			"UsePAM no" "PasswordAuthentication no" "MaxStartups 100" >sshd_config
		printf '%s\n' "Host near far" "HostName 127.0.0.1" "Port $port" "Host dead" "HostName 127.0.0.1" "Port 1" "Host *" "IdentityFile $PWD/key" \
			"User $(id -un)" "StrictHostKeyChecking no" "UserKnownHostsFile $PWD/known" "LogLevel ERROR" >ssh_config
		"$sshd" -f sshd_config -E sshd.log || :
	fi
}

teardown_file() {
	[ ! -s "$BATS_FILE_TMPDIR/sshd.pid" ] || kill "$(cat "$BATS_FILE_TMPDIR/sshd.pid")"
}

setup() {
	cd "$BATS_FILE_TMPDIR" || exit
	command -v parallel >/dev/null || skip "no GNU parallel"
	segment=$ROOT/pipelines/segment.sh prepare=$ROOT/pipelines/prepare.sh
	export PARALLEL_SSH="ssh -F $PWD/ssh_config" OMP_NUM_THREADS=1
	all=(ct/phantom-000{1,2,3,4,5}.nii.gz)
}

need_ssh() {
	[ -s sshd.pid ] || skip "no sshd"
	await $PARALLEL_SSH near true 2>/dev/null || { cat sshd.log; return 1; }
}

# The same voxels; where they come from, in the header, has the scans' names as they were given.
same() { for f in serial/*; do ts-cmp <(nii-read --id x "$f") <(nii-read --id x "$1/${f##*/}"); done; }

@test "jobs give what one after the other gives, in the order of the scans" {
	"$segment" -j 3 --joblog j1 -d d1 model.ts "${all[@]}" >said
	cmp said <(printf 'd1/phantom-000%d.nii.gz\n' 1 2 3 4 5)
	same d1
	[ "$(tail -n +2 j1 | cut -f 1,7 | sort | tr '\t\n' ' ,')" = "1 0,2 0,3 0,4 0,5 0," ]
	"$segment" -j 2 --list cases.tsv -d d2 model.ts >/dev/null
	same d2
	for f in serial/*; do cmp "$f" "d1/${f##*/}"; done
	for j in 1 2; do # where they come from goes along
		"$segment" -j $j -d d$j model.ts "${all[@]:0:2}" >/dev/null
		gzip -dc d$j/phantom-0002.nii.gz | tr -d '\0' | grep -aq 'nii-read --id phantom-0002 ct/phantom-0002.nii.gz | nii-normalize .* | seg-window .* --model model.ts .* | cc-largest .* | nii-invert$'
	done
}

@test "what failed is told at the end: case, message, exit status; nothing half-written; --resume tries it again alone" {
	mkdir -p bad
	cp "${all[@]}" bad
	echo junk >bad/phantom-0002.nii.gz
	head -c 20000 ct/phantom-0004.nii.gz >bad/phantom-0004.nii.gz
	run "$segment" -j 2 --joblog j3 -d d3 model.ts bad/*.nii.gz
	echo "$output"
	[ "$status" = 1 ]
	[ "$(ls -A d3 | tr '\n' ' ')" = "phantom-0001.nii.gz phantom-0003.nii.gz phantom-0005.nii.gz " ]
	[[ ${lines[3]} == "segment.sh: bad/phantom-0002.nii.gz: failed: nii-read: bad/phantom-0002.nii.gz: "*" (exit 1)" ]]
	[[ ${lines[4]} == "segment.sh: bad/phantom-0004.nii.gz: failed: nii-read: bad/phantom-0004.nii.gz: "*" (exit 1)" ]]
	[ "${lines[5]}" = "segment.sh: 2 of 5 failed" ]
	cp ct/phantom-0002.nii.gz ct/phantom-0004.nii.gz bad
	touch stamp
	run "$segment" -j 2 --joblog j3 --resume -d d3 model.ts bad/*.nii.gz
	echo "$output"; [ "$status" = 0 ]
	[ "$output" = "$(printf 'd3/phantom-0002.nii.gz\nd3/phantom-0004.nii.gz')" ]
	[ "$(find d3 -newer stamp -type f | sort | tr '\n' ' ')" = "d3/phantom-0002.nii.gz d3/phantom-0004.nii.gz " ]
	same d3
	fails 1 "segment.sh: j3: is of other cases: --resume goes on with the same ones" "$segment" --joblog j3 --resume -d d3 model.ts bad/phantom-0001.nii.gz
}

@test "--resume after the whole batch was killed" {
	rm -rf d4
	setsid "$segment" -j 1 --joblog j4 --effort 5 -d d4 model.ts "${all[@]}" >/dev/null 2>&1 &
	pid=$!
	await has_rows j4 2
	kill -KILL -- -$pid
	wait $pid || :
	sleep 0.2
	n=$(tail -n +2 j4 | wc -l)
	run "$segment" -j 2 --joblog j4 --resume --effort 5 -d d4 model.ts "${all[@]}"
	[ "$status" = 0 ]
	[ "${#lines[@]}" = $((5 - n)) ]
	[ "$(find d4 -name 'phantom*' | wc -l)" = 5 ]
}

@test "a signal to a batch ends its jobs, too, and leaves nothing half-written" {
	mkfifo slow.nii
	exec 7<>slow.nii # which never comes
	"$segment" -j 2 -d signalled model.ts slow.nii ct/*.nii.gz >list 2>said &
	pid=$!
	await pgrep -f "^nii-read .*slow.nii"
	kill -TERM $pid
	wait $pid && return 1
	[ $? = 143 ]
	gone() { [ -z "$(pgrep -f "^nii-read .*slow.nii|parallel .*segment.sh --one")" ]; }
	await gone
	exec 7>&-
	[ -z "$(find signalled -type f ! -name '*.nii.gz')" ]
}

@test "a signal before the first job of a batch begins: none does" {
	mkdir slow
	printf '#!/bin/sh\n: >>begun\nsleep 0.5\nexec %s "$@"\n' "$(command -v grep)" >slow/grep # what looks for each case among those that are done
	chmod +x slow/grep
	PATH=$PWD/slow:$PATH "$segment" -j 2 -d unbegun model.ts ct/*.nii.gz >list 2>said &
	pid=$!
	await test -e begun
	kill -TERM $pid
	wait $pid || status=$?
	[ "$status" -eq 143 ]
	[ ! -s list ]
	[ -z "$(ls unbegun)" ]
}

@test "--halt, --timeout" {
	mkdir -p junk
	for i in 1 2 3 4 5; do echo junk >junk/$i.nii; done
	run "$segment" --halt 2 -d d5 model.ts junk/*.nii
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"segment.sh: 3 of 5 not begun"* ]]
	[[ $output == *"segment.sh: 2 of 5 failed" ]]
	mkfifo junk/never.nii 2>/dev/null || :
	run timeout 60 "$segment" --timeout 1 -d d5 model.ts junk/never.nii
	[ "$status" = 1 ]
	[[ $output == *"segment.sh: junk/never.nii: failed: killed, or out of time (exit "* ]]
}

@test "hosts: all of them work; a dead one is named and left out" {
	need_ssh
	whole=("${all[@]/#/$PWD/}")
	"$segment" -S near,far -j 2 --joblog j6 -d "$PWD/d6" "$PWD/model.ts" "${whole[@]}" >said
	same d6
	[ "$(tail -n +2 j6 | cut -f 2 | sort -u | tr '\n' ' ')" = "far near " ]
	printf 'near\n# a comment\ndead\n' >hosts
	run "$segment" -S hosts -d "$PWD/d7" "$PWD/model.ts" "${whole[@]}"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"segment.sh: host dead: left out: ssh: connect to host 127.0.0.1 port 1: Connection refused"* ]]
	same d7
	fails_host=$("$segment" -S dead -d d8 model.ts "${all[@]}" 2>&1) && return 1
	[[ $fails_host == *"segment.sh: no host is left" ]]
}

@test "ranks on two hosts by mpirun and ssh: one process's losses; a dead host in the hostfile ends it in seconds, named" {
	need_ssh
	if [ ! -e "$BIN/niipipe-mpi.so" ] || ! command -v mpirun >/dev/null; then skip "no niipipe-mpi.so or no mpirun"; fi
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_plm_rsh_agent="$PARALLEL_SSH -o BatchMode=yes -o ConnectTimeout=10"
	net="seg-train --net unet --channels 4,8 --strides 2"
	nii-normalize --window=-1024,325 v.ts -o n.ts
	nii-patch -s 16,16,16 -n 9 --seed 1 n.ts | $net --batch 2 --log one.tsv -o one.ts
	printf 'near slots=1\nfar slots=1\n' >hostfile
	mpirun -q --hostfile hostfile -n 2 -x PATH -x OMP_NUM_THREADS sh -c "nii-patch -s 16,16,16 -n 9 --shard auto --seed 1 $PWD/n.ts | $net --log $PWD/two.tsv -o $PWD/two.ts"
	paste <(cut -f 3 one.tsv) <(cut -f 3 two.tsv) | awk 'NR > 1 && ($1 - $2) ^ 2 > 1e-10 { exit 1 } END { exit NR != 6 }'
	for dead in dead no-such-host.invalid; do
		printf 'near slots=1\n%s slots=1\n' $dead >hostfile
		SECONDS=0
		run mpirun -q --hostfile hostfile -n 2 -x PATH sh -c "nii-patch -s 16,16,16 -n 9 --shard auto --seed 1 $PWD/n.ts | $net -o $PWD/dead.ts"
		echo "$output"
		[ "$status" -ne 0 ]
		[ "$SECONDS" -lt 15 ]
		[[ $output == *"ssh: connect to host 127.0.0.1 port 1: Connection refused"* || $output == *"ssh: Could not resolve hostname no-such-host"* ]]
		[ ! -e dead.ts ]
	done
}

@test "--retries on another host" {
	need_ssh
	mkdir -p odd/pipelines odd/bin
	cp "$ROOT"/pipelines/*.sh "$ROOT"/pipelines/*.bash odd/pipelines
	# the first try of every scan fails
	cat >odd/bin/nii-read <<-EOF
		#!/bin/bash
		for a; do [ -e "\$a.tried" ] || [ ! -f "\$a" ] || { : >"\$a.tried"; echo "nii-read: \$a: the first time" >&2; exit 1; }; done
		exec "$BIN/nii-read" "\$@"
	EOF
	chmod +x odd/bin/nii-read
	mkdir -p again
	cp "${all[@]}" again
	PATH=$PWD/odd/bin:$PATH odd/pipelines/segment.sh -j 2 --retries 2 --joblog j9 -d d9 model.ts again/*.nii.gz >/dev/null
	same d9
	rm -f again/*.tried
	run env PATH="$PWD/odd/bin:$PATH" odd/pipelines/segment.sh -j 2 --joblog j9 -d d10 model.ts again/*.nii.gz
	[ "$status" = 1 ]
	[[ $output == *"segment.sh: again/phantom-0005.nii.gz: failed: nii-read: again/phantom-0005.nii.gz: the first time (exit 1)"*"segment.sh: 5 of 5 failed" ]]
}

@test "prepare.sh: a plan, a model, a pipeline; one by one, in jobs, on hosts" {
	nii-read -L cases.tsv | nii-crop --nonzero | nii-normalize --plan plan.json | nii-resample --plan plan.json -o wanted.ts
	"$prepare" -d p1 --plan plan.json -L cases.tsv >said
	cmp said <(printf 'p1/phantom-000%d.ts\n' 1 2 3 4 5)
	cat p1/*.ts | ts-cmp -q - wanted.ts
	{ printf '\357\273\277'; sed 's/$/\r/' cases.tsv; } >windows.tsv
	"$prepare" -d p6 --plan plan.json -L windows.tsv >/dev/null
	cat p6/*.ts | ts-cmp -q - wanted.ts
	"$prepare" -j 3 -d p2 --plan plan.json -L cases.tsv >/dev/null
	cat p2/*.ts | ts-cmp -q - wanted.ts
	"$prepare" -j 2 -d p3 -m model.ts -L cases.tsv >/dev/null
	cat p3/*.ts | ts-cmp -q - <(nii-read -L cases.tsv | nii-replay -m model.ts)
	"$prepare" -j 2 -d p4 --steps 'nii-resample -s 10,10,12 | nii-crop --above=-500' -L cases.tsv >/dev/null
	cat p4/*.ts | ts-cmp -q - <(nii-read -L cases.tsv | nii-resample -s 10,10,12 | nii-crop --above=-500)
	"$prepare" -d p7 --plan plan.json --configuration 2d -L cases.tsv >/dev/null
	cat p7/*.ts | ts-cmp -q - <(nii-read -L cases.tsv | nii-normalize --plan plan.json --configuration 2d | nii-resample --plan plan.json --configuration 2d)
	nii-read -L cases.tsv | nii-write -q -t label -d found
	for j in 1 2; do
		"$prepare" -j $j -d "with $j" --plan plan.json --previous found -L cases.tsv >/dev/null
		cat "with $j"/*.ts | ts-cmp -q - <(nii-read -L cases.tsv --with previous=found | nii-crop --nonzero | nii-normalize --plan plan.json | nii-resample --plan plan.json)
	done
	need_ssh
	"$prepare" -S near,: -j 1 -d p5 --plan plan.json -L cases.tsv >/dev/null
	cat p5/*.ts | ts-cmp -q - wanted.ts
}

@test "prepare.sh: what fails, misuse" {
	{ sed 2d cases.tsv; printf 'lost\tct/none.nii.gz\tgtv/none.nii.gz\nbad\tct/phantom-0001.nii.gz\tcases.tsv\n'; } >some.tsv
	for j in 1 2; do
		run "$prepare" -j $j -d q --plan plan.json -L some.tsv
		echo "$output"
		[ "$status" = 1 ]
		[ "$(ls -A q | tr '\n' ' ')" = "phantom-0001.ts phantom-0003.ts phantom-0004.ts phantom-0005.ts " ]
		[[ $output == *"prepare.sh: lost: failed: nii-read: "*"cannot open: No such file or directory"* ]]
		[[ $output == *"prepare.sh: bad: failed: nii-read: "* ]]
		[[ $output == *"prepare.sh: 2 of 6 failed" ]]
	done
	fails 2 "prepare.sh: -L CASES is needed (see prepare.sh --help)" "$prepare"
	fails 2 "prepare.sh: one of --plan, --model and --steps is needed (see prepare.sh --help)" "$prepare" -L cases.tsv
	fails 2 "prepare.sh: --configuration is of a --plan (see prepare.sh --help)" "$prepare" --configuration 2d -m model.ts -L cases.tsv
	fails 2 "prepare.sh: --retries: '0' is not a whole number above 0 (see prepare.sh --help)" "$prepare" --retries 0
	fails 2 "prepare.sh: --resume goes with --joblog (see prepare.sh --help)" "$prepare" --resume --plan plan.json -L cases.tsv
	fails 1 "prepare.sh: none.tsv: cannot be read" "$prepare" --plan plan.json -L none.tsv
	# a case that would be lost, or be another one's: of one name, without an image, without tabs
	local line
	for line in 'a\ta.nii.gz\na\tb.nii.gz:id '\''a'\'' is there twice' 'a\t\tb.nii.gz:expected id, image and label with tabs between them: a		b.nii.gz' \
		'a\ta.nii.gz\nb b.nii.gz:expected id, image and label with tabs between them: b b.nii.gz'; do
		printf "${line%%:*}\n" >lost.tsv
		fails 1 "prepare.sh: lost.tsv: ${line#*:}" "$prepare" -d lost --plan plan.json -L lost.tsv
	done
	[ -z "$(ls lost)" ]
	"$prepare" --help | grep -q '^usage: prepare.sh'
}

@test "what is given to sbatch has --help outside of it, too" {
	local f
	for f in "$ROOT"/pipelines/slurm/*; do
		bash "$f" --help >said
		grep -qF "${f##*/}" said
	done
}
