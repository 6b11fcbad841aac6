// SPDX-License-Identifier: MIT
// Packing: what lies between NHWC images or HWIO weights and the register tiles. Source rows are copied once into a
// ring that stays in L2, in the order [row][pixel][block of channels][lane][channel in block]: lanes lie one cache
// line apart, a distance the compiler knows. Weights become [block][tap][channel][NV vectors].
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/kernels/conv/packed_weights.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/taps.hpp"
#include "contexture/kernels/conv/tiles.hpp"
#include "contexture/kernels/elementwise.hpp"

namespace contexture::detail::conv {

// Images as they are packed: rows of `pixels` pixels of `channels` channels. Where the taps of a
// kernel row fit into one block (the 3-channel stem), they are folded into the channels: a packed
// pixel is then the window that one output column sees.
template <class T>
struct Source {
  const Stored<T>* data = nullptr;
  Index images = 0;
  Index rows = 0, pixels = 0, channels = 0;
  Index row_stride = 0, pixel_stride = 0;  // elements, in memory
  Index image_stride = 0;
  Index block = kBlock<T>;  // channels that are stored together
  // Folded windows only:
  bool folded = false;
  Index fold_taps = 0, fold_channels = 0, fold_stride = 0, fold_pad = 0, fold_dilation = 0, fold_width = 0;

  [[nodiscard]] Index blocks() const { return (channels + block - 1) / block; }
  // Elements of one packed row of `lanes` lanes.
  [[nodiscard]] Index packed_pixel(Index lanes) const { return blocks() * lanes * kBlock<T>; }
  [[nodiscard]] Index packed_row(Index lanes) const { return pixels * packed_pixel(lanes); }
  // Channels that the tiles walk, with the zeros that fill up the last step.
  [[nodiscard]] Index walked() const {
    if (block < kBlock<T>) return blocks() * block;
    return (channels + kChannelsAStep<T> - 1) / kChannelsAStep<T> * kChannelsAStep<T>;
  }

  // Packs one row of one image, or of two, into lane `lane` of those that begin at `image`; `to` points at its first
  // block.
  void pack(const TileKernels<T>& kernels, Index image, Index row, Index lanes, T* to) const {
    const Stored<T>* from = data + image * image_stride + row * row_stride;
    const Stored<T>* second = kImagesALane<T> == 2 && image + 1 < images ? from + image_stride : nullptr;
    if (!folded) {
      kernels.pack({.from = from,
                    .second = second,
                    .pixels = pixels,
                    .pixel_stride = pixel_stride,
                    .channels = channels,
                    .to = to,
                    .pixel_step = packed_pixel(lanes),
                    .piece = block,
                    .piece_step = lanes * kBlock<T>,
                    .ahead = row_stride});
      return;
    }
    const Index step = lanes * kBlock<T>;
    for (Index pixel = 0; pixel < pixels; ++pixel, to += step) {
      const Index x = pixel * fold_stride - fold_pad;
      const bool inside = fold_dilation == 1 && fold_channels == pixel_stride && x >= 0 &&
                          x * pixel_stride + kBlock<T> <= fold_width * pixel_stride;
      if (inside) {  // what lies beyond the window is never used
        fold_inside(kernels, from + x * pixel_stride, second != nullptr ? second + x * pixel_stride : nullptr, to);
        if (walked() > channels) to[channels] = T{};
        continue;
      }
      std::memset(to, 0, 64);
      for (Index tap = 0; tap < fold_taps; ++tap) {
        const Index at = x + tap * fold_dilation;
        if (at < 0 || at >= fold_width) continue;
        for (Index c = 0; c < fold_channels; ++c)
          to[tap * fold_channels + c] =
              element(from + at * pixel_stride + c, second != nullptr ? second + at * pixel_stride + c : nullptr);
      }
    }
  }

  void pack_zeros(Index lanes, T* to) const {
    for (Index i = 0; i < pixels * blocks(); ++i) std::memset(to + i * lanes * kBlock<T>, 0, 64);
  }

