// Whole experiments in seconds: tiny images, a tiny network. Determinism, resuming, and that the two arms
// differ in nothing but the encoder's weights.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "contexture/data/builtin.hpp"
#include "contexture/study/run.hpp"
#include "support/catch.hpp"
#include "support/runs.hpp"

using namespace contexture;
namespace fs = std::filesystem;
using runs::bytes_of, runs::Folder, runs::same_rows;

namespace {

const Dataset& tiny_data() {
  static const Dataset data = builtin_dataset(240, 48, 16);
  return data;
}

ExperimentConfig tiny_config() {
  ExperimentConfig config;
  config.width = 2;
  config.blocks = 1;
  config.epochs = 2;
  config.pretrain_epochs = 1;
  config.batch_size = 32;
  config.pretrain_batch_size = 32;
  config.evaluations = 4;
  config.fractions = {1.0, 0.5};
  return config;
}

RunSummary run(const ExperimentConfig& config, const fs::path& out = {}, const Dataset& data = tiny_data()) {
  Progress silent;
  return run_experiments(config, data, {.out = out}, silent);
}

// Files of weights of a run, by name.
std::map<std::string, std::string> weights_in(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename() != "checkpoint.safetensors") files[entry.path().filename()] = bytes_of(entry.path());
  return files;
}

std::vector<HistoryRow> rows_of(const RunSummary& summary, const std::string& experiment, const std::string& arm,
                                const std::string& split) {
  std::vector<HistoryRow> rows;
  for (const HistoryRow& row : summary.history)
    if (row.experiment == experiment && row.arm == arm && row.split == split) rows.push_back(row);
  return rows;
}

