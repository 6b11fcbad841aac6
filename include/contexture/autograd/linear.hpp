// SPDX-License-Identifier: MIT
// Fully connected layer: y = x W + b.
#pragma once

#include "contexture/autograd/variable.hpp"

namespace contexture {

/// Options of linear().
struct LinearOptions {
  /// Of a hidden layer: in mixed precision it is computed as convolutions are, rounded to bfloat16
  /// (core/precision.hpp). Answers are not.
  bool hidden = false;
};

/// x (N,I) * weight (I,O) + bias (O, or undefined) -> (N,O). Throws std::invalid_argument on shapes
/// that do not fit.
template <class T>
[[nodiscard]] Variable<T> linear(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias = {},
                                 const LinearOptions& options = {});

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/linear-inl.hpp"
#endif
