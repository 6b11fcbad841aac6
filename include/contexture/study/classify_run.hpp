// SPDX-License-Identifier: MIT
// Makes classifiers of an encoder and a collection with few labels, compares them by cross-validation and asks the best
// one about all other images. Not part of the umbrella header: it brings xtensor-blas.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/data/augmentation.hpp"
#include "contexture/data/collection.hpp"
#include "contexture/data/mirror_rule.hpp"
#include "contexture/data/split.hpp"
#include "contexture/evaluate/encoder_file.hpp"
#include "contexture/evaluate/features.hpp"
#include "contexture/evaluate/frozen_head.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/study/classify.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/costs.hpp"
#include "contexture/study/identity.hpp"
#include "contexture/study/plan.hpp"
#include "contexture/train/classifier.hpp"
#include "contexture/train/progress.hpp"
#include "contexture/train/self_training.hpp"

namespace contexture {

/// How a run of classify() is watched; all may be left out.
struct ClassifyHooks {
  Progress* progress = nullptr;
  const StopToken* stop = nullptr;
  std::function<void(const ClassifyPlan&)> planned = {};  ///< before anything is trained
  double spent = 0;                                       ///< seconds before the call, of ClassifyOptions::seconds
};

namespace detail {

// The set with every image mirrored left-right.
inline ImageSet mirrored_images(const ImageSet& set) {
  ImageSet out = set;
  for (Index i = 0; i < set.count; ++i)
    for (Index y = 0; y < set.height; ++y)
      shifted_row(set.image(i) + y * set.width * set.channels, set.width, set.channels, 0, true, true,
                  out.image(i) + y * set.width * set.channels);
  return out;
}

class ClassifyRun {
 public:
  ClassifyRun(const Collection& collection, EncoderFile& encoder, const ClassifyOptions& options,
              const ClassifyHooks& hooks)
      : collection_(collection),
        set_(collection.images),
        encoder_(*encoder.encoder),
        origin_(encoder.origin),
        options_(options),
        hooks_(hooks),
        rng_(options.seed),
        labels_(set_.labels.begin(), set_.labels.begin() + collection.labelled),
        all_(numbered(set_.count)),
        known_(numbered(collection.labelled)) {
    folds_ = classify_folds(collection.labelled);
    fold_ = stratified_folds(labels_, known_, folds_, rng_.split("folds"));
    ImageSet labelled{collection.labelled, set_.height, set_.width, set_.channels, {}, labels_};
    labelled.pixels.assign(set_.pixels.begin(), set_.pixels.begin() + collection.labelled * set_.image_bytes());
    classifier_ = {.height = set_.height,
                   .width = set_.width,
                   .encoder = encoder_.description(),
                   .class_names = collection.class_names,
                   .normalization = encoder.images.has_normalization() ? encoder.images.normalization
                                                                       : channel_statistics(set_, all_),
                   .mirror = mirror_test(labelled).keeps_classes()};
  }

  ClassifyResult operator()() {
    fit_head();
    const ClassifyPlan plan = make_plan();
    if (hooks_.planned) hooks_.planned(plan);
    for (const ClassifyMethod method : plan.methods) {
      if (method == ClassifyMethod::head) add(method, head_.held_out);
      if (method == ClassifyMethod::finetune) add(method, cross_validate_finetuning(plan));
      if (method == ClassifyMethod::selftrain) add(method, cross_validate_selftraining(plan));
    }
    std::size_t chosen = 0;
    for (std::size_t i = 1; i < methods_.size(); ++i)
      if (methods_[i].right > methods_[chosen].right) chosen = i;
    ImageClassifier model = final_model(methods_[chosen].method, plan);
    model.set_origin({.pretext = origin_.pretext,
                      .pretext_data = origin_.pretext_data,
                      .data = {collection_.name, fingerprint(set_)},
                      .accuracy = methods_[chosen].accuracy,
                      .accuracy_of = message(collection_.labelled, " labelled images, by cross-validation")});
    Tensor<float> probabilities = class_probabilities(model, set_, collection_.unknown());
    end_if_stopped("answering");
    ClassifyResult out{std::move(methods_), chosen, teacher_, std::move(model), std::move(probabilities), {}, {}, {}};
    out.next = label_next(select_rows(views_[0], known_), select_rows(views_[0], collection_.unknown()),
                          out.probabilities, {.count = options_.label_next, .seed = options_.seed});
    out.suspected = suspected_labels(out.best().held_out, labels_);
    out.duplicates = near_duplicates(set_, collection_.labelled);
    return out;
  }

