// SPDX-License-Identifier: MIT
// How optim/muon.hpp turns weights.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/elementwise.hpp"
#include "contexture/kernels/matmul.hpp"
#include "contexture/optim/muon.hpp"
#include "contexture/optim/optimizer.hpp"

namespace contexture {

template <class T>
Tensor<T> orthogonalizer(Index rows, Index columns, const T* x, const NewtonSchulz& coefficients) {
  const bool tall = rows >= columns;
  const Index n = std::min(rows, columns);
  const Shape shape{static_cast<std::size_t>(n), static_cast<std::size_t>(n)};
  Tensor<T> gram = empty<T>(shape), poly = empty<T>(shape), product = empty<T>(shape), q = zeros<T>(shape);
  kernels::matmul(tall ? Transpose::yes : Transpose::no, tall ? Transpose::no : Transpose::yes, n, n,
                  std::max(rows, columns), x, x, T(0), gram.data());
  double trace = 0;  // the squared norm of X
  for (Index i = 0; i < n; ++i) trace += static_cast<double>(gram.data()[i * n + i]);
  const auto inverse = static_cast<T>(1 / trace);
  if (!(trace > 0) || !is_finite(trace) || !is_finite(inverse)) return q;
  const auto times = [n](const Tensor<T>& left, const Tensor<T>& right, Tensor<T>& out) {
    kernels::matmul(Transpose::no, Transpose::no, n, n, n, left.data(), right.data(), T(0), out.data());
  };
  kernels::scale(inverse, gram.data(), gram.data(), n * n);
  for (Index i = 0; i < n; ++i) q.data()[i * n + i] = static_cast<T>(1 / std::sqrt(trace));
  const auto b = static_cast<T>(coefficients.b), c = static_cast<T>(coefficients.c);
  // All of these are polynomials of the Gram matrix, so they commute: Q <- Q P, G <- P G P.
  for (int step = 0; step < coefficients.steps; ++step) {
    times(gram, gram, poly);
    std::transform(gram.data(), gram.data() + gram.size(), poly.data(), poly.data(),
                   [b, c](T g, T p) { return b * g + c * p; });
    for (Index i = 0; i < n; ++i) poly.data()[i * n + i] += static_cast<T>(coefficients.a);
    times(q, poly, product);
    std::swap(q, product);
    if (step + 1 == coefficients.steps) break;
    times(poly, gram, product);
    times(product, poly, gram);
  }
  return q;
}

template <class T>
Muon<T>::Muon(std::vector<NamedParameter<T>> parameters, const MuonOptions& options)
    : Sgd<T>(std::move(parameters), {.momentum = options.momentum, .weight_decay = options.weight_decay}),
      options_(options) {
  require(options.rate > 0 && options.orthogonalization.steps >= 1, "Muon: rate ", options.rate, ", ",
          options.orthogonalization.steps, " steps, expected > 0, >= 1");
  for (std::size_t i = 0; i < this->parameters_.size(); ++i)
    (this->parameters_[i].variable.value().dimension() == 4 ? turned_ : others_).push_back(i);
  std::stable_sort(turned_.begin(), turned_.end(), [this](std::size_t a, std::size_t b) {
    return this->velocity_[a].size() > this->velocity_[b].size();
  });
}

template <class T>
void Muon<T>::update(double lr) {
  // A thread per matrix, the large ones first: their products are too small to be shared out.
  parallel_chunks(static_cast<Index>(turned_.size()), static_cast<Index>(turned_.size()),
                  [&](Index chunk, Index, Index) { turn(turned_[static_cast<std::size_t>(chunk)], lr); });
  for (const std::size_t i : others_) this->update_parameter(i, lr);
}

template <class T>
void Muon<T>::turn(std::size_t i, double lr) {
  Variable<T>& weight = this->parameters_[i].variable;
  Tensor<T>& velocity = this->velocity_[i];
  const auto size = static_cast<Index>(velocity.size());
  if (size == 0 || !weight.has_grad()) return;
  const auto columns = static_cast<Index>(weight.shape()[3]);
  const Index rows = size / columns;
  T* const w = weight.mutable_value().data();
  const auto norm = [&] { return std::sqrt(kernels::sum_of_squares(w, size)); };
  const double before = norm();

  // X = 0 - (-1) * (G + momentum V), and V as in SGD.
  Tensor<T> direction = zeros<T>(weight.shape());
  kernels::sgd_update(direction.data(), weight.grad().data(), velocity.data(), size,
                      {.rate = T(-1), .momentum = static_cast<T>(options_.momentum), .nesterov = true});
  Tensor<T> q = orthogonalizer(rows, columns, direction.data(), options_.orthogonalization);
  const double step =
      options_.rate * lr * this->rates_[i] * before / std::sqrt(static_cast<double>(std::min(rows, columns)));
  kernels::scale(static_cast<T>(-step), q.data(), q.data(), static_cast<Index>(q.size()));
  if (rows >= columns)
    kernels::matmul(Transpose::no, Transpose::no, rows, columns, columns, direction.data(), q.data(), T(1), w);
  else
    kernels::matmul(Transpose::no, Transpose::no, rows, columns, rows, q.data(), direction.data(), T(1), w);
  const double after = norm();
  if (after > 0 && is_finite(after)) kernels::scale(static_cast<T>(before / after), w, w, size);
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                                             \
  template Tensor<T> orthogonalizer(Index rows, Index columns, const T* x, const NewtonSchulz& coefficients); \
  template class Muon<T>;
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
