// SPDX-License-Identifier: MIT
// Register tiles: the inner loops that direct convolution, Winograd's products and weight gradients
// share, compiled once per instruction set (tiles-inl.hpp), and how lanes and channels are cut into them.
//
// A data tile is MR lanes by NV vectors of output channels, summed over taps and source channels. What a
// lane is, is the caller's: the same pixel of MR images, MR neighbouring pixels, or MR Winograd tiles. A
// weight tile is CR channels by NV vectors of the weight gradient, summed over positions and lanes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/cpu.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/kernels/conv/taps.hpp"

namespace contexture {
// Pairs of bfloat16, below.
template <>
struct AccumulatorOf<std::uint32_t> {
  using type = float;
};
}  // namespace contexture

namespace contexture::detail::conv {

// Two bfloat16 that are multiplied and summed at a step; the first one lies in the lower half.
using Bfloat16Pair = std::uint32_t;

// What tensors hold whose elements the tiles take as T: a pair comes from two images.
template <class T>
using Stored = std::conditional_t<std::is_same_v<T, Bfloat16Pair>, bfloat16, T>;
template <class T>
inline constexpr Index kImagesALane = std::is_same_v<T, Bfloat16Pair> ? 2 : 1;

// Neighbouring channels that one multiply-add takes up.
template <class T>
inline constexpr Index kChannelsAStep = std::is_same_v<T, bfloat16> ? 2 : 1;

// Channels in a block of the packed source: one cache line, for float one AVX-512 vector.
template <class T>
inline constexpr Index kBlock = static_cast<Index>(64 / sizeof(T));

inline constexpr int kMaxLanes = 32;

// Lanes of packed data that the weight gradient fetches from L2 ahead of those it works on: what all taps and
// channels of a unit read does not stay in an L1 of 32 KiB (measured: 2, 4 and 8 lanes are alike, 8 % in all).
inline constexpr Index kLanesAhead = 4;

// Of AMX: what a tile does with its sums besides adding the bias. `scale` and `sums` are those of its first channel,
// `out` and `residual` those of the first image.
struct TileEpilogue {
  const float* scale = nullptr;
  const bfloat16* out = nullptr;
  const bfloat16* residual = nullptr;
  bool relu = false;
  double* sums = nullptr;  // of what is stored, to be added to; those of the squares are `squares` behind
  Index squares = 0;
  const void* unused = nullptr;  // a pixel that would go there does not exist

  [[nodiscard]] TileEpilogue from(Index channel) const {
    TileEpilogue e = *this;
    if (scale != nullptr) e.scale += channel;
    if (sums != nullptr) e.sums += channel;
    return e;
  }
};

// Sums over the pixels of each channel, and of their squares, in parts that depend on the shape only: the same bits
// with any number of threads. Squares of bfloat16 are exact in float, and so is the variance of a channel that is
// constant.
class ChannelSums {
 public:
  ChannelSums(Index parts, Index channels)
      : parts_(parts), channels_(channels), sums_(static_cast<std::size_t>(2 * parts * channels), 0.0) {}

  [[nodiscard]] double* part(Index i) { return sums_.data() + 2 * i * channels_; }

  // Mean and biased variance over `rows` pixels.
  void moments(Index rows, double* out) const {
    const auto n = static_cast<double>(std::max<Index>(rows, 1));
    for (Index c = 0; c < channels_; ++c) {
      double sum = 0, square = 0;
      for (Index i = 0; i < parts_; ++i) {
        sum += sums_[static_cast<std::size_t>(2 * i * channels_ + c)];
        square += sums_[static_cast<std::size_t>((2 * i + 1) * channels_ + c)];
      }
      out[c] = sum / n;
      out[channels_ + c] = std::max(0.0, square / n - out[c] * out[c]);
    }
  }

