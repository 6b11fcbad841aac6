#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes again what docs/results.md and README.md quote: runs what one name stands for, then puts its
# tables between that name's markers in those pages that have them, its curves below docs/images/ and
# its numbers into results/. Whatever stands between the markers is overwritten; nothing else is touched.
# Numbers are read from summary.json by jq, which is installed where it is missing.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

usage() {
  cat <<'TEXT'
Usage: scripts/reproduce.sh NAME [PATH] [options]
Runs what NAME stands for and brings results/ up to date, README.md and docs/results.md where they have a place for
it, and with the first seven docs/images/.
  builtin                the three experiments on the built-in images
  fashion-mnist PATH     the same; PATH as scripts/get-data.sh leaves it
  cifar10 PATH           the same; PATH: a folder of images, or the binary files
  label-efficiency PATH  CIFAR-10 with seven label fractions
  long-simclr PATH       CIFAR-10 with a tenth of the labels, after 60 passes of SimCLR over the images
  long-simclr-hundredth PATH
                         the same with a hundredth; with the encoder in results-long-simclr, if it is there
  pipeline PATH          as long-simclr, and each arm teaches a student on all images (self-training)
  pipeline-hundredth PATH
                         the same with a hundredth; with the encoder in results-pipeline, if it is there
  pipeline-encoders PATH both with two more encoders; with the arms from scratch in results-pipeline and
                         results-pipeline-hundredth
  pipeline-fashion PATH  the same with both fractions on Fashion-MNIST, with the narrower network of preset quick
  pipeline-fashion-encoders PATH
                         the same with two more encoders; with the arms from scratch in results-pipeline-fashion
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
program=experiments precision=float32 data=() pretraining=() options=() runs=(.) pictures=()
declare -A seeds=([context]=5 [simclr]=5)  # of the pretext tasks: one is enough to place the others
# Peak learning rates, each the best of two to four on validation (docs/research.md): from scratch by --epochs,
# pre-trained by task.
declare -A rates=([1]=0.4 [2]=0.4 [4]=0.4 [7]=0.2 [context]=0.2 [simclr]=0.1)
case $name in
  builtin) precision=auto pictures=(patches predictions confusion) ;;  # what a first run gives
  fashion-mnist | cifar10) options=(--preset standard) ;;
  long-simclr | long-simclr-hundredth | pipeline | pipeline-hundredth | pipeline-encoders | pipeline-fashion | pipeline-fashion-encoders)
    width=32 fractions=0.1
    case $name in
      *-hundredth) fractions=0.01 ;;
      *-fashion*) width=16 fractions=0.1,0.01 ;;
    esac
    pretraining=(--preset quick --width "$width" --pretext simclr --pretrain-epochs 60)
    options=(--preset quick --width "$width" --epochs 7 --finetune-learning-rate 0.05 --seeds 5 --fractions "$fractions")
    if [[ $name == pipeline* ]]; then precision=auto options+=(--self-training on); fi
    # The seed of an encoder; that of the first is 1. A run has one folder's arms from scratch, so fractions of two
    # folders are two runs.
    if [[ $name == *-encoders ]]; then encoders=(2 3) runs=("${encoders[@]}"); fi
    if [[ $name == pipeline-encoders ]]; then runs+=("${encoders[@]/%/-hundredth}"); fi
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
  *) misuse "unknown name '$name', expected builtin, fashion-mnist, cifar10, label-efficiency, long-simclr, long-simclr-hundredth, pipeline, pipeline-hundredth, pipeline-encoders, pipeline-fashion, pipeline-fashion-encoders, pretext, training-length or diagnose" ;;
