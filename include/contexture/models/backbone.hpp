// SPDX-License-Identifier: MIT
// Backbone: the interface of every encoder. All that is above models/ sees a network through it alone: how many
// channels and pixels come out, where its stages are, what it costs, and a description that files carry and
// make_backbone() (networks.hpp) turns into a network again.
#pragma once

#include <charconv>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/nn/layers.hpp"

namespace contexture {

/// Which network, and how large. A network reads the fields that it has a use for.
struct BackboneDescription {
  std::string network = "resnet";  ///< a name of network_names()
  Index in_channels = 3;
  Index width = 24;            ///< channels behind the stem
  Index stages = 3;            ///< parts with one feature extent each
  Index blocks_per_stage = 1;  ///< a network's own unit
  bool affine = true;          ///< learn scale and shift in the normalisations
  Norm norm = Norm::batch;     ///< of residual blocks

  friend bool operator==(const BackboneDescription&, const BackboneDescription&) = default;
};

/// An encoder: images or patches (N,H,W,in_channels) of any size -> feature map (N,h,w,feature_channels()).
///
/// A class that networks.hpp lists has these beside, static:
///   std::string_view kName, kHelp               what chooses it, and a line for people
///   BackboneDescription default_description()   its usual size
///   void check(const BackboneDescription&)      throws std::invalid_argument for sizes that make no sense
///   double weight_count(const BackboneDescription&)   scalars in its parameters, without making it
/// and a constructor of (const BackboneDescription&, const Rng&).
template <class T>
class Backbone : public UnaryModule<T> {
 public:
  /// The description that makes this network again.
  [[nodiscard]] virtual const BackboneDescription& description() const = 0;

  /// Feature maps of the stem and of every stage, first to last; the last is what forward() returns.
  [[nodiscard]] virtual std::vector<Variable<T>> forward_stages(const Variable<T>& x) = 0;

  /// Channels of the maps that forward_stages() returns, one each.
  [[nodiscard]] virtual std::vector<Index> stage_channels() const = 0;

  /// Extent of the last feature map for an input extent.
  [[nodiscard]] virtual Index feature_extent(Index extent) const = 0;

  /// Multiply-adds of the convolutions and matrix products for one image of this size.
  [[nodiscard]] virtual Index multiply_adds(Index height, Index width) const = 0;

  /// A network of its own with the same state.
  [[nodiscard]] virtual std::unique_ptr<Backbone> clone() const = 0;

  /// The stage that a parameter or buffer of this network belongs to, by its name; the stem is stage 0. As it stands:
  /// N of "stageN...", else 0.
  [[nodiscard]] virtual Index stage_of(std::string_view name) const {
    constexpr std::string_view kStage = "stage";
    Index stage = 0;
    if (name.starts_with(kStage)) (void)std::from_chars(name.data() + kStage.size(), name.data() + name.size(), stage);
    return stage;
  }

  /// Channels of the last feature map.
  [[nodiscard]] Index feature_channels() const { return stage_channels().back(); }
};

namespace detail {

// What every network here asks of its sizes; `network` opens the message.
inline void require_sizes(std::string_view network, const BackboneDescription& o) {
  require(o.in_channels >= 1 && o.in_channels <= 1024 && o.width >= 1 && o.width <= 4096 && o.stages >= 1 &&
              o.stages <= 8 && o.blocks_per_stage >= 1 && o.blocks_per_stage <= 64,
          network, ": in_channels ", o.in_channels, ", width ", o.width, ", stages ", o.stages, ", blocks_per_stage ",
          o.blocks_per_stage, ", expected 1 to 1024, 1 to 4096, 1 to 8, 1 to 64");
}

// An extent after so many stride-2 layers that round up.
inline Index halved(Index extent, Index times) {
  for (Index i = 0; i < times; ++i) extent = (extent + 1) / 2;
  return extent;
}

}  // namespace detail

}  // namespace contexture
