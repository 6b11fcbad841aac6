// SPDX-License-Identifier: MIT
// Convolution with AMX where maps are wide: a tile's rows are neighbouring pixels of an output row, and what is summed
// over are the pixels that a kernel row sees, whose channels lie side by side: 3 x 16 channels are two steps of 24
// channels, not three of 16. Source rows are copied once, between zeros for the padding, or read where they lie when
// there is none. Both data passes are the same loop: a strided backward-data is one pass for each position between two
// pixels of dy (RowsAxis). NaN and infinity of the weights meet those zeros too.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/conv/amx_tiles.hpp"
#include "contexture/kernels/conv/packed_weights.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/taps.hpp"
#include "contexture/kernels/elementwise.hpp"

namespace contexture::detail::conv {

// Outputs first, first + step, ... of an axis, `count` of them: output i reads the sources from i * source_step +
// offset on, `taps` of them, with the kernel's taps first_tap, first_tap + tap_step, ...
struct RowsAxis {
  Index first, step, count;
  Index source_step, offset;
  Index taps, first_tap, tap_step;

  [[nodiscard]] Index source(Index i) const { return i * source_step + offset; }
  // One past the last source that is read.
  [[nodiscard]] Index source_end() const { return count == 0 ? 0 : source(count - 1) + taps; }
};

// All outputs of a forward axis, which is one, or those of backward-data, which are as many as its stride.
inline std::vector<RowsAxis> rows_axes(const AxisShape& axis, ConvPass pass) {
  if (pass == ConvPass::forward) return {{0, 1, axis.out, axis.stride, -axis.pad, axis.kernel, 0, 1}};
  std::vector<RowsAxis> all;
  for (Index first = 0; first < std::min(axis.stride, axis.in); ++first) {
    const Index lowest = (first + axis.pad) % axis.stride;  // tap, the last one by source
    const Index taps = lowest < axis.kernel ? (axis.kernel - 1 - lowest) / axis.stride + 1 : 0;
    const Index highest = lowest + std::max<Index>(taps - 1, 0) * axis.stride;
    all.push_back({first, axis.stride, (axis.in - first + axis.stride - 1) / axis.stride, 1,
                   (first + axis.pad - highest) / axis.stride, taps, highest, -axis.stride});
  }
  return all;
}

[[nodiscard]] inline bool rows_apply(const ConvShape& shape) {
  return uses_amx() && shape.groups == 1 && shape.dilation_h == 1 && shape.dilation_w == 1;
}

// Whether they are the faster ones (measured): direct's tiles, of one pixel of many images, are never short and leave
// out what meets the padding; but they have to copy pixel after pixel, which costs most where channels are few, and
// their weight gradient is the faster one where a tile here would have to begin between cache lines.
[[nodiscard]] inline bool rows_pay(const ConvShape& shape, ConvPass pass) {
  if (pass == ConvPass::backward_weights)
    return (shape.r * shape.s == 1 || shape.c <= 4) && shape.out_h() * shape.out_w() >= 64;  // two steps of positions
  const ConvShape flat = in_one_row(shape);
  const Index pixels = pass == ConvPass::forward ? flat.out_w() : flat.w / flat.stride_w;
  return pixels >= (flat.stride_w == 1 ? 8 : 12) || (pass == ConvPass::forward && flat.c <= 24 && flat.w >= 12);
}

// One data pass: which images go where, and how their pixels are walked.
struct RowsPass {
  const bfloat16* source;
  bfloat16* out;
  Index images;
  Index in_h, in_w, in_c;     // of the source
  Index out_h, out_w, out_c;  // of what is computed
  std::vector<RowsAxis> rows, cols;
  Index channels;              // of a packed source pixel: in_c, and zeros
  Index left = 0, pixels = 0;  // zeros before a packed row, and pixels of it, zeros too
  bool in_place = false;
  // Tiles go on from row to row, through the zeros between them, whose sums are left out: for rows that do not fill
  // tiles of their own. The zeros before a row are those behind the last one, too, and rows of zeros lie around.
  bool through = false;

