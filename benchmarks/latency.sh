#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One image at a time, beside ONNX Runtime and OpenCV: the same networks and images, in turns, one and two threads. Each
# side is a process that gives the median over at least 50 images; the table has the medians of the rounds. `auto` is
# Contexture in the precision that is the faster one on this processor.
#   latency.sh BENCH_LATENCY NODE_MODULES [ROUNDS]
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
program=$1 modules=$2 rounds=${3:-7}
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
"$program" --write "$work/networks"

engines=(contexture auto)
if command -v node >/dev/null && [[ -d $modules/onnxruntime-node ]]; then engines+=(onnxruntime); else echo 'not beside ONNX Runtime: no node or no onnxruntime-node here'; fi
python=/usr/bin/python3  # Debian's, whatever else is in the path
if "$python" -c 'import cv2' 2>/dev/null; then engines+=(opencv); else echo 'not beside OpenCV: python3-opencv is missing'; fi

ask() {  # ask ENGINE NETWORK THREADS: microseconds
  case $1 in
    contexture) "$program" "$work/networks/$2" "$3" ;;
    auto) "$program" "$work/networks/$2" "$3" auto ;;
    onnxruntime) NODE_PATH=$modules node "$here/latency_onnxruntime.js" "$work/networks/$2" "$3" ;;
    opencv) "$python" "$here/latency_opencv.py" "$work/networks/$2" "$3" ;;
  esac
}
median() { sort -g | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'; }

grep -m 1 'model name' /proc/cpuinfo 2>/dev/null | sed 's/.*: //' || true
printf 'microseconds an image, medians of %s rounds; in brackets times as long as contexture\n' "$rounds"
for network in resnet resnet18 convnext; do
  for threads in 1 2; do
    for ((round = 0; round < rounds; ++round)); do
      for engine in "${engines[@]}"; do
        # OpenCV 4.6 has no GELU: what an engine cannot read it is not measured with.
        if [[ $engine != opencv || $network != convnext ]]; then ask "$engine" "$network" "$threads" >>"$work/$engine.$network.$threads"; fi
      done
    done
    own=$(median <"$work/contexture.$network.$threads")
    line="$network, $threads threads: contexture $own"
    for engine in "${engines[@]:1}"; do
      [[ -f $work/$engine.$network.$threads ]] || continue
      other=$(median <"$work/$engine.$network.$threads")
      line+=", $engine $other ($(awk -v a="$other" -v b="$own" 'BEGIN { printf "%.2f", a / b }'))"
    done
    printf '%s\n' "$line"
  done
done
