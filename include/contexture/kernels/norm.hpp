// Batch normalisation (Ioffe and Szegedy, arXiv 1502.03167) over tensors seen as (rows, channels):
// (N,C) for the 1-d form, (N*H*W,C) for images. The forward pass can add a residual and apply ReLU
// in the same sweep, and the backward pass undoes both: activations are the largest thing in
// memory, and each sweep over them costs as much as a 1x1 convolution.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "contexture/core/cpu.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"

#define CONTEXTURE_KERNEL_SOURCE "contexture/kernels/norm-inl.hpp"
#include "contexture/kernels/for_each_isa.hpp"

namespace contexture::kernels {
namespace dispatch {
template <class T>
void moments(Index rows, Index channels, const T* x, const T* shift, double* sum, double* square) {
  CONTEXTURE_DISPATCH(moments<T>(rows, channels, x, shift, sum, square));
}
template <class T>
void affine(Index rows, Index channels, const T* x, const T* scale, const T* offset, const T* residual, bool relu,
            T* y) {
  CONTEXTURE_DISPATCH(affine<T>(rows, channels, x, scale, offset, residual, relu, y));
}
template <class T>
void backward_sums(Index rows, Index channels, const T* x, const T* dy, const T* y, const T* mean, const T* scale,
                   const T* offset, bool relu, double* sum_dy, double* sum_dy_x, T* masked_dy) {
  CONTEXTURE_DISPATCH(
      backward_sums<T>(rows, channels, x, dy, y, mean, scale, offset, relu, sum_dy, sum_dy_x, masked_dy));
}
template <class T>
void backward_input(Index rows, Index channels, const T* x, const T* dy, const T* scale, const T* offset, bool relu,
                    const T* factor_x, const T* constant, T* dx) {
  CONTEXTURE_DISPATCH(backward_input<T>(rows, channels, x, dy, scale, offset, relu, factor_x, constant, dx));
}

// Rows whose partial sums fit one cache-resident sweep: 32 KiB of x.
template <class T>
Index rows_per_block(Index channels) {
  return std::clamp<Index>(32768 / static_cast<Index>(sizeof(T)) / std::max<Index>(channels, 1), 1, 256);
}

// Sums over rows of two quantities per channel, in double, combined in chunk order: the same bits
// with any number of threads. step(begin, end, sum, square) adds one block of rows.
template <class T, class Step>
void reduce_rows(Index rows, Index channels, std::vector<double>& sums, Step step) {
  const Index block = rows_per_block<T>(channels);
  const Index blocks = (rows + block - 1) / block;
  const Index chunks = std::min<Index>(blocks, 16);
  const auto width = static_cast<std::size_t>(2 * channels);
  std::vector<double> partial(static_cast<std::size_t>(std::max<Index>(chunks, 1)) * width, 0.0);
  parallel_chunks(blocks, chunks, [&](Index chunk, Index first, Index last) {
    double* const out = partial.data() + static_cast<std::size_t>(chunk) * width;
    for (Index b = first; b < last; ++b) step(b * block, std::min(rows, (b + 1) * block), out, out + channels);
  });
  sums.assign(width, 0.0);
  for (Index chunk = 0; chunk < chunks; ++chunk)
    for (std::size_t i = 0; i < width; ++i) sums[i] += partial[static_cast<std::size_t>(chunk) * width + i];
}
}  // namespace dispatch

/// Mean and biased variance of each channel of x (rows, channels). Sums are taken of differences
/// to the first row, in double beyond 256 rows: no cancellation for data far from zero.
template <class T>
void channel_moments(Index rows, Index channels, const T* x, double* mean, double* variance) {
  std::vector<double> sums;
  dispatch::reduce_rows<T>(rows, channels, sums, [&](Index b, Index e, double* s, double* q) {
    dispatch::moments(e - b, channels, x + b * channels, x, s, q);
  });
  const auto n = static_cast<double>(std::max<Index>(rows, 1));
  for (Index c = 0; c < channels; ++c) {
    const double shifted = sums[static_cast<std::size_t>(c)] / n;
    mean[c] = (rows > 0 ? static_cast<double>(x[c]) : 0.0) + shifted;
    variance[c] = std::max(0.0, sums[static_cast<std::size_t>(channels + c)] / n - shifted * shifted);
  }
}

/// y = x * scale + offset (+ residual), then ReLU where asked. x, residual (may be null), y:
/// (rows, channels); scale, offset: (channels). y may be x.
template <class T>
void channel_affine(Index rows, Index channels, const T* x, const T* scale, const T* offset, const T* residual,
                    bool relu, T* y) {
  const Index block = dispatch::rows_per_block<T>(channels);
  const Index blocks = (rows + block - 1) / block;
  parallel_for(blocks, std::max<Index>(1, 32768 / (block * std::max<Index>(channels, 1))),
               [=](Index first, Index last) {
                 for (Index b = first; b < last; ++b) {
                   const Index at = b * block * channels;
                   dispatch::affine(std::min(rows - b * block, block), channels, x + at, scale, offset,
                                    residual != nullptr ? residual + at : nullptr, relu, y + at);
                 }
               });
}

/// What batch_norm_backward reads; all pointers to (rows, channels) or (channels).
template <class T>
struct BatchNormBackward {
  Index rows = 0;
  Index channels = 0;
  const T* x = nullptr;        ///< input of the forward pass
  const T* y = nullptr;        ///< its output; needed only where ReLU followed a residual addition
  const T* mean = nullptr;     ///< mean used by the forward pass
  const T* inv_std = nullptr;  ///< 1 / sqrt(variance + epsilon) used by the forward pass
  const T* scale = nullptr;    ///< gamma * inv_std
  const T* offset = nullptr;   ///< beta - mean * scale
  bool relu = false;
  bool batch_statistics = true;  ///< false: mean and variance were constants (eval mode)
};

/// dx (may be dy), dgamma, dbeta (may be null) and, where `masked_dy` is not null (may be dy, but
/// then not dx as well), the gradient behind the ReLU, which is the residual's gradient.
template <class T>
void batch_norm_backward(const BatchNormBackward<T>& s, const T* dy, T* dx, T* dgamma, T* dbeta, T* masked_dy) {
  std::vector<double> sums;
  dispatch::reduce_rows<T>(s.rows, s.channels, sums, [&](Index b, Index e, double* sum, double* sum_x) {
    const Index at = b * s.channels;
    dispatch::backward_sums(e - b, s.channels, s.x + at, dy + at, s.y != nullptr ? s.y + at : nullptr, s.mean, s.scale,
                            s.offset, s.relu, sum, sum_x, masked_dy != nullptr ? masked_dy + at : nullptr);
  });
  // With g the masked gradient, xhat = (x - mean) * inv_std and n rows:
  //   dx = scale * (g - mean(g) - xhat * mean(g * xhat)) = scale * g + factor * x + constant.
  Workspace<T> coefficients(static_cast<std::size_t>(2 * s.channels));
  T* const factor = coefficients.data();
  T* const constant = factor + s.channels;
  const auto n = static_cast<double>(std::max<Index>(s.rows, 1));
  for (Index c = 0; c < s.channels; ++c) {
    const double sum_g = sums[static_cast<std::size_t>(c)];
    const double sum_g_xhat = sums[static_cast<std::size_t>(s.channels + c)] * static_cast<double>(s.inv_std[c]);
    if (dgamma != nullptr) dgamma[c] = static_cast<T>(sum_g_xhat);
    if (dbeta != nullptr) dbeta[c] = static_cast<T>(sum_g);
    const double a = static_cast<double>(s.scale[c]);
    const double f = s.batch_statistics ? -a * static_cast<double>(s.inv_std[c]) * sum_g_xhat / n : 0.0;
    factor[c] = static_cast<T>(f);
    constant[c] = static_cast<T>(s.batch_statistics ? -a * sum_g / n - f * static_cast<double>(s.mean[c]) : 0.0);
  }
  const T* const g = masked_dy != nullptr ? masked_dy : dy;
  const bool mask_again = s.relu && masked_dy == nullptr;
  const Index block = dispatch::rows_per_block<T>(s.channels);
  const Index blocks = (s.rows + block - 1) / block;
  parallel_for(blocks, std::max<Index>(1, 32768 / (block * std::max<Index>(s.channels, 1))),
               [&](Index first, Index last) {
                 for (Index b = first; b < last; ++b) {
                   const Index at = b * block * s.channels;
                   dispatch::backward_input(std::min(s.rows - b * block, block), s.channels, s.x + at, g + at, s.scale,
                                            s.offset, mask_again, factor, constant, dx + at);
                 }
               });
}

}  // namespace contexture::kernels
