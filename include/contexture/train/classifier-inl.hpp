// SPDX-License-Identifier: MIT
// The training of train/classifier.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/sampler.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/optim/state_tensors.hpp"
#include "contexture/train/classifier.hpp"
#include "contexture/train/fit.hpp"
#include "contexture/train/training-inl.hpp"
#include "contexture/train/training.hpp"

namespace contexture {

namespace detail {

#if defined(CONTEXTURE_COMPILED)
template FitState train<Batch>(FitTask<Batch>&, const TrainingOptions&, Index, const Rng&, const FitHooks&);
#endif

// Throws std::invalid_argument where the images are not what the classifier is for.
inline void check_labelled_images(const ImageClassifierOptions& classifier, const LabelledImages& images) {
  const ImageSet& set = images.set;
  check_image_set("train_classifier", set);
  require(set.height == classifier.height && set.width == classifier.width &&
              set.channels == classifier.encoder.in_channels,
          "train_classifier: images of ", set.height, " x ", set.width, " x ", set.channels, ", the classifier is for ",
          classifier.height, " x ", classifier.width, " x ", classifier.encoder.in_channels);
  require(!set.labels.empty(), "train_classifier: images without labels");
  for (const Index i : images.indices) {
    require(i >= 0 && i < set.count, "train_classifier: image ", i, " of ", set.count);
    const std::int32_t label = set.labels[static_cast<std::size_t>(i)];
    require(label >= 0 && static_cast<std::size_t>(label) < classifier.class_names.size(), "train_classifier: image ",
            i, " has label ", label, ", expected 0 to ", classifier.class_names.size() - 1);
  }
}

}  // namespace detail

CONTEXTURE_FUNCTION FitState train_classifier(ImageClassifier& model, const LabelledImages& images,
                                              const TrainingOptions& options, const Rng& rng, const FitHooks& hooks) {
  detail::check_labelled_images(model.options(), images);
  const auto count = static_cast<Index>(images.indices.size());
  detail::check_training("train_classifier", options, count);
  require(options.evaluate_at.empty() || images.evaluate,
          "train_classifier: to be evaluated, but LabelledImages::evaluate is not given");
  require(options.averaging == 0 || !options.evaluate_at.empty(),
          "train_classifier: averaged weights are for evaluation, but TrainingOptions::evaluate_at is empty");
  detail::ClassifierTask task(model, images, std::min(options.batch, count), rng);
  FitState state = detail::train(task, options, count, rng, hooks);
  if (state.step == options.steps && state.best_step >= 0)
    restore_tensors(state.best, state_tensors(model), "best weights");
  return state;
}

}  // namespace contexture
