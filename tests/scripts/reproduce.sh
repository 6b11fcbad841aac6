#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# scripts/reproduce.sh on stored results of small runs, in a copy of the repository that has two pages; and on the
# numbers in results/, which have to give what docs/results.md says. Needs jq: without it exit status 77.
# shellcheck disable=SC2016  # Markdown's quotes
set -uo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd -- "$here/../.." && pwd -P)
command -v jq >/dev/null || exit 77
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
mkdir -p copy/scripts copy/docs
cp "$root"/scripts/reproduce.{sh,jq} copy/scripts/

wrong=0
complain() {
  printf 'FAILED: %s\n' "$*"
  wrong=$((wrong + 1))
}
# succeeds ARGUMENTS..., and fails STATUS PATTERN ARGUMENTS...: with one line on stderr that matches PATTERN.
succeeds() { copy/scripts/reproduce.sh "$@" >stdout 2>stderr || complain "$*: $(cat stderr)"; }
fails() {
  local status=0 expected=$1 pattern=$2
  shift 2
  copy/scripts/reproduce.sh "$@" >stdout 2>stderr || status=$?
  if ((status != expected)) || (($(wc -l <stderr) != 1)) || ! grep -qE -- "$pattern" stderr; then
    complain "$*: status $status, expected $expected and one line like '$pattern': $(cat stderr)"
  fi
}
# between NAME PAGE: what stands between the markers.
between() { sed -n "/^<!-- begin $1 /,/^<!-- end $1 -->/p" "$2" | sed '1d;$d'; }
# has LINE NAME PAGE
has() { between "$2" "$3" | grep -qxF -- "$1" || complain "$3: between the markers of $2 lacks: $1"; }

# README.md has a place for two runs, docs/results.md for all.
names=(builtin fashion-mnist cifar10 label-efficiency pretext training-length long-simclr long-simclr-hundredth pipeline pipeline-hundredth pipeline-encoders pipeline-fashion pipeline-fashion-encoders diagnose)
places() {
  echo '# Page'
  for place in "$@"; do printf '\nBefore %s.\n\n<!-- begin %s (written by a script) -->\nan old table\n<!-- end %s -->\n\nAfter.\n' "$place" "$place" "$place"; done
}
places builtin diagnose >copy/README.md
places "${names[@]}" >copy/docs/results.md
cp -r copy/README.md copy/docs .

# A run as the program leaves it, as far as the script looks: numbers here, whole tables there.
mkdir run
cat >run/summary.json <<'JSON'
{
  "dataset": "builtin-64",
  "config": {
    "data": "/somewhere/on/this/machine/pictures",
    "encoder": "",
    "weight-decay": "5e-04"
  },
  "pretrain": {
    "task": "context, or \"so\"",
    "seconds": 112.6,
    "steps": 3906
  },
  "experiments": [
    {
      "label_fraction": 0.1,
      "labels": 4500,
      "scratch": {
        "test_accuracy": 0.7,
        "test_accuracy_per_seed": [0.69, 0.7, 0.71],
        "learning_rate": 0.2
      },
      "pretrained": {
        "test_accuracy": 0.69,
        "test_accuracy_per_seed": [0.69, 0.69, 0.69],
        "learning_rate": 0.1
      },
      "test_accuracy_difference": {
        "mean": -0.01,
        "ci95": [-0.03484137712, 0.01484137712],
        "seeds": 3,
        "tests": {"mcnemar": {"over_seeds": {"p": 0.0312}}}
      }
    },
    {
      "label_fraction": 0.01,
      "labels": 450,
      "scratch": {
        "test_accuracy": 0.5,
        "test_accuracy_per_seed": [0.5],
        "learning_rate": 0.2
      },
      "pretrained": {
        "test_accuracy": 0.5955,
        "test_accuracy_per_seed": [0.5955],
        "learning_rate": 0.2
      },
      "test_accuracy_difference": {
        "mean": 0.0955,
        "ci95": [null, null],
        "seeds": 1,
        "tests": {"mcnemar": null}
      }
    }
  ]
}
JSON
cat >run/report.md <<'MARKDOWN'
# What pre-training buys

