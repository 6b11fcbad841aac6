// SPDX-License-Identifier: MIT
// Direct convolution, the weight gradient of every shape: source and output gradient are packed, a unit at a time,
// lanes are images, and a weight tile runs over the positions at which a tap meets the image.
#pragma once

#include <algorithm>
#include <vector>

#include "contexture/core/memory.hpp"
#include "contexture/kernels/conv/amx_tiles.hpp"
#include "contexture/kernels/conv/packing.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/taps.hpp"
#include "contexture/kernels/conv/tiles.hpp"
#include "contexture/kernels/conv/weight_sums.hpp"

namespace contexture::detail::conv {

// The output columns at which one tap of a kernel row meets the image, and the source column of each.
struct TapColumn {
  Index col, source;
};
using TapColumns = std::vector<std::vector<TapColumn>>;

inline TapColumns tap_columns(const Axis& cols, Index taps) {
  TapColumns found(static_cast<std::size_t>(taps));
  for (Index col = 0; col < cols.size(); ++col)
    for (const auto* e = cols.begin(col); e != cols.end(col); ++e)
      found[static_cast<std::size_t>(e->tap)].push_back({col, e->source});
  return found;
}

// The weight gradient of one group.
template <class T>
struct DirectWeightPass {
  const TileKernels<T>& kernels;
  const ConvShape& shape;
  const WeightSums<T>& sums;
  const WeightUnits& units;
  const Axis& rows;
  const TapColumns& columns;  // of each tap of a kernel row
  const RingPlan& ring;
  Source<T> source;
  const Stored<T>* dy;  // of the group's first channel

  // Output channels of a task: the first, one past the last, how many when packed, and how many of those lie in
  // blocks of two vectors. A narrower last block is packed on its own.
  struct Channels {
    Index first, end, padded, doubled;
  };
  [[nodiscard]] Channels channels(const WeightTask<T>& task) const {
    const ChannelBlocks& blocks = sums.blocks;
    const bool last = task.block_end == blocks.count();
    const Index first = blocks.first(task.block_begin), behind = blocks.first(task.block_end);
    return {first, last ? blocks.channels : behind, (last ? blocks.padded() : behind) - first,
            std::min(blocks.doubled(), behind) - first};
  }

  // The unit's output gradient as [block][position][lane][NV vectors].
  void pack_gradient(const WeightUnit& unit, const Channels& k, T* packed) const {
    const Index count = unit.rows() * shape.out_w(), wide = 2 * sums.blocks.width, rest = k.padded - k.doubled;
    const Index piece_lanes = unit.stack * count * unit.lanes;
    PackCall<T> call{};
    call.pixels = count;
    call.pixel_stride = shape.k;
    call.ahead = count * shape.k;
    const Index image_size = shape.out_h() * shape.out_w() * shape.k;
    for (Index i = 0; i < unit.stack * unit.lanes; ++i) {
      const Index image = (unit.image0 + i) * kImagesALane<T>;
      const Index lane = i / unit.lanes * count * unit.lanes + i % unit.lanes;  // of the lane block's first position
      const Stored<T>* from = dy + image * image_size + unit.row0 * shape.out_w() * shape.k + k.first;
      const Stored<T>* second = kImagesALane<T> == 2 && image + 1 < shape.n ? from + image_size : nullptr;
      if (k.doubled > 0) {
        call.from = from;
        call.second = second;
        call.channels = std::min(k.doubled, k.end - k.first);
        call.to = packed + lane * wide;
        call.pixel_step = unit.lanes * wide;
        call.piece = wide;
        call.piece_step = piece_lanes * wide;
        kernels.pack(call);
      }
      if (rest > 0) {
        call.from = from + k.doubled;
        call.second = second != nullptr ? second + k.doubled : nullptr;
        call.channels = k.end - k.first - k.doubled;
        call.to = packed + piece_lanes * k.doubled + lane * rest;
        call.pixel_step = unit.lanes * rest;
        call.piece = rest;
        call.piece_step = 0;
        kernels.pack(call);
      }
    }
  }

  // Lanes that a packed pixel has room for: AMX's are squares.
  [[nodiscard]] Index lanes_apart(Index lanes) const { return kernels.transpose != nullptr ? kBlock<T> : lanes; }

  // Where tap (r,s) of the kernel meets the unit's rows; returns how many places.
  Index find_positions(const WeightUnit& unit, Index r, Index s, std::vector<Position>& positions) const {
    const Index lanes = lanes_apart(unit.lanes);
    const Index pixel_size = source.packed_pixel(lanes), packed_row = source.packed_row(lanes);
    Index found = 0;
    for (Index block = 0; block < unit.stack; ++block)
      for (Index row = unit.row0; row < unit.row1; ++row)
        for (const auto* e = rows.begin(row); e != rows.end(row); ++e) {
          if (e->tap != r) continue;
          const Index row_at = (block * ring.rows + ring.slot(e->source)) * packed_row;
          const Index first_col = (block * unit.rows() + row - unit.row0) * shape.out_w();
          for (const TapColumn& at : columns[static_cast<std::size_t>(s)])
            positions[static_cast<std::size_t>(found++)] = {row_at + at.source * pixel_size, first_col + at.col};
        }
    return found;
  }

