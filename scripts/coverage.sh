#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Which lines and branches of include/ do the rooms' tests run? With clang's source-based coverage: a branch is each way
# that a condition can go, whatever the compiler makes of it, and templates count once, however often they are made.
# Works in build/coverage; an hour of two cores for all rooms. Needs clang, llvm and jq (Debian: clang llvm jq).
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
all_rooms='core kernels autograd nn optim data models ssl train evaluate study report'
rooms=()
while (($# > 0)); do
  case $1 in
    -h | --help)
      cat <<TEXT
Usage: scripts/coverage.sh [--room NAME]...
Builds the tests with coverage, runs them, and prints lines and branches that ran, room by room.
  --room NAME   tests of this room only (again for more); without it: $all_rooms
build/coverage/lines.txt and branches.txt list what did not run.
TEXT
      exit 0
      ;;
    --room)
      [[ $# -gt 1 && " $all_rooms " == *" $2 "* ]] || { echo "coverage.sh: --room ${2:-}: expected one of $all_rooms" >&2; exit 2; }
      rooms+=("$2")
      shift 2
      ;;
    *)
      echo "coverage.sh: '$1' is not an option (see --help)" >&2
      exit 2
      ;;
  esac
done
((${#rooms[@]})) || read -ra rooms <<<"$all_rooms"

newest() {  # newest TOOL: its name, with the version of clang++ behind it where only that is there
  local version
  version=$(clang++ -dumpversion 2>/dev/null | cut -d. -f1)
  command -v "$1" || command -v "$1-$version" || { echo "coverage.sh: $1 is missing (Debian: clang llvm jq)" >&2; exit 2; }
}
command -v clang++ >/dev/null || { echo 'coverage.sh: clang++ is missing (Debian: clang llvm jq)' >&2; exit 2; }
profdata=$(newest llvm-profdata)
cov=$(newest llvm-cov)
newest jq >/dev/null

work=$root/build/coverage
mkdir -p "$work/raw"
# The tests' own sources count nothing, and clang 14 dies of one of them ("File exit not handled before popRegions").
echo "src:$root/include/contexture/*" >"$work/counted"
cmake -S "$root" -B "$work" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_CXX_FLAGS_RELEASE=-O1 \
  -DCMAKE_CXX_FLAGS="-w -fprofile-instr-generate -fcoverage-mapping -fprofile-list='$work/counted'" -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=0 \
  -DCONTEXTURE_PCH=OFF -DCONTEXTURE_BUILD_TESTS=ON -DCONTEXTURE_BUILD_EXAMPLES=OFF -DCONTEXTURE_BUILD_BENCHMARKS=OFF >"$work/configure.log"
cmake --build "$work" --parallel "$(nproc)" --target "${rooms[@]/#/test_}"

objects=()
for room in "${rooms[@]}"; do
  rm -f "$work/raw/$room"-*.profraw
  LLVM_PROFILE_FILE=$work/raw/$room-%p.profraw "$work/tests/test_$room" >"$work/raw/$room.log" 2>&1 ||
    echo "coverage.sh: tests of $room fail, see $work/raw/$room.log" >&2
  objects+=(-object "$work/tests/test_$room")
done
"$profdata" merge -o "$work/tests.profdata" "$work"/raw/*.profraw
# Lines from one format, branches from the other: only JSON has columns, by which the copies of a template are one.
"$cov" export -format=lcov -instr-profile "$work/tests.profdata" "${objects[@]:1}" "$root/include" |
  awk -F'[:,]' -v root="$root/" '
    /^SF:/ { file = substr($0, 4); sub(root, "", file) }
    /^DA:/ { print file "\t" $2 "\t" ($3 > 0) }' >"$work/lines.tsv"
"$cov" export -format=text -instr-profile "$work/tests.profdata" "${objects[@]:1}" "$root/include" |
  jq -r --arg root "$root/" '.data[0].files[] | (.filename | ltrimstr($root)) as $f | .branches[] | [$f, .[0], .[1], .[4], .[5]] | @tsv' |
  awk -F'\t' '{ key = $1 "\t" $2 "\t" $3; yes[key] += $4; no[key] += $5; keys[key] = 1 }
    END { for (key in keys) print key "\t" (yes[key] > 0) "\t" (no[key] > 0) }' | sort -t$'\t' -k1,1 -k2,2n -k3,3n >"$work/branches.tsv"

awk -F'\t' '!$3 { print $1 ":" $2 }' "$work/lines.tsv" | sort -t: -k1,1 -k2,2n >"$work/lines.txt"
awk -F'\t' '!$4 { print $1 ":" $2 ":" $3 ": never true" } !$5 { print $1 ":" $2 ":" $3 ": never false" }' "$work/branches.tsv" >"$work/branches.txt"
awk -F'\t' '
  function room(file) { split(file, part, "/"); return part[4] == "" ? "(umbrella)" : part[3] }
  FILENAME ~ /lines.tsv$/ { ++lines[room($1)]; ran[room($1)] += $3; next }
  { branches[room($1)] += 2; went[room($1)] += $4 + $5 }
  END {
    printf "%-10s %18s %20s\n", "room", "lines", "branches"
    for (r in lines) {
      printf "%-10s %6d of %6d %5.1f %% %6d of %6d %5.1f %%\n", r, ran[r], lines[r], 100 * ran[r] / lines[r], went[r], branches[r], branches[r] ? 100 * went[r] / branches[r] : 100 | "sort"
      a += ran[r]; b += lines[r]; c += went[r]; d += branches[r]
    }
    close("sort")
    printf "%-10s %6d of %6d %5.1f %% %6d of %6d %5.1f %%\n", "all", a, b, 100 * a / b, c, d, 100 * c / d
  }' "$work/lines.tsv" "$work/branches.tsv" | tee "$work/report.txt"
