// SPDX-License-Identifier: MIT
// Losses: means over a batch, as scalars to call backward() on; answers, and how many were right.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "contexture/autograd/broadcast.hpp"
#include "contexture/autograd/elementwise.hpp"
#include "contexture/autograd/math.hpp"
#include "contexture/autograd/reduce.hpp"
#include "contexture/autograd/variable.hpp"
#include "contexture/core/compiled.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/kernels/softmax.hpp"

namespace contexture {

/// Options of softmax_cross_entropy().
template <class T>
struct CrossEntropyOptions {
  std::span<const T> class_weights = {};  ///< one a class, >= 0, for every class of a (smoothed) target; empty: all 1
  double label_smoothing = 0;             ///< in [0, 1)
};

namespace detail {

template <class T>
void check_cross_entropy(const CrossEntropyOptions<T>& options, Index classes) {
  require(options.class_weights.empty() || static_cast<Index>(options.class_weights.size()) == classes,
          "softmax_cross_entropy: ", options.class_weights.size(), " class weights for ", classes, " classes");
  for (const T weight : options.class_weights)
    require(weight >= T(0) && is_finite(weight), "softmax_cross_entropy: class weight ", weight,
            ", expected a finite number >= 0");
  require(options.label_smoothing >= 0 && options.label_smoothing < 1, "softmax_cross_entropy: label smoothing ",
          options.label_smoothing, ", expected 0 <= s < 1");
}

// The loss as an op whose gradient is known already.
template <class T>
Variable<T> cross_entropy_of(T loss, const Variable<T>& logits, std::shared_ptr<Tensor<T>> gradient) {
  return record<T>("softmax_cross_entropy", full<T>({}, loss), {logits},
                   [gradient](Tensor<T> g, const InputGradients<T>& in) {
                     kernels::scale(g.data()[0], gradient->data(), gradient->data(), count(*gradient));
                     in.add(0, std::move(*gradient));
                   });
}

}  // namespace detail

/// Weighted mean cross-entropy, in nats, of softmax(logits) (N,C) against labels (N) in [0,C):
/// sum_i sum_c w[c] q_i[c] (-log p_i[c]) / sum_i w[t_i], where q_i is the label's one, smoothed; 0 where all w[t_i]
/// are. Throws std::invalid_argument on shapes that do not fit, on labels out of range and on class weights that are
/// negative or not finite.
template <class T>
[[nodiscard]] Variable<T> softmax_cross_entropy(const Variable<T>& logits, std::span<const std::int32_t> labels,
                                                const CrossEntropyOptions<T>& options = {}) {
  require(logits.value().dimension() == 2 && logits.shape()[0] == labels.size() && !labels.empty(),
          "softmax_cross_entropy: logits ", logits.shape(), " for ", labels.size(),
          " labels, expected (N,C) for N >= 1");
  const Index rows = dim(logits.value(), 0);
  const Index classes = dim(logits.value(), 1);
  detail::check_cross_entropy(options, classes);
  for (const std::int32_t label : labels)
    require(label >= 0 && label < classes, "softmax_cross_entropy: label ", label, ", expected 0 to ", classes - 1);
  auto gradient = std::make_shared<Tensor<T>>(empty_like(logits.value()));
  const T loss = kernels::softmax_cross_entropy(rows, classes, logits.value().data(), labels.data(),
                                                options.class_weights.empty() ? nullptr : options.class_weights.data(),
                                                static_cast<T>(options.label_smoothing), gradient->data());
  return detail::cross_entropy_of(loss, logits, std::move(gradient));
}

/// Mean cross-entropy, in nats, of softmax(logits) (N,C) against soft targets (N,C), such as a teacher's probabilities:
/// sum_i sum_c w[c] q_i[c] (-log p_i[c]) / N, where q_i is the target, smoothed: what PyTorch computes for targets that
/// are probabilities. Unlike with labels, weights are not divided by. Throws std::invalid_argument on shapes that do
/// not fit, on targets that are negative or not finite, and as above on the options.
template <class T>
[[nodiscard]] Variable<T> softmax_cross_entropy(const Variable<T>& logits, const Tensor<T>& targets,
                                                const CrossEntropyOptions<T>& options = {}) {
  require(logits.value().dimension() == 2 && logits.shape() == targets.shape() && logits.shape()[0] >= 1,
          "softmax_cross_entropy: logits ", logits.shape(), " for soft targets ", targets.shape(),
          ", expected (N,C) twice, for N >= 1");
  const Index rows = dim(logits.value(), 0);
  const Index classes = dim(logits.value(), 1);
  detail::check_cross_entropy(options, classes);
  for (std::size_t i = 0; i < targets.size(); ++i)
    require(targets.data()[i] >= T(0) && is_finite(targets.data()[i]), "softmax_cross_entropy: soft target ",
            targets.data()[i], ", expected a finite number >= 0");
  auto gradient = std::make_shared<Tensor<T>>(empty_like(logits.value()));
  const T loss = kernels::soft_cross_entropy(rows, classes, logits.value().data(), targets.data(),
                                             options.class_weights.empty() ? nullptr : options.class_weights.data(),
                                             static_cast<T>(options.label_smoothing), gradient->data());
  return detail::cross_entropy_of(loss, logits, std::move(gradient));
}

/// Rows of logits (N,C) whose largest entry, the first of equals, is the label's.
/// Throws std::invalid_argument unless there is one label a row.
template <class T>
[[nodiscard]] Index count_correct(const Tensor<T>& logits, std::span<const std::int32_t> labels) {
  require(logits.dimension() == 2 && logits.shape()[0] == labels.size(), "count_correct: logits ", logits.shape(),
          " for ", labels.size(), " labels, expected (N,C)");
  const Index classes = dim(logits, 1);
  Index correct = 0;
  const T* row = logits.data();
  for (const std::int32_t label : labels) {
    correct += std::max_element(row, row + classes) - row == label;
    row += classes;
  }
  return correct;
}

/// The likeliest class of every row of probabilities or logits (N,classes); of equals the first.
[[nodiscard]] inline std::vector<std::int32_t> likeliest_classes(const Tensor<float>& p) {
  const Index classes = dim(p, 1);
  std::vector<std::int32_t> out;
  for (Index i = 0; i < dim(p, 0); ++i) {
    const float* const row = p.data() + i * classes;
    out.push_back(static_cast<std::int32_t>(std::max_element(row, row + classes) - row));
  }
  return out;
}

/// Mean over all elements of (a - b)^2. Throws std::invalid_argument unless the shapes are equal.
template <class T>
[[nodiscard]] Variable<T> mse_loss(const Variable<T>& a, const Variable<T>& b) {
  detail::require_same_shape("mse_loss", a, b);
  const Variable<T> difference = subtract(a, b);
  return mean(mul(difference, difference));
}

/// Mean over all elements of |a - b|. Throws std::invalid_argument unless the shapes are equal.
template <class T>
[[nodiscard]] Variable<T> l1_loss(const Variable<T>& a, const Variable<T>& b) {
  detail::require_same_shape("l1_loss", a, b);
  return mean(abs(subtract(a, b)));
}

/// Mean over all elements of d^2 / 2 where |d| = |a - b| is at most delta, else of delta (|d| - delta / 2) (Huber,
/// 1964). Throws std::invalid_argument unless the shapes are equal and delta > 0.
template <class T>
[[nodiscard]] Variable<T> huber_loss(const Variable<T>& a, const Variable<T>& b, std::type_identity_t<T> delta = T(1)) {
  detail::require_same_shape("huber_loss", a, b);
  require(delta > T(0), "huber_loss: delta ", delta, ", expected more than 0");
  return mean(detail::unary_op(
      "huber_loss", subtract(a, b),
      [=](T d) {
        const T size = std::abs(d);
        return size <= delta ? d * d / T(2) : delta * (size - delta / T(2));
      },
      [=](T d, T) { return std::clamp(d, -delta, delta); }));
}

/// Binary cross-entropy of logits: the mean over all elements of -t log(p) - (1 - t) log(1 - p) with p =
/// sigmoid(logit). Targets t from 0 to 1, of the logits' shape; no gradient goes to them.
template <class T>
[[nodiscard]] Variable<T> sigmoid_cross_entropy(const Variable<T>& logits, const Tensor<T>& targets) {
  require(logits.shape() == targets.shape() && logits.size() > 0, "sigmoid_cross_entropy: logits ", logits.shape(),
          ", targets ", targets.shape(), ", expected the same and not empty");
  double total = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const T t = targets.data()[i], x = logits.value().data()[i];
    require(t >= T(0) && t <= T(1), "sigmoid_cross_entropy: target ", t, ", expected 0 to 1");
    total += static_cast<double>(std::max(x, T(0)) - x * t + std::log1p(std::exp(-std::abs(x))));
  }
  const T mean = static_cast<T>(total / static_cast<double>(targets.size()));
  return record<T>("sigmoid_cross_entropy", full<T>({}, mean), {logits},
                   [x = logits.saved(), targets](Tensor<T> g, const detail::InputGradients<T>& in) {
                     Tensor<T> dx = empty_like(*x);
                     const T factor = g.data()[0] / static_cast<T>(dx.size());
                     for (std::size_t i = 0; i < dx.size(); ++i)
                       dx.data()[i] = factor * (detail::sigmoid_of(x->data()[i]) - targets.data()[i]);
                     in.add(0, std::move(dx));
                   });
}

