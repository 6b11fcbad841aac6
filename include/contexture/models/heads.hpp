// SPDX-License-Identifier: MIT
// Heads: what turns an encoder's features into answers.
#pragma once

#include <vector>

#include "contexture/nn/layers.hpp"

namespace contexture {

/// Options of MlpHead.
struct MlpHeadOptions {
  Index hidden = 0;         ///< units of every hidden layer; 0: as many as the input has
  Index hidden_layers = 1;  ///< 0: one linear layer and no more
  Index output = 128;
};

/// Vectors (N,features) -> (N,output): hidden layers linear, batch-norm, ReLU, then a linear layer. The
/// projection head of SimCLR has one hidden layer, VICReg's expander two.
template <class T>
class MlpHead : public UnaryModule<T> {
 public:
  MlpHead(Index features, const MlpHeadOptions& options, const Rng& rng);
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override;
  [[nodiscard]] MlpHead clone() const { return with_state_of(*this, MlpHead(features_, options_, Rng())); }

 protected:
  void visit(ModuleVisitor<T>& v) override;

 private:
  Index features_;
  MlpHeadOptions options_;
  std::vector<Linear<T>> hidden_;
  std::vector<BatchNorm<T>> norms_;  // parallel to hidden_
  std::vector<Linear<T>> output_;    // one
};

/// Options of ClassifierHead.
struct ClassifierHeadOptions {
  float dropout = 0.0F;  ///< before the linear layer
};

/// Feature map (N,h,w,F) -> global average -> linear -> logits (N,classes).
template <class T>
class ClassifierHead : public UnaryModule<T> {
 public:
  ClassifierHead(Index features, Index classes, const ClassifierHeadOptions& options, const Rng& rng);
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return output_(dropout_(global_avg_pool(x))); }
  [[nodiscard]] ClassifierHead clone() const;

 protected:
  void visit(ModuleVisitor<T>& v) override;

 private:
  Index features_, classes_;
  ClassifierHeadOptions options_;
  Dropout<T> dropout_;
  Linear<T> output_;
};

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/models/heads-inl.hpp"
#endif
