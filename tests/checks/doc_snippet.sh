#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A program that a page shows is the one that is compiled: a ```cpp block of the page equals the source file, byte for
# byte, from that file's first #include on (what stands above is the file's own comment). Which block: the one below
# the line `<!-- snippet: SOURCE -->`, or, in a page without such a line, the first.
#   tests/checks/doc_snippet.sh PAGE SOURCE      both from the project's folder
#   tests/checks/doc_snippet.sh --self-test
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)

# compare PAGE SOURCE, both below $root: prints what differs.
compare() {
  local page=$1 source=$2 marker snippet program
  marker="<!-- snippet: $source -->"
  grep -qxF -- "$marker" "$root/$page" || marker=''
  if [[ -z $marker ]] && grep -q '^<!-- snippet: ' "$root/$page"; then
    echo "$page names its blocks, but none $source"
    return 1
  fi
  snippet=$(awk -v marker="$marker" '
    marker == "" || $0 == marker { begun = 1 }
    begun && /^```cpp$/ { inside = 1; next }
    /^```$/ { if (inside) exit }
    inside' "$root/$page")
  program=$(sed -n '/^#include/,$p' "$root/$source")
  if [[ -z $snippet || -z $program ]]; then
    echo "$page has no \`\`\`cpp block, or $source no #include"
    return 1
  fi
  diff -u --label "$source" --label "$page" <(printf '%s\n' "$program") <(printf '%s\n' "$snippet")
}

self_test() {
  root=$(mktemp -d)
  trap 'rm -r "$root"' EXIT
  printf '// one\n#include <a>\nint a;\n' >"$root/one.cpp"
  printf '// two\n#include <b>\nint b;\n' >"$root/two.cpp"
  printf 'int c;\n' >"$root/bare.cpp"
  printf '%s\n' text '```cpp' '#include <a>' 'int a;' '```' '```cpp' '#include <b>' 'int b;' '```' >"$root/plain.md"
  sed -e '2i<!-- snippet: one.cpp -->' -e '6i<!-- snippet: two.cpp -->' "$root/plain.md" >"$root/named.md"
  local failed=0
  agrees() { compare "$@" >/dev/null || { echo "$*: refused"; failed=1; }; }
  differs() { ! compare "$@" >/dev/null || { echo "$*: accepted"; failed=1; }; }
  agrees plain.md one.cpp
  differs plain.md two.cpp
  agrees named.md one.cpp
  agrees named.md two.cpp
  differs named.md bare.cpp
  differs plain.md bare.cpp
  echo 'int changed;' >>"$root/two.cpp"
  differs named.md two.cpp
  agrees named.md one.cpp
  return $failed
}

if [[ ${1-} == --self-test ]]; then self_test; else compare "$1" "$2"; fi
