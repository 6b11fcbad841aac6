// SPDX-License-Identifier: MIT
// Batch normalisation (Ioffe and Szegedy, arXiv 1502.03167) over tensors seen as (rows, channels):
// (N,C) for the 1-d form, (N*H*W,C) for images. The forward pass can add a residual and apply ReLU
// in the same sweep, and the backward pass undoes both: activations are the largest thing in
// memory, and each sweep over them costs as much as a 1x1 convolution.
#pragma once

#include <algorithm>
#include <functional>
#include <span>
#include <vector>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/compiled.hpp"
#include "contexture/core/cpu.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture::kernels {

/// Some rows of what is normalised: pointers to (rows, channels) or (channels), null where a loop has no use for them.
/// Rows may be stored as another type P than what is computed in.
template <class T, class P = T>
struct NormRows {
  Index rows = 0;
  Index channels = 0;
  const P* x = nullptr;         ///< input
  const T* scale = nullptr;     ///< gamma / sqrt(variance + epsilon)
  const T* offset = nullptr;    ///< beta - mean * scale
  const T* mean = nullptr;      ///< backward: mean used by the forward pass
  const P* residual = nullptr;  ///< forward: added before the ReLU
  const P* dy = nullptr;        ///< backward: gradient of the output
  const P* y = nullptr;         ///< backward: the output, where ReLU followed a residual addition
  bool relu = false;

  /// `count` of these rows, from `begin` on.
  [[nodiscard]] NormRows part(Index begin, Index count) const {
    const Index at = begin * channels;
    return {count, channels, on(x, at), scale, offset, mean, on(residual, at), on(dy, at), on(y, at), relu};
  }
  /// These rows from channel c on; `channels` stays the distance between rows.
  [[nodiscard, gnu::always_inline]] inline NormRows from(Index c) const {
    return {rows,        channels,        on(x, c),  on(scale, c), on(offset, c),
            on(mean, c), on(residual, c), on(dy, c), on(y, c),     relu};
  }

 private:
  template <class Q>
  [[gnu::always_inline]] static inline const Q* on(const Q* p, Index by) {
    return p != nullptr ? p + by : p;
  }
};

}  // namespace contexture::kernels

#define CONTEXTURE_KERNEL_SOURCE "contexture/kernels/norm-inl.hpp"
#include "contexture/kernels/for_each_isa.hpp"

