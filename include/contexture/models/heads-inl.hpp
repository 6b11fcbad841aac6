// SPDX-License-Identifier: MIT
// How the heads of models/heads.hpp are made and run.
#pragma once

#include <string>

#include "contexture/models/heads.hpp"
#include "contexture/nn/layers.hpp"

namespace contexture {

template <class T>
MlpHead<T>::MlpHead(Index features, const MlpHeadOptions& options, const Rng& rng)
    : features_(features), options_(options) {
  require(options.hidden >= 0 && options.hidden_layers >= 0 && options.output >= 1, "MlpHead: ", options.hidden_layers,
          " hidden layers of ", options.hidden, " units, output ", options.output,
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

template <class T>
Variable<T> MlpHead<T>::forward(const Variable<T>& x) {
  Variable<T> y = x;
  for (std::size_t i = 0; i < hidden_.size(); ++i) y = norms_[i](hidden_[i](y));
  return output_[0](y);
}

template <class T>
void MlpHead<T>::visit(ModuleVisitor<T>& v) {
  for (std::size_t i = 0; i < hidden_.size(); ++i) {
    v.child("hidden" + std::to_string(i), hidden_[i]);
    v.child("norm" + std::to_string(i), norms_[i]);
  }
  v.child("output", output_[0]);
}

template <class T>
ClassifierHead<T>::ClassifierHead(Index features, Index classes, const ClassifierHeadOptions& options, const Rng& rng)
    : features_(features),
      classes_(classes),
      options_(options),
      dropout_(options.dropout, rng.split("dropout")),
      output_(features, classes, rng.split("output")) {}

template <class T>
ClassifierHead<T> ClassifierHead<T>::clone() const {
  return with_state_of(*this, ClassifierHead(features_, classes_, options_, Rng()));
}

template <class T>
void ClassifierHead<T>::visit(ModuleVisitor<T>& v) {
  v.child("dropout", dropout_);
  v.child("output", output_);
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T) \
  template class MlpHead<T>;      \
  template class ClassifierHead<T>;
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
