// SPDX-License-Identifier: MIT
// The training of train/pretraining.hpp.
#pragma once

#include <algorithm>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/data/sampler.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/recalibrate.hpp"
#include "contexture/train/fit.hpp"
#include "contexture/train/pretraining.hpp"
#include "contexture/train/training-inl.hpp"
#include "contexture/train/training.hpp"

namespace contexture {

namespace detail {

#if defined(CONTEXTURE_COMPILED)
template FitState train<PretextBatch>(FitTask<PretextBatch>&, const TrainingOptions&, Index, const Rng&,
                                      const FitHooks&);
#endif

}  // namespace detail

CONTEXTURE_FUNCTION FitState pretrain(Backbone<float>& encoder, PretextTask<float>& task, const PretrainImages& images,
                                      const TrainingOptions& options, const Rng& rng, const FitHooks& hooks) {
  detail::check_image_set("pretrain", images.set);
  detail::check_training("pretrain", options, images.of_set());
  if (images.more != nullptr && images.more->count > 0)
    detail::check_processes(std::min(options.batch, images.more->count));
  require(options.evaluate_at.empty() || !images.validation.empty(),
          "pretrain: to be evaluated, but PretrainImages::validation has no images");
  detail::PretrainTask training(encoder, task, images, options.batch, rng);
  FitState state = detail::train(training, options, images.count(), rng, hooks);
  if (!images.recalibrate || state.step < options.steps) return state;
  const std::vector<Index> whole = images.indices.empty() ? numbered(images.set.count) : images.indices;
  recalibrate_batch_norm(
      encoder, images.set, whole,
      images.normalization.mean.empty() ? channel_statistics(images.set, whole) : images.normalization);
  return state;
}

}  // namespace contexture
