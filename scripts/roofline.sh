#!/usr/bin/env bash
# Draws what bench_conv measured on one thread against the machine's limits: GFLOP/s over the
# multiply-adds a byte that a shape allows, one point a pass and shape.
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

# "algorithm intensity gflops" of batches without groups, one thread; forms of the direct algorithm are named so.
jq -r '.benchmarks[] | select((.name | endswith("threads:1")) and (.name | test("n1/|g[0-9]+n") | not))
  | "\(.name | split("/")[0] | sub("^(stem|pointwise|grouped)$"; "direct")) \(."flops/byte") \(."GFLOP/s")"' "$conv" >"$points" 2>/dev/null || fail
limits=$(jq -er '.context | "\(.fma_peak_gflops_1_threads // error) \(.memory_gbytes_per_second_1_threads // error)"' \
  "$conv" 2>/dev/null) || fail
read -r peak bandwidth <<<"$limits"
[[ -s $points ]] || fail

quote="'"  # gnuplot doubles it
gnuplot <<PLOT
set terminal svg size 760,440 font 'DejaVu Sans,12' background rgb 'white'
set output '${2//$quote/$quote$quote}'
set logscale xy
set xrange [2:400]
set yrange [10:*]
set xlabel 'flop per byte, each tensor moved once'
set ylabel 'GFLOP/s, one thread'
set key left top
set grid lc rgb '#dddddd'
roof(x) = x * $bandwidth < $peak ? x * $bandwidth : $peak
points(algorithm) = sprintf("< grep '^%s ' '$points'", algorithm)
plot roof(x) lw 2 lc rgb '#444444' title sprintf('multiply-add peak %.0f GFLOP/s, memory %.0f GB/s', $peak, $bandwidth), \
  points('im2col') using 2:3 pt 6 lc rgb '#999999' title 'im2col + BLAS', \
  points('direct') using 2:3 pt 7 ps 0.7 lc rgb '#0072b2' title 'direct', \
  points('winograd2') using 2:3 pt 9 ps 0.7 lc rgb '#009e73' title 'Winograd F(2x2)', \
  points('winograd4') using 2:3 pt 5 ps 0.7 lc rgb '#d55e00' title 'Winograd F(4x4)'
PLOT
