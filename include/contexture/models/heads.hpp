// SPDX-License-Identifier: MIT
// Heads: what turns an encoder's features into answers.
#pragma once

#include <string>
#include <vector>

#include "contexture/models/backbone.hpp"
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
  MlpHead(Index features, const MlpHeadOptions& options, const Rng& rng) : features_(features), options_(options) {
    require(options.hidden >= 0 && options.hidden_layers >= 0 && options.output >= 1,
            "MlpHead: ", options.hidden_layers, " hidden layers of ", options.hidden, " units, output ", options.output,
            ", expected 0 or more, 0 or more, 1 or more");
    const Index hidden = options.hidden > 0 ? options.hidden : features;
    Index inputs = features;
    for (Index layer = 0; layer < options.hidden_layers; ++layer) {
      hidden_.emplace_back(inputs, hidden, LinearLayerOptions{.bias = false, .hidden = true},
                           rng.split("hidden" + std::to_string(layer)));
      norms_.emplace_back(hidden, BatchNormLayerOptions{.relu = true});
      inputs = hidden;
    }
    output_.emplace_back(inputs, options.output, rng.split("output"));
  }

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override {
    Variable<T> y = x;
    for (std::size_t i = 0; i < hidden_.size(); ++i) y = norms_[i](hidden_[i](y));
    return output_[0](y);
  }

  [[nodiscard]] MlpHead clone() const { return with_state_of(*this, MlpHead(features_, options_, Rng())); }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    for (std::size_t i = 0; i < hidden_.size(); ++i) {
      v.child("hidden" + std::to_string(i), hidden_[i]);
      v.child("norm" + std::to_string(i), norms_[i]);
    }
    v.child("output", output_[0]);
  }

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
  ClassifierHead(Index features, Index classes, const ClassifierHeadOptions& options, const Rng& rng)
      : features_(features),
        classes_(classes),
        options_(options),
        dropout_(options.dropout, rng.split("dropout")),
        output_(features, classes, rng.split("output")) {}

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return output_(dropout_(global_avg_pool(x))); }

  [[nodiscard]] ClassifierHead clone() const {
    return with_state_of(*this, ClassifierHead(features_, classes_, options_, Rng()));
  }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    v.child("dropout", dropout_);
    v.child("output", output_);
  }

 private:
  Index features_, classes_;
  ClassifierHeadOptions options_;
  Dropout<T> dropout_;
  Linear<T> output_;
};

}  // namespace contexture
