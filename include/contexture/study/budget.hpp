// SPDX-License-Identifier: MIT
// How much is computed in a given time: the settings of a run that ends after about so many seconds, from what its
// parts cost. The rules look at numbers of images, labels and seconds, never at names, and every number that they make
// is a pure function of the costs, which somebody else measures: see measure_costs().
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/settings.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/plan.hpp"
#include "contexture/train/history.hpp"

namespace contexture {

/// Seconds that the parts of a run take, with one configuration.
struct RunCosts {
  double spent = 0;                          ///< before the first phase: images were read, costs measured
  double pretrain_step = 0;                  ///< of pre-training
  double pretrain_evaluation = 0;            ///< one evaluation during pre-training
  double pretrain_end = 0;                   ///< what follows its last step
  std::vector<double> classifier_step = {};  ///< one a label fraction
  double classifier_evaluation = 0;          ///< one evaluation during an arm
  double classifier_test = 0;                ///< of an arm
  double report = 0;                         ///< pictures, tables and words
};

/// The settings that fit_to_time() chooses, unless they are given.
inline constexpr std::array<std::string_view, 7> kSettingsByTime{
    "pretext", "width", "pretrain-epochs", "epochs", "finetune-learning-rate", "encoder-rate", "self-training"};

/// A time, and what is to be done in it.
struct TimeRequest {
  ExperimentConfig config;           ///< values of settings that are not chosen
  std::set<std::string> given = {};  ///< names of settings that keep their value
  double seconds = 600;
  bool firm = true;            ///< a time that is too short is refused; else the shortest run that trains is planned
  Index train_images = 0;      ///< all, with those held out
  Index learnt_images = 0;     ///< without those held out
  Index unlabeled_images = 0;  ///< more of them, for pre-training
};

/// What is done in the time.
struct TimePlan {
  ExperimentConfig config;
  double pretraining = 0;                                             ///< seconds, with its evaluations
  double arms = 0;                                                    ///< likewise, with their tests
  double rest = 0;                                                    ///< what was spent before, and the report
  bool enough = false;                                                ///< longer trainings gain nothing: time is left
  std::int64_t pretrain_steps = 0, fewest_steps = 0, most_steps = 0;  ///< of pre-training, and of the two arms
  std::int64_t further_arms = 0;                                      ///< of all seeds, in `arms`

  [[nodiscard]] double seconds() const { return pretraining + arms + rest; }
};

namespace detail {

// Optimiser steps, as a training is given ever more time. Fewer than `least` do not move the weights far enough to tell
// anything; at `good` most of the gain is had; beyond `most` nothing is gained (docs/research.md).
struct Lengths {
  double least, good, most;

  // Of `way` from 0, the least, by 1, good, to 2, the most.
  [[nodiscard]] double at(double way) const {
    return way <= 1 ? least + std::clamp(way, 0.0, 1.0) * (good - least)
                    : good + std::clamp(way - 1, 0.0, 1.0) * (most - good);
  }
};

// Of pre-training. 600 images of the CIFAR copy: 346 steps brought nothing, 1,080 steps 13 points; all of it: 10 passes
// (3,900 steps) give most of what 100 give a narrow network. Context prediction is good then and stays so: 30 passes
// are worth what ten are, and what its accuracy gains is what JPEG's blocks give away.
inline Lengths pretraining_lengths(std::string_view task, double steps_per_pass) {
  const double good = std::max(2000.0, 10 * steps_per_pass);
  if (task == "context") return {1000, good, good};
  const double most = std::min(std::max(6000.0, 100 * steps_per_pass), 2000 * steps_per_pass);
  return {1000, std::max(1000.0, std::min(good, most)), std::max(1000.0, most)};
}

// Of a classifier with all labels, where the arm with fewest labels takes `fewest` of its steps: that one moves, too.
// CIFAR copy, from scratch: 4,500 labels 73.3, 76.3, 77.6 and 77.7 % after 352, 703, 1,230 and 2,461 steps; all labels
// 86.0 % after 9 passes, 88.6 % after 13, 88.8 % after 26; 108 labels are known by heart after 100 steps.
inline Lengths classifier_lengths(double steps_per_pass, double fewest) {
  const double least = 300 / fewest;
  return {least, std::max({least, 7 * steps_per_pass, std::min(1500.0, 35 * steps_per_pass)}),
          std::max(1200 / fewest, 28 * steps_per_pass)};
}

// A number with three digits, downward, or where that falls below `least`, upward: config.ini is read by people.
inline double three_digits(double value, double least) {
  if (!(value > 0)) return value;
  const double unit = std::pow(10.0, std::floor(std::log10(value)) - 2);
  const double down = std::floor(value / unit * (1 + 1e-12)) * unit;
  const double kept = down >= least ? down : std::ceil(least / unit * (1 - 1e-12)) * unit;
  char text[32];  // 0.7, not 0.7000000000000001
  const std::to_chars_result end = std::to_chars(text, text + sizeof(text), kept, std::chars_format::general, 3);
  return parse_number<double>("passes", std::string_view(text, end.ptr), 0.0, 1e9);
}

// Fits one network into the time.
class TimeFit {
 public:
  TimeFit(const TimeRequest& request, const ExperimentConfig& config, const RunCosts& costs)
      : request_(request), config_(config), costs_(costs) {
    const auto batch = static_cast<double>(std::min(config.pretrain_batch_size, request.train_images));
    pretrain_pass_ = static_cast<double>(request.train_images + request.unlabeled_images) / std::max(batch, 1.0);
    classifier_pass_ =
        std::max(1.0, static_cast<double>(request.learnt_images) / static_cast<double>(config.batch_size));
    double fewest = 1;
    for (const double fraction : config.fractions) fewest = std::min(fewest, classifier_share(fraction));
    pretraining_ = pretraining_lengths(config.pretext, pretrain_pass_);
    classifiers_ = classifier_lengths(classifier_pass_, fewest);
  }

