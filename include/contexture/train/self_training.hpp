// SPDX-License-Identifier: MIT
// A classifier learns from soft targets: probabilities that a teacher gave to images without labels, and labels where
// they are known (Xie et al., "Self-training with Noisy Student", arXiv 1911.04252: the teacher sees images as they
// are, the student varied ones; soft targets and no threshold).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "contexture/autograd/loss.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/augmentation.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/sampler.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/optim/state_tensors.hpp"
#include "contexture/train/fit.hpp"
#include "contexture/train/training-inl.hpp"
#include "contexture/train/training.hpp"

namespace contexture {

/// What a student is trained on.
struct SoftlyLabelledImages {
  const ImageSet& set;           ///< its labels are not looked at
  const Tensor<float>& targets;  ///< (images of the set and of `more`, classes): the probabilities, >= 0
  std::vector<Index> labelled;   ///< images whose targets are labels: a part of every batch is drawn from these
  double labelled_share = 0.25;  ///< of a batch; the rest is drawn from `indices`
  Augmentation augmentation = {};
  std::vector<Index> indices = {};            ///< images to learn from; none: all
  const ImageSet* more = nullptr;             ///< more images, numbered behind those of the set
  std::function<Evaluation()> evaluate = {};  ///< as LabelledImages::evaluate; without, the last weights are kept

  [[nodiscard]] ImageSource source() const { return {set, more}; }
  [[nodiscard]] std::vector<Index> drawn() const { return indices.empty() ? numbered(source().count()) : indices; }
};

/// The same with RandAugment: a student that sees harder images than its teacher did becomes the better of both
/// (docs/research.md).
[[nodiscard]] inline Augmentation student_augmentation(Augmentation basic) {
  basic.rand_augment = {.operations = 3, .magnitude = 0.5F};
  return basic;
}

/// The targets of labelled images (N,classes): label's one, smoothed. Throws std::invalid_argument for other labels.
inline void set_label_targets(Tensor<float>& targets, std::span<const Index> images,
                              std::span<const std::int32_t> labels, double smoothing) {
  const Index classes = dim(targets, 1);
  for (const Index i : images) {
    require(i >= 0 && i < dim(targets, 0) && i < static_cast<Index>(labels.size()), "set_label_targets: image ", i);
    const std::int32_t label = labels[static_cast<std::size_t>(i)];
    require(label >= 0 && label < classes, "set_label_targets: label ", label, ", expected 0 to ", classes - 1);
    float* const row = targets.data() + i * classes;
    std::fill_n(row, classes, static_cast<float>(smoothing / static_cast<double>(classes)));
    row[label] += static_cast<float>(1 - smoothing);
  }
}

namespace detail {

#if defined(CONTEXTURE_COMPILED)
extern template FitState train<Batch>(FitTask<Batch>&, const TrainingOptions&, Index, const Rng&, const FitHooks&);
#endif

class SoftClassifierTask final : public FitTask<Batch> {
 public:
  SoftClassifierTask(ImageClassifier& model, const SoftlyLabelledImages& images, Index batch, const Rng& rng)
      : model_(model),
        images_(images),
        labelled_(images.labelled, labelled_in(images, batch), rng.split("order of labelled")),
        all_(images.drawn(), batch - labelled_in(images, batch), rng.split("order")),
        rng_(rng.split("augmentation")) {}

  Module<float>& module() override { return model_; }

  Batch make_batch(std::int64_t step, const Part& part) const override {
    std::vector<Index> indices = labelled_.batch(step);
    const std::vector<Index> more = all_.batch(step);
    indices.insert(indices.end(), more.begin(), more.end());
    Batch batch;
    contexture::make_batch(images_.source(), BatchIndices(indices, part), model_.options().normalization,
                           &images_.augmentation, rng_.split(static_cast<std::uint64_t>(step)), batch);
    return batch;
  }

  BatchLoss loss(Batch& batch) override {
    const Tensor<float> targets = targets_of(batch);
    const Variable<float> logits = model_(Variable<float>(std::move(batch.images)));
    return {softmax_cross_entropy<float>(logits, targets), count_correct(logits.value(), likeliest_classes(targets)),
            static_cast<std::int64_t>(batch.indices.size())};
  }