  RowsPass(const ConvShape& shape, ConvPass pass)
      : images(shape.n), rows(rows_axes(vertical(shape), pass)), cols(rows_axes(horizontal(shape), pass)) {
    in_h = shape.h, in_w = shape.w, in_c = shape.c;
    out_h = shape.out_h(), out_w = shape.out_w(), out_c = shape.k;
    if (pass != ConvPass::forward) std::swap(in_h, out_h), std::swap(in_w, out_w), std::swap(in_c, out_c);
    const Index blocks = (in_c + kBlock<bfloat16> - 1) / kBlock<bfloat16>;
    channels = blocks * (((in_c + blocks - 1) / blocks + 1) / 2 * 2);
    Index end = 0;
    for (const RowsAxis& axis : cols)
      if (axis.taps > 0) left = std::max(left, -axis.offset), end = std::max(end, axis.source_end());
    in_place = left == 0 && end <= in_w && channels == in_c;
    pixels = in_place ? in_w : left + end;
    const Index shared = std::max({end, left + in_w, cols[0].count});
    const Index of_rows = rows[0].count * tiles_of(cols[0].count);
    const Index of_all = tiles_of((rows[0].count - 1) * shared + cols[0].count);
    through = !in_place && rows[0].source_step == 1 && cols[0].source_step == 1 && 8 * of_all < 7 * of_rows;
    if (through) pixels = shared;
  }

  [[nodiscard]] static Index tiles_of(Index outputs) { return (outputs + 15) / 16; }

  [[nodiscard]] Index row_size() const { return pixels * channels; }

  // The steps that a kernel row of so many taps is summed in, as few as have the same even number of channels.
  [[nodiscard]] Index steps(Index taps) const {
    const Index depth = taps * channels;
    Index count = (depth + kBlock<bfloat16> - 1) / kBlock<bfloat16>;
    while (count > 0 && depth % (2 * count) != 0) ++count;
    return count;
  }

  // Copies rows [begin, end) of an image, and zeros where there are none.
  void pack(Index image, Index begin, Index end, bfloat16* to) const {
    const Index here = std::min(in_w, pixels - left);
    for (Index row = begin; row < end; ++row, to += row_size()) {
      const bool exists = row >= 0 && row < in_h;
      bfloat16* const first = to + left * channels;
      bfloat16* const last = exists ? first + here * channels : first;
      for (bfloat16* zero = to; zero < first; ++zero) *zero = bfloat16{};
      const bfloat16* const from = source + (image * in_h + row) * in_w * in_c;
      if (exists && channels == in_c)
        std::memcpy(first, from, static_cast<std::size_t>(here * channels) * sizeof(bfloat16));
      else if (exists)
        kernels::dispatch::widen_pixels(from, in_c, first, channels, here);
      for (bfloat16* zero = last; zero < to + row_size(); ++zero) *zero = bfloat16{};
    }
  }
};

// The weights of one row axis and one column axis: [16 channels][tap row][step][pair of channels][16 channels][2].
// Distances in w: from a tap of the kernel to the next, from a channel that is summed over, from one that is computed.
struct RowsWeights {
  const float* w;
  WeightLayout layout;
  Index kernel_w, tap, depth, wide;
};

inline void pack_rows_weights(const RowsPass& pass, const RowsWeights& from, const RowsAxis& rows, const RowsAxis& cols,
                              bfloat16* to) {
  const Index steps = pass.steps(cols.taps), depth = steps == 0 ? 0 : cols.taps * pass.channels / steps;
  const Index column_size = rows.taps * steps * depth * 16;
  const Index columns = (pass.out_c + 15) / 16;
  std::fill_n(to, columns * column_size, bfloat16{});
  parallel_for(columns, 1 + (1 << 14) / std::max<Index>(1, column_size), [&](Index begin, Index end) {
    std::vector<bfloat16> channels(static_cast<std::size_t>(pass.in_c + 1));
    for (Index column = begin; column < end; ++column) {
      const Index valid = std::min<Index>(16, pass.out_c - column * 16);
      for (Index j = 0; j < rows.taps; ++j)
        for (Index i = 0; i < cols.taps; ++i) {
          const Index tap = (rows.first_tap + j * rows.tap_step) * from.kernel_w + cols.first_tap + i * cols.tap_step;
          const float* const w = from.w + tap * from.tap + column * 16 * from.wide;
          // Pair c / 2 of a tap is row (i * channels + c) / 2 of the kernel row's steps, which follow each other.
          auto* const pairs = reinterpret_cast<Bfloat16Pair*>(to + column * column_size + j * steps * depth * 16) +
                              i * pass.channels / 2 * 16;
          if (from.wide == 1) {
            for (Index c = 0; c < pass.in_c; c += 2)
              kernels::dispatch::round_to_pairs(w + c * from.depth,
                                                c + 1 < pass.in_c ? w + (c + 1) * from.depth : nullptr,
                                                pairs + c / 2 * 16, valid);
          } else {
            for (Index k = 0; k < valid; ++k) {
              kernels::convert(w + k * from.wide, channels.data(), pass.in_c);
              for (Index c = 0; c < pass.in_c; c += 2) std::memcpy(pairs + c / 2 * 16 + k, channels.data() + c, 4);
            }
          }
        }
    }
  });
}

// Of one row axis and one column axis: where outputs lie behind an image's first, [row][pixel], and the weights.
struct RowsPhase {
  const RowsAxis* rows;
  const RowsAxis* cols;
  Index pitch;  // outputs of a row in `places`
  std::vector<Index> places;
  Index weights;

