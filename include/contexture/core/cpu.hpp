// Which instruction set the kernels run, chosen once at run time. CONTEXTURE_ISA
// (baseline, avx2, avx512) lowers the choice; asking for more than the machine has is an error.
// CONTEXTURE_BFLOAT16 (emulated, avx512) does the same for what multiplies bfloat16.
#pragma once

#include <array>
#include <atomic>
#include <cstdlib>
#include <string_view>

#include "contexture/core/error.hpp"

namespace contexture {

/// Instruction sets the kernels are compiled for, in rising order.
enum class Isa { baseline, avx2, avx512 };

[[nodiscard]] constexpr std::string_view to_string(Isa isa) {
  constexpr std::array<std::string_view, 3> names{"baseline", "avx2", "avx512"};
  return names[static_cast<std::size_t>(isa)];
}

/// The best instruction set this processor has.
[[nodiscard]] inline Isa supported_isa() {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  // All that for_each_isa.hpp compiles for, since virtual machines may hide single features; f16c
  // comes with every AVX2 processor, and clang 14 does not know its name here.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
    return Isa::avx512;
  if (avx2) return Isa::avx2;
#endif
  return Isa::baseline;
}

namespace detail {

// Whether the processor is Intel's: there, fetching many lines of memory by hand makes the core wait for its fill
// buffers, and its own prefetcher does better.
inline bool is_intel() {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  return __builtin_cpu_is("intel");
#else
  return false;
#endif
}

inline Isa initial_isa() {
  const Isa best = supported_isa();
  const char* text = std::getenv("CONTEXTURE_ISA");
  if (text == nullptr || *text == '\0') return best;
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (to_string(isa) != text) continue;
    require(isa <= best, "CONTEXTURE_ISA: '", text, "', but this processor has only ", to_string(best));
    return isa;
  }
  require(false, "CONTEXTURE_ISA: '", text, "', expected baseline, avx2 or avx512");
  return best;
}

inline std::atomic<Isa>& isa_slot() {
  static std::atomic<Isa> isa{initial_isa()};
  return isa;
}

}  // namespace detail

/// The instruction set the kernels run now.
[[nodiscard]] inline Isa active_isa() { return detail::isa_slot().load(std::memory_order_relaxed); }

/// Chooses another instruction set for the whole process; throws std::invalid_argument where
/// the processor lacks it. Meant for tests and benchmarks.
inline void set_isa(Isa isa) {
  require(isa <= supported_isa(), "set_isa: ", to_string(isa), ", but this processor has only ",
          to_string(supported_isa()));
  detail::isa_slot().store(isa, std::memory_order_relaxed);
}

/// What multiplies bfloat16 and sums in float, in rising order of speed. All of them give the same bits, but that
/// without fused multiply-adds (Isa::baseline) products below 2^-126 are lost where the others keep them.
enum class Bfloat16Unit {
  emulated,  ///< float's multiply-adds, about half as fast as with float
  avx512     ///< AVX-512 BF16, where it runs at more than float's rate: AMD's since Zen 4
};

[[nodiscard]] constexpr std::string_view to_string(Bfloat16Unit unit) {
  constexpr std::array<std::string_view, 2> names{"emulated", "avx512"};
  return names[static_cast<std::size_t>(unit)];
}

/// The best one this processor has. Intel's AVX-512 BF16 runs at half of float's rate (measured) and is not used.
[[nodiscard]] inline Bfloat16Unit supported_bfloat16_unit() {
#if defined(__x86_64__) && defined(__GNUC__)
  if (supported_isa() == Isa::avx512 && __builtin_cpu_supports("avx512bf16") && !detail::is_intel())
    return Bfloat16Unit::avx512;
#endif
  return Bfloat16Unit::emulated;
}

namespace detail {

inline Bfloat16Unit initial_bfloat16_unit() {
  const Bfloat16Unit best = supported_bfloat16_unit();
  const char* text = std::getenv("CONTEXTURE_BFLOAT16");
  if (text == nullptr || *text == '\0') return best;
  for (const Bfloat16Unit unit : {Bfloat16Unit::emulated, Bfloat16Unit::avx512}) {
    if (to_string(unit) != text) continue;
    require(unit <= best, "CONTEXTURE_BFLOAT16: '", text, "', but on this processor it is ", to_string(best));
    return unit;
  }
  require(false, "CONTEXTURE_BFLOAT16: '", text, "', expected emulated or avx512");
  return best;
}

inline std::atomic<Bfloat16Unit>& bfloat16_unit_slot() {
  static std::atomic<Bfloat16Unit> unit{initial_bfloat16_unit()};
  return unit;
}

}  // namespace detail

/// What multiplies bfloat16 now: emulated while the instruction set is less than avx512.
[[nodiscard]] inline Bfloat16Unit active_bfloat16_unit() {
  if (active_isa() != Isa::avx512) return Bfloat16Unit::emulated;
  return detail::bfloat16_unit_slot().load(std::memory_order_relaxed);
}

/// Chooses another for the whole process; throws std::invalid_argument where the processor lacks it. Meant for tests
/// and benchmarks.
inline void set_bfloat16_unit(Bfloat16Unit unit) {
  require(unit <= supported_bfloat16_unit(), "set_bfloat16_unit: ", to_string(unit), ", but on this processor it is ",
          to_string(supported_bfloat16_unit()));
  detail::bfloat16_unit_slot().store(unit, std::memory_order_relaxed);
}

}  // namespace contexture
