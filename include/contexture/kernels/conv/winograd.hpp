// Winograd convolution F(MxM,3x3), M = 2 or 4, for 3x3 kernels with stride 1 (A. Lavin, S. Gray,
// "Fast algorithms for convolutional neural networks", arXiv 1509.09308): 16 or 36 multiply-adds
// instead of 36 or 144 for a tile of MxM outputs.
//
// Tiles of the whole batch are numbered through; a block of them fills the lanes of the direct
// algorithm's register tile, so each of the (M+2)^2 points is a small matrix product that runs in
// the same kernels. Forward and backward-data transform a few blocks of tiles, multiply, and
// transform back while everything is in L2. Backward-weights transforms as many tiles as a share
// of L3 holds, then gives each point's product to one thread: no partial sums.
//
// Rounding, float, root mean square relative to the result, as measured and bounded by the tests:
// direct below 1e-6 (2e-6 for the weight gradient), M = 2 below 1e-6 (4e-6), M = 4 below 5e-6 (1e-5).
// Non-finite values spread over their whole tile.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "contexture/kernels/conv/direct.hpp"

namespace contexture::detail::conv {

// One tile between pixels (NHWC) and points. Rows and columns outside [begin, end) are padding.
template <class T>
struct WinogradTile {
  T* pixels;  // of the tile's first row and column, which may lie outside the image; const where read
  Index row_stride, pixel_stride;
  Index row_begin, row_end, col_begin, col_end;
  Index channels;
  T* points;
  Index point_step;         // from one point to the next
  Index piece, piece_step;  // channels stored together, and the distance of such pieces
  const T* bias;            // where points become pixels
  const T* zeros;           // where pixels become points: stands in for the channels of a padding pixel
};

template <class T>
struct WinogradKernels {
  void (*input)(const WinogradTile<T>&);
  void (*gradient)(const WinogradTile<T>&);
  void (*output)(const WinogradTile<T>&);
  void (*weight_gradient)(const WinogradTile<T>&);
  void (*weights)(const T* taps, T* points, Index count, bool flipped);
};

}  // namespace contexture::detail::conv

#define CONTEXTURE_KERNEL_SOURCE "contexture/kernels/conv/winograd-inl.hpp"
#include "contexture/kernels/for_each_isa.hpp"

namespace contexture::kernels {
template <class T, int M>
detail::conv::WinogradKernels<T> select_winograd_kernels() {
  CONTEXTURE_DISPATCH(winograd_kernels<T, M>());
}
}  // namespace contexture::kernels

namespace contexture::detail::conv {

/// Whether Winograd can compute this shape at all.
[[nodiscard]] constexpr bool winograd_applies(const ConvShape& shape) {
  return shape.r == 3 && shape.s == 3 && shape.stride_h == 1 && shape.stride_w == 1 && shape.dilation_h == 1 &&
         shape.dilation_w == 1 && shape.groups == 1 && shape.pad_h <= 2 && shape.pad_w <= 2;
}

// The tiles of one pass over images (N,rows,cols,channels), `pad` zeros before the first pixel.
template <int M>
struct TileGrid {
  Index images, out_h, out_w;
  Index tiles_y, tiles_x;

  TileGrid(Index n, Index height, Index width)
      : images(n), out_h(height), out_w(width), tiles_y((height + M - 1) / M), tiles_x((width + M - 1) / M) {}
  [[nodiscard]] Index count() const { return images * tiles_y * tiles_x; }

