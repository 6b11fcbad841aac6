// SPDX-License-Identifier: MIT
// A classifier learns from labelled images. How good it is on others is the caller's to say, by score() of
// evaluate/score.hpp or otherwise.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/augmentation.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/sampler.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/train/fit.hpp"
#include "contexture/train/training.hpp"

namespace contexture {

/// What a classifier is trained on.
struct LabelledImages {
  const ImageSet& set;
  std::vector<Index> indices;                 ///< those of the set whose labels it learns from
  Augmentation augmentation = {};             ///< of those
  double label_smoothing = 0;                 ///< in [0, 1)
  std::function<Evaluation()> evaluate = {};  ///< asked at TrainingOptions::evaluate_at; may leave the mode changed
};

namespace detail {

class ClassifierTask final : public FitTask<Batch> {
 public:
  ClassifierTask(ImageClassifier& model, const LabelledImages& images, Index batch, const Rng& rng)
      : model_(model),
        images_(images),
        sampler_(images.indices, batch, rng.split("order")),
        rng_(rng.split("augmentation")) {}

  Module<float>& module() override { return model_; }

  Batch make_batch(std::int64_t step, const Part& part) const override {
    Batch batch;
    const std::vector<Index> whole = sampler_.batch(step);
    contexture::make_batch(images_.set, BatchIndices(whole, part), model_.options().normalization,
                           &images_.augmentation, rng_.split(static_cast<std::uint64_t>(step)), batch);
    return batch;
  }

  BatchLoss loss(Batch& batch) override {
    const Variable<float> logits = model_(Variable<float>(std::move(batch.images)));
    const CrossEntropyOptions<float> options{.label_smoothing = images_.label_smoothing};
    const auto count = static_cast<std::int64_t>(batch.labels.size());
    if (batch.own.empty())
      return {softmax_cross_entropy<float>(logits, batch.labels, options), count_correct(logits.value(), batch.labels),
              count};
    const Tensor<float> targets = mixed_targets(batch, dim(logits.value(), 1));
    return {softmax_cross_entropy<float>(logits, targets, options),
            count_correct(logits.value(), likeliest_classes(targets)), count};
  }

  Evaluation evaluate() override { return images_.evaluate(); }

  [[nodiscard]] std::int64_t images_per_step() const override { return sampler_.batch_size(); }

 private:
  ImageClassifier& model_;
  const LabelledImages& images_;
  EpochSampler sampler_;
  Rng rng_;
};

}  // namespace detail

/// Trains all weights of a classifier, for options.steps steps or until a stop is requested. Where it was evaluated, it
/// ends with the weights that were best then, else with the last. Returns what was measured: fewer steps than asked for
/// where it was stopped. The same arguments give the same bits. Throws std::invalid_argument for options that make no
/// sense and images that the classifier is not for, Diverged when the loss is not finite.
CONTEXTURE_FUNCTION FitState train_classifier(ImageClassifier& model, const LabelledImages& images,
                                              const TrainingOptions& options, const Rng& rng,
                                              const FitHooks& hooks = {});

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/train/classifier-inl.hpp"
#endif
