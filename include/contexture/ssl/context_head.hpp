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
#include "contexture/ssl/neighbours.hpp"

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
  ContextHead(Index features, const ContextHeadOptions& options, const Rng& rng)
      : first_(features, options.hidden, {.bias = false, .hidden = true}, rng.split("first")),
        second_(features, options.hidden, {.bias = false, .hidden = true}, rng.split("second")),
        norm_(options.hidden, {.affine = false, .relu = true}),
        dropout_(options.dropout, rng.split("dropout")),
        output_(options.hidden, kDirections, rng.split("output")) {}

  /// features (P,F) of all patches; pair i is (first[i], second[i]), rows of features. -> (pairs, 8).
  /// concat(a, b) W1 = a W1[:F] + b W1[F:], so each patch is multiplied once however many pairs it is in.
  [[nodiscard]] Variable<T> forward(const Variable<T>& features, std::span<const std::int32_t> first,
                                    std::span<const std::int32_t> second) {
    require(first.size() == second.size(), "ContextHead: ", first.size(), " first and ", second.size(),
            " second patches");
    const Variable<T> sums = add(gather_rows(first_(features), first), gather_rows(second_(features), second));
    return output_(dropout_(norm_(sums)));
  }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    v.child("first", first_);
    v.child("second", second_);
    v.child("norm", norm_);
    v.child("dropout", dropout_);
    v.child("output", output_);
  }

 private:
  Linear<T> first_;
  Linear<T> second_;
  BatchNorm<T> norm_;
  Dropout<T> dropout_;
  Linear<T> output_;
};

}  // namespace contexture
