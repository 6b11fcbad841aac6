// SPDX-License-Identifier: MIT
// From pixels as an image file stores them to grey or RGB, upright: what the decoders share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/exif.hpp"

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

// The picture (of one image) as it is to be shown, by the orientation of Exif data: where the first row and the first
// column as stored are shown. 1: top, left (nothing to do); 2: top, right; 3: bottom, right; 4: bottom, left; 5: left,
// top; 6: right, top; 7: right, bottom; 8: left, bottom.
inline ImageSet turned(ImageSet image, int orientation) {
  if (orientation <= 1) return image;
  const bool on_its_side = is_on_its_side(orientation);
  ImageSet out =
      image_of(on_its_side ? image.width : image.height, on_its_side ? image.height : image.width, image.channels);
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const std::uint8_t* const in = image.pixels.data();
  std::uint8_t* to = out.pixels.data();
  for (Index y = 0; y < out.height; ++y) {
    for (Index x = 0; x < out.width; ++x, to += image.channels) {
      Index row = on_its_side ? x : y, column = on_its_side ? y : x;
      if (from_below) row = image.height - 1 - row;
      if (from_right) column = image.width - 1 - column;
      std::copy_n(in + (row * image.width + column) * image.channels, image.channels, to);
    }
  }
  return out;
}

}  // namespace contexture::detail
