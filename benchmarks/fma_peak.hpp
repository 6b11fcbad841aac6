// What this machine can do at most, measured in the same run as what is compared with it.
#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>

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
}  // namespace detail

/// Single-precision multiply-add peak of the active instruction set on num_threads() threads,
/// in GFLOP/s: the best of thirty runs of a few ms (a
/// sleeping thread is not always woken on an idle processor). One thread is timed by its own CPU clock.
inline double fma_peak_gflops() {
  const Index threads = num_threads(), iterations = 1000000;
  double best = 0;
  for (int run = 0; run < 30; ++run) {
    volatile float sink = 0;
    const double start = detail::seconds(threads == 1);
    parallel_chunks(threads, threads, [&](Index, Index, Index) { sink = detail::fma_chains(iterations); });
    const double seconds = detail::seconds(threads == 1) - start;
    best = std::max(best, static_cast<double>(threads * iterations * detail::fma_chain_flops()) / seconds * 1e-9);
  }
  return best;
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
