// SPDX-License-Identifier: MIT
// Winograd convolution, the weight gradient: as many tiles as a share of L3 holds are transformed, source and output
// gradient, then each point's product of the two is one thread's; the sums over all tiles are transformed back.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/tiles.hpp"
#include "contexture/kernels/conv/winograd_tiles.hpp"
#include "contexture/kernels/reduce.hpp"

namespace contexture::detail::conv {

template <class T, class P, int M>
class WinogradWeights {
 public:
  WinogradWeights(const ConvShape& shape, const P* x, const P* dy)
      : shape_(shape),
        in_{x, shape.h, shape.w, shape.c},
        gradient_{dy, shape.out_h(), shape.out_w(), shape.k},
        channels_(shape.k, kernels_),
        grid_(shape.n, shape.out_h(), shape.out_w()),
        padded_in_((shape.c + kBlock<T> - 1) / kBlock<T> * kBlock<T>),
        chunks_(chunk_count()),
        sums_(static_cast<std::size_t>(chunks_ * chunk_size() + channels_.width)),
        zeros_(static_cast<std::size_t>(zero_count())) {
    kernels::fill_zero(zeros_.data(), zero_count());
  }

  void run(T* dw) {
    // Transformed tiles between two passes over the sums: as many as stay in a thread's L2 of 1 MiB, or, where threads
    // share them, not so few that the loops are short; but at least half as much as the sums.
    const Index budget = (chunks_ > 1 ? 768 : 3072) * 1024 / static_cast<Index>(sizeof(T));
    const Index tile_size = kPoints * (padded_in_ + channels_.padded());
    const Index most = std::max(budget, chunk_size() / 2) / tile_size;
    parallel_chunks(grid_.count(), chunks_, [&](Index chunk, Index chunk_begin, Index chunk_end) {
      const Index count = chunk_end - chunk_begin, rounds = (count + most - 1) / most;
      // Odd, so that the points of a tile do not fall into one cache set.
      const Index room = ((count + rounds - 1) / rounds) | 1;
      // One block more than the source: the rows of a register tile may reach past the last channel's block.
      Workspace<T> sources(static_cast<std::size_t>(kPoints * padded_in_ * room + kBlock<T>));
      Workspace<T> gradients(static_cast<std::size_t>(kPoints * channels_.padded() * room));
      T* const sums = sums_.data() + chunk * chunk_size();
      for (Index r = 0; r < rounds; ++r) {
        const Round round{chunk_begin + r * count / rounds, chunk_begin + (r + 1) * count / rounds, room,
                          sources.data(), gradients.data()};
        parallel_for(round.end - round.begin, 8, [&](Index first, Index last) { transform(round, first, last); });
        parallel_for(kPoints * channels_.count(), 1, [&](Index first, Index last) {
          for (Index item = first; item < last; ++item)
            multiply(round, item / channels_.count(), item % channels_.count(), r == 0, sums);
        });
      }
    });
    kernels::reduce_in_order(sums_.data(), chunks_, chunk_size(), sums_.data());
    parallel_for(shape_.c, 4, [&](Index first, Index last) {
      for (Index c = first; c < last; ++c) transform_back(c, dw);
    });
  }

 private:
  static constexpr Index kExtent = M + 2, kPoints = kExtent * kExtent;

  // Tiles [begin, end) of the batch, transformed, with room for so many tiles:
  struct Round {
    Index begin, end, room;
    T* sources;    // [point][block of c][tile][c]
    T* gradients;  // [point][block of k][tile][k]
  };

  [[nodiscard]] Index point_size() const { return padded_in_ * channels_.padded(); }
  [[nodiscard]] Index chunk_size() const { return kPoints * point_size(); }
  [[nodiscard]] Index zero_count() const { return std::max({shape_.c, shape_.k, 2 * channels_.width}); }

  // Each chunk of tiles has sums of its own and is one thread's, where the tiles outweigh the sums; else there is one
  // chunk, and its loops are shared out. By shape only, so that the bits do not depend on the number of threads.
  [[nodiscard]] Index chunk_count() const {
    constexpr Index budget = 3 * 512 * 1024 / static_cast<Index>(sizeof(T));
    const Index most = std::clamp<Index>(std::min(budget / chunk_size(), grid_.count() / 256), 1, 8);
    return static_cast<Index>(std::bit_floor(static_cast<std::uint64_t>(most)));
  }

