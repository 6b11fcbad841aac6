// SPDX-License-Identifier: MIT
// Runs side by side, and curves as event files: read back from what a report wrote.
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "contains.hpp"
#include "contexture/report/compare.hpp"
#include "contexture/report/files.hpp"
#include "contexture/report/history.hpp"
#include "contexture/report/html.hpp"
#include "contexture/report/json.hpp"
#include "contexture/report/markdown.hpp"
#include "contexture/report/tensorboard.hpp"
#include "made_up_run.hpp"
#include "report_files.hpp"
#include "support/catch.hpp"

using namespace contexture;
using namespace contexture::report;
using contexture::report::detail::TemporaryFolder;

namespace {

FinishedRun saved(const std::filesystem::path& folder, const RunSummary& run) {
  make_folder(folder);
  write_file(folder / "summary.json", summary_json(run));
  return read_finished_run(folder);
}

// Numbers of an event file by tag: step and value, in their order. Every frame's checksums are held against its bytes.
std::map<std::string, std::vector<std::pair<std::uint64_t, float>>> events_of(const std::string& file) {
  std::map<std::string, std::vector<std::pair<std::uint64_t, float>>> out;
  std::size_t at = 0;
  bool first = true;
  while (at < file.size()) {
    std::uint64_t length = 0;
    std::memcpy(&length, file.data() + at, 8);
    REQUIRE(at + 16 + length <= file.size());
    REQUIRE(report::detail::tf_record(file.substr(at + 12, length)) == file.substr(at, 16 + length));
    const std::string event = file.substr(at + 12, length);
    at += 16 + length;
    if (first) {
      CHECK(event.substr(9) ==
            "\x1a\x0d"
            "brain.Event:2");
      first = false;
      continue;
    }
    REQUIRE(event[9] == '\x10');
    std::size_t i = 10;
    std::uint64_t step = 0;
    for (int shift = 0;; shift += 7, ++i) {
      step |= static_cast<std::uint64_t>(static_cast<unsigned char>(event[i]) & 0x7FU) << shift;
      if ((static_cast<unsigned char>(event[i]) & 0x80U) == 0) break;
    }
    const std::size_t tag = i + 7;  // after 2a n 0a n 0a n
    const auto size = static_cast<std::size_t>(static_cast<unsigned char>(event[tag - 1]));
    float value = 0;
    REQUIRE(event[tag + size] == '\x15');
    std::memcpy(&value, event.data() + tag + size + 1, 4);
    out[event.substr(tag, size)].emplace_back(step, value);
  }
  return out;
}

}  // namespace

TEST_CASE("runs side by side: who is ahead, and whether the test images can tell", "[report]") {
  const TemporaryFolder folder;
  RunSummary first = made_up::make({.fractions = {1, 0.1}}).summary, second = first;
  second.config["width"] = "48";
  for (ArmResult& arm : second.experiments[0].pretrained) arm.test_accuracy += 0.08;
  std::vector<FinishedRun> runs{saved(folder.path() / "a", first), saved(folder.path() / "b", second)};
  CHECK(runs[0].name == "a");
  CHECK(runs[1].experiments[0].pretrained == Approx(runs[0].experiments[0].pretrained + 0.08));
  CHECK(comparison_answer(runs) ==
        "With 100 % of the labels no run is ahead for certain: b (pre-trained) has 90.5 % of the test images right, a "
        "87.5 %, and 40 test images cannot tell less than 14.0 points. Run both with more seeds, or keep more test "
        "images, "
        "before choosing.");
  std::vector<FinishedRun> far = runs;
  far[1].experiments[0].pretrained = 0.999;
  far[0].experiments[0].scratch = 0.5;
  CHECK(comparison_answer(far) ==
        "With 100 % of the labels b is ahead (pre-trained, 99.9 % of the test images right); a follows with 82.5 %.");
  const report::detail::Document document = comparison_document(runs);
  const std::string markdown = report::detail::to_markdown(document), html = report::detail::to_html(document);
  check_balanced(html);
  check_self_contained(html);
  CHECK(contains(markdown, "| width | 24 | 48 |"));
  CHECK_FALSE(contains(markdown, "| data | made-up |"));  // the same in both
  CHECK(contains(markdown, "| 100 % (4,000) | b | 87.50 % | **90.50 %** | +3.00 | +3.00 to +3.00 | 3 |"));
  runs[1].test_images = 50;
  CHECK(contains(comparison_answer(runs), "not of the same test images"));
  runs[0].experiments.clear();
  CHECK(contains(comparison_answer(runs), "Only b has measured an arm with 100 % of the labels"));
  CHECK(contains(comparison_answer({}), "None of the runs"));
}

