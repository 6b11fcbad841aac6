// SPDX-License-Identifier: MIT
// From pixels as an image file stores them to grey or RGB: what the decoders share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"

namespace contexture::detail {

// A set of one image, black.
inline ImageSet image_of(Index height, Index width, Index channels) {
  ImageSet image;
  image.count = 1;
  image.height = height;
  image.width = width;
  image.channels = channels;
  image.pixels.resize(static_cast<std::size_t>(image.image_bytes()));
  return image;
}

// Fills `image` from pixels of `stored` samples, the last of which is their opacity: transparent ones show white paper.
inline void lay_over_white(const std::uint8_t* in, Index stored, ImageSet& image) {
  std::uint8_t* out = image.pixels.data();
  for (Index i = 0; i < image.height * image.width; ++i, in += stored) {
    const int alpha = in[image.channels];
    for (Index c = 0; c < image.channels; ++c)
      *out++ = static_cast<std::uint8_t>((in[c] * alpha + 255 * (255 - alpha) + 127) / 255);
  }
}

// Fills `image` from CMYK as Adobe stores it, inverted: 255 is no ink.
inline void print_on_white(const std::uint8_t* in, ImageSet& image) {
  std::uint8_t* out = image.pixels.data();
  for (Index i = 0; i < image.height * image.width; ++i, in += 4) {
    for (int c = 0; c < 3; ++c) *out++ = static_cast<std::uint8_t>((in[c] * in[3] + 127) / 255);
  }
}

}  // namespace contexture::detail
