#!/usr/bin/env bash
# Every header compiles alone, with warnings as errors. Kernel sources (*-inl.hpp) and
# for_each_isa.hpp are made to be included by other headers, and are covered through them.
#   tests/checks/headers.sh COMPILER [compiler options]
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
export HEADER_COMPILE="$*"
cd "$root/include"

mapfile -t headers < <(find contexture -name '*.hpp' ! -name '*-inl.hpp' ! -name for_each_isa.hpp | sort)
((${#headers[@]} > 0))

compile_alone() {
  # shellcheck disable=SC2086  # the command line is meant to be split
  printf '#include "%s"\n#include "%s"\n' "$1" "$1" | $HEADER_COMPILE -fsyntax-only -x c++ - || {
    echo "$1: does not compile alone"
    return 1
  }
}
export -f compile_alone
# shellcheck disable=SC2016  # the inner shell expands it
printf '%s\0' "${headers[@]}" | xargs -0 -n 1 -P "$(nproc 2>/dev/null || echo 2)" bash -c 'compile_alone "$1"' _ || exit 1
echo "headers: ${#headers[@]} compile alone"
