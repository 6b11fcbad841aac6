#!/usr/bin/env bash
# Each header includes its own room and rooms above it only, in the order of docs/HACKING.md, by
# paths from the include root. The umbrella header may include anything; nothing includes it.
#   tests/checks/rooms.sh [folder with contexture/]
set -euo pipefail
root=${1:-$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)/include}
rooms=(core kernels autograd nn optim data models ssl train evaluate study report)

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
  done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]|^#define CONTEXTURE_KERNEL_SOURCE' "$file" || true)
done < <(find "$root/contexture" -name '*.hpp' | sort)

if ((headers == 0)); then complain "no headers under $root/contexture"; fi
echo "rooms: $headers headers, $bad complaints"
((bad == 0))
