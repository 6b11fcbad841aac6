// SPDX-License-Identifier: MIT
// Students and the arm of the same time in a report: which arms are compared, what they took in all, and in what words.
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "contexture/report/json.hpp"
#include "contexture/report/page_further_arms.hpp"
#include "contexture/report/terminal.hpp"
#include "report/made_up_run.hpp"
#include "support/catch.hpp"

using namespace contexture;
namespace r = contexture::report;
using Catch::Matchers::ContainsSubstring;

namespace {

// With a tenth of the labels, students of both arms and one of the same time; accuracies as given.
made_up::Run with_further_arms(double scratch_student, double pretrained_student, double same_time) {
  made_up::Run run = made_up::make();
  std::mt19937 dice(2);
  ExperimentResult& e = run.summary.experiments.back();
  const auto add = [&](Arm arm, double best) {
    for (const std::uint64_t seed : e.seeds) {
      e.more[arm].push_back(made_up::made_up_arm(run, {}, e.label_fraction, arm, seed, best, 6, dice));
      e.more[arm].back().seconds = 100;
    }
  };
  add(Arm::scratch_selftrained, scratch_student);
  add(Arm::pretrained_selftrained, pretrained_student);
  add(Arm::scratch_same_time, same_time);
  return run;
}

std::string cells_of(const r::detail::Rows& rows) {
  std::string out;
  for (const auto& row : rows)
    for (const r::detail::Cell& cell : row) out += cell.text + "|";
  return out;
}

}  // namespace

TEST_CASE("further arms: time is counted with the teacher and pre-training, arms are compared with their like") {
  const made_up::Run run = with_further_arms(0.8, 0.9, 0.8);
  const std::vector<r::FurtherArms> all = r::further_arms(run.summary);
  REQUIRE(all.size() == 1);
  const r::FurtherArms& f = all[0];
  CHECK(f.key == "10");
  REQUIRE(f.arms.size() == 5);
  const auto before = [&](std::size_t i) { return f.arms[i].before; };
  CHECK(before(0) == 0);    // from scratch
  CHECK(before(1) == 90);   // pre-trained
  CHECK(before(2) == 40);   // its student: the teacher
  CHECK(before(3) == 130);  // pre-training and the teacher
  CHECK(before(4) == 0);    // the same time
  CHECK(f.arms[3].view.seconds.mean == 100);
  REQUIRE(f.comparisons.size() == 6);
  const auto& worth = f.comparisons[1];
  CHECK((worth.arm == Arm::pretrained_selftrained && worth.base == Arm::scratch_selftrained));
  const ExperimentResult& e = run.summary.experiments.back();
  for (std::size_t s = 0; s < 3; ++s)
    CHECK(worth.view.difference.per_seed[s] ==
          Approx(e.more.at(worth.arm)[s].test_accuracy - e.more.at(worth.base)[s].test_accuracy));
  CHECK(f.comparisons[5].base == Arm::scratch_same_time);
  CHECK(r::further_arms(made_up::make().summary).empty());

  // From scratch with a tenth 0.76 + wobble, with all labels 0.85 + wobble.
  const double scratch = f.arms[0].view.test_accuracy.mean;
  const double all_labels = r::views_of(run.summary)[0].scratch.test_accuracy.mean;
  CHECK(f.arms[0].gap_closed == 0);
  for (const r::ArmTotal& a : f.arms)
    CHECK(a.gap_closed == Approx((a.view.test_accuracy.mean - scratch) / (all_labels - scratch)));
  made_up::Run few = run;
  few.summary.experiments.erase(few.summary.experiments.begin());
  CHECK_FALSE(is_finite(r::further_arms(few.summary).at(0).arms[1].gap_closed));
}

TEST_CASE("further arms: the sceptic's question is answered by what was measured") {
  const auto sentence = [](double same_time) {
    const made_up::Run run = with_further_arms(0.8, 0.9, same_time);
    return r::detail::same_time_sentence(run.summary, r::further_arms(run.summary).at(0));
  };
  CHECK_THAT(sentence(0.6), ContainsSubstring("better spent on pre-training"));
  CHECK_THAT(sentence(1.0), ContainsSubstring("better spent from scratch"));
  CHECK_THAT(sentence(0.88), ContainsSubstring("cannot tell which was better spent"));
  made_up::Run without = with_further_arms(0.8, 0.9, 0.8);
  without.summary.experiments.back().more.erase(Arm::scratch_same_time);
  CHECK(r::detail::same_time_sentence(without.summary, r::further_arms(without.summary).at(0)).empty());
}

TEST_CASE("further arms: tables, figure, summary.json and the terminal have a row or a curve for each") {
  const made_up::Run run = with_further_arms(0.8, 0.9, 0.8);
  const std::vector<r::FurtherArms> all = r::further_arms(run.summary);
  const std::string table = cells_of(r::detail::further_arms_table(all));
  for (const char* words :
       {"10 % (400)|from scratch|", "from scratch, student|", "pre-trained, student|", "from scratch, same time|"})
    CHECK_THAT(table, ContainsSubstring(words));
  CHECK(r::detail::comparisons_table(all).size() == 7);
  const auto figure = r::detail::further_arms_figure(run.summary);
  REQUIRE(figure.has_value());
  CHECK(figure->rows.at(0).at(0).curves.size() == 5);
  CHECK(figure->lines.size() == 5);
  CHECK(figure->rows[0][0].curves[3].points.front()[0] * r::detail::time_unit(230).seconds == Approx(130));
  CHECK_FALSE(r::detail::further_arms_figure(made_up::make().summary).has_value());

  const auto json = nlohmann::json::parse(r::summary_json(run.summary));
  const auto& arms = json.at("further_arms").at(0).at("arms");
  CHECK(arms.size() == 5);
  CHECK(arms.at("pretrained_selftrained").at("seconds_before") == 130);
  CHECK(arms.at("scratch_same_time").at("steps_per_seed") == std::vector<int>{1000, 1000, 1000});
  CHECK(json.at("further_arms")[0].at("test_accuracy_differences").size() == 6);
  CHECK(json.at("experiments")[2].at("scratch").at("test_accuracy") == arms.at("scratch").at("test_accuracy"));
  CHECK(nlohmann::json::parse(r::summary_json(made_up::make().summary)).at("further_arms").empty());
  const std::string terminal = summary_table(run.summary);
  CHECK_THAT(terminal, ContainsSubstring("from scratch, same time"));
  for (std::size_t at = 0; at < terminal.size();) {
    const std::size_t end = std::min(terminal.find('\n', at), terminal.size());
    if (end - at > 80 && terminal.find('|', at) < end) FAIL("a line of more than 80 columns");
    at = end + 1;
  }
}
