// SPDX-License-Identifier: MIT
// The library's threads: one pool, started on first use, of num_threads() - 1 workers; the
// caller works too. Loops are cut into chunks whose bounds never depend on timing, so a loop
// that reduces per chunk and combines in chunk order gives the same bits every time.
// No OpenMP: its runtime would be forced on every application that includes the headers.
#pragma once

#include <algorithm>

#include "contexture/core/compiled.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {
namespace detail {

// The processor that the calling thread runs on; -1 where the system does not say.
CONTEXTURE_FUNCTION int current_processor() noexcept;

// Moves the calling thread to another of the processors that it may run on, where there is one, and ties it to none.
CONTEXTURE_FUNCTION void leave_processor(int processor) noexcept;

CONTEXTURE_FUNCTION int initial_thread_count();

// True in a thread that is running a chunk; nested loops then run in that thread alone.
[[nodiscard]] CONTEXTURE_FUNCTION bool& inside_parallel_region() noexcept;

// Calls task(context, chunk) for every chunk in [0, chunks), in parallel; returns when all are done. The first
// exception thrown by a chunk is rethrown here, when no other is running (some may not have run).
CONTEXTURE_FUNCTION void run_chunks(Index chunks, void (*task)(void* context, Index chunk), void* context);

}  // namespace detail

/// Threads that parallel loops use, the caller included. Initially CONTEXTURE_NUM_THREADS, or the number of processors
/// that affinity and the quota of its control group grant this process. A process made by fork() starts its own, unless
/// a loop called fork().
[[nodiscard]] CONTEXTURE_FUNCTION int num_threads();

/// Sets the number of threads, 1 to 1024; waits for a loop that is running.
CONTEXTURE_FUNCTION void set_num_threads(int n);

/// Calls f(chunk, begin, end) for `chunks` contiguous parts of [0, n), in parallel. Which part
/// belongs to which chunk depends on n and chunks only: reduce into slot `chunk`, then combine
/// the slots in order, and the result has the same bits with any number of threads.
template <class F>
void parallel_chunks(Index n, Index chunks, F&& f) {
  if (n <= 0 || chunks <= 0) return;
  chunks = std::min(chunks, n);
  auto task = [&](Index chunk) {
    const Index base = n / chunks;
    const Index extra = n % chunks;  // the first `extra` chunks get one more
    const Index begin = chunk * base + std::min(chunk, extra);
    f(chunk, begin, begin + base + (chunk < extra ? 1 : 0));
  };
  detail::run_chunks(
      chunks, [](void* context, Index chunk) { (*static_cast<decltype(task)*>(context))(chunk); }, &task);
}

/// Calls f(begin, end) over disjoint ranges that cover [0, n), in parallel; no range but the
/// only one is shorter than about `grain` items (choose it so that a range takes >= 10 us).
template <class F>
void parallel_for(Index n, Index grain, F&& f) {
  if (n <= 0) return;
  const Index most = (n + std::max<Index>(grain, 1) - 1) / std::max<Index>(grain, 1);
  const Index threads = num_threads();
  // Four ranges a thread even out a machine whose cores are not equally fast at the moment.
  const Index chunks = threads == 1 ? 1 : std::min<Index>(most, 4 * threads);
  parallel_chunks(n, chunks, [&](Index, Index begin, Index end) { f(begin, end); });
}

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/core/parallel-inl.hpp"
#endif
