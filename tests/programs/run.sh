#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The programs as a user starts them: run.sh PROGRAMS CHECKER CASE, where PROGRAMS is the folder of the built
# programs, CHECKER is check_outputs (sample_files is beside it), and CASE one of the functions below named case_*. Works in a folder of
# its own, removed at the end. Bad input has to give one line on stderr and exit status 1 or 2.
set -uo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
programs=$(cd -- "$1" && pwd -P)
checker=$(cd -- "$(dirname -- "$2")" && pwd -P)/$(basename -- "$2")
samples=$(dirname -- "$checker")/sample_files
jumping_clock=$(dirname -- "$checker")/libjumping_clock.so
wanted=$3
folder=$(mktemp -d) bin=$(mktemp -d)
trap 'rm -rf "$folder" "$bin"' EXIT
cd "$folder" || exit 1
export CONTEXTURE_NUM_THREADS=2

wrong=0
complain() {
  printf 'FAILED: %s\n' "$*"
  wrong=$((wrong + 1))
}

# A run of seconds: few, small images, a narrow network.
tiny=(--preset quick --train-images 240 --test-images 48 --image-size 24 --width 4 --epochs 2 --pretrain-epochs 2
  --batch-size 32 --pretrain-batch-size 32 --evaluations 4)

# succeeds COMMAND...: exit status 0 and nothing on stderr.
succeeds() {
  local status=0
  timeout 600 "$@" >stdout 2>stderr || status=$?
  if ((status != 0)) || [[ -s stderr ]]; then
    complain "status $status, stderr below: $*"
    cat stderr
  fi
  return "$status"
}

# fails STATUSES PATTERN COMMAND...: exit status among STATUSES, one line on stderr (warnings aside) that matches
# PATTERN (extended, case-insensitive).
fails() {
  local statuses=$1 pattern=$2 status=0
  shift 2
  timeout 300 "$@" >stdout 2>stderr || status=$?
  [[ " $statuses " == *" $status "* ]] || complain "exit status $status, expected $statuses: $*"
  (($(grep -vc ': warning: ' stderr) == 1)) || complain "$(wc -l <stderr) lines on stderr, expected 1: $*"
  grep -v ': warning: ' stderr | grep -qiE -- "$pattern" || complain "stderr does not match '$pattern': $*"
  sed 's/^/    /' stderr
}

# Files of a write that did not end (core/atomic_file.hpp).
temporary_files() { find "$1" -name '*.tmp*' 2>/dev/null; }

# Nothing half-written: no temporary files, and what has its final name is whole.
nothing_half_written() {
  local file
  while IFS= read -r file; do complain "left behind: $file"; done < <(temporary_files "$1")
  while IFS= read -r file; do complain "left behind after a failure: $file"; done < <(
    find "$1" -name 'report.html' 2>/dev/null)
}

# Who may not do everything, as root may: "${not_root[@]}" COMMAND... . where_not_root says whether there is such a one,
# and lets it into this folder and at the programs.
not_root=()
((EUID != 0)) || not_root=(setpriv --reuid=65534 --regid=65534 --clear-groups)
where_not_root() {
  ((EUID != 0)) && return 0
  command -v setpriv >/dev/null || { echo 'skipped: root, and no setpriv(1)'; return 1; }
  mkdir mine && cp "$programs"/{pretrain,experiments,predict,probe} mine && programs=$folder/mine
  chown -R 65534:65534 "$folder" "$bin"
}

figures=()
check() { "$checker" "$@" ${figures[@]+"${figures[@]}"} >checked || { complain "check_outputs $*"; cat checked; }; }

# A gnuplot that draws the same small picture whatever it is asked for: three seconds less a run.
stand_in_for_gnuplot() {
  figures=(--figures-are-there)
  base64 -d >"$bin/picture.png" <<'PNG'
iVBORw0KGgoAAAANSUhEUgAAACAAAAAYCAAAAAC+OKDoAAAAvElEQVR42j3QIQwBARyF8X80SRAkEy+aJAiSiRdNEgTJxIsmCYJkFy+aJAiSiRdNEgTJ
RFFU3ve+9rZfehGqP0xHk9kiY1/L2+P1+f6iqgBsg7oCsA2aCsA2SBSAbdBRALZBTwHYBgMFYBtEpdZoJe1uqpbrbV7sj2e2wVgB2AZTBWAbzBWAbZAp
ANtgpQBsg40CsA12CsCOQnEU20cdFIBtcFIAtsFFAdgGpQKwDe4KwDZ4KgDb4K0AbMAftZZ2kPfllAQAAAAASUVORK5CYII=
PNG
  cat >"$bin/gnuplot" <<'SH'
#!/bin/sh
sed -n "s/^set output '\(.*\)'\$/\1/p" "$2" | while read -r path; do
  case $path in
    *.svg) echo '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 24"></svg>' >"$path" || exit 1 ;;
    *) cp "${0%/*}/picture.png" "$path" || exit 1 ;;
  esac
done
SH
  chmod +x "$bin/gnuplot"
  PATH=$bin:$PATH
}

experiment_programs=(experiments experiment1_all_labels experiment2_half_labels experiment3_tenth_labels pretrain)

case_help() {
  local program option
  for program in "${experiment_programs[@]}" classify predict probe diagnose export report pack; do
    succeeds "$programs/$program" --help
    (($(wc -l <stdout) >= 5)) || complain "$program --help says too little"
  done
  succeeds "$programs/experiments" --help
  for option in data out preset time seeds seed network width image-size pretrain-epochs epochs encoder threads resume quiet \
    help config patch gap; do
    grep -q -- "--$option" stdout || complain "--help does not tell about --$option"
  done
  grep -qE -- '--epochs NUMBER[^0-9]*14' stdout || complain "--help does not show the preset's passes"
  if grep -q -- '--temperature' stdout; then complain "--help shows an option of another pretext task"; fi
  # Every option that takes a value shows its default, whatever the task.
  for program in classify predict probe diagnose export report pack; do
    succeeds "$programs/$program" --help
    grep -E '^ +(-[a-z],)?--[a-z-]+ [A-Z]+' stdout | grep -vE '=| REQUIRED' >missing
    [[ ! -s missing ]] || complain "$program --help: no default: $(head -n 1 missing)"
  done
  succeeds "$programs/pretrain" --help
  for option in fractions epochs learning-rate batch-size augmentation self-training label-smoothing encoder; do
    if grep -q -- "^ *--$option " stdout; then complain "pretrain --help shows a classifier's --$option"; fi
  done
  for option in data pretrain-epochs optimizer weight-decay pretext; do
    grep -q -- "^ *--$option " stdout || complain "pretrain --help does not tell about --$option"
  done
  for program in experiments pretrain; do
    for task in context rotation context+rotation jigsaw simclr vicreg; do
      succeeds "$programs/$program" --pretext "$task" --help
      grep -E '^ +(-[a-z],)?--[a-z-]+ (TEXT|NAME|INT|NUMBER|LIST|TIME|FILE)' stdout | grep -vF = >missing
      [[ ! -s missing ]] || complain "$program --help --pretext $task: no default: $(head -n 1 missing)"
    done
  done
  succeeds "$programs/experiments" --pretext simclr --help
  grep -q -- '--temperature' stdout || complain "--help does not show the options of --pretext simclr"
  if grep -q -- '--grid ' stdout; then complain "--help shows an option of context prediction for simclr"; fi
  rm -f missing
  [[ -z $(find . -mindepth 1 ! -name stdout ! -name stderr) ]] || complain "--help leaves files"
}

# The programs are commands of one, too.
case_commands() {
  local program
  succeeds "$programs/contexture" --help
  for program in "${experiment_programs[@]}" classify predict probe diagnose export report pack; do
    grep -q "^  $program " stdout || complain "contexture --help does not name $program"
    "$programs/$program" --help >own
    "$programs/contexture" "$program" --help | diff own - >difference ||
      complain "contexture $program --help differs: $(head -n 3 difference)"
  done
  succeeds "$programs/contexture" --version
  grep -qE '^contexture [0-9]+\.[0-9]+\.[0-9]+$' stdout || complain "--version prints $(head -n 1 stdout)"
  fails 2 "^contexture: 'predic' is not a command" "$programs/contexture" predic photo.png
  fails 2 '^contexture: which command' "$programs/contexture"
  fails 2 '^predict: ' "$programs/contexture" predict
}

# What a shell offers for a word of `contexture`: commands, options that there are, and their values.
completed() {  # WORD...: the last one is to be completed
  bash -c 'source completion.bash; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _contexture; printf "%s\n" "${COMPREPLY[@]}"' \
    bash contexture "$@"
}
case_completion() {
  local program
  succeeds "$programs/contexture" completion bash || return
  cp stdout completion.bash
  [[ $(completed pre | tr '\n' ' ') == 'pretrain predict ' ]] || complain "contexture pre: $(completed pre)"
  [[ $(completed --v) == --version ]] || complain "contexture --v: $(completed --v)"
  for program in "${experiment_programs[@]}" classify predict probe diagnose export report pack; do
    completed "$program" -- | sort >offered
    "$programs/$program" --help | grep -oE '^ +(-[a-z],)?--[a-z-]+' | grep -oE -- '--.*' | sort >there
    comm -13 offered there >missing
    [[ ! -s missing ]] || complain "$program: not completed: $(head -n 1 missing)"
    (($(wc -l <there) >= 4)) || complain "$program --help lists $(wc -l <there) options"
  done
  [[ $(completed experiments --temp) == --temperature ]] || complain "another task's option: $(completed experiments --temp)"
  if completed pretrain -- | grep -q -- --fractions; then complain "pretrain is offered a classifier's option"; fi
  [[ $(completed experiments --preset '' | tr '\n' ' ') == 'quick standard thorough ' ]] ||
    complain "--preset: $(completed experiments --preset '')"
  [[ $(completed experiments --preset = t) == thorough ]] || complain "--preset=t: $(completed experiments --preset = t)"
  [[ $(completed experiments --network = | tr '\n' ' ') == 'resnet resnet18 convnext ' ]] ||
    complain "--network=: $(completed experiments --network =)"
  [[ $(completed classify --method s) == selftrain ]] || complain "--method s: $(completed classify --method s)"
  [[ -z $(completed experiments --data '') && -z $(completed predict photo) ]] || complain 'no names of files'
  fails 2 "SHELL: 'fish', expected bash or zsh" "$programs/contexture" completion fish
  fails 2 'SHELL is required' "$programs/contexture" completion
  succeeds "$programs/contexture" completion zsh
  grep -q "'--preset:how much is computed" stdout || complain "zsh: no option with its meaning"
  if command -v zsh >/dev/null; then zsh -n stdout || complain "zsh does not read its script"; fi
}

# All outputs, then again from the configuration that was written: the same bits.
case_outputs() {
  succeeds "$programs/experiments" "${tiny[@]}" --out out || return
  tail -n 1 stdout | grep -q 'out/report.html' || complain "the last line does not name the report"
  check out
  [[ -z $(temporary_files out) ]] || complain "left behind: $(temporary_files out)"
  succeeds "$programs/experiments" --config out/config.ini --out again --quiet || return
  (($(wc -l <stdout) == 1)) || complain "--quiet prints $(wc -l <stdout) lines"
  check out --equal again
}

