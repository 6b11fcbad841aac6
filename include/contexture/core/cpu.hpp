// SPDX-License-Identifier: MIT
// Which instruction set the kernels run, chosen once at run time. CONTEXTURE_ISA
// (baseline, avx2, avx512) lowers the choice; asking for more than the machine has is an error.
// CONTEXTURE_BFLOAT16 (emulated, avx512, emulated-amx, amx) does the same for what multiplies bfloat16.
#pragma once

#include <array>
#include <atomic>
#include <cstdlib>
#include <string_view>

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "contexture/core/error.hpp"

namespace contexture {

/// Instruction sets the kernels are compiled for, in rising order.
enum class Isa { baseline, avx2, avx512 };

/// The name, as options and files have it.
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

/// What multiplies bfloat16 and sums in float. The two of a pair give the same bits.
enum class Bfloat16Unit {
  emulated,      ///< avx512 by float's multiply-adds, on any processor; about as fast as float
  avx512,        ///< AVX-512 BF16, where it runs at more than float's rate: AMD's since Zen 4
  emulated_amx,  ///< amx, number by number, on any processor: for tests
  amx            ///< tiles of Intel's Xeons since 2023
};

/// All of them.
inline constexpr std::array kBfloat16Units{Bfloat16Unit::emulated, Bfloat16Unit::avx512, Bfloat16Unit::emulated_amx,
                                           Bfloat16Unit::amx};

/// The name, as options and files have it.
[[nodiscard]] constexpr std::string_view to_string(Bfloat16Unit unit) {
  constexpr std::array<std::string_view, 4> names{"emulated", "avx512", "emulated-amx", "amx"};
  return names[static_cast<std::size_t>(unit)];
}

namespace detail {

// Whether the processor has AMX with bfloat16, and Linux lets this process use it: the tiles' state is large, and has
// to be asked for. Refused in some containers, under old kernels and by valgrind.
inline bool amx_granted() {
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  constexpr unsigned tiles_and_bfloat16 = 1u << 24 | 1u << 22;
  if ((d & tiles_and_bfloat16) != tiles_and_bfloat16) return false;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & 1u << 27) == 0) return false;  // no xgetbv
  unsigned low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  constexpr unsigned tile_state = 3u << 17;
  if ((low & tile_state) != tile_state) return false;
  constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}

}  // namespace detail

/// Whether this processor can do with bfloat16 what `unit` says. Intel's AVX-512 BF16 runs at half of float's rate
/// (measured), and counts as none.
[[nodiscard]] inline bool has_bfloat16_unit(Bfloat16Unit unit) {
  switch (unit) {
    case Bfloat16Unit::emulated:
    case Bfloat16Unit::emulated_amx: return true;
    case Bfloat16Unit::avx512:
#if defined(__x86_64__) && defined(__GNUC__)
      return supported_isa() == Isa::avx512 && __builtin_cpu_supports("avx512bf16") && !detail::is_intel();
#else
      return false;
#endif
    case Bfloat16Unit::amx: {
      static const bool granted = supported_isa() == Isa::avx512 && detail::amx_granted();
      return granted;
    }
  }
  return false;
}

/// The fastest one that this processor has.
[[nodiscard]] inline Bfloat16Unit best_bfloat16_unit() {
  for (const Bfloat16Unit unit : {Bfloat16Unit::amx, Bfloat16Unit::avx512})
    if (has_bfloat16_unit(unit)) return unit;
  return Bfloat16Unit::emulated;
}

namespace detail {

inline Bfloat16Unit initial_bfloat16_unit() {
  const char* text = std::getenv("CONTEXTURE_BFLOAT16");
  if (text == nullptr || *text == '\0') return best_bfloat16_unit();
  for (const Bfloat16Unit unit : kBfloat16Units) {
    if (to_string(unit) != text) continue;
    require(has_bfloat16_unit(unit), "CONTEXTURE_BFLOAT16: '", text, "', which this processor does not have; expected ",
            to_string(best_bfloat16_unit()), ", emulated or emulated-amx");
    return unit;
  }
  require(false, "CONTEXTURE_BFLOAT16: '", text, "', expected emulated, avx512, emulated-amx or amx");
  return Bfloat16Unit::emulated;
}

inline std::atomic<Bfloat16Unit>& bfloat16_unit_slot() {
  static std::atomic<Bfloat16Unit> unit{initial_bfloat16_unit()};
  return unit;
}

}  // namespace detail

/// What multiplies bfloat16 now: an emulation while the instruction set is less than avx512.
[[nodiscard]] inline Bfloat16Unit active_bfloat16_unit() {
  const Bfloat16Unit unit = detail::bfloat16_unit_slot().load(std::memory_order_relaxed);
  if (unit == Bfloat16Unit::emulated_amx || active_isa() == Isa::avx512) return unit;
  return Bfloat16Unit::emulated;
}

/// Chooses another for the whole process; throws std::invalid_argument where the processor lacks it. Meant for tests
/// and benchmarks.
inline void set_bfloat16_unit(Bfloat16Unit unit) {
  require(has_bfloat16_unit(unit), "set_bfloat16_unit: this processor has no ", to_string(unit), ", only ",
          to_string(best_bfloat16_unit()));
  detail::bfloat16_unit_slot().store(unit, std::memory_order_relaxed);
}

}  // namespace contexture
