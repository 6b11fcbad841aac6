// SPDX-License-Identifier: MIT
// Ops that move elements and change none: reshape, permute, concat, stack, slice, row gather.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>

#include "contexture/autograd/variable.hpp"

namespace contexture {

/// x with another shape of as many elements; throws std::invalid_argument otherwise.
template <class T>
[[nodiscard]] Variable<T> reshape(const Variable<T>& x, const Shape& shape);

/// Joins tensors that agree in every other axis along `axis` (negative: from the end).
template <class T>
[[nodiscard]] Variable<T> concat(std::span<const Variable<T>> parts, int axis);

/// The same.
template <class T>
[[nodiscard]] Variable<T> concat(std::initializer_list<Variable<T>> parts, int axis);

/// Joins tensors of one shape along a new axis: of n tensors (A,B), axis 1 makes (A,n,B).
template <class T>
[[nodiscard]] Variable<T> stack(std::span<const Variable<T>> parts, int axis);

/// The same.
template <class T>
[[nodiscard]] Variable<T> stack(std::initializer_list<Variable<T>> parts, int axis);

/// x with its axes in another order: axis i of the result is axis `axes[i]` of x. Throws std::invalid_argument unless
/// each axis is named once.
template <class T>
[[nodiscard]] Variable<T> permute(const Variable<T>& x, std::span<const int> axes);

/// The same.
template <class T>
[[nodiscard]] Variable<T> permute(const Variable<T>& x, std::initializer_list<int> axes);

/// x with its last two axes swapped: a matrix, or each of many, transposed.
template <class T>
[[nodiscard]] Variable<T> transpose(const Variable<T>& x);

/// The part of x from `begin` to before `end` along an axis; both count from the end where they are negative. Throws
/// std::invalid_argument where x has no such part.
template <class T>
[[nodiscard]] Variable<T> slice(const Variable<T>& x, int axis, Index begin, Index end);

/// y[i] = x[rows[i]] along the first axis; a row may be taken any number of times. x (N,...), result
/// (rows.size(),...). Throws std::invalid_argument for a row outside [0, N). Lets a batch be
/// encoded once and paired by index.
template <class T>
[[nodiscard]] Variable<T> gather_rows(const Variable<T>& x, std::span<const std::int32_t> rows);

/// y[i] = a[first[i]] + b[second[i]], without what gather_rows() would write of either. a (N,...), b (M,...) of the
/// same other extents, result (first.size(),...). Throws std::invalid_argument for other shapes, lists of different
/// length, or a row outside [0, N) or [0, M).
template <class T>
[[nodiscard]] Variable<T> add_rows(const Variable<T>& a, std::span<const std::int32_t> first, const Variable<T>& b,
                                   std::span<const std::int32_t> second);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/shape-inl.hpp"
#endif
