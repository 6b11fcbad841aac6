// SPDX-License-Identifier: MIT
// The phases of a run: how each goes on from where the run's state says that it was and leaves its result there; and
// the first kind, pre-training by a pretext task. The arms are in arms.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/split.hpp"
#include "contexture/evaluate/reference_encoder.hpp"
#include "contexture/models/backbone_file.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/nn/serialize.hpp"
#include "contexture/optim/muon.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/study/checkpoint.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/identity.hpp"
#include "contexture/study/plan.hpp"
#include "contexture/study/run_files.hpp"
#include "contexture/train/fit.hpp"
#include "contexture/train/pretraining.hpp"
#include "contexture/train/training.hpp"

namespace contexture {

/// Share of the steps of pre-training in which its learning rate rises to the peak.
inline constexpr double kPretrainWarmup = 0.2;

/// What a phase works with.
struct PhaseContext {
  const RunPlan& plan;
  const RunFiles& files;
  RunState& state;
  Progress& progress;
  const StopToken* stop = nullptr;
  std::function<void()> save = {};       ///< keeps `state`
  const WeightsOrigin* given = nullptr;  ///< of the configuration's encoder, if it gives one
  int number = 1, of = 1;                ///< which phase of how many
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

inline OptimizerFactory optimizer_of(const ExperimentConfig& config) {
  if (config.optimizer == "muon") return optimizer_factory<Muon>(MuonOptions{.weight_decay = config.weight_decay});
  return optimizer_factory<Sgd>(SgdOptions{.weight_decay = config.weight_decay});
}

inline ProcessOptions process_options(const ExperimentConfig& config) {
  ProcessOptions options{.gradients = config.gradients};
  if (config.sync_norm != SyncNorm::automatic) options.share_norm = config.sync_norm == SyncNorm::on;
  return options;
}

// Trains (or goes on training) one phase: `train` calls fit() by way of pretrain() or train_classifier(). Throws
// Stopped after a stop request, with the state kept.
template <class Train>
FitState run_phase(PhaseContext& context, const PhaseId& phase, const std::string& title, TrainingOptions options,
                   const Train& train) {
  RunState& state = context.state;
  const std::string checkpoint = checkpoint_path(context.files.out).string();
  PhaseInfo info{.title = message(title, ", seed ", phase.seed),
                 .number = context.number,
                 .of = context.of,
                 .steps = options.steps,
                 .images_per_step = options.batch};
  options.phase = phase_name(phase);
  options.save_seconds = context.files.save_seconds;
  options.processes = process_options(context.plan.config);
  FitHooks hooks{.progress = &context.progress, .stop = context.stop};
  hooks.begin = [&](const FitRun& run) {
    if (state.phase == phase) {
      restore_tensors(state.model, state_tensors(run.module), checkpoint);
      restore_tensors(state.optimizer, state_tensors(run.optimizer), checkpoint);
      run.state = std::move(state.fit);
    }
    clear_phase(state);
    info.first_step = run.state.step;
    info.rows = run.state.rows;
    context.progress.begin(info);
  };
  hooks.save = [&](const FitRun& run) {
    state.phase = phase;
    state.fit = run.state;
    copy_tensors(state_tensors(run.module), state.model);
    copy_tensors(state_tensors(run.optimizer), state.optimizer);
    context.save();
  };
  FitState fitted = train(options, hooks);
  if (fitted.step < options.steps) {
    const std::string where = message("stopped at step ", fitted.step, " of ", options.steps, " of ", info.title);
    throw Stopped(context.files.out.empty() ? where : message(where, ", kept in ", checkpoint));
  }
  context.progress.end(info);
  clear_phase(state);
  return fitted;
}

inline void add_history(RunState& state, const PhaseId& phase, const std::vector<HistoryRow>& rows) {
  for (const HistoryRow& row : rows) state.history.push_back({row, phase});
}

// Is this tensor of the encoder taken from the pre-trained one? Those of the stem are, and of the stages up to
// config.transfer.
inline bool transferred(const ExperimentConfig& config, const Backbone<float>& encoder, const std::string& name) {
  return encoder.stage_of(name) <= config.transfer;
}

// The run's images. Their fingerprint is that which decides whether the run may be resumed.
inline DataOrigin data_of(const PhaseContext& context) {
  const auto images = context.state.config.find(kImagesName);
  return {context.plan.data.name, images == context.state.config.end() ? std::string() : images->second};
}

inline std::string images_text(const char* which, Index count) { return message(count, " ", which, " images"); }

// Where the weights of an encoder come from that this run pre-trained, or was given.
inline WeightsOrigin encoder_origin(const PhaseContext& context, const std::string& task) {
  if (context.given == nullptr) return {.pretext = task, .pretext_data = data_of(context)};
  return {.pretext = context.given->pretext, .pretext_data = context.given->pretext_data};
}

inline WeightsOrigin classifier_origin(const PhaseContext& context, const PhaseId& phase, double test_accuracy) {
  WeightsOrigin origin;
  if (begins_pretrained(phase.arm)) {
    const auto made = context.state.pretraining.find(pretraining_phase(phase.seed));
    origin = encoder_origin(context, made == context.state.pretraining.end() ? "" : made->second.task);
  }
  origin.data = data_of(context);
  origin.accuracy = test_accuracy;
  origin.accuracy_of = images_text("test", context.plan.data.test.count);
  return origin;
}

// Replaces the weights that pre-training is to give by those that it gave.
inline void transfer(const ExperimentConfig& config, const TensorMap& pretrained, Backbone<float>& encoder) {
  for (const auto& [name, tensor] : state_tensors(encoder)) {
    if (!transferred(config, encoder, name)) continue;
    const auto found = pretrained.find(name);
    require_state(found != pretrained.end() && found->second.shape() == tensor->shape(),
                  "run_experiments: no pre-trained tensor '", name, "' ", tensor->shape());
    std::copy(found->second.data(), found->second.data() + found->second.size(), tensor->data());
  }
}

}  // namespace detail

/// Pre-trains an encoder by the configuration's task on all training and unlabelled images, and leaves its weights and
/// what was measured in the state, and the weights in a file.
inline void run_pretraining(PhaseContext& context, std::uint64_t seed) {
  const ExperimentConfig& config = context.plan.config;
  const Dataset& data = context.plan.data;
  const ImageClassifierOptions& classifier = context.plan.classifier;
  const PhaseId phase = pretraining_phase(seed);
  const Rng rng(seed);
  const std::unique_ptr<Backbone<float>> network = make_backbone<float>(classifier.encoder, encoder_stream(rng));
  Backbone<float>& encoder = *network;
  const Split split = context.plan.split(seed);
  const std::unique_ptr<PretextTask<float>> pretext = make_pretext_task<float>(
      config.pretext, context.plan.pretext_images, config.pretext_options, encoder, rng.split("pretext head"));
  // The images held out for validation are among those it learns from: only their patches are new.
  const PretrainImages images{.set = data.train,
                              .validation = split.validation,
                              .more = &data.unlabeled,
                              .normalization = classifier.normalization};
  TrainingOptions options{.steps = context.plan.pretraining_steps(),
                          .batch = context.plan.pretraining_batch(),
                          .warmup = kPretrainWarmup,
                          .optimizer = detail::optimizer_of(config),
                          .dropout = rng.split("pretext dropout")};
  const auto batch = static_cast<double>(options.batch);
  options.learning_rate = config.pretrain_learning_rate * batch / 128;
  options.evaluate_at = evaluation_steps(options.steps, static_cast<int>(config.evaluations));
  const FitState fitted =
      detail::run_phase(context, phase, "pre-training by " + pretext->name() + ", no labels", options,
                        [&](const TrainingOptions& how, const FitHooks& hooks) {
                          return pretrain(encoder, *pretext, images, how, rng.split("pretext"), hooks);
                        });

  RunState& state = context.state;
  state.encoder.clear();
  copy_tensors(state_tensors(encoder), state.encoder);
  PretrainResult result;
  result.task = pretext->name();
  result.seconds = fitted.seconds;
  result.chance = validation_chance(*pretext, static_cast<Index>(split.validation.size()));
  result.suspicious_accuracy = pretext->suspicious_accuracy();
  result.steps = options.steps;
  result.images_per_second =
      static_cast<double>(options.steps * options.batch) / std::max(fitted.training_seconds, 1e-9);
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
  if (!context.files.out.empty()) {
    WeightsOrigin origin = detail::encoder_origin(context, result.task);
    if (is_finite(result.accuracy)) {
      origin.accuracy = result.accuracy;
      origin.accuracy_of = message("the task, ", detail::images_text("validation", std::ssize(split.validation)));
    }
    save(encoder, weights_path(context.files.out, phase, config.seed),
         backbone_metadata(classifier.encoder,
                           {.images = {classifier.height, classifier.width, classifier.normalization},
                            .origin = std::move(origin),
                            .precision = classifier.precision}));
  }
  detail::add_history(state, phase, fitted.rows);
  state.pretraining[phase] = result;
  context.save();
}

}  // namespace contexture
