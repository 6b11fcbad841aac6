// write_report as a whole: every file is there, reads back and says what the run measured; names from
// outside stay text; a missing or failing gnuplot costs the figures only; a failing disk costs no
// half-written file.
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "contains.hpp"
#include "contexture/data/image_io.hpp"
#include "contexture/report/report.hpp"
#include "made_up_run.hpp"
#include "support/catch.hpp"
#include "support/full_disk.hpp"

using namespace contexture;
namespace fs = std::filesystem;
using detail::report::ExperimentView, detail::report::seed_curves, detail::report::TemporaryFolder,
    detail::report::views_of;

namespace {

std::string text_of(const fs::path& file) {
  INFO(file);
  const auto text = detail::report::read_file(file);
  REQUIRE(text);
  return *text;
}

std::set<std::string> files_in(const fs::path& folder) {
  std::set<std::string> out;
  for (const auto& entry : fs::directory_iterator(folder)) out.insert(entry.path().filename().string());
  return out;
}

const std::set<std::string> kFigures = {"loss_curves.svg",     "loss_curves.png",     "accuracy_curves.svg",
                                        "accuracy_curves.png", "pretrain_curves.svg", "pretrain_curves.png",
                                        "predictions.png",     "confusion.png",       "patches.png",
                                        "neighbours.png",      "embedding.png",       "filters.png"};
const std::set<std::string> kTexts = {"history.csv", "summary.json", "report.md", "report.html"};

// Collects what goes to std::cerr.
class Stderr {
 public:
  Stderr() : before_(std::cerr.rdbuf(text_.rdbuf())) {}
  ~Stderr() { std::cerr.rdbuf(before_); }
  Stderr(const Stderr&) = delete;
  Stderr& operator=(const Stderr&) = delete;
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::streambuf* before_;
};

class Path {
 public:
  explicit Path(const std::string& value) : before_(std::getenv("PATH") ? std::getenv("PATH") : "") {
    setenv("PATH", value.c_str(), 1);
  }
  ~Path() { setenv("PATH", before_.c_str(), 1); }
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

