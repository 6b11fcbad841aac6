// SPDX-License-Identifier: MIT
// bfloat16: what it holds exactly, how the rest is rounded, and numbers that are none.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "contexture/core/bfloat16.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

float through(float value) { return static_cast<float>(bfloat16(value)); }

float float_of(std::uint32_t bits) { return std::bit_cast<float>(bits); }

}  // namespace

TEST_CASE("every bfloat16 is a float and comes back as it was") {
  for (std::uint32_t bits = 0; bits < 1u << 16; ++bits) {
    const float value = float_of(bits << 16);
    if (std::isnan(value))
      CHECK(std::isnan(through(value)));
    else if (std::bit_cast<std::uint32_t>(through(value)) != bits << 16)
      FAIL(bits);
  }
}

TEST_CASE("bfloat16 rounds to the nearest, ties to even") {
  // Between 0x3f80 (even, 1.0) and 0x3f81; between 0x3f81 and 0x3f82 (even).
  CHECK(bfloat16(float_of(0x3f807fff)).bits == 0x3f80);
  CHECK(bfloat16(float_of(0x3f808000)).bits == 0x3f80);
  CHECK(bfloat16(float_of(0x3f808001)).bits == 0x3f81);
  CHECK(bfloat16(float_of(0x3f817fff)).bits == 0x3f81);
  CHECK(bfloat16(float_of(0x3f818000)).bits == 0x3f82);
  CHECK(bfloat16(float_of(0xbf818000)).bits == 0xbf82);
  CHECK(bfloat16(float_of(0x3fffffff)).bits == 0x4000);  // into the next power of two
  CHECK(bfloat16(float_of(0x00008001)).bits == 0x0001);  // denormal
}

TEST_CASE("too large a number becomes infinity in bfloat16, and NaN stays NaN, of its sign") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  CHECK(through(std::numeric_limits<float>::max()) == infinity);
  CHECK(through(-std::numeric_limits<float>::max()) == -infinity);
  CHECK(through(float_of(0x7f7f7fff)) == float_of(0x7f7f0000));
  CHECK(through(infinity) == infinity);
  for (const std::uint32_t nan : {0x7f800001u, 0x7fffffffu, 0xff800001u, 0xffffffffu}) {
    CHECK(std::isnan(through(float_of(nan))));
    CHECK(std::signbit(through(float_of(nan))) == (nan >> 31 != 0));
  }
}
