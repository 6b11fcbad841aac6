// SPDX-License-Identifier: MIT
// The head of context prediction: which way from one patch to another?
#pragma once

#include <cstdint>
#include <span>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/nn/layers.hpp"
#include "contexture/nn/module.hpp"

namespace contexture {

/// Options of ContextHead.
struct ContextHeadOptions {
  Index hidden = 512;  ///< units of the hidden layer
  float dropout = 0.5F;
};

/// Ordered pair of patches -> 8 logits: relu(batch_norm(concat(a, b) W1)), dropout, linear; the batch-norm
/// has no scale and shift (Doersch et al., arXiv 1505.05192, found that they let activations collapse).
template <class T>
class ContextHead : public Module<T> {
 public:
  ContextHead(Index features, const ContextHeadOptions& options, const Rng& rng);

  /// features (P,F) of all patches; pair i is (first[i], second[i]), rows of features. -> (pairs, 8).
  /// concat(a, b) W1 = a W1[:F] + b W1[F:], so each patch is multiplied once however many pairs it is in.
  [[nodiscard]] Variable<T> forward(const Variable<T>& features, std::span<const std::int32_t> first,
                                    std::span<const std::int32_t> second);

 protected:
  void visit(ModuleVisitor<T>& v) override;

 private:
  Linear<T> first_;
  Linear<T> second_;
  BatchNorm<T> norm_;
  Dropout<T> dropout_;
  Linear<T> output_;
};

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/ssl/context_head-inl.hpp"
#endif
