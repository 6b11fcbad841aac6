// SPDX-License-Identifier: MIT
// How autograd/reduce.hpp computes.
#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "contexture/autograd/broadcast-inl.hpp"
#include "contexture/autograd/reduce.hpp"
#include "contexture/autograd/shape-inl.hpp"
#include "contexture/autograd/shape.hpp"
#include "contexture/autograd/variable.hpp"
#include "contexture/core/finite.hpp"

namespace contexture {

namespace detail {

// The shape with an extent of 1 along each axis.
inline Shape reduced_shape(const char* op, const Shape& shape, std::initializer_list<int> axes) {
  Shape out = shape;
  std::vector<bool> seen(shape.size(), false);
  for (const int axis : axes) {
    const std::size_t a = axis_of(op, shape, axis);
    require(!seen[a], op, ": axis ", axis, " of a tensor of shape ", shape, " is named twice");
    seen[a] = true;
    out[a] = 1;
  }
  return out;
}

inline Shape without_axes(const Shape& shape, std::initializer_list<int> axes) {
  const auto rank = static_cast<int>(shape.size());
  Shape out;
  for (int i = 0; i < rank; ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end() &&
        std::find(axes.begin(), axes.end(), i - rank) == axes.end())
      out.push_back(shape[static_cast<std::size_t>(i)]);
  return out;
}

// Each element of `from` (with extents of 1 where it is repeated) as often as it takes to fill `to`.
template <class T>
Tensor<T> repeated(const Tensor<T>& from, const Shape& to) {
  Tensor<T> out = empty<T>(to);
  T* const y = out.data();
  const T* const x = from.data();
  if (out.size() > 0)
    for_each_pair(broadcast_walk("repeat", to, from.shape(), from.shape()),
                  [=](Index i, Index j, Index) { y[i] = x[j]; });
  return out;
}

}  // namespace detail

template <class T>
Variable<T> sum(const Variable<T>& x, std::initializer_list<int> axes, bool keep_axes) {
  const Shape kept = detail::reduced_shape("sum", x.shape(), axes);
  const T* const from = x.value().data();
  Tensor<T> y = detail::sum_repeated<T>(x.shape(), kept, [from](Index i) { return from[i]; });
  if (!keep_axes) y.reshape(detail::without_axes(x.shape(), axes));
  const Tensor<T> told = detail::axes_told<T>("sum", x.shape(), axes);
  return record<T>({"sum", {{"axes", &told}, {"keep", keep_axes}}}, std::move(y), {x},
                   [kept, shape = x.shape()](Tensor<T> g, const detail::InputGradients<T>& in) {
                     g.reshape(kept);
                     in.add(0, detail::repeated(g, shape));
                   });
}

template <class T>
Variable<T> mean(const Variable<T>& x, std::initializer_list<int> axes, bool keep_axes) {
  const std::size_t results = element_count(detail::reduced_shape("mean", x.shape(), axes));
  require(x.size() > 0, "mean: empty tensor of shape ", x.shape());
  return scale(sum(x, axes, keep_axes), static_cast<T>(results) / static_cast<T>(x.size()));
}

template <class T>
Variable<T> max(const Variable<T>& x, std::initializer_list<int> axes, bool keep_axes) {
  const Shape kept = detail::reduced_shape("max", x.shape(), axes);
  require(x.size() > 0, "max: empty tensor of shape ", x.shape());
  const detail::BroadcastWalk walk = detail::broadcast_walk("max", x.shape(), kept, kept);
  const auto y = std::make_shared<Tensor<T>>(full<T>(kept, -std::numeric_limits<T>::infinity()));
  const auto each = [walk](const auto& f) { walk.visit(0, walk.outer(), [&](Index i, Index at, Index) { f(i, at); }); };
  const T* const from = x.value().data();
  T* const to = y->data();
  each([=](Index i, Index j) {
    if (from[i] > to[j] || is_nan(from[i])) to[j] = from[i];  // NaN stays
  });
  Tensor<T> result = *y;
  if (!keep_axes) result.reshape(detail::without_axes(x.shape(), axes));
  const Tensor<T> told = detail::axes_told<T>("max", x.shape(), axes);
  return record<T>({"max", {{"axes", &told}, {"keep", keep_axes}}}, std::move(result), {x},
                   [=, x = x.saved()](Tensor<T> g, const detail::InputGradients<T>& in) {
                     std::vector<Index> ties(y->size(), 0);
                     each([&](Index i, Index j) { ties[static_cast<std::size_t>(j)] += x->data()[i] == y->data()[j]; });
                     Tensor<T> dx = zeros<T>(x->shape());
                     each([&](Index i, Index j) {
                       if (x->data()[i] == y->data()[j])
                         dx.data()[i] = g.data()[j] / static_cast<T>(ties[static_cast<std::size_t>(j)]);
                     });
                     in.add(0, std::move(dx));
                   });
}

namespace detail {

// f(first, step) for every line of a tensor along an axis: its first element, and the elements to the next of the line.
template <class F>
void for_each_line(const Shape& shape, std::size_t axis, const F& f) {
  Index step = 1, lines = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > axis) step *= static_cast<Index>(shape[i]);
    if (i != axis) lines *= static_cast<Index>(shape[i]);
  }
  const auto extent = static_cast<Index>(shape[axis]);
  if (extent == 0) return;
  parallel_for(lines, std::max<Index>(1, 2048 / extent), [&](Index begin, Index end) {
    for (Index line = begin; line < end; ++line) f(line / step * step * extent + line % step, step);
  });
}

