// SPDX-License-Identifier: MIT
// A run as it goes, for whoever shows it before it ends: what it measured so far, where it is, and how long it takes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/data/split.hpp"
#include "contexture/study/checkpoint.hpp"
#include "contexture/study/phase_id.hpp"
#include "contexture/study/plan.hpp"
#include "contexture/study/results.hpp"
#include "contexture/train/progress.hpp"

namespace contexture {

/// Where a run is.
struct RunMoment {
  PhaseId id = {};  ///< of the phase under way
  PhaseInfo phase = {};
  std::int64_t step = 0;  ///< of that phase
  /// Until that phase has made its steps, and until the run has; empty: nothing was timed yet that would say.
  std::optional<double> phase_seconds_left = {}, seconds_left = {};
};

/// Sees a run as it goes. Called from the training thread, which waits meanwhile.
class RunWatcher {
 public:
  virtual ~RunWatcher() = default;
  /// Seconds between two calls of see() in a phase, at least.
  [[nodiscard]] virtual double every() const { return 5; }
  /// When a phase begins, and between two steps of it: what was measured, up to the phase's last row. Experiments of
  /// which no arm is finished are in the history alone.
  virtual void see(RunSummary so_far, const RunMoment& moment) = 0;
};

namespace detail {

// Images that the phases take in, by the plan.
inline std::vector<double> images_of(const RunPlan& plan, const std::vector<PhaseId>& phases) {
  std::vector<double> out;
  std::optional<std::uint64_t> seed;
  Split split;
  for (const PhaseId& phase : phases) {
    if (phase.pretraining()) {
      out.push_back(static_cast<double>(plan.pretraining_steps() * plan.pretraining_batch()));
      continue;
    }
    if (seed != phase.seed) split = plan.split(phase.seed);
    seed = phase.seed;
    const auto subset = static_cast<std::int64_t>(plan.labels(phase.seed, split, phase.label_fraction).size());
    const ArmPlan arm = plan.arm(phase, static_cast<std::int64_t>(split.train.size()), subset);
    out.push_back(static_cast<double>(arm.steps * arm.batch));
  }
  return out;
}

// How long images take, of what was measured.
struct Pace {
  double seconds = 0, images = 0;
  [[nodiscard]] std::optional<double> of(double work) const {
    return images > 0 ? std::optional(work * seconds / images) : std::nullopt;
  }
};

// The phases of a run, the work in them, and what is left of it.
class RunForecast {
 public:
  RunForecast(const RunPlan& plan, std::vector<PhaseId> phases)
      : phases_(std::move(phases)), images_(images_of(plan, phases_)) {}

  // From the beginning of the phase behind the one under way, whose pace so far is `now`; empty where a phase is left
  // of a kind that was not timed yet.
  [[nodiscard]] std::optional<double> seconds_behind(const PhaseId& phase, const Pace& now,
                                                     const RunState& state) const {
    Pace pretraining, arms;
    double pretraining_seconds = 0;
    for (std::size_t i = 0; i < phases_.size(); ++i)
      if (const auto made = state.pretraining.find(phases_[i]); made != state.pretraining.end()) {
        pretraining.seconds += made->second.seconds;
        pretraining.images += images_[i];
        pretraining_seconds = made->second.seconds;
      }
    for (const auto& [id, arm] : state.arms) {
      arms.seconds += arm.seconds;
      arms.images += static_cast<double>(arm.images);
    }
    Pace& under_way = phase.pretraining() ? pretraining : arms;
    under_way.seconds += now.seconds;
    under_way.images += now.images;
    double left = 0;
    bool behind = false;
    for (std::size_t i = 0; i < phases_.size(); ++i) {
      if (behind && !state.arms.contains(phases_[i]) && !state.pretraining.contains(phases_[i])) {
        const auto seconds = (phases_[i].pretraining() ? pretraining : arms).of(images_[i]);
        if (!seconds) return std::nullopt;
        left += *seconds + (phases_[i].arm == Arm::scratch_same_time ? pretraining_seconds : 0);
      }
      behind |= phases_[i] == phase;
    }
    return left;
  }

 private:
  std::vector<PhaseId> phases_;
  std::vector<double> images_;  // parallel to phases_
};

// Hands a progress on, and shows the run to its watcher.
class WatchedProgress final : public Progress {
 public:
  // `so_far` makes the summary of the phases that are done, `behind` tells the seconds that the phases behind this one
  // take, at the pace so far.
  WatchedProgress(Progress& told, RunWatcher& watcher, std::function<RunSummary()> so_far,
                  std::function<std::optional<double>(const PhaseId&, const Pace&)> behind)
      : told_(told), watcher_(watcher), so_far_(std::move(so_far)), behind_(std::move(behind)) {}

  // What begin() is going to begin.
  void enter(const PhaseId& phase) { moment_.id = phase; }

  void accepted() override { told_.accepted(); }
  void begin(const PhaseInfo& phase) override {
    told_.begin(phase);
    seen_ = so_far_();
    for (const HistoryRow& row : phase.rows) seen_.history.push_back({row, moment_.id});
    seconds_before_ = seen_.seconds_total;
    began_ = Clock::now();
    moment_.phase = phase;
    moment_.step = phase.first_step;
    show();
  }
  void step(std::int64_t step, double loss, double accuracy, double images_per_second) override {
    told_.step(step, loss, accuracy, images_per_second);
    moment_.step = step;
    if (since(shown_) >= watcher_.every()) show();
  }
  void row(const HistoryRow& row) override {
    told_.row(row);
    seen_.history.push_back({row, moment_.id});
  }
  void end(const PhaseInfo& phase) override { told_.end(phase); }
  void note(std::string_view text) override { told_.note(text); }

 private:
  using Clock = std::chrono::steady_clock;
  static double since(Clock::time_point then) { return std::chrono::duration<double>(Clock::now() - then).count(); }

  void show() {
    const auto batch = static_cast<double>(moment_.phase.images_per_step);
    const Pace now{since(began_), static_cast<double>(moment_.step - moment_.phase.first_step) * batch};
    moment_.phase_seconds_left = now.of(static_cast<double>(moment_.phase.steps - moment_.step) * batch);
    moment_.seconds_left = moment_.phase_seconds_left ? behind_(moment_.id, now) : std::nullopt;
    if (moment_.seconds_left) *moment_.seconds_left += *moment_.phase_seconds_left;
    seen_.seconds_total = seconds_before_ + now.seconds;
    watcher_.see(seen_, moment_);
    shown_ = Clock::now();
  }

  Progress& told_;
  RunWatcher& watcher_;
  std::function<RunSummary()> so_far_;
  std::function<std::optional<double>(const PhaseId&, const Pace&)> behind_;
  RunMoment moment_;
  RunSummary seen_;
  double seconds_before_ = 0;
  Clock::time_point began_, shown_;
};

}  // namespace detail

}  // namespace contexture
