// SPDX-License-Identifier: MIT
// How autograd/pool.hpp computes.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "contexture/autograd/pool.hpp"
#include "contexture/autograd/variable-inl.hpp"
#include "contexture/kernels/pool.hpp"

namespace contexture {

namespace detail {

template <class T>
kernels::PoolShape pool_shape(const char* op, const Variable<T>& x, const Pool2dOptions& o) {
  require(x.value().dimension() == 4, op, ": input ", x.shape(), ", expected (N,H,W,C)");
  require(o.kernel >= 1 && o.stride >= 0 && o.padding >= 0 && 2 * o.padding <= o.kernel, op, ": kernel ", o.kernel,
          ", stride ", o.stride, ", padding ", o.padding, ", expected kernel >= 1 and padding <= kernel / 2");
  const kernels::PoolShape s{dim(x.value(), 0), dim(x.value(), 1), dim(x.value(), 2),
                             dim(x.value(), 3), o.kernel,          o.stride == 0 ? o.kernel : o.stride,
                             o.padding};
  require(s.h >= 1 && s.w >= 1 && s.h + 2 * s.padding >= s.kernel && s.w + 2 * s.padding >= s.kernel, op, ": input ",
          x.shape(), " is smaller than the window of ", s.kernel);
  return s;
}

inline Shape pooled_shape(const kernels::PoolShape& s) {
  return {static_cast<std::size_t>(s.n), static_cast<std::size_t>(s.out_h()), static_cast<std::size_t>(s.out_w()),
          static_cast<std::size_t>(s.c)};
}

}  // namespace detail

template <class T>
Variable<T> max_pool2d(const Variable<T>& x, const Pool2dOptions& options) {
  const kernels::PoolShape s = detail::pool_shape("max_pool2d", x, options);
  require(s.h <= std::numeric_limits<std::int32_t>::max() / s.w, "max_pool2d: input ", x.shape(), ", expected at most ",
          std::numeric_limits<std::int32_t>::max(), " pixels an image");
  Tensor<T> y = empty<T>(detail::pooled_shape(s));
  auto where = std::make_shared<Workspace<std::int32_t>>(y.size());
  kernels::max_pool_forward(s, x.value().data(), y.data(), where->data());
  return record<T>({"max_pool2d", {{"kernel", s.kernel}, {"stride", s.stride}, {"padding", s.padding}}}, std::move(y),
                   {x}, [s, where, from = x.shape()](Tensor<T> g, const detail::InputGradients<T>& in) {
                     Tensor<T> dx = empty<T>(from);
                     kernels::max_pool_backward(s, g.data(), where->data(), dx.data());
                     in.add(0, std::move(dx));
                   });
}

template <class T>
Variable<T> avg_pool2d(const Variable<T>& x, const Pool2dOptions& options) {
  const kernels::PoolShape s = detail::pool_shape("avg_pool2d", x, options);
  Tensor<T> y = empty<T>(detail::pooled_shape(s));
  kernels::avg_pool_forward(s, x.value().data(), y.data());
  return record<T>({"avg_pool2d", {{"kernel", s.kernel}, {"stride", s.stride}, {"padding", s.padding}}}, std::move(y),
                   {x}, [s, from = x.shape()](Tensor<T> g, const detail::InputGradients<T>& in) {
                     Tensor<T> dx = empty<T>(from);
                     kernels::avg_pool_backward(s, g.data(), dx.data());
                     in.add(0, std::move(dx));
                   });
}

namespace detail {

// Stored as P.
template <class P, class T>
Variable<T> global_avg_pool_as(const Variable<T>& x) {
  const std::shared_ptr<const Tensor<P>> value = stored_as<P>(x);
  const Index n = dim(x.shape(), 0), pixels = dim(x.shape(), 1) * dim(x.shape(), 2), c = dim(x.shape(), 3);
  const T inverse = T(1) / static_cast<T>(pixels);
  Tensor<T> y = empty<T>({x.shape()[0], x.shape()[3]});
  const P* const in = value->data();
  T* const out = y.data();
  parallel_for(n, std::max<Index>(1, 16384 / std::max<Index>(1, pixels * c)), [=](Index begin, Index end) {
    Workspace<double> sums(static_cast<std::size_t>(c));
    for (Index i = begin; i < end; ++i) {
      double* const sum = sums.data();
      std::fill_n(sum, c, 0.0);
      for (Index p = 0; p < pixels; ++p) {
        const P* const row = in + (i * pixels + p) * c;
        for (Index k = 0; k < c; ++k) sum[k] += static_cast<double>(static_cast<T>(row[k]));
      }
      for (Index k = 0; k < c; ++k) out[i * c + k] = static_cast<T>(sum[k] / static_cast<double>(pixels));
    }
  });
  return record<T>(
      "global_avg_pool", std::move(y), {x}, [=, from = x.shape()](Tensor<T> g, const InputGradients<T>& grads) {
        Tensor<P> dx = empty<P>(from);
        kernels::scale(inverse, g.data(), g.data(), static_cast<Index>(g.size()));
        const Tensor<P> rows = in_storage<P>(std::move(g));
        const P* const row = rows.data();
        P* const into = dx.data();
        parallel_for(n * pixels, std::max<Index>(1, 32768 / std::max<Index>(c, 1)), [=](Index begin, Index end) {
          for (Index p = begin; p < end; ++p) std::copy_n(row + p / pixels * c, c, into + p * c);
        });
        grads.add(0, std::move(dx));
      });
}

}  // namespace detail

template <class T>
Variable<T> global_avg_pool(const Variable<T>& x) {
  require(x.shape().size() == 4 && x.shape()[1] > 0 && x.shape()[2] > 0, "global_avg_pool: input ", x.shape(),
          ", expected (N,H,W,C) with at least one pixel");
  if constexpr (std::is_same_v<T, float>)
    if (x.saved_reduced() != nullptr) return detail::global_avg_pool_as<bfloat16>(x);
  return detail::global_avg_pool_as<T>(x);
}

template <class T>
Variable<T> upsample2d(const Variable<T>& x, Index factor) {
  require(x.shape().size() == 4 && factor >= 1, "upsample2d: input ", x.shape(), ", factor ", factor,
          ", expected (N,H,W,C) and at least 1");
  const Index rows = dim(x.value(), 0) * dim(x.value(), 1), width = dim(x.value(), 2), channels = dim(x.value(), 3);
  Shape shape = x.shape();
  shape[1] *= static_cast<std::size_t>(factor);
  shape[2] *= static_cast<std::size_t>(factor);
  Tensor<T> y = empty<T>(shape);
  const T* const from = x.value().data();
  T* const to = y.data();
  // f(small, large): offsets of each pixel of the result and of the one it is taken from.
  const auto each = [=](const auto& f) {
    parallel_for(rows, std::max<Index>(1, 8192 / std::max<Index>(1, width * channels * factor)),
                 [&](Index begin, Index end) {
                   for (Index row = begin; row < end; ++row)
                     for (Index i = 0; i < factor; ++i)
                       for (Index column = 0; column < width * factor; ++column)
                         f((row * width + column / factor) * channels,
                           ((row * factor + i) * width * factor + column) * channels);
                 });
  };
  each([=](Index small, Index large) { std::copy_n(from + small, channels, to + large); });
  return record<T>({"upsample2d", {{"factor", factor}}}, std::move(y), {x},
                   [=, before = x.shape()](Tensor<T> g, const detail::InputGradients<T>& in) {
                     Tensor<T> dx = zeros<T>(before);
                     each([=, sums = dx.data(), add = g.data()](Index small, Index large) {
                       for (Index c = 0; c < channels; ++c) sums[small + c] += add[large + c];
                     });
                     in.add(0, std::move(dx));
                   });
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                      \
  template Variable<T> max_pool2d(const Variable<T>& x, const Pool2dOptions& options); \
  template Variable<T> avg_pool2d(const Variable<T>& x, const Pool2dOptions& options); \
  template Variable<T> global_avg_pool(const Variable<T>& x);                          \
  template Variable<T> upsample2d(const Variable<T>& x, Index factor);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