TEST_CASE("runs side by side: their curves lie over each other, a panel an arm and a colour a run", "[report]") {
  const TemporaryFolder folder;
  const RunSummary run = made_up::make({.seeds = 2, .fractions = {1, 0.1}}).summary;
  std::vector<FinishedRun> runs;
  for (const char* name : {"a", "b", "no-history"}) {
    make_folder(folder.path() / name);
    if (name[0] != 'n') write_file(folder.path() / name / "history.csv", history_csv(run));
    runs.push_back(saved(folder.path() / name, run));
  }
  const auto figure = comparison_figure(runs);
  REQUIRE(figure);
  REQUIRE(figure->lines.size() == 2);
  CHECK((figure->lines[0].second == "a" && figure->lines[1].second == "b"));
  CHECK(figure->lines[0].first != figure->lines[1].first);
  REQUIRE((figure->rows.size() == 1 && figure->rows[0].size() == 2));
  const Arm arms[] = {Arm::scratch, Arm::pretrained};
  for (std::size_t i = 0; i < 2; ++i) {
    const report::detail::Panel& panel = figure->rows[0][i];
    CHECK(panel.title == report::detail::name_of(arms[i]));
    const auto expected =
        band_of(arm_curves(run, 1, arms[i], "validation", [](const HistoryRow& h) { return h.accuracy; }), true);
    REQUIRE(panel.curves.size() == 2);
    for (const auto& curve : panel.curves) {
      CHECK(curve.band);
      REQUIRE(curve.points.size() == expected.size());
      for (std::size_t k = 0; k < expected.size(); ++k) {
        CHECK(curve.points[k][0] == expected[k].step);
        CHECK(curve.points[k][1] == Approx(expected[k].mean));
        CHECK(curve.points[k][2] == Approx(expected[k].low));
        CHECK(curve.points[k][3] == Approx(expected[k].high));
      }
    }
  }
  report::detail::DrawnFigures figures;
  figures.svg["curves"] = "<svg></svg>";
  const std::string markdown = report::detail::to_markdown(comparison_document(runs, figures));
  CHECK(contains(markdown, "curves.png"));
  CHECK(contains(markdown, "Validation accuracy with 100 % of the labels"));
  CHECK_FALSE(contains(report::detail::to_markdown(comparison_document(runs)), "curves.png"));

  CHECK_FALSE(comparison_figure({runs[0], runs[2]}));  // nothing to lay over it
  runs[1].history += "100,scratch,0,1\n";
  CHECK_THROWS_WITH(comparison_figure(runs), Catch::Matchers::ContainsSubstring("b: history.csv, line ") &&
                                                 Catch::Matchers::ContainsSubstring("4 fields, expected 10"));
  runs[1].history = runs[0].history;
  while (runs.size() < 9) runs.push_back(runs[0]);
  CHECK(comparison_figure(runs)->lines.size() == 5);  // of six, one has no history
  CHECK(contains(report::detail::to_markdown(comparison_document(runs, figures)), "The first 6 of 9 runs"));
}

TEST_CASE("a folder that is no finished run is named", "[report]") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(read_finished_run(folder.path()),
                    Catch::Matchers::ContainsSubstring("expected the folder of a finished run"));
  for (const char* text : {"{", "[]", "{\"dataset\": 3}"}) {
    write_file(folder.path() / "summary.json", text);
    CHECK_THROWS_WITH(read_finished_run(folder.path()), Catch::Matchers::ContainsSubstring("not a run's summary"));
  }
}

TEST_CASE("event files hold what history.csv does, in frames with right checksums", "[report]") {
  CHECK(report::detail::crc32c("123456789") == 0xE3069283U);  // the check value of CRC-32C
  RunSummary run = made_up::make({.seeds = 2, .fractions = {0.1}}).summary;
  const auto files = tensorboard_events(history_csv(run));
  std::vector<std::string> names;
  for (const auto& [name, bytes] : files) names.push_back(name);
  CHECK(names == std::vector<std::string>{"10_pretrained_seed0", "10_pretrained_seed1", "10_scratch_seed0",
                                          "10_scratch_seed1", "pretrain_seed0"});
  const auto curves = events_of(files.at("10_pretrained_seed1"));
  for (const auto& [tag, column] :
       {std::pair("loss/validation", &HistoryRow::loss), std::pair("accuracy/validation", &HistoryRow::accuracy)}) {
    std::vector<std::pair<std::uint64_t, float>> expected;
    for (const PhaseRow& row : run.history)
      if (row.phase == PhaseId{0.1, Arm::pretrained, 1} && row.split == "validation")
        expected.emplace_back(static_cast<std::uint64_t>(row.step), static_cast<float>(row.*column));
    CHECK(curves.at(tag) == expected);
  }
  CHECK_THROWS_WITH(tensorboard_events("a,b\n"), Catch::Matchers::ContainsSubstring("line 1: 'a,b'"));
  CHECK_THROWS_WITH(tensorboard_events(""), Catch::Matchers::ContainsSubstring("is empty"));
  CHECK_THROWS_WITH(
      tensorboard_events(
          "experiment,arm,seed,step,epoch,seconds,split,loss,accuracy,macro_f1\n10,x,0,one,0,0,t,0,0,0\n"),
      Catch::Matchers::ContainsSubstring("line 2: 'one' is no number"));
}
