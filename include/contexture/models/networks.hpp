// The networks there are, by name: a line each in make_backbone().
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "contexture/models/backbone.hpp"
#include "contexture/models/resnet.hpp"

namespace contexture {

/// The names that make_backbone() knows.
[[nodiscard]] inline std::span<const std::string_view> network_names() {
  static constexpr std::array<std::string_view, 1> names{"resnet"};
  return names;
}

/// A network in its usual size. Throws std::invalid_argument for a name that is not there.
[[nodiscard]] inline BackboneDescription default_description(std::string_view network) {
  require(network == "resnet", "network '", network, "', expected resnet");
  return {};
}

/// The network of a description, its weights drawn from `rng`. Throws std::invalid_argument, listing the names, for a
/// network it does not know, and what the network throws for sizes that make no sense.
template <class T>
[[nodiscard]] std::unique_ptr<Backbone<T>> make_backbone(const BackboneDescription& description, const Rng& rng) {
  if (description.network == "resnet") return std::make_unique<ResNet<T>>(description, rng);
  std::string known;
  for (const std::string_view name : network_names()) known += (known.empty() ? "" : ", ") + std::string(name);
  require(false, "network '", description.network, "', expected one of ", known);
  return nullptr;
}

}  // namespace contexture
