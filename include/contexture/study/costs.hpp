// What the parts of a run cost on this machine, now: a few steps of its own trainings are timed.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "contexture/data/dataset.hpp"
#include "contexture/data/split.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/ssl/recalibrate.hpp"
#include "contexture/study/budget.hpp"
#include "contexture/study/plan.hpp"
#include "contexture/study/trainings.hpp"
#include "contexture/train/fit.hpp"
#include "contexture/train/progress.hpp"

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
    seconds = seconds_since(begin);
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

// Of a training that is thrown away.
template <class B>
double seconds_a_step(FitTask<B>& task, Optimizer<float>& optimizer, FitOptions options, double at_least) {
  options.evaluate_at.clear();
  options.steps = 1'000'000;
  options.learning_rate = [](std::int64_t) { return 1e-4; };
  options.save_seconds = 1e9;
  StepClock clock(at_least);
  FitState state;
  (void)fit(task, optimizer, options, state, {.progress = &clock, .stop = &clock.stop(), .save = {}});
  return clock.seconds_a_step();
}

// Pictures and pages, beside what the network does for them (measured: 3 to 5 s on one core).
inline constexpr double kDrawingSeconds = 4;

}  // namespace detail

/// Times a few steps of pre-training and of the classifiers with this configuration, for about `seconds` each, and an
/// evaluation of both. Leaves out RunCosts::spent. Throws as plan_run() does.
[[nodiscard]] inline RunCosts measure_costs(const ExperimentConfig& config, const Dataset& data, double seconds) {
  RunCosts costs;
  const RunPlan plan = plan_run(config, data);
  const Split split = plan.split(config.seed);
  double image = 0;  // of a forward pass
  if (config.encoder.empty()) {
    detail::PretrainingSetup setup(plan, config.seed);
    costs.pretrain_step = detail::seconds_a_step(setup.task, *setup.optimizer, setup.options, seconds);
    costs.pretrain_evaluation = detail::seconds_of([&] { (void)setup.task.evaluate(); });
    const std::vector<Index> some = numbered(std::min<Index>(data.train.count, 512));
    image = detail::seconds_of(
                [&] { recalibrate_batch_norm(*setup.encoder, data.train, some, plan.classifier.normalization); }) /
            static_cast<double>(some.size());
    costs.pretrain_end = image * static_cast<double>(std::min<Index>(data.train.count, 2048));
  }
  for (const double fraction : config.fractions) {
    const PhaseId phase{fraction, Arm::scratch, config.seed};
    detail::ArmSetup setup(plan, phase, split, nullptr);
    costs.classifier_step.push_back(detail::seconds_a_step(setup.task, *setup.optimizer, setup.options, seconds));
    if (costs.classifier_evaluation > 0) continue;
    costs.classifier_evaluation = detail::seconds_of([&] { (void)setup.task.evaluate(); });
    const double answer = costs.classifier_evaluation / static_cast<double>(split.validation.size());
    costs.classifier_test = answer * static_cast<double>(data.test.count);
    image = std::max(image, answer / (plan.classifier.mirror ? 2 : 1));
  }
  costs.report =
      detail::kDrawingSeconds + 3 * image * static_cast<double>(data.test.count);  // three encoders' features
  return costs;
}

}  // namespace contexture
