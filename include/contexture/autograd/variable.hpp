// SPDX-License-Identifier: MIT
// Variable: a value on the tape. The engine is define-by-run: each op makes a result and, when an
// input wants a gradient, a graph node that knows its inputs' nodes and how to turn the result's
// gradient into theirs. Nodes hold the *values* backward needs, never the node of their own
// result, so the graph has no cycles; backward frees each node as it consumes it. Order and
// teardown are iterative: the depth of a graph is bounded by memory, not by the stack.
//
// In mixed precision a value of a float graph may be stored as bfloat16, and so is its gradient then. An op that knows
// nothing of it sees float: value() converts when asked, and gradients are converted where they arrive.
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "contexture/autograd/tape.hpp"
#include "contexture/core/bfloat16.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {

/// While one of these lives, ops of this thread record nothing.
class NoGrad {
 public:
  NoGrad() : before_(std::exchange(detail::tape_enabled(), false)) {}
  ~NoGrad() { detail::tape_enabled() = before_; }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

/// What an op was told besides its inputs: a number, or a tensor that takes no part in differentiation.
struct OpAttribute {
  template <class N>
  requires std::is_arithmetic_v<N> OpAttribute(const char* its_name, N value)
      : name(its_name), number(static_cast<double>(value)) {}
  OpAttribute(const char* its_name, const void* its_tensor) : name(its_name), tensor(its_tensor) {}

  const char* name;
  double number = 0;
  const void* tensor = nullptr;  ///< a Tensor of the graph's type
};

/// An op's name and attributes, of which only an observer makes use; a name alone will do. To be made in the call that
/// takes it: it refers to the list.
struct OpName {
  OpName(const char* its_name) : name(its_name) {}  // NOLINT(google-explicit-constructor)
  OpName(const char* its_name, std::initializer_list<OpAttribute> list)
      : name(its_name), attributes(list.begin(), list.size()) {}

  const char* name;
  std::span<const OpAttribute> attributes;
};

template <class T>
class Variable;

namespace detail {

// Sees every op of its thread while it is set, whether the tape is on or not; nn/trace.hpp and nn/summary.hpp write
// networks down by it.
template <class T>
class OpObserver {
 public:
  virtual ~OpObserver() = default;
  virtual void see(const OpName& op, std::span<const Variable<T>> inputs, const Variable<T>& result) = 0;
};

template <class T>
OpObserver<T>*& op_observer() noexcept {
  thread_local OpObserver<T>* observer = nullptr;
  return observer;
}

}  // namespace detail

/// A tensor that can take part in differentiation. A handle: copies share value and gradient.
template <class T>
class Variable {
 public:
  /// Undefined: stands for an absent optional argument, e.g. a convolution's bias.
  Variable() = default;

  /// A leaf. With `requires_grad`, backward() adds into grad().
  explicit Variable(Tensor<T> value, bool requires_grad = false);

  [[nodiscard]] bool defined() const noexcept { return body_ != nullptr; }
  [[nodiscard]] const Tensor<T>& value() const;
  [[nodiscard]] const Shape& shape() const;
  [[nodiscard]] std::size_t size() const { return element_count(shape()); }

  /// The value, for changing it in place (optimisers, loaders). A graph recorded before sees the
  /// change, so do it between backward and the next forward.
  [[nodiscard]] Tensor<T>& mutable_value();

  /// The single element of a one-element value; throws std::invalid_argument for any other shape.
  [[nodiscard]] T item() const;

  [[nodiscard]] bool requires_grad() const;

  /// Switches a leaf's gradient on or off (off also drops it); throws std::logic_error for the
  /// result of an op.
  void set_requires_grad(bool on);

  /// Tells a leaf that requires a gradient from others, whatever the handle; null for anything else.
  [[nodiscard]] const void* leaf() const;

  [[nodiscard]] bool has_grad() const;

  /// The gradient that backward() accumulated in this leaf; throws std::logic_error if there is none.
  [[nodiscard]] const Tensor<T>& grad() const;
  [[nodiscard]] Tensor<T>& mutable_grad() { return const_cast<Tensor<T>&>(std::as_const(*this).grad()); }

  /// Gives this leaf a gradient in the place of what it has.
  void set_grad(Tensor<T> gradient);

  /// Forgets the gradient; its memory goes back to the pool.
  void zero_grad();

  /// Differentiates this one-element value with respect to every leaf it depends on; gradients
  /// add up in the leaves. The graph is consumed. Throws std::logic_error when there is nothing
  /// to differentiate or the graph was consumed before, std::invalid_argument for a value that is NaN or infinite:
  /// a step along its gradients would make the weights so.
  void backward() const;

  /// The same for any shape: gradients of sum(value * cotangent).
  void backward(Tensor<T> cotangent, const LeafObserver& complete = {}) const;

  /// The value without its history.
  [[nodiscard]] Variable detach() const;

  // For writing ops (also outside the library): the shared value, to be saved for backward.
  [[nodiscard]] std::shared_ptr<const Tensor<T>> saved() const;

  // The same of a value that is stored as bfloat16; null for any other.
  [[nodiscard]] const std::shared_ptr<const Tensor<bfloat16>>& saved_reduced() const;

 private:
  struct Body;

  Body& body() const;

  template <class U>
  friend Variable<U> record(const OpName&, std::shared_ptr<Tensor<U>>, std::span<const Variable<U>>,
                            std::type_identity_t<detail::BackwardFunction<U>>);
  template <class U>
  friend Variable<U> record_reduced(const OpName&, std::shared_ptr<const Tensor<bfloat16>>,
                                    std::span<const Variable<U>>,
                                    std::type_identity_t<detail::ReducedBackwardFunction<U>>);

  // Gives the value a node where the tape is on and an input requires a gradient; null where not.
  detail::Node<T>* attach(const char* name, std::span<const Variable> inputs);

  std::shared_ptr<Body> body_;
};

/// Makes the result of an op: `value`, and, if the tape is on and an input requires a gradient, a
/// node that calls `backward(gradient, inputs)` with the gradient of `value`. `backward` may
/// capture saved() values, its own `value` included, but no Variable.
template <class T>
[[nodiscard]] Variable<T> record(const OpName& op, std::shared_ptr<Tensor<T>> value,
                                 std::span<const Variable<T>> inputs,
                                 std::type_identity_t<detail::BackwardFunction<T>> backward);

/// The same.
template <class T>
[[nodiscard]] Variable<T> record(const OpName& op, Tensor<T> value, std::initializer_list<Variable<T>> inputs,
                                 std::type_identity_t<detail::BackwardFunction<T>> backward);

/// The same of a value that is stored as bfloat16, in a graph of float; its gradient comes as bfloat16 too.
template <class T>
[[nodiscard]] Variable<T> record_reduced(const OpName& op, std::shared_ptr<const Tensor<bfloat16>> value,
                                         std::span<const Variable<T>> inputs,
                                         std::type_identity_t<detail::ReducedBackwardFunction<T>> backward);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/autograd/variable-inl.hpp"
#endif
