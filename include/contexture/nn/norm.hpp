// SPDX-License-Identifier: MIT
// Normalisation layers. Each can be alone, with a ReLU behind it, or with a residual added before the ReLU, which
// batch and group normalisation do in one sweep over memory; a network that leaves the kind open holds a NormLayer.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <string_view>

#include "contexture/autograd/conv.hpp"
#include "contexture/autograd/norm.hpp"
#include "contexture/core/error.hpp"
#include "contexture/nn/module.hpp"

namespace contexture {

/// A normalisation over the last axis of (N,...,C).
template <class T>
class NormLayer : public UnaryModule<T> {
 public:
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) final { return forward(x, {}); }

  /// With `residual` (like x, or undefined) added before the ReLU.
  [[nodiscard]] virtual Variable<T> forward(const Variable<T>& x, const Variable<T>& residual) = 0;

  /// forward(conv2d(x, weight), residual), for a convolution without bias that nothing else reads: fewer sweeps over
  /// memory where the kind allows.
  [[nodiscard]] virtual Variable<T> forward_conv2d(const Variable<T>& x, const Variable<T>& weight,
                                                   const Conv2dOptions& options, const Variable<T>& residual) {
    return forward(conv2d(x, weight, {}, options), residual);
  }
};

namespace detail {

// Scale (ones) and shift (zeros) of so many channels.
template <class T>
struct ScaleAndShift {
  ScaleAndShift(const char* layer, Index channels, bool affine) {
    require(channels >= 1, layer, ": ", channels, " channels, expected at least 1");
    if (!affine) return;
    const Shape shape{static_cast<std::size_t>(channels)};
    gamma = Variable<T>(full<T>(shape, T(1)), true);
    beta = Variable<T>(zeros<T>(shape), true);
  }
  void visit(ModuleVisitor<T>& v) {
    v.parameter("gamma", gamma);
    v.parameter("beta", beta);
  }
  Variable<T> gamma;
  Variable<T> beta;
};

}  // namespace detail

/// Options of BatchNorm.
struct BatchNormLayerOptions {
  double momentum = 0.1;
  double epsilon = 1e-5;
  bool affine = true;  ///< learn scale and shift; false as in context prediction's code, against collapse
  bool relu = false;   ///< ReLU in the same sweep
};

/// Batch normalisation over the last axis: 1-d on (N,C), 2-d on (N,H,W,C).
template <class T>
class BatchNorm final : public NormLayer<T> {
 public:
  explicit BatchNorm(Index channels, const BatchNormLayerOptions& options = {});
  using NormLayer<T>::forward;
  [[nodiscard]] Variable<T> forward(const Variable<T>& x, const Variable<T>& residual) override;
  [[nodiscard]] Variable<T> forward_conv2d(const Variable<T>& x, const Variable<T>& weight,
                                           const Conv2dOptions& options_of_conv, const Variable<T>& residual) override;

  /// Weight of each batch in the running statistics; 1/k for the k-th batch gives a plain average.
  void set_momentum(double momentum) { options_.momentum = momentum; }
  [[nodiscard]] double momentum() const { return options_.momentum; }
  [[nodiscard]] BatchNorm clone() const;

 protected:
  void visit(ModuleVisitor<T>& v) override;

 private:
  [[nodiscard]] BatchNormOptions options() const;

  BatchNormLayerOptions options_;
  detail::ScaleAndShift<T> affine_;
  Tensor<T> running_mean_;
  Tensor<T> running_variance_;
};

/// Options of LayerNorm.
struct LayerNormLayerOptions {
  double epsilon = 1e-5;
  bool affine = true;  ///< learn scale and shift
  bool relu = false;   ///< ReLU afterwards
};

/// Layer normalisation over the last axis of (...,C), each row by itself: of an image, each pixel.
template <class T>
class LayerNorm final : public NormLayer<T> {
 public:
  explicit LayerNorm(Index channels, const LayerNormLayerOptions& options = {});
  using NormLayer<T>::forward;
  [[nodiscard]] Variable<T> forward(const Variable<T>& x, const Variable<T>& residual) override;
  [[nodiscard]] LayerNorm clone() const { return with_state_of(*this, LayerNorm(channels_, options_)); }

 protected:
  void visit(ModuleVisitor<T>& v) override { affine_.visit(v); }

 private:
  LayerNormLayerOptions options_;
  Index channels_;
  detail::ScaleAndShift<T> affine_;
};

/// Groups where none are asked for: the most, up to 32 (Wu and He's number), that leave 4 channels or more in each.
[[nodiscard]] inline Index default_groups(Index channels) {
  for (Index groups = std::min<Index>(32, channels / 4); groups > 1; --groups)
    if (channels % groups == 0) return groups;
  return 1;
}

/// Options of GroupNorm.
struct GroupNormLayerOptions {
  Index groups = 0;  ///< divides the channels; 0: default_groups()
  double epsilon = 1e-5;
  bool affine = true;  ///< learn scale and shift
  bool relu = false;   ///< ReLU in the same sweep
};

/// Group normalisation of (N,...,C): each sample's groups of neighbouring channels over all its pixels.
template <class T>
class GroupNorm final : public NormLayer<T> {
 public:
  explicit GroupNorm(Index channels, const GroupNormLayerOptions& options = {});
  using NormLayer<T>::forward;
  [[nodiscard]] Variable<T> forward(const Variable<T>& x, const Variable<T>& residual) override;
  [[nodiscard]] GroupNorm clone() const { return with_state_of(*this, GroupNorm(channels_, options_)); }

 protected:
  void visit(ModuleVisitor<T>& v) override { affine_.visit(v); }

 private:
  GroupNormLayerOptions options_;
  Index channels_;
  detail::ScaleAndShift<T> affine_;
};

/// Kinds of normalisation that a network can be built with.
enum class Norm { batch, group, layer };

/// By their values.
inline constexpr std::array<std::string_view, 3> kNormNames{"batch", "group", "layer"};

/// The name, as options and files have it.
[[nodiscard]] constexpr std::string_view to_string(Norm norm) { return kNormNames[static_cast<std::size_t>(norm)]; }

/// The kind of that name; throws std::invalid_argument for any other.
[[nodiscard]] inline Norm norm_named(std::string_view name) {
  const auto found = std::find(kNormNames.begin(), kNormNames.end(), name);
  require(found != kNormNames.end(), "norm '", name, "', expected batch, group or layer");
  return static_cast<Norm>(found - kNormNames.begin());
}

/// Options of a normalisation whose kind is chosen.
struct NormLayerOptions {
  Norm norm = Norm::batch;
  bool affine = true;
  bool relu = false;
};

/// A normalisation of the kind asked for, its other options as by default.
template <class T>
[[nodiscard]] std::unique_ptr<NormLayer<T>> make_norm(Index channels, const NormLayerOptions& options);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/nn/norm-inl.hpp"
#endif
