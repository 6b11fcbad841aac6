// SPDX-License-Identifier: MIT
// A moving average of a module's weights, for evaluation while the weights themselves still jump about.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/optim/state_tensors.hpp"

namespace contexture::detail {

// An exponential moving average of a module's parameters and buffers, kept in a map that a checkpoint can hold: what
// is evaluated and kept where the weights themselves still jump about at a high learning rate (Polyak and Juditsky,
// SIAM J. Control Optim. 30, 1992; in this form Tarvainen and Valpola, arXiv 1703.01780). Does nothing for a window
// of less than two steps.
class WeightAverage {
 public:
  WeightAverage(Module<float>& module, TensorMap& average, double window) : window_(window) {
    if (window_ < 2) return;
    const TensorList tensors = state_tensors(module);
    if (average.empty()) copy_tensors(tensors, average);
    for (const auto& [name, tensor] : tensors) {
      const auto found = average.find(name);
      require_input(found != average.end() && found->second.shape() == tensor->shape(),
                    "fit: the saved average has no ", name, " ", tensor->shape());
      pairs_.emplace_back(tensor, &found->second);
    }
  }

  // To be called after each step, the first of which is 1. Early on the window is shorter, (10 + step) / 9 steps, so
  // that the first weights are soon forgotten.
  void update(std::int64_t step) {
    if (pairs_.empty()) return;
    const double decay = std::min(1 - 1 / window_, (1 + static_cast<double>(step)) / (10 + static_cast<double>(step)));
    const auto share = static_cast<float>(1 - decay);
    for (const auto& [weights, average] : pairs_) {
      const float* from = weights->data();
      float* to = average->data();
      for (std::size_t i = 0; i < average->size(); ++i) to[i] += share * (from[i] - to[i]);
    }
  }

  // Puts the average in the module's place, and the module's weights into the average's; again: back.
  void exchange() {
    for (const auto& [weights, average] : pairs_)
      std::swap_ranges(weights->data(), weights->data() + weights->size(), average->data());
  }

 private:
  double window_;  // steps
  std::vector<std::pair<Tensor<float>*, Tensor<float>*>> pairs_;
};

}  // namespace contexture::detail
