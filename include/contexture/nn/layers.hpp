// Layers: named state around the ops of autograd. Options come by name:
//   Conv2d<float> conv(3, 64, {.kernel = 3, .stride = 2, .padding = 1}, rng);
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/nn/init.hpp"
#include "contexture/nn/module.hpp"

namespace contexture {

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
  Conv2d(Index in_channels, Index out_channels, const ConvLayerOptions& options, const Rng& rng) {
    require(in_channels >= 1 && out_channels >= 1 && options.kernel >= 1 && options.groups >= 1 &&
                in_channels % options.groups == 0 && out_channels % options.groups == 0 && options.padding >= -1 &&
                options.stride >= 1 && options.dilation >= 1,
            "Conv2d: ", in_channels, " -> ", out_channels, " channels, kernel ", options.kernel, ", groups ",
            options.groups, ", padding ", options.padding, ", stride ", options.stride, ", dilation ", options.dilation,
            ", expected positive and divisible by groups, padding >= -1");
    options_ = {.stride = options.stride,
                .padding = options.padding >= 0 ? options.padding : options.dilation * (options.kernel - 1) / 2,
                .dilation = options.dilation,
                .groups = options.groups};
    const auto r = static_cast<std::size_t>(options.kernel);
    const Index per_group = in_channels / options.groups;
    weight_ =
        Variable<T>(he_normal<T>({r, r, static_cast<std::size_t>(per_group), static_cast<std::size_t>(out_channels)},
                                 options.kernel * options.kernel * per_group, rng.split("weight")),
                    true);
    if (options.bias) bias_ = Variable<T>(zeros<T>({static_cast<std::size_t>(out_channels)}), true);
  }

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return conv2d(x, weight_, bias_, options_); }
  [[nodiscard]] const Variable<T>& weight() const { return weight_; }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    v.parameter("weight", weight_);
    v.parameter("bias", bias_);
  }

 private:
  Conv2dOptions options_;
  Variable<T> weight_;
  Variable<T> bias_;
};

struct BatchNormLayerOptions {
  double momentum = 0.1;
  double epsilon = 1e-5;
  bool affine = true;  ///< learn scale and shift; false as in context prediction's code, against collapse
  bool relu = false;   ///< ReLU in the same sweep
};

/// Batch normalisation over the last axis: 1-d on (N,C), 2-d on (N,H,W,C).
template <class T>
class BatchNorm : public UnaryModule<T> {
 public:
  explicit BatchNorm(Index channels, const BatchNormLayerOptions& options = {}) : options_(options) {
    require(channels >= 1, "BatchNorm: ", channels, " channels, expected at least 1");
    detail::require_batch_norm_options("BatchNorm", options.epsilon, options.momentum);
    const Shape shape{static_cast<std::size_t>(channels)};
    if (options.affine) {
      gamma_ = Variable<T>(full<T>(shape, T(1)), true);
      beta_ = Variable<T>(zeros<T>(shape), true);
    }
    running_mean_ = zeros<T>(shape);
    running_variance_ = full<T>(shape, T(1));
  }

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return forward(x, {}); }

  /// With a residual added before the ReLU, all in one sweep.
  [[nodiscard]] Variable<T> forward(const Variable<T>& x, const Variable<T>& residual) {
    return batch_norm(x, gamma_, beta_, running_mean_, running_variance_,
                      {.training = this->training(),
                       .momentum = options_.momentum,
                       .epsilon = options_.epsilon,
                       .relu = options_.relu},
                      residual);
  }

  /// Weight of each batch in the running statistics; 1/k for the k-th batch gives a plain average.
  void set_momentum(double momentum) { options_.momentum = momentum; }
  [[nodiscard]] double momentum() const { return options_.momentum; }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    v.parameter("gamma", gamma_);
    v.parameter("beta", beta_);
    v.buffer("running_mean", running_mean_);
    v.buffer("running_variance", running_variance_);
  }

 private:
  BatchNormLayerOptions options_;
  Variable<T> gamma_;
  Variable<T> beta_;
  Tensor<T> running_mean_;
  Tensor<T> running_variance_;
};

