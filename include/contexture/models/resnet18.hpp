// ResNet-18 in the form that is usual for 32-px images (He et al., arXiv 1512.03385, section 4.2, with the widths of
// their network for ImageNet), so that results can be held against published ones: a stride-1 3x3 stem of 64 channels
// without pooling, four stages of 64, 128, 256 and 512 channels with two residual blocks each, the first stage at full
// extent. 11.17 million parameters.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/models/backbone.hpp"
#include "contexture/nn/layers.hpp"

namespace contexture {

/// (N,H,W,in_channels) -> (N,ceil(H/2^(stages-1)),ceil(W/2^(stages-1)),width*2^(stages-1)). The first stage keeps the
/// stem's extent and channels, every other one halves the extent and doubles the channels.
template <class T>
class ResNet18 final : public Backbone<T> {
 public:
  static constexpr std::string_view kName = "resnet18";
  static constexpr std::string_view kHelp = "ResNet-18 for small images: 64 to 512 channels, 11 million weights";

  [[nodiscard]] static BackboneDescription default_description() {
    return {.network = std::string(kName), .width = 64, .stages = 4, .blocks_per_stage = 2};
  }
  static void check(const BackboneDescription& o) { detail::require_sizes("ResNet18", o); }

  [[nodiscard]] static double weight_count(const BackboneDescription& o) {
    double total = static_cast<double>(9 * o.in_channels * o.width + (o.affine ? 2 * o.width : 0));
    for (const Block& b : blocks_of(o)) total += ResidualBlock<T>::weight_count(b.in, b.out, b.options);
    return total;
  }

  ResNet18(const BackboneDescription& options, const Rng& rng)
      : options_((check(options), options)),
        stem_(options.in_channels, options.width, {.kernel = 3, .bias = false}, rng.split("stem")),
        stem_norm_(make_norm<T>(options.width, {options.norm, options.affine, true})) {
    for (const Block& b : blocks_of(options)) blocks_.emplace_back(b.in, b.out, b.options, rng.split(b.name));
  }

  [[nodiscard]] Variable<T> forward(const Variable<T>& x) override {
    Variable<T> y = (*stem_norm_)(stem_(x));
    for (ResidualBlock<T>& block : blocks_) y = block(y);
    return y;
  }

  [[nodiscard]] std::vector<Variable<T>> forward_stages(const Variable<T>& x) override {
    std::vector<Variable<T>> maps{(*stem_norm_)(stem_(x))};
    Variable<T> y = maps[0];
    const auto per_stage = static_cast<std::size_t>(options_.blocks_per_stage);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      y = blocks_[i](y);
      if ((i + 1) % per_stage == 0) maps.push_back(y);
    }
    return maps;
  }

  [[nodiscard]] const BackboneDescription& description() const override { return options_; }

  [[nodiscard]] std::vector<Index> stage_channels() const override {
    std::vector<Index> channels{options_.width};
    for (Index stage = 0; stage < options_.stages; ++stage) channels.push_back(options_.width << stage);
    return channels;
  }

  /// Every stage but the first has a stride-2 convolution, which rounds up.
  [[nodiscard]] Index feature_extent(Index extent) const override {
    return detail::halved(extent, options_.stages - 1);
  }

  [[nodiscard]] Index multiply_adds(Index height, Index width) const override {
    Index total = height * width * 9 * options_.in_channels * options_.width;
    for (const Block& b : blocks_of(options_)) {
      if (b.options.stride == 2) height = detail::halved(height, 1), width = detail::halved(width, 1);
      const Index shortcut = b.in != b.out || b.options.stride != 1 ? b.in : 0;
      total += height * width * b.out * (9 * b.in + 9 * b.out + shortcut);
    }
    return total;
  }

  [[nodiscard]] const Tensor<T>* first_filters() const override { return &stem_.weight().value(); }

  [[nodiscard]] std::unique_ptr<Backbone<T>> clone() const override {
    return std::make_unique<ResNet18>(with_state_of(*this, ResNet18(options_, Rng())));
  }

 protected:
  void visit(ModuleVisitor<T>& v) override {
    v.child("stem", stem_);
    v.child("stem_norm", *stem_norm_);
    const std::vector<Block> list = blocks_of(options_);
    for (std::size_t i = 0; i < list.size(); ++i) v.child(list[i].name, blocks_[i]);
  }

 private:
  struct Block {
    std::string name;  // "stage1.block0"; stages count from 1, the stem being 0
    Index in, out;
    ResidualBlockOptions options;
  };
  static std::vector<Block> blocks_of(const BackboneDescription& o) {
    std::vector<Block> list;
    Index channels = o.width;
    for (Index stage = 0; stage < o.stages; ++stage)
      for (Index block = 0; block < o.blocks_per_stage; ++block) {
        const Index out = o.width << stage, stride = stage > 0 && block == 0 ? 2 : 1;
        list.push_back({"stage" + std::to_string(stage + 1) + ".block" + std::to_string(block),
                        channels,
                        out,
                        {.stride = stride, .affine = o.affine, .norm = o.norm}});
        channels = out;
      }
    return list;
  }

  BackboneDescription options_;
  Conv2d<T> stem_;
  std::unique_ptr<NormLayer<T>> stem_norm_;
  std::vector<ResidualBlock<T>> blocks_;
};

}  // namespace contexture