 private:
  static constexpr Index kBatch = 64, kStudentBatch = 128;

  // Features of all images, mirrored too where that keeps the classes, and a head on those with labels.
  void fit_head() {
    const auto began = std::chrono::steady_clock::now();
    views_.push_back(std::move(stage_features(encoder_, set_, all_, classifier_.normalization).back()));
    if (classifier_.mirror)
      views_.push_back(
          std::move(stage_features(encoder_, mirrored_images(set_), all_, classifier_.normalization).back()));
    answers_seconds_ = seconds_since(began);
    end_if_stopped("features were computed");
    std::vector<Tensor<float>> known;
    for (const Tensor<float>& view : views_) known.push_back(select_rows(view, known_));
    head_ = fit_frozen_head(known, labels_, fold_, static_cast<Index>(classifier_.class_names.size()));
  }

  // Steps of both trainings are timed and thrown away; nothing else depends on it unless a time is given.
  ClassifyPlan make_plan() {
    ClassifyCosts costs;
    costs.answers = answers_seconds_;
    const bool trains = !options_.method || *options_.method != ClassifyMethod::head;
    if (trains) {
      StepClock finetuning(0.3), selftraining(0.3);
      (void)finetuned(known_, 1'000'000, rng_.split("timed"), {.progress = &finetuning, .stop = &finetuning.stop()});
      costs.finetune_step = finetuning.seconds_a_step();
      const Tensor<float> targets = soft_targets(head_probabilities(head_.probe, views_), known_);
      (void)selftrained(targets, known_, 1'000'000, rng_.split("timed"),
                        {.progress = &selftraining, .stop = &selftraining.stop()});
      costs.selftrain_step = selftraining.seconds_a_step();
    }
    costs.spent = hooks_.spent + seconds_since(began_);
    return plan_classify(options_, collection_.labelled, folds_, costs);
  }

  [[nodiscard]] std::vector<Index> outside(int fold, bool other = false) const {
    std::vector<Index> out;
    for (const Index i : known_)
      if ((fold_[static_cast<std::size_t>(i)] == fold) == other) out.push_back(i);
    return out;
  }

  void add(ClassifyMethod method, Tensor<float> held_out) {
    MethodResult result{method};
    const std::vector<std::int32_t> answers = likeliest_classes(held_out);
    for (std::size_t i = 0; i < labels_.size(); ++i) result.right += answers[i] == labels_[i];
    const auto count = static_cast<std::int64_t>(labels_.size());
    result.accuracy = static_cast<double>(result.right) / static_cast<double>(count);
    result.interval = wilson_interval(result.right, count);
    result.log_loss = log_loss(held_out, labels_);
    result.held_out = std::move(held_out);
    methods_.push_back(std::move(result));
  }

  void end_if_stopped(const std::string& during) const {
    if (hooks_.stop != nullptr && hooks_.stop->requested()) throw Stopped("stopped while " + during);
  }

  // Trains under the eyes of the caller; `train` gets the hooks.
  template <class Train>
  void watched(const std::string& title, std::int64_t steps, Index batch, const Train& train) {
    const PhaseInfo info{.title = title, .steps = steps, .images_per_step = batch};
    if (hooks_.progress != nullptr) hooks_.progress->begin(info);
    train(FitHooks{.stop = hooks_.stop});
    end_if_stopped(title);
    if (hooks_.progress != nullptr) hooks_.progress->end(info);
  }

  [[nodiscard]] ImageClassifier pretrained(const Rng& rng) const {
    ImageClassifier model(classifier_, rng.split("initialisation"));
    model.encoder().copy_state(encoder_);
    return model;
  }

