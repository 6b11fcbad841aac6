#!/usr/bin/env bash
# Makes again what docs/results.md and README.md quote: runs what one name stands for, then puts its
# tables between that name's markers in the pages, its curves below docs/images/ and its numbers into
# results/. Whatever stands between the markers is overwritten; nothing else is touched.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

usage() {
  cat <<'TEXT'
Usage: scripts/reproduce.sh NAME [PATH] [options]
Runs what NAME stands for and brings docs/results.md and results/ up to date; with the first three README.md as
well, with the first six docs/images/.
  builtin                the three experiments on the built-in images
  fashion-mnist PATH     the same; PATH as scripts/get-data.sh leaves it
  cifar10 PATH           the same; PATH: a folder of images, or the binary files
  label-efficiency PATH  CIFAR-10 with seven label fractions
  long-simclr PATH       CIFAR-10 with a tenth of the labels, after 60 passes of SimCLR over the images
  long-simclr-hundredth PATH
                         the same with a hundredth; with the encoder in results-long-simclr, if it is there
  pretext PATH           CIFAR-10 with every pretext task
  training-length PATH   CIFAR-10 with a tenth of the labels and four lengths of the classifiers' training
  diagnose PATH          the shortcut checks of context prediction on CIFAR-10
Options:
  --out FOLDER   where the run's results go (default: results-NAME here)
  --resume       go on with a run that was stopped
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

out='' from='' resume=no
words=()
while (($#)); do
  case $1 in
    --out | --from)
      [[ -n ${2-} ]] || misuse "$1 needs a folder"
      if [[ $1 == --out ]]; then out=$2; else from=$2; fi
      shift
      ;;
    --resume) resume=yes ;;
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

# The runs that the pages quote: the program, what it is given beside --data and --out, and the folders of
# results below --out. Only the built-in images are shown as pictures: the others are not ours to pass on.
name=${words[0]}
program=experiments data=() pretraining=() options=() runs=(.) pictures=()
declare -A seeds=([context]=5 [simclr]=5)  # of the pretext tasks: one is enough to place the others
# Peak learning rates, each the best of two to four on validation (docs/research.md): from scratch by --epochs,
# pre-trained by task.
declare -A rates=([1]=0.4 [2]=0.4 [4]=0.4 [7]=0.2 [context]=0.2 [simclr]=0.1)
case $name in
  builtin) pictures=(patches predictions confusion) ;;
  fashion-mnist | cifar10) options=(--preset standard) ;;
  long-simclr | long-simclr-hundredth)
    pretraining=(--preset quick --width 32 --pretext simclr --pretrain-epochs 60)
    options=(--preset quick --width 32 --epochs 7 --finetune-learning-rate 0.05 --seeds 5)
    if [[ $name == *-hundredth ]]; then options+=(--fractions 0.01); else options+=(--fractions 0.1); fi
    ;;
  label-efficiency) options=(--preset quick --fractions '1,0.5,0.2,0.1,0.05,0.02,0.01') ;;
  pretext)
    options=(--preset quick --fractions '0.1,0.01' --epochs 7)
    runs=(context simclr rotation context+rotation jigsaw vicreg)
    ;;
  training-length)
    options=(--preset quick --fractions 0.1 --seeds 5)
    runs=({context,simclr}-{1,2,4,7})
    ;;
  diagnose) program=diagnose options=(--steps 900) ;;
  *) misuse "unknown name '$name', expected builtin, fashion-mnist, cifar10, label-efficiency, long-simclr, long-simclr-hundredth, pretext, training-length or diagnose" ;;