**Label more.**

It bought little.

The question.

- 10 % of the labels: **-1.0** points

## Results

| Labels | Arm | Test accuracy |
|---|---|---:|
| 10 % (4,500) | from scratch | **70.00 %** |

A note.

![Accuracy.](accuracy_curves.png)

### How fast: optimiser steps

| Labels | 90 % of best |
|---|---|
| 10 % | 123 |

## What it means

### 10 % of the labels

**Best metrics.** Words.

## Pre-training

| not | wanted |
|---|---|

## Set-up

| | |
|---|---|
| Data set | builtin-64 |
| Images | 5,000 |
| Machine | a pocket calculator |
MARKDOWN
printf 'seed,arm,experiment,step\n1,scratch,100,9000\n1,scratch,10,176\n2,scratch,10,1230\n1,pretrained,10,5000\n' >run/history.csv
for figure in accuracy_curves.svg loss_curves.svg patches.png predictions.png confusion.png; do echo "$figure" >"run/$figure"; done

# One run: in short where README.md has a place, whole in docs/results.md, and nothing outside of the markers.
succeeds builtin --from run
for page in README.md docs/results.md; do
  if between builtin "copy/$page" | grep -q 'an old table'; then complain "$page: the old text is still there"; fi
  has 'It bought little.' builtin "copy/$page"
  has '| 10 % (4,500) | from scratch | **70.00 %** |' builtin "copy/$page"
  sed '/^<!-- begin builtin /,/^<!-- end builtin -->/d' "copy/$page" |
    cmp -s - <(sed '/^<!-- begin builtin /,/^<!-- end builtin -->/d' "$page") || complain "$page: changed elsewhere"
done
has '![Accuracy.](images/builtin/accuracy_curves.svg)' builtin copy/docs/results.md
has '| 10 % | 123 |' builtin copy/docs/results.md
has '| Machine | a pocket calculator |' builtin copy/docs/results.md
if between builtin copy/docs/results.md | grep -q 'Best metrics\|not | wanted\|Data set'; then complain "docs/results.md: has too much"; fi
has '| 10 % | 123 |' builtin copy/README.md
has '![Training and validation loss by optimiser step](docs/images/builtin/loss_curves.svg)' builtin copy/README.md
for figure in accuracy_curves.svg loss_curves.svg patches.png predictions.png confusion.png; do
  cmp -s "run/$figure" "copy/docs/images/builtin/$figure" || complain "docs/images/builtin/$figure: not the run's"
done
# The numbers as the program wrote them, but for where the images lay.
cmp -s copy/results/builtin.json <(sed 's|/somewhere/on/this/machine/||' run/summary.json) || complain "results/builtin.json: not the run's numbers"
cp copy/docs/results.md once
succeeds builtin --from run
cmp -s once copy/docs/results.md || complain "a second time gives something else"

# A name that README.md has no place for.
cp copy/README.md short
for name in fashion-mnist cifar10 label-efficiency long-simclr long-simclr-hundredth pipeline pipeline-{hundredth,fashion}; do
  succeeds "$name" --from run
  has "![Accuracy.](images/$name/accuracy_curves.svg)" "$name" copy/docs/results.md
  [[ -s copy/results/$name.json ]] || complain "results/: lacks $name.json"
done
cmp -s short copy/README.md || complain "README.md changed where it has no place"

# Many runs: rows from summary.json alone.
for task in context simclr rotation context+rotation jigsaw vicreg {context,simclr}-{1,2,4,7}; do
  mkdir -p "runs/$task"
  cp run/summary.json run/history.csv "runs/$task/"
