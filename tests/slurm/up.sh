#!/bin/bash
# up.sh DIR [NODES]: a SLURM of NODES (2) nodes on this machine, as root, without systemd and control groups, every node in a network namespace with an
# address and a host name of its own. All its files are below DIR, whose path must be short: there are sockets. Prints SLURM_CONF; down.sh DIR ends it.
# Names and numbers come from DIR, so that several of them do not meet. KillOnBadExit: a rank that dies must not leave the others waiting. TmpFS is a
# node's own: PMIx keeps its sockets there. The nodes share this machine's processors, each says it has all of them.
set -eu -o pipefail
dir=$(mkdir -p "${1:?up.sh: a directory}" && cd "$1" && pwd) nodes=${2:-2}
tag=$(printf %s "$dir" | cksum | cut -d ' ' -f 1)
bridge=nii$((tag % 10000)) net=10.$((100 + tag % 100)).$((tag / 100 % 250)) port=$((20000 + tag % 20000)) cpus=$(nproc)
printf '%s\n' "$bridge" "$nodes" >"$dir/made"

munge_up() {
	install -d -m 700 "$dir/munge"
	dd if=/dev/urandom of="$dir/munge/key" bs=1024 count=1 status=none
	chmod 400 "$dir/munge/key"
	chmod 755 "$dir"
	munged --force --key-file="$dir/munge/key" --socket="$dir/munge.socket" --pid-file="$dir/munge/pid" --log-file="$dir/munge/log" --seed-file="$dir/munge/seed"
}

conf() {
	cat <<-EOF
		ClusterName=niipipe
		SlurmctldHost=$(hostname -s)($net.254)
		SlurmctldPort=$port
		SlurmUser=root
		SlurmdUser=root
		AuthInfo=socket=$dir/munge.socket
		MpiDefault=pmix
		ProctrackType=proctrack/linuxproc
		TaskPlugin=task/none
		JobAcctGatherType=jobacct_gather/none
		SelectType=select/cons_tres
		SelectTypeParameters=CR_CPU
		SlurmdParameters=config_overrides
		SlurmdTimeout=5
		KillOnBadExit=1
		KillWait=5
		MinJobAge=3600
		ReturnToService=2
		SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=1,bf_interval=1
		StateSaveLocation=$dir/state
		SlurmctldPidFile=$dir/slurmctld.pid
		SlurmctldLogFile=$dir/slurmctld.log
		SlurmdPidFile=$dir/%n.pid
		SlurmdLogFile=$dir/%n.log
		SlurmdSpoolDir=$dir/%n.spool
		TmpFS=$dir/%n.tmp
		PartitionName=all Nodes=n[1-$nodes] Default=YES MaxTime=INFINITE
	EOF
	for i in $(seq "$nodes"); do
		echo "NodeName=n$i NodeHostname=n$i NodeAddr=$net.$i Port=$((port + i)) CPUs=$cpus"
	done
}

network() {
	ip link add "$bridge" type bridge
	ip addr add "$net.254/24" dev "$bridge"
	ip link set "$bridge" up
}

node() { # I: nsenter, for slurmd wants /sys as it is here
	local space=$bridge-$1 end=${bridge}v$1
	mkdir -p "$dir/n$1.spool" "$dir/n$1.tmp"
	ip netns add "$space"
	ip link add "$end" type veth peer name eth0 netns "$space"
	ip link set "$end" master "$bridge" up
	ip -n "$space" addr add "$net.$1/24" dev eth0
	ip -n "$space" link set lo up
	ip -n "$space" link set eth0 up
	nsenter --net="/run/netns/$space" unshare --uts sh -c "hostname n$1 && exec slurmd -N n$1"
}

munge_up
mkdir -p "$dir/state"
conf >"$dir/slurm.conf"
export SLURM_CONF=$dir/slurm.conf
network
slurmctld -c
for i in $(seq "$nodes"); do node "$i"; done
for _ in $(seq 300); do
	[ "$(sinfo -h -t idle -o %D 2>/dev/null)" != "$nodes" ] || { echo "$SLURM_CONF"; exit; }
	sleep 0.1
done
echo "up.sh: the nodes are not idle: $dir/*.log" >&2
exit 1
