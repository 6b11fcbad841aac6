// Direct convolution over NHWC, for every kernel size, stride, padding and dilation.
//
// A register tile is MR lanes by NV vectors of output channels. Its lanes are the pixels at the
// same position of MR images (or, in a small batch, of MR strips of rows), so that all lanes see
// the same taps: taps that fall into the padding are left out altogether, which saves 16 % of the
// multiply-adds of a 3x3 convolution on 8x8 maps and 31 % on 4x4, and no map is too small to fill
// a tile. The source is copied once, row by row, into a ring that stays in L2, in the order
// [row][pixel][block of channels][lane][channel in block]: lanes lie one cache line apart, a
// distance the compiler knows, and the inner loop is MR broadcasts and MR*NV multiply-adds.
// The stem and 1x1 kernels read neighbouring pixels of a row where they lie instead.
//
// Both data passes are the same loop over lists of taps; they differ in the lists and in how the
// weights are packed: forward takes pixel i = o*stride - pad + tap*dilation, backward-data the
// positions for which that i is its own, so strides need no special case. Backward-weights keeps
// CR channels by NV vectors of the weight gradient in registers and runs over positions and lanes.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "contexture/core/cpu.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/conv/grouped.hpp"
#include "contexture/kernels/conv/im2col.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/taps.hpp"

namespace contexture::detail::conv {

// Channels in a block of the packed source: one cache line, one AVX-512 vector.
template <class T>
inline constexpr Index kBlock = static_cast<Index>(64 / sizeof(T));

inline constexpr int kMaxLanes = 14;

// Lanes of packed data that the weight gradient fetches from L2 ahead of those it works on: what all taps and
// channels of a unit read does not stay in an L1 of 32 KiB (measured: 2, 4 and 8 lanes are alike, 8 % in all).
inline constexpr Index kLanesAhead = 4;

template <class T>
struct TileCall {
  const T* source;   // taps hold offsets into it, and indices of kernel taps
  const T* weights;  // [tap][channel][NV vectors]
  Index weights_step;
  const Tap* taps;
  Index tap_count;
  Index channels;
  const T* bias;  // NV vectors
  T* const* out;  // one pointer a lane
  Index valid_channels;
  // Lanes that are read in place have these instead of out:
  Index lane_step;  // elements from lane to lane of the source
  T* first_out;     // of the first lane, which may have a place of its own
  T* next_out;      // of the second, and the others out_step apart
  Index out_step;
};

struct Position {
  Index source;    // offset into the packed source
  Index gradient;  // index of the output position
};

template <class T>
struct WeightTileCall {
  const T* source;
  const T* gradient;  // [position][lane][NV vectors]
  Index gradient_step, lane_step;
  Index source_step;  // elements from lane to lane of the source
  const Position* positions;
  Index position_count;
  Index lanes;
  Index source_ahead, ahead;  // elements from a pixel of the source, of the gradient, to one that is fetched meanwhile
  T* out;                     // [CR][NV vectors]
};

// Register tiles are one vector of channels wide, two, or one and a half: 24 channels are a
// common width, and processors that split 512-bit vectors do a half in half the time.
enum TileKind { kOneVector, kTwoVectors, kOneAndAHalf };

// The kernels of one instruction set. tile[kind][MR / 2 - 1] and tile_in_place, weight_tile[kind][CR / 2 - 1].
template <class T>
struct DirectKernels {
  Index width;        // elements in a vector
  Index max_lanes;    // largest MR
  Index max_rows[3];  // largest CR of a kind
  bool half_vectors;  // whether kOneAndAHalf exists
  void (*tile[3][kMaxLanes / 2])(const TileCall<T>&);
  void (*tile_in_place[3][kMaxLanes / 2])(const TileCall<T>&);
  void (*weight_tile[3][8])(const WeightTileCall<T>&);
  void (*pack)(const T* from, Index pixels, Index pixel_stride, Index channels, Index piece, T* to, Index pixel_step,
               Index piece_step, Index ahead);
};

}  // namespace contexture::detail::conv

#define CONTEXTURE_KERNEL_SOURCE "contexture/kernels/conv/tiles-inl.hpp"
#include "contexture/kernels/for_each_isa.hpp"

namespace contexture::kernels {
template <class T>
detail::conv::DirectKernels<T> select_direct_kernels() {
  CONTEXTURE_DISPATCH(direct_kernels<T>());
}
}  // namespace contexture::kernels

namespace contexture::detail::conv {

// Images as they are packed: rows of `pixels` pixels of `channels` channels. Where the taps of a
// kernel row fit into one block (the 3-channel stem), they are folded into the channels: a packed
// pixel is then the window that one output column sees.
template <class T>
struct Source {
  const T* data = nullptr;
  Index rows = 0, pixels = 0, channels = 0;
  Index row_stride = 0, pixel_stride = 0;  // elements, in memory
  Index image_stride = 0;
  // Folded windows only:
  bool folded = false;
  Index fold_taps = 0, fold_channels = 0, fold_stride = 0, fold_pad = 0, fold_dilation = 0, fold_width = 0;

  [[nodiscard]] Index blocks() const { return (channels + kBlock<T> - 1) / kBlock<T>; }
  // Elements of one packed row of `lanes` lanes.
  [[nodiscard]] Index packed_pixel(Index lanes) const { return blocks() * lanes * kBlock<T>; }
  [[nodiscard]] Index packed_row(Index lanes) const { return pixels * packed_pixel(lanes); }