 private:
  static T element(const Stored<T>* from, [[maybe_unused]] const Stored<T>* second) {
    if constexpr (kImagesALane<T> == 2)
      return from->bits | (second != nullptr ? static_cast<T>(second->bits) << 16 : T(0));
    else
      return *from;
  }
  static void fold_inside(const TileKernels<T>& kernels, const Stored<T>* from, const Stored<T>* second, T* to) {
    if constexpr (kImagesALane<T> == 2)
      kernels.pack({.from = from,
                    .second = second,
                    .pixels = 1,
                    .pixel_stride = 0,
                    .channels = kBlock<T>,
                    .to = to,
                    .pixel_step = 0,
                    .piece = kBlock<T>,
                    .piece_step = 0,
                    .ahead = 0});
    else
      std::memcpy(to, from, 64);
  }
};

// Whether the taps of a kernel row are folded into the channels.
template <class T>
[[nodiscard]] bool folds(const ConvShape& shape) {
  return shape.groups == 1 && shape.s > 1 && shape.s * shape.c <= kBlock<T>;
}

// The same convolution without the input rows and columns that a strided 1x1 kernel never reads.
[[nodiscard]] inline ConvShape compacted(ConvShape shape) {
  if (shape.r == 1 && shape.pad_h == 0) {
    shape.h = shape.out_h();
    shape.stride_h = 1;
  }
  if (shape.s == 1 && shape.pad_w == 0) {
    shape.w = shape.out_w();
    shape.stride_w = 1;
  }
  return shape;
}

// The convolution's input as a source of the forward and weight passes, in compacted extents.
template <class T>
[[nodiscard]] Source<T> input_source(const ConvShape& shape, Index group, const Stored<T>* x) {
  Source<T> source;
  source.data = x + group * shape.group_c();
  source.images = shape.n;
  const ConvShape compact = compacted(shape);
  source.rows = compact.h;
  source.pixels = compact.w;
  source.channels = shape.group_c();
  source.pixel_stride = shape.stride_w / compact.stride_w * shape.c;
  source.row_stride = shape.stride_h / compact.stride_h * shape.w * shape.c;
  source.image_stride = shape.h * shape.w * shape.c;
  if (folds<T>(shape)) {
    source.folded = true;
    source.pixels = shape.out_w();
    source.channels = shape.s * shape.c;
    source.fold_taps = shape.s;
    source.fold_channels = shape.c;
    source.fold_stride = shape.stride_w;
    source.fold_pad = shape.pad_w;
    source.fold_dilation = shape.dilation_w;
    source.fold_width = shape.w;
  }
  return source;
}

// Taps of the passes that read the convolution's input, in compacted extents: of the first out_rows rows, and of all
// columns.
inline Axis input_rows(const ConvShape& compact, Index out_rows, Outside outside = Outside::dropped) {
  return forward_axis(vertical(compact), out_rows, outside);
}
inline Axis input_cols(const ConvShape& compact, bool folded) {
  return folded ? identity_axis(compact.out_w()) : forward_axis(horizontal(compact));
}

// Which packed rows the ring must hold at once: output rows are visited in groups, each source
// row is packed once, when first needed.
struct RingPlan {
  Index base = 0;            // first source row ever needed
  Index rows = 0;            // slots
  std::vector<Index> keep;   // for output row o: the first source row that o or a later row needs
  std::vector<Index> need;   // for output row o: one past the last source row that o or an earlier row needs
  std::vector<Index> slots;  // of the source rows from base on: a division a tap would cost more than the tap's sums

