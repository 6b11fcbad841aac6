// SPDX-License-Identifier: MIT
// Means and intervals over seeds, and moments that a seed may never reach. Pure functions on numbers.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "contexture/core/finite.hpp"

namespace contexture::report {

/// Two-sided 95 % quantile of Student's t with `dof` degrees of freedom. A table up to 30, beyond it the
/// expansion in 1/dof (Abramowitz and Stegun 26.7.5), exact to 5 digits there. NaN for dof < 1.
[[nodiscard]] inline double student_t_95(std::int64_t dof) {
  constexpr std::array<double, 30> kTable = {
      12.706204736, 4.302652730, 3.182446305, 2.776445105, 2.570581836, 2.446911851, 2.364624252, 2.306004135,
      2.262157163,  2.228138852, 2.200985160, 2.178812830, 2.160368656, 2.144786688, 2.131449546, 2.119905299,
      2.109815578,  2.100922040, 2.093024054, 2.085963447, 2.079613845, 2.073873068, 2.068657610, 2.063898562,
      2.059538553,  2.055529439, 2.051830516, 2.048407142, 2.045229642, 2.042272456};
  if (dof < 1) return std::numeric_limits<double>::quiet_NaN();
  if (dof <= 30) return kTable[static_cast<std::size_t>(dof - 1)];
  const double z = 1.959963984540054, v = static_cast<double>(dof), z2 = z * z;
  return z * (1 + (z2 + 1) / (4 * v) + (5 * z2 * z2 + 16 * z2 + 3) / (96 * v * v) +
              (3 * z2 * z2 * z2 + 19 * z2 * z2 + 17 * z2 - 15) / (384 * v * v * v));
}

/// A quantity measured once per seed.
struct Stat {
  std::vector<double> per_seed;
  double mean = std::numeric_limits<double>::quiet_NaN();           ///< NaN without seeds
  double half_width_95 = std::numeric_limits<double>::quiet_NaN();  ///< of the interval of the mean; NaN with one seed
  [[nodiscard]] bool has_interval() const { return is_finite(half_width_95); }
  [[nodiscard]] double low() const { return mean - half_width_95; }
  [[nodiscard]] double high() const { return mean + half_width_95; }
};

/// Mean of the values, one a seed, and with two or more its 95 % interval by Student's t.
[[nodiscard]] inline Stat make_stat(std::vector<double> values) {
  Stat out{std::move(values)};
  const auto n = static_cast<double>(out.per_seed.size());
  if (out.per_seed.empty()) return out;
  double sum = 0;
  for (const double v : out.per_seed) sum += v;
  out.mean = sum / n;
  if (out.per_seed.size() < 2) return out;
  double squares = 0;
  for (const double v : out.per_seed) squares += (v - out.mean) * (v - out.mean);
  out.half_width_95 =
      student_t_95(static_cast<std::int64_t>(out.per_seed.size()) - 1) * std::sqrt(squares / (n - 1) / n);
  return out;
}

/// A moment (step or second) that a seed may never reach.
struct Moment {
  std::vector<std::optional<double>> per_seed;
  std::optional<double> mean;          ///< empty unless every seed reached it
  std::optional<double> mean_reached;  ///< over the seeds that did; empty: none

  [[nodiscard]] std::size_t reached() const {
    return static_cast<std::size_t>(
        std::count_if(per_seed.begin(), per_seed.end(), [](const auto& v) { return v.has_value(); }));
  }
};

/// Means of the moments, one a seed; empty: that seed never reached it.
[[nodiscard]] inline Moment make_moment(std::vector<std::optional<double>> values) {
  Moment out{std::move(values), std::nullopt, std::nullopt};
  if (out.reached() == 0) return out;
  double sum = 0;
  for (const auto& v : out.per_seed) sum += v.value_or(0);
  out.mean_reached = sum / static_cast<double>(out.reached());
  if (out.reached() == out.per_seed.size()) out.mean = out.mean_reached;

  return out;
}

}  // namespace contexture::report
