#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The C++ files are as clang-format 14 writes them under .clang-format. Other versions write a few places otherwise, so
# that only this one judges; skipped (77) without it.
#   tests/checks/format.sh           says what is off
#   tests/checks/format.sh --fix     mends it
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."
version=14

formatter='' others=''
for name in "clang-format-$version" clang-format; do
  command -v "$name" >/dev/null || continue
  found=$("$name" --version | sed -E 's/.*version ([0-9]+).*/\1/')
  if [[ $found == "$version" ]]; then
    formatter=$name
    break
  fi
  others+=" $found"
done
if [[ -z $formatter ]]; then
  echo "format: skipped, needs clang-format $version; here:${others:- none}"
  exit 77
fi

if [[ $(git rev-parse --show-toplevel 2>/dev/null) == "$(pwd -P)" ]]; then
  mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.hpp' '*.cpp' | while IFS= read -r f; do if [[ -f $f ]]; then echo "$f"; fi; done)
else  # an unpacked archive
  mapfile -t files < <(find . \( -name .git -o -name build \) -prune -o \( -name '*.hpp' -o -name '*.cpp' \) -print)
fi
options=(--dry-run -Werror)
if [[ ${1:-} == --fix ]]; then options=(-i); fi
printf '%s\0' "${files[@]}" | xargs -0 -n 25 -P "$(nproc 2>/dev/null || echo 2)" "$formatter" "${options[@]}"
echo "format: ${#files[@]} files"
