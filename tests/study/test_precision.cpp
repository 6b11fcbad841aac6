// SPDX-License-Identifier: MIT
// A run in bfloat16: it learns as one in float does, gives the same bits again, resumed or not, leaves weights of
// float, and what is of another precision does not get into it unsaid.
#include <filesystem>
#include <string>

#include "contexture/core/precision.hpp"
#include "contexture/evaluate/features.hpp"
#include "contexture/evaluate/score.hpp"
#include "study/tiny_run.hpp"

using namespace tiny;
namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using runs::Folder, runs::same_rows;

namespace {

ExperimentConfig reduced_config() {
  ExperimentConfig config = tiny_config();
  config.precision = Precision::bfloat16;
  return config;
}

}  // namespace

TEST_CASE("a run in bfloat16 learns what one in float learns, and says what it computed in") {
  ExperimentConfig config = tiny_config();
  config.width = 8;
  config.epochs = 12;
  config.fractions = {1.0};
  const RunSummary exact = run(config);
  config.precision = Precision::bfloat16;
  const RunSummary reduced = run(config);
  CHECK(exact.config.at("precision") == "float32");
  CHECK(reduced.config.at("precision") == "bfloat16");
  CHECK_THAT(exact.machine, ContainsSubstring(" kernels, float32, "));
  CHECK_THAT(reduced.machine,
             ContainsSubstring(message(" kernels, bfloat16 (", to_string(active_bfloat16_unit()), "), ")));
  CHECK(active_precision() == Precision::float32);
  for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
    CAPTURE(to_string(arm));
    const auto of = [&](const RunSummary& summary) {
      return arm == Arm::scratch ? summary.experiments.at(0).scratch.at(0) : summary.experiments.at(0).pretrained.at(0);
    };
    const auto last_loss = [&](const RunSummary& summary) {
      return rows_of(summary, {1.0, arm, 1}, "validation").back().loss;
    };
    CAPTURE(of(exact).final_train_loss, of(reduced).final_train_loss, of(exact).test_accuracy,
            of(reduced).test_accuracy);
    CHECK(last_loss(reduced) < 0.9 * rows_of(reduced, {1.0, arm, 1}, "validation").front().loss);
    CHECK(last_loss(reduced) == Approx(last_loss(exact)).epsilon(0.1));
    CHECK(of(reduced).final_train_loss != of(exact).final_train_loss);
    CHECK(of(reduced).final_train_loss == Approx(of(exact).final_train_loss).epsilon(0.1));
    // 48 test images: a standard deviation is 7 points at most.
    CHECK(of(reduced).test_accuracy == Approx(of(exact).test_accuracy).margin(0.2));
  }
  CHECK(reduced.pretrain->loss == Approx(exact.pretrain->loss).epsilon(0.05));
}

TEST_CASE("in bfloat16 the same seed gives the same bits, stopped and resumed too") {
  const Folder whole("bf16_whole"), again("bf16_again"), exact("bf16_exact");
  const RunSummary expected = run(reduced_config(), whole.path);
  const auto files = weights_in(whole.path);
  CHECK(files.size() == 5);
  CHECK(same_rows(expected.history, run(reduced_config(), again.path).history));
  CHECK(files == weights_in(again.path));
  CHECK_FALSE(same_rows(expected.history, run(tiny_config(), exact.path).history));
  for (const int stop_after : {3, 11, 25}) {
    CAPTURE(stop_after);
    const Folder parts("bf16_parts");
    StopToken stop;
    StopAfter progress(stop, stop_after);
    CHECK_THROWS_AS(run_experiments(reduced_config(), tiny_data(), {.out = parts.path}, progress, &stop), Stopped);
    Progress silent;
    // In the other precision it would be another run.
    try {
      (void)run_experiments(tiny_config(), tiny_data(), {.out = parts.path, .resume = true}, silent);
      FAIL("was not refused");
    } catch (const AnotherRun& refused) {
      CHECK(refused.name == "precision");
      CHECK(refused.stored == "bfloat16");
      CHECK_THAT(refused.what(),
                 ContainsSubstring(checkpoint_path(parts.path).string() +
                                   ": cannot resume, the checkpoint was made with precision bfloat16, this run has "
                                   "float32"));
    }
    const RunSummary resumed =
        run_experiments(reduced_config(), tiny_data(), {.out = parts.path, .resume = true}, silent);
    CHECK(same_rows(expected.history, resumed.history));
    CHECK(files == weights_in(parts.path));
  }
}

TEST_CASE("weights of a run in bfloat16 are float: they answer in either precision") {
  const Folder folder("bf16_weights");
  ExperimentConfig config = reduced_config();
  config.fractions = {1.0};
  config.epochs = 12;
  const RunSummary summary = run(config, folder.path);
  for (const char* name : {"encoder.safetensors", "classifier_100_scratch.safetensors"}) {
    CHECK(read_safetensors(folder.path / name).metadata.at("precision") == "bfloat16");
    CHECK(read_encoder(folder.path / name).precision == Precision::bfloat16);
    CHECK_THAT(runs::bytes_of(folder.path / name), !ContainsSubstring("BF16"));
  }
  ImageClassifier classifier = ImageClassifier::load(folder.path / "classifier_100_scratch.safetensors");
  const TestAnswers& answers = summary.experiments[0].scratch[0].answers;
  const Score exact = score(classifier, tiny_data().test, numbered(48));
  const PrecisionGuard guard(Precision::bfloat16);
  const Score reduced = score(classifier, tiny_data().test, numbered(48));
  CHECK(reduced.answers.predicted == answers.predicted);
  CHECK(reduced.answers.confidence == answers.confidence);
  CHECK(exact.answers.confidence != answers.confidence);
  CHECK(agreement(exact.answers.predicted, answers.predicted) > 0.85);
  for (std::size_t i = 0; i < 48; ++i) CHECK(exact.answers.confidence[i] == Approx(answers.confidence[i]).margin(0.1));
}

TEST_CASE("what a run takes from one of another precision is refused or said") {
  const Folder exact("bf16_donor"), taken("bf16_taken"), beside("bf16_beside");
  ExperimentConfig config = tiny_config();
  config.fractions = {0.5};
  const RunSummary first = run(config, exact.path);
  // Arms are compared with arms of their own precision.
  ExperimentConfig other = config;
  other.precision = Precision::bfloat16;
  other.pretext = "rotation";
  other.scratch_from = exact.path;
  CHECK_THROWS_WITH(run(other, taken.path),
                    ContainsSubstring("cannot take the arms from scratch, made with precision float32, this run has "
                                      "bfloat16"));
  CHECK(fs::is_empty(taken.path));
  // Weights are float, and may be used; that is said, and the report names what they were made on.
  struct : Progress {
    void note(std::string_view line) override { notes += line; }
    std::string notes;
  } progress;
  other = config;
  other.precision = Precision::bfloat16;
  other.encoder = exact.path / "encoder.safetensors";
  const RunSummary given = run_experiments(other, tiny_data(), {.out = beside.path}, progress);
  CHECK_THAT(progress.notes, ContainsSubstring(other.encoder + ": an encoder trained in float32, this run computes in "
                                                               "bfloat16"));
  REQUIRE(given.origin);
  CHECK(given.origin->machine == first.machine);
  CHECK(given.origin->machine != given.machine);
  progress.notes.clear();
  config.encoder = other.encoder;
  (void)run_experiments(config, tiny_data(), {}, progress);
  CHECK(progress.notes.empty());
}
