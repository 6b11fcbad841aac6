// The phases of a run, one function each: pre-training by a pretext task, and an arm, which trains and tests a
// classifier. Each goes on from where the run's state says that it was, and leaves its result there.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/nn/serialize.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/ssl/recalibrate.hpp"
#include "contexture/study/checkpoint.hpp"
#include "contexture/study/plan.hpp"
#include "contexture/study/run_files.hpp"
#include "contexture/study/trainings.hpp"
#include "contexture/train/fit.hpp"

namespace contexture {

/// What a phase works with.
struct PhaseContext {
  const RunPlan& plan;
  const RunFiles& files;
  RunState& state;
  Progress& progress;
  const StopToken* stop = nullptr;
  std::function<void()> save = {};  ///< keeps `state`
  int number = 1, of = 1;           ///< which phase of how many
};

/// Forgets the phase that was under way.
inline void clear_phase(RunState& state) {
  state.phase.reset();
  state.fit = {};
  state.model.clear();
  state.optimizer.clear();
}

namespace detail {

// "100, scratch, seed 1"
inline std::string phase_name(const PhaseId& phase) {
  const PhaseText text = text_of(phase);
  return message(text.experiment, ", ", text.arm, ", seed ", text.seed);
}

// Trains (or goes on training) one phase. Throws Stopped after a stop request, with the state kept.
template <class B>
FitState run_phase(PhaseContext& context, const PhaseId& phase, const std::string& title, FitTask<B>& task,
                   Optimizer<float>& optimizer, FitOptions options) {
  RunState& state = context.state;
  const std::string checkpoint = checkpoint_path(context.files.out).string();
  FitState fit_state;
  if (state.phase == phase) {
    restore_tensors(state.model, state_tensors(task.module()), checkpoint);
    restore_tensors(state.optimizer, state_tensors(optimizer), checkpoint);
    fit_state = std::move(state.fit);
  }
  clear_phase(state);
  const PhaseInfo info{.title = message(title, ", seed ", phase.seed),
                       .number = context.number,
                       .of = context.of,
                       .first_step = fit_state.step,
                       .steps = options.steps,
                       .images_per_step = task.images_per_step()};
  options.phase = phase_name(phase);
  options.save_seconds = context.files.save_seconds;
  const FitHooks hooks{&context.progress, context.stop, [&](const FitState& now) {
                         state.phase = phase;
                         state.fit = now;
                         copy_tensors(state_tensors(task.module()), state.model);
                         copy_tensors(state_tensors(optimizer), state.optimizer);
                         context.save();
                       }};
  context.progress.begin(info);
  if (fit(task, optimizer, options, fit_state, hooks) == FitStatus::stopped) {
    const std::string where = message("stopped at step ", fit_state.step, " of ", options.steps, " of ", info.title);
    throw Stopped(context.files.out.empty() ? where : message(where, ", kept in ", checkpoint));
  }
  context.progress.end(info);
  clear_phase(state);
  return fit_state;
}

inline void add_history(RunState& state, const PhaseId& phase, const std::vector<HistoryRow>& rows) {
  for (const HistoryRow& row : rows) state.history.push_back({row, phase});
}

}  // namespace detail

/// Pre-trains an encoder by the configuration's task on all training and unlabelled images, and leaves its weights and
/// what was measured in the state, and the weights in a file.
inline void run_pretraining(PhaseContext& context, std::uint64_t seed) {
  const ImageSet& train = context.plan.data.train;
  const ImageClassifierOptions& classifier = context.plan.classifier;
  const PhaseId phase = pretraining_phase(seed);
  detail::PretrainingSetup setup(context.plan, seed);
  const FitState fitted = detail::run_phase(context, phase, "pre-training by " + setup.pretext->name() + ", no labels",
                                            setup.task, *setup.optimizer, setup.options);

  recalibrate_batch_norm(*setup.encoder, train, numbered(train.count), classifier.normalization);
  RunState& state = context.state;
  state.encoder.clear();
  copy_tensors(state_tensors(*setup.encoder), state.encoder);
  PretrainResult result;
  result.task = setup.pretext->name();
  result.seconds = fitted.seconds;
  result.chance = setup.task.chance();
  result.suspicious_accuracy = setup.pretext->suspicious_accuracy();
  result.steps = setup.options.steps;
  result.images_per_second =
      static_cast<double>(result.steps * setup.task.images_per_step()) / std::max(fitted.training_seconds, 1e-9);
  for (const HistoryRow& row : fitted.rows) {
    if (row.split != "validation") continue;
    result.loss = row.loss;
    result.accuracy = row.accuracy;
  }
  if (result.accuracy > result.suspicious_accuracy)
    context.progress.note(message("pretext accuracy ", std::lround(100 * result.accuracy), " % is more than natural ",
                                  "images give: look for what gives the answer away (docs/context-prediction.md)"));
  if (result.no_better_than_chance())
    context.progress.note(
        "pretext accuracy is no better than chance: the encoder has learned nothing; train it longer, or on more "
        "images");
  if (!context.files.out.empty())
    save(*setup.encoder, weights_path(context.files.out, phase, context.plan.config.seed),
         backbone_metadata(classifier.encoder));
  detail::add_history(state, phase, fitted.rows);
  state.pretraining[phase] = result;
  context.save();
}

/// Trains the classifier of an arm on the labels of its share of the split's training images, tests it with the weights
/// that were best on validation, and leaves the result in the state and the weights in a file. The arm that is
/// pre-trained starts from the state's encoder.
inline void run_arm(PhaseContext& context, const PhaseId& phase) {
  const Dataset& data = context.plan.data;
  const bool pretrained = phase.arm == Arm::pretrained;
  detail::ArmSetup setup(context.plan, phase, context.plan.split(phase.seed),
                         pretrained ? &context.state.encoder : nullptr);
  const FitOptions& options = setup.options;
  ImageClassifier& model = setup.model;
  const FitState fitted = detail::run_phase(
      context, phase, setup.experiment + " % of labels, " + (pretrained ? "pre-trained" : "from scratch"), setup.task,
      *setup.optimizer, options);

  restore_tensors(fitted.best, state_tensors(model), "best weights");
  Score tested = score(model, data.test, numbered(data.test.count));
  ArmResult result;
  result.best_val_accuracy = fitted.best_accuracy;
  result.test_accuracy = tested.evaluation.accuracy;
  result.test_macro_f1 = tested.evaluation.macro_f1;
  for (const HistoryRow& row : fitted.rows)
    if (row.split == "train") result.final_train_loss = row.loss;
  result.seconds = fitted.seconds;
  result.training_seconds = fitted.training_seconds;
  result.steps = options.steps;
  result.images = options.steps * setup.how.batch;
  result.learning_rate = setup.how.learning_rate;
  result.answers = std::move(tested.answers);
  result.confusion = std::move(tested.confusion);
  RunState& state = context.state;
  detail::add_history(state, phase, fitted.rows);
  const HistoryRow row{fitted.best_step,
                       static_cast<double>(fitted.best_step) / options.steps_per_epoch,
                       fitted.seconds,
                       "test",
                       tested.evaluation.loss,
                       tested.evaluation.accuracy,
                       tested.evaluation.macro_f1};
  detail::add_history(state, phase, {row});
  context.progress.row(row);
  if (!context.files.out.empty()) model.save(weights_path(context.files.out, phase, context.plan.config.seed));
  state.arms[phase] = std::move(result);
  context.save();
}

}  // namespace contexture