case_seeds_and_encoder() {
  succeeds "$programs/pretrain" "${tiny[@]}" --out pretrained || return
  check pretrained --fractions ''
  # A task without patches: its own picture of what it sees.
  succeeds "$programs/pretrain" "${tiny[@]}" --pretext simclr --out views && check views --fractions ''
  succeeds "$programs/experiment3_tenth_labels" "${tiny[@]}" --encoder pretrained/encoder.safetensors --seeds 2 --out out ||
    return
  check out --fractions 0.1 --seeds 2 --encoder-given known
  [[ ! -e out/patches.png ]] || complain "shows a pretext task that is not known"
  grep -q 'steps, .* in the run that made the given encoder' out/report.md || complain "report.md: no time of pre-training"
  # Without the run that made it, nothing is known of it.
  mkdir moved && cp pretrained/encoder.safetensors moved
  succeeds "$programs/experiment3_tenth_labels" "${tiny[@]}" --encoder moved/encoder.safetensors --out unknown || return
  check unknown --fractions 0.1 --encoder-given unknown
  grep -q 'What the given encoder was trained on is not known' unknown/report.md ||
    complain "report.md: claims what is not known"
  # Options of the task mean nothing then, and those that do not fit are refused before anything is trained.
  fails 1 'patch 40' "$programs/pretrain" "${tiny[@]}" --patch 40 --out patches
  [[ ! -e patches/checkpoint.safetensors ]] || complain "trained with patches that do not fit"
  # Another pre-training beside the same arms from scratch.
  succeeds "$programs/experiment3_tenth_labels" "${tiny[@]}" --pretext rotation --scratch-from out --out rotation || return
  check rotation --fractions 0.1
  cmp -s out/classifier_10_scratch.safetensors rotation/classifier_10_scratch.safetensors || complain "another arm from scratch"
  fails 1 'out/checkpoint\.safetensors: .* weight-decay' "$programs/experiment3_tenth_labels" "${tiny[@]}" --weight-decay 0.1 \
    --scratch-from out --out decayed
}

case_single_experiments() {
  succeeds "$programs/experiment1_all_labels" "${tiny[@]}" --out all && check all --fractions 1
  succeeds "$programs/experiment2_half_labels" "${tiny[@]}" --out half && check half --fractions 0.5
}

# Options of the pretext task: they change the pre-training, are kept, and belong to their task.
case_pretext_options() {
  succeeds "$programs/pretrain" "${tiny[@]}" --pretext simclr --out plain || return
  succeeds "$programs/pretrain" "${tiny[@]}" --pretext simclr --temperature 0.2 --out sharp || return
  if cmp -s plain/encoder.safetensors sharp/encoder.safetensors; then complain "--temperature changes nothing"; fi
  grep -qx 'temperature=0.2' sharp/config.ini || complain "config.ini does not have the temperature"
  grep -q '"temperature": "0.2"' sharp/summary.json || complain "summary.json does not have the temperature"
  grep -q '"temperature": ' plain/summary.json || complain "summary.json does not have the default temperature"
  if grep -q '"grid"' sharp/summary.json; then complain "summary.json has an option of another task"; fi
  succeeds "$programs/pretrain" --config sharp/config.ini --out again || return
  cmp -s sharp/encoder.safetensors again/encoder.safetensors || complain "config.ini gives other weights"
  fails 2 '^pretrain: --temperature: .*simclr.* context' "$programs/pretrain" "${tiny[@]}" --temperature 0.2 --out bad
  fails 2 '^pretrain: --temperature: ' "$programs/pretrain" "${tiny[@]}" --pretext simclr --temperature warm --out bad
  [[ ! -e bad ]] || complain "wrong use creates the --out folder"
}

# A time instead of passes: the plan is told, kept as settings, done in about that time, and gone on with.
case_time() {
  local small=(--train-images 240 --test-images 48 --image-size 16 --batch-size 32 --pretrain-batch-size 32 --evaluations 4
    --width 4 --fractions '1,0.5')
  local plan pid status=0
  succeeds "$programs/experiments" "${small[@]}" --dry-run --epochs 7 --out short || return
  grep -qE '^plan +as configured: about [0-9]' stdout || complain "no plan of what is configured: $(cat stdout)"
  grep -qE '^ +4 classifiers of [0-9,]+ to [0-9,]+ steps: ' stdout || complain "no plan of the classifiers: $(cat stdout)"
  [[ ! -e short ]] || complain "--dry-run creates the --out folder"
  fails 2 'experiments: .*--resume' "$programs/experiments" "${small[@]}" --dry-run --resume --out short
  fails 2 '^experiments: --time: 1s is too short: the shortest run here, .* takes [0-9.]+[smh]$' \
    "$programs/experiments" "${small[@]}" --time 1s --out short
  [[ ! -e short ]] || complain "a time that is too short creates the --out folder"
  # What it says would do is enough, with room for a machine that others use as well.
  plan=$(sed 's/.* takes //' stderr)
  [[ $plan != *m ]] || plan=$((60 * ${plan%m}))s
  plan=$((2 * ${plan%s}))s
  succeeds "$programs/experiments" "${small[@]}" --time "$plan" --out out || return
  grep -qE '^plan +[0-9]+[sm] \(--time\): about ' stdout || complain "does not tell the plan: $(cat stdout)"
  grep -qE '^ +pre-training by simclr, [0-9.]+ passes over the images, [0-9,]{5,} steps: ' stdout || complain "no plan of pre-training"
  grep -qE '^ +4 classifiers of [0-9,]{3,} to [0-9,]{3,} steps(, and [0-9]+ further arms)?: ' stdout || complain "no plan of the classifiers"
  if grep -q '^time' out/config.ini; then complain "config.ini has a time"; fi
  check out --fractions 1,0.5
  succeeds "$programs/pretrain" --config out/config.ini --fractions none --out again || return
  cmp -s out/encoder.safetensors again/encoder.safetensors || complain "config.ini gives another encoder"
  # Images of one's own, and nothing that says how long: ten minutes, and the same run when it goes on.
  "$samples" . || complain "sample_files"
  begin_run "$programs/pretrain" --data data/smallest --out default
  grep -q '^plan  *10m, the default with images of your own' stdout || complain "no default time: $(cat stdout stderr)"
  kill -TERM "$pid"
  wait "$pid" || status=$?
  ((status == 130)) || complain "stopped: exit status $status"
  begin_run "$programs/pretrain" --data data/smallest --out default --resume
  for _ in {1..600}; do  # it says so when its images are read
    if grep -q 'from step [1-9]' stdout; then break; fi
    sleep 0.1
  done
  grep -q 'from step [1-9]' stdout || complain "not resumed: $(cat stdout stderr)"
  kill -TERM "$pid"
  wait "$pid"
}

# Students and the arm of the same time: in every output, resumed as the two arms are, gone where they are not asked for.
case_further_arms() {
  local arm run=("$programs/experiments" "${tiny[@]}" --fractions 0.2)
  local further=(--self-training on --same-time on --augmentation strong)
  succeeds "${run[@]}" "${further[@]}" --out out || return
  grep -q 'from scratch, same time' stdout || complain "no row of an arm: $(cat stdout)"
  check out --fractions 0.2
  for arm in scratch_selftrained pretrained_selftrained scratch_same_time; do
    (($(grep -c "^20,$arm,1,.*,validation," out/history.csv) == 5)) || complain "history.csv: not 5 evaluations of $arm"
    grep -q "\"$arm\": {" out/summary.json || complain "summary.json: no $arm"
  done
  grep -q 'All arms' out/report.md || complain "report.md: no table of all arms"
  grep -q 'an arm from scratch that also had the time of pre-training' out/report.md || complain "report.md: the sceptic gets no answer"
  [[ -s out/further_arms.png ]] || complain "no figure of all arms"
  # The same but for the arm whose length is a matter of time.
  succeeds "${run[@]}" --self-training on --augmentation strong --out again || return
  cmp -s out/classifier_20_pretrained_selftrained.safetensors again/classifier_20_pretrained_selftrained.safetensors ||
    complain "another student"
  fails 1 'same-time on' "${run[@]}" --self-training on --augmentation strong --resume --out out
  fails 1 'encoder.safetensors: how long it was pre-trained is not known' "${run[@]}" --same-time on --out moved_out \
    --encoder "$(mkdir moved && cp out/encoder.safetensors moved && echo moved/encoder.safetensors)"
  fails 2 '--augmentation.*basic.*strong' "${run[@]}" --augmentation much --out out2
  succeeds "${run[@]}" --out out || return
  [[ ! -e out/further_arms.png && ! -e out/classifier_20_scratch_selftrained.safetensors ]] || complain "left of the run before"
}

# Other seeds give other weights: otherwise "the same bits" above would say nothing.
case_seed_matters() {
  succeeds "$programs/pretrain" "${tiny[@]}" --seed 1 --out one || return
  succeeds "$programs/pretrain" "${tiny[@]}" --seed 2 --out two || return
  if cmp -s one/encoder.safetensors two/encoder.safetensors; then complain "--seed changes nothing"; fi
}

# Stopped in pre-training, in the first arm and in a later one, continued each time: the same bits as in one go. Its
# page, which is kept current, says so each time.
case_stop_and_resume() {
  local long=("${tiny[@]}" --train-images 600 --epochs 4 --pretrain-epochs 6) resume=() stops=0 phase pid status bad word i
  succeeds "$programs/experiment3_tenth_labels" "${long[@]}" --out whole || return
  for phase in 1 2 3; do
    "$programs/experiment3_tenth_labels" "${long[@]}" --live --out parts "${resume[@]}" >stdout 2>stderr &
    pid=$!
    # Until the phase has begun and, so that something is to be resumed, has taken steps.
    for _ in {1..3000}; do
      if sed -n "/^\[$phase\//,\$p" stdout | grep -qE 'step [1-9]' || ! kill -0 "$pid" 2>/dev/null; then break; fi
      sleep 0.01
    done
    kill -INT "$pid" 2>/dev/null
    status=0
    wait "$pid" || status=$?
    if ((status == 0)); then
      echo "phase $phase: was done before the signal came"
      continue
    fi
    ((status == 130)) || complain "stopped in phase $phase: exit status $status, expected 130"
    grep -q -- '--resume' stderr || complain "stopped in phase $phase: does not say how to resume"
    sed 's/^/    /' stderr
    [[ -f parts/checkpoint.safetensors ]] || complain "stopped in phase $phase: no checkpoint"
    for word in 'The run was stopped' '--resume goes on' "It was in phase $phase of 3"; do
      grep -q -- "$word" parts/report.html || complain "stopped in phase $phase: its page does not say $word"
    done
    ! grep -qE 'http-equiv|data-going' parts/report.html || complain "stopped in phase $phase: its page claims that it goes on"
    fails 1 'was stopped: --resume goes on' "$programs/experiment3_tenth_labels" "${long[@]}" --out parts
    resume=(--resume)
    stops=$((stops + 1))
  done
  ((stops > 0)) || complain "was never stopped: nothing was resumed"
  succeeds "$programs/experiment3_tenth_labels" "${long[@]}" --live --out parts "${resume[@]}" || return
  ! grep -qE 'http-equiv|id="run-status"' parts/report.html || complain "the finished page is one of a run that goes on"
  check parts --fractions 0.1
  check whole --equal parts
  # A resumed run must be the same run.
  cp parts/config.ini before
  fails "1 2" 'width' "$programs/experiment3_tenth_labels" "${long[@]}" --width 8 --out parts --resume
  cmp -s before parts/config.ini || complain "a refused --resume changed config.ini"
  # What is refused changes nothing of a finished run.
  cp parts/config.ini before
  for bad in '--patch 40' '--encoder nowhere.safetensors' '--scratch-from parts'; do
    # shellcheck disable=SC2086
    fails 1 '.' "$programs/experiment3_tenth_labels" "${long[@]}" --out parts $bad
    cmp -s before parts/config.ini || complain "a refused $bad changed config.ini"
  done
  # What was accepted does: a run that was begun in its folder and killed is not taken for the finished one.
  "$programs/experiment3_tenth_labels" "${long[@]}" --out parts >stdout 2>stderr &
  pid=$!
  for ((i = 0; i < 600; ++i)); do
    if [[ -e parts/encoder.safetensors && ! -e parts/report.html ]]; then break; fi
    sleep 0.05
  done
  sleep 0.2
  kill -KILL "$pid"
  wait "$pid" 2>/dev/null
  [[ ! -e parts/report.md && ! -e parts/summary.json ]] || complain "a run that was begun anew stands beside the report of the one before"
  fails 1 'was stopped: --resume goes on' "$programs/experiment3_tenth_labels" "${long[@]}" --out parts
  fails "1 2" 'checkpoint' "$programs/experiments" "${tiny[@]}" --out nothing-here --resume
}

