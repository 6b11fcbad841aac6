#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Can the tests fail? Plants small faults (a sign, a bound, a swapped index, a dropped term or statement, a constant, a
# negated condition) in a copy of the library, and tells which of them no test notices. All mutants are compiled at once
# and sleep until one is woken (tests/mutation/plant_mutants.cpp), so that a mutant costs the run of the tests that reach
# it. Works in build/mutation, never in the tree; goes on where it was stopped.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
all_rooms='kernels autograd nn optim data ssl train evaluate study report'

usage() {
  cat <<TEXT
Usage: scripts/mutate.sh [--room NAME]... [--tests NAME]... [--count N] [--seed S] [--piece I/N] [--report]
Plants mutants in the headers of rooms and runs the rooms' tests on each: those of its own room first, then the others'.
  --room NAME    this room only (again for more); without it: $all_rooms
  --tests NAME   tests of this room as well, in which none is planted
  --count N      mutants a room (default 60)
  --seed S       which ones (default 1)
  --longest S    leave out tests of more than S seconds; a survivor is judged again where S is larger than before
  --piece I/N    only every N-th mutant, from the I-th on: to share the work out, or to do it bit by bit
  --report       run nothing, tell what is known
Results are in build/mutation/ROOMS-SEED-COUNT; the report is build/mutation/report.txt.
Survivors known to be no fault are in tests/mutation/equivalent.tsv, with the reason.
TEXT
}
refuse() {
  echo "mutate.sh: $* (see --help)" >&2
  exit 2
}

rooms=() more_tests=() count=60 seed=1 piece=1 pieces=1 longest=600 report_only=
while (($# > 0)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --report) report_only=1; shift; continue ;;
    --room | --tests | --count | --seed | --longest | --piece) (($# > 1)) || refuse "$1 wants a value" ;;
    *) refuse "'$1' is not an option" ;;
  esac
  case $1 in
    --room) [[ " core $all_rooms " == *" $2 "* ]] || refuse "--room $2: expected one of core $all_rooms"; rooms+=("$2") ;;
    --tests) [[ " core models $all_rooms " == *" $2 "* ]] || refuse "--tests $2: no such room"; more_tests+=("$2") ;;
    --count) [[ $2 =~ ^[1-9][0-9]{0,4}$ ]] || refuse "--count $2: expected a number of 1 to 99999"; count=$2 ;;
    --longest) [[ $2 =~ ^[1-9][0-9]{0,3}$ ]] || refuse "--longest $2: expected seconds"; longest=$2 ;;
    --seed) [[ $2 =~ ^[0-9]{1,9}$ ]] || refuse "--seed $2: expected a number"; seed=$2 ;;
    --piece)
      [[ $2 =~ ^([1-9][0-9]{0,4})/([1-9][0-9]{0,4})$ ]] || refuse "--piece $2: expected I/N"
      piece=${BASH_REMATCH[1]} pieces=${BASH_REMATCH[2]}
      ((piece <= pieces)) || refuse "--piece $2: expected I from 1 to N"
      ;;
  esac
  shift 2