done
sed -i 's/"seconds": 112.6/"seconds": 9.2/' runs/simclr/summary.json
succeeds pretext --from runs
has '| `context` | 3,906 steps, 1 min 53 s | 3 | **70.00 % ± 2.48** | **69.00 % ± 0.00** | **−1.00** | −3.48 to +1.48 | p = 0.031 |' pretext copy/docs/results.md
has '| `simclr` | 3,906 steps, 9.2 s | 1 | **50.00 %** | **59.55 %** | **+9.55** | one seed | – |' pretext copy/docs/results.md
(($(between pretext copy/docs/results.md | grep -c '^| `') == 12)) || complain "pretext: not 12 rows"
[[ -s copy/results/pretext-context+rotation.json ]] || complain "results/: lacks the numbers of a pretext task"
succeeds training-length --from runs
has '| 1230 | 0.2 from scratch, 0.1 pre-trained | 3 | **70.00 % ± 2.48** | **69.00 % ± 0.00** | **−1.00** | −3.48 to +1.48 | p = 0.031 |' training-length copy/docs/results.md
(($(between training-length copy/docs/results.md | grep -c '^| 1230 |') == 8)) || complain "training-length: not 8 rows"
[[ -s copy/results/training-length-simclr-7.json ]] || complain "results/: lacks the numbers of a length of training"

# More encoders of one pipeline: compared with the arms from scratch of its first, seed by seed.
arms() { jq -n --argjson p "$1" --argjson q "$2" '{pretrain: {accuracy: 0.626}, further_arms: [0.1, 0.01 | {label_fraction: ., arms: {
  scratch: {test_accuracy_per_seed: [0.5, 0.6]}, scratch_selftrained: {test_accuracy_per_seed: [0.55, 0.65]},
  pretrained: {test_accuracy_per_seed: $p}, pretrained_selftrained: {test_accuracy_per_seed: $q}}}]}'; }
mkdir -p encoders/2 encoders/3
arms '[0.6, 0.7]' '[0.7, 0.8]' >copy/results/pipeline-fashion.json
arms '[0.61, 0.73]' '[0.7, 0.8]' >encoders/2/summary.json
arms '[0.65]' '[0.75]' | jq '.further_arms[].arms |= del(.scratch, .scratch_selftrained)' >encoders/3/summary.json
succeeds pipeline-fashion-encoders --from encoders
has '| 10 % | 1 | 62.6 % | 2 | +10.00 ± 0.00 | +15.00 ± 0.00 | +20.00 ± 0.00 |' pipeline-fashion-encoders copy/docs/results.md
has '| 1 % | 2 | 62.6 % | 2 | +12.00 ± 12.71 | +15.00 ± 0.00 | +20.00 ± 0.00 |' pipeline-fashion-encoders copy/docs/results.md
has '| 1 % | 3 | 62.6 % | 1 | +15.00 | +20.00 | +25.00 |' pipeline-fashion-encoders copy/docs/results.md
has '| 10 % | all 3 | | 1 | **+12.00 ± 6.57** | **+16.67 ± 7.17** | **+21.67 ± 7.17** |' pipeline-fashion-encoders copy/docs/results.md
[[ -s copy/results/pipeline-fashion-encoders-3.json ]] || complain "results/: lacks the numbers of an encoder"
# Where its fractions have a folder each, so may those of the encoders.
mkdir -p fractions/2 fractions/3 fractions/3-hundredth
arms '[0.6, 0.7]' '[0.7, 0.8]' | tee copy/results/pipeline.json >copy/results/pipeline-hundredth.json
arms '[0.61, 0.73]' '[0.7, 0.8]' >fractions/2/summary.json
jq 'del(.further_arms[1])' fractions/2/summary.json >fractions/3/summary.json
arms '[0.65]' '[0.75]' | jq 'del(.further_arms[0])' >fractions/3-hundredth/summary.json
succeeds pipeline-encoders --from fractions
has '| 10 % | 3 | 62.6 % | 2 | +12.00 ± 12.71 | +15.00 ± 0.00 | +20.00 ± 0.00 |' pipeline-encoders copy/docs/results.md
has '| 1 % | 3 | 62.6 % | 1 | +15.00 | +20.00 | +25.00 |' pipeline-encoders copy/docs/results.md
[[ -s copy/results/pipeline-encoders-3-hundredth.json ]] || complain "results/: lacks the numbers of an encoder's fraction"

