#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes sure that what requirements.txt lists is installed: installs what is missing or too old
# through apt-get (with sudo when not root), and does nothing, without network, when all is there.
# Where there is no apt it says what to install by hand, and lets CMake check for it.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
requirements=$root/requirements.txt

usage() {
  cat <<'TEXT'
Usage: scripts/setup.sh [--check] [--with-mpi] [--with-formats] [PACKAGE...]
Installs the Debian/Ubuntu packages of requirements.txt, and those named here, that are missing or too old.
  --check          only say what is missing; exit status 1 if anything is
  --with-mpi       also what several processes on several machines need
  --with-formats   also what GIF, WebP and TIFF files need
TEXT
}

check_only=no parts=' ' more=()
for word in "$@"; do
  case $word in
    --check) check_only=yes ;;
    --with-mpi | --with-formats) parts+="${word#--with-} " ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*)
      printf 'setup.sh: unknown option %s (see --help)\n' "$word" >&2
      exit 2
      ;;
    *) more+=("$word") ;;
  esac
done

# requirements.txt and the packages named -> "name minimum" a line ("name" alone: any version).
required() {
  local line part=''
  sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' -e 's/>=/ /' "$requirements" |
    while read -r line; do
      if [[ $line == \[*\] ]]; then
        part=${line:1:-1}  # what follows is optional
      elif [[ -z $part || $parts == *" $part "* ]]; then
        printf '%s\n' "$line"
      fi
    done
  if ((${#more[@]} > 0)); then printf '%s\n' "${more[@]}"; fi
}

# Prints the required packages that are not installed in a version that will do.
unsatisfied() {
  local name minimum status version
  while read -r name minimum; do
    read -r status version < <(dpkg-query -W -f='${db:Status-Status} ${Version}\n' "$name" 2>/dev/null || echo absent)
    if [[ $status != installed ]] || { [[ -n $minimum ]] && ! dpkg --compare-versions "$version" ge "$minimum"; }; then
      printf '%s\n' "$name"
    fi
  done < <(required)
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  {
    echo "setup.sh: no apt on this system. Please install by hand, at least in these versions (Debian's names):"
    required | sed 's/^\([^ ]*\) \(.*\)/\1 >= \2/; s/^/  /'
  } >&2
  missing_tool=no
  for tool in cmake c++; do
    command -v "$tool" >/dev/null || { echo "setup.sh: '$tool' is not in PATH" >&2; missing_tool=yes; }
  done
  [[ $missing_tool == no ]] || exit 1
  exit 0
fi

mapfile -t packages < <(unsatisfied)
if ((${#packages[@]} == 0)); then exit 0; fi
if [[ $check_only == yes ]]; then
  echo "setup.sh: missing or too old: ${packages[*]}"
  exit 1
fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    printf 'setup.sh: neither root nor sudo; please run as root:\n  apt-get install %s\n' "${packages[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

install_packages() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${packages[@]}" >&2
}

echo "setup.sh: installing ${packages[*]}" >&2
# The package lists that are there first; fresh ones only if those do not do.
if apt-get install --simulate "${packages[@]}" >/dev/null 2>&1; then install_packages || true; fi
mapfile -t packages < <(unsatisfied)
if ((${#packages[@]} > 0)); then
  "${as_root[@]}" apt-get update >&2 || true
  install_packages || true
  mapfile -t packages < <(unsatisfied)
fi
if ((${#packages[@]} > 0)); then
  {
    echo "setup.sh: could not be installed in the version that is needed:"
    for package in "${packages[@]}"; do
      required | sed -n "s/^\($package\)\( \(.*\)\)\{0,1\}\$/  \1 \3/p"
    done
    echo "setup.sh: see apt-get's messages above, or install them by hand"
  } >&2
  exit 1
fi