done
((${#rooms[@]})) || read -ra rooms <<<"$all_rooms"

work=$root/build/mutation
tree=$work/tree
mkdir -p "$work"
unset CCACHE_BASEDIR  # tests find their files by __FILE__
# train/mpi.hpp is compiled, and tested, where MPI is installed. Root, and more processes than processors, are meant.
with_mpi=OFF
if command -v mpirun >/dev/null && command -v mpicxx >/dev/null; then
  with_mpi=ON
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 \
    PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
fi

# Brings the copy up to date; a file is written only where it differs, so that little is compiled again.
refresh_tree() {
  local file
  while IFS= read -r -d '' file; do
    [[ -f $tree/$file ]] && cmp -s "$root/$file" "$tree/$file" && continue
    mkdir -p "$(dirname "$tree/$file")"
    cp "$root/$file" "$tree/$file"
  done < <(cd "$root" && find CMakeLists.txt cmake include src tests -type f -print0)
}

build_tests() {  # build_tests LOG ROOM...
  local log=$1
  shift
  grep -q "^CONTEXTURE_WITH_MPI:BOOL=$with_mpi" "$tree/build/CMakeCache.txt" 2>/dev/null ||
    cmake -S "$tree" -B "$tree/build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O1 \
      -DCMAKE_CXX_FLAGS="-w -include $tree/tests/mutation/mutants.hpp" -DCMAKE_UNITY_BUILD=ON \
      -DCMAKE_UNITY_BUILD_BATCH_SIZE=0 -DCONTEXTURE_PCH=OFF -DCONTEXTURE_BUILD_TESTS=ON \
      -DCONTEXTURE_WITH_MPI=$with_mpi -DCONTEXTURE_INSTALL=OFF -DCONTEXTURE_BUILD_EXAMPLES=OFF -DCONTEXTURE_BUILD_BENCHMARKS=OFF >"$log" 2>&1 || {
      rm -f "$tree/build/CMakeCache.txt"
      return 1
    }
  # What does not compile is to be known of all sources at once.
  local go_on=(-k)
  ! grep -q '^CMAKE_GENERATOR:INTERNAL=Ninja' "$tree/build/CMakeCache.txt" || go_on=(-k 0)
  cmake --build "$tree/build" --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}" --target "${@/#/test_}" -- "${go_on[@]}" >"$log" 2>&1
}

# Numbers of the mutants whose lines a compiler complains about; --wide: or mentions.
not_compiling() {  # not_compiling LOG LIST [--wide]
  local pattern=' error: '
  [[ ${3:-} == --wide ]] && pattern=':'
  { grep -F -- "$pattern" "$1" || true; } | { grep -oE 'include/contexture/[a-z0-9_/-]+\.hpp:[0-9]+' || true; } | sort -u |
    awk -F'[\t]' 'NR == FNR { split($0, at, ":"); lines[++n] = $0; file[n] = at[1]; line[n] = at[2]; next }
      { for (i = 1; i <= n; ++i) if (file[i] == $2 && line[i] + 0 >= $3 + 0 && line[i] + 0 <= $4 + 0) { print $1; break } }' - "$2"
}

# Plants the mutants and compiles the tests; leaves mutants.tsv and the test programs in the folder.
prepare() {
  local headers=() attempt dropped name
  exec 9>"$work/lock"
  flock 9
  touch "$folder/drop"
  for name in "${rooms[@]}"; do mapfile -t -O "${#headers[@]}" headers < <(cd "$root" && find "include/contexture/$name" -name '*.hpp' | sort); done
  [[ $with_mpi == ON ]] || mapfile -t headers < <(printf '%s\n' "${headers[@]}" | grep -v 'train/mpi\.hpp')
  c++ -std=c++20 -O1 -o "$work/plant_mutants" "$root/tests/mutation/plant_mutants.cpp"
  for ((attempt = 1; ; ++attempt)); do
    refresh_tree
    "$work/plant_mutants" --tree "$tree" --list "$folder/mutants.tsv" --count "$count" --seed "$seed" \
      --drop "$folder/drop" "${headers[@]}" >"$folder/planted"
    build_tests "$folder/build.log" "${programs[@]}" && break
    dropped=$(not_compiling "$folder/build.log" "$folder/mutants.tsv")
    [[ -n $dropped ]] || dropped=$(not_compiling "$folder/build.log" "$folder/mutants.tsv" --wide)
    if [[ -z $dropped ]] || ((attempt == 12)); then
      echo "mutate.sh: the tests do not compile, see $folder/build.log" >&2
      exit 1
    fi
    echo "$dropped" >>"$folder/drop"
  done
  rm -f "$folder"/test_*
  for name in "${programs[@]}"; do cp "$tree/build/tests/test_$name" "$folder/"; done
  exec 9>&-
}

test_names() {  # test_names PROGRAM: as filters, one a line
  [[ $1 != */test_mpi ]] || { echo 'two processes'; return; }
  { "$1" --list-test-names-only 2>/dev/null || true; } | grep . >"$work/names.$$" || "$1" --list-tests --verbosity quiet >"$work/names.$$"
  sed -E 's/^"(#.*)"$/\1/; s/([][,\\])/\\\1/g' "$work/names.$$"
  rm -f "$work/names.$$"
}

run_quietly() {  # run_quietly SECONDS PROGRAM ARGUMENTS...: in a folder of its own, so many seconds of a processor
  local command=("${@:2}")
  [[ $2 != */test_mpi ]] || command=(mpirun -n 2 "$2")
  (
    cd "$folder/tmp"
    ulimit -c 0
    ulimit -v 12000000
    ulimit -t "$1"
    export TMPDIR=$folder/tmp
    exec timeout -k 5 $(($1 * 10)) "${command[@]}" >"$folder/last.log" 2>&1 </dev/null
  )
}

# Times every test with all mutants asleep, and notes which ones it reaches: tests.tsv (number, milliseconds of a
# processor, program, filter) and reached.tsv (mutant, number of the test). Those of more than --longest are left out.
time_tests() {
  local program name spent status number=0 TIMEFORMAT='%U %S'
  : >"$folder/tests.part"
  : >"$folder/reached.part"
  for program in "$folder"/test_*; do
    while IFS= read -r name; do
      number=$((number + 1))
      status=0
      spent=$({ time CONTEXTURE_MUTANT_REACHED=$folder/reached run_quietly $((longest + 1)) "$program" "$name"; } 2>&1) || status=$?
      if ((status == 0)); then
        printf '%s\t%s\t%s\t%s\n' "$number" "$(awk '{ printf "%d", 1000 * ($1 + $2) }' <<<"$spent")" "$program" "$name" >>"$folder/tests.part"
        sed "s/\$/\t$number/" "$folder/reached" >>"$folder/reached.part"
      elif ((status != 124 && status != 137 && status != 152)); then
        echo "mutate.sh: without a mutant '$name' fails; it is left out" >&2
      fi
    done < <(test_names "$program")
  done
  mv "$folder/reached.part" "$folder/reached.tsv"
  mv "$folder/tests.part" "$folder/tests.tsv"
  echo "$longest" >"$folder/timed"
}

# Wakes one mutant; prints what became of it. The quick tests of its room go first, in one run, then those of each other
# room, then the slow ones, one by one, the quickest first.
judge() {  # judge MUTANT ROOM
  local own=$folder/test_$2 ms program name status quick_ms last=
  local -A quick=() quick_time=()
  local slow_ms=() slow_program=() slow_name=() order=("$own")
  export CONTEXTURE_MUTANT=$1
  while IFS=$'\t' read -r ms program name; do
    ((ms <= 1000 * longest)) || continue
    last=$program
    if ((ms >= 1000)); then
      slow_ms+=("$ms") slow_program+=("$program") slow_name+=("$name")
    else
      [[ $program == "$own" || -n ${quick[$program]:-} ]] || order+=("$program")
      quick[$program]+=${quick[$program]:+,}$name
      quick_time[$program]=$((${quick_time[$program]:-0} + ms))
    fi
  done < <(awk -F'\t' -v m="$1" 'NR == FNR { if ($1 == m) tests[$2] = 1; next } ($1 in tests) { print $2 FS $3 FS $4 }' \
    "$folder/reached.tsv" "$folder/tests.tsv" | sort -t$'\t' -k1,1n)
  [[ -n $last ]] || { echo "unreached ($longest)"; return; }
  for program in "${order[@]}"; do
    [[ -n ${quick[$program]:-} ]] || continue
    quick_ms=${quick_time[$program]}
    became $((20 + 6 * quick_ms / 1000)) "$program" -a "${quick[$program]}" && return
  done
  for i in "${!slow_ms[@]}"; do became $((20 + 6 * slow_ms[i] / 1000)) "${slow_program[i]}" -a "${slow_name[i]}" && return; done
  echo "survived ($longest)"
}

became() {  # became SECONDS PROGRAM ARGUMENTS...: whether the mutant is killed by that, and says so
  local status=0
  run_quietly "$@" || status=$?
  case $status in
    0) return 1 ;;
    124 | 137 | 152) echo "killed (time): ${2##*/test_}" ;;
    *) echo "killed: ${2##*/test_}" ;;
  esac
}