  Evaluation evaluate() override { return images_.evaluate ? images_.evaluate() : Evaluation{}; }

  [[nodiscard]] std::int64_t images_per_step() const override { return labelled_.batch_size() + all_.batch_size(); }

 private:
  static Index labelled_in(const SoftlyLabelledImages& images, Index batch) {
    return std::clamp<Index>(std::llround(images.labelled_share * static_cast<double>(batch)), 1, batch - 1);
  }

  // Those of the batch's images, mixed as they are.
  [[nodiscard]] Tensor<float> targets_of(const Batch& batch) const {
    const auto classes = static_cast<std::size_t>(dim(images_.targets, 1));
    const auto row = [&](Index image) { return images_.targets.data() + static_cast<std::size_t>(image) * classes; };
    Tensor<float> targets = empty<float>({batch.indices.size(), classes});
    for (std::size_t k = 0; k < batch.indices.size(); ++k) {
      float* const out = std::copy_n(row(batch.indices[k]), classes, targets.data() + k * classes) - classes;
      if (batch.own.empty()) continue;
      const float* const partner = row(batch.partners[k]);
      for (std::size_t c = 0; c < classes; ++c) out[c] = batch.own[k] * out[c] + (1 - batch.own[k]) * partner[c];
    }
    return targets;
  }

  ImageClassifier& model_;
  const SoftlyLabelledImages& images_;
  EpochSampler labelled_, all_;
  Rng rng_;
};

}  // namespace detail

/// Trains all weights of a classifier on soft targets, for options.steps steps of options.batch images or until a stop
/// is requested. Where it is evaluated, it ends with the weights that were best then; else with the last, or with
/// options.averaging with the averaged weights of the last steps. Its FitState counts an answer as right that is the
/// target's likeliest class. The same arguments give the same bits. Throws std::invalid_argument for images and targets
/// that do not fit the classifier, no labelled images, and options.evaluate_at without images.evaluate or the other way
/// round; Diverged when the loss is not finite.
inline FitState train_on_soft_targets(ImageClassifier& model, const SoftlyLabelledImages& images,
                                      const TrainingOptions& options, const Rng& rng, const FitHooks& hooks = {}) {
  const ImageClassifierOptions& classifier = model.options();
  const ImageSet& set = images.set;
  detail::check_image_set("train_on_soft_targets", set);
  detail::check_training("train_on_soft_targets", options, static_cast<Index>(images.labelled.size()));
  require(set.height == classifier.height && set.width == classifier.width &&
              set.channels == classifier.encoder.in_channels,
          "train_on_soft_targets: images of ", set.height, " x ", set.width, " x ", set.channels,
          ", the classifier is for ", classifier.height, " x ", classifier.width, " x ",
          classifier.encoder.in_channels);
  const Index count = images.source().count();
  const Shape expected{static_cast<std::size_t>(count), classifier.class_names.size()};
  require(images.targets.shape() == expected, "train_on_soft_targets: targets ", images.targets.shape(), ", expected ",
          expected);
  require(options.batch >= 2 && images.labelled_share > 0 && images.labelled_share < 1,
          "train_on_soft_targets: batch of ", options.batch, ", labelled share ", images.labelled_share,
          ", expected 2 or more, and between 0 and 1");
  require(options.evaluate_at.empty() == !images.evaluate,
          "train_on_soft_targets: evaluate_at and SoftlyLabelledImages::evaluate, expected both or neither");
  for (const std::vector<Index>* some : {&images.labelled, &images.indices})
    for (const Index i : *some) require(i >= 0 && i < count, "train_on_soft_targets: image ", i, " of ", count);
  detail::SoftClassifierTask task(model, images, options.batch, rng);
  TrainingOptions training = options;
  if (!images.evaluate) training.evaluate_at = {options.steps};  // where fit() keeps the averaged weights
  FitState state = detail::train(task, training, static_cast<Index>(images.drawn().size()), rng, hooks);
  if (state.step == options.steps) restore_tensors(state.best, state_tensors(model), "averaged weights");
  return state;
}

}  // namespace contexture
