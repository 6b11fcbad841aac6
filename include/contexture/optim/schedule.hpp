// SPDX-License-Identifier: MIT
// Learning-rate schedules: pure functions of the step, which counts from 0. Each starts with an
// optional linear warm-up.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"

namespace contexture {

/// How a learning rate goes along.
enum class ScheduleKind { constant, one_cycle, cosine, step };

/// A schedule by name and numbers; value semantics, so that a run's configuration can hold it.
struct Schedule {
  ScheduleKind kind = ScheduleKind::one_cycle;
  double peak = 0.1;                          ///< highest learning rate
  std::int64_t total_steps = 1;               ///< steps of the run; later steps get the last rate
  double warmup_fraction = 0.2;               ///< of total_steps, rising linearly from `start` to `peak`
  double start = 0.0;                         ///< share of the peak at step 0, where there is a warm-up
  double end = 0.0;                           ///< share of the peak at the last step (one_cycle, cosine)
  std::vector<double> milestones{0.5, 0.75};  ///< step: shares of total_steps at which the rate drops
  double gamma = 0.1;                         ///< step: factor at each milestone

  /// Learning rate of a step.
  ///   one_cycle: linear up, then linear down to end * peak (Smith, arXiv 1708.07120)
  ///   cosine:    linear up, then half a cosine down to end * peak (Loshchilov and Hutter, arXiv 1608.03983)
  ///   step:      linear up, then peak * gamma^(milestones passed)
  [[nodiscard]] double operator()(std::int64_t step) const {
    require(total_steps >= 1 && warmup_fraction >= 0 && warmup_fraction <= 1 && is_finite(peak) && peak >= 0,
            "Schedule: peak ", peak, ", total_steps ", total_steps, ", warmup_fraction ", warmup_fraction,
            ", expected >= 0, >= 1, and 0 to 1");
    if (total_steps <= 2) return peak;  // a first and a last step, whose rates would be 0, and none between
    const double last = static_cast<double>(total_steps - 1);
    const double t = std::min(1.0, std::max(0.0, static_cast<double>(step) / last));
    if (t < warmup_fraction) return peak * (start + (1.0 - start) * t / warmup_fraction);
    const double down = warmup_fraction < 1.0 ? (t - warmup_fraction) / (1.0 - warmup_fraction) : 0.0;
    switch (kind) {
      case ScheduleKind::constant: return peak;
      case ScheduleKind::one_cycle: return peak * (1.0 - (1.0 - end) * down);
      case ScheduleKind::cosine: return peak * (end + (1.0 - end) * 0.5 * (1.0 + std::cos(std::numbers::pi * down)));
      case ScheduleKind::step: {
        double rate = peak;
        for (const double milestone : milestones)
          if (t >= milestone) rate *= gamma;
        return rate;
      }
    }
    return peak;
  }
};

}  // namespace contexture
