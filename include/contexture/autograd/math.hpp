// SPDX-License-Identifier: MIT
// Functions of one number, element by element.
#pragma once

#include "contexture/autograd/variable.hpp"

namespace contexture {

/// Element by element, as sqrt() and tanh() below.
template <class T>
[[nodiscard]] Variable<T> exp(const Variable<T>& x);

/// The natural logarithm.
template <class T>
[[nodiscard]] Variable<T> log(const Variable<T>& x);

/// Element by element; of elements of 0 or more.
template <class T>
[[nodiscard]] Variable<T> sqrt(const Variable<T>& x);

/// |x|; its derivative at 0 is 0.
template <class T>
[[nodiscard]] Variable<T> abs(const Variable<T>& x);

/// x to the power of a number.
template <class T>
[[nodiscard]] Variable<T> pow(const Variable<T>& x, std::type_identity_t<T> exponent);

/// 1 / (1 + exp(-x)).
template <class T>
[[nodiscard]] Variable<T> sigmoid(const Variable<T>& x);

/// Element by element.
template <class T>
[[nodiscard]] Variable<T> tanh(const Variable<T>& x);

/// x * sigmoid(x) (Elfwing et al., arXiv 1702.03118; also called swish).
template <class T>
[[nodiscard]] Variable<T> silu(const Variable<T>& x);

/// x, but at least `low` and at most `high`; outside, and at both ends, its derivative is 0.
template <class T>
[[nodiscard]] Variable<T> clamp(const Variable<T>& x, std::type_identity_t<T> low, std::type_identity_t<T> high);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/math-inl.hpp"
#endif
