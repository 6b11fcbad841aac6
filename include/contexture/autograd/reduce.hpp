// SPDX-License-Identifier: MIT
// Sums, means and maxima along axes, and softmax along one. Axes may be counted from the end: -1 is the last.
#pragma once

#include <initializer_list>

#include "contexture/autograd/variable.hpp"

namespace contexture {

/// Sums along `axes`, accumulated in double. With keep_axes they stay, with extents of 1. Throws std::invalid_argument
/// for an axis that x has not, or that is named twice.
template <class T>
[[nodiscard]] Variable<T> sum(const Variable<T>& x, std::initializer_list<int> axes, bool keep_axes = false);

/// Means along `axes`. Throws std::invalid_argument as sum() does, and where there is nothing to take the mean of.
template <class T>
[[nodiscard]] Variable<T> mean(const Variable<T>& x, std::initializer_list<int> axes, bool keep_axes = false);

/// Maxima along `axes`; NaN where there is one. Where several elements are the largest, they share the gradient evenly.
/// Throws std::invalid_argument as mean() does.
template <class T>
[[nodiscard]] Variable<T> max(const Variable<T>& x, std::initializer_list<int> axes, bool keep_axes = false);

/// exp(x) over its sum along an axis; large numbers do not overflow.
template <class T>
[[nodiscard]] Variable<T> softmax(const Variable<T>& x, int axis = -1);

/// The logarithm of softmax(x, axis), computed without it.
template <class T>
[[nodiscard]] Variable<T> log_softmax(const Variable<T>& x, int axis = -1);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/reduce-inl.hpp"
#endif
