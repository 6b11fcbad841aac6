#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One line of g++ with what pkg-config says, as docs/tutorial.md has it: with the compiled part of the library, and, the
# syntax only, without.
#   tests/consumers/pkg_config.sh INSTALL_PREFIX COMPILER
set -euo pipefail
prefix=$1 compiler=$2
command -v pkg-config >/dev/null || {
  echo 'pkg_config.sh: skipped, pkg-config is missing'
  exit 77
}
program=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)/program
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cp "$program"/{main,network}.cpp "$program/network.hpp" "$folder"
cd "$folder"
export PKG_CONFIG_PATH=$prefix/share/pkgconfig
# shellcheck disable=SC2046  # the flags are meant to be split
"$compiler" -std=c++20 -O1 main.cpp network.cpp $(pkg-config --cflags --libs contexture-compiled) -o consumer
./consumer
# shellcheck disable=SC2046
"$compiler" -std=c++20 -fsyntax-only network.cpp $(pkg-config --cflags contexture)
[[ $(pkg-config --cflags contexture) != *CONTEXTURE_COMPILED* ]]
