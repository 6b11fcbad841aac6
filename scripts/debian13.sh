# SPDX-License-Identifier: MIT
# Shared by the scripts that run something on Debian 13, which source it with $root set: a folder with Debian 13 in it
# (a chroot), made by debootstrap. No container engine is needed.
# shellcheck shell=bash
: "${root:?set it before sourcing debian13.sh}"

fail() {  # fail MESSAGE [STATUS]
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit "${2:-1}"
}

# debian13_tree FOLDER ARGUMENT...: makes Debian 13 there unless it is there, and enters it: $tree is its path from now
# on. Starts the calling script again, with the arguments, in a namespace of its own for mounts: they are gone when it
# ends, however it ends.
debian13_tree() {
  tree=$1
  local missing=() tool mirror
  ((EUID == 0)) || missing+=(root)
  for tool in debootstrap git unshare mount; do command -v "$tool" >/dev/null || missing+=("$tool"); done
  ((${#missing[@]} == 0)) || fail "needs root, debootstrap, git and util-linux; missing: ${missing[*]}"
  if [[ ${CONTEXTURE_OWN_MOUNTS:-} != yes ]]; then
    CONTEXTURE_OWN_MOUNTS=yes exec unshare --mount --propagation private -- "$0" "${@:2}"
  fi
  if [[ ! -d $tree ]]; then  # under its name only when it is whole
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
}

# inside FOLDER COMMAND...: with nothing of this system's environment but what the library is told by it.
inside() {
  local folder=$1 kept=() name
  shift
  for name in CONTEXTURE_NUM_THREADS CONTEXTURE_ISA CONTEXTURE_BFLOAT16; do
    [[ -z ${!name:-} ]] || kept+=("$name=${!name}")
  done
  # shellcheck disable=SC2016  # the inner shell expands it
  chroot "$tree" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    CCACHE_DIR=/var/cache/ccache ${kept[@]+"${kept[@]}"} bash -c 'cd "$1" && shift && exec "$@"' _ "$folder" "$@"
}

# debian13_copy FOLDER: a clean copy of the last commit, in the tree; $commit is its name.
debian13_copy() {
  # shellcheck disable=SC2034  # for the caller
  commit=$(git -c safe.directory="$root" -C "$root" rev-parse --short HEAD)
  [[ -z $(git -c safe.directory="$root" -C "$root" status --porcelain) ]] ||
    printf '%s: what is not committed is not in the copy\n' "${0##*/}" >&2
  rm -rf -- "${tree:?}/$1"
  mkdir -- "$tree/$1"
  git -c safe.directory="$root" -C "$root" archive HEAD | tar -x -C "$tree/$1"
}
