// SPDX-License-Identifier: MIT
// What the page and summary.json say of tests, rates and given encoders.
#include <nlohmann/json.hpp>
#include <string>

#include "contains.hpp"
#include "contexture/report/report.hpp"
#include "made_up_run.hpp"
#include "report_files.hpp"
#include "support/catch.hpp"

using namespace contexture;
using report::detail::TemporaryFolder;

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
