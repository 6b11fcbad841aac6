// SPDX-License-Identifier: MIT
// Where a training step's time goes: while an OpProfiler lives, the ops that are worth naming add
// their wall-clock time to it. Without one, a timer costs the load of a pointer. For whole ops, in
// milliseconds, not for what happens inside a kernel: that is a sampling profiler's business.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <mutex>
#include <string_view>
#include <vector>

#include "contexture/core/error.hpp"

namespace contexture {

class OpProfiler;

namespace detail {
inline std::atomic<OpProfiler*>& active_profiler() noexcept {
  static std::atomic<OpProfiler*> active{nullptr};
  return active;
}
}  // namespace detail

/// What an OpProfiler counts: the wall clock, or the processor time of the whole process, which for one
/// thread on a busy machine is the better measure.
enum class ProfileClock { wall, processor };

/// All calls of one op.
struct OpTime {
  std::string_view op;  ///< "conv2d forward"
  std::uint64_t calls = 0;
  double seconds = 0;
  double bytes = 0;  ///< of tensors, read and written, as far as the op counts them: convolutions and batch-norm do
};

/// Adds up the time of every op of the process for as long as it lives; there can be one at a time,
/// and it must outlive the ops that began under it. Throws std::logic_error where there is one.
class OpProfiler {
 public:
  explicit OpProfiler(ProfileClock clock = ProfileClock::wall) : clock_(clock) {
    OpProfiler* none = nullptr;
    require_state(detail::active_profiler().compare_exchange_strong(none, this), "OpProfiler: there is one already");
  }
  ~OpProfiler() { detail::active_profiler().store(nullptr); }
  OpProfiler(const OpProfiler&) = delete;
  OpProfiler& operator=(const OpProfiler&) = delete;

  /// Now, in seconds of the chosen clock since some moment.
  [[nodiscard]] double now() const {
    if (clock_ == ProfileClock::processor) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  /// So far, in the order of first appearance.
  [[nodiscard]] std::vector<OpTime> times() const {
    const std::lock_guard lock(mutex_);
    return times_;
  }

  /// Seconds spent in one op; 0 for one that did not run.
  [[nodiscard]] double seconds(std::string_view op) const {
    for (const OpTime& time : times())
      if (time.op == op) return time.seconds;
    return 0;
  }

  /// For ops: `op` must be a string literal.
  void add(std::string_view op, double seconds, double bytes = 0) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(times_.begin(), times_.end(), [op](const OpTime& t) { return t.op == op; });
    OpTime& time = found != times_.end() ? *found : times_.emplace_back(OpTime{.op = op});
    ++time.calls;
    time.seconds += seconds;
    time.bytes += bytes;
  }

 private:
  ProfileClock clock_;
  mutable std::mutex mutex_;
  std::vector<OpTime> times_;
};

namespace detail {
// One call of an op, from construction to destruction; `op` is a string literal. `bytes`: what it reads and writes.
class OpTimer {
 public:
  explicit OpTimer(std::string_view op, double bytes = 0)
      : profiler_(active_profiler().load(std::memory_order_acquire)), op_(op), bytes_(bytes) {
    if (profiler_ != nullptr) start_ = profiler_->now();
  }
  ~OpTimer() {
    if (profiler_ != nullptr) profiler_->add(op_, profiler_->now() - start_, bytes_);
  }
  OpTimer(const OpTimer&) = delete;
  OpTimer& operator=(const OpTimer&) = delete;

 private:
  OpProfiler* profiler_;
  std::string_view op_;
  double bytes_;
  double start_ = 0;
};
}  // namespace detail

}  // namespace contexture
