// SPDX-License-Identifier: MIT
// How autograd/broadcast.hpp computes: a walk over both operands.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "contexture/autograd/broadcast.hpp"
#include "contexture/autograd/elementwise-inl.hpp"
#include "contexture/autograd/elementwise.hpp"
#include "contexture/autograd/variable.hpp"
#include "contexture/core/parallel.hpp"

namespace contexture {

namespace detail {

// A walk over all elements of a shape, and beside them over those of two operands that are repeated to it. Axes that
// all three walk through as one are one.
struct BroadcastWalk {
  std::vector<Index> extents;           // outermost first; at least one
  std::vector<Index> steps_a, steps_b;  // in elements; 0: repeated

  [[nodiscard]] Index outer() const {
    Index count = 1;
    for (std::size_t i = 0; i + 1 < extents.size(); ++i) count *= extents[i];
    return count;
  }

  // Calls f(i, a, b) for the elements of the runs from `begin` to before `end` along the innermost axis, in their
  // order: the places of an element and of its partners.
  template <class F>
  void visit(Index begin, Index end, const F& f) const {
    const Index n = extents.back(), step_a = steps_a.back(), step_b = steps_b.back();
    for (Index run = begin; run < end; ++run) {
      Index a = 0, b = 0, rest = run;
      for (std::size_t i = extents.size() - 1; i-- > 0; rest /= extents[i]) {
        a += rest % extents[i] * steps_a[i];
        b += rest % extents[i] * steps_b[i];
      }
      for (Index j = 0; j < n; ++j) f(run * n + j, a + j * step_a, b + j * step_b);
    }
  }
};

// Elements between neighbours along each axis of `to` in a tensor of shape `from`; 0 where it is repeated. Throws
// std::invalid_argument where `from` cannot be repeated to `to`.
inline std::vector<Index> broadcast_steps(const char* op, const Shape& from, const Shape& to) {
  require(from.size() <= to.size(), op, ": shape ", from, " does not repeat to ", to);
  std::vector<Index> steps(to.size(), 0);
  Index step = 1;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::size_t extent = from[from.size() - 1 - i], axis = to.size() - 1 - i;
    require(extent == to[axis] || extent == 1, op, ": shape ", from, " does not repeat to ", to);
    if (extent != 1) steps[axis] = step;
    step *= static_cast<Index>(extent);
  }
  return steps;
}

inline BroadcastWalk broadcast_walk(const char* op, const Shape& to, const Shape& a, const Shape& b) {
  const std::vector<Index> steps_a = broadcast_steps(op, a, to), steps_b = broadcast_steps(op, b, to);
  BroadcastWalk walk;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const auto extent = static_cast<Index>(to[i]);
    if (extent == 1) continue;
    if (!walk.extents.empty() && walk.steps_a.back() == steps_a[i] * extent &&
        walk.steps_b.back() == steps_b[i] * extent) {
      walk.extents.back() *= extent;
      walk.steps_a.back() = steps_a[i];
      walk.steps_b.back() = steps_b[i];
    } else {
      walk.extents.push_back(extent);
      walk.steps_a.push_back(steps_a[i]);
      walk.steps_b.push_back(steps_b[i]);
    }
  }
  if (walk.extents.empty()) walk = {{1}, {0}, {0}};
  return walk;
}

// The shape that both repeat to.
inline Shape broadcast_shape(const char* op, const Shape& a, const Shape& b) {
  Shape shape = a.size() >= b.size() ? a : b;
  const Shape& other = a.size() >= b.size() ? b : a;
  for (std::size_t i = 0; i < other.size(); ++i) {
    std::size_t& extent = shape[shape.size() - 1 - i];
    const std::size_t second = other[other.size() - 1 - i];
    require(extent == second || extent == 1 || second == 1, op, ": shapes ", a, " and ", b,
            ", expected the same, or extents of 1 where they differ");
    if (extent == 1) extent = second;
  }
  return shape;
}

