// SPDX-License-Identifier: MIT
// OpenBLAS as core/blas.hpp has it: its repair, its threads and its buffers.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/blas.hpp"
#include "contexture/core/limits.hpp"
#include "contexture/core/parallel.hpp"

namespace contexture {
namespace detail {

CONTEXTURE_FUNCTION OneOpenMpThread::OneOpenMpThread() {
  if (contexture_openblas_parallel == nullptr || contexture_openblas_parallel() != 2 ||
      contexture_omp_set_num_threads == nullptr || contexture_omp_get_max_threads == nullptr)
    return;
  before_ = contexture_omp_get_max_threads();
  if (before_ != 1) contexture_omp_set_num_threads(1);
}

CONTEXTURE_FUNCTION OneOpenMpThread::~OneOpenMpThread() {
  if (before_ > 1) contexture_omp_set_num_threads(before_);
}

// Cores whose kernels use neither AVX2 nor AVX-512.
inline bool is_slow_openblas_core(std::string_view core) {
  constexpr std::array<std::string_view, 15> slow{"Unknown",   "Prescott", "Core2",  "Penryn",      "Dunnington",
                                                  "Nehalem",   "Atom",     "Athlon", "Opteron",     "Opteron_SSE3",
                                                  "Barcelona", "Bobcat",   "Nano",   "Sandybridge", "Katmai"};
  return std::find(slow.begin(), slow.end(), core) != slow.end();
}

CONTEXTURE_FUNCTION const char* fitting_openblas_core() {
  switch (supported_isa()) {
    case Isa::avx512: return "SkylakeX";
    case Isa::avx2: return "Haswell";
    case Isa::baseline: break;
  }
  return nullptr;
}

CONTEXTURE_FUNCTION BlasState prepare_blas() {
  BlasState state;
  if (contexture_openblas_corename == nullptr) return state;
  state.core = contexture_openblas_corename();
  // Our workers call BLAS from every thread; its own threads on top would oversubscribe. The
  // OpenMP build is told around each call instead (OneOpenMpThread), since this would shrink the
  // application's own OpenMP team as well.
  const bool openmp_build = contexture_openblas_parallel != nullptr && contexture_openblas_parallel() == 2;
  if (!openmp_build && contexture_openblas_set_threads != nullptr) contexture_openblas_set_threads(1);

  const char* wanted = fitting_openblas_core();
  if (wanted == nullptr || !is_slow_openblas_core(state.core)) return state;
  const char* off = std::getenv("CONTEXTURE_BLAS_REPAIR");
  const bool repair_allowed = off == nullptr || std::string_view(off) != "0";
  const bool user_chose = std::getenv("OPENBLAS_CORETYPE") != nullptr;
  if (repair_allowed && !user_chose && contexture_openblas_quit != nullptr && contexture_openblas_init != nullptr) {
    ::setenv("OPENBLAS_CORETYPE", wanted, 1);
    contexture_openblas_quit();
    contexture_openblas_init();
    ::unsetenv("OPENBLAS_CORETYPE");
    state.replaced = state.core;
    state.core = contexture_openblas_corename();
  }
  if (is_slow_openblas_core(state.core))
    state.warning = "OpenBLAS runs its slow '" + state.core + "' kernels on this " +
                    std::string(to_string(supported_isa())) + " processor; start with OPENBLAS_CORETYPE=" + wanted +
                    " for about 5 times the speed";
  return state;
}

CONTEXTURE_FUNCTION const BlasState& blas_state() {
  static const BlasState& state = *new BlasState(prepare_blas());  // for destructors of global objects as well
  return state;
}

CONTEXTURE_FUNCTION void reserve_blas_buffers() {
  static std::atomic<int> reserved{0};
  const int wanted = num_threads();
  if (reserved.load(std::memory_order_acquire) >= wanted || contexture_openblas_corename == nullptr) return;
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const int more = wanted - reserved.load(std::memory_order_relaxed);
  if (more <= 0) return;
  if (memory_is_limited()) {
    const std::size_t bytes = static_cast<std::size_t>(more) * kOpenblasBuffer;
    void* const room = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require_input(room != MAP_FAILED, "OpenBLAS: no room for its buffers, ", bytes >> 20, " MiB of addresses for ",
                  wanted, wanted == 1 ? " thread" : " threads",
                  ", because of a limit (ulimit -v or -d): raise it, or use fewer threads");
    ::munmap(room, bytes);
    std::vector<void*> buffers;
    if (contexture_openblas_take != nullptr && contexture_openblas_give != nullptr)
      for (int i = 0; i < wanted; ++i) buffers.push_back(contexture_openblas_take(0));
    for (void* const buffer : buffers) contexture_openblas_give(buffer);
  }
  reserved.store(wanted, std::memory_order_release);
}

}  // namespace detail

CONTEXTURE_FUNCTION std::string CpuReport::line() const {
  std::string text = std::string(to_string(isa)) + " kernels, " + std::string(to_string(precision)) +
                     (precision == Precision::bfloat16 ? " (" + std::string(to_string(unit)) + "), " : ", ") +
                     std::to_string(threads) + (threads == 1 ? " thread, " : " threads, ") +
                     (blas_core.empty() ? blas : "OpenBLAS " + blas_core);
  if (!blas_replaced.empty()) text += " (repaired from " + blas_replaced + ")";
  return text;
}

CONTEXTURE_FUNCTION CpuReport cpu_report() {
  const detail::BlasState& state = detail::blas_state();
  CpuReport report{.isa = active_isa(),
                   .precision = active_precision(),
                   .unit = active_bfloat16_unit(),
                   .blas = "unknown BLAS",
                   .blas_core = state.core,
                   .blas_replaced = state.replaced,
                   .threads = num_threads(),
                   .warning = state.warning};
  if (detail::contexture_openblas_config != nullptr) report.blas = detail::contexture_openblas_config();
  if (std::getenv("CONTEXTURE_QUIET") != nullptr) report.warning.clear();
  return report;
}

}  // namespace contexture
