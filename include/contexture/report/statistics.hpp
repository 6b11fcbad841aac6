// The figures behind the report: means and intervals over seeds, curves averaged over seeds, how
// fast a loss fell. Pure functions on RunSummary; no text, no drawing.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contexture/report/significance.hpp"
#include "contexture/study/curves.hpp"
#include "contexture/study/results.hpp"

namespace contexture::detail::report {

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
  [[nodiscard]] bool has_interval() const { return std::isfinite(half_width_95); }
  [[nodiscard]] double low() const { return mean - half_width_95; }
  [[nodiscard]] double high() const { return mean + half_width_95; }
};

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

[[nodiscard]] inline Moment make_moment(std::vector<std::optional<double>> values) {
  Moment out{std::move(values), std::nullopt, std::nullopt};
  if (out.reached() == 0) return out;
  double sum = 0;
  for (const auto& v : out.per_seed) sum += v.value_or(0);
  out.mean_reached = sum / static_cast<double>(out.reached());
  if (out.reached() == out.per_seed.size()) out.mean = out.mean_reached;

  return out;
}

/// One curve of one seed.
struct SeedCurve {
  std::uint64_t seed = 0;
  std::vector<std::int64_t> step;
  std::vector<double> seconds;
  std::vector<double> value;
};

/// One point of a curve averaged over the seeds that have a value at this step.
struct BandPoint {
  double step = 0, seconds = 0;        ///< seconds: mean over seeds
  double mean = 0, low = 0, high = 0;  ///< low, high: smallest and largest seed
  double raw = 0;                      ///< mean before smoothing
};

/// Curves of one arm, one per seed, in the order of first appearance. `value` picks the column.
template <class Value>
[[nodiscard]] std::vector<SeedCurve> seed_curves(const RunSummary& run, double label_fraction, Arm arm,
                                                 const std::string& split, Value value) {
  std::vector<SeedCurve> out;
  const auto measured = std::find_if(run.experiments.begin(), run.experiments.end(),
                                     [&](const ExperimentResult& e) { return e.label_fraction == label_fraction; });
  for (const PhaseRow& row : run.history) {
    const std::uint64_t seed = row.phase.seed;
    if (row.phase != PhaseId{label_fraction, arm, seed} || row.split != split) continue;
    // A seed one of whose arms diverged is in the history alone.
    if (measured != run.experiments.end() &&
        std::find(measured->seeds.begin(), measured->seeds.end(), seed) == measured->seeds.end())
      continue;
    auto at = std::find_if(out.begin(), out.end(), [&](const SeedCurve& c) { return c.seed == seed; });
    if (at == out.end()) at = out.insert(out.end(), SeedCurve{seed, {}, {}, {}});
    const double v = value(row);
    if (!std::isfinite(v)) continue;
    at->step.push_back(row.step);
    at->seconds.push_back(row.seconds);
    at->value.push_back(v);
  }
  std::erase_if(out, [](const SeedCurve& c) { return c.step.empty(); });
  return out;
}

/// The values after the smoothing that plateau and steps_to are measured on.
[[nodiscard]] inline std::vector<double> smoothed_values(const SeedCurve& curve) {
  std::vector<CurvePoint> points;
  for (const double v : curve.value) points.push_back({0, 0, v});
  return smoothed(points);
}

/// Averages over seeds, step by step; the band is the range of the seeds.
[[nodiscard]] inline std::vector<BandPoint> band_of(const std::vector<SeedCurve>& curves, bool smooth) {
  struct Sums {
    double n = 0, seconds = 0, mean = 0, raw = 0, low = 0, high = 0;
  };
  std::map<std::int64_t, Sums> at_step;
  for (const SeedCurve& curve : curves) {
    const std::vector<double> values = smooth ? smoothed_values(curve) : curve.value;
    for (std::size_t i = 0; i < values.size(); ++i) {
      Sums& s = at_step[curve.step[i]];
      s.low = s.n == 0 ? values[i] : std::min(s.low, values[i]);
      s.high = s.n == 0 ? values[i] : std::max(s.high, values[i]);
      s.n += 1;
      s.seconds += curve.seconds[i];
      s.mean += values[i];
      s.raw += curve.value[i];
    }
  }
  std::vector<BandPoint> out;
  for (const auto& [step, s] : at_step)
    out.push_back({static_cast<double>(step), s.seconds / s.n, s.mean / s.n, s.low, s.high, s.raw / s.n});
  return out;
}

/// A place on a curve.
struct CurvePlace {
  double step = 0, seconds = 0;
};

