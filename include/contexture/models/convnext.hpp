// A small depthwise network in the manner of ConvNeXt (Liu et al., arXiv 2201.03545), sized for 32-px images: blocks
// of a depthwise 7x7 convolution, layer normalisation and two 1x1 convolutions with GELU between, around which the
// input is added; layer normalisation and a stride-2 2x2 convolution between stages. Without the paper's layer scale
// and stochastic depth, which are for deeper networks. Nothing in it depends on the rest of a batch.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/models/backbone.hpp"
#include "contexture/nn/layers.hpp"

namespace contexture {

/// x + conv3(gelu(conv2(norm(conv1(x))))): conv1 depthwise 7x7, conv2 1x1 to four times the channels, conv3 1x1 back.
template <class T>
class ConvNextBlock final : public UnaryModule<T> {
 public:
  ConvNextBlock(Index channels, bool affine, const Rng& rng)
      : channels_(channels),
        affine_(affine),
        conv1_(channels, channels, {.kernel = 7, .groups = channels}, rng.split("conv1")),
        norm_(channels, {.affine = affine}),
        conv2_(channels, 4 * channels, {.kernel = 1}, rng.split("conv2")),
        conv3_(4 * channels, channels, {.kernel = 1}, rng.split("conv3")) {}

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override {
    return add(x, conv3_(gelu(conv2_(norm_(conv1_(x))))));
  }

  [[nodiscard]] ConvNextBlock clone() const { return with_state_of(*this, ConvNextBlock(channels_, affine_, Rng())); }

  /// Scalars in the parameters of such a block.
  [[nodiscard]] static double weight_count(Index channels, bool affine) {
    const auto c = static_cast<double>(channels);
    return (49 * c + c) + (affine ? 2 * c : 0) + (4 * c * c + 4 * c) + (4 * c * c + c);
  }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    v.child("conv1", conv1_);
    v.child("norm", norm_);
    v.child("conv2", conv2_);
    v.child("conv3", conv3_);
  }

 private:
  Index channels_;
  bool affine_;
  Conv2d<T> conv1_;
  LayerNorm<T> norm_;
  Conv2d<T> conv2_, conv3_;
};

/// 2x2 convolution of stride 2, (N,H,W,C) -> (N,ceil(H/2),ceil(W/2),K): a last odd row or column meets zeros.
template <class T>
class HalvingConv final : public UnaryModule<T> {
 public:
  HalvingConv(Index in_channels, Index out_channels, const Rng& rng)
      : conv_(in_channels, out_channels, {.kernel = 2, .stride = 2, .padding = 0}, rng) {}

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return conv_(even(even(x, 1), 2)); }
  [[nodiscard]] const Variable<T>& weight() const { return conv_.weight(); }

 protected:
  void visit(ModuleVisitor<T>& v) override { v.child("conv", conv_); }

 private:
  static Variable<T> even(const Variable<T>& x, int axis) {
    Shape shape = x.shape();
    std::size_t& extent = shape[static_cast<std::size_t>(axis)];
    if (extent % 2 == 0) return x;
    extent = 1;
    return concat({x, Variable<T>(zeros<T>(shape))}, axis);
  }
  Conv2d<T> conv_;
};

/// (N,H,W,in_channels) -> (N,ceil(H/2^stages),ceil(W/2^stages),width*2^(stages-1)). The stem halves the extent, and
/// every stage but the first halves it again and doubles the channels.
template <class T>
class ConvNext final : public Backbone<T> {
 public:
  static constexpr std::string_view kName = "convnext";
  static constexpr std::string_view kHelp = "small ConvNeXt: depthwise 7x7 convolutions, layer normalisation, GELU";

  [[nodiscard]] static BackboneDescription default_description() {
    return {.network = std::string(kName), .width = 32, .stages = 3, .blocks_per_stage = 2};
  }
  static void check(const BackboneDescription& o) { detail::require_sizes("ConvNext", o); }

