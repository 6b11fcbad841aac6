// The default encoder: a small residual network (He et al., arXiv 1512.03385) with a stride-1 3x3 stem, as
// is usual for 32-px images. Fully convolutional: an 8-px patch and a 96-px image go through the
// same weights, and the size of the feature map follows the size of the input.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/models/backbone.hpp"
#include "contexture/nn/layers.hpp"

namespace contexture {

/// (N,H,W,in_channels) -> (N,ceil(H/2^stages),ceil(W/2^stages),width*2^stages). Every stage halves height and width
/// and doubles the channels; it has blocks_per_stage residual blocks, the first with stride 2.
template <class T>
class ResNet final : public Backbone<T> {
 public:
  static constexpr std::string_view kName = "resnet";
  static constexpr std::string_view kHelp = "small residual network, every stage halves the image and doubles channels";

  [[nodiscard]] static BackboneDescription default_description() { return {}; }
  static void check(const BackboneDescription& o) { detail::require_sizes("ResNet", o); }

  [[nodiscard]] static double weight_count(const BackboneDescription& o) {
    double total = static_cast<double>(9 * o.in_channels * o.width + (o.affine ? 2 * o.width : 0));
    for (Index stage = 0; stage < o.stages; ++stage)
      for (Index block = 0; block < o.blocks_per_stage; ++block)
        total += ResidualBlock<T>::weight_count(o.width << (block == 0 ? stage : stage + 1), o.width << (stage + 1),
                                                block_options(o, block));
    return total;
  }

  ResNet(const BackboneDescription& options, const Rng& rng)
      : options_((check(options), options)),
        stem_(options.in_channels, options.width, {.kernel = 3, .bias = false}, rng.split("stem")),
        stem_norm_(make_norm<T>(options.width, {options.norm, options.affine, true})) {
    Index channels = options.width;
    for (Index stage = 0; stage < options.stages; ++stage)
      for (Index block = 0; block < options.blocks_per_stage; ++block) {
        const Index out = options.width << (stage + 1);
        blocks_.emplace_back(channels, out, block_options(options, block), rng.split(block_name(stage, block)));
        channels = out;
      }
  }

  /// Feature map of the last stage.
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override {
    Variable<T> y = (*stem_norm_)(stem_(x));
    for (ResidualBlock<T>& block : blocks_) y = block(y);
    return y;
  }

  [[nodiscard]] std::vector<Variable<T>> forward_stages(const Variable<T>& x) override {
    std::vector<Variable<T>> maps{(*stem_norm_)(stem_(x))};
    for (Index stage = 0; stage < options_.stages; ++stage) {
      Variable<T> y = maps.back();
      for (Index block = 0; block < options_.blocks_per_stage; ++block)
        y = blocks_[static_cast<std::size_t>(stage * options_.blocks_per_stage + block)](y);
      maps.push_back(y);
    }
    return maps;
  }

  [[nodiscard]] const BackboneDescription& description() const override { return options_; }

  [[nodiscard]] std::vector<Index> stage_channels() const override {
    std::vector<Index> channels;
    for (Index stage = 0; stage <= options_.stages; ++stage) channels.push_back(options_.width << stage);
    return channels;
  }

  /// The stages' stride-2 convolutions round up.
  [[nodiscard]] Index feature_extent(Index extent) const override { return detail::halved(extent, options_.stages); }

  [[nodiscard]] Index multiply_adds(Index height, Index width) const override {
    Index total = height * width * 9 * options_.in_channels * options_.width;
    Index channels = options_.width;
    for (Index stage = 0; stage < options_.stages; ++stage) {
      const Index out = options_.width << (stage + 1);
      height = (height + 1) / 2;
      width = (width + 1) / 2;
      total += height * width * out * (9 * channels + 9 * out + channels);  // first block, 1x1 shortcut
      total += height * width * out * 18 * out * (options_.blocks_per_stage - 1);
      channels = out;
    }
    return total;
  }

  [[nodiscard]] const Tensor<T>* first_filters() const override { return &stem_.weight().value(); }

  [[nodiscard]] std::unique_ptr<Backbone<T>> clone() const override {
    return std::make_unique<ResNet>(with_state_of(*this, ResNet(options_, Rng())));
  }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    v.child("stem", stem_);
    v.child("stem_norm", *stem_norm_);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const auto per_stage = static_cast<std::size_t>(options_.blocks_per_stage);
      v.child(block_name(static_cast<Index>(i / per_stage), static_cast<Index>(i % per_stage)), blocks_[i]);
    }
  }

 private:
  static ResidualBlockOptions block_options(const BackboneDescription& o, Index block) {
    return {.stride = block == 0 ? 2 : 1, .affine = o.affine, .norm = o.norm};
  }

  // "stage1" for a single block, "stage1.block0" otherwise; stages count from 1, the stem being 0.
  [[nodiscard]] std::string block_name(Index stage, Index block) const {
    std::string name = "stage" + std::to_string(stage + 1);
    return options_.blocks_per_stage == 1 ? name : name + ".block" + std::to_string(block);
  }

  BackboneDescription options_;
  Conv2d<T> stem_;
  std::unique_ptr<NormLayer<T>> stem_norm_;
  std::vector<ResidualBlock<T>> blocks_;
};

}  // namespace contexture
