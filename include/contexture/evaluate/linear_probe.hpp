// SPDX-License-Identifier: MIT
// A linear classifier on frozen features: multinomial logistic regression, whose L2 penalty is chosen on validation
// features. Not part of the umbrella header: it brings xtensor-blas.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "contexture/autograd/loss.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/core/linalg.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/evaluate/features.hpp"
#include "contexture/kernels/matmul.hpp"

namespace contexture {

/// A linear classifier on features: the class of the largest of values (N,F) weights (F,K) + bias (K).
struct LinearProbe {
  Tensor<float> weights;           ///< (F,K), for features as they are
  std::vector<float> bias;         ///< K
  double penalty = 0;              ///< L2 penalty, the best of those tried on validation
  double validation_accuracy = 0;  ///< 0..1, at that penalty
  std::int64_t iterations = 0;     ///< of all penalties together
};

/// Options of a linear probe.
struct LinearProbeOptions {
  /// Tried in this order, each from the solution of the one before; of equals the first wins. In units of
  /// standardised features: the objective is mean cross-entropy + penalty / 2 * |W|^2.
  std::vector<double> penalties{1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6};
  Index max_iterations = 100;  ///< for each penalty
  double tolerance = 1e-4;     ///< on the norm of the preconditioned gradient
};

/// The logits that a probe gives to features (N,F): (N,K).
[[nodiscard]] inline Tensor<float> probe_logits(const LinearProbe& probe, const Tensor<float>& features) {
  const Index f = dim(probe.weights, 0), classes = dim(probe.weights, 1);
  require(features.dimension() == 2 && dim(features, 1) == f, "probe_logits: features ", features.shape(),
          ", the probe is for (N,", f, ")");
  const Index n = dim(features, 0);
  Tensor<float> logits = empty<float>({static_cast<std::size_t>(n), static_cast<std::size_t>(classes)});
  for (Index i = 0; i < n; ++i) std::copy(probe.bias.begin(), probe.bias.end(), logits.data() + i * classes);
  kernels::matmul(Transpose::no, Transpose::no, n, classes, f, features.data(), probe.weights.data(), 1.0F,
                  logits.data());
  return logits;
}

/// The classes that a probe gives to features (N,F).
[[nodiscard]] inline std::vector<std::int32_t> predict(const LinearProbe& probe, const Tensor<float>& features) {
  return likeliest_classes(probe_logits(probe, features));
}

namespace detail {

// Multinomial logistic regression by L-BFGS (Nocedal and Wright, "Numerical Optimization", 2006, algorithms 7.4 and
// 3.1). The Hessian of softmax cross-entropy is at most half the features' second moments (Boehning, "Multinomial
// logistic regression algorithm", 1992). Features are standardised and rotated into the eigenvectors of their
// correlation matrix, where that bound is a diagonal, and parameters are scaled by it: then the Hessian is at most 1,
// a step of 1 along the gradient never fails, and a few dozen iterations do whatever the spread of the eigenvalues.
// The penalty does not feel the rotation.
class SoftmaxRegression {
 public:
  SoftmaxRegression(const LabelledFeatures& train, Index classes)
      : train_(train), n_(train.count()), f_(dim(train.values, 1)), classes_(classes) {
    const Moments moments = row_moments(train.values);
    mean_ = moments.mean;
    Tensor<double> correlation = moments.covariance;
    scale_.resize(static_cast<std::size_t>(f_));
    for (Index j = 0; j < f_; ++j) {
      // A feature whose spread is rounding error of its mean says nothing.
      const double spread = std::sqrt(std::max(correlation.data()[j * f_ + j], 0.0));
      scale_[static_cast<std::size_t>(j)] = spread > 1e-6 * std::abs(mean_.data()[j]) && spread > 0 ? 1 / spread : 0;
    }
    for (Index i = 0; i < f_; ++i)
      for (Index j = 0; j < f_; ++j)
        correlation.data()[i * f_ + j] *= scale_[static_cast<std::size_t>(i)] * scale_[static_cast<std::size_t>(j)];
    eigen_ = symmetric_eigen(correlation);
    // values -> rotated: (x - mean) * scale * vectors^T
    Tensor<float> standardised = train.values;
    for (Index i = 0; i < n_; ++i)
      for (Index j = 0; j < f_; ++j) {
        float& x = standardised.data()[i * f_ + j];
        x = static_cast<float>((static_cast<double>(x) - mean_.data()[j]) * scale_[static_cast<std::size_t>(j)]);
      }
    Tensor<float> vectors = empty<float>(eigen_.vectors.shape());
    std::copy(eigen_.vectors.data(), eigen_.vectors.data() + f_ * f_, vectors.data());
    rotated_ = empty<float>(standardised.shape());
    kernels::matmul(Transpose::no, Transpose::yes, n_, f_, f_, standardised.data(), vectors.data(), 0.0F,
                    rotated_.data());
    theta_.assign(static_cast<std::size_t>((f_ + 1) * classes_), 0.0);
    logits_ = empty<float>({static_cast<std::size_t>(n_), static_cast<std::size_t>(classes_)});
    residual_ = empty<float>(logits_.shape());
    weights_ = empty<float>({static_cast<std::size_t>(f_), static_cast<std::size_t>(classes_)});
    product_ = empty<float>(weights_.shape());
  }

