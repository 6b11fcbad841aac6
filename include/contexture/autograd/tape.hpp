// SPDX-License-Identifier: MIT
// The tape: what ops record and backward() walks. A node stands for a value that wants a gradient, and knows those it
// was made of; leaves are what gradients are for. Values and their handles are variable.hpp's.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/compiled.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/kernels/elementwise.hpp"

namespace contexture {
namespace detail {

inline bool& tape_enabled() noexcept {
  thread_local bool enabled = true;
  return enabled;
}

template <class T>
struct Node;

// Where an op's backward delivers: one slot per input, in the order the op listed them.
template <class T>
class InputGradients {
 public:
  explicit InputGradients(std::span<const std::shared_ptr<Node<T>>> inputs) : inputs_(inputs) {}

  // Whether input i needs its gradient; skipping the work is the op's own business.
  [[nodiscard]] bool wanted(std::size_t i) const { return inputs_[i] != nullptr; }

  // Adds `gradient` to input i's; dropped where it is not wanted. Either type, whatever the input is stored as.
  void add(std::size_t i, Tensor<T> gradient) const;
  void add(std::size_t i, Tensor<bfloat16> gradient) const;

  // What input i has so far, where it is wanted and stored as P, for an op that adds to it in place and hands it back.
  template <class P>
  [[nodiscard]] std::optional<Tensor<P>> take(std::size_t i) const;

 private:
  std::span<const std::shared_ptr<Node<T>>> inputs_;
};

template <class T>
using BackwardFunction = std::function<void(Tensor<T> gradient, const InputGradients<T>& inputs)>;
template <class T>
using ReducedBackwardFunction = std::function<void(Tensor<bfloat16> gradient, const InputGradients<T>& inputs)>;

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

// A gradient that adds up; empty until the first one comes.
template <class T>
struct Gradient {
  Tensor<T> sum;
  bool any = false;

  void add(Tensor<T> more) {
    if (any)
      kernels::add(sum.data(), more.data(), sum.data(), static_cast<Index>(sum.size()));
    else
      sum = std::move(more);
    any = true;
  }
  [[nodiscard]] Tensor<T> take() {
    any = false;
    return std::exchange(sum, Tensor<T>());
  }
};

template <class T>
struct Node {
  Node(const char* op_name, Shape value_shape) : name(op_name), shape(std::move(value_shape)) {
    static std::atomic<std::uint64_t> counter{0};  // of all threads: one may go on with what another began
    sequence = counter.fetch_add(1, std::memory_order_relaxed) + 1;
  }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node() { release(); }

  // Drops the saved values and the inputs; unwinds chains of sole owners without recursion.
  void release() noexcept {
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

  template <class From>
  void accumulate(Tensor<From> gradient) {
    require_state(!consumed, name, ": a gradient came after it was used up");
    require_state(gradient.shape() == shape, name, ": gradient of shape ", gradient.shape(), " for a value of shape ",
                  shape);
    if (reduced_backward == nullptr)
      grad.add(in_storage<T>(std::move(gradient)));
    else
      reduced_grad.add(in_storage<bfloat16>(std::move(gradient)));
  }

  // Calls backward with the gradient, if any came.
  void propagate() {
    if (grad.any) std::exchange(backward, nullptr)(grad.take(), InputGradients<T>(inputs));
    if (reduced_grad.any) std::exchange(reduced_backward, nullptr)(reduced_grad.take(), InputGradients<T>(inputs));
  }

  const char* name;
  Shape shape;                                  // of the value this node stands for
  std::uint64_t sequence = 0;                   // inputs are always older than results
  std::vector<std::shared_ptr<Node>> inputs;    // null: that input wants no gradient
  BackwardFunction<T> backward;                 // empty: a leaf, a value in bfloat16, or already consumed
  ReducedBackwardFunction<T> reduced_backward;  // of a value in bfloat16, instead
  bool leaf = false;
  bool consumed = false;
  Gradient<T> grad;
  Gradient<bfloat16> reduced_grad;
};

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

}  // namespace detail

/// Called in backward() with each leaf (Variable::leaf()) whose gradient is complete by then.
using LeafObserver = std::function<void(const void* leaf)>;

namespace detail {

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
CONTEXTURE_EXTERN template void run_backward<float>(const std::shared_ptr<Node<float>>&, Tensor<float>,
                                                    const LeafObserver&);
CONTEXTURE_EXTERN template void run_backward<double>(const std::shared_ptr<Node<double>>&, Tensor<double>,
                                                     const LeafObserver&);
#endif

}  // namespace detail
}  // namespace contexture
