// SPDX-License-Identifier: MIT
// How training images are varied: a random crop of the padded image, mirrored or not; on demand, changes of one's own
// and RandAugment before, and mixtures of two images after.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/border.hpp"
#include "contexture/data/mixing.hpp"
#include "contexture/data/rand_augment.hpp"

namespace contexture {

/// Changes an image in place; what is random about it comes from `rng`. Batches are made beside the training loop, in
/// another thread: it writes to nothing but the image.
using ImageChange = std::function<void(const PixelView& image, Rng& rng)>;

/// One change after the other. Throws std::invalid_argument where one is empty.
[[nodiscard]] inline ImageChange compose(std::vector<ImageChange> changes) {
  for (const ImageChange& change : changes) require(static_cast<bool>(change), "compose: an empty change");
  return [changes = std::move(changes)](const PixelView& image, Rng& rng) {
    for (const ImageChange& change : changes) change(image, rng);
  };
}

/// The change with that probability, else none. Throws std::invalid_argument for a probability outside [0, 1].
[[nodiscard]] inline ImageChange sometimes(float probability, ImageChange change) {
  require(probability >= 0 && probability <= 1, "sometimes: probability ", probability, ", expected 0 to 1");
  require(static_cast<bool>(change), "sometimes: an empty change");
  return [probability, change = std::move(change)](const PixelView& image, Rng& rng) {
    if (rng.bernoulli(probability)) change(image, rng);
  };
}

/// One operation of RandAugment, with a strength drawn from -strength to strength. Throws std::invalid_argument for a
/// strength outside [0, 1].
[[nodiscard]] inline ImageChange random_change(RandAugmentOp op, float strength) {
  require(strength >= 0 && strength <= 1, "random_change: strength ", strength, ", expected 0 to 1");
  return [op, strength](const PixelView& image, Rng& rng) {
    std::vector<std::uint8_t> scratch;
    apply(op, rng.uniform(-strength, strength), image, scratch);
  };
}

/// Brightness, contrast and colour, each by a factor from 1 - strength to 1 + strength. Throws std::invalid_argument
/// for a strength outside [0, 0.9].
[[nodiscard]] inline ImageChange colour_jitter(float strength) {
  constexpr float kMost = 0.9F;  // an operation's factor is 1 + 0.9 of its strength
  require(strength >= 0 && strength <= kMost, "colour_jitter: strength ", strength, ", expected 0 to ", kMost);
  return compose({random_change(RandAugmentOp::brightness, strength / kMost),
                  random_change(RandAugmentOp::contrast, strength / kMost),
                  random_change(RandAugmentOp::colour, strength / kMost)});
}

/// How a training image is varied before it is used.
struct Augmentation {
  enum class Border { kReflect, kZero };
  int crop_padding = 4;                  ///< pixels added on every side before a random crop of the image's size
  bool flip = true;                      ///< mirror left-right, every second image
  Border border = Border::kReflect;      ///< what the added pixels are: the mirrored image, or black
  RandAugmentOptions rand_augment = {};  ///< before the crop
  MixingOptions mixing = {};             ///< of the finished images; the loss is for targets that are mixed as well
  ImageChange own = {};                  ///< before all others: a change of one's own, or compose() of several
};

/// The same with RandAugment and CutMix, for trainings that see an image many times.
[[nodiscard]] inline Augmentation strong_augmentation(Augmentation basic) {
  basic.rand_augment.operations = 2;
  basic.mixing.cutmix = 0.5F;
  return basic;
}

namespace detail {

// One row of the image shifted by dx (columns outside: reflected, or 0) and mirrored on demand.
inline void shifted_row(const std::uint8_t* source, Index width, Index channels, Index dx, bool flip, bool reflect,
                        std::uint8_t* out) {
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

/// Mirrors rows (rows,width,channels) left-right, in place: those of an image, or of many.
inline void mirror_columns(float* pixels, Index rows, Index width, Index channels) {
  for (Index r = 0; r < rows; ++r) {
    float* left = pixels + r * width * channels;
    float* right = left + (width - 1) * channels;
    for (; left < right; left += channels, right -= channels) std::swap_ranges(left, left + channels, right);
  }
}

}  // namespace contexture