 private:
  Index parts_, channels_;
  std::vector<double> sums_;
};

template <class T, class Sum = Accumulator<T>>
struct TileCall {
  const T* source;   // taps hold offsets into it, and indices of kernel taps
  const T* weights;  // [tap][channel][NV vectors]
  Index weights_step;
  const Tap* taps;
  Index tap_count;
  Index channels;
  const Sum* bias;  // NV vectors
  T* const* out;    // one pointer a lane
  Index valid_channels;
  Index lanes, block;            // AMX: the lanes, and the channels of a block
  const TileEpilogue* epilogue;  // AMX
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

template <class T, class Sum = Accumulator<T>>
struct WeightTileCall {
  const T* source;
  const T* gradient;  // [position][lane][NV vectors]
  Index gradient_step, lane_step;
  Index source_step;  // elements from lane to lane of the source
  const Position* positions;
  Index position_count;
  Index lanes;
  Index source_ahead, ahead;  // elements from a pixel of the source, of the gradient, to one that is fetched meanwhile
  Sum* out;                   // [CR][NV vectors]
};

// Pixels that are copied, their channels in pieces.
template <class T>
struct PackCall {
  const Stored<T>* from;
  const Stored<T>* second = nullptr;  // of pairs: the other image, or null
  Index pixels, pixel_stride, channels;
  T* to;
  Index pixel_step;
  Index piece, piece_step;  // channels stored together, a multiple of half a vector, and the distance of such pieces
  Index ahead;              // elements from what is read to what will be packed next: it is fetched into L2
};

// Of AMX, one or two tiles of neighbouring pixels of a row (rows.hpp), by one or two of output channels.
struct RowsCall {
  const bfloat16* source[2];  // of each tile: what the first pixel's window begins with,
  const Index* places[2];     // and where each pixel's sums go, behind `out`; -1: nowhere
  bfloat16* out[2];
  Index source_pixel;       // elements from a pixel to the next
  Index rows;               // pixels of a tile
  Index taps, row_step;     // source rows that are summed over, and elements from one to the next
  Index steps, depth;       // of a row, and of a step, in elements that follow each other
  const bfloat16* weights;  // [column of 16 channels][tap row][step][pair][16 channels][2]
  Index column_step;
  const float* bias;
  Index valid_channels;
  Index fresh[2];  // of each tile: the first pixel that no tile before had
  const TileEpilogue* epilogue;
};

// Of AMX, the weight gradient: one or two tiles of source channels, as rows of positions, by 16 output channels.
struct RowsWeightCall {
  const bfloat16* source;
  Index source_pitch;        // elements from a channel to the next
  const bfloat16* gradient;  // [pair of positions][16 channels][2]
  Index steps;               // of 32 positions
  float* out;
  Index pitch;  // floats from a source channel to the next
};

// Pixels of an image, `count` of them, that begin `offsets` elements behind `from` (-1: zeros), rearranged. Nothing
// from `end` on is read.
struct PixelsCall {
  const bfloat16* from;
  const bfloat16* end;
  const Index* offsets;
  Index count, channels;
  bfloat16* to;
  Index pitch;  // elements from a channel to the next, or from 16 channels to the next
};

// Register tiles are one vector of channels wide, two, or one and a half: 24 channels are a
// common width, and processors that split 512-bit vectors do a half in half the time.
enum TileKind { kOneVector, kTwoVectors, kOneAndAHalf };

// The sizes of an instruction set's tiles.
struct TileExtents {
  Index width;        // elements of the accumulator in a vector
  Index max_lanes;    // largest MR
  bool half_vectors;  // whether kOneAndAHalf exists

  // Elements of a row of a tile.
  [[nodiscard]] Index wide(TileKind kind) const {
    return kind == kTwoVectors ? 2 * width : kind == kOneAndAHalf ? width + width / 2 : width;
  }
};

// The kernels of one instruction set. tile[kind][MR / 2 - 1] and tile_in_place, weight_tile[kind][CR / 2 - 1].
template <class T, class Sum = Accumulator<T>>
struct TileKernels : TileExtents {
  Index max_rows[3];  // largest CR of a kind
  void (*tile[3][kMaxLanes / 2])(const TileCall<T, Sum>&);
  void (*tile_in_place[3][kMaxLanes / 2])(const TileCall<T, Sum>&);
  void (*weight_tile[3][8])(const WeightTileCall<T, Sum>&);
  void (*pack)(const PackCall<T>&);
  // AMX only. Its tiles have a shape, which a thread sets before it uses them: the rows of one or two tiles of
  // sums, which are 16 wide, and what is summed at a step. Its weight_tile[kind] are those of one and of two tiles of
  // rows, of transposed squares.
  void (*configure)(Index first, Index second, Index depth);
  void (*release)();
  void (*transpose)(T* squares, Index count);
  void (*rows_tile[2][2])(const RowsCall&);            // [tiles of pixels - 1][of channels - 1]
  void (*rows_weight_tile[2])(const RowsWeightCall&);  // [tiles of source channels - 1]
  void (*channels_first)(const PixelsCall&);           // to [channel][position], whole blocks of 32 channels
  void (*pixel_pairs)(const PixelsCall&);              // to [16 channels][pair of positions][16 channels][2]

