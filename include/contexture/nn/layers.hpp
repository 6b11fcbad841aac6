// SPDX-License-Identifier: MIT
// Layers: named state around the ops of autograd. Options come by name:
//   Conv2d<float> conv(3, 64, {.kernel = 3, .stride = 2, .padding = 1}, rng);
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/nn/functions.hpp"
#include "contexture/nn/init.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/nn/norm.hpp"

namespace contexture {

/// Options of Conv2d.
struct ConvLayerOptions {
  Index kernel = 3;
  Index stride = 1;
  Index padding = -1;  ///< -1: dilation * (kernel - 1) / 2, with which an odd kernel keeps the extent at stride 1
  Index dilation = 1;
  Index groups = 1;
  bool bias = true;  ///< false where a batch-norm follows
};

/// Convolution (N,H,W,C) -> (N,OH,OW,K); weight (R,S,C/groups,K), He-initialised; bias (K), zero.
template <class T>
class Conv2d : public UnaryModule<T> {
 public:
  Conv2d(Index in_channels, Index out_channels, const ConvLayerOptions& options, const Rng& rng)
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

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return conv2d(x, weight_, bias_, geometry()); }

  /// norm(forward(x), residual), for a convolution without bias, in as few sweeps over memory as the two can do.
  [[nodiscard]] Variable<T> forward(const Variable<T>& x, NormLayer<T>& norm, const Variable<T>& residual = {}) {
    if (bias_.defined()) return norm.forward(forward(x), residual);
    return norm.forward_conv2d(x, weight_, geometry(), residual);
  }
  [[nodiscard]] const Variable<T>& weight() const { return weight_; }

  [[nodiscard]] Conv2d clone() const {
    return with_state_of(*this, Conv2d(in_channels_, out_channels_, options_, Rng()));
  }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    v.parameter("weight", weight_);
    v.parameter("bias", bias_);
  }

 private:
  [[nodiscard]] Conv2dOptions geometry() const {
    return {.stride = options_.stride,
            .padding = options_.padding,
            .dilation = options_.dilation,
            .groups = options_.groups};
  }

  Index in_channels_, out_channels_;
  ConvLayerOptions options_;
  Variable<T> weight_;
  Variable<T> bias_;
};

/// Options of ConvTranspose2d.
struct ConvTransposeLayerOptions {
  Index kernel = 4;
  Index stride = 2;  ///< with a kernel of 4 and a padding of 1, twice the extent
  Index padding = 1;
  Index extra = 0;  ///< rows and columns more, fewer than the stride
  bool bias = true;
};

/// Transposed convolution (N,H,W,C) -> (N,OH,OW,K) with OH = (H - 1) stride - 2 padding + kernel + extra; weight
/// (R,S,K,C), He-initialised; bias (K), zero.
template <class T>
class ConvTranspose2d : public UnaryModule<T> {
 public:
  ConvTranspose2d(Index in_channels, Index out_channels, const ConvTransposeLayerOptions& options, const Rng& rng)
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

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override {
    return conv_transpose2d(x, weight_, bias_, {.stride = options_.stride, .padding = options_.padding},
                            options_.extra);
  }

  [[nodiscard]] ConvTranspose2d clone() const {
    return with_state_of(*this, ConvTranspose2d(in_channels_, out_channels_, options_, Rng()));
  }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    v.parameter("weight", weight_);
    v.parameter("bias", bias_);
  }

 private:
  Index in_channels_, out_channels_;
  ConvTransposeLayerOptions options_;
  Variable<T> weight_;
  Variable<T> bias_;
};

/// Options of Linear.
struct LinearLayerOptions {
  bool bias = true;
  bool hidden = false;  ///< LinearOptions::hidden
};

/// Fully connected layer (N,I) -> (N,O); weight (I,O), Xavier-initialised; bias (O), zero.
template <class T>
class Linear : public UnaryModule<T> {
 public:
  Linear(Index inputs, Index outputs, const Rng& rng) : Linear(inputs, outputs, {}, rng) {}
  Linear(Index inputs, Index outputs, const LinearLayerOptions& options, const Rng& rng)
      : inputs_(inputs), outputs_(outputs), hidden_(options.hidden) {
    require(inputs >= 1 && outputs >= 1, "Linear: ", inputs, " -> ", outputs, ", expected at least 1");
    weight_ = Variable<T>(xavier_uniform<T>({static_cast<std::size_t>(inputs), static_cast<std::size_t>(outputs)},
                                            inputs, outputs, rng.split("weight")),
                          true);
    if (options.bias) bias_ = Variable<T>(zeros<T>({static_cast<std::size_t>(outputs)}), true);
  }

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override {
    return linear(x, weight_, bias_, {.hidden = hidden_});
  }

  [[nodiscard]] Linear clone() const {
    return with_state_of(*this, Linear(inputs_, outputs_, {.bias = bias_.defined(), .hidden = hidden_}, Rng()));
  }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    v.parameter("weight", weight_);
    v.parameter("bias", bias_);
  }

 private:
  Index inputs_, outputs_;
  bool hidden_;
  Variable<T> weight_;
  Variable<T> bias_;
};

