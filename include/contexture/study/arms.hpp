// SPDX-License-Identifier: MIT
// The arms of a run, the second kind of its phases: a classifier is trained on labels, or as a student on another arm's
// answers as well, and tested.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/process_group.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/augmentation.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/split.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/study/checkpoint.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/phases.hpp"
#include "contexture/study/plan.hpp"
#include "contexture/study/run_files.hpp"
#include "contexture/train/classifier.hpp"
#include "contexture/train/fit.hpp"
#include "contexture/train/self_training.hpp"
#include "contexture/train/training.hpp"

namespace contexture {

/// Share of a student's batch that is drawn from images with labels: of few of them it would learn those by heart
/// (docs/research.md).
[[nodiscard]] inline double labelled_share(std::int64_t labels) { return labels < 1000 ? 0.125 : 0.25; }

/// An arm in words, behind the share of the labels: "from scratch", "pre-trained", ...
[[nodiscard]] inline std::string title_of(Arm arm) {
  if (arm == Arm::scratch_same_time) return "from scratch, same time";
  const std::string begin = begins_pretrained(arm) ? "pre-trained" : "from scratch";
  return teacher_of(arm) ? begin + ", self-training" : begin;
}

namespace detail {

class ArmRun {
 public:
  ArmRun(PhaseContext& context, const PhaseId& phase)
      : context_(context),
        config_(context.plan.config),
        data_(context.plan.data),
        phase_(phase),
        rng_(phase.seed),
        split_(context.plan.split(phase.seed)),
        subset_(context.plan.labels(phase.seed, split_, phase.label_fraction)),
        how_(context.plan.arm(phase, std::ssize(split_.train), std::ssize(subset_), more_steps())),
        // All arms begin from the same numbers; pre-trained ones then replace some.
        model_(context.plan.classifier, rng_.split("initialisation")) {
    if (begins_pretrained(phase.arm)) transfer(config_, context.state.encoder, model_.encoder());
  }

  void operator()() {
    double seconds = 0;  // in which the teacher answered
    const FitState fitted = how_.student ? learn_from_teacher(seconds) : learn_from_labels();
    keep(fitted, seconds, how_.student ? std::ssize(split_.train) + data_.unlabeled.count : std::ssize(subset_));
  }

 private:
  // In which an arm from scratch of the usual length would take as long as pre-training did.
  [[nodiscard]] std::int64_t more_steps() const {
    if (phase_.arm != Arm::scratch_same_time) return 0;
    const RunState& state = context_.state;
    const auto made = state.pretraining.find(pretraining_phase(phase_.seed));
    const double seconds = made != state.pretraining.end() ? made->second.seconds
                           : state.origin                  ? state.origin->measured.seconds
                                                           : 0;
    const ArmResult& usual = state.arms.at({phase_.label_fraction, Arm::scratch, phase_.seed});
    const double step = usual.training_seconds / static_cast<double>(std::max<std::int64_t>(usual.steps, 1));
    constexpr double kMost = 1e7;  // whatever a clock said
    return std::llround(of_first(process_group(), std::min(seconds / std::max(step, 1e-9), kMost)));
  }

  [[nodiscard]] Augmentation augmentation() const {
    Augmentation basic{.crop_padding = how_.padding, .flip = context_.plan.classifier.mirror};
    if (how_.student) basic = student_augmentation(basic);
    return how_.strong ? strong_augmentation(basic) : basic;
  }

  [[nodiscard]] Evaluation evaluate() const { return score(model_, data_.train, split_.validation).evaluation; }

  [[nodiscard]] TrainingOptions training() {
    const OptimizerFactory make_optimizer = [this](std::vector<NamedParameter<float>> parameters) {
      std::unique_ptr<Optimizer<float>> optimizer = optimizer_of(config_)(std::move(parameters));
      if (begins_pretrained(phase_.arm) && config_.encoder_rate != 1)
        for (const NamedParameter<float>& parameter : model_.encoder().parameters())
          if (transferred(config_, model_.encoder(), parameter.name))
            optimizer->scale_rate("encoder." + parameter.name, config_.encoder_rate);
      return optimizer;
    };
    return {.steps = how_.steps,
            .batch = how_.batch,
            .learning_rate = how_.learning_rate * static_cast<double>(how_.batch) / 128,
            .warmup = config_.warmup,
            .optimizer = make_optimizer,
            .evaluate_at = evaluation_steps(how_.steps, static_cast<int>(config_.evaluations)),
            .averaging = config_.averaging,
            .dropout = rng_.split("dropout").split(experiment_)};
  }

  // `train` gets options and hooks.
  template <class Train>
  FitState watched(const Train& train) {
    return run_phase(context_, phase_, experiment_ + " % of labels, " + title_of(phase_.arm), training(), train);
  }

