#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Downloads a public image data set from its home, resumes what was interrupted, checks every file
# against its SHA-256 and unpacks archives. A file appears under its name only when it is whole
# and checked, so the script can be interrupted and run again at any time; what is there is checked again.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/get-data.sh [options] fashion-mnist|mnist|cifar10|stl10 DEST
Puts the data set into a folder of its own below DEST, and ends by naming it for --data.
  --mirror URL       download the same file names from URL/ instead of the data set's home
  --checksums FILE   take the SHA-256 sums from FILE ("<sum>  <name>" a line, as sha256sum writes them)
                     instead of the usual ones: for a mirror that holds other versions
  -h, --help         this text
Sizes: fashion-mnist 30 MB, mnist 12 MB, cifar10 162 MB, stl10 2.5 GB (unpacked 3.2 GB).
TEXT
}

say() { printf 'get-data.sh: %s\n' "$*"; }
fail() {
  printf 'get-data.sh: %s\n' "$*" >&2
  exit 1
}
misuse() {
  printf 'get-data.sh: %s (see --help)\n' "$*" >&2
  exit 2
}

mirror='' checksums=''
words=()
while (($#)); do
  case $1 in
    --mirror | --checksums)
      (($# >= 2)) || misuse "$1 needs a value"
      if [[ $1 == --mirror ]]; then mirror=${2%/}; else checksums=$2; fi
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*) misuse "unknown option $1" ;;
    *) words+=("$1") ;;
  esac
  shift
done
((${#words[@]} == 2)) || misuse 'expected the name of a data set and a folder'
set_name=${words[0]} dest=${words[1]}

# Home, folder below DEST, and the files as "sum name". The authors publish MD5 sums or none; these SHA-256 sums are
# those that other projects' loaders agree on for the same files.
# MNIST's first home no longer serves it reliably; Fashion-MNIST's is the bucket behind the address in its README.
unpacks=no
case $set_name in
  fashion-mnist)
    home=https://fashion-mnist.s3.eu-central-1.amazonaws.com
    folder=fashion-mnist
    files='3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84 train-images-idx3-ubyte.gz
a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845 train-labels-idx1-ubyte.gz
346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073 t10k-images-idx3-ubyte.gz
67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5 t10k-labels-idx1-ubyte.gz'
    ;;
  mnist)
    home=https://ossci-datasets.s3.amazonaws.com/mnist
    folder=mnist
    files='440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609 train-images-idx3-ubyte.gz
3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c train-labels-idx1-ubyte.gz
8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6 t10k-images-idx3-ubyte.gz
f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6 t10k-labels-idx1-ubyte.gz'
    ;;
  cifar10)
    home=https://www.cs.toronto.edu/~kriz
    folder=cifar-10-batches-bin
    files='c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd cifar-10-binary.tar.gz'
    unpacks=yes
    ;;
  stl10)
    home=https://cs.stanford.edu/~acoates/stl10
    folder=stl10_binary
    files='f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866 stl10_binary.tar.gz'
    unpacks=yes
    ;;
  *) misuse "unknown data set '$set_name', expected fashion-mnist, mnist, cifar10 or stl10" ;;
esac
command -v curl >/dev/null || fail 'curl is missing: install it (apt-get install curl)'
[[ -z $checksums || -r $checksums ]] || fail "$checksums: cannot be read"
mkdir -p -- "$dest" 2>/dev/null || fail "$dest: cannot be created"
[[ -w $dest ]] || fail "$dest: cannot be written to"

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}
sum_of() { sha256 <"$1" | cut -d' ' -f1; }

# The sum that file $1 must have, published as $2.
expected_sum() {
  [[ -n $checksums ]] || {
    echo "$2"
    return
  }
  local sum
  sum=$(awk -v name="$1" '{ f = $2; sub(/^\*/, "", f); if (f == name) { print tolower($1); exit } }' "$checksums")
  [[ -n $sum ]] || fail "$checksums: no line for $1"
  echo "$sum"
}

# Downloads file $1 to $2, whose sum must be $3.
fetch() {
  local name=$1 target=$2 sum=$3 part=$2.part url=${mirror:-$home}/$1 status got resumed
  local progress=(--silent --show-error) protocol=(--proto "=https")
  [[ -z $mirror ]] || protocol=()
  [[ ! -t 2 ]] || progress=(--progress-bar)
  if [[ -f $target ]]; then
    [[ $(sum_of "$target") != "$sum" ]] || {
      say "$name is there already"
      return
    }
    say "$name is there, but not as published: fetching it again"
  fi
  while [[ ! -f $part || $(sum_of "$part") != "$sum" ]]; do
    resumed=no
    [[ ! -s $part ]] || resumed=yes
    say "fetching $url"
    status=0
    curl --fail --location --retry 3 --connect-timeout 30 ${protocol[@]+"${protocol[@]}"} "${progress[@]}" --continue-at - --output "$part" -- "$url" ||
      status=$?
    got=''
    ((status != 0)) || got=$(sum_of "$part")
    [[ $got != "$sum" ]] || break
    # A server that cannot resume (33), nothing after what we had (22, or success in newer curls), or
    # a beginning of another file: whatever it was, the whole file is the cure, and is tried once.
    if [[ $resumed == yes ]] && ((status == 0 || status == 22 || status == 33)); then
      say "$name cannot be resumed: starting over"
      rm -f -- "$part"
      continue
    fi
    ((status == 0)) || fail "$url: download failed (curl status $status); run the same command again to resume"
    rm -f -- "$part"
    fail "$url: SHA-256 $got, expected $sum; the file was removed"
  done
  mv -f -- "$part" "$target"
}

[[ -z $checksums ]] || say "SHA-256 sums are taken from $checksums, not from this script"
if [[ $unpacks == no ]]; then
  mkdir -p -- "$dest/$folder"
  while read -r sum name; do
    sum=$(expected_sum "$name" "$sum")
    fetch "$name" "$dest/$folder/$name" "$sum"
  done <<<"$files"
elif [[ -d $dest/$folder ]]; then
  # The archive is gone; the sums of its files were left beside them.
  [[ -f $dest/$folder/SHA256SUMS ]] ||
    fail "$dest/$folder: there without its SHA256SUMS, so that it cannot be checked; remove it to fetch it again"
  if ! changed=$(cd -- "$dest/$folder" && sha256 --check --quiet SHA256SUMS 2>/dev/null); then
    changed=$(cut -d: -f1 <<<"$changed" | paste -s -d ' ' -)
    fail "$dest/$folder: not as it was unpacked: ${changed:-SHA256SUMS}; remove the folder to fetch it again"
  fi
  say "$dest/$folder is there already"
else
  read -r sum name <<<"$files"
  sum=$(expected_sum "$name" "$sum")
  fetch "$name" "$dest/$name" "$sum"
  say "unpacking $name"
  unpacking=$(mktemp -d -- "$dest/.unpacking.XXXXXX")
  trap 'rm -rf -- "$unpacking"' EXIT
  tar -xzf "$dest/$name" -C "$unpacking" || fail "$dest/$name: cannot be unpacked"
  [[ -d $unpacking/$folder ]] || fail "$dest/$name: does not hold a folder $folder"
  (cd -- "$unpacking/$folder" && sha256 -- * >"$unpacking/sums" && mv -- "$unpacking/sums" SHA256SUMS)
  mv -- "$unpacking/$folder" "$dest/$folder"
  rm -f -- "$dest/$name"
fi
say "ready: --data $dest/$folder"