/// Where the curve is first at or below `level`, linearly between two measurements.
[[nodiscard]] inline std::optional<CurvePlace> first_below(const SeedCurve& curve, double level) {
  for (std::size_t i = 0; i < curve.value.size(); ++i) {
    if (!(curve.value[i] <= level)) continue;
    const auto step = static_cast<double>(curve.step[i]);
    if (i == 0) return CurvePlace{step, curve.seconds[0]};
    const double before = curve.value[i - 1], fall = before - curve.value[i];
    const double share = fall > 0 ? (before - level) / fall : 1.0;
    const auto from = static_cast<double>(curve.step[i - 1]);
    return CurvePlace{from + share * (step - from),
                      curve.seconds[i - 1] + share * (curve.seconds[i] - curve.seconds[i - 1])};
  }
  return std::nullopt;
}

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
  ArmView scratch, pretrained;
  Stat difference;                        ///< test accuracy, pretrained - scratch, paired by seed
  SignTest sign;                          ///< of the differences
  std::vector<McNemar> mcnemar_per_seed;  ///< on the test answers; empty: answers or labels are not known
  std::optional<McNemar> mcnemar;         ///< over all seeds, image by image
  double loss_start = std::numeric_limits<double>::quiet_NaN();  ///< the fall that loss_half measures: from here
  double loss_end = std::numeric_limits<double>::quiet_NaN();    ///< to here, in nats
  [[nodiscard]] const ArmView& arm(Arm which) const { return which == Arm::scratch ? scratch : pretrained; }
  [[nodiscard]] bool complete() const { return scratch.seeds > 0 && pretrained.seeds > 0; }
};

inline ArmView view_arm(const std::vector<ArmResult>& results) {
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

inline void view_losses(const RunSummary& run, ExperimentView& view) {
  const auto loss = [](const HistoryRow& row) { return row.loss; };
  const auto scratch = seed_curves(run, view.label_fraction, Arm::scratch, "train", loss);
  const auto pretrained = seed_curves(run, view.label_fraction, Arm::pretrained, "train", loss);
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
    view.mcnemar_per_seed.push_back(contexture::detail::report::mcnemar(run.test_labels, scratch[i], pretrained[i]));
  view.mcnemar = mcnemar_over_seeds(run.test_labels, scratch, pretrained);
}

[[nodiscard]] inline ExperimentView view_of(const RunSummary& run, const ExperimentResult& experiment) {
  ExperimentView out;
  out.key = percent_name(experiment.label_fraction);
  out.label_fraction = experiment.label_fraction;
  out.labels = experiment.labels;
  out.scratch = view_arm(experiment.scratch);
  out.pretrained = view_arm(experiment.pretrained);
  std::vector<double> difference;
  for (std::size_t i = 0; i < std::min(experiment.scratch.size(), experiment.pretrained.size()); ++i)
    difference.push_back(experiment.pretrained[i].test_accuracy - experiment.scratch[i].test_accuracy);
  out.sign = sign_test(difference);
  out.difference = make_stat(std::move(difference));
  view_answers(run, experiment, out);
  view_losses(run, out);
  return out;
}

[[nodiscard]] inline std::vector<ExperimentView> views_of(const RunSummary& run) {
  std::vector<ExperimentView> out;
  for (const ExperimentResult& e : run.experiments) out.push_back(view_of(run, e));
  return out;
}

/// Standard error of a test accuracy; NaN where it is not known.
[[nodiscard]] inline double test_se(double accuracy, std::int64_t images) {
  return images > 0 && std::isfinite(accuracy) ? binomial_standard_error(accuracy, images)
                                               : std::numeric_limits<double>::quiet_NaN();
}

/// What can be said about a difference of test accuracies.
enum class Verdict { unknown, gain, loss, tie };

/// With two seeds or more: the 95 % interval of the paired difference excludes zero. With one seed: McNemar's exact
/// test on the answers gives p < 0.05; where they are not known, the difference exceeds two of its standard errors,
/// from both accuracies as if they were independent, which overstates the error of two models on the same images.
struct Judgement {
  Verdict verdict = Verdict::unknown;
  /// Half-width of the 95 % interval over seeds, or two standard errors of the difference: with n test images, of which
  /// b and c are answered rightly by one arm alone, sqrt(b + c - (b - c)^2 / n) / n each.
  double noise = std::numeric_limits<double>::quiet_NaN();
  bool over_seeds = false;  ///< noise is over seeds, else of the test set
};

[[nodiscard]] inline Judgement judge(const ExperimentView& e, std::int64_t test_images) {
  Judgement out;
  if (!std::isfinite(e.difference.mean)) return out;
  out.over_seeds = e.difference.has_interval();
  const double a = test_se(e.scratch.test_accuracy.mean, test_images);
  const double b = test_se(e.pretrained.test_accuracy.mean, test_images);
  out.noise = out.over_seeds ? e.difference.half_width_95 : 2 * std::sqrt(a * a + b * b);
  if (!out.over_seeds && e.mcnemar && test_images > 0) {
    const auto n = static_cast<double>(test_images);
    const auto gained = static_cast<double>(e.mcnemar->pretrained - e.mcnemar->scratch);
    const auto discordant = static_cast<double>(e.mcnemar->pretrained + e.mcnemar->scratch);
    out.noise = 2 * std::sqrt(std::max(0.0, discordant - gained * gained / n)) / n;
  }
  if (!std::isfinite(out.noise)) return out;
  const bool told = !out.over_seeds && e.mcnemar ? e.mcnemar->p < 0.05 : std::abs(e.difference.mean) > out.noise;
  if (!told)
    out.verdict = Verdict::tie;
  else
    out.verdict = e.difference.mean > 0 ? Verdict::gain : Verdict::loss;
  return out;
}

}  // namespace contexture::detail::report
