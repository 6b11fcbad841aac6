#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Usage: scripts/soak.sh [MINUTES [FILE]]      MINUTES: 120 unless given
#
# Does a long training take ever more? Pre-trains for half of the time and trains a classifier for the other half, and
# reads every ten seconds what the process holds: resident memory, open files, threads. After a warm-up of a fifth, the
# median memory of the last fifth may be 1 % above that of the second one; files and threads may not be more.
# FILE gets a line a reading: phase, seconds, KiB, files, threads. PROGRAMS: the folder of the built programs; without
# it they are built. Exit status 1 where something grew.
set -uo pipefail

minutes=${1:-120} readings=${2:-}
if [[ ! $minutes =~ ^[1-9][0-9]{0,4}$ ]]; then
  sed -n '3,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
  [[ $minutes == --help || $minutes == -h ]] && exit 0
  exit 2
fi
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=scripts/build.sh
source "$root/scripts/build.sh"
programs=$(find_programs) || exit 1
folder=$(mktemp -d)
pid=
trap '[[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null; rm -rf "$folder"' EXIT
[[ -n $readings ]] || readings=$folder/readings
: >"$readings"
small=(--data builtin --train-images 2000 --test-images 400 --width 8 --quiet)
seconds=$((minutes * 30)) step=10
((seconds >= 600)) || step=2

watch() {  # watch PHASE PROGRAM ARGUMENTS...: lets it run for its half, reads, and stops it
  local phase=$1 began=$SECONDS pages
  "${@:2}" --out "$folder/$phase" >"$folder/log" 2>&1 &
  pid=$!
  while ((SECONDS - began < seconds)); do
    sleep "$step"
    read -r _ pages _ <"/proc/$pid/statm" || { echo "soak.sh: $phase ended early: $(cat "$folder/log")" >&2; exit 1; }
    printf '%s\t%d\t%d\t%d\t%d\n' "$phase" $((SECONDS - began)) $((pages * $(getconf PAGESIZE) / 1024)) \
      "$(find "/proc/$pid/fd" -mindepth 1 -lname '/*' | wc -l)" "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l)" >>"$readings"
  done
  kill -TERM "$pid"
  wait "$pid"
  pid=
}

watch pre-training "$programs/pretrain" "${small[@]}" --pretrain-epochs 100000
watch classifier "$programs/experiments" "${small[@]}" --pretrain-epochs 1 --fractions 1 --epochs 100000 --evaluations 2000

# Medians of the second and of the last fifth.
awk -F'\t' -v seconds="$seconds" '
  function median(list, n,   i, k, t) {
    for (i = 2; i <= n; ++i) for (k = i; k > 1 && list[k - 1] > list[k]; --k) { t = list[k]; list[k] = list[k - 1]; list[k - 1] = t }
    return list[int((n + 1) / 2)]
  }
  function judge(   before, after, growth) {
    if (phase == "") return
    before = median(early, earlies); after = median(late, lates); growth = 100 * (after - before) / before
    printf "%s: %d readings, memory %.1f MB, then %.1f MB (%+.2f %%), at most %d open files, then %d, %d threads, then %d\n", phase, all,
      before / 1024, after / 1024, growth, files, late_files, threads, late_threads
    if (growth > 1 || late_files > files || late_threads > threads) bad = 1
  }
  $1 != phase { judge(); phase = $1; earlies = lates = all = files = threads = late_files = late_threads = 0; delete early; delete late }
  {
    ++all
    if ($2 >= seconds / 5 && $2 < 2 * seconds / 5) {
      early[++earlies] = $3; if ($4 > files) files = $4; if ($5 > threads) threads = $5
    }
    if ($2 >= 4 * seconds / 5) {
      late[++lates] = $3; if ($4 > late_files) late_files = $4; if ($5 > late_threads) late_threads = $5
    }
  }
  END { judge(); exit bad }' "$readings"
