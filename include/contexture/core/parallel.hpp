// SPDX-License-Identifier: MIT
// The library's threads: one pool, started on first use, of num_threads() - 1 workers; the
// caller works too. Loops are cut into chunks whose bounds never depend on timing, so a loop
// that reduces per chunk and combines in chunk order gives the same bits every time.
// No OpenMP: its runtime would be forced on every application that includes the headers.
#pragma once

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <type_traits>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include "contexture/core/error.hpp"
#include "contexture/core/limits.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {
namespace detail {

inline void cpu_relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();  // not _mm_pause(): its header costs every source a tenth of a second
#endif
}

// The processor that the calling thread runs on; -1 where the system does not say.
inline int current_processor() noexcept {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

// Moves the calling thread to another of the processors that it may run on, where there is one, and ties it to none.
inline void leave_processor([[maybe_unused]] int processor) noexcept {
#if defined(__linux__)
  cpu_set_t allowed;
  if (processor < 0 || sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) < 2) return;
  cpu_set_t others = allowed;
  CPU_CLR(static_cast<std::size_t>(processor), &others);
  if (sched_setaffinity(0, sizeof(others), &others) == 0) sched_setaffinity(0, sizeof(allowed), &allowed);
#endif
}

inline constexpr int kMaxThreads = 1024;

inline int initial_thread_count() {
  const char* text = std::getenv("CONTEXTURE_NUM_THREADS");
  if (text == nullptr || *text == '\0') return available_processors();
  int n = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, n);
  require(error == std::errc() && stop == end && n >= 1 && n <= kMaxThreads, "CONTEXTURE_NUM_THREADS: '", text,
          "', expected a whole number from 1 to ", kMaxThreads);
  return n;
}

// True in a thread that is running a chunk; nested loops then run in that thread alone.
inline bool& inside_parallel_region() noexcept {
  thread_local bool inside = false;
  return inside;
}

class ThreadPool {
 public:
  // Lives for ever, so that destructors of global objects may run loops as well.
  static ThreadPool& instance() {
    static const Lifetime lifetime;
    return *current_;
  }

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const noexcept { return threads_.load(std::memory_order_relaxed); }

  void resize(int n) {
    require(n >= 1 && n <= kMaxThreads, "set_num_threads: ", n, ", expected 1 to ", kMaxThreads);
    require_state(!inside_parallel_region(), "set_num_threads: called from inside a parallel loop");
    const std::lock_guard busy(busy_);
    stop_workers();
    threads_.store(n, std::memory_order_relaxed);
  }