/// Inverted dropout in training, identity in evaluation. Module::reseed() gives it a new stream; without that, `rng` is
/// its stream, and no other dropout should have the same.
template <class T>
class Dropout : public UnaryModule<T> {
 public:
  Dropout(float probability, const Rng& rng) : probability_(probability), rng_(rng) {
    require(probability >= 0.0F && probability < 1.0F, "Dropout: probability ", probability, ", expected 0 <= p < 1");
  }

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override {
    if (!this->training()) return x;
    return dropout(x, probability_, rng_.split(rng_.bits64()));
  }

  /// The clone draws what this one would have drawn; reseed() gives either another stream.
  [[nodiscard]] Dropout clone() const { return with_state_of(*this, Dropout(probability_, rng_)); }

 protected:
  void visit(ModuleVisitor<T>& v) override { v.stream("dropout", rng_); }

 private:
  float probability_;
  Rng rng_;
};

/// Modules one after the other; children are named "0", "1", ...
template <class T>
class Sequential : public UnaryModule<T> {
 public:
  /// Appends a module, moved in; returns *this for chaining. It needs a clone() only if this one is cloned.
  template <class M>
  Sequential& add(M module) {
    modules_.push_back({std::make_unique<M>(std::move(module)), [](const UnaryModule<T>& from) -> Owned {
                          [[maybe_unused]] const auto& own = static_cast<const M&>(from);
                          if constexpr (requires { M(own.clone()); })
                            return std::make_unique<M>(own.clone());
                          else if constexpr (requires { Owned(own.clone()); })
                            return own.clone();
                          require_state(false, "Sequential: one of its modules has no clone()");
                          return nullptr;
                        }});
    return *this;
  }

  /// Throws std::logic_error where a module was added whose class has no clone().
  [[nodiscard]] Sequential clone() const {
    Sequential fresh;
    for (const Entry& entry : modules_) fresh.modules_.push_back({entry.clone(*entry.module), entry.clone});
    return with_state_of(*this, std::move(fresh));
  }

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override {
    Variable<T> y = x;
    for (const Entry& entry : modules_) y = entry.module->forward(y);
    return y;
  }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    for (std::size_t i = 0; i < modules_.size(); ++i) v.child(std::to_string(i), *modules_[i].module);
  }

 private:
  using Owned = std::unique_ptr<UnaryModule<T>>;
  struct Entry {
    Owned module;
    Owned (*clone)(const UnaryModule<T>&);  // of its own class
  };
  std::vector<Entry> modules_;
};

/// Options of ResidualBlock.
struct ResidualBlockOptions {
  Index stride = 1;
  bool affine = true;  ///< of the normalisations
  Norm norm = Norm::batch;
};

/// relu(norm2(conv2(relu(norm1(conv1(x))))) + shortcut(x)), 3x3 convolutions, the first with the
/// stride (He et al., arXiv 1512.03385). The shortcut is the identity, or a 1x1 convolution with
/// a normalisation where stride or channels change.
template <class T>
class ResidualBlock : public UnaryModule<T> {
 public:
  ResidualBlock(Index in_channels, Index out_channels, const ResidualBlockOptions& options, const Rng& rng)
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

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override {
    const Variable<T> inner = conv1_.forward(x, *norm1_);
    const Variable<T> residual = shortcut_ ? shortcut_->forward(x, *shortcut_norm_) : x;
    return conv2_.forward(inner, *norm2_, residual);
  }

  [[nodiscard]] ResidualBlock clone() const {
    return with_state_of(*this, ResidualBlock(in_channels_, out_channels_, options_, Rng()));
  }

  /// Scalars in the parameters of such a block.
  [[nodiscard]] static double weight_count(Index in_channels, Index out_channels, const ResidualBlockOptions& options) {
    const auto in = static_cast<double>(in_channels), out = static_cast<double>(out_channels);
    const bool shortcut = options.stride != 1 || in_channels != out_channels;
    return 9 * in * out + 9 * out * out + (shortcut ? in * out : 0) + (options.affine ? (shortcut ? 6 : 4) * out : 0);
  }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    v.child("conv1", conv1_);
    v.child("norm1", *norm1_);
    v.child("conv2", conv2_);
    v.child("norm2", *norm2_);
    if (!shortcut_) return;
    v.child("shortcut", *shortcut_);
    v.child("shortcut_norm", *shortcut_norm_);
  }

 private:
  Index in_channels_, out_channels_;
  ResidualBlockOptions options_;
  Conv2d<T> conv1_;
  std::unique_ptr<NormLayer<T>> norm1_;
  Conv2d<T> conv2_;
  std::unique_ptr<NormLayer<T>> norm2_;
  std::optional<Conv2d<T>> shortcut_;
  std::unique_ptr<NormLayer<T>> shortcut_norm_;
};

}  // namespace contexture
