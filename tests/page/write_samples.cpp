// SPDX-License-Identifier: MIT
// Writes reports of made-up runs for the page's own tests (scripts/test.sh --page): write_samples FOLDER makes
// FOLDER/three (three label fractions, three seeds), FOLDER/arms (with further arms), FOLDER/one (one seed, names that
// are markup) and FOLDER/nothing; and pages of runs that are not finished: FOLDER/early and FOLDER/live, each with
// going.html, while it goes on, and report.html, after it was stopped.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <random>
#include <thread>

#include "contexture/report/live.hpp"
#include "contexture/report/report.hpp"
#include "report/made_up_run.hpp"

namespace {

using namespace contexture;

// The page of a run of which all but the last arm is done, or (`early`) nothing but half of the pre-training.
void write_live(made_up::Run run, const std::filesystem::path& out, bool early) {
  RunSummary& s = run.summary;
  RunMoment moment{.id = {0.1, Arm::pretrained, 2},
                   .phase = {.title = "10 % of labels, pre-trained, seed 2", .number = 21, .of = 21, .steps = 1000},
                   .step = 400,
                   .phase_seconds_left = 24,
                   .seconds_left = 24};
  if (early) {
    moment = {.id = pretraining_phase(0),
              .phase = {.title = "pre-training by context prediction, no labels, seed 0", .of = 7, .steps = 500},
              .step = 250};
    s.experiments.clear();
    s.pretrain.reset();
    std::erase_if(s.history, [](const PhaseRow& row) { return !row.phase.pretraining() || row.step > 250; });
  } else {
    ExperimentResult& few = s.experiments.back();
    few.seeds.pop_back();
    few.scratch.pop_back();
    few.pretrained.pop_back();
    std::erase_if(s.history, [&](const PhaseRow& row) { return row.phase == moment.id && row.step > 400; });
  }
  report::make_folder(out);
  const std::filesystem::path page = out / "report.html";
  std::filesystem::remove(page);
  report::LivePage live(out, run.inputs(), 2);
  live.see(s, moment);
  for (int i = 0; i < 500 && !std::filesystem::exists(page); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  std::filesystem::copy_file(page, out / "going.html", std::filesystem::copy_options::overwrite_existing);
  live.ended("The run was stopped.", "Start it again to go on.");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "Usage: write_samples FOLDER\n"), 2;
  const std::filesystem::path folder = argv[1];
  try {
    const made_up::Run three = made_up::make({.class_names = {"house", "car", "tree", "a name that goes on and on"}});
    write_report(three.summary, three.inputs(), folder / "three");
    const made_up::Run one = made_up::make(
        {.seeds = 1, .pretrain = false, .fractions = {0.1}, .class_names = {"</script><b>x", "a & \"b\"", "it's"}});
    write_report(one.summary, one.inputs(), folder / "one");
    made_up::Run arms = made_up::make({.fractions = {1, 0.1}});
    std::mt19937 dice(2);
    ExperimentResult& few = arms.summary.experiments.back();
    for (const auto arm : {Arm::scratch_selftrained, Arm::scratch_same_time})
      for (const std::uint64_t seed : few.seeds)
        few.more[arm].push_back(made_up::made_up_arm(arms, {}, few.label_fraction, arm, seed, 0.8, 6, dice));
    write_report(arms.summary, arms.inputs(), folder / "arms");
    write_report({}, {}, folder / "nothing");
    write_live(made_up::make({.seeds = 1}), folder / "early", true);
    write_live(three, folder / "live", false);
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "write_samples: %s\n", error.what()), 1;
  }
  return 0;
}
