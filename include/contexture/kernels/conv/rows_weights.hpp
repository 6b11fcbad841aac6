// SPDX-License-Identifier: MIT
// The weight gradient with AMX where maps are wide. It is summed over pixels, so that a tile needs channels as rows of
// pixels: an image's x becomes [channel][position], with zeros for the padding, and dy pairs of positions. Positions
// are numbered through all rows, with a gap behind each row where dy is zero and the zeros of the padding lie: then
// every tap of the kernel is one distance for all positions, whatever the width, and steps of 32 never end with a row.
#pragma once

#include <algorithm>
#include <vector>

#include "contexture/core/memory.hpp"
#include "contexture/kernels/conv/amx_tiles.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/weight_sums.hpp"

namespace contexture::detail::conv {

// Where positions lie in x and in dy, in elements from the image's first; -1: zeros. With stride s, x is cut into s by
// s planes of pixels s apart, and a tap of the kernel reads one of them.
struct RowsPositions {
  static constexpr Index kStep = 32;  // positions that are summed at a step
  Index pitch;                        // positions from an output row to the next
  Index count;                        // of dy, whole steps
  Index plane;                        // positions of a plane of x
  std::vector<Index> x, dy;           // [plane][position], [position]
  std::vector<Index> taps;            // of each tap of the kernel: where its positions begin in x

  explicit RowsPositions(const ConvShape& shape) {
    const Index out_h = shape.out_h(), out_w = shape.out_w();
    // Behind the last pixel of a row lie the zeros before the next one.
    pitch = shape.stride_w == 1 ? std::max(out_w, shape.w + shape.pad_w) : out_w + (shape.s - 1) / shape.stride_w;
    count = (out_h * pitch + kStep - 1) / kStep * kStep;
    plane =
        (count + (shape.r - 1) / shape.stride_h * pitch + (shape.s - 1) / shape.stride_w + kStep - 1) / kStep * kStep;
    const Index planes_h = std::min(shape.stride_h, shape.r), planes_w = std::min(shape.stride_w, shape.s);
    x.assign(static_cast<std::size_t>(planes_h * planes_w * plane), -1);
    dy.assign(static_cast<std::size_t>(count), -1);
    for (Index p = 0; p < planes_h * planes_w; ++p)
      for (Index i = 0; i < plane; ++i) {
        const Index row = i / pitch * shape.stride_h + p / planes_w - shape.pad_h;
        const Index col = i % pitch * shape.stride_w + p % planes_w - shape.pad_w;
        if (row >= 0 && row < shape.h && col >= 0 && col < shape.w)
          x[static_cast<std::size_t>(p * plane + i)] = (row * shape.w + col) * shape.c;
      }
    for (Index y = 0; y < out_h; ++y)
      for (Index i = 0; i < out_w; ++i) dy[static_cast<std::size_t>(y * pitch + i)] = (y * out_w + i) * shape.k;
    for (Index r = 0; r < shape.r; ++r)
      for (Index s = 0; s < shape.s; ++s)
        taps.push_back((r % shape.stride_h * planes_w + s % shape.stride_w) * plane + r / shape.stride_h * pitch +
                       s / shape.stride_w);
  }
};

// So few channels that the taps of all of them fill the rows of a tile.
[[nodiscard]] inline bool rows_fold_taps(const ConvShape& shape) { return shape.c <= 4 && shape.r * shape.s > 1; }

inline void rows_backward_weights(const ConvShape& shape, const bfloat16* x, const bfloat16* dy, float* dw) {
  const ConvShape flat = in_one_row(shape);
  const TileKernels<Bfloat16Pair> kernels = active_tile_kernels<Bfloat16Pair>();
  const RowsPositions positions(flat);
  const bool folded = rows_fold_taps(flat);
  const Index taps = folded ? 1 : flat.r * flat.s, channels = folded ? flat.r * flat.s * flat.c : flat.c;
  WeightSums<Bfloat16Pair> sums(ChannelBlocks(flat.k, kernels), taps, channels, flat.n);
  const auto total = static_cast<Index>(positions.x.size());
  // Rows of x start an odd number of cache lines apart, so that they spread over all sets of L1.
  const Index pitch = (total / 32 | 1) * 32, fold_pitch = (positions.count / 32 | 1) * 32;
  const Index steps = positions.count / RowsPositions::kStep, bands = (steps + 9) / 10;
  sums.for_each_task([&](const WeightTask<Bfloat16Pair>& task) {
    const TileSession<Bfloat16Pair> session(kernels);
    const ChannelBlocks& blocks = sums.blocks;
    const Index first_k = blocks.first(task.block_begin);
    const Index end_k = task.block_end == blocks.count() ? flat.k : blocks.first(task.block_end);
    const Index columns = (end_k - first_k + 15) / 16;
    Workspace<bfloat16> source(static_cast<std::size_t>((flat.c + 31) / 32 * 32 * pitch));
    Workspace<bfloat16> gradient(static_cast<std::size_t>(columns * 16 * positions.count));
    Workspace<bfloat16> folds(static_cast<std::size_t>(folded ? channels * fold_pitch : 1));
    for (Index image = task.unit_begin; image < task.unit_end; ++image) {
      kernels.channels_first({.from = x + image * flat.h * flat.w * flat.c,
                              .end = x + flat.input_size(),
                              .offsets = positions.x.data(),
                              .count = total,
                              .channels = flat.c,
                              .to = source.data(),
                              .pitch = pitch});
      kernels.pixel_pairs({.from = dy + image * flat.out_h() * flat.out_w() * flat.k + first_k,
                           .end = dy + flat.output_size(),
                           .offsets = positions.dy.data(),
                           .count = positions.count,
                           .channels = end_k - first_k,
                           .to = gradient.data(),
                           .pitch = 16 * positions.count});
      if (folded)
        for (Index row = 0; row < channels; ++row)
          std::copy_n(source.data() + row % flat.c * pitch + positions.taps[static_cast<std::size_t>(row / flat.c)],
                      positions.count, folds.data() + row * fold_pitch);
      RowsWeightCall call{};
      call.source_pitch = folded ? fold_pitch : pitch;
      const bfloat16* const from = folded ? folds.data() : source.data();
      for (Index band = 0; band < bands; ++band) {
        const Index begin = band * steps / bands, end = (band + 1) * steps / bands;
        call.steps = end - begin;
        for (Index c = 0; c < channels; c += 32) {
          const Index first = std::min<Index>(16, channels - c), second = std::clamp<Index>(channels - c - 16, 0, 16);
          kernels.configure(first, second, RowsPositions::kStep);
          const auto tile = kernels.rows_weight_tile[second == 0 ? 0 : 1];
          for (Index column = 0; column < columns; ++column) {
            const Index block = task.block_begin + column / 2;
            call.gradient = gradient.data() + (column * positions.count + begin * 32) * 16;
            call.pitch = blocks.wide(block);
            for (Index tap = 0; tap < taps; ++tap) {
              call.source = from + c * call.source_pitch + begin * 32 +
                            (folded ? 0 : positions.taps[static_cast<std::size_t>(tap)]);
              call.out = task.sums + sums.at(block, tap) + c * call.pitch + column % 2 * 16;
              tile(call);
            }
          }
        }
      }
    }
  });
  sums.reduce(dw, flat.k);
}

}  // namespace contexture::detail::conv
