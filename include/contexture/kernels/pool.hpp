// SPDX-License-Identifier: MIT
// Spatial pooling over (N,H,W,C). Windows may overlap and may reach into the padding; padding
// never wins a maximum and is not counted in an average.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture::kernels {

/// Geometry of a pooling window over x (n,h,w,c).
struct PoolShape {
  Index n = 0, h = 0, w = 0, c = 0;
  Index kernel = 2, stride = 2, padding = 0;
  [[nodiscard]] Index out_h() const { return (h + 2 * padding - kernel) / stride + 1; }
  [[nodiscard]] Index out_w() const { return (w + 2 * padding - kernel) / stride + 1; }
};

}  // namespace contexture::kernels

namespace contexture::detail {
// Calls f(output row pointer index, input y range, input x range) for each output pixel of image i.
template <class F>
void for_each_window(const kernels::PoolShape& s, Index image, F f) {
  for (Index oy = 0; oy < s.out_h(); ++oy)
    for (Index ox = 0; ox < s.out_w(); ++ox) {
      const Index y0 = oy * s.stride - s.padding;
      const Index x0 = ox * s.stride - s.padding;
      f((image * s.out_h() + oy) * s.out_w() + ox, std::max<Index>(0, y0), std::min(s.h, y0 + s.kernel),
        std::max<Index>(0, x0), std::min(s.w, x0 + s.kernel));
    }
}
}  // namespace contexture::detail

namespace contexture::kernels {

/// y (n,oh,ow,c) = maximum of each window; where (same shape) receives the winner's pixel index
/// h * W + w in its image, the first one where several are equal. NaN wins.
template <class T>
void max_pool_forward(const PoolShape& s, const T* x, T* y, std::int32_t* where) {
  parallel_for(s.n, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      detail::for_each_window(s, i, [&](Index out, Index y0, Index y1, Index x0, Index x1) {
        T* const best = y + out * s.c;
        std::int32_t* const at = where + out * s.c;
        std::fill(best, best + s.c, -std::numeric_limits<T>::infinity());
        std::fill(at, at + s.c, static_cast<std::int32_t>(y0 * s.w + x0));
        for (Index iy = y0; iy < y1; ++iy)
          for (Index ix = x0; ix < x1; ++ix) {
            const T* const in = x + ((i * s.h + iy) * s.w + ix) * s.c;
            const auto pixel = static_cast<std::int32_t>(iy * s.w + ix);
            for (Index c = 0; c < s.c; ++c) {
              const bool better = in[c] > best[c] || in[c] != in[c];
              best[c] = better ? in[c] : best[c];
              at[c] = better ? pixel : at[c];
            }
          }
      });
  });
}

/// dx (n,h,w,c) = dy routed to each window's winner.
template <class T>
void max_pool_backward(const PoolShape& s, const T* dy, const std::int32_t* where, T* dx) {
  parallel_for(s.n, 1, [&](Index begin, Index end) {
    const Index image = s.h * s.w * s.c;
    const Index outputs = s.out_h() * s.out_w();
    std::fill(dx + begin * image, dx + end * image, T(0));
    for (Index i = begin; i < end; ++i)
      for (Index o = i * outputs; o < (i + 1) * outputs; ++o)
        for (Index c = 0; c < s.c; ++c) dx[i * image + where[o * s.c + c] * s.c + c] += dy[o * s.c + c];
  });
}

/// y (n,oh,ow,c) = mean over the pixels of each window that lie inside the image.
template <class T>
void avg_pool_forward(const PoolShape& s, const T* x, T* y) {
  parallel_for(s.n, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      detail::for_each_window(s, i, [&](Index out, Index y0, Index y1, Index x0, Index x1) {
        T* const mean = y + out * s.c;
        std::fill(mean, mean + s.c, T(0));
        for (Index iy = y0; iy < y1; ++iy)
          for (Index ix = x0; ix < x1; ++ix) {
            const T* const in = x + ((i * s.h + iy) * s.w + ix) * s.c;
            for (Index c = 0; c < s.c; ++c) mean[c] += in[c];
          }
        const T inverse = T(1) / static_cast<T>(std::max<Index>(1, (y1 - y0) * (x1 - x0)));
        for (Index c = 0; c < s.c; ++c) mean[c] *= inverse;
      });
  });
}

/// dx (n,h,w,c) = dy spread evenly over each window.
template <class T>
void avg_pool_backward(const PoolShape& s, const T* dy, T* dx) {
  parallel_for(s.n, 1, [&](Index begin, Index end) {
    const Index image = s.h * s.w * s.c;
    std::fill(dx + begin * image, dx + end * image, T(0));
    for (Index i = begin; i < end; ++i)
      detail::for_each_window(s, i, [&](Index out, Index y0, Index y1, Index x0, Index x1) {
        const T inverse = T(1) / static_cast<T>(std::max<Index>(1, (y1 - y0) * (x1 - x0)));
        const T* const g = dy + out * s.c;
        for (Index iy = y0; iy < y1; ++iy)
          for (Index ix = x0; ix < x1; ++ix) {
            T* const into = dx + ((i * s.h + iy) * s.w + ix) * s.c;
            for (Index c = 0; c < s.c; ++c) into[c] += g[c] * inverse;
          }
      });
  });
}

}  // namespace contexture::kernels
