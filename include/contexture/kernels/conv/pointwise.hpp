// SPDX-License-Identifier: MIT
// 1x1 kernels without padding read each pixel once: nothing is packed, lanes are neighbouring pixels of a row where
// they lie.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "contexture/core/cpu.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/conv/packing.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/tiles.hpp"
#include "contexture/kernels/conv/weight_sums.hpp"
#include "contexture/kernels/reduce.hpp"

namespace contexture::detail::conv {

// Whether these loops compute a pass. Not where rows are too short for a tile and do not follow each other without a
// gap. The weight gradient, where dy too is read where it lies, wants output channels that fill their vectors, an even
// number of source channels (tiles must not read past the last pixel), pixels of dy not so far apart that they meet in
// a few sets of L1, and enough of them in a row.
template <class T>
[[nodiscard]] bool pointwise_applies(const ConvShape& shape, ConvPass pass) {
  if (shape.r != 1 || shape.s != 1 || shape.pad_h != 0 || shape.pad_w != 0 || shape.groups != 1) return false;
  const TileExtents tiles = kernels::select_tile_extents<Accumulator<T>>();
  const bool gaps = shape.stride_h != 1 || shape.stride_w != 1;
  if (gaps && 2 * shape.out_w() <= tiles.max_lanes) return false;
  return pass != ConvPass::backward_weights ||
         (ChannelBlocks(shape.k, tiles).padded() == shape.k && shape.c % 2 == 0 && shape.k <= 16 * tiles.width &&
          (shape.stride_w == 1 || shape.out_w() >= 8));
}

// Where the pixels lie that a 1x1 kernel connects, in elements.
struct PixelGrid {
  Index channels, image, row, pixel;  // channels of a pixel, distances from one to the next
};

// A pass over the data, pixel by pixel from one grid to the other.
template <class T>
struct PointwisePass {
  Index images, rows, pixels;  // that are computed
  PixelGrid from, to;
  Index zero_rows = 0;  // of an output image with gaps, which become zero first; 0: no gaps
  Index zero_row;       // elements of such a row
  const T* source = nullptr;
  const T* weights = nullptr;  // [block][channel][NV vectors]
  const T* bias = nullptr;     // whole vectors
  T* out = nullptr;

  PointwisePass(const ConvShape& shape, ConvPass pass)
      : images(shape.n), rows(shape.out_h()), pixels(shape.out_w()), zero_row(shape.w * shape.c) {
    const bool gaps = shape.h > rows || shape.w > pixels;
    if (!gaps) pixels *= std::exchange(rows, 1) * std::exchange(images, 1);
    from = {shape.c, shape.h * zero_row, shape.stride_h * zero_row, gaps ? shape.stride_w * shape.c : shape.c};
    to = {shape.k, rows * pixels * shape.k, pixels * shape.k, shape.k};
    if (pass == ConvPass::forward) return;
    std::swap(from, to);
    if (gaps) zero_rows = shape.h;
  }
};

// Walks the tiles of a pass, in the order of the pixels.
template <class T>
struct PointwiseCursor {
  const PointwisePass<T>& pass;
  const RowTiles& tiles;
  Index row_tile, row, image;

  struct Place {
    const T* source;
    T* out;
    Index lanes, skipped;
  };

  PointwiseCursor(const PointwisePass<T>& p, const RowTiles& t, Index tile)
      : pass(p), tiles(t), row_tile(tile % t.count), row(tile / t.count % p.rows), image(tile / t.count / p.rows) {}

  [[nodiscard]] T* row_out() const { return pass.out + image * pass.to.image + row * pass.to.row; }
  [[nodiscard]] Place place() const {
    const Index first = tiles.first(row_tile), skipped = tiles.skipped(row_tile);
    return {pass.source + image * pass.from.image + row * pass.from.row +
                std::max<Index>(first - skipped, 0) * pass.from.pixel,
            row_out() + first * pass.to.pixel, tiles.lanes(row_tile), skipped};
  }
  // At the first tile of a row of an output with gaps: makes zero the rows up to the next one, and fetches what
  // lies `ahead` of them, unless that is 0.
  void clear_rows(Index ahead) const {
    if (row_tile != 0 || pass.zero_rows == 0) return;
    const Index down = pass.to.row / pass.zero_row;
    const Index size = std::min(down, pass.zero_rows - row * down) * pass.zero_row;
    T* const to = row_out();
    for (Index i = 0; ahead > 0 && i < size; i += kBlock<T>) __builtin_prefetch(to + ahead + i, 1, 2);
    kernels::fill_zero(to, size);
  }
  void advance() {
    if (++row_tile < tiles.count) return;
    row_tile = 0;
    if (++row == pass.rows) row = 0, ++image;
  }
};

template <class T>
void run_pointwise(const TileKernels<T>& kernels, const PointwisePass<T>& pass, const ChannelBlocks& channels) {
  const RowTiles tiles(pass.pixels, kernels.max_lanes);
  const Index rows = pass.images * pass.rows;
  // Shared out are tiles, and blocks of channels where there are too few tiles; or rows, where zeros lie between them.
  const Index unit = pass.zero_rows > 0 ? tiles.count : 1, units = rows * tiles.count / unit;
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
    typename PointwiseCursor<T>::Place places[most];
    // What most tiles later will be read, or made zero, is fetched from memory meanwhile.
    const Index rows_ahead = (most + tiles.count - 1) / tiles.count;
    const Index source_ahead = rows == 1 ? most * kernels.max_lanes * pass.from.pixel : rows_ahead * pass.from.row;
    const Index out_ahead = fetch ? rows_ahead * pass.to.row : 0;
    Workspace<T> unused(static_cast<std::size_t>(2 * channels.width));  // output of the lane that is not written
    const Tap tap{0, 0};
    TileCall<T> call{};
    call.taps = &tap;
    call.tap_count = 1;
    call.channels = pass.from.channels;
    call.lane_step = pass.pixels == 1 ? 0 : pass.from.pixel;  // a single pixel fills both lanes
    call.out_step = pass.to.pixel;

    PointwiseCursor<T> at(pass, tiles, tile_begin);
    for (Index tile = tile_begin; tile < tile_end;) {
      Index count = 0;
      for (; count < most && tile < tile_end; ++count, ++tile, at.advance()) {
        const auto place = places[count] = at.place();
        for (Index lane = 0; fetch_source && lane < place.lanes; ++lane)
          for (Index c = 0; c < pass.from.channels; c += kBlock<T>)
            __builtin_prefetch(place.source + source_ahead + lane * pass.from.pixel + c, 0, 2);
        at.clear_rows(out_ahead);
      }
      for (Index block = block_begin; block < block_end; ++block) {
        const Index first = channels.first(block);
        call.weights_step = pass.from.channels * channels.wide(block);
        call.weights = pass.weights + first * pass.from.channels;  // the blocks before are full
        call.bias = pass.bias + first;
        call.valid_channels = channels.valid(block);
        for (Index i = 0; i < count; ++i) {
          write_lanes(call, places[i].out + first, places[i].skipped, unused.data());
          call.source = places[i].source;
          kernels.tile_in_place[channels.kind(block)][places[i].lanes / 2 - 1](call);
        }
      }
    }
  });
}