  // Source channels that are stored together: as many as a line holds, or, of AMX, blocks of equal size.
  [[nodiscard]] Index block(Index channels) const {
    if (configure == nullptr) return kBlock<T>;
    const Index blocks = (channels + kBlock<T> - 1) / kBlock<T>;
    return ((channels + blocks - 1) / blocks + 1) / 2 * 2;
  }
};

}  // namespace contexture::detail::conv

#define CONTEXTURE_KERNEL_SOURCE "contexture/kernels/conv/tiles-inl.hpp"
#define CONTEXTURE_KERNEL_PAIRS
#include "contexture/kernels/for_each_isa.hpp"

namespace contexture::kernels {
template <class T, class Sum = Accumulator<T>>
detail::conv::TileKernels<T, Sum> select_tile_kernels() {
  if constexpr (std::is_same_v<T, Accumulator<T>>) {
    CONTEXTURE_DISPATCH(tile_kernels<T, Sum>());
  } else {
    CONTEXTURE_DISPATCH_PAIRS(tile_kernels<T, Sum>());
  }
}
template <class Sum>
detail::conv::TileExtents select_tile_extents() {
  CONTEXTURE_DISPATCH(tile_extents<Sum>());
}
}  // namespace contexture::kernels

namespace contexture::detail::conv {

// What a thread sets up before it runs tiles, and takes back afterwards. Numbers below 2^-126 are zero meanwhile where
// bfloat16 is multiplied, as they are for the processors that do it: for those that emulate it.
template <class T>
class TileSession {
 public:
  explicit TileSession(const TileKernels<T>& kernels) : release_(kernels.release) {
#if defined(CONTEXTURE_HAS_X86_ISAS)
    if constexpr (kReduced) __builtin_ia32_ldmxcsr(before_ | 0x8040u);
#endif
  }
  ~TileSession() {
#if defined(CONTEXTURE_HAS_X86_ISAS)
    if constexpr (kReduced) __builtin_ia32_ldmxcsr(before_);
#endif
    if (release_ != nullptr) release_();
  }
  TileSession(const TileSession&) = delete;
  TileSession& operator=(const TileSession&) = delete;

 private:
  static constexpr bool kReduced = !std::is_same_v<T, Accumulator<T>>;
#if defined(CONTEXTURE_HAS_X86_ISAS)
  unsigned before_ = kReduced ? __builtin_ia32_stmxcsr() : 0;
#endif
  void (*release_)();
};

// How the channels that a pass computes are cut into blocks of two vectors, the last of two, one
// and a half, or one.
struct ChannelBlocks {
  Index channels, width;
  Index halves;  // half vectors that hold all channels; an odd number only before kOneAndAHalf

  ChannelBlocks(Index count, const TileExtents& extents) : channels(count), width(extents.width) {
    const Index half = width / 2;
    halves = (count + half - 1) / half;
    if (halves % 4 != 3 || !extents.half_vectors) halves = (halves + 1) / 2 * 2;
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

// Covers the `filled` channels of one block of the source with register tiles of about equal height;
// call.source is the block, call.out its rows of the weight gradient. Up to one row more is computed than
// there are channels.
template <class T>
void run_weight_tiles(const TileKernels<T>& kernels, TileKind kind, Index filled, WeightTileCall<T> call) {
  const bool at_once =
      kind == kOneVector && filled > 14 && kBlock<T> == 16 && kernels.weight_tile[kOneVector][7] != nullptr;
  const Index most = at_once ? 16 : kernels.max_rows[kind], wide = kernels.wide(kind);
  for (Index tiles = (filled + most - 1) / most; tiles > 0; --tiles) {
    const Index rows = ((filled + tiles - 1) / tiles + 1) / 2 * 2;
    kernels.weight_tile[kind][rows / 2 - 1](call);
    call.source += rows;
    call.out += rows * wide;
    filled -= rows;
  }
}

}  // namespace contexture::detail::conv
