// SPDX-License-Identifier: MIT
// Images of a set brought to another size or number of channels.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/resample.hpp"

namespace contexture {
namespace detail {

// The crop of aspect height:width that is as large as possible and central, resampled.
class Fitter {
 public:
  Fitter(Index in_height, Index in_width, Index channels, Index height, Index width)
      : Fitter(in_height, in_width, channels, height, width,
               std::min(static_cast<double>(in_height) / static_cast<double>(height),
                        static_cast<double>(in_width) / static_cast<double>(width))) {}

  void operator()(const std::uint8_t* in, std::uint8_t* out) const {
    std::vector<float> row(static_cast<std::size_t>(columns_.to * channels_)), scratch;
    for (Index y = 0; y < rows_.to; ++y) {
      resample_window(in, channels_, rows_, columns_, y, 0, 1, columns_.to, scratch, row.data());
      for (const float v : row) *out++ = static_cast<std::uint8_t>(std::clamp(255 * v + 0.5F, 0.0F, 255.0F));
    }
  }

 private:
  Fitter(Index in_height, Index in_width, Index channels, Index height, Index width, double ratio)
      : channels_(channels),
        rows_(resample_axis(in_height, height, margin(in_height, height, ratio), ratio, Edge::cut)),
        columns_(resample_axis(in_width, width, margin(in_width, width, ratio), ratio, Edge::cut)) {}

  // What is cut off in front, in resized pixels. At ratio 1 whole pixels are, so that the rest is copied as it is.
  static double margin(Index in, Index out, double ratio) {
    const double m = 0.5 * (static_cast<double>(in) / ratio - static_cast<double>(out));
    return ratio == 1.0 ? std::floor(m) : m;
  }

  Index channels_;
  ResampleAxis rows_, columns_;
};

}  // namespace detail

/// Every image of the set brought to height x width: resized (triangle filter, widened when
/// shrinking) until it just covers that size, and what protrudes cut off evenly on both sides.
/// Labels are kept. Throws std::invalid_argument for a size outside 1 to 65,535.
[[nodiscard]] inline ImageSet resize_and_crop(const ImageSet& set, Index height, Index width) {
  constexpr Index kMost = 65'535;
  require(height >= 1 && width >= 1 && height <= kMost && width <= kMost, "resize_and_crop: to ", height, " x ", width,
          ", expected 1 to ", kMost);
  if (set.height == height && set.width == width) return set;
  ImageSet out;
  out.count = set.count;
  out.height = height;
  out.width = width;
  out.channels = set.channels;
  out.labels = set.labels;
  if (set.count == 0) return out;
  detail::check_image_set("resize_and_crop", set);
  detail::make_room(out, out.count);
  const detail::Fitter fit(set.height, set.width, set.channels, height, width);
  parallel_for(set.count, 16, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) fit(set.image(i), out.image(i));
  });
  return out;
}

/// The same pixels with 1 (grey) or 3 (RGB) channels; RGB becomes grey by BT.601 luma.
/// Throws std::invalid_argument for other numbers of channels, in the set or asked for.
[[nodiscard]] inline ImageSet with_channels(const ImageSet& set, Index channels) {
  require((channels == 1 || channels == 3) && (set.channels == 1 || set.channels == 3), "with_channels: from ",
          set.channels, " to ", channels, ", expected 1 or 3");
  if (set.channels == channels) return set;
  ImageSet out;
  out.count = set.count;
  out.height = set.height;
  out.width = set.width;
  out.channels = channels;
  out.labels = set.labels;
  out.pixels.resize(static_cast<std::size_t>(out.count * out.image_bytes()));
  const std::size_t n = static_cast<std::size_t>(set.count * set.height * set.width);
  for (std::size_t i = 0; i < n; ++i) {
    if (channels == 3) {
      for (std::size_t c = 0; c < 3; ++c) out.pixels[3 * i + c] = set.pixels[i];
    } else {
      const std::uint8_t* p = set.pixels.data() + 3 * i;
      out.pixels[i] = static_cast<std::uint8_t>((299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000);
    }
  }
  return out;
}

}  // namespace contexture
