// SPDX-License-Identifier: MIT
// Layers: named state around the ops of autograd. Options come by name:
//   Conv2d<float> conv(3, 64, {.kernel = 3, .stride = 2, .padding = 1}, rng);
#pragma once

#include <memory>
#include <optional>
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
  Conv2d(Index in_channels, Index out_channels, const ConvLayerOptions& options, const Rng& rng);
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return conv2d(x, weight_, bias_, geometry()); }

  /// norm(forward(x), residual), for a convolution without bias, in as few sweeps over memory as the two can do.
  [[nodiscard]] Variable<T> forward(const Variable<T>& x, NormLayer<T>& norm, const Variable<T>& residual = {});
  [[nodiscard]] const Variable<T>& weight() const { return weight_; }
  [[nodiscard]] Conv2d clone() const;

 protected:
  void visit(ModuleVisitor<T>& v) override;

 private:
  [[nodiscard]] Conv2dOptions geometry() const;

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
  ConvTranspose2d(Index in_channels, Index out_channels, const ConvTransposeLayerOptions& options, const Rng& rng);
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override;
  [[nodiscard]] ConvTranspose2d clone() const;

 protected:
  void visit(ModuleVisitor<T>& v) override;

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
  Linear(Index inputs, Index outputs, const LinearLayerOptions& options, const Rng& rng);
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override;
  [[nodiscard]] Linear clone() const;

 protected:
  void visit(ModuleVisitor<T>& v) override;

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
  Dropout(float probability, const Rng& rng);
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override;

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
  [[nodiscard]] Sequential clone() const;
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override;

 protected:
  void visit(ModuleVisitor<T>& v) override;

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
  ResidualBlock(Index in_channels, Index out_channels, const ResidualBlockOptions& options, const Rng& rng);
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override;
  [[nodiscard]] ResidualBlock clone() const;

  /// Scalars in the parameters of such a block.
  [[nodiscard]] static double weight_count(Index in_channels, Index out_channels, const ResidualBlockOptions& options);

 protected:
  void visit(ModuleVisitor<T>& v) override;

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

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/nn/layers-inl.hpp"
#endif
