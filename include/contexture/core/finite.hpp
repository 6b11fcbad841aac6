// SPDX-License-Identifier: MIT
// Whether a number is one, told from its bits: it holds in programs that are built with -ffast-math too, where
// compilers take std::isfinite() for true and std::isnan() for false.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace contexture {

namespace detail {

template <class T>
using BitsOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

// The bits of a float or double, of which the compiler knows nothing: what it may assume of the number, it may not of
// them. From where it lies: of an argument, and of a result, clang takes it for granted that it is a number.
template <class T>
[[nodiscard]] inline auto opaque_bits(const T& value) noexcept {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "float or double");
  BitsOf<T> bits;
  std::memcpy(&bits, &value, sizeof(bits));
  asm("" : "+r"(bits));
  return bits;
}

// Those of infinity: all of the exponent's, and none else.
template <class T>
inline constexpr BitsOf<T> kInfinityBits = sizeof(T) == 4 ? 0x7f800000 : static_cast<BitsOf<T>>(0x7ff0000000000000);

}  // namespace detail

/// Neither infinite nor NaN.
template <class T>
[[nodiscard]] inline bool is_finite(const T& value) noexcept {
  return (detail::opaque_bits(value) & detail::kInfinityBits<T>) != detail::kInfinityBits<T>;
}

/// Whether it is no number.
template <class T>
[[nodiscard]] inline bool is_nan(const T& value) noexcept {
  constexpr auto but_sign = std::numeric_limits<detail::BitsOf<T>>::max() >> 1;
  return (detail::opaque_bits(value) & but_sign) > detail::kInfinityBits<T>;
}

}  // namespace contexture
