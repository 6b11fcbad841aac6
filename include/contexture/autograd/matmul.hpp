// SPDX-License-Identifier: MIT
// Products of matrices, also of many at once.
#pragma once

#include "contexture/autograd/variable.hpp"

namespace contexture {

/// The product of a (...,M,K) and b (...,K,N): (...,M,N). The axes ahead of the last two are the same, or one of both
/// has none and is multiplied with each matrix of the other. Throws std::invalid_argument where the shapes don't fit.
template <class T>
[[nodiscard]] Variable<T> matmul(const Variable<T>& a, const Variable<T>& b);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/matmul-inl.hpp"
#endif
