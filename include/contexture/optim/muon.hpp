// Muon: momentum whose direction is orthogonalised for the weights of convolutions, plain SGD for
// everything else. Small residual nets need fewer passes over the images with it than with SGD
// (docs/research.md).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/kernels/elementwise.hpp"
#include "contexture/kernels/matmul.hpp"
#include "contexture/optim/optimizer.hpp"

namespace contexture {

/// Coefficients of X -> a X + b X (X'X) + c X (X'X)^2, which brings the singular values of a matrix
/// of norm 1 near to 1 in five steps (Jordan et al., "Muon", 2024: kellerjordan.github.io/posts/muon).
struct NewtonSchulz {
  double a = 3.4445;
  double b = -4.7750;
  double c = 2.0315;
  int steps = 5;
};

/// Of a matrix X (rows,columns), the symmetric matrix Q (n,n), n the smaller extent, with which X Q (or Q X, where
/// rows < columns) has singular values of about 1 (0.7 to 1.2) wherever X's are above about a thousandth of its
/// norm. Works on the Gram matrix alone, so that a long X is read twice whatever the number of steps.
/// All zeros where X is zero or not finite.
template <class T>
[[nodiscard]] Tensor<T> orthogonalizer(Index rows, Index columns, const T* x, const NewtonSchulz& coefficients) {
  const bool tall = rows >= columns;
  const Index n = std::min(rows, columns);
  const Shape shape{static_cast<std::size_t>(n), static_cast<std::size_t>(n)};
  Tensor<T> gram = empty<T>(shape), poly = empty<T>(shape), product = empty<T>(shape), q = zeros<T>(shape);
  kernels::matmul(tall ? Transpose::yes : Transpose::no, tall ? Transpose::no : Transpose::yes, n, n,
                  std::max(rows, columns), x, x, T(0), gram.data());
  double trace = 0;  // the squared norm of X
  for (Index i = 0; i < n; ++i) trace += static_cast<double>(gram.data()[i * n + i]);
  if (!(trace > 0) || !std::isfinite(trace)) return q;
  const auto times = [n](const Tensor<T>& left, const Tensor<T>& right, Tensor<T>& out) {
    kernels::matmul(Transpose::no, Transpose::no, n, n, n, left.data(), right.data(), T(0), out.data());
  };
  kernels::scale(static_cast<T>(1 / trace), gram.data(), gram.data(), n * n);
  for (Index i = 0; i < n; ++i) q.data()[i * n + i] = static_cast<T>(1 / std::sqrt(trace));
  // All of these are polynomials of the Gram matrix, so they commute: Q <- Q P, G <- P G P.
  for (int step = 0; step < coefficients.steps; ++step) {
    times(gram, gram, poly);
    for (Index i = 0; i < n * n; ++i)
      poly.data()[i] =
          static_cast<T>(coefficients.b) * gram.data()[i] + static_cast<T>(coefficients.c) * poly.data()[i];
    for (Index i = 0; i < n; ++i) poly.data()[i * n + i] += static_cast<T>(coefficients.a);
    times(q, poly, product);
    std::swap(q, product);
    if (step + 1 == coefficients.steps) break;
    times(poly, gram, product);
    times(product, poly, gram);
  }
  return q;
}

struct MuonOptions {
  double rate = 0.2;           ///< an update at learning rate r turns a convolution's weights by rate * r radians
  double momentum = 0.9;       ///< of all parameters, Nesterov's
  double weight_decay = 5e-4;  ///< of the other weights, as in Sgd; see below for the convolutions'
  NewtonSchulz orthogonalization{};
};

/// Muon (Jordan et al., 2024) for weights of rank 4, read as matrices (R S C, K); Sgd for all others.
/// A convolution's weights W keep their norm, which costs nothing where a batch-norm follows (it makes the
/// output independent of that norm) and stands in for weight decay:
///   V <- momentum V + G,  X = G + momentum V,  W' = W - rate lr |W| O / |O|,  W <- W' |W| / |W'|
/// with O the orthogonalised X and |O| = sqrt(min(R S C, K)), the norm of a matrix whose singular values are 1.
template <class T>
class Muon : public Sgd<T> {
 public:
  explicit Muon(std::vector<NamedParameter<T>> parameters, const MuonOptions& options = {})
      : Sgd<T>(std::move(parameters), {.momentum = options.momentum, .weight_decay = options.weight_decay}),
        options_(options) {
    require(options.rate > 0 && options.orthogonalization.steps >= 1, "Muon: rate ", options.rate, ", ",
            options.orthogonalization.steps, " steps, expected > 0, >= 1");
  }

 protected:
  void update_parameter(NamedParameter<T>& p, Tensor<T>& velocity, double rate) override {
    if (p.variable.value().dimension() == 4)
      turn(p.variable, velocity, rate);
    else
      Sgd<T>::update_parameter(p, velocity, rate);
  }

 private:
  static double norm(const T* x, Index size) { return std::sqrt(kernels::sum_of_squares(x, size)); }

  void turn(Variable<T>& weight, Tensor<T>& velocity, double rate) {
    const auto size = static_cast<Index>(velocity.size());
    if (size == 0) return;
    const auto columns = static_cast<Index>(weight.shape()[3]);
    const Index rows = size / columns;
    T* const w = weight.mutable_value().data();
    const double before = norm(w, size);

    // X = 0 - (-1) * (G + momentum V), and V as in SGD.
    Tensor<T> direction = zeros<T>(weight.shape());
    kernels::sgd_update(direction.data(), weight.grad().data(), velocity.data(), size, T(-1),
                        static_cast<T>(options_.momentum), T(0), true);
    Tensor<T> q = orthogonalizer(rows, columns, direction.data(), options_.orthogonalization);
    const double step = options_.rate * rate * before / std::sqrt(static_cast<double>(std::min(rows, columns)));
    kernels::scale(static_cast<T>(-step), q.data(), q.data(), static_cast<Index>(q.size()));
    if (rows >= columns)
      kernels::matmul(Transpose::no, Transpose::no, rows, columns, columns, direction.data(), q.data(), T(1), w);
    else
      kernels::matmul(Transpose::no, Transpose::no, rows, columns, rows, q.data(), direction.data(), T(1), w);
    const double after = norm(w, size);
    if (after > 0 && std::isfinite(after)) kernels::scale(static_cast<T>(before / after), w, w, size);
  }

  MuonOptions options_;
};

}  // namespace contexture
