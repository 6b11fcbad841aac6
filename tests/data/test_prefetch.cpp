// SPDX-License-Identifier: MIT
// The background thread: order, depth, exceptions, an early end.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "contexture/data/batch.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/data/prefetch.hpp"
#include "contexture/data/sampler.hpp"
#include "data/random_set.hpp"
#include "support/catch.hpp"

using namespace contexture;
using random_images::random_set;

TEST_CASE("the prefetcher hands out all steps in order") {
  const auto depth = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{7});
  Prefetcher<std::unique_ptr<std::int64_t>> prefetcher(
      5, 105, [](std::int64_t step) { return std::make_unique<std::int64_t>(step * step); }, depth);
  for (std::int64_t step = 5; step < 105; ++step) {
    REQUIRE(prefetcher.remaining() == 105 - step);
    REQUIRE(*prefetcher.next() == step * step);
  }
  CHECK_THROWS_AS(prefetcher.next(), std::logic_error);
}

TEST_CASE("the prefetcher works ahead, but no further than its depth") {
  std::atomic<int> made{0};
  Prefetcher<int> prefetcher(
      0, 100, [&](std::int64_t step) { return ++made, static_cast<int>(step); }, 3);
  for (int tries = 0; made < 3 && tries < 5000; ++tries) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(made == 3);
  CHECK(prefetcher.next() == 0);
  for (int tries = 0; made < 4 && tries < 5000; ++tries) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(made == 4);
}

TEST_CASE("the prefetcher forwards an exception in its place") {
  Prefetcher<int> prefetcher(0, 10, [](std::int64_t step) {
    if (step == 3) throw std::runtime_error("third");
    return static_cast<int>(step);
  });
  for (int i = 0; i < 3; ++i) CHECK(prefetcher.next() == i);
  CHECK_THROWS_WITH(prefetcher.next(), "third");
  CHECK_THROWS_WITH(prefetcher.next(), "third");
}

TEST_CASE("a prefetcher can be destroyed at any time") {
  for (int taken = 0; taken < 6; ++taken) {
    Prefetcher<std::vector<int>> prefetcher(
        0, 1'000'000, [](std::int64_t) { return std::vector<int>(100); }, 2);
    for (int i = 0; i < taken; ++i) (void)prefetcher.next();
  }
  Prefetcher<int> nothing(4, 4, [](std::int64_t) { return 1; });
  CHECK_THROWS_AS(nothing.next(), std::logic_error);
  CHECK_THROWS_AS(Prefetcher<int>(4, 3, [](std::int64_t) { return 1; }), std::invalid_argument);
  CHECK_THROWS_AS(Prefetcher<int>(
                      0, 3, [](std::int64_t) { return 1; }, 0),
                  std::invalid_argument);
  CHECK_THROWS_AS(Prefetcher<int>(0, 3, nullptr), std::invalid_argument);
}

TEST_CASE("prefetched batches are those made in place") {
  const ImageSet set = random_set(50, 8, 8, 3);
  std::vector<Index> indices(50);
  std::iota(indices.begin(), indices.end(), 0);
  const Normalization n = channel_statistics(set, indices);
  const EpochSampler sampler(indices, 8, Rng(1));
  const Augmentation augmentation{};
  const Rng rng(2);
  const auto make = [&](std::int64_t step) {
    Batch batch;
    make_batch(set, sampler.batch(step), n, &augmentation, rng.split(static_cast<std::uint64_t>(step)), batch);
    return batch;
  };
  Prefetcher<Batch> prefetcher(10, 20, make);  // as after a resume
  for (std::int64_t step = 10; step < 20; ++step) {
    const Batch ahead = prefetcher.next();
    const Batch now = make(step);
    REQUIRE(ahead.indices == now.indices);
    REQUIRE(std::equal(now.images.data(), now.images.data() + now.images.size(), ahead.images.data()));
  }
}
