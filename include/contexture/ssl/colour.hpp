// SPDX-License-Identifier: MIT
// What is done to the pixels of a patch after it was cut: colour treatments, and the moments that it is standardised
// by. In place, in the calling thread; everything random comes in through the stream.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {

/// What is done to the colours of a patch, against chromatic aberration and against solving the task
/// by matching colours.
enum class ColourTreatment {
  keep,           ///< nothing
  grey,           ///< all channels become the patch's luminance (Rec. 601; other than 3 channels: their mean)
  drop_channels,  ///< one random channel stays, the others become noise of 1 % of its deviation (the paper's first way)
  project  ///< the green-magenta axis is projected out: x B, B = I - a'a / (a a'), a = [-1 2 -1] (its second way)
};

/// The names of the treatments, in their order.
[[nodiscard]] inline std::vector<std::string> colour_treatment_names() {
  return {"keep", "grey", "drop_channels", "project"};
}

namespace detail {

struct PatchMoments {
  double mean = 0;               // over pixels and channels
  double deviation = 0;          // over pixels and channels
  double channel_deviation = 0;  // root mean square over channels of each channel's own deviation
};

// Column sums first (they vectorise), in floats about 0.5; the few columns are added up in double.
inline PatchMoments patch_moments(const float* patch, Index side, Index channels, std::vector<float>& scratch) {
  const Index row = side * channels;
  if (static_cast<Index>(scratch.size()) < 2 * row) scratch.resize(static_cast<std::size_t>(2 * row));
  float* sum = scratch.data();
  float* square = sum + row;
  std::fill_n(sum, 2 * row, 0.0F);
  for (Index y = 0; y < side; ++y, patch += row) {
    for (Index i = 0; i < row; ++i) {
      const float v = patch[i] - 0.5F;
      sum[i] += v;
      square[i] += v * v;
    }
  }
  const auto pixels = static_cast<double>(side * side);
  PatchMoments moments;
  double mean_square = 0;
  double within = 0;
  for (Index c = 0; c < channels; ++c) {
    double s = 0;
    double q = 0;
    for (Index i = c; i < row; i += channels) {
      s += static_cast<double>(sum[i]);
      q += static_cast<double>(square[i]);
    }
    s /= pixels;
    q /= pixels;
    moments.mean += s / static_cast<double>(channels);
    mean_square += q / static_cast<double>(channels);
    within += std::max(0.0, q - s * s) / static_cast<double>(channels);
  }
  moments.deviation = std::sqrt(std::max(0.0, mean_square - moments.mean * moments.mean));
  moments.channel_deviation = std::sqrt(within);
  moments.mean += 0.5;
  return moments;
}

inline void make_grey(float* patch, Index pixels, Index channels) {
  if (channels == 3) {
    for (Index i = 0; i < pixels; ++i, patch += 3) {
      const float grey = 0.299F * patch[0] + 0.587F * patch[1] + 0.114F * patch[2];
      patch[0] = patch[1] = patch[2] = grey;
    }
    return;
  }
  for (Index i = 0; i < pixels; ++i, patch += channels) {
    float sum = 0;
    for (Index c = 0; c < channels; ++c) sum += patch[c];
    std::fill_n(patch, channels, sum / static_cast<float>(channels));
  }
}

// x - a (a.x) / (a.a) with a = (-1, 2, -1), for RGB.
inline void project_green_magenta(float* patch, Index pixels) {
  for (Index i = 0; i < pixels; ++i, patch += 3) {
    const float along = (2.0F * patch[1] - patch[0] - patch[2]) / 6.0F;
    patch[0] += along;
    patch[1] -= 2.0F * along;
    patch[2] += along;
  }
}

// Keeps one random channel; the others become its mean plus noise of 1 % of its deviation, so that
// they add nothing to the patch's mean and next to nothing to its deviation.
inline void drop_channels(float* patch, Index pixels, Index channels, Rng& rng) {
  const auto kept = static_cast<Index>(rng.below(static_cast<std::uint32_t>(channels)));
  double sum = 0;
  double square = 0;
  for (Index i = 0; i < pixels; ++i) {
    const auto v = static_cast<double>(patch[i * channels + kept]);
    sum += v;
    square += v * v;
  }
  const double mean = sum / static_cast<double>(pixels);
  const double variance = std::max(0.0, square / static_cast<double>(pixels) - mean * mean);
  // The four bytes of one draw, added up: near enough to a normal number, and a tenth of its cost.
  // Their sum has mean 510 and variance 4 * (256^2 - 1) / 12.
  const auto unit = static_cast<float>(0.01 * std::sqrt(variance) / std::sqrt(21845.0));
  const auto offset = static_cast<float>(mean);
  for (Index i = 0; i < pixels; ++i, patch += channels) {
    for (Index c = 0; c < channels; ++c) {
      if (c == kept) continue;
      const std::uint32_t bits = rng();
      const std::uint32_t bytes = (bits & 255U) + (bits >> 8 & 255U) + (bits >> 16 & 255U) + (bits >> 24);
      patch[c] = offset + unit * (static_cast<float>(bytes) - 510.0F);
    }
  }
}

}  // namespace detail

}  // namespace contexture
