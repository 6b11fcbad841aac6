#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every header compiles alone, under the options given. Sources of kernels and bodies of functions
# (*-inl.hpp), and for_each_isa.hpp, are included by other headers, and are covered through them.
#
# Most of the time would go into what nearly all of them include. A header that includes one of
# `bases`, itself or by way of others and whatever the macros, is therefore compiled on top of that
# one, precompiled: what it sees is the same as without. All others see nothing but themselves.
#   tests/checks/headers.sh COMPILER [compiler options]
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
export HEADER_COMPILE="$*" PRECOMPILED_AS=gch
# Clang instantiates the templates that a header's own functions need when it precompiles it, g++ whenever it is used.
if "$1" --version | grep -q clang; then
  HEADER_COMPILE+=' -fpch-instantiate-templates -Wno-pragma-once-outside-header -Wno-sign-conversion'
  PRECOMPILED_AS=pch
fi
cd "$root/include"
bases=(contexture/core/tensor.hpp contexture/data/image_folder.hpp contexture/report/json.hpp contexture/nn/safetensors.hpp contexture/autograd/autograd.hpp contexture/models/heads.hpp
  contexture/models/image_classifier.hpp contexture/study/config.hpp contexture/study/phases.hpp)  # the later the more of what they bring

mapfile -t headers < <(find contexture -name '*.hpp' ! -name '*-inl.hpp' ! -name for_each_isa.hpp | sort)
((${#headers[@]} > 0))

PRECOMPILED=$(mktemp -d)
export PRECOMPILED
trap 'rm -rf "$PRECOMPILED"' EXIT

# Lines `header base`, for headers that include a base (the last of the list that they do).
on_top_of() {
  # shellcheck disable=SC2016  # awk expands it
  find contexture -name '*.hpp' -print0 | xargs -0 awk -v bases="${bases[*]}" '
    function reaches(from, to,   list, n, i) {
      if (includes[from, to]) return 1
      if ((from, to) in looked) return 0
      looked[from, to] = 1
      n = split(direct[from], list, " ")
      for (i = 1; i <= n; ++i) if (reaches(list[i], to)) return includes[from, to] = 1
      return 0
    }
    FNR == 1 { depth = 0 }
    /^[ \t]*#[ \t]*if/ { ++depth }
    /^[ \t]*#[ \t]*endif/ { --depth }
    depth == 0 && match($0, /^[ \t]*#[ \t]*include[ \t]*"contexture\/[^"]*"/) {
      split($0, part, "\"")
      direct[FILENAME] = direct[FILENAME] " " part[2]
      includes[FILENAME, part[2]] = 1
    }
    END {
      n = split(bases, base, " ")
      for (header in direct)
        for (i = n; i >= 1; --i)
          if (reaches(header, base[i])) { print header, base[i]; break }
    }'
}
on_top_of >"$PRECOMPILED/list"

compile_alone() {
  local base options=()
  base=$(awk -v header="$1" '$1 == header { print $2 }' "$PRECOMPILED/list")
  if [[ -n $base ]]; then options=(-include "$PRECOMPILED/$base"); fi
  # shellcheck disable=SC2086  # the command line is meant to be split
  printf '#include "%s"\n#include "%s"\n' "$1" "$1" |
    $HEADER_COMPILE ${options[@]+"${options[@]}"} -fsyntax-only -x c++ - || {
    echo "$1: does not compile alone"
    return 1
  }
}
precompile() {
  mkdir -p "$(dirname "$PRECOMPILED/$1")"
  printf '#include "%s"\n' "$1" >"$PRECOMPILED/$1"
  # Without the result, the text is taken, and takes longer. What is wrong with it, compile_alone says.
  # shellcheck disable=SC2086  # the command line is meant to be split
  $HEADER_COMPILE -x c++-header "$PRECOMPILED/$1" -o "$PRECOMPILED/$1.$PRECOMPILED_AS" 2>/dev/null || true
}
export -f compile_alone precompile

each() {  # each FUNCTION ARGUMENTS: in parallel
  local function=$1
  shift
  # shellcheck disable=SC2016  # the inner shell expands it
  printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc 2>/dev/null || echo 2)" bash -c "$function"' "$1"' _
}
each precompile "${bases[@]}"
each compile_alone "${headers[@]}" || exit 1
echo "headers: ${#headers[@]} compile alone"
