// SPDX-License-Identifier: MIT
// Softmax cross-entropy, against labels or soft targets, in one pass over the logits: loss and gradient together, since
// both need the same exponentials. Rows are few and short (classes), so this is plain code.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture::kernels {

/// p (rows, classes) = softmax of each row of the logits; p may be the logits.
template <class T>
void softmax(Index rows, Index classes, const T* logits, T* p) {
  parallel_for(rows, std::max<Index>(1, 4096 / std::max<Index>(classes, 1)), [=](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const T* const in = logits + r * classes;
      T* const out = p + r * classes;
      const T highest = *std::max_element(in, in + classes);
      T total = T(0);
      for (Index c = 0; c < classes; ++c) total += out[c] = std::exp(in[c] - highest);
      for (Index c = 0; c < classes; ++c) out[c] /= total;
    }
  });
}

/// Weighted mean cross-entropy of softmax(logits) against smoothed labels, and its gradient:
///   loss = sum_r sum_c w[c] q_r[c] (-log p_r[c]) / sum_r w[t_r],
///   q_r = (1 - smoothing) * onehot(t_r) + smoothing / classes
/// (label smoothing: Szegedy et al., arXiv 1512.00567; a weight goes with a class of the target, as in PyTorch).
/// logits, dlogits: (rows, classes); labels in [0, classes); weights (classes) or null for ones. Returns 0 where the
/// weights of all rows' labels are 0. A logit of -inf masks its class, without smoothing; with it, every class of a
/// weight has a share of the target, and the loss is infinite.
template <class T>
T softmax_cross_entropy(Index rows, Index classes, const T* logits, const std::int32_t* labels, const T* weights,
                        T smoothing, T* dlogits) {
  double weight_sum = 0;
  for (Index r = 0; r < rows; ++r) weight_sum += weights != nullptr ? static_cast<double>(weights[labels[r]]) : 1.0;
  if (weight_sum <= 0) {
    std::fill(dlogits, dlogits + rows * classes, T(0));
    return T(0);
  }
  const T off = smoothing / static_cast<T>(classes);
  const T on = T(1) - smoothing;  // and `off` beside, as every class has
  const bool spread = off > T(0);
  T off_sum = smoothing;  // of what a row's target gives to all classes
  if (spread && weights != nullptr) off_sum = off * std::accumulate(weights, weights + classes, T(0));
  const T scale = T(1) / static_cast<T>(weight_sum);
  const Index chunks = std::clamp<Index>(rows * classes / 4096, 1, 16);
  std::vector<double> partial(static_cast<std::size_t>(chunks), 0.0);
  parallel_chunks(rows, chunks, [&](Index chunk, Index begin, Index end) {
    double loss = 0;
    for (Index r = begin; r < end; ++r) {
      const T* const in = logits + r * classes;
      T* const out = dlogits + r * classes;
      const Index label = labels[r];
      const T mine = weights != nullptr ? on * weights[label] : on;
      const T highest = *std::max_element(in, in + classes);
      T total = T(0);
      for (Index c = 0; c < classes; ++c) total += out[c] = std::exp(in[c] - highest);
      // With a_c = w_c q_c and their sum a: -sum_c a_c (z_c - log total) = a * log total - sum_c a_c z_c.
      const T all = mine + off_sum;
      T cost = all * std::log(total) - (mine > T(0) ? mine * (in[label] - highest) : T(0));  // never 0 * -inf
      for (Index c = 0; c < classes; ++c) out[c] = all * (out[c] / total);
      out[label] -= mine;
      for (Index c = 0; spread && c < classes; ++c) {
        const T share = weights != nullptr ? off * weights[c] : off;
        if (share > T(0)) cost -= share * (in[c] - highest);
        out[c] -= share;
      }
      for (Index c = 0; c < classes; ++c) out[c] *= scale;
      loss += static_cast<double>(scale * cost);
    }
    partial[static_cast<std::size_t>(chunk)] = loss;
  });
  double loss = 0;
  for (const double p : partial) loss += p;
  return static_cast<T>(loss);
}

/// Mean cross-entropy of softmax(logits) against soft targets q (rows, classes), each >= 0, and its gradient:
///   loss = 1/rows sum_r sum_c a_r[c] (-log p_r[c]),  a_r[c] = w[c] ((1 - smoothing) q_r[c] + smoothing / classes)
/// as torch.nn.functional.cross_entropy has it for probabilities: the weights are in the sum, not in the mean. A row of
/// q need not sum to 1. A logit of -inf masks its class where the target has no share of it.
template <class T>
T soft_cross_entropy(Index rows, Index classes, const T* logits, const T* targets, const T* weights, T smoothing,
                     T* dlogits) {
  if (rows == 0) return T(0);
  const T off = smoothing / static_cast<T>(classes);
  const T scale = T(1) / static_cast<T>(rows);
  const Index chunks = std::clamp<Index>(rows * classes / 4096, 1, 16);
  std::vector<double> partial(static_cast<std::size_t>(chunks), 0.0);
  parallel_chunks(rows, chunks, [&](Index chunk, Index begin, Index end) {
    double loss = 0;
    for (Index r = begin; r < end; ++r) {
      const T* const in = logits + r * classes;
      const T* const q = targets + r * classes;
      T* const out = dlogits + r * classes;
      const auto share = [&](Index c) {
        const T a = (T(1) - smoothing) * q[c] + off;
        return weights != nullptr ? weights[c] * a : a;
      };
      const T highest = *std::max_element(in, in + classes);
      T total = T(0), all = T(0);
      for (Index c = 0; c < classes; ++c) {
        total += out[c] = std::exp(in[c] - highest);
        all += share(c);
      }
      // -sum_c a_c (z_c - log total) = a * log total - sum_c a_c z_c, a their sum.
      T cost = all * std::log(total);
      for (Index c = 0; c < classes; ++c) {
        const T a = share(c);
        if (a > T(0)) cost -= a * (in[c] - highest);  // never 0 * -inf
        out[c] = scale * (all * (out[c] / total) - a);
      }
      loss += static_cast<double>(scale * cost);
    }
    partial[static_cast<std::size_t>(chunk)] = loss;
  });
  double loss = 0;
  for (const double p : partial) loss += p;
  return static_cast<T>(loss);
}

}  // namespace contexture::kernels