// f(i, a, b) for every element i of the walk's shape with its elements of the operands; not for an empty shape.
template <class F>
void for_each_pair(const BroadcastWalk& walk, const F& f) {
  parallel_for(walk.outer(), std::max<Index>(1, 8192 / walk.extents.back()),
               [&](Index begin, Index end) { walk.visit(begin, end, f); });
}

// Sums f(i) into a tensor of shape `to`, over the elements i of shape `from` that its elements are repeated to; in
// double, and always in the same order.
template <class T, class F>
Tensor<T> sum_repeated(const Shape& from, const Shape& to, const F& f) {
  const BroadcastWalk walk = broadcast_walk("sum", from, to, to);
  std::vector<double> sums(element_count(to), 0.0);
  walk.visit(0, walk.outer(),
             [&](Index i, Index at, Index) { sums[static_cast<std::size_t>(at)] += static_cast<double>(f(i)); });
  Tensor<T> out = empty<T>(to);
  std::transform(sums.begin(), sums.end(), out.data(), [](double s) { return static_cast<T>(s); });
  return out;
}

// value(a, b) of every pair; d_a(g, a, b) and d_b(g, a, b) are a result's gradient g times its derivatives.
template <class T, class Value, class DerivativeA, class DerivativeB>
Variable<T> broadcast_op(const char* name, const Variable<T>& a, const Variable<T>& b, Value value, DerivativeA d_a,
                         DerivativeB d_b) {
  const Shape shape = broadcast_shape(name, a.shape(), b.shape());
  Tensor<T> y = empty<T>(shape);
  const BroadcastWalk walk = broadcast_walk(name, shape, a.shape(), b.shape());
  const T *const x0 = a.value().data(), *const x1 = b.value().data();
  T* const out = y.data();
  if (y.size() > 0) for_each_pair(walk, [=](Index i, Index ia, Index ib) { out[i] = value(x0[ia], x1[ib]); });
  return record<T>(
      name, std::move(y), {a, b}, [=, a = a.saved(), b = b.saved()](Tensor<T> g, const InputGradients<T>& in) {
        const auto deliver = [&](std::size_t which, const Tensor<T>& own, const auto& derivative) {
          if (!in.wanted(which)) return;
          Tensor<T> each = empty<T>(shape);
          const T *const p0 = a->data(), *const p1 = b->data(), *const from = g.data();
          T* const to = each.data();
          if (each.size() > 0)
            for_each_pair(walk, [=](Index i, Index ia, Index ib) { to[i] = derivative(from[i], p0[ia], p1[ib]); });
          if (own.shape() != shape) each = sum_repeated<T>(shape, own.shape(), [to](Index i) { return to[i]; });
          in.add(which, std::move(each));
        };
        deliver(0, *a, d_a);
        deliver(1, *b, d_b);
      });
}

template <class T>
Variable<T> constant(T value) {
  return Variable<T>(full<T>({}, value));
}

}  // namespace detail

template <class T>
Variable<T> operator+(const Variable<T>& a, const Variable<T>& b) {
  if (a.shape() == b.shape()) return add(a, b);
  return detail::broadcast_op(
      "add", a, b, [](T x, T y) { return x + y; }, [](T g, T, T) { return g; }, [](T g, T, T) { return g; });
}

template <class T>
Variable<T> operator-(const Variable<T>& a, const Variable<T>& b) {
  if (a.shape() == b.shape()) return subtract(a, b);
  return detail::broadcast_op(
      "subtract", a, b, [](T x, T y) { return x - y; }, [](T g, T, T) { return g; }, [](T g, T, T) { return -g; });
}

template <class T>
Variable<T> operator*(const Variable<T>& a, const Variable<T>& b) {
  if (a.shape() == b.shape()) return mul(a, b);
  return detail::broadcast_op(
      "multiply", a, b, [](T x, T y) { return x * y; }, [](T g, T, T y) { return g * y; },
      [](T g, T x, T) { return g * x; });
}

