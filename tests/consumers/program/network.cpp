// SPDX-License-Identifier: MIT
#include "network.hpp"

using namespace contexture;

Examples strokes(std::size_t count, const Rng& rng) {
  Examples examples{zeros<float>({count, 8, 8, 1}), {}};
  for (std::size_t i = 0; i < count; ++i) {
    Rng draw = rng.split(i);
    const auto vertical = static_cast<std::int32_t>(draw.below(2));
    const std::size_t place = draw.below(8);
    for (std::size_t along = 0; along < 8; ++along)
      (vertical == 1 ? examples.images(i, along, place, 0) : examples.images(i, place, along, 0)) = 1.0F;
    examples.labels.push_back(vertical);
  }
  return examples;
}

Network::Network(const Rng& rng) : head_(8, 2, rng.split("head")) {
  layers_.add(Conv2d<float>(1, 8, {.kernel = 3}, rng.split(0)))
      .add(Relu<float>())
      .add(Conv2d<float>(8, 8, {.kernel = 3, .stride = 2}, rng.split(1)))
      .add(Relu<float>());
}

Variable<float> Network::logits(const Variable<float>& images) { return head_(global_avg_pool(layers_(images))); }