  // The settings of the experiments' arms, with the rates that suit a pre-trained encoder: so few labels change a good
  // one for the worse (docs/research.md).
  [[nodiscard]] static TrainingOptions training(std::int64_t steps, Index batch, ImageClassifier& model,
                                                double encoder_rate) {
    const ExperimentConfig usual;
    TrainingOptions out{.steps = steps,
                        .batch = batch,
                        .learning_rate = 0.1 * static_cast<double>(batch) / 128,
                        .warmup = usual.warmup,
                        .averaging = usual.averaging};
    out.optimizer = [usual, encoder_rate, &model](std::vector<NamedParameter<float>> parameters) {
      std::unique_ptr<Optimizer<float>> optimizer = optimizer_of(usual)(std::move(parameters));
      if (encoder_rate != 1)
        for (const NamedParameter<float>& parameter : model.encoder().parameters())
          optimizer->scale_rate("encoder." + parameter.name, encoder_rate);
      return optimizer;
    };
    return out;
  }

  [[nodiscard]] Augmentation augmentation(std::int64_t steps, Index batch, Index images) const {
    const double passes = static_cast<double>(steps * batch) / static_cast<double>(images);
    return {.crop_padding = default_crop_padding(std::min(set_.height, set_.width), passes),
            .flip = classifier_.mirror};
  }

  ImageClassifier finetuned(const std::vector<Index>& subset, std::int64_t steps, const Rng& rng,
                            const FitHooks& hooks) const {
    ImageClassifier model = pretrained(rng);
    const auto count = static_cast<Index>(subset.size());
    const Index batch = std::min(kBatch, count);
    const double encoder_rate = static_cast<double>(collection_.labelled) <= kFewLabels ? 0.1 : 1;
    TrainingOptions options = training(steps, batch, model, encoder_rate);
    options.evaluate_at = {steps};  // where the averaged weights are kept; nothing is held out
    (void)train_classifier(model,
                           {.set = set_,
                            .indices = subset,
                            .augmentation = augmentation(steps, batch, count),
                            .label_smoothing = ExperimentConfig{}.label_smoothing,
                            .evaluate = [] { return Evaluation{}; }},
                           options, rng, hooks);
    return model;
  }

  [[nodiscard]] Tensor<float> soft_targets(Tensor<float> teacher, const std::vector<Index>& subset) const {
    set_label_targets(teacher, subset, labels_, ExperimentConfig{}.label_smoothing);
    return teacher;
  }

  ImageClassifier selftrained(const Tensor<float>& targets, const std::vector<Index>& subset, std::int64_t steps,
                              const Rng& rng, const FitHooks& hooks) const {
    ImageClassifier model = pretrained(rng);
    (void)train_on_soft_targets(model,
                                {.set = set_,
                                 .targets = targets,
                                 .labelled = subset,
                                 .augmentation = student_augmentation(augmentation(steps, kStudentBatch, set_.count))},
                                training(steps, kStudentBatch, model, 1), rng, hooks);
    return model;
  }

  [[nodiscard]] std::string fold_title(const char* what, int fold) const {
    return message(what, ", fold ", fold + 1, " of ", folds_);
  }

  void keep_answers(const ImageClassifier& model, int fold, Tensor<float>& held_out) const {
    const std::vector<Index> asked = outside(fold, true);
    const Tensor<float> p = class_probabilities(model, set_, asked);
    const Index classes = dim(p, 1);
    for (std::size_t k = 0; k < asked.size(); ++k)
      std::copy_n(p.data() + static_cast<Index>(k) * classes, classes, held_out.data() + asked[k] * classes);
  }

  Tensor<float> cross_validate_finetuning(const ClassifyPlan& plan) {
    Tensor<float> held_out = empty<float>(head_.held_out.shape());
    const bool teaches =
        std::find(plan.methods.begin(), plan.methods.end(), ClassifyMethod::selftrain) != plan.methods.end();
    for (int f = 0; f < folds_; ++f)
      watched(fold_title("fine-tuning", f), plan.steps, kBatch, [&](const FitHooks& hooks) {
        const ImageClassifier model =
            finetuned(outside(f), plan.steps, rng_.split("fine-tuning").split(static_cast<std::uint64_t>(f)), hooks);
        keep_answers(model, f, held_out);
        if (teaches) teachers_.push_back(class_probabilities(model, set_, all_));
      });
    return held_out;
  }

