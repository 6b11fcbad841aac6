#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Command 2: builds and runs every test: first all (preset test: kernels optimised as for users, all else less, which builds
# faster), then the rooms' tests under AddressSanitizer and UBSan: with clang (preset clang) where clang++ is installed,
# else with g++ (preset sanitize). clang is not among the requirements: it costs half a gigabyte, and nobody needs it to
# use the library; developers and CI have it.
# The last line is `N passed, N failed`; the exit status is 1 if anything failed.
set -uo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
warnings=-DCONTEXTURE_WERROR=OFF mpi=no parity=no export=no page=no
for option in "$@"; do
  case $option in
    --werror) warnings=-DCONTEXTURE_WERROR=ON ;;
    --mpi) mpi=yes ;;
    --parity) parity=yes ;;
    --export) export=yes ;;
    --page) page=yes ;;
    -h | --help)
      cat <<'TEXT'
Usage: scripts/test.sh [--werror] [--mpi | --parity | --export | --page]
Builds and runs every test. The last line is `N passed, N failed`.
  --werror   a compiler's warning is an error, as in continuous integration
  --mpi      instead those of several processes by MPI; none where MPI is not installed
  --parity   instead the comparison with LibTorch, which is installed first (Debian: libtorch-dev); it counts rows of
             its table, which has the worst difference of every op
  --export   instead exported networks in ONNX Runtime, OpenCV and PyTorch, which are installed first (Debian:
             python3-onnx python3-opencv python3-torch python3-torchvision; npm: onnxruntime-node)
  --page     instead those of a report's page in a headless Chromium; none where chromium or node is not installed
TEXT
      exit 0
      ;;
    *)
      echo "test.sh: '$option' is not an option (see --help)" >&2
      exit 2
      ;;
  esac
done

# shellcheck source=scripts/build.sh
source "$root/scripts/build.sh"

if [[ $parity == yes ]]; then
  if "$root/scripts/setup.sh" libtorch-dev && build parity "$warnings" --target parity; then
    exec "$root/build/parity/tests/parity/parity"
  fi
  printf '0 passed, 1 failed\n'
  exit 1
fi

if [[ $export == yes ]]; then
  "$root/scripts/setup.sh" python3-onnx python3-opencv python3-torch python3-torchvision ||
    echo "export: goes on without what could not be installed"
  node=$root/build/export
  if [[ ! -d $node/node_modules/onnxruntime-node ]] && command -v npm >/dev/null; then
    ONNXRUNTIME_NODE_INSTALL_CUDA=skip npm install --silent --no-audit --no-fund --prefix "$node" onnxruntime-node@1.20.1 ||
      echo "export: goes on without ONNX Runtime"
  fi
  if build test "$warnings" --target contexture_program export_cases; then
    exec "$root/tests/export/run.sh" "$root/build/test/tests/export_cases" "$root/build/test/examples/export" \
      "$node/node_modules"
  fi
  printf '0 passed, 1 failed\n'
  exit 1
fi

passed=0
failed=0
failed_names=()

# run_preset PRESET [--target NAME...]: builds, runs ctest, adds to the counts.
run_preset() {
  local preset=$1 junit=$root/build/$1/junit.xml tests failures skipped
  printf '\n== %s: build\n' "$preset"
  rm -f "$junit"
  if ! build "$preset" "$warnings" "${@:2}"; then
    failed=$((failed + 1))
    failed_names+=("$preset: build")
    return
  fi
  printf '\n== %s: run\n' "$preset"
  (cd "$root" && ctest --preset "$preset" --parallel "$(processors)" --output-junit "$junit")
  local status=$?
  # <testsuite name="..." tests="12" failures="1" disabled="0" skipped="0" ...>
  local suite
  suite=$(sed -n '/<testsuite/,/>/p' "$junit" 2>/dev/null | tr '\n\t' '  ')
  tests=$(sed -n 's/.* tests="\([0-9]*\)".*/\1/p' <<<"$suite")
  failures=$(sed -n 's/.* failures="\([0-9]*\)".*/\1/p' <<<"$suite")
  skipped=$(sed -n 's/.* skipped="\([0-9]*\)".*/\1/p' <<<"$suite")
  if [[ -z $tests || $tests == 0 || -z $failures ]] || { ((status != 0)) && ((failures == 0)); }; then
    failed=$((failed + 1))
    failed_names+=("$preset: ctest gave no result (exit status $status)")
  fi
  passed=$((passed + ${tests:-0} - ${failures:-0} - ${skipped:-0}))
  failed=$((failed + ${failures:-0}))
  while read -r name; do failed_names+=("$preset: $name"); done < <(
    sed -n 's/.*<testcase name="\([^"]*\)".*status="fail".*/\1/p' "$junit" 2>/dev/null)
}

if [[ $page == yes ]]; then
  browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
  if [[ -z $browser ]] || ! command -v node >/dev/null; then
    printf 'page: skipped, no chromium and node here (Debian: packages chromium and nodejs)\n0 passed, 0 failed\n'
    exit 0
  fi
  work=$root/build/test/page
  rm -rf "$work"
  if build test "$warnings" --target write_samples && "$root/build/test/tests/write_samples" "$work/samples"; then
    printf '== page: screenshots are left in %s\n' "$work/pictures"
    exec node "$root/tests/page/page_test.mjs" "$browser" "$work/samples" "$work/pictures"
  fi
  printf '0 passed, 1 failed\n'
  exit 1
fi

if [[ $mpi == yes ]]; then
  if command -v mpirun >/dev/null && command -v mpicxx >/dev/null; then
    run_preset mpi --target test_mpi contexture_program check_outputs sample_files
  else
    printf 'mpi: skipped, no MPI here (scripts/setup.sh --with-mpi installs it)\n'
  fi
else
  run_preset test
  if command -v clang++ >/dev/null; then
    run_preset clang
  else
    run_preset sanitize
  fi
fi

printf '\n'
for name in "${failed_names[@]+"${failed_names[@]}"}"; do printf 'FAILED %s\n' "$name"; done
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
