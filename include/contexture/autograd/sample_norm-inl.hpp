// SPDX-License-Identifier: MIT
// How autograd/sample_norm.hpp computes.
#pragma once

#include <array>
#include <memory>

#include "contexture/autograd/sample_norm.hpp"
#include "contexture/autograd/variable.hpp"
#include "contexture/core/profile.hpp"
#include "contexture/kernels/group_norm.hpp"
#include "contexture/kernels/layer_norm.hpp"

namespace contexture {

namespace detail {

// What both ops ask of epsilon and of the scale and shift of `channels` channels.
template <class T>
void require_norm_inputs(const char* op, double epsilon, const Variable<T>& x, const Variable<T>& gamma,
                         const Variable<T>& beta) {
  require(epsilon > 0, op, ": epsilon ", epsilon, ", expected > 0");
  require(gamma.defined() == beta.defined(), op, ": gamma and beta come together");
  const auto channels = static_cast<std::size_t>(dim(x.value(), -1));
  if (gamma.defined())
    require(gamma.size() == channels && beta.size() == channels, op, ": gamma ", gamma.shape(), " and beta ",
            beta.shape(), " for input ", x.shape());
}

}  // namespace detail

template <class T>
Variable<T> layer_norm(const Variable<T>& x, const Variable<T>& gamma, const Variable<T>& beta, double epsilon) {
  require(x.value().dimension() >= 1 && dim(x.value(), -1) >= 1, "layer_norm: input ", x.shape(), ", expected (...,C)");
  detail::require_norm_inputs("layer_norm", epsilon, x, gamma, beta);
  const detail::OpTimer timer("layer_norm forward");
  kernels::LayerNormRows<T> s;
  s.width = dim(x.value(), -1);
  s.rows = static_cast<Index>(x.size()) / s.width;
  s.x = x.value().data();
  if (gamma.defined()) s.gamma = gamma.value().data(), s.beta = beta.value().data();
  auto constants = std::make_shared<Workspace<T>>(static_cast<std::size_t>(2 * s.rows));  // mean, 1 / std
  s.mean = constants->data();
  s.inv_std = s.mean + s.rows;
  Tensor<T> y = empty_like(x.value());
  kernels::layer_norm_forward(s, epsilon, y.data(), constants->data(), constants->data() + s.rows);
  return record<T>({"layer_norm", {{"epsilon", epsilon}}}, std::move(y), {x, gamma, beta},
                   [s, constants, x = x.saved(), gamma = gamma.defined() ? gamma.saved() : nullptr](
                       Tensor<T> g, const detail::InputGradients<T>& in) {
                     const detail::OpTimer backward_timer("layer_norm backward");
                     Tensor<T> dgamma = empty<T>({static_cast<std::size_t>(s.width)});
                     Tensor<T> dbeta = empty_like(dgamma);
                     kernels::layer_norm_backward(s, g.data(), g.data(), dgamma.data(), dbeta.data());
                     in.add(0, std::move(g));
                     in.add(1, std::move(dgamma));
                     in.add(2, std::move(dbeta));
                   });
}

template <class T>
Variable<T> group_norm(const Variable<T>& x, const Variable<T>& gamma, const Variable<T>& beta,
                       const GroupNormOptions& options, const Variable<T>& residual) {
  require(x.value().dimension() >= 2 && dim(x.value(), -1) >= 1, "group_norm: input ", x.shape(),
          ", expected (N,...,C)");
  kernels::GroupNormInput<T> s;
  s.samples = dim(x.value(), 0);
  s.channels = dim(x.value(), -1);
  s.groups = options.groups;
  s.rows = s.samples == 0 ? 0 : static_cast<Index>(x.size()) / (s.samples * s.channels);
  s.relu = options.relu;
  require(s.groups >= 1 && s.channels % s.groups == 0, "group_norm: ", s.groups, " groups of the ", s.channels,
          " channels of input ", x.shape(), ", expected a divisor");
  require(s.samples == 0 || s.rows >= 1, "group_norm: input ", x.shape(), " has samples without a value");
  detail::require_norm_inputs("group_norm", options.epsilon, x, gamma, beta);
  if (residual.defined())
    require(residual.shape() == x.shape(), "group_norm: residual ", residual.shape(), " for input ", x.shape());
  const detail::OpTimer timer("group_norm forward");
  s.x = x.value().data();
  if (gamma.defined()) s.gamma = gamma.value().data(), s.beta = beta.value().data();
  if (residual.defined()) s.residual = residual.value().data();
  auto constants = std::make_shared<Workspace<T>>(static_cast<std::size_t>(s.constants()));
  auto y = std::make_shared<Tensor<T>>(empty_like(x.value()));
  kernels::group_norm_forward(s, options.epsilon, y->data(), constants->data());

  // Behind a residual addition the ReLU's mask can't be had from x alone: keep the output's value.
  const bool mask_from_output = options.relu && residual.defined();
  if (mask_from_output) s.y = y->data();
  s.residual = nullptr;
  const std::array<Variable<T>, 4> inputs{x, gamma, beta, residual};
  return record<T>({"group_norm", {{"groups", options.groups}, {"epsilon", options.epsilon}, {"relu", options.relu}}},
                   y, inputs,
                   [s, constants, mask_from_output, x = x.saved(), gamma = gamma.defined() ? gamma.saved() : nullptr,
                    y = mask_from_output ? std::shared_ptr<const Tensor<T>>(y) : nullptr](
                       Tensor<T> g, const detail::InputGradients<T>& in) {
                     const detail::OpTimer backward_timer("group_norm backward");
                     kernels::GroupNormInput<T> of = s;
                     of.dy = g.data();
                     Tensor<T> dgamma = empty<T>({static_cast<std::size_t>(s.channels)});
                     Tensor<T> dbeta = empty_like(dgamma);
                     kernels::NormGradients<T> out{g.data(), dgamma.data(), dbeta.data()};
                     if (in.wanted(3) || mask_from_output) {
                       // The masked gradient overwrites g: it is the residual's gradient.
                       Tensor<T> dx = empty_like(g);
                       out.dx = dx.data();
                       out.masked_dy = g.data();
                       kernels::group_norm_backward(of, constants->data(), out);
                       in.add(3, std::move(g));
                       in.add(0, std::move(dx));
                     } else {
                       kernels::group_norm_backward(of, constants->data(), out);
                       in.add(0, std::move(g));
                     }
                     in.add(1, std::move(dgamma));
                     in.add(2, std::move(dbeta));
                   });
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)                                                                          \
  template Variable<T> layer_norm(const Variable<T>& x, const Variable<T>& gamma, const Variable<T>& beta, \
                                  double epsilon);                                                         \
  template Variable<T> group_norm(const Variable<T>& x, const Variable<T>& gamma, const Variable<T>& beta, \
                                  const GroupNormOptions& options, const Variable<T>& residual);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
