#!/usr/bin/env bash
# Draws what bench_conv measured on one thread against the machine's limits: GFLOP/s over the
# multiply-adds a byte that a shape allows, one point a pass and shape.
#   scripts/roofline.sh benchmarks/results/conv.json docs/roofline.svg
set -euo pipefail

(($# == 2)) || { echo "roofline.sh: usage: roofline.sh CONV_JSON SVG" >&2; exit 2; }
points=$(mktemp)
trap 'rm -f "$points"' EXIT

# "algorithm/pass/shape intensity gflops" of batches, one thread.
awk -F'"' '
  $2 == "name" { name = $4 }
  $2 == "run_type" { kept = name ~ /threads:1$/ && name !~ /n1\// && name !~ /g[0-9]+n/ }
  function number(line) { sub(/^[^:]*: */, "", line); sub(/,.*/, "", line); return line + 0 }
  $2 == "GFLOP/s" && kept { speed[name] = number($0) }
  $2 == "flops/byte" && kept { intensity[name] = number($0) }
  END {
    for (name in speed) {
      split(name, part, "/")
      sub(/^(stem|pointwise|grouped)$/, "direct", part[1])  # its faster forms
      print part[1], intensity[name], speed[name]
    }
  }
' "$1" >"$points"
limit() { sed -n "s/.*\"$1\": \"\([0-9.]*\)\".*/\1/p" "$2"; }
peak=$(limit fma_peak_gflops_1_threads "$1")
bandwidth=$(limit memory_gbytes_per_second_1_threads "$1")
[[ -s $points && -n $peak && -n $bandwidth ]] || { echo "roofline.sh: $1 is not what bench_conv writes" >&2; exit 1; }

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