  // AMX: two tiles of source channels at a time, whose shape is set once for all taps.
  void run_squares(const WeightUnit& unit, Index block, WeightTileCall<T> call, std::vector<Position>& positions,
                   const T* packed, Accumulator<T>* to) const {
    const Index kernel_w = static_cast<Index>(columns.size()), wide = sums.blocks.wide(block);
    for (Index c0 = 0; c0 < source.channels; c0 += 2 * kBlock<T>) {
      const Index first = std::min(kBlock<T>, source.channels - c0);
      const Index second = std::clamp<Index>(source.channels - c0 - kBlock<T>, 0, kBlock<T>);
      kernels.configure(first, second, 2 * unit.lanes);
      call.source = packed + c0 * kBlock<T>;
      for (Index tap = 0; tap < sums.taps; ++tap) {
        call.position_count = find_positions(unit, tap / kernel_w, tap % kernel_w, positions);
        call.out = to + sums.at(block, tap) + c0 * wide;
        if (call.position_count > 0) kernels.weight_tile[sums.blocks.kind(block)][second > 0 ? 1 : 0](call);
      }
    }
  }

  void run(const WeightTask<T>& task) const {
    const TileSession<T> session(kernels);
    const ChannelBlocks& blocks = sums.blocks;
    const Channels k = channels(task);
    const Index out_w = shape.out_w(), kernel_w = static_cast<Index>(columns.size());
    // One block more than the ring: the rows of a tile may reach past the last channel's block.
    const Index most_lanes = lanes_apart(units.lanes);
    Workspace<T> packed(static_cast<std::size_t>(units.stack * ring.rows * source.packed_row(most_lanes) + kBlock<T>));
    Workspace<T> gradient(static_cast<std::size_t>(units.stack * units.rows * out_w * units.lanes * k.padded));
    std::vector<Position> positions(static_cast<std::size_t>(units.stack * units.rows * out_w));
    WeightTileCall<T> call{};
    call.positions = positions.data();
    call.source_step = kBlock<T>;
    call.source_ahead = kLanesAhead * kBlock<T>;
    Index packed_to = 0, packed_image = -1;
    for (Index index = task.unit_begin; index < task.unit_end; ++index) {
      const WeightUnit unit = units.unit(index);
      const Index lanes = lanes_apart(unit.lanes);
      const Index keep = ring.keep[static_cast<std::size_t>(unit.row0)];
      packed_to = unit.image0 == packed_image ? std::max(packed_to, keep) : keep;
      packed_image = unit.image0;
      for (; packed_to < ring.need[static_cast<std::size_t>(unit.row1 - 1)]; ++packed_to)
        for (Index block = 0; block < unit.stack; ++block) {
          T* const to = packed.data() + (block * ring.rows + ring.slot(packed_to)) * source.packed_row(lanes);
          const Index image0 = unit.image0 + block * unit.lanes;
          for (Index i = 0; i < unit.lanes; ++i)
            source.pack(kernels, (image0 + i) * kImagesALane<T>, packed_to, lanes, to + i * kBlock<T>);
          if (kernels.transpose != nullptr) kernels.transpose(to, source.pixels * source.blocks());
        }
      pack_gradient(unit, k, gradient.data());
      call.lanes = unit.lanes;
      for (Index block = task.block_begin; block < task.block_end; ++block) {
        const Index wide = blocks.wide(block);
        call.gradient =
            gradient.data() + unit.stack * unit.rows() * out_w * unit.lanes * (blocks.first(block) - k.first);
        call.gradient_step = unit.lanes * wide;
        call.lane_step = wide;
        call.ahead = kLanesAhead * wide;
        if (kernels.configure != nullptr) {
          run_squares(unit, block, call, positions, packed.data(), task.sums);
          continue;
        }
        for (Index tap = 0; tap < sums.taps; ++tap) {
          call.position_count = find_positions(unit, tap / kernel_w, tap % kernel_w, positions);
          if (call.position_count == 0) continue;
          for (Index c0 = 0; c0 < source.channels; c0 += kBlock<T>) {
            call.source = packed.data() + c0 * lanes;
            call.out = task.sums + sums.at(block, tap) + c0 * wide;
            run_weight_tiles(kernels, blocks.kind(block), std::min(kBlock<T>, source.channels - c0), call);
          }
        }
      }
    }
  }
};

template <class T>
void direct_backward_weights(const ConvShape& shape, const Stored<T>* x, const Stored<T>* dy, Accumulator<T>* dw) {
  const TileKernels<T> kernels = active_tile_kernels<T>();
  const ConvShape compact = compacted(shape);
  const bool folded = folds<T>(shape);
  const Index kernel_w = folded ? 1 : shape.s;
  // AMX sums over the lanes, so that there should be 16.
  const WeightUnits units = kernels.configure != nullptr ? WeightUnits::of_lanes(shape, 16, kImagesALane<T>)
                                                         : WeightUnits(shape, 16, kImagesALane<T>);
  const Axis rows = input_rows(compact, shape.out_h());
  const TapColumns columns = tap_columns(input_cols(compact, folded), kernel_w);
  const RingPlan ring = plan_ring(rows, units.rows);
  WeightSums<T> sums(ChannelBlocks(shape.group_k(), kernels), shape.r * kernel_w, input_source<T>(shape, 0, x).channels,
                     units.count());
  for (Index group = 0; group < shape.groups; ++group) {
    const Index first = group * shape.group_k();
    const DirectWeightPass<T> pass{kernels,   shape, sums, units, rows, columns, ring, input_source<T>(shape, group, x),
                                   dy + first};
    sums.for_each_task([&](const WeightTask<T>& task) { pass.run(task); });
    sums.reduce(dw + first, shape.k);
  }
}

}  // namespace contexture::detail::conv
