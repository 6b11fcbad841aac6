// SPDX-License-Identifier: MIT
// How autograd/conv.hpp calls the convolutions' kernels, in float, double and bfloat16.
#pragma once

#include <array>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "contexture/autograd/conv.hpp"
#include "contexture/autograd/variable-inl.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/core/profile.hpp"
#include "contexture/kernels/conv_passes.hpp"
#include "contexture/kernels/reduce.hpp"

namespace contexture {

namespace detail {

// The extents of conv2d(); throws on shapes that do not fit.
template <class T>
[[nodiscard]] kernels::ConvShape conv2d_shape(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias,
                                              const Conv2dOptions& options) {
  require(x.shape().size() == 4, "conv2d: input ", x.shape(), ", expected (N,H,W,C)");
  require(weight.value().dimension() == 4, "conv2d: weight ", weight.shape(), ", expected (R,S,C/groups,K)");
  require(options.stride >= 1 && options.padding >= 0 && options.dilation >= 1 && options.groups >= 1,
          "conv2d: stride ", options.stride, ", padding ", options.padding, ", dilation ", options.dilation,
          ", groups ", options.groups, ", expected at least 1, 0, 1, 1");
  kernels::ConvShape s;
  s.n = dim(x.shape(), 0);
  s.h = dim(x.shape(), 1);
  s.w = dim(x.shape(), 2);
  s.c = dim(x.shape(), 3);
  s.r = dim(weight.value(), 0);
  s.s = dim(weight.value(), 1);
  s.k = dim(weight.value(), 3);
  s.stride_h = s.stride_w = options.stride;
  s.pad_h = s.pad_w = options.padding;
  s.dilation_h = s.dilation_w = options.dilation;
  s.groups = options.groups;
  require(s.c % s.groups == 0 && s.k % s.groups == 0, "conv2d: ", s.c, " input and ", s.k,
          " output channels do not divide into ", s.groups, " groups");
  require(dim(weight.value(), 2) == s.c / s.groups, "conv2d: input ", x.shape(), " has ", s.c, " channels, weight ",
          weight.shape(), " expects ", dim(weight.value(), 2) * s.groups,
          s.h == dim(weight.value(), 2) * s.groups ? "; images are (N,H,W,C), is this (N,C,H,W)?" : "");
  require(s.h + 2 * s.pad_h >= s.dilation_h * (s.r - 1) + 1 && s.w + 2 * s.pad_w >= s.dilation_w * (s.s - 1) + 1,
          "conv2d: input ", x.shape(), " with padding ", options.padding, " is smaller than the kernel ",
          weight.shape(), " with dilation ", options.dilation);
  if (bias.defined())
    require(bias.value().dimension() == 1 && dim(bias.value(), 0) == s.k, "conv2d: bias ", bias.shape(), " for weight ",
            weight.shape());
  return s;
}

// Whether conv2d() of this shape stores images as bfloat16 now.
template <class T>
[[nodiscard]] bool conv2d_is_reduced(const kernels::ConvShape& s) {
  return std::is_same_v<T, float> && active_precision() == Precision::bfloat16 && s.groups == 1;
}

// x as conv2d() reads it: rounded to bfloat16, where P is that, unless it is stored so.
template <class P, class T>
[[nodiscard]] std::shared_ptr<const Tensor<P>> conv2d_input(const Variable<T>& x) {
  if (std::is_same_v<P, T> || x.saved_reduced() != nullptr) return stored_as<P>(x);
  const OpTimer timer("to bfloat16");
  return stored_as<P>(x);
}

[[nodiscard]] inline Shape conv2d_result(const kernels::ConvShape& s) {
  return {static_cast<std::size_t>(s.n), static_cast<std::size_t>(s.out_h()), static_cast<std::size_t>(s.out_w()),
          static_cast<std::size_t>(s.k)};
}

// An op that is a convolution of its first two inputs, and a bias, with images stored as P; `moments`: see below.
template <class P, class T>
[[nodiscard]] Variable<T> conv2d_as(const OpName& op, const kernels::ConvShape& s, const Shape& result,
                                    const std::array<Variable<T>, 3>& inputs,
                                    double* moments = nullptr) {  // NOLINT(readability-non-const-parameter): written
  const auto& [x_variable, weight, bias] = inputs;
  std::shared_ptr<const Tensor<P>> x = conv2d_input<P>(x_variable);
  auto y = std::make_shared<Tensor<P>>(empty<P>(result));
  kernels::conv2d_forward(s, x->data(), weight.value().data(),
                          {.bias = bias.defined() ? bias.value().data() : nullptr, .moments = moments}, y->data());
  auto backward = [x = std::move(x), w = weight.saved(), s](Tensor<P> g, const InputGradients<T>& in) {
    if (in.wanted(1) || in.wanted(2)) {
      Tensor<T> dw = empty_like(*w);
      Tensor<T> db = in.wanted(2) ? empty<T>({static_cast<std::size_t>(s.k)}) : Tensor<T>();
      kernels::conv2d_backward_weights(s, x->data(), g.data(), dw.data(), in.wanted(2) ? db.data() : nullptr);
      in.add(1, std::move(dw));
      if (in.wanted(2)) in.add(2, std::move(db));
    }
    if (in.wanted(0)) {
      std::optional<Tensor<P>> dx = in.template take<P>(0);
      const auto gradients = dx ? kernels::Gradients::added : kernels::Gradients::overwritten;
      if (!dx) dx = empty_like(*x);
      kernels::conv2d_backward_data(s, g.data(), w->data(), dx->data(), gradients);
      in.add(0, std::move(*dx));
    }
  };
  return record_as<T>(op, std::move(y), std::span<const Variable<T>>(inputs), std::move(backward));
}

// conv2d(); `moments` (2,K), unless null, gets mean and biased variance of what each channel of the result is stored
// as.
template <class T>
[[nodiscard]] Variable<T> conv2d_with_moments(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias,
                                              const Conv2dOptions& options, double* moments) {
  const kernels::ConvShape s = conv2d_shape(x, weight, bias, options);
  const std::initializer_list<OpAttribute> attributes{{"stride", options.stride},
                                                      {"padding", options.padding},
                                                      {"dilation", options.dilation},
                                                      {"groups", options.groups}};
  const OpName op("conv2d", attributes);
  const std::array<Variable<T>, 3> inputs{x, weight, bias};
  if constexpr (std::is_same_v<T, float>)
    if (conv2d_is_reduced<T>(s)) return conv2d_as<bfloat16, T>(op, s, conv2d_result(s), inputs, moments);
  return conv2d_as<T, T>(op, s, conv2d_result(s), inputs, moments);
}

}  // namespace detail

template <class T>
Variable<T> conv2d(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias,
                   const Conv2dOptions& options) {
  return detail::conv2d_with_moments(x, weight, bias, options, nullptr);
}

template <class T>
Variable<T> conv_transpose2d(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias,
                             const Conv2dOptions& options, Index extra) {
  require(x.shape().size() == 4 && weight.shape().size() == 4, "conv_transpose2d: input ", x.shape(), " and weight ",
          weight.shape(), ", expected (N,H,W,K) and (R,S,C/groups,K)");
  require(options.stride >= 1 && options.padding >= 0 && options.dilation >= 1 && options.groups >= 1 && extra >= 0 &&
              extra < options.stride,
          "conv_transpose2d: stride ", options.stride, ", padding ", options.padding, ", dilation ", options.dilation,
          ", groups ", options.groups, ", extra ", extra,
          ", expected at least 1, 0, 1, 1, 0, and extra below the stride");
  kernels::ConvShape s;
  const auto extent = [&](Index before, Index kernel) {
    return (before - 1) * options.stride - 2 * options.padding + options.dilation * (kernel - 1) + 1 + extra;
  };
  s.n = dim(x.value(), 0);
  s.r = dim(weight.value(), 0);
  s.s = dim(weight.value(), 1);
  s.k = dim(weight.value(), 3);
  s.c = dim(weight.value(), 2) * options.groups;
  s.h = extent(dim(x.value(), 1), s.r);
  s.w = extent(dim(x.value(), 2), s.s);
  s.stride_h = s.stride_w = options.stride;
  s.pad_h = s.pad_w = options.padding;
  s.dilation_h = s.dilation_w = options.dilation;
  s.groups = options.groups;
  require(dim(x.value(), 3) == s.k && s.k % s.groups == 0 && s.h >= 1 && s.w >= 1, "conv_transpose2d: input ",
          x.shape(), " does not fit weight ", weight.shape(), " with padding ", options.padding, ", groups ",
          options.groups);
  if (bias.defined())
    require(bias.value().dimension() == 1 && dim(bias.value(), 0) == s.c, "conv_transpose2d: bias ", bias.shape(),
            " for weight ", weight.shape());
  const auto channels = static_cast<std::size_t>(s.c);
  Tensor<T> y = empty<T>({x.shape()[0], static_cast<std::size_t>(s.h), static_cast<std::size_t>(s.w), channels});
  kernels::conv2d_backward_data(s, x.value().data(), weight.value().data(), y.data(), kernels::Gradients::overwritten);
  if (bias.defined())
    for (std::size_t i = 0; i < y.size(); ++i) y.data()[i] += bias.value().data()[i % channels];
  return record<T>({"conv_transpose2d",
                    {{"stride", options.stride},
                     {"padding", options.padding},
                     {"dilation", options.dilation},
                     {"groups", options.groups},
                     {"extra", extra}}},
                   std::move(y), {x, weight, bias},
                   [x = x.saved(), w = weight.saved(), s](Tensor<T> g, const detail::InputGradients<T>& in) {
                     if (in.wanted(0)) {
                       Tensor<T> dx = empty_like(*x);
                       kernels::conv2d_forward(s, g.data(), w->data(), {}, dx.data());
                       in.add(0, std::move(dx));
                     }
                     if (in.wanted(1)) {
                       Tensor<T> dw = empty_like(*w);
                       kernels::conv2d_backward_weights(s, g.data(), x->data(), dw.data(), static_cast<T*>(nullptr));
                       in.add(1, std::move(dw));
                     }
                     if (in.wanted(2)) {
                       Tensor<T> db = empty<T>({static_cast<std::size_t>(s.c)});
                       kernels::bias_gradient(g.data(), static_cast<Index>(g.size()) / s.c, s.c, db.data());
                       in.add(2, std::move(db));
                     }
                   });
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                                                 \
  template Variable<T> conv2d(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias,           \
                              const Conv2dOptions& options);                                                      \
  template Variable<T> conv_transpose2d(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias, \
                                        const Conv2dOptions& options, Index extra);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
