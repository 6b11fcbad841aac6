#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What the history says of itself:
#   - subjects of commits have at most 72 characters (those since the rule began)
#   - CHANGELOG.md, the header and the pages agree on the version
#   tests/checks/history.sh [folder]
set -euo pipefail
cd "${1:-$(dirname -- "${BASH_SOURCE[0]}")/../..}"
export LC_ALL=C.UTF-8
most=72
rule_began=2026-11-28T21:00:00Z
bad=0
complain() {
  echo "$1"
  bad=$((bad + 1))
}

# Without git, or without its history, there is nothing to say.
while IFS= read -r line; do
  subject=${line#* }
  if ((${#subject} > most)); then complain "commit ${line%% *}: subject of ${#subject} characters, at most $most: $subject"; fi
done < <(git log --no-merges --since="$rule_began" --format='%h %s' 2>/dev/null || true)

version=$(sed -nE 's/^#define CONTEXTURE_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+)$/\2/p' include/contexture/core/version.hpp | paste -sd.)
if ! [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]]; then complain "core/version.hpp: no version, '$version'"; fi
released=$(sed -nE 's/^## \[([0-9][^]]*)\].*/\1/p' CHANGELOG.md | head -n 1)
if [[ -n $released && $released != "$version" ]]; then complain "CHANGELOG.md: newest is $released, core/version.hpp says $version"; fi
cited=$(sed -n 's/^version: //p' CITATION.cff 2>/dev/null || true)
if [[ -n $cited && $cited != "$version" ]]; then complain "CITATION.cff says $cited, core/version.hpp says $version"; fi
while IFS=: read -r file line text; do
  asked=$(sed -E 's/.*find_package\(contexture ([0-9.]+).*/\1/' <<<"$text")
  if [[ $version != "$asked" && $version != "$asked".* ]]; then complain "$file:$line: asks for $asked, core/version.hpp says $version"; fi
done < <(grep -rnE 'find_package\(contexture [0-9]' README.md docs tests/consumers || true)

echo "history: version $version, $bad complaints"
((bad == 0))
