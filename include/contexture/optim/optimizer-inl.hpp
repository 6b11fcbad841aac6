// SPDX-License-Identifier: MIT
// How the optimisers of optim/optimizer.hpp update parameters.
#pragma once

#include <algorithm>
#include <cmath>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/autograd/variable.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/core/profile.hpp"
#include "contexture/kernels/elementwise.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/optim/optimizer.hpp"

namespace contexture {

namespace detail {

template <class T>
std::vector<NamedParameter<T>> distinct(std::vector<NamedParameter<T>> parameters) {
  std::set<const Tensor<T>*> seen;
  std::erase_if(parameters, [&](NamedParameter<T>& p) { return !seen.insert(&p.variable.value()).second; });
  return parameters;
}

}  // namespace detail

template <class T>
void Optimizer<T>::step(double lr) {
  require(is_finite(lr) && lr >= 0, "Optimizer::step: learning rate ", lr, ", expected a finite number >= 0");
  require_state(
      std::any_of(parameters_.begin(), parameters_.end(), [](const auto& p) { return p.variable.has_grad(); }),
      "Optimizer::step: no parameter has a gradient; call backward() on a loss of these parameters first");
  const detail::OpTimer timer("optimizer step");
  update(lr);
}

template <class T>
void Optimizer<T>::zero_grad() {
  for (NamedParameter<T>& p : parameters_) p.variable.zero_grad();
}

template <class T>
Optimizer<T>::Optimizer(std::vector<NamedParameter<T>> parameters)
    : parameters_(detail::distinct(std::move(parameters))),
      rates_(parameters_.size(), 1.0),
      decays_(parameters_.size(), 1.0) {
  require(!parameters_.empty(), "Optimizer: no parameters; a module lists its own in visit()");
}

template <class T>
double Optimizer<T>::decay(std::size_t i, double weight_decay, bool all) const {
  return all || parameters_[i].variable.value().dimension() > 1 ? weight_decay * decays_[i] : 0.0;
}

template <class T>
void Optimizer<T>::scale(const char* what, std::vector<double>& factors, std::string_view prefix, double factor) {
  require(is_finite(factor) && factor >= 0, "Optimizer::", what, ": factor ", factor,
          ", expected a finite number >= 0");
  bool found = false;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!std::string_view(parameters_[i].name).starts_with(prefix)) continue;
    factors[i] *= factor;
    found = true;
  }
  require(found, "Optimizer::", what, ": no parameter is called ", prefix, "...");
}

template <class T>
Sgd<T>::Sgd(std::vector<NamedParameter<T>> parameters, const SgdOptions& options)
    : Optimizer<T>(std::move(parameters)), options_(options) {
  require(options.momentum >= 0 && options.momentum < 1 && options.weight_decay >= 0, "Sgd: momentum ",
          options.momentum, ", weight decay ", options.weight_decay, ", expected [0, 1) and >= 0");
  for (const NamedParameter<T>& p : this->parameters_) velocity_.push_back(zeros<T>(p.variable.shape()));
}

template <class T>
std::vector<NamedState<T>> Sgd<T>::state() {
  std::vector<NamedState<T>> list;
  for (std::size_t i = 0; i < velocity_.size(); ++i)
    list.push_back({"velocity." + this->parameters_[i].name, &velocity_[i]});
  return list;
}

template <class T>
void Sgd<T>::update(double lr) {
  for (std::size_t i = 0; i < velocity_.size(); ++i) update_parameter(i, lr);
}

template <class T>
void Sgd<T>::update_parameter(std::size_t i, double lr) {
  NamedParameter<T>& p = this->parameters_[i];
  Tensor<T>& velocity = velocity_[i];
  if (!p.variable.has_grad()) return;
  const double decay = this->decay(i, options_.weight_decay, options_.decay_all);
  kernels::sgd_update(p.variable.mutable_value().data(), p.variable.grad().data(), velocity.data(),
                      static_cast<Index>(velocity.size()),
                      {.rate = static_cast<T>(lr * this->rates_[i]),
                       .momentum = static_cast<T>(options_.momentum),
                       .weight_decay = static_cast<T>(decay),
                       .nesterov = options_.nesterov});
}

