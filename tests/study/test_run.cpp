// SPDX-License-Identifier: MIT
// Determinism, resuming, what a diverging phase costs, and that the two arms differ in nothing but the encoder's
// weights.
#include <cmath>
#include <filesystem>
#include <fstream>

#include "study/tiny_run.hpp"
#include "support/hostile_locale.hpp"

using namespace tiny;
namespace fs = std::filesystem;
using runs::Folder, runs::same_rows;

TEST_CASE("experiments: the same seed twice gives the same files and rows, another seed does not") {
  const Folder first("first"), second("second"), third("third");
  const RunSummary a = run(tiny_config(), first.path);
  const RunSummary b = run(tiny_config(), second.path);
  CHECK(weights_in(first.path) == weights_in(second.path));
  CHECK(weights_in(first.path).size() == 5);  // encoder, two arms of two experiments
  CHECK(same_rows(a.history, b.history));
  ExperimentConfig other = tiny_config();
  other.seed = 2;
  const RunSummary c = run(other, third.path);
  CHECK_FALSE(same_rows(a.history, c.history));
  CHECK(weights_in(first.path) != weights_in(third.path));

  REQUIRE(a.experiments.size() == 2);
  for (const ExperimentResult& e : a.experiments) {
    REQUIRE(e.scratch.size() == 1);
    REQUIRE(e.pretrained.size() == 1);
    for (const ArmResult* arm : {e.scratch.data(), e.pretrained.data()}) {
      CHECK(arm->answers.predicted.size() == 48);
      CHECK(arm->test_accuracy == accuracy(arm->confusion));
      CHECK(arm->steps_to.size() == 4);
      CHECK(arm->steps > 0);
    }
    CHECK(e.scratch[0].steps_to.at("99").has_value());
  }
  CHECK(a.experiments[0].labels == a.train_images);
  CHECK(std::abs(2 * a.experiments[1].labels - a.train_images) <= 12);
  CHECK(a.train_images + a.validation_images == 240);
  REQUIRE(a.pretrain.has_value());
  CHECK(a.pretrain->chance == Approx(1.0 / 6));
  CHECK(a.images_per_second > 0);
  CHECK(a.peak_rss_mib > 0);
}

TEST_CASE("experiments: stopped in any phase and resumed, they give the same files and rows") {
  ExperimentConfig config = tiny_config();
  config.averaging = GENERATE(0.0, 0.1);
  if (config.averaging > 0) config.epochs = 4;  // else too few steps for an average of two
  const Folder whole("whole");
  const RunSummary expected = run(config, whole.path);
  const auto files = weights_in(whole.path);
  // 8 steps of pre-training, then 14 + 14 and 8 + 8, or 27 + 27 and 16 + 16.
  for (const int stop_after : {1, 7, 11, 25, 40, 50}) {
    CAPTURE(stop_after);
    const Folder parts("parts");
    StopToken stop;
    StopAfter progress(stop, stop_after);
    try {
      (void)run_experiments(config, tiny_data(), {.out = parts.path}, progress, &stop);
      FAIL("was not stopped");
    } catch (const Stopped& stopped) {
      CHECK(std::string(stopped.what()).find("kept in " + checkpoint_path(parts.path).string()) != std::string::npos);
    }
    Progress silent;
    const RunSummary resumed = run_experiments(config, tiny_data(), {.out = parts.path, .resume = true}, silent);
    CHECK(same_rows(expected.history, resumed.history));
    CHECK(files == weights_in(parts.path));
  }
}

TEST_CASE("experiments: checkpoints are written as often as was asked for") {
  struct Reader : Progress {
    explicit Reader(const fs::path& out) : file(checkpoint_path(out)) {}
    void step(std::int64_t step, double, double, double) override {
      ++steps;
      if (!fs::exists(file)) return;
      const RunState state = read_checkpoint(file);
      within += state.phase.has_value();
      last += state.phase.has_value() && state.fit.step == step - 1;  // it was written before the step
    }
    fs::path file;
    int steps = 0, within = 0, last = 0;
  };
  ExperimentConfig config = tiny_config();
  config.fractions = {1.0};
  config.epochs = 1;
  const Folder often("often"), seldom("seldom");
  Reader all(often.path), none(seldom.path);
  (void)run_experiments(config, tiny_data(), {.out = often.path, .save_seconds = 0}, all);
  (void)run_experiments(config, tiny_data(), {.out = seldom.path, .save_seconds = 1e9}, none);
  CHECK(all.steps > 10);
  CHECK(all.last == all.steps);
  CHECK(none.steps == all.steps);
  CHECK(none.within == 0);
}

