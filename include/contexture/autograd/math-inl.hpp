// SPDX-License-Identifier: MIT
// How autograd/math.hpp computes.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>

#include "contexture/autograd/math.hpp"
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

template <class T>
Variable<T> exp(const Variable<T>& x) {
  return detail::unary_op(
      "exp", x, [](T v) { return std::exp(v); }, [](T, T y) { return y; });
}

template <class T>
Variable<T> log(const Variable<T>& x) {
  return detail::unary_op(
      "log", x, [](T v) { return std::log(v); }, [](T v, T) { return T(1) / v; });
}

template <class T>
Variable<T> sqrt(const Variable<T>& x) {
  return detail::unary_op(
      "sqrt", x, [](T v) { return std::sqrt(v); }, [](T, T y) { return T(0.5) / y; });
}

template <class T>
Variable<T> abs(const Variable<T>& x) {
  return detail::unary_op(
      "abs", x, [](T v) { return std::abs(v); }, [](T v, T) { return static_cast<T>((v > T(0)) - (v < T(0))); });
}

template <class T>
Variable<T> pow(const Variable<T>& x, std::type_identity_t<T> exponent) {
  return detail::unary_op(
      "pow", x, [=](T v) { return std::pow(v, exponent); },
      [=](T v, T) { return exponent == T(0) ? T(0) : exponent * std::pow(v, exponent - T(1)); });
}

template <class T>
Variable<T> sigmoid(const Variable<T>& x) {
  return detail::unary_op("sigmoid", x, detail::sigmoid_of<T>, [](T, T y) { return y * (T(1) - y); });
}

template <class T>
Variable<T> tanh(const Variable<T>& x) {
  return detail::unary_op(
      "tanh", x, [](T v) { return std::tanh(v); }, [](T, T y) { return T(1) - y * y; });
}

template <class T>
Variable<T> silu(const Variable<T>& x) {
  return detail::unary_op(
      "silu", x, [](T v) { return v * detail::sigmoid_of(v); },
      [](T v, T y) {
        const T s = detail::sigmoid_of(v);
        return s + y * (T(1) - s);
      });
}

template <class T>
Variable<T> clamp(const Variable<T>& x, std::type_identity_t<T> low, std::type_identity_t<T> high) {
  require(low <= high, "clamp: from ", low, " to ", high, ", expected the lower bound first");
  return detail::unary_op(
      "clamp", x, [=](T v) { return std::clamp(v, low, high); },
      [=](T v, T) { return static_cast<T>(v > low && v < high); });
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                   \
  template Variable<T> exp(const Variable<T>& x);                                   \
  template Variable<T> log(const Variable<T>& x);                                   \
  template Variable<T> sqrt(const Variable<T>& x);                                  \
  template Variable<T> abs(const Variable<T>& x);                                   \
  template Variable<T> pow(const Variable<T>& x, std::type_identity_t<T> exponent); \
  template Variable<T> sigmoid(const Variable<T>& x);                               \
  template Variable<T> tanh(const Variable<T>& x);                                  \
  template Variable<T> silu(const Variable<T>& x);                                  \
  template Variable<T> clamp(const Variable<T>& x, std::type_identity_t<T> low, std::type_identity_t<T> high);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