template <class T>
AdamW<T>::AdamW(std::vector<NamedParameter<T>> parameters, const AdamWOptions& options)
    : Optimizer<T>(std::move(parameters)), options_(options), steps_(zeros<T>({this->parameters_.size()})) {
  require(options.beta1 >= 0 && options.beta1 < 1 && options.beta2 >= 0 && options.beta2 < 1 && options.epsilon > 0 &&
              options.weight_decay >= 0,
          "AdamW: beta1 ", options.beta1, ", beta2 ", options.beta2, ", epsilon ", options.epsilon, ", weight decay ",
          options.weight_decay, ", expected [0, 1), [0, 1), > 0, >= 0");
  for (const NamedParameter<T>& p : this->parameters_) {
    m_.push_back(zeros<T>(p.variable.shape()));
    v_.push_back(zeros<T>(p.variable.shape()));
  }
}

template <class T>
std::vector<NamedState<T>> AdamW<T>::state() {
  std::vector<NamedState<T>> list{{"steps", &steps_}};
  for (std::size_t i = 0; i < m_.size(); ++i) {
    list.push_back({"m." + this->parameters_[i].name, &m_[i]});
    list.push_back({"v." + this->parameters_[i].name, &v_[i]});
  }
  return list;
}

template <class T>
void AdamW<T>::update(double lr) {
  for (std::size_t i = 0; i < m_.size(); ++i) {
    NamedParameter<T>& p = this->parameters_[i];
    if (!p.variable.has_grad()) continue;
    // Its own steps: the moments of one that was frozen for long are as young as at the start.
    const double t = static_cast<double>(steps_.data()[i] += T(1));
    const double decay = this->decay(i, options_.weight_decay, options_.decay_all);
    kernels::adamw_update(p.variable.mutable_value().data(), p.variable.grad().data(), m_[i].data(), v_[i].data(),
                          static_cast<Index>(m_[i].size()),
                          {.rate = static_cast<T>(lr * this->rates_[i]),
                           .beta1 = static_cast<T>(options_.beta1),
                           .beta2 = static_cast<T>(options_.beta2),
                           .epsilon = static_cast<T>(options_.epsilon),
                           .rest1 = static_cast<T>(1 - options_.beta1),
                           .rest2 = static_cast<T>(1 - options_.beta2),
                           .weight_decay = static_cast<T>(decay),
                           .correction1 = static_cast<T>(1 - std::pow(options_.beta1, t)),
                           .correction2 = static_cast<T>(1 - std::pow(options_.beta2, t))});
  }
}

template <class T>
double clip_grad_norm(std::span<NamedParameter<T>> parameters, double max_norm) {
  require(max_norm > 0, "clip_grad_norm: max_norm ", max_norm, ", expected > 0");
  std::vector<NamedParameter<T>> distinct = detail::distinct(std::vector(parameters.begin(), parameters.end()));
  double squares = 0;
  for (NamedParameter<T>& p : distinct)
    if (p.variable.has_grad())
      squares += kernels::sum_of_squares(p.variable.grad().data(), static_cast<Index>(p.variable.size()));
  const double norm = std::sqrt(squares);
  if (!is_finite(norm) || norm <= max_norm) return norm;
  const auto factor = static_cast<T>(max_norm / norm);
  for (NamedParameter<T>& p : distinct) {
    if (!p.variable.has_grad()) continue;
    T* const g = p.variable.mutable_grad().data();
    kernels::scale(factor, g, g, static_cast<Index>(p.variable.size()));
  }
  return norm;
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                                      \
  template std::vector<NamedParameter<T>> detail::distinct(std::vector<NamedParameter<T>> parameters); \
  template class Optimizer<T>;                                                                         \
  template class Sgd<T>;                                                                               \
  template class AdamW<T>;                                                                             \
  template double clip_grad_norm(std::span<NamedParameter<T>> parameters, double max_norm);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
