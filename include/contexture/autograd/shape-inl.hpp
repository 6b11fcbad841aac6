// SPDX-License-Identifier: MIT
// How autograd/shape.hpp moves elements.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <numeric>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "contexture/autograd/shape.hpp"
#include "contexture/autograd/variable.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/elementwise.hpp"

namespace contexture {

namespace detail {

// The axis that a number counts, from the end where it is negative; throws std::invalid_argument where there is none.
inline std::size_t axis_of(const char* op, const Shape& shape, int axis) {
  const auto rank = static_cast<int>(shape.size());
  require(axis >= -rank && axis < rank, op, ": axis ", axis, " of a tensor of shape ", shape);
  return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
}

// Numbers of axes, counted from the first, for who watches an op.
template <class T, class List>
Tensor<T> axes_told(const char* op, const Shape& shape, const List& axes) {
  Tensor<T> told = empty<T>({axes.size()});
  std::transform(axes.begin(), axes.end(), told.data(),
                 [&](int axis) { return static_cast<T>(axis_of(op, shape, axis)); });
  return told;
}

// The tensor with its axes in another order; each is named once.
template <class T>
Tensor<T> permuted(const Tensor<T>& from, std::span<const int> axes) {
  Shape shape = from.shape();
  std::vector<Index> steps(axes.size());  // in `from`, along each axis of the result
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t a = axis_of("permute", from.shape(), axes[i]);
    shape[i] = from.shape()[a];
    steps[i] = 1;
    for (std::size_t k = a + 1; k < axes.size(); ++k) steps[i] *= static_cast<Index>(from.shape()[k]);
  }
  Tensor<T> to = empty<T>(shape);
  if (to.size() == 0) return to;
  const Index n = shape.empty() ? 1 : static_cast<Index>(shape.back()), step = shape.empty() ? 0 : steps.back();
  const T* const x = from.data();
  T* const y = to.data();
  parallel_for(static_cast<Index>(to.size()) / n, std::max<Index>(1, 8192 / n), [&](Index begin, Index end) {
    for (Index o = begin; o < end; ++o) {
      Index at = 0, rest = o;
      for (std::size_t i = axes.size() - 1; i-- > 0;) {
        at += rest % static_cast<Index>(shape[i]) * steps[i];
        rest /= static_cast<Index>(shape[i]);
      }
      for (Index j = 0; j < n; ++j) y[o * n + j] = x[at + j * step];
    }
  });
  return to;
}

}  // namespace detail

template <class T>
Variable<T> reshape(const Variable<T>& x, const Shape& shape) {
  require(element_count(shape) == x.size(), "reshape: ", x.shape(), " to ", shape, ", which has another size");
  Tensor<T> y = x.value();
  y.reshape(shape);
  return record<T>("reshape", std::move(y), {x},
                   [before = x.shape()](Tensor<T> g, const detail::InputGradients<T>& in) {
                     g.reshape(before);
                     in.add(0, std::move(g));
                   });
}

