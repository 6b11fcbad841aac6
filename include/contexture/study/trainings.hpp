// The trainings of a run, set up and not yet begun: an encoder with its pretext task, and the classifier of an arm. The
// phases train them to their end; measure_costs() times a few of their steps.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/split.hpp"
#include "contexture/evaluate/reference_encoder.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/optim/muon.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/optim/schedule.hpp"
#include "contexture/optim/state_tensors.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/study/classifier_task.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/plan.hpp"
#include "contexture/train/fit.hpp"
#include "contexture/train/pretraining.hpp"

namespace contexture {

/// Share of the steps of pre-training in which its learning rate rises to the peak.
inline constexpr double kPretrainWarmup = 0.2;

namespace detail {

inline std::function<double(std::int64_t)> schedule(double peak, std::int64_t steps, double warmup) {
  return Schedule{.peak = peak, .total_steps = std::max<std::int64_t>(steps, 1), .warmup_fraction = warmup};
}

inline std::unique_ptr<Optimizer<float>> make_optimizer(const ExperimentConfig& config, Module<float>& module) {
  if (config.optimizer == "muon")
    return std::make_unique<Muon<float>>(module.parameters(), MuonOptions{.weight_decay = config.weight_decay});
  return std::make_unique<Sgd<float>>(module.parameters(), SgdOptions{.weight_decay = config.weight_decay});
}

// Is this tensor of the encoder taken from the pre-trained one? Those of the stem are, and of the stages up to
// config.transfer.
inline bool transferred(const ExperimentConfig& config, const Backbone<float>& encoder, const std::string& name) {
  return encoder.stage_of(name) <= config.transfer;
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

// Pre-training of a seed, by the configuration's task, on all training and unlabelled images. The images held out for
// validation are among those it learns from: only their patches are new.
struct PretrainingSetup {
  PretrainingSetup(const RunPlan& plan, std::uint64_t seed)
      : rng(seed),
        encoder(make_backbone<float>(plan.classifier.encoder, encoder_stream(rng))),
        pretext(make_pretext_task<float>(plan.config.pretext, plan.pretext_images, plan.config.pretext_options,
                                         *encoder, rng.split("pretext head"))),
        task(*encoder, *pretext, plan.data.train, numbered(plan.data.train.count), plan.data.unlabeled,
             plan.split(seed).validation, plan.config.pretrain_batch_size, rng.split("pretext")),
        optimizer(make_optimizer(plan.config, task.module())) {
    const ExperimentConfig& config = plan.config;
    const auto batch = static_cast<double>(task.images_per_step());
    options.steps_per_epoch = static_cast<double>(task.images()) / batch;
    options.steps = std::llround(config.pretrain_epochs * options.steps_per_epoch);
    options.evaluate_at = evaluation_steps(options.steps, static_cast<int>(config.evaluations));
    options.learning_rate = schedule(config.pretrain_learning_rate * batch / 128, options.steps, kPretrainWarmup);
    options.rng = rng.split("pretext dropout");
  }

  Rng rng;
  std::unique_ptr<Backbone<float>> encoder;
  std::unique_ptr<PretextTask<float>> pretext;
  PretrainTask task;
  std::unique_ptr<Optimizer<float>> optimizer;
  FitOptions options;
};

// The classifier of an arm, on the labels of its share of the split's training images. Scratch and pre-trained begin
// from the same numbers; `pretrained`, where there is one, then replaces some.
struct ArmSetup {
  ArmSetup(const RunPlan& plan, const PhaseId& phase, const Split& split, const TensorMap* pretrained)
      : rng(phase.seed),
        experiment(text_of(phase).experiment),
        subset(plan.labels(phase.seed, split, phase.label_fraction)),
        how(plan.arm(phase, static_cast<std::int64_t>(split.train.size()), static_cast<std::int64_t>(subset.size()))),
        model(plan.classifier, rng.split("initialisation")),
        task(model, plan.data.train, subset, split.validation, how.batch,
             {.crop_padding = how.padding, .flip = plan.classifier.mirror}, plan.config.label_smoothing,
             rng.split("batches").split(experiment)) {
    const ExperimentConfig& config = plan.config;
    if (pretrained != nullptr) transfer(config, *pretrained, model.encoder());
    optimizer = make_optimizer(config, model);
    if (pretrained != nullptr && config.encoder_rate != 1)
      for (const NamedParameter<float>& parameter : model.encoder().parameters())
        if (transferred(config, model.encoder(), parameter.name))
          optimizer->scale_rate("encoder." + parameter.name, config.encoder_rate);
    options.steps = how.steps;
    options.evaluate_at = evaluation_steps(options.steps, static_cast<int>(config.evaluations));
    options.learning_rate =
        schedule(how.learning_rate * static_cast<double>(how.batch) / 128, options.steps, config.warmup);
    options.averaging = config.averaging;
    options.steps_per_epoch = static_cast<double>(subset.size()) / static_cast<double>(how.batch);
    options.rng = rng.split("dropout").split(experiment);
  }

  Rng rng;
  std::string experiment;  // "10": percent of the labels
  std::vector<Index> subset;
  ArmPlan how;
  ImageClassifier model;
  ClassifierTask task;
  std::unique_ptr<Optimizer<float>> optimizer;
  FitOptions options;
};

}  // namespace detail

}  // namespace contexture
