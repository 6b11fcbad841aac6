# SPDX-License-Identifier: MIT
# Two hosts, as far as MPI can tell, for scripts that source it: network namespaces with an address and a name each, over
# whose connection Open MPI starts processes and carries messages by TCP. make_hosts makes them, on_hosts is mpirun there,
# and they go when the script ends, however it does.
# shellcheck shell=bash
work=$(mktemp -d)
host_a=contexture-$$-a host_b=contexture-$$-b wire_pid=''

# Whatever happens: no process, no namespace and no file stays.
remove_hosts() {
  local host
  for host in "$host_b" "$host_a"; do
    ip netns pids "$host" 2>/dev/null | xargs -r kill -KILL 2>/dev/null
    ip netns delete "$host" 2>/dev/null
  done
  [[ -z $wire_pid ]] || kill "$wire_pid" 2>/dev/null
  rm -rf -- "$work"
}
trap remove_hosts EXIT
trap 'exit 1' INT TERM HUP

# Namespaces, joined; by a program ($1) or by veth devices. The device is called `wire` in both.
join_hosts() {
  local host number=0
  ip netns add "$host_a" && ip netns add "$host_b" || return
  if (($# > 0)); then
    "$1" "$host_a" "$host_b" "$2" "$3" >"$work/ready" &
    wire_pid=$!
    disown
    until [[ -s $work/ready ]]; do
      kill -0 "$wire_pid" || return
      sleep 0.05
    done
  else
    ip link add wire netns "$host_a" type veth peer name wire netns "$host_b" || return
  fi
  for host in "$host_a" "$host_b"; do
    number=$((number + 1))
    ip -n "$host" address add "10.77.0.$number/24" dev wire && ip -n "$host" link set lo up &&
      ip -n "$host" link set wire up || return
  done
}

# make_hosts [WIRE MBIT_PER_SECOND MILLISECONDS]: with benchmarks/wire.cpp between them. Where there can be no such hosts
# it says so and returns 1.
make_hosts() {
  local why=''
  if ! command -v ip >/dev/null; then
    why='no ip here (Debian: iproute2)'
  elif ! mpirun --version 2>/dev/null | grep -q 'Open MPI'; then
    why='mpirun is not that of Open MPI'
  elif ! join_hosts "$@" 2>"$work/why"; then
    why="no network namespaces here: $(head -n 1 "$work/why")"
  fi
  if [[ -n $why ]]; then
    echo "skipped: $why"
    return 1
  fi

  # What Open MPI calls in place of ssh: AGENT ADDRESS COMMAND...
  cat >"$work/agent" <<TEXT
#!/bin/sh
shift
exec ip netns exec $host_b unshare --uts sh -c 'hostname host-b; eval "\$*"' sh "\$@"
TEXT
  chmod +x "$work/agent"
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 TMPDIR=$work
  export OMPI_MCA_plm_rsh_agent=$work/agent OMPI_MCA_btl=tcp,self OMPI_MCA_pml=ob1
  export OMPI_MCA_btl_tcp_if_include=10.77.0.0/24 OMPI_MCA_oob_tcp_if_include=10.77.0.0/24
}

# A process on each host.
on_hosts() {
  ip netns exec "$host_a" unshare --uts sh -c 'hostname host-a; exec "$@"' sh \
    mpirun --host 10.77.0.1:1,10.77.0.2:1 -n 2 "$@"
}

# Bytes that host b has sent.
sent() { ip netns exec "$host_b" cat /sys/class/net/wire/statistics/tx_bytes; }