  RowsPhase(const RowsPass& pass, const RowsAxis& r, const RowsAxis& c, Index first_weight)
      : rows(&r), cols(&c), pitch(pass.through ? pass.pixels : c.count), weights(first_weight) {
    places.assign(static_cast<std::size_t>(r.count * pitch), -1);
    for (Index y = 0; y < r.count; ++y)
      for (Index x = 0; x < c.count; ++x)
        places[static_cast<std::size_t>(y * pitch + x)] =
            ((r.first + y * r.step) * pass.out_w + c.first + x * c.step) * pass.out_c;
  }
};

// A tile of pixels, and the tap rows that it sees.
struct RowsTile {
  const bfloat16* source;
  bfloat16* out;  // of its image
  const Index* places;
  Index fresh;  // the first pixel that no tile before had
  Index first_tap, taps;
};

// Appends the tiles of output rows [begin, end) of a phase of an image; returns the pixels of a tile. `source` is the
// first packed row, which is row `source_begin` of the image.
inline Index cut_rows(const RowsPass& pass, const RowsPhase& phase, Index begin, Index end, const bfloat16* source,
                      Index source_begin, Index image, std::vector<RowsTile>& tiles) {
  const RowsAxis& rows = *phase.rows;
  const RowsAxis& cols = *phase.cols;
  bfloat16* const out = pass.out + image * pass.out_h * pass.out_w * pass.out_c;
  if (end <= begin || cols.count == 0) return 1;
  const bool taps = rows.taps > 0 && cols.taps > 0;
  const auto add = [&](Index row, Index x, Index fresh, Index low, Index high) {
    const bool any = taps && low < high;
    const bfloat16* const window = any ? source + (rows.source(row) + low - source_begin) * pass.row_size() +
                                             (cols.source(x) + pass.left) * pass.channels
                                       : source;
    tiles.push_back({window, out, phase.places.data() + row * phase.pitch + x, fresh, low, any ? high - low : 0});
  };
  if (pass.through) {
    const Index total = (end - begin - 1) * phase.pitch + cols.count, count = RowsPass::tiles_of(total);
    const Index pixels = std::min<Index>(16, total);
    for (Index t = 0; t < count; ++t) {
      const Index x = std::min(16 * t, total - pixels);
      add(begin, x, 16 * t - x, 0, rows.taps);
    }
    return pixels;
  }
  const Index count = RowsPass::tiles_of(cols.count), pixels = (cols.count + count - 1) / count;
  for (Index row = begin; row < end; ++row) {
    const Index low = std::clamp<Index>(-rows.source(row), 0, rows.taps);
    const Index high = std::clamp<Index>(pass.in_h - rows.source(row), low, rows.taps);
    for (Index t = 0; t < count; ++t) {
      const Index x = std::min(t * pixels, cols.count - pixels);
      add(row, x, t * pixels - x, low, high);
    }
  }
  return pixels;
}

// A pass with its weights packed, which computes band after band of output rows.
struct RowsRun {
  const TileKernels<bfloat16>& kernels;
  const RowsPass& pass;
  const std::vector<RowsPhase>& phases;
  const bfloat16* weights;
  const float* bias;  // whole columns
  const TileEpilogue& epilogue;

