#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Command 1: builds the programs and runs the three experiments (all, half and a tenth of the
# labels; from scratch against pre-trained), by default on the built-in data set; with
# --data on other images, for ten minutes or as long as --time says. All options are passed on to the program, paths in
# them are relative to the caller's folder.
#   scripts/experiments.sh --help
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
program=$root/build/release/examples/experiments

# Help needs no up-to-date build, only any build.
for argument in "$@"; do
  if [[ $argument == --help || $argument == -h ]] && [[ -x $program ]]; then exec "$program" --help; fi
done

# shellcheck source=scripts/build.sh
source "$root/scripts/build.sh"
build release >&2
exec "$program" "$@"