  // The plan at a point of the way: 0, the least of both trainings; 1, both are good; 2, the most of pre-training,
  // which is the cheaper one to go on with; 3, the most of both.
  [[nodiscard]] TimePlan at(double way) const {
    TimePlan plan{config_};
    ExperimentConfig& config = plan.config;
    if (!request_.given.contains("pretrain-epochs"))
      config.pretrain_epochs = three_digits(pretraining_.at(way) / pretrain_pass_, pretraining_.least / pretrain_pass_);
    if (!request_.given.contains("epochs"))
      config.epochs = three_digits(classifiers_.at(way <= 1 ? way : std::max(1.0, way - 1)) / classifier_pass_,
                                   classifiers_.least / classifier_pass_);
    add_seconds(plan);
    return plan;
  }

  // The longest plan of no more than so many seconds; empty where there is none.
  [[nodiscard]] std::optional<TimePlan> within(double seconds) const {
    if (at(0).seconds() > seconds) return std::nullopt;
    if (TimePlan longest = at(3); longest.seconds() <= seconds) {
      longest.enough = true;
      return longest;
    }
    double low = 0, high = 3;
    for (int i = 0; i < 50; ++i) {
      const double middle = (low + high) / 2;
      (at(middle).seconds() <= seconds ? low : high) = middle;
    }
    return at(low);
  }

 private:
  [[nodiscard]] double evaluations(std::int64_t steps) const {
    return static_cast<double>(evaluation_steps(steps, static_cast<int>(config_.evaluations)).size());
  }

  void add_seconds(TimePlan& plan) const {
    const ExperimentConfig& config = plan.config;
    const auto seeds = static_cast<double>(config.seeds);
    plan.rest = costs_.spent + costs_.report;
    if (config.encoder.empty()) {
      plan.pretrain_steps = std::llround(config.pretrain_epochs * pretrain_pass_);
      plan.pretraining = seeds * (static_cast<double>(plan.pretrain_steps) * costs_.pretrain_step +
                                  evaluations(plan.pretrain_steps) * costs_.pretrain_evaluation + costs_.pretrain_end);
    }
    for (std::size_t i = 0; i < config.fractions.size(); ++i) {
      const std::int64_t steps = classifier_steps(config, request_.learnt_images, config.fractions[i]);
      plan.fewest_steps = i == 0 ? steps : std::min(plan.fewest_steps, steps);
      plan.most_steps = std::max(plan.most_steps, steps);
      const double arm = arm_seconds(steps, costs_.classifier_step.at(i));
      plan.arms += seeds * 2 * arm;
      if (config.self_training && has_students(config.fractions[i])) {
        plan.arms += seeds * 2 * (arm_seconds(kStudentSteps * steps, student_step(i)) + teacher_seconds());
        plan.further_arms += 2 * config.seeds;
      }
      if (config.same_time) {
        plan.arms += seeds * arm + plan.pretraining;
        plan.further_arms += config.seeds;
      }
    }
  }

  [[nodiscard]] double arm_seconds(std::int64_t steps, double step) const {
    return static_cast<double>(steps) * step + evaluations(steps) * costs_.classifier_evaluation +
           costs_.classifier_test;
  }