# Other images than those that the run was stopped with are refused; the same ones, elsewhere, are the same.
case_changed_data() {
  local run=("$programs/pretrain" --preset quick --width 4 --pretrain-epochs 4000 --pretrain-batch-size 8 --image-size 24 --out out) pid
  "$samples" . || complain "sample_files"
  cp -r data/one-class/apple pictures
  begin_run "${run[@]}" --data pictures
  kill -TERM "$pid"
  wait "$pid"
  cp pictures/3.png kept.png
  cp pictures/2.png pictures/3.png
  fails 1 'out/checkpoint\.safetensors: cannot resume, the checkpoint was made with images [0-9a-f]+, this run has' \
    "${run[@]}" --data pictures --resume
  rm pictures/3.png
  fails 1 'checkpoint was made with images' "${run[@]}" --data pictures --resume
  cp kept.png pictures/3.png
  mv pictures elsewhere
  begin_run "${run[@]}" --data elsewhere --resume
  grep -q 'from step [1-9]' stdout || complain "not resumed: $(cat stdout stderr)"
  kill -TERM "$pid"
  wait "$pid"
}

# The folder for results goes away, or may no longer be written, in the middle of a run: one line, and no damage.
case_lost_out() {
  local run=("$programs/pretrain" "${tiny[@]}" --train-images 600 --pretrain-epochs 60) pid status=0
  begin_run "${run[@]}" --out out
  rm -rf out
  kill -TERM "$pid"
  wait "$pid" || status=$?
  ((status == 1)) || complain "--out was removed: exit status $status"
  [[ $(cat stderr) == *'out/checkpoint.safetensors: cannot write here: No such file or directory' && $(wc -l <stderr) == 1 ]] ||
    complain "--out was removed: $(cat stderr)"
  [[ ! -e out ]] || complain "--out was removed, and is there again: $(ls -A out)"
  where_not_root || return 0
  run=("${not_root[@]}" "$programs/pretrain" "${run[@]:1}")
  begin_run "${run[@]}" --out out
  kill -TERM "$pid"
  wait "$pid"
  cp out/checkpoint.safetensors before
  begin_run "${run[@]}" --out out --resume
  chmod 555 out
  kill -TERM "$pid"
  status=0
  wait "$pid" || status=$?
  ((status == 1)) || complain "read-only --out: exit status $status"
  [[ $(cat stderr) == *'out/checkpoint.safetensors: cannot write here: Permission denied' && $(wc -l <stderr) == 1 ]] ||
    complain "read-only --out: $(cat stderr)"
  cmp -s before out/checkpoint.safetensors || complain "read-only --out: another checkpoint"
  fails 1 'out.*: cannot write (here|there): Permission denied' "${run[@]}" --out out --resume
  chmod 755 out
  begin_run "${run[@]}" --out out --resume
  grep -q 'from step [1-9]' stdout || complain "not resumed: $(cat stdout stderr)"
  kill -TERM "$pid"
  wait "$pid"
}

# The clock on the wall may jump as it likes.
case_clock() {
  [[ -e $jumping_clock ]] || { echo 'skipped: no library to preload here'; return; }
  succeeds "$programs/experiment1_all_labels" "${tiny[@]}" --out calm || return
  succeeds env LD_PRELOAD="$jumping_clock" "$programs/experiment1_all_labels" "${tiny[@]}" --out jumps || return
  check calm --fractions 1
  check calm --equal jumps
  grep -qE '^\| Whole run \| [0-9.]+ (s|min|min [0-9]+ s), ' jumps/report.md || complain "report.md: $(grep 'Whole run' jumps/report.md)"
}

# Few resources: either the work is done, or one line says what is missing.
case_limits() {
  local limit status
  for limit in 110000 150000 300000 400000 800000; do
    rm -rf out
    # shellcheck disable=SC2016  # the inner shell expands it
    timeout -s KILL 300 bash -c 'ulimit -v "$1"; shift; exec "$@"' _ "$limit" \
      "$programs/experiment1_all_labels" "${tiny[@]}" --quiet --out out >stdout 2>stderr
    status=$?
    ((status == 0 || status == 1)) || complain "ulimit -v $limit: status $status: $(cat stderr)"
    ((status == 0)) || grep -qE ': (OpenBLAS: no room for its buffers|out of memory|no thread can be started|.* need .* GiB of memory)' stderr ||
      complain "ulimit -v $limit: $(cat stderr)"
    (($(grep -vc ': warning: ' stderr) == status)) || complain "ulimit -v $limit: $(cat stderr)"
    echo "ulimit -v $limit: $(cat stderr)"
  done
  ((status == 0)) || complain "800 MB of addresses are not enough: $(cat stderr)"
  for limit in 5 7; do  # with 4 the libraries cannot be loaded
    rm -rf out
    # shellcheck disable=SC2016
    timeout -s KILL 300 bash -c 'ulimit -n "$1"; shift; exec "$@"' _ "$limit" \
      "$programs/experiment1_all_labels" "${tiny[@]}" --quiet --out out >stdout 2>stderr
    status=$?
    ((status == 0 || status == 1)) || complain "ulimit -n $limit: status $status: $(cat stderr)"
    ((status == 0)) || grep -q 'Too many open files' stderr || complain "ulimit -n $limit: $(cat stderr)"
    (($(grep -vc ': warning: ' stderr) == status)) || complain "ulimit -n $limit: $(cat stderr)"
    ((status == 0)) || nothing_half_written out
    echo "ulimit -n $limit: $(cat stderr)"
  done
  rm -rf out
  fails 1 'images of 1024 x 1024 x 3: need 2929\.. GiB of memory, more than the' "$programs/pretrain" --train-images 1000000 \
    --image-size 1024 --out out
}

# What is wrong is said by its name: the class, the option, the format, the reason that the system gives.
case_clear_messages() {
  local file run=("$programs/experiment1_all_labels" "${tiny[@]}" --out out)
  fails 1 "label fraction 0\.1: leaves class 'boat' with none of its 3 labels, expected a fraction of at least 0\.167" \
    "$programs/experiments" "${tiny[@]}" --data builtin --train-images 40 --fractions 1,0.1 --out out
  fails 1 "label fraction 0\.01: leaves class 'smith-box' with none" "$programs/probe" "${tiny[@]:2:2}" --image-size 24 \
    --encoder nowhere.safetensors --fractions 0.01 --out out
  { printf 'PK\3\4\0\0\0\0' && head -c 2000 /dev/zero; } >model.pth
  { printf '\200\2\212\12l\374\234F' && head -c 2000 /dev/zero; } >old.pt
  fails 1 "model\.pth: a zip file, as PyTorch's .pt and .pth are, expected safetensors weights" "${run[@]}" --encoder model.pth
  fails 1 "model\.pth: a zip file" "$programs/predict" --weights model.pth image.png
  fails 1 "old\.pt: a pickle, as PyTorch's older" "$programs/probe" --train-images 240 --image-size 24 --encoder old.pt --out out
  "$samples" . || complain "sample_files"
  for file in 1 2 4; do head -c 60 "data/broken-images/pear/$file.png" >short && mv short "data/broken-images/pear/$file.png"; done
  fails 1 '4 of 12 images are broken, .*/pear/1\.png: .*/pear/2\.png: .*/pear/3\.png: .*/pear/4\.png: ' "${run[@]}" --data data/broken-images
  where_not_root || return 0
  run=("${not_root[@]}" "$programs/pretrain" "${tiny[@]}" --out out)
  mkdir -p locked/below shut && cp model.pth shut.pth && chmod 000 locked shut.pth && chmod 555 shut
  fails 1 'shut\.pth: cannot be read: Permission denied' "${run[@]}" --encoder shut.pth
  fails 1 'locked/model\.pth: cannot be read: Permission denied' "${run[@]}" --encoder locked/model.pth
  fails 1 'shut\.pth: cannot be read: Permission denied' "${not_root[@]}" "$programs/predict" --weights shut.pth image.png
  fails 1 "data 'locked'.*: .*Permission denied" "${run[@]}" --data locked
  fails 1 "data 'locked/below'.*Permission denied" "${run[@]}" --data locked/below
  fails 2 '^pretrain: --config locked/x\.ini: Permission denied' "${run[@]}" --config locked/x.ini
  fails 2 '^pretrain: --config shut\.pth: cannot be read: Permission denied' "${run[@]}" --config shut.pth
  fails 1 'locked.*: Permission denied' "${run[@]}" --out locked
  fails 1 'locked/below.*: Permission denied' "${run[@]}" --out locked/below
  fails 1 'shut.*: Permission denied' "${run[@]}" --out shut
  fails 1 'shut/new: cannot be created: Permission denied' "${run[@]}" --out shut/new
  fails 1 'locked.*: Permission denied' "${not_root[@]}" "$programs/experiments" "${tiny[@]}" --scratch-from locked --out out
  chmod 755 locked
}

# Starts a run in the background and waits until its first phase has taken steps: begin_run COMMAND...; sets pid.
begin_run() {
  : >stdout  # what a run before said is no sign of this one
  "$@" >stdout 2>stderr &
  pid=$!
  for _ in {1..3000}; do
    if grep -qE 'step [1-9]' stdout || ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.01
  done
}

# One run at a time in a folder; a lost terminal saves; what a killed run leaves is in nobody's way.
case_one_owner() {
  local run=("$programs/pretrain" "${tiny[@]}" --train-images 600 --pretrain-epochs 40) pid status=0
  begin_run "${run[@]}" --out out
  fails 1 "out: a run that is alive writes here, process $pid on " "$programs/pretrain" "${tiny[@]}" --out out
  fails 1 "out: a run that is alive writes here, process $pid on " "$programs/pretrain" "${tiny[@]}" --out out --resume
  kill -HUP "$pid"
  wait "$pid" || status=$?
  ((status == 130)) || complain "SIGHUP: exit status $status, expected 130"
  [[ -f out/checkpoint.safetensors && ! -e out/.contexture.lock ]] || complain "SIGHUP: $(ls -A out)"
  begin_run "${run[@]}" --out out --resume
  kill -KILL "$pid"
  wait "$pid" 2>/dev/null
  [[ -f out/.contexture.lock ]] || complain "killed: no lock was held"
  local left_behind=out/encoder.safetensors.tmp$pid.7
  : >"$left_behind"
  begin_run "${run[@]}" --out out --resume
  [[ ! -e $left_behind ]] || complain "left behind by a killed run: $left_behind"
  kill -TERM "$pid"
  wait "$pid"
}

