// SPDX-License-Identifier: MIT
// Muon: momentum whose direction is orthogonalised for the weights of convolutions, plain SGD for
// everything else. Small residual nets need fewer passes over the images with it than with SGD
// (docs/research.md).
#pragma once

#include <cstddef>
#include <vector>

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
/// All zeros where X is zero, or so small that its square is no number, or not finite.
template <class T>
[[nodiscard]] Tensor<T> orthogonalizer(Index rows, Index columns, const T* x, const NewtonSchulz& coefficients);

/// Options of Muon.
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
/// with O the orthogonalised X and |O| = sqrt(min(R S C, K)), the norm of a matrix whose singular values are 1. So
/// weights that are all zero stay so, and a gradient that is not finite makes the weights NaN, as it does with Sgd.
template <class T>
class Muon : public Sgd<T> {
 public:
  explicit Muon(std::vector<NamedParameter<T>> parameters, const MuonOptions& options = {});

 protected:
  void update(double lr) override;

 private:
  void turn(std::size_t i, double lr);  // a convolution's weights

  MuonOptions options_;
  std::vector<std::size_t> turned_, others_;  // parameters: convolutions by falling size, and the rest
};

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/optim/muon-inl.hpp"
#endif
