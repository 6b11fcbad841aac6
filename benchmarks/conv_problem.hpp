// SPDX-License-Identifier: MIT
// A convolution that is timed: its shape, and numbers to compute with.
#pragma once

#include <string>

#include "contexture/core/error.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/kernels/conv.hpp"

namespace contexture::benchmarks {

struct ConvCase {
  Index batch, h, w, c, k, kernel, stride, groups = 1;

  [[nodiscard]] kernels::ConvShape shape() const {
    kernels::ConvShape s;
    s.n = batch;
    s.h = h;
    s.w = w;
    s.c = c;
    s.k = k;
    s.r = s.s = kernel;
    s.stride_h = s.stride_w = stride;
    s.pad_h = s.pad_w = kernel / 2;
    s.groups = groups;
    return s;
  }
  [[nodiscard]] std::string name() const {
    std::string text = message(c, "to", k, '@', h);
    if (h != w) text += message('x', w);
    if (kernel != 3) text += message('k', kernel);
    if (stride != 1) text += message('s', stride);
    if (groups != 1) text += message('g', groups);
    return text + message('n', batch);
  }
};

/// The numbers of all passes, images stored as T: float or bfloat16. Weights are float, and hold numbers that T holds.
template <class T>
struct ConvProblem {
  static constexpr Precision kPrecision = std::is_same_v<T, float> ? Precision::float32 : Precision::bfloat16;

  explicit ConvProblem(const kernels::ConvShape& its)
      : shape(its),
        x(random<T>(its.input_size(), 0)),
        dy(random<T>(its.output_size(), 2)),
        y(dy),
        dx(x),
        w(random<float>(its.weight_size(), 1)),
        dw(w) {}

  void run(kernels::ConvPass pass) {
    switch (pass) {
      case kernels::ConvPass::forward: kernels::conv2d_forward(shape, x.data(), w.data(), {}, y.data()); break;
      case kernels::ConvPass::backward_data:
        kernels::conv2d_backward_data(shape, dy.data(), w.data(), dx.data(), kernels::Gradients::overwritten);
        break;
      case kernels::ConvPass::backward_weights:
        kernels::conv2d_backward_weights(shape, x.data(), dy.data(), dw.data(), static_cast<float*>(nullptr));
        break;
    }
  }

  /// Of every tensor that a pass reads or writes, once.
  [[nodiscard]] double bytes() const {
    return static_cast<double>(sizeof(T)) * static_cast<double>(x.size() + y.size()) +
           4.0 * static_cast<double>(w.size());
  }

  kernels::ConvShape shape;
  Tensor<T> x, dy, y, dx;
  Tensor<float> w, dw;

 private:
  template <class U>
  static Tensor<U> random(Index size, std::uint64_t stream) {
    Tensor<U> t = empty<U>({static_cast<std::size_t>(size)});
    Rng rng = Rng(1).split(stream);
    constexpr std::size_t period = 4099;  // values repeat; a prime, so that no two rows of an image are alike
    for (std::size_t i = 0; i < t.size(); ++i)
      t.data()[i] =
          i < period ? U(static_cast<float>(T(static_cast<float>(rng.uniform()) - 0.5f))) : t.data()[i - period];
    return t;
  }
};

}  // namespace contexture::benchmarks
