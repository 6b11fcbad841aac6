// SPDX-License-Identifier: MIT
// Convolution in groups of 1 (depthwise), 2 or 4 channels, as many of the input as of the output:
// too few to fill vectors with one group, so vectors run across groups, over the channels as they
// lie. A pixel is a sum over taps of vectors of channels; both data passes are the same loop over
// lists of taps, on up to eight neighbouring pixels that see the same taps, which share the loads of
// the weights. Zeros of other groups are never multiplied: a NaN stays in its group.
#pragma once

#include <algorithm>
#include <vector>

#include "contexture/core/cpu.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/conv/shape.hpp"
#include "contexture/kernels/conv/taps.hpp"
#include "contexture/kernels/reduce.hpp"

namespace contexture::detail::conv {

// A run of output pixels that see the same taps.
template <class T>
struct GroupedCall {
  const T* source;    // of the first pixel's taps, which hold offsets into it
  Index source_step;  // elements from one pixel's taps to the next's
  const T* weights;   // [tap][channel of the group][channels]
  const Tap* taps;    // and the number of a tap
  Index tap_count;
  Index channels;
  const T* bias;  // (channels), may be null
  T* out;
  Index out_step;
  Index pixels;
  Index ahead, out_ahead;  // elements to what the next row of pixels reads first and to where it writes
};

// Taps of a row of the weight gradient that one call can add up; it adds up so many, or one.
inline constexpr int kGroupedTaps = 3;

// A run of pixels for some taps of the weight gradient.
template <class T>
struct GroupedWeightCall {
  Index taps;       // 1 or kGroupedTaps
  const T* source;  // of the first tap
  Index source_step, tap_step;
  const T* gradient;
  Index gradient_step;
  Index pixels;
  Index channels;
  Index ahead, gradient_ahead;  // elements to the same places of the next rows
  T* sums;                      // [tap][channel of the group][channels]
};

template <class T>
struct GroupedKernels {
  void (*pixels)(const GroupedCall<T>&);
  void (*weights)(const GroupedWeightCall<T>&);
};

}  // namespace contexture::detail::conv

#define CONTEXTURE_KERNEL_SOURCE "contexture/kernels/conv/grouped-inl.hpp"
#include "contexture/kernels/for_each_isa.hpp"

namespace contexture::kernels {
template <class T>
detail::conv::GroupedKernels<T> select_grouped_kernels(Index group) {
  CONTEXTURE_DISPATCH(grouped_kernels<T>(group));
}
}  // namespace contexture::kernels

namespace contexture::detail::conv {

// Whether this file's kernels compute the shape.
template <class T>
[[nodiscard]] bool grouped_applies(const ConvShape& shape) {
  return shape.groups > 1 && shape.group_c() == shape.group_k() && shape.group_c() <= 4 &&
         kernels::select_grouped_kernels<T>(shape.group_c()).pixels != nullptr;
}

// Pixels of a row from `x` on, `step` apart, whose taps are those of x moved by the same distance.
inline Index same_taps(const Axis& cols, Index x, Index step, Index& distance) {
  const auto count = cols.end(x) - cols.begin(x);
  Index run = 1;
  distance = 0;
  for (Index at = x + step; at < cols.size(); at += step, ++run) {
    if (cols.end(at) - cols.begin(at) != count || count == 0) break;
    const Index moved = cols.begin(at)->source - cols.begin(x)->source;
    if (run == 1) distance = moved;
    bool same = moved == run * distance;
    for (std::ptrdiff_t i = 0; i < count && same; ++i)
      same =
          cols.begin(at)[i].tap == cols.begin(x)[i].tap && cols.begin(at)[i].source - cols.begin(x)[i].source == moved;
    if (!same) break;
  }
  return run;
}

// out (images,rows,cols,C) from source (images,source_rows,source_cols,C).
template <class T>
struct GroupedPass {
  Axis rows, cols;
  Index period;  // columns so far apart see the same taps
  Index source_rows, source_cols;
  const T* source;
  const T* weights;  // [tap][channel of the group][channels]
  const T* bias;     // (channels), may be null
  T* out;
};

template <class T>
void grouped_data(const ConvShape& shape, const GroupedPass<T>& pass) {
  const GroupedKernels<T> kernels = kernels::select_grouped_kernels<T>(shape.group_c());
  const Axis &rows = pass.rows, &cols = pass.cols;
  struct Run {
    Index x, pixels, distance;
  };
  std::vector<Run> runs;
  for (Index phase = 0; phase < std::min(pass.period, cols.size()); ++phase)
    for (Index x = phase; x < cols.size(); x += runs.back().pixels * pass.period) {
      Index distance = 0;
      const Index pixels = same_taps(cols, x, pass.period, distance);
      runs.push_back({x, pixels, distance});
    }
  const Index work_a_row = cols.size() * shape.weight_size();
  parallel_for(shape.n * rows.size(), 1 + (1 << 16) / std::max<Index>(work_a_row, 1), [&](Index begin, Index end) {
    std::vector<Tap> taps(static_cast<std::size_t>(shape.r * shape.s));
    GroupedCall<T> call{};
    call.weights = pass.weights;
    call.taps = taps.data();
    call.channels = shape.c;
    call.bias = pass.bias;
    call.out_step = pass.period * shape.c;
    call.out_ahead = cols.size() * shape.c;
    for (Index row = begin; row < end; ++row) {
      const Index y = row % rows.size();
      call.source = pass.source + row / rows.size() * pass.source_rows * pass.source_cols * shape.c;
      for (const Run& run : runs) {
        call.tap_count = 0;
        for (const auto* r = rows.begin(y); r != rows.end(y); ++r)
          for (const auto* s = cols.begin(run.x); s != cols.end(run.x); ++s)
            taps[static_cast<std::size_t>(call.tap_count++)] = {(r->source * pass.source_cols + s->source) * shape.c,
                                                                r->tap * shape.s + s->tap};
        call.ahead = 0;
        if (call.tap_count > 0)
          call.ahead = (((rows.end(y) - 1)->source + 1) * pass.source_cols + cols.begin(run.x)->source) * shape.c;
        call.source_step = run.distance * shape.c;
        call.pixels = run.pixels;
        call.out = pass.out + (row * cols.size() + run.x) * shape.c;
        kernels.pixels(call);
      }
    }
  });
}

template <class T>
void grouped_forward(const ConvShape& shape, const T* x, const T* w, const T* bias, T* y) {
  grouped_data<T>(shape, {.rows = forward_axis(vertical(shape)),
                          .cols = forward_axis(horizontal(shape)),
                          .period = 1,
                          .source_rows = shape.h,
                          .source_cols = shape.w,
                          .source = x,
                          .weights = w,
                          .bias = bias,
                          .out = y});
}

template <class T>
void grouped_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx) {
  // Each group's matrix of weights, transposed.
  const Index group = shape.group_c();
  Workspace<T> transposed(static_cast<std::size_t>(shape.weight_size()));
  for (Index tap = 0; tap < shape.r * shape.s; ++tap)
    for (Index j = 0; j < group; ++j)
      for (Index c = 0; c < shape.c; ++c)
        transposed.data()[(tap * group + j) * shape.c + c] =
            w[(tap * group + c % group) * shape.c + c / group * group + j];
  grouped_data<T>(shape, {.rows = backward_axis(vertical(shape)),
                          .cols = backward_axis(horizontal(shape)),
                          .period = shape.stride_w,
                          .source_rows = shape.out_h(),
                          .source_cols = shape.out_w(),
                          .source = dy,
                          .weights = transposed.data(),
                          .bias = nullptr,
                          .out = dx});
}

