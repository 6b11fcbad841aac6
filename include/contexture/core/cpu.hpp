// Which instruction set the kernels run, chosen once at run time. CONTEXTURE_ISA
// (baseline, avx2, avx512) lowers the choice; asking for more than the machine has is an error.
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

}  // namespace contexture
