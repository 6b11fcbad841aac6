// SPDX-License-Identifier: MIT
// The order of the images: permutations, a function of seed and step, uniform.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "contexture/data/sampler.hpp"
#include "support/catch.hpp"

using namespace contexture;

TEST_CASE("every epoch is a permutation of the images, whatever the batch") {
  const auto n = GENERATE(1, 2, 3, 7, 16, 17, 100);
  const auto size = GENERATE(1, 3, 16, 150);
  std::vector<Index> indices;
  for (Index i = 0; i < n; ++i) indices.push_back(1000 + 3 * i);
  const EpochSampler sampler(indices, size, Rng(5));
  CHECK(sampler.steps_per_epoch() == (n + size - 1) / size);
  std::vector<Index> drawn;
  std::int64_t step = 0;
  while (static_cast<Index>(drawn.size()) < 4 * n) {
    const auto batch = sampler.batch(step++);
    REQUIRE(static_cast<Index>(batch.size()) == size);
    drawn.insert(drawn.end(), batch.begin(), batch.end());
  }
  for (Index epoch = 0; epoch < 4; ++epoch) {
    std::vector<Index> one(drawn.begin() + epoch * n, drawn.begin() + (epoch + 1) * n);
    std::sort(one.begin(), one.end());
    REQUIRE(one == indices);
  }
}

TEST_CASE("a batch is a pure function of seed and step") {
  std::vector<Index> indices(1000);
  std::iota(indices.begin(), indices.end(), 0);
  const EpochSampler a(indices, 32, Rng(5));
  const EpochSampler b(indices, 32, Rng(5));
  const EpochSampler c(indices, 32, Rng(6));
  const auto late = a.batch(1'000'000);
  (void)b.batch(3);
  CHECK(b.batch(1'000'000) == late);
  CHECK(c.batch(1'000'000) != late);
  CHECK(a.batch(0) != a.batch(1));
}

TEST_CASE("the order of the images is close to uniform") {
  // Each of 11 images at each of 11 places over many epochs: chi-square with 100 degrees of freedom.
  std::vector<Index> indices(11);
  std::iota(indices.begin(), indices.end(), 0);
  const EpochSampler sampler(indices, 11, Rng(2));
  constexpr int kEpochs = 11'000;
  std::vector<double> count(121, 0.0);
  std::vector<double> follows(121, 0.0);
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const auto order = sampler.batch(epoch);
    for (std::size_t place = 0; place < 11; ++place) ++count[place * 11 + static_cast<std::size_t>(order[place])];
    for (std::size_t place = 1; place < 11; ++place) {
      ++follows[static_cast<std::size_t>(order[place - 1] * 11 + order[place])];
    }
  }
  double places = 0;
  for (const double c : count) places += (c - 1000.0) * (c - 1000.0) / 1000.0;
  double neighbours = 0;
  for (std::size_t i = 0; i < 121; ++i) {
    if (i / 11 != i % 11) neighbours += (follows[i] - 1000.0) * (follows[i] - 1000.0) / 1000.0;
  }
  CHECK(places < 150.0);      // 100 expected, standard deviation 14
  CHECK(neighbours < 170.0);  // about 110 expected
}

TEST_CASE("EpochSampler refuses empty sets and batches") {
  CHECK_THROWS_AS(EpochSampler({}, 4, Rng(1)), std::invalid_argument);
  CHECK_THROWS_AS(EpochSampler({1}, 0, Rng(1)), std::invalid_argument);
  CHECK_THROWS_AS(EpochSampler({1}, 1, Rng(1)).batch(-1), std::invalid_argument);
}
