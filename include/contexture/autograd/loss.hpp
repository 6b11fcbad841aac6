// SPDX-License-Identifier: MIT
// Losses: means over a batch, as scalars to call backward() on; answers, and how many were right.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "contexture/autograd/variable.hpp"

namespace contexture {

/// Options of softmax_cross_entropy().
template <class T>
struct CrossEntropyOptions {
  std::span<const T> class_weights = {};  ///< one a class, >= 0, for every class of a (smoothed) target; empty: all 1
  double label_smoothing = 0;             ///< in [0, 1)
};

/// Weighted mean cross-entropy, in nats, of softmax(logits) (N,C) against labels (N) in [0,C):
/// sum_i sum_c w[c] q_i[c] (-log p_i[c]) / sum_i w[t_i], where q_i is the label's one, smoothed; 0 where all w[t_i]
/// are. Throws std::invalid_argument on shapes that do not fit, on labels out of range and on class weights that are
/// negative or not finite.
template <class T>
[[nodiscard]] Variable<T> softmax_cross_entropy(const Variable<T>& logits, std::span<const std::int32_t> labels,
                                                const CrossEntropyOptions<T>& options = {});

/// Mean cross-entropy, in nats, of softmax(logits) (N,C) against soft targets (N,C), such as a teacher's probabilities:
/// sum_i sum_c w[c] q_i[c] (-log p_i[c]) / N, where q_i is the target, smoothed: what PyTorch computes for targets that
/// are probabilities. Unlike with labels, weights are not divided by. Throws std::invalid_argument on shapes that do
/// not fit, on targets that are negative or not finite, and as above on the options.
template <class T>
[[nodiscard]] Variable<T> softmax_cross_entropy(const Variable<T>& logits, const Tensor<T>& targets,
                                                const CrossEntropyOptions<T>& options = {});

/// Rows of logits (N,C) whose largest entry, the first of equals, is the label's.
/// Throws std::invalid_argument unless there is one label a row.
template <class T>
[[nodiscard]] Index count_correct(const Tensor<T>& logits, std::span<const std::int32_t> labels);

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
[[nodiscard]] Variable<T> mse_loss(const Variable<T>& a, const Variable<T>& b);

/// Mean over all elements of |a - b|. Throws std::invalid_argument unless the shapes are equal.
template <class T>
[[nodiscard]] Variable<T> l1_loss(const Variable<T>& a, const Variable<T>& b);

/// Mean over all elements of d^2 / 2 where |d| = |a - b| is at most delta, else of delta (|d| - delta / 2) (Huber,
/// 1964). Throws std::invalid_argument unless the shapes are equal and delta > 0.
template <class T>
[[nodiscard]] Variable<T> huber_loss(const Variable<T>& a, const Variable<T>& b, std::type_identity_t<T> delta = T(1));

/// Binary cross-entropy of logits: the mean over all elements of -t log(p) - (1 - t) log(1 - p) with p =
/// sigmoid(logit). Targets t from 0 to 1, of the logits' shape; no gradient goes to them.
template <class T>
[[nodiscard]] Variable<T> sigmoid_cross_entropy(const Variable<T>& logits, const Tensor<T>& targets);

/// Mean over rows (N,D) of max(|a - p| - |a - n| + margin, 0), by the Euclidean distances of anchors a from positives p
/// and negatives n (Schroff et al., arXiv 1503.03832, there of squares); 1e-6 is added to each difference, so that
/// equal rows have a gradient, as PyTorch does. Throws std::invalid_argument unless the shapes are equal.
template <class T>
[[nodiscard]] Variable<T> triplet_loss(const Variable<T>& anchor, const Variable<T>& positive,
                                       const Variable<T>& negative, std::type_identity_t<T> margin = T(1));

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/loss-inl.hpp"
#endif
