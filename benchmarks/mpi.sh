#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Several processes, measured; scripts/bench.sh --mpi calls it.
#   mpi.sh BENCH_MPI WIRE TO_PYTORCH [ROUNDS]
# One process of one thread and two, with batches of 256 images together; then two hosts (network namespaces) at 1 Gbit/s
# with a delay of 1 ms each way. Each line is a run, in turns; medians of the rounds at the end. $PYTHON is a command that
# runs a Python with PyTorch, such as `chroot DIR python3`: where it has none, it is not measured. With SLOWER=40 the
# network is forty times as slow; PACED is for bench_mpi --paced, on a machine that others use.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
program=$1 wire=$2 to_pytorch=$3 rounds=${4:-7} slower=${SLOWER:-1}
# shellcheck source=tests/mpi/make_hosts.sh disable=SC1091
source "$here/../tests/mpi/make_hosts.sh"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 CONTEXTURE_NUM_THREADS=1
read -ra python <<<"${PYTHON:-/usr/bin/python3}"

grep -m 1 'model name' /proc/cpuinfo 2>/dev/null | sed 's/.*: //' || true
sides=(context classifier)
if "${python[@]}" -c 'import torch' 2>/dev/null; then sides+=(torch); else echo 'not beside PyTorch: none here'; fi

train() {  # train SIDE PROCESSES STEPS: images/s; ours takes the steps twice
  case $1 in
    torch) "${python[@]}" -c "$(<"$here/ddp_torch.py")" "$2" 256 "$3" <"$to_pytorch" ;;
    context) mpirun -n "$2" "$program" --shared --rounds 1 --total 256 --steps $(($3 / 2)) --task context ;;
    classifier) mpirun -n "$2" "$program" --shared --rounds 1 --total 256 --steps $(($3 / 2)) --task classifier --optimizer sgd ;;
  esac | sed -n 's/ images\/s$//p'
}
processor_time() {  # of all processes, in seconds
  local TIMEFORMAT='%U %S'
  { time train "$@" >/dev/null; } 2>&1 | tail -n 1 | awk '{ print $1 + $2 }'
}
# processor_time_of_step SIDE PROCESSES: what other work on the machine changes least.
processor_time_of_step() { awk -v few="$(processor_time "$@" 2)" -v many="$(processor_time "$@" 22)" 'BEGIN { print (many - few) / 20 }'; }
median() { sort -g | awk '{ x[NR] = $1 } END { print (x[int((NR + 1) / 2)] + x[int(NR / 2) + 1]) / 2 }'; }

for ((round = 0; round < rounds; ++round)); do
  for side in "${sides[@]}"; do
    for processes in 1 2; do
      train "$side" "$processes" 24 >>"$work/$side.$processes"
      processor_time_of_step "$side" "$processes" >>"$work/$side.$processes.seconds"
    done
    echo "$side: $(tail -n 1 "$work/$side.1") and $(tail -n 1 "$work/$side.2") images/s;" \
      "$(tail -n 1 "$work/$side.1.seconds") and $(tail -n 1 "$work/$side.2.seconds") s of processors a step"
  done
done
for side in "${sides[@]}"; do
  one=$(median <"$work/$side.1") two=$(median <"$work/$side.2")
  few=$(median <"$work/$side.1.seconds") many=$(median <"$work/$side.2.seconds")
  echo "$side, medians: one process $one images/s, two $two, $(awk -v a="$two" -v b="$one" 'BEGIN { printf "%.2f", a / b }') times;" \
    "by the processors' time at most $(awk -v a="$few" -v b="$many" 'BEGIN { printf "%.2f", 2 * a / b }') times"
done

make_hosts "$wire" $((1000 / slower)) "$slower" || exit 0
for gradients in float32 bfloat16; do
  echo "two hosts, $((1000 / slower)) Mbit/s, $slower ms, gradients as $gradients"
  on_hosts "$program" --rounds "$rounds" --gradients "$gradients" --mbit $((1000 / slower)) \
    --microseconds $((1000 * slower)) --model ${PACED:+--paced "$PACED"}
done
