// SPDX-License-Identifier: MIT
// The network that docs/HACKING.md walks through, through the list that offers networks by name.
#include "contexture/autograd/autograd.hpp"
#include "contexture/autograd/gradcheck.hpp"
#include "contexture/models/resnet.hpp"
#include "models/example_network.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace contexture;

namespace {
using Offered = NetworkList<ResNet, example::PlainNet>;  // one line

template <class T>
std::unique_ptr<Backbone<T>> made(const BackboneDescription& description) {
  return detail::make_network<T>(1, description, Rng(1), Offered());
}

template <class T>
Variable<T> some_images(const Shape& shape) {
  return Variable<T>(tensors::random_tensor<T>(shape, 2));
}
}  // namespace

TEST_CASE("the example network is offered by its line in the list") {
  constexpr auto rows = detail::network_rows(Offered());
  CHECK(rows[1].name == "plain");
  const BackboneDescription description = rows[1].defaults();
  const auto network = made<float>(description);
  CHECK(network->description() == description);
  CHECK(network->feature_channels() == 128);
  CHECK(rows[1].weight_count(description) == static_cast<double>(network->parameter_count()));
  CHECK(network->stage_of("stage2.conv.weight") == 2);
  CHECK(network->stage_of("stem.norm.gamma") == 0);
  // By hand: the stem on 8 x 8, then 4 x 4, 2 x 2 and 1 pixel.
  CHECK(network->multiply_adds(8, 8) == 9 * (64 * 3 * 16 + 16 * 16 * 32 + 4 * 32 * 64 + 1 * 64 * 128));
  CHECK_THROWS_AS(rows[1].check({.network = "plain", .width = 0}), std::invalid_argument);
}

TEST_CASE("the example network takes any size, has the right gradients, and clones deeply") {
  for (const std::size_t extent : {1U, 8U, 11U}) {
    const auto network = made<float>({.network = "plain", .width = 2, .stages = 2});
    const auto out = static_cast<std::size_t>(network->feature_extent(static_cast<Index>(extent)));
    CHECK((*network)(some_images<float>({2, extent, extent, 3})).shape() == Shape{2, out, out, 8});
  }
  const auto network = made<double>({.network = "plain", .in_channels = 2, .width = 2, .stages = 1});
  std::vector<Variable<double>> inputs;
  for (const auto& parameter : network->parameters()) inputs.push_back(parameter.variable);
  const Variable<double> images = some_images<double>({3, 5, 4, 2});
  CHECK(gradcheck([&](std::span<const Variable<double>>) { return (*network)(images); }, inputs) == "");

  const auto copy = network->clone();
  copy->parameters()[0].variable.mutable_value().data()[0] += 1;
  CHECK(copy->parameters()[0].variable.value().data()[0] != network->parameters()[0].variable.value().data()[0]);
}
