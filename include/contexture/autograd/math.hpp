// SPDX-License-Identifier: MIT
// Functions of one number, element by element.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>

#include "contexture/autograd/variable.hpp"
#include "contexture/core/parallel.hpp"

namespace contexture {
namespace detail {

// y = f(x); its gradient is multiplied by derivative(x, y).
template <class T, class F, class Derivative>
Variable<T> unary_op(const char* name, const Variable<T>& x, F f, Derivative derivative) {
  constexpr Index kGrain = 4096;
  const auto n = static_cast<Index>(x.size());
  auto y = std::make_shared<Tensor<T>>(empty<T>(x.shape()));
  const T* const from = x.value().data();
  T* const to = y->data();
  parallel_for(n, kGrain, [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) to[i] = f(from[i]);
  });
  return record<T>(name, y, std::span(&x, 1), [=, x = x.saved()](Tensor<T> g, const InputGradients<T>& in) {
    const T *const before = x->data(), *const after = y->data();
    T* const gradient = g.data();
    parallel_for(n, kGrain, [=](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) gradient[i] *= derivative(before[i], after[i]);
    });
    in.add(0, std::move(g));
  });
}

// 1 / (1 + exp(-x)), which does not overflow.
template <class T>
T sigmoid_of(T x) {
  const T e = std::exp(-std::abs(x));
  return x >= T(0) ? T(1) / (T(1) + e) : e / (T(1) + e);
}

}  // namespace detail

/// Element by element, as sqrt() and tanh() below.
template <class T>
[[nodiscard]] Variable<T> exp(const Variable<T>& x) {
  return detail::unary_op(
      "exp", x, [](T v) { return std::exp(v); }, [](T, T y) { return y; });
}

/// The natural logarithm.
template <class T>
[[nodiscard]] Variable<T> log(const Variable<T>& x) {
  return detail::unary_op(
      "log", x, [](T v) { return std::log(v); }, [](T v, T) { return T(1) / v; });
}

/// Element by element; of elements of 0 or more.
template <class T>
[[nodiscard]] Variable<T> sqrt(const Variable<T>& x) {
  return detail::unary_op(
      "sqrt", x, [](T v) { return std::sqrt(v); }, [](T, T y) { return T(0.5) / y; });
}

/// |x|; its derivative at 0 is 0.
template <class T>
[[nodiscard]] Variable<T> abs(const Variable<T>& x) {
  return detail::unary_op(
      "abs", x, [](T v) { return std::abs(v); }, [](T v, T) { return static_cast<T>((v > T(0)) - (v < T(0))); });
}

/// x to the power of a number.
template <class T>
[[nodiscard]] Variable<T> pow(const Variable<T>& x, std::type_identity_t<T> exponent) {
  return detail::unary_op(
      "pow", x, [=](T v) { return std::pow(v, exponent); },
      [=](T v, T) { return exponent == T(0) ? T(0) : exponent * std::pow(v, exponent - T(1)); });
}

/// 1 / (1 + exp(-x)).
template <class T>
[[nodiscard]] Variable<T> sigmoid(const Variable<T>& x) {
  return detail::unary_op("sigmoid", x, detail::sigmoid_of<T>, [](T, T y) { return y * (T(1) - y); });
}

/// Element by element.
template <class T>
[[nodiscard]] Variable<T> tanh(const Variable<T>& x) {
  return detail::unary_op(
      "tanh", x, [](T v) { return std::tanh(v); }, [](T, T y) { return T(1) - y * y; });
}

/// x * sigmoid(x) (Elfwing et al., arXiv 1702.03118; also called swish).
template <class T>
[[nodiscard]] Variable<T> silu(const Variable<T>& x) {
  return detail::unary_op(
      "silu", x, [](T v) { return v * detail::sigmoid_of(v); },
      [](T v, T y) {
        const T s = detail::sigmoid_of(v);
        return s + y * (T(1) - s);
      });
}

/// x, but at least `low` and at most `high`; outside, and at both ends, its derivative is 0.
template <class T>
[[nodiscard]] Variable<T> clamp(const Variable<T>& x, std::type_identity_t<T> low, std::type_identity_t<T> high) {
  require(low <= high, "clamp: from ", low, " to ", high, ", expected the lower bound first");
  return detail::unary_op(
      "clamp", x, [=](T v) { return std::clamp(v, low, high); },
      [=](T v, T) { return static_cast<T>(v > low && v < high); });
}

}  // namespace contexture
