// Backbone: the interface of every encoder. All that is above models/ sees a network through it alone: how many
// channels and pixels come out, where its stages are, what it costs, and a description that files carry and
// make_backbone() (networks.hpp) turns into a network again.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/nn/layers.hpp"

namespace contexture {

/// Which network, and how large. A network reads the fields that it has a use for and checks them.
struct BackboneDescription {
  std::string network = "resnet";  ///< a name of network_names()
  Index in_channels = 3;
  Index width = 24;            ///< channels behind the stem
  Index stages = 3;            ///< parts with one feature extent each
  Index blocks_per_stage = 1;  ///< a network's own unit
  bool affine = true;          ///< learn scale and shift in the normalisations

  friend bool operator==(const BackboneDescription&, const BackboneDescription&) = default;
};

/// An encoder: images or patches (N,H,W,in_channels) of any size -> feature map (N,h,w,feature_channels()).
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

  /// The stage that a parameter or buffer of this network belongs to, by its name; the stem is stage 0.
  [[nodiscard]] virtual Index stage_of(std::string_view name) const = 0;

  /// Weights (R,S,in_channels,K) of the convolution that reads the image.
  [[nodiscard]] virtual const Tensor<T>& first_filters() const = 0;

  /// Channels of the last feature map.
  [[nodiscard]] Index feature_channels() const { return stage_channels().back(); }
};

}  // namespace contexture