template <class T>
Variable<T> operator/(const Variable<T>& a, const Variable<T>& b) {
  return detail::broadcast_op(
      "divide", a, b, [](T x, T y) { return x / y; }, [](T g, T, T y) { return g / y; },
      [](T g, T x, T y) { return -g * x / (y * y); });
}

template <class T>
Variable<T> operator-(const Variable<T>& x) {
  return scale(x, T(-1));
}

template <class T>
Variable<T> operator+(const Variable<T>& x, std::type_identity_t<T> number) {
  return x + detail::constant<T>(number);
}

template <class T>
Variable<T> operator+(std::type_identity_t<T> number, const Variable<T>& x) {
  return x + number;
}

template <class T>
Variable<T> operator-(const Variable<T>& x, std::type_identity_t<T> number) {
  return x + -number;
}

template <class T>
Variable<T> operator-(std::type_identity_t<T> number, const Variable<T>& x) {
  return detail::constant<T>(number) - x;
}

template <class T>
Variable<T> operator*(const Variable<T>& x, std::type_identity_t<T> number) {
  return scale(x, number);
}

template <class T>
Variable<T> operator*(std::type_identity_t<T> number, const Variable<T>& x) {
  return scale(x, number);
}

template <class T>
Variable<T> operator/(const Variable<T>& x, std::type_identity_t<T> number) {
  return x / detail::constant<T>(number);
}

template <class T>
Variable<T> operator/(std::type_identity_t<T> number, const Variable<T>& x) {
  return detail::constant<T>(number) / x;
}

template <class T>
Variable<T> select(const Tensor<std::uint8_t>& mask, const Variable<T>& a, const Variable<T>& b) {
  detail::require_same_shape("select", a, b);
  require(mask.shape() == a.shape(), "select: mask ", mask.shape(), " for tensors ", a.shape());
  const auto taken = std::make_shared<Tensor<std::uint8_t>>(mask);
  Tensor<T> y = empty<T>(a.shape());
  for (std::size_t i = 0; i < y.size(); ++i)
    y.data()[i] = mask.data()[i] != 0 ? a.value().data()[i] : b.value().data()[i];
  return record<T>("select", std::move(y), {a, b}, [taken](Tensor<T> g, const detail::InputGradients<T>& in) {
    for (const std::size_t which : {std::size_t{0}, std::size_t{1}}) {
      if (!in.wanted(which)) continue;
      Tensor<T> part = g;
      for (std::size_t i = 0; i < part.size(); ++i)
        if ((taken->data()[i] != 0) != (which == 0)) part.data()[i] = T(0);
      in.add(which, std::move(part));
    }
  });
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                       \
  template Variable<T> operator+(const Variable<T>& a, const Variable<T>& b);           \
  template Variable<T> operator-(const Variable<T>& a, const Variable<T>& b);           \
  template Variable<T> operator*(const Variable<T>& a, const Variable<T>& b);           \
  template Variable<T> operator/(const Variable<T>& a, const Variable<T>& b);           \
  template Variable<T> operator-(const Variable<T>& x);                                 \
  template Variable<T> operator+(const Variable<T>& x, std::type_identity_t<T> number); \
  template Variable<T> operator+(std::type_identity_t<T> number, const Variable<T>& x); \
  template Variable<T> operator-(const Variable<T>& x, std::type_identity_t<T> number); \
  template Variable<T> operator-(std::type_identity_t<T> number, const Variable<T>& x); \
  template Variable<T> operator*(const Variable<T>& x, std::type_identity_t<T> number); \
  template Variable<T> operator*(std::type_identity_t<T> number, const Variable<T>& x); \
  template Variable<T> operator/(const Variable<T>& x, std::type_identity_t<T> number); \
  template Variable<T> operator/(std::type_identity_t<T> number, const Variable<T>& x); \
  template Variable<T> select(const Tensor<std::uint8_t>& mask, const Variable<T>& a, const Variable<T>& b);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
