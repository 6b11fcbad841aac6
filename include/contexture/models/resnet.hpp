// SPDX-License-Identifier: MIT
// The default encoder: a small residual network whose every stage halves the image.
#pragma once

#include <memory>
#include <string_view>

#include "contexture/models/residual_network.hpp"

namespace contexture {

/// (N,H,W,in_channels) -> (N,ceil(H/2^stages),ceil(W/2^stages),width*2^stages). Every stage halves height and width
/// and doubles the channels; it has blocks_per_stage residual blocks, the first with stride 2.
template <class T>
class ResNet final : public ResidualNetwork<T> {
 public:
  static constexpr std::string_view kName = "resnet";
  static constexpr std::string_view kHelp = "small residual network, every stage halves the image and doubles channels";

  [[nodiscard]] static BackboneDescription default_description() { return {}; }
  static void check(const BackboneDescription& o) { detail::require_sizes("ResNet", o); }
  [[nodiscard]] static double weight_count(const BackboneDescription& o) { return ResNet::weights_of(o, kLayout); }

  ResNet(const BackboneDescription& options, const Rng& rng)
      : ResidualNetwork<T>((check(options), options), kLayout, rng) {}

  [[nodiscard]] std::unique_ptr<Backbone<T>> clone() const override {
    return std::make_unique<ResNet>(with_state_of(*this, ResNet(this->description(), Rng())));
  }

 private:
  static constexpr StageLayout kLayout{.single_is_unnamed = true};
};

}  // namespace contexture
