// SPDX-License-Identifier: MIT
// write_report as a whole: every file is there, reads back and says what the run measured; names from
// outside stay text; a missing or failing gnuplot costs the figures only; a failing disk costs no
// half-written file.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "contains.hpp"
#include "contexture/data/image_io.hpp"
#include "contexture/report/report.hpp"
#include "made_up_run.hpp"
#include "report_files.hpp"
#include "support/catch.hpp"
#include "support/full_disk.hpp"
#include "support/hostile_locale.hpp"

using namespace contexture;
namespace fs = std::filesystem;
using report::detail::TemporaryFolder;

namespace {

// history.csv reads back exactly.
void check_history(const fs::path& out, const RunSummary& run) {
  std::istringstream lines(text_of(out / "history.csv"));
  std::string line;
  std::getline(lines, line);
  CHECK(line == "experiment,arm,seed,step,epoch,seconds,split,loss,accuracy,macro_f1");
  std::size_t count = 0;
  for (; std::getline(lines, line); ++count) {
    std::vector<std::string> fields;
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, ',');) fields.push_back(cell);
    REQUIRE(fields.size() == 10);
    const PhaseRow& row = run.history[count];
    REQUIRE(fields[0] == (row.phase.pretraining() ? "pretrain" : percent_name(row.phase.label_fraction)));
    REQUIRE(fields[1] == to_string(row.phase.arm));
    REQUIRE(std::stoull(fields[2]) == row.phase.seed);
    REQUIRE(std::stoll(fields[3]) == row.step);
    REQUIRE(std::stod(fields[4]) == row.epoch);
    REQUIRE(std::stod(fields[5]) == row.seconds);
    REQUIRE(fields[6] == row.split);
    REQUIRE(std::stod(fields[7]) == row.loss);
    REQUIRE(std::stod(fields[8]) == row.accuracy);
    REQUIRE(std::stod(fields[9]) == row.macro_f1);
  }
  CHECK(count == run.history.size());
}

void check_arm(const nlohmann::ordered_json& a, const std::vector<ArmResult>& results) {
  for (const char* name :
       {"best_val_accuracy", "test_accuracy", "test_macro_f1", "final_train_loss", "plateau_step", "seconds"}) {
    INFO(name);
    REQUIRE(a.contains(name));
    REQUIRE(a[std::string(name) + "_per_seed"].size() == 3);
  }
  double sum = 0;
  for (std::size_t s = 0; s < 3; ++s) {
    CHECK(a["test_accuracy_per_seed"][s] == results[s].test_accuracy);
    CHECK(a["best_val_accuracy_per_seed"][s] == results[s].best_val_accuracy);
    sum += results[s].test_accuracy;
  }
  CHECK(a["test_accuracy"].get<double>() == Approx(sum / 3).epsilon(1e-14));
  for (const char* level : {"80", "90", "95", "99"}) {
    REQUIRE(a["steps_to"].contains(level));
    REQUIRE(a["steps_to_per_seed"][level].size() == 3);
    bool all = true;
    for (std::size_t s = 0; s < 3; ++s) {
      const auto& step = results[s].steps_to.at(level);
      all = all && step;
      if (step)
        CHECK(a["steps_to_per_seed"][level][s] == *step);
      else
        CHECK(a["steps_to_per_seed"][level][s].is_null());
    }
    CHECK(a["steps_to"][level].is_null() == !all);
  }
}

// summary.json: every key in its place, numbers unrounded.
void check_summary(const fs::path& out, const RunSummary& run) {
  const auto json = nlohmann::ordered_json::parse(text_of(out / "summary.json"));
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  CHECK(keys == std::vector<std::string>{"dataset", "images", "data", "config", "pretrain", "experiments",
                                         "further_arms", "label_efficiency", "seconds_total", "peak_rss_mib",
                                         "images_per_second", "machine", "scratch_machine", "diverged"});
  CHECK(json["label_efficiency"].is_null());  // three fractions make no curve
  CHECK(json["dataset"] == "made-up");
  CHECK(json["images"]["train"] == run.train_images);
  CHECK(json["images"]["test"] == run.test_images);
  CHECK(json["data"]["used"] == 210);
  CHECK(json["data"]["not_used"] == 1);
  CHECK(json["data"]["left_out"][0]["reason"] == "built without WebP (.webp)");
  CHECK(json["data"]["left_out"][0]["names"][0] == "car/one.webp");
  CHECK(json["data"]["notes"][0] == "no test/ folder");
  for (const char* page : {"report.md", "report.html"})
    CHECK(text_of(out / page).find("car/one.webp") != std::string::npos);
  CHECK(json["config"]["width"] == "24");
  CHECK(json["pretrain"]["seconds"] == 90.0);
  CHECK(json["pretrain"]["chance"] == 0.167);
  CHECK(json["seconds_total"] == 330.25);
  REQUIRE(json["experiments"].size() == 3);
  const auto& e = json["experiments"][2];
  const ExperimentResult& measured = run.experiments[2];
  CHECK(e["label_fraction"] == 0.1);
  CHECK(e["labels"] == 400);
  CHECK(e["seeds"] == std::vector<int>{0, 1, 2});
  check_arm(e["scratch"], measured.scratch);
  check_arm(e["pretrained"], measured.pretrained);
  const auto& difference = e["test_accuracy_difference"];
  CHECK(difference["mean"].get<double>() == Approx(0.1).margin(0.02));
  CHECK(difference["seeds"] == 3);
  REQUIRE(difference["ci95"].size() == 2);
  CHECK(difference["ci95"][0].get<double>() < difference["mean"].get<double>());
  CHECK(difference["ci95"][1].get<double>() > difference["mean"].get<double>());
}

