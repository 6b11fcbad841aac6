// SPDX-License-Identifier: MIT
// One experiment with given test accuracies, for the tests of words and statistics.
#pragma once

#include <limits>
#include <vector>

#include "contexture/report/experiment_view.hpp"
#include "contexture/study/results.hpp"

namespace made_up {

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// An experiment with these test accuracies, one a seed, and nothing else.
inline contexture::report::ExperimentView experiment_of(const std::vector<double>& scratch,
                                                        const std::vector<double>& pretrained) {
  contexture::ExperimentResult e;
  e.label_fraction = 0.1;
  e.labels = 400;
  const auto fill = [](const std::vector<double>& values, std::vector<contexture::ArmResult>& arm) {
    for (const double v : values) {
      contexture::ArmResult& r = arm.emplace_back();
      r.best_val_accuracy = r.test_accuracy = r.test_macro_f1 = v;
    }
  };
  fill(scratch, e.scratch);
  fill(pretrained, e.pretrained);
  return contexture::report::view_of(contexture::RunSummary{}, e);
}

}  // namespace made_up
