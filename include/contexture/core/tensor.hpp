// SPDX-License-Identifier: MIT
// Tensor<T>: a dense row-major array of any rank. It is an xtensor container (every xtensor
// function and view works on it) whose memory is 64-byte aligned, pooled and not zeroed.
// It has value semantics: a copy copies the elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "contexture/core/error.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/xtensor.hpp"

namespace contexture {

/// Signed index type of all kernels: safe beyond 2^31 elements, and differences may be negative.
using Index = std::int64_t;

/// Elements of T in row-major order, on memory of the pool that is 64-byte aligned. It is an xtensor container.
template <class T>
using Tensor = xt::xarray<T, xt::layout_type::row_major, PoolAllocator<T>>;

/// Extents of a tensor, outermost first. Images are (N,H,W,C), convolution weights (R,S,C,K).
using Shape = typename Tensor<float>::shape_type;

/// Number of elements of a tensor of this shape; 1 for the empty shape (a scalar).
[[nodiscard]] inline std::size_t element_count(const Shape& shape) {
  std::size_t count = 1;
  for (const std::size_t extent : shape) count *= extent;
  return count;
}

/// A tensor whose elements are not initialised.
template <class T>
[[nodiscard]] Tensor<T> empty(const Shape& shape) {
  return Tensor<T>(shape);
}

/// A tensor of that shape, `value` all over.
template <class T>
[[nodiscard]] Tensor<T> full(const Shape& shape, T value) {
  return Tensor<T>(shape, value);
}

/// A tensor of that shape, 0 all over.
template <class T>
[[nodiscard]] Tensor<T> zeros(const Shape& shape) {
  return Tensor<T>(shape, T(0));
}

/// Uninitialised, with the shape of `other`.
template <class T>
[[nodiscard]] Tensor<T> empty_like(const Tensor<T>& other) {
  return Tensor<T>(other.shape());
}

/// A tensor of the given shape with the elements of `values`, row-major.
template <class T>
[[nodiscard]] Tensor<T> tensor_of(const Shape& shape, std::span<const T> values) {
  require(values.size() == element_count(shape), "tensor_of: ", values.size(), " values for shape ", shape);
  Tensor<T> out(shape);
  std::copy(values.begin(), values.end(), out.data());
  return out;
}

/// Extent of one axis as a signed index; negative axes count from the end.
[[nodiscard]] inline Index dim(const Shape& shape, int axis) {
  const auto rank = static_cast<int>(shape.size());
  const int i = axis < 0 ? axis + rank : axis;
  require(i >= 0 && i < rank, "dim: axis ", axis, " of a tensor of shape ", shape);
  return static_cast<Index>(shape[static_cast<std::size_t>(i)]);
}
/// The same of a tensor.
template <class T>
[[nodiscard]] Index dim(const Tensor<T>& t, int axis) {
  return dim(t.shape(), axis);
}

}  // namespace contexture