template <class T>
Variable<T> concat(std::span<const Variable<T>> parts, int axis) {
  require(!parts.empty(), "concat: no tensors");
  Shape shape = parts[0].shape();
  const std::size_t a = detail::axis_of("concat", shape, axis);
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
  return record<T>({"concat", {{"axis", a}}}, y, parts, [=](Tensor<T> g, const detail::InputGradients<T>& in) {
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
Variable<T> concat(std::initializer_list<Variable<T>> parts, int axis) {
  return concat(std::span<const Variable<T>>(parts.begin(), parts.size()), axis);
}

template <class T>
Variable<T> stack(std::span<const Variable<T>> parts, int axis) {
  require(!parts.empty(), "stack: no tensors");
  const Shape& from = parts[0].shape();
  Shape shape(from.size() + 1, 1);
  const std::size_t a = detail::axis_of("stack", shape, axis);
  for (std::size_t i = 0; i < from.size(); ++i) shape[i < a ? i : i + 1] = from[i];
  std::vector<Variable<T>> thin;
  for (const Variable<T>& part : parts) {
    require(part.shape() == parts[0].shape(), "stack: shapes ", parts[0].shape(), " and ", part.shape(),
            ", expected the same");
    thin.push_back(reshape(part, shape));
  }
  return concat(std::span<const Variable<T>>(thin), static_cast<int>(a));
}

template <class T>
Variable<T> stack(std::initializer_list<Variable<T>> parts, int axis) {
  return stack(std::span<const Variable<T>>(parts.begin(), parts.size()), axis);
}

template <class T>
Variable<T> permute(const Variable<T>& x, std::span<const int> axes) {
  const Shape& from = x.shape();
  require(axes.size() == from.size(), "permute: ", axes.size(), " axes for a tensor of shape ", from);
  std::vector<int> inverse(axes.size(), -1);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t a = detail::axis_of("permute", from, axes[i]);
    require(inverse[a] == -1, "permute: axis ", axes[i], " of a tensor of shape ", from, " is named twice");
    inverse[a] = static_cast<int>(i);
  }
  const Tensor<T> order = detail::axes_told<T>("permute", from, axes);
  return record<T>({"permute", {{"axes", &order}}}, detail::permuted(x.value(), axes), {x},
                   [inverse](Tensor<T> g, const detail::InputGradients<T>& in) {
                     in.add(0, detail::permuted(g, std::span<const int>(inverse)));
                   });
}

template <class T>
Variable<T> permute(const Variable<T>& x, std::initializer_list<int> axes) {
  return permute(x, std::span<const int>(axes.begin(), axes.size()));
}

template <class T>
Variable<T> transpose(const Variable<T>& x) {
  const auto rank = static_cast<int>(x.shape().size());
  require(rank >= 2, "transpose: shape ", x.shape(), ", expected two axes or more");
  std::vector<int> axes(static_cast<std::size_t>(rank));
  std::iota(axes.begin(), axes.end(), 0);
  std::swap(axes[axes.size() - 1], axes[axes.size() - 2]);
  return permute(x, std::span<const int>(axes));
}

template <class T>
Variable<T> slice(const Variable<T>& x, int axis, Index begin, Index end) {
  const Shape& from = x.shape();
  const std::size_t a = detail::axis_of("slice", from, axis);
  const auto extent = static_cast<Index>(from[a]);
  const Index first = begin < 0 ? begin + extent : begin, last = end < 0 ? end + extent : end;
  require(first >= 0 && first <= last && last <= extent, "slice: ", begin, " to ", end, " along axis ", axis,
          " of a tensor of shape ", from);
  std::size_t inner = 1, outer = 1;
  for (std::size_t i = 0; i < from.size(); ++i) (i < a ? outer : inner) *= i == a ? 1 : from[i];
  Shape shape = from;
  shape[a] = static_cast<std::size_t>(last - first);
  const std::size_t row = from[a] * inner, width = shape[a] * inner, offset = static_cast<std::size_t>(first) * inner;
  Tensor<T> y = empty<T>(shape);
  for (std::size_t o = 0; o < outer; ++o) std::copy_n(x.value().data() + o * row + offset, width, y.data() + o * width);
  return record<T>({"slice", {{"axis", a}, {"begin", first}, {"end", last}}}, std::move(y), {x},
                   [=](Tensor<T> g, const detail::InputGradients<T>& in) {
                     Tensor<T> dx = zeros<T>(from);
                     for (std::size_t o = 0; o < outer; ++o)
                       std::copy_n(g.data() + o * width, width, dx.data() + o * row + offset);
                     in.add(0, std::move(dx));
                   });
}

namespace detail {

// Rows that an op takes from a tensor of this shape.
struct Picks {
  Picks(const char* op, const Shape& from, std::span<const std::int32_t> its_rows)
      : shape(from), rows(its_rows.begin(), its_rows.end()) {
    require(!from.empty(), op, ": a scalar has no rows");
    const auto count = static_cast<Index>(from[0]);
    width = count == 0 ? Index{0} : static_cast<Index>(element_count(from)) / count;
    for (const std::int32_t row : rows)
      require(row >= 0 && row < count, op, ": row ", row, " of a tensor of shape ", from);
  }

  [[nodiscard]] Shape taken() const {
    Shape out = shape;
    out[0] = rows.size();
    return out;
  }

  // Calls f(i) for every pick, in parallel.
  template <class F>
  void for_each(F f) const {
    const Index grain = std::max<Index>(1, 16384 / std::max<Index>(width, 1));
    parallel_for(static_cast<Index>(rows.size()), grain, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) f(i);
    });
  }

  // What the gradient of the rows says of the tensor. Threads share out columns: a row may be taken more than once.
  template <class T>
  [[nodiscard]] Tensor<T> scattered(const Tensor<T>& gradient) const {
    Tensor<T> dx = zeros<T>(shape);
    const Index grain = std::max<Index>(64, 16384 / std::max<Index>(static_cast<Index>(rows.size()), 1));
    parallel_for(width, grain, [&](Index begin, Index end) {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        T* const into = dx.data() + rows[i] * width + begin;
        kernels::dispatch::add(into, gradient.data() + static_cast<Index>(i) * width + begin, into, end - begin);
      }
    });
    return dx;
  }

  Shape shape;
  std::vector<std::int32_t> rows;
  Index width = 0;  // elements of a row
};

}  // namespace detail