esac
if [[ $name == builtin ]]; then
  ((${#words[@]} == 1)) || misuse 'builtin takes no path'
elif [[ -z $from ]]; then
  ((${#words[@]} == 2)) || misuse "$name: expected the path of the data set"
  data=(--data "${words[1]}")
fi

if [[ -z $from ]]; then
  from=${out:-results-$name}
  # shellcheck source=scripts/build.sh
  source "$root/scripts/build.sh"
  build release >&2
  # run PROGRAM OUT OPTIONS...: what is complete already is not run again, what has a checkpoint goes on.
  run() {
    local program=$1 out=$2
    shift 2
    if [[ $resume == yes && -e $out/report.md ]]; then return; fi
    if [[ $resume == yes && -e $out/checkpoint.safetensors ]]; then set -- "$@" --resume; fi
    "$root/build/release/examples/$program" "${data[@]}" "$@" --out "$out"
  }
  if ((${#pretraining[@]} > 0)); then  # one encoder for all seeds
    encoder=$from/pretraining/encoder.safetensors
    if [[ $name == *-hundredth && -e results-long-simclr/pretraining/encoder.safetensors ]]; then
      encoder=results-long-simclr/pretraining/encoder.safetensors
    else
      run pretrain "$from/pretraining" "${pretraining[@]}"
    fi
    options+=(--encoder "$encoder")
  fi
  if [[ $name == training-length ]]; then
    for task in context simclr; do run pretrain "$from/pretraining-$task" --preset quick --pretext "$task"; done
  fi
  for folder in "${runs[@]}"; do
    extra=()
    # The tasks are compared with the same arms from scratch: those of the first run with them.
    first=$folder
    case $name in
      pretext)
        first=${runs[0]}
        extra+=(--pretext "$folder" --seeds "${seeds[$folder]-1}")
        ;;
      training-length)
        task=${folder%-*} epochs=${folder#*-}
        first=context-$epochs
        extra+=(--encoder "$from/pretraining-$task/encoder.safetensors" --epochs "$epochs")
        extra+=(--learning-rate "${rates[$epochs]}" --finetune-learning-rate "${rates[$task]}")
        ;;
    esac
    if [[ $folder != "$first" ]]; then extra+=(--scratch-from "$from/$first"); fi
    run "$program" "$from/$folder" "${options[@]}" "${extra[@]}"
  done
fi
# needs FILE...: they can be read.
needs() {
  local file
  for file in "$@"; do [[ -r $file ]] || fail "$file: cannot be read"; done
}

# section HEADING [LAST]: what stands in $report under a heading of any level, up to the next heading,
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
# A report of the experiments: that it can be read and has what is wanted of it.
report() {
  local heading
  report=$1/report.md
  needs "$report" "$1/summary.json"
  for heading in Results "$speed" Set-up; do
    section "$heading" | grep '^|' >/dev/null || fail "$report: no table under '$heading'"
  done
}

# What docs/results.md, and what README.md, say of one run of the experiments.
whole() {
  awk '/^\*\*/ { print; print ""; exit }' "$report"
  awk '/^## / { exit } /^- / { print }' "$report"
  echo
  section Results 'What it means' | sed "s|](\([a-z_]*\)\.png)|](images/$name/\1.svg)|"
  printf '\n### The run\n\n| | |\n|---|---|\n'
  section Set-up | grep -E '^\| (Images|Encoder|Pre-training|Learning rate|Machine|Whole run) \|'
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

# set_up ROW: what the report's set-up says of it.
set_up() { section Set-up | awk -F ' *[|] *' -v row="$1" '$2 == row { print $3 }'; }
# comparison_head CELLS, and comparison LABELS CELLS: a table with a row a run, its first columns being CELLS and the
# others the report's rows of that many labels.
comparison_head() {
  printf '| %s | Seeds | From scratch | Pre-trained | Difference (points) | 95 %% interval | Test on images |\n' "$1"
  echo '|---|---|---:|---:|---:|---:|---:|---:|'
}
comparison() {
  {
    section Results | table
    section 'How certain is the difference' | table
  } | awk -F ' *[|] *' -v labels="$1 %" -v cells="$2" '
    pair && $3 == "pre-trained" { pretrained = $5 }
    { pair = 0 }
    $3 == "from scratch" && index($2, labels " (") == 1 { scratch = $5; pair = 1 }
    $2 == labels { difference = $3; interval = $4; split($5, better, " of "); p = $9 }
    END {
      if (!scratch || !pretrained || !difference) exit 3
      printf "| %s | %s | %s | %s | %s | %s | %s |\n", cells, better[2], scratch, pretrained, difference, interval, p
    }' || fail "$report: no experiment with $1 % of the labels"
}
pretext_table() {  # LABELS
  local run
  printf '\n### %s %% of the labels\n\n' "$1"
  comparison_head 'Pretext task | Pre-training'
  for run in "${runs[@]}"; do
    report "$from/$run"
    comparison "$1" "\`$run\` | $(set_up Pre-training | awk -F ', ' '{ print $2 ", " $3 }')" || return
  done
}
length_table() {  # TASK
  local run steps
  printf '\n### %s\n\n' "Pre-trained by \`$1\`"
  comparison_head "Classifier's steps | Peak learning rate"
  for run in "${runs[@]}"; do
    [[ $run == "$1"-* ]] || continue
    report "$from/$run"
    needs "$from/$run/history.csv"
    steps=$(awk -F , '$1 == 10 && $2 == "scratch" && $4 > steps { steps = $4 } END { print steps }' "$from/$run/history.csv")
    comparison 10 "$steps | $(set_up 'Learning rate' | sed 's/ with [0-9.]* %.*//')" || return
  done
}

# The rows of diagnostics.json, of which every key has a line of its own.
diagnosis() {
  echo '| Check | Accuracy | Chance | Verdict | Reason |'
  echo '|---|---:|---:|---|---|'
  sed -nE 's/^ *"(name|accuracy|chance|verdict|reason)": "?(.*[^",])"?,?$/\1\t\2/p' "$1" | awk -F '\t' '
    { value[$1] = $2 }
    $1 == "reason" {
      printf "| %s | %.1f %% | %.1f %% | %s | %s |\n", value["name"], 100 * value["accuracy"], 100 * value["chance"],
        value["verdict"], value["reason"]
    }'
}

# replace PAGE TEXT: what stands between the markers of $name there becomes TEXT.
replace() {
  local page=$1 new
  new=$(awk -v begin="<!-- begin $name " -v end="<!-- end $name -->" '
    FNR == NR { text = text $0 "\n"; next }
    index($0, begin) == 1 { print; printf "\n%s\n", text; skip = 1; found++ }
    index($0, end) == 1 { skip = 0; found++ }
    !skip
    END { exit found == 2 ? 0 : 3 }' <(printf '%s\n' "$2" | cat -s | sed -e '1{/^$/d;}' -e '${/^$/d;}') "$page") || fail "$page: no markers of $name"
  printf '%s\n' "$new" >"$page.new"  # the page changes as a whole or not at all
  mv "$page.new" "$page"
}
# numbers FILE NAME: FILE becomes results/NAME.json. Where the images lay is nobody's business, and different on
# every machine.
numbers() {
  mkdir -p "$root/results"
  sed -E 's#^( *"(data|encoder|scratch-from)": ").*/#\1#' "$1" >"$root/results/$2.json"
}

case $name in
  pretext | training-length)
    if [[ $name == pretext ]]; then table=pretext_table groups=(10 1); else table=length_table groups=(context simclr); fi
    text=$(for group in "${groups[@]}"; do "$table" "$group" || exit; done) || exit
    replace "$root/docs/results.md" "$text"
    for run in "${runs[@]}"; do numbers "$from/$run/summary.json" "$name-$run"; done
    ;;
  diagnose)
    needs "$from/diagnostics.json"
    text=$(diagnosis "$from/diagnostics.json")
    (($(wc -l <<<"$text") > 2)) || fail "$from/diagnostics.json: no checks"
    replace "$root/docs/results.md" "$text"
    numbers "$from/diagnostics.json" diagnose
    ;;
  *)
    report "$from"
    if [[ $name == builtin ]] && ! section Set-up | grep -xF '| Data set | builtin |' >/dev/null; then
      fail "$report: is not about the built-in images"
    fi
    text=$(whole)
    # The curves among the results, and the pictures.
    mapfile -t figures < <(sed -n 's|.*](images/.*/\([a-z_]*\.svg\)).*|\1|p' <<<"$text")
    figures+=("${pictures[@]/%/.png}")
    needs "${figures[@]/#/"$from/"}"
    summary=$(short)
    replace "$root/docs/results.md" "$text"
    case $name in
      builtin | fashion-mnist | cifar10) replace "$root/README.md" "$summary" ;;
    esac
    mkdir -p "$root/docs/images/$name"
    for figure in "${figures[@]}"; do cp "$from/$figure" "$root/docs/images/$name/$figure"; done
    numbers "$from/summary.json" "$name"
    ;;
esac
echo "reproduce.sh: docs and results of $name are as in $from"