template <class T>
void grouped_backward_weights(const ConvShape& shape, const T* x, const T* dy, T* dw) {
  const GroupedKernels<T> kernels = kernels::select_grouped_kernels<T>(shape.group_c());
  const Axis rows = forward_axis(vertical(shape));
  const Index out_h = shape.out_h(), out_w = shape.out_w();
  const Index size = shape.weight_size(), batch_rows = shape.n * out_h;
  const Index chunks = std::clamp<Index>(batch_rows / 16, 1, 16);  // of the shape only: same bits always
  Workspace<T> partial(static_cast<std::size_t>(chunks * size));
  // Output columns [first, last) whose source pixel q * stride + at of tap s lies in [0, w). Both fall as s grows.
  const auto first_column = [&](Index s) {
    const Index at = s * shape.dilation_w - shape.pad_w;
    return at >= 0 ? 0 : std::min(out_w, (-at + shape.stride_w - 1) / shape.stride_w);
  };
  const auto last_column = [&](Index s) {
    const Index at = s * shape.dilation_w - shape.pad_w;
    return at >= shape.w ? 0 : std::min(out_w, (shape.w - 1 - at) / shape.stride_w + 1);
  };
  parallel_chunks(batch_rows, chunks, [&](Index chunk, Index begin, Index end) {
    T* sums = partial.data() + chunk * size;
    kernels::fill_zero(sums, size);
    GroupedWeightCall<T> call{};
    call.channels = shape.c;
    call.source_step = shape.stride_w * shape.c;
    call.tap_step = shape.dilation_w * shape.c;
    call.gradient_step = shape.c;
    call.ahead = shape.w * shape.c;
    call.gradient_ahead = out_w * shape.c;
    for (Index row = begin; row < end; ++row) {
      const Index image = row / out_h;
      for (const auto* r = rows.begin(row % out_h); r != rows.end(row % out_h); ++r) {
        const T* const source = x + (image * shape.h + r->source) * shape.w * shape.c;
        // Adds up columns [first, last) of the output for `taps` taps from s on.
        const auto add = [&](Index s, Index taps, Index first, Index last) {
          if (first >= last) return;
          call.taps = taps;
          call.pixels = last - first;
          call.source = source + (first * shape.stride_w + s * shape.dilation_w - shape.pad_w) * shape.c;
          call.gradient = dy + (row * out_w + first) * shape.c;
          call.sums = sums + (r->tap * shape.s + s) * shape.group_c() * shape.c;
          kernels.weights(call);
        };
        Index s = 0;
        for (; s + kGroupedTaps <= shape.s; s += kGroupedTaps) {
          // Columns that all of the taps have together, then each tap's own at the margins.
          const Index first = first_column(s), last = std::max(first, last_column(s + kGroupedTaps - 1));
          add(s, kGroupedTaps, first, last);
          for (Index t = s; t < s + kGroupedTaps; ++t) {
            add(t, 1, first_column(t), std::min(first, last_column(t)));
            add(t, 1, std::max(last, first_column(t)), last_column(t));
          }
        }
        for (; s < shape.s; ++s) add(s, 1, first_column(s), last_column(s));
      }
    }
  });
  kernels::reduce_in_order(partial.data(), chunks, size, dw);
}

}  // namespace contexture::detail::conv