  // Goes on from where the last penalty ended; returns the iterations taken.
  Index minimise(double penalty, Index max_iterations, double tolerance) {
    std::vector<double> scaling(static_cast<std::size_t>(f_ + 1));  // theta = scaling * u
    for (Index j = 0; j < f_; ++j)
      scaling[static_cast<std::size_t>(j)] =
          1 / std::sqrt(std::max(0.5 * std::max(eigen_.values.data()[j], 0.0) + penalty, 1e-12));
    scaling[static_cast<std::size_t>(f_)] = std::sqrt(2.0);  // the bias
    const auto objective = [&](const std::vector<double>& u, std::vector<double>& gradient) {
      for (std::size_t i = 0; i < u.size(); ++i) theta_[i] = scaling[i / static_cast<std::size_t>(classes_)] * u[i];
      const double value = loss(penalty, gradient);
      for (std::size_t i = 0; i < u.size(); ++i) gradient[i] *= scaling[i / static_cast<std::size_t>(classes_)];
      return value;
    };
    const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
      double sum = 0;
      for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
      return sum;
    };
    constexpr std::size_t kMemory = 10;
    struct Pair {
      std::vector<double> s, y;
      double rho;
    };
    std::vector<Pair> memory;
    std::vector<double> u(theta_.size()), gradient(theta_.size()), next(theta_.size()), next_gradient(theta_.size());
    for (std::size_t i = 0; i < u.size(); ++i) u[i] = theta_[i] / scaling[i / static_cast<std::size_t>(classes_)];
    double value = objective(u, gradient);
    Index iteration = 0;
    for (; iteration < max_iterations && dot(gradient, gradient) > tolerance * tolerance; ++iteration) {
      std::vector<double> direction = gradient;
      std::vector<double> alpha(memory.size());
      for (std::size_t i = memory.size(); i-- > 0;) {
        alpha[i] = memory[i].rho * dot(memory[i].s, direction);
        for (std::size_t j = 0; j < u.size(); ++j) direction[j] -= alpha[i] * memory[i].y[j];
      }
      if (!memory.empty()) {
        const double shrink = 1 / (memory.back().rho * dot(memory.back().y, memory.back().y));
        for (double& d : direction) d *= shrink;
      }
      for (std::size_t i = 0; i < memory.size(); ++i) {
        const double beta = alpha[i] - memory[i].rho * dot(memory[i].y, direction);
        for (std::size_t j = 0; j < u.size(); ++j) direction[j] += beta * memory[i].s[j];
      }
      double slope = -dot(gradient, direction);
      if (!(slope < 0)) {  // rounding has spoilt the curvature pairs
        memory.clear();
        direction = gradient;
        slope = -dot(gradient, gradient);
      }
      double step = 1, next_value = 0;
      bool found = false;
      for (int trial = 0; trial < 20 && !found; ++trial, step *= 0.5) {
        for (std::size_t j = 0; j < u.size(); ++j) next[j] = u[j] - step * direction[j];
        next_value = objective(next, next_gradient);
        found = next_value <= value + 1e-4 * step * slope;
      }
      if (!found) break;  // as low as single precision gets
      Pair pair{next, next_gradient, 0};
      for (std::size_t j = 0; j < u.size(); ++j) {
        pair.s[j] -= u[j];
        pair.y[j] -= gradient[j];
      }
      const double curvature = dot(pair.s, pair.y);
      if (curvature > 1e-10 * dot(pair.y, pair.y)) {
        pair.rho = 1 / curvature;
        if (memory.size() == kMemory) memory.erase(memory.begin());
        memory.push_back(std::move(pair));
      }
      u = next;
      gradient = next_gradient;
      value = next_value;
    }
    for (std::size_t i = 0; i < u.size(); ++i) theta_[i] = scaling[i / static_cast<std::size_t>(classes_)] * u[i];
    return iteration;
  }

  // Weights and bias for features as they are: standardisation and rotation folded in.
  [[nodiscard]] LinearProbe probe() const {
    const auto classes = static_cast<std::size_t>(classes_);
    LinearProbe out;
    out.weights = empty<float>({static_cast<std::size_t>(f_), classes});
    std::vector<double> bias(theta_.end() - classes_, theta_.end());
    for (Index j = 0; j < f_; ++j)
      for (Index c = 0; c < classes_; ++c) {
        double w = 0;
        for (Index i = 0; i < f_; ++i)
          w += eigen_.vectors.data()[i * f_ + j] * theta_[static_cast<std::size_t>(i * classes_ + c)];
        w *= scale_[static_cast<std::size_t>(j)];
        out.weights.data()[j * classes_ + c] = static_cast<float>(w);
        bias[static_cast<std::size_t>(c)] -= w * mean_.data()[j];
      }
    for (const double b : bias) out.bias.push_back(static_cast<float>(b));
    return out;
  }

