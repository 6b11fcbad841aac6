#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The check of the history has to accept a good one and to notice each kind of bad one. Needs git; skipped (77) without.
set -euo pipefail
command -v git >/dev/null || exit 77
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
house=$(mktemp -d)
trap 'rm -rf "$house"' EXIT
cd "$house"
wrong=0

expect() {  # expect good|bad WHAT
  local verdict=good
  "$here/history.sh" "$house" >out 2>&1 || verdict=bad
  if [[ $verdict != "$1" ]]; then
    echo "history.sh: $2: expected $1, got $verdict"
    sed 's/^/    /' out
    wrong=$((wrong + 1))
  fi
}
commit() {  # commit DATE SUBJECT
  GIT_COMMITTER_DATE=$1 git -c user.name=a -c user.email=a@b -c commit.gpgsign=false commit -q --allow-empty -m "$2"
}

mkdir -p include/contexture/core docs tests/consumers
version=include/contexture/core/version.hpp
printf '#define CONTEXTURE_VERSION_%s\n' 'MAJOR 0' 'MINOR 1' 'PATCH 0' >"$version"
printf '# Changelog\n\n## [Unreleased]\n' >CHANGELOG.md
echo 'find_package(contexture 0.1 REQUIRED)' >README.md
expect good "nothing released, no git"
long=$(printf 'ä%.0s' {1..73})
git init -q .
commit 2020-01-01T00:00:00Z "$long, before the rule"
commit 2090-01-01T00:00:00Z "${long%ä}"
expect good "72 characters of two bytes"
echo '## [0.1.0] - 2026-12-01' >>CHANGELOG.md
expect good "the version released"
echo '#define CONTEXTURE_VERSION_MINOR 1' >"$version"
expect bad "a header without a whole version"
printf '#define CONTEXTURE_VERSION_%s\n' 'MAJOR 0' 'MINOR 1' 'PATCH 1' >"$version"
expect bad "a header that is ahead of the changelog"
sed -i 's/0\.1\.0/0.1.1/' CHANGELOG.md
expect good "both changed"
echo 'find_package(contexture 0.2 REQUIRED)' >docs/page.md
expect bad "a page that asks for another version"
rm docs/page.md
commit 2090-01-01T00:00:01Z "$long"
expect bad "73 characters"
((wrong == 0))
