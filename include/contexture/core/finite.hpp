// SPDX-License-Identifier: MIT
// Whether a number is one, told from its bits: it holds in programs that are built with -ffast-math too, where
// compilers take std::isfinite() for true and std::isnan() for false.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace contexture {

namespace detail {

template <class T>
using BitsOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

// The bits of a float or double, of which the compiler knows nothing: what it may assume of the number, it may not of
// them.
template <class T>
[[nodiscard]] inline auto opaque_bits(T value) noexcept {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "float or double");
  auto bits = std::bit_cast<BitsOf<T>>(value);
  asm("" : "+r"(bits));
  return bits;
}

// Those of infinity: all of the exponent's, and none else.
template <class T>
inline constexpr auto kInfinityBits = std::bit_cast<BitsOf<T>>(std::numeric_limits<T>::infinity());

}  // namespace detail

/// Neither infinite nor NaN.
template <class T>
[[nodiscard]] inline bool is_finite(T value) noexcept {
  return (detail::opaque_bits(value) & detail::kInfinityBits<T>) != detail::kInfinityBits<T>;
}

template <class T>
[[nodiscard]] inline bool is_nan(T value) noexcept {
  constexpr auto but_sign = std::numeric_limits<detail::BitsOf<T>>::max() >> 1;
  return (detail::opaque_bits(value) & but_sign) > detail::kInfinityBits<T>;
}

}  // namespace contexture