/// Fully connected layer (N,I) -> (N,O); weight (I,O), Xavier-initialised; bias (O), zero.
template <class T>
class Linear : public UnaryModule<T> {
 public:
  Linear(Index inputs, Index outputs, const Rng& rng, bool bias = true) {
    require(inputs >= 1 && outputs >= 1, "Linear: ", inputs, " -> ", outputs, ", expected at least 1");
    weight_ = Variable<T>(xavier_uniform<T>({static_cast<std::size_t>(inputs), static_cast<std::size_t>(outputs)},
                                            inputs, outputs, rng.split("weight")),
                          true);
    if (bias) bias_ = Variable<T>(zeros<T>({static_cast<std::size_t>(outputs)}), true);
  }

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return linear(x, weight_, bias_); }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    v.parameter("weight", weight_);
    v.parameter("bias", bias_);
  }

 private:
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

 protected:
  void visit(ModuleVisitor<T>& v) override { v.stream("dropout", rng_); }

 private:
  float probability_;
  Rng rng_;
};

/// max(x, 0), as a module for Sequential.
template <class T>
class Relu : public UnaryModule<T> {
 public:
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return relu(x); }

 protected:
  void visit(ModuleVisitor<T>&) override {}
};

/// Modules one after the other; children are named "0", "1", ... A copy has copies of them, as other modules have of
/// their members.
template <class T>
class Sequential : public UnaryModule<T> {
 public:
  Sequential() = default;
  Sequential(const Sequential& other) : UnaryModule<T>(other) {
    for (const Entry& entry : other.modules_) modules_.push_back({entry.copy(*entry.module), entry.copy});
  }
  Sequential(Sequential&&) = default;
  Sequential& operator=(Sequential other) noexcept {
    UnaryModule<T>::operator=(other);
    modules_.swap(other.modules_);
    return *this;
  }

  /// Appends a module, moved or copied in; returns *this for chaining.
  template <class M>
  Sequential& add(M module) {
    modules_.push_back({std::make_unique<M>(std::move(module)), [](const UnaryModule<T>& from) -> Owned {
                          return std::make_unique<M>(static_cast<const M&>(from));
                        }});
    return *this;
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
    Owned (*copy)(const UnaryModule<T>&);  // into a new one of its own class
  };
  std::vector<Entry> modules_;
};

struct ResidualBlockOptions {
  Index stride = 1;
  bool affine = true;  ///< of the batch-norms
};

/// relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)), 3x3 convolutions, the first with the
/// stride (He et al., arXiv 1512.03385). The shortcut is the identity, or a 1x1 convolution with
/// batch-norm where stride or channels change.
template <class T>
class ResidualBlock : public UnaryModule<T> {
 public:
  ResidualBlock(Index in_channels, Index out_channels, const ResidualBlockOptions& options, const Rng& rng)
      : conv1_(in_channels, out_channels, {.kernel = 3, .stride = options.stride, .bias = false}, rng.split("conv1")),
        norm1_(out_channels, {.affine = options.affine, .relu = true}),
        conv2_(out_channels, out_channels, {.kernel = 3, .bias = false}, rng.split("conv2")),
        norm2_(out_channels, {.affine = options.affine, .relu = true}) {
    if (options.stride == 1 && in_channels == out_channels) return;
    shortcut_.emplace_back(in_channels, out_channels,
                           ConvLayerOptions{.kernel = 1, .stride = options.stride, .bias = false},
                           rng.split("shortcut"));
    shortcut_norm_.emplace_back(out_channels, BatchNormLayerOptions{.affine = options.affine});
  }

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override {
    const Variable<T> inner = norm1_(conv1_(x));
    const Variable<T> residual = shortcut_.empty() ? x : shortcut_norm_[0](shortcut_[0](x));
    return norm2_.forward(conv2_(inner), residual);
  }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    v.child("conv1", conv1_);
    v.child("norm1", norm1_);
    v.child("conv2", conv2_);
    v.child("norm2", norm2_);
    if (shortcut_.empty()) return;
    v.child("shortcut", shortcut_[0]);
    v.child("shortcut_norm", shortcut_norm_[0]);
  }

 private:
  Conv2d<T> conv1_;
  BatchNorm<T> norm1_;
  Conv2d<T> conv2_;
  BatchNorm<T> norm2_;
  std::vector<Conv2d<T>> shortcut_;  // none, or one
  std::vector<BatchNorm<T>> shortcut_norm_;
};

}  // namespace contexture
