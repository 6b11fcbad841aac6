// SPDX-License-Identifier: MIT
// How images are changed, shifted and mirrored.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/augmentation.hpp"
#include "contexture/data/border.hpp"
#include "contexture/data/mixing.hpp"
#include "contexture/data/rand_augment.hpp"

namespace contexture {

CONTEXTURE_FUNCTION ImageChange compose(std::vector<ImageChange> changes) {
  for (const ImageChange& change : changes) require(static_cast<bool>(change), "compose: an empty change");
  return [changes = std::move(changes)](const PixelView& image, Rng& rng) {
    for (const ImageChange& change : changes) change(image, rng);
  };
}

CONTEXTURE_FUNCTION ImageChange sometimes(float probability, ImageChange change) {
  require(probability >= 0 && probability <= 1, "sometimes: probability ", probability, ", expected 0 to 1");
  require(static_cast<bool>(change), "sometimes: an empty change");
  return [probability, change = std::move(change)](const PixelView& image, Rng& rng) {
    if (rng.bernoulli(probability)) change(image, rng);
  };
}

CONTEXTURE_FUNCTION ImageChange random_change(RandAugmentOp op, float strength) {
  require(strength >= 0 && strength <= 1, "random_change: strength ", strength, ", expected 0 to 1");
  return [op, strength](const PixelView& image, Rng& rng) {
    std::vector<std::uint8_t> scratch;
    apply(op, rng.uniform(-strength, strength), image, scratch);
  };
}

CONTEXTURE_FUNCTION ImageChange colour_jitter(float strength) {
  constexpr float kMost = 0.9F;  // an operation's factor is 1 + 0.9 of its strength
  require(strength >= 0 && strength <= kMost, "colour_jitter: strength ", strength, ", expected 0 to ", kMost);
  return compose({random_change(RandAugmentOp::brightness, strength / kMost),
                  random_change(RandAugmentOp::contrast, strength / kMost),
                  random_change(RandAugmentOp::colour, strength / kMost)});
}

namespace detail {

CONTEXTURE_FUNCTION void shifted_row(const std::uint8_t* source, Index width, Index channels, Index dx, bool flip,
                                     bool reflect, std::uint8_t* out) {
  const auto bytes = static_cast<std::size_t>(channels);
  const Index first = std::clamp<Index>(flip ? dx : -dx, 0, width);  // [first, last): inside the image
  const Index last = std::clamp<Index>(flip ? width + dx : width - dx, first, width);
  const auto border = [&](Index x) {
    const Index sx = (flip ? width - 1 - x : x) + dx;
    if (reflect) {
      std::memcpy(out + x * channels, source + reflected(sx, width) * channels, bytes);
    } else {
      std::memset(out + x * channels, 0, bytes);
    }
  };
  for (Index x = 0; x < first; ++x) border(x);
  if (!flip) {
    if (last > first) {
      std::memcpy(out + first * channels, source + (first + dx) * channels,
                  bytes * static_cast<std::size_t>(last - first));
    }
  } else if (channels == 3) {
    const std::uint8_t* p = source + (width - 1 - first + dx) * 3;
    for (Index x = first; x < last; ++x, p -= 3) {
      for (Index c = 0; c < 3; ++c) out[x * 3 + c] = p[c];
    }
  } else {
    for (Index x = first; x < last; ++x) {
      std::memcpy(out + x * channels, source + (width - 1 - x + dx) * channels, bytes);
    }
  }
  for (Index x = last; x < width; ++x) border(x);
}

}  // namespace detail

CONTEXTURE_FUNCTION void mirror_columns(float* pixels, Index rows, Index width, Index channels) {
  for (Index r = 0; r < rows; ++r) {
    float* left = pixels + r * width * channels;
    float* right = left + (width - 1) * channels;
    for (; left < right; left += channels, right -= channels) std::swap_ranges(left, left + channels, right);
  }
}

}  // namespace contexture
