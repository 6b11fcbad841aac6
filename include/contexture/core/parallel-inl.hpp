// SPDX-License-Identifier: MIT
// The pool of threads behind core/parallel.hpp.
#pragma once

#include <pthread.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include "contexture/core/error.hpp"
#include "contexture/core/limits.hpp"
#include "contexture/core/parallel.hpp"

namespace contexture {
namespace detail {

inline void cpu_relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();  // not _mm_pause(): its header costs every source a tenth of a second
#endif
}

CONTEXTURE_FUNCTION int current_processor() noexcept {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

CONTEXTURE_FUNCTION void leave_processor([[maybe_unused]] int processor) noexcept {
#if defined(__linux__)
  cpu_set_t allowed;
  if (processor < 0 || sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) < 2) return;
  cpu_set_t others = allowed;
  CPU_CLR(static_cast<std::size_t>(processor), &others);
  if (sched_setaffinity(0, sizeof(others), &others) == 0) sched_setaffinity(0, sizeof(allowed), &allowed);
#endif
}

inline constexpr int kMaxThreads = 1024;

CONTEXTURE_FUNCTION int initial_thread_count() {
  const char* text = std::getenv("CONTEXTURE_NUM_THREADS");
  if (text == nullptr || *text == '\0') return available_processors();
  int n = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, n);
  require(error == std::errc() && stop == end && n >= 1 && n <= kMaxThreads, "CONTEXTURE_NUM_THREADS: '", text,
          "', expected a whole number from 1 to ", kMaxThreads);
  return n;
}

CONTEXTURE_FUNCTION bool& inside_parallel_region() noexcept {
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
    shares_ = std::make_unique<Share[]>(static_cast<std::size_t>(n));
    threads_.store(n, std::memory_order_relaxed);
  }

  void run(Index chunks, void (*task)(void*, Index), void* context) {
    std::unique_lock busy(busy_, std::defer_lock);
    // Serial when there is nothing to share, inside a chunk, or while another thread of the
    // application holds the pool (its own work is then parallel already).
    if (chunks <= 1 || threads() == 1 || inside_parallel_region() || !busy.try_lock()) {
      for (Index chunk = 0; chunk < chunks; ++chunk) task(context, chunk);
      return;
    }
    start_workers();
    callers_processor_.store(current_processor(), std::memory_order_relaxed);
    {
      const std::lock_guard lock(mutex_);
      call_ = task;
      context_ = context;
      share_out(chunks);
      error_ = nullptr;
      open_ = true;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    work(0);
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

  // The chunks that a thread begins with, neighbours: the next loop over the same data gives it the same part again,
  // which its own cache may still hold. Whoever is done helps the others.
  struct alignas(64) Share {
    std::atomic<Index> next{0};
    Index end = 0;
  };

  explicit ThreadPool(int threads, ThreadPool* former = nullptr)
      : former_(former), threads_(threads), shares_(std::make_unique<Share[]>(static_cast<std::size_t>(threads))) {}

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
      for (int i = 1; i < threads(); ++i) workers_.emplace_back([this, i, seen] { worker(i, seen); });
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

  void share_out(Index chunks) {
    const Index base = chunks / threads(), extra = chunks % threads();  // the first `extra` shares have one more
    Index begin = 0;
    for (int i = 0; i < threads(); ++i) {
      Share& share = shares_[static_cast<std::size_t>(i)];
      share.next.store(begin, std::memory_order_relaxed);
      begin = share.end = begin + base + (i < extra ? 1 : 0);
    }
  }

  void worker(int own, std::uint64_t seen) {
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
      work(own);
      if (active_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        const std::lock_guard lock(mutex_);
        done_.notify_one();
      }
    }
  }

  // All chunks that nobody has taken, those of the thread's own share first.
  void work(int own) {
    inside_parallel_region() = true;
    for (int i = 0; i < threads(); ++i) {
      Share& share = shares_[static_cast<std::size_t>((own + i) % threads())];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const Index chunk = share.next.fetch_add(1, std::memory_order_relaxed);
        if (chunk < share.end) call(chunk);
      }
    }
    inside_parallel_region() = false;
  }

  void call(Index chunk) {
    try {
      call_(context_, chunk);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
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
  std::atomic<int> active_{0};  // workers in the loop; grows only while it is open
  std::atomic<int> callers_processor_{-1};
  std::unique_ptr<Share[]> shares_;  // of the caller, and of each worker
  void (*call_)(void*, Index) = nullptr;
  void* context_ = nullptr;
  std::exception_ptr error_;
  bool open_ = false;  // workers may join the loop
  bool stopping_ = false;
};

CONTEXTURE_FUNCTION void run_chunks(Index chunks, void (*task)(void* context, Index chunk), void* context) {
  ThreadPool::instance().run(chunks, task, context);
}

}  // namespace detail

CONTEXTURE_FUNCTION int num_threads() { return detail::ThreadPool::instance().threads(); }

CONTEXTURE_FUNCTION void set_num_threads(int n) { detail::ThreadPool::instance().resize(n); }

}  // namespace contexture
