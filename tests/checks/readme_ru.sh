#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# README.ru.md says what README.md says: the same commands and programs, links, and numbers.
#   tests/checks/readme_ru.sh [--self-test]
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)

code() { awk '/^```/ { inside = !inside } inside || /^```/' "$1"; }
# Order is a matter of grammar. The page in the other language is linked by both.
links() { grep -oE '\]\([^)]+\)' "$1" | grep -v README | sort; }
numbers() { awk '/^```/ { inside = !inside } !inside' "$1" | sed -E 's/\]\([^)]*\)//g' | grep -oE '[0-9]+([.,][0-9]+)*' | sort; }

compare() {  # FILE FILE: complaints, and their number
  local what count=0
  for what in code links numbers; do
    if ! diff <("$what" "$1") <("$what" "$2") >"$differences"; then
      echo "$2: other $what than $1:"
      sed 's/^/  /' "$differences"
      count=$((count + 1))
    fi
  done
  return "$count"
}
differences=$(mktemp)
trap 'rm -f "$differences" "$differences".*' EXIT

if [[ ${1:-} == --self-test ]]; then
  # shellcheck disable=SC2016  # backquotes of Markdown
  printf 'Takes 5 minutes, [see](docs/a.md).\n```\nmake all\n```\n' >"$differences.a"
  # shellcheck disable=SC2016
  printf '[См.](docs/a.md), это 5 минут.\n```\nmake all\n```\n' >"$differences.b"
  compare "$differences.a" "$differences.b"
  for change in 's/5/6/' 's/make all/make/' 's/a\.md/b.md/'; do
    sed "$change" "$differences.b" >"$differences.c"
    if compare "$differences.a" "$differences.c" >/dev/null; then
      echo "readme_ru: does not notice $change"
      exit 1
    fi
  done
  exit 0
fi
compare "$root/README.md" "$root/README.ru.md" && echo 'readme_ru: as README.md'
