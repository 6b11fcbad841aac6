#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Everything that only a processor with AMX can show; usage() says what.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
results=$root/benchmarks/results/amx.json

usage() {
  cat <<'TEXT'
Usage: scripts/check-amx.sh
On a processor with AMX (Intel's Xeons since 2023): the tests of mixed precision with the tiles themselves,
which must give the bits of their emulation, then convolutions and steps in both precisions on one thread, and
beside oneDNN and LibTorch where they are installed (scripts/bench.sh --peers installs them). About 10 minutes
on a quiet machine, once all is built. The figures go to benchmarks/results/amx.json, with the processor's name.
Exit status: 0, 1 where a test failed or a peer computed other numbers, 2 on any other processor.
TEXT
}

case ${1:-} in
  '') ;;
  -h | --help)
    usage
    exit 0
    ;;
  *)
    echo "check-amx.sh: unknown option $1 (see --help)" >&2
    exit 2
    ;;
esac

processor=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1) || true
if ! grep -qw amx_bf16 /proc/cpuinfo 2>/dev/null || ! grep -qw amx_tile /proc/cpuinfo; then
  echo "check-amx.sh: nothing to check here: ${processor:-this processor} has no AMX with bfloat16" >&2
  exit 2
fi

# shellcheck source=scripts/build.sh disable=SC1091
source "$root/scripts/build.sh"
export CONTEXTURE_BFLOAT16=amx  # an error where Linux refuses the tiles, and no silent emulation
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
command -v jq >/dev/null || "$root/scripts/setup.sh" jq
failures=()

echo "== $processor: tests of mixed precision"
build test --target test_kernels test_autograd >&2
tests=()
for room in kernels autograd; do
  "$root/build/test/tests/test_$room" '*mixed precision*,*bfloat16*' | tee "$work/tests" || failures+=("tests of $room")
  tests+=("$room: $(tail -n 2 "$work/tests" | tr -s '\n' ' ')")
done

preset=bench programs=(bench_conv bench_step)
if "$root/scripts/setup.sh" --check libdnnl-dev libtorch-dev >&2; then preset=peers programs+=(bench_peers); fi
build "$preset" --target "${programs[@]}" >&2
bench() {  # bench PROGRAM FILTER
  "$root/build/$preset/benchmarks/bench_$1" --precision float32 --precision bfloat16 --benchmark_filter="$2" \
    --benchmark_min_time=0.03 --benchmark_out="$work/$1.json" --benchmark_out_format=json
}
echo "== convolutions"
bench conv '^auto/.*threads:1$'
echo "== steps"
bench step 'threads:1/'
echo null >"$work/peers.json"
if [[ $preset == peers ]]; then
  echo "== beside oneDNN and LibTorch"
  "$root/build/peers/benchmarks/bench_peers" --threads 1 --precision bfloat16 --json "$work/peers.json" ||
    failures+=("numbers of the peers")
fi

jq -n --arg processor "$processor" --arg system "$(uname -sr)" --arg compiler "$(c++ --version | head -n 1)" \
  --arg commit "$(git -C "$root" describe --always --dirty)" --arg date "$(date +%F)" --arg tests "$(printf '%s\n' "${tests[@]}")" \
  --slurpfile conv "$work/conv.json" --slurpfile step "$work/step.json" --slurpfile peers "$work/peers.json" '
  def rows: [.benchmarks[] | del(.family_index, .per_family_instance_index, .run_name, .run_type, .repetitions,
    .repetition_index, .threads, .iterations, .real_time, .cpu_time, .time_unit)];
  {$processor, $system, $compiler, $commit, $date, tests: ($tests | split("\n")),
   limits: ($conv[0].context | with_entries(select(.key | test("peak|memory_g|unit|running")))),
   convolutions: ($conv[0] | rows), steps: ($step[0] | rows), peers: $peers[0]}' >"$work/amx.json"
mkdir -p "${results%/*}"
mv -- "$work/amx.json" "$results"
echo "To be committed, with the figures in docs/performance.md: benchmarks/results/amx.json"
for failure in ${failures[@]+"${failures[@]}"}; do printf 'FAILED %s\n' "$failure"; done
((${#failures[@]} == 0))