// The pictures decode, at twice the layout's size.
void check_pictures(const fs::path& out, const made_up::Run& run) {
  for (const std::string& name : kFigures) {
    if (name.substr(name.size() - 4) != ".png") continue;
    INFO(name);
    const ImageSet picture = read_image_file(out / name);
    CHECK(picture.width >= 1200);
    CHECK(picture.height >= 200);
    const auto [low, high] = std::minmax_element(picture.pixels.begin(), picture.pixels.end());
    CHECK(*low < 60);     // lettering
    CHECK(*high == 255);  // paper
  }
  const auto views = report::views_of(run.summary);
  const auto size = report::detail::figure_size(report::detail::loss_figure(run.summary, views));
  CHECK(read_image_file(out / "loss_curves.png").width == 2 * size.width);
  CHECK(read_image_file(out / "loss_curves.png").height == 2 * size.height);
  const auto scene = report::detail::predictions_scene(run.summary, run.inputs());
  REQUIRE(scene);
  CHECK(read_image_file(out / "predictions.png").width == 2 * scene->width());

  const std::string svg = text_of(out / "accuracy_curves.svg");
  for (const char* words : {"optimiser steps", "validation accuracy", "from scratch", "pre-trained",
                            "10 % of the labels (400)", "seconds, pre-training included", "plateau reached"})
    CHECK(contains(svg, words));
}

// The page needs nothing beside it, is well-formed, and has tables, curves and words.
void check_page(const fs::path& out) {
  const std::string html = text_of(out / "report.html"), markdown = text_of(out / "report.md");
  check_balanced(html);
  check_self_contained(html);
  std::size_t figures = 0;
  for (std::size_t at = 0; (at = html.find("<figure id=", at)) != std::string::npos; ++at) ++figures;
  CHECK(figures == 8);
  CHECK(contains(html, "prefers-color-scheme:dark"));
  CHECK(contains(html, "@media print"));
  for (const std::string& text : {html, markdown})
    for (const char* words :
         {"What self-supervised", "Best metrics", "How sure", "Losses", "Metrics", "Plateau",
          "With the time of pre-training", "made-up", "two cores", "310.0 k parameters", "house, car and tree"}) {
      INFO(words);
      CHECK(contains(text, words));
    }
  CHECK(contains(markdown, "](accuracy_curves.png)"));
  CHECK(contains(markdown, "raised test accuracy"));
}

}  // namespace

TEST_CASE("a report has every file, and each holds what the run measured", "[report]") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "new" / "results";
  const made_up::Run run = made_up::make();
  Stderr err;
  write_report(run.summary, run.inputs(), out);
  CHECK(err.text().empty());
  std::set<std::string> expected = kFigures;
  expected.insert(kTexts.begin(), kTexts.end());
  CHECK(files_in(out) == expected);

  SECTION("with all that was measured") {
    check_history(out, run.summary);
    check_summary(out, run.summary);
    check_pictures(out, run);
    check_page(out);
  }

  SECTION("without gnuplot the figures are missing, named and explained; the rest is there") {
    const Path nowhere("/nonexistent");
    write_report(run.summary, run.inputs(), out);  // over the report with figures
    CHECK(files_in(out) == kTexts);
    const std::string warning = err.text();
    CHECK(contains(warning, "contexture: warning: gnuplot was not found"));
    CHECK(contains(warning,
                   "loss_curves, accuracy_curves, pretrain_curves, predictions, confusion, patches, neighbours "
                   "and embedding"));
    CHECK(std::count(warning.begin(), warning.end(), '\n') == 1);
    const std::string html = text_of(out / "report.html");
    check_balanced(html);
    check_self_contained(html);
    CHECK(contains(html, "could not be drawn: gnuplot was not found"));
    CHECK(contains(html, "data:image/png;base64,"));  // the pictures need no gnuplot in the page
  }

  SECTION("without a temporary folder likewise") {
    setenv("TMPDIR", "/nonexistent", 1);
    write_report(run.summary, run.inputs(), out);
    unsetenv("TMPDIR");
    CHECK(contains(err.text(), "warning: no temporary folder"));
    CHECK(files_in(out) == kTexts);
  }

  SECTION("a gnuplot that fails is quoted") {
    const fs::path bin = folder.path() / "bin";
    fs::create_directory(bin);
    std::ofstream(bin / "gnuplot") << "#!/bin/sh\necho '\"x.gp\" line 7: no such terminal' >&2\nexit 1\n";
    fs::permissions(bin / "gnuplot", fs::perms::owner_all);
    const Path only(bin.string());
    write_report(run.summary, run.inputs(), out);
    CHECK(contains(err.text(), "gnuplot failed with status 1: \"x.gp\" line 7: no such terminal"));
    CHECK(files_in(out) == kTexts);
  }
}

