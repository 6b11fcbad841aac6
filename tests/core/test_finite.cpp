// SPDX-License-Identifier: MIT
// Numbers and what is none, by their bits. With -ffast-math: tests/programs/fast_math.cpp.
#include <limits>

#include "contexture/core/finite.hpp"
#include "support/catch.hpp"

using namespace contexture;

TEMPLATE_TEST_CASE("finite numbers, infinities and NaN are told apart", "[core]", float, double) {
  using Limits = std::numeric_limits<TestType>;
  for (const TestType number : {TestType(0), -TestType(0), TestType(-1.5), Limits::max(), Limits::lowest(),
                                Limits::min(), Limits::denorm_min()}) {
    CHECK(is_finite(number));
    CHECK_FALSE(is_nan(number));
  }
  for (const TestType sign : {TestType(1), TestType(-1)}) {
    CHECK_FALSE(is_finite(sign * Limits::infinity()));
    CHECK_FALSE(is_nan(sign * Limits::infinity()));
    for (const TestType nan : {Limits::quiet_NaN(), Limits::signaling_NaN()}) {
      CHECK_FALSE(is_finite(sign * nan));
      CHECK(is_nan(sign * nan));
    }
  }
}
