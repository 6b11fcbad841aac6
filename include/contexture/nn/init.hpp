// SPDX-License-Identifier: MIT
// Initialisers for weights. fan_in and fan_out count the scalars that feed one output and that one
// input feeds: I and O for linear (I,O); R*S*C/groups and R*S*K/groups for convolution.
#pragma once

#include <cmath>

#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {

/// Normal with variance gain^2 / fan_in, gain sqrt(2) for ReLU (He et al., arXiv 1502.01852).
template <class T>
[[nodiscard]] Tensor<T> he_normal(const Shape& shape, Index fan_in, Rng rng) {
  require(fan_in > 0, "he_normal: fan_in ", fan_in, ", expected at least 1");
  Tensor<T> w = empty<T>(shape);
  const double deviation = std::sqrt(2.0 / static_cast<double>(fan_in));
  for (T& x : w.storage()) x = static_cast<T>(deviation * static_cast<double>(rng.normal()));
  return w;
}

/// Uniform in [-a, a], a = sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, AISTATS 2010).
template <class T>
[[nodiscard]] Tensor<T> xavier_uniform(const Shape& shape, Index fan_in, Index fan_out, Rng rng) {
  require(fan_in + fan_out > 0, "xavier_uniform: fan_in ", fan_in, " and fan_out ", fan_out, ", expected at least 1");
  Tensor<T> w = empty<T>(shape);
  const auto a = static_cast<float>(std::sqrt(6.0 / static_cast<double>(fan_in + fan_out)));
  for (T& x : w.storage()) x = static_cast<T>(rng.uniform(-a, a));
  return w;
}

}  // namespace contexture
