// SPDX-License-Identifier: MIT
// Winograd convolution for 3x3 kernels with stride 1, the data passes: 16 or 36 multiply-adds instead of 36 or 144
// for a tile of MxM outputs (winograd_tiles.hpp).
//
// Tiles of the whole batch are numbered through; a block of them fills the lanes of a register tile, so each of the
// (M+2)^2 points is a small matrix product that runs in those kernels. A few blocks of tiles are transformed,
// multiplied, and transformed back while everything is in L2.
//
// Rounding, float, root mean square relative to the result, as measured and bounded by the tests:
// direct below 1e-6 (2e-6 for the weight gradient), M = 2 below 1e-6 (4e-6), M = 4 below 5e-6 (1e-5).
// Non-finite values spread over their whole tile.
// Pixels may be stored as another type P than what is computed in: with bfloat16 all in between is float.
#pragma once

#include <algorithm>

#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/conv/packing.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/tiles.hpp"
#include "contexture/kernels/conv/winograd_tiles.hpp"
#include "contexture/kernels/reduce.hpp"

namespace contexture::detail::conv {

// out (N,rows,cols,K) = images (N,rows,cols,C), with `pad` zeros before the first pixel, and packed weights.
template <class T, class P>
struct WinogradPass {
  Index images;
  WinogradImages<const P> in;
  Index pad_h, pad_w;
  const T* weights;  // [block][point][c][NV vectors]
  const T* bias;     // whole vectors
  WinogradImages<P> out;
};

template <class T, class P, int M>
class WinogradData {
 public:
  WinogradData(const WinogradPass<T, P>& pass, const TileKernels<T>& kernels, const ChannelBlocks& channels)
      : pass_(pass),
        kernels_(kernels),
        channels_(channels),
        grid_(pass.images, pass.out.rows, pass.out.cols),
        blocks_in_((pass.in.pixel + kBlock<T> - 1) / kBlock<T>),
        zeros_(static_cast<std::size_t>(std::max(pass.in.pixel, 2 * channels.width))) {  // also those of P
    kernels::fill_zero(zeros_.data(), std::max(pass.in.pixel, 2 * channels.width));
  }

  void run() const {
    const Index pairs = (grid_.count() + 1) / 2;
    const Index lane_blocks = (grid_.count() + kernels_.max_lanes - 1) / kernels_.max_lanes;
    const Index threads = num_threads();
    // Blocks of lanes that share one pass over the weights: as many as an eighth of L2 holds.
    constexpr Index budget = 128 * 1024 / static_cast<Index>(sizeof(T));
    Index together = std::clamp<Index>(budget / block_size(), 1, kMostBlocks);
    if (threads > 1) together = std::min(together, std::max<Index>(1, lane_blocks / (4 * threads)));
    const Index tasks = (lane_blocks + together - 1) / together;
    parallel_chunks(tasks, tasks, [&](Index task, Index, Index) {
      const Index first_block = task * lane_blocks / tasks, last_block = (task + 1) * lane_blocks / tasks;
      Blocks blocks;
      blocks.count = last_block - first_block;
      for (Index b = 0; b <= blocks.count; ++b) blocks.first[b] = 2 * ((first_block + b) * pairs / lane_blocks);
      Workspace<T> sources(static_cast<std::size_t>(blocks.count * block_size()));
      Workspace<T> products(static_cast<std::size_t>(blocks.count * product_size() + channels_.width));
      transform(blocks, sources.data());
      for (Index block = 0; block < channels_.count(); ++block) {
        multiply(blocks, block, sources.data(), products.data());
        transform_back(blocks, block, products.data());
      }
    });
  }

 private:
  static constexpr Index kExtent = M + 2, kPoints = kExtent * kExtent;
  static constexpr Index kMostBlocks = 8;

  // Blocks of lanes of one task.
  struct Blocks {
    Index count;
    Index first[kMostBlocks + 1];  // tiles, and one past the last
    [[nodiscard]] Index lanes(Index block) const { return first[block + 1] - first[block]; }
  };

  // Elements of a full block's transformed source, and of its products with a block of output channels.
  [[nodiscard]] Index block_size() const { return kPoints * blocks_in_ * kBlock<T> * kernels_.max_lanes; }
  [[nodiscard]] Index product_size() const { return kernels_.max_lanes * kPoints * 2 * channels_.width; }

  // sources [block][point][block of c][lane][c].
  void transform(const Blocks& blocks, T* sources) const {
    WinogradPlace at = grid_.place(blocks.first[0]);
    for (Index b = 0; b < blocks.count; ++b) {
      const Index lanes = blocks.lanes(b);
      for (Index i = 0; i < lanes; ++i) {
        WinogradTile<T, P> tile =
            pass_.in.template square<T>({at.image, at.y - pass_.pad_h, at.x - pass_.pad_w}, kExtent);
        tile.channels = pass_.in.pixel;
        tile.zeros = reinterpret_cast<const P*>(zeros_.data());
        tile.points = sources + b * block_size() + i * kBlock<T>;
        tile.point_step = blocks_in_ * lanes * kBlock<T>;
        tile.piece = kBlock<T>;
        tile.piece_step = lanes * kBlock<T>;
        transforms_.input(tile);
        // The last block may have one lane too many: it repeats a tile, and is not written back.
        if (blocks.first[b] + i + 1 < grid_.count()) grid_.advance(at);
      }
    }
  }

