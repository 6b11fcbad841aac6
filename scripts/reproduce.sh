#!/usr/bin/env bash
# Makes again what README.md and docs/results.md quote: runs the experiments of one name, then puts
# its tables between that name's markers in the two pages, its curves below docs/images/ and its numbers
# into results/NAME.json. Whatever stands between the markers is overwritten; nothing else is touched.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

usage() {
  cat <<'TEXT'
Usage: scripts/reproduce.sh builtin [options]
       scripts/reproduce.sh fashion-mnist PATH [options]   PATH: as scripts/get-data.sh leaves it
       scripts/reproduce.sh cifar10 PATH [options]         PATH: a folder of images, or the binary files
Runs the experiments of that name and brings README.md, docs/results.md, docs/images/ and results/ up to date.
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
options=() pictures=()
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
report=$from/report.md numbers=$from/summary.json
for file in "$report" "$numbers"; do [[ -r $file ]] || fail "$file: cannot be read"; done

# section HEADING [LAST]: what stands in the report under a heading of any level, up to the next heading,
# or up to the heading LAST.
section() {
  awk -v heading="$1" -v last="${2-}" '
    /^##+ / {
      text = $0; sub(/^#+ /, "", text)
      if (text == heading) { inside = 1; next }
      if (last == "" || text == last) inside = 0
    }
    inside' "$report"
}
# table: the first table of a text.
table() { awk '/^\|/ && !done { print; found = 1; next } found { done = 1 }'; }

speed='How fast: optimiser steps'
whole() {
  awk '/^\*\*/ { print; print ""; exit }' "$report"
  awk '/^## / { exit } /^- / { print }' "$report"
  echo
  section Results 'What it means' | sed "s|](\([a-z_]*\)\.png)|](images/$name/\1.svg)|"
  printf '\n### The run\n\n| | |\n|---|---|\n'
  section Set-up | grep -E '^\| (Images|Encoder|Pre-training|Machine|Whole run) \|'
}
short() {
  awk '/^\*\*/ { print; print ""; exit }' "$report"
  section Results | table
  [[ $name == builtin ]] || return 0
  printf '\n![Validation accuracy by optimiser step and by time](docs/images/%s/accuracy_curves.svg)\n' "$name"
  printf '\n![Training and validation loss by optimiser step](docs/images/%s/loss_curves.svg)\n\n' "$name"
  printf 'Optimiser steps until a share of the scratch arm'\''s best validation accuracy was reached:\n\n'
  section "$speed" | table
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
for heading in Results "$speed" Set-up; do
  section "$heading" | grep '^|' >/dev/null || fail "$report: no table under '$heading'"
done
results=$(whole)
# The curves among the results, and the pictures.
mapfile -t figures < <(sed -n 's|.*](images/.*/\([a-z_]*\.svg\)).*|\1|p' <<<"$results")
figures+=("${pictures[@]/%/.png}")
for figure in "${figures[@]}"; do
  [[ -r $from/$figure ]] || fail "$from/$figure: cannot be read"
done
summary=$(short)
replace "$root/docs/results.md" "$results"
replace "$root/README.md" "$summary"
mkdir -p "$root/docs/images/$name" "$root/results"
for figure in "${figures[@]}"; do cp "$from/$figure" "$root/docs/images/$name/$figure"; done
# Where the images lay is nobody's business, and different on every machine.
sed -E 's|^( *"(data\|encoder)": ").*/|\1|' "$numbers" >"$root/results/$name.json"
echo "reproduce.sh: README.md, docs/results.md, docs/images/$name/ and results/$name.json are as in $from"
