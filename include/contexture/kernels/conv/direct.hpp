// SPDX-License-Identifier: MIT
// Direct convolution over NHWC, for every kernel size, stride, padding, dilation and groups: the data passes.
//
// The lanes of a register tile are the pixels at the same position of MR images (or, in a small batch, of MR
// strips of rows), so that all lanes see the same taps: taps that fall into the padding are left out altogether,
// which saves 16 % of the multiply-adds of a 3x3 convolution on 8x8 maps and 31 % on 4x4, and no map is too small
// to fill a tile. The source is packed once (packing.hpp); the inner loop is MR broadcasts and MR*NV multiply-adds.
//
// Both passes are the same loop over lists of taps; they differ in the lists and in how the weights are packed:
// forward takes pixel i = o*stride - pad + tap*dilation, backward-data the positions for which that i is its own,
// so strides need no special case.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/conv/amx_tiles.hpp"
#include "contexture/kernels/conv/packing.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/taps.hpp"
#include "contexture/kernels/conv/tiles.hpp"

namespace contexture::detail::conv {

// Output rows and columns of one data pass, and the taps that make them.
template <class T>
struct TilePass {
  Source<T> source;
  const T* weights;            // [block][tap][channel][NV vectors]
  const Accumulator<T>* bias;  // whole vectors
  Axis rows, cols;             // rows are local to a strip
  Index taps, kernel_w;        // taps in the kernel, in a row of it
  Index images;
  Index strips = 1;             // strips of rows an image is cut into
  Index strip_source_rows = 0;  // source rows from one strip to the next
  T* out;
  Index out_h, out_w, out_pixel;  // out_pixel: elements from one pixel to the next
  const TileEpilogue* epilogue;   // of bfloat16
  double* moments = nullptr;      // AMX: of what is stored, as ConvEpilogue has them
};

// How many output rows one strip has; strips fill the lanes of a small batch.
inline Index strip_rows(Index images, Index rows, Index multiple, Index max_lanes) {
  if (images * 2 > max_lanes) return rows;
  const Index strips = max_lanes / images;
  const Index height = (rows + strips - 1) / strips;
  return std::min(rows, (height + multiple - 1) / multiple * multiple);
}

// Work items: blocks of lanes, cut further into bands of rows and then into groups of channels where there are too
// few of them to share. The result does not depend on the cut.
struct TileCut {
  Index lane_blocks, bands, channel_groups;

  TileCut(Index blocks, Index height, Index channel_blocks) : lane_blocks(blocks) {
    const Index threads = num_threads();
    const Index wanted = threads == 1 ? 1 : 4 * threads, wanted_groups = threads == 1 ? 1 : 2 * threads;
    bands = std::clamp<Index>((wanted + lane_blocks - 1) / lane_blocks, 1, std::max<Index>(1, height / 8));
    channel_groups =
        std::clamp<Index>((wanted_groups + lane_blocks * bands - 1) / (lane_blocks * bands), 1, channel_blocks);
  }
  [[nodiscard]] Index count() const { return lane_blocks * bands * channel_groups; }
};

// The lanes of one block: which image and strip each is, and where its output row lies.
template <class T>
struct TileLanes {
  Index count;
  Index images[kMaxLanes], strips[kMaxLanes];
  T* out[kMaxLanes];
  Index step[kMaxLanes];  // from one output pixel to the next; 0 for a lane that does not exist

