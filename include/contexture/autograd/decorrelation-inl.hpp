// SPDX-License-Identifier: MIT
// How autograd/decorrelation.hpp computes.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "contexture/autograd/decorrelation.hpp"
#include "contexture/autograd/variable.hpp"
#include "contexture/kernels/matmul.hpp"

namespace contexture {

template <class T>
Variable<T> decorrelation_loss(const Variable<T>& z, const DecorrelationOptions& options) {
  require(z.value().dimension() == 2 && z.shape()[0] >= 2 && z.shape()[1] >= 1, "decorrelation_loss: input ", z.shape(),
          ", expected (N,D) with N >= 2");
  require(options.epsilon > 0 && options.deviation >= 0, "decorrelation_loss: deviation ", options.deviation,
          ", epsilon ", options.epsilon, ", expected 0 or more, and more than 0");
  const Index n = dim(z.value(), 0);
  const Index width = dim(z.value(), 1);
  std::vector<double> mean(static_cast<std::size_t>(width), 0.0);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < width; ++j)
      mean[static_cast<std::size_t>(j)] += static_cast<double>(z.value().data()[i * width + j]);
  auto centred = std::make_shared<Tensor<T>>(empty_like(z.value()));
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < width; ++j)
      centred->data()[i * width + j] =
          z.value().data()[i * width + j] - static_cast<T>(mean[static_cast<std::size_t>(j)] / static_cast<double>(n));
  auto matrix = std::make_shared<Tensor<T>>(empty<T>({z.shape()[1], z.shape()[1]}));
  kernels::matmul(Transpose::yes, Transpose::no, width, width, n, centred->data(), centred->data(), T(0),
                  matrix->data());
  // The covariance matrix turns into A with dL/dz = centred A: off the diagonal 4 w C_ij / (D (N - 1)), on
  // it -w / (D (N - 1) deviation_j) where the hinge is open. Columns of `centred` have mean 0, and so have
  // those of the product, so that centring adds nothing to the gradient.
  const double scale = 1.0 / static_cast<double>(n - 1);
  const double columns = static_cast<double>(width);
  const auto factor = static_cast<T>(4 * options.covariance_weight * scale * scale / columns);
  std::vector<double> squares(static_cast<std::size_t>(width));
  std::vector<double> hinges(static_cast<std::size_t>(width));
  parallel_for(width, std::max<Index>(1, 16384 / width), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      T* const row = matrix->data() + i * width;
      double square = 0;
      const double own = static_cast<double>(row[i]) * scale;
      row[i] = T(0);
      for (Index j = 0; j < width; ++j) {
        square += static_cast<double>(row[j]) * static_cast<double>(row[j]);
        row[j] *= factor;
      }
      squares[static_cast<std::size_t>(i)] = square * scale * scale;
      const double deviation = std::sqrt(own + options.epsilon);
      hinges[static_cast<std::size_t>(i)] = std::max(0.0, options.deviation - deviation);
      if (deviation < options.deviation)
        row[i] = static_cast<T>(-options.variance_weight * scale / (columns * deviation));
    }
  });
  double loss = 0;
  for (std::size_t j = 0; j < squares.size(); ++j)
    loss += options.variance_weight * hinges[j] + options.covariance_weight * squares[j];
  return record<T>("decorrelation_loss", full<T>({}, static_cast<T>(loss / columns)), {z},
                   [=](Tensor<T> g, const detail::InputGradients<T>& in) {
                     Tensor<T> dz = empty_like(*centred);
                     kernels::matmul(Transpose::no, Transpose::no, n, width, width, centred->data(), matrix->data(),
                                     T(0), dz.data());
                     kernels::scale(g.data()[0], dz.data(), dz.data(), n * width);
                     in.add(0, std::move(dz));
                   });
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T) \
  template Variable<T> decorrelation_loss(const Variable<T>& z, const DecorrelationOptions& options);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