# A bit that a disk lost: the file is named, and of checkpoints the one before it serves.
case_flipped_bits() {
  local weights=out/classifier_100_pretrained.safetensors
  succeeds "$programs/experiment1_all_labels" "${tiny[@]}" --out out || return
  flip() { printf '%b' "\\x$(printf '%02x' $((0x$(tail -c "$2" "$1" | head -c 1 | od -An -tx1 | tr -d ' ') ^ 4)))" |
    dd of="$1" bs=1 seek=$(($(wc -c <"$1") - $2)) conv=notrunc status=none; }
  cp out/encoder.safetensors encoder.safetensors
  cp "$weights" whole.safetensors
  flip "$weights" 40
  fails 1 "$weights: damaged" "$programs/predict" --weights "$weights" out/patches.png
  flip encoder.safetensors 40
  fails 1 'encoder\.safetensors: damaged' "$programs/experiment1_all_labels" "${tiny[@]}" --encoder encoder.safetensors --out given
  fails 1 'encoder\.safetensors: damaged' "$programs/probe" --train-images 240 --image-size 24 --encoder encoder.safetensors --out probed
  cp -r out again
  flip out/checkpoint.safetensors 40
  "$programs/experiment1_all_labels" "${tiny[@]}" --out out --resume >stdout 2>stderr || complain "not resumed: $(cat stderr)"
  cat stdout stderr | grep -q 'out/checkpoint\.safetensors: damaged.*going on from the one before it' ||
    complain "does not say that the checkpoint is damaged"
  cmp -s "$weights" whole.safetensors || complain "resumed from the checkpoint before: other weights"
  flip again/checkpoint.safetensors 40
  flip again/checkpoint.previous.safetensors 40
  fails 1 'again/checkpoint\.safetensors: damaged.*previous\.safetensors: damaged' "$programs/experiment1_all_labels" "${tiny[@]}" \
    --out again --resume
}

# More threads than processors would only wait for each other.
case_threads() {
  succeeds "$programs/pretrain" "${tiny[@]}" --pretrain-epochs 1 --threads 1000 --out many || return
  (($(sed -n 's/^threads=//p' many/config.ini) <= $(nproc))) || complain "runs with $(grep threads= many/config.ini)"
  succeeds "$programs/pretrain" "${tiny[@]}" --pretrain-epochs 1 --threads 1 --out one || return
  cmp -s many/encoder.safetensors one/encoder.safetensors || complain "the weights depend on the number of threads"
}

# On a terminal: one line, rewritten, that never wraps.
case_terminal() {
  local columns
  command -v script >/dev/null || { echo 'skipped: no script(1)'; return; }
  for columns in 20 100; do
    script -qec "stty cols $columns rows 24; exec '$programs/pretrain' ${tiny[*]} --out out$columns" /dev/null \
      </dev/null >stdout 2>stderr || complain "status $?: $(cat stderr)"
    # What was drawn between two rewindings of the line; in 100 columns with a bar and the time left.
    tr '\r' '\n' <stdout | sed -n $'s/^\033\\[K\\(  .*%.*\\)$/\\1/p' | grep -v 'done in' >drawn
    [[ -s drawn ]] || complain "$columns columns: nothing was drawn"
    if awk -v most="$columns" 'length($0) >= most { exit 1 }' drawn; then :; else
      complain "$columns columns: a line that wraps"
    fi
    grep -q '%' drawn || complain "$columns columns: no progress"
  done
  grep -qE '^  \[#+\.*\] .*loss [0-9.]+ .* images/s .* left' drawn || complain "no bar, loss, speed or time left"
  tail -n 1 stdout | grep -q 'report.html' || complain "the last line does not name the report"
}

case_predict() {
  succeeds "$programs/experiment1_all_labels" "${tiny[@]}" --out out || return
  local weights=out/classifier_100_pretrained.safetensors
  succeeds "$programs/predict" --weights "$weights" out/patches.png out/predictions.png
  (($(wc -l <stdout) == 3)) || complain "predict: expected a header and one line an image"
  head -n 1 stdout | grep -qx 'path,class,p(smith-box),.*' || complain "predict: header $(head -n 1 stdout)"
  grep -qE '^out/patches\.png,[a-z-]+,[01]\.[0-9]+,' stdout || complain "predict: no answer for patches.png"
  awk -F , 'NR > 1 { sum = 0; for (i = 3; i <= NF; ++i) sum += $i; if (sum < 0.9999 || sum > 1.0001) exit 1 }' stdout ||
    complain "predict: probabilities that do not sum to 1"
  # A folder, in batches: what each image gets alone, and what is no image is told.
  mkdir -p many/below && echo 'some notes' >many/notes.txt
  for ((i = 0; i < 300; ++i)); do cp out/patches.png "many/below/$i.png"; done
  cp out/predictions.png many/
  "$programs/predict" --weights "$weights" many >folder.csv 2>stderr || complain "predict: status $? of a folder"
  (($(wc -l <folder.csv) == 302)) || complain "predict: $(wc -l <folder.csv) lines for a folder of 301 images"
  grep -q 'warning: .*notes\.txt' stderr || complain "predict: does not tell what is no image: $(cat stderr)"
  grep -q '^many/below/299\.png,' folder.csv || complain "predict: an image of the folder is missing"
  (($(grep '^many/below' folder.csv | cut -d, -f2 | sort -u | wc -l) == 1)) || complain "predict: one image, several answers"
  mkdir none && fails 1 'none: no image' "$programs/predict" --weights "$weights" none
  if [[ -w /dev/full ]]; then
    local status=0
    "$programs/predict" --weights "$weights" out/patches.png >/dev/full 2>stderr || status=$?
    ((status == 1)) || complain "predict: status $status with nowhere to write"
    grep -q 'cannot be written' stderr || complain "predict does not say that it could not write"
  fi
  echo 'not an image' >text.png
  head -c 100 out/patches.png >cut.png
  fails 1 'text\.png' "$programs/predict" --weights "$weights" text.png
  fails 1 'cut\.png' "$programs/predict" --weights "$weights" cut.png
  fails 1 'missing\.png' "$programs/predict" --weights "$weights" missing.png out/patches.png
  (($(wc -l <stdout) == 2)) || complain "predict: a bad image keeps it from answering the others"
  fails "1 2" 'nowhere' "$programs/predict" --weights nowhere.safetensors out/patches.png
  fails "1 2" 'encoder' "$programs/predict" --weights out/encoder.safetensors out/patches.png
  fails 2 'image|required' "$programs/predict" --weights "$weights"
}

case_bad_options() {
  local program bad
  for program in "${experiment_programs[@]}"; do
    fails 2 'frobnicate' "$programs/$program" --frobnicate
  done
  fails 2 'frobnicate' "$programs/predict" --frobnicate image.png
  for bad in '--epochs -1' '--epochs nan' '--epochs inf' '--epochs 1e999' '--epochs 0' '--epochs' '--epochs 3x' '--epochs=' \
    '--seeds 0' '--seeds -2' '--seeds 1.5' '--seeds 99999999999999999999' '--seed -1' '--seed 18446744073709551616' \
    '--width 0' '--width -4' '--width 2147483648' '--image-size -32' '--image-size 1e3' '--threads -1' '--threads 2000' \
    '--pretrain-epochs nan' '--learning-rate nan' '--learning-rate -0.1' '--validation 1.5' '--batch-size 0' \
    '--preset fast' '--flip maybe' '--weight-decay -1' '--averaging 0.2' '--colour-probability -0.5' '--out='; do
    # shellcheck disable=SC2086  # option and value are two words
    fails 2 "$(sed -E 's/^--([a-z-]+).*/\1/' <<<"$bad")" "$programs/experiments" --out out $bad
  done
  fails 2 'epochs.*no value' "$programs/experiments" --epochs --out out
  fails 2 'weights.*no value' "$programs/predict" --weights --quiet image.png
  fails 2 'no-such-file' "$programs/experiments" --config no-such-file.ini --out out
  printf 'width=abc\n' >bad.ini
  fails 2 'width' "$programs/experiments" --config bad.ini --out out
  printf 'no-such-setting=1\n' >unknown.ini
  fails 2 'no-such-setting' "$programs/experiments" --config unknown.ini --out out
  [[ ! -e out ]] || complain "wrong use creates the --out folder"
}

# Every kind of bad data set: one line that says what, where and what was expected, and an empty --out.
case_bad_data() {
  local name pattern
  "$samples" . || complain "sample_files"
  echo 'hello' >data/plain.txt
  mkdir -p data/empty-classes/a data/empty-classes/b
  while read -r name pattern; do
    fails 1 "data/$name.*$pattern" "$programs/experiments" "${tiny[@]}" --data "data/$name" --out out
    [[ ! -e out ]] || complain "$name: --out was made before the data was read"
  done <<'TABLE'
no-such-folder       no such folder, expected
nothing-inside       an empty folder, expected
plain.txt            a file, expected
empty-classes        /a: 0 images, expected at least 3
single-image         /pear: 1 image, expected at least 3
one-class            one class folder, apple/, expected at least 2
broken-images        1 of 12 images are broken, expected at most 1 % .*: .*/pear/3\.png: PNG ends in the middle
lying-image          1 of 12 images are broken, .*/pear/3\.png: PNG holds .* its header's size needs
idx-truncated        /train-images-idx3-ubyte: truncated: ends at byte 909, expected 900 values
idx-oversized        /train-images-idx3-ubyte: oversized: goes on at byte 916
idx-magic            /train-images-idx3-ubyte: magic number 2057 at byte 0, expected 2051
idx-huge             /train-images-idx3-ubyte: truncated: its header promises .* more than the file can hold
idx-label            /train-labels-idx1-ubyte: label 10 at byte 13, expected 0 to 9
idx-counts           /t10k-labels-idx1-ubyte: 19 labels, expected 20
gz-truncated         /train-images-idx3-ubyte\.gz: truncated: its compressed data ends
gz-oversized         /train-images-idx3-ubyte\.gz: other data follows
gz-checksum          /train-images-idx3-ubyte\.gz: its compressed data is damaged
cifar-truncated      /data_batch_3\.bin: 30729 bytes, expected a multiple of 3073
cifar-oversized      /data_batch_3\.bin: 30731 bytes, expected a multiple of 3073
cifar-label          /test_batch\.bin: label 77 at byte 3073, expected 0 to 9
TABLE
  nothing_half_written .
}

