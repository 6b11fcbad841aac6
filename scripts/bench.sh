#!/usr/bin/env bash
# Builds the benchmarks and runs them; usage() says how.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
results=$root/benchmarks/results

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh [--peers | WORD] [options of the programs]
Builds the micro-benchmarks and runs them. A run without options is a whole one: what it measured
replaces benchmarks/results/<program>.json and the figure docs/roofline.svg.
  WORD         only programs whose name contains it: batches, compile, conv, step
  --peers      beside oneDNN and LibTorch, which are installed first (Debian: libdnnl-dev, libtorch-dev)
  -h, --help   this text
Options: Google Benchmark's, as in `scripts/bench.sh conv --benchmark_filter=winograd`; those of
bench_peers and bench_compile stand in the heads of their sources.
TEXT
}

name='' preset=bench
for argument in "$@"; do
  if [[ $argument == --help || $argument == -h ]]; then
    usage
    exit 0
  fi
done
if [[ ${1:-} == --peers ]]; then
  name=bench_peers preset=peers
  shift
  "$root/scripts/setup.sh" libdnnl-dev libtorch-dev
elif (($# > 0)) && [[ $1 != -* ]]; then
  name=$1
  shift
fi

# shellcheck source=scripts/build.sh disable=SC1091
source "$root/scripts/build.sh"
build "$preset" >&2

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
for program in "$root/build/$preset/benchmarks"/*"$name"*; do
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
