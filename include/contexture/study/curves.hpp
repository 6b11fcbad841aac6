// SPDX-License-Identifier: MIT
// How fast an arm got there: plateau, time to a share of a reference accuracy. Pure functions on curves, so that every
// number of a report can be recomputed from history.csv. One smoothing is used everywhere, see smoothed().
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/study/results.hpp"

namespace contexture {

/// One evaluation on the validation split.
struct CurvePoint {
  std::int64_t step = 0;
  double seconds = 0;   ///< since the arm began
  double accuracy = 0;  ///< 0..1
};

/// The validation accuracies of a curve after a running median of three evaluations, the ends copied
/// (Tukey, "Exploratory Data Analysis", 1977, chapter 7). A single lucky or unlucky evaluation
/// vanishes, a rising curve is not delayed.
[[nodiscard]] inline std::vector<double> smoothed(std::span<const CurvePoint> curve) {
  std::vector<double> out(curve.size());
  for (std::size_t i = 0; i < curve.size(); ++i) {
    const double here = curve[i].accuracy;
    if (i == 0 || i + 1 == curve.size()) {
      out[i] = here;
      continue;
    }
    const double before = curve[i - 1].accuracy;
    const double after = curve[i + 1].accuracy;
    out[i] = std::max(std::min(before, here), std::min(std::max(before, here), after));
  }
  return out;
}

/// The maximum of the smoothed curve; 0 for an empty one.
[[nodiscard]] inline double smoothed_best(std::span<const CurvePoint> curve) {
  const std::vector<double> values = smoothed(curve);
  return values.empty() ? 0.0 : *std::max_element(values.begin(), values.end());
}

/// Standard error of an accuracy measured on `images` images.
[[nodiscard]] inline double binomial_standard_error(double accuracy, std::int64_t images) {
  require(images > 0, "binomial_standard_error: ", images, " images, expected at least 1");
  const double p = std::clamp(accuracy, 0.0, 1.0);
  return std::sqrt(p * (1 - p) / static_cast<double>(images));
}

/// How far below its maximum a curve may be on its plateau: 0.5 points, or 2 binomial standard errors where that is
/// more.
[[nodiscard]] inline double plateau_tolerance(double best, std::int64_t validation_images) {
  return std::max(0.005, 2 * binomial_standard_error(best, validation_images));
}

/// Above this tolerance every curve is on its plateau from somewhere near its start: there is none to be told.
inline constexpr double kMostPlateauTolerance = 0.05;

/// The point of the curve from which the smoothed accuracy stays within plateau_tolerance() of its maximum over the
/// whole curve; empty when the last evaluation is itself farther below (the arm got worse again), when so few images
/// were validated on that the tolerance is above kMostPlateauTolerance, or the curve has no point.
[[nodiscard]] inline std::optional<CurvePoint> plateau(std::span<const CurvePoint> curve,
                                                       std::int64_t validation_images) {
  if (curve.empty()) return std::nullopt;
  const std::vector<double> values = smoothed(curve);
  const double best = *std::max_element(values.begin(), values.end());
  const double tolerance = plateau_tolerance(best, validation_images), floor = best - tolerance;
  if (tolerance > kMostPlateauTolerance) return std::nullopt;
  std::size_t first = values.size();
  while (first > 0 && values[first - 1] >= floor) --first;
  if (first == values.size()) return std::nullopt;
  return curve[first];
}

/// First point at which the smoothed accuracy is at least `target`; empty: never.
[[nodiscard]] inline std::optional<CurvePoint> first_reaching(std::span<const CurvePoint> curve, double target) {
  const std::vector<double> values = smoothed(curve);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] >= target) return curve[i];
  return std::nullopt;
}

/// Shares of the reference accuracy, in percent, at which time to accuracy is reported.
inline constexpr std::array<int, 4> kTimeToPercent{80, 90, 95, 99};

/// Fills plateau_step, plateau_seconds, steps_to and seconds_to of an arm from its validation
/// curve. `reference` is the scratch arm's best: the maximum of its smoothed curve, so that scratch
/// itself always reaches it; 0 where there is no such arm, and then steps_to and seconds_to stay empty.
inline void fill_speed(ArmResult& result, std::span<const CurvePoint> curve, std::int64_t validation_images,
                       double reference) {
  const std::optional<CurvePoint> settled = plateau(curve, validation_images);
  result.plateau_step = settled ? std::optional(settled->step) : std::nullopt;
  result.plateau_seconds = settled ? std::optional(settled->seconds) : std::nullopt;
  if (reference <= 0) return;
  for (const int percent : kTimeToPercent) {
    // The product may round to just above the value it is compared with.
    const double target = reference * percent / 100 - 1e-12;
    const std::optional<CurvePoint> reached = first_reaching(curve, target);
    const std::string key = std::to_string(percent);
    result.steps_to[key] = reached ? std::optional(reached->step) : std::nullopt;
    result.seconds_to[key] = reached ? std::optional(reached->seconds) : std::nullopt;
  }
}

/// The validation curve of one phase, in the order of its steps.
[[nodiscard]] inline std::vector<CurvePoint> validation_curve(std::span<const PhaseRow> rows, const PhaseId& phase) {
  std::vector<CurvePoint> curve;
  for (const PhaseRow& row : rows)
    if (row.split == "validation" && row.phase == phase) curve.push_back({row.step, row.seconds, row.accuracy});
  return curve;
}

}  // namespace contexture