  Tensor<float> cross_validate_selftraining(const ClassifyPlan& plan) {
    Tensor<float> held_out = empty<float>(head_.held_out.shape());
    // The better of head and fine-tuning teaches, in the folds and on all labels.
    if (methods_.size() == 2 && methods_[1].right > methods_[0].right) teacher_ = ClassifyMethod::finetune;
    for (int f = 0; f < folds_; ++f)
      watched(fold_title("self-training", f), 2 * plan.steps, kStudentBatch, [&](const FitHooks& hooks) {
        const auto at = static_cast<std::size_t>(f);
        const std::vector<Index> subset = outside(f);
        const Tensor<float> targets = soft_targets(
            teacher_ == ClassifyMethod::finetune ? teachers_[at] : head_probabilities(head_.of_fold[at], views_),
            subset);
        const ImageClassifier model = selftrained(
            targets, subset, 2 * plan.steps, rng_.split("self-training").split(static_cast<std::uint64_t>(f)), hooks);
        keep_answers(model, f, held_out);
      });
    return held_out;
  }

  // The head of frozen features as a classifier, which answers the same.
  [[nodiscard]] ImageClassifier head_model() const {
    ImageClassifier model = pretrained(rng_);
    int copied = 0;
    const auto fill = [&](Tensor<float>& tensor, const float* from, std::size_t count) {
      require(tensor.size() == count, "classify: ", count, " numbers for a head of ", tensor.shape());
      std::copy_n(from, count, tensor.data());
      ++copied;
    };
    for (const auto& [name, tensor] : state_tensors(model)) {
      if (name == "head.output.weight") fill(*tensor, head_.probe.weights.data(), head_.probe.weights.size());
      if (name == "head.output.bias") fill(*tensor, head_.probe.bias.data(), head_.probe.bias.size());
    }
    require(copied == 2, "classify: the classifier's head is not one linear layer");
    return model;
  }

  ImageClassifier final_model(ClassifyMethod method, const ClassifyPlan& plan) {
    std::optional<ImageClassifier> model;
    const bool tuned = method == ClassifyMethod::finetune ||
                       (method == ClassifyMethod::selftrain && teacher_ == ClassifyMethod::finetune);
    if (tuned)
      watched("fine-tuning, all labels", plan.steps, kBatch, [&](const FitHooks& hooks) {
        model.emplace(finetuned(known_, plan.steps, rng_.split("fine-tuning"), hooks));
      });
    if (method == ClassifyMethod::selftrain)
      watched("self-training, all labels", 2 * plan.steps, kStudentBatch, [&](const FitHooks& hooks) {
        const Tensor<float> targets = soft_targets(
            tuned ? class_probabilities(*model, set_, all_) : head_probabilities(head_.probe, views_), known_);
        model.emplace(selftrained(targets, known_, 2 * plan.steps, rng_.split("self-training"), hooks));
      });
    return model ? std::move(*model) : head_model();
  }

  const Collection& collection_;
  const ImageSet& set_;
  Backbone<float>& encoder_;
  const WeightsOrigin& origin_;  // of the encoder
  const ClassifyOptions& options_;
  const ClassifyHooks& hooks_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  const Rng rng_;
  const std::vector<std::int32_t> labels_;  // of the labelled images
  const std::vector<Index> all_, known_;
  int folds_ = 0;
  std::vector<int> fold_;  // of the labelled images
  ImageClassifierOptions classifier_;
  std::vector<Tensor<float>> views_;  // features of all images, and of their mirror images
  FrozenHead head_;
  std::vector<MethodResult> methods_;
  double answers_seconds_ = 0;
  ClassifyMethod teacher_ = ClassifyMethod::head;
  std::vector<Tensor<float>> teachers_;  // of every fold, fine-tuned: probabilities of all images
};

}  // namespace detail

/// Trains by every method that options and time allow, cross-validates each on the labels, and asks the most accurate
/// one, trained on all labels, about the images without. Without options.seconds the same arguments give the same bits.
/// Throws InputError where the encoder is not for such images, SettingError for a time that is too short, Stopped after
/// a stop request.
[[nodiscard]] inline ClassifyResult classify(const Collection& collection, EncoderFile& encoder,
                                             const ClassifyOptions& options, const ClassifyHooks& hooks = {}) {
  const Index wanted = encoder.encoder->description().in_channels;
  require_input(wanted == collection.images.channels, "the encoder is for images of ", wanted,
                wanted == 1 ? " channel (grey)" : " channels (colour)", ", these have ", collection.images.channels,
                "; expected one that was pre-trained on such images");
  return detail::ClassifyRun(collection, encoder, options, hooks)();
}

}  // namespace contexture
