#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two hosts, which are network namespaces: what test_mpi checks holds between them; a process that is killed and a link
# that goes down end the job.
#   hosts.sh TEST_MPI PRETRAIN
# The exit status is 77 where there can be no such hosts.
set -uo pipefail
together=$1 pretrain=$2 wrong=0 pid=''
# shellcheck source=tests/mpi/make_hosts.sh disable=SC1091
source "$(dirname -- "${BASH_SOURCE[0]}")/make_hosts.sh"
complain() {
  echo "FAILED: $1"
  wrong=$((wrong + 1))
}
# shellcheck disable=SC2119
make_hosts || exit 77
export CONTEXTURE_NUM_THREADS=1

before=$(sent)
on_hosts timeout 100 "$together" || complain "exit status $?: what two hosts compute together"
carried=$(($(sent) - before))
((carried > 1000000)) || complain "only $carried bytes went over the network"

# A training on both, in the background; returns once it goes, which the network tells before the program does.
begin() {
  before=$(sent)
  (cd "$work" && on_hosts "$pretrain" --preset quick --train-images 600 --test-images 48 --image-size 24 --width 4 \
    --pretrain-epochs 1000 --pretrain-batch-size 32 --out "$work/$1") >"$work/stdout" 2>"$work/stderr" &
  pid=$!
  for _ in {1..600}; do
    if (($(sent) - before > 2000000)) || ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.1
  done
  began=$SECONDS
}
# ended SECONDS PATTERN: that it does so in time, with one line that matches.
ended() {
  local status=0
  for ((i = 0; i < 10 * $1; ++i)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  if kill -0 "$pid" 2>/dev/null; then
    complain "still there after $1 s: $(cat "$work/stderr")"
    return
  fi
  wait "$pid" || status=$?
  ((status != 0)) || complain "status $status: $(cat "$work/stderr")"
  (($(grep -cE "$2" "$work/stderr") == 1)) || complain "not one line of '$2': $(cat "$work/stderr")"
  echo "    after $((SECONDS - began)) s: $(grep -E "$2" "$work/stderr")"
}

begin killed
for process in $(ip netns pids "$host_b"); do
  [[ $(cat "/proc/$process/comm") == pretrain ]] && kill -KILL "$process"
done
ended 10 'exited on signal 9'

# Open MPI's daemons notice it: by default after eight minutes, here after some seconds.
export OMPI_MCA_oob_tcp_keepalive_time=2 OMPI_MCA_oob_tcp_keepalive_intvl=1 OMPI_MCA_oob_tcp_keepalive_probes=2
begin cut-off
ip -n "$host_b" link set wire down
ended 20 'lost communication with a remote daemon'
for _ in {1..100}; do
  [[ -n $(ip netns pids "$host_b") ]] || break
  sleep 0.1
done
[[ -z $(ip netns pids "$host_b") ]] || complain "left on the host that nobody reaches: $(ip netns pids "$host_b" | xargs ps -o comm= -p)"
exit $((wrong > 0))
