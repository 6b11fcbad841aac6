// SPDX-License-Identifier: MIT
// What a report says of one experiment, worked out from RunSummary: both arms over their seeds, how fast they were, the
// difference and how sure it is. Pure functions; no text, no drawing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/report/history.hpp"
#include "contexture/report/significance.hpp"
#include "contexture/report/statistics.hpp"
#include "contexture/study/curves.hpp"
#include "contexture/study/results.hpp"

namespace contexture::report {

/// One arm of one experiment over its seeds.
struct ArmView {
  std::size_t seeds = 0;
  double learning_rate = 0;  ///< peak; the same for every seed
  Stat best_val_accuracy, test_accuracy, test_macro_f1, final_train_loss, seconds;
  Moment plateau_step, plateau_seconds;
  std::map<std::string, Moment> steps_to, seconds_to;
  /// Steps until the training loss made half, and nine tenths, of the fall that the scratch arm makes in all.
  Moment loss_half, loss_ninety;
  Moment loss_half_seconds, loss_ninety_seconds;  ///< the same moments, since the arm began
  Stat mean_train_loss;                           ///< over the whole run: the area under the loss curve per step
  ConfusionMatrix confusion;                      ///< summed over seeds
};

/// One experiment, ready to be shown.
struct ExperimentView {
  std::string key;  ///< "10"
  double label_fraction = 1;
  std::int64_t labels = 0;
  std::vector<std::uint64_t> seeds;
  ArmView scratch, pretrained;
  Stat difference;                        ///< test accuracy, pretrained - scratch, paired by seed
  SignTest sign;                          ///< of the differences
  std::vector<McNemar> mcnemar_per_seed;  ///< on the test answers; empty: answers or labels are not known
  std::optional<McNemar> mcnemar;         ///< over all seeds, image by image
  double loss_start = std::numeric_limits<double>::quiet_NaN();         ///< the fall that loss_half measures: from here
  double plateau_tolerance = std::numeric_limits<double>::quiet_NaN();  ///< the larger of both arms; NaN: not known
  [[nodiscard]] bool plateau_told() const { return !(plateau_tolerance > kMostPlateauTolerance); }
  double loss_end = std::numeric_limits<double>::quiet_NaN();  ///< to here, in nats
  [[nodiscard]] const ArmView& arm(Arm which) const { return which == Arm::scratch ? scratch : pretrained; }
  [[nodiscard]] bool complete() const { return scratch.seeds > 0 && pretrained.seeds > 0; }
};

namespace detail {

/// One arm from its results; the moments of its loss need the history, see view_losses().
[[nodiscard]] inline ArmView view_arm(const std::vector<ArmResult>& results) {
  ArmView out;
  out.seeds = results.size();
  if (!results.empty()) out.learning_rate = results.front().learning_rate;
  const auto stat = [&](double ArmResult::*member) {
    std::vector<double> values;
    for (const ArmResult& r : results) values.push_back(r.*member);
    return make_stat(std::move(values));
  };
  out.best_val_accuracy = stat(&ArmResult::best_val_accuracy);
  out.test_accuracy = stat(&ArmResult::test_accuracy);
  out.test_macro_f1 = stat(&ArmResult::test_macro_f1);
  out.final_train_loss = stat(&ArmResult::final_train_loss);
  out.seconds = stat(&ArmResult::seconds);
  std::vector<std::optional<double>> plateau, plateau_seconds;
  for (const ArmResult& r : results) {
    plateau.push_back(r.plateau_step ? std::optional<double>(static_cast<double>(*r.plateau_step)) : std::nullopt);
    plateau_seconds.push_back(r.plateau_seconds);
  }
  out.plateau_step = make_moment(std::move(plateau));
  out.plateau_seconds = make_moment(std::move(plateau_seconds));
  for (const int percent : kTimeToPercent) {
    const std::string level = std::to_string(percent);
    std::vector<std::optional<double>> steps, seconds;
    for (const ArmResult& r : results) {
      const auto s = r.steps_to.find(level);
      if (s == r.steps_to.end()) continue;  // no arm from scratch to compare with
      steps.push_back(s->second ? std::optional<double>(static_cast<double>(*s->second)) : std::nullopt);
      const auto t = r.seconds_to.find(level);
      seconds.push_back(t != r.seconds_to.end() ? t->second : std::nullopt);
    }
    out.steps_to[level] = make_moment(std::move(steps));
    out.seconds_to[level] = make_moment(std::move(seconds));
  }
  for (const ArmResult& r : results) {
    const auto cells = static_cast<std::size_t>(r.confusion.classes * r.confusion.classes);
    if (r.confusion.classes <= 0 || r.confusion.counts.size() != cells) continue;
    if (out.confusion.classes == 0) out.confusion = {r.confusion.classes, std::vector<std::int64_t>(cells, 0)};
    if (out.confusion.classes != r.confusion.classes) continue;
    for (std::size_t i = 0; i < cells; ++i) out.confusion.counts[i] += r.confusion.counts[i];
  }
  return out;
}

/// How fast the training loss of both arms fell, from the history.
inline void view_losses(const RunSummary& run, ExperimentView& view) {
  const auto loss = [](const HistoryRow& row) { return row.loss; };
  const auto scratch = arm_curves(run, view.label_fraction, Arm::scratch, "train", loss);
  const auto pretrained = arm_curves(run, view.label_fraction, Arm::pretrained, "train", loss);
  if (scratch.empty()) return;
  double start = 0, end = 0;
  for (const SeedCurve& c : scratch) {
    start += c.value.front() / static_cast<double>(scratch.size());
    end += *std::min_element(c.value.begin(), c.value.end()) / static_cast<double>(scratch.size());
  }
  view.loss_start = start;
  view.loss_end = end;
  const auto fill = [&](const std::vector<SeedCurve>& curves, ArmView& arm) {
    std::vector<std::optional<double>> half, ninety, half_seconds, ninety_seconds;
    std::vector<double> area;
    const auto see = [&](const SeedCurve& c, double share, auto& steps, auto& seconds) {
      const std::optional<CurvePlace> place = first_below(c, start - share * (start - end));
      steps.push_back(place ? std::optional(place->step) : std::nullopt);
      seconds.push_back(place ? std::optional(place->seconds) : std::nullopt);
    };
    for (const SeedCurve& c : curves) {
      see(c, 0.5, half, half_seconds);
      see(c, 0.9, ninety, ninety_seconds);
      // A row is the mean since the row before, so it counts as often as there were steps between.
      double sum = 0, weight = 0;
      for (std::size_t i = 0; i < c.value.size(); ++i) {
        const auto steps = static_cast<double>(c.step[i] - (i > 0 ? c.step[i - 1] : 0));
        sum += steps * c.value[i];
        weight += steps;
      }
      area.push_back(weight > 0 ? sum / weight : c.value.front());
    }
    arm.loss_half = make_moment(std::move(half));
    arm.loss_ninety = make_moment(std::move(ninety));
    arm.loss_half_seconds = make_moment(std::move(half_seconds));
    arm.loss_ninety_seconds = make_moment(std::move(ninety_seconds));
    arm.mean_train_loss = make_stat(std::move(area));
  };
  fill(scratch, view.scratch);
  fill(pretrained, view.pretrained);
  // Means over runs of different length do not compare: an arm stopped, or its loss left the numbers.
  for (const auto* curves : {&scratch, &pretrained})
    for (const SeedCurve& c : *curves)
      if (c.step.back() != scratch[0].step.back())
        view.scratch.mean_train_loss = view.pretrained.mean_train_loss = Stat{};
}

/// The tests on test answers; none where answers or labels are not known.
inline void view_answers(const RunSummary& run, const ExperimentResult& experiment, ExperimentView& view) {
  std::vector<std::vector<std::int32_t>> scratch, pretrained;
  for (std::size_t i = 0; i < std::min(experiment.scratch.size(), experiment.pretrained.size()); ++i) {
    scratch.push_back(experiment.scratch[i].answers.predicted);
    pretrained.push_back(experiment.pretrained[i].answers.predicted);
    if (run.test_labels.empty() || scratch.back().size() != run.test_labels.size() ||
        pretrained.back().size() != run.test_labels.size())
      return;
  }
  if (scratch.empty()) return;
  for (std::size_t i = 0; i < scratch.size(); ++i)
    view.mcnemar_per_seed.push_back(contexture::report::mcnemar(run.test_labels, scratch[i], pretrained[i]));
  view.mcnemar = mcnemar_over_seeds(run.test_labels, scratch, pretrained);
}

}  // namespace detail

/// What `run` says of one of its experiments.
[[nodiscard]] inline ExperimentView view_of(const RunSummary& run, const ExperimentResult& experiment) {
  ExperimentView out;
  out.key = percent_name(experiment.label_fraction);
  out.label_fraction = experiment.label_fraction;
  out.labels = experiment.labels;
  out.seeds = experiment.seeds;
  out.scratch = detail::view_arm(experiment.scratch);
  out.pretrained = detail::view_arm(experiment.pretrained);
  std::vector<double> difference;
  for (std::size_t i = 0; i < std::min(experiment.scratch.size(), experiment.pretrained.size()); ++i)
    difference.push_back(experiment.pretrained[i].test_accuracy - experiment.scratch[i].test_accuracy);
  out.sign = sign_test(difference);
  out.difference = make_stat(std::move(difference));
  if (run.validation_images > 0)
    for (ArmView* arm : {&out.scratch, &out.pretrained})
      if (is_finite(arm->best_val_accuracy.mean))
        out.plateau_tolerance =
            std::max(is_finite(out.plateau_tolerance) ? out.plateau_tolerance : 0,
                     contexture::plateau_tolerance(arm->best_val_accuracy.mean, run.validation_images));
  if (!out.plateau_told())
    for (ArmView* arm : {&out.scratch, &out.pretrained}) arm->plateau_step = arm->plateau_seconds = Moment{};
  detail::view_answers(run, experiment, out);
  detail::view_losses(run, out);
  return out;
}

/// The same of all, in their order.
[[nodiscard]] inline std::vector<ExperimentView> views_of(const RunSummary& run) {
  std::vector<ExperimentView> out;
  for (const ExperimentResult& e : run.experiments) out.push_back(view_of(run, e));
  return out;
}

/// Standard error of a test accuracy; NaN where it is not known.
[[nodiscard]] inline double test_se(double accuracy, std::int64_t images) {
  return images > 0 && is_finite(accuracy) ? binomial_standard_error(accuracy, images)
                                           : std::numeric_limits<double>::quiet_NaN();
}

/// What can be said about a difference of test accuracies.
enum class Verdict { unknown, gain, loss, tie };

/// With two seeds or more: the 95 % interval of the paired difference excludes zero. With one seed: McNemar's exact
/// test on the answers gives p < 0.05; where they are not known, the difference exceeds two of its standard errors,
/// from both accuracies as if they were independent, which overstates the error of two models on the same images.
struct Judgement {
  Verdict verdict = Verdict::unknown;
  /// 95 % interval of the difference: over seeds by Student's t, else of the test images, exact where the answers are
  /// known. It excludes zero where the verdict is gain or loss.
  double low = std::numeric_limits<double>::quiet_NaN(), high = std::numeric_limits<double>::quiet_NaN();
  bool over_seeds = false;  ///< the interval is over seeds, else of the test set
  /// The smallest difference that would have been told from none: half the interval over seeds, or what the exact test
  /// on the images can show.
  double smallest = std::numeric_limits<double>::quiet_NaN();
};

/// Test images that one of two classifiers alone answers rightly: as measured, else as many as there would be if they
/// erred independently.
[[nodiscard]] inline std::int64_t discordant_images(const ExperimentView& e, std::int64_t test_images) {
  if (e.mcnemar) return e.mcnemar->scratch + e.mcnemar->pretrained;
  const double a = e.scratch.test_accuracy.mean, b = e.pretrained.test_accuracy.mean;
  return is_finite(a) && is_finite(b)
             ? std::llround((a * (1 - b) + b * (1 - a)) * static_cast<double>(std::max<std::int64_t>(0, test_images)))
             : 0;
}

/// The verdict on an experiment whose test set has `test_images` images; unknown where an arm is missing.
[[nodiscard]] inline Judgement judge(const ExperimentView& e, std::int64_t test_images) {
  Judgement out;
  if (!is_finite(e.difference.mean)) return out;
  out.over_seeds = e.difference.has_interval();
  if (out.over_seeds) {
    out.low = e.difference.low(), out.high = e.difference.high();
    out.smallest = e.difference.half_width_95;
  } else if (e.mcnemar && test_images > 0) {
    const DifferenceInterval interval = exact_interval(*e.mcnemar, test_images);
    out.low = interval.low, out.high = interval.high;
    out.smallest = smallest_telling(discordant_images(e, test_images), test_images);
  } else {
    const double a = test_se(e.scratch.test_accuracy.mean, test_images);
    const double b = test_se(e.pretrained.test_accuracy.mean, test_images);
    out.smallest = 2 * std::sqrt(a * a + b * b);
    out.low = e.difference.mean - out.smallest, out.high = e.difference.mean + out.smallest;
  }
  if (!is_finite(out.smallest)) return out;
  const bool told = !out.over_seeds && e.mcnemar ? e.mcnemar->p < 0.05 : std::abs(e.difference.mean) > out.smallest;
  if (!told)
    out.verdict = Verdict::tie;
  else
    out.verdict = e.difference.mean > 0 ? Verdict::gain : Verdict::loss;
  return out;
}

}  // namespace contexture::report