// Requests a stop after so many steps of the whole run.
struct StopAfter : Progress {
  StopAfter(StopToken& token, int steps) : token_(token), left_(steps) {}
  void step(std::int64_t, double, double, double) override {
    if (--left_ == 0) token_.request();
  }
  StopToken& token_;
  int left_;
};

}  // namespace

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
    for (const ArmResult* arm : {&e.scratch[0], &e.pretrained[0]}) {
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
      CHECK(std::string(stopped.what()).find("--resume") != std::string::npos);
    }
    Progress silent;
    const RunSummary resumed = run_experiments(config, tiny_data(), {.out = parts.path, .resume = true}, silent);
    CHECK(same_rows(expected.history, resumed.history));
    CHECK(files == weights_in(parts.path));
  }
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
  for (const char* experiment : {"100", "50"}) {
    const auto scratch = rows_of(summary, experiment, "scratch", "train");
    const auto pretrained = rows_of(summary, experiment, "pretrained", "train");
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
  for (const char* experiment : {"100", "50"}) {
    const auto scratch = rows_of(summary, experiment, "scratch", "validation");
    const auto pretrained = rows_of(summary, experiment, "pretrained", "validation");
    REQUIRE(scratch.size() == pretrained.size());
    CHECK(scratch.front().step == 0);
    for (std::size_t i = 0; i < scratch.size(); ++i) CHECK(scratch[i].step == pretrained[i].step);
    CHECK(scratch.front().loss != pretrained.front().loss);
    CHECK(rows_of(summary, experiment, "scratch", "test").size() == 1);
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

TEST_CASE("an encoder from a file gives what pre-training in the same run gives") {
  const Folder joint("joint"), first("pretrained"), second("given");
  ExperimentConfig config = tiny_config();
  (void)run(config, joint.path);
  config.fractions.clear();
  const RunSummary pretraining = run(config, first.path);
  CHECK(pretraining.experiments.empty());
  config = tiny_config();
  config.encoder = first.path / "encoder.safetensors";
  const RunSummary given = run(config, second.path);
  // The run that made it tells what that took.
  REQUIRE((given.pretrain.has_value() && given.origin.has_value()));
  CHECK(given.pretrain->task == pretraining.pretrain->task);
  CHECK(given.pretrain->steps == pretraining.pretrain->steps);
  CHECK(given.pretrain->seconds == pretraining.pretrain->seconds);
  CHECK(given.origin->same_data);
  CHECK(given.origin->machine == pretraining.machine);
  CHECK_FALSE(pretraining.origin.has_value());
  auto expected = weights_in(joint.path);
  CHECK(expected.erase("encoder.safetensors") == 1);
  CHECK(expected == weights_in(second.path));

  // In the encoder's own folder, whose checkpoint becomes that of this run: resumed, it still knows.
  Progress silent;
  fs::copy_file(first.path / "encoder.safetensors", first.path / "encoder_seed2.safetensors");
  const RunSummary beside = run(config, first.path);
  CHECK(fs::exists(first.path / "encoder_seed2.safetensors"));
  CHECK(beside.pretrain->seconds == pretraining.pretrain->seconds);
  const RunSummary resumed = run_experiments(config, tiny_data(), {.out = first.path, .resume = true}, silent);
  REQUIRE((resumed.pretrain.has_value() && resumed.origin.has_value()));
  CHECK(resumed.pretrain->seconds == pretraining.pretrain->seconds);
  CHECK(fs::exists(first.path / "encoder.safetensors"));
  fs::remove(first.path / "checkpoint.safetensors");
  config.fractions.clear();
  config.encoder.clear();
  (void)run(config, first.path);
  config = tiny_config();
  config.encoder = first.path / "encoder.safetensors";

  Dataset others = tiny_data();
  others.train.pixels[0] ^= 1;
  const RunSummary transferred = run(config, {}, others);
  REQUIRE(transferred.origin.has_value());
  CHECK_FALSE(transferred.origin->same_data);
  // A run beside it that made other weights tells nothing, nor does one that cannot be read.
  const Folder other("other");
  ExperimentConfig another = tiny_config();
  another.seed = 2;
  another.fractions.clear();
  (void)run(another, other.path);
  fs::copy_file(first.path / "encoder.safetensors", other.path / "encoder.safetensors",
                fs::copy_options::overwrite_existing);
  config.encoder = other.path / "encoder.safetensors";
  const RunSummary unknown = run(config);
  CHECK_FALSE((unknown.pretrain.has_value() || unknown.origin.has_value()));
  std::ofstream(other.path / "checkpoint.safetensors") << "not a checkpoint";
  CHECK_FALSE(run(config).origin.has_value());
  fs::remove(other.path / "checkpoint.safetensors");
  CHECK_FALSE(run(config).origin.has_value());
  config.width = 3;
  CHECK_THROWS_WITH(run(config), Catch::Matchers::ContainsSubstring("another architecture"));
}

TEST_CASE("arms from scratch of a run that differs in pre-training only give what training them gives") {
  const Folder first("scratch_first"), second("scratch_second"), trained("scratch_trained");
  ExperimentConfig config = tiny_config();
  config.seeds = 2;
  (void)run(config, first.path);
  config.pretext = "rotation";
  config.fractions = {0.5};
  const RunSummary all_trained = run(config, trained.path);
  config.scratch_from = first.path;
  const RunSummary summary = run(config, second.path);
  const auto by_arm = [](std::vector<HistoryRow> rows) {  // those from scratch come first here
    std::stable_sort(rows.begin(), rows.end(), [](const HistoryRow& a, const HistoryRow& b) { return a.arm < b.arm; });
    return rows;
  };
  CHECK(same_rows(by_arm(summary.history), by_arm(all_trained.history)));
  CHECK(weights_in(second.path) == weights_in(trained.path));
  CHECK(summary.config.at("scratch-from") == first.path);
  REQUIRE(summary.experiments.size() == 1);
  CHECK(summary.experiments[0].scratch[1].test_accuracy == all_trained.experiments[0].scratch[1].test_accuracy);
  CHECK(summary.experiments[0].scratch[1].steps == all_trained.experiments[0].scratch[1].steps);

  const std::string checkpoint = (first.path / "checkpoint.safetensors").string();
  const auto refused = [&](const ExperimentConfig& other, const std::string& why) {
    CAPTURE(why);
    CHECK_THROWS_WITH(run(other, trained.path), Catch::Matchers::ContainsSubstring(why));
  };
  ExperimentConfig other = config;
  other.weight_decay = 0.001;
  refused(other, checkpoint + ": cannot take the arms from scratch, made with weight-decay 5e-04, this run has 0.001");
  other = config;
  other.fractions = {0.25};
  refused(other, checkpoint + ": no arm from scratch with 25 % of the labels and seed 1");
  other = config;
  other.seeds = 3;
  refused(other, ": no arm from scratch with 50 % of the labels and seed 3");
  other = config;
  other.scratch_from = trained.path / "nothing";
  refused(other, "nothing: no folder of a run");
  other.scratch_from = trained.path;
  refused(other, "the folder that this run's results go to");
  Progress silent;
  const auto not_resumed = [&](const ExperimentConfig& resumed, const fs::path& out, const std::string& why) {
    CHECK_THROWS_WITH(run_experiments(resumed, tiny_data(), {.out = out, .resume = true}, silent),
                      Catch::Matchers::ContainsSubstring(why));
  };
  not_resumed(other, second.path, "its arms from scratch are those of");
  not_resumed(config, trained.path, "it has arms from scratch of its own");
  other = config;
  other.epochs = 2.5;
  refused(other, "made with epochs 2");
  std::filesystem::remove(first.path / "classifier_50_scratch_seed2.safetensors");
  other = config;
  refused(other, "classifier_50_scratch_seed2.safetensors: no such file");
  CHECK_THROWS_WITH(run_experiments(config, builtin_dataset(240, 40, 16), {}, silent),
                    Catch::Matchers::ContainsSubstring("made with images"));
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

TEST_CASE("unlabelled images take part in pre-training, in their share of the steps") {
  Dataset data = tiny_data();
  data.unlabeled = builtin_dataset(480, 0, 16, 9).train;
  data.unlabeled.labels.clear();
  ResNet<float> encoder({.in_channels = 3, .width = 2}, Rng(1));
  ContextPrediction<float> pretext({.patches = patch_defaults(16)}, {16, 16}, encoder, Rng(2));
  detail::PretrainTask task(encoder, pretext, data.train, numbered(240), data.unlabeled, {0, 1, 2, 3}, 32, Rng(3));
  CHECK(task.images() == 720);
  std::int64_t labelled_steps = 0;
  const auto same = [](const Tensor<float>& a, const Tensor<float>& b) {
    return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
  };
  for (std::int64_t step = 0; step < 30; ++step) {
    const Tensor<float> inputs = task.make_batch(step).inputs;
    CHECK(same(inputs, task.make_batch(step).inputs));
    // Where the step reads labelled images, it draws them and their patches as a run without others does.
    const Rng patches = Rng(3).split("patches").split(static_cast<std::uint64_t>(step));
    const EpochSampler order(numbered(240), 32, Rng(3).split("order"));
    if (same(inputs, pretext.make_batch(data.train, order.batch(labelled_steps), patches).inputs)) ++labelled_steps;
  }
  CHECK(labelled_steps == 10);
}

TEST_CASE("a configuration or data that make no sense are refused") {
  ExperimentConfig config = tiny_config();
  config.fractions = {1.5};
  CHECK_THROWS_AS(run(config), std::invalid_argument);
  config = tiny_config();
  config.fractions = {0.001};  // leaves classes without a label
  CHECK_THROWS_AS(run(config), InputError);
  config.fractions = {1.0, 0.001};
  struct : Progress {
    void begin(const PhaseInfo&) override { FAIL("a phase began before all fractions were checked"); }
  } nothing_begins;
  CHECK_THROWS_AS(run_experiments(config, tiny_data(), {}, nothing_begins), InputError);
  config = tiny_config();
  config.fractions = {0.3333333, 0.33333331};  // one name
  CHECK_THROWS_AS(run_experiments(config, tiny_data(), {}, nothing_begins), std::invalid_argument);
  config = tiny_config();
  config.fractions.clear();
  CHECK_THROWS_WITH(run_experiments(config, builtin_dataset(5, 4, 16), {}, nothing_begins),
                    Catch::Matchers::ContainsSubstring("too few to hold out"));
  config = tiny_config();
  const auto refused = [&](const Dataset& data, const char* why) {
    CHECK_THROWS_WITH(run_experiments(config, data, {}, nothing_begins), Catch::Matchers::ContainsSubstring(why));
  };
  refused(builtin_dataset(5, 4, 16), "has 1 training images, expected at least 2");
  Dataset wrong = tiny_data();
  wrong.test.labels.clear();
  refused(wrong, "test images without labels");
  wrong = tiny_data();
  wrong.train.labels.clear();
  refused(wrong, "training images without labels");
  wrong = tiny_data();
  wrong.test.labels.back() = 99;
  refused(wrong, "label 99 of a test image, expected 0 to");
  wrong.test = builtin_dataset(1, 48, 17).test;
  refused(wrong, "images of 17 x 17 x 3, the training images are 16 x 16 x 3");
  for (std::int32_t& label : wrong.train.labels)
    if (label == 3) label = 2;
  wrong.test = tiny_data().test;
  refused(wrong, "has 0 training images, expected at least 2");
  config.patch = 15;  // does not fit twice into 16 px
  CHECK_THROWS_AS(run(config), std::invalid_argument);
  Dataset data = tiny_data();
  data.test = {0, 16, 16, 3, {}, {}};
  CHECK_THROWS_AS(run(tiny_config(), {}, data), InputError);
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

TEST_CASE("few unlabelled images are not repeated within a batch") {
  Dataset data = tiny_data();
  data.unlabeled = builtin_dataset(12, 0, 16).train;
  data.unlabeled.labels.clear();
  ResNet<float> encoder({.in_channels = 3, .width = 2}, Rng(1));
  ContextPrediction<float> pretext({.patches = patch_defaults(16)}, {16, 16}, encoder, Rng(2));
  const detail::PretrainTask task(encoder, pretext, data.train, numbered(240), data.unlabeled, {0, 1, 2, 3}, 32,
                                  Rng(3));
  std::set<Index> sizes;
  for (std::int64_t step = 0; step < 30; ++step) sizes.insert(task.make_batch(step).images);
  CHECK(sizes == std::set<Index>{12, 32});
}

TEST_CASE("a pre-trained arm without one from scratch reaches no share of its best") {
  ExperimentConfig config = tiny_config();
  config.fractions = {1.0};
  config.epochs = 20;
  config.learning_rate = 1e9;
  config.finetune_learning_rate = 0.01;
  const RunSummary summary = run(config);
  REQUIRE(summary.diverged.size() == 1);
  REQUIRE(summary.experiments[0].pretrained.size() == 1);
  CHECK(summary.experiments[0].scratch.empty());
  CHECK(summary.experiments[0].pretrained[0].steps_to.empty());
  CHECK(summary.experiments[0].pretrained[0].seconds_to.empty());
}

TEST_CASE("of several pre-trainings those that went well are reported") {
  const Folder folder("one_diverges");
  ExperimentConfig config = tiny_config();
  config.fractions.clear();
  config.seeds = 2;
  const RunSummary both = run(config, folder.path);
  const fs::path checkpoint = folder.path / "checkpoint.safetensors";
  RunState state = read_checkpoint(checkpoint);
  REQUIRE(state.pretraining.erase("pretrain/2") == 1);
  state.diverged = {{"pretrain/2", "loss became NaN", 3}};
  write_checkpoint(checkpoint, state);
  Progress silent;
  const RunSummary one = run_experiments(config, tiny_data(), {.out = folder.path, .resume = true}, silent);
  CHECK(one.diverged.size() == 1);
  REQUIRE(one.pretrain.has_value());
  CHECK(one.pretrain->steps == both.pretrain->steps);
  state.pretraining.clear();
  state.diverged.push_back({"pretrain/1", "loss became NaN", 3});
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

TEST_CASE("chance of a view is among the validation images of a batch") {
  ExperimentConfig config = tiny_config();
  config.fractions.clear();
  config.pretext = GENERATE("simclr", "vicreg");
  const RunSummary summary = run(config);
  CHECK(summary.validation_images < 256);
  CHECK(summary.pretrain->chance == Approx(1.0 / static_cast<double>(2 * summary.validation_images - 1)));
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

TEST_CASE("score: loss and accuracy as computed by hand") {
  ImageClassifierOptions options{2, 2, {.in_channels = 1, .width = 1, .stages = 1}, {"a", "b", "c"}, {{0.5F}, {0.25F}}};
  ImageClassifier classifier(options, Rng(4));
  ImageSet set{3, 2, 2, 1, {0, 50, 100, 150, 200, 250, 30, 60, 90, 120, 5, 6}, {0, 1, 2}};
  const Score whole = score(classifier, set, numbered(3));
  Batch batch;
  make_batch(set, numbered(3), options.normalization, nullptr, Rng(0), batch);
  const NoGrad no_grad;
  const Variable<float> logits = classifier(Variable<float>(batch.images));
  CHECK(whole.evaluation.loss ==
        Approx(static_cast<double>(softmax_cross_entropy<float>(logits, set.labels).item())).epsilon(1e-5));
  CHECK(whole.evaluation.accuracy == Approx(static_cast<double>(count_correct(logits.value(), set.labels)) / 3));

  ImageSet mirrored = set;  // 2 x 2 pixels, one channel: a row is two bytes
  for (std::size_t i = 0; i < mirrored.pixels.size(); i += 2) std::swap(mirrored.pixels[i], mirrored.pixels[i + 1]);
  make_batch(mirrored, numbered(3), options.normalization, nullptr, Rng(0), batch);
  const Variable<float> mean = scale(add(logits, classifier(Variable<float>(batch.images))), 0.5F);
  options.mirror = true;
  ImageClassifier both(options, Rng(4));  // the same weights
  CHECK(score(both, set, numbered(3)).evaluation.loss ==
        Approx(static_cast<double>(softmax_cross_entropy<float>(mean, set.labels).item())).epsilon(1e-5));
  CHECK(score(both, mirrored, numbered(3)).answers.confidence == score(both, set, numbered(3)).answers.confidence);

  set.labels.clear();
  const Score unlabelled = score(classifier, set, numbered(3));
  CHECK(unlabelled.answers.predicted == whole.answers.predicted);
  CHECK(unlabelled.confusion.counts.empty());
}

TEST_CASE("settings: every value is read back exactly, nonsense is refused in one line") {
  const std::vector<ExperimentSetting> settings = experiment_settings();
  for (const Preset& p : kPresets) {
    const ExperimentConfig config = preset_config(p, "builtin");
    ExperimentConfig copy;
    for (const ExperimentSetting& setting : settings) setting.set(copy, setting.get(config));
    CHECK(describe(copy) == describe(config));
  }
  CHECK_THROWS_AS(preset("fast"), std::invalid_argument);
  for (const ExperimentSetting& setting : settings) {
    if (setting.name == "data" || setting.name == "encoder" || setting.name == "scratch-from") continue;
    for (const char* text :
         {"", "nan", "-nan", "inf", "1e999", "-1e999", "x", "1x", " 1", "99999999999999999999999", "-7"}) {
      ExperimentConfig config;
      CAPTURE(setting.name, text);
      try {
        setting.set(config, text);
        FAIL("accepted");
      } catch (const std::invalid_argument& error) {
        CHECK(std::string(error.what()).find("--" + setting.name) == 0);
      }
    }
  }
}

TEST_CASE("settings: label fractions as a list") {
  ExperimentConfig config;
  const auto setting = [&](const std::string& text) {
    for (const ExperimentSetting& s : experiment_settings())
      if (s.name == "fractions") {
        s.set(config, text);
        return s.get(config);
      }
    return std::string();
  };
  CHECK(setting("0.01 0.1,1") == "0.01,0.1,1");
  CHECK(config.fractions == std::vector<double>{0.01, 0.1, 1});
  CHECK(setting("none") == "none");
  CHECK(config.fractions.empty());
  for (const char* text : {"0", "1.5", "0.5,", ",0.5", "0.5,,1", "0.5,0.5"})
    CHECK_THROWS_WITH(setting(text), Catch::Matchers::StartsWith("--fractions: '"));
}

TEST_CASE("settings of the training change the training") {
  ExperimentConfig config = tiny_config();
  config.pretrain_epochs = 0;
  config.fractions = {1.0};
  const auto last_loss = [](const ExperimentConfig& changed) {
    return rows_of(run(changed), "100", "scratch", "train").back().loss;
  };
  const double plain = last_loss(config);
  CHECK(last_loss(config) == plain);
  ExperimentConfig changed = config;
  changed.optimizer = "sgd";
  CHECK(last_loss(changed) != plain);
  changed = config;
  changed.label_smoothing = 0;
  CHECK(last_loss(changed) != plain);
  changed = config;
  changed.crop_padding = 4;
  CHECK(last_loss(changed) != plain);
  changed = config;
  changed.weight_decay = 0.05;
  CHECK(last_loss(changed) != plain);
}

TEST_CASE("every pretext task trains an encoder for the experiments") {
  for (const std::string_view name : pretext_task_names()) {
    CAPTURE(name);
    ExperimentConfig config = tiny_config();
    config.pretext = name;
    config.fractions = {1.0};
    config.epochs = 0.5;
    config.pretrain_epochs = 0.5;
    const RunSummary summary = run(config);
    REQUIRE(summary.pretrain.has_value());
    CHECK(std::isfinite(summary.pretrain->loss));
    CHECK(summary.pretrain->chance > 0);
    REQUIRE(summary.experiments.size() == 1);
    CHECK_FALSE(summary.experiments[0].pretrained[0].answers.confidence ==
                summary.experiments[0].scratch[0].answers.confidence);
  }
}

TEST_CASE("the pre-trained encoder's learning rate: 0 keeps its weights, the head still learns") {
  const Folder folder("frozen");
  ExperimentConfig config = tiny_config();
  config.fractions = {1.0};
  config.epochs = 12;  // far enough for the best weights to be trained ones
  config.encoder_rate = 0;
  (void)run(config, folder.path);
  const TensorFile encoder = read_safetensors(folder.path / "encoder.safetensors");
  const TensorFile classifier = read_safetensors(folder.path / "classifier_100_pretrained.safetensors");
  CHECK(encoder.tensors.at("stem.weight") == classifier.tensors.at("encoder.stem.weight"));
  CHECK(encoder.tensors.at("stage3.conv2.weight") == classifier.tensors.at("encoder.stage3.conv2.weight"));
  const TensorFile scratch = read_safetensors(folder.path / "classifier_100_scratch.safetensors");
  CHECK_FALSE(scratch.tensors.at("head.output.weight") == classifier.tensors.at("head.output.weight"));
}

TEST_CASE("the pre-trained encoder's learning rate is not that of stages that start anew") {
  const Folder folder("anew");
  ExperimentConfig config = tiny_config();
  config.fractions = {1.0};
  config.epochs = 12;
  config.encoder_rate = 0;
  config.transfer = 1;
  (void)run(config, folder.path);
  const TensorFile encoder = read_safetensors(folder.path / "encoder.safetensors");
  const TensorFile classifier = read_safetensors(folder.path / "classifier_100_pretrained.safetensors");
  CHECK(encoder.tensors.at("stage1.conv2.weight") == classifier.tensors.at("encoder.stage1.conv2.weight"));
  ResNet<float> random({.in_channels = 3, .width = 2}, Rng(config.seed).split("initialisation").split("encoder"));
  for (const auto& [name, tensor] : state_tensors(random))
    if (name == "stage2.conv2.weight") CHECK_FALSE((*tensor == classifier.tensors.at("encoder.stage2.conv2.weight")));
}

TEST_CASE("resuming with another given encoder, or with paths that are not UTF-8") {
  const Folder folder("given"), first("given_first");
  ExperimentConfig config = tiny_config();
  config.fractions = {1.0};
  config.data = "im\xff";  // only recorded
  (void)run(config, first.path);
  config.encoder = first.path / "encoder.safetensors";
  (void)run(config, folder.path);
  Progress silent;
  const RunSummary again = run_experiments(config, tiny_data(), {.out = folder.path, .resume = true}, silent);
  CHECK(again.experiments.size() == 1);
  config.encoder.clear();
  config.seed = 2;
  (void)run(config, first.path);
  config.encoder = first.path / "encoder.safetensors";
  config.seed = 1;
  CHECK_THROWS_WITH(run_experiments(config, tiny_data(), {.out = folder.path, .resume = true}, silent),
                    Catch::Matchers::ContainsSubstring("weights of the encoder"));
}

TEST_CASE("steps: in proportion to the label fraction to the 3/4, at least half") {
  ExperimentConfig config;
  config.epochs = 10;
  config.batch_size = 100;
  CHECK(classifier_steps(config, 10'000, 1) == 1000);
  CHECK(classifier_steps(config, 10'000, 0.5) == 595);
  CHECK(classifier_steps(config, 10'000, 0.2) == 500);
  CHECK(classifier_steps(config, 10'000, 0.1) == 500);
  CHECK(classifier_steps(config, 50, 1) == 10);  // the batch is all of them
  config.epochs = 0.1;
  CHECK(classifier_steps(config, 50, 0.1) == 1);
}

TEST_CASE("the random shift grows with the passes over the images") {
  CHECK(default_crop_padding(32, 14) == 2);
  CHECK(default_crop_padding(28, 20) == 2);
  CHECK(default_crop_padding(28, 20.5) == 3);
  CHECK(default_crop_padding(96, 56) == 12);
}

TEST_CASE("the peak rate follows steps and passes, in both arms, unless one is given") {
  CHECK(default_learning_rate(999, 5) == 0.3);
  CHECK(default_learning_rate(999, 50) == 0.3);
  CHECK(default_learning_rate(1000, 20) == 0.1);
  CHECK(default_learning_rate(1000, 20.5) == 0.2);
  ExperimentConfig config = tiny_config();
  config.pretrain_epochs = 0;
  config.fractions = {1.0, 0.1};
  config.batch_size = 4;
  config.epochs = 20;  // 1,080 steps and 20 passes with all labels, 540 and more than 20 with a tenth
  const RunSummary by_rule = run(config);
  config.learning_rate = 0.1;
  const RunSummary low = run(config);
  config.learning_rate = 0.3;
  const RunSummary high = run(config);
  for (const std::string arm : {"scratch", "pretrained"}) {
    CAPTURE(arm);
    const auto loss = [&](const RunSummary& summary, const std::string& experiment) {
      return rows_of(summary, experiment, arm, "train").back().loss;
    };
    CHECK(loss(by_rule, "100") == loss(low, "100"));
    CHECK(loss(by_rule, "100") != loss(high, "100"));
    CHECK(loss(by_rule, "10") == loss(high, "10"));
    CHECK(loss(by_rule, "10") != loss(low, "10"));
  }
  CHECK(by_rule.experiments[0].scratch[0].learning_rate == 0.1);
  CHECK(by_rule.experiments[1].pretrained[0].learning_rate == 0.3);
}

TEST_CASE("a rate of the pre-trained arms, a warm-up and averaged weights change what they should") {
  ExperimentConfig config = tiny_config();
  config.pretrain_epochs = 0;
  config.fractions = {1.0};
  config.epochs = 8;
  const auto curve = [](const RunSummary& summary, const std::string& arm) {
    std::vector<double> losses;
    for (const HistoryRow& row : rows_of(summary, "100", arm, "validation")) losses.push_back(row.loss);
    return losses;
  };
  const RunSummary plain = run(config);

  ExperimentConfig tuned = config;
  tuned.finetune_learning_rate = 0.05;
  const RunSummary with_rate = run(tuned);
  config.learning_rate = 0.05;
  CHECK(with_rate.experiments[0].scratch[0].learning_rate == 0.3);
  CHECK(with_rate.experiments[0].pretrained[0].learning_rate == 0.05);
  CHECK(curve(with_rate, "scratch") == curve(plain, "scratch"));
  CHECK(curve(with_rate, "pretrained") == curve(run(config), "pretrained"));
  CHECK(curve(with_rate, "pretrained") != curve(plain, "pretrained"));

  config.learning_rate = 0;
  config.warmup = 0;
  const RunSummary at_once = run(config);
  CHECK(curve(at_once, "scratch") != curve(plain, "scratch"));
  CHECK(curve(at_once, "pretrained") != curve(plain, "pretrained"));

  config.warmup = 0.05;
  config.averaging = 0.1;
  const RunSummary averaged = run(config);
  CHECK(curve(averaged, "pretrained").back() != curve(plain, "pretrained").back());
  CHECK(curve(averaged, "scratch").front() == curve(plain, "scratch").front());
  CHECK(curve(averaged, "scratch").back() != curve(plain, "scratch").back());
  CHECK(rows_of(averaged, "100", "scratch", "train").back().loss ==
        rows_of(plain, "100", "scratch", "train").back().loss);
}