template <class T>
Variable<T> gather_rows(const Variable<T>& x, std::span<const std::int32_t> rows) {
  detail::Picks picks("gather_rows", x.shape(), rows);
  Tensor<T> y = empty<T>(picks.taken());
  picks.for_each([&, from = x.value().data()](Index i) {
    std::copy_n(from + picks.rows[static_cast<std::size_t>(i)] * picks.width, picks.width, y.data() + i * picks.width);
  });
  return record<T>("gather_rows", std::move(y), {x},
                   [picks = std::move(picks)](const Tensor<T>& g, const detail::InputGradients<T>& in) {
                     in.add(0, picks.scattered(g));
                   });
}

namespace detail {

// add_rows() of a and b as they are stored.
template <class T, class P>
Tensor<T> sums_of_rows(const Tensor<P>& a, const Picks& first, const Tensor<P>& b, const Picks& second) {
  Tensor<T> y = empty<T>(first.taken());
  const auto row = [](const Tensor<P>& x, const Picks& picks, Index i) {
    return x.data() + picks.rows[static_cast<std::size_t>(i)] * picks.width;
  };
  first.for_each([&](Index i) {
    kernels::dispatch::add(row(a, first, i), row(b, second, i), y.data() + i * first.width, first.width);
  });
  return y;
}

}  // namespace detail

template <class T>
Variable<T> add_rows(const Variable<T>& a, std::span<const std::int32_t> first, const Variable<T>& b,
                     std::span<const std::int32_t> second) {
  detail::Picks left("add_rows", a.shape(), first), right("add_rows", b.shape(), second);
  require(left.taken() == right.taken(), "add_rows: ", first.size(), " rows of ", a.shape(), " and ", second.size(),
          " of ", b.shape());
  Tensor<T> y = [&] {
    if constexpr (std::is_same_v<T, float>)
      if (a.saved_reduced() != nullptr && b.saved_reduced() != nullptr)
        return detail::sums_of_rows<T>(*a.saved_reduced(), left, *b.saved_reduced(), right);
    return detail::sums_of_rows<T>(a.value(), left, b.value(), right);
  }();
  return record<T>(
      "add_rows", std::move(y), {a, b},
      [left = std::move(left), right = std::move(right)](const Tensor<T>& g, const detail::InputGradients<T>& in) {
        if (in.wanted(0)) in.add(0, left.scattered(g));
        if (in.wanted(1)) in.add(1, right.scattered(g));
      });
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                                                \
  template Variable<T> reshape(const Variable<T>& x, const Shape& shape);                                        \
  template Variable<T> concat(std::span<const Variable<T>> parts, int axis);                                     \
  template Variable<T> concat(std::initializer_list<Variable<T>> parts, int axis);                               \
  template Variable<T> stack(std::span<const Variable<T>> parts, int axis);                                      \
  template Variable<T> stack(std::initializer_list<Variable<T>> parts, int axis);                                \
  template Variable<T> permute(const Variable<T>& x, std::span<const int> axes);                                 \
  template Variable<T> permute(const Variable<T>& x, std::initializer_list<int> axes);                           \
  template Variable<T> transpose(const Variable<T>& x);                                                          \
  template Variable<T> slice(const Variable<T>& x, int axis, Index begin, Index end);                            \
  template Variable<T> gather_rows(const Variable<T>& x, std::span<const std::int32_t> rows);                    \
  template Variable<T> add_rows(const Variable<T>& a, std::span<const std::int32_t> first, const Variable<T>& b, \
                                std::span<const std::int32_t> second);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
