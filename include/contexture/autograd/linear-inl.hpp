// SPDX-License-Identifier: MIT
// How autograd/linear.hpp computes.
#pragma once

#include "contexture/autograd/conv-inl.hpp"
#include "contexture/autograd/linear.hpp"
#include "contexture/autograd/variable.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/kernels/matmul.hpp"

namespace contexture {

template <class T>
Variable<T> linear(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias,
                   const LinearOptions& options) {
  require(x.shape().size() == 2 && weight.shape().size() == 2 && x.shape()[1] == weight.shape()[0], "linear: input ",
          x.shape(), " and weight ", weight.shape(), ", expected (N,I) and (I,O)",
          x.shape().size() > 2 ? "; of images, pool over the pixels, or reshape to (N,I), first" : "");
  const Index n = dim(x.shape(), 0), inputs = dim(x.shape(), 1), outputs = dim(weight.shape(), 1);
  require(!bias.defined() || (bias.value().dimension() == 1 && dim(bias.value(), 0) == outputs), "linear: bias ",
          bias.defined() ? bias.shape() : Shape(), " for weight ", weight.shape());
  if constexpr (std::is_same_v<T, float>)
    if (options.hidden && active_precision() == Precision::bfloat16)  // images of one pixel
      return detail::conv2d_as<bfloat16, T>("linear", {.n = n, .h = 1, .w = 1, .c = inputs, .k = outputs},
                                            {x.shape()[0], weight.shape()[1]}, {x, weight, bias});
  Tensor<T> y = empty<T>({x.shape()[0], weight.shape()[1]});
  if (bias.defined()) {
    for (Index i = 0; i < n; ++i) std::copy_n(bias.value().data(), outputs, y.data() + i * outputs);
  }
  kernels::matmul(Transpose::no, Transpose::no, n, outputs, inputs, x.value().data(), weight.value().data(),
                  bias.defined() ? T(1) : T(0), y.data());
  return record<T>(
      "linear", std::move(y), {x, weight, bias},
      [x = x.saved(), w = weight.saved(), n, inputs, outputs](Tensor<T> g, const detail::InputGradients<T>& in) {
        if (in.wanted(0)) {
          Tensor<T> dx = empty_like(*x);
          kernels::matmul(Transpose::no, Transpose::yes, n, inputs, outputs, g.data(), w->data(), T(0), dx.data());
          in.add(0, std::move(dx));
        }
        if (in.wanted(1)) {
          Tensor<T> dw = empty_like(*w);
          kernels::matmul(Transpose::yes, Transpose::no, inputs, outputs, n, x->data(), g.data(), T(0), dw.data());
          in.add(1, std::move(dw));
        }
        if (in.wanted(2)) {
          Tensor<T> db = zeros<T>({static_cast<std::size_t>(outputs)});
          for (Index i = 0; i < n; ++i)
            for (Index o = 0; o < outputs; ++o) db.data()[o] += g.data()[i * outputs + o];
          in.add(2, std::move(db));
        }
      });
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                                       \
  template Variable<T> linear(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias, \
                              const LinearOptions& options);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