  [[nodiscard]] static double weight_count(const BackboneDescription& o) {
    const double norm = o.affine ? 2 : 0;
    double total = static_cast<double>(4 * o.in_channels * o.width + o.width) + norm * static_cast<double>(o.width);
    for (Index stage = 0; stage < o.stages; ++stage) {
      const auto c = static_cast<double>(o.width << stage);
      if (stage > 0) total += norm * c / 2 + 4 * c / 2 * c + c;
      total += static_cast<double>(o.blocks_per_stage) * ConvNextBlock<T>::weight_count(o.width << stage, o.affine);
    }
    return total + norm * static_cast<double>(o.width << (o.stages - 1));
  }

  ConvNext(const BackboneDescription& options, const Rng& rng)
      : options_((check(options), options)),
        stem_(options.in_channels, options.width, rng.split("stem")),
        stem_norm_(options.width, {.affine = options.affine}),
        last_norm_(options.width << (options.stages - 1), {.affine = options.affine}) {
    for (Index i = 0; i < options.stages; ++i) {
      const std::string name = stage_name(i);
      const Index channels = options.width << i;
      Stage& stage = stages_.emplace_back();
      if (i > 0) {
        stage.norm.emplace(channels / 2, LayerNormLayerOptions{.affine = options.affine});
        stage.halving.emplace(channels / 2, channels, rng.split(name + ".halving"));
      }
      for (Index b = 0; b < options.blocks_per_stage; ++b)
        stage.blocks.emplace_back(channels, options.affine, rng.split(name + ".block" + std::to_string(b)));
    }
  }

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override { return forward_stages(x).back(); }

  [[nodiscard]] std::vector<Variable<T>> forward_stages(const Variable<T>& x) override {
    std::vector<Variable<T>> maps{stem_norm_(stem_(x))};
    for (Stage& stage : stages_) {
      Variable<T> y = maps.back();
      if (stage.halving) y = (*stage.halving)((*stage.norm)(y));
      for (ConvNextBlock<T>& block : stage.blocks) y = block(y);
      maps.push_back(y);
    }
    maps.back() = last_norm_(maps.back());
    return maps;
  }

  [[nodiscard]] const BackboneDescription& description() const override { return options_; }

  [[nodiscard]] std::vector<Index> stage_channels() const override {
    std::vector<Index> channels{options_.width};
    for (Index stage = 0; stage < options_.stages; ++stage) channels.push_back(options_.width << stage);
    return channels;
  }

  [[nodiscard]] Index feature_extent(Index extent) const override { return detail::halved(extent, options_.stages); }

  [[nodiscard]] Index multiply_adds(Index height, Index width) const override {
    Index total = 0;
    for (Index stage = 0; stage < options_.stages; ++stage) {
      height = detail::halved(height, 1);
      width = detail::halved(width, 1);
      const Index c = options_.width << stage;
      const Index before = stage == 0 ? options_.in_channels : c / 2;
      total += height * width * (4 * before * c + options_.blocks_per_stage * (49 * c + 8 * c * c));
    }
    return total;
  }

  [[nodiscard]] const Tensor<T>* first_filters() const override { return &stem_.weight().value(); }

  [[nodiscard]] std::unique_ptr<Backbone<T>> clone() const override {
    return std::make_unique<ConvNext>(with_state_of(*this, ConvNext(options_, Rng())));
  }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    v.child("stem", stem_);
    v.child("stem_norm", stem_norm_);
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      Stage& stage = stages_[i];
      const std::string name = stage_name(static_cast<Index>(i));
      if (stage.halving) {
        v.child(name + ".norm", *stage.norm);
        v.child(name + ".halving", *stage.halving);
      }
      for (std::size_t b = 0; b < stage.blocks.size(); ++b)
        v.child(name + ".block" + std::to_string(b), stage.blocks[b]);
    }
    v.child(stage_name(options_.stages - 1) + ".last_norm", last_norm_);
  }

 private:
  // Stages count from 1, the stem being 0.
  static std::string stage_name(Index stage) { return "stage" + std::to_string(stage + 1); }

  struct Stage {
    std::optional<LayerNorm<T>> norm;  // these two but for the first stage
    std::optional<HalvingConv<T>> halving;
    std::vector<ConvNextBlock<T>> blocks;
  };

  BackboneDescription options_;
  HalvingConv<T> stem_;
  LayerNorm<T> stem_norm_;
  std::vector<Stage> stages_;
  LayerNorm<T> last_norm_;
};

}  // namespace contexture
