// SPDX-License-Identifier: MIT
// The settings of context prediction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/ssl/context_head.hpp"
#include "contexture/ssl/context_prediction.hpp"
#include "contexture/ssl/patch_options.hpp"
#include "contexture/ssl/patch_sampler.hpp"
#include "contexture/ssl/pretext.hpp"
#include "contexture/ssl/pretext_settings.hpp"

namespace contexture {

template <class T>
ContextPrediction<T>::ContextPrediction(const ContextPredictionOptions& options, const PretextImages& images,
                                        const Backbone<T>& encoder, const Rng& rng)
    : sampler_(options.patches, images.height, images.width, images.channels),
      options_(options),
      head_(feature_count(options, encoder), options.head, rng.split("context_head")) {
  detail::require_channels("context prediction", images, encoder);
  for (const double weight : sampler_.direction_weights()) weights_.push_back(static_cast<T>(weight));
}

template <class T>
ContextPrediction<T>::~ContextPrediction() = default;

template <class T>
PretextBatch ContextPrediction<T>::make_batch(const ImageSet& images, const BatchIndices& indices,
                                              const Rng& rng) const {
  return sampler_.sample(images, indices, rng);
}

template <class T>
PretextLoss<T> ContextPrediction<T>::loss(Backbone<T>& encoder, const PretextBatch& batch) {
  const Variable<T> scores = logits(encoder, batch);
  double weight = 0;
  for (const std::int32_t target : batch.targets)
    weight += static_cast<double>(weights_[static_cast<std::size_t>(target)]);
  return {.loss = softmax_cross_entropy<T>(scores, batch.targets,
                                           {.class_weights = weights_, .label_smoothing = options_.label_smoothing}),
          .correct = count_correct(scores.value(), batch.targets),
          .count = static_cast<Index>(batch.targets.size()),
          .weight = weight};
}

template <class T>
Variable<T> ContextPrediction<T>::logits(Backbone<T>& encoder, const PretextBatch& batch) {
  const Variable<T> map = encoder(input_variable<T>(batch.inputs));
  return head_.forward(features(map), batch.first, batch.second);
}

template <class T>
PretextPicture ContextPrediction<T>::picture(const ImageSet& images, Index image, const Rng& rng) const {
  const GridIllustration shown = sampler_.illustrate(images, image, rng);
  PretextPicture out{picture_of(shown.scaled, 0), {}};
  for (Index p = 0; p < shown.cut.count; ++p) {
    const PatchCorner& corner = shown.placement.patches[static_cast<std::size_t>(p)];
    out.patches.push_back(
        {p / shown.grid, p % shown.grid, corner.y, corner.x, picture_of(shown.cut, p), picture_of(shown.seen, p)});
  }
  return out;
}

template <class T>
Index ContextPrediction<T>::feature_count(const ContextPredictionOptions& options, const Backbone<T>& encoder) {
  if (options.readout == PatchReadout::average) return encoder.feature_channels();
  const Index extent = encoder.feature_extent(options.patches.patch);
  return extent * extent * encoder.feature_channels();
}

template <class T>
Variable<T> ContextPrediction<T>::features(const Variable<T>& map) const {
  if (options_.readout == PatchReadout::average) return global_avg_pool(map);
  const Shape& shape = map.shape();
  return reshape(map, {shape[0], shape[1] * shape[2] * shape[3]});
}

CONTEXTURE_FUNCTION std::vector<PretextSetting> ContextPredictionSpec::settings(Options& o) {
  const std::vector<PretextSetting> own{
      number_option("blank-pair-share", "share of the pairs with a blank patch that are asked about all the same",
                    o.patches.blank_pair_share, 0.0F, 1.0F),
      switch_option("balance-directions", "weigh directions by how seldom they are", o.patches.balance_directions),
      choice_option("readout", "what the pretext head gets of a patch's features", o.readout, {"average", "flatten"}),
      number_option("head-hidden", "units in the hidden layer of the pretext head", o.head.hidden, 1, 65536),
      number_option("head-dropout", "share of the pretext head's hidden units that are dropped in a step",
                    o.head.dropout, 0.0F, 0.99F),
      number_option("pretext-label-smoothing", "share of the right direction's target spread over all eight",
                    o.label_smoothing, 0.0, 0.9)};
  return joined(
      joined({number_option("grid", "patches a side, of the grid that is cut from an image", o.patches.grid, 2, 16)
                  .by_rule("by image size", "0")},
             patch_settings(o.patches)),
      own);
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T) template class ContextPrediction<T>;
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
