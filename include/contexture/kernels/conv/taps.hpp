// Which taps of a kernel reach which source coordinate, per axis: both directions of a convolution
// as lists, so that stride, padding and dilation are dealt with in one place.
#pragma once

#include <vector>

#include "contexture/core/tensor.hpp"

namespace contexture::detail::conv {

// One term of an output: where its source lies, and which weights belong to it.
struct Tap {
  Index source;
  Index weights;
};

// For every output coordinate of one axis, the taps that count and the source coordinate each
// reads, in rising order of the source.
struct Axis {
  struct Entry {
    Index tap, source;
  };
  std::vector<Index> first;  // entries of output o are [first[o], first[o + 1])
  std::vector<Entry> entries;

  [[nodiscard]] Index size() const { return static_cast<Index>(first.size()) - 1; }
  [[nodiscard]] const Entry* begin(Index o) const { return entries.data() + first[static_cast<std::size_t>(o)]; }
  [[nodiscard]] const Entry* end(Index o) const { return entries.data() + first[static_cast<std::size_t>(o) + 1]; }
};

// Source coordinates outside [0, in) are dropped unless `unbounded`.
inline Axis forward_axis(Index out, Index in, Index kernel, Index stride, Index pad, Index dilation, bool unbounded) {
  Axis axis;
  axis.first.push_back(0);
  for (Index o = 0; o < out; ++o) {
    for (Index tap = 0; tap < kernel; ++tap) {
      const Index source = o * stride - pad + tap * dilation;
      if (unbounded || (source >= 0 && source < in)) axis.entries.push_back({tap, source});
    }
    axis.first.push_back(static_cast<Index>(axis.entries.size()));
  }
  return axis;
}

// The transpose: `out` runs over the convolution's input, sources over its `in` outputs.
inline Axis backward_axis(Index out, Index in, Index kernel, Index stride, Index pad, Index dilation, bool unbounded) {
  Axis axis;
  axis.first.push_back(0);
  for (Index o = 0; o < out; ++o) {
    for (Index tap = kernel - 1; tap >= 0; --tap) {
      const Index scaled = o + pad - tap * dilation;
      if (scaled % stride != 0) continue;
      const Index source = scaled / stride;
      if (unbounded || (source >= 0 && source < in)) axis.entries.push_back({tap, source});
    }
    axis.first.push_back(static_cast<Index>(axis.entries.size()));
  }
  return axis;
}

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