  [[nodiscard]] bool has_students(double fraction) const {
    return few_labels(fraction, request_.train_images, request_.unlabeled_images);
  }

  // A student's batches are full where its teacher's are as small as its labels.
  [[nodiscard]] double student_step(std::size_t i) const {
    const double labels = config_.fractions[i] * static_cast<double>(request_.learnt_images);
    const auto batch = static_cast<double>(config_.batch_size);
    const auto images = static_cast<double>(request_.learnt_images + request_.unlabeled_images);
    return costs_.classifier_step.at(i) *
           std::max(1.0, std::min(batch, images) / std::max(1.0, std::min(batch, labels)));
  }

  // In which a teacher answers to all images, by the time that it takes for those held out.
  [[nodiscard]] double teacher_seconds() const {
    const auto held_out = static_cast<double>(std::max<Index>(1, request_.train_images - request_.learnt_images));
    return costs_.classifier_evaluation / held_out *
           static_cast<double>(request_.learnt_images + request_.unlabeled_images);
  }

  const TimeRequest& request_;
  const ExperimentConfig& config_;
  const RunCosts& costs_;
  double pretrain_pass_ = 1, classifier_pass_ = 1;
  Lengths pretraining_{}, classifiers_{};
};

// The settings that do not depend on the time. SimCLR is the better task in all that was measured, and wants a low rate
// afterwards; so few labels change a good encoder for the worse (docs/research.md).
inline constexpr double kFewLabels = 500;
inline void choose_task(const TimeRequest& request, ExperimentConfig& config) {
  double most = 0;
  for (const double fraction : config.fractions) most = std::max(most, fraction);
  if (most * static_cast<double>(request.learnt_images) <= kFewLabels && !request.given.contains("encoder-rate"))
    config.encoder_rate = 0.1;
  if (!config.encoder.empty()) return;
  if (!request.given.contains("pretext") && config.pretext_options.empty()) config.pretext = "simclr";
  if (!request.given.contains("finetune-learning-rate") && config.pretext == "simclr")
    config.finetune_learning_rate = 0.1;
}

}  // namespace detail

/// The settings of a run that takes about request.seconds, by the costs that `measure` finds for a configuration. The
/// usual width is halved where not even the shortest trainings fit, and doubled, twice at most, where good ones take
/// less than half of the time; arms get students where few images have labels and good trainings still fit. Throws
/// SettingError, saying which time would do, for a firm one that is too short.
[[nodiscard]] inline TimePlan fit_to_time(const TimeRequest& request,
                                          const std::function<RunCosts(const ExperimentConfig&)>& measure) {
  ExperimentConfig config = request.config;
  if (!config.scratch_from.empty())
    throw SettingError("time", "the arms of another run have their steps: give the passes, as that run's config.ini");
  detail::choose_task(request, config);
  const bool any_width = !request.given.contains("width") && config.encoder.empty();
  const Index usual = config.width;
  RunCosts costs = measure(config);
  std::optional<TimePlan> plan = detail::TimeFit(request, config, costs).within(request.seconds);
  if (!plan && any_width && usual >= 2) {
    config.width = usual / 2;
    costs = measure(config);
    plan = detail::TimeFit(request, config, costs).within(request.seconds);
  }
  if (!plan) {
    plan = detail::TimeFit(request, config, costs).at(0);
    if (request.firm)
      throw SettingError(
          "time", message(time_text(request.seconds), " is too short: the shortest run here, of ", plan->pretrain_steps,
                          " steps of pre-training and at least ", plan->fewest_steps, " of every classifier, takes ",
                          time_text(1.05 * plan->seconds())));
    return *plan;
  }
  while (any_width && config.width >= usual && config.width < 4 * usual) {
    if (detail::TimeFit(request, config, costs).at(1).seconds() > request.seconds / 4) break;
    ExperimentConfig wider = config;
    wider.width *= 2;
    const RunCosts more = measure(wider);
    const detail::TimeFit fit(request, wider, more);
    if (fit.at(1).seconds() > request.seconds / 2) break;
    plan = fit.within(request.seconds);
    config = wider;
    costs = more;
  }
  // Students, where there is something to learn from and good trainings still fit.
  const bool few = std::any_of(config.fractions.begin(), config.fractions.end(), [&](double fraction) {
    return few_labels(fraction, request.train_images, request.unlabeled_images);
  });
  if (few && !request.given.contains("self-training")) {
    config.self_training = true;
    const detail::TimeFit fit(request, config, costs);
    if (fit.at(1).seconds() <= request.seconds) plan = fit.within(request.seconds);
  }
  return *plan;
}

}  // namespace contexture