  // Rows [begin, end) of each phase, of `images` images from one on; `sums`: where the epilogue adds up what is stored,
  // or null. With a second image no tile is left without another that sees the same tap rows.
  void band(Index first_image, Index images, Index begin, Index end, double* sums) const {
    Index source_begin = std::numeric_limits<Index>::max(), source_end = 0;
    for (const RowsAxis& rows : pass.rows) {
      const Index last = std::min(end, rows.count) - 1;
      if (rows.taps == 0 || last < begin) continue;
      source_begin = std::min(source_begin, rows.source(begin));
      source_end = std::max(source_end, rows.source(last) + rows.taps);
    }
    if (!pass.through) {
      source_begin = std::clamp<Index>(source_begin, 0, pass.in_h);
      source_end = std::min(source_end, pass.in_h);
    }
    const Index packed_rows = pass.in_place ? 0 : std::max<Index>(0, source_end - source_begin);
    const Index packed_size = packed_rows * pass.row_size(), behind = pass.left * pass.channels;
    Workspace<bfloat16> packed(static_cast<std::size_t>(images * packed_size + behind + 1));
    const bfloat16* source = packed.data();
    Index image_size = packed_size;
    if (pass.in_place) {
      image_size = pass.in_h * pass.in_w * pass.in_c;
      source = pass.source + first_image * image_size + source_begin * pass.in_w * pass.in_c;
    } else if (packed_rows > 0) {
      for (Index i = 0; i < images; ++i)
        pass.pack(first_image + i, source_begin, source_end, packed.data() + i * packed_size);
      std::fill_n(packed.data() + images * packed_size, behind, bfloat16{});
    }
    std::vector<RowsTile> tiles;
    for (const RowsPhase& phase : phases) {
      RowsCall call{};
      tiles.clear();
      for (Index i = 0; i < images; ++i)
        call.rows = cut_rows(pass, phase, begin, std::min(end, phase.rows->count), source + i * image_size,
                             source_begin, first_image + i, tiles);
      if (images > 1 && !pass.through)
        std::sort(tiles.begin(), tiles.end(), [](const RowsTile& a, const RowsTile& b) {
          return std::tie(a.taps, a.first_tap, a.source) < std::tie(b.taps, b.first_tap, b.source);
        });
      run(phase, call, tiles, sums);
    }
  }

