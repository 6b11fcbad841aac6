// SPDX-License-Identifier: MIT
// Small sets of images for the tests of pretext tasks.
#pragma once

#include <cstdint>
#include <numeric>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/data/builtin.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/normalisation.hpp"

namespace contexture::made_up {

/// Every byte at random.
inline ImageSet noise(Index count, Index height, Index width, Index channels, std::uint64_t seed = 7) {
  ImageSet set{count, height, width, channels, {}, {}};
  Rng rng(seed);
  set.pixels.resize(static_cast<std::size_t>(count * set.image_bytes()));
  for (auto& p : set.pixels) p = static_cast<std::uint8_t>(rng.below(256));
  return set;
}

/// Four quadrants of brightness 20, 80, 140 and 200, row by row, each with noise of up to 20.
inline ImageSet quadrants(Index count, Index size, Index channels, std::uint64_t seed = 7) {
  ImageSet set = noise(count, size, size, channels, seed);
  std::uint8_t* p = set.pixels.data();
  for (Index i = 0; i < count; ++i)
    for (Index y = 0; y < size; ++y)
      for (Index x = 0; x < size; ++x)
        for (Index c = 0; c < channels; ++c, ++p)
          *p = static_cast<std::uint8_t>(20 + 60 * (2 * (y >= size / 2) + (x >= size / 2)) + *p % 21);
  return set;
}

/// The built-in pictures, lit from above: the bottom row has a third of its brightness.
inline ImageSet lit_from_above(Index count, Index size, std::uint64_t seed = 3) {
  ImageSet set = builtin_dataset(count, 1, size, seed).train;
  for (Index i = 0; i < count; ++i)
    for (Index y = 0; y < size; ++y) {
      const float light = 1.0F - static_cast<float>(y) / (1.5F * static_cast<float>(size - 1));
      std::uint8_t* const row = set.image(i) + y * size * set.channels;
      for (Index k = 0; k < size * set.channels; ++k)
        row[k] = static_cast<std::uint8_t>(light * static_cast<float>(row[k]));
    }
  return set;
}

/// Leaves pixel values as they are, 0..1.
inline Normalization as_stored(Index channels) {
  const auto n = static_cast<std::size_t>(channels);
  return {std::vector<float>(n, 0.0F), std::vector<float>(n, 1.0F)};
}

/// 0, 1, ... n - 1.
inline std::vector<Index> first(Index n) {
  std::vector<Index> indices(static_cast<std::size_t>(n));
  std::iota(indices.begin(), indices.end(), Index{0});
  return indices;
}

}  // namespace contexture::made_up
