// Depthwise convolution: every channel is its own group (C = K = groups). There is nothing to
// share between channels, so a pixel is a sum over taps of vectors of channels, read from the
// images as they lie; both data passes are the same loop over lists of taps.
#pragma once

#include <vector>

#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/conv_axis.hpp"
#include "contexture/kernels/conv_im2col.hpp"
#include "contexture/kernels/conv_shape.hpp"

namespace contexture::detail::conv {

template <class T>
struct DepthwiseKernels {
  void (*pixel)(const T* source, const T* weights, const Tap* taps, Index count, Index channels, const T* bias, T* out);
  void (*weights)(const T* source, const T* gradient, const Tap* taps, Index count, Index channels, T* sums);
};

}  // namespace contexture::detail::conv

#define CONTEXTURE_KERNEL_SOURCE "contexture/kernels/conv_depthwise-inl.hpp"
#include "contexture/kernels/for_each_isa.hpp"

namespace contexture::kernels {
template <class T>
detail::conv::DepthwiseKernels<T> select_depthwise_kernels() {
  CONTEXTURE_DISPATCH(depthwise_kernels<T>());
}
}  // namespace contexture::kernels

namespace contexture::detail::conv {

[[nodiscard]] constexpr bool is_depthwise(const ConvShape& shape) {
  return shape.groups > 1 && shape.groups == shape.c && shape.groups == shape.k;
}

// Calls f(row of the batch, column, taps, count) for the output rows [begin, end) of all images;
// taps hold offsets into an image of `source_cols` pixels a row and into the weights.
template <class F>
void for_each_depthwise_pixel(const ConvShape& shape, const Axis& rows, const Axis& cols, Index source_cols,
                              Index begin, Index end, F&& f) {
  std::vector<Tap> taps(static_cast<std::size_t>(shape.r * shape.s));
  for (Index row = begin; row < end; ++row) {
    const Index y = row % rows.size();
    for (Index x = 0; x < cols.size(); ++x) {
      Index count = 0;
      for (const auto* r = rows.begin(y); r != rows.end(y); ++r)
        for (const auto* s = cols.begin(x); s != cols.end(x); ++s)
          taps[static_cast<std::size_t>(count++)] = {(r->source * source_cols + s->source) * shape.c,
                                                     (r->tap * shape.s + s->tap) * shape.c};
      f(row, x, taps.data(), count);
    }
  }
}

// out (images,rows,cols,C) from source (images,source_rows,source_cols,C).
template <class T>
void depthwise_data(const ConvShape& shape, const Axis& rows, const Axis& cols, Index source_rows, Index source_cols,
                    const T* source, const T* w, const T* bias, T* out) {
  const DepthwiseKernels<T> kernels = kernels::select_depthwise_kernels<T>();
  const Index work_a_row = cols.size() * shape.c * shape.r * shape.s;
  parallel_for(shape.n * rows.size(), 1 + (1 << 16) / std::max<Index>(work_a_row, 1), [&](Index begin, Index end) {
    for_each_depthwise_pixel(shape, rows, cols, source_cols, begin, end,
                             [&](Index row, Index x, const Tap* taps, Index count) {
                               const Index image = row / rows.size();
                               kernels.pixel(source + image * source_rows * source_cols * shape.c, w, taps, count,
                                             shape.c, bias, out + (row * cols.size() + x) * shape.c);
                             });
  });
}

template <class T>
void depthwise_forward(const ConvShape& shape, const T* x, const T* w, const T* bias, T* y) {
  const Axis rows = forward_axis(shape.out_h(), shape.h, shape.r, shape.stride_h, shape.pad_h, shape.dilation_h, false);
  const Axis cols = forward_axis(shape.out_w(), shape.w, shape.s, shape.stride_w, shape.pad_w, shape.dilation_w, false);
  depthwise_data(shape, rows, cols, shape.h, shape.w, x, w, bias, y);
}

template <class T>
void depthwise_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx) {
  const Axis rows =
      backward_axis(shape.h, shape.out_h(), shape.r, shape.stride_h, shape.pad_h, shape.dilation_h, false);
  const Axis cols =
      backward_axis(shape.w, shape.out_w(), shape.s, shape.stride_w, shape.pad_w, shape.dilation_w, false);
  depthwise_data<T>(shape, rows, cols, shape.out_h(), shape.out_w(), dy, w, nullptr, dx);
}

template <class T>
void depthwise_backward_weights(const ConvShape& shape, const T* x, const T* dy, T* dw) {
  const DepthwiseKernels<T> kernels = kernels::select_depthwise_kernels<T>();
  const Axis rows = forward_axis(shape.out_h(), shape.h, shape.r, shape.stride_h, shape.pad_h, shape.dilation_h, false);
  const Axis cols = forward_axis(shape.out_w(), shape.w, shape.s, shape.stride_w, shape.pad_w, shape.dilation_w, false);
  const Index size = shape.weight_size(), batch_rows = shape.n * rows.size();
  const Index chunks = std::clamp<Index>(batch_rows / 16, 1, 16);  // of the shape only: same bits always
  Workspace<T> partial(static_cast<std::size_t>(chunks * size));
  parallel_chunks(batch_rows, chunks, [&](Index chunk, Index begin, Index end) {
    T* sums = partial.data() + chunk * size;
    fill_zero(sums, size);
    for_each_depthwise_pixel(shape, rows, cols, shape.w, begin, end,
                             [&](Index row, Index col, const Tap* taps, Index count) {
                               kernels.weights(x + row / rows.size() * shape.h * shape.w * shape.c,
                                               dy + (row * cols.size() + col) * shape.c, taps, count, shape.c, sums);
                             });
  });
  reduce_in_order(partial.data(), chunks, size, dw);
}

}  // namespace contexture::detail::conv
