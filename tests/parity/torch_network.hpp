// SPDX-License-Identifier: MIT
// The networks of models/ in LibTorch's operations, on parameters by the names that ours have.
#pragma once

#include <algorithm>
#include <map>
#include <string>

#include "contexture/models/resnet.hpp"
#include "parity.hpp"

namespace parity {

/// Parameters and buffers by name, as ours have them and as theirs.
using Weights = std::map<std::string, Tensor<double>>;
using TorchWeights = std::map<std::string, torch::Tensor>;

/// Values of a module's parameters and buffers.
template <class T>
Weights weights_of(contexture::Module<T>& module) {
  Weights weights;
  for (const auto& p : module.parameters()) weights[p.name] = xt::cast<double>(p.variable.value());
  for (const auto& b : module.buffers()) weights[b.name] = xt::cast<double>(*b.tensor);
  return weights;
}

/// Gives a module those values.
template <class T>
void set_weights(contexture::Module<T>& module, const Weights& weights) {
  for (auto& p : module.parameters()) p.variable.mutable_value() = converted<T>(weights.at(p.name));
  for (const auto& b : module.buffers()) *b.tensor = converted<T>(weights.at(b.name));
}

/// A module's parameters, or their gradients, in their layout, in the order of its names; then its buffers.
template <class T>
std::vector<torch::Tensor> listed(contexture::Module<T>& module, bool gradients) {
  std::map<std::string, torch::Tensor> by_name;
  for (const auto& p : module.parameters()) {
    const Tensor<T>& value = gradients ? p.variable.grad() : p.variable.value();
    by_name[p.name] = to_torch(value, layout_of(value.shape()));
  }
  if (!gradients)
    for (const auto& b : module.buffers()) by_name[b.name] = to_torch(*b.tensor, Layout::same);
  std::vector<torch::Tensor> list;
  for (const auto& [name, tensor] : by_name) list.push_back(tensor);
  return list;
}

struct TorchNetwork {
  TorchWeights weights;  ///< buffers are those called running_...
  bool training = true;
  double nearest_kink = 1;  ///< smallest magnitude that went into a ReLU since it was set to 1

  TorchNetwork(const Weights& from, torch::ScalarType type) {
    for (const auto& [name, value] : from) {
      torch::Tensor t = to_torch(value, layout_of(value.shape())).to(type);
      weights[name] = is_buffer(name) ? t : t.requires_grad_(true);
    }
  }
  static bool is_buffer(const std::string& name) { return name.find("running_") != std::string::npos; }

  torch::Tensor at(const std::string& name) const {
    const auto found = weights.find(name);
    return found == weights.end() ? torch::Tensor() : found->second;
  }

  std::vector<torch::Tensor> listed(bool gradients) const {
    std::vector<torch::Tensor> list;
    for (const auto& [name, tensor] : weights)
      if (!gradients || !is_buffer(name)) list.push_back(gradients ? tensor.grad() : tensor.detach());
    return list;
  }

  torch::Tensor relu(const torch::Tensor& x) {
    nearest_kink = std::min(nearest_kink, x.detach().abs().min().item<double>());
    return torch::relu(x);
  }
  torch::Tensor norm(const torch::Tensor& x, const std::string& name) {
    return torch::batch_norm(x, at(name + ".gamma"), at(name + ".beta"), at(name + ".running_mean"),
                             at(name + ".running_variance"), training, 0.1, 1e-5, false);
  }
  torch::Tensor linear(const torch::Tensor& x, const std::string& name) {
    return torch::linear(x, at(name + ".weight"), at(name + ".bias"));
  }
  torch::Tensor conv(const torch::Tensor& x, const std::string& name, std::int64_t stride) {
    const torch::Tensor w = at(name + ".weight");
    return torch::conv2d(x, w, {}, stride, w.size(2) / 2);
  }

  /// The default encoder: images (N,C,H,W) -> map.
  torch::Tensor resnet(const torch::Tensor& x, const contexture::BackboneDescription& d, const std::string& prefix) {
    torch::Tensor y = relu(norm(conv(x, prefix + "stem", 1), prefix + "stem_norm"));
    for (Index stage = 1; stage <= d.stages; ++stage)
      for (Index block = 0; block < d.blocks_per_stage; ++block) {
        std::string name = prefix + "stage" + std::to_string(stage);
        if (d.blocks_per_stage > 1) name += ".block" + std::to_string(block);
        const std::int64_t stride = block == 0 ? 2 : 1;
        const torch::Tensor inner = relu(norm(conv(y, name + ".conv1", stride), name + ".norm1"));
        const torch::Tensor outer = norm(conv(inner, name + ".conv2", 1), name + ".norm2");
        const torch::Tensor shortcut =
            block == 0 ? norm(conv(y, name + ".shortcut", stride), name + ".shortcut_norm") : y;
        y = relu(outer + shortcut);
      }
    return y;
  }

  /// MlpHead: hidden layers with batch-norm and ReLU, then one without.
  torch::Tensor mlp(torch::Tensor x, Index hidden_layers, const std::string& prefix) {
    for (Index i = 0; i < hidden_layers; ++i) {
      const std::string n = std::to_string(i);
      x = relu(norm(linear(x, prefix + "hidden" + n), prefix + "norm" + n));
    }
    return linear(x, prefix + "output");
  }
};

}  // namespace parity