  // Packs one row of one image into one lane; `to` points at the lane's first block.
  void pack(const DirectKernels<T>& kernels, Index image, Index row, Index lanes, T* to) const {
    const T* from = data + image * image_stride + row * row_stride;
    if (!folded) {
      kernels.pack(from, pixels, pixel_stride, channels, kBlock<T>, to, packed_pixel(lanes), lanes * kBlock<T>,
                   row_stride);
      return;
    }
    const Index step = lanes * kBlock<T>;
    for (Index pixel = 0; pixel < pixels; ++pixel, to += step) {
      const Index x = pixel * fold_stride - fold_pad;
      if (fold_dilation == 1 && fold_channels == pixel_stride && x >= 0 &&
          x * pixel_stride + kBlock<T> <= fold_width * pixel_stride) {
        std::memcpy(to, from + x * pixel_stride, 64);  // what lies beyond the window is never used
        continue;
      }
      std::memset(to, 0, 64);
      for (Index tap = 0; tap < fold_taps; ++tap) {
        const Index at = x + tap * fold_dilation;
        if (at >= 0 && at < fold_width) std::copy_n(from + at * pixel_stride, fold_channels, to + tap * fold_channels);
      }
    }
  }

  void pack_zeros(Index lanes, T* to) const {
    for (Index block = 0; block < pixels * blocks(); ++block) std::memset(to + block * lanes * kBlock<T>, 0, 64);
  }
};

template <class T>
[[nodiscard]] bool folds(const ConvShape& shape) {
  return shape.groups == 1 && shape.s > 1 && shape.s * shape.c <= kBlock<T>;
}

// Whether the folded windows of neighbouring pixels overlap in a row of the image as they lie in memory.
template <class T>
[[nodiscard]] bool windows_overlap(const ConvShape& shape) {
  return folds<T>(shape) && shape.dilation_w == 1;
}

// Elements of a row of the image between the zeros of its padding, and behind it what a tile of the weight gradient
// reads too much: up to a block of channels.
template <class T>
[[nodiscard]] Index padded_row(const ConvShape& shape) {
  return (shape.w + 2 * shape.pad_w) * shape.c + kBlock<T>;
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
[[nodiscard]] Source<T> input_source(const ConvShape& shape, Index group, const T* x) {
  Source<T> source;
  source.data = x + group * shape.group_c();
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

// How the channels that a pass computes are cut into blocks of two vectors, the last of two, one
// and a half, or one.
struct ChannelBlocks {
  Index channels, width;
  Index halves;  // half vectors that hold all channels; an odd number only before kOneAndAHalf

  template <class T>
  ChannelBlocks(Index count, const DirectKernels<T>& kernels) : channels(count), width(kernels.width) {
    const Index half = width / 2;
    halves = (count + half - 1) / half;
    if (halves % 4 != 3 || !kernels.half_vectors) halves = (halves + 1) / 2 * 2;
  }

  [[nodiscard]] Index count() const { return (halves + 3) / 4; }
  [[nodiscard]] Index first(Index block) const { return block * 2 * width; }  // channel
  // Elements of a row of the block: whole vectors and a half one.
  [[nodiscard]] Index wide(Index block) const { return std::min<Index>(4, halves - 4 * block) * width / 2; }
  [[nodiscard]] TileKind kind(Index block) const {
    const Index left = halves - 4 * block;
    return left >= 4 ? kTwoVectors : left == 3 ? kOneAndAHalf : kOneVector;
  }
  [[nodiscard]] Index valid(Index block) const { return std::min(wide(block), channels - first(block)); }
  [[nodiscard]] Index padded() const { return halves * width / 2; }
  // Channels in the leading blocks that are two vectors wide.
  [[nodiscard]] Index doubled() const { return halves / 4 * 2 * width; }
};

// packed [block][tap][c][NV vectors of k] from w (taps,C/groups,K).
template <class T>
void pack_weights(const ConvShape& shape, Index group, const ChannelBlocks& blocks, const T* w, T* packed) {
  const Index taps = shape.r * shape.s, cg = shape.group_c();
  w += group * shape.group_k();
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
void pack_weights_transposed(const ConvShape& shape, Index group, const ChannelBlocks& blocks, const T* w, T* packed) {
  const Index taps = shape.r * shape.s, cg = shape.group_c(), kg = shape.group_k();
  w += group * kg;
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

// Output rows and columns of one data pass, and the taps that make them.
template <class T>
struct TilePass {
  Source<T> source;
  Axis rows, cols;       // rows are local to a strip
  Index taps, kernel_w;  // taps in the kernel, in a row of it
  Index images;
  Index strips = 1;             // strips of rows an image is cut into
  Index strip_source_rows = 0;  // source rows from one strip to the next
  T* out;
  Index out_h, out_w, out_pixel;  // out_pixel: elements from one pixel to the next
};

// How many output rows one strip has; strips fill the lanes of a small batch.
inline Index strip_rows(Index images, Index rows, Index multiple, Index max_lanes) {
  if (images * 2 > max_lanes) return rows;
  const Index strips = max_lanes / images;
  const Index height = (rows + strips - 1) / strips;
  return std::min(rows, (height + multiple - 1) / multiple * multiple);
}

template <class T>
void run_tiles(const DirectKernels<T>& kernels, const TilePass<T>& pass, const ChannelBlocks& channels,
               const T* weights, const T* bias) {
  const Source<T>& source = pass.source;
  const Index threads = num_threads();
  const Index lanes_total = pass.images * pass.strips;
  const Index pairs = (lanes_total + 1) / 2;
  const Index lane_blocks = (lanes_total + kernels.max_lanes - 1) / kernels.max_lanes;
  const Index height = pass.rows.size();

  // Work items: blocks of lanes, cut further into bands of rows and then into groups of channels
  // where there are too few of them to share. The result does not depend on the cut.
  const Index wanted = threads == 1 ? 1 : 4 * threads;
  const Index bands = std::clamp<Index>((wanted + lane_blocks - 1) / lane_blocks, 1, std::max<Index>(1, height / 8));
  const Index wanted_groups = threads == 1 ? 1 : 2 * threads;
  const Index channel_groups =
      std::clamp<Index>((wanted_groups + lane_blocks * bands - 1) / (lane_blocks * bands), 1, channels.count());

  // Rows of output computed at a time: as many as keep the packed source in about a third of L2.
  constexpr Index budget = 384 * 1024 / static_cast<Index>(sizeof(T));
  const Index row_size = source.packed_row(std::min<Index>(kernels.max_lanes, 2 * pairs));
  Index group = (height + bands - 1) / bands;
  RingPlan ring = plan_ring(pass.rows, group);
  while (group > 1 && ring.rows * row_size > budget) {
    group = (group + 1) / 2;
    ring = plan_ring(pass.rows, group);
  }

  const Index tasks = lane_blocks * bands * channel_groups;
  parallel_chunks(tasks, tasks, [&](Index task, Index, Index) {
    const Index lane_block = task / (bands * channel_groups);
    const Index band = task / channel_groups % bands, channel_group = task % channel_groups;
    const Index first_lane = 2 * (lane_block * pairs / lane_blocks);
    const Index mr = 2 * ((lane_block + 1) * pairs / lane_blocks) - first_lane;
    const Index row_begin = band * height / bands, row_end = (band + 1) * height / bands;
    const Index block_begin = channel_group * channels.count() / channel_groups;
    const Index block_end = (channel_group + 1) * channels.count() / channel_groups;
    const Index pixel_size = source.packed_pixel(mr), packed_row = source.packed_row(mr);

    Workspace<T> packed(static_cast<std::size_t>(ring.rows * packed_row));
    Workspace<T> unused(static_cast<std::size_t>(2 * channels.width));  // output of lanes that do not exist
    std::vector<Tap> taps(static_cast<std::size_t>(pass.taps));
    Index images[kMaxLanes], strips[kMaxLanes];
    T* out[kMaxLanes];
    for (Index i = 0; i < mr; ++i) {
      images[i] = (first_lane + i) / pass.strips;
      strips[i] = (first_lane + i) % pass.strips;
    }

    TileCall<T> call{};
    call.source = packed.data();
    call.channels = source.channels;
    call.out = out;
    Index packed_to = ring.keep[static_cast<std::size_t>(row_begin)];
    for (Index row0 = row_begin; row0 < row_end; row0 += group) {
      const Index row1 = std::min(row_end, row0 + group);
      packed_to = std::max(packed_to, ring.keep[static_cast<std::size_t>(row0)]);
      for (; packed_to < ring.need[static_cast<std::size_t>(row1 - 1)]; ++packed_to) {
        T* to = packed.data() + ring.slot(packed_to) * packed_row;
        for (Index i = 0; i < mr; ++i, to += kBlock<T>) {
          const Index row = packed_to + strips[i] * pass.strip_source_rows;
          if (images[i] < pass.images && row >= 0 && row < source.rows)
            source.pack(kernels, images[i], row, mr, to);
          else
            source.pack_zeros(mr, to);
        }
      }
      for (Index block = block_begin; block < block_end; ++block) {
        const Index first = channels.first(block);
        const auto tile = kernels.tile[channels.kind(block)][mr / 2 - 1];
        call.weights_step = source.channels * channels.wide(block);
        call.weights = weights + first * source.channels * pass.taps;  // the blocks before are full
        call.bias = bias + first;
        call.valid_channels = channels.valid(block);
        for (Index row = row0; row < row1; ++row) {
          Index step[kMaxLanes];
          for (Index i = 0; i < mr; ++i) {
            const Index y = strips[i] * height + row;
            const bool exists = images[i] < pass.images && y < pass.out_h;
            step[i] = exists ? pass.out_pixel : 0;
            out[i] = exists ? pass.out + ((images[i] * pass.out_h + y) * pass.out_w) * pass.out_pixel + first
                            : unused.data();
          }
          for (Index col = 0; col < pass.out_w; ++col) {
            Index count = 0;
            for (const auto* r = pass.rows.begin(row); r != pass.rows.end(row); ++r)
              for (const auto* s = pass.cols.begin(col); s != pass.cols.end(col); ++s)
                taps[static_cast<std::size_t>(count++)] = {ring.slot(r->source) * packed_row + s->source * pixel_size,
                                                           r->tap * pass.kernel_w + s->tap};
            call.taps = taps.data();
            call.tap_count = count;
            tile(call);
            for (Index i = 0; i < mr; ++i) out[i] += step[i];
          }
        }
      }
    }
  });
}

// Zero-padded copy of the bias, or zeros.
template <class T>
void pad_bias(const T* bias, const ChannelBlocks& channels, T* padded) {
  std::fill(padded, padded + channels.padded(), T(0));
  if (bias != nullptr) std::copy_n(bias, channels.channels, padded);
}

// Taps of the passes that read the convolution's input, in compacted extents.
inline Axis input_rows(const ConvShape& compact, Index out_rows, bool unbounded) {
  return forward_axis(out_rows, compact.h, compact.r, compact.stride_h, compact.pad_h, compact.dilation_h, unbounded);
}
inline Axis input_cols(const ConvShape& compact, bool folded) {
  return folded ? identity_axis(compact.out_w())
                : forward_axis(compact.out_w(), compact.w, compact.s, compact.stride_w, compact.pad_w,
                               compact.dilation_w, false);
}

// A row of pixels that are read where they lie, cut into tiles of about equal width, an even number of lanes each. An
// odd number of pixels has two tiles at least: the last one starts a pixel earlier, and does not write that one.
struct RowTiles {
  Index pixels, count;
  Index narrow, longer;  // lanes of a tile; the first `longer` of them have two more

  RowTiles(Index row_pixels, Index max_lanes)
      : pixels(row_pixels),
        count(std::max((pixels + max_lanes - 1) / max_lanes, pixels > 1 ? 1 + pixels % 2 : 1)),
        narrow(2 * ((pixels + 1) / 2 / count)),
        longer((pixels + 1) / 2 % count) {}
  [[nodiscard]] Index first(Index tile) const { return tile * narrow + 2 * std::min(tile, longer); }  // pixel
  [[nodiscard]] Index lanes(Index tile) const { return narrow + (tile < longer ? 2 : 0); }
  // 1 where the tile's first lane is not written.
  [[nodiscard]] Index skipped(Index tile) const { return first(tile) + lanes(tile) > pixels ? 1 : 0; }
};

// The lanes of a tile that is read in place go to neighbouring pixels from `out` on, or, of which the first is skipped,
// that one to `unused` and the others there.
template <class T>
void write_lanes(TileCall<T>& call, T* out, Index skipped, T* unused) {
  call.first_out = skipped > 0 ? unused : out;
  call.next_out = out + (1 - skipped) * call.out_step;
}

// The stem: lanes are neighbouring pixels of a row, at most max_lanes of them. Their windows overlap in
// memory as they do in the image, so that a row is copied between the zeros of its padding and that is all.
template <class T>
void stem_forward(const DirectKernels<T>& kernels, const ConvShape& shape, const ChannelBlocks& channels, const T* x,
                  const T* weights, const T* bias, T* y) {
  const Index padded = padded_row<T>(shape), image_size = shape.h * shape.w * shape.c;
  const Index out_h = shape.out_h(), out_w = shape.out_w();
  const RowTiles tiles(out_w, kernels.max_lanes);
  const Axis rows = input_rows(shape, out_h, false);
  const RingPlan ring = plan_ring(rows, 1);
  parallel_for(shape.n * out_h, 1 + (1 << 18) / (shape.patch() * out_w * shape.k), [&](Index begin, Index end) {
    Workspace<T> source(static_cast<std::size_t>(ring.rows * padded));
    Workspace<T> unused(static_cast<std::size_t>(2 * channels.width));  // output of the lane that is not written
    fill_zero(source.data(), ring.rows * padded);
    std::vector<Tap> taps(static_cast<std::size_t>(shape.r));
    TileCall<T> call{};
    call.taps = taps.data();
    call.channels = shape.s * shape.c;
    call.lane_step = shape.stride_w * shape.c;
    call.out_step = shape.k;
    Index image = begin / out_h, row = begin % out_h, copied_to = 0;
    for (Index item = begin; item < end; ++item, ++row) {
      if (row == out_h) ++image, row = copied_to = 0;
      copied_to = std::max(copied_to, ring.keep[static_cast<std::size_t>(row)]);
      for (; copied_to < ring.need[static_cast<std::size_t>(row)]; ++copied_to)
        std::copy_n(x + image * image_size + copied_to * shape.w * shape.c, shape.w * shape.c,
                    source.data() + ring.slot(copied_to) * padded + shape.pad_w * shape.c);
      call.tap_count = 0;
      for (const auto* e = rows.begin(row); e != rows.end(row); ++e)
        taps[static_cast<std::size_t>(call.tap_count++)] = {ring.slot(e->source) * padded, e->tap};
      for (Index block = 0; block < channels.count(); ++block) {
        const Index first = channels.first(block);
        call.weights_step = call.channels * channels.wide(block);
        call.weights = weights + first * call.channels * shape.r;  // the blocks before are full
        call.bias = bias + first;
        call.valid_channels = channels.valid(block);
        const auto* tile = kernels.tile_in_place[channels.kind(block)];
        T* const to = y + item * out_w * shape.k + first;
        for (Index t = 0; t < tiles.count; ++t) {
          const Index first_col = tiles.first(t), skipped = tiles.skipped(t);
          write_lanes(call, to + first_col * shape.k, skipped, unused.data());
          call.source = source.data() + (first_col - skipped) * call.lane_step;
          tile[tiles.lanes(t) / 2 - 1](call);
        }
      }
    }
  });
}

// A 1x1 kernel reads each pixel once: nothing is packed, lanes are neighbouring pixels of a row where they lie.
// Not where rows are too short for a tile and do not follow each other without a gap.
template <class T>
[[nodiscard]] bool is_pointwise(const ConvShape& shape, const DirectKernels<T>& kernels) {
  return shape.r == 1 && shape.s == 1 && shape.pad_h == 0 && shape.pad_w == 0 && shape.groups == 1 &&
         ((shape.stride_h == 1 && shape.stride_w == 1) || 2 * shape.out_w() > kernels.max_lanes);
}

// Where the pixels lie that a 1x1 kernel connects, in elements.
struct PixelGrid {
  Index channels, image, row, pixel;  // channels of a pixel, distances from one to the next
};

// A pass of a 1x1 kernel over the data, pixel by pixel from one grid to the other.
struct PointwisePass {
  Index images, rows, pixels;  // that are computed
  PixelGrid source, out;
  Index zero_rows;  // of an output image with gaps, which become zero first; 0: no gaps
  Index zero_row;   // elements of such a row

  PointwisePass(const ConvShape& shape, bool backward)
      : images(shape.n), rows(shape.out_h()), pixels(shape.out_w()), zero_rows(0), zero_row(shape.w * shape.c) {
    const bool gaps = shape.h > rows || shape.w > pixels;
    if (!gaps) pixels *= std::exchange(rows, 1) * std::exchange(images, 1);
    source = {shape.c, shape.h * zero_row, shape.stride_h * zero_row, gaps ? shape.stride_w * shape.c : shape.c};
    out = {shape.k, rows * pixels * shape.k, pixels * shape.k, shape.k};
    if (!backward) return;
    std::swap(source, out);
    if (gaps) zero_rows = shape.h;
  }
};

template <class T>
void run_pointwise(const DirectKernels<T>& kernels, const PointwisePass& pass, const ChannelBlocks& channels,
                   const T* source, const T* weights, const T* bias, T* out) {
  const RowTiles tiles(pass.pixels, kernels.max_lanes);
  const Index row_tiles = tiles.count, rows = pass.images * pass.rows;
  // Shared out are tiles, and blocks of channels where there are too few tiles; or rows, where zeros lie between them.
  const Index unit = pass.zero_rows > 0 ? row_tiles : 1, units = rows * row_tiles / unit;
  const Index threads = num_threads();
  const Index parts = std::min(units, threads == 1 ? 1 : 8 * threads);
  const Index channel_groups =
      threads == 1 || pass.zero_rows > 0 ? 1 : std::clamp<Index>(2 * threads / parts, 1, channels.count());
  // Fetching by hand slows an Intel Xeon's backward-data with stride 2 down; only rows with gaps are read faster by it.
  const bool fetch = !is_intel(), fetch_source = fetch || (rows > 1 && pass.zero_rows == 0);

  parallel_chunks(parts * channel_groups, parts * channel_groups, [&](Index task, Index, Index) {
    const Index part = task / channel_groups, channel_group = task % channel_groups;
    const Index block_begin = channel_group * channels.count() / channel_groups;
    const Index block_end = (channel_group + 1) * channels.count() / channel_groups;
    const Index tile_begin = part * units / parts * unit, tile_end = (part + 1) * units / parts * unit;
    constexpr Index most = 8;  // tiles that share a block of the weights while it is in L1
    struct Place {
      const T* source;
      T* out;
      Index lanes, skipped;
    } places[most];
    // What most tiles later will be read, or made zero, is fetched from memory meanwhile.
    const Index rows_ahead = (most + row_tiles - 1) / row_tiles;
    const Index source_ahead = rows == 1 ? most * kernels.max_lanes * pass.source.pixel : rows_ahead * pass.source.row;
    const Index out_ahead = rows_ahead * pass.out.row;
    Workspace<T> unused(static_cast<std::size_t>(2 * channels.width));  // output of the lane that is not written
    const Tap tap{0, 0};
    TileCall<T> call{};
    call.taps = &tap;
    call.tap_count = 1;
    call.channels = pass.source.channels;
    call.lane_step = pass.pixels == 1 ? 0 : pass.source.pixel;  // a single pixel fills both lanes
    call.out_step = pass.out.pixel;

    Index row_tile = tile_begin % row_tiles, row = tile_begin / row_tiles % pass.rows;
    Index image = tile_begin / row_tiles / pass.rows;
    for (Index tile = tile_begin; tile < tile_end;) {
      Index count = 0;
      for (; count < most && tile < tile_end; ++count, ++tile) {
        const Index first = tiles.first(row_tile), lanes = tiles.lanes(row_tile);
        const Index skipped = tiles.skipped(row_tile);
        const T* from = source + image * pass.source.image + row * pass.source.row +
                        std::max<Index>(first - skipped, 0) * pass.source.pixel;
        T* const row_out = out + image * pass.out.image + row * pass.out.row;
        places[count] = {from, row_out + first * pass.out.pixel, lanes, skipped};
        for (Index lane = 0; fetch_source && lane < lanes; ++lane)
          for (Index c = 0; c < pass.source.channels; c += kBlock<T>)
            __builtin_prefetch(from + source_ahead + lane * pass.source.pixel + c, 0, 2);
        if (row_tile == 0 && pass.zero_rows > 0) {
          const Index down = pass.out.row / pass.zero_row;
          const Index size = std::min(down, pass.zero_rows - row * down) * pass.zero_row;
          for (Index i = 0; fetch && i < size; i += kBlock<T>) __builtin_prefetch(row_out + out_ahead + i, 1, 2);
          fill_zero(row_out, size);
        }
        if (++row_tile == row_tiles) {
          row_tile = 0;
          if (++row == pass.rows) row = 0, ++image;
        }
      }
      for (Index block = block_begin; block < block_end; ++block) {
        const Index first = channels.first(block);
        call.weights_step = pass.source.channels * channels.wide(block);
        call.weights = weights + first * pass.source.channels;  // the blocks before are full
        call.bias = bias + first;
        call.valid_channels = channels.valid(block);
        for (Index i = 0; i < count; ++i) {
          const Place& place = places[i];
          write_lanes(call, place.out + first, place.skipped, unused.data());
          call.source = place.source;
          kernels.tile_in_place[channels.kind(block)][place.lanes / 2 - 1](call);
        }
      }
    }
  });
}

template <class T>
void direct_forward(const ConvShape& shape, const T* x, const T* w, const T* bias, T* y) {
  if (has_small_groups<T>(shape)) return grouped_forward(shape, x, w, bias, y);
  const DirectKernels<T> kernels = kernels::select_direct_kernels<T>();
  const ChannelBlocks channels(shape.group_k(), kernels);
  Workspace<T> weights(static_cast<std::size_t>(shape.patch() * channels.padded()));
  Workspace<T> padded_bias(static_cast<std::size_t>(channels.padded()));
  for (Index group = 0; group < shape.groups; ++group) {
    pack_weights(shape, group, channels, w, weights.data());
    pad_bias(bias == nullptr ? nullptr : bias + group * shape.group_k(), channels, padded_bias.data());
    if (windows_overlap<T>(shape) && 2 * shape.out_w() > kernels.max_lanes)
      return stem_forward(kernels, shape, channels, x, weights.data(), padded_bias.data(), y);
    if (is_pointwise(shape, kernels))
      return run_pointwise(kernels, PointwisePass(shape, false), channels, x, weights.data(), padded_bias.data(), y);
    TilePass<T> pass;
    pass.source = input_source(shape, group, x);
    const ConvShape compact = compacted(shape);
    const Index height = strip_rows(shape.n, shape.out_h(), 1, kernels.max_lanes);
    pass.strips = (shape.out_h() + height - 1) / height;
    pass.strip_source_rows = height * compact.stride_h;
    pass.rows = input_rows(compact, height, pass.strips > 1);
    pass.cols = input_cols(compact, pass.source.folded);
    pass.kernel_w = pass.source.folded ? 1 : shape.s;
    pass.taps = shape.r * pass.kernel_w;
    pass.images = shape.n;
    pass.out = y + group * shape.group_k();
    pass.out_h = shape.out_h();
    pass.out_w = shape.out_w();
    pass.out_pixel = shape.k;
    run_tiles(kernels, pass, channels, weights.data(), padded_bias.data());
  }
}

template <class T>
void direct_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx) {
  if (has_small_groups<T>(shape)) return grouped_backward_data(shape, dy, w, dx);
  const DirectKernels<T> kernels = kernels::select_direct_kernels<T>();
  const ChannelBlocks channels(shape.group_c(), kernels);
  Workspace<T> weights(static_cast<std::size_t>(shape.r * shape.s * shape.group_k() * channels.padded()));
  Workspace<T> zeros(static_cast<std::size_t>(channels.padded()));
  pad_bias<T>(nullptr, channels, zeros.data());
  for (Index group = 0; group < shape.groups; ++group) {
    pack_weights_transposed(shape, group, channels, w, weights.data());
    if (is_pointwise(shape, kernels))
      return run_pointwise(kernels, PointwisePass(shape, true), channels, dy, weights.data(), zeros.data(), dx);
    TilePass<T> pass;
    pass.source.data = dy + group * shape.group_k();
    pass.source.rows = shape.out_h();
    pass.source.pixels = shape.out_w();
    pass.source.channels = shape.group_k();
    pass.source.pixel_stride = shape.k;
    pass.source.row_stride = shape.out_w() * shape.k;
    pass.source.image_stride = shape.out_h() * pass.source.row_stride;
    const Index height = strip_rows(shape.n, shape.h, shape.stride_h, kernels.max_lanes);
    pass.strips = (shape.h + height - 1) / height;
    pass.strip_source_rows = height / shape.stride_h;
    pass.rows =
        backward_axis(height, shape.out_h(), shape.r, shape.stride_h, shape.pad_h, shape.dilation_h, pass.strips > 1);
    pass.cols = backward_axis(shape.w, shape.out_w(), shape.s, shape.stride_w, shape.pad_w, shape.dilation_w, false);
    pass.kernel_w = shape.s;
    pass.taps = shape.r * shape.s;
    pass.images = shape.n;
    pass.out = dx + group * shape.group_c();
    pass.out_h = shape.h;
    pass.out_w = shape.w;
    pass.out_pixel = shape.c;
    run_tiles(kernels, pass, channels, weights.data(), zeros.data());
  }
}

// Covers the `filled` channels of one block of the source with register tiles of about equal
// height; call.source is the block, sums its rows of the weight gradient. Up to one row more is
// computed than there are channels.
template <class T>
void run_weight_tiles(const DirectKernels<T>& kernels, WeightTileCall<T>& call, TileKind kind, Index wide, Index filled,
                      T* sums) {
  const bool at_once =
      kind == kOneVector && filled > 14 && kBlock<T> == 16 && kernels.weight_tile[kOneVector][7] != nullptr;
  const Index most = at_once ? 16 : kernels.max_rows[kind];
  const T* source = call.source;
  for (Index c = 0, tiles = (filled + most - 1) / most; tiles > 0; --tiles) {
    const Index rows = ((filled - c + tiles - 1) / tiles + 1) / 2 * 2;
    call.source = source + c;
    call.out = sums + c * wide;
    kernels.weight_tile[kind][rows / 2 - 1](call);
    c += rows;
  }
  call.source = source;
}

// dw (R,S,C/groups,K) of one group: sum of the partial gradients [chunk][block][tap][c][NV vectors].
template <class T>
void unpack_weight_gradient(const ConvShape& shape, Index group, const ChannelBlocks& channels, const T* partial,
                            Index chunks, Index taps, Index tap_channels, Index padded_channels, T* dw) {
  const Index chunk_size = taps * padded_channels * channels.padded();
  parallel_for(taps * tap_channels, 1 + (1 << 14) / std::max<Index>(1, chunks * channels.padded()),
               [&](Index begin, Index end) {
                 for (Index item = begin; item < end; ++item) {
                   const Index tap = item / tap_channels, c = item % tap_channels;
                   for (Index block = 0; block < channels.count(); ++block) {
                     const Index wide = channels.wide(block);
                     const T* from =
                         partial + taps * padded_channels * channels.first(block) + (tap * padded_channels + c) * wide;
                     T* to = dw + item * shape.k + group * shape.group_k() + channels.first(block);
                     const Index valid = channels.valid(block);
                     std::copy_n(from, valid, to);
                     for (Index chunk = 1; chunk < chunks; ++chunk) {
                       from += chunk_size;
                       for (Index k = 0; k < valid; ++k) to[k] += from[k];
                     }
                   }
                 }
               });
}

// Where the cut of the batch into units of work for the weight gradient comes from: enough
// positions in a unit to pay for loading and storing the sums, few enough to stay in L1.
struct WeightUnits {
  Index lanes, lane_blocks, rows, row_groups;

  WeightUnits(const ConvShape& shape, bool one_lane) {
    const Index positions = shape.weight_size() > (1 << 16) ? 256 : 128;
    lanes = one_lane ? 1 : std::clamp<Index>(positions / shape.out_w(), 1, std::min<Index>(16, shape.n));
    lane_blocks = (shape.n + lanes - 1) / lanes;
    rows = std::clamp<Index>(positions / (shape.out_w() * lanes), 1, shape.out_h());
    row_groups = (shape.out_h() + rows - 1) / rows;
  }
  [[nodiscard]] Index count() const { return lane_blocks * row_groups; }
};

template <class T>
void direct_backward_weights(ConvShape shape, const T* x, const T* dy, T* dw) {
  if (has_small_groups<T>(shape)) return grouped_backward_weights(shape, x, dy, dw);
  const DirectKernels<T> kernels = kernels::select_direct_kernels<T>();
  const ChannelBlocks channels(shape.group_k(), kernels);
  // Where vectors fill the output channels, dy is read where it lies: the lanes are the pixels of a row. The stem's
  // windows overlap in the image as they do in memory, so a row is copied between the zeros of its padding and that is
  // all. A 1x1 kernel's pixels are not copied at all, where tiles, of an even number of channels, do not read past the
  // last pixel, pixels of dy are not so far apart that they meet in a few sets of L1, and a row has enough of them.
  const bool whole_vectors = channels.padded() == shape.k;
  const bool copied = whole_vectors && windows_overlap<T>(shape);
  const bool uncopied = whole_vectors && is_pointwise(shape, kernels) && shape.c % 2 == 0 &&
                        shape.k <= 16 * channels.width && (shape.stride_w == 1 || shape.out_w() >= 8);
  const bool in_place = copied || uncopied;
  if (uncopied && shape.stride_h == 1) shape.h *= std::exchange(shape.n, 1);
  const Source<T> probe = input_source(shape, 0, x);
  const Index kernel_w = probe.folded ? 1 : shape.s, taps = shape.r * kernel_w;
  const Index padded_channels = probe.blocks() * kBlock<T>;
  const Index chunk_size = taps * padded_channels * channels.padded();
  const WeightUnits units(shape, in_place);
  const ConvShape compact = compacted(shape);
  const Axis rows = input_rows(compact, shape.out_h(), false);
  const Axis cols = input_cols(compact, probe.folded);
  const RingPlan ring = uncopied ? RingPlan{} : plan_ring(rows, units.rows);
  struct TapColumn {
    Index col, source;
  };
  std::vector<std::vector<TapColumn>> tap_columns(static_cast<std::size_t>(kernel_w));
  for (Index col = 0; col < (in_place ? 0 : shape.out_w()); ++col)
    for (const auto* e = cols.begin(col); e != cols.end(col); ++e)
      tap_columns[static_cast<std::size_t>(e->tap)].push_back({col, e->source});

  // The chunks of the sum depend on the shape only; where they are fewer than the threads want,
  // the output channels are shared out as well, which leaves the bits alone.
  constexpr Index budget = 3 * 512 * 1024 / static_cast<Index>(sizeof(T));
  const auto by_memory = static_cast<std::uint64_t>(std::clamp<Index>(budget / chunk_size, 2, 16));
  const Index chunks = std::min(units.count(), static_cast<Index>(std::bit_floor(by_memory)));
  const Index threads = num_threads();
  const Index channel_groups =
      threads == 1 ? 1 : std::clamp<Index>((2 * threads + chunks - 1) / chunks, 1, channels.count());

  Workspace<T> partial(static_cast<std::size_t>(chunks * chunk_size));
  for (Index group = 0; group < shape.groups; ++group) {
    const Source<T> source = input_source(shape, group, x);
    const T* group_dy = dy + group * shape.group_k();
    const Index tasks = chunks * channel_groups;
    parallel_chunks(tasks, tasks, [&](Index task, Index, Index) {
      const Index chunk = task / channel_groups, channel_group = task % channel_groups;
      const Index unit_begin = chunk * units.count() / chunks, unit_end = (chunk + 1) * units.count() / chunks;
      const Index block_begin = channel_group * channels.count() / channel_groups;
      const Index block_end = (channel_group + 1) * channels.count() / channel_groups;
      const Index first_k = channels.first(block_begin);
      const Index end_k = block_end == channels.count() ? channels.channels : channels.first(block_end);
      const Index padded_k = (block_end == channels.count() ? channels.padded() : end_k) - first_k;
      // Channels in blocks of two vectors; a narrower last block is packed on its own.
      const Index double_k = std::min(channels.doubled(), channels.first(block_end)) - first_k;

      T* sums = partial.data() + chunk * chunk_size;
      fill_zero(sums + taps * padded_channels * first_k, taps * padded_channels * padded_k);
      const auto row_size = [&](Index lanes) {  // of the ring
        return uncopied ? 0 : copied ? padded_row<T>(shape) : source.packed_row(lanes);
      };
      // One block more than the ring: the rows of a tile may reach past the last channel's block.
      Workspace<T> packed(uncopied ? 0 : static_cast<std::size_t>(ring.rows * row_size(units.lanes) + kBlock<T>));
      if (copied) fill_zero(packed.data(), ring.rows * row_size(1));
      Workspace<T> gradient(in_place ? 0
                                     : static_cast<std::size_t>(units.rows * shape.out_w() * units.lanes * padded_k));
      std::vector<Position> positions(static_cast<std::size_t>(units.rows * (in_place ? 1 : shape.out_w())));

      Index packed_to = 0, packed_lane_block = -1;
      for (Index unit = unit_begin; unit < unit_end; ++unit) {
        const Index lane_block = unit / units.row_groups;
        const Index row0 = unit % units.row_groups * units.rows, row1 = std::min(shape.out_h(), row0 + units.rows);
        const Index image0 = lane_block * units.lanes, lanes = std::min(units.lanes, shape.n - image0);
        const Index pixel_size = source.packed_pixel(lanes), packed_row = row_size(lanes);
        if (!uncopied) {
          const Index keep = ring.keep[static_cast<std::size_t>(row0)];
          packed_to = lane_block == packed_lane_block ? std::max(packed_to, keep) : keep;
          packed_lane_block = lane_block;
          for (; packed_to < ring.need[static_cast<std::size_t>(row1 - 1)]; ++packed_to) {
            T* const to = packed.data() + ring.slot(packed_to) * packed_row;
            if (copied)
              std::copy_n(source.data + image0 * source.image_stride + packed_to * source.row_stride, shape.w * shape.c,
                          to + shape.pad_w * shape.c);
            for (Index i = 0; i < (in_place ? 0 : lanes); ++i)
              source.pack(kernels, image0 + i, packed_to, lanes, to + i * kBlock<T>);
          }
        }

        const Index count = (row1 - row0) * shape.out_w();
        for (Index i = 0; i < (in_place ? 0 : lanes); ++i) {
          const Index wide = 2 * channels.width;
          const T* from = group_dy + ((image0 + i) * shape.out_h() + row0) * shape.out_w() * shape.k + first_k;
          if (double_k > 0)
            kernels.pack(from, count, shape.k, std::min(double_k, end_k - first_k), wide, gradient.data() + i * wide,
                         lanes * wide, count * lanes * wide, count * shape.k);
          if (padded_k > double_k)
            kernels.pack(from + double_k, count, shape.k, end_k - first_k - double_k, padded_k - double_k,
                         gradient.data() + count * lanes * double_k + i * (padded_k - double_k),
                         lanes * (padded_k - double_k), 0, count * shape.k);
        }

        for (Index block = block_begin; block < block_end; ++block) {
          const Index wide = channels.wide(block);
          WeightTileCall<T> call{};
          call.positions = positions.data();
          if (in_place) {
            call.gradient =
                group_dy + (image0 * shape.out_h() + row0) * shape.out_w() * shape.k + channels.first(block);
            call.gradient_step = shape.out_w() * shape.k;
            call.lane_step = shape.k;
            call.source_step = shape.stride_w * shape.c;
            call.lanes = shape.out_w();
          } else {
            call.gradient = gradient.data() + count * lanes * (channels.first(block) - first_k);
            call.gradient_step = lanes * wide;
            call.lane_step = wide;
            call.source_step = kBlock<T>;
            call.lanes = lanes;
          }
          T* block_sums = sums + taps * padded_channels * channels.first(block);
          for (Index r = 0; r < shape.r; ++r)
            for (Index s = 0; s < kernel_w; ++s) {
              Index found = 0;
              for (Index row = row0; row < row1; ++row)
                for (const auto* e = rows.begin(row); e != rows.end(row); ++e) {
                  if (e->tap != r) continue;
                  const Index row_at = uncopied ? e->source * source.row_stride : ring.slot(e->source) * packed_row,
                              first_col = (row - row0) * shape.out_w();
                  if (in_place) {
                    positions[static_cast<std::size_t>(found++)] = {row_at, row - row0};
                    continue;
                  }
                  for (const TapColumn& at : tap_columns[static_cast<std::size_t>(s)])
                    positions[static_cast<std::size_t>(found++)] = {row_at + at.source * pixel_size,
                                                                    first_col + at.col};
                }
              if (found == 0) continue;
              call.position_count = found;
              // What is read in place a unit fetches for the next one, the first time that it reads it.
              call.source_ahead =
                  uncopied && block == block_begin ? (row1 - row0) * source.row_stride : kLanesAhead * call.source_step;
              call.ahead = !in_place ? kLanesAhead * call.lane_step : r == 0 ? count * shape.k : 0;
              T* tap_sums = block_sums + (r * kernel_w + s) * padded_channels * wide;
              for (Index c0 = 0; c0 < source.channels; c0 += kBlock<T>) {
                call.source = uncopied ? source.data + image0 * source.image_stride + c0 : packed.data() + c0 * lanes;
                if (uncopied && c0 > 0) call.ahead = kLanesAhead * call.lane_step;
                run_weight_tiles(kernels, call, channels.kind(block), wide, std::min(kBlock<T>, source.channels - c0),
                                 tap_sums + c0 * wide);
              }
            }
        }
      }
    });
    unpack_weight_gradient(shape, group, channels, partial.data(), chunks, taps, source.channels, padded_channels, dw);
  }
}

}  // namespace contexture::detail::conv
