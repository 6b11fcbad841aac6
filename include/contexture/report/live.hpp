// SPDX-License-Identifier: MIT
// The report's page while the run goes on: made by the same code as the finished one, from what was measured so far,
// but without figures of gnuplot, which take seconds; its script draws the curves. A thread of its own makes and writes
// it, so that training waits for a copy of the numbers only, and so that the page is written as long as the process
// lives, whatever takes it long. The page says when it was written.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "contexture/report/experiment_view.hpp"
#include "contexture/report/files.hpp"
#include "contexture/report/html.hpp"
#include "contexture/report/inputs.hpp"
#include "contexture/report/page.hpp"
#include "contexture/report/page_parts.hpp"
#include "contexture/report/pictures.hpp"
#include "contexture/report/text.hpp"
#include "contexture/study/results.hpp"
#include "contexture/study/watch.hpp"

namespace contexture::report {

namespace detail {

/// Where a run is, in words: "Phase 3 of 7: 10 % of labels, from scratch, seed 1. Step 120 of 400, 12 s left." and
/// "The whole run: about 3 min left."
[[nodiscard]] inline std::vector<std::string> progress_lines(const RunMoment& moment) {
  const PhaseInfo& phase = moment.phase;
  const auto left = [](double seconds) {
    return duration(seconds < 10 ? std::max(1.0, std::round(seconds)) : seconds);
  };
  std::string now = "Phase " + std::to_string(phase.number) + " of " + std::to_string(phase.of) + ": " +
                    clean(phase.title) + ". Step " + grouped(moment.step) + " of " + grouped(phase.steps);
  if (moment.step >= phase.steps)
    now += ", and is being evaluated";
  else if (moment.phase_seconds_left)
    now += ", " + left(*moment.phase_seconds_left) + " left";
  std::vector<std::string> out{now + "."};
  if (moment.seconds_left && phase.number < phase.of)
    out.push_back("The whole run: about " + left(*moment.seconds_left) + " left, and then the report.");
  return out;
}

/// The share of the run that is done: by time, where it is known how much is left, else by phases.
[[nodiscard]] inline double share_done(const RunMoment& moment, double seconds) {
  if (moment.seconds_left && seconds + *moment.seconds_left > 0) return seconds / (seconds + *moment.seconds_left);
  const double of_phase =
      moment.phase.steps > 0 ? static_cast<double>(moment.step) / static_cast<double>(moment.phase.steps) : 1.0;
  return (moment.phase.number - 1 + of_phase) / std::max(1, moment.phase.of);
}

[[nodiscard]] inline std::int64_t seconds_since_1970() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace detail

/// Keeps OUT/report.html current while a run goes on. What cannot be written is left out: the run itself finds out.
/// When it is destroyed without stop(), the page says that the run has ended.
class LivePage final : public RunWatcher {
 public:
  /// `out` exists; `inputs` (its test images too) outlive this; `every`: seconds between two writes. Where the page
  /// takes long to make, they are more: at most a fiftieth of the time goes into it.
  LivePage(const std::filesystem::path& out, ReportInputs inputs, double every = 10)
      : path_(out / "report.html"), inputs_(std::move(inputs)), every_(every) {
    if (const auto scene = detail::patches_scene(inputs_)) patches_ = scene->svg("What the pretext task sees");
  }
  ~LivePage() override {
    if (!stopped_) ended("The run has ended without finishing.", {});
  }
  LivePage(const LivePage&) = delete;
  LivePage& operator=(const LivePage&) = delete;

  [[nodiscard]] double every() const override { return every_ / 2; }

  void see(RunSummary so_far, const RunMoment& moment) override {
    const std::lock_guard lock(mutex_);
    const bool phase_began = !seen_ || !(seen_->moment.id == moment.id);
    seen_.emplace(std::move(so_far), moment);
    if (!thread_.joinable() && !stopped_) thread_ = std::thread([this] { keep_current(); });
    if (!phase_began) return;
    news_ = true;
    changed_.notify_one();
  }

