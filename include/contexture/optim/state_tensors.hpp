// SPDX-License-Identifier: MIT
// Everything that a module or an optimiser remembers, as named tensors: to be copied, restored and put into files.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/optim/optimizer.hpp"

namespace contexture {

/// Tensors of a module or an optimiser, in its own order.
using TensorList = std::vector<std::pair<std::string, Tensor<float>*>>;
/// Copies of such tensors.
using TensorMap = std::map<std::string, Tensor<float>>;

/// Parameters and buffers by name: what makes a module answer as it does.
[[nodiscard]] inline TensorList state_tensors(Module<float>& module) {
  TensorList tensors;
  for (NamedParameter<float>& parameter : module.parameters())
    tensors.emplace_back(parameter.name, &parameter.variable.mutable_value());
  for (const NamedBuffer<float>& buffer : module.buffers()) tensors.emplace_back(buffer.name, buffer.tensor);
  return tensors;
}

/// An optimiser's momenta and the like, by name.
[[nodiscard]] inline TensorList state_tensors(Optimizer<float>& optimizer) {
  TensorList tensors;
  for (const NamedState<float>& state : optimizer.state()) tensors.emplace_back(state.name, state.tensor);
  return tensors;
}

/// Copies tensors into a map; where it already has a tensor of that name and shape, its memory is used.
inline void copy_tensors(const TensorList& from, TensorMap& into) {
  for (const auto& [name, tensor] : from) {
    Tensor<float>& copy = into[name];
    if (copy.shape() != tensor->shape()) copy = empty<float>(tensor->shape());
    std::copy(tensor->data(), tensor->data() + tensor->size(), copy.data());
  }
}

/// Copies saved tensors back. `what` names their source. Throws InputError unless names and shapes
/// are exactly the same.
inline void restore_tensors(const TensorMap& from, const TensorList& into, const std::string& what) {
  require_input(from.size() == into.size(), what, ": ", from.size(), " tensors, expected ", into.size());
  for (const auto& [name, tensor] : into) {
    const auto found = from.find(name);
    require_input(found != from.end(), what, ": no tensor '", name, "'");
    require_input(found->second.shape() == tensor->shape(), what, ": tensor '", name, "' ", found->second.shape(),
                  ", expected ", tensor->shape());
  }
  for (const auto& [name, tensor] : into) {
    const Tensor<float>& saved = from.at(name);
    std::copy(saved.data(), saved.data() + saved.size(), tensor->data());
  }
}

}  // namespace contexture