# Image files of every kind are answered, damaged ones are named; paths may hold blanks and any script.
case_image_kinds() {
  local weights=out/classifier_100_pretrained.safetensors name pattern folder='small set #1, "ü" 书' results='results ü/a b'
  succeeds "$programs/experiment1_all_labels" "${tiny[@]}" --epochs 1 --pretrain-epochs 1 --out out || return
  "$samples" . || complain "sample_files"
  succeeds "$programs/predict" --weights "$weights" images/*
  (($(grep -cE '^images/.*,[a-z-]+,[0-9.]+,' stdout) == $(find images -type f | wc -l))) ||
    complain "predict does not answer every image: $(cat stdout)"
  while read -r name pattern; do
    fails 1 "bad-images/$name: $pattern" "$programs/predict" --weights "$weights" "bad-images/$name"
  done <<'TABLE'
too-tall.png         PNG holds 610 bytes of pixel data, its header's size needs 671
too-big.png          claims 60000 x 60000 pixels, expected
truncated.png        PNG ends in the middle
truncated.jpg        JPEG ends in the middle
empty.png            not PNG, JPEG, BMP, GIF, WebP or TIFF
words.png            not PNG, JPEG, BMP, GIF, WebP or TIFF
TABLE
  fails 1 'bad-images/too-big.png: claims 60000 x 60000 pixels, .* at most 268435456 in all' \
    "$programs/predict" --weights "$weights" --max-pixels 268435456 bad-images/too-big.png
  fails 2 'max-pixels' "$programs/predict" --weights "$weights" --max-pixels 0 images/*
  fails 1 'images are broken.* at most 10 in all \(the setting max-pixels\)' \
    "$programs/experiment1_all_labels" "${tiny[@]}" --data data/smallest --max-pixels 10 --out refused
  fails 1 'at most 10 in all' "$programs/diagnose" --data data/smallest --max-pixels 10 --out refused
  # Grey JPEGs, three a class.
  mv data/smallest "$folder"
  mv "$folder/dark" "$folder/"$'tab\tand\nbreak'
  succeeds "$programs/experiment1_all_labels" "${tiny[@]}" --data "$folder" --out "$results" || return
  check "$results" --fractions 1
  succeeds "$programs/predict" --weights "$results/classifier_100_scratch.safetensors" images/*
  awk -F , 'NF != 4 { exit 1 }' stdout || complain "predict: not four fields a line: $(cat stdout)"
  (($(wc -l <stdout) == 1 + $(find images -type f | wc -l))) || complain "predict: not one line an image: $(cat stdout)"
  awk -F '|' '/^\| / && NF < 4 { exit 1 }' "$results/report.md" || complain "report.md: a torn table"
  succeeds "$programs/experiment1_all_labels" --config "$results/config.ini" --out again || return
  check "$results" --equal again
}

# An encoder's file alone, in another folder: its features, and its ONNX file.
case_export() {
  succeeds "$programs/pretrain" "${tiny[@]}" --out made || return
  mkdir moved && mv made/encoder.safetensors moved && mv made/patches.png moved/image.png && rm -r made
  local data=(--train-images 240 --test-images 48)
  succeeds "$programs/probe" "${data[@]}" --image-size 24 --encoder moved/encoder.safetensors --out probed || return
  if grep -q '^note' stdout; then complain "probe: a note about a file that tells everything"; fi
  succeeds "$programs/probe" "${data[@]}" --image-size 16 --encoder moved/encoder.safetensors --out probed || return
  grep -q '^note .*learned from images of 24 x 24, these have 16 x 16' stdout || complain "probe: no note of another size"
  succeeds "$programs/export" --model moved/encoder.safetensors || return
  grep -qF 'moved/encoder.onnx: images (batch,3,24,24), 0 to 255 -> features (batch,' stdout || complain "export says something else"
  [[ -s moved/encoder.onnx ]] || complain "export writes nothing"
  grep -q '"task":"context prediction"' moved/encoder.onnx || complain "export leaves the metadata out"
  succeeds "$programs/export" --model moved/encoder.safetensors --layout nhwc --image-size 20 --fold-norm --out x.onnx || return
  grep -qF 'x.onnx: images (batch,20,20,3)' stdout || complain "export --layout nhwc says something else"
  succeeds "$programs/export" --model moved/encoder.safetensors --model-card moved/README.md || return
  grep -qE '^\| Pre-trained without labels by \| .context prediction. on .builtin-64. \(fingerprint [0-9a-f]+\)' moved/README.md ||
    complain "the model card does not tell the pretext task"
  # Features: a table and the same for NumPy.
  mkdir photos && cp moved/image.png photos
  succeeds "$programs/predict" --features --weights moved/encoder.safetensors --npy moved/features.npy moved/image.png photos || return
  (($(wc -l <stdout) == 3)) || complain "predict --features: expected a header and two lines"
  head -n 1 stdout | grep -q '^path,f0,f1,.*,f31$' || complain "predict --features: header $(head -n 1 stdout)"
  grep -qaF "'shape': (2, 32)" moved/features.npy || complain "predict --npy: $(head -n 1 moved/features.npy)"
  (($(stat -c %s moved/features.npy) == 128 + 2 * 32 * 4)) || complain "predict --npy: a wrong size"
  fails 1 'an encoder, expected a classifier' "$programs/export" --model moved/encoder.safetensors --what classifier
  fails 2 'what' "$programs/export" --model moved/encoder.safetensors --what all
  fails 2 'layout' "$programs/export" --model moved/encoder.safetensors --layout chwn
  fails 2 'model' "$programs/export"
  fails 1 'nowhere\.safetensors' "$programs/export" --model nowhere.safetensors
  fails 1 'gone' "$programs/export" --model moved/encoder.safetensors --out gone/x.onnx
  nothing_half_written .
}

# Frozen features of an encoder, of a classifier and of random weights; twice the same.
case_probe() {
  succeeds "$programs/experiment1_all_labels" "${tiny[@]}" --out run || return
  local encoder=run/encoder.safetensors data=(--train-images 240 --test-images 48 --image-size 24)
  local ask=("$programs/probe" "${data[@]}" --encoder "$encoder" --encoder run/classifier_100_scratch.safetensors)
  succeeds "${ask[@]}" --fractions 1,0.5 --out out || return
  check --probe out/probe.json --encoders 2 --labels 1,0.5
  grep -q '^50 % of the labels' stdout || complain "probe: no table for half of the labels"
  grep -qE '^ *(run/classifier_100_scratch.safetensors)? +stem +[0-9.]+ %' stdout || complain "probe: no line for the stem"
  succeeds "${ask[@]}" --fractions 1 0.5 --out again --quiet || return
  (($(wc -l <stdout) == 1)) || complain "probe --quiet prints $(wc -l <stdout) lines"
  check --probe out/probe.json --encoders 2 --labels 1,0.5 --equal again/probe.json
  succeeds "$programs/probe" "${data[@]}" --encoder "$encoder" --no-test --out choose || return
  check --probe choose/probe.json --no-test
  fails 2 'encoder' "$programs/probe" "${data[@]}" --out bad
  fails 2 'fractions' "${ask[@]}" --fractions 0 --out bad
  fails 2 'fractions' "${ask[@]}" --fractions nan --out bad
  fails 2 "fractions: '', expected" "${ask[@]}" --fractions 1, --out bad
  fails 2 "fractions: '0\.5,1,0\.5' has 0\.5 twice" "${ask[@]}" --fractions 0.5,1,0.5 --out bad
  fails 2 'validation' "${ask[@]}" --validation 2 --out bad
  fails 2 'seed' "${ask[@]}" --seed -1 --out bad
  fails 2 'frobnicate' "${ask[@]}" --frobnicate
  [[ ! -e bad ]] || complain "probe: wrong use creates the --out folder"
  fails 1 'nowhere\.safetensors' "$programs/probe" "${data[@]}" --encoder nowhere.safetensors --out bad
  echo 'not weights' >text.safetensors
  fails 1 'text\.safetensors' "$programs/probe" "${data[@]}" --encoder text.safetensors --out bad
  fails 1 'no-such-folder' "$programs/probe" --data no-such-folder --encoder "$encoder" --out bad
  fails 1 'label|class' "$programs/probe" --train-images 40 --image-size 24 --encoder "$encoder" --fractions 0.01 --out bad
  fails 1 'proc' "$programs/probe" "${data[@]}" --encoder "$encoder" --out /proc/contexture
  nothing_half_written bad
}

# Few labels and many images, as folders: by every method, the answers, the images to label next, and on with those.
case_classify() {
  local encoder=encoder/encoder.safetensors ask file status=0
  "$samples" . || complain "sample_files"
  succeeds "$programs/pretrain" --data photos/unlabelled --preset quick "${tiny[@]:8}" --pretext simclr --out encoder || return
  ask=("$programs/classify" --encoder "$encoder" --labelled photos/labelled --unlabelled photos/unlabelled)
  succeeds "${ask[@]}" --steps 20 --label-next 7 --out out || return
  grep -qE '^plan +head, finetune, selftrain, by 5-fold cross-validation, --steps 20: ' stdout || complain "no plan: $(cat stdout)"
  grep -qE '^Chosen: (head|finetune|selftrain)\.' stdout || complain "does not say what it chose"
  (($(grep -cE '^(head|finetune|selftrain) +[0-9.]+ % +[0-9.]+ % to [0-9.]+ %' stdout) == 3)) || complain "no accuracies: $(cat stdout)"
  [[ $(tail -n 1 stdout) == 'Answers: out/predictions.csv' ]] || complain "the last line does not name the answers"
  head -n 1 out/predictions.csv | grep -qE '^path,class,p\(boat\),p\(car\),' || complain "header: $(head -n 1 out/predictions.csv)"
  (($(grep -c '^photos/unlabelled/.*\.png,' out/predictions.csv) == 90)) || complain "not 90 answers"
  awk -F , 'NR > 1 { sum = 0; for (i = 3; i <= NF; ++i) sum += $i; if (sum < 0.9999 || sum > 1.0001) exit 1 }' out/predictions.csv ||
    complain "probabilities that do not sum to 1"
  (($(wc -l <out/label_next.csv) == 8)) || complain "label_next.csv: $(wc -l <out/label_next.csv) lines, expected 8"
  grep -q '<img alt="" src="data:image/png;base64,' out/gallery.html || complain "gallery.html: no images"
  grep -q 'photos/labelled/boat/0\.png,boat,photos/unlabelled/copy\.png,,1\.0' out/near_duplicates.csv ||
    complain "near_duplicates.csv: $(cat out/near_duplicates.csv)"
  # The same bits again, and another seed's are others; the classifier answers alike through predict.
  succeeds "${ask[@]}" --steps 20 --label-next 7 --out again --quiet || return
  (($(wc -l <stdout) == 1)) || complain "--quiet prints $(wc -l <stdout) lines"
  for file in predictions.csv label_next.csv suspected_labels.csv gallery.html classifier.safetensors; do
    cmp -s "out/$file" "again/$file" || complain "the same seed gives another $file"
  done
  succeeds "$programs/predict" --weights out/classifier.safetensors photos/unlabelled || return
  cut -d, -f1,2 stdout | cmp -s - <(cut -d, -f1,2 out/predictions.csv) || complain "predict gives other answers than classify"
  # What was labelled next joins the labels, and is answered no more.
  awk -F , -v OFS=, 'NR > 1 { $2 = "car" } { print }' out/label_next.csv >more.csv
  succeeds "${ask[@]}" --labels more.csv --method head --out more || return
  grep -qE '^data +55 labelled images of 12 classes, 83 without a label' stdout || complain "labels of a table: $(cat stdout)"
  # Tables alone, with paths below the unlabelled images.
  { echo 'label,note,path' && for ((i = 0; i < 6; ++i)); do printf 'even,"a, b",%s.png\nodd,,%s.png\n' $((2 * i)) $((2 * i + 1)); done; } >table.csv
  succeeds "$programs/classify" --encoder "$encoder" --labels table.csv --unlabelled photos/unlabelled --time 1h --out table --quiet || return
  (($(wc -l <table/predictions.csv) == 79)) || complain "a table's images are answered, too"
  # Ctrl-C: one line, and no half of the results.
  "${ask[@]}" --steps 100000 --out stopped >stdout 2>stderr &
  for _ in {1..600}; do if grep -q '^plan' stdout; then break; fi; sleep 0.1; done
  kill -INT "$!"
  wait "$!" || status=$?
  ((status == 130)) || complain "stopped: exit status $status: $(cat stderr)"
  [[ ! -e stopped/predictions.csv ]] || complain "stopped, and there are answers"
}

# What cannot be classified is refused in one line that says what would do.
case_classify_bad_input() {
  local encoder=encoder/encoder.safetensors ask
  "$samples" . || complain "sample_files"
  succeeds "$programs/pretrain" --data photos/unlabelled --preset quick "${tiny[@]:8}" --pretext simclr --out encoder || return
  ask=("$programs/classify" --encoder "$encoder" --unlabelled photos/unlabelled --out out)
  labels() { printf '%b' "$1" >labels.csv; }
  mkdir -p one/cat one/dog five/cat five/dog five-more single empty/cat empty/dog
  cp photos/unlabelled/1.png one/cat/ && cp photos/unlabelled/2.png one/dog/ && cp photos/unlabelled/3.png single/
  cp photos/unlabelled/{1,2}.png five/cat/ && cp photos/unlabelled/{3,4}.png five/dog/ && cp photos/unlabelled/5.png five-more/
  cp photos/unlabelled/{1,2}.png empty/cat/
  fails 2 'no labels, expected --labelled FOLDER, --labels FILE or both' "${ask[@]}"
  fails 2 "time: 'soon', expected a number and s, m or h" "${ask[@]}" --labelled photos/labelled --time soon
  fails 2 "method: 'best', expected auto, head, finetune or selftrain" "${ask[@]}" --labelled photos/labelled --method best
  fails 2 'time: 3s is too short: selftrain of 100000 steps, 6 times, takes [0-9.]+[smh]$' "${ask[@]}" --labelled photos/labelled \
    --method selftrain --steps 100000 --time 3s
  # Nothing to refuse: the head takes no time. What is left out is told, with a time that would do.
  succeeds "$programs/classify" --encoder "$encoder" --labelled photos/labelled --unlabelled photos/unlabelled --out short \
    --steps 100000 --time 3s
  grep -qE '^ +finetune is left out, with [0-9.]+[smh] it would be tried$' stdout || complain "--time 3s: $(cat stdout)"
  grep -qE '^plan +head, by 5-fold' stdout || complain "--time 3s: no plan of the head alone: $(cat stdout)"
  fails 1 "labelled images: 'cat' has 1, 'dog' has 1; expected at least 2 of every class" "${ask[@]}" --labelled one
  fails 1 "labelled images: 'dog' has 0; expected at least 2 of every class" "${ask[@]}" --labelled empty
  fails 1 "one/cat: no folders, expected one for each class" "${ask[@]}" --labelled one/cat
  labels 'path,label\n1.png,cat\n2.png,cat\n'
  fails 1 "labelled images: 1 class \('cat'\), expected at least 2" "${ask[@]}" --labels labels.csv
  fails 1 "labelled images 'nowhere': no such folder" "${ask[@]}" --labelled nowhere
  fails 1 "unlabelled images 'nowhere': no such folder" "${ask[@]/photos\/unlabelled/nowhere}" --labelled photos/labelled
  labels 'path,label\n1.png,cat\nfar/2.png,cat\n'
  fails 1 "labels\.csv: line 3: 'far/2\.png': no such file, expected a path in photos/unlabelled or from the current folder" \
    "${ask[@]}" --labels labels.csv
  labels 'path,label\n1.png,cat\n2.png,cat\n1.png,dog\n'
  fails 1 "labels\.csv: line 4: '1\.png' has a label already, in labels\.csv: line 2; expected every image once" "${ask[@]}" --labels labels.csv
  labels 'path,label\n1.png,boot\n'
  fails 1 "labels\.csv: line 2: class 'boot', expected one of the folders of photos/labelled \(boat, " "${ask[@]}" \
    --labelled photos/labelled --labels labels.csv
  labels 'file,label\n1.png,cat\n'
  fails 1 "labels\.csv: line 1: no column 'path', expected a first line with the columns path and label" "${ask[@]}" --labels labels.csv
  labels 'path,label\n1.png\n'
  fails 1 'labels\.csv: line 2: 1 fields, expected 2' "${ask[@]}" --labels labels.csv
  labels 'path,label\n"1.png,cat\n'
  fails 1 'labels\.csv: line 2: a quote that is not closed' "${ask[@]}" --labels labels.csv
  fails 1 'no-such\.csv: cannot be read' "${ask[@]}" --labels no-such.csv
  fails 1 'nowhere\.safetensors' "${ask[@]/$encoder/nowhere.safetensors}" --labelled photos/labelled
  succeeds "$programs/pretrain" --data data/smallest --preset quick "${tiny[@]:8}" --pretext simclr --out grey || return
  fails 1 'the encoder is for images of 1 channel \(grey\), these have 3; expected one that was pre-trained on such images' \
    "${ask[@]/$encoder/grey/encoder.safetensors}" --labelled photos/labelled
  [[ ! -e out/predictions.csv ]] || complain "refused, and there are answers"
  # Little is not bad: an unlabelled folder of one image, and five images in all.
  succeeds "$programs/classify" --encoder "$encoder" --labelled photos/labelled --unlabelled single --method head --out single-out
  (($(wc -l <single-out/predictions.csv) == 2)) || complain "one image: $(cat single-out/predictions.csv)"
  succeeds "$programs/classify" --encoder "$encoder" --labelled five --unlabelled five-more --steps 5 --out five-out
  grep -qE 'by 4-fold cross-validation' stdout || complain "five images: $(cat stdout)"
}

case_diagnose() {
  local ask=("$programs/diagnose" --train-images 120 --image-size 24 --width 4 --steps 4 --batch-size 16)
  succeeds "${ask[@]}" --out out || return
  check --diagnostics out/diagnostics.json
  grep -q '^shuffled targets ' stdout || complain "diagnose: no line for shuffled targets"
  tail -n 1 stdout | grep -q 'out/diagnostics.json' || complain "diagnose: the last line does not name the file"
  succeeds "${ask[@]}" --out again --quiet || return
  (($(wc -l <stdout) == 1)) || complain "diagnose --quiet prints $(wc -l <stdout) lines"
  cmp -s out/diagnostics.json again/diagnostics.json || complain "diagnose: the same seed gives other numbers"
  fails 2 'steps' "${ask[@]}" --steps 0 --out bad
  fails 2 'frobnicate' "${ask[@]}" --frobnicate
  [[ ! -e bad ]] || complain "diagnose: wrong use creates the --out folder"
  fails "1 2" 'colour' "${ask[@]}" --colour pink --out bad
  fails "1 2" 'patch|grid|image|gap' "${ask[@]}" --patch 40 --out bad
  fails 1 'few' "$programs/diagnose" --train-images 6 --image-size 24 --out bad
  fails 1 'no-such-folder' "$programs/diagnose" --data no-such-folder --out bad
}

case_report() {
  local run=("$programs/experiment3_tenth_labels" "${tiny[@]}" --quiet)
  succeeds "${run[@]}" --out narrow || return
  succeeds "${run[@]}" --width 6 --out wide || return
  succeeds "$programs/report" narrow wide --tensorboard --out both || return
  grep -q '^With 10 % of the labels ' stdout || complain "report: no answer: $(cat stdout)"
  grep -q '| width | 4 | 6 |' both/report.md || complain "report: does not say in what the runs differ"
  grep -q '<table' both/report.html || complain "report: no page"
  if command -v gnuplot >/dev/null; then
    [[ -s both/curves.svg && -s both/curves.png ]] || complain "report: no curves"
    grep -q 'curves.png' both/report.md || complain "report: the curves are not in it"
  fi
  [[ -s narrow/tensorboard/10_pretrained_seed1/events.out.tfevents.0.contexture && -d wide/tensorboard/pretrain_seed1 ]] ||
    complain "report: no event files: $(find . -name '*tfevents*')"
  fails 2 'RUN is required' "$programs/report"
  fails 1 'nowhere/summary.json: cannot be read; expected the folder of a finished run' "$programs/report" nowhere --out bad
  fails 1 'is one of the runs' "$programs/report" narrow wide --out wide
  echo '{}' >wide/summary.json
  fails 1 "wide/summary.json: not a run's summary" "$programs/report" narrow wide --out bad
  [[ ! -e bad ]] || complain "report: wrong use creates the --out folder"
}

# What is behind the header of a safetensors file: that also says which data the weights come from.
tensors_of() { tail -c "+$(($(od -An -tu8 -N8 "$1") + 9))" "$1"; }

# A folder of images to shards and back; and trained from each of them, in memory or mapped: the same bits.
case_pack() {
  local pack=("$programs/pack" --quiet) train
  fails 2 'required' "$programs/pack" --out shards
  succeeds "${pack[@]}" --data builtin --train-images 250 --test-images 50 --image-size 16 --shard-images 100 --out shards || return
  grep -qx '300 images in 4 shards, each read back as written: shards' stdout || complain "pack: $(cat stdout)"
  succeeds "${pack[@]}" --data shards --unpack --out photos || return
  (($(find photos/train/cat -name '*.png' | wc -l) == 21)) || complain "unpacked: $(find photos -name '*.png' | wc -l) files"
  succeeds "${pack[@]}" --data shards --unpack --out photos
  grep -q '(300 were there)' stdout || complain "unpacked again: $(cat stdout)"
  cp photos/train/cat/000000002.png photos/train/boat/000000000.png
  fails 1 'boat/000000000.png: is there, and is another image' "${pack[@]}" --data shards --unpack --out photos
  succeeds "${pack[@]}" --data photos --shard-images 90 --out again || return
  (($(tar tf again/train-000000.tar | wc -l) == 180)) || complain "tar(1) finds $(tar tf again/train-000000.tar | wc -l) members"
  cp again/train-000001.tar kept && rm again/train-000001.tar
  succeeds "${pack[@]}" --data photos --shard-images 90 --out again
  grep -q '(3 were there)' stdout || complain "packed again: $(cat stdout)"
  cmp -s kept again/train-000001.tar || complain 'the same images make another shard'
  fails 1 'train-000000.tar: has .*it is of other images' "${pack[@]}" --data photos --shard-images 80 --out again
  fails 1 'has shards already' "${pack[@]}" --data again --out more
  fails 1 'no shards' "${pack[@]}" --data photos --unpack --out more

  train=("$programs/pretrain" --preset quick --width 4 --pretrain-epochs 1 --pretrain-batch-size 32)
  succeeds "${train[@]}" --data photos --out from-photos || return
  succeeds "${train[@]}" --data again --out from-shards || return
  succeeds "${train[@]}" --data again --memory-limit 1K --cache cache --out mapped || return
  grep -q 'decoded images are in cache/again-[0-9a-f]*\.images' stdout || complain "no word of the cache: $(cat stdout)"
  cmp <(tensors_of from-photos/encoder.safetensors) <(tensors_of from-shards/encoder.safetensors) ||
    complain 'shards train otherwise than files'
  cmp from-shards/encoder.safetensors mapped/encoder.safetensors || complain 'mapped images train otherwise'
  fails 2 'memory-limit: .12parsecs' "${train[@]}" --data again --memory-limit 12parsecs --out bad
  printf x >file
  fails 1 'file/c: cannot be created' "${train[@]}" --data photos --memory-limit 1K --cache file/c --out bad
  # shellcheck disable=SC2016  # the inner shell expands it
  fails 1 'a cache of other data' bash -c 'for f in cache/*.images; do printf x | dd of="$f" bs=1 seek=29 conv=notrunc status=none; done; exec "$@"' \
    _ "${train[@]}" --data again --memory-limit 1K --cache cache --out bad
  head -c 9000 kept >again/train-000001.tar
  fails 1 'again/train-000001.tar: .*cut off' "${train[@]}" --data again --out bad
}

# --precision in every program: what it is goes into all that a run leaves, and a run keeps to it.
case_precision() {
  local run=("$programs/experiment1_all_labels" "${tiny[@]}" --train-images 600 --epochs 4) auto name status=0 pid
  for name in "${experiment_programs[@]}" classify predict probe diagnose; do
    succeeds "$programs/$name" --help
    grep -qE -- '--precision NAME( +\[|=)auto' stdout || complain "$name --help: no --precision with its default"
  done
  succeeds "${run[@]}" --out automatic --quiet || return
  auto=$(sed -n 's/^precision=//p' automatic/config.ini)
  [[ $auto == float32 || $auto == bfloat16 ]] || complain "config.ini: precision '$auto', expected what auto means here"
  succeeds "${run[@]}" --precision "$auto" --out asked --quiet && check automatic --equal asked
  succeeds "${run[@]}" --precision float32 --out exact || return
  grep -q '^machine .* kernels, float32, ' stdout || complain "the header does not say float32: $(cat stdout)"
  succeeds "${run[@]}" --precision bfloat16 --out out || return
  grep -qE '^machine .* kernels, bfloat16 \([a-z0-9-]+\), ' stdout || complain "the header does not say what multiplies bfloat16"
  check out --fractions 1
  grep -q '"precision": "bfloat16"' out/summary.json || complain "summary.json does not have the precision"
  for name in summary.json report.md report.html; do
    grep -qE 'kernels, bfloat16 \([a-z0-9-]+\), ' "out/$name" || complain "$name does not say what multiplies bfloat16"
  done
  if cmp -s out/encoder.safetensors exact/encoder.safetensors; then complain "--precision changes nothing"; fi
  # From its config.ini it is the same run, whatever auto would be there; but that amx sums in another order.
  CONTEXTURE_BFLOAT16=emulated succeeds "$programs/experiment1_all_labels" --config out/config.ini --out again --quiet
  grep -qx 'precision=bfloat16' again/config.ini || complain "config.ini does not keep the precision"
  grep -qF '(amx)' out/summary.json || check out --equal again
  # Stopped in one precision and resumed in the other: refused, with the option that goes on.
  begin_run "${run[@]}" --precision bfloat16 --out parts
  kill -INT "$pid"
  wait "$pid" || status=$?
  ((status == 130)) || complain "was not stopped: exit status $status"
  fails 1 'made with precision bfloat16, this run has float32; --precision bfloat16 goes on with it' \
    "${run[@]}" --precision float32 --out parts --resume
  succeeds "${run[@]}" --precision bfloat16 --out parts --resume --quiet && check out --equal parts
  # What else runs networks. In another precision the answers are the same to a few percent, and other digits.
  for name in float32 bfloat16; do
    succeeds "$programs/predict" --precision "$name" --weights out/classifier_100_scratch.safetensors out/*.png
    mv stdout "$name.txt"
    succeeds "$programs/probe" "${small[@]}" --encoder out/encoder.safetensors \
      --precision "$name" --out "probe-$name"
    succeeds "$programs/diagnose" --train-images 120 --image-size 24 --width 4 --steps 4 --batch-size 16 \
      --precision "$name" --out "diagnose-$name"
    grep -q "^machine .* kernels, $name" stdout || complain "diagnose: the header does not say $name"
    grep -q "\"precision\": \"$name\"" "probe-$name/probe.json" "diagnose-$name/diagnostics.json" ||
      complain "probe.json and diagnostics.json do not say $name"
  done
  (($(wc -l <float32.txt) > 0 && $(wc -l <float32.txt) == $(wc -l <bfloat16.txt))) || complain "predict does not answer every image"
  if cmp -s float32.txt bfloat16.txt; then complain "predict: --precision changes nothing"; fi
  local bad="--precision: 'half', expected auto, float32 or bfloat16"
  fails 2 "^experiments: $bad" "$programs/experiments" --precision half --out bad
  fails 2 "^predict: $bad" "$programs/predict" --precision half image.png
  fails 2 "^probe: $bad" "$programs/probe" --precision half --encoder none --out bad
  fails 2 "^diagnose: $bad" "$programs/diagnose" --precision half --out bad
  [[ ! -e bad ]] || complain "wrong use creates the --out folder"
}

# Four label fractions make a curve.
case_label_efficiency() {
  succeeds "$programs/experiments" "${tiny[@]}" --train-images 600 --epochs 1 --fractions 1,0.5,0.2,0.1 --seeds 2 --out out ||
    return
  check out --fractions 1,0.5,0.2,0.1 --seeds 2
  grep -q 'Labels saved' out/report.md || complain "report.md: nothing about labels saved"
}

# Images of the built-in set smaller than the grid of patches; a grid that does not fit.
case_too_small() {
  fails "1 2" 'patch|grid|image' "$programs/experiments" "${tiny[@]}" --image-size 4 --out out
  fails "1 2" 'patch|grid|image' "$programs/experiments" "${tiny[@]}" --grid 3 --patch 20 --out out
  fails "1 2" 'jitter|gap|patch|overlap' "$programs/experiments" "${tiny[@]}" --jitter 30 --out out
  # A tenth of the labels leaves classes without one.
  fails "1 2" 'label|class' "$programs/experiment3_tenth_labels" "${tiny[@]}" --train-images 40 --out out
  nothing_half_written .
}

case_unwritable_out() {
  echo 'in the way' >file
  fails "1 2" 'file' "$programs/experiments" "${tiny[@]}" --out file
  fails "1 2" 'file/below' "$programs/experiments" "${tiny[@]}" --out file/below
  fails "1 2" 'proc' "$programs/experiments" "${tiny[@]}" --out /proc/contexture
  [[ $(cat file) == 'in the way' ]] || complain "a file in the way was overwritten"
}

# No file may grow over some size: as on a full disk, writing fails in the middle of a file.
case_full_disk() {
  local limit weights
  for limit in 2 150; do  # KiB: short of weights, short of the report
    rm -rf out
    # shellcheck disable=SC2016  # the inner shell expands it
    fails 1 'file too large' bash -c 'trap "" XFSZ; ulimit -f "$1"; shift; exec "$@"' _ "$limit" \
      "$programs/experiment1_all_labels" "${tiny[@]}" --out out
    nothing_half_written out
    if find out -type f -size "+${limit}k" | grep -q .; then complain "a file grew over the limit"; fi
    for weights in out/classifier_*.safetensors; do  # whole, where they are there: only the image is missing
      [[ ! -f $weights ]] || fails 1 'nothing\.png' "$programs/predict" --weights "$weights" nothing.png
    done
  done
  [[ -f $weights ]] || complain "the weights are gone because the report could not be written"
}

case_bad_weights() {
  succeeds "$programs/pretrain" "${tiny[@]}" --out good || return
  local encoder=good/encoder.safetensors size run=("$programs/experiment1_all_labels" "${tiny[@]}" --out out)
  size=$(wc -c <"$encoder")
  fails 1 'f0\.safetensors.*(No such file|cannot be)' "${run[@]}" --encoder f0.safetensors
  fails 1 'another architecture: width 4, .* this run has width 8' "${run[@]}" --width 8 --encoder "$encoder"
  : >f1
  fails 1 'f1.*(empty|0 bytes|truncated|too short)' "${run[@]}" --encoder f1
  head -c $((size - 100)) "$encoder" >f2
  fails 1 'f2.*(truncated|beyond|bytes)' "${run[@]}" --encoder f2
  { printf '\377\377\377\377\377\377\377\177' && tail -c +9 "$encoder"; } >f3
  fails 1 'f3.*header' "${run[@]}" --encoder f3
  sed 's/"F32"/"Q17"/' "$encoder" >f4
  fails 1 'f4.*(dtype|Q17)' "${run[@]}" --encoder f4
  sed 's/"shape":\[/"shape":[9/' "$encoder" >f5
  fails 1 'f5.*shape' "${run[@]}" --encoder f5
  # Two tensors over the same bytes.
  local text='{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}'
  ((${#text} == 108)) || complain "the header below is wrong: ${#text}"
  { printf '\154\0\0\0\0\0\0\0' && printf '%s' "$text" && head -c 12 /dev/zero; } >f6
  fails 1 'f6.*overlap' "${run[@]}" --encoder f6
  echo 'not weights at all, only some text that is long enough' >f7
  fails 1 'f7.*header' "${run[@]}" --encoder f7
  # An architecture whose weights the file does not have is not built, also of a file from before checksums.
  sed -e 's/\\"stages\\":3/\\"stages\\":8/' "$encoder" >f8
  fails 1 'f8: damaged: .* checksum' "${run[@]}" --encoder f8
  sed -i -e 's/contexture_checksum/contexture_chexksum/' -e 's/contexture 2/contexture 1/' f8
  fails 1 'f8: [0-9]* weights, too few for its metadata' "${run[@]}" --encoder f8
  nothing_half_written out
}

# The README's program and the tutorial's: pre-training and a classifier, which prints its accuracy. Chance is 8 %.
prints_accuracy() {  # PROGRAM
  succeeds "$programs/$1" || return
  tail -n 1 stdout | awk '{ exit !(NF == 2 && $1 > 45 && $1 < 100 && $2 == "%") }' || complain "accuracy: $(cat stdout)"
}
case_readme() { prints_accuracy readme; }
case_training_loop() {
  prints_accuracy training_loop || return
  awk '$1 == "stopped" { exit !($3 > 7 && $3 < 120) }' stdout || complain "no early end: $(head -n 1 stdout)"
}
case_networks() {  # of one's own, out of modules and ops; vision_transformer, which takes a minute, is only built
  prints_accuracy lenet
  succeeds "$programs/autoencoder" || return
  tail -n 1 stdout | awk '{ exit !(NF == 7 && $1 > 5 && $1 < 40 && $2 == "%") }' || complain "variance: $(cat stdout)"
}
case_tutorial() {
  prints_accuracy tutorial || return
  echo 'not an image' >text.png
  fails 1 'text\.png' "$programs/predict" --weights classifier.safetensors text.png
}

# scripts/reproduce.sh on what programs leave, in a copy that has a page; tests/scripts/reproduce.sh tests the rest.
case_reproduce() {
  local root name line
  command -v jq >/dev/null || return 0
  root=$(cd -- "$here/../.." && pwd -P)
  mkdir -p copy/scripts copy/docs
  cp "$root"/scripts/reproduce.{sh,jq} copy/scripts/
  for name in builtin pretext diagnose; do printf '<!-- begin %s -->\n<!-- end %s -->\n' "$name" "$name"; done >copy/docs/results.md
  cp copy/docs/results.md copy/README.md
  succeeds "$programs/experiments" "${tiny[@]}" --train-images 1800 --fractions 0.1,0.01 --seeds 2 --out out || return
  succeeds copy/scripts/reproduce.sh builtin --from out || return
  # All tables of the report that the pages are to have, and all pictures that they show.
  sed -n '/^## Results/,/^## What it means/p' out/report.md | grep '^|' >tables
  grep -E '^\| (Images|Encoder|Pre-training|Learning rate|Machine|Whole run) \|' out/report.md >>tables
  (($(wc -l <tables) > 25)) || complain "report.md: $(wc -l <tables) lines of tables"
  while IFS= read -r line; do
    grep -qxF -- "$line" copy/docs/results.md || complain "docs/results.md: lacks $line"
  done <tables
  grep -qF -- "$(grep -m 1 '^| 10 % (' out/report.md)" copy/README.md || complain "README.md: lacks the table"
  for name in README.md docs/results.md; do
    grep -o '](\(docs/\)*images/builtin/[a-z_.]*)' "copy/$name" | tr -d '()]' | while read -r image; do
      [[ -s copy/$(dirname "$name")/$image ]] || echo "$image"
    done >missing
    [[ ! -s missing ]] || complain "$name: shows pictures that are not there: $(tr '\n' ' ' <missing)"
  done
  cmp -s copy/results/builtin.json out/summary.json || complain "results/builtin.json: not the run's numbers"
  # Rows made from summary.json say what the report says.
  for name in context simclr rotation context+rotation jigsaw vicreg; do
    mkdir -p "tasks/$name" && cp out/summary.json "tasks/$name/"
  done
  succeeds copy/scripts/reproduce.sh pretext --from tasks || return
  for name in 10 1; do
    line=$(sed -n '/^## Results/,/^### How fast/p' out/report.md | awk -F ' *[|] *' -v labels="$name %" '
      pair { pretrained = $5 }
      { pair = index($2, labels " (") == 1 }
      pair { scratch = $5 }
      $2 == labels {
        split($5, better, " of ")
        printf "| %s | %s | %s | %s | %s | %s |", better[2], scratch, pretrained, $3, $4, $9
      }')
    (($(grep -cF -- "$line" copy/docs/results.md) == 6)) || complain "docs/results.md: lacks $line"
  done
  succeeds "$programs/diagnose" --train-images 120 --steps 2 --width 4 --out checks || return
  succeeds copy/scripts/reproduce.sh diagnose --from checks || return
  (($(grep -cE '^\| .* % \| .* % \| (pass|suspect|not judged) \| ' copy/docs/results.md) == 9)) ||
    complain "docs/results.md: lacks a row for each of the nine checks"
}

# A loss that is no longer a number is said, with its place; what was good stays.
case_divergence() {
  local run=("$programs/experiment1_all_labels" "${tiny[@]}" --learning-rate 1e6 --epochs 20 --out out)
  local line='loss became (NaN|infinite) at step [0-9]+ of [0-9]+ \(100, scratch, seed 1\)'
  fails 1 "$line" "${run[@]}"
  nothing_half_written out
  # The checkpoint is from before, and good: with it the run gets to the same place again.
  fails 1 "$line" "${run[@]}" --resume
  if grep -q 'pre-training by' stdout; then complain "the checkpoint does not have what was done"; fi
  # A lower rate, which the message advises, in the same folder.
  succeeds "$programs/experiment1_all_labels" "${tiny[@]}" --out out
  # One arm costs the other nothing: the report is there, with what is missing.
  fails 1 'not in the report: .*\(100, pretrained, seed 1\)' "$programs/experiment1_all_labels" "${tiny[@]}" \
    --finetune-learning-rate 1e6 --epochs 20 --out half
  grep -q 'Only the arm from scratch was measured' half/report.md || complain "no report of the arm that went well"
  grep -q 'Without a result: .*100, pretrained, seed 1' half/report.md || complain "the report does not say what is missing"
}

# The programs in several processes, where the build has MPI. Whoever runs them as root, or has fewer processors, has to
# tell Open MPI that this is meant.
mpi_environment() {
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
  export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe CONTEXTURE_NUM_THREADS=1
}

# mpi_fails STATUS PATTERN ARGUMENT-OF-MPIRUN...: as fails(), with whatever mpirun itself says besides.
mpi_fails() {
  local wanted=$1 pattern=$2 status=0 lines='^(experiments|experiment[123]_[a-z_]+|pretrain|probe): '
  shift 2
  timeout 120 mpirun "$@" >stdout 2>stderr || status=$?
  ((status == wanted)) || complain "exit status $status, expected $wanted: mpirun $*"
  (($(grep -E "$lines" stderr | grep -vc ': warning: ') == 1)) || complain "not one line: mpirun $*: $(cat stderr)"
  grep -E "$lines" stderr | grep -qiE -- "$pattern" || complain "stderr does not match '$pattern': mpirun $*: $(cat stderr)"
  grep -E "$lines" stderr | sed 's/^/    /'
}

# In one process and in several: the same files, told once, and the same course as long as rounding has not sent the runs
# apart. tests/mpi compares closely.
case_mpi_together() {
  local n small=(--train-images 240 --test-images 48 --image-size 24)
  mpi_environment
  succeeds "$programs/experiment3_tenth_labels" "${tiny[@]}" --out one || return
  for n in 2 3; do
    succeeds mpirun -n "$n" "$programs/experiment3_tenth_labels" "${tiny[@]}" --live --out "of-$n" || return
    check "of-$n" --fractions 0.1
    (($(grep -c '^Report: ' stdout) == 1)) || complain "$n processes: the report is told $(grep -c '^Report: ' stdout) times"
    (($(grep -c '^\[1/3\] ' stdout) == 1)) || complain "$n processes: a phase is told $(grep -c '^\[1/3\] ' stdout) times"
    grep -q "$n processes" stdout || complain "$n processes: not told"
    [[ -z $(temporary_files "of-$n") ]] || complain "left behind: $(temporary_files "of-$n")"
    paste -d, <(cut -d, -f1,2,4,7,8 one/history.csv) <(cut -d, -f1,2,4,7,8 "of-$n/history.csv") >both
    awk -F, 'NR > 1 {
      if ($1 != $6 || $2 != $7 || $3 != $8 || $4 != $9) { print "row " NR " is another"; exit 1 }
      difference = $5 < $10 ? $10 - $5 : $5 - $10
      if (difference > ($3 == 0 && $2 != "pretrained" ? 1e-4 : 0.1 + 0.2 * $5)) { print "row " NR ": loss " $5 ", " $10; exit 1 }
    }' both || complain "$n processes do not follow one"
  done
  # One process that mpirun started is one process.
  succeeds mpirun -n 1 "$programs/experiment3_tenth_labels" "${tiny[@]}" --out of-1 || return
  check one --equal of-1
  succeeds "$programs/probe" "${small[@]}" --encoder one/encoder.safetensors --out probe-1
  succeeds mpirun -n 2 "$programs/probe" "${small[@]}" --encoder one/encoder.safetensors --out probe-2
  cmp <(grep -vE 'seconds|machine' probe-1/probe.json) <(grep -vE 'seconds|machine' probe-2/probe.json) || complain "other probes"
}

# The processes of pretrain that mpirun, process $1, started, by their number in the job.
# By cat, for awk gives up where one of the files is gone.
started_by() { cat /proc/[0-9]*/stat 2>/dev/null | awk -v parent="$1" '$4 == parent && $2 == "(pretrain)" { print $1 }' | sort -n; }

