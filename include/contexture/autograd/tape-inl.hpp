// SPDX-License-Identifier: MIT
// How autograd/tape.hpp keeps nodes and walks them backwards.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "contexture/autograd/tape.hpp"
#include "contexture/core/bfloat16.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/kernels/elementwise.hpp"

namespace contexture::detail {

// A tensor in another type of storage; between bfloat16 and double there is no way.
template <class To, class From>
Tensor<To> converted(const Tensor<From>& from) {
  Tensor<To> to = empty<To>(from.shape());
  if constexpr (std::is_same_v<From, float> || std::is_same_v<To, float>)
    kernels::convert(from.data(), to.data(), static_cast<Index>(from.size()));
  else
    require_state(false, "mixed precision: a graph of float, not of double, can have values in bfloat16");
  return to;
}

// The same of a tensor that may be of that type already.
template <class To, class From>
Tensor<To> in_storage(Tensor<From> from) {
  if constexpr (std::is_same_v<To, From>)
    return from;
  else
    return converted<To>(from);
}

template <class T>
void Gradient<T>::add(Tensor<T> more) {
  if (any)
    kernels::add(sum.data(), more.data(), sum.data(), static_cast<Index>(sum.size()));
  else
    sum = std::move(more);
  any = true;
}
template <class T>
Tensor<T> Gradient<T>::take() {
  any = false;
  return std::exchange(sum, Tensor<T>());
}

template <class T>
Node<T>::Node(const char* op_name, Shape value_shape) : name(op_name), shape(std::move(value_shape)) {
  static std::atomic<std::uint64_t> counter{0};  // of all threads: one may go on with what another began
  sequence = counter.fetch_add(1, std::memory_order_relaxed) + 1;
}
template <class T>
Node<T>::~Node() {
  release();
}

template <class T>
void Node<T>::release() noexcept {
  backward = nullptr;
  reduced_backward = nullptr;
  std::vector<std::shared_ptr<Node>> pending = std::move(inputs);
  inputs.clear();
  while (!pending.empty()) {
    const std::shared_ptr<Node> node = std::move(pending.back());
    pending.pop_back();
    if (node == nullptr || node.use_count() != 1) continue;
    std::move(node->inputs.begin(), node->inputs.end(), std::back_inserter(pending));
    node->inputs.clear();
  }
}

template <class T>
template <class From>
void Node<T>::accumulate(Tensor<From> gradient) {
  require_state(!consumed, name, ": a gradient came after it was used up");
  require_state(gradient.shape() == shape, name, ": gradient of shape ", gradient.shape(), " for a value of shape ",
                shape);
  if (reduced_backward == nullptr)
    grad.add(in_storage<T>(std::move(gradient)));
  else
    reduced_grad.add(in_storage<bfloat16>(std::move(gradient)));
}

template <class T>
void Node<T>::propagate() {
  if (grad.any) std::exchange(backward, nullptr)(grad.take(), InputGradients<T>(inputs));
  if (reduced_grad.any) std::exchange(reduced_backward, nullptr)(reduced_grad.take(), InputGradients<T>(inputs));
}

template <class T>
void InputGradients<T>::add(std::size_t i, Tensor<T> gradient) const {
  if (inputs_[i] != nullptr) inputs_[i]->accumulate(std::move(gradient));
}
template <class T>
void InputGradients<T>::add(std::size_t i, Tensor<bfloat16> gradient) const {
  if (inputs_[i] != nullptr) inputs_[i]->accumulate(std::move(gradient));
}

template <class T>
template <class P>
std::optional<Tensor<P>> InputGradients<T>::take(std::size_t i) const {
  if (inputs_[i] == nullptr) return std::nullopt;
  if constexpr (std::is_same_v<P, T>) {
    if (inputs_[i]->grad.any) return inputs_[i]->grad.take();
  } else if (inputs_[i]->reduced_grad.any) {
    return inputs_[i]->reduced_grad.take();
  }
  return std::nullopt;
}

template <class T>
void run_backward(const std::shared_ptr<Node<T>>& root, Tensor<T> cotangent, const LeafObserver& complete) {
  std::vector<std::shared_ptr<Node<T>>> order{root};
  std::unordered_set<const Node<T>*> seen{root.get()};
  for (std::size_t i = 0; i < order.size(); ++i) {
    require_state(!order[i]->consumed, "backward: this part of the graph (at ", order[i]->name,
                  ") was already consumed by an earlier backward");
    for (std::size_t k = 0; k < order[i]->inputs.size(); ++k) {
      const std::shared_ptr<Node<T>> input = order[i]->inputs[k];
      if (input != nullptr && seen.insert(input.get()).second) order.push_back(input);
    }
  }
  // Newest first is a topological order, since an op's inputs exist before its result.
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a->sequence > b->sequence; });
  std::unordered_map<const Node<T>*, std::size_t> pending;  // of each leaf: uses that are still to come
  const auto for_leaves_of = [&](const Node<T>& node, auto f) {
    if (!complete) return;
    for (const auto& input : node.inputs)
      if (input != nullptr && input->leaf) f(input.get());
  };
  for (const auto& node : order) for_leaves_of(*node, [&](const Node<T>* leaf) { ++pending[leaf]; });
  root->accumulate(std::move(cotangent));
  for (std::shared_ptr<Node<T>>& node : order) {
    if (node->leaf) continue;
    node->consumed = true;
    node->propagate();
    for_leaves_of(*node, [&](const Node<T>* leaf) {
      if (--pending[leaf] == 0) complete(leaf);
    });
    node->release();  // saved activations go back to the pool now
  }
}

#if defined(CONTEXTURE_COMPILED)
template struct Gradient<bfloat16>;
#define CONTEXTURE_INSTANTIATE(T)                                                                \
  template struct Gradient<T>;                                                                   \
  template struct Node<T>;                                                                       \
  template class InputGradients<T>;                                                              \
  template std::optional<Tensor<T>> InputGradients<T>::take<T>(std::size_t) const;               \
  template std::optional<Tensor<bfloat16>> InputGradients<T>::take<bfloat16>(std::size_t) const; \
  template void run_backward(const std::shared_ptr<Node<T>>&, Tensor<T>, const LeafObserver&);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture::detail
