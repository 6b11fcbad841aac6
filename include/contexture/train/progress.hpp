// SPDX-License-Identifier: MIT
// What a training tells while it goes, and how it is told to stop. Nothing is printed here.
#pragma once

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/train/history.hpp"

namespace contexture {

/// A wish to stop, set from anywhere (a signal handler too) and honoured between two steps.
class StopToken {
 public:
  void request() noexcept { requested_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool requested() const noexcept { return requested_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> requested_{false};
  static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");
};

/// A stop was requested and honoured; what() says where the run is and how to go on.
class Stopped : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One training among several.
struct PhaseInfo {
  std::string title;            ///< "10 % of labels, from scratch, seed 1"
  int number = 1, of = 1;       ///< which phase of how many
  std::int64_t first_step = 0;  ///< above 0 when resumed
  std::int64_t steps = 0;
  std::int64_t images_per_step = 0;
  std::vector<HistoryRow> rows = {};  ///< what was measured before first_step
};

/// What a run tells while it goes; every method may be left out. Called from the training thread.
class Progress {
 public:
  virtual ~Progress() = default;
  /// Once, before the first phase: configuration, data and files fit together. Unless the run resumes
  /// another, its folder has no weights and no checkpoint now.
  virtual void accepted() {}
  virtual void begin(const PhaseInfo&) {}
  /// After every optimiser step: steps taken so far, this batch's loss and accuracy, images/s.
  virtual void step(std::int64_t /*step*/, double /*loss*/, double /*accuracy*/, double /*images_per_second*/) {}
  virtual void row(const HistoryRow&) {}
  virtual void end(const PhaseInfo&) {}
  /// One line a person should read.
  virtual void note(std::string_view) {}
};

}  // namespace contexture