  struct Place {
    Index image, y, x;  // in output pixels
  };
  [[nodiscard]] Place place(Index tile) const {
    return {tile / (tiles_y * tiles_x), tile / tiles_x % tiles_y * M, tile % tiles_x * M};
  }
  // Of the next tile, without the divisions, which cost as much as a transform of few channels.
  void advance(Place& at) const {
    if ((at.x += M) < out_w) return;
    at.x = 0;
    if ((at.y += M) < out_h) return;
    at.y = 0;
    ++at.image;
  }
};

// Describes the square of `extent` pixels whose first is (y,x) of an image (rows,cols), cut at
// its borders.
template <class T>
void place_square(WinogradTile<T>& tile, const T* image, Index rows, Index cols, Index pixel, Index y, Index x,
                  Index extent) {
  tile.row_stride = cols * pixel;
  tile.pixel_stride = pixel;
  // The pointer may point before the image; only what lies inside is read through it.
  tile.pixels = const_cast<T*>(image) + (y * cols + x) * pixel;
  tile.row_begin = std::clamp<Index>(-y, 0, extent);
  tile.row_end = std::clamp<Index>(rows - y, 0, extent);
  tile.col_begin = std::clamp<Index>(-x, 0, extent);
  tile.col_end = std::clamp<Index>(cols - x, 0, extent);
}

inline constexpr Index kMostLaneBlocks = 8;

// out (N,out_h,out_w,K) = images (N,rows,cols,C) with `taps`, packed weights [block][tap][c][NV vectors].
template <class T, int M>
void winograd_data(const DirectKernels<T>& kernels, const ConvShape& shape, const T* images, Index rows, Index cols,
                   Index channels_in, Index pad_h, Index pad_w, const ChannelBlocks& channels, const T* taps,
                   bool flipped, const T* bias, T* out, Index out_h, Index out_w) {
  constexpr Index extent = M + 2, points = extent * extent;
  const WinogradKernels<T> transforms = kernels::select_winograd_kernels<T, M>();
  const TileGrid<M> grid(shape.n, out_h, out_w);
  const Index blocks_in = (channels_in + kBlock<T> - 1) / kBlock<T>;

  // [block][point][c][NV vectors]
  Workspace<T> weights(static_cast<std::size_t>(points * channels_in * channels.padded()));
  parallel_for(channels.count(), 1, [&](Index begin, Index end) {
    for (Index block = begin; block < end; ++block) {
      const Index before = channels_in * channels.first(block);
      transforms.weights(taps + 9 * before, weights.data() + points * before, channels_in * channels.wide(block),
                         flipped);
    }
  });
  const Index zero_count = std::max(channels_in, 2 * channels.width);
  Workspace<T> zeros(static_cast<std::size_t>(zero_count));
  fill_zero(zeros.data(), zero_count);

  const Index pairs = (grid.count() + 1) / 2;
  const Index lane_blocks = (grid.count() + kernels.max_lanes - 1) / kernels.max_lanes;
  const Index threads = num_threads();
  // Blocks of lanes that share one pass over the weights: as many as an eighth of L2 holds.
  const Index block_size = points * blocks_in * kBlock<T> * kernels.max_lanes;
  constexpr Index budget = 128 * 1024 / static_cast<Index>(sizeof(T));
  Index together = std::clamp<Index>(budget / block_size, 1, kMostLaneBlocks);
  if (threads > 1) together = std::min(together, std::max<Index>(1, lane_blocks / (4 * threads)));
  const Index tasks = (lane_blocks + together - 1) / together;

  parallel_chunks(tasks, tasks, [&](Index task, Index, Index) {
    const Index first_block = task * lane_blocks / tasks, last_block = (task + 1) * lane_blocks / tasks;
    const Index blocks = last_block - first_block;
    Index first_tile[kMostLaneBlocks + 1];  // of the blocks, and one past the last
    for (Index b = 0; b <= blocks; ++b) first_tile[b] = 2 * ((first_block + b) * pairs / lane_blocks);
    const Index wide_most = 2 * channels.width;
    const Index product_size = kernels.max_lanes * points * wide_most;
    Workspace<T> sources(static_cast<std::size_t>(blocks * block_size));
    Workspace<T> products(static_cast<std::size_t>(blocks * product_size + channels.width));

    auto at = grid.place(first_tile[0]);
    for (Index b = 0; b < blocks; ++b) {
      const Index lanes = first_tile[b + 1] - first_tile[b];
      T* source = sources.data() + b * block_size;
      for (Index i = 0; i < lanes; ++i) {
        WinogradTile<T> tile{};
        place_square(tile, images + at.image * rows * cols * channels_in, rows, cols, channels_in, at.y - pad_h,
                     at.x - pad_w, extent);
        tile.channels = channels_in;
        tile.zeros = zeros.data();
        tile.points = source + i * kBlock<T>;
        tile.point_step = blocks_in * lanes * kBlock<T>;
        tile.piece = kBlock<T>;
        tile.piece_step = lanes * kBlock<T>;
        transforms.input(tile);
        // The last block may have one lane too many: it repeats a tile, and is not written back.
        if (first_tile[b] + i + 1 < grid.count()) grid.advance(at);
      }
    }
    for (Index block = 0; block < channels.count(); ++block) {
      const Index wide = channels.wide(block);
      const Tap tap{0, 0};
      T* to[kMaxLanes];
      TileCall<T> call{};
      call.taps = &tap;
      call.tap_count = 1;
      call.channels = channels_in;
      call.bias = zeros.data();
      call.out = to;
      call.valid_channels = wide;
      for (Index point = 0; point < points; ++point) {
        call.weights = weights.data() + points * channels_in * channels.first(block) + point * channels_in * wide;
        for (Index b = 0; b < blocks; ++b) {
          const Index lanes = first_tile[b + 1] - first_tile[b];
          call.source = sources.data() + b * block_size + point * blocks_in * lanes * kBlock<T>;
          T* product = products.data() + b * product_size + point * wide;
          for (Index i = 0; i < lanes; ++i) to[i] = product + i * points * wide;
          kernels.tile[channels.kind(block)][lanes / 2 - 1](call);
        }
      }
      at = grid.place(first_tile[0]);
      for (Index b = 0; b < blocks; ++b) {
        const Index end = std::min(first_tile[b + 1], grid.count());
        for (Index t = first_tile[b]; t < end; ++t, grid.advance(at)) {
          WinogradTile<T> tile{};
          place_square(tile, out + at.image * out_h * out_w * channels.channels + channels.first(block), out_h, out_w,
                       channels.channels, at.y, at.x, Index{M});
          tile.channels = channels.valid(block);
          tile.points = products.data() + b * product_size + (t - first_tile[b]) * points * wide;
          tile.point_step = wide;
          tile.bias = bias + channels.first(block);
          transforms.output(tile);
        }
      }
    }
  });
}

template <class T, int M>
void winograd_forward(const ConvShape& shape, const T* x, const T* w, const T* bias, T* y) {
  const DirectKernels<T> kernels = kernels::select_direct_kernels<T>();
  const ChannelBlocks channels(shape.k, kernels);
  Workspace<T> taps(static_cast<std::size_t>(shape.patch() * channels.padded()));
  Workspace<T> padded_bias(static_cast<std::size_t>(channels.padded() + channels.width));
  pack_weights(shape, 0, channels, w, taps.data());
  pad_bias(bias, channels, padded_bias.data());
  winograd_data<T, M>(kernels, shape, x, shape.h, shape.w, shape.c, shape.pad_h, shape.pad_w, channels, taps.data(),
                      false, padded_bias.data(), y, shape.out_h(), shape.out_w());
}

// A convolution of dy with the weights turned by 180 degrees and C and K exchanged.
template <class T, int M>
void winograd_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx) {
  const DirectKernels<T> kernels = kernels::select_direct_kernels<T>();
  const ChannelBlocks channels(shape.c, kernels);
  Workspace<T> taps(static_cast<std::size_t>(9 * shape.k * channels.padded()));
  Workspace<T> zeros(static_cast<std::size_t>(channels.padded() + channels.width));
  pack_weights_transposed(shape, 0, channels, w, taps.data());
  pad_bias<T>(nullptr, channels, zeros.data());
  winograd_data<T, M>(kernels, shape, dy, shape.out_h(), shape.out_w(), shape.k, 2 - shape.pad_h, 2 - shape.pad_w,
                      channels, taps.data(), true, zeros.data(), dx, shape.h, shape.w);
}

