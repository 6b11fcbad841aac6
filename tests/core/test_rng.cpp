// SPDX-License-Identifier: MIT
// Random numbers: the published known answers of Philox-4x32-10, independence of streams from
// what was drawn, ranges, and coarse statistics (bounds of at least 5 standard errors, fixed seeds).
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "contexture/core/rng.hpp"
#include "support/catch.hpp"

using namespace contexture;

TEST_CASE("Philox-4x32-10 gives the known answers of Random123's kat_vectors") {
  using Counter = std::array<std::uint32_t, 4>;
  const std::uint32_t ones = 0xffffffffU;
  CHECK(detail::philox4x32_10({0, 0, 0, 0}, {0, 0}) == Counter{0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U});
  CHECK(detail::philox4x32_10({ones, ones, ones, ones}, {ones, ones}) ==
        Counter{0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU});
  CHECK(detail::philox4x32_10({0x243f6a88U, 0x85a308d3U, 0x13198a2eU, 0x03707344U}, {0xa4093822U, 0x299f31d0U}) ==
        Counter{0xd16cfe09U, 0x94fdccebU, 0x5001e420U, 0x24126ea1U});
}

// Saved runs are resumed and compared bit by bit: a change of these numbers changes every result.
TEST_CASE("the streams of a seed are fixed") {
  Rng rng(1), number = Rng(1).split(7), name = Rng(1).split("patches");
  CHECK(rng() == 0x99672ee7U);
  CHECK(rng() == 0xe2947272U);
  CHECK(number() == 0x20bb5d4eU);
  CHECK(number() == 0xc93bccfdU);
  CHECK(name() == 0x276d269bU);
  CHECK(name() == 0x353bc038U);
}

TEST_CASE("splitting depends on the parent's key and the number, not on what was drawn") {
  Rng parent(7);
  Rng early = parent.split(3);
  for (int i = 0; i < 1001; ++i) parent();
  Rng late = parent.split(3);
  for (int i = 0; i < 100; ++i) REQUIRE(early() == late());

  Rng by_name = parent.split("augmentation");
  Rng by_same_name = Rng(7).split("augmentation");
  CHECK(by_name() == by_same_name());
}

TEST_CASE("streams do not collide: seeds, splits and splits of splits differ") {
  std::set<std::uint64_t> first_draws;
  std::size_t streams = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Rng root(seed);
    Rng draws = root;
    first_draws.insert(draws.bits64());
    ++streams;
    for (std::uint64_t i = 0; i < 50; ++i) {
      Rng child = root.split(i);
      Rng grandchild = child.split(i);
      first_draws.insert(child.bits64());
      first_draws.insert(grandchild.bits64());
      streams += 2;
    }
    for (const char* name : {"a", "b", "ab", "ba", ""}) {
      Rng child = root.split(std::string_view(name));
      first_draws.insert(child.bits64());
      ++streams;
    }
  }
  CHECK(first_draws.size() == streams);
}

TEST_CASE("uniform is in [0,1) with the moments and the flatness of the uniform distribution") {
  Rng rng(11);
  const int n = 200000;
  std::array<int, 20> bins{};
  double sum = 0;
  double squares = 0;
  double lagged = 0;
  float previous = 0.5F;
  for (int i = 0; i < n; ++i) {
    const float u = rng.uniform();
    REQUIRE(u >= 0.0F);
    REQUIRE(u < 1.0F);
    sum += u;
    squares += static_cast<double>(u) * u;
    lagged += (static_cast<double>(u) - 0.5) * (static_cast<double>(previous) - 0.5);
    previous = u;
    ++bins[static_cast<std::size_t>(u * 20)];
  }
  CHECK(std::abs(sum / n - 0.5) < 5 * std::sqrt(1.0 / 12 / n));
  CHECK(std::abs(squares / n - 1.0 / 3) < 5 * std::sqrt(4.0 / 45 / n));
  CHECK(std::abs(lagged / n) < 5.0 / 12 / std::sqrt(n));
  double chi2 = 0;
  for (const int count : bins) chi2 += std::pow(count - n / 20.0, 2) / (n / 20.0);
  CHECK(chi2 < 43.8);  // 19 degrees of freedom, p = 0.001
}

TEST_CASE("uniform over an interval never returns its upper end") {
  Rng rng(12);
  for (int i = 0; i < 1000000; ++i) REQUIRE(rng.uniform(1.0F, std::nextafter(1.0F, 2.0F)) == 1.0F);
  for (int i = 0; i < 1000; ++i) {
    const float x = rng.uniform(-3.0F, 5.0F);
    REQUIRE(x >= -3.0F);
    REQUIRE(x < 5.0F);
  }
}

