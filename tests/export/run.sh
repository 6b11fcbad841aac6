#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Exported networks beside what the library answers: ONNX files in ONNX Runtime and OpenCV, weights in PyTorch.
#   run.sh EXPORT_CASES EXPORT [NODE_MODULES]
# A line for each check; the last is `N passed, N failed`. What is not installed is skipped with a word.
set -uo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
cases=$1 export=$2 modules=${3:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(command -v /usr/bin/python3 || command -v python3 || true)

passed=0 failed=0
count() {  # count < lines `ok ...` or `FAILED ...`
  local line
  while IFS= read -r line; do
    printf '%s\n' "$line"
    case $line in
      'ok '*) passed=$((passed + 1)) ;;
      'FAILED '*) failed=$((failed + 1)) ;;
    esac
  done
}
has() { [[ -n $python ]] && "$python" -c "import $1" 2>/dev/null; }

"$cases" "$work" || { echo "0 passed, 1 failed"; exit 1; }
for folder in "$work"/*/; do
  model=$folder/classifier.safetensors
  [[ -f $model ]] || continue  # comes with its ONNX file
  for options in "classifier" "classifier --fold-norm" "classifier --layout nhwc" "encoder"; do
    # shellcheck disable=SC2086  # the options are words
    "$export" --model "$model" --what $options --out "$folder/$(tr -d ' -' <<<"$options").onnx" >/dev/null ||
      count <<<"FAILED export $options of $folder"
  done
  "$export" --model "$folder/encoder.safetensors" --out "$folder/alone.onnx" >/dev/null || count <<<"FAILED export of $folder"
done

if has onnx && has cv2; then
  count < <("$python" "$here/check_onnx.py" "$work" 2>&1 || echo "FAILED check_onnx.py")
else
  echo "skipped: ONNX's checker and OpenCV, no python3-onnx or python3-opencv here"
fi
if command -v node >/dev/null && [[ -n $modules && -d $modules/onnxruntime-node ]]; then
  count < <(NODE_PATH=$modules node "$here/check_onnxruntime.js" "$work" 2>&1 || echo "FAILED check_onnxruntime.js")
else
  echo "skipped: ONNX Runtime, no node or no onnxruntime-node here"
fi
if has torch && has torchvision && has cv2; then
  count < <("$python" "$here/check_torch.py" "$work" "$export" 2>&1 || echo "FAILED check_torch.py")
else
  echo "skipped: PyTorch, no python3-torch, python3-torchvision or python3-opencv here"
fi
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
