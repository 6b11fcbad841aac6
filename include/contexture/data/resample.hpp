// SPDX-License-Identifier: MIT
// Separable image resizing, window by window: the weights of an axis are computed once, and any
// window of the resized image can then be had without making the rest. The filter is a triangle
// (bilinear); when an axis shrinks it widens with the factor, so that every source pixel counts
// (area-like, no aliasing). Equal sizes copy exactly.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {

/// Which source samples make each sample of a resized axis: sample i is the sum over t < taps of
/// weight[i * taps + t] * source[start[i] + t]; weights of a sample add up to 1.
struct ResampleAxis {
  Index from = 0;
  Index to = 0;
  Index taps = 0;
  std::vector<std::int32_t> start;
  std::vector<float> weight;
};

/// What the filter meets beyond the ends of an axis: the last sample over and over, or nothing, so that the others
/// weigh more.
enum class Edge { repeat, cut };

/// The axis that maps `from` samples onto `to`, pixel areas aligned at both ends (sample centres at
/// half-integers). Every sample is taken `shift` of the resized samples further on. With a `ratio`, a resized sample
/// is as long as so many source samples, instead of from / to. Throws std::invalid_argument for fewer than one sample,
/// and where a sample meets nothing at all.
[[nodiscard]] inline ResampleAxis resample_axis(Index from, Index to, double shift = 0, double ratio = 0,
                                                Edge edge = Edge::repeat) {
  require(from > 0 && to > 0, "resample_axis: from ", from, " to ", to, " samples, expected 1 or more");
  if (ratio == 0) ratio = static_cast<double>(from) / static_cast<double>(to);
  const double radius = std::max(1.0, ratio);
  ResampleAxis axis;
  axis.from = from;
  axis.to = to;
  const auto window = static_cast<Index>(std::ceil(2 * radius));
  axis.taps = std::min(from, window);
  axis.start.resize(static_cast<std::size_t>(to));
  axis.weight.assign(static_cast<std::size_t>(to * axis.taps), 0.0F);
  std::vector<double> weight(static_cast<std::size_t>(axis.taps));
  for (Index i = 0; i < to; ++i) {
    const double centre = (static_cast<double>(i) + 0.5 + shift) * ratio - 0.5;
    const auto first = static_cast<Index>(std::floor(centre - radius)) + 1;  // first sample strictly inside
    const Index start = std::clamp<Index>(first, 0, from - axis.taps);
    std::fill(weight.begin(), weight.end(), 0.0);
    double total = 0;
    for (Index k = first; k < first + window; ++k) {
      const Index source = std::clamp<Index>(k, 0, from - 1);
      if (edge == Edge::cut && source != k) continue;
      const double w = std::max(0.0, 1.0 - std::abs(static_cast<double>(k) - centre) / radius);
      weight[static_cast<std::size_t>(source - start)] += w;
      total += w;
    }
    require(total > 0, "resample_axis: sample ", i, " lies beyond the ", from, " it is made of");
    axis.start[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(start);
    for (Index t = 0; t < axis.taps; ++t) {
      axis.weight[static_cast<std::size_t>(i * axis.taps + t)] =
          static_cast<float>(weight[static_cast<std::size_t>(t)] / total);
    }
  }
  return axis;
}

namespace detail {

// Channels as a template argument where it matters (1 and 3), 0: as given.
template <int kChannels>
void resample_window_impl(const std::uint8_t* image, Index given_channels, const ResampleAxis& rows,
                          const ResampleAxis& columns, Index y0, Index x0, Index height, Index width,
                          std::vector<float>& scratch, float* out, Index stride) {
  const Index channels = kChannels > 0 ? kChannels : given_channels;
  const Index first = columns.start[static_cast<std::size_t>(x0)];
  const Index last = columns.start[static_cast<std::size_t>(x0 + width - 1)] + columns.taps;
  const Index span = (last - first) * channels;
  if (static_cast<Index>(scratch.size()) < span) scratch.resize(static_cast<std::size_t>(span));
  float* row = scratch.data();
  constexpr float kUnit = 1.0F / 255.0F;
  for (Index y = y0; y < y0 + height; ++y) {
    const std::uint8_t* source = image + rows.start[static_cast<std::size_t>(y)] * stride + first * channels;
    const float* w = rows.weight.data() + y * rows.taps;
    if (rows.taps == 2) {
      const float w0 = w[0] * kUnit;
      const float w1 = w[1] * kUnit;
      const std::uint8_t* below = source + stride;
      for (Index i = 0; i < span; ++i) row[i] = w0 * static_cast<float>(source[i]) + w1 * static_cast<float>(below[i]);
    } else {
      std::fill_n(row, span, 0.0F);
      for (Index t = 0; t < rows.taps; ++t, source += stride) {
        const float wt = w[t] * kUnit;
        for (Index i = 0; i < span; ++i) row[i] += wt * static_cast<float>(source[i]);
      }
    }
    for (Index x = x0; x < x0 + width; ++x, out += channels) {
      const float* p = row + (columns.start[static_cast<std::size_t>(x)] - first) * channels;
      const float* v = columns.weight.data() + x * columns.taps;
      if (columns.taps == 2) {
        for (Index c = 0; c < channels; ++c) out[c] = v[0] * p[c] + v[1] * p[channels + c];
      } else {
        for (Index c = 0; c < channels; ++c) {
          float sum = 0;
          for (Index t = 0; t < columns.taps; ++t) sum += v[t] * p[t * channels + c];
          out[c] = sum;
        }
      }
    }
  }
}

}  // namespace detail

/// Writes the window [y0, y0+height) x [x0, x0+width) of the resized image to `out`
/// (height,width,channels), in units of 0 (black) to 1 (white). `image` is (rows.from,
/// columns.from, channels), its rows `row_stride` bytes apart, 0: without a gap, so that it may be a part of
/// a larger image. `scratch` is working memory, kept between calls. The window must lie inside the
/// resized image; this is not checked.
inline void resample_window(const std::uint8_t* image, Index channels, const ResampleAxis& rows,
                            const ResampleAxis& columns, Index y0, Index x0, Index height, Index width,
                            std::vector<float>& scratch, float* out, Index row_stride = 0) {
  const Index stride = row_stride > 0 ? row_stride : columns.from * channels;
  switch (channels) {
    case 1:
      detail::resample_window_impl<1>(image, channels, rows, columns, y0, x0, height, width, scratch, out, stride);
      return;
    case 3:
      detail::resample_window_impl<3>(image, channels, rows, columns, y0, x0, height, width, scratch, out, stride);
      return;
    default:
      detail::resample_window_impl<0>(image, channels, rows, columns, y0, x0, height, width, scratch, out, stride);
  }
}

}  // namespace contexture
