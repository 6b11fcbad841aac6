// SPDX-License-Identifier: MIT
// A network of one's own, as docs/HACKING.md shows it from the first #include on.
#pragma once

#include "contexture/models/networks.hpp"

namespace example {

using namespace contexture;

/// A plain network: a 3x3 convolution, batch-norm and ReLU, then the same with stride 2 for every stage.
/// (N,H,W,in_channels) -> (N,ceil(H/2^stages),ceil(W/2^stages),width*2^stages).
template <class T>
class PlainNet final : public Backbone<T> {
 public:
  static constexpr std::string_view kName = "plain";
  static constexpr std::string_view kHelp = "convolutions one after the other";
  static BackboneDescription default_description() { return {.network = std::string(kName), .width = 16, .stages = 3}; }
  static void check(const BackboneDescription& o) { detail::require_sizes("PlainNet", o); }

  // Without making it, so that a damaged file cannot ask for all memory.
  static double weight_count(const BackboneDescription& o) {
    double total = 0;
    for (Index stage = 0; stage <= o.stages; ++stage) {
      const auto in = static_cast<double>(stage == 0 ? o.in_channels : o.width << (stage - 1));
      const auto out = static_cast<double>(o.width << stage);
      total += 9 * in * out + (o.affine ? 2 * out : 0);
    }
    return total;
  }

  PlainNet(const BackboneDescription& options, const Rng& rng) : options_((check(options), options)) {
    for (Index stage = 0; stage <= options.stages; ++stage) {
      const Index in = stage == 0 ? options.in_channels : options.width << (stage - 1);
      const Index out = options.width << stage;
      convs_.emplace_back(in, out, ConvLayerOptions{.kernel = 3, .stride = stage == 0 ? 1 : 2, .bias = false},
                          rng.split(stage_name(stage)));
      norms_.emplace_back(out, BatchNormLayerOptions{.affine = options.affine, .relu = true});
    }
  }

  Variable<T> forward(const Variable<T>& x) override { return forward_stages(x).back(); }

  std::vector<Variable<T>> forward_stages(const Variable<T>& x) override {
    std::vector<Variable<T>> maps;
    for (std::size_t i = 0; i < convs_.size(); ++i) maps.push_back(norms_[i](convs_[i](i == 0 ? x : maps.back())));
    return maps;
  }

  const BackboneDescription& description() const override { return options_; }

  std::vector<Index> stage_channels() const override {
    std::vector<Index> channels;
    for (Index stage = 0; stage <= options_.stages; ++stage) channels.push_back(options_.width << stage);
    return channels;
  }

  Index feature_extent(Index extent) const override { return detail::halved(extent, options_.stages); }

  Index multiply_adds(Index height, Index width) const override {
    Index total = height * width * 9 * options_.in_channels * options_.width;
    for (Index stage = 1; stage <= options_.stages; ++stage) {
      const Index out = options_.width << stage;
      total += detail::halved(height, stage) * detail::halved(width, stage) * 9 * (out / 2) * out;
    }
    return total;
  }

  std::unique_ptr<Backbone<T>> clone() const override {
    return std::make_unique<PlainNet>(with_state_of(*this, PlainNet(options_, Rng())));
  }

 protected:
  // Backbone::stage_of() reads the stage from these names.
  void visit(ModuleVisitor<T>& v) override {
    for (std::size_t i = 0; i < convs_.size(); ++i) {
      v.child(stage_name(static_cast<Index>(i)) + ".conv", convs_[i]);
      v.child(stage_name(static_cast<Index>(i)) + ".norm", norms_[i]);
    }
  }

 private:
  static std::string stage_name(Index stage) { return stage == 0 ? "stem" : "stage" + std::to_string(stage); }

  BackboneDescription options_;
  std::vector<Conv2d<T>> convs_;
  std::vector<BatchNorm<T>> norms_;
};

}  // namespace example
