#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# An application with a classifier in it (examples/embed_in_app) beside the installed library: what it includes, what it
# links, and that it answers as the library does, also after its weights have changed.
#   tests/consumers/embed.sh INSTALL_PREFIX COMPILER SAMPLE_FILES
set -euo pipefail
prefix=$1 compiler=$2 sample_files=$3
example=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../../examples/embed_in_app" && pwd -P)
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
fail() { echo "embed.sh: $1"; exit 1; }

"$sample_files" "$folder/samples"
samples=$folder/samples/classifiers
mkdir "$folder/the weights"
weights="$folder/the weights/classifier.safetensors"
cp "$samples/1.safetensors" "$weights"

# Nothing of Contexture but the header: no tensors, no JSON, no data sets.
included=$("$compiler" -std=c++20 -M -DCONTEXTURE_COMPILED -I"$prefix/include" -x c++ - <<<'#include "contexture/evaluate/predictor.hpp"')
ours=$(tr -s '[:space:]' '\n' <<<"$included" | grep -o 'contexture/[a-z_]*/[a-z_./-]*hpp' | LC_ALL=C sort | tr '\n' ' ')
[[ $ours == 'contexture/evaluate/predictor.hpp ' ]] || fail "predictor.hpp brings in $ours"
[[ $included != *nlohmann* && $included != *xtensor* ]] || fail "predictor.hpp brings in $included"

cmake -S "$example" -B "$folder/build" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_CXX_FLAGS='-Wall -Wextra -Wpedantic -Wconversion -Werror' -DWEIGHTS="$weights" >"$folder/log" || fail "$(cat "$folder/log")"
for number in 1 2; do
  cp "$samples/$number.safetensors" "$weights"
  cmake --build "$folder/build" >"$folder/log" 2>&1 || fail "$(cat "$folder/log")"
  rm "$weights"  # the program has them
  answers=$("$folder/build/embed_in_app" <"$samples/pictures.ppm")
  cp "$samples/$number.safetensors" "$weights"
  [[ $answers == "$(<"$samples/$number.txt")" ]] || fail "classifier $number said '$answers', expected '$(<"$samples/$number.txt")'"
done
cmp -s "$samples/1.txt" "$samples/2.txt" && fail 'both classifiers say the same: the test cannot tell them apart'

needed=$(readelf -d "$folder/build/embed_in_app" | grep NEEDED) || fail 'no readelf here'
[[ $needed != *jpeg* && $needed != *png* && $needed != *archive* ]] || fail "it links image decoders: $needed"

status=0
said=$(head -c 500 "$samples/pictures.ppm" | "$folder/build/embed_in_app" 2>&1) || status=$?
[[ $status == 1 && $said == 'embed_in_app: stdin: a picture is cut off' ]] || fail "a picture that is cut off: '$said' ($status)"

if cmake -S "$example" -B "$folder/none" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$prefix" -DWEIGHTS=missing \
  >"$folder/log" 2>&1; then fail 'weights that are not there were embedded'; fi
grep -q 'contexture_embed: no file .*missing' "$folder/log" || fail "$(cat "$folder/log")"
echo "embed: $(wc -c <"$folder/build/embed_in_app") bytes, weights included"
