// SPDX-License-Identifier: MIT
// Zeros, and sums whose bits depend on the shape alone: partial sums are made in chunks whose
// number is fixed by the shape, and added up in the order of the chunks.
#pragma once

#include <algorithm>
#include <cstring>

#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture::kernels {

/// to[0, count) = 0; nothing where count <= 0.
template <class T>
void fill_zero(T* to, Index count) {
  if (count > 0) std::memset(to, 0, static_cast<std::size_t>(count) * sizeof(T));
}

/// out (size) = sum of partial (chunks,size) over the chunks, in their order. out may be partial.
template <class T>
void reduce_in_order(const T* partial, Index chunks, Index size, T* out) {
  parallel_for(size, 1 << 15, [&](Index begin, Index end) {
    if (out != partial) std::copy(partial + begin, partial + end, out + begin);
    for (Index chunk = 1; chunk < chunks; ++chunk) {
      const T* from = partial + chunk * size;
      for (Index i = begin; i < end; ++i) out[i] += from[i];
    }
  });
}

/// dbias (K) = sum of dy (pixels,K) over the pixels.
template <class Stored, class T>
void bias_gradient(const Stored* dy, Index pixels, Index k, T* dbias) {
  const Index chunks = std::clamp<Index>(pixels / 512, 1, 16);
  Workspace<T> partial(static_cast<std::size_t>(chunks * k));
  fill_zero(partial.data(), chunks * k);
  parallel_chunks(pixels, chunks, [&](Index chunk, Index begin, Index end) {
    T* sum = partial.data() + chunk * k;
    for (Index i = begin; i < end; ++i)
      for (Index j = 0; j < k; ++j) sum[j] += static_cast<T>(dy[i * k + j]);
  });
  reduce_in_order(partial.data(), chunks, k, dbias);
}

}  // namespace contexture::kernels