TEST_CASE("below is flat, stays in range and takes every value") {
  Rng rng(13);
  CHECK_THROWS_AS(rng.below(0), std::invalid_argument);
  for (int i = 0; i < 10; ++i) CHECK(rng.below(1) == 0);
  std::array<int, 7> bins{};
  const int n = 70000;
  for (int i = 0; i < n; ++i) ++bins.at(rng.below(7));
  double chi2 = 0;
  for (const int count : bins) chi2 += std::pow(count - n / 7.0, 2) / (n / 7.0);
  CHECK(chi2 < 22.5);  // 6 degrees of freedom, p = 0.001
  // 3 * 2^30: a plain 32-bit multiply-shift would give the first third twice as often.
  int low_third = 0;
  for (int i = 0; i < 30000; ++i) low_third += rng.below(0xC0000000U) < 0x40000000U;
  CHECK(std::abs(low_third - 10000) < 5 * std::sqrt(30000 * 2.0 / 9));
}

TEST_CASE("between includes both ends, also the whole range of int") {
  Rng rng(14);
  std::set<int> seen;
  for (int i = 0; i < 200; ++i) seen.insert(rng.between(-2, 2));
  CHECK(seen == std::set<int>{-2, -1, 0, 1, 2});
  CHECK(rng.between(5, 5) == 5);
  CHECK_THROWS_AS(rng.between(1, 0), std::invalid_argument);
  constexpr int least = std::numeric_limits<int>::min();
  constexpr int most = std::numeric_limits<int>::max();
  bool negative = false;
  bool positive = false;
  for (int i = 0; i < 64; ++i) {
    const int x = rng.between(least, most);
    negative = negative || x < 0;
    positive = positive || x > 0;
  }
  CHECK(negative);
  CHECK(positive);
  CHECK(rng.between(least, least) == least);
}

TEST_CASE("normal has the moments and the tails of the normal distribution") {
  Rng rng(15);
  const int n = 200000;
  double m1 = 0;
  double m2 = 0;
  double m4 = 0;
  int beyond_two = 0;
  for (int i = 0; i < n; ++i) {
    const double x = static_cast<double>(rng.normal());
    REQUIRE(std::isfinite(x));
    m1 += x;
    m2 += x * x;
    m4 += x * x * x * x;
    beyond_two += std::abs(x) > 2;
  }
  CHECK(std::abs(m1 / n) < 5 / std::sqrt(n));
  CHECK(std::abs(m2 / n - 1) < 5 * std::sqrt(2.0 / n));
  CHECK(std::abs(m4 / n - 3) < 5 * std::sqrt(96.0 / n));
  CHECK(std::abs(beyond_two / static_cast<double>(n) - 0.0455) < 5 * std::sqrt(0.0455 * 0.9545 / n));
}

TEST_CASE("bernoulli keeps its promise at 0, at 1 and between") {
  Rng rng(16);
  int hits = 0;
  for (int i = 0; i < 10000; ++i) {
    REQUIRE_FALSE(rng.bernoulli(0.0F));
    REQUIRE(rng.bernoulli(1.0F));
    hits += rng.bernoulli(0.3F);
  }
  CHECK(std::abs(hits - 3000) < 5 * std::sqrt(2100.0));
}

TEST_CASE("shuffle refuses ranges that 32 bits do not count") {
  struct {
    int element = 0;
    static std::uint64_t size() { return std::uint64_t{1} << 32; }
    int& operator[](std::uint64_t) { return element; }
  } range;
  CHECK_THROWS_AS(Rng(1).shuffle(range), std::invalid_argument);
}

TEST_CASE("shuffle permutes, and every permutation of four comes up equally often") {
  Rng rng(17);
  std::vector<int> many(1000);
  std::iota(many.begin(), many.end(), 0);
  rng.shuffle(many);
  CHECK_FALSE(std::is_sorted(many.begin(), many.end()));
  std::sort(many.begin(), many.end());
  for (int i = 0; i < 1000; ++i) REQUIRE(many[static_cast<std::size_t>(i)] == i);

  std::map<std::array<int, 4>, int> counts;
  const int n = 24000;
  for (int i = 0; i < n; ++i) {
    std::array<int, 4> four{0, 1, 2, 3};
    rng.shuffle(four);
    ++counts[four];
  }
  CHECK(counts.size() == 24);
  double chi2 = 0;
  for (const auto& [order, count] : counts) chi2 += std::pow(count - n / 24.0, 2) / (n / 24.0);
  CHECK(chi2 < 49.7);  // 23 degrees of freedom, p = 0.001
}
