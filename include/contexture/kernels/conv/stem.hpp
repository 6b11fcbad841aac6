// SPDX-License-Identifier: MIT
// The stem: a dense convolution of few channels, whose kernel rows fit into a block, computed from the image as it
// lies. Lanes are neighbouring pixels of a row. Their windows overlap in memory as they do in the image, so a row is
// copied between the zeros of its padding and that is all.
#pragma once

#include <algorithm>
#include <vector>

#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/conv/packing.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/taps.hpp"
#include "contexture/kernels/conv/tiles.hpp"
#include "contexture/kernels/conv/weight_sums.hpp"
#include "contexture/kernels/reduce.hpp"

namespace contexture::detail::conv {

// Whether the stem's loops compute a pass: rows of enough pixels for a tile; for the weight gradient, where dy is
// read where it lies, output channels that fill their vectors. Not the gradient of an image.
template <class T>
[[nodiscard]] bool stem_applies(const ConvShape& shape, ConvPass pass) {
  if (!folds<T>(shape) || shape.dilation_w != 1 || pass == ConvPass::backward_data) return false;
  const TileExtents tiles = kernels::select_tile_extents<Accumulator<T>>();
  return pass == ConvPass::forward ? 2 * shape.out_w() > tiles.max_lanes
                                   : ChannelBlocks(shape.k, tiles).padded() == shape.k;
}

// Rows of images between the zeros of their padding, in a ring.
template <class T>
class PaddedRows {
 public:
  PaddedRows(const ConvShape& shape, const RingPlan& plan, const T* x)
      : shape_(shape),
        plan_(plan),
        x_(x),
        padded_((shape.w + 2 * shape.pad_w) * shape.c + kBlock<T>),
        rows_(static_cast<std::size_t>(plan.rows * padded_ + kBlock<T>)) {
    kernels::fill_zero(rows_.data(), plan.rows * padded_);
  }

  // Copies what output rows [row0, row1) of an image read and the ring does not yet hold. Rows of an image must come
  // in rising order.
  void load(Index image, Index row0, Index row1) {
    const Index keep = plan_.keep[static_cast<std::size_t>(row0)], row_size = shape_.w * shape_.c;
    copied_to_ = image == image_ ? std::max(copied_to_, keep) : keep;
    image_ = image;
    for (; copied_to_ < plan_.need[static_cast<std::size_t>(row1 - 1)]; ++copied_to_)
      std::copy_n(x_ + (image * shape_.h + copied_to_) * row_size, row_size,
                  rows_.data() + at(copied_to_) + shape_.pad_w * shape_.c);
  }
  [[nodiscard]] const T* data() const { return rows_.data(); }
  // Offset of a source row, from its padding on. A block of channels behind the last row may be read.
  [[nodiscard]] Index at(Index row) const { return plan_.slot(row) * padded_; }

 private:
  const ConvShape& shape_;
  const RingPlan& plan_;
  const T* x_;
  Index padded_;  // elements of a row, and behind it what a weight tile reads too much: up to a block of channels
  Workspace<T> rows_;
  Index copied_to_ = 0, image_ = -1;
};

template <class T>
void stem_forward(const ConvShape& shape, const T* x, const T* w, const T* bias, T* y) {
  const TileKernels<T> kernels = kernels::select_tile_kernels<T>();
  const ChannelBlocks channels(shape.k, kernels);
  const PackedForm<T> weights(packed_key<T>(w, channels, shape.patch()),
                              [&](T* to) { pack_weights(shape, channels, w, to); });
  Workspace<T> padded_bias(static_cast<std::size_t>(channels.padded()));
  pad_bias(bias, channels, padded_bias.data());
  const Index out_h = shape.out_h(), out_w = shape.out_w();
  const RowTiles tiles(out_w, kernels.max_lanes);
  const Axis rows = forward_axis(vertical(shape));
  const RingPlan ring = plan_ring(rows, 1);
  parallel_for(shape.n * out_h, 1 + (1 << 18) / (shape.patch() * out_w * shape.k), [&](Index begin, Index end) {
    PaddedRows<T> source(shape, ring, x);
    Workspace<T> unused(static_cast<std::size_t>(2 * channels.width));  // output of the lane that is not written
    std::vector<Tap> taps(static_cast<std::size_t>(shape.r));
    TileCall<T> call{};
    call.taps = taps.data();
    call.channels = shape.s * shape.c;
    call.lane_step = shape.stride_w * shape.c;
    call.out_step = shape.k;
    for (Index item = begin; item < end; ++item) {
      const Index row = item % out_h;
      source.load(item / out_h, row, row + 1);
      call.tap_count = 0;
      for (const auto* e = rows.begin(row); e != rows.end(row); ++e)
        taps[static_cast<std::size_t>(call.tap_count++)] = {source.at(e->source), e->tap};
      for (Index block = 0; block < channels.count(); ++block) {
        const Index first = channels.first(block);
        call.weights_step = call.channels * channels.wide(block);
        call.weights = weights.data() + first * call.channels * shape.r;  // the blocks before are full
        call.bias = padded_bias.data() + first;
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

template <class T>
void stem_backward_weights(const ConvShape& shape, const T* x, const T* dy, T* dw) {
  const TileKernels<T> kernels = kernels::select_tile_kernels<T>();
  const Index out_h = shape.out_h(), out_w = shape.out_w();
  const WeightUnits units(shape, 1);
  const Axis rows = forward_axis(vertical(shape));
  const RingPlan ring = plan_ring(rows, units.rows);
  WeightSums<T> sums(ChannelBlocks(shape.k, kernels), shape.r, shape.s * shape.c, units.count());
  sums.for_each_task([&](const WeightTask<T>& task) {
    PaddedRows<T> source(shape, ring, x);
    std::vector<Position> positions(static_cast<std::size_t>(units.rows));
    WeightTileCall<T> call{};
    call.source = source.data();
    call.gradient_step = out_w * shape.k;
    call.lane_step = shape.k;
    call.source_step = shape.stride_w * shape.c;
    call.source_ahead = kLanesAhead * call.source_step;
    call.positions = positions.data();
    call.lanes = out_w;
    for (Index index = task.unit_begin; index < task.unit_end; ++index) {
      const WeightUnit unit = units.unit(index);
      source.load(unit.image0, unit.row0, unit.row1);
      for (Index block = task.block_begin; block < task.block_end; ++block) {
        call.gradient = dy + (unit.image0 * out_h + unit.row0) * out_w * shape.k + sums.blocks.first(block);
        for (Index tap = 0; tap < shape.r; ++tap) {
          call.position_count = 0;
          for (Index row = unit.row0; row < unit.row1; ++row)
            for (const auto* e = rows.begin(row); e != rows.end(row); ++e)
              if (e->tap == tap)
                positions[static_cast<std::size_t>(call.position_count++)] = {source.at(e->source), row - unit.row0};
          if (call.position_count == 0) continue;
          // The first tap fetches the next unit's gradient.
          call.ahead = tap == 0 ? unit.rows() * out_w * shape.k : 0;
          call.out = task.sums + sums.at(block, tap);
          run_weight_tiles(kernels, sums.blocks.kind(block), sums.channels, call);
        }
      }
    }
  });
  sums.reduce(dw, shape.k);
}

}  // namespace contexture::detail::conv
