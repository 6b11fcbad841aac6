// SPDX-License-Identifier: MIT
// What the parts of a run cost on this machine, now: a few steps of its own trainings are timed.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "contexture/core/process_group.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/split.hpp"
#include "contexture/evaluate/reference_encoder.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/ssl/recalibrate.hpp"
#include "contexture/study/budget.hpp"
#include "contexture/study/phases.hpp"
#include "contexture/study/plan.hpp"
#include "contexture/train/classifier.hpp"
#include "contexture/train/pretraining.hpp"
#include "contexture/train/progress.hpp"
#include "contexture/train/training.hpp"

namespace contexture {

namespace detail {

inline double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Seconds that a call takes; of a short one, when it is made again.
template <class Work>
double seconds_of(Work work) {
  double seconds = 0;
  for (int i = 0; i < 2 && seconds < 0.3; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    seconds = of_first(process_group(), seconds_since(begin));  // all go round as often
  }
  return seconds;
}

// Times the steps of a training, the first few left out (memory is taken, kernels are chosen, batches are made ahead),
// and stops it after so many seconds.
class StepClock final : public Progress {
 public:
  explicit StepClock(double at_least) : at_least_(at_least) {}

  void step(std::int64_t step, double, double, double) override {
    if (step == kLeftOut) begin_ = std::chrono::steady_clock::now();
    if (step < kLeftOut + kFewest) return;
    seconds_ = seconds_since(begin_) / static_cast<double>(step - kLeftOut);
    if (seconds_since(begin_) >= at_least_) stop_.request();
  }
  [[nodiscard]] const StopToken& stop() const { return stop_; }
  [[nodiscard]] double seconds_a_step() const { return seconds_; }

 private:
  static constexpr std::int64_t kLeftOut = 4, kFewest = 4;
  double at_least_, seconds_ = 0;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  StopToken stop_;
};

// How a training is timed that is thrown away.
inline TrainingOptions timed_training(const ExperimentConfig& config, Index batch) {
  return {.steps = 1'000'000,
          .batch = batch,
          .learning_rate = 1e-4,
          .optimizer = optimizer_of(config),
          .processes = process_options(config)};
}

// Pictures and pages, beside what the network does for them (measured: 3 to 5 s on one core).
inline constexpr double kDrawingSeconds = 4;

}  // namespace detail

/// Times a few steps of pre-training and of the classifiers with this configuration, for about `seconds` each, and an
/// evaluation of both. Leaves out RunCosts::spent. Collective: all processes have the first one's times. Throws as
/// plan_run() does.
[[nodiscard]] inline RunCosts measure_costs(const ExperimentConfig& config, const Dataset& data, double seconds) {
  RunCosts costs;
  const RunPlan plan = plan_run(config, data);
  const Split split = plan.split(config.seed);
  double image = 0;  // of a forward pass
  const Rng rng(config.seed);
  if (config.encoder.empty()) {
    const std::unique_ptr<Backbone<float>> encoder = make_backbone<float>(plan.classifier.encoder, encoder_stream(rng));
    const std::unique_ptr<PretextTask<float>> pretext = make_pretext_task<float>(
        config.pretext, plan.pretext_images, config.pretext_options, *encoder, rng.split("pretext head"));
    const Index batch = std::min(config.pretrain_batch_size, data.train.count);
    detail::StepClock clock(seconds);
    (void)pretrain(*encoder, *pretext, {.set = data.train, .more = &data.unlabeled, .recalibrate = false},
                   detail::timed_training(config, batch), rng.split("pretext"),
                   {.progress = &clock, .stop = &clock.stop()});
    costs.pretrain_step = clock.seconds_a_step();
    costs.pretrain_evaluation = detail::seconds_of([&] {
      (void)evaluate_pretext(*pretext, *encoder, data.train, split.validation, detail::kPretextEvaluationBatch, rng);
    });
    const std::vector<Index> some = numbered(std::min<Index>(data.train.count, 512));
    image =
        detail::seconds_of([&] { recalibrate_batch_norm(*encoder, data.train, some, plan.classifier.normalization); }) /
        static_cast<double>(some.size());
    costs.pretrain_end = image * static_cast<double>(std::min<Index>(data.train.count, 2048));
  }
  for (const double fraction : config.fractions) {
    const std::vector<Index> subset = plan.labels(config.seed, split, fraction);
    const ArmPlan how = plan.arm({fraction, Arm::scratch, config.seed}, static_cast<std::int64_t>(split.train.size()),
                                 static_cast<std::int64_t>(subset.size()));
    ImageClassifier model(plan.classifier, rng.split("initialisation"));
    detail::StepClock clock(seconds);
    (void)train_classifier(model,
                           {.set = data.train,
                            .indices = subset,
                            .augmentation = {.crop_padding = how.padding, .flip = plan.classifier.mirror},
                            .label_smoothing = config.label_smoothing},
                           detail::timed_training(config, how.batch), rng.split("batches"),
                           {.progress = &clock, .stop = &clock.stop()});
    costs.classifier_step.push_back(clock.seconds_a_step());
    if (costs.classifier_evaluation > 0) continue;
    costs.classifier_evaluation = detail::seconds_of([&] { (void)score(model, data.train, split.validation); });
    const double answer = costs.classifier_evaluation / static_cast<double>(split.validation.size());
    costs.classifier_test = answer * static_cast<double>(data.test.count);
    image = std::max(image, answer / (plan.classifier.mirror ? 2 : 1));
  }
  costs.report =
      detail::kDrawingSeconds + 3 * image * static_cast<double>(data.test.count);  // three encoders' features
  for (double* const part : {&costs.pretrain_step, &costs.pretrain_evaluation, &costs.pretrain_end,
                             &costs.classifier_evaluation, &costs.classifier_test, &costs.report})
    *part = of_first(process_group(), *part);
  take_from_first(process_group(), std::span(costs.classifier_step));
  return costs;
}

}  // namespace contexture