namespace contexture::kernels {
namespace dispatch {
template <class T, class P>
void moments(const NormRows<T, P>& s, const P* shift, double* sum, double* square) {
  CONTEXTURE_DISPATCH(moments<T, P>(s, shift, sum, square));
}
template <class T, class P>
void affine(const NormRows<T, P>& s, P* y) {
  CONTEXTURE_DISPATCH(affine<T, P>(s, y));
}
template <class T, class P>
void backward_sums(const NormRows<T, P>& s, double* sum_dy, double* sum_dy_x, P* masked_dy) {
  CONTEXTURE_DISPATCH(backward_sums<T, P>(s, sum_dy, sum_dy_x, masked_dy));
}
template <class T, class P>
void backward_input(const NormRows<T, P>& s, const T* factor_x, const T* constant, P* dx) {
  CONTEXTURE_DISPATCH(backward_input<T, P>(s, factor_x, constant, dx));
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
template <class P>
void channel_moments(Index rows, Index channels, const P* x, double* mean, double* variance) {
  using T = Accumulator<P>;
  std::vector<double> sums;
  dispatch::reduce_rows<T>(rows, channels, sums, [&](Index b, Index e, double* s, double* q) {
    dispatch::moments(NormRows<T, P>{.rows = e - b, .channels = channels, .x = x + b * channels}, x, s, q);
  });
  const auto n = static_cast<double>(std::max<Index>(rows, 1));
  for (Index c = 0; c < channels; ++c) {
    const double shifted = sums[static_cast<std::size_t>(c)] / n;
    mean[c] = (rows > 0 ? static_cast<double>(static_cast<T>(x[c])) : 0.0) + shifted;
    variance[c] = std::max(0.0, sums[static_cast<std::size_t>(channels + c)] / n - shifted * shifted);
  }
}

/// Calls step(begin, count) for blocks of rows that fit one cache-resident sweep, shared out between threads.
template <class T, class Step>
void for_blocks_of_rows(Index rows, Index channels, Step step) {
  const Index block = dispatch::rows_per_block<T>(channels);
  parallel_for((rows + block - 1) / block, std::max<Index>(1, 32768 / (block * std::max<Index>(channels, 1))),
               [&](Index first, Index last) {
                 for (Index b = first; b < last; ++b) step(b * block, std::min(rows - b * block, block));
               });
}

/// y = x * scale + offset (+ residual), then ReLU where asked. y (rows, channels) may be x.
template <class T, class P>
void channel_affine(const NormRows<T, P>& s, P* y) {
  for_blocks_of_rows<T>(s.rows, s.channels, [&](Index begin, Index count) {
    dispatch::affine(s.part(begin, count), y + begin * s.channels);
  });
}

/// Where gradients go; masked_dy is the gradient behind the ReLU, which is the residual's. One of dx and masked_dy may
/// be in the place of the output's gradient.
template <class T, class P = T>
struct NormGradients {
  P* dx = nullptr;         ///< (rows, channels)
  T* dgamma = nullptr;     ///< (channels), or null
  T* dbeta = nullptr;      ///< (channels), or null
  P* masked_dy = nullptr;  ///< (rows, channels), or null
};

/// Where batch normalisation had mean and variance from.
struct NormStatistics {
  bool of_batch = true;  ///< of a batch; else they were constants
  /// Of a batch of which these rows are a part: turns two sums a channel over them into sums over the batch, and
  /// returns its rows. None: these rows are the batch.
  std::function<double(std::span<double> sums)> whole = {};
};

/// The gradients of batch normalisation; those of scale and shift are of these rows. inv_std (channels):
/// 1 / sqrt(variance + epsilon) of the forward pass.
template <class T, class P>
void batch_norm_backward(const NormRows<T, P>& s, const T* inv_std, const NormStatistics& statistics,
                         const NormGradients<T, P>& out) {
  std::vector<double> sums;
  dispatch::reduce_rows<T>(s.rows, s.channels, sums, [&](Index b, Index e, double* sum, double* sum_x) {
    dispatch::backward_sums(s.part(b, e - b), sum, sum_x,
                            out.masked_dy != nullptr ? out.masked_dy + b * s.channels : nullptr);
  });
  // With g the masked gradient, xhat = (x - mean) * inv_std and n rows:
  //   dx = scale * (g - mean(g) - xhat * mean(g * xhat)) = scale * g + factor * x + constant.
  Workspace<T> coefficients(static_cast<std::size_t>(2 * s.channels));
  T* const factor = coefficients.data();
  T* const constant = factor + s.channels;
  for (Index c = 0; c < s.channels; ++c) {
    const double sum_g_xhat = sums[static_cast<std::size_t>(s.channels + c)] * static_cast<double>(inv_std[c]);
    if (out.dgamma != nullptr) out.dgamma[c] = static_cast<T>(sum_g_xhat);
    if (out.dbeta != nullptr) out.dbeta[c] = static_cast<T>(sums[static_cast<std::size_t>(c)]);
  }
  const bool batch_statistics = statistics.of_batch;
  auto n = static_cast<double>(std::max<Index>(s.rows, 1));
  if (batch_statistics && statistics.whole) n = statistics.whole(sums);
  for (Index c = 0; c < s.channels; ++c) {
    const double sum_g = sums[static_cast<std::size_t>(c)];
    const double sum_g_xhat = sums[static_cast<std::size_t>(s.channels + c)] * static_cast<double>(inv_std[c]);
    const double a = static_cast<double>(s.scale[c]);
    const double f = batch_statistics ? -a * static_cast<double>(inv_std[c]) * sum_g_xhat / n : 0.0;
    factor[c] = static_cast<T>(f);
    constant[c] = static_cast<T>(batch_statistics ? -a * sum_g / n - f * static_cast<double>(s.mean[c]) : 0.0);
  }
  NormRows<T, P> behind = s;  // the ReLU
  if (out.masked_dy != nullptr) behind.dy = out.masked_dy, behind.relu = false;
  for_blocks_of_rows<T>(s.rows, s.channels, [&](Index begin, Index count) {
    dispatch::backward_input(behind.part(begin, count), factor, constant, out.dx + begin * s.channels);
  });
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T, P)                                                                                \
  CONTEXTURE_EXTERN template void channel_moments<P>(Index, Index, const P*, double*, double*);                     \
  CONTEXTURE_EXTERN template void channel_affine<T, P>(const NormRows<T, P>&, P*);                                  \
  CONTEXTURE_EXTERN template void batch_norm_backward<T, P>(const NormRows<T, P>&, const T*, const NormStatistics&, \
                                                            const NormGradients<T, P>&);
CONTEXTURE_INSTANTIATE(float, float)
CONTEXTURE_INSTANTIATE(double, double)
CONTEXTURE_INSTANTIATE(float, bfloat16)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture::kernels