  /// All phases are done; what follows has no steps to tell.
  void reporting() {
    const std::lock_guard lock(mutex_);
    reporting_ = news_ = true;
    changed_.notify_one();
  }

  /// The last write, of a run that ended before it was finished: the page says so in these words ("The run was
  /// stopped.", and why or what to do), and how far it was. Nothing where nothing was seen.
  void ended(const std::string& headline, const std::string& why) noexcept {
    stop();
    try {
      if (seen_) write(*seen_, {.headline = headline, .lines = lines(*seen_, why), .share = share(*seen_)});
    } catch (const std::exception&) {  // the disk, or memory: what ended the run, as like as not
    }
  }

  /// Nothing is written from here on: the finished report takes the page's place, or else ended() says why not.
  void stop() noexcept {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

 private:
  struct Seen {
    Seen(RunSummary s, RunMoment m) : summary(std::move(s)), moment(std::move(m)) {}
    RunSummary summary;
    RunMoment moment;
  };
  using Clock = std::chrono::steady_clock;
  static constexpr double kShareOfTime = 0.02;
  static constexpr double kFewestSeconds = 1;  // between two phases that are short

  static double share(const Seen& seen) { return detail::share_done(seen.moment, seen.summary.seconds_total); }

  static std::vector<std::string> lines(const Seen& seen, const std::string& why) {
    std::vector<std::string> out;
    if (!why.empty()) out.push_back(clean(why));
    const PhaseInfo& phase = seen.moment.phase;
    out.push_back("It was in phase " + std::to_string(phase.number) + " of " + std::to_string(phase.of) + ": " +
                  clean(phase.title) + ". Below is what it measured until then.");
    return out;
  }

  // The thread: a page now and then, at once where a phase begins.
  void keep_current() {
    double wait = 0;
    std::unique_lock lock(mutex_);
    while (!stopped_) {
      news_ = false;
      const Seen seen = *seen_;
      const bool reporting = reporting_;
      lock.unlock();
      const Clock::time_point began = Clock::now();
      wait = std::max(every_, wait);
      try {
        write(seen, {.headline = reporting ? "All is trained; the report is being made." : "The run goes on.",
                     .lines = reporting ? std::vector<std::string>{} : detail::progress_lines(seen.moment),
                     .share = reporting ? 1 : share(seen),
                     .going = true,
                     .every = wait});
      } catch (const std::exception&) {  // the next one, perhaps
      }
      const double took = std::chrono::duration<double>(Clock::now() - began).count();
      wait = took / kShareOfTime;
      lock.lock();
      const auto seconds = [](double s) { return std::chrono::duration<double>(s); };
      changed_.wait_for(lock, seconds(std::min(every_, std::max(kFewestSeconds, wait))), [this] { return stopped_; });
      changed_.wait_until(lock, began + std::chrono::duration_cast<Clock::duration>(seconds(std::max(every_, wait))),
                          [this] { return stopped_ || news_; });
    }
  }

  void write(const Seen& seen, detail::PageStatus status) {
    status.written = detail::seconds_since_1970();
    std::vector<ExperimentView> views = views_of(seen.summary);
    detail::DrawnFigures figures;
    if (!patches_.empty()) figures.svg["patches"] = patches_;
    const auto draw = [&](const char* name, const std::optional<detail::Plates>& scene, const char* description) {
      if (scene) figures.svg[name] = scene->svg(description);
    };
    draw("predictions", detail::predictions_scene(seen.summary, inputs_), "Test images with the answers of both arms");
    draw("confusion", detail::confusion_scene(seen.summary, views), "Confusion matrices of both arms");
    const bool going = status.going;
    const detail::UnderWay under_way{std::move(status), going ? std::optional(seen.moment.id) : std::nullopt};
    write_file(path_, detail::to_html(detail::report_document(seen.summary, views, inputs_, figures, &under_way)));
  }

  std::filesystem::path path_;
  ReportInputs inputs_;
  double every_;
  std::string patches_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Seen> seen_;
  bool news_ = false, reporting_ = false, stopped_ = false;
  std::thread thread_;
};

}  // namespace contexture::report
