#!/usr/bin/env bash
# Downloads a public image data set from its home, resumes what was interrupted, checks every file
# against its published MD5 and unpacks archives. A file appears under its name only when it is whole
# and checked, so the script can be interrupted and run again at any time.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/get-data.sh [options] fashion-mnist|mnist|cifar10|stl10 DEST
Puts the data set into a folder of its own below DEST, and ends by naming it for --data.
  --mirror URL       download the same file names from URL/ instead of the data set's home
  --checksums FILE   take the MD5 sums from FILE ("<md5>  <name>" a line, as md5sum writes them)
                     instead of the published ones: for a mirror that holds other versions
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

# Home, folder below DEST, and the files as "md5 name"; sums as published by the authors (CIFAR-10:
# www.cs.toronto.edu/~kriz/cifar.html; Fashion-MNIST: the README of its repository) or, where they
# publish none, by torchvision. MNIST's first home no longer serves it reliably.
unpacks=no
case $set_name in
  fashion-mnist)
    home=http://fashion-mnist.s3-website.eu-central-1.amazonaws.com
    folder=fashion-mnist
    files='8d4fb7e6c68d591d4c3dfef9ec88bf0d train-images-idx3-ubyte.gz
25c81989df183df01b3e8a0aad5dffbe train-labels-idx1-ubyte.gz
bef4ecab320f06d8554ea6380940ec79 t10k-images-idx3-ubyte.gz
bb300cfdad3c16e7a12a480ee83cd310 t10k-labels-idx1-ubyte.gz'
    ;;
  mnist)
    home=https://ossci-datasets.s3.amazonaws.com/mnist
    folder=mnist
    files='f68b3c2dcbeaaa9fbdd348bbdeb94873 train-images-idx3-ubyte.gz
d53e105ee54ea40749a09fcbcd1e9432 train-labels-idx1-ubyte.gz
9fb629c4189551a2d022fa330f9573f3 t10k-images-idx3-ubyte.gz
ec29112dd5afa0611ce80d1b7f02629c t10k-labels-idx1-ubyte.gz'
    ;;
  cifar10)
    home=https://www.cs.toronto.edu/~kriz
    folder=cifar-10-batches-bin
    files='c32a1d4ab5d03f1284b67883e8d87530 cifar-10-binary.tar.gz'
    unpacks=yes
    ;;
  stl10)
    home=http://ai.stanford.edu/~acoates/stl10
    folder=stl10_binary
    files='91f7769df0f17e558f3565bffb0c7dfb stl10_binary.tar.gz'
    unpacks=yes
    ;;
  *) misuse "unknown data set '$set_name', expected fashion-mnist, mnist, cifar10 or stl10" ;;
esac
command -v curl >/dev/null || fail 'curl is missing: install it (apt-get install curl)'
[[ -z $checksums || -r $checksums ]] || fail "$checksums: cannot be read"
mkdir -p -- "$dest" 2>/dev/null || fail "$dest: cannot be created"
[[ -w $dest ]] || fail "$dest: cannot be written to"

md5_of() {
  if command -v md5sum >/dev/null; then
    md5sum <"$1" | cut -d' ' -f1
  else
    md5 -q "$1"
  fi
}

# The sum that file $1 must have, published as $2.
expected_md5() {
  [[ -n $checksums ]] || {
    echo "$2"
    return
  }
  local sum
  sum=$(awk -v name="$1" '{ f = $2; sub(/^\*/, "", f); if (f == name) { print tolower($1); exit } }' "$checksums")
  [[ -n $sum ]] || fail "$checksums: no line for $1"
  echo "$sum"
}

# Downloads file $1 to $2, whose MD5 must be $3.
fetch() {
  local name=$1 target=$2 md5=$3 part=$2.part url=${mirror:-$home}/$1 status got resumed
  local progress=(--silent --show-error)
  [[ ! -t 2 ]] || progress=(--progress-bar)
  if [[ -f $target ]]; then
    [[ $(md5_of "$target") != "$md5" ]] || {
      say "$name is there already"
      return
    }
    say "$name is there, but not as published: fetching it again"
  fi
  while [[ ! -f $part || $(md5_of "$part") != "$md5" ]]; do
    resumed=no
    [[ ! -s $part ]] || resumed=yes
    say "fetching $url"
    status=0
    curl --fail --location --retry 3 --connect-timeout 30 "${progress[@]}" --continue-at - --output "$part" -- "$url" ||
      status=$?
    got=''
    ((status != 0)) || got=$(md5_of "$part")
    [[ $got != "$md5" ]] || break
    # A server that cannot resume (33), nothing after what we had (22, or success in newer curls), or
    # a beginning of another file: whatever it was, the whole file is the cure, and is tried once.
    if [[ $resumed == yes ]] && ((status == 0 || status == 22 || status == 33)); then
      say "$name cannot be resumed: starting over"
      rm -f -- "$part"
      continue
    fi
    ((status == 0)) || fail "$url: download failed (curl status $status); run the same command again to resume"
    rm -f -- "$part"
    fail "$url: MD5 $got, expected $md5; the file was removed"
  done
  mv -f -- "$part" "$target"
}

[[ -z $checksums ]] || say "MD5 sums are taken from $checksums, not from the data set's authors"
if [[ $unpacks == no ]]; then
  mkdir -p -- "$dest/$folder"
  while read -r md5 name; do
    md5=$(expected_md5 "$name" "$md5")
    fetch "$name" "$dest/$folder/$name" "$md5"
  done <<<"$files"
elif [[ -d $dest/$folder ]]; then
  say "$dest/$folder is there already"
else
  read -r md5 name <<<"$files"
  md5=$(expected_md5 "$name" "$md5")
  fetch "$name" "$dest/$name" "$md5"
  say "unpacking $name"
  unpacking=$(mktemp -d -- "$dest/.unpacking.XXXXXX")
  trap 'rm -rf -- "$unpacking"' EXIT
  tar -xzf "$dest/$name" -C "$unpacking" || fail "$dest/$name: cannot be unpacked"
  [[ -d $unpacking/$folder ]] || fail "$dest/$name: does not hold a folder $folder"
  mv -- "$unpacking/$folder" "$dest/$folder"
  rm -f -- "$dest/$name"
fi
say "ready: --data $dest/$folder"
