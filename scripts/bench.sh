#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the benchmarks and runs them; usage() says how.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
results=$root/benchmarks/results

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh [--peers | --peers=latest [--tree DIR] | --latency | --mpi | WORD] [options of the programs]
Builds the micro-benchmarks and runs them. A run without options is a whole one: what it measured
replaces benchmarks/results/<program>.json and the figure docs/roofline.svg.
  WORD             only programs whose name contains it: batches, compile, conv, decode, step
  --latency        one image at a time, beside ONNX Runtime and OpenCV, which are installed first
                   (npm: onnxruntime-node 1.20.1; Debian: python3-opencv)
  --mpi            several processes, and two hosts at 1 Gbit/s (docs/distributed.md); beside PyTorch's,
                   where the command in $PYTHON (default: /usr/bin/python3) runs a Python that has it
  --peers          beside oneDNN and LibTorch, which are installed first (Debian: libdnnl-dev, libtorch-dev)
  --peers=latest   the same beside those of Debian 13 (oneDNN 3.7, LibTorch 2.6), in a folder with Debian 13:
                   needs root, debootstrap, 6 GB of disk and Debian's mirror; of the last commit
  --tree DIR       where that folder is, or is put (default: build/debian13)
  -h, --help       this text
Options: Google Benchmark's, as in `scripts/bench.sh conv --benchmark_filter=winograd`, and
  conv, step       --precision float32|bfloat16 (without it float32, and bfloat16 where it is faster)
  conv             --shape n,h,w,c,k,kernel,stride[,groups]   --peer onednn
  --peers          --threads N   --only conv|step   --precision float32|bfloat16   --json FILE
TEXT
}

arguments=("$@")
name='' preset=bench
for argument in "$@"; do
  if [[ $argument == --help || $argument == -h ]]; then
    usage
    exit 0
  fi
done

# Everything again on Debian 13; the results come back as peers_latest*.json.
peers_latest() {
  local folder=$root/build/debian13 file
  # shellcheck source=scripts/debian13.sh disable=SC1091
  source "$root/scripts/debian13.sh"
  if [[ ${1:-} == --tree ]]; then
    (($# >= 2)) || fail '--tree needs a folder (see --help)' 2
    folder=$2
    shift 2
  fi
  debian13_tree "$folder" "${arguments[@]}"
  debian13_copy contexture-peers
  rm -f -- "$tree"/contexture-peers/benchmarks/results/peers*.json  # what is there afterwards, this run measured
  inside /contexture-peers scripts/setup.sh ccache
  inside /contexture-peers scripts/bench.sh --peers "$@"
  (($# == 0)) || return 0
  for file in "$tree"/contexture-peers/benchmarks/results/peers*.json; do
    cp -- "$file" "$results/peers_latest${file##*/peers}"
  done
}

# ONNX Runtime from npm, where scripts/test.sh --export has it too.
modules=$root/build/export/node_modules
onnxruntime_node() {
  [[ ! -d $modules/onnxruntime-node ]] && command -v npm >/dev/null || return 0
  ONNXRUNTIME_NODE_INSTALL_CUDA=skip npm install --silent --no-audit --no-fund --prefix "$root/build/export" \
    onnxruntime-node@1.20.1 || echo 'latency: goes on without ONNX Runtime'
}

case ${1:-} in
  --peers=latest)
    shift
    peers_latest "$@"
    exit
    ;;
  --peers)
    name=bench_peers preset=peers
    shift
    "$root/scripts/setup.sh" libdnnl-dev libtorch-dev
    ;;
  --latency)
    name=bench_latency
    shift
    "$root/scripts/setup.sh" python3-opencv || echo 'latency: goes on without what could not be installed'
    onnxruntime_node
    ;;
  --mpi)
    shift
    "$root/scripts/setup.sh" --with-mpi
    # shellcheck source=scripts/build.sh disable=SC1091
    source "$root/scripts/build.sh"
    build bench-mpi --target bench_mpi wire >&2
    programs=$root/build/bench-mpi/benchmarks
    exec "$root/benchmarks/mpi.sh" "$programs/bench_mpi" "$programs/wire" "$root/scripts/to_pytorch.py" "$@"
    ;;
  -* | '') ;;
  *)
    name=$1
    shift
    ;;
esac
if [[ " $* " == *' --peer '* || " $* " == *' --peer='* ]]; then
  preset=peers
  "$root/scripts/setup.sh" libdnnl-dev
fi

# shellcheck source=scripts/build.sh disable=SC1091
source "$root/scripts/build.sh"
build "$preset" >&2

# Google Benchmark's report, a line a benchmark, without the names of this machine and of its folders.
tidy() {
  command -v jq >/dev/null || "$root/scripts/setup.sh" jq
  jq -r '"{\"context\": \(.context | del(.host_name, .executable) | tojson),\n\"benchmarks\": [\n" + ([.benchmarks[]
    | del(.family_index, .per_family_instance_index, .run_name, .run_type, .repetitions, .repetition_index, .threads)
    | tojson] | join(",\n")) + "\n]}"' "$1" >"$1.tidy"
  mv -- "$1.tidy" "$1"
}

# The same image files by Pillow (Debian: python3-pil), where it is installed.
beside_pillow() {
  local files python=/usr/bin/python3  # Debian's, whatever else is in the path
  "$python" -c 'import PIL' 2>/dev/null || { echo 'not beside Pillow: python3-pil is missing'; return 0; }
  files=$(mktemp -d)
  "$1" --write "$files"
  "$python" "$root/benchmarks/pillow_decode.py" "$files"
  rm -rf -- "$files"
}

# A whole run of one program: its table to the terminal, its numbers to the results.
record() {
  local program=$1 called=${1##*/bench_}
  case $called in
    batches | conv | decode | step)
      "$program" --benchmark_min_time=0.03 --benchmark_out="$results/$called.json" --benchmark_out_format=json
      tidy "$results/$called.json"
      if [[ $called == decode ]]; then beside_pillow "$program"; fi
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
    latency) "$root/benchmarks/latency.sh" "$program" "$modules" ;;
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
