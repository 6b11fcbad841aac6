// SPDX-License-Identifier: MIT
// How autograd/similarity.hpp computes.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "contexture/autograd/similarity.hpp"
#include "contexture/autograd/variable.hpp"
#include "contexture/kernels/matmul.hpp"

namespace contexture {

template <class T>
Variable<T> normalize_rows(const Variable<T>& x, double epsilon) {
  require(x.value().dimension() == 2, "normalize_rows: input ", x.shape(), ", expected (N,D)");
  require(epsilon > 0, "normalize_rows: epsilon ", epsilon, ", expected more than 0");
  const Index rows = dim(x.value(), 0);
  const Index width = dim(x.value(), 1);
  const Index grain = std::max<Index>(1, 16384 / std::max<Index>(width, 1));
  auto y = std::make_shared<Tensor<T>>(empty_like(x.value()));
  // 1 / length of every row; negative where epsilon stood in for the length.
  auto factor = std::make_shared<std::vector<T>>(static_cast<std::size_t>(rows));
  parallel_for(rows, grain,
               [in = x.value().data(), out = y->data(), f = factor->data(), width, epsilon](Index begin, Index end) {
                 for (Index i = begin; i < end; ++i) {
                   double square = 0;
                   for (Index d = 0; d < width; ++d)
                     square += static_cast<double>(in[i * width + d]) * static_cast<double>(in[i * width + d]);
                   const double length = std::sqrt(square);
                   const auto inverse = static_cast<T>(1.0 / std::max(length, epsilon));
                   f[i] = length > epsilon ? inverse : -inverse;
                   for (Index d = 0; d < width; ++d) out[i * width + d] = in[i * width + d] * inverse;
                 }
               });
  return record<T>("normalize_rows", y, std::span(&x, 1), [=](Tensor<T> g, const detail::InputGradients<T>& in) {
    parallel_for(rows, grain, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const T* const out = y->data() + i * width;
        T* const row = g.data() + i * width;
        const T inverse = (*factor)[static_cast<std::size_t>(i)];
        T along = T(0);
        if (inverse > T(0))
          for (Index d = 0; d < width; ++d) along += row[d] * out[d];
        for (Index d = 0; d < width; ++d) row[d] = (row[d] - along * out[d]) * std::abs(inverse);
      }
    });
    in.add(0, std::move(g));
  });
}

template <class T>
Variable<T> self_similarity(const Variable<T>& x, std::type_identity_t<T> scale) {
  require(x.value().dimension() == 2, "self_similarity: input ", x.shape(), ", expected (N,D)");
  const Index n = dim(x.value(), 0);
  const Index width = dim(x.value(), 1);
  Tensor<T> y = empty<T>({x.shape()[0], x.shape()[0]});
  kernels::matmul(Transpose::no, Transpose::yes, n, n, width, x.value().data(), x.value().data(), T(0), y.data());
  kernels::scale(scale, y.data(), y.data(), n * n);
  for (Index i = 0; i < n; ++i) y.data()[i * n + i] = kNotSimilar<T>;
  return record<T>("self_similarity", std::move(y), {x},
                   [x = x.saved(), scale, n, width](Tensor<T> g, const detail::InputGradients<T>& in) {
                     for (Index i = 0; i < n; ++i) g.data()[i * n + i] = T(0);
                     Tensor<T> dx = empty_like(*x);
                     kernels::matmul(Transpose::no, Transpose::no, n, width, n, g.data(), x->data(), T(0), dx.data());
                     kernels::matmul(Transpose::yes, Transpose::no, n, width, n, g.data(), x->data(), T(1), dx.data());
                     kernels::scale(scale, dx.data(), dx.data(), n * width);
                     in.add(0, std::move(dx));
                   });
}

template <class T>
Variable<T> cross_similarity(const Variable<T>& x, const Variable<T>& all, Index first, std::type_identity_t<T> scale) {
  require(x.value().dimension() == 2 && all.value().dimension() == 2 && x.shape()[1] == all.shape()[1],
          "cross_similarity: inputs ", x.shape(), " and ", all.shape(), ", expected (N,D) and (M,D)");
  const Index n = dim(x.value(), 0), m = dim(all.value(), 0), width = dim(x.value(), 1);
  require(first >= 0 && first + n <= m, "cross_similarity: rows ", first, " to ", first + n, " of ", m);
  Tensor<T> y = empty<T>({x.shape()[0], all.shape()[0]});
  kernels::matmul(Transpose::no, Transpose::yes, n, m, width, x.value().data(), all.value().data(), T(0), y.data());
  kernels::scale(scale, y.data(), y.data(), n * m);
  for (Index i = 0; i < n; ++i) y.data()[i * m + first + i] = kNotSimilar<T>;
  return record<T>(
      "cross_similarity", std::move(y), {x, all},
      [x = x.saved(), all = all.saved(), first, scale](Tensor<T> g, const detail::InputGradients<T>& in) {
        const Index rows = dim(*x, 0), columns = dim(*all, 0), d = dim(*x, 1);
        for (Index i = 0; i < rows; ++i) g.data()[i * columns + first + i] = T(0);
        kernels::scale(scale, g.data(), g.data(), rows * columns);
        Tensor<T> dx = empty_like(*x), dall = empty_like(*all);
        kernels::matmul(Transpose::no, Transpose::no, rows, d, columns, g.data(), all->data(), T(0), dx.data());
        kernels::matmul(Transpose::yes, Transpose::no, columns, d, rows, g.data(), x->data(), T(0), dall.data());
        in.add(0, std::move(dx));
        in.add(1, std::move(dall));
      });
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                                  \
  template Variable<T> normalize_rows(const Variable<T>& x, double epsilon);                       \
  template Variable<T> self_similarity(const Variable<T>& x, std::type_identity_t<T> scale);       \
  template Variable<T> cross_similarity(const Variable<T>& x, const Variable<T>& all, Index first, \
                                        std::type_identity_t<T> scale);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
