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

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <span>
#include <type_traits>
#include <utility>

#include "contexture/autograd/tape.hpp"
#include "contexture/core/bfloat16.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"
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
  explicit Variable(Tensor<T> value, bool requires_grad = false)
      : body_(std::make_shared<Body>(std::make_shared<Tensor<T>>(std::move(value)), nullptr)) {
    set_requires_grad(requires_grad);
  }

  [[nodiscard]] bool defined() const noexcept { return body_ != nullptr; }
  [[nodiscard]] const Tensor<T>& value() const { return *body().full(); }
  [[nodiscard]] const Shape& shape() const { return body().shape(); }
  [[nodiscard]] std::size_t size() const { return element_count(shape()); }

  /// The value, for changing it in place (optimisers, loaders). A graph recorded before sees the
  /// change, so do it between backward and the next forward.
  [[nodiscard]] Tensor<T>& mutable_value() {
    Tensor<T>& value = *body().full();
    body().reduced = nullptr;
    return value;
  }

  /// The single element of a one-element value; throws std::invalid_argument for any other shape.
  [[nodiscard]] T item() const {
    require(size() == 1, "Variable::item: shape ", shape(), ", expected one element");
    return value().data()[0];
  }

  [[nodiscard]] bool requires_grad() const { return defined() && body_->node != nullptr; }

  /// Switches a leaf's gradient on or off (off also drops it); throws std::logic_error for the
  /// result of an op.
  void set_requires_grad(bool on) {
    Body& b = body();
    require_state(b.node == nullptr || b.node->leaf, "set_requires_grad: this is the result of an op, not a leaf");
    if (on && b.node == nullptr) {
      b.node = std::make_shared<detail::Node<T>>("leaf", b.shape());
      b.node->leaf = true;
    } else if (!on) {
      b.node = nullptr;
    }
  }

  /// Tells a leaf that requires a gradient from others, whatever the handle; null for anything else.
  [[nodiscard]] const void* leaf() const { return requires_grad() && body_->node->leaf ? body_->node.get() : nullptr; }

  [[nodiscard]] bool has_grad() const { return requires_grad() && body_->node->grad.any; }

  /// The gradient that backward() accumulated in this leaf; throws std::logic_error if there is none.
  [[nodiscard]] const Tensor<T>& grad() const {
    require_state(has_grad(), "Variable::grad: no gradient (no backward yet, or not a leaf that requires one)");
    return body_->node->grad.sum;
  }
  [[nodiscard]] Tensor<T>& mutable_grad() { return const_cast<Tensor<T>&>(std::as_const(*this).grad()); }

  /// Gives this leaf a gradient in the place of what it has.
  void set_grad(Tensor<T> gradient) {
    require_state(leaf() != nullptr, "Variable::set_grad: not a leaf that requires a gradient");
    require(gradient.shape() == shape(), "Variable::set_grad: gradient ", gradient.shape(), " for a value ", shape());
    body_->node->grad = {std::move(gradient), true};
  }

  /// Forgets the gradient; its memory goes back to the pool.
  void zero_grad() {
    if (has_grad()) body_->node->grad = {};
  }

  /// Differentiates this one-element value with respect to every leaf it depends on; gradients
  /// add up in the leaves. The graph is consumed. Throws std::logic_error when there is nothing
  /// to differentiate or the graph was consumed before, std::invalid_argument for a value that is NaN or infinite:
  /// a step along its gradients would make the weights so.
  void backward() const {
    require(size() == 1, "Variable::backward: shape ", shape(), " needs a cotangent of that shape");
    require(is_finite(item()), "Variable::backward: the loss is ", item(),
            ", expected a finite number; a lower learning rate may help, or the data have such numbers");
    backward(full<T>(shape(), T(1)));
  }

  /// The same for any shape: gradients of sum(value * cotangent).
  void backward(Tensor<T> cotangent, const LeafObserver& complete = {}) const {
    require_state(requires_grad(), "Variable::backward: nothing here requires a gradient");
    require(cotangent.shape() == shape(), "Variable::backward: cotangent ", cotangent.shape(), " for a value ",
            shape());
    detail::run_backward(body_->node, std::move(cotangent), complete);
  }

  /// The value without its history.
  [[nodiscard]] Variable detach() const {
    Variable v;
    const Body& b = body();
    v.body_ =
        b.reduced != nullptr ? std::make_shared<Body>(nullptr, b.reduced) : std::make_shared<Body>(b.full(), nullptr);
    return v;
  }

  // For writing ops (also outside the library): the shared value, to be saved for backward.
  [[nodiscard]] std::shared_ptr<const Tensor<T>> saved() const { return body().full(); }

  // The same of a value that is stored as bfloat16; null for any other.
  [[nodiscard]] const std::shared_ptr<const Tensor<bfloat16>>& saved_reduced() const { return body().reduced; }

 private:
  struct Body {
    Body(std::shared_ptr<Tensor<T>> full_value, std::shared_ptr<const Tensor<bfloat16>> reduced_value)
        : reduced(std::move(reduced_value)), value(std::move(full_value)) {}

    [[nodiscard]] const Shape& shape() const { return reduced != nullptr ? reduced->shape() : value->shape(); }
    // Several threads may ask at once.
    [[nodiscard]] const std::shared_ptr<Tensor<T>>& full() const {
      if (reduced != nullptr)
        std::call_once(once, [this] { value = std::make_shared<Tensor<T>>(detail::converted<T>(*reduced)); });
      return value;
    }

    std::shared_ptr<const Tensor<bfloat16>> reduced;  // null: stored as T
    std::shared_ptr<detail::Node<T>> node;

   private:
    mutable std::shared_ptr<Tensor<T>> value;
    mutable std::once_flag once;
  };

  Body& body() const {
    require_state(body_ != nullptr, "Variable: used while undefined");
    return *body_;
  }

  template <class U>
  friend Variable<U> record(const OpName&, std::shared_ptr<Tensor<U>>, std::span<const Variable<U>>,
                            std::type_identity_t<detail::BackwardFunction<U>>);
  template <class U>
  friend Variable<U> record_reduced(const OpName&, std::shared_ptr<const Tensor<bfloat16>>,
                                    std::span<const Variable<U>>,
                                    std::type_identity_t<detail::ReducedBackwardFunction<U>>);

  // Gives the value a node where the tape is on and an input requires a gradient; null where not.
  detail::Node<T>* attach(const char* name, std::span<const Variable> inputs) {
    if (!detail::tape_enabled()) return nullptr;
    if (std::none_of(inputs.begin(), inputs.end(), [](const Variable& v) { return v.requires_grad(); })) return nullptr;
    auto node = std::make_shared<detail::Node<T>>(name, shape());
    for (const Variable& input : inputs) node->inputs.push_back(input.requires_grad() ? input.body_->node : nullptr);
    body_->node = std::move(node);
    return body_->node.get();
  }

  std::shared_ptr<Body> body_;
};

