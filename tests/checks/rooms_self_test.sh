#!/usr/bin/env bash
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
echo '' >"$house/contexture/attic/c.hpp"
expect bad "a folder that is no room"
((wrong == 0))