# The shortcut checks, in both pages.
mkdir checks
cat >checks/diagnostics.json <<'JSON'
{"checks": [{"name": "gap 0", "accuracy": 0.6483, "chance": 0.16666666666666666, "verdict": "pass", "reason": "a \"reason\", with commas"},
            {"name": "ties", "accuracy": 0.4955, "chance": 0.25, "verdict": "suspect", "reason": "49.55 is less than it says"}]}
JSON
succeeds diagnose --from checks
for page in README.md docs/results.md; do
  has '| gap 0 | 64.8 % | 16.7 % | pass | a "reason", with commas |' diagnose "copy/$page"
  has '| ties | 49.5 % | 25.0 % | suspect | 49.55 is less than it says |' diagnose "copy/$page"
done

# What is wrong is said in one line, and changes nothing.
cp -r copy before
fails 1 'nowhere/report\.md: cannot be read' builtin --from nowhere
fails 1 'nowhere/context/summary\.json: cannot be read' pretext --from nowhere
jq 'del(.experiments[1])' run/summary.json >runs/vicreg/summary.json
fails 1 'vicreg/summary\.json: no experiment with 1 %' pretext --from runs
jq 'del(.experiments[0].test_accuracy_difference.mean)' run/summary.json >runs/simclr-7/summary.json
fails 1 'simclr-7/summary\.json: no experiment with 10 %' training-length --from runs
echo '{' >runs/context/summary.json
fails 1 'context/summary\.json: ' pretext --from runs
jq 'del(.further_arms[1])' encoders/2/summary.json >encoders/3/summary.json
fails 1 'encoders: no arms with 1 %' pipeline-fashion-encoders --from encoders
echo '{"checks": []}' >checks/diagnostics.json
fails 1 'diagnostics\.json: no checks' diagnose --from checks
cp -r run other && jq '.dataset = "others"' run/summary.json >other/summary.json
fails 1 'other/summary\.json: is not about builtin' builtin --from other
sed 's/^## Results/## Something else/' run/report.md >other/report.md
fails 1 'other/report\.md: no table' cifar10 --from other
rm other/accuracy_curves.svg && cp run/report.md other/
fails 1 'other/accuracy_curves\.svg: cannot be read' cifar10 --from other
fails 2 'path' cifar10
fails 1 'results-pipeline-fashion: not there.* run pipeline-fashion first' pipeline-fashion-encoders "$folder"
fails 1 'results-pipeline: not there.* run pipeline first' pipeline-encoders "$folder"
fails 2 'imagenet' imagenet
diff -r before copy >/dev/null || complain "a failure changed something"
sed -i '/^<!-- begin diagnose/d' copy/README.md copy/docs/results.md
fails 1 'no place for diagnose' diagnose --from checks
sed -i '/^<!-- end cifar10/d' copy/docs/results.md
fails 1 'docs/results\.md: begin and end of cifar10' cifar10 --from run

# What the repository's page says is what its numbers give.
cp "$root/docs/results.md" copy/docs/results.md
mkdir -p stored/pretext stored/diagnose
for file in "$root"/results/pretext-*.json; do
  task=$(basename "${file#"$root/results/pretext-"}" .json)
  mkdir -p "stored/pretext/$task" && cp "$file" "stored/pretext/$task/summary.json"
done
cp "$root/results/diagnose.json" stored/diagnose/diagnostics.json
for file in "$root"/results/*-encoders-*.json; do
  name=$(basename "$file" .json) && name=${name%%-encoders-*}-encoders
  encoder=${file##*-encoders-} && mkdir -p "stored/$name/${encoder%.json}"
  cp "$file" "stored/$name/${encoder%.json}/summary.json"
done
cp "$root"/results/pipeline*.json copy/results/
for name in pretext diagnose pipeline-encoders pipeline-fashion-encoders; do
  grep -q "^<!-- begin $name " copy/docs/results.md || continue
  succeeds "$name" --from "stored/$name"
  cmp -s copy/docs/results.md "$root/docs/results.md" || complain "docs/results.md: $name is not as in results/"
done

if ((wrong > 0)); then
  echo "reproduce: $wrong complaints"
  exit 1
fi
echo "reproduce: fine"
