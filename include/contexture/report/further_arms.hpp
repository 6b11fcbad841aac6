// SPDX-License-Identifier: MIT
// The further arms of an experiment: students, and the arm from scratch that had the time of pre-training as well. What
// they reached, what they took in all, and what each is worth over the arm that it is to be compared with.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/study/results.hpp"

namespace contexture::report {

/// An arm against another, as the experiment of both: `view.scratch` is the base.
struct ArmComparison {
  Arm arm = Arm::pretrained, base = Arm::scratch;
  const char* what = "";  ///< what the difference is worth
  ExperimentView view;
};

/// One arm with all that it needed.
struct ArmTotal {
  Arm arm = Arm::scratch;
  ArmView view;
  std::vector<std::int64_t> steps = {};  ///< one a seed
  /// Share of the way from this experiment's arm from scratch to that with all labels: NaN where the run has no such
  /// experiment, or the way leads down.
  double gap_closed = std::numeric_limits<double>::quiet_NaN();
  double before = 0;  ///< seconds of pre-training and of the teacher, as far as they are known
};

/// What a report says of one experiment with further arms.
struct FurtherArms {
  std::string key;  ///< "10"
  double label_fraction = 1;
  std::int64_t labels = 0;
  std::vector<ArmTotal> arms;  ///< all, the first two too
  std::vector<ArmComparison> comparisons;
};

namespace detail {

[[nodiscard]] inline const std::vector<ArmResult>* results_of(const ExperimentResult& e, Arm arm) {
  if (arm == Arm::scratch) return e.scratch.empty() ? nullptr : &e.scratch;
  if (arm == Arm::pretrained) return e.pretrained.empty() ? nullptr : &e.pretrained;
  const auto found = e.more.find(arm);
  return found == e.more.end() ? nullptr : &found->second;
}

// Arm, base, and what the difference is.
struct ComparedArms {
  Arm arm, base;
  const char* what;
};

// Pre-training's worth is told by arms that differ in nothing else.
inline constexpr std::array<ComparedArms, 6> kComparedArms{{
    {Arm::pretrained, Arm::scratch, "pre-training"},
    {Arm::pretrained_selftrained, Arm::scratch_selftrained, "pre-training, both with self-training"},
    {Arm::scratch_selftrained, Arm::scratch, "self-training, both from scratch"},
    {Arm::pretrained_selftrained, Arm::pretrained, "self-training, both pre-trained"},
    {Arm::pretrained_selftrained, Arm::scratch, "pre-training and self-training together"},
    {Arm::pretrained, Arm::scratch_same_time, "pre-training, over the same time spent from scratch"},
}};

inline constexpr std::array<Arm, 5> kArmsInOrder{Arm::scratch, Arm::pretrained, Arm::scratch_selftrained,
                                                 Arm::pretrained_selftrained, Arm::scratch_same_time};

}  // namespace detail

namespace detail {

// Test accuracy from scratch with all labels; NaN: not measured.
[[nodiscard]] inline double scratch_with_all_labels(const RunSummary& run) {
  for (const ExperimentResult& e : run.experiments)
    if (e.label_fraction == 1 && !e.scratch.empty()) return view_arm(e.scratch).test_accuracy.mean;
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace detail

/// The experiments that have further arms.
[[nodiscard]] inline std::vector<FurtherArms> further_arms(const RunSummary& run) {
  std::vector<FurtherArms> out;
  const double pretraining = run.pretrain && is_finite(run.pretrain->seconds) ? run.pretrain->seconds : 0;
  for (const ExperimentResult& e : run.experiments) {
    if (e.more.empty()) continue;
    FurtherArms& f = out.emplace_back();
    f.key = percent_name(e.label_fraction);
    f.label_fraction = e.label_fraction;
    f.labels = e.labels;
    for (const Arm arm : detail::kArmsInOrder) {
      const std::vector<ArmResult>* const results = detail::results_of(e, arm);
      if (results == nullptr) continue;
      ArmTotal total{arm, detail::view_arm(*results)};
      for (const ArmResult& r : *results) total.steps.push_back(r.steps);
      if (begins_pretrained(arm)) total.before += pretraining;
      if (const std::optional<Arm> teacher = teacher_of(arm))
        for (const ArmTotal& known : f.arms)
          if (known.arm == *teacher) total.before += known.view.seconds.mean;
      const double all_labels = detail::scratch_with_all_labels(run);
      if (f.label_fraction < 1 && !e.scratch.empty()) {
        const double scratch = f.arms.empty() ? total.view.test_accuracy.mean : f.arms.front().view.test_accuracy.mean;
        if (all_labels > scratch) total.gap_closed = (total.view.test_accuracy.mean - scratch) / (all_labels - scratch);
      }
      f.arms.push_back(std::move(total));
    }
    for (const detail::ComparedArms& c : detail::kComparedArms) {
      const std::vector<ArmResult>*arm = detail::results_of(e, c.arm), *base = detail::results_of(e, c.base);
      if (arm == nullptr || base == nullptr) continue;
      f.comparisons.push_back(
          {c.arm, c.base, c.what, view_of(run, {e.label_fraction, e.labels, e.seeds, *base, *arm, {}})});
    }
  }
  return out;
}

}  // namespace contexture::report
