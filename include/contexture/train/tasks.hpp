// What fit() trains here: a classifier on labelled images, an encoder by a pretext task.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/loader.hpp"
#include "contexture/models/encoder.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/train/classifier.hpp"
#include "contexture/train/fit.hpp"
#include "contexture/train/metrics.hpp"

namespace contexture::detail {

// A classifier: learns the labelled images `indices` of a set, validated on others of the same set.
class ClassifierTask final : public FitTask<Batch> {
 public:
  ClassifierTask(ImageClassifier& model, const ImageSet& set, std::vector<Index> indices, std::vector<Index> validation,
                 Index batch, const Augmentation& augmentation, double label_smoothing, const Rng& rng)
      : model_(model),
        set_(set),
        sampler_(std::move(indices), batch, rng.split("order")),
        validation_(std::move(validation)),
        augmentation_(augmentation),
        label_smoothing_(label_smoothing),
        rng_(rng.split("augmentation")) {}

  Module<float>& module() override { return model_; }

  Batch make_batch(std::int64_t step) const override {
    Batch batch;
    contexture::make_batch(set_, sampler_.batch(step), model_.options().normalization, &augmentation_,
                           rng_.split(static_cast<std::uint64_t>(step)), batch);
    return batch;
  }

  BatchLoss loss(Batch& batch) override {
    const Variable<float> logits = model_(Variable<float>(std::move(batch.images)));
    return {softmax_cross_entropy<float>(logits, batch.labels, {.label_smoothing = label_smoothing_}),
            count_correct(logits.value(), batch.labels), static_cast<std::int64_t>(batch.labels.size())};
  }

  Evaluation evaluate() override { return score(model_, set_, validation_).evaluation; }

  [[nodiscard]] std::int64_t images_per_step() const override { return sampler_.batch_size(); }

 private:
  ImageClassifier& model_;
  const ImageSet& set_;
  EpochSampler sampler_;
  std::vector<Index> validation_;
  Augmentation augmentation_;
  double label_smoothing_;
  Rng rng_;
};

// Encoder and pretext head as one module to train.
class PretrainModel final : public Module<float> {
 public:
  PretrainModel(Encoder<float>& encoder, Module<float>& head) : encoder_(encoder), head_(head) {}

 protected:
  void visit(ModuleVisitor<float>& v) override {
    v.child("encoder", encoder_);
    v.child("head", head_);
  }

 private:
  Encoder<float>& encoder_;
  Module<float>& head_;
};

// Images of a batch of pretext questions that is evaluated, at most.
inline constexpr Index kPretextEvaluationBatch = 256;

// An encoder and its pretext head: learn from the images `indices` of a set, and from all of `more`. A step takes its
// images from one of the two; the steps of the smaller one are spread evenly among the other's. Validated on images
// of the first set.
class PretrainTask final : public FitTask<PretextBatch> {
 public:
  PretrainTask(Encoder<float>& encoder, PretextTask<float>& pretext, const ImageSet& set, std::vector<Index> indices,
               const ImageSet& more, std::vector<Index> validation, Index batch, const Rng& rng)
      : encoder_(encoder),
        pretext_(pretext),
        model_(encoder, pretext.head()),
        set_(set),
        more_(more),
        validation_(std::move(validation)),
        images_(static_cast<Index>(indices.size()) + more.count),
        batch_(std::min(batch, static_cast<Index>(indices.size()))),
        sampler_(std::move(indices), batch_, rng.split("order")),
        rng_(rng.split("patches")),
        validation_rng_(rng.split("validation patches")) {
    // Of few, no image twice in a batch: contrastive tasks would have to tell it from itself.
    if (more.count > 0)
      more_sampler_.emplace(numbered(more.count), std::min(batch_, more.count), rng.split("order of unlabelled"));
  }

  Module<float>& module() override { return model_; }

  PretextBatch make_batch(std::int64_t step) const override {
    const Rng rng = rng_.split(static_cast<std::uint64_t>(step));
    const std::int64_t before = more_before(step);
    if (more_before(step + 1) > before) return pretext_.make_batch(more_, more_sampler_->batch(before), rng);
    return pretext_.make_batch(set_, sampler_.batch(step - before), rng);
  }

  BatchLoss loss(PretextBatch& batch) override {
    const PretextLoss<float> result = pretext_.loss(encoder_, batch);
    return {result.loss, result.correct, result.count};
  }

  Evaluation evaluate() override {
    const PretextEvaluation result =
        evaluate_pretext(pretext_, encoder_, set_, validation_, kPretextEvaluationBatch, validation_rng_);
    return {result.loss, result.accuracy, 0};
  }

  [[nodiscard]] std::int64_t images_per_step() const override { return batch_; }
  [[nodiscard]] Index images() const { return images_; }

 private:
  // Steps on `more` before this one.
  [[nodiscard]] std::int64_t more_before(std::int64_t step) const {
    return static_cast<std::int64_t>(static_cast<double>(step) * static_cast<double>(more_.count) /
                                     static_cast<double>(images_));
  }

  Encoder<float>& encoder_;
  PretextTask<float>& pretext_;
  PretrainModel model_;
  const ImageSet& set_;
  const ImageSet& more_;
  std::vector<Index> validation_;
  Index images_;
  Index batch_;
  EpochSampler sampler_;
  std::optional<EpochSampler> more_sampler_;
  Rng rng_;
  Rng validation_rng_;
};

}  // namespace contexture::detail