  // Calls task(chunk) for every chunk in [0, chunks); returns when all are done. The first
  // exception thrown by a chunk is rethrown here, when no other is running (some may not have run).
  template <class Task>
  void run(Index chunks, Task& task) {
    std::unique_lock busy(busy_, std::defer_lock);
    // Serial when there is nothing to share, inside a chunk, or while another thread of the
    // application holds the pool (its own work is then parallel already).
    if (chunks <= 1 || threads() == 1 || inside_parallel_region() || !busy.try_lock()) {
      for (Index chunk = 0; chunk < chunks; ++chunk) task(chunk);
      return;
    }
    start_workers();
    callers_processor_.store(current_processor(), std::memory_order_relaxed);
    {
      const std::lock_guard lock(mutex_);
      call_ = [](void* context, Index chunk) { (*static_cast<Task*>(context))(chunk); };
      context_ = &task;
      chunks_ = chunks;
      next_.store(0, std::memory_order_relaxed);
      error_ = nullptr;
      open_ = true;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    work();
    {
      // All chunks are taken: a worker that has not woken yet, on a busy machine for milliseconds, is not waited for.
      const std::lock_guard lock(mutex_);
      open_ = false;
    }
    for (int spins = 0; active_.load(std::memory_order_acquire) != 0; ++spins) {
      if (spins < kSpins) {
        cpu_relax();
        continue;
      }
      std::unique_lock lock(mutex_);
      done_.wait(lock, [this] { return active_.load(std::memory_order_acquire) == 0; });
    }
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  // Workers poll this often before they sleep: about 20 us, the gap between two layers. A tenth and ten times as
  // many are slower in training (docs/performance.md): the thread that prepares batches wants the core as well.
  static constexpr int kSpins = 1500;

  explicit ThreadPool(int threads, ThreadPool* former = nullptr) : former_(former), threads_(threads) {}

  // Workers end with main(), or when the shared library that has them is unloaded; a loop that comes later starts them
  // anew. A process that fork() makes has none of them, and locks as another thread left them: it gets a pool of its
  // own.
  struct Lifetime {
    Lifetime() {
      current_ = new ThreadPool(initial_thread_count());
      ::pthread_atfork(nullptr, nullptr, [] { current_ = new ThreadPool(current_->threads(), current_); });
    }
    ~Lifetime() {
      const std::unique_lock idle(current_->busy_, std::try_to_lock);
      if (idle) current_->stop_workers();  // else a thread that main() left behind runs a loop
    }
    Lifetime(const Lifetime&) = delete;
    Lifetime& operator=(const Lifetime&) = delete;
  };

  void start_workers() {
    if (!workers_.empty()) return;
    stopping_ = false;
    const std::uint64_t seen = generation_.load(std::memory_order_relaxed);
    // Where the system gives no more threads, those that there are do the work.
    try {
      for (int i = 1; i < threads(); ++i) workers_.emplace_back([this, seen] { worker(seen); });
    } catch (const std::system_error&) {
    }
  }

  void stop_workers() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  // Where the system starts or wakes a worker on the caller's processor, it may take a tenth of a second until it moves
  // one of them, and up to then both together are slower than one (seen on virtual machines). So the worker moves
  // away itself; no more often than every 10 ms, in case there is no free processor.
  void part_from_caller(std::chrono::steady_clock::time_point& last) const noexcept {
    const int processor = current_processor();
    if (processor < 0 || processor != callers_processor_.load(std::memory_order_relaxed)) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - last < std::chrono::milliseconds(10)) return;
    last = now;
    leave_processor(processor);
  }

  void worker(std::uint64_t seen) {
    std::chrono::steady_clock::time_point parted{};
    for (;;) {
      for (int spins = 0; spins < kSpins && generation_.load(std::memory_order_acquire) == seen; ++spins) cpu_relax();
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
        seen = generation_.load(std::memory_order_relaxed);
        if (stopping_) return;
        if (!open_) continue;  // too late: the others did it all
        active_.fetch_add(1, std::memory_order_relaxed);
      }
      part_from_caller(parted);
      work();
      if (active_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        const std::lock_guard lock(mutex_);
        done_.notify_one();
      }
    }
  }

  void work() {
    inside_parallel_region() = true;
    for (Index chunk = next_.fetch_add(1); chunk < chunks_; chunk = next_.fetch_add(1)) {
      try {
        call_(context_, chunk);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
      }
    }
    inside_parallel_region() = false;
  }

  static inline ThreadPool* current_ = nullptr;
  [[maybe_unused]] ThreadPool* const
      former_;  // of the process that this one was forked from: nothing of it may be touched
  std::atomic<int> threads_;
  std::vector<std::thread> workers_;
  std::mutex busy_;   // held for the length of one loop
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::condition_variable done_;
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<Index> next_{0};
  std::atomic<int> active_{0};  // workers in the loop; grows only while it is open
  std::atomic<int> callers_processor_{-1};
  Index chunks_ = 0;
  void (*call_)(void*, Index) = nullptr;
  void* context_ = nullptr;
  std::exception_ptr error_;
  bool open_ = false;  // workers may join the loop
  bool stopping_ = false;
};

}  // namespace detail

/// Threads that parallel loops use, the caller included. Initially CONTEXTURE_NUM_THREADS, or the number of processors
/// that affinity and the quota of its control group grant this process. A process made by fork() starts its own, unless
/// a loop called fork().
[[nodiscard]] inline int num_threads() { return detail::ThreadPool::instance().threads(); }

/// Sets the number of threads, 1 to 1024; waits for a loop that is running.
inline void set_num_threads(int n) { detail::ThreadPool::instance().resize(n); }

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
  detail::ThreadPool::instance().run(chunks, task);
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