TEST_CASE("experiments: resumed from the checkpoint before a damaged one, they give the same files, and say so") {
  const Folder whole("whole"), parts("parts");
  const RunSummary expected = run(tiny_config(), whole.path);
  StopToken stop;
  StopAfter stops(stop, 25);
  CHECK_THROWS_AS(run_experiments(tiny_config(), tiny_data(), {.out = parts.path}, stops, &stop), Stopped);
  const fs::path checkpoint = checkpoint_path(parts.path);
  std::string bytes = runs::bytes_of(checkpoint);
  bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 0x40);
  std::ofstream(checkpoint, std::ios::binary) << bytes;
  struct : Progress {
    void note(std::string_view line) override { notes += line; }
    std::string notes;
  } progress;
  const RunSummary resumed = run_experiments(tiny_config(), tiny_data(), {.out = parts.path, .resume = true}, progress);
  CHECK_THAT(progress.notes, Catch::Matchers::ContainsSubstring(checkpoint.string() + ": damaged") &&
                                 Catch::Matchers::ContainsSubstring("going on from the one before it"));
  CHECK(same_rows(expected.history, resumed.history));
  CHECK(weights_in(whole.path) == weights_in(parts.path));
}

TEST_CASE("experiments: a folder that another run writes to is left alone, and a run leaves its own free") {
  const Folder folder("owned");
  {
    const FolderLock owner(folder.path);
    Progress silent;
    for (const bool resume : {false, true})
      CHECK_THROWS_WITH(run_experiments(tiny_config(), tiny_data(), {.out = folder.path, .resume = resume}, silent),
                        Catch::Matchers::ContainsSubstring("a run that is alive writes here, process "));
    CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 1);
    ExperimentConfig config = tiny_config();
    config.fractions = {0.5};
    CHECK_NOTHROW(run_experiments(config, tiny_data(), {.out = folder.path, .lock = &owner}, silent));
  }
  CHECK_FALSE(fs::exists(folder.path / FolderLock::kFileName));
}

TEST_CASE("experiments: a finished run resumed computes nothing and gives the same summary") {
  const Folder folder("finished");
  const RunSummary once = run(tiny_config(), folder.path);
  struct Counting : Progress {
    void begin(const PhaseInfo&) override { ++phases; }
    int phases = 0;
  } counting;
  const RunSummary again = run_experiments(tiny_config(), tiny_data(), {.out = folder.path, .resume = true}, counting);
  CHECK(counting.phases == 0);
  CHECK(same_rows(once.history, again.history));
  CHECK(again.experiments[1].pretrained[0].test_accuracy == once.experiments[1].pretrained[0].test_accuracy);
  CHECK(again.experiments[1].pretrained[0].steps_to == once.experiments[1].pretrained[0].steps_to);

  ExperimentConfig other = tiny_config();
  other.width = 3;
  Progress silent;
  CHECK_THROWS_WITH(run_experiments(other, tiny_data(), {.out = folder.path, .resume = true}, silent),
                    Catch::Matchers::ContainsSubstring("width 2") && Catch::Matchers::ContainsSubstring("has 3"));
  const Dataset other_data = builtin_dataset(240, 48, 16, 1);
  CHECK_THROWS_WITH(run_experiments(tiny_config(), other_data, {.out = folder.path, .resume = true}, silent),
                    Catch::Matchers::ContainsSubstring("images"));
}

TEST_CASE("experiments: without pre-training steps both arms train identically") {
  ExperimentConfig config = tiny_config();
  config.pretrain_epochs = 0;
  const RunSummary summary = run(config);
  for (const double fraction : {1.0, 0.5}) {
    const auto scratch = rows_of(summary, {fraction, Arm::scratch, 1}, "train");
    const auto pretrained = rows_of(summary, {fraction, Arm::pretrained, 1}, "train");
    REQUIRE(scratch.size() == pretrained.size());
    REQUIRE_FALSE(scratch.empty());
    // Same initialisation, subset, batches, augmentation and schedule: the same losses to the last bit.
    for (std::size_t i = 0; i < scratch.size(); ++i) {
      CHECK(scratch[i].step == pretrained[i].step);
      CHECK(scratch[i].loss == pretrained[i].loss);
    }
  }
}