  [[nodiscard]] Index slot(Index row) const { return slots[static_cast<std::size_t>(row - base)]; }
};

inline RingPlan plan_ring(const Axis& axis, Index group) {
  RingPlan plan;
  const auto size = static_cast<std::size_t>(axis.size());
  plan.keep.assign(size, 0);
  plan.need.assign(size, 0);
  if (axis.entries.empty()) {
    plan.rows = 1;
    return plan;
  }
  Index low = std::numeric_limits<Index>::max();
  for (std::size_t o = size; o-- > 0;) {
    for (const auto* e = axis.begin(static_cast<Index>(o)); e != axis.end(static_cast<Index>(o)); ++e)
      low = std::min(low, e->source);
    plan.keep[o] = low;
  }
  plan.base = low;
  Index high = low;
  for (std::size_t o = 0; o < size; ++o) {
    for (const auto* e = axis.begin(static_cast<Index>(o)); e != axis.end(static_cast<Index>(o)); ++e)
      high = std::max(high, e->source + 1);
    plan.need[o] = high;
    plan.keep[o] = std::min(plan.keep[o], high);  // trailing rows that need nothing
  }
  plan.rows = 1;
  for (std::size_t o = 0; o < size; ++o) {
    const std::size_t last = std::min(size, o + static_cast<std::size_t>(group)) - 1;  // groups may start anywhere
    plan.rows = std::max(plan.rows, plan.need[last] - plan.keep[o]);
  }
  for (Index row = plan.base; row < high; ++row) plan.slots.push_back((row - plan.base) % plan.rows);
  return plan;
}

// Weights that are packed as pairs: `depth` channels that are summed over, `depth_step` elements apart, of which
// `walked` are packed, by those that the vectors run over, `wide_step` apart.
struct WeightView {
  const float* data;
  Index tap_step, depth, walked, depth_step, wide_step;
};

// packed [block][tap][pair of channels][NV vectors][2]; zeros follow the last channel.
inline void pack_pairs(Index taps, const WeightView& w, const ChannelBlocks& blocks, bfloat16* packed) {
  parallel_for(blocks.count() * taps, 1 + (1 << 15) / (w.walked * 2 * blocks.width), [&](Index begin, Index end) {
    std::vector<bfloat16> depth(static_cast<std::size_t>(w.depth + 1));
    for (Index item = begin; item < end; ++item) {
      const Index block = item / taps, tap = item % taps;
      const Index first = blocks.first(block), valid = blocks.valid(block), wide = blocks.wide(block);
      bfloat16* to = packed + taps * w.walked * first + tap * w.walked * wide;
      const float* from = w.data + tap * w.tap_step + first * w.wide_step;
      for (Index d = 0; d < w.walked; d += 2, to += 2 * wide, from += 2 * w.depth_step) {
        const Index here = std::clamp<Index>(w.depth - d, 0, 2);
        if (here < 2 || valid < wide) std::fill_n(to, 2 * wide, bfloat16(0.0f));
        if (here == 0 || w.wide_step != 1) continue;
        auto* const pairs = reinterpret_cast<Bfloat16Pair*>(to);
        kernels::dispatch::round_to_pairs(from, here == 2 ? from + w.depth_step : nullptr, pairs, valid);
      }
      if (w.wide_step == 1) continue;
      to -= w.walked * wide;  // transposed: what is summed over lies side by side
      from -= w.walked * w.depth_step;
      for (Index j = 0; j < valid; ++j) {
        kernels::convert(from + j * w.wide_step, depth.data(), w.depth);
        for (Index d = 0; d < w.depth; d += 2)
          std::memcpy(to + d * wide + 2 * j, depth.data() + d, 2 * sizeof(bfloat16));
      }
    }
  });
}

// packed [block][tap][c][NV vectors of k] from w (taps,C/groups,K); w points at the group's first channel.
template <class T>
void pack_weights(const ConvShape& shape, const ChannelBlocks& blocks, const T* w, T* packed) {
  const Index taps = shape.r * shape.s, cg = shape.group_c();
  parallel_for(blocks.count() * taps, 1 + (1 << 15) / std::max<Index>(1, cg * 2 * blocks.width),
               [&](Index begin, Index end) {
                 for (Index item = begin; item < end; ++item) {
                   const Index block = item / taps, tap = item % taps;
                   const Index first = blocks.first(block), valid = blocks.valid(block);
                   const Index wide = blocks.wide(block);
                   T* to = packed + taps * cg * first + tap * cg * wide;
                   for (Index c = 0; c < cg; ++c, to += wide) {
                     const T* from = w + (tap * cg + c) * shape.k + first;
                     std::copy_n(from, valid, to);
                     std::fill(to + valid, to + wide, T(0));
                   }
                 }
               });
}

// packed [block][tap][k][NV vectors of c]: the same weights with C and K exchanged.
template <class T>
void pack_weights_transposed(const ConvShape& shape, const ChannelBlocks& blocks, const T* w, T* packed) {
  const Index taps = shape.r * shape.s, cg = shape.group_c(), kg = shape.group_k();
  parallel_for(blocks.count() * taps, 1 + (1 << 15) / std::max<Index>(1, kg * 2 * blocks.width),
               [&](Index begin, Index end) {
                 constexpr Index piece = 16;
                 for (Index item = begin; item < end; ++item) {
                   const Index block = item / taps, tap = item % taps;
                   const Index first = blocks.first(block), valid = blocks.valid(block);
                   const Index wide = blocks.wide(block);
                   T* to = packed + taps * kg * first + tap * kg * wide;
                   for (Index k0 = 0; k0 < kg; k0 += piece) {
                     const Index k1 = std::min(kg, k0 + piece);
                     for (Index c = 0; c < valid; ++c) {
                       const T* from = w + (tap * cg + first + c) * shape.k;
                       for (Index k = k0; k < k1; ++k) to[k * wide + c] = from[k];
                     }
                     for (Index k = k0; k < k1; ++k) std::fill(to + k * wide + valid, to + (k + 1) * wide, T(0));
                   }
                 }
               });
}

// Of the forms that pack_weights() and, for elements that are multiplied in pairs, pack_pairs() make: `rows` rows,
// which are the taps' channels.
template <class T>
[[nodiscard]] PackedKey packed_key(const Accumulator<T>* w, const ChannelBlocks& blocks, Index rows) {
  const WeightLayout layout = kChannelsAStep<T> == 2 ? WeightLayout::pairs : WeightLayout::taps;
  return {w, layout, sizeof(T), blocks.width, rows * blocks.padded()};
}

// Zero-padded copy of the bias, or zeros.
template <class T>
void pad_bias(const T* bias, const ChannelBlocks& channels, T* padded) {
  std::fill(padded, padded + channels.padded(), T(0));
  if (bias != nullptr) std::copy_n(bias, channels.channels, padded);
}

}  // namespace contexture::detail::conv
