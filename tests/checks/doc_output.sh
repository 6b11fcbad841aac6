#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A program prints what its page says: the page's first ```text block equals what PROGRAM prints.
#   tests/checks/doc_output.sh PAGE PROGRAM      PAGE from the project's folder
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
said=$(awk '/^```text$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' "$root/$1")
if [[ -z $said ]]; then
  echo "$1 has no \`\`\`text block"
  exit 1
fi
printed=$("$2")
diff -u --label "$1" --label "$(basename "$2")" <(printf '%s\n' "$said") <(printf '%s\n' "$printed")
