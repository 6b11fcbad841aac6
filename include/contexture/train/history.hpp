// What a run measured while it went: rows in the order they were taken, which steps are
// evaluated, and the curve of one arm cut out of the rows. Rows live in memory and in the checkpoint, so a
// stopped or crashed run loses none; history.csv is written from them by report.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/train/metrics.hpp"
#include "contexture/train/results.hpp"

namespace contexture {

/// A label fraction as it names an experiment: percent without trailing zeros ("100", "50", "12.5").
[[nodiscard]] inline std::string percent_name(double fraction) {
  char text[32];
  // Rounded to 1e-4 percent so that 0.1 * 100 is "10" and not 10.000000000000002.
  const double percent = std::round(fraction * 1e6) / 1e4;
  const auto [end, error] = std::to_chars(text, text + sizeof(text), percent, std::chars_format::fixed);
  require(error == std::errc() && std::isfinite(fraction), "percent_name: fraction ", fraction);
  return {text, end};
}

/// Where a run of `steps` optimiser steps is evaluated: at 0, at `steps`, and at most `count` - 1
/// points between, spaced as i^1.5 because metrics move fastest early. Rising, without repeats; a pure
/// function of its arguments, so both arms of an experiment are measured at the same steps.
[[nodiscard]] inline std::vector<std::int64_t> evaluation_steps(std::int64_t steps, int count) {
  require(steps >= 0 && count >= 1, "evaluation_steps: ", count, " evaluations in ", steps, " steps");
  std::vector<std::int64_t> out{0};
  for (int i = 1; i <= count; ++i) {
    const double share = std::pow(static_cast<double>(i) / count, 1.5);
    const std::int64_t step = i == count ? steps : std::llround(share * static_cast<double>(steps));
    if (step > out.back()) out.push_back(step);
  }
  return out;
}

/// The validation curve of one arm of one seed, in the order of its steps.
[[nodiscard]] inline std::vector<CurvePoint> validation_curve(std::span<const HistoryRow> rows,
                                                              std::string_view experiment, std::string_view arm,
                                                              std::uint64_t seed) {
  std::vector<CurvePoint> curve;
  for (const HistoryRow& row : rows)
    if (row.split == "validation" && row.experiment == experiment && row.arm == arm && row.seed == seed)
      curve.push_back({row.step, row.seconds, row.accuracy});
  return curve;
}

}  // namespace contexture
