// SPDX-License-Identifier: MIT
// What lies beyond the border of an image.
#pragma once

#include "contexture/core/tensor.hpp"

namespace contexture::detail {

// The reflection of coordinate i about the first and last pixel of [0, n): ... 2 1 0 1 2 ... n-1 n-2 ...
inline Index reflected(Index i, Index n) {
  if (n == 1) return 0;
  const Index period = 2 * (n - 1);
  i = ((i % period) + period) % period;
  return i < n ? i : period - i;
}

}  // namespace contexture::detail
