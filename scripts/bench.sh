#!/usr/bin/env bash
# Builds the micro-benchmarks and runs them, or those whose program name contains the first
# argument; what follows goes to the programs (Google Benchmark's options).
#   scripts/bench.sh conv --benchmark_filter=winograd
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
name=
if (($# > 0)) && [[ $1 != -* ]]; then
  name=$1
  shift
fi

# shellcheck source=scripts/build.sh
source "$root/scripts/build.sh"
build bench >&2

found=no
for program in "$root"/build/bench/benchmarks/*"$name"*; do
  [[ -f $program && -x $program ]] || continue
  found=yes
  echo "== ${program##*/}"
  "$program" "$@"
done
if [[ $found == no ]]; then
  echo "bench.sh: no benchmark program is called *$name*" >&2
  exit 2
fi
