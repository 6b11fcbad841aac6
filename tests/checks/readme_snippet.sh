#!/usr/bin/env bash
# The README's program is the one that is compiled: its first ```cpp block equals examples/readme.cpp,
# byte for byte, from that file's first #include on (what stands above is the file's own comment).
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
snippet=$(awk '/^```cpp$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' "$root/README.md")
program=$(sed -n '/^#include/,$p' "$root/examples/readme.cpp")
if [[ -z $snippet ]]; then
  echo "README.md has no \`\`\`cpp block"
  exit 1
fi
diff -u --label examples/readme.cpp --label README.md <(printf '%s\n' "$program") <(printf '%s\n' "$snippet")
