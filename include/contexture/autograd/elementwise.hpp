// SPDX-License-Identifier: MIT
// Element-by-element ops, sums, and dropout. No broadcasting: operands have the same shape.
#pragma once

#include "contexture/autograd/variable.hpp"
#include "contexture/core/rng.hpp"

namespace contexture {

/// max(x, 0).
template <class T>
[[nodiscard]] Variable<T> relu(const Variable<T>& x);

/// x * Phi(x), not the approximation by tanh (Hendrycks and Gimpel, arXiv 1606.08415).
template <class T>
[[nodiscard]] Variable<T> gelu(const Variable<T>& x);

/// a + b; throws std::invalid_argument unless the shapes are equal.
template <class T>
[[nodiscard]] Variable<T> add(const Variable<T>& a, const Variable<T>& b);

/// a - b; throws std::invalid_argument unless the shapes are equal.
template <class T>
[[nodiscard]] Variable<T> subtract(const Variable<T>& a, const Variable<T>& b);

/// a * b, element by element; throws std::invalid_argument unless the shapes are equal.
template <class T>
[[nodiscard]] Variable<T> mul(const Variable<T>& a, const Variable<T>& b);

/// factor * x.
template <class T>
[[nodiscard]] Variable<T> scale(const Variable<T>& x, std::type_identity_t<T> factor);

/// Sum of all elements, a scalar; accumulated in double.
template <class T>
[[nodiscard]] Variable<T> sum(const Variable<T>& x);

/// Mean of all elements, a scalar; throws std::invalid_argument for an empty x.
template <class T>
[[nodiscard]] Variable<T> mean(const Variable<T>& x);

/// Inverted dropout (Srivastava et al., JMLR 2014): each element is 0 with probability p, else
/// x / (1 - p). p in [0, 1); which elements depends on `rng` only, which is not advanced. Where processes share a
/// batch, they drop what one would drop that had all their rows, one process's after the other's; collective then.
template <class T>
[[nodiscard]] Variable<T> dropout(const Variable<T>& x, float p, const Rng& rng);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/elementwise-inl.hpp"
#endif