TEST_CASE("experiments: pre-training changes the pre-trained arm, and both are measured at the same steps") {
  const RunSummary summary = run(tiny_config());
  for (const double fraction : {1.0, 0.5}) {
    const auto scratch = rows_of(summary, {fraction, Arm::scratch, 1}, "validation");
    const auto pretrained = rows_of(summary, {fraction, Arm::pretrained, 1}, "validation");
    REQUIRE(scratch.size() == pretrained.size());
    CHECK(scratch.front().step == 0);
    for (std::size_t i = 0; i < scratch.size(); ++i) CHECK(scratch[i].step == pretrained[i].step);
    CHECK(scratch.front().loss != pretrained.front().loss);
    CHECK(rows_of(summary, {fraction, Arm::scratch, 1}, "test").size() == 1);
  }
}

TEST_CASE("experiments: the test split decides nothing") {
  Dataset other = tiny_data();
  for (std::uint8_t& pixel : other.test.pixels) pixel = static_cast<std::uint8_t>(255 - pixel);
  const Folder a("test_a"), b("test_b");
  (void)run(tiny_config(), a.path);
  (void)run(tiny_config(), b.path, other);
  CHECK(weights_in(a.path) == weights_in(b.path));
}

TEST_CASE("pre-training does not look at labels") {
  ExperimentConfig config = tiny_config();
  config.fractions.clear();
  Dataset other = tiny_data();
  std::rotate(other.train.labels.begin(), other.train.labels.begin() + 77, other.train.labels.end());
  const Folder a("labels_a"), b("labels_b");
  (void)run(config, a.path);
  (void)run(config, b.path, other);
  CHECK(weights_in(a.path) == weights_in(b.path));
}

TEST_CASE("more seeds: each with a pre-training and files of its own") {
  const Folder folder("seeds");
  ExperimentConfig config = tiny_config();
  config.fractions = {0.5};
  config.epochs = 1;
  config.seeds = 2;
  config.seed = 5;
  const RunSummary summary = run(config, folder.path);
  REQUIRE(summary.experiments.size() == 1);
  CHECK(summary.experiments[0].seeds == std::vector<std::uint64_t>{5, 6});
  CHECK(summary.experiments[0].scratch.size() == 2);
  const auto files = weights_in(folder.path);
  CHECK(files.size() == 6);
  CHECK(files.contains("encoder_seed6.safetensors"));
  CHECK(files.contains("classifier_50_pretrained_seed6.safetensors"));
  CHECK(files.at("encoder.safetensors") != files.at("encoder_seed6.safetensors"));
}

TEST_CASE("a diverging run says where and leaves its last checkpoint readable") {
  const Folder folder("diverged");
  ExperimentConfig config = tiny_config();
  config.learning_rate = 1e9;
  config.epochs = 20;
  CHECK_THROWS_AS(run(config, folder.path), Diverged);
  const RunState state = read_checkpoint(folder.path / "checkpoint.safetensors");
  CHECK(state.pretraining.size() == 1);  // what was done is kept
}

TEST_CASE("an arm that diverges costs no other arm its result, resumed or not") {
  const Folder folder("diverged_arm");
  ExperimentConfig config = tiny_config();
  config.epochs = 20;
  config.finetune_learning_rate = 1e9;
  const RunSummary summary = run(config, folder.path);
  REQUIRE(summary.diverged.size() == 2);
  CHECK_THAT(summary.diverged[0], Catch::Matchers::ContainsSubstring("100, pretrained, seed 1"));
  REQUIRE(summary.experiments.size() == 2);
  for (const ExperimentResult& experiment : summary.experiments) {
    CHECK(experiment.seeds == std::vector<std::uint64_t>{1});
    CHECK(experiment.scratch.size() == 1);
    CHECK(experiment.pretrained.empty());
  }
  struct : Progress {
    void begin(const PhaseInfo&) override { FAIL("a phase began again"); }
  } nothing_begins;
  const RunSummary again = run_experiments(config, tiny_data(), {.out = folder.path, .resume = true}, nothing_begins);
  CHECK(again.diverged == summary.diverged);
  CHECK(same_rows(again.history, summary.history));
}

