// SPDX-License-Identifier: MIT
// A small depthwise network in the manner of ConvNeXt (Liu et al., arXiv 2201.03545), sized for 32-px images: blocks
// of a depthwise 7x7 convolution, layer normalisation and two 1x1 convolutions with GELU between, around which the
// input is added; layer normalisation and a stride-2 2x2 convolution between stages. Without the paper's layer scale
// and stochastic depth, which are for deeper networks. Nothing in it depends on the rest of a batch.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/models/stages.hpp"
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
class ConvNext final : public StagedBackbone<T> {
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
    for (const StageBlock& b : kLayout.blocks(o)) {
      const auto in = static_cast<double>(b.in), out = static_cast<double>(b.out);
      if (b.stride == 2) total += norm * in + 4 * in * out + out;
      total += ConvNextBlock<T>::weight_count(b.out, o.affine);
    }
    return total + norm * static_cast<double>(kLayout.channels(o).back());
  }

  ConvNext(const BackboneDescription& options, const Rng& rng)
      : StagedBackbone<T>((check(options), options), kLayout),
        stem_(options.in_channels, options.width, rng.split("stem")),
        stem_norm_(options.width, {.affine = options.affine}),
        last_norm_(kLayout.channels(options).back(), {.affine = options.affine}) {
    for (const StageBlock& b : this->blocks()) {
      std::optional<Halving> halving;
      if (b.stride == 2)
        halving.emplace(Halving{LayerNorm<T>(b.in, {.affine = options.affine}),
                                HalvingConv<T>(b.in, b.out, rng.split(StageLayout::stage_name(b.stage) + ".halving"))});
      blocks_.push_back({std::move(halving), ConvNextBlock<T>(b.out, options.affine, rng.split(b.name))});
    }
  }

  [[nodiscard]] Index multiply_adds(Index height, Index width) const override {
    const BackboneDescription& o = this->description();
    height = detail::halved(height, 1), width = detail::halved(width, 1);
    Index total = height * width * 4 * o.in_channels * o.width;
    for (const StageBlock& b : this->blocks()) {
      if (b.stride == 2) {
        height = detail::halved(height, 1), width = detail::halved(width, 1);
        total += height * width * 4 * b.in * b.out;
      }
      total += height * width * (49 * b.out + 8 * b.out * b.out);
    }
    return total;
  }

  [[nodiscard]] std::unique_ptr<Backbone<T>> clone() const override {
    return std::make_unique<ConvNext>(with_state_of(*this, ConvNext(this->description(), Rng())));
  }

 protected:
  [[nodiscard]] Variable<T> stem(const Variable<T>& x) override { return stem_norm_(stem_(x)); }
  [[nodiscard]] Variable<T> block(std::size_t i, const Variable<T>& x) override {
    Block& b = blocks_[i];
    return b.block(b.halving ? b.halving->conv(b.halving->norm(x)) : x);
  }
  [[nodiscard]] Variable<T> last(const Variable<T>& x) override { return last_norm_(x); }

  void visit(ModuleVisitor<T>& v) override {
    v.child("stem", stem_);
    v.child("stem_norm", stem_norm_);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const StageBlock& b = this->blocks()[i];
      const std::string stage = StageLayout::stage_name(b.stage);
      if (blocks_[i].halving) {
        v.child(stage + ".norm", blocks_[i].halving->norm);
        v.child(stage + ".halving", blocks_[i].halving->conv);
      }
      v.child(b.name, blocks_[i].block);
    }
    v.child(StageLayout::stage_name(this->description().stages) + ".last_norm", last_norm_);
  }

 private:
  static constexpr StageLayout kLayout{.stem_halves = true, .first_halves = false};

  struct Halving {
    LayerNorm<T> norm;
    HalvingConv<T> conv;
  };
  struct Block {
    std::optional<Halving> halving;  // in front of it, where a stage but the first begins
    ConvNextBlock<T> block;
  };

  HalvingConv<T> stem_;
  LayerNorm<T> stem_norm_;
  std::vector<Block> blocks_;
  LayerNorm<T> last_norm_;
};

}  // namespace contexture
