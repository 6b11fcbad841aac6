// SPDX-License-Identifier: MIT
// The Gaussian error linear unit x * Phi(x) (Hendrycks and Gimpel, arXiv 1606.08415), not its tanh approximation.
// In double by the C library's erf; in float vectorised, to within a few units in the last place of 1 + |x|.
#pragma once

#include <cmath>
#include <numbers>

#include "contexture/core/cpu.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"

#define CONTEXTURE_KERNEL_SOURCE "contexture/kernels/gelu-inl.hpp"
#include "contexture/kernels/for_each_isa.hpp"

namespace contexture::kernels {
namespace dispatch {  // one range, on the calling thread
inline void gelu_forward(const float* x, float* y, Index n) { CONTEXTURE_DISPATCH(gelu_forward(x, y, n)); }
inline void gelu_backward(const float* x, float* grad, Index n) { CONTEXTURE_DISPATCH(gelu_backward(x, grad, n)); }

inline void gelu_forward(const double* x, double* y, Index n) {
  for (Index i = 0; i < n; ++i) y[i] = 0.5 * x[i] * (1 + std::erf(x[i] / std::numbers::sqrt2));
}
inline void gelu_backward(const double* x, double* grad, Index n) {
  constexpr double kDensity = std::numbers::inv_sqrtpi / std::numbers::sqrt2;
  for (Index i = 0; i < n; ++i)
    grad[i] *= 0.5 * (1 + std::erf(x[i] / std::numbers::sqrt2)) + x[i] * kDensity * std::exp(-0.5 * x[i] * x[i]);
}
}  // namespace dispatch

inline constexpr Index kGeluGrain = 8192;  // elements a thread at least

/// y[i] = x[i] * Phi(x[i]).
template <class T>
void gelu_forward(const T* x, T* y, Index n) {
  parallel_for(n, kGeluGrain, [=](Index b, Index e) { dispatch::gelu_forward(x + b, y + b, e - b); });
}

/// grad[i] *= d gelu(x[i]) / dx.
template <class T>
void gelu_backward(const T* x, T* grad, Index n) {
  parallel_for(n, kGeluGrain, [=](Index b, Index e) { dispatch::gelu_backward(x + b, grad + b, e - b); });
}

}  // namespace contexture::kernels
