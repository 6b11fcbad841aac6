// SPDX-License-Identifier: MIT
// Layer normalisation (Ba, Kiros and Hinton, arXiv 1607.06450) over tensors seen as (rows, width): every row has a mean
// and a variance of its own. Rows do not depend on each other, and sums over rows are combined in a fixed order: the
// same bits with any number of threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "contexture/core/cpu.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/kernels/norm.hpp"

namespace contexture::kernels {

/// Some rows of what is normalised; all pointers to (rows, width), (rows) or (width).
template <class T>
struct LayerNormRows {
  Index rows = 0;
  Index width = 0;             ///< elements of a row, at least 1
  const T* x = nullptr;        ///< input
  const T* gamma = nullptr;    ///< scale; null: 1
  const T* beta = nullptr;     ///< shift, or null with gamma; not read backward
  const T* mean = nullptr;     ///< of each row; written by layer_norm_forward()
  const T* inv_std = nullptr;  ///< 1 / sqrt(variance + epsilon) of each row; written by layer_norm_forward()

  /// `count` of these rows, from `begin` on.
  [[nodiscard]] LayerNormRows part(Index begin, Index count) const {
    return {count, width, x + begin * width, gamma, beta, mean + begin, inv_std + begin};
  }
};

}  // namespace contexture::kernels

#define CONTEXTURE_KERNEL_SOURCE "contexture/kernels/layer_norm-inl.hpp"
#include "contexture/kernels/for_each_isa.hpp"

namespace contexture::kernels {
namespace dispatch {
template <class T>
void row_moments(Index rows, Index width, const T* x, T* mean, T* variance) {
  CONTEXTURE_DISPATCH(row_moments<T>(rows, width, x, mean, variance));
}
template <class T>
void row_affine(const LayerNormRows<T>& s, T* y) {
  CONTEXTURE_DISPATCH(row_affine<T>(s, y));
}
template <class T>
void row_backward(const LayerNormRows<T>& s, const T* dy, T* dx, T* dgamma, T* dbeta) {
  CONTEXTURE_DISPATCH(row_backward<T>(s, dy, dx, dgamma, dbeta));
}
}  // namespace dispatch

/// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, mean and (biased) variance of each row. y (rows, width)
/// may be x; mean, inv_std (rows), where s.mean and s.inv_std point, are kept for the backward pass.
template <class T>
void layer_norm_forward(const LayerNormRows<T>& s, double epsilon, T* y, T* mean, T* inv_std) {
  const Index block = dispatch::rows_per_block<T>(s.width);
  const Index blocks = (s.rows + block - 1) / block;
  parallel_for(blocks, std::max<Index>(1, 32768 / (block * s.width)), [=](Index first, Index last) {
    for (Index b = first; b < last; ++b) {
      const Index begin = b * block, rows = std::min(s.rows - begin, block);
      dispatch::row_moments(rows, s.width, s.x + begin * s.width, mean + begin, inv_std + begin);
      for (Index r = begin; r < begin + rows; ++r)
        inv_std[r] = static_cast<T>(1.0 / std::sqrt(static_cast<double>(inv_std[r]) + epsilon));
      dispatch::row_affine(s.part(begin, rows), y + begin * s.width);
    }
  });
}

/// dx (rows, width), which may be dy, and dgamma, dbeta (width) of layer_norm_forward().
template <class T>
void layer_norm_backward(const LayerNormRows<T>& s, const T* dy, T* dx, T* dgamma, T* dbeta) {
  std::vector<double> sums;
  dispatch::reduce_rows<T>(s.rows, s.width, sums, [&](Index begin, Index end, double* sum_gamma, double* sum_beta) {
    const auto width = static_cast<std::size_t>(s.width);
    Workspace<T> block(2 * width);
    std::fill_n(block.data(), 2 * width, T(0));
    const Index at = begin * s.width;
    dispatch::row_backward(s.part(begin, end - begin), dy + at, dx + at, block.data(), block.data() + width);
    for (std::size_t i = 0; i < width; ++i) {
      sum_gamma[i] += static_cast<double>(block.data()[i]);
      sum_beta[i] += static_cast<double>(block.data()[width + i]);
    }
  });
  for (Index i = 0; i < s.width; ++i) {
    dgamma[i] = static_cast<T>(sums[static_cast<std::size_t>(i)]);
    dbeta[i] = static_cast<T>(sums[static_cast<std::size_t>(s.width + i)]);
  }
}

}  // namespace contexture::kernels