template <class T>
void pointwise_forward(const ConvShape& shape, const T* x, const T* w, const T* bias, T* y) {
  const TileKernels<T> kernels = kernels::select_tile_kernels<T>();
  const ChannelBlocks channels(shape.k, kernels);
  const PackedForm<T> weights(packed_key<T>(w, channels, shape.c),
                              [&](T* to) { pack_weights(shape, channels, w, to); });
  Workspace<T> padded_bias(static_cast<std::size_t>(channels.padded()));
  pad_bias(bias, channels, padded_bias.data());
  PointwisePass<T> pass(shape, ConvPass::forward);
  pass.source = x;
  pass.weights = weights.data();
  pass.bias = padded_bias.data();
  pass.out = y;
  run_pointwise(kernels, pass, channels);
}

template <class T>
void pointwise_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx) {
  const TileKernels<T> kernels = kernels::select_tile_kernels<T>();
  const ChannelBlocks channels(shape.c, kernels);
  Workspace<T> weights(static_cast<std::size_t>(shape.k * channels.padded()));
  Workspace<T> zeros(static_cast<std::size_t>(channels.padded()));
  pack_weights_transposed(shape, channels, w, weights.data());
  pad_bias<T>(nullptr, channels, zeros.data());
  PointwisePass<T> pass(shape, ConvPass::backward_data);
  pass.source = dy;
  pass.weights = weights.data();
  pass.bias = zeros.data();
  pass.out = dx;
  run_pointwise(kernels, pass, channels);
}

template <class T>
void pointwise_backward_weights(ConvShape shape, const T* x, const T* dy, T* dw) {
  if (shape.stride_h == 1) shape.h *= std::exchange(shape.n, 1);  // the rows of all images follow each other
  const TileKernels<T> kernels = kernels::select_tile_kernels<T>();
  const Index out_h = shape.out_h(), out_w = shape.out_w();
  const Index row_size = shape.stride_h * shape.w * shape.c;  // of the source, from one row that is read to the next
  const WeightUnits units(shape, 1);
  WeightSums<T> sums(ChannelBlocks(shape.k, kernels), 1, shape.c, units.count());
  sums.for_each_task([&](const WeightTask<T>& task) {
    std::vector<Position> positions(static_cast<std::size_t>(units.rows));
    WeightTileCall<T> call{};
    call.gradient_step = out_w * shape.k;
    call.lane_step = shape.k;
    call.source_step = shape.stride_w * shape.c;
    call.positions = positions.data();
    call.lanes = out_w;
    for (Index index = task.unit_begin; index < task.unit_end; ++index) {
      const WeightUnit unit = units.unit(index);
      for (Index row = 0; row < unit.rows(); ++row)
        positions[static_cast<std::size_t>(row)] = {(unit.row0 + row) * row_size, row};
      call.position_count = unit.rows();
      for (Index block = task.block_begin; block < task.block_end; ++block) {
        call.gradient = dy + (unit.image0 * out_h + unit.row0) * out_w * shape.k + sums.blocks.first(block);
        // A unit fetches what the next one will read, the first time that it reads its own.
        call.source_ahead = block == task.block_begin ? unit.rows() * row_size : kLanesAhead * call.source_step;
        call.ahead = unit.rows() * out_w * shape.k;
        for (Index c0 = 0; c0 < shape.c; c0 += kBlock<T>) {
          call.source = x + unit.image0 * shape.h * shape.w * shape.c + c0;
          call.out = task.sums + sums.at(block, 0) + c0 * sums.blocks.wide(block);
          run_weight_tiles(kernels, sums.blocks.kind(block), std::min(kBlock<T>, shape.c - c0), call);
          call.ahead = kLanesAhead * call.lane_step;
        }
      }
    }
  });
  sums.reduce(dw, shape.k);
}

}  // namespace contexture::detail::conv
