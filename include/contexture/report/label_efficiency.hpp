// SPDX-License-Identifier: MIT
// Label efficiency: accuracy against the number of labels for both arms, and how many labels the scratch arm needs to
// reach what pre-training reaches with fewer. Pure functions on the experiments' views.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/report/experiment_view.hpp"

namespace contexture::report {

/// Label fractions from which on a run has a label-efficiency view.
inline constexpr std::size_t kEfficiencyFractions = 4;

/// A point of an accuracy curve over labels.
struct LabelAccuracy {
  double labels = 0;
  double accuracy = 0;
};

/// Number of labels at which a curve, given by ascending labels, first reaches `target`: between two points linearly in
/// the logarithm of the labels. Where the first point is already there, its labels: an upper bound, as nothing is
/// known below. Empty: never.
[[nodiscard]] inline std::optional<double> labels_to_reach(std::span<const LabelAccuracy> curve, double target) {
  for (std::size_t i = 0; i < curve.size(); ++i) {
    if (!(curve[i].accuracy >= target)) continue;
    if (i == 0) return curve[0].labels;
    const LabelAccuracy &a = curve[i - 1], &b = curve[i];
    const double share = (target - a.accuracy) / (b.accuracy - a.accuracy);
    const double labels = std::exp(std::log(a.labels) + share * (std::log(b.labels) - std::log(a.labels)));
    return std::clamp(labels, a.labels, b.labels);  // rounding may leave the interval
  }
  return std::nullopt;
}

/// What pre-training reaches with some labels, and what that takes from scratch.
struct LabelsSaved {
  const ExperimentView* experiment = nullptr;
  std::optional<double> scratch_labels;         ///< that reach the pre-trained mean accuracy; empty: none of this run
  bool at_most = false;                         ///< the scratch arm is there with the fewest labels tried
  std::vector<std::optional<double>> per_seed;  ///< scratch_labels seed by seed, each against its own curve
  [[nodiscard]] std::optional<double> saved() const {
    if (!scratch_labels) return std::nullopt;
    return *scratch_labels - static_cast<double>(experiment->labels);
  }
  /// Times as many labels from scratch.
  [[nodiscard]] std::optional<double> factor() const {
    if (!scratch_labels || experiment->labels <= 0) return std::nullopt;
    return *scratch_labels / static_cast<double>(experiment->labels);
  }
};

/// One entry an experiment that has both arms, by ascending labels; empty where there are fewer than
/// kEfficiencyFractions of them. The views must outlive the result.
[[nodiscard]] inline std::vector<LabelsSaved> label_efficiency(const std::vector<ExperimentView>& views) {
  std::vector<const ExperimentView*> used;
  for (const ExperimentView& e : views)
    if (e.complete() && e.labels > 0 && is_finite(e.scratch.test_accuracy.mean) &&
        is_finite(e.pretrained.test_accuracy.mean))
      used.push_back(&e);
  std::sort(used.begin(), used.end(),
            [](const ExperimentView* a, const ExperimentView* b) { return a->labels < b->labels; });
  used.erase(std::unique(used.begin(), used.end(),
                         [](const ExperimentView* a, const ExperimentView* b) { return a->labels == b->labels; }),
             used.end());
  if (used.size() < kEfficiencyFractions) return {};
  std::size_t seeds = used[0]->difference.per_seed.size();
  for (const ExperimentView* e : used) seeds = std::min(seeds, e->difference.per_seed.size());
  const auto curve_of = [&](auto accuracy) {
    std::vector<LabelAccuracy> curve;
    for (const ExperimentView* e : used) curve.push_back({static_cast<double>(e->labels), accuracy(*e)});
    return curve;
  };
  const std::vector<LabelAccuracy> mean =
      curve_of([](const ExperimentView& e) { return e.scratch.test_accuracy.mean; });
  std::vector<std::vector<LabelAccuracy>> of_seed;
  for (std::size_t s = 0; s < seeds; ++s)
    of_seed.push_back(curve_of([&](const ExperimentView& e) { return e.scratch.test_accuracy.per_seed[s]; }));
  std::vector<LabelsSaved> out;
  for (const ExperimentView* e : used) {
    LabelsSaved point;
    point.experiment = e;
    point.scratch_labels = labels_to_reach(mean, e->pretrained.test_accuracy.mean);
    point.at_most = mean.front().accuracy >= e->pretrained.test_accuracy.mean;
    for (std::size_t s = 0; s < seeds; ++s)
      point.per_seed.push_back(labels_to_reach(of_seed[s], e->pretrained.test_accuracy.per_seed[s]));
    out.push_back(std::move(point));
  }
  return out;
}

}  // namespace contexture::report
