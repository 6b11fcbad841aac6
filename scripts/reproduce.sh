#!/usr/bin/env bash
# Makes again what README.md and docs/results.md quote: runs the experiments of one name, then puts
# its tables between that name's markers in the two pages and its curves below docs/images/. Whatever
# stands between the markers is overwritten; nothing else is touched.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

usage() {
  cat <<'TEXT'
Usage: scripts/reproduce.sh builtin [options]
       scripts/reproduce.sh fashion-mnist PATH [options]   PATH: as scripts/get-data.sh leaves it
       scripts/reproduce.sh cifar10 PATH [options]         PATH: a folder of images, or the binary files
Runs the experiments of that name and brings README.md, docs/results.md and docs/images/ up to date.
  --out FOLDER   where the run's results go (default: results-NAME here)
  --from FOLDER  the results of a run that was made before: run nothing
  -h, --help     this text
TEXT
}

misuse() {
  printf 'reproduce.sh: %s (see --help)\n' "$*" >&2
  exit 2
}
fail() {
  printf 'reproduce.sh: %s\n' "$*" >&2
  exit 1
}

out='' from=''
words=()
while (($#)); do
  case $1 in
    --out | --from)
      [[ -n ${2-} ]] || misuse "$1 needs a folder"
      if [[ $1 == --out ]]; then out=$2; else from=$2; fi
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*) misuse "unknown option $1" ;;
    *) words+=("$1") ;;
  esac
  shift
done
((${#words[@]} >= 1)) || misuse 'expected the name of a run'

# The runs that the pages quote: what they are given beside --data and --out. Only the built-in images
# are shown as pictures: the others are not ours to pass on.
name=${words[0]}
options=() curves=(accuracy_curves loss_curves) pictures=()
case $name in
  builtin) pictures=(patches predictions confusion) ;;
  fashion-mnist | cifar10) options=(--preset standard) ;;
  *) misuse "unknown name '$name', expected builtin, fashion-mnist or cifar10" ;;
esac
if [[ $name == builtin ]]; then
  ((${#words[@]} == 1)) || misuse 'builtin takes no path'
elif [[ -z $from ]]; then
  ((${#words[@]} == 2)) || misuse "$name: expected the path of the data set"
  options+=(--data "${words[1]}")
fi

if [[ -z $from ]]; then
  from=${out:-results-$name}
  "$root/scripts/experiments.sh" "${options[@]}" --out "$from"
fi
report=$from/report.md
speed=('How fast: optimiser steps' 'How fast: time, with and without pre-training')  # headings in it
[[ -r $report ]] || fail "$report: cannot be read"
for figure in "${curves[@]/%/.svg}" "${pictures[@]/%/.png}"; do
  [[ -r $from/$figure ]] || fail "$from/$figure: cannot be read"
done

# section HEADING: what stands in the report under a heading of any level, up to the next heading.
section() {
  awk -v heading="$1" '
    /^##+ / { inside = $0; sub(/^#+ /, "", inside); inside = inside == heading; next }
    inside' "$report"
}
# table: the first table of a text.
table() { awk '/^\|/ && !done { print; found = 1; next } found { done = 1 }'; }

whole() {
  awk '/^\*\*/ { print; print ""; exit }' "$report"
  awk '/^## / { exit } /^- / { print }' "$report"
  echo
  section 'Results' | sed "s|](\([a-z]*_curves\)\.png)|](images/$name/\1.svg)|"
  for heading in "${speed[@]}"; do
    printf '\n### %s\n' "$heading"
    section "$heading"
  done
  printf '\n### The run\n\n'
  printf '| | |\n|---|---|\n'
  section Set-up | grep -E '^\| (Images|Encoder|Pre-training|Machine|Whole run) \|'
}
short() {
  awk '/^\*\*/ { print; print ""; exit }' "$report"
  section 'Results' | table
  printf '\n![Validation accuracy by optimiser step and by time](docs/images/%s/accuracy_curves.svg)\n' "$name"
  printf '\n![Training and validation loss by optimiser step](docs/images/%s/loss_curves.svg)\n\n' "$name"
  printf 'Optimiser steps until a share of the scratch arm'\''s best validation accuracy was reached:\n\n'
  section "${speed[0]}" | table
}

# replace PAGE TEXT: what stands between the markers of $name there becomes TEXT.
replace() {
  local page=$1 new
  new=$(awk -v begin="<!-- begin $name " -v end="<!-- end $name -->" '
    FNR == NR { text = text $0 "\n"; next }
    index($0, begin) == 1 { print; printf "\n%s\n", text; skip = 1; found++ }
    index($0, end) == 1 { skip = 0; found++ }
    !skip
    END { exit found == 2 ? 0 : 3 }' <(printf '%s\n' "$2") "$page") || fail "$page: no markers of $name"
  printf '%s\n' "$new" | cat -s >"$page"
}

if [[ $name == builtin ]] && ! section Set-up | grep -xF '| Data set | builtin |' >/dev/null; then
  fail "$report: is not about the built-in images"
fi
for heading in Results "${speed[@]}" Set-up; do
  section "$heading" | grep '^|' >/dev/null || fail "$report: no table under '$heading'"
done
text=$(whole)
replace "$root/docs/results.md" "$text"
if [[ $name == builtin ]]; then
  text=$(short)
  replace "$root/README.md" "$text"
fi
mkdir -p "$root/docs/images/$name"
for figure in "${curves[@]/%/.svg}" "${pictures[@]/%/.png}"; do cp "$from/$figure" "$root/docs/images/$name/$figure"; done
echo "reproduce.sh: docs/results.md$([[ $name != builtin ]] || echo ', README.md') and docs/images/$name/ are as in $from"
