#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every script's --help answers at once: it builds nothing, and installs nothing. experiments.sh is not among them: its
# help is the program's.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for tool in cmake make c++ apt-get debootstrap; do
  # shellcheck disable=SC2016  # the stand-in expands it
  printf '#!/bin/sh\necho "$0" >>"%s/called"\nexit 1\n' "$work" >"$work/$tool"
  chmod +x "$work/$tool"
done
wrong=0
for script in test bench setup get-data lint check-debian13 reproduce torture mutate coverage fuzz soak update-page; do
  status=0
  PATH="$work:$PATH" "$root/scripts/$script.sh" --help >"$work/out" 2>&1 || status=$?
  if ((status != 0)) || ! grep -q '^Usage: scripts/'"$script.sh" "$work/out" || [[ -e $work/called ]]; then
    echo "$script.sh --help: status $status, called: $(cat "$work/called" 2>/dev/null)"
    sed 's/^/    /' "$work/out"
    rm -f "$work/called"
    wrong=$((wrong + 1))
  fi
done
((wrong == 0))
