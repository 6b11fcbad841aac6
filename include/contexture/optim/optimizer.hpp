// SPDX-License-Identifier: MIT
// Optimisers: they update parameters in place from their gradients. The learning rate is an
// argument of each step, since a schedule decides it. Parameters without a gradient (frozen, or
// unused in this step) stay as they are.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/autograd/variable.hpp"
#include "contexture/nn/module.hpp"

namespace contexture {

namespace detail {

// Each parameter once, by its first name: one that modules share is listed for each of them.
template <class T>
std::vector<NamedParameter<T>> distinct(std::vector<NamedParameter<T>> parameters);

}  // namespace detail

/// A tensor of optimiser state under a path name, for checkpoints.
template <class T>
struct NamedState {
  std::string name;
  Tensor<T>* tensor;
};

/// What changes parameters by their gradients, and the state that it keeps for that.
template <class T>
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// One update with learning rate `lr`; parameters without a gradient stay as they are. Throws std::invalid_argument
  /// for a rate that is negative or not finite, std::logic_error where no parameter has a gradient.
  void step(double lr);
  void zero_grad();

  /// Multiplies the learning rate of the parameters whose path names begin with `prefix` by `factor`, from now
  /// on: a pre-trained encoder may want smaller steps than a new head. Throws std::invalid_argument where
  /// no parameter has such a name, or for a factor that is negative or not finite.
  void scale_rate(std::string_view prefix, double factor) { scale("scale_rate", rates_, prefix, factor); }

  /// The same of the weight decay: 0 for none. Parameters that are not decayed stay so.
  void scale_decay(std::string_view prefix, double factor) { scale("scale_decay", decays_, prefix, factor); }

  /// Momenta and the like, for saving and restoring in place.
  [[nodiscard]] virtual std::vector<NamedState<T>> state() = 0;

 protected:
  explicit Optimizer(std::vector<NamedParameter<T>> parameters);
  virtual void update(double lr) = 0;

  // The weight decay of parameter i. Biases and the scales and shifts of normalisations (rank 0 and 1) have none.
  [[nodiscard]] double decay(std::size_t i, double weight_decay, bool all) const;

  std::vector<NamedParameter<T>> parameters_;
  std::vector<double> rates_;   // factors of the learning rate, one a parameter
  std::vector<double> decays_;  // and of the weight decay

 private:
  void scale(const char* what, std::vector<double>& factors, std::string_view prefix, double factor);
};

/// Options of Sgd; the learning rate comes with every step.
struct SgdOptions {
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 5e-4;  ///< coupled (L2), as in the literature of residual nets
  bool decay_all = false;      ///< also biases and normalisation parameters
};

/// Stochastic gradient descent with (Nesterov) momentum; the formula is at kernels::sgd_update.
template <class T>
class Sgd : public Optimizer<T> {
 public:
  explicit Sgd(std::vector<NamedParameter<T>> parameters, const SgdOptions& options = {});
  [[nodiscard]] std::vector<NamedState<T>> state() override;

 protected:
  void update(double lr) override;
  void update_parameter(std::size_t i, double lr);

  std::vector<Tensor<T>> velocity_;

 private:
  SgdOptions options_;
};

/// Options of AdamW; the learning rate comes with every step.
struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 1e-2;  ///< decoupled: multiplied by the learning rate, not by the gradient's scale
  bool decay_all = false;
};

/// AdamW (Loshchilov and Hutter, arXiv 1711.05101).
template <class T>
class AdamW : public Optimizer<T> {
 public:
  explicit AdamW(std::vector<NamedParameter<T>> parameters, const AdamWOptions& options = {});
  [[nodiscard]] std::vector<NamedState<T>> state() override;

 protected:
  void update(double lr) override;

 private:
  AdamWOptions options_;
  Tensor<T> steps_;  // of each parameter; a tensor, so that it is saved with the rest
  std::vector<Tensor<T>> m_;
  std::vector<Tensor<T>> v_;
};

/// Scales all gradients down so that their joint Euclidean norm is at most `max_norm`; returns the norm
/// before (Pascanu et al., arXiv 1211.5063). A norm that is not finite is returned and nothing scaled.
template <class T>
double clip_grad_norm(std::span<NamedParameter<T>> parameters, double max_norm);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/optim/optimizer-inl.hpp"
#endif
