#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the README's two commands on Debian 13, in a folder of its own (a chroot), with g++ and with clang,
# and writes the outcome to docs/compatibility.md. Every run takes a clean copy of the last commit.
#   scripts/check-debian13.sh [--peers] [--tree DIR]
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
page=$root/docs/compatibility.md

usage() {
  cat <<'TEXT'
Usage: scripts/check-debian13.sh [--peers] [--tree DIR]
Needs root, debootstrap, git, 3 GB of disk and Debian's mirror (the one that apt uses here).
  --tree DIR   where Debian 13 is, or is put (default: build/debian13); one that is there is used again
  --peers      also build and run bench_peers beside oneDNN and LibTorch (3 GB more)
  -h, --help   this text
Takes about an hour on 2 cores the first time. The last line is scripts/test.sh's: N passed, N failed.
TEXT
}
# shellcheck source=scripts/debian13.sh disable=SC1091
source "$root/scripts/debian13.sh"

arguments=("$@")
tree=$root/build/debian13
peers=no
while (($#)); do
  case $1 in
    --tree)
      (($# >= 2)) || fail '--tree needs a folder (see --help)' 2
      tree=$2
      shift
      ;;
    --peers) peers=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail "unknown option $1 (see --help)" 2 ;;
  esac
  shift
done

debian13_tree "$tree" ${arguments[@]+"${arguments[@]}"}
for folder in gcc clang; do debian13_copy "contexture-$folder"; done

tiny=(--train-images 240 --test-images 48 --image-size 24 --width 4 --epochs 2 --pretrain-epochs 2 --batch-size 32
  --pretrain-batch-size 32 --evaluations 4)
failures=()

echo "== Debian 13, commit $commit: the first command, g++"
inside /contexture-gcc scripts/experiments.sh "${tiny[@]}" || failures+=("experiments.sh with g++")
# Beyond what the project asks for: the second compiler, and a cache for the next run of this script.
inside /contexture-gcc scripts/setup.sh clang libclang-rt-dev ccache
echo "== Debian 13, commit $commit: the first command, clang"
inside /contexture-clang env CXX=clang++ scripts/experiments.sh "${tiny[@]}" || failures+=("experiments.sh with clang")
if [[ $peers == yes ]]; then
  echo "== Debian 13, commit $commit: beside oneDNN and LibTorch"
  inside /contexture-gcc scripts/bench.sh --peers --threads=1 || failures+=("bench.sh --peers")
fi
echo "== Debian 13, commit $commit: the second command"
log=$(mktemp)
trap 'rm -f -- "$log"' EXIT
inside /contexture-gcc scripts/test.sh | tee "$log" || failures+=("test.sh")
result=$(tail -n 1 "$log")
[[ $result =~ ^[0-9]+\ passed,\ [0-9]+\ failed$ ]] || result='no result'

# What was tested, for the page: its row that begins with Debian 13.
# shellcheck disable=SC2016  # dpkg expands it
version_of() { inside / dpkg-query -W -f='${Version}' "$1" | sed -E 's/^[0-9]+://; s/[-+].*//'; }
libraries="xtensor $(version_of libxtensor-dev), xtensor-blas $(version_of libxtensor-blas-dev), OpenBLAS $(version_of libopenblas-dev)"
libraries+=", nlohmann-json $(version_of nlohmann-json3-dev), Catch2 $(version_of catch2), CLI11 $(version_of libcli11-dev)"
compilers="g++ $(inside / g++ -dumpfullversion), clang $(inside / clang++ -dumpversion)"
outcome=$result
for failure in ${failures[@]+"${failures[@]}"}; do outcome+="; failed: $failure"; done
row="| Debian $(inside / cat /etc/debian_version) | $compilers | $libraries | $outcome | $(date +%F), $commit |"
sed -i -E "s#^\| Debian 13[^|]*\|.*#${row//&/\\&}#" "$page"

for failure in ${failures[@]+"${failures[@]}"}; do printf 'FAILED %s\n' "$failure"; done
echo "$result"
((${#failures[@]} == 0))
