// SPDX-License-Identifier: MIT
// How autograd/matmul.hpp computes: one BLAS call a matrix.
#pragma once

#include <algorithm>
#include <utility>

#include "contexture/autograd/matmul.hpp"
#include "contexture/autograd/variable.hpp"
#include "contexture/core/blas.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/matmul.hpp"

namespace contexture {

namespace detail {

// Sizes of a product of `batch` matrices (m,k) and (k,n). A matrix that is the same for all has a step of 0.
struct MatmulShape {
  Index batch = 1, m = 0, k = 0, n = 0;
  Index step_a = 0, step_b = 0;  // elements from one matrix to the next
};

// One product: op(A) (m,k) times op(B) (k,n).
struct MatmulCall {
  Transpose trans_a, trans_b;
  Index m, n, k;
};

// Matrices one after the other, `step` elements apart; 0: the same again and again.
template <class T>
struct Matrices {
  const T* first;
  Index step;
};

// C = op(A) op(B) for each of the batch, or the sum of them all.
template <class T>
void multiply_each(Index batch, const MatmulCall& call, Matrices<T> a, Matrices<T> b, T* c, bool sum = false) {
  if (batch == 1) return kernels::matmul(call.trans_a, call.trans_b, call.m, call.n, call.k, a.first, b.first, T(0), c);
  if (sum) {
    for (Index i = 0; i < batch; ++i)
      kernels::matmul(call.trans_a, call.trans_b, call.m, call.n, call.k, a.first + i * a.step, b.first + i * b.step,
                      i == 0 ? T(0) : T(1), c);
    if (batch == 0) std::fill_n(c, call.m * call.n, T(0));
    return;
  }
  const Index lda = call.trans_a == Transpose::no ? call.k : call.m;
  const Index ldb = call.trans_b == Transpose::no ? call.n : call.k;
  const Index work = std::max<Index>(1, call.m * call.n * call.k);
  parallel_for(batch, std::max<Index>(1, 500'000 / work), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      gemm(call.trans_a, call.trans_b, call.m, call.n, call.k, T(1), a.first + i * a.step, lda, b.first + i * b.step,
           ldb, T(0), c + i * call.m * call.n, call.n);
  });
}

}  // namespace detail

template <class T>
Variable<T> matmul(const Variable<T>& a, const Variable<T>& b) {
  const Shape &sa = a.shape(), &sb = b.shape();
  require(sa.size() >= 2 && sb.size() >= 2 && sa[sa.size() - 1] == sb[sb.size() - 2], "matmul: shapes ", sa, " and ",
          sb, ", expected (...,M,K) and (...,K,N)");
  require(sa.size() == 2 || sb.size() == 2 || std::equal(sa.begin(), sa.end() - 2, sb.begin(), sb.end() - 2),
          "matmul: shapes ", sa, " and ", sb, ", expected the same axes ahead of the last two, or none in one of them");
  detail::MatmulShape s;
  s.m = static_cast<Index>(sa[sa.size() - 2]);
  s.k = static_cast<Index>(sa[sa.size() - 1]);
  s.n = static_cast<Index>(sb[sb.size() - 1]);
  Shape shape = sa.size() >= sb.size() ? sa : sb;
  for (std::size_t i = 0; i + 2 < shape.size(); ++i) s.batch *= static_cast<Index>(shape[i]);
  shape[shape.size() - 2] = sa[sa.size() - 2];
  shape[shape.size() - 1] = sb[sb.size() - 1];
  s.step_a = sa.size() > 2 ? s.m * s.k : 0;
  s.step_b = sb.size() > 2 ? s.k * s.n : 0;
  if (s.step_b == 0) {  // one product with all rows of a
    s.m *= s.batch;
    s.batch = 1;
  }
  Tensor<T> y = empty<T>(shape);
  detail::multiply_each(s.batch, {Transpose::no, Transpose::no, s.m, s.n, s.k},
                        detail::Matrices<T>{a.value().data(), s.step_a},
                        detail::Matrices<T>{b.value().data(), s.step_b}, y.data());
  return record<T>("matmul", std::move(y), {a, b},
                   [s, a = a.saved(), b = b.saved()](Tensor<T> g, const detail::InputGradients<T>& in) {
                     const Index step = s.m * s.n;
                     if (in.wanted(0)) {
                       Tensor<T> da = empty_like(*a);
                       detail::multiply_each(s.batch, {Transpose::no, Transpose::yes, s.m, s.k, s.n},
                                             detail::Matrices<T>{g.data(), step},
                                             detail::Matrices<T>{b->data(), s.step_b}, da.data(), s.step_a == 0);
                       in.add(0, std::move(da));
                     }
                     if (in.wanted(1)) {
                       Tensor<T> db = empty_like(*b);
                       detail::multiply_each(s.batch, {Transpose::yes, Transpose::no, s.k, s.n, s.m},
                                             detail::Matrices<T>{a->data(), s.step_a},
                                             detail::Matrices<T>{g.data(), step}, db.data(), s.step_b == 0);
                       in.add(1, std::move(db));
                     }
                   });
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T) template Variable<T> matmul(const Variable<T>& a, const Variable<T>& b);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
