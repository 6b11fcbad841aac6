// SPDX-License-Identifier: MIT
// bfloat16: the upper half of a float, 8 bits of exponent and 8 of precision. A type to store in, not to compute
// with: sums are float. What is stored so in mixed precision, and what is not, says precision.hpp.
#pragma once

#include <bit>
#include <cstdint>

namespace contexture {

/// A number of 16 bits with the range of float and about 3 decimal digits.
struct bfloat16 {
  std::uint16_t bits;

  bfloat16() = default;
  /// Rounds to nearest, ties to even; too large a number becomes infinity, NaN stays NaN.
  explicit bfloat16(float value) : bits(rounded(std::bit_cast<std::uint32_t>(value))) {}
  /// Exact.
  explicit operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

  friend bool operator==(bfloat16, bfloat16) = default;  ///< of the bits

 private:
  static constexpr std::uint16_t rounded(std::uint32_t b) {
    if ((b & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(b >> 16 | 0x40u);  // quiet NaN
    return static_cast<std::uint16_t>((b + 0x7fffu + (b >> 16 & 1u)) >> 16);
  }
};

static_assert(sizeof(bfloat16) == 2);

/// What elements that are stored as T are computed and summed in, as `type`.
template <class T>
struct AccumulatorOf {
  using type = T;
};
/// Of bfloat16: float.
template <>
struct AccumulatorOf<bfloat16> {
  using type = float;
};
/// What elements that are stored as T are computed and summed in.
template <class T>
using Accumulator = typename AccumulatorOf<T>::type;

}  // namespace contexture
