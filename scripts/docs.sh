#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the site of the library's headers and of docs/*.md in build/docs/html, by Doxygen. A public symbol without a word
# about it, a broken link or a broken comment is an error; members whose name says it all are not.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

usage() {
  cat <<'TEXT'
Usage: scripts/docs.sh [--check]
Builds build/docs/html/index.html with Doxygen (Debian: doxygen); exit status 1 where something is not documented.
  --check   to a folder that is removed again; exit status 77 where Doxygen is missing
TEXT
}
check=no
case ${1:-} in
  '') ;;
  --check) check=yes ;;
  -h | --help)
    usage
    exit 0
    ;;
  *)
    echo "docs.sh: '$1' is not an option (see --help)" >&2
    exit 2
    ;;
esac
command -v doxygen >/dev/null || {
  echo 'docs.sh: doxygen is missing (Debian: doxygen)' >&2
  if [[ $check == yes ]]; then exit 77; fi
  exit 1
}
out=$root/build/docs
if [[ $check == yes ]]; then
  out=$(mktemp -d)
  trap 'rm -rf -- "$out"' EXIT
fi
rm -rf -- "$out/html" "$out/pages"
mkdir -p "$out/pages"

# The pages as Doxygen wants them: a heading has a name of its own, which links use (on GitHub it follows from the words);
# a quote in code does not end it.
cd "$root"
for page in README.md README.ru.md CONTRIBUTING.md CHANGELOG.md docs/*.md; do
  name=$(basename "$page" .md)
  awk -v page="${name/./_}" '
    function slug(text) {
      text = tolower(text)
      gsub(/`|[][(){}.,:;!?"\x27\/+=*<>&%]|–|—|…|×/, "", text)
      gsub(/ /, "-", text)
      return text
    }
    function code_spans(line,   out, at, end, span) {
      out = ""
      while ((at = index(line, "`")) > 0) {
        end = index(substr(line, at + 1), "`")
        if (end == 0) break
        span = substr(line, at, end + 1)
        out = out substr(line, 1, at - 1) (span ~ /\x27/ ? "`" span "`" : span)
        line = substr(line, at + end + 1)
      }
      return out line
    }
    /^```/ { fenced = !fenced; print; next }
    fenced { print; next }
    /^<!-- / { next }
    /^#+ / {
      match($0, /^#+ /)
      title = substr($0, RLENGTH + 1)
      name = page "-" (headings++ ? slug(title) : "top")
      if (seen[name]++) name = name "-" seen[name] - 1
      print $0 " {#" name "}"
      next
    }
    {
      line = code_spans($0)
      out = ""
      while (match(line, /\]\([^()]*\)/)) {
        link = substr(line, RSTART + 2, RLENGTH - 3)
        if (link ~ /^#/) link = "#" page "-" substr(link, 2)
        else if (link !~ /:\/\// && link ~ /\.md#/) {
          target = link
          sub(/.*\//, "", target)
          sub(/\.md#/, "-", target)
          sub(/\./, "_", target)
          link = "#" target
        } else if (link !~ /:\/\// && link ~ /\.md$/) {
          sub(/.*\//, "", link)
          sub(/\.md$/, "-top", link)
          sub(/\./, "_", link)
          link = "#" link
        }
        else if (link !~ /:\/\//) sub(/^(docs|\.\.)\//, "", link)
        out = out substr(line, 1, RSTART - 1) "](" link ")"
        line = substr(line, RSTART + RLENGTH)
      }
      print out line
    }' "$page" >"$out/pages/$(basename "$page")"
done

{ cat docs/Doxyfile && printf 'OUTPUT_DIRECTORY = "%s"\nINPUT += "%s"\nUSE_MDFILE_AS_MAINPAGE = "%s"\n' \
  "$out" "$out/pages" "$out/pages/README.md"; } | doxygen - >"$out/log" 2>&1 || true  # its own status says nothing that the log does not
grep -E '(warning|error): ' "$out/log" | grep -vE 'Member .* of (class|struct|union) .* is not documented' |
  sed "s|$root/||; s|$out/||" >"$out/complaints" || true
cat "$out/complaints"
if [[ -s $out/complaints || ! -s $out/html/index.html ]]; then
  [[ -s $out/complaints ]] || cat "$out/log"
  echo "docs.sh: $(wc -l <"$out/complaints") complaints" >&2
  exit 1
fi
if [[ $check == yes ]]; then echo "docs: $(find "$out/html" -name '*.html' | wc -l) pages, no complaints"; else echo "$out/html/index.html"; fi
