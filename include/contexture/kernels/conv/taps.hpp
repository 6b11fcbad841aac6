// SPDX-License-Identifier: MIT
// Which taps of a kernel reach which source coordinate, per axis: both directions of a convolution
// as lists, so that stride, padding and dilation are dealt with in one place.
#pragma once

#include <vector>

#include "contexture/core/tensor.hpp"
#include "contexture/kernels/conv/shape.hpp"

namespace contexture::detail::conv {

// One term of an output: where its source lies, and which weights belong to it.
struct Tap {
  Index source;
  Index weights;
};

// A convolution along one axis: `out` outputs read `in` inputs.
struct AxisShape {
  Index in, out, kernel, stride, pad, dilation;
};

[[nodiscard]] constexpr AxisShape vertical(const ConvShape& shape) {
  return {shape.h, shape.out_h(), shape.r, shape.stride_h, shape.pad_h, shape.dilation_h};
}
[[nodiscard]] constexpr AxisShape horizontal(const ConvShape& shape) {
  return {shape.w, shape.out_w(), shape.s, shape.stride_w, shape.pad_w, shape.dilation_w};
}

// Whether taps whose source lies outside of the axis are left out, or kept: a strip of rows has the taps of
// every strip, and zeros where its own rows do not exist.
enum class Outside { dropped, kept };

// For every coordinate of one axis that is computed, the taps that count and the source coordinate each
// reads, in rising order of the source.
struct Axis {
  struct Entry {
    Index tap, source;
  };
  std::vector<Index> first;  // entries of coordinate o are [first[o], first[o + 1])
  std::vector<Entry> entries;

  [[nodiscard]] Index size() const { return static_cast<Index>(first.size()) - 1; }
  [[nodiscard]] const Entry* begin(Index o) const { return entries.data() + first[static_cast<std::size_t>(o)]; }
  [[nodiscard]] const Entry* end(Index o) const { return entries.data() + first[static_cast<std::size_t>(o) + 1]; }
};

// Of the first `count` outputs; sources are inputs.
inline Axis forward_axis(const AxisShape& shape, Index count, Outside outside = Outside::dropped) {
  Axis axis;
  axis.first.push_back(0);
  for (Index o = 0; o < count; ++o) {
    for (Index tap = 0; tap < shape.kernel; ++tap) {
      const Index source = o * shape.stride - shape.pad + tap * shape.dilation;
      if (outside == Outside::kept || (source >= 0 && source < shape.in)) axis.entries.push_back({tap, source});
    }
    axis.first.push_back(static_cast<Index>(axis.entries.size()));
  }
  return axis;
}
inline Axis forward_axis(const AxisShape& shape) { return forward_axis(shape, shape.out); }

// The transpose, of the first `count` inputs; sources are outputs.
inline Axis backward_axis(const AxisShape& shape, Index count, Outside outside = Outside::dropped) {
  Axis axis;
  axis.first.push_back(0);
  for (Index o = 0; o < count; ++o) {
    for (Index tap = shape.kernel - 1; tap >= 0; --tap) {
      const Index scaled = o + shape.pad - tap * shape.dilation;
      if (scaled % shape.stride != 0) continue;
      const Index source = scaled / shape.stride;
      if (outside == Outside::kept || (source >= 0 && source < shape.out)) axis.entries.push_back({tap, source});
    }
    axis.first.push_back(static_cast<Index>(axis.entries.size()));
  }
  return axis;
}
inline Axis backward_axis(const AxisShape& shape) { return backward_axis(shape, shape.in); }

inline Axis identity_axis(Index out) {
  Axis axis;
  for (Index o = 0; o < out; ++o) {
    axis.first.push_back(o);
    axis.entries.push_back({0, o});
  }
  axis.first.push_back(out);
  return axis;
}

}  // namespace contexture::detail::conv
