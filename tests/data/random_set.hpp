// SPDX-License-Identifier: MIT
// Images of random bytes.
#pragma once

#include <cstdint>

#include "contexture/core/rng.hpp"
#include "contexture/data/dataset.hpp"

namespace random_images {

using namespace contexture;

// Labels 0, 1, 2 in turn; always the same bytes.
inline ImageSet random_set(Index count, Index height, Index width, Index channels) {
  ImageSet set;
  set.count = count;
  set.height = height;
  set.width = width;
  set.channels = channels;
  Rng rng(17);
  for (Index i = 0; i < count * set.image_bytes(); ++i) set.pixels.push_back(static_cast<std::uint8_t>(rng.below(256)));
  for (Index i = 0; i < count; ++i) set.labels.push_back(static_cast<std::int32_t>(i % 3));
  return set;
}

}  // namespace random_images
