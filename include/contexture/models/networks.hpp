// SPDX-License-Identifier: MIT
// The networks there are. To add one: write its header (backbone.hpp says what it has to have) and list it in
// networks-inl.hpp; programs then offer it by name, and files can hold it.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "contexture/core/compiled.hpp"
#include "contexture/models/backbone.hpp"

namespace contexture {

template <template <class> class... N>
struct NetworkList {};

namespace detail {

// What is known of a network without its type.
struct NetworkRow {
  std::string_view name, help;
  BackboneDescription (*defaults)();
  void (*check)(const BackboneDescription&);
  double (*weight_count)(const BackboneDescription&);
};

template <template <class> class... N>
constexpr std::array<NetworkRow, sizeof...(N)> network_rows(NetworkList<N...>) {
  return {NetworkRow{N<float>::kName, N<float>::kHelp, N<float>::default_description, N<float>::check,
                     N<float>::weight_count}...};
}

template <class T, template <class> class... N>
std::unique_ptr<Backbone<T>> make_network(std::size_t index, const BackboneDescription& d, const Rng& rng,
                                          NetworkList<N...>) {
  using Make = std::unique_ptr<Backbone<T>> (*)(const BackboneDescription&, const Rng&);
  static constexpr std::array<Make, sizeof...(N)> make{
      [](const BackboneDescription& its, const Rng& stream) -> std::unique_ptr<Backbone<T>> {
        return std::make_unique<N<T>>(its, stream);
      }...};
  return make[index](d, rng);
}

}  // namespace detail

/// The names that make_backbone() knows.
[[nodiscard]] CONTEXTURE_FUNCTION std::span<const std::string_view> network_names();

/// A line about a network, for people. This and what follows throw std::invalid_argument, listing the names, for a
/// network that is not there.
[[nodiscard]] CONTEXTURE_FUNCTION std::string_view network_help(std::string_view network);

/// A network in its usual size.
[[nodiscard]] CONTEXTURE_FUNCTION BackboneDescription default_description(std::string_view network);

/// Throws std::invalid_argument where make_backbone() would, without making anything.
CONTEXTURE_FUNCTION void check_description(const BackboneDescription& description);

/// Scalars in the parameters of the network that a checked description stands for, without making it.
[[nodiscard]] CONTEXTURE_FUNCTION double weight_count(const BackboneDescription& description);

/// The network of a description, its weights drawn from `rng`. Throws std::invalid_argument also for sizes that make
/// no sense to the network.
template <class T>
[[nodiscard]] std::unique_ptr<Backbone<T>> make_backbone(const BackboneDescription& description, const Rng& rng);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/models/networks-inl.hpp"
#endif
