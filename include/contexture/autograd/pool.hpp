// SPDX-License-Identifier: MIT
// Spatial pooling over (N,H,W,C).
#pragma once

#include "contexture/autograd/variable.hpp"

namespace contexture {

/// Window of a pooling op, the same for both axes.
struct Pool2dOptions {
  Index kernel = 2;
  Index stride = 0;   ///< 0: as the kernel, windows side by side
  Index padding = 0;  ///< at most kernel / 2, so that no window lies in the padding altogether
};

/// Maximum of each window; the gradient goes to the first pixel that attains it. Throws std::invalid_argument for
/// images of 2^31 pixels and more.
template <class T>
[[nodiscard]] Variable<T> max_pool2d(const Variable<T>& x, const Pool2dOptions& options = {});

/// Mean of each window; padding is not counted.
template <class T>
[[nodiscard]] Variable<T> avg_pool2d(const Variable<T>& x, const Pool2dOptions& options = {});

/// Mean over all pixels: (N,H,W,C) -> (N,C). Throws std::invalid_argument for an empty image.
template <class T>
[[nodiscard]] Variable<T> global_avg_pool(const Variable<T>& x);

/// Each pixel `factor` x `factor` times: (N,H,W,C) -> (N, factor H, factor W, C).
template <class T>
[[nodiscard]] Variable<T> upsample2d(const Variable<T>& x, Index factor);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/pool-inl.hpp"
#endif