// An op on every line of x along an axis: forward(x, y, n, step) fills the line y, backward(y, g, n, step) turns its
// gradient g into that of x. They get the first of n elements that are `step` apart.
template <class T, class Forward, class Backward>
Variable<T> line_op(const char* name, const Variable<T>& x, int axis, Forward forward, Backward backward) {
  const Shape shape = x.shape();
  const std::size_t a = axis_of(name, shape, axis);
  const auto n = static_cast<Index>(shape[a]);
  const auto y = std::make_shared<Tensor<T>>(empty<T>(shape));
  const T* const from = x.value().data();
  T* const to = y->data();
  for_each_line(shape, a, [=](Index first, Index step) { forward(from + first, to + first, n, step); });
  return record<T>({name, {{"axis", a}}}, y, std::span(&x, 1), [=](Tensor<T> g, const InputGradients<T>& in) {
    for_each_line(shape, a, [=, d = g.data()](Index first, Index step) { backward(to + first, d + first, n, step); });
    in.add(0, std::move(g));
  });
}

template <class T>
T largest_of_line(const T* x, Index n, Index step) {
  T largest = x[0];
  for (Index i = 1; i < n; ++i) largest = std::max(largest, x[i * step]);
  return largest;
}

}  // namespace detail

template <class T>
Variable<T> softmax(const Variable<T>& x, int axis) {
  return detail::line_op(
      "softmax", x, axis,
      [](const T* from, T* to, Index n, Index step) {
        const T largest = detail::largest_of_line(from, n, step);
        T total = 0;
        for (Index i = 0; i < n; ++i) total += to[i * step] = std::exp(from[i * step] - largest);
        for (Index i = 0; i < n; ++i) to[i * step] /= total;
      },
      [](const T* p, T* d, Index n, Index step) {
        T dot = 0;
        for (Index i = 0; i < n; ++i) dot += d[i * step] * p[i * step];
        for (Index i = 0; i < n; ++i) d[i * step] = p[i * step] * (d[i * step] - dot);
      });
}

template <class T>
Variable<T> log_softmax(const Variable<T>& x, int axis) {
  return detail::line_op(
      "log_softmax", x, axis,
      [](const T* from, T* to, Index n, Index step) {
        const T largest = detail::largest_of_line(from, n, step);
        T total = 0;
        for (Index i = 0; i < n; ++i) total += std::exp(from[i * step] - largest);
        const T log_total = std::log(total);  // apart from the largest, which may be far larger
        for (Index i = 0; i < n; ++i) to[i * step] = from[i * step] - largest - log_total;
      },
      [](const T* logs, T* d, Index n, Index step) {
        T total = 0;
        for (Index i = 0; i < n; ++i) total += d[i * step];
        for (Index i = 0; i < n; ++i) d[i * step] -= std::exp(logs[i * step]) * total;
      });
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                                   \
  template Variable<T> sum(const Variable<T>& x, std::initializer_list<int> axes, bool keep_axes);  \
  template Variable<T> mean(const Variable<T>& x, std::initializer_list<int> axes, bool keep_axes); \
  template Variable<T> max(const Variable<T>& x, std::initializer_list<int> axes, bool keep_axes);  \
  template Variable<T> softmax(const Variable<T>& x, int axis);                                     \
  template Variable<T> log_softmax(const Variable<T>& x, int axis);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
