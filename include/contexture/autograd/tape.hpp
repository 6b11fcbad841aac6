// SPDX-License-Identifier: MIT
// The tape: what ops record and backward() walks. A node stands for a value that wants a gradient, and knows those it
// was made of; leaves are what gradients are for. Values and their handles are variable.hpp's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/tensor.hpp"

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

// A gradient that adds up; empty until the first one comes.
template <class T>
struct Gradient {
  Tensor<T> sum;
  bool any = false;

  void add(Tensor<T> more);
  [[nodiscard]] Tensor<T> take();
};

template <class T>
struct Node {
  Node(const char* op_name, Shape value_shape);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node();

  // Drops the saved values and the inputs; unwinds chains of sole owners without recursion.
  void release() noexcept;

  // Adds to the gradient, in the type that the value is stored in, whatever this one's.
  template <class From>
  void accumulate(Tensor<From> gradient);

  // Calls backward with the gradient, if any came.
  void propagate();

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

}  // namespace detail

/// Called in backward() with each leaf (Variable::leaf()) whose gradient is complete by then.
using LeafObserver = std::function<void(const void* leaf)>;

namespace detail {

template <class T>
void run_backward(const std::shared_ptr<Node<T>>& root, Tensor<T> cotangent, const LeafObserver& complete);

}  // namespace detail
}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/tape-inl.hpp"
#endif