  // products [block][lane][point][NV vectors], of one block of output channels.
  void multiply(const Blocks& blocks, Index block, const T* sources, T* products) const {
    const Index wide = channels_.wide(block), channels_in = pass_.in.pixel;
    const Tap tap{0, 0};
    T* to[kMaxLanes];
    TileCall<T> call{};
    call.taps = &tap;
    call.tap_count = 1;
    call.channels = channels_in;
    call.bias = zeros_.data();
    call.out = to;
    call.valid_channels = wide;
    for (Index point = 0; point < kPoints; ++point) {
      call.weights = pass_.weights + kPoints * channels_in * channels_.first(block) + point * channels_in * wide;
      for (Index b = 0; b < blocks.count; ++b) {
        const Index lanes = blocks.lanes(b);
        call.source = sources + b * block_size() + point * blocks_in_ * lanes * kBlock<T>;
        T* product = products + b * product_size() + point * wide;
        for (Index i = 0; i < lanes; ++i) to[i] = product + i * kPoints * wide;
        kernels_.tile[channels_.kind(block)][lanes / 2 - 1](call);
      }
    }
  }

  void transform_back(const Blocks& blocks, Index block, T* products) const {
    const Index wide = channels_.wide(block), first = channels_.first(block);
    WinogradImages<P> out = pass_.out;
    out.data += first;
    WinogradPlace at = grid_.place(blocks.first[0]);
    for (Index b = 0; b < blocks.count; ++b) {
      const Index end = std::min(blocks.first[b + 1], grid_.count());
      for (Index t = blocks.first[b]; t < end; ++t, grid_.advance(at)) {
        WinogradTile<T, P> tile = out.template square<T>(at, M);
        tile.channels = channels_.valid(block);
        tile.points = products + b * product_size() + (t - blocks.first[b]) * kPoints * wide;
        tile.point_step = wide;
        tile.bias = pass_.bias + first;
        transforms_.output(tile);
      }
    }
  }

  const WinogradPass<T, P>& pass_;
  const TileKernels<T>& kernels_;
  const ChannelBlocks& channels_;
  WinogradKernels<T, P> transforms_ = kernels::select_winograd_kernels<T, P, M>();
  WinogradGrid<M> grid_;
  Index blocks_in_;
  Workspace<T> zeros_;
};

// points [block][point][c][NV vectors] from taps [block][tap][c][NV vectors], or from these in reverse order.
template <class T, class P, int M>
void transform_weights(const ChannelBlocks& channels, Index channels_in, const T* taps, bool flipped, T* points) {
  constexpr Index kPoints = (M + 2) * (M + 2);
  const WinogradKernels<T, P> transforms = kernels::select_winograd_kernels<T, P, M>();
  parallel_for(channels.count(), 1, [&](Index begin, Index end) {
    for (Index block = begin; block < end; ++block) {
      const Index before = channels_in * channels.first(block);
      transforms.weights(taps + 9 * before, points + kPoints * before, channels_in * channels.wide(block), flipped);
    }
  });
}

template <class P, int M>
void winograd_forward(const ConvShape& shape, const P* x, const Accumulator<P>* w, const Accumulator<P>* bias, P* y) {
  using T = Accumulator<P>;
  const TileKernels<T> kernels = kernels::select_tile_kernels<T>();
  const ChannelBlocks channels(shape.k, kernels);
  const PackedKey key{w, M == 2 ? WeightLayout::winograd2 : WeightLayout::winograd4, sizeof(T), channels.width,
                      (M + 2) * (M + 2) * shape.c * channels.padded()};
  const PackedForm<T> weights(key, [&](T* to) {
    Workspace<T> taps(static_cast<std::size_t>(shape.patch() * channels.padded()));
    pack_weights(shape, channels, w, taps.data());
    transform_weights<T, P, M>(channels, shape.c, taps.data(), false, to);
  });
  Workspace<T> padded_bias(static_cast<std::size_t>(channels.padded() + channels.width));
  pad_bias(bias, channels, padded_bias.data());
  const WinogradPass<T, P> pass{.images = shape.n,
                                .in = {x, shape.h, shape.w, shape.c},
                                .pad_h = shape.pad_h,
                                .pad_w = shape.pad_w,
                                .weights = weights.data(),
                                .bias = padded_bias.data(),
                                .out = {y, shape.out_h(), shape.out_w(), shape.k}};
  WinogradData<T, P, M>(pass, kernels, channels).run();
}

// A convolution of dy with the weights turned by 180 degrees and C and K exchanged.
template <class P, int M>
void winograd_backward_data(const ConvShape& shape, const P* dy, const Accumulator<P>* w, P* dx) {
  using T = Accumulator<P>;
  const TileKernels<T> kernels = kernels::select_tile_kernels<T>();
  const ChannelBlocks channels(shape.c, kernels);
  Workspace<T> taps(static_cast<std::size_t>(9 * shape.k * channels.padded()));
  Workspace<T> weights(static_cast<std::size_t>((M + 2) * (M + 2) * shape.k * channels.padded()));
  Workspace<T> zeros(static_cast<std::size_t>(channels.padded() + channels.width));
  pack_weights_transposed(shape, channels, w, taps.data());
  transform_weights<T, P, M>(channels, shape.k, taps.data(), true, weights.data());
  pad_bias<T>(nullptr, channels, zeros.data());
  const WinogradPass<T, P> pass{.images = shape.n,
                                .in = {dy, shape.out_h(), shape.out_w(), shape.k},
                                .pad_h = 2 - shape.pad_h,
                                .pad_w = 2 - shape.pad_w,
                                .weights = weights.data(),
                                .bias = zeros.data(),
                                .out = {dx, shape.h, shape.w, shape.c}};
  WinogradData<T, P, M>(pass, kernels, channels).run();
}

}  // namespace contexture::detail::conv
