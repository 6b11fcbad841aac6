#!/usr/bin/env bash
# A program that a page shows is the one that is compiled: the page's first ```cpp block equals the source file,
# byte for byte, from that file's first #include on (what stands above is the file's own comment).
#   tests/checks/doc_snippet.sh PAGE SOURCE      both from the project's folder
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
page=$1
source=$2
snippet=$(awk '/^```cpp$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' "$root/$page")
program=$(sed -n '/^#include/,$p' "$root/$source")
if [[ -z $snippet || -z $program ]]; then
  echo "$page has no \`\`\`cpp block, or $source no #include"
  exit 1
fi
diff -u --label "$source" --label "$page" <(printf '%s\n' "$program") <(printf '%s\n' "$snippet")
