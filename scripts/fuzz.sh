#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Feeds every parser with inputs that libFuzzer makes up, under AddressSanitizer and UBSan (tests/fuzz). What it has
# found to be worth keeping stays in build/fuzz/corpus, so that the next run goes on from there.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

usage() {
  cat <<'TEXT'
Usage: scripts/fuzz.sh [--seconds N] [--target NAME]...
Runs the fuzz targets one after the other and prints what each did; exit status 1 where one found something.
  --seconds N     for each target (default 300); 0: only the stored inputs
  --target NAME   this one only (again for more): bmp, cache_end, cache_header, checkpoint, cifar, class_names,
                  classifier, command_line, config, csv, gif, gzip, idx, jpeg, png, safetensors, safetensors_header,
                  shard, stl10, tiff, webp
Needs clang++ (Debian: clang). A finding is an input in build/fuzz/findings, by the target's name; once mended it goes
to tests/fuzz/corpus/NAME, where it is a test from then on.
TEXT
}
refuse() {
  echo "fuzz.sh: $* (see --help)" >&2
  exit 2
}

seconds=300 targets=()
while (($# > 0)); do
  case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    --seconds)
      [[ ${2:-} =~ ^(0|[1-9][0-9]{0,5})$ ]] || refuse "--seconds ${2:-}: expected a whole number"
      seconds=$2
      ;;
    --target)
      (($# > 1)) || refuse '--target wants a name'
      targets+=("$2")
      ;;
    *) refuse "'$1' is not an option" ;;
  esac
  shift 2
done
command -v clang++ >/dev/null || refuse 'clang++ is missing (Debian: clang)'

# shellcheck source=scripts/build.sh disable=SC1091
source "$root/scripts/build.sh"
build fuzz >&2
declare -A program=()
known=()
for part in data weights programs; do
  for target in $("$root/build/fuzz/tests/fuzz/fuzz_$part" --list); do
    known+=("$target")
    program[$target]=$root/build/fuzz/tests/fuzz/fuzz_$part
  done
done
((${#targets[@]})) || targets=("${known[@]}")
for target in "${targets[@]}"; do
  [[ " ${known[*]} " == *" $target "* ]] || refuse "--target $target: expected one of ${known[*]}"
done

corpus=$root/build/fuzz/corpus
findings=$root/build/fuzz/findings
mkdir -p "$corpus" "$findings"
for part in data weights programs; do "$root/build/fuzz/tests/fuzz/fuzz_$part" "--seeds=$corpus"; done
TMPDIR=$(mktemp -d -p "$([[ -w /dev/shm ]] && echo /dev/shm || echo /tmp)")  # the targets write a file an input
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

most_bytes() {  # an input's: two records of the largest kind, or what a parser is done with quickly
  case $1 in
    stl10) echo 56000 ;;
    cifar) echo 6200 ;;
    shard) echo 14000 ;;
    safetensors | checkpoint | classifier | config) echo 1500 ;;
    idx | png | jpeg | gzip) echo 1000 ;;
    *) echo 400 ;;
  esac
}

# Where a call of malloc came from is not worth what it costs here: the crash itself has its stack.
export ASAN_OPTIONS=malloc_context_size=0:quarantine_size_mb=16${ASAN_OPTIONS:+:$ASAN_OPTIONS}
# libFuzzer reads the clock, which goes on where another program has the processor: an input that it calls slow is a
# finding only where it takes seconds of a processor when it is run again.
forget_quick_ones() {  # forget_quick_ones TARGET
  local input
  for input in "$findings/$1"-slow-unit-* "$findings/$1"-timeout-*; do
    [[ ! -f $input ]] || ! (ulimit -t 5 && exec "${program[$1]}" "--target=$1" "$input") &>/dev/null || rm "$input"
  done
}

bad=0
printf '%-20s %12s %9s %8s %9s\n' target executions seconds corpus findings
for target in "${targets[@]}"; do
  mkdir -p "$corpus/$target"
  limit=(-max_total_time="$seconds")
  [[ ! -f $corpus/$target.dict ]] || limit+=(-dict="$corpus/$target.dict")
  ((seconds)) || limit+=(-runs=0)
  log=$root/build/fuzz/$target.log
  forget_quick_ones "$target"
  before=$(find "$findings" -name "$target-*" | wc -l)
  begin=$SECONDS status=0
  # What the programs print goes nowhere; libFuzzer's own words go to the log.
  "${program[$target]}" "--target=$target" "$corpus/$target" "$root/tests/fuzz/corpus/$target" "${limit[@]}" \
    -timeout=300 -rss_limit_mb=3000 -malloc_limit_mb=600 -max_len="$(most_bytes "$target")" -print_final_stats=1 \
    -close_fd_mask=1 -artifact_prefix="$findings/$target-" >"$log" 2>&1 || status=$?
  forget_quick_ones "$target"
  found=$(($(find "$findings" -name "$target-*" | wc -l) - before))
  printf '%-20s %12s %9s %8s %9s\n' "$target" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)" "$((SECONDS - begin))" \
    "$(find "$corpus/$target" -type f | wc -l)" "$found"
  ((found == 0)) || bad=1
  if ((status != 0)); then
    bad=1
    grep -m 4 -E 'ERROR|SUMMARY|finding:|what\(\)|runtime error' "$log" | sed 's/^/    /' || tail -n 1 "$log"
    echo "    exit status $status; see $log"
  fi
done
exit "$bad"
