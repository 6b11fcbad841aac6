# SPDX-License-Identifier: MIT
# Shared by the scripts, which source it with $root set: `build PRESET [-DNAME=VALUE...] [--target NAME...]` makes
# sure that the requirements are there, configures the preset and builds it, or only those targets; find_programs below.
# shellcheck shell=bash
: "${root:?set it before sourcing build.sh}"

processors() { nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2; }

build() {
  local preset=$1 options=() targets=()
  shift
  while (($#)) && [[ $1 != --target ]]; do
    options+=("$1")
    shift
  done
  targets=("$@")
  "$root/scripts/setup.sh" || return
  if command -v ccache >/dev/null; then
    options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    # What ccache wants before it stores results that came through a precompiled header.
    export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros,include_file_mtime,include_file_ctime}
  fi
  (
    cd "$root" || exit
    cmake --preset "$preset" ${options[@]+"${options[@]}"} &&
      cmake --build --preset "$preset" --parallel "$(processors)" ${targets[@]+"${targets[@]}"}
  )
}

# Prints the folder PROGRAMS of built programs; where that is not given, they are built.
find_programs() {
  [[ -n ${PROGRAMS:-} ]] || build release >&2 || return
  printf '%s\n' "${PROGRAMS:-$root/build/release/examples}"
}