template <class T, int M>
void winograd_backward_weights(const ConvShape& shape, const T* x, const T* dy, T* dw) {
  constexpr Index extent = M + 2, points = extent * extent;
  const DirectKernels<T> kernels = kernels::select_direct_kernels<T>();
  const WinogradKernels<T> transforms = kernels::select_winograd_kernels<T, M>();
  const ChannelBlocks channels(shape.k, kernels);
  const TileGrid<M> grid(shape.n, shape.out_h(), shape.out_w());
  const Index blocks_in = (shape.c + kBlock<T> - 1) / kBlock<T>, padded_in = blocks_in * kBlock<T>;

  const Index point_sums = padded_in * channels.padded(), chunk_size = points * point_sums;
  const Index tile_size = points * (padded_in + channels.padded());

  // Each chunk of tiles has sums of its own and is one thread's, where the tiles outweigh the sums; else there is one
  // chunk, and its loops are shared out. By shape only, so that the bits do not depend on the number of threads.
  constexpr Index sums_budget = 3 * 512 * 1024 / static_cast<Index>(sizeof(T));
  const Index most_chunks = std::clamp<Index>(std::min(sums_budget / chunk_size, grid.count() / 256), 1, 8);
  const auto chunks = static_cast<Index>(std::bit_floor(static_cast<std::uint64_t>(most_chunks)));
  // Transformed tiles between two passes over the sums: as many as stay in a thread's L2 of 1 MiB, or, where threads
  // share them, not so few that the loops are short; but at least half as much as the sums.
  const Index budget = (chunks > 1 ? 768 : 3072) * 1024 / static_cast<Index>(sizeof(T));
  const Index most = std::max(budget, chunk_size / 2) / tile_size;

  // [chunk][point][block of k][c][k]
  Workspace<T> sums(static_cast<std::size_t>(chunks * chunk_size + channels.width));
  const Index zero_count = std::max({shape.c, shape.k, 2 * channels.width});
  Workspace<T> zeros(static_cast<std::size_t>(zero_count));
  fill_zero(zeros.data(), zero_count);
  parallel_chunks(grid.count(), chunks, [&](Index chunk, Index chunk_begin, Index chunk_end) {
    const Index count = chunk_end - chunk_begin, rounds = (count + most - 1) / most;
    // Tiles of a round at most; odd, so that the points of a tile do not fall into one cache set.
    const Index room = ((count + rounds - 1) / rounds) | 1;
    // [point][block of c][tile][c], [point][block of k][tile][k]. One block more than the source: the rows of a
    // register tile may reach past the last channel's block.
    Workspace<T> sources(static_cast<std::size_t>(points * padded_in * room + kBlock<T>));
    Workspace<T> gradients(static_cast<std::size_t>(points * channels.padded() * room));
    for (Index round = 0; round < rounds; ++round) {
      const Index begin = chunk_begin + round * count / rounds, end = chunk_begin + (round + 1) * count / rounds;
      parallel_for(end - begin, 8, [&](Index first, Index last) {
        auto at = grid.place(begin + first);
        for (Index t = first; t < last; ++t, grid.advance(at)) {
          WinogradTile<T> tile{};
          place_square(tile, x + at.image * shape.h * shape.w * shape.c, shape.h, shape.w, shape.c, at.y - shape.pad_h,
                       at.x - shape.pad_w, extent);
          tile.channels = shape.c;
          tile.zeros = zeros.data();
          tile.points = sources.data() + t * kBlock<T>;
          tile.point_step = padded_in * room;
          tile.piece = kBlock<T>;
          tile.piece_step = room * kBlock<T>;
          transforms.input(tile);
          // Blocks of two vectors, then a narrower one.
          const Index wide = 2 * channels.width, paired = channels.doubled(), rest = channels.padded() - paired;
          place_square(tile, dy + at.image * grid.out_h * grid.out_w * shape.k, grid.out_h, grid.out_w, shape.k, at.y,
                       at.x, Index{M});
          tile.point_step = channels.padded() * room;
          if (paired > 0) {
            tile.channels = std::min(paired, shape.k);
            tile.points = gradients.data() + t * wide;
            tile.piece = wide;
            tile.piece_step = room * wide;
            transforms.gradient(tile);
          }
          if (shape.k > paired) {
            tile.pixels += paired;
            tile.channels = shape.k - paired;
            tile.points = gradients.data() + paired * room + t * rest;
            tile.piece = rest;
            tile.piece_step = 0;
            transforms.gradient(tile);
          }
        }
      });
      parallel_for(points * channels.count(), 1, [&](Index first, Index last) {
        const Position origin{0, 0};
        for (Index item = first; item < last; ++item) {
          const Index point = item / channels.count(), block = item % channels.count();
          const Index wide = channels.wide(block);
          WeightTileCall<T> call{};
          call.gradient = gradients.data() + (point * channels.padded() + channels.first(block)) * room;
          call.positions = &origin;
          call.position_count = 1;
          call.lanes = end - begin;
          call.lane_step = wide;
          call.ahead = kLanesAhead * wide;
          call.source_step = kBlock<T>;
          call.source_ahead = kLanesAhead * call.source_step;
          T* block_sums = sums.data() + chunk * chunk_size + point * point_sums + padded_in * channels.first(block);
          if (round == 0) fill_zero(block_sums, padded_in * wide);
          for (Index c0 = 0; c0 < shape.c; c0 += kBlock<T>) {
            call.source = sources.data() + (point * padded_in + c0) * room;
            run_weight_tiles(kernels, call, channels.kind(block), wide, std::min(kBlock<T>, shape.c - c0),
                             block_sums + c0 * wide);
          }
        }
      });
    }
  });
  parallel_for(chunk_size, 1 << 14, [&](Index first, Index last) {
    for (Index chunk = 1; chunk < chunks; ++chunk) {
      const T* from = sums.data() + chunk * chunk_size;
      for (Index i = first; i < last; ++i) sums.data()[i] += from[i];
    }
  });
  parallel_for(shape.c, 4, [&](Index first, Index last) {
    for (Index c = first; c < last; ++c)
      for (Index block = 0; block < channels.count(); ++block) {
        const Index wide = channels.wide(block);
        WinogradTile<T> tile{};
        tile.pixels = dw + c * shape.k + channels.first(block);
        tile.row_stride = 3 * shape.c * shape.k;
        tile.pixel_stride = shape.c * shape.k;
        tile.row_end = tile.col_end = 3;
        tile.channels = channels.valid(block);
        tile.points = sums.data() + padded_in * channels.first(block) + c * wide;
        tile.point_step = point_sums;
        tile.bias = zeros.data();
        transforms.weight_gradient(tile);
      }
  });
}

}  // namespace contexture::detail::conv
