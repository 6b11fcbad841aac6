// SPDX-License-Identifier: MIT
// Pre-training: an encoder learns from images without labels, by a pretext task.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/data/sampler.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/train/fit.hpp"
#include "contexture/train/training.hpp"

namespace contexture {

/// What an encoder is pre-trained on. Labels are not looked at.
struct PretrainImages {
  const ImageSet& set;
  std::vector<Index> indices = {};     ///< those of the set to learn from; none: all
  std::vector<Index> validation = {};  ///< those of the set to be asked about at TrainingOptions::evaluate_at
  const ImageSet* more = nullptr;      ///< all of these are learnt from as well, in their share of the steps
  Normalization normalization = {};    ///< of whole images, as a classifier gets them; none: that of `indices`
  /// The encoder ends with the batch-norm statistics of whole images; else with those of what the task shows it.
  bool recalibrate = true;

  /// Images of the set that are learnt from.
  [[nodiscard]] Index of_set() const { return indices.empty() ? set.count : static_cast<Index>(indices.size()); }
  /// All that are learnt from.
  [[nodiscard]] Index count() const { return of_set() + (more == nullptr ? 0 : more->count); }
};

namespace detail {

// Images of a batch of pretext questions that is evaluated, at most.
inline constexpr Index kPretextEvaluationBatch = 256;

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

// An encoder and its pretext task: learn from the images `indices` of a set, and from all of `more`. A step takes its
// images from one of the two; the steps of the smaller one are spread evenly among the other's. Validated on images
// of the first set.
class PretrainTask final : public FitTask<PretextBatch> {
 public:
  PretrainTask(Backbone<float>& encoder, PretextTask<float>& pretext, const PretrainImages& images, Index batch,
               const Rng& rng)
      : encoder_(encoder),
        pretext_(pretext),
        model_(encoder, pretext),
        set_(images.set),
        more_(images.more),
        validation_(images.validation),
        images_(images.count()),
        batch_(std::min(batch, images.of_set())),
        sampler_(images.indices.empty() ? numbered(set_.count) : images.indices, batch_, rng.split("order")),
        rng_(rng.split("patches")),
        validation_rng_(rng.split("validation patches")) {
    // Of few, no image twice in a batch: contrastive tasks would have to tell it from itself.
    if (more_count() > 0)
      more_sampler_.emplace(numbered(more_count()), std::min(batch_, more_count()), rng.split("order of unlabelled"));
  }

  Module<float>& module() override { return model_; }

  PretextBatch make_batch(std::int64_t step, const Part& part) const override {
    const Rng rng = rng_.split(static_cast<std::uint64_t>(step));
    const std::int64_t before = more_before(step);
    const bool more = more_before(step + 1) > before;
    const std::vector<Index> whole = more ? more_sampler_->batch(before) : sampler_.batch(step - before);
    return pretext_.make_batch(more ? *more_ : set_, BatchIndices(whole, part), rng);
  }

  BatchLoss loss(PretextBatch& batch) override {
    const PretextLoss<float> result = pretext_.loss(encoder_, batch);
    return {result.loss, result.correct, result.count, result.mean_weight()};
  }

  Evaluation evaluate() override {
    const PretextEvaluation result =
        evaluate_pretext(pretext_, encoder_, set_, validation_, kPretextEvaluationBatch, validation_rng_);
    return {result.loss, result.accuracy, 0};
  }

  [[nodiscard]] std::int64_t images_per_step() const override { return batch_; }

 private:
  [[nodiscard]] Index more_count() const { return more_ == nullptr ? 0 : more_->count; }

  // Steps on `more` before this one.
  [[nodiscard]] std::int64_t more_before(std::int64_t step) const {
    return static_cast<std::int64_t>(static_cast<double>(step) * static_cast<double>(more_count()) /
                                     static_cast<double>(images_));
  }

  Backbone<float>& encoder_;
  PretextTask<float>& pretext_;
  PretrainModel model_;
  const ImageSet& set_;
  const ImageSet* more_;
  std::vector<Index> validation_;
  Index images_;
  Index batch_;
  EpochSampler sampler_;
  std::optional<EpochSampler> more_sampler_;
  Rng rng_;
  Rng validation_rng_;
};

}  // namespace detail

/// Trains an encoder and the task's head, for options.steps steps or until a stop is requested; the head is of no use
/// afterwards. Returns what was measured: fewer steps than asked for where it was stopped. The same arguments give the
/// same bits. Throws std::invalid_argument for options that make no sense, Diverged when the loss is not finite.
CONTEXTURE_FUNCTION FitState pretrain(Backbone<float>& encoder, PretextTask<float>& task, const PretrainImages& images,
                                      const TrainingOptions& options, const Rng& rng, const FitHooks& hooks = {});

/// Accuracy in pretrain()'s validation on so many images that can be had without looking at them: that of its batches,
/// of the smaller size where there are two.
[[nodiscard]] inline double validation_chance(const PretextTask<float>& task, Index held_out) {
  return task.chance(
      std::max<Index>(2, held_out / pretext_evaluation_batches(held_out, detail::kPretextEvaluationBatch)));
}

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/train/pretraining-inl.hpp"
#endif
