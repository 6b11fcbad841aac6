// SPDX-License-Identifier: MIT
// How autograd/variable.hpp keeps values, and records ops.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <span>
#include <type_traits>
#include <utility>

#include "contexture/autograd/tape-inl.hpp"
#include "contexture/autograd/variable.hpp"
#include "contexture/core/bfloat16.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {

template <class T>
struct Variable<T>::Body {
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

template <class T>
typename Variable<T>::Body& Variable<T>::body() const {
  require_state(body_ != nullptr, "Variable: used while undefined");
  return *body_;
}

template <class T>
Variable<T>::Variable(Tensor<T> value, bool requires_grad)
    : body_(std::make_shared<Body>(std::make_shared<Tensor<T>>(std::move(value)), nullptr)) {
  set_requires_grad(requires_grad);
}

template <class T>
const Tensor<T>& Variable<T>::value() const {
  return *body().full();
}

template <class T>
const Shape& Variable<T>::shape() const {
  return body().shape();
}

template <class T>
Tensor<T>& Variable<T>::mutable_value() {
  Tensor<T>& value = *body().full();
  body().reduced = nullptr;
  return value;
}

template <class T>
T Variable<T>::item() const {
  require(size() == 1, "Variable::item: shape ", shape(), ", expected one element");
  return value().data()[0];
}

template <class T>
bool Variable<T>::requires_grad() const {
  return defined() && body_->node != nullptr;
}

template <class T>
void Variable<T>::set_requires_grad(bool on) {
  Body& b = body();
  require_state(b.node == nullptr || b.node->leaf, "set_requires_grad: this is the result of an op, not a leaf");
  if (on && b.node == nullptr) {
    b.node = std::make_shared<detail::Node<T>>("leaf", b.shape());
    b.node->leaf = true;
  } else if (!on) {
    b.node = nullptr;
  }
}

template <class T>
const void* Variable<T>::leaf() const {
  return requires_grad() && body_->node->leaf ? body_->node.get() : nullptr;
}

template <class T>
bool Variable<T>::has_grad() const {
  return requires_grad() && body_->node->grad.any;
}

template <class T>
const Tensor<T>& Variable<T>::grad() const {
  require_state(has_grad(), "Variable::grad: no gradient (no backward yet, or not a leaf that requires one)");
  return body_->node->grad.sum;
}

template <class T>
void Variable<T>::set_grad(Tensor<T> gradient) {
  require_state(leaf() != nullptr, "Variable::set_grad: not a leaf that requires a gradient");
  require(gradient.shape() == shape(), "Variable::set_grad: gradient ", gradient.shape(), " for a value ", shape());
  body_->node->grad = {std::move(gradient), true};
}

template <class T>
void Variable<T>::zero_grad() {
  if (has_grad()) body_->node->grad = {};
}

template <class T>
void Variable<T>::backward() const {
  require(size() == 1, "Variable::backward: shape ", shape(), " needs a cotangent of that shape");
  require(is_finite(item()), "Variable::backward: the loss is ", item(),
          ", expected a finite number; a lower learning rate may help, or the data have such numbers");
  backward(full<T>(shape(), T(1)));
}

template <class T>
void Variable<T>::backward(Tensor<T> cotangent, const LeafObserver& complete) const {
  require_state(requires_grad(), "Variable::backward: nothing here requires a gradient");
  require(cotangent.shape() == shape(), "Variable::backward: cotangent ", cotangent.shape(), " for a value ", shape());
  detail::run_backward(body_->node, std::move(cotangent), complete);
}

template <class T>
Variable<T> Variable<T>::detach() const {
  Variable v;
  const Body& b = body();
  v.body_ =
      b.reduced != nullptr ? std::make_shared<Body>(nullptr, b.reduced) : std::make_shared<Body>(b.full(), nullptr);
  return v;
}

template <class T>
std::shared_ptr<const Tensor<T>> Variable<T>::saved() const {
  return body().full();
}

template <class T>
const std::shared_ptr<const Tensor<bfloat16>>& Variable<T>::saved_reduced() const {
  return body().reduced;
}

template <class T>
detail::Node<T>* Variable<T>::attach(const char* name, std::span<const Variable> inputs) {
  if (!detail::tape_enabled()) return nullptr;
  if (std::none_of(inputs.begin(), inputs.end(), [](const Variable& v) { return v.requires_grad(); })) return nullptr;
  auto node = std::make_shared<detail::Node<T>>(name, shape());
  for (const Variable& input : inputs) node->inputs.push_back(input.requires_grad() ? input.body_->node : nullptr);
  body_->node = std::move(node);
  return body_->node.get();
}

template <class T>
Variable<T> record(const OpName& op, std::shared_ptr<Tensor<T>> value, std::span<const Variable<T>> inputs,
                   std::type_identity_t<detail::BackwardFunction<T>> backward) {
  Variable<T> result;
  result.body_ = std::make_shared<typename Variable<T>::Body>(std::move(value), nullptr);
  if (detail::Node<T>* const node = result.attach(op.name, inputs)) node->backward = std::move(backward);
  if (detail::OpObserver<T>* const observer = detail::op_observer<T>()) observer->see(op, inputs, result);
  return result;
}

template <class T>
Variable<T> record(const OpName& op, Tensor<T> value, std::initializer_list<Variable<T>> inputs,
                   std::type_identity_t<detail::BackwardFunction<T>> backward) {
  return record(op, std::make_shared<Tensor<T>>(std::move(value)),
                std::span<const Variable<T>>(inputs.begin(), inputs.size()), std::move(backward));
}

template <class T>
Variable<T> record_reduced(const OpName& op, std::shared_ptr<const Tensor<bfloat16>> value,
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

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                                      \
  template class Variable<T>;                                                                          \
  template Variable<T> record(const OpName&, std::shared_ptr<Tensor<T>>, std::span<const Variable<T>>, \
                              std::type_identity_t<detail::BackwardFunction<T>>);                      \
  template Variable<T> record(const OpName&, Tensor<T>, std::initializer_list<Variable<T>>,            \
                              std::type_identity_t<detail::BackwardFunction<T>>);                      \
  template Variable<T> record_reduced(const OpName&, std::shared_ptr<const Tensor<bfloat16>>,          \
                                      std::span<const Variable<T>>,                                    \
                                      std::type_identity_t<detail::ReducedBackwardFunction<T>>);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