 private:
  // Mean cross-entropy + penalty / 2 |W|^2 at theta_, and its gradient.
  double loss(double penalty, std::vector<double>& gradient) {
    const auto cells = static_cast<std::size_t>(f_ * classes_);
    for (std::size_t i = 0; i < cells; ++i) weights_.data()[i] = static_cast<float>(theta_[i]);
    const double* const bias = theta_.data() + cells;
    for (Index i = 0; i < n_; ++i)
      for (Index c = 0; c < classes_; ++c) logits_.data()[i * classes_ + c] = static_cast<float>(bias[c]);
    kernels::matmul(Transpose::no, Transpose::no, n_, classes_, f_, rotated_.data(), weights_.data(), 1.0F,
                    logits_.data());
    // In double: the line search compares losses that differ in the seventh digit.
    const Index chunks = std::clamp<Index>(n_ * classes_ / 4096, 1, 16);
    std::vector<double> partial(static_cast<std::size_t>(chunks), 0.0);
    parallel_chunks(n_, chunks, [&](Index chunk, Index begin, Index end) {
      double sum = 0;
      for (Index i = begin; i < end; ++i) {
        const float* const z = logits_.data() + i * classes_;
        float* const r = residual_.data() + i * classes_;
        const std::int32_t label = train_.labels[static_cast<std::size_t>(i)];
        const float top = *std::max_element(z, z + classes_);
        float total = 0;
        for (Index c = 0; c < classes_; ++c) total += r[c] = std::exp(z[c] - top);
        sum += std::log(static_cast<double>(total)) - static_cast<double>(z[label] - top);
        for (Index c = 0; c < classes_; ++c) r[c] /= total;
        r[label] -= 1;
      }
      partial[static_cast<std::size_t>(chunk)] = sum;
    });
    double sum = 0;
    for (const double p : partial) sum += p;
    kernels::matmul(Transpose::yes, Transpose::no, f_, classes_, n_, rotated_.data(), residual_.data(), 0.0F,
                    product_.data());
    const auto n = static_cast<double>(n_);
    double squares = 0;
    for (std::size_t i = 0; i < cells; ++i) {
      gradient[i] = static_cast<double>(product_.data()[i]) / n + penalty * theta_[i];
      squares += theta_[i] * theta_[i];
    }
    for (Index c = 0; c < classes_; ++c) {
      double all = 0;
      for (Index i = 0; i < n_; ++i) all += static_cast<double>(residual_.data()[i * classes_ + c]);
      gradient[cells + static_cast<std::size_t>(c)] = all / n;
    }
    return sum / n + 0.5 * penalty * squares;
  }

  const LabelledFeatures& train_;
  Index n_, f_, classes_;
  Tensor<double> mean_;
  std::vector<double> scale_;
  SymmetricEigen eigen_;
  Tensor<float> rotated_;                                // (N,F)
  std::vector<double> theta_;                            // (F+1,K), the bias last
  Tensor<float> logits_, residual_, weights_, product_;  // (N,K), (N,K), (F,K), (F,K)
};

}  // namespace detail

/// Multinomial logistic regression on frozen features: L-BFGS, with the L2 penalty chosen on the validation features
/// (the protocol of Kornblith, Shlens and Le, arXiv 1805.08974). Throws
/// std::invalid_argument for sizes that do not fit together, no images, or labels outside [0, classes).
[[nodiscard]] inline LinearProbe fit_linear_probe(const LabelledFeatures& train, const LabelledFeatures& validation,
                                                  Index classes, const LinearProbeOptions& options = {}) {
  for (const LabelledFeatures* set : {&train, &validation}) {
    require(set->values.dimension() == 2 && dim(set->values, 0) == set->count() && set->count() >= 1 &&
                dim(set->values, 1) >= 1 && dim(set->values, 1) == dim(train.values, 1),
            "fit_linear_probe: features ", set->values.shape(), " for ", set->count(), " labels");
    for (const std::int32_t label : set->labels)
      require(label >= 0 && label < classes, "fit_linear_probe: label ", label, " of ", classes, " classes");
  }
  require(!options.penalties.empty(), "fit_linear_probe: no penalties to try");
  for (const double penalty : options.penalties)
    require(penalty > 0 && is_finite(penalty), "fit_linear_probe: penalty ", penalty, ", expected more than 0");
  detail::SoftmaxRegression regression(train, classes);
  LinearProbe best;
  std::int64_t iterations = 0;
  bool first = true;
  for (const double penalty : options.penalties) {
    iterations += regression.minimise(penalty, options.max_iterations, options.tolerance);
    LinearProbe probe = regression.probe();
    probe.penalty = penalty;
    probe.validation_accuracy = agreement(predict(probe, validation.values), validation.labels);
    if (first || probe.validation_accuracy > best.validation_accuracy) best = std::move(probe);
    first = false;
  }
  best.iterations = iterations;
  return best;
}

}  // namespace contexture