esac
if [[ $name == builtin ]]; then
  ((${#words[@]} == 1)) || misuse 'builtin takes no path'
elif [[ -z $from ]]; then
  ((${#words[@]} == 2)) || misuse "$name: expected the path of the data set"
  data=(--data "${words[1]}")
fi

if [[ -z $from ]]; then
  from=${out:-results-$name}
  if [[ $name == *-encoders ]]; then
    for folder in "${runs[@]}"; do
      shared=${name%-encoders}${folder#[0-9]}
      [[ -e results-$shared/checkpoint.safetensors ]] ||
        fail "results-$shared: not there, and its arms from scratch are needed; run $shared first"
    done
  fi
  # shellcheck source=scripts/build.sh
  source "$root/scripts/build.sh"
  build release >&2
  # run PROGRAM OUT OPTIONS...: what is complete already is not run again, what has a checkpoint goes on.
  run() {
    local program=$1 out=$2
    shift 2
    if [[ $resume == yes && -e $out/report.md ]]; then return; fi
    if [[ $resume == yes && -e $out/checkpoint.safetensors ]]; then set -- "$@" --resume; fi
    "$root/build/release/examples/$program" "${data[@]}" --precision "$precision" "$@" --out "$out"
  }
  if [[ $name == *-encoders ]]; then
    for encoder in "${encoders[@]}"; do
      run pretrain "$from/pretraining-$encoder" "${pretraining[@]}" --seed "$encoder"
    done
  elif ((${#pretraining[@]} > 0)); then  # one encoder for all seeds
    encoder=$from/pretraining/encoder.safetensors
    shared=results-${name%-hundredth}/pretraining/encoder.safetensors
    if [[ $name == *-hundredth && -e $shared ]]; then
      encoder=$shared
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
      *-encoders)
        first=$folder
        extra+=(--encoder "$from/pretraining-${folder%-hundredth}/encoder.safetensors")
        extra+=(--scratch-from "results-${name%-encoders}${folder#[0-9]}")
        if [[ $folder == *-hundredth ]]; then extra+=(--fractions 0.01); fi
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
# numbers FILE FILTER [jq options]: what FILTER, with the definitions of reproduce.jq, makes of a JSON file.
numbers() {
  local file=$1 filter=$2 said
  shift 2
  needs "$file"
  said=$(jq -r -L "$root/scripts" "$@" "include \"reproduce\"; $filter" "$file" 2>&1) || fail "$file: ${said##*: }"
  printf '%s\n' "$said"
}

# Pages take the tables that hold a whole report's numbers from report.md as it has them.
# section REPORT HEADING [LAST]: what stands there under a heading of any level, up to the next heading, or up to the
# heading LAST.
section() {
  awk -v heading="$2" -v last="${3-}" '
    /^##+ / {
      text = $0; sub(/^#+ /, "", text)
      if (text == heading) { inside = 1; next }
      if (last == "" || text == last) inside = 0
    }
    inside' "$1"
}
# table: the first table of a text.
table() { awk '/^\|/ && !done { print; found = 1; next } found { done = 1 }'; }
speed='How fast: optimiser steps'
# headline REPORT: the answer in a few sentences, which stands behind what to do next.
headline() { awk 'NF && advised { print; print ""; exit } /^\*\*/ { advised = 1 }' "$1"; }

# One run of the experiments: all of it, for docs/results.md; and in short, for README.md.
whole() {
  local report=$1/report.md
  headline "$report"
  awk '/^## / { exit } /^- / { print }' "$report"
  echo
  section "$report" Results 'What it means' | sed "s|](\([a-z_]*\)\.png)|](images/$name/\1.svg)|"
  printf '\n### The run\n\n| | |\n|---|---|\n'
  section "$report" Set-up | grep -E '^\| (Images|Encoder|Pre-training|Learning rate|Machine|Whole run) \|'
}
short() {
  local report=$1/report.md
  headline "$report"
  section "$report" Results | table
  [[ $name == builtin ]] || return 0
  printf '\n![Validation accuracy by optimiser step and by time](docs/images/%s/accuracy_curves.svg)\n' "$name"
  printf '\n![Training and validation loss by optimiser step](docs/images/%s/loss_curves.svg)\n\n' "$name"
  printf 'Optimiser steps until a share of the scratch arm'\''s best validation accuracy was reached:\n\n'
  section "$report" "$speed" | table
}

# Many runs in one table, a row a run: its first columns by the caller, the others by reproduce.jq.
comparison_head() {  # FIRST_COLUMNS
  printf '| %s | Seeds | From scratch | Pre-trained | Difference (points) | 95 %% interval | Test on images |\n' "$1"
  echo '|---|---|---:|---:|---:|---:|---:|---:|'
}
pretext_table() {  # LABELS, in percent
  local run
  printf '\n### %s %% of the labels\n\n' "$1"
  comparison_head 'Pretext task | Pre-training'
  for run in "${runs[@]}"; do
    numbers "$from/$run/summary.json" "row(\$labels; \"\`\\(\$run)\` | \\(pretraining)\")" --argjson labels "$1" --arg run "$run" ||
      return
  done
}
length_table() {  # TASK
  local run steps
  printf '\n### %s\n\n' "Pre-trained by \`$1\`"
  comparison_head "Classifier's steps | Peak learning rate"
  for run in "${runs[@]}"; do
    [[ $run == "$1"-* ]] || continue
    needs "$from/$run/history.csv"
    steps=$(awk -F , '
      NR == 1 { for (i = 1; i <= NF; ++i) column[$i] = i; next }
      $column["experiment"] == 10 && $column["arm"] == "scratch" && $column["step"] > steps { steps = $column["step"] }
      END { print steps }' "$from/$run/history.csv")
    numbers "$from/$run/summary.json" "row(10; \"\\(\$steps) | \\(learning_rate(10))\")" --arg steps "$steps" || return
  done
}

encoder_table() {
  local labels encoder run said files
  echo '| Labels | Encoder | Its own accuracy | Seeds | Pre-training | Pre-training, both with students | Both together |'
  echo '|---|---|---:|---:|---:|---:|---:|'
  for labels in 10 1; do
    run=${name%-encoders}
    if ((labels == 1)) && [[ -e $root/results/$run-hundredth.json ]]; then run+=-hundredth; fi
    files=("$root/results/$run.json")
    for encoder in "${encoders[@]}"; do
      run=$encoder-hundredth
      if ((labels == 10)) || [[ ! -e $from/$run/summary.json ]]; then run=$encoder; fi  # one run may have both
      files+=("$from/$run/summary.json")
    done
    needs "${files[@]}"
    said=$(jq -r -s -L "$root/scripts" "include \"reproduce\"; encoder_rows($labels)" "${files[@]}" 2>&1) ||
      fail "$from: ${said##*: }"
    printf '%s\n' "$said"
  done
}

# pages: those that have a place for $name.
pages() {
  local page
  for page in README.md docs/results.md; do
    if grep -q "^<!-- begin $name " "$root/$page"; then echo "$page"; fi
  done
}
# replace PAGE TEXT: what stands between the markers of $name there becomes TEXT.
replace() {
  local page=$root/$1 new
  new=$(awk -v begin="<!-- begin $name " -v end="<!-- end $name -->" '
    FNR == NR { text = text $0 "\n"; next }
    index($0, begin) == 1 { print; printf "\n%s\n", text; skip = 1; found++ }
    index($0, end) == 1 { skip = 0; found++ }
    !skip
    END { exit found == 2 ? 0 : 3 }' <(printf '%s\n' "$2" | cat -s | sed -e '1{/^$/d;}' -e '${/^$/d;}') "$page") ||
    fail "$page: begin and end of $name do not match"
  printf '%s\n' "$new" >"$page.new"  # the page changes as a whole or not at all
  mv "$page.new" "$page"
}
# keep FILE NAME: FILE becomes results/NAME.json. Where the images lay is nobody's business, and different on every
# machine; all else stays as the program wrote it, to the last digit.
keep() {
  mkdir -p "$root/results"
  sed -E 's#^( *"(data|encoder|scratch-from)": ").*/#\1#' "$1" >"$root/results/$2.json"
}

command -v jq >/dev/null || "$root/scripts/setup.sh" jq
mapfile -t places < <(pages)
((${#places[@]} > 0)) || fail "README.md and docs/results.md have no place for $name"
declare -A text=() kept=()  # of every page, before any of them changes; results/NAME.json: made from
figures=()
case $name in
  pretext | training-length | *-encoders)
    case $name in
      pretext) tables=$(pretext_table 10 && pretext_table 1) || exit ;;
      training-length) tables=$(length_table context && length_table simclr) || exit ;;
      *) tables=$(encoder_table) || exit ;;
    esac
    for page in "${places[@]}"; do text[$page]=$tables; done
    for run in "${runs[@]}"; do
      if [[ -e $from/$run/summary.json ]]; then kept[$name-$run]=$from/$run/summary.json; fi
    done
    ;;
  diagnose)
    tables=$(numbers "$from/diagnostics.json" diagnosis) || exit
    for page in "${places[@]}"; do text[$page]=$tables; done
    kept[$name]=$from/diagnostics.json
    ;;
  *)
    needs "$from/report.md" "$from/summary.json"
    for heading in Results "$speed" Set-up; do
      section "$from/report.md" "$heading" | grep '^|' >/dev/null || fail "$from/report.md: no table under '$heading'"
    done
    if [[ $name == builtin ]]; then numbers "$from/summary.json" 'of_data("builtin-64")' >/dev/null || exit; fi
    for page in "${places[@]}"; do
      if [[ $page == README.md ]]; then text[$page]=$(short "$from"); else text[$page]=$(whole "$from"); fi
    done
    # The curves that the pages show, and the pictures.
    mapfile -t figures < <(printf '%s\n' "${text[@]}" | sed -n 's|.*](.*images/.*/\([a-z_]*\.svg\)).*|\1|p' | sort -u)
    figures+=("${pictures[@]/%/.png}")
    needs "${figures[@]/#/"$from/"}"
    kept[$name]=$from/summary.json
    ;;
esac
for page in "${places[@]}"; do replace "$page" "${text[$page]}"; done
for run in "${!kept[@]}"; do keep "${kept[$run]}" "$run"; done
for figure in "${figures[@]+"${figures[@]}"}"; do
  mkdir -p "$root/docs/images/$name"
  cp "$from/$figure" "$root/docs/images/$name/$figure"
done
echo "reproduce.sh: ${places[*]} and results of $name are as in $from"
