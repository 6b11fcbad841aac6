// SPDX-License-Identifier: MIT
// Writes reports of made-up runs for the page's own tests (scripts/test.sh --page): write_samples FOLDER makes
// FOLDER/three (three label fractions, three seeds), FOLDER/arms (with further arms), FOLDER/one (one seed, names that
// are markup) and FOLDER/nothing.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <random>

#include "contexture/report/report.hpp"
#include "report/made_up_run.hpp"

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "Usage: write_samples FOLDER\n"), 2;
  const std::filesystem::path folder = argv[1];
  try {
    const made_up::Run three = made_up::make({.class_names = {"house", "car", "tree", "a name that goes on and on"}});
    contexture::write_report(three.summary, three.inputs(), folder / "three");
    const made_up::Run one = made_up::make(
        {.seeds = 1, .pretrain = false, .fractions = {0.1}, .class_names = {"</script><b>x", "a & \"b\"", "it's"}});
    contexture::write_report(one.summary, one.inputs(), folder / "one");
    made_up::Run arms = made_up::make({.fractions = {1, 0.1}});
    std::mt19937 dice(2);
    contexture::ExperimentResult& few = arms.summary.experiments.back();
    for (const auto arm : {contexture::Arm::scratch_selftrained, contexture::Arm::scratch_same_time})
      for (const std::uint64_t seed : few.seeds)
        few.more[arm].push_back(made_up::made_up_arm(arms, {}, few.label_fraction, arm, seed, 0.8, 6, dice));
    contexture::write_report(arms.summary, arms.inputs(), folder / "arms");
    contexture::write_report({}, {}, folder / "nothing");
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "write_samples: %s\n", error.what()), 1;
  }
  return 0;
}