# Stopped, killed and hung, and each time continued, by another number of processes.
# As begin_run(), of mpirun with these arguments, which on a busy machine takes its time.
mpi_begin() {
  : >stdout
  mpirun "$@" >stdout 2>stderr &
  pid=$!
  for _ in {1..1200}; do
    if grep -qE 'step [1-9]' stdout || ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.1
  done
}

case_mpi_resume() {
  mpi_environment
  local run=("$programs/pretrain" "${tiny[@]}" --train-images 600 --pretrain-epochs 100 --out out) pid status began victim
  mpi_begin -n 2 "${run[@]}"
  kill -USR1 "$pid"
  status=0
  wait "$pid" || status=$?
  ((status == 130)) || complain "stopped: exit status $status"
  (($(grep -c '^pretrain: .*--resume goes on$' stderr) == 1)) || complain "stopped: $(cat stderr)"
  for victim in first last; do
    mpi_begin -n 3 "${run[@]}" --resume
    grep -q 'from step [1-9]' stdout || complain "not resumed: $(cat stdout stderr)"
    began=$SECONDS status=0
    kill -KILL "$(started_by "$pid" | if [[ $victim == first ]]; then head -n 1; else tail -n 1; fi)"
    wait "$pid" || status=$?
    ((status != 0 && SECONDS - began <= 10)) || complain "$victim process killed: status $status after $((SECONDS - began)) s"
    grep -qE 'process rank [0-9] .* exited on signal 9' stderr || complain "$victim process killed: $(cat stderr)"
  done
  export CONTEXTURE_MPI_TIMEOUT=8  # on a busy machine a step may take seconds
  mpi_begin -n 2 "${run[@]}" --resume
  grep -q 'from step [1-9]' stdout || complain "not resumed: $(cat stdout stderr)"
  began=$SECONDS status=0
  kill -STOP "$(started_by "$pid" | tail -n 1)"
  wait "$pid" || status=$?
  ((status == 1 && SECONDS - began <= 40)) || complain "a process hangs: status $status after $((SECONDS - began)) s"
  (($(grep -c '^pretrain: process 1 of 2 has not answered for 8 s$' stderr) == 1)) || complain "a process hangs: $(cat stderr)"
  unset CONTEXTURE_MPI_TIMEOUT
  succeeds "${run[@]}" --resume
  grep -q 'from step [1-9]' stdout || complain "not resumed by one process: $(cat stdout)"
  check out --fractions ''
}

