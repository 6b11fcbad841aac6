// SPDX-License-Identifier: MIT
// Matrix product over all threads: the rows of the result are shared out, and each share is one
// single-threaded BLAS call.
#pragma once

#include <algorithm>

#include "contexture/core/blas.hpp"
#include "contexture/core/parallel.hpp"

namespace contexture::kernels {

/// C (m,n) = op(A) (m,k) * op(B) (k,n) + beta * C, all dense and row-major. The same bits with any number of threads.
template <class T>
void matmul(Transpose trans_a, Transpose trans_b, Index m, Index n, Index k, const T* a, const T* b, T beta, T* c) {
  const Index lda = trans_a == Transpose::no ? k : m;
  const Index ldb = trans_b == Transpose::no ? n : k;
  // A share below about 2 MFLOP is not worth a thread, and one of few rows not the packing of B, which every call
  // repeats. How many there are depends on the shape only, since BLAS may round a row otherwise in another company.
  constexpr Index most = 16;
  const Index rows_worth = std::max<Index>(64, 1'000'000 / std::max<Index>(1, n * k));
  const Index shares = std::clamp<Index>(m / rows_worth, 1, most);
  parallel_chunks(m, shares, [=](Index, Index begin, Index end) {
    const T* const rows = trans_a == Transpose::no ? a + begin * lda : a + begin;
    gemm(trans_a, trans_b, end - begin, n, k, T(1), rows, lda, b, ldb, beta, c + begin * n, n);
  });
}

}  // namespace contexture::kernels