/// Makes the result of an op: `value`, and, if the tape is on and an input requires a gradient, a
/// node that calls `backward(gradient, inputs)` with the gradient of `value`. `backward` may
/// capture saved() values, its own `value` included, but no Variable.
template <class T>
[[nodiscard]] Variable<T> record(const OpName& op, std::shared_ptr<Tensor<T>> value,
                                 std::span<const Variable<T>> inputs,
                                 std::type_identity_t<detail::BackwardFunction<T>> backward) {
  Variable<T> result;
  result.body_ = std::make_shared<typename Variable<T>::Body>(std::move(value), nullptr);
  if (detail::Node<T>* const node = result.attach(op.name, inputs)) node->backward = std::move(backward);
  if (detail::OpObserver<T>* const observer = detail::op_observer<T>()) observer->see(op, inputs, result);
  return result;
}

/// The same.
template <class T>
[[nodiscard]] Variable<T> record(const OpName& op, Tensor<T> value, std::initializer_list<Variable<T>> inputs,
                                 std::type_identity_t<detail::BackwardFunction<T>> backward) {
  return record(op, std::make_shared<Tensor<T>>(std::move(value)),
                std::span<const Variable<T>>(inputs.begin(), inputs.size()), std::move(backward));
}

/// The same of a value that is stored as bfloat16, in a graph of float; its gradient comes as bfloat16 too.
template <class T>
[[nodiscard]] Variable<T> record_reduced(const OpName& op, std::shared_ptr<const Tensor<bfloat16>> value,
                                         std::span<const Variable<T>> inputs,
                                         std::type_identity_t<detail::ReducedBackwardFunction<T>> backward) {
  Variable<T> result;
  result.body_ = std::make_shared<typename Variable<T>::Body>(nullptr, std::move(value));
  if (detail::Node<T>* const node = result.attach(op.name, inputs)) node->reduced_backward = std::move(backward);
  if (detail::OpObserver<T>* const observer = detail::op_observer<T>()) observer->see(op, inputs, result);
  return result;
}

namespace detail {

// A variable's value as it is stored, or rounded to bfloat16; null for an undefined one.
template <class P, class T>
std::shared_ptr<const Tensor<P>> stored_as(const Variable<T>& v) {
  if (!v.defined()) return nullptr;
  if constexpr (std::is_same_v<P, T>)
    return v.saved();
  else
    return v.saved_reduced() != nullptr ? v.saved_reduced()
                                        : std::make_shared<const Tensor<P>>(converted<P>(v.value()));
}

// The result of an op whose value is stored as P.
template <class T, class P, class Backward>
[[nodiscard]] Variable<T> record_as(const OpName& op, std::shared_ptr<Tensor<P>> value,
                                    std::span<const Variable<T>> inputs, Backward backward) {
  if constexpr (std::is_same_v<P, T>)
    return record<T>(op, std::move(value), inputs, std::move(backward));
  else
    return record_reduced<T>(op, std::move(value), inputs, std::move(backward));
}

// Whether an op on these leaves nothing behind but its value: no gradient is wanted, and nobody looks on.
template <class T>
[[nodiscard]] bool only_asked(std::span<const Variable<T>> inputs) {
  return op_observer<T>() == nullptr &&
         (!tape_enabled() ||
          std::none_of(inputs.begin(), inputs.end(), [](const Variable<T>& v) { return v.requires_grad(); }));
}

}  // namespace detail
}  // namespace contexture
