// What fit() trains here: a classifier on labelled images.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/data/augmentation.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/sampler.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/train/fit.hpp"

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

}  // namespace contexture::detail
