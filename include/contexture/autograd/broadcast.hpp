// SPDX-License-Identifier: MIT
// Arithmetic of two tensors whose shapes are broadcast as NumPy does it: aligned at the last axis, an extent of 1, or a
// missing axis, is repeated. a + b, a - b, a * b, a / b, the same with numbers, and select().
#pragma once

#include <cstdint>
#include <type_traits>

#include "contexture/autograd/variable.hpp"

namespace contexture {

/// a + b, with shapes broadcast. Throws std::invalid_argument where they don't fit; so do the operators below.
template <class T>
[[nodiscard]] Variable<T> operator+(const Variable<T>& a, const Variable<T>& b);

/// a - b.
template <class T>
[[nodiscard]] Variable<T> operator-(const Variable<T>& a, const Variable<T>& b);

/// a * b, element by element; matmul() multiplies matrices.
template <class T>
[[nodiscard]] Variable<T> operator*(const Variable<T>& a, const Variable<T>& b);

/// a / b, element by element.
template <class T>
[[nodiscard]] Variable<T> operator/(const Variable<T>& a, const Variable<T>& b);

/// Element by element.
template <class T>
[[nodiscard]] Variable<T> operator-(const Variable<T>& x);

/// Element by element.
template <class T>
[[nodiscard]] Variable<T> operator+(const Variable<T>& x, std::type_identity_t<T> number);

/// Element by element.
template <class T>
[[nodiscard]] Variable<T> operator+(std::type_identity_t<T> number, const Variable<T>& x);

/// Element by element.
template <class T>
[[nodiscard]] Variable<T> operator-(const Variable<T>& x, std::type_identity_t<T> number);

/// Element by element.
template <class T>
[[nodiscard]] Variable<T> operator-(std::type_identity_t<T> number, const Variable<T>& x);

/// Element by element.
template <class T>
[[nodiscard]] Variable<T> operator*(const Variable<T>& x, std::type_identity_t<T> number);

/// Element by element.
template <class T>
[[nodiscard]] Variable<T> operator*(std::type_identity_t<T> number, const Variable<T>& x);

/// Element by element.
template <class T>
[[nodiscard]] Variable<T> operator/(const Variable<T>& x, std::type_identity_t<T> number);

/// Element by element.
template <class T>
[[nodiscard]] Variable<T> operator/(std::type_identity_t<T> number, const Variable<T>& x);

/// a where `mask` is not 0, else b; all three of one shape. What is not taken gets no gradient, and may be NaN.
template <class T>
[[nodiscard]] Variable<T> select(const Tensor<std::uint8_t>& mask, const Variable<T>& a, const Variable<T>& b);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/broadcast-inl.hpp"
#endif
