// SPDX-License-Identifier: MIT
// What is decided before anything is computed: steps, rates, phases, and what is refused.
#include <stdexcept>
#include <vector>

#include "study/tiny_run.hpp"

using namespace tiny;

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
  config.pretext_options["patch"] = "15";  // does not fit twice into 16 px
  CHECK_THROWS_AS(run(config), std::invalid_argument);
  Dataset data = tiny_data();
  data.test = {0, 16, 16, 3, {}, {}};
  CHECK_THROWS_AS(run(tiny_config(), {}, data), InputError);
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

TEST_CASE("an arm's plan: batch, steps, shift and rate by the settings, else by the rules") {
  ExperimentConfig config = tiny_config();
  const RunPlan plan = plan_run(config, tiny_data());
  const PhaseId scratch{0.5, Arm::scratch, 1}, pretrained{0.5, Arm::pretrained, 1};
  const ArmPlan by_rule = plan.arm(scratch, 216, 108);
  CHECK(by_rule.batch == 32);
  CHECK(by_rule.steps == classifier_steps(config, 216, 0.5));
  CHECK(by_rule.padding == default_crop_padding(16, static_cast<double>(by_rule.steps) * 32 / 108));
  CHECK(by_rule.learning_rate == 0.3);
  CHECK(by_rule.text() == message(by_rule.steps, " steps of 32 images, rate 0.3, shift 1"));
  CHECK(plan.arm(pretrained, 216, 108).text() == by_rule.text());
  CHECK(plan.arm(scratch, 216, 20).batch == 20);  // of fewer images all
  config.crop_padding = 0;
  config.learning_rate = 0.125;
  CHECK(plan.arm(pretrained, 216, 108).learning_rate == 0.125);
  config.finetune_learning_rate = 0.25;
  CHECK(plan.arm(scratch, 216, 108).learning_rate == 0.125);
  CHECK(plan.arm(scratch, 216, 108).padding == 0);
  CHECK(plan.arm(pretrained, 216, 108).learning_rate == 0.25);
}

TEST_CASE("phases: pre-training first, then both arms of every fraction, seed by seed") {
  ExperimentConfig config = tiny_config();
  config.seed = 4;
  config.seeds = 2;
  config.fractions = {0.5, 1};
  const RunPlan plan = plan_run(config, tiny_data());
  CHECK(plan.seeds() == std::vector<std::uint64_t>{4, 5});
  std::vector<PhaseId> expected;
  for (const std::uint64_t seed : {4U, 5U}) {
    expected.push_back(pretraining_phase(seed));
    for (const double fraction : {0.5, 1.0})
      for (const Arm arm : {Arm::scratch, Arm::pretrained}) expected.push_back({fraction, arm, seed});
  }
  CHECK(plan.phases(true) == expected);
  config.encoder = "given.safetensors";
  std::erase_if(expected, [](const PhaseId& phase) { return phase.arm != Arm::pretrained; });
  CHECK(plan.phases(false) == expected);
}