TEST_CASE("of several pre-trainings those that went well are reported") {
  const Folder folder("one_diverges");
  ExperimentConfig config = tiny_config();
  config.fractions.clear();
  config.seeds = 2;
  const RunSummary both = run(config, folder.path);
  const fs::path checkpoint = folder.path / "checkpoint.safetensors";
  RunState state = read_checkpoint(checkpoint);
  REQUIRE(state.pretraining.erase(pretraining_phase(2)) == 1);
  state.diverged = {{pretraining_phase(2), "loss became NaN", 3}};
  write_checkpoint(checkpoint, state);
  Progress silent;
  const RunSummary one = run_experiments(config, tiny_data(), {.out = folder.path, .resume = true}, silent);
  CHECK(one.diverged.size() == 1);
  REQUIRE(one.pretrain.has_value());
  CHECK(one.pretrain->steps == both.pretrain->steps);
  state.pretraining.clear();
  state.diverged.push_back({pretraining_phase(1), "loss became NaN", 3});
  write_checkpoint(checkpoint, state);
  CHECK_THROWS_AS(run_experiments(config, tiny_data(), {.out = folder.path, .resume = true}, silent), Diverged);
}

TEST_CASE("a run that begins anew leaves nothing of the one before") {
  const Folder folder("anew");
  ExperimentConfig config = tiny_config();
  (void)run(config, folder.path);
  CHECK(weights_in(folder.path).size() == 5);
  config.fractions = {0.5};
  config.learning_rate = config.finetune_learning_rate = 1e9;
  config.epochs = 20;
  config.pretrain_epochs = 2;
  // Refused before it began: all is as it was.
  ExperimentConfig refused = config;
  refused.fractions = {0.001};
  const auto before = weights_in(folder.path);
  CHECK_THROWS_AS(run(refused, folder.path), InputError);
  CHECK(weights_in(folder.path) == before);
  struct : Progress {
    void accepted() override { ++times; }
    int times = 0;
  } progress;
  CHECK_THROWS_AS(run_experiments(config, tiny_data(), {.out = folder.path}, progress), Diverged);
  CHECK(progress.times == 1);
  const auto after = weights_in(folder.path);
  CHECK(after.size() == 1);  // its own encoder
  CHECK(after.at("encoder.safetensors") != before.at("encoder.safetensors"));
}

TEST_CASE("a classifier's file needs nothing beside it") {
  const Folder folder("classifier");
  ExperimentConfig config = tiny_config();
  config.fractions = {1.0};
  const RunSummary summary = run(config, folder.path);
  ImageClassifier classifier = ImageClassifier::load(folder.path / "classifier_100_pretrained.safetensors");
  CHECK(classifier.options().class_names == tiny_data().class_names);
  const TestAnswers& answers = summary.experiments[0].pretrained[0].answers;
  const Score again = score(classifier, tiny_data().test, numbered(48));
  CHECK(again.answers.predicted == answers.predicted);
  CHECK(again.answers.confidence == answers.confidence);
  // In other batches the head's matrix product has other rows, which some of OpenBLAS's kernels round otherwise.
  const Score in_sevens = score(classifier, tiny_data().test, numbered(48), 7);
  CHECK(in_sevens.answers.predicted == answers.predicted);
  REQUIRE(in_sevens.answers.confidence.size() == answers.confidence.size());
  for (std::size_t i = 0; i < answers.confidence.size(); ++i)
    CHECK(in_sevens.answers.confidence[i] == Approx(answers.confidence[i]).epsilon(1e-5));
  CHECK_THROWS_WITH(ImageClassifier::load(folder.path / "encoder.safetensors"),
                    Catch::Matchers::ContainsSubstring("classifier"));
  const Dataset other = builtin_dataset(12, 12, 24);
  CHECK_THROWS_AS(score(classifier, other.test, numbered(12)), std::invalid_argument);
}

TEST_CASE("experiments: an application's locale changes no file, no name and no identity") {
  ExperimentConfig config = tiny_config();
  config.seed = 1234;
  config.seeds = 2;
  config.fractions = {0.5};
  const Folder classic("classic"), german("german");
  (void)run(config, classic.path);
  StopToken stop;
  {
    const HostileLocale locale;
    StopAfter progress(stop, 10);
    CHECK_THROWS_AS(run_experiments(config, tiny_data(), {.out = german.path}, progress, &stop), Stopped);
  }
  Progress silent;
  StopToken again;
  StopAfter later(again, 10);
  CHECK_THROWS_AS(run_experiments(config, tiny_data(), {.out = german.path, .resume = true}, later, &again), Stopped);
  const HostileLocale locale;
  (void)run_experiments(config, tiny_data(), {.out = german.path, .resume = true}, silent);
  CHECK(weights_in(german.path) == weights_in(classic.path));
  CHECK(fs::exists(german.path / "encoder_seed1235.safetensors"));
}
