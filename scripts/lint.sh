#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clang-tidy with .clang-tidy over the headers, all in one translation unit, and the sources named, or all of them; then
# cppcheck over the headers, where it is installed. A few minutes of one core for the headers, half an hour for all
# sources: not part of the tests.
#   scripts/lint.sh [--headers | FILE.cpp...]
# Exit status 1 if it finds anything; 2 without clang-tidy.
set -euo pipefail
caller=$PWD
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

case ${1:-} in
  -h | --help)
    cat <<'TEXT'
Usage: scripts/lint.sh [--headers | FILE.cpp...]
Runs clang-tidy (version 14 is the one that the configuration is held to) over the library's headers and all sources,
over the headers alone (--headers), or over the sources named; with the headers, cppcheck as well where it is installed.
TEXT
    exit 0
    ;;
esac
tidy=
for name in clang-tidy-14 clang-tidy; do
  if command -v "$name" >/dev/null; then
    tidy=$name
    break
  fi
done
if [[ -z $tidy ]]; then
  echo 'lint.sh: clang-tidy is missing (Debian: clang-tidy)' >&2
  exit 2
fi

mkdir -p build/lint
headers=build/lint/headers.cpp
(cd include && find contexture -name '*.hpp' ! -name '*-inl.hpp' ! -name for_each_isa.hpp | sort | sed 's/.*/#include "&"/') >"$headers"
files=()
if (($# == 0)); then
  # What stands beside other libraries wants those installed, embed_in_app the weights that its build writes.
  mapfile -t files < <(find src examples benchmarks tests -name '*.cpp' ! -name '*_peer*.cpp' ! -name 'bench_mpi.cpp' \
    ! -path 'examples/embed_in_app/*' ! -path 'tests/consumers/*' | sort)
  files=("$headers" "${files[@]}")
elif [[ $1 == --headers ]]; then
  files=("$headers")
else
  for file in "$@"; do files+=("$(cd "$caller" && realpath -- "$file")"); done
fi

options=(-std=c++20 -Iinclude -Iexamples -Itests -Ibenchmarks -Itests/consumers/program
  -DCONTEXTURE_BENCH_COMPILER='""' -DCONTEXTURE_BENCH_COMPILER_NAME='""' -DCONTEXTURE_BENCH_INCLUDE='""')
printf '%s\0' "${files[@]}" |
  xargs -0 -P "$(nproc 2>/dev/null || echo 2)" -I{} "$tidy" --quiet {} -- "${options[@]}" 2> >(grep -v ' warnings generated\.$' >&2) || exit 1
echo "lint: ${#files[@]} files, nothing found"
if [[ ${files[0]} == "$headers" ]] && command -v cppcheck >/dev/null; then
  # What Debian 12's (2.10) gets wrong: kBlock<T> is no comparison, two `requires` are not one condition, nothing is read
  # that was moved, stb's buffer is copied before it goes, no sum of exponentials less their largest is 0, a block that
  # was allocated has a size that can be, stores of vectors fill what it calls unset, ifstream::open() returns nothing; and
  # what is left unset on purpose.
  options=(--quiet --std=c++20 --language=c++ '--enable=warning,portability' --error-exitcode=1 --suppress=missingIncludeSystem
    --suppress=compareBoolExpressionWithInt --suppress=identicalConditionAfterEarlyExit --suppress=accessMoved
    --suppress=returnDanglingLifetime:include/contexture/data/png.hpp --suppress=invalidFunctionArg:include/contexture/*
    --suppress=throwInNoexceptFunction:include/contexture/core/memory-inl.hpp --suppress=uninitMemberVar
    --suppress=uninitvar:include/contexture/kernels/conv/amx_tiles-inl.hpp
    --suppress=ignoredReturnValue:include/contexture/nn/safetensors-inl.hpp
    -Iinclude -D__x86_64__ -D__linux__ '-DNLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(...)=')
  cppcheck "${options[@]}" "$headers" || exit 1
  echo 'lint: cppcheck: nothing found in the headers'
fi
