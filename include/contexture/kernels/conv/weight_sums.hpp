// SPDX-License-Identifier: MIT
// The reduction of a weight gradient: the batch is cut into units of work, runs of units into chunks with partial
// sums of their own, which are added up in the order of the chunks. The cut depends on the shape only, so that
// results do not depend on the number of threads.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/tiles.hpp"
#include "contexture/kernels/reduce.hpp"

namespace contexture::detail::conv {

// Output rows [row0, row1) of `stack` times `lanes` images from image0 on.
struct WeightUnit {
  Index image0, lanes, stack, row0, row1;
  [[nodiscard]] Index rows() const { return row1 - row0; }
};

// Enough positions in a unit to pay for loading and storing the sums, few enough to stay in L1.
struct WeightUnits {
  Index images, out_h;
  Index lanes, lane_blocks, rows, row_groups;
  Index stack = 1;  // lane blocks of a unit

  // At most `most_lanes` lanes at a time, each of `images_a_lane` images; `images` counts lanes here.
  WeightUnits(const ConvShape& shape, Index most_lanes, Index images_a_lane = 1)
      : images((shape.n + images_a_lane - 1) / images_a_lane), out_h(shape.out_h()) {
    const Index positions = shape.weight_size() > (1 << 16) ? 256 : 128;
    lanes = std::clamp<Index>(positions / shape.out_w(), 1, std::min(most_lanes, images));
    lane_blocks = (images + lanes - 1) / lanes;
    rows = std::clamp<Index>(positions / (shape.out_w() * lanes), 1, out_h);
    row_groups = (out_h + rows - 1) / rows;
  }
  // For sums that stay in registers for a unit: so many lanes, where there are, and rows for about 32 positions. Maps
  // that have no more, of weights so wide that no cache holds their sums, which every unit loads and stores, have
  // several lane blocks for about 64, if their source fits into L2 (more are slower on 8x8 maps).
  static WeightUnits of_lanes(const ConvShape& shape, Index lanes, Index images_a_lane) {
    WeightUnits units(shape, lanes, images_a_lane);
    units.lanes = std::clamp<Index>(lanes, 1, std::max<Index>(units.images, 1));
    units.lane_blocks = (units.images + units.lanes - 1) / units.lanes;
    units.rows = std::clamp<Index>(32 / shape.out_w(), 1, units.out_h);
    units.row_groups = (units.out_h + units.rows - 1) / units.rows;
    if (shape.weight_size() > (1 << 18) && units.row_groups == 1 && units.images > 0 &&
        units.images % units.lanes == 0) {
      const Index by_positions = 64 / (units.rows * shape.out_w());
      const Index by_memory = (1 << 19) / (units.rows * shape.stride_h * shape.w * shape.c * units.lanes);
      units.stack = std::clamp<Index>(std::min(by_positions, by_memory), 1, units.lane_blocks);
      while (units.lane_blocks % units.stack != 0) --units.stack;
    }
    return units;
  }
  [[nodiscard]] Index count() const { return lane_blocks / stack * row_groups; }
  [[nodiscard]] WeightUnit unit(Index index) const {
    const Index image0 = index / row_groups * lanes * stack, row0 = index % row_groups * rows;
    return {image0, std::min(lanes, images - image0), stack, row0, std::min(out_h, row0 + rows)};
  }
};

// Units and blocks of output channels that one thread adds up, and where to.
template <class T>
struct WeightTask {
  Index unit_begin, unit_end;
  Index block_begin, block_end;
  Accumulator<T>* sums;  // [block of k][tap][c][NV vectors of k] of the chunk
};

// The sums [chunk][block of k][tap][c][NV vectors of k] of the weights of one group.
template <class T>
struct WeightSums {
  ChannelBlocks blocks;
  Index taps, channels, padded_channels;  // channels of a tap of the source
  Index units, chunks, channel_groups;
  Workspace<Accumulator<T>> partial;

  WeightSums(const ChannelBlocks& k, Index tap_count, Index tap_channels, Index unit_count)
      : blocks(k),
        taps(tap_count),
        channels(tap_channels),
        padded_channels((channels + kBlock<T> - 1) / kBlock<T> * kBlock<T>),
        units(unit_count),
        chunks(std::min(units, most_chunks(chunk_size()))),
        channel_groups(groups_to_share(num_threads(), chunks, blocks.count())),
        partial(static_cast<std::size_t>(chunks * chunk_size())) {}

  [[nodiscard]] Index chunk_size() const { return taps * padded_channels * blocks.padded(); }
  // Offset of a tap's rows from the chunk's sums.
  [[nodiscard]] Index at(Index block, Index tap) const {
    return padded_channels * (taps * blocks.first(block) + tap * blocks.wide(block));
  }

  // Calls run(task) for all units and output channels.
  template <class Run>
  void for_each_task(Run run) {
    const Index tasks = chunks * channel_groups;
    parallel_chunks(tasks, tasks, [&](Index index, Index, Index) {
      const Index chunk = index / channel_groups, group = index % channel_groups;
      const WeightTask<T> task{chunk * units / chunks, (chunk + 1) * units / chunks,
                               group * blocks.count() / channel_groups, (group + 1) * blocks.count() / channel_groups,
                               partial.data() + chunk * chunk_size()};
      for (Index block = task.block_begin; block < task.block_end; ++block)
        kernels::fill_zero(task.sums + at(block, 0), taps * padded_channels * blocks.wide(block));
      run(task);
    });
  }

  // dw (taps * channels, K), of which this group's first channel is given: the sum of the chunks. `pitch` is K.
  void reduce(Accumulator<T>* dw, Index pitch) const {
    parallel_for(taps * channels, 1 + (1 << 14) / std::max<Index>(1, chunks * blocks.padded()),
                 [&](Index begin, Index end) {
                   for (Index item = begin; item < end; ++item) {
                     const Index tap = item / channels, c = item % channels;
                     for (Index block = 0; block < blocks.count(); ++block) {
                       const Accumulator<T>* from = partial.data() + at(block, tap) + c * blocks.wide(block);
                       Accumulator<T>* to = dw + item * pitch + blocks.first(block);
                       const Index valid = blocks.valid(block);
                       std::copy_n(from, valid, to);
                       for (Index chunk = 1; chunk < chunks; ++chunk) {
                         from += chunk_size();
                         for (Index k = 0; k < valid; ++k) to[k] += from[k];
                       }
                     }
                   }
                 });
  }

 private:
  static Index most_chunks(Index size) {
    constexpr Index budget = 3 * 512 * 1024 / static_cast<Index>(sizeof(Accumulator<T>));
    // The widest weights, of which two sums are more than caches hold, have one.
    const auto by_memory = static_cast<std::uint64_t>(std::clamp<Index>(budget / size, size > (1 << 20) ? 1 : 2, 16));
    return static_cast<Index>(std::bit_floor(by_memory));
  }
  // Where the chunks are fewer than the threads want, the output channels are shared out as well, which leaves the
  // bits alone.
  static Index groups_to_share(Index threads, Index chunks, Index most) {
    return threads == 1 ? 1 : std::clamp<Index>((2 * threads + chunks - 1) / chunks, 1, most);
  }
};

}  // namespace contexture::detail::conv