/// Mean over rows (N,D) of max(|a - p| - |a - n| + margin, 0), by the Euclidean distances of anchors a from positives p
/// and negatives n (Schroff et al., arXiv 1503.03832, there of squares); 1e-6 is added to each difference, so that
/// equal rows have a gradient, as PyTorch does. Throws std::invalid_argument unless the shapes are equal.
template <class T>
[[nodiscard]] Variable<T> triplet_loss(const Variable<T>& anchor, const Variable<T>& positive,
                                       const Variable<T>& negative, std::type_identity_t<T> margin = T(1)) {
  detail::require_same_shape("triplet_loss", anchor, positive);
  detail::require_same_shape("triplet_loss", anchor, negative);
  require(anchor.shape().size() == 2, "triplet_loss: shape ", anchor.shape(), ", expected (N,D)");
  const auto distance = [&](const Variable<T>& other) {
    const Variable<T> d = anchor - other + T(1e-6);
    return sqrt(sum(d * d, {1}));
  };
  return mean(relu(distance(positive) - distance(negative) + margin));
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                                                    \
  CONTEXTURE_EXTERN template Variable<T> softmax_cross_entropy<T>(const Variable<T>&, std::span<const std::int32_t>, \
                                                                  const CrossEntropyOptions<T>&);                    \
  CONTEXTURE_EXTERN template Variable<T> softmax_cross_entropy<T>(const Variable<T>&, const Tensor<T>&,              \
                                                                  const CrossEntropyOptions<T>&);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
