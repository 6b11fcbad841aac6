// SPDX-License-Identifier: MIT
// Normalisations that look at one sample alone, the same in training and evaluation: layer and group normalisation.
#pragma once

#include "contexture/autograd/variable.hpp"

namespace contexture {

/// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, with mean and (biased) variance over the last axis of x
/// (...,C) (Ba, Kiros and Hinton, arXiv 1607.06450). gamma, beta (C): both or neither defined. Throws
/// std::invalid_argument on shapes that do not fit, or an epsilon that is not positive.
template <class T>
[[nodiscard]] Variable<T> layer_norm(const Variable<T>& x, const Variable<T>& gamma = {}, const Variable<T>& beta = {},
                                     double epsilon = 1e-5);

/// How group_norm normalises, and what it does in the same sweep over memory.
struct GroupNormOptions {
  Index groups = 1;  ///< of neighbouring channels; 1: all of a sample, as many as channels: instance normalisation
  double epsilon = 1e-5;
  bool relu = false;  ///< ReLU afterwards
};

/// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta (+ residual) (then ReLU), with mean and (biased) variance
/// of each sample over all its pixels and a group of channels; x (N,...,C) (Wu and He, arXiv 1803.08494). gamma, beta
/// (C): both or neither defined; residual: like x, or undefined. Throws std::invalid_argument on shapes that do not
/// fit, groups that do not divide C, or an epsilon that is not positive.
template <class T>
[[nodiscard]] Variable<T> group_norm(const Variable<T>& x, const Variable<T>& gamma, const Variable<T>& beta,
                                     const GroupNormOptions& options = {}, const Variable<T>& residual = {});

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/sample_norm-inl.hpp"
#endif