# What processes have to have alike, and what is no use to them: one line, and an end at once.
case_mpi_refused() {
  mpi_environment
  local run=("$programs/pretrain" "${tiny[@]}" --out out)
  mpi_fails 1 'process 1 has seed 2, process 0 has 1:' -n 1 "${run[@]}" --seed 1 : -n 1 "${run[@]}" --seed 2
  mpi_fails 1 'process 2 has precision bfloat16, process 0 has float32' -n 2 "${run[@]}" --precision float32 : \
    -n 1 "${run[@]}" --precision bfloat16
  mkdir another && cp "$programs/pretrain" another && printf 'x' >>another/pretrain
  mpi_fails 1 'process 1 has program [0-9a-f]+, process 0 has' -n 1 "${run[@]}" : -n 1 another/pretrain "${tiny[@]}" --out out
  "$samples" . || complain "sample_files"
  cp -r data/one-class/apple pictures && cp -r pictures others && cp others/2.png others/3.png
  run=("$programs/pretrain" --preset quick --width 4 --pretrain-epochs 2 --image-size 24 --pretrain-batch-size 8 --out out)
  mpi_fails 1 'process 1 has images [0-9a-f]+, process 0 has' -n 1 "${run[@]}" --data pictures : -n 1 "${run[@]}" --data others
  [[ ! -e out/encoder.safetensors ]] || complain "what was refused left weights"
  mpi_fails 1 'batches of 2 images for 3 processes.*start fewer' -n 3 "$programs/pretrain" "${tiny[@]}" --pretrain-batch-size 2 --out out
  # Said once, and with the status that one process has.
  mpi_fails 2 '^pretrain: .*--nonsense' -n 3 "$programs/pretrain" --nonsense
  mpi_fails 2 'CONTEXTURE_MPI_TIMEOUT' -x CONTEXTURE_MPI_TIMEOUT=soon -n 1 "$programs/pretrain" "${tiny[@]}" --out out
  # What the first alone runs into ends the others too.
  touch file
  mpi_fails 1 'file' -n 2 "$programs/pretrain" "${tiny[@]}" --out file/out
}

# Cases about what a run leaves, and about what may keep it from drawing, have the true one.
with_gnuplot=' outputs single_experiments label_efficiency further_arms report lost_out unwritable_out full_disk '
[[ $with_gnuplot == *" $wanted "* ]] || stand_in_for_gnuplot
"case_$wanted"
if ((wrong > 0)); then
  echo "$wanted: $wrong complaints"
  exit 1
fi
echo "$wanted: fine"
