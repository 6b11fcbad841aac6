#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Usage: scripts/torture.sh [KILLS [SEED]]      KILLS: 200 unless given
#
# Disturbs runs and goes on with them. Every run that finishes has to have the bits of the undisturbed one.
#   - Kills, at random moments, over all phases, saving and report writing.
#   - Disks that are full after 24 different sizes, and then larger (small ones in memory; where they can be mounted).
# Prints the seed of the moments and what it counted. PROGRAMS: the folder of the built programs; without it they are
# built.
set -uo pipefail

kills=${1:-200}
seed=${2:-$RANDOM}
if [[ ! $kills =~ ^[1-9][0-9]*$ || ! $seed =~ ^[0-9]+$ ]]; then
  sed -n '3,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
  [[ $kills == --help || $kills == -h ]] && exit 0
  exit 2
fi
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=scripts/build.sh
source "$root/scripts/build.sh"
programs=$(find_programs) || exit 1
folder=$(mktemp -d)
# A child that is killed before it has become another program would run this, too.
trap '[[ $BASHPID != "$$" ]] || { ! mountpoint -q "$folder/disk" || umount "$folder/disk"; rm -rf "$folder"; }' EXIT
cd "$folder" || exit 1
RANDOM=$seed
export CONTEXTURE_NUM_THREADS=2
run=("$programs/experiments" --preset quick --train-images 240 --test-images 48 --image-size 24 --width 4 --epochs 2
  --pretrain-epochs 2 --batch-size 32 --pretrain-batch-size 32 --evaluations 4 --fractions "1,0.5" --quiet)

begin=${EPOCHREALTIME/./}
"${run[@]}" --out whole >log 2>&1 || { cat log; exit 1; }
took=$((${EPOCHREALTIME/./} - begin))  # microseconds
echo "seed $seed; undisturbed: $((took / 1000)) ms"

declare -A counted=([KILL]=0 [TERM]=0 [INT]=0 [HUP]=0)
signals=(KILL TERM INT HUP)
done_kills=0 finished=0 wrong=0
complain() {
  printf 'FAILED after %d kills: %s\n' "$done_kills" "$*"
  wrong=$((wrong + 1))
}
compare() {  # FOLDER of a run that has finished
  local file
  for file in whole/*.safetensors; do
    [[ $file == */checkpoint* ]] || cmp -s "$file" "$1/${file#whole/}" || complain "${file#whole/} differs"
  done
  for file in "$1"/.contexture.lock "$1"/*.tmp* "$1"/.*.tmp*; do [[ ! -e $file ]] || complain "left behind: $file"; done
  for file in report.html report.md summary.json history.csv; do [[ -s $1/$file ]] || complain "no $file"; done
}

while ((done_kills < kills && wrong == 0)); do
  resume=()
  [[ ! -e out/checkpoint.safetensors ]] || resume=(--resume)
  begin=${EPOCHREALTIME/./}
  "${run[@]}" --out out "${resume[@]}" >log 2>&1 &
  pid=$!
  moment=$(((RANDOM * 32768 + RANDOM) % (took * 11 / 10)))
  sleep "$((moment / 1000000)).$(printf '%06d' $((moment % 1000000)))" &
  sleeper=$!
  signal=${signals[RANDOM % 4]}
  wait -n -p first "$pid" "$sleeper" 2>/dev/null
  status=$?
  if [[ $first == "$sleeper" ]]; then
    kill -"$signal" "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    status=$?
  else
    kill "$sleeper" 2>/dev/null
    wait "$sleeper" 2>/dev/null
    # The machine is not always as busy: the next moments are those of a run as long as this one.
    ((${#resume[@]})) || took=$((${EPOCHREALTIME/./} - begin))
  fi
  case $status in
    0)
      finished=$((finished + 1))
      compare out
      rm -rf out
      ;;
    130 | 137 | 143 | 129)
      done_kills=$((done_kills + 1))
      counted[$signal]=$((counted[$signal] + 1))
      ;;
    *) complain "status $status: $(cat log)" ;;
  esac
done
echo "$done_kills kills (KILL ${counted[KILL]}, TERM ${counted[TERM]}, INT ${counted[INT]}, HUP ${counted[HUP]})," \
  "$finished runs finished, $wrong complaints"

# A disk of so many KiB: the run ends with one line that says so, and goes on once there is room.
disk() {
  local size=$1 resume=() status=0
  mount -t tmpfs -o "size=${size}k" contexture-torture disk || return
  "${run[@]}" --out disk/out >log 2>errors || status=$?
  if ((status != 0)); then
    full=$((full + 1))
    ((status == 1)) || complain "$size KiB: status $status"
    [[ $(wc -l <errors) == 1 && $(<errors) == *'No space left on device'* ]] || complain "$size KiB: $(cat errors)"
    for file in disk/out/*.tmp* disk/out/.*.tmp*; do [[ ! -e $file ]] || complain "$size KiB: left behind: $file"; done
    mount -o remount,size=64m disk
    [[ ! -e disk/out/checkpoint.safetensors ]] || resume=(--resume)
    "${run[@]}" --out disk/out "${resume[@]}" >log 2>errors || complain "$size KiB, then larger: $(cat errors)"
  fi
  [[ -s errors ]] && ((status == 0)) && complain "$size KiB: $(cat errors)"
  compare disk/out
  umount disk
}

mkdir disk
if ((wrong > 0)); then
  :
elif mount -t tmpfs -o size=1m contexture-torture disk 2>/dev/null; then
  umount disk
  full=0
  needed=$(($(du -sk whole | cut -f 1) * 11 / 10))
  for ((i = 0; i < 24; ++i)); do disk $((4 + needed * i / 23)); done
  echo "24 disks of 4 to $((4 + needed)) KiB, $full of them full, $wrong complaints"
else
  echo 'skipped: full disks (mounting a small one is not allowed here)'
fi
((wrong == 0))
