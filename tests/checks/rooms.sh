#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Each header includes its own room and rooms above it only, in the order of docs/HACKING.md, by
# paths from the include root. The umbrella header may include anything; nothing includes it.
# In kernels/conv, an algorithm knows no other one, nor those that choose among them.
#   tests/checks/rooms.sh [folder with contexture/]
set -euo pipefail
root=${1:-$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)/include}
rooms=(core kernels autograd nn optim data models ssl train evaluate study report)

algorithms=' direct direct_weights rows rows_weights winograd grouped im2col '
conv=contexture/kernels/conv

# The algorithm of kernels/conv that a header belongs to (winograd.hpp, winograd-inl.hpp), if any.
algorithm_of() {
  local name=${1#"$conv"/}
  [[ $1 == "$conv"/* ]] || return 0
  name=${name%.hpp}
  name=${name%-inl}
  if [[ $algorithms == *" $name "* ]]; then echo "$name"; fi
}

rank_of() {
  local i
  for i in "${!rooms[@]}"; do
    if [[ ${rooms[i]} == "$1" ]]; then
      echo "$i"
      return
    fi
  done
  echo -1
}

bad=0
headers=0
complain() {
  echo "$1"
  bad=$((bad + 1))
}

while IFS= read -r file; do
  headers=$((headers + 1))
  path=${file#"$root/contexture/"}
  [[ $path == contexture.hpp ]] && continue
  own_room=${path%%/*}
  algorithm=$(algorithm_of "contexture/$path")
  own=$(rank_of "$own_room")
  if ((own < 0)); then
    complain "$path: '$own_room' is not a room"
    continue
  fi
  while IFS=: read -r line text; do
    included=$(sed -E 's/^[^"<]*["<]([^">]*)[">].*/\1/' <<<"$text")
    if [[ $included != contexture/* ]]; then
      # Quotes are for our headers, and those are named from the include root.
      if [[ $text == *\"*\"* ]]; then complain "$path:$line: \"$included\" is not named from the include root"; fi
      continue
    fi
    other_room=${included#contexture/}
    other_room=${other_room%%/*}
    other=$(rank_of "$other_room")
    if [[ ! -f $root/$included ]]; then
      complain "$path:$line: includes $included, which does not exist"
    elif ((other < 0)); then
      complain "$path:$line: includes $included, which is in no room"
    elif ((other > own)); then
      complain "$path:$line: room '$own_room' includes $included of the later room '$other_room'"
    fi
    # Without contexture::compiled X.hpp ends with X-inl.hpp, so what that includes must not begin with X.hpp.
    header=contexture/${path%-inl.hpp}.hpp
    if [[ $path == *-inl.hpp && $included != "$header" ]] && grep -qsF "#include \"$header\"" "$root/$included"; then
      complain "$path:$line: includes $included, which includes $header: it does not compile alone"
    fi
    if [[ -n $algorithm ]]; then
      other_algorithm=$(algorithm_of "$included")
      if [[ -n $other_algorithm && $other_algorithm != "$algorithm" ]]; then
        complain "$path:$line: algorithm '$algorithm' includes $included of another one"
      elif [[ $included == "$conv/choose.hpp" || $included == "$conv.hpp" ]]; then
        complain "$path:$line: algorithm '$algorithm' includes $included, which chooses among all"
      fi
    fi
  done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]|^#define CONTEXTURE_KERNEL_SOURCE' "$file" || true)
done < <(find "$root/contexture" -name '*.hpp' | sort)

if ((headers == 0)); then complain "no headers under $root/contexture"; fi
echo "rooms: $headers headers, $bad complaints"
((bad == 0))
