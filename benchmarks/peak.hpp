// SPDX-License-Identifier: MIT
// What this machine can do at most, measured in the same run as what is compared with it.
#pragma once

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <ctime>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "contexture/core/blas.hpp"
#include "contexture/core/cpu.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/kernels/conv/amx_tiles.hpp"
#include "contexture/kernels/elementwise.hpp"

#define CONTEXTURE_KERNEL_SOURCE "peak-inl.hpp"
#define CONTEXTURE_KERNEL_PAIRS
#include "contexture/kernels/for_each_isa.hpp"

namespace contexture::benchmarks {

namespace detail {
// Multiply-adds of numbers of that precision by what multiplies them now; where bfloat16 is emulated, by float's.
inline Index chains(Precision precision, Index iterations) {
  using namespace contexture::kernels;
  float numbers[3] = {0.5f, 0.25f, 0};
#if defined(CONTEXTURE_HAS_X86_ISAS)
  const Bfloat16Unit unit = precision == Precision::bfloat16 ? active_bfloat16_unit() : Bfloat16Unit::emulated;
  if (unit == Bfloat16Unit::amx) return isa_avx512_bf16::tile_chains(iterations, numbers);
  if (unit == Bfloat16Unit::avx512) return isa_avx512_bf16::pair_chains(iterations, numbers);
#endif
  CONTEXTURE_DISPATCH(fma_chains(iterations, numbers));
}

inline double seconds(bool of_this_thread) {
  if (!of_this_thread)
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// On so many threads, in GFLOP/s: the best of some runs, since a sleeping thread is not always woken on
// an idle processor. One thread is timed by its own CPU clock.
inline double multiply_add_gflops(Precision precision, Index threads, Index iterations, int runs) {
  double best = 0;
  for (int run = 0; run < runs; ++run) {
    std::atomic<Index> operations{0};
    const double start = seconds(threads == 1);
    parallel_chunks(threads, threads, [&](Index, Index, Index) { operations += chains(precision, iterations); });
    best = std::max(best, 1e-9 * static_cast<double>(operations) / (seconds(threads == 1) - start));
  }
  return best;
}
}  // namespace detail

/// Waits until num_threads() threads have a core each, and says whether they do: to be called before anything is timed
/// on several. The processors of a virtual machine share a core of the host for seconds at a time, and two
/// threads then compute together what one does alone. Waits for a minute at most, all calls together.
inline bool await_cores() {
  static double patience = 60;
  static const double one = detail::multiply_add_gflops(Precision::float32, 1, 200'000, 5);
  const Index threads = num_threads();
  while (detail::multiply_add_gflops(Precision::float32, threads, 200'000, 3) <
         0.8 * one * static_cast<double>(threads)) {
    if (patience <= 0) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    patience -= 0.1;
  }
  return true;
}

/// Multiply-add peak on num_threads() threads in GFLOP/s, measured when first asked for: float's of the active
/// instruction set, or that of the active unit for bfloat16 (float's where it is emulated).
inline double peak_gflops(Precision precision) {
  static std::map<std::pair<Precision, Index>, double> measured;
  const auto [at, inserted] = measured.try_emplace({precision, num_threads()}, 0.0);
  if (inserted) {
    await_cores();
    at->second = detail::multiply_add_gflops(precision, num_threads(), 1'000'000, 30);
  }
  return at->second;
}

/// Memory bandwidth on num_threads() threads in GB/s, a third of it writes: the best of five runs of
/// a = b + c over arrays of 64 MiB (writing a line is counted once, though it is read first).
inline double memory_gbytes_per_second() {
  const Index size = 1 << 24;
  Workspace<float> a(size), b(size), c(size);
  std::fill_n(b.data(), size, 1.0f);
  std::fill_n(c.data(), size, 2.0f);
  std::fill_n(a.data(), size, 0.0f);
  const bool one_thread = num_threads() == 1;
  double best = 0;
  for (int run = 0; run < 5; ++run) {
    const double start = detail::seconds(one_thread);
    kernels::add(b.data(), c.data(), a.data(), size);
    best = std::max(best, 12e-9 * static_cast<double>(size) / (detail::seconds(one_thread) - start));
  }
  return best;
}

/// As set_num_threads, and starts them. OpenMP may have tied the calling thread to one processor
/// (place_openmp_threads()), and threads inherit that: these may run on any, the caller stays where it is.
inline void start_threads(int threads) {
  set_num_threads(threads);
#if defined(__linux__)
  cpu_set_t own, all;
  const bool known = sched_getaffinity(0, sizeof(own), &own) == 0;
  std::memset(&all, 0xff, sizeof(all));
  sched_setaffinity(0, sizeof(all), &all);
  parallel_chunks(threads, threads, [](Index, Index, Index) {});
  if (known) sched_setaffinity(0, sizeof(own), &own);
#endif
}

/// One, and as many as there are: what is measured.
inline std::vector<int> thread_counts() {
  const int most = num_threads();
  return most > 1 ? std::vector<int>{1, most} : std::vector<int>{1};
}

/// What results are to be read beside, by name: what they ran on, and its peaks.
inline std::vector<std::pair<std::string, std::string>> machine_context(const std::vector<Precision>& precisions,
                                                                        const std::vector<int>& thread_counts) {
  std::vector<std::pair<std::string, std::string>> context;
  for (const int threads : thread_counts) {
    start_threads(threads);
    for (const auto& [name, precision] :
         {std::pair("fma", Precision::float32), std::pair("bfloat16", Precision::bfloat16)})
      context.emplace_back(message(name, "_peak_gflops_", threads, "_threads"), std::to_string(peak_gflops(precision)));
  }
  std::string names;
  for (const Precision precision : precisions) names += (names.empty() ? "" : ", ") + std::string(to_string(precision));
  context.emplace_back("precisions", names);
  context.emplace_back("bfloat16_unit", to_string(active_bfloat16_unit()));
  context.emplace_back("running_on", cpu_report().line());
  return context;
}

}  // namespace contexture::benchmarks
