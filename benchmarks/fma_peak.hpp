// What this machine can do at most, measured in the same run as what is compared with it.
#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>
#include <thread>

#include "contexture/core/cpu.hpp"
#include "contexture/core/memory.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/kernels/elementwise.hpp"

#define CONTEXTURE_KERNEL_SOURCE "fma_peak-inl.hpp"
#include "contexture/kernels/for_each_isa.hpp"

namespace contexture::benchmarks {

namespace detail {
inline float fma_chains(Index iterations) {
  using namespace contexture::kernels;
  CONTEXTURE_DISPATCH(fma_chains(iterations, 0.5f, 0.25f));
}
inline Index fma_chain_flops() {
  using namespace contexture::kernels;
  CONTEXTURE_DISPATCH(fma_chain_flops());
}
inline double seconds(bool of_this_thread) {
  if (!of_this_thread)
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Multiply-adds on so many threads, in GFLOP/s: the best of some runs, since a sleeping thread is not always woken on
// an idle processor. One thread is timed by its own CPU clock.
inline double fma_gflops(Index threads, Index iterations, int runs) {
  double best = 0;
  for (int run = 0; run < runs; ++run) {
    volatile float sink = 0;
    const double start = seconds(threads == 1);
    parallel_chunks(threads, threads, [&](Index, Index, Index) { sink = fma_chains(iterations); });
    best = std::max(
        best, 1e-9 * static_cast<double>(threads * iterations * fma_chain_flops()) / (seconds(threads == 1) - start));
  }
  return best;
}
}  // namespace detail

/// Waits until num_threads() threads have a core each, and says whether they do: to be called before anything is timed
/// on several. The processors of a virtual machine share a core of the host for seconds at a time, and two
/// threads then compute together what one does alone. Waits for a minute at most, all calls together.
inline bool await_cores() {
  static double patience = 60;
  static const double one = detail::fma_gflops(1, 200'000, 5);
  const Index threads = num_threads();
  while (detail::fma_gflops(threads, 200'000, 3) < 0.8 * one * static_cast<double>(threads)) {
    if (patience <= 0) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    patience -= 0.1;
  }
  return true;
}

/// Single-precision multiply-add peak of the active instruction set on num_threads() threads, in GFLOP/s.
inline double fma_peak_gflops() {
  await_cores();
  return detail::fma_gflops(num_threads(), 1'000'000, 30);
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

}  // namespace contexture::benchmarks
