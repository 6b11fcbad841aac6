// SPDX-License-Identifier: MIT
// How the layers of nn/norm.hpp are made and run.
#pragma once

#include <cstddef>
#include <memory>

#include "contexture/autograd/conv.hpp"
#include "contexture/autograd/elementwise.hpp"
#include "contexture/autograd/norm.hpp"
#include "contexture/autograd/sample_norm.hpp"
#include "contexture/core/error.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/nn/norm.hpp"

namespace contexture {

template <class T>
BatchNorm<T>::BatchNorm(Index channels, const BatchNormLayerOptions& options)
    : options_(options), affine_("BatchNorm", channels, options.affine) {
  detail::require_batch_norm_options("BatchNorm", options.epsilon, options.momentum);
  const Shape shape{static_cast<std::size_t>(channels)};
  running_mean_ = zeros<T>(shape);
  running_variance_ = full<T>(shape, T(1));
}

template <class T>
Variable<T> BatchNorm<T>::forward(const Variable<T>& x, const Variable<T>& residual) {
  return batch_norm(x, affine_.gamma, affine_.beta, running_mean_, running_variance_, options(), residual);
}

template <class T>
Variable<T> BatchNorm<T>::forward_conv2d(const Variable<T>& x, const Variable<T>& weight,
                                         const Conv2dOptions& options_of_conv, const Variable<T>& residual) {
  return conv2d_batch_norm(x, weight, options_of_conv,
                           {affine_.gamma, affine_.beta, running_mean_, running_variance_, options(), residual});
}

template <class T>
BatchNorm<T> BatchNorm<T>::clone() const {
  return with_state_of(*this, BatchNorm(static_cast<Index>(running_mean_.size()), options_));
}

template <class T>
void BatchNorm<T>::visit(ModuleVisitor<T>& v) {
  affine_.visit(v);
  v.buffer("running_mean", running_mean_);
  v.buffer("running_variance", running_variance_);
  v.number("momentum", options_.momentum);
}

template <class T>
BatchNormOptions BatchNorm<T>::options() const {
  return {
      .training = this->training(), .momentum = options_.momentum, .epsilon = options_.epsilon, .relu = options_.relu};
}

template <class T>
LayerNorm<T>::LayerNorm(Index channels, const LayerNormLayerOptions& options)
    : options_(options), channels_(channels), affine_("LayerNorm", channels, options.affine) {
  require(options.epsilon > 0, "LayerNorm: epsilon ", options.epsilon, ", expected > 0");
}

template <class T>
Variable<T> LayerNorm<T>::forward(const Variable<T>& x, const Variable<T>& residual) {
  require(x.value().dimension() >= 1 && dim(x.value(), -1) == channels_, "LayerNorm: input ", x.shape(), ", expected ",
          channels_, " channels");
  Variable<T> y = layer_norm(x, affine_.gamma, affine_.beta, options_.epsilon);
  if (residual.defined()) y = add(y, residual);
  return options_.relu ? relu(y) : y;
}

template <class T>
GroupNorm<T>::GroupNorm(Index channels, const GroupNormLayerOptions& options)
    : options_(options), channels_(channels), affine_("GroupNorm", channels, options.affine) {
  if (options_.groups == 0) options_.groups = default_groups(channels);
  require(options_.groups >= 1 && channels % options_.groups == 0 && options.epsilon > 0,
          "GroupNorm: ", options_.groups, " groups of ", channels, " channels, epsilon ", options.epsilon,
          ", expected a divisor, and > 0");
}

template <class T>
Variable<T> GroupNorm<T>::forward(const Variable<T>& x, const Variable<T>& residual) {
  require(x.value().dimension() >= 2 && dim(x.value(), -1) == channels_, "GroupNorm: input ", x.shape(),
          ", expected (N,...,", channels_, ")");
  return group_norm(x, affine_.gamma, affine_.beta,
                    {.groups = options_.groups, .epsilon = options_.epsilon, .relu = options_.relu}, residual);
}

template <class T>
std::unique_ptr<NormLayer<T>> make_norm(Index channels, const NormLayerOptions& options) {
  const bool affine = options.affine, relu = options.relu;
  switch (options.norm) {
    case Norm::batch: break;
    case Norm::group:
      return std::make_unique<GroupNorm<T>>(channels, GroupNormLayerOptions{.affine = affine, .relu = relu});
    case Norm::layer:
      return std::make_unique<LayerNorm<T>>(channels, LayerNormLayerOptions{.affine = affine, .relu = relu});
  }
  return std::make_unique<BatchNorm<T>>(channels, BatchNormLayerOptions{.affine = affine, .relu = relu});
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T) \
  template class BatchNorm<T>;    \
  template class LayerNorm<T>;    \
  template class GroupNorm<T>;    \
  template std::unique_ptr<NormLayer<T>> make_norm(Index channels, const NormLayerOptions& options);
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
