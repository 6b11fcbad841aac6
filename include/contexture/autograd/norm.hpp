// SPDX-License-Identifier: MIT
// Batch normalisation over the last axis, alone or with what usually follows it: the addition of
// a residual and ReLU. The 1-d and the 2-d form are one op, since channels are the last axis.
#pragma once

#include "contexture/autograd/conv.hpp"
#include "contexture/autograd/variable.hpp"

namespace contexture {

/// How batch_norm normalises, and what it does in the same sweep over memory.
struct BatchNormOptions {
  bool training = true;   ///< statistics of this batch, and running ones updated; false: running ones
  double momentum = 0.1;  ///< weight of this batch in the running statistics
  double epsilon = 1e-5;
  bool relu = false;  ///< ReLU afterwards
};

namespace detail {

// Of the op and of the layer alike.
inline void require_batch_norm_options(const char* what, double epsilon, double momentum) {
  require(epsilon > 0 && momentum >= 0 && momentum <= 1, what, ": epsilon ", epsilon, ", momentum ", momentum,
          ", expected > 0, and 0 to 1");
}

}  // namespace detail

/// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta (+ residual) (then ReLU), per channel of the
/// last axis of x (...,C) (Ioffe and Szegedy, arXiv 1502.03167). gamma, beta (C): both or neither
/// defined; residual: like x, or undefined. In training the running statistics (C) are updated, the
/// variance with the unbiased estimate; where processes share a batch (SharedBatchGuard), that may be all of it, and
/// the call is collective, as backward then is. Throws std::invalid_argument on shapes that do not fit, or when
/// training on fewer than two values a channel, or for an epsilon or momentum out of range.
template <class T>
[[nodiscard]] Variable<T> batch_norm(const Variable<T>& x, const Variable<T>& gamma, const Variable<T>& beta,
                                     Tensor<T>& running_mean, Tensor<T>& running_variance,
                                     const BatchNormOptions& options = {}, const Variable<T>& residual = {});

/// What batch_norm() is told besides its input.
template <class T>
struct BatchNormArguments {
  Variable<T> gamma, beta;
  Tensor<T>& running_mean;
  Tensor<T>& running_variance;
  BatchNormOptions options;
  Variable<T> residual;
};

/// batch_norm(conv2d(x, weight)) with fewer sweeps over memory: in training the convolution leaves the moments of what
/// it stores, and in evaluation, where no gradient is wanted, it normalises its sums before they are stored, and in
/// bfloat16 before they are rounded. Throws what the two throw.
template <class T>
[[nodiscard]] Variable<T> conv2d_batch_norm(const Variable<T>& x, const Variable<T>& weight,
                                            const Conv2dOptions& options, const BatchNormArguments<T>& norm);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/norm-inl.hpp"
#endif
