// SPDX-License-Identifier: MIT
// Precision: what a network's activations are stored in, and its convolutions multiply. One choice a thread, made by a
// guard; a run writes it beside its results.
//
// In mixed precision the graph stays one of float. Convolutions without groups round their input and weights to
// bfloat16, sum in float and store what comes out as bfloat16; what follows them (batch normalisation, residuals,
// pooling) reads and writes that. Parameters, their gradients, the optimiser's state, statistics of batch
// normalisation, heads and losses stay float. Gradients keep their range in bfloat16: no loss scaling is needed.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "contexture/core/cpu.hpp"
#include "contexture/core/settings.hpp"

namespace contexture {

/// What networks compute in.
enum class Precision { float32, bfloat16 };

/// By their values.
inline constexpr std::array<std::string_view, 2> kPrecisionNames{"float32", "bfloat16"};

/// The name, as options and files have it.
[[nodiscard]] constexpr std::string_view to_string(Precision precision) {
  return kPrecisionNames[static_cast<std::size_t>(precision)];
}

/// The precision that is faster on this processor: bfloat16 where products of it run at more than float's rate.
[[nodiscard]] inline Precision fastest_precision() {
  const Bfloat16Unit unit = active_bfloat16_unit();
  return unit == Bfloat16Unit::avx512 || unit == Bfloat16Unit::amx ? Precision::bfloat16 : Precision::float32;
}

/// The precision of that name; "auto": the fastest one. Throws SettingError for any other.
[[nodiscard]] inline Precision precision_named(std::string_view name) {
  if (name == "auto") return fastest_precision();
  for (const Precision precision : {Precision::float32, Precision::bfloat16})
    if (to_string(precision) == name) return precision;
  throw SettingError("precision", message("'", name, "', expected auto, float32 or bfloat16"));
}

namespace detail {
inline Precision& precision_slot() noexcept {
  thread_local Precision precision = Precision::float32;
  return precision;
}
}  // namespace detail

/// What ops of this thread compute in now; float32 unless a guard says otherwise.
[[nodiscard]] inline Precision active_precision() noexcept { return detail::precision_slot(); }

/// While one of these lives, ops of this thread compute in `precision`. What is recorded keeps its own for backward.
class PrecisionGuard {
 public:
  explicit PrecisionGuard(Precision precision) : before_(std::exchange(detail::precision_slot(), precision)) {}
  ~PrecisionGuard() { detail::precision_slot() = before_; }
  PrecisionGuard(const PrecisionGuard&) = delete;
  PrecisionGuard& operator=(const PrecisionGuard&) = delete;

 private:
  Precision before_;
};

}  // namespace contexture