run_all() {
  local number rest room file
  mkdir -p "$folder/tmp"
  # Results hold for these sources. Where only tests have changed, what was killed stays so, and the others are judged
  # again.
  local sources tests
  sources=$(cd "$root" && find include src tests/mutation/plant_mutants.cpp -type f -exec sha256sum {} + | sort | sha256sum)
  tests=$(cd "$root" && find tests -type f -name '*pp' -exec sha256sum {} + | sort | sha256sum)
  if [[ $(cat "$folder/sources" 2>/dev/null) != "$sources" ]]; then
    rm -f "$folder"/*.tsv "$folder/tests" "$folder/drop"
    echo "$sources" >"$folder/sources"
  fi
  if [[ $(cat "$folder/tests" 2>/dev/null) != "$tests" ]]; then
    prepare
    rm -f "$folder/timed"
    if [[ -f $folder/results.tsv ]]; then
      grep $'\tkilled' "$folder/results.tsv" >"$folder/results.part" || true
      mv "$folder/results.part" "$folder/results.tsv"
    fi
    echo "$tests" >"$folder/tests"
  fi
  mkdir -p "$folder/tmp"
  (($(cat "$folder/timed" 2>/dev/null || echo 0) >= longest)) || time_tests
  touch "$folder/results.tsv"
  while IFS=$'\t' read -r number file rest; do
    ((number % pieces == piece - 1)) || continue
    awk -F'\t' -v m="$number" -v longest="$longest" '
      $1 == m { split($2, at, /[()]/); done = $2 ~ /^killed/ || at[2] >= longest }
      END { exit !done }' "$folder/results.tsv" && continue
    room=${file#include/contexture/}
    printf '%s\t%s\n' "$number" "$(judge "$number" "${room%%/*}")" >>"$folder/results.tsv"
  done <"$folder/mutants.tsv"
  rm -rf "$folder/tmp"  # what tests left that were cut short
}

# What became of all mutants, room by room.
report() {
  local list
  for list in "$work"/*-"$seed"-"$count"/mutants.tsv; do
    [[ -f ${list%/*}/results.tsv ]] || continue
    awk -F'\t' -v equivalents="$root/tests/mutation/equivalent.tsv" '
      FILENAME == equivalents { if ($0 !~ /^#/ && NF >= 5) reason[$1 FS $2 FS $3 FS $4] = $5; next }
      FILENAME ~ /results.tsv$/ { became[$1] = $2; next }
      !($1 in became) { next }
      {
        split($2, part, "/"); room = part[3]
        ++total[room]
        key = $2 FS $7 FS $8 FS $9
        if (became[$1] ~ /^killed/) ++killed[room]
        else if (key in reason) { ++same[room]; text[room] = text[room] sprintf("  equivalent: %s:%s: %s: `%s` -> `%s`: %s\n", $2, $5, $6, $7, $8, reason[key]) }
        else { ++left[room]; text[room] = text[room] sprintf("  %s: %s:%s: %s: `%s` -> `%s` in: %s\n", became[$1], $2, $5, $6, $7, $8, $9) }
      }
      END {
        for (room in total) printf "%s: %d mutants, %d killed, %d equivalent, %d survived: %.1f %% killed\n%s", room, total[room], killed[room], same[room], left[room], (total[room] > same[room] ? 100 * killed[room] / (total[room] - same[room]) : 100), text[room]
      }' "$root/tests/mutation/equivalent.tsv" "${list%/*}/results.tsv" "$list"
  done >"$work/rooms.txt"
  awk '{ print } /^[a-z]+: [0-9]+ mutants/ { total += $2; killed += $4; same += $6; left += $8 }
    END {
      if (total > same) printf "all: %d mutants, %d killed, %d equivalent, %d survived: %.1f %% killed\n", total, killed, same, left, 100 * killed / (total - same)
    }' "$work/rooms.txt" >"$work/report.txt"
  cat "$work/report.txt"
}

name=$(IFS=+; echo "${rooms[*]}")
[[ $name != "${all_rooms// /+}" ]] || name=all
folder=$work/$name-$seed-$count
programs=("${rooms[@]}")
for room in "${more_tests[@]+"${more_tests[@]}"}"; do [[ " ${programs[*]} " == *" $room "* ]] || programs+=("$room"); done
[[ " ${rooms[*]} " != *' train '* || $with_mpi == OFF ]] || programs+=(mpi)
[[ -n $report_only ]] || run_all
report
