// What fit() trains without labels: an encoder and a pretext task.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/sampler.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/train/fit.hpp"

namespace contexture::detail {

// Encoder and pretext task as one module to train.
class PretrainModel final : public Module<float> {
 public:
  PretrainModel(Backbone<float>& encoder, PretextTask<float>& task) : encoder_(encoder), task_(task) {}

 protected:
  void visit(ModuleVisitor<float>& v) override {
    v.child("encoder", encoder_);
    v.child("head", task_);
  }

 private:
  Backbone<float>& encoder_;
  PretextTask<float>& task_;
};

// Images of a batch of pretext questions that is evaluated, at most.
inline constexpr Index kPretextEvaluationBatch = 256;

// An encoder and its pretext task: learn from the images `indices` of a set, and from all of `more`. A step takes its
// images from one of the two; the steps of the smaller one are spread evenly among the other's. Validated on images
// of the first set.
class PretrainTask final : public FitTask<PretextBatch> {
 public:
  PretrainTask(Backbone<float>& encoder, PretextTask<float>& pretext, const ImageSet& set, std::vector<Index> indices,
               const ImageSet& more, std::vector<Index> validation, Index batch, const Rng& rng)
      : encoder_(encoder),
        pretext_(pretext),
        model_(encoder, pretext),
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

  // Of the validation's accuracy: in batches as evaluate() makes them, of the smaller size where there are two.
  [[nodiscard]] double chance() const {
    const auto held_out = static_cast<Index>(validation_.size());
    return pretext_.chance(
        std::max<Index>(2, held_out / pretext_evaluation_batches(held_out, kPretextEvaluationBatch)));
  }

 private:
  // Steps on `more` before this one.
  [[nodiscard]] std::int64_t more_before(std::int64_t step) const {
    return static_cast<std::int64_t>(static_cast<double>(step) * static_cast<double>(more_.count) /
                                     static_cast<double>(images_));
  }

  Backbone<float>& encoder_;
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