  TileLanes(Index first, Index lanes, Index strips_an_image) : count(lanes) {
    for (Index i = 0; i < count; ++i) {
      images[i] = (first + i) / strips_an_image;
      strips[i] = (first + i) % strips_an_image;
    }
  }
  // Packs one source row of each lane.
  void pack(const TileKernels<T>& kernels, const TilePass<T>& pass, Index source_row, T* to) const {
    for (Index i = 0; i < count; ++i, to += kBlock<T>) {
      const Index row = source_row + strips[i] * pass.strip_source_rows;
      if (images[i] < pass.images && row >= 0 && row < pass.source.rows)
        pass.source.pack(kernels, images[i], row, count, to);
      else
        pass.source.pack_zeros(count, to);
    }
  }
  // Points at channel `first` of an output row; lanes that do not exist go to `unused`.
  void start_row(const TilePass<T>& pass, Index row, Index first, T* unused) {
    for (Index i = 0; i < count; ++i) {
      const Index y = strips[i] * pass.rows.size() + row;
      const bool exists = images[i] < pass.images && y < pass.out_h;
      step[i] = exists ? pass.out_pixel : 0;
      out[i] = exists ? pass.out + ((images[i] * pass.out_h + y) * pass.out_w) * pass.out_pixel + first : unused;
    }
  }
};

template <class T>
void run_tiles(const TileKernels<T>& kernels, const TilePass<T>& pass, const ChannelBlocks& channels) {
  const Source<T>& source = pass.source;
  const Index lanes_total = pass.images * pass.strips;
  const Index pairs = (lanes_total + 1) / 2;
  const Index height = pass.rows.size();
  const TileCut cut((lanes_total + kernels.max_lanes - 1) / kernels.max_lanes, height, channels.count());

  // Rows of output computed at a time: as many as keep the packed source in about a third of L2.
  constexpr Index budget = 384 * 1024 / static_cast<Index>(sizeof(T));
  const Index row_size = source.packed_row(std::min<Index>(kernels.max_lanes, 2 * pairs));
  Index group = (height + cut.bands - 1) / cut.bands;
  RingPlan ring = plan_ring(pass.rows, group);
  while (group > 1 && ring.rows * row_size > budget) {
    group = (group + 1) / 2;
    ring = plan_ring(pass.rows, group);
  }

  std::optional<ChannelSums> sums;
  if (pass.moments != nullptr) sums.emplace(cut.lane_blocks * height, channels.channels);

  parallel_chunks(cut.count(), cut.count(), [&](Index task, Index, Index) {
    const TileSession<T> session(kernels);
    const Index lane_block = task / (cut.bands * cut.channel_groups);
    const Index band = task / cut.channel_groups % cut.bands, channel_group = task % cut.channel_groups;
    const Index first_lane = 2 * (lane_block * pairs / cut.lane_blocks);
    const Index mr = 2 * ((lane_block + 1) * pairs / cut.lane_blocks) - first_lane;
    const Index row_begin = band * height / cut.bands, row_end = (band + 1) * height / cut.bands;
    const Index block_begin = channel_group * channels.count() / cut.channel_groups;
    const Index block_end = (channel_group + 1) * channels.count() / cut.channel_groups;
    const Index pixel_size = source.packed_pixel(mr), packed_row = source.packed_row(mr);

    Workspace<T> packed(static_cast<std::size_t>(ring.rows * packed_row));
    Workspace<T> unused(static_cast<std::size_t>(2 * channels.width));  // output of lanes that do not exist
    std::vector<Tap> taps(static_cast<std::size_t>(pass.taps));
    TileLanes<T> lanes(first_lane, mr, pass.strips);
    TileCall<T> call{};
    call.source = packed.data();
    call.channels = source.walked();
    call.lanes = mr;
    call.block = source.block;
    call.out = lanes.out;
    call.taps = taps.data();
    TileEpilogue epilogue;
    call.epilogue = &epilogue;
    Index packed_to = ring.keep[static_cast<std::size_t>(row_begin)];
    for (Index row0 = row_begin; row0 < row_end; row0 += group) {
      const Index row1 = std::min(row_end, row0 + group);
      packed_to = std::max(packed_to, ring.keep[static_cast<std::size_t>(row0)]);
      for (; packed_to < ring.need[static_cast<std::size_t>(row1 - 1)]; ++packed_to)
        lanes.pack(kernels, pass, packed_to, packed.data() + ring.slot(packed_to) * packed_row);
      for (Index block = block_begin; block < block_end; ++block) {
        const Index first = channels.first(block);
        const auto tile = kernels.tile[channels.kind(block)][mr / 2 - 1];
        call.weights_step = call.channels * channels.wide(block);
        call.weights = pass.weights + first * call.channels * pass.taps;  // the blocks before are full
        call.bias = pass.bias + first;
        call.valid_channels = channels.valid(block);
        epilogue = pass.epilogue->from(first);
        epilogue.unused = unused.data();
        if (kernels.configure != nullptr) kernels.configure(mr > 16 ? mr / 2 : mr, mr > 16 ? mr / 2 : 0, source.block);
        for (Index row = row0; row < row1; ++row) {
          lanes.start_row(pass, row, first, unused.data());
          if (sums) epilogue.sums = sums->part(lane_block * height + row) + first;
          for (Index col = 0; col < pass.out_w; ++col) {
            Index count = 0;
            for (const auto* r = pass.rows.begin(row); r != pass.rows.end(row); ++r)
              for (const auto* s = pass.cols.begin(col); s != pass.cols.end(col); ++s)
                taps[static_cast<std::size_t>(count++)] = {ring.slot(r->source) * packed_row + s->source * pixel_size,
                                                           r->tap * pass.kernel_w + s->tap};
            call.tap_count = count;
            tile(call);
            for (Index i = 0; i < mr; ++i) lanes.out[i] += lanes.step[i];
          }
        }
      }
    }
  });
  if (sums) sums->moments(pass.images * pass.out_h * pass.out_w, pass.moments);
}

// Of the epilogue more than the bias with AMX only, and without groups.
template <class T>
void direct_forward(const ConvShape& shape, const T* x, const Accumulator<T>* w, const ConvEpilogue<T>& epilogue,
                    T* y) {
  const TileKernels<T> kernels = active_tile_kernels<T>();
  const ChannelBlocks channels(shape.group_k(), kernels);
  Source<T> source = input_source<T>(shape, 0, x);
  source.block = kernels.block(source.channels);
  const Index kernel_w = source.folded ? 1 : shape.s, taps = shape.r * kernel_w;
  const ConvShape compact = compacted(shape);
  const Index height = strip_rows(shape.n, shape.out_h(), 1, kernels.max_lanes);
  for (Index group = 0; group < shape.groups; ++group) {
    const Index first = group * shape.group_k();
    const PackedForm<T> weights(packed_key<T>(w + first, channels, taps * source.walked()), [&](T* to) {
      if constexpr (kChannelsAStep<T> == 2)
        pack_pairs(taps,
                   {.data = w + first,
                    .tap_step = source.channels * shape.k,
                    .depth = source.channels,
                    .walked = source.walked(),
                    .depth_step = shape.k,
                    .wide_step = 1},
                   channels, to);
      else
        pack_weights(shape, channels, w + first, to);
    });
    ConvEpilogue<T> own = epilogue;
    if (own.bias != nullptr) own.bias += first;
    const PaddedEpilogue<T> end(own, y, shape.group_k(), channels.padded());
    TilePass<T> pass;
    pass.source = input_source<T>(shape, group, x);
    pass.source.block = source.block;
    pass.weights = weights.data();
    pass.bias = end.bias();
    pass.strips = (shape.out_h() + height - 1) / height;
    pass.strip_source_rows = height * compact.stride_h;
    pass.rows = input_rows(compact, height, pass.strips > 1 ? Outside::kept : Outside::dropped);
    pass.cols = input_cols(compact, pass.source.folded);
    pass.kernel_w = kernel_w;
    pass.taps = taps;
    pass.images = shape.n;
    pass.out = y + first;
    pass.out_h = shape.out_h();
    pass.out_w = shape.out_w();
    pass.out_pixel = shape.k;
    pass.epilogue = &end.tile();
    pass.moments = epilogue.moments;
    run_tiles(kernels, pass, channels);
  }
}

// The output's gradient of the first group as the source of backward-data.
template <class T>
[[nodiscard]] Source<T> output_source(const ConvShape& shape, const TileKernels<T>& kernels, const T* dy) {
  Source<T> source;
  source.data = dy;
  source.images = shape.n;
  source.rows = shape.out_h();
  source.pixels = shape.out_w();
  source.channels = shape.group_k();
  source.block = kernels.block(source.channels);
  source.pixel_stride = shape.k;
  source.row_stride = shape.out_w() * shape.k;
  source.image_stride = shape.out_h() * source.row_stride;
  return source;
}

// Overwrites dx, or, with AMX and without groups, adds to it.
template <class T>
void direct_backward_data(const ConvShape& shape, const T* dy, const Accumulator<T>* w, T* dx, bool add = false) {
  const TileKernels<T> kernels = active_tile_kernels<T>();
  const ChannelBlocks channels(shape.group_c(), kernels);
  const Source<T> source = output_source(shape, kernels, dy);
  Workspace<T> weights(static_cast<std::size_t>(shape.r * shape.s * source.walked() * channels.padded()));
  const PaddedEpilogue<T> end({.residual = add ? dx : nullptr}, dx, shape.group_c(), channels.padded());
  const Index height = strip_rows(shape.n, shape.h, shape.stride_h, kernels.max_lanes);
  for (Index group = 0; group < shape.groups; ++group) {
    if constexpr (kChannelsAStep<T> == 2)
      pack_pairs(shape.r * shape.s,
                 {.data = w + group * shape.group_k(),
                  .tap_step = shape.group_c() * shape.k,
                  .depth = source.channels,
                  .walked = source.walked(),
                  .depth_step = 1,
                  .wide_step = shape.k},
                 channels, weights.data());
    else
      pack_weights_transposed(shape, channels, w + group * shape.group_k(), weights.data());
    TilePass<T> pass;
    pass.source = source;
    pass.source.data += group * shape.group_k();
    pass.weights = weights.data();
    pass.bias = end.bias();
    pass.strips = (shape.h + height - 1) / height;
    pass.strip_source_rows = height / shape.stride_h;
    pass.rows = backward_axis(vertical(shape), height, pass.strips > 1 ? Outside::kept : Outside::dropped);
    pass.cols = backward_axis(horizontal(shape));
    pass.kernel_w = shape.s;
    pass.taps = shape.r * shape.s;
    pass.images = shape.n;
    pass.out = dx + group * shape.group_c();
    pass.out_h = shape.h;
    pass.out_w = shape.w;
    pass.out_pixel = shape.c;
    pass.epilogue = &end.tile();
    run_tiles(kernels, pass, channels);
  }
}

}  // namespace contexture::detail::conv
