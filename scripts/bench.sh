#!/usr/bin/env bash
# Builds the benchmarks and runs them. Options for the programs (Google Benchmark's, or those in the
# head of bench_peers.cpp and bench_compile.cpp) come last; a run without any is a whole one, and
# leaves what it measured in benchmarks/results/<program>.json and the figure docs/roofline.svg.
#   scripts/bench.sh                                        all of them
#   scripts/bench.sh conv --benchmark_filter=winograd       programs whose name contains the word
#   scripts/bench.sh --peers                                beside oneDNN and LibTorch, installed first
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
results=$root/benchmarks/results
name=
if [[ ${1:-} == --peers ]]; then
  name=bench_peers
  shift
  "$root/scripts/setup.sh" libdnnl-dev libtorch-dev
elif (($# > 0)) && [[ $1 != -* ]]; then
  name=$1
  shift
fi

# shellcheck source=scripts/build.sh disable=SC1091
source "$root/scripts/build.sh"
build bench >&2

# Google Benchmark's report without the names of this machine and of its folders.
tidy() { sed -i -e '/"host_name":/d' -e '/"executable":/d' "$1"; }

# A whole run of one program: its table to the terminal, its numbers to the results.
record() {
  local program=$1 called=${1##*/bench_}
  case $called in
    batches | conv | step)
      "$program" --benchmark_min_time=0.03 --benchmark_out="$results/$called.json" --benchmark_out_format=json
      tidy "$results/$called.json"
      if [[ $called == conv ]]; then "$root/scripts/roofline.sh" "$results/conv.json" "$root/docs/roofline.svg"; fi
      ;;
    peers)
      if grep -q avx512f /proc/cpuinfo 2>/dev/null; then
        echo "-- both sides held to AVX2"
        CONTEXTURE_ISA=avx2 ONEDNN_MAX_CPU_ISA=AVX2 "$program" --only=conv --json="$results/peers_avx2.json"
      fi
      echo "-- one thread"
      "$program" --threads=1 --json="$results/peers_1_thread.json"
      echo "-- all threads"
      "$program" --json="$results/peers.json" # last, since its last line is the result
      ;;
    *) "$program" --json="$results/$called.json" ;;
  esac
}

found=no
for program in "$root"/build/bench/benchmarks/*"$name"*; do
  [[ -f $program && -x $program ]] || continue
  found=yes
  echo "== ${program##*/}"
  if (($# > 0)); then
    "$program" "$@"
  else
    mkdir -p "$results"
    record "$program"
  fi
done
if [[ $found == no ]]; then
  echo "bench.sh: no benchmark program is called *$name*" >&2
  exit 2
fi
