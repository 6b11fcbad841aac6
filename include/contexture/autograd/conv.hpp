// SPDX-License-Identifier: MIT
// Two-dimensional convolution (cross-correlation, as every framework has it) over (N,H,W,C).
#pragma once

#include "contexture/autograd/variable.hpp"

namespace contexture {

/// Geometry of a convolution, the same for both axes.
struct Conv2dOptions {
  Index stride = 1;
  Index padding = 0;  ///< zeros on each side
  Index dilation = 1;
  Index groups = 1;  ///< input channels are split into this many independent groups
};

/// x (N,H,W,C), weight (R,S,C/groups,K), bias (K, or undefined) -> (N,OH,OW,K) with
/// OH = (H + 2 padding - dilation (R - 1) - 1) / stride + 1. Under PrecisionGuard(Precision::bfloat16), without groups,
/// images are stored as bfloat16 (core/precision.hpp). Throws std::invalid_argument on shapes that do not fit.
template <class T>
[[nodiscard]] Variable<T> conv2d(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias = {},
                                 const Conv2dOptions& options = {});

/// What conv2d does backwards, as a layer: x (N,H,W,K), weight (R,S,C/groups,K) as of the convolution that leads from C
/// to K channels, bias (C, or undefined) -> (N,OH,OW,C), OH = (H - 1) stride - 2 padding + dilation (R - 1) + 1 +
/// extra. Under a stride several extents lead to H: `extra` (less than the stride) says which. Throws
/// std::invalid_argument on shapes that do not fit.
template <class T>
[[nodiscard]] Variable<T> conv_transpose2d(const Variable<T>& x, const Variable<T>& weight,
                                           const Variable<T>& bias = {}, const Conv2dOptions& options = {},
                                           Index extra = 0);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/conv-inl.hpp"
#endif
