// The default encoder: a small residual network (He et al., arXiv 1512.03385) with a stride-1 3x3 stem, as
// is usual for 32-px images. Fully convolutional: an 8-px patch and a 96-px image go through the
// same weights, and the size of the feature map follows the size of the input.
#pragma once

#include <charconv>
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
  explicit ResNet(const BackboneDescription& options, const Rng& rng)
      : options_(checked(options)),
        stem_(options.in_channels, options.width, {.kernel = 3, .bias = false}, rng.split("stem")),
        stem_norm_(options.width, {.affine = options.affine, .relu = true}) {
    Index channels = options.width;
    for (Index stage = 0; stage < options.stages; ++stage)
      for (Index block = 0; block < options.blocks_per_stage; ++block) {
        const Index out = options.width << (stage + 1);
        blocks_.emplace_back(channels, out,
                             ResidualBlockOptions{.stride = block == 0 ? 2 : 1, .affine = options.affine},
                             rng.split(block_name(stage, block)));
        channels = out;
      }
  }

  /// Feature map of the last stage.
  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override {
    Variable<T> y = stem_norm_(stem_(x));
    for (ResidualBlock<T>& block : blocks_) y = block(y);
    return y;
  }

  [[nodiscard]] std::vector<Variable<T>> forward_stages(const Variable<T>& x) override {
    std::vector<Variable<T>> maps{stem_norm_(stem_(x))};
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
  [[nodiscard]] Index feature_extent(Index extent) const override {
    for (Index stage = 0; stage < options_.stages; ++stage) extent = (extent + 1) / 2;
    return extent;
  }

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

  [[nodiscard]] Index stage_of(std::string_view name) const override {
    constexpr std::string_view kStage = "stage";
    if (!name.starts_with(kStage)) return 0;
    Index stage = 0;
    (void)std::from_chars(name.data() + kStage.size(), name.data() + name.size(), stage);
    return stage;
  }

  [[nodiscard]] const Tensor<T>& first_filters() const override { return stem_.weight().value(); }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    v.child("stem", stem_);
    v.child("stem_norm", stem_norm_);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const auto per_stage = static_cast<std::size_t>(options_.blocks_per_stage);
      v.child(block_name(static_cast<Index>(i / per_stage), static_cast<Index>(i % per_stage)), blocks_[i]);
    }
  }

 private:
  static const BackboneDescription& checked(const BackboneDescription& o) {
    require(o.in_channels >= 1 && o.width >= 1 && o.width <= 4096 && o.stages >= 1 && o.stages <= 8 &&
                o.blocks_per_stage >= 1,
            "ResNet: in_channels ", o.in_channels, ", width ", o.width, ", stages ", o.stages, ", blocks_per_stage ",
            o.blocks_per_stage, ", expected >= 1, 1 to 4096, 1 to 8, >= 1");
    return o;
  }

  // "stage1" for a single block, "stage1.block0" otherwise; stages count from 1, the stem being 0.
  [[nodiscard]] std::string block_name(Index stage, Index block) const {
    std::string name = "stage" + std::to_string(stage + 1);
    return options_.blocks_per_stage == 1 ? name : name + ".block" + std::to_string(block);
  }

  BackboneDescription options_;
  Conv2d<T> stem_;
  BatchNorm<T> stem_norm_;
  std::vector<ResidualBlock<T>> blocks_;
};

}  // namespace contexture