  FitState learn_from_labels() {
    const LabelledImages labelled{.set = data_.train,
                                  .indices = subset_,
                                  .augmentation = augmentation(),
                                  .label_smoothing = config_.label_smoothing,
                                  .evaluate = [this] { return evaluate(); }};
    return watched([&](const TrainingOptions& options, const FitHooks& hooks) {
      return train_classifier(model_, labelled, options, rng_.split("batches").split(experiment_), hooks);
    });
  }

  // Probabilities of all images that are learnt from, by the arm before, and the labels that are known. Those held out
  // are no part of it.
  [[nodiscard]] Tensor<float> answers_of_teacher() const {
    ImageClassifier teacher(context_.plan.classifier, Rng(0));
    restore_tensors(context_.state.teacher, state_tensors(teacher), "teacher");
    const auto classes = static_cast<Index>(data_.class_names.size());
    Tensor<float> targets =
        zeros<float>({static_cast<std::size_t>(data_.train.count + data_.unlabeled.count), data_.class_names.size()});
    const Tensor<float> known = class_probabilities(teacher, data_.train, split_.train);
    for (std::size_t k = 0; k < split_.train.size(); ++k)
      std::copy_n(known.data() + static_cast<Index>(k) * classes, classes, targets.data() + split_.train[k] * classes);
    if (data_.unlabeled.count > 0) {
      const Tensor<float> more = class_probabilities(teacher, data_.unlabeled, numbered(data_.unlabeled.count));
      std::copy(more.begin(), more.end(), targets.data() + data_.train.count * classes);
    }
    set_label_targets(targets, subset_, data_.train.labels, config_.label_smoothing);
    return targets;
  }

  FitState learn_from_teacher(double& seconds) {
    Stopwatch watch;
    const Tensor<float> targets = answers_of_teacher();
    seconds = watch.lap();
    std::vector<Index> learnt = split_.train;
    for (Index i = 0; i < data_.unlabeled.count; ++i) learnt.push_back(data_.train.count + i);
    const SoftlyLabelledImages images{.set = data_.train,
                                      .targets = targets,
                                      .labelled = subset_,
                                      .labelled_share = labelled_share(std::ssize(subset_)),
                                      .augmentation = augmentation(),
                                      .indices = std::move(learnt),
                                      .more = data_.unlabeled.count > 0 ? &data_.unlabeled : nullptr,
                                      .evaluate = [this] { return evaluate(); }};
    return watched([&](const TrainingOptions& options, const FitHooks& hooks) {
      return train_on_soft_targets(model_, images, options, rng_.split("student").split(experiment_), hooks);
    });
  }

  // Tests the trained model; leaves results in the state, weights in a file, and with the next arm's teacher.
  void keep(const FitState& fitted, double answering, std::int64_t images) {
    Score tested = score(model_, data_.test, numbered(data_.test.count));
    ArmResult result;
    result.best_val_accuracy = fitted.best_accuracy;
    result.test_accuracy = tested.evaluation.accuracy;
    result.test_macro_f1 = tested.evaluation.macro_f1;
    for (const HistoryRow& row : fitted.rows)
      if (row.split == "train") result.final_train_loss = row.loss;
    result.seconds = fitted.seconds + answering;
    result.training_seconds = fitted.training_seconds;
    result.steps = how_.steps;
    result.images = how_.steps * how_.batch;
    result.learning_rate = how_.learning_rate;
    result.answers = std::move(tested.answers);
    result.confusion = std::move(tested.confusion);
    RunState& state = context_.state;
    add_history(state, phase_, fitted.rows);
    const double epoch =
        static_cast<double>(fitted.best_step) / (static_cast<double>(images) / static_cast<double>(how_.batch));
    const HistoryRow row{
        fitted.best_step,          epoch, fitted.seconds, "test", tested.evaluation.loss, tested.evaluation.accuracy,
        tested.evaluation.macro_f1};
    add_history(state, phase_, {row});
    context_.progress.row(row);
    model_.set_origin(classifier_origin(context_, phase_, result.test_accuracy));
    if (!context_.files.out.empty()) model_.save(weights_path(context_.files.out, phase_, config_.seed));
    state.arms[phase_] = std::move(result);
    state.teacher.clear();
    if (student_of(phase_.arm) && context_.plan.self_trains(phase_.label_fraction))
      copy_tensors(state_tensors(model_), state.teacher);
    context_.save();
  }

  PhaseContext& context_;
  const ExperimentConfig& config_;
  const Dataset& data_;
  const PhaseId phase_;
  const std::string experiment_ = text_of(phase_).experiment;
  const Rng rng_;
  const Split split_;
  const std::vector<Index> subset_;
  const ArmPlan how_;
  ImageClassifier model_;
};

}  // namespace detail

/// Trains the classifier of an arm on the labels of its share of the split's training images, a student also on its
/// teacher's answers; tests it with the weights that were best on validation, and leaves the result in the state and
/// the weights in a file. An arm that is pre-trained starts from the state's encoder.
inline void run_arm(PhaseContext& context, const PhaseId& phase) { detail::ArmRun(context, phase)(); }

}  // namespace contexture
