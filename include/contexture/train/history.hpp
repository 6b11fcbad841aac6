// SPDX-License-Identifier: MIT
// What a training measured while it went: a row, and which steps are evaluated. Rows live in memory and in the
// checkpoint, so a stopped or crashed run loses none.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "contexture/core/error.hpp"

namespace contexture {

/// What was measured on one split at one step of a training.
struct HistoryRow {
  std::int64_t step = 0;   ///< optimiser steps taken
  double epoch = 0;        ///< passes over the training images
  double seconds = 0;      ///< since the training began, training and evaluation
  std::string split = {};  ///< "train" (mean since the last row), "validation", "test"
  double loss = 0;         ///< mean loss, nats; of split "train" with label smoothing and on augmented images
  double accuracy = 0;     ///< top-1, 0..1
  double macro_f1 = 0;     ///< unweighted mean of the classes' F1, 0..1; 0 for split "train" and in pre-training
};

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

}  // namespace contexture
