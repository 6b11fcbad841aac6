#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Draws what bench_conv measured on one thread against the machine's limits, in both precisions where it measured
# both: GFLOP/s over the multiply-adds a byte that a shape allows, one point a pass and shape. Winograd, which computes
# in float, is shown in float only.
#   scripts/roofline.sh benchmarks/results/conv.json docs/roofline.svg
set -euo pipefail

(($# == 2)) || { echo "roofline.sh: usage: roofline.sh CONV_JSON SVG" >&2; exit 2; }
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
command -v jq >/dev/null || "$root/scripts/setup.sh" jq
conv=$1
points=$(mktemp)
trap 'rm -f "$points"' EXIT
fail() {
  echo "roofline.sh: $conv is not what bench_conv writes" >&2
  exit 1
}

# "algorithm intensity gflops" of batches without groups, one thread; forms of the direct algorithm are named so, and
# what multiplies bfloat16 has the word behind its name.
jq -r '.benchmarks[] | select((.name | endswith("threads:1")) and (.name | test("n1/|g[0-9]+n") | not))
  | "\(.name | split("/")[0] | sub("^(stem|pointwise|grouped)$"; "direct"))\(
       if .name | test("/precision:bfloat16/") then "_bfloat16" else "" end) \(."flops/byte") \(."GFLOP/s")"' \
  "$conv" >"$points" 2>/dev/null || fail
limits=$(jq -er '.context | "\(.fma_peak_gflops_1_threads // error) \(.bfloat16_peak_gflops_1_threads // error) \(
  .memory_gbytes_per_second_1_threads // error)"' "$conv" 2>/dev/null) || fail
read -r peak bfloat16_peak bandwidth <<<"$limits"
[[ -s $points ]] || fail

# What there is to draw, as gnuplot wants it: a roof a precision, and the points of every algorithm.
roof() {  # roof PEAK COLOUR NAME
  printf ", (x * %s < %s ? x * %s : %s) lw 2 lc rgb '%s' title sprintf('%s peak %%.0f GFLOP/s', %s)" \
    "$bandwidth" "$1" "$bandwidth" "$1" "$2" "$3" "$1"
}
plots=$(roof "$peak" '#444444' 'multiply-add')
if grep -q '_bfloat16 ' "$points"; then plots+=$(roof "$bfloat16_peak" '#999900' 'bfloat16'); fi
while IFS='|' read -r algorithm style title; do
  if grep -q "^$algorithm " "$points"; then
    plots+=", \"< grep '^$algorithm ' '$points'\" using 2:3 $style title '$title'"
  fi
done <<'TEXT'
im2col|pt 6 lc rgb '#999999'|im2col + BLAS
direct|pt 7 ps 0.7 lc rgb '#0072b2'|direct
winograd2|pt 9 ps 0.7 lc rgb '#009e73'|Winograd F(2x2)
winograd4|pt 5 ps 0.7 lc rgb '#d55e00'|Winograd F(4x4)
direct_bfloat16|pt 6 ps 0.7 lc rgb '#0072b2'|direct, bfloat16
rows_bfloat16|pt 12 ps 0.7 lc rgb '#cc79a7'|rows, bfloat16
TEXT

quote="'"  # gnuplot doubles it
gnuplot <<PLOT
set terminal svg size 960,440 font 'DejaVu Sans,12' background rgb 'white'
set output '${2//$quote/$quote$quote}'
set logscale xy
set xrange [2:800]
set yrange [10:*]
set xlabel sprintf('flop per byte, each tensor moved once; memory %.0f GB/s', $bandwidth)
set ylabel 'GFLOP/s, one thread'
set key outside right top Left reverse
set grid lc rgb '#dddddd'
plot ${plots#, }
PLOT
