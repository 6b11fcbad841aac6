// SPDX-License-Identifier: MIT
// ResNet-18 in the form that is usual for 32-px images (He et al., arXiv 1512.03385, section 4.2, with the widths of
// their network for ImageNet), so that results can be held against published ones: a stem of 64 channels, four stages
// of 64, 128, 256 and 512 channels with two residual blocks each, the first stage at full extent. 11.17 million
// parameters.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "contexture/models/residual_network.hpp"

namespace contexture {

/// (N,H,W,in_channels) -> (N,ceil(H/2^(stages-1)),ceil(W/2^(stages-1)),width*2^(stages-1)). The first stage keeps the
/// stem's extent and channels, every other one halves the extent and doubles the channels.
template <class T>
class ResNet18 final : public ResidualNetwork<T> {
 public:
  static constexpr std::string_view kName = "resnet18";
  static constexpr std::string_view kHelp = "ResNet-18 for small images: 64 to 512 channels, 11 million weights";

  [[nodiscard]] static BackboneDescription default_description() {
    return {.network = std::string(kName), .width = 64, .stages = 4, .blocks_per_stage = 2};
  }
  static void check(const BackboneDescription& o) { detail::require_sizes("ResNet18", o); }
  [[nodiscard]] static double weight_count(const BackboneDescription& o) { return ResNet18::weights_of(o, kLayout); }

  ResNet18(const BackboneDescription& options, const Rng& rng)
      : ResidualNetwork<T>((check(options), options), kLayout, rng) {}

  [[nodiscard]] std::unique_ptr<Backbone<T>> clone() const override {
    return std::make_unique<ResNet18>(with_state_of(*this, ResNet18(this->description(), Rng())));
  }

 private:
  static constexpr StageLayout kLayout{.first_halves = false};
};

}  // namespace contexture
