// SPDX-License-Identifier: MIT
// How the layers of nn/layers.hpp are made and run.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "contexture/autograd/autograd.hpp"
#include "contexture/nn/functions.hpp"
#include "contexture/nn/init.hpp"
#include "contexture/nn/layers.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/nn/norm.hpp"

namespace contexture {

template <class T>
Conv2d<T>::Conv2d(Index in_channels, Index out_channels, const ConvLayerOptions& options, const Rng& rng)
    : in_channels_(in_channels), out_channels_(out_channels), options_(options) {
  require(in_channels >= 1 && out_channels >= 1 && options.kernel >= 1 && options.groups >= 1 &&
              in_channels % options.groups == 0 && out_channels % options.groups == 0 && options.padding >= -1 &&
              options.stride >= 1 && options.dilation >= 1,
          "Conv2d: ", in_channels, " -> ", out_channels, " channels, kernel ", options.kernel, ", groups ",
          options.groups, ", padding ", options.padding, ", stride ", options.stride, ", dilation ", options.dilation,
          ", expected positive and divisible by groups, padding >= -1");
  if (options_.padding < 0) options_.padding = options.dilation * (options.kernel - 1) / 2;
  const auto r = static_cast<std::size_t>(options.kernel);
  const Index per_group = in_channels / options.groups;
  weight_ =
      Variable<T>(he_normal<T>({r, r, static_cast<std::size_t>(per_group), static_cast<std::size_t>(out_channels)},
                               options.kernel * options.kernel * per_group, rng.split("weight")),
                  true);
  if (options.bias) bias_ = Variable<T>(zeros<T>({static_cast<std::size_t>(out_channels)}), true);
}

template <class T>
Variable<T> Conv2d<T>::forward(const Variable<T>& x, NormLayer<T>& norm, const Variable<T>& residual) {
  if (bias_.defined()) return norm.forward(forward(x), residual);
  return norm.forward_conv2d(x, weight_, geometry(), residual);
}

template <class T>
Conv2d<T> Conv2d<T>::clone() const {
  return with_state_of(*this, Conv2d(in_channels_, out_channels_, options_, Rng()));
}

template <class T>
void Conv2d<T>::visit(ModuleVisitor<T>& v) {
  v.parameter("weight", weight_);
  v.parameter("bias", bias_);
}

template <class T>
Conv2dOptions Conv2d<T>::geometry() const {
  return {
      .stride = options_.stride, .padding = options_.padding, .dilation = options_.dilation, .groups = options_.groups};
}

template <class T>
ConvTranspose2d<T>::ConvTranspose2d(Index in_channels, Index out_channels, const ConvTransposeLayerOptions& options,
                                    const Rng& rng)
    : in_channels_(in_channels), out_channels_(out_channels), options_(options) {
  require(in_channels >= 1 && out_channels >= 1 && options.kernel >= 1 && options.stride >= 1 && options.padding >= 0,
          "ConvTranspose2d: ", in_channels, " -> ", out_channels, " channels, kernel ", options.kernel, ", stride ",
          options.stride, ", padding ", options.padding, ", expected positive, padding >= 0");
  const auto r = static_cast<std::size_t>(options.kernel);
  // Of kernel^2 taps a pixel of the result meets one in stride^2.
  const Index fan_in =
      std::max<Index>(1, options.kernel * options.kernel / (options.stride * options.stride)) * in_channels;
  weight_ =
      Variable<T>(he_normal<T>({r, r, static_cast<std::size_t>(out_channels), static_cast<std::size_t>(in_channels)},
                               fan_in, rng.split("weight")),
                  true);
  if (options.bias) bias_ = Variable<T>(zeros<T>({static_cast<std::size_t>(out_channels)}), true);
}

template <class T>
Variable<T> ConvTranspose2d<T>::forward(const Variable<T>& x) {
  return conv_transpose2d(x, weight_, bias_, {.stride = options_.stride, .padding = options_.padding}, options_.extra);
}

template <class T>
ConvTranspose2d<T> ConvTranspose2d<T>::clone() const {
  return with_state_of(*this, ConvTranspose2d(in_channels_, out_channels_, options_, Rng()));
}

template <class T>
void ConvTranspose2d<T>::visit(ModuleVisitor<T>& v) {
  v.parameter("weight", weight_);
  v.parameter("bias", bias_);
}

template <class T>
Linear<T>::Linear(Index inputs, Index outputs, const LinearLayerOptions& options, const Rng& rng)
    : inputs_(inputs), outputs_(outputs), hidden_(options.hidden) {
  require(inputs >= 1 && outputs >= 1, "Linear: ", inputs, " -> ", outputs, ", expected at least 1");
  weight_ = Variable<T>(xavier_uniform<T>({static_cast<std::size_t>(inputs), static_cast<std::size_t>(outputs)}, inputs,
                                          outputs, rng.split("weight")),
                        true);
  if (options.bias) bias_ = Variable<T>(zeros<T>({static_cast<std::size_t>(outputs)}), true);
}

template <class T>
Variable<T> Linear<T>::forward(const Variable<T>& x) {
  return linear(x, weight_, bias_, {.hidden = hidden_});
}

template <class T>
Linear<T> Linear<T>::clone() const {
  return with_state_of(*this, Linear(inputs_, outputs_, {.bias = bias_.defined(), .hidden = hidden_}, Rng()));
}

template <class T>
void Linear<T>::visit(ModuleVisitor<T>& v) {
  v.parameter("weight", weight_);
  v.parameter("bias", bias_);
}

template <class T>
Dropout<T>::Dropout(float probability, const Rng& rng) : probability_(probability), rng_(rng) {
  require(probability >= 0.0F && probability < 1.0F, "Dropout: probability ", probability, ", expected 0 <= p < 1");
}

template <class T>
Variable<T> Dropout<T>::forward(const Variable<T>& x) {
  if (!this->training()) return x;
  return dropout(x, probability_, rng_.split(rng_.bits64()));
}

template <class T>
Sequential<T> Sequential<T>::clone() const {
  Sequential fresh;
  for (const Entry& entry : modules_) fresh.modules_.push_back({entry.clone(*entry.module), entry.clone});
  return with_state_of(*this, std::move(fresh));
}

template <class T>
Variable<T> Sequential<T>::forward(const Variable<T>& x) {
  Variable<T> y = x;
  for (const Entry& entry : modules_) y = entry.module->forward(y);
  return y;
}

template <class T>
void Sequential<T>::visit(ModuleVisitor<T>& v) {
  for (std::size_t i = 0; i < modules_.size(); ++i) v.child(std::to_string(i), *modules_[i].module);
}

template <class T>
ResidualBlock<T>::ResidualBlock(Index in_channels, Index out_channels, const ResidualBlockOptions& options,
                                const Rng& rng)
    : in_channels_(in_channels),
      out_channels_(out_channels),
      options_(options),
      conv1_(in_channels, out_channels, {.kernel = 3, .stride = options.stride, .bias = false}, rng.split("conv1")),
      norm1_(make_norm<T>(out_channels, {options.norm, options.affine, true})),
      conv2_(out_channels, out_channels, {.kernel = 3, .bias = false}, rng.split("conv2")),
      norm2_(make_norm<T>(out_channels, {options.norm, options.affine, true})) {
  if (options.stride == 1 && in_channels == out_channels) return;
  shortcut_.emplace(in_channels, out_channels, ConvLayerOptions{.kernel = 1, .stride = options.stride, .bias = false},
                    rng.split("shortcut"));
  shortcut_norm_ = make_norm<T>(out_channels, {options.norm, options.affine, false});
}

template <class T>
Variable<T> ResidualBlock<T>::forward(const Variable<T>& x) {
  const Variable<T> inner = conv1_.forward(x, *norm1_);
  const Variable<T> residual = shortcut_ ? shortcut_->forward(x, *shortcut_norm_) : x;
  return conv2_.forward(inner, *norm2_, residual);
}

template <class T>
ResidualBlock<T> ResidualBlock<T>::clone() const {
  return with_state_of(*this, ResidualBlock(in_channels_, out_channels_, options_, Rng()));
}

template <class T>
double ResidualBlock<T>::weight_count(Index in_channels, Index out_channels, const ResidualBlockOptions& options) {
  const auto in = static_cast<double>(in_channels), out = static_cast<double>(out_channels);
  const bool shortcut = options.stride != 1 || in_channels != out_channels;
  return 9 * in * out + 9 * out * out + (shortcut ? in * out : 0) + (options.affine ? (shortcut ? 6 : 4) * out : 0);
}

template <class T>
void ResidualBlock<T>::visit(ModuleVisitor<T>& v) {
  v.child("conv1", conv1_);
  v.child("norm1", *norm1_);
  v.child("conv2", conv2_);
  v.child("norm2", *norm2_);
  if (!shortcut_) return;
  v.child("shortcut", *shortcut_);
  v.child("shortcut_norm", *shortcut_norm_);
}

#if defined(CONTEXTURE_COMPILED)
#define CONTEXTURE_INSTANTIATE(T)    \
  template class Conv2d<T>;          \
  template class ConvTranspose2d<T>; \
  template class Linear<T>;          \
  template class Dropout<T>;         \
  template class Sequential<T>;      \
  template class ResidualBlock<T>;
CONTEXTURE_INSTANTIATE(float)
CONTEXTURE_INSTANTIATE(double)
#undef CONTEXTURE_INSTANTIATE
#endif

}  // namespace contexture
