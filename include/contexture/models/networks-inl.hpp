// SPDX-License-Identifier: MIT
// The table behind models/networks.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "contexture/core/error.hpp"
#include "contexture/models/convnext.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/models/resnet.hpp"
#include "contexture/models/resnet18.hpp"

namespace contexture {

/// The first is the default.
using Networks = NetworkList<ResNet, ResNet18, ConvNext>;

namespace detail {

inline constexpr auto kNetworks = network_rows(Networks());

// Its place in Networks; throws std::invalid_argument, listing the names, where it is not there.
inline std::size_t network_index(std::string_view network) {
  std::string known;
  for (std::size_t i = 0; i < kNetworks.size(); ++i) {
    if (kNetworks[i].name == network) return i;
    known += (known.empty() ? "" : ", ") + std::string(kNetworks[i].name);
  }
  require(false, "network '", network, "', expected one of ", known);
  return 0;
}

}  // namespace detail

CONTEXTURE_FUNCTION std::span<const std::string_view> network_names() {
  static constexpr auto names = [] {
    std::array<std::string_view, detail::kNetworks.size()> out{};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = detail::kNetworks[i].name;
    return out;
  }();
  return names;
}

CONTEXTURE_FUNCTION std::string_view network_help(std::string_view network) {
  return detail::kNetworks[detail::network_index(network)].help;
}

CONTEXTURE_FUNCTION BackboneDescription default_description(std::string_view network) {
  return detail::kNetworks[detail::network_index(network)].defaults();
}

CONTEXTURE_FUNCTION void check_description(const BackboneDescription& description) {
  detail::kNetworks[detail::network_index(description.network)].check(description);
}

CONTEXTURE_FUNCTION double weight_count(const BackboneDescription& description) {
  return detail::kNetworks[detail::network_index(description.network)].weight_count(description);
}

template <class T>
std::unique_ptr<Backbone<T>> make_backbone(const BackboneDescription& description, const Rng& rng) {
  return detail::make_network<T>(detail::network_index(description.network), description, rng, Networks());
}

#if defined(CONTEXTURE_COMPILED)
template std::unique_ptr<Backbone<float>> make_backbone<float>(const BackboneDescription&, const Rng&);
template std::unique_ptr<Backbone<double>> make_backbone<double>(const BackboneDescription&, const Rng&);
#endif

}  // namespace contexture
