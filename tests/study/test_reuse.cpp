// SPDX-License-Identifier: MIT
// Given encoders, their origin, and arms from scratch of another run.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "study/tiny_run.hpp"

using namespace tiny;
namespace fs = std::filesystem;
using runs::Folder, runs::same_rows;

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
  const auto by_arm = [](std::vector<PhaseRow> rows) {  // those from scratch come first here
    std::stable_sort(rows.begin(), rows.end(), [](const PhaseRow& a, const PhaseRow& b) {
      return to_string(a.phase.arm) < std::string(to_string(b.phase.arm));
    });
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
  // The same run by another name, and a copy of it.
  const Folder copy("scratch_copy");
  fs::copy(first.path, copy.path, fs::copy_options::recursive);
  for (const std::string& name : {first.path.string() + "/", copy.path.string()}) {
    ExperimentConfig renamed = config;
    renamed.scratch_from = name;
    CHECK_NOTHROW(run_experiments(renamed, tiny_data(), {.out = second.path, .resume = true}, silent));
  }
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

TEST_CASE("every network is pre-trained, kept in a file and given again") {
  for (const std::string_view network : network_names()) {
    CAPTURE(network);
    const Folder folder("network"), given("network_given");
    ExperimentConfig config = tiny_config();
    config.network = network;
    config.width = 4;
    config.fractions.clear();
    config.pretrain_epochs = 0.5;
    CHECK(run(config, folder.path).config.at("network") == network);
    config.encoder = folder.path / "encoder.safetensors";
    config.fractions = {1.0};
    config.epochs = 0.5;
    const RunSummary summary = run(config, given.path);
    CHECK(summary.origin.has_value());
    CHECK(read_encoder(given.path / "classifier_100_pretrained.safetensors").encoder->description().network == network);
    config.network = network == "resnet" ? network_names().back() : network_names().front();
    CHECK_THROWS_WITH(run(config), Catch::Matchers::ContainsSubstring("another architecture"));
  }
}