TEST_CASE("one seed, a given encoder, names that are markup, NaN: all come out readable", "[report]") {
  made_up::Options options;
  options.seeds = 1;
  options.pretrain = false;
  options.fractions = {0.1};
  options.class_names = {"<script>alert(1)</script>", "a|b & \"c\" 'd' with a name that goes on and on", "\xff\xfe"};
  made_up::Run run = made_up::make(options);
  run.summary.dataset = "</title><img src=x onerror=1>";
  run.summary.config["data"] = "/tmp/<dir>&\"'";
  run.summary.config["encoder"] = "encoder.safetensors";
  run.summary.experiments[0].pretrained[0].final_train_loss = std::numeric_limits<double>::quiet_NaN();
  for (PhaseRow& row : run.summary.history)
    if (row.phase.arm == Arm::pretrained && row.step > 500)
      row.loss = row.accuracy = std::numeric_limits<double>::quiet_NaN();
  const TemporaryFolder out;
  Stderr err;
  write_report(run.summary, run.inputs(), out.path());
  CHECK(err.text().empty());
  const std::set<std::string> files = files_in(out.path());
  CHECK_FALSE(files.contains("pretrain_curves.png"));
  CHECK(files.contains("predictions.png"));

  const std::string html = text_of(out.path() / "report.html");
  check_balanced(html);
  CHECK_FALSE(contains(html, "<script>alert"));
  CHECK_FALSE(contains(html, "<img"));
  CHECK(contains(html, "&lt;script&gt;alert(1)&lt;/script&gt;"));
  CHECK(contains(html, "The encoder was given"));
  CHECK(contains(html, "This rests on one seed"));
  CHECK(contains(text_of(out.path() / "report.md"), "\\<script\\>"));
  CHECK(contains(text_of(out.path() / "history.csv"), ",nan,"));

  const auto json = nlohmann::ordered_json::parse(text_of(out.path() / "summary.json"));
  CHECK(json["pretrain"].is_null());
  const auto& e = json["experiments"][0];
  CHECK(e["test_accuracy_difference"]["ci95"] == nlohmann::ordered_json::array({nullptr, nullptr}));
  CHECK(e["test_accuracy_difference"]["seeds"] == 1);
  CHECK(e["pretrained"]["final_train_loss"].is_null());
}

TEST_CASE("neither apostrophes in names nor gnuplot's own variables cost a figure", "[report]") {
  made_up::Options options;
  options.class_names = {"'t Hooft", "rock''n''roll's", "'`exit`@x\\"};
  const made_up::Run run = made_up::make(options);
  const TemporaryFolder out;
  setenv("GNUTERM", "nosuch", 1);
  Stderr err;
  write_report(run.summary, run.inputs(), out.path());
  unsetenv("GNUTERM");
  CHECK(err.text().empty());
  std::set<std::string> expected = kFigures;
  expected.insert(kTexts.begin(), kTexts.end());
  CHECK(files_in(out.path()) == expected);
}

TEST_CASE("an application's locale changes no byte of a report", "[report]") {
  const made_up::Run run = made_up::make();
  const TemporaryFolder classic, german;
  write_report(run.summary, run.inputs(), classic.path());
  {
    const HostileLocale locale;
    write_report(run.summary, run.inputs(), german.path());
  }
  REQUIRE(files_in(german.path()) == files_in(classic.path()));
  for (const std::string& file : files_in(classic.path())) {
    INFO(file);
    CHECK((text_of(german.path() / file) == text_of(classic.path() / file)));
  }
}

TEST_CASE("a report is removed as a whole, and nothing else is", "[report]") {
  const TemporaryFolder out;
  const made_up::Run run = made_up::make({.fractions = {1, 0.5, 0.2, 0.1}});
  write_report(run.summary, run.inputs(), out.path());
  CHECK(files_in(out.path()).size() == kTexts.size() + 4 * 2 + 5);
  std::ofstream(out.path() / "encoder.safetensors") << "weights";
  remove_report(out.path());
  CHECK(files_in(out.path()) == std::set<std::string>{"encoder.safetensors"});
  remove_report(out.path() / "nowhere");
}

