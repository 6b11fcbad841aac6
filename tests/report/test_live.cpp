// SPDX-License-Identifier: MIT
// The page of a run that goes on: what it says, that it is written while nothing else happens, and how it ends.
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "contains.hpp"
#include "contexture/report/live.hpp"
#include "contexture/report/report.hpp"
#include "made_up_run.hpp"
#include "report_files.hpp"
#include "support/catch.hpp"

using namespace contexture;
using report::LivePage, report::detail::TemporaryFolder;

namespace {

RunMoment moment_of(const PhaseId& id, int number) {
  return {.id = id,
          .phase = {.title = "10 % of labels, pre-trained, seed 0", .number = number, .of = 7, .steps = 400},
          .step = 120};
}

// The page, as soon as it is what is waited for.
template <class Wanted>
std::string page_when(const std::filesystem::path& page, Wanted wanted) {
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    text = report::detail::read_file(page).value_or("");
    if (!text.empty() && wanted(text)) return text;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  FAIL("the page did not become what was waited for");
  return text;
}
std::string page_with(const std::filesystem::path& page, const std::string& words) {
  return page_when(page, [&](const std::string& text) { return contains(text, words); });
}

}  // namespace

TEST_CASE("progress in words", "[report]") {
  RunMoment moment = moment_of({0.1, Arm::pretrained, 0}, 3);
  using report::detail::progress_lines, report::detail::share_done;
  CHECK(progress_lines(moment) ==
        std::vector<std::string>{"Phase 3 of 7: 10 % of labels, pre-trained, seed 0. Step 120 of 400."});
  CHECK(share_done(moment, 60) == Approx(2.3 / 7));
  moment.phase_seconds_left = 0.2;
  moment.seconds_left = 180.2;
  CHECK(progress_lines(moment) ==
        std::vector<std::string>{"Phase 3 of 7: 10 % of labels, pre-trained, seed 0. Step 120 of 400, 1.0 s left.",
                                 "The whole run: about 3 min left, and then the report."});
  CHECK(share_done(moment, 60) == Approx(60 / 240.2));
  moment.step = 400;
  moment.phase.number = 7;
  CHECK(progress_lines(moment) ==
        std::vector<std::string>{
            "Phase 7 of 7: 10 % of labels, pre-trained, seed 0. Step 400 of 400, and is being evaluated."});
}

TEST_CASE("a live page shows a run from its first phase on", "[report]") {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "report.html";
  made_up::Run run = made_up::make({.seeds = 2, .fractions = {1, 0.1}});
  const RunSummary whole = run.summary;
  RunSummary begun = whole;
  begun.experiments.clear();
  begun.pretrain.reset();
  std::erase_if(begun.history, [](const PhaseRow& row) { return !row.phase.pretraining() || row.step > 100; });
  LivePage live(folder.path(), run.inputs(), 60);
  CHECK_FALSE(std::filesystem::exists(file));
  live.see(begun, moment_of(pretraining_phase(0), 1));
  std::string page = page_with(file, "Phase 1 of 7");
  check_balanced(page);
  check_self_contained(page);
  CHECK(contains(page, "<noscript><meta http-equiv=\"refresh\" content=\"60\"></noscript>"));
  CHECK(contains(page, "The run goes on."));
  CHECK(contains(page, "No classifier is finished yet."));
  CHECK(contains(page, "It is not finished yet."));
  CHECK(contains(page, "\"under_way\":{\"key\":null,\"arm\":\"pretext\",\"seed\":0}"));
  CHECK(contains(page, "What the pretext task sees"));
  for (const char* no : {"No experiment was run", "ended without a result", "The encoder was given"})
    CHECK_FALSE(contains(page, no));

  // The pre-trained arm of the second seed is under way, with a tenth of the labels.
  RunSummary later = whole;
  later.experiments[1].seeds = {0};
  later.experiments[1].pretrained.pop_back();
  later.experiments[1].scratch.pop_back();
  std::erase_if(later.history, [](const PhaseRow& row) {
    return row.phase == PhaseId{0.1, Arm::pretrained, 1} && row.step > 300;
  });
  live.see(later, moment_of({0.1, Arm::pretrained, 1}, 7));
  page = page_with(file, "Phase 7 of 7");
  check_balanced(page);
  CHECK(contains(page, "With what is finished so far: Use classifier_100_"));
  CHECK(contains(page, "\"under_way\":{\"key\":\"10\",\"arm\":\"pretrained\",\"seed\":1}"));
  CHECK(contains(page, "\"seeds\":[0,1]"));
  CHECK(contains(page, "id=\"figure-predictions\""));

  live.reporting();
  page = page_with(file, "the report is being made");
  live.stop();
  write_report(whole, {}, folder.path());
  live.see(later, moment_of({0.1, Arm::scratch, 1}, 6));  // nothing is written any more
  page = text_of(file);
  CHECK_FALSE(contains(page, "run-status\""));
  CHECK_FALSE(contains(page, "http-equiv"));
  CHECK_FALSE(contains(page, "under_way\":"));
}

TEST_CASE("a live page is written again though nothing was seen since", "[report]") {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "report.html";
  LivePage live(folder.path(), {}, 0.02);
  live.see(made_up::make({.seeds = 1}).summary, moment_of({0.1, Arm::pretrained, 0}, 7));
  (void)page_with(file, "Phase 7 of 7");
  std::filesystem::remove(file);
  (void)page_with(file, "Phase 7 of 7");
}

TEST_CASE("a live page says how a run ended", "[report]") {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "report.html";
  const RunSummary run = made_up::make({.seeds = 1}).summary;
  {
    LivePage live(folder.path(), {}, 60);
    live.ended("The run has failed.", "before anything was seen");
    CHECK_FALSE(std::filesystem::exists(file));
  }
  {
    LivePage live(folder.path(), {}, 60);
    live.see(run, moment_of({0.1, Arm::pretrained, 0}, 7));
    live.ended("The run was stopped.", "<Again> goes on");
    const std::string page = text_of(file);
    check_balanced(page);
    CHECK(contains(page, "The run was stopped."));
    CHECK(contains(page, "&lt;Again&gt; goes on"));
    CHECK(contains(page, "It was in phase 7 of 7: 10"));
    for (const char* no : {"http-equiv", "data-going", "goes on.", "while the run", "under_way\":"})
      CHECK_FALSE(contains(page, no));
  }
  {
    LivePage live(folder.path(), {}, 60);
    live.see(run, moment_of({0.1, Arm::pretrained, 0}, 7));
  }
  CHECK(contains(text_of(file), "The run has ended without finishing."));
  // A folder that is gone is the run's trouble, not the page's.
  LivePage live(folder.path() / "gone", {}, 60);
  live.see(run, moment_of({0.1, Arm::pretrained, 0}, 7));
  live.ended("The run has failed.", "no folder");
}
