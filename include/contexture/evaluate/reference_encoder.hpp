// SPDX-License-Identifier: MIT
// What encoders are compared with: one of the same architecture with random weights.
#pragma once

#include <cstdint>
#include <memory>

#include "contexture/core/rng.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/ssl/recalibrate.hpp"

namespace contexture {

/// The stream that an encoder's first weights are drawn from, in pre-training and in both arms, for the run of a seed.
[[nodiscard]] inline Rng encoder_stream(const Rng& seed) { return seed.split("initialisation").split("encoder"); }

/// The encoder that the run of this seed begins from, with the batch-norm statistics of whole images, as pre-training
/// leaves them.
[[nodiscard]] inline std::unique_ptr<Backbone<float>> random_encoder(const BackboneDescription& description,
                                                                     const ImageSet& images,
                                                                     const Normalization& normalization,
                                                                     std::uint64_t seed) {
  auto encoder = make_backbone<float>(description, encoder_stream(Rng(seed)));
  recalibrate_batch_norm(*encoder, images, numbered(images.count), normalization);
  return encoder;
}

}  // namespace contexture