TEST_CASE("a run without anything still gives a report", "[report]") {
  const TemporaryFolder out;
  RunSummary partial = made_up::make({.seeds = 1, .fractions = {0.5}}).summary;
  partial.experiments[0].pretrained.clear();  // stopped between the arms
  partial.history.clear();
  const Path nowhere("/nonexistent");
  for (const RunSummary& run : {RunSummary{}, partial}) {
    write_report(run, {}, out.path());
    CHECK(files_in(out.path()) == kTexts);
    check_balanced(text_of(out.path() / "report.html"));
    CHECK(contains(text_of(out.path() / "report.md"), "nothing to compare"));
    CHECK(nlohmann::ordered_json::parse(text_of(out.path() / "summary.json")).contains("experiments"));
  }
}

TEST_CASE("a file that cannot be written is named, and nothing is left half-written", "[report]") {
  const TemporaryFolder folder;
  const RunSummary run = made_up::make({.fractions = {0.1}}).summary;
  const Stderr err;
  const Path nowhere("/nonexistent");

  SECTION("a file where the folder should be") {
    std::ofstream(folder.path() / "file") << "x";
    CHECK_THROWS_AS(write_report(run, {}, folder.path() / "file"), InputError);
    CHECK_THROWS_WITH(write_report(run, {}, folder.path() / "file" / "out"),
                      Catch::Matchers::ContainsSubstring("file/out"));
  }
  SECTION("a folder where a file should be") {
    fs::create_directories(folder.path() / "summary.json" / "in the way");
    CHECK_THROWS_WITH(write_report(run, {}, folder.path()), Catch::Matchers::ContainsSubstring("cannot write") &&
                                                                Catch::Matchers::ContainsSubstring("summary.json"));
    CHECK(files_in(folder.path()) == std::set<std::string>{"history.csv", "summary.json"});
  }
  SECTION("a full disk") {
    write_report(run, {}, folder.path());
    const std::string before = text_of(folder.path() / "history.csv");
    std::string what;
    try {
      const FullDisk full(1000);
      write_report(run, {}, folder.path());
    } catch (const InputError& error) {
      what = error.what();
    }
    CHECK(contains(what, "history.csv: writing failed: File too large"));
    CHECK(text_of(folder.path() / "history.csv") == before);
    CHECK(files_in(folder.path()) == kTexts);
  }
}

TEST_CASE("with many label fractions a report shows label efficiency", "[report]") {
  const TemporaryFolder folder;
  made_up::Options options;
  options.fractions = {1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01};
  const made_up::Run run = made_up::make(options);
  Stderr err;
  write_report(run.summary, run.inputs(), folder.path());
  CHECK(err.text().empty());
  for (const char* name : {"label_efficiency", "accuracy_curves", "loss_curves"}) {
    const std::string svg = text_of(folder.path() / (std::string(name) + ".svg"));
    CHECK(contains(svg, "</svg>"));
    const ImageSet png = read_image_file((folder.path() / (std::string(name) + ".png")).string());
    CHECK(png.width <= 3000);  // seven panels side by side would be unreadable
    CHECK(png.height >= 400);
  }
  const std::string svg = text_of(folder.path() / "label_efficiency.svg");
  for (const char* words : {"4,000", "2,000", "800", "400", "200", "80", "40", "95 % interval over seeds"})
    CHECK(contains(svg, "<text>" + std::string(words) + "</text>"));
  const auto json = nlohmann::json::parse(text_of(folder.path() / "summary.json"))["label_efficiency"];
  REQUIRE(json.size() == 7);
  CHECK(json[0]["labels"] == 40);
  CHECK(json[6]["labels"] == 4000);
  CHECK(json[0]["scratch_labels_needed"].is_null());  // pre-trained, 40 labels are worth more than 4,000
  CHECK(json[6]["scratch_labels_needed"].get<double>() < 4000);
  CHECK(json[6]["labels_saved"].get<double>() < 0);
  CHECK(json[0]["scratch_labels_needed_per_seed"].size() == 3);
  for (const char* file : {"report.html", "report.md"}) {
    const std::string text = text_of(folder.path() / file);
    CHECK(contains(text, "Labels saved"));
    CHECK(contains(text, "label_efficiency"));
  }
  check_balanced(text_of(folder.path() / "report.html"));
  check_self_contained(text_of(folder.path() / "report.html"));
  // The figure of a former run goes when the next one has too few fractions.
  const made_up::Run fewer = made_up::make();
  write_report(fewer.summary, fewer.inputs(), folder.path());
  CHECK_FALSE(fs::exists(folder.path() / "label_efficiency.png"));
}
