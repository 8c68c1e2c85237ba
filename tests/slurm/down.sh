#!/bin/bash
# down.sh DIR: end the SLURM that up.sh made there, and take away its network.
set -u
dir=${1:?down.sh: a directory}
{ read -r bridge && read -r nodes; } <"$dir/made" || exit 0
export SLURM_CONF=$dir/slurm.conf
timeout 10 scancel -u root 2>/dev/null
pids=()
for f in "$dir"/n*.pid "$dir/slurmctld.pid" "$dir/munge/pid"; do
	pid=$(cat "$f" 2>/dev/null) && kill "$pid" 2>/dev/null && pids+=("$pid")
done
for _ in $(seq 60); do
	alive=()
	for pid in ${pids[@]+"${pids[@]}"}; do ! kill -0 "$pid" 2>/dev/null || alive+=("$pid"); done
	[ ${#alive[@]} -gt 0 ] || break
	sleep 0.1
done
[ ${#alive[@]} -eq 0 ] || kill -KILL "${alive[@]}"
for i in $(seq "$nodes"); do ip netns del "$bridge-$i"; done 2>/dev/null
ip link del "$bridge" 2>/dev/null
rm -f "$dir/made"
