// SPDX-License-Identifier: MIT
// Ops that move elements and change none: reshape, concat, row gather.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "contexture/autograd/variable.hpp"
#include "contexture/core/compiled.hpp"
#include "contexture/core/parallel.hpp"

namespace contexture {

/// x with another shape of as many elements; throws std::invalid_argument otherwise.
template <class T>
[[nodiscard]] Variable<T> reshape(const Variable<T>& x, const Shape& shape) {
  require(element_count(shape) == x.size(), "reshape: ", x.shape(), " to ", shape, ", which has another size");
  Tensor<T> y = x.value();
  y.reshape(shape);
  return record<T>("reshape", std::move(y), {x},
                   [before = x.shape()](Tensor<T> g, const detail::InputGradients<T>& in) {
                     g.reshape(before);
                     in.add(0, std::move(g));
                   });
}

/// Joins tensors that agree in every other axis along `axis` (negative: from the end).
template <class T>
[[nodiscard]] Variable<T> concat(std::span<const Variable<T>> parts, int axis) {
  require(!parts.empty(), "concat: no tensors");
  Shape shape = parts[0].shape();
  const auto rank = static_cast<int>(shape.size());
  require(axis >= -rank && axis < rank, "concat: axis ", axis, " of tensors of shape ", shape);
  const auto a = static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
  shape[a] = 0;
  std::size_t inner = 1;  // elements behind one index of the axis
  std::size_t outer = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) (i < a ? outer : inner) *= i == a ? 1 : shape[i];
  std::vector<std::size_t> widths;  // contiguous run of each part
  for (const Variable<T>& part : parts) {
    Shape other = part.shape();
    require(other.size() == shape.size(), "concat: shapes ", parts[0].shape(), " and ", part.shape(),
            " differ in rank");
    widths.push_back(other[a] * inner);
    shape[a] += other[a];
    other[a] = parts[0].shape()[a];
    require(other == parts[0].shape(), "concat: shapes ", parts[0].shape(), " and ", part.shape(),
            " differ beyond axis ", axis);
  }
  auto y = std::make_shared<Tensor<T>>(empty<T>(shape));
  const std::size_t row = shape[a] * inner;
  std::size_t offset = 0;
  for (std::size_t k = 0; k < parts.size(); ++k) {
    const T* const from = parts[k].value().data();
    for (std::size_t o = 0; o < outer; ++o) std::copy_n(from + o * widths[k], widths[k], y->data() + o * row + offset);
    offset += widths[k];
  }
  std::vector<Shape> shapes;
  for (const Variable<T>& part : parts) shapes.push_back(part.shape());
  return record<T>("concat", y, parts, [=](Tensor<T> g, const detail::InputGradients<T>& in) {
    std::size_t at = 0;
    for (std::size_t k = 0; k < shapes.size(); ++k) {
      if (in.wanted(k)) {
        Tensor<T> part = empty<T>(shapes[k]);
        for (std::size_t o = 0; o < outer; ++o)
          std::copy_n(g.data() + o * row + at, widths[k], part.data() + o * widths[k]);
        in.add(k, std::move(part));
      }
      at += widths[k];
    }
  });
}

template <class T>
[[nodiscard]] Variable<T> concat(std::initializer_list<Variable<T>> parts, int axis) {
  return concat(std::span<const Variable<T>>(parts.begin(), parts.size()), axis);
}

/// y[i] = x[rows[i]] along the first axis; a row may be taken any number of times. x (N,...), result
/// (rows.size(),...). Throws std::invalid_argument for a row outside [0, N). Lets a batch be
/// encoded once and paired by index.
template <class T>
[[nodiscard]] Variable<T> gather_rows(const Variable<T>& x, std::span<const std::int32_t> rows) {
  require(x.value().dimension() >= 1, "gather_rows: a scalar has no rows");
  const Shape& from = x.shape();
  const auto count = static_cast<Index>(from[0]);
  const auto width = count == 0 ? Index{0} : static_cast<Index>(x.size()) / count;
  for (const std::int32_t row : rows)
    require(row >= 0 && row < count, "gather_rows: row ", row, " of a tensor of shape ", from);
  Shape shape = from;
  shape[0] = rows.size();
  Tensor<T> y = empty<T>(shape);
  const auto taken = static_cast<Index>(rows.size());
  const Index grain = std::max<Index>(1, 16384 / std::max<Index>(width, 1));
  const T* const source = x.value().data();
  T* const out = y.data();
  parallel_for(taken, grain, [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      std::copy_n(source + rows[static_cast<std::size_t>(i)] * width, width, out + i * width);
  });
  return record<T>("gather_rows", std::move(y), {x},
                   [from, width, picks = std::vector<std::int32_t>(rows.begin(), rows.end())](
                       Tensor<T> g, const detail::InputGradients<T>& in) {
                     Tensor<T> dx = zeros<T>(from);
                     for (std::size_t i = 0; i < picks.size(); ++i) {
                       T* const into = dx.data() + picks[i] * width;
                       const T* const add = g.data() + static_cast<Index>(i) * width;
                       for (Index k = 0; k < width; ++k) into[k] += add[k];
                     }
                     in.add(0, std::move(dx));
                   });
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                      \
  CONTEXTURE_EXTERN template Variable<T> concat<T>(std::span<const Variable<T>>, int); \
  CONTEXTURE_EXTERN template Variable<T> gather_rows<T>(const Variable<T>&, std::span<const std::int32_t>);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