 private:
  // All tiles of a phase, 32 output channels at a time; two tiles at once where they see the same tap rows.
  void run(const RowsPhase& phase, RowsCall& call, const std::vector<RowsTile>& tiles, double* sums) const {
    TileEpilogue whole = epilogue;
    whole.sums = sums;
    call.steps = pass.steps(phase.cols->taps);
    call.depth = call.steps == 0 ? 2 : phase.cols->taps * pass.channels / call.steps;
    call.row_step = pass.row_size();
    call.source_pixel = phase.cols->source_step * pass.channels;
    const Index tap_row_size = call.steps * call.depth * 16;
    call.column_step = phase.rows->taps * tap_row_size;
    kernels.configure(call.rows, call.rows, call.depth);
    for (Index channel = 0; channel < pass.out_c; channel += 32) {
      const bfloat16* const w = weights + phase.weights + channel / 16 * call.column_step;
      const int wide = channel + 16 < pass.out_c ? 1 : 0;
      call.bias = bias + channel;
      call.valid_channels = std::min<Index>(32, pass.out_c - channel);
      const TileEpilogue own = whole.from(channel);
      call.epilogue = &own;
      for (std::size_t t = 0; t < tiles.size();) {
        const RowsTile& tile = tiles[t];
        const bool two =
            t + 1 < tiles.size() && tiles[t + 1].taps == tile.taps && tiles[t + 1].first_tap == tile.first_tap;
        call.taps = tile.taps;
        call.weights = w + tile.first_tap * tap_row_size;
        for (std::size_t half = 0; half < (two ? 2 : 1); ++half) {
          call.source[half] = tiles[t + half].source;
          call.out[half] = tiles[t + half].out + channel;
          call.places[half] = tiles[t + half].places;
          call.fresh[half] = tiles[t + half].fresh;
        }
        kernels.rows_tile[two ? 1 : 0][wide](call);
        t += two ? 2 : 1;
      }
    }
  }
};

inline void run_rows(const RowsPass& pass, const RowsWeights& weights, const ConvEpilogue<bfloat16>& epilogue) {
  const TileKernels<bfloat16> kernels = active_tile_kernels<bfloat16>();
  std::vector<RowsPhase> phases;
  Index size = 0;
  const Index columns = (pass.out_c + 15) / 16;
  for (const RowsAxis& rows : pass.rows)
    for (const RowsAxis& cols : pass.cols) {
      phases.emplace_back(pass, rows, cols, size);
      size += columns * 16 * rows.taps * cols.taps * pass.channels;
    }
  const PackedKey key{weights.w, weights.layout, sizeof(bfloat16), pass.channels, std::max<Index>(size, 1)};
  const PackedForm<bfloat16> packed_weights(key, [&](bfloat16* to) {
    for (const RowsPhase& phase : phases)
      pack_rows_weights(pass, weights, *phase.rows, *phase.cols, to + phase.weights);
  });
  const PaddedEpilogue<bfloat16> end(epilogue, pass.out, pass.out_c, 16 * columns);

  // Bands of rows: as many as keep the packed source in about a third of L2, and enough for all threads, unless sums
  // over pixels are asked for, whose parts they are.
  constexpr Index budget = 384 * 1024 / static_cast<Index>(sizeof(bfloat16));
  const Index height = pass.rows[0].count;  // that of the others is no larger
  const Index wanted = num_threads() == 1 || epilogue.moments != nullptr
                           ? 1
                           : (4 * num_threads() + pass.images - 1) / std::max<Index>(pass.images, 1);
  const Index fitting = std::max<Index>(1, budget / std::max<Index>(1, pass.row_size() * pass.rows[0].source_step));
  const Index bands = std::min(height, std::max((height + fitting - 1) / fitting, std::min(wanted, (height + 3) / 4)));
  // Two images at a time where one has few tiles. With sums asked for, neither this nor the bands, which are their
  // parts, depend on the number of threads.
  const bool few_tiles = phases.size() == 1 && height <= 16 && 2 * height <= fitting;
  const Index group = bands == 1 && few_tiles && pass.images >= 8 ? 2 : 1;
  const Index tasks = (pass.images + group - 1) / group * bands;
  std::optional<ChannelSums> sums;
  if (epilogue.moments != nullptr) sums.emplace(tasks, pass.out_c);
  const RowsRun run{kernels, pass, phases, packed_weights.data(), end.bias(), end.tile()};
  parallel_chunks(tasks, tasks, [&](Index task, Index, Index) {
    const TileSession<bfloat16> session(kernels);
    const Index band = task % bands;
    const Index image = task / bands * group;
    run.band(image, std::min(group, pass.images - image), band * height / bands, (band + 1) * height / bands,
             sums ? sums->part(task) : nullptr);
  });
  if (sums) sums->moments(pass.images * pass.out_h * pass.out_w, epilogue.moments);
}

inline void rows_forward(const ConvShape& shape, const bfloat16* x, const float* w,
                         const ConvEpilogue<bfloat16>& epilogue, bfloat16* y) {
  RowsPass pass(in_one_row(shape), ConvPass::forward);
  pass.source = x;
  pass.out = y;
  run_rows(pass, {w, WeightLayout::rows, shape.s, shape.c * shape.k, shape.k, 1}, epilogue);
}

inline void rows_backward_data(const ConvShape& shape, const bfloat16* dy, const float* w, bfloat16* dx, bool add) {
  RowsPass pass(in_one_row(shape), ConvPass::backward_data);
  pass.source = dy;
  pass.out = dx;
  run_rows(pass, {w, WeightLayout::rows_backward, shape.s, shape.c * shape.k, 1, shape.k},
           {.residual = add ? dx : nullptr});
}

}  // namespace contexture::detail::conv
