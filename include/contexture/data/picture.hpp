// SPDX-License-Identifier: MIT
// One image as plain 8-bit data, for people to look at.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"

namespace contexture {

/// One image, (H,W,C) row-major; 1 channel is grey, 3 are RGB.
struct Picture {
  Index height = 0;
  Index width = 0;
  Index channels = 0;
  std::vector<std::uint8_t> pixels;
};

/// Image `i` of a set as a picture.
[[nodiscard]] inline Picture picture_of(const ImageSet& set, Index i) {
  require(i >= 0 && i < set.count, "picture_of: image ", i, " of a set of ", set.count);
  return {set.height, set.width, set.channels, {set.image(i), set.image(i) + set.image_bytes()}};
}

/// A float image (H,W,C) as a picture: `low` becomes black, `high` white. The defaults show
/// standardised values from -2.5 to +2.5 standard deviations.
[[nodiscard]] inline Picture picture_of(const float* values, Index height, Index width, Index channels,
                                        float low = -2.5F, float high = 2.5F) {
  require(high > low, "picture_of: low ", low, " is not below high ", high);
  Picture out{height, width, channels, std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * channels))};
  for (std::size_t i = 0; i < out.pixels.size(); ++i) {
    const float v = is_finite(values[i]) ? (values[i] - low) / (high - low) : 0.0F;
    out.pixels[i] = static_cast<std::uint8_t>(std::clamp(v, 0.0F, 1.0F) * 255.0F + 0.5F);
  }
  return out;
}

}  // namespace contexture
