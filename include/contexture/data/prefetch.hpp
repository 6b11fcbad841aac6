// SPDX-License-Identifier: MIT
// A background thread that makes batches ahead of the training loop.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"

namespace contexture {

/// Calls `make(step)` for first_step <= step < last_step on a thread of its own, at most `depth`
/// results ahead, and hands them out in order. What `make` throws is thrown by next() in its place.
/// Parallel loops inside `make` run in that thread alone, so they never take the pool away from
/// the training loop. Throws InputError where the system gives no thread. Destruction waits for at most the one call of
/// `make` that is running.
template <class B>
class Prefetcher {
 public:
  Prefetcher(std::int64_t first_step, std::int64_t last_step, std::function<B(std::int64_t)> make,
             std::size_t depth = 4)
      : next_(first_step), last_(last_step), depth_(depth), make_(std::move(make)) {
    require(first_step <= last_step, "Prefetcher: steps ", first_step, " to ", last_step);
    require(depth >= 1, "Prefetcher: depth 0, expected 1 or more");
    require(static_cast<bool>(make_), "Prefetcher: no function to call");
    try {
      thread_ = std::thread([this] { produce(); });
    } catch (const std::system_error& error) {
      throw InputError(message("no thread can be started to make batches: ", error.code().message(),
                               " (a limit on memory or on processes: ulimit -v, -u)"));
    }
  }

  ~Prefetcher() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_.notify_all();
    thread_.join();
  }

  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /// The result of the next step; waits for it. Throws what `make` threw for that step (again on
  /// every further call), std::logic_error after the last step.
  B next() {
    std::unique_lock lock(mutex_);
    require_state(next_ < last_, "Prefetcher::next: called after the last step, ", last_ - 1);
    ready_.wait(lock, [this] { return !queue_.empty() || error_; });
    if (queue_.empty()) std::rethrow_exception(error_);
    B result = std::move(queue_.front());
    queue_.pop_front();
    ++next_;
    lock.unlock();
    room_.notify_one();
    return result;
  }

  /// Steps that next() has not handed out yet.
  [[nodiscard]] std::int64_t remaining() const {
    const std::lock_guard lock(mutex_);
    return last_ - next_;
  }

 private:
  void produce() {
    detail::inside_parallel_region() = true;
    const std::int64_t first = next_;  // nobody changes next_ before the first result is queued
    for (std::int64_t step = first; step < last_; ++step) {
      {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [this] { return stopping_ || queue_.size() < depth_; });
        if (stopping_) return;
      }
      try {
        B result = make_(step);
        const std::lock_guard lock(mutex_);
        queue_.push_back(std::move(result));
      } catch (...) {
        const std::lock_guard lock(mutex_);
        error_ = std::current_exception();
      }
      ready_.notify_one();
      if (error_) return;
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable ready_;  // a result or an error is there
  std::condition_variable room_;   // the queue has room, or it is time to stop
  std::deque<B> queue_;
  std::exception_ptr error_;
  bool stopping_ = false;
  std::int64_t next_;  // the step that next() hands out
  const std::int64_t last_;
  const std::size_t depth_;
  const std::function<B(std::int64_t)> make_;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace contexture
