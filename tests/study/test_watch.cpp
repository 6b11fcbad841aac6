// SPDX-License-Identifier: MIT
// A run shown while it goes on: every phase, its rows, what is left; and that being watched changes nothing.
#include <algorithm>
#include <vector>

#include "study/tiny_run.hpp"

using namespace tiny;
using runs::Folder, runs::same_rows;

namespace {

struct Watcher final : RunWatcher {
  double every() const override { return 0; }
  void see(RunSummary so_far, const RunMoment& moment) override {
    summaries.push_back(std::move(so_far));
    moments.push_back(moment);
  }
  std::vector<RunSummary> summaries;
  std::vector<RunMoment> moments;
};

}  // namespace

TEST_CASE("a watched run is seen in every phase, and gives the same as one that is not") {
  const Folder watched("watched"), alone("alone");
  const RunSummary expected = run(tiny_config(), alone.path);
  Watcher watcher;
  Progress silent;
  const RunSummary summary =
      run_experiments(tiny_config(), tiny_data(), {.out = watched.path, .watcher = &watcher}, silent);
  CHECK(same_rows(summary.history, expected.history));
  CHECK(weights_in(watched.path) == weights_in(alone.path));

  // At the beginning of each phase and after each step.
  REQUIRE(watcher.moments.size() == 5 + 8 + 14 + 14 + 8 + 8);
  for (std::size_t i = 0; i < watcher.moments.size(); ++i) {
    const RunMoment& m = watcher.moments[i];
    const RunSummary& s = watcher.summaries[i];
    CAPTURE(i, m.phase.title, m.step);
    CHECK(m.phase.of == 5);
    CHECK(m.phase_seconds_left.has_value() == (m.step > 0));
    CHECK(m.id.pretraining() == (m.phase.number == 1));
    // Of classifiers nothing is known while the encoder is pre-trained.
    CHECK(m.seconds_left.has_value() == (m.step > 0 && m.phase.number > 1));
    if (m.seconds_left) CHECK(*m.seconds_left >= *m.phase_seconds_left);
    CHECK(s.pretrain.has_value() == (m.phase.number > 1));
    CHECK(s.experiments.size() == static_cast<std::size_t>(std::max(0, m.phase.number - 1) / 2));
    CHECK(s.history.size() <= expected.history.size());
    CHECK(same_rows(s.history, {expected.history.begin(),
                                expected.history.begin() + static_cast<std::ptrdiff_t>(s.history.size())}));
  }
  CHECK(watcher.moments.back().step == watcher.moments.back().phase.steps);
  CHECK(watcher.summaries.back().history.size() + 4 > expected.history.size());
}

TEST_CASE("a run that is resumed is seen with what was measured before it was stopped") {
  const Folder parts("parts");
  StopToken stop;
  StopAfter stopping(stop, 8 + 10);
  Watcher watcher;
  CHECK_THROWS_AS(
      run_experiments(tiny_config(), tiny_data(), {.out = parts.path, .watcher = &watcher}, stopping, &stop), Stopped);
  const RunSummary before = watcher.summaries.back();
  Watcher again;
  Progress silent;
  (void)run_experiments(tiny_config(), tiny_data(), {.out = parts.path, .resume = true, .watcher = &again}, silent);
  REQUIRE_FALSE(again.moments.empty());
  CHECK(again.moments.front().phase.number == 2);
  CHECK(again.moments.front().step == 10);
  CHECK_FALSE(again.moments.front().phase_seconds_left.has_value());
  CHECK(same_rows(again.summaries.front().history, before.history));
}
