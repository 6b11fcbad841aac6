#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The room check has to accept a good house and to notice each kind of bad include.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
house=$(mktemp -d)
trap 'rm -rf "$house"' EXIT
mkdir -p "$house/contexture/core" "$house/contexture/nn" "$house/contexture/attic"
wrong=0

expect() {  # expect good|bad WHAT
  local verdict=good
  "$here/rooms.sh" "$house" >/dev/null 2>&1 || verdict=bad
  if [[ $verdict != "$1" ]]; then
    echo "rooms.sh: $2: expected $1, got $verdict"
    wrong=$((wrong + 1))
  fi
}

core=$house/contexture/core/a.hpp
layer=$house/contexture/nn/b.hpp
expect bad "no headers at all"
echo '#include <vector>' >"$core"
printf '%s\n' '#include "contexture/core/a.hpp"' '#include <xtensor/xarray.hpp>' >"$layer"
echo '#include "contexture/nn/b.hpp"' >"$house/contexture/contexture.hpp"
expect good "own room and rooms above"
echo '#include "contexture/nn/b.hpp"' >"$core"
expect bad "a later room"
echo '#  include <contexture/nn/b.hpp>' >"$core"
expect bad "a later room in angle brackets"
echo '#define CONTEXTURE_KERNEL_SOURCE "contexture/nn/b.hpp"' >"$core"
expect bad "a later room through CONTEXTURE_KERNEL_SOURCE"
echo '#include "contexture/core/missing.hpp"' >"$core"
expect bad "a header that does not exist"
echo '#include "a.hpp"' >"$core"
expect bad "a path that is not from the include root"
echo '#include "contexture/contexture.hpp"' >"$core"
expect bad "the umbrella header"
echo '' >"$core"
expect good "no includes"

conv=$house/contexture/kernels/conv
mkdir -p "$conv"
touch "$conv/winograd-inl.hpp" "$conv/tiles.hpp" "$conv/direct_weights.hpp" "$conv/choose.hpp" "$house/contexture/kernels/conv.hpp"
printf '#include "contexture/kernels/conv/%s.hpp"\n' winograd-inl tiles >"$conv/winograd.hpp"
printf '#include "contexture/kernels/conv/%s.hpp"\n' winograd direct_weights >"$conv/choose.hpp"
expect good "an algorithm with its own kernels and tiles, a choice that sees all"
printf '#include "contexture/kernels/conv/%s.hpp"\n' winograd-inl >"$conv/direct.hpp"
expect bad "an algorithm that includes another one's kernels"
printf '#include "contexture/kernels/conv/%s.hpp"\n' direct_weights >"$conv/direct.hpp"
expect bad "an algorithm that includes another one whose name begins alike"
printf '#include "contexture/kernels/conv/%s.hpp"\n' choose >"$conv/direct.hpp"
expect bad "an algorithm that includes the choice"
echo '#include "contexture/kernels/conv.hpp"' >"$conv/direct.hpp"
expect bad "an algorithm that includes the front door"
echo '' >"$conv/direct.hpp"

echo '' >"$house/contexture/attic/c.hpp"
expect bad "a folder that is no room"
((wrong == 0))