  // Tiles [first, last) of the round.
  void transform(const Round& round, Index first, Index last) const {
    // Blocks of two vectors, then a narrower one.
    const Index wide = 2 * channels_.width, paired = channels_.doubled(), rest = channels_.padded() - paired;
    WinogradPlace at = grid_.place(round.begin + first);
    for (Index t = first; t < last; ++t, grid_.advance(at)) {
      WinogradTile<T, P> tile = in_.template square<T>({at.image, at.y - shape_.pad_h, at.x - shape_.pad_w}, kExtent);
      tile.channels = shape_.c;
      tile.zeros = reinterpret_cast<const P*>(zeros_.data());
      tile.points = round.sources + t * kBlock<T>;
      tile.point_step = padded_in_ * round.room;
      tile.piece = kBlock<T>;
      tile.piece_step = round.room * kBlock<T>;
      transforms_.input(tile);

      tile = gradient_.template square<T>(at, M);
      tile.zeros = reinterpret_cast<const P*>(zeros_.data());
      tile.point_step = channels_.padded() * round.room;
      if (paired > 0) {
        tile.channels = std::min(paired, shape_.k);
        tile.points = round.gradients + t * wide;
        tile.piece = wide;
        tile.piece_step = round.room * wide;
        transforms_.gradient(tile);
      }
      if (shape_.k > paired) {
        tile.pixels += paired;
        tile.channels = shape_.k - paired;
        tile.points = round.gradients + paired * round.room + t * rest;
        tile.piece = rest;
        tile.piece_step = 0;
        transforms_.gradient(tile);
      }
    }
  }

  // Adds to, or in the first round sets, the sums [point][block of k][c][k] of one point and block.
  void multiply(const Round& round, Index point, Index block, bool is_first, T* sums) const {
    const Index wide = channels_.wide(block), first = channels_.first(block);
    const Position origin{0, 0};
    WeightTileCall<T> call{};
    call.gradient = round.gradients + (point * channels_.padded() + first) * round.room;
    call.positions = &origin;
    call.position_count = 1;
    call.lanes = round.end - round.begin;
    call.lane_step = wide;
    call.ahead = kLanesAhead * wide;
    call.source_step = kBlock<T>;
    call.source_ahead = kLanesAhead * kBlock<T>;
    sums += point * point_size() + padded_in_ * first;
    if (is_first) kernels::fill_zero(sums, padded_in_ * wide);
    for (Index c0 = 0; c0 < shape_.c; c0 += kBlock<T>) {
      call.source = round.sources + (point * padded_in_ + c0) * round.room;
      call.out = sums + c0 * wide;
      run_weight_tiles(kernels_, channels_.kind(block), std::min(kBlock<T>, shape_.c - c0), call);
    }
  }

  // dw (3,3,C,K) of one source channel.
  void transform_back(Index c, T* dw) {
    for (Index block = 0; block < channels_.count(); ++block) {
      const Index first = channels_.first(block);
      WinogradTile<T> tile{};
      tile.pixels = dw + c * shape_.k + first;
      tile.row_stride = 3 * shape_.c * shape_.k;
      tile.pixel_stride = shape_.c * shape_.k;
      tile.row_end = tile.col_end = 3;
      tile.channels = channels_.valid(block);
      tile.points = sums_.data() + padded_in_ * first + c * channels_.wide(block);
      tile.point_step = point_size();
      tile.bias = zeros_.data();
      transforms_.weight_gradient(tile);
    }
  }

  const ConvShape& shape_;
  WinogradImages<const P> in_, gradient_;
  TileKernels<T> kernels_ = kernels::select_tile_kernels<T>();
  WinogradKernels<T, P> transforms_ = kernels::select_winograd_kernels<T, P, M>();
  ChannelBlocks channels_;
  WinogradGrid<M> grid_;
  Index padded_in_;
  Index chunks_;
  Workspace<T> sums_;  // [chunk][point][block of k][c][k]
  Workspace<T> zeros_;
};

template <class P, int M>
void winograd_backward_weights(const ConvShape& shape, const P* x, const P* dy, Accumulator<P>* dw) {
  WinogradWeights<Accumulator<P>, P, M>(shape, x, dy).run(dw);
}

}  // namespace contexture::detail::conv
