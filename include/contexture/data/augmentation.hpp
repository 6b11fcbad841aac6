// SPDX-License-Identifier: MIT
// How training images are varied: a random crop of the padded image, mirrored or not; on demand, operations on its
// pixels before, and mixtures of two images after.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "contexture/core/tensor.hpp"
#include "contexture/data/border.hpp"
#include "contexture/data/mixing.hpp"
#include "contexture/data/rand_augment.hpp"

namespace contexture {

/// How a training image is varied before it is used.
struct Augmentation {
  enum class Border { kReflect, kZero };
  int crop_padding = 4;                  ///< pixels added on every side before a random crop of the image's size
  bool flip = true;                      ///< mirror left-right, every second image
  Border border = Border::kReflect;      ///< what the added pixels are: the mirrored image, or black
  RandAugmentOptions rand_augment = {};  ///< before the crop
  MixingOptions mixing = {};             ///< of the finished images; the loss is for targets that are mixed as well
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