 private:
  std::string before_;
};

// Every element of the page is closed in the order it was opened.
void check_balanced(const std::string& html) {
  std::vector<std::string> open;
  for (std::size_t at = 0; (at = html.find('<', at)) != std::string::npos;) {
    const std::size_t end = html.find('>', at);
    REQUIRE(end != std::string::npos);
    const std::string tag = html.substr(at + 1, end - at - 1);
    at = end + 1;
    if (tag[0] == '!' || tag.back() == '/' || tag.rfind("meta", 0) == 0) continue;
    if (tag == "style") at = html.find("</style>", at);
    if (tag[0] == '/') {
      REQUIRE_FALSE(open.empty());
      REQUIRE(open.back() == tag.substr(1));
      open.pop_back();
    } else {
      open.push_back(tag.substr(0, tag.find_first_of(" \n")));
    }
  }
  CHECK(open.empty());
}

void check_self_contained(const std::string& html) {
  for (const char* outside : {"http:", "https:", "<script", "<link", "<iframe", "@import", " src=", "url("}) {
    INFO(outside);
    CHECK_FALSE(contains(html, outside));
  }
  for (std::size_t at = 0; (at = html.find("href=", at)) != std::string::npos; at += 5) {
    const std::string target = html.substr(at + 6, 22);
    INFO(target);
    CHECK((target[0] == '#' || target.rfind("data:image/png;base64,", 0) == 0));
  }
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

  SECTION("history.csv reads back exactly") {
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
      const PhaseRow& row = run.summary.history[count];
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
    CHECK(count == run.summary.history.size());

    // summary.json: every key in its place, numbers unrounded.
    const auto json = nlohmann::ordered_json::parse(text_of(out / "summary.json"));
    std::vector<std::string> keys;
    for (const auto& [key, value] : json.items()) keys.push_back(key);
    CHECK(keys == std::vector<std::string>{"dataset", "images", "config", "pretrain", "experiments", "label_efficiency",
                                           "seconds_total", "peak_rss_mib", "images_per_second", "machine",
                                           "scratch_machine", "diverged"});
    CHECK(json["label_efficiency"].is_null());  // three fractions make no curve
    CHECK(json["dataset"] == "made-up");
    CHECK(json["images"]["train"] == run.summary.train_images);
    CHECK(json["images"]["test"] == run.summary.test_images);
    CHECK(json["config"]["width"] == "24");
    CHECK(json["pretrain"]["seconds"] == 90.0);
    CHECK(json["pretrain"]["chance"] == 0.167);
    CHECK(json["seconds_total"] == 330.25);
    REQUIRE(json["experiments"].size() == 3);
    const auto& e = json["experiments"][2];
    const ExperimentResult& measured = run.summary.experiments[2];
    CHECK(e["label_fraction"] == 0.1);
    CHECK(e["labels"] == 400);
    CHECK(e["seeds"] == std::vector<int>{0, 1, 2});
    for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
      const auto& a = e[to_string(arm)];
      const std::vector<ArmResult>& results = arm == Arm::scratch ? measured.scratch : measured.pretrained;
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
    const auto& difference = e["test_accuracy_difference"];
    CHECK(difference["mean"].get<double>() == Approx(0.1).margin(0.02));
    CHECK(difference["seeds"] == 3);
    REQUIRE(difference["ci95"].size() == 2);
    CHECK(difference["ci95"][0].get<double>() < difference["mean"].get<double>());
    CHECK(difference["ci95"][1].get<double>() > difference["mean"].get<double>());

    // The pictures decode, at twice the layout's size.
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
    using detail::report::views_of;
    const auto views = views_of(run.summary);
    const auto size = detail::report::figure_size(detail::report::loss_figure(run.summary, views));
    CHECK(read_image_file(out / "loss_curves.png").width == 2 * size.width);
    CHECK(read_image_file(out / "loss_curves.png").height == 2 * size.height);
    const auto scene = detail::report::predictions_scene(run.summary, run.inputs());
    REQUIRE(scene);
    CHECK(read_image_file(out / "predictions.png").width == 2 * scene->width());

    const std::string svg = text_of(out / "accuracy_curves.svg");
    for (const char* words : {"optimiser steps", "validation accuracy", "from scratch", "pre-trained",
                              "10 % of the labels (400)", "seconds, pre-training included", "plateau reached"})
      CHECK(contains(svg, words));

    // The page needs nothing beside it, is well-formed, and has tables, curves and words.
    const std::string html = text_of(out / "report.html"), markdown = text_of(out / "report.md");
    check_balanced(html);
    check_self_contained(html);
    std::size_t figures = 0;
    for (std::size_t at = 0; (at = html.find("<figure>", at)) != std::string::npos; ++at) ++figures;
    CHECK(figures == 9);
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

  SECTION("without gnuplot the figures are missing, named and explained; the rest is there") {
    const Path nowhere("/nonexistent");
    write_report(run.summary, run.inputs(), out);  // over the report with figures
    CHECK(files_in(out) == kTexts);
    const std::string warning = err.text();
    CHECK(contains(warning, "contexture: warning: gnuplot was not found"));
    CHECK(contains(warning,
                   "loss_curves, accuracy_curves, pretrain_curves, predictions, confusion, patches, neighbours, "
                   "embedding and filters"));
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
  CHECK(files.count("pretrain_curves.png") == 0);
  CHECK(files.count("predictions.png") == 1);

  const std::string html = text_of(out.path() / "report.html");
  check_balanced(html);
  CHECK_FALSE(contains(html, "<script"));
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

TEST_CASE("a report is removed as a whole, and nothing else is", "[report]") {
  const TemporaryFolder out;
  const made_up::Run run = made_up::make({.fractions = {1, 0.5, 0.2, 0.1}});
  write_report(run.summary, run.inputs(), out.path());
  CHECK(files_in(out.path()).size() == kTexts.size() + 4 * 2 + 6);
  std::ofstream(out.path() / "encoder.safetensors") << "weights";
  remove_report(out.path());
  CHECK(files_in(out.path()) == std::set<std::string>{"encoder.safetensors"});
  remove_report(out.path() / "nowhere");
}

TEST_CASE("a seed without one of its arms is left out of losses and curves as well", "[report]") {
  made_up::Run run = made_up::make({.fractions = {0.1}});
  const auto losses = [&] {
    const ExperimentView view = views_of(run.summary)[0];
    return std::array{view.scratch.loss_half.per_seed.size(), view.pretrained.loss_half.per_seed.size(),
                      seed_curves(run.summary, 0.1, Arm::scratch, "validation", [](const HistoryRow& r) {
                        return r.accuracy;
                      }).size()};
  };
  CHECK(losses() == std::array<std::size_t, 3>{3, 3, 3});
  ExperimentResult& experiment = run.summary.experiments[0];
  experiment.seeds.erase(experiment.seeds.begin() + 1);
  experiment.scratch.erase(experiment.scratch.begin() + 1);
  experiment.pretrained.erase(experiment.pretrained.begin() + 1);
  CHECK(losses() == std::array<std::size_t, 3>{2, 2, 2});
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

TEST_CASE("the gallery takes the classes in turn and does not look at the answers", "[report]") {
  using detail::report::gallery_images;
  const std::vector<std::int32_t> labels = {2, 2, 0, 1, 0, 1, 1};
  CHECK(gallery_images(labels, 3) == std::vector<Index>{2, 3, 0});
  CHECK(gallery_images(labels, 5) == std::vector<Index>{2, 4, 3, 0, 1});
  CHECK(gallery_images(labels, 100).size() == 7);
  CHECK(gallery_images({}, 10).empty());
}

TEST_CASE("float images become pictures", "[report]") {
  const float values[] = {-10.0F, -2.5F, 0.0F, 2.5F, std::numeric_limits<float>::quiet_NaN(), 1.0F};
  const Picture p = picture_of(values, 1, 2, 3);
  CHECK(p.pixels == std::vector<std::uint8_t>{0, 0, 128, 255, 0, 179});
  CHECK_THROWS_AS(picture_of(values, 1, 2, 3, 1.0F, 1.0F), std::invalid_argument);
}

TEST_CASE("pictures of damaged runs are left out or refused", "[report]") {
  made_up::Run run = made_up::make({.seeds = 1, .fractions = {0.1}});
  ReportInputs inputs = run.inputs();
  using namespace detail::report;
  CHECK(predictions_scene(run.summary, inputs));
  run.summary.experiments[0].scratch[0].answers.predicted.pop_back();  // answers of another test set
  CHECK_FALSE(predictions_scene(run.summary, inputs));
  // Views that were cut from no place: a column less.
  ReportInputs views = inputs;
  for (PretextPicture& p : views.pretext)
    for (PatchPicture& view : p.patches) view.cut = {};
  const auto with_patches = patches_scene(inputs), with_views = patches_scene(views);
  REQUIRE(with_patches);
  REQUIRE(with_views);
  CHECK(with_views->width() < with_patches->width());
  CHECK(with_views->height() == with_patches->height());
  inputs.pretext[0].image.pixels.pop_back();
  CHECK_THROWS_AS(patches_scene(inputs), std::invalid_argument);
  inputs.pretext.clear();
  CHECK_FALSE(patches_scene(inputs));
  run.summary.experiments[0].pretrained[0].confusion = {};
  CHECK_FALSE(confusion_scene(run.summary, views_of(run.summary)));
}

TEST_CASE("axes: round ticks, logarithm where values span much", "[report]") {
  using namespace detail::report;
  CHECK(linear_ticks(0, 1, 5) == std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1});
  CHECK(linear_ticks(0, 1400, 6, true) == std::vector<double>{0, 250, 500, 750, 1000, 1250});
  Panel panel;
  panel.curves.emplace_back();
  panel.curves[0].points = {{0, 2.0, 2.0, 2.0, 2.0}, {1, 0.02, 0.01, 0.03, 0.02}};
  const AxisRange log = y_range({panel}, true, false);
  CHECK(log.log);
  CHECK(log.low < 0.01);
  CHECK(log.high > 2.0);
  CHECK(log.ticks == std::vector<double>{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2});
  CHECK_FALSE(y_range({panel}, false, false).log);
  CHECK_FALSE(y_range({Panel{}}, true, true).log);
}

TEST_CASE("the tests of the difference are in summary.json and in the report", "[report]") {
  const TemporaryFolder folder;
  made_up::Run run = made_up::make();
  write_report(run.summary, {}, folder.path());
  const auto tests = nlohmann::json::parse(
      text_of(folder.path() / "summary.json"))["experiments"][2]["test_accuracy_difference"]["tests"];
  CHECK(tests["sign_test"]["better"] == 3);
  CHECK(tests["sign_test"]["worse"] == 0);
  CHECK(tests["sign_test"]["p"].get<double>() == Approx(0.25));
  REQUIRE(tests["mcnemar"]["per_seed"].size() == 3);
  // With a tenth of the labels the pre-trained arm answers four more of the 40 images, and loses none.
  CHECK(tests["mcnemar"]["per_seed"][0]["pretrained"] == 4);
  CHECK(tests["mcnemar"]["per_seed"][0]["scratch"] == 0);
  CHECK(tests["mcnemar"]["per_seed"][0]["p"].get<double>() == Approx(0.125));
  // The three seeds lift images 31 to 34, 32 to 35, 33 to 36: six images in all, counted once each.
  CHECK(tests["mcnemar"]["over_seeds"]["pretrained"] == 6);
  CHECK(tests["mcnemar"]["over_seeds"]["p"].get<double>() == Approx(0.03125));
  for (const char* file : {"report.html", "report.md"}) {
    const std::string text = text_of(folder.path() / file);
    CHECK(contains(text, "How certain is the difference"));
    CHECK(contains(text, "Over all seeds 6 test images favour the pre"));
  }
  run.summary.test_labels.clear();  // a run that does not tell them
  write_report(run.summary, {}, folder.path());
  CHECK(nlohmann::json::parse(
            text_of(folder.path() / "summary.json"))["experiments"][2]["test_accuracy_difference"]["tests"]["mcnemar"]
            .is_null());
}

TEST_CASE("a report says in what the arms differ", "[report]") {
  const TemporaryFolder folder;
  const auto report = [&](const RunSummary& run) {
    write_report(run, {}, folder.path());
    return text_of(folder.path() / "report.md");
  };
  RunSummary run = made_up::make().summary;
  std::string text = report(run);
  CHECK(contains(text,
                 "| Learning rate | 0.1 with 100 % and 50 % of the labels; 0.2 from scratch, 0.1 pre-trained with 10 % "
                 "(peak, at a batch of 128 images) |"));
  CHECK(contains(text, "first weights and in the peak of the learning rate. "));
  const auto summary = nlohmann::json::parse(text_of(folder.path() / "summary.json"));
  CHECK(summary["experiments"][2]["scratch"]["learning_rate"] == 0.2);
  CHECK(summary["experiments"][2]["pretrained"]["learning_rate"] == 0.1);

  run.experiments.pop_back();
  text = report(run);
  CHECK(contains(text, "| Learning rate | 0.1 with 100 % and 50 % of the labels (peak, at a batch of 128 images) |"));
  CHECK(contains(text, "first weights only. "));
  run.config["encoder-rate"] = "0.5";
  CHECK(contains(report(run), "first weights, and the pre-trained weights have 0.5 times the learning rate. "));
}

TEST_CASE("a given encoder's pre-training is counted where its run is known", "[report]") {
  const TemporaryFolder folder;
  made_up::Run run = made_up::make({.fractions = {0.1}});
  std::erase_if(run.summary.history, [](const PhaseRow& row) { return row.phase.pretraining(); });
  run.summary.config["encoder"] = "elsewhere/encoder.safetensors";
  run.summary.machine = "this one";
  const auto report = [&] {
    write_report(run.summary, {}, folder.path());
    return text_of(folder.path() / "report.md");
  };
  const auto pretrain = [&] { return nlohmann::json::parse(text_of(folder.path() / "summary.json"))["pretrain"]; };
  run.summary.origin = EncoderOrigin{.same_data = true, .machine = "this one"};
  std::string text = report();
  CHECK(contains(text, "context prediction, 500 steps, 90 s, 4,000 images/s, in the run that made the given encoder"));
  CHECK(contains(text, "|  | with pre-training |"));
  CHECK(contains(text, "In time, with the 90 s of pre-training counted"));
  CHECK(contains(text, "The given encoder's pre-training sees the training images without labels"));
  CHECK_FALSE(contains(text, "another machine"));
  CHECK(contains(text, "intervals over seeds do not tell how much pre-training varies"));
  CHECK(pretrain()["origin"] == nlohmann::json{{"same_data", true}, {"machine", "this one"}});

  run.summary.origin = EncoderOrigin{.same_data = false, .machine = "that one"};
  text = report();
  CHECK(contains(text, "pre-trained on another data set, or another part of this one. It was made on another machine"));
  CHECK(contains(text, "(that one): its time does not compare"));

  run.summary.origin.reset();
  run.summary.pretrain.reset();
  text = report();
  CHECK(contains(text, "| Pre-training | none in this run: the encoder was given |"));
  CHECK_FALSE(contains(text, "with pre-training |"));
  CHECK(contains(text, "What the given encoder was trained on is not known here."));
  CHECK(pretrain().is_null());
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

TEST_CASE("pictures of encoders: what is drawn, and what does not fit is left out", "[report]") {
  namespace r = detail::report;
  const made_up::Run run = made_up::make();
  ReportInputs inputs = run.inputs();
  const auto neighbours = r::neighbours_scene(run.summary, inputs);
  REQUIRE(neighbours);
  const std::string svg = neighbours->svg("neighbours");
  std::size_t images = 0;
  for (std::size_t at = 0; (at = svg.find("<image", at)) != std::string::npos; ++at) ++images;
  CHECK(images == 2 + 2 * 2 * 3);  // two queries, two neighbours each by three encoders
  // Labels go 0 1 2 0 1 2: of image 0's neighbours 3 and 2 the first is of its class, of image 1's, 4.
  std::size_t green = 0, red = 0;
  for (std::size_t at = 0; (at = svg.find("<rect", at)) != std::string::npos; ++at) {
    const std::string element = svg.substr(at, svg.find("/>", at) - at);
    green += contains(element, "var(--right");
    red += contains(element, "var(--wrong");
  }
  CHECK(green == 6);
  CHECK(red == 6);
  CHECK(
      contains(r::neighbour_sentence(inputs), "random weights 25.0 %; trained with labels 50.0 %; pre-trained 75.0 %"));

  const auto map = r::embedding_scene(run.summary, inputs);
  REQUIRE(map);
  const std::string drawn = map->svg("map");
  CHECK(contains(drawn, "components: 61 % and 20 % of the variance"));
  for (const char* name : {"house", "car", "tree"}) CHECK(contains(drawn, name));
  REQUIRE(r::filters_scene(inputs));

  ReportInputs bad = inputs;
  bad.embedding->encoders[0].neighbours[0] = 40;  // of 40 images
  CHECK_FALSE(r::neighbours_scene(run.summary, bad));
  bad = inputs;
  bad.embedding->encoders[1].x.pop_back();
  CHECK_FALSE(r::embedding_scene(run.summary, bad));
  bad = inputs;
  bad.embedding->encoders[2].filter_values.pop_back();
  CHECK_FALSE(r::filters_scene(bad));
  bad = inputs;
  bad.embedding->encoders[0].x[3] = std::numeric_limits<float>::quiet_NaN();
  bad.embedding->encoders[0].y[4] = std::numeric_limits<float>::infinity();
  CHECK(r::embedding_scene(run.summary, bad));
  bad.embedding.reset();
  CHECK_FALSE(r::filters_scene(bad));
  CHECK(r::neighbour_sentence(bad).empty());
}
