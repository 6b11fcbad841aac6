// SPDX-License-Identifier: MIT
// Group normalisation (Wu and He, arXiv 1803.08494) over tensors seen as (samples, rows, channels): a mean and a
// variance for each sample and each group of neighbouring channels. Built of batch-norm's loops over the rows of one
// sample (kernels/norm.hpp): like them, it can add a residual and apply ReLU in the same sweep. One thread computes a
// sample, and sums over samples are taken in their order: the same bits with any number of threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/kernels/norm.hpp"

namespace contexture::kernels {

/// What group normalisation reads, forward and backward.
template <class T>
struct GroupNormInput {
  Index samples = 0;
  Index rows = 0;      ///< pixels of a sample
  Index channels = 0;  ///< a multiple of groups
  Index groups = 1;
  const T* x = nullptr;         ///< (samples, rows, channels)
  const T* gamma = nullptr;     ///< (channels); null: 1
  const T* beta = nullptr;      ///< (channels), or null with gamma; not read backward
  const T* residual = nullptr;  ///< like x, or null; not read backward
  const T* dy = nullptr;        ///< backward: gradient of the output
  const T* y = nullptr;         ///< backward: the output, where ReLU followed a residual
  bool relu = false;

  /// Elements of what group_norm_forward() keeps: mean, 1 / std, scale and offset of each sample's channels.
  [[nodiscard]] Index constants() const { return 4 * samples * channels; }
};

namespace dispatch {

// The rows of sample n, with the constants that were made for it.
template <class T>
NormRows<T> sample_rows(const GroupNormInput<T>& in, Index n, const T* constants) {
  const Index c = in.channels, at = n * in.rows * c;
  const auto from = [at](const T* p) { return p != nullptr ? p + at : p; };
  const T* const own = constants + 4 * n * c;
  return {.rows = in.rows,
          .channels = c,
          .x = in.x + at,
          .scale = own + 2 * c,
          .offset = own + 3 * c,
          .mean = own,
          .residual = from(in.residual),
          .dy = from(in.dy),
          .y = from(in.y),
          .relu = in.relu};
}

// Mean, 1 / std, scale and offset of the channels of sample n, one after the other.
template <class T>
void sample_constants(const GroupNormInput<T>& in, Index n, double epsilon, T* out) {
  const Index c = in.channels, per_group = c / in.groups, block = dispatch::rows_per_block<T>(c);
  const T* const x = in.x + n * in.rows * c;
  std::vector<double> sums(static_cast<std::size_t>(2 * c), 0.0);  // of differences to the first row
  double* const sum = sums.data();
  double* const square = sum + c;
  for (Index r = 0; r < in.rows; r += block)
    dispatch::moments(NormRows<T>{.rows = std::min(block, in.rows - r), .channels = c, .x = x + r * c}, x, sum, square);
  const auto rows = static_cast<double>(in.rows), width = static_cast<double>(per_group);
  for (Index first = 0; first < c; first += per_group) {
    double mean = 0, deviation = 0;
    for (Index k = first; k < first + per_group; ++k) mean += (static_cast<double>(x[k]) + sum[k] / rows) / width;
    for (Index k = first; k < first + per_group; ++k) {
      const double shifted = sum[k] / rows, apart = static_cast<double>(x[k]) + shifted - mean;
      deviation += (std::max(0.0, square[k] / rows - shifted * shifted) + apart * apart) / width;
    }
    const double inverse = 1.0 / std::sqrt(deviation + epsilon);
    for (Index k = first; k < first + per_group; ++k) {
      const double scale = (in.gamma != nullptr ? static_cast<double>(in.gamma[k]) : 1.0) * inverse;
      out[k] = static_cast<T>(mean);
      out[c + k] = static_cast<T>(inverse);
      out[2 * c + k] = static_cast<T>(scale);
      out[3 * c + k] = static_cast<T>((in.beta != nullptr ? static_cast<double>(in.beta[k]) : 0.0) - mean * scale);
    }
  }
}

// Of dx = scale * g + factor * x + constant, given sums over rows of g and of g * (x - mean) for every channel.
template <class T>
void sample_coefficients(const GroupNormInput<T>& in, const T* constants, const double* sums, T* factor, T* constant) {
  const Index c = in.channels, per_group = c / in.groups;
  const auto count = static_cast<double>(in.rows * per_group);
  for (Index first = 0; first < c; first += per_group) {
    const auto mean = static_cast<double>(constants[first]), inverse = static_cast<double>(constants[c + first]);
    double h = 0, h_xhat = 0;
    for (Index k = first; k < first + per_group; ++k) {
      const double gamma = in.gamma != nullptr ? static_cast<double>(in.gamma[k]) : 1.0;
      h += gamma * sums[k];
      h_xhat += gamma * sums[c + k] * inverse;
    }
    const double f = -inverse * inverse * h_xhat / count;
    for (Index k = first; k < first + per_group; ++k) {
      factor[k] = static_cast<T>(f);
      constant[k] = static_cast<T>(-inverse * h / count - f * mean);
    }
  }
}

}  // namespace dispatch

/// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta (+ residual) (then ReLU), mean and (biased) variance of
/// each sample's group. y like x, may be x; `constants` (in.constants()) is kept for the backward pass.
template <class T>
void group_norm_forward(const GroupNormInput<T>& in, double epsilon, T* y, T* constants) {
  const Index c = in.channels, size = in.rows * c, block = dispatch::rows_per_block<T>(c);
  parallel_for(in.samples, std::max<Index>(1, 16384 / std::max<Index>(size, 1)), [=](Index begin, Index end) {
    for (Index n = begin; n < end; ++n) {
      dispatch::sample_constants(in, n, epsilon, constants + 4 * n * c);
      const NormRows<T> s = dispatch::sample_rows(in, n, constants);
      for (Index r = 0; r < in.rows; r += block)
        dispatch::affine(s.part(r, std::min(block, in.rows - r)), y + n * size + r * c);
    }
  });
}

/// The gradients of group_norm_forward(), given in.dy.
template <class T>
void group_norm_backward(const GroupNormInput<T>& in, const T* constants, const NormGradients<T>& out) {
  const Index c = in.channels, size = in.rows * c, block = dispatch::rows_per_block<T>(c);
  std::vector<double> sums(static_cast<std::size_t>(2 * in.samples * c), 0.0);
  parallel_for(in.samples, std::max<Index>(1, 16384 / std::max<Index>(size, 1)), [&](Index begin, Index end) {
    Workspace<T> coefficients(static_cast<std::size_t>(2 * c));
    T* const factor = coefficients.data();
    for (Index n = begin; n < end; ++n) {
      NormRows<T> s = dispatch::sample_rows(in, n, constants);
      T* const masked_dy = out.masked_dy != nullptr ? out.masked_dy + n * size : nullptr;
      double* const sum = sums.data() + 2 * n * c;
      for (Index r = 0; r < in.rows; r += block)
        dispatch::backward_sums(s.part(r, std::min(block, in.rows - r)), sum, sum + c,
                                masked_dy != nullptr ? masked_dy + r * c : nullptr);
      dispatch::sample_coefficients(in, s.mean, sum, factor, factor + c);
      if (masked_dy != nullptr) s.dy = masked_dy, s.relu = false;
      for (Index r = 0; r < in.rows; r += block)
        dispatch::backward_input(s.part(r, std::min(block, in.rows - r)), factor, factor + c,
                                 out.dx + n * size + r * c);
    }
  });
  for (Index k = 0; k < c; ++k) {
    double gamma = 0, beta = 0;
    for (Index n = 0; n < in.samples; ++n) {
      beta += sums[static_cast<std::size_t>(2 * n * c + k)];
      gamma +=
          sums[static_cast<std::size_t>((2 * n + 1) * c + k)] * static_cast<double>(constants[(4 * n + 1) * c + k]);
    }
    out.dgamma[k] = static_cast<T>(gamma);
    out.dbeta[k] = static_cast<T>(beta);
  }
}

}  // namespace contexture::kernels
