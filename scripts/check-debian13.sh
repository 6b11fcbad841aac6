#!/usr/bin/env bash
# Runs the README's two commands on Debian 13, in a folder of its own (a chroot), with g++ and with clang,
# and writes the outcome to docs/compatibility.md. Every run takes a clean copy of the last commit.
#   scripts/check-debian13.sh [--peers] [--tree DIR]
# The mounts live in a namespace of this process: they are gone when it ends, however it ends.
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
fail() {
  printf 'check-debian13.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

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

missing=()
((EUID == 0)) || missing+=(root)
for tool in debootstrap git unshare mount; do command -v "$tool" >/dev/null || missing+=("$tool"); done
((${#missing[@]} == 0)) || fail "needs root, debootstrap, git and util-linux; missing: ${missing[*]}"

if [[ ${CONTEXTURE_OWN_MOUNTS:-} != yes ]]; then
  options=(--tree "$tree")
  [[ $peers == no ]] || options+=(--peers)
  CONTEXTURE_OWN_MOUNTS=yes exec unshare --mount --propagation private -- "$0" "${options[@]}"
fi

# Debian 13 itself; under its name only when it is whole.
if [[ ! -d $tree ]]; then
  # shellcheck disable=SC2016  # apt expands it
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' 'Identifier: Packages' 2>/dev/null | head -n 1) || true
  mkdir -p -- "$(dirname -- "$tree")"
  rm -rf -- "$tree.part"
  debootstrap --variant=minbase trixie "$tree.part" "${mirror:-http://deb.debian.org/debian}" >&2 ||
    fail "debootstrap failed; what it did is in $tree.part/debootstrap/debootstrap.log"
  mv -- "$tree.part" "$tree"
fi
tree=$(cd -- "$tree" && pwd -P)
mount -t proc proc "$tree/proc"
mount -t sysfs -o ro sysfs "$tree/sys"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$tree/dev/pts"
cp -L /etc/resolv.conf "$tree/etc/resolv.conf"

inside() {  # inside FOLDER COMMAND...: with nothing of this system's environment but the number of threads
  local folder=$1
  shift
  # shellcheck disable=SC2016  # the inner shell expands it
  chroot "$tree" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    CCACHE_DIR=/var/cache/ccache ${CONTEXTURE_NUM_THREADS:+CONTEXTURE_NUM_THREADS="$CONTEXTURE_NUM_THREADS"} \
    bash -c 'cd "$1" && shift && exec "$@"' _ "$folder" "$@"
}

commit=$(git -c safe.directory="$root" -C "$root" rev-parse --short HEAD)
[[ -z $(git -c safe.directory="$root" -C "$root" status --porcelain) ]] ||
  echo "check-debian13.sh: what is not committed is not checked" >&2
for folder in gcc clang; do
  rm -rf -- "$tree/contexture-$folder"
  mkdir -- "$tree/contexture-$folder"
  git -c safe.directory="$root" -C "$root" archive HEAD | tar -x -C "$tree/contexture-$folder"
done

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
