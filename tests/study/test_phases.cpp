// SPDX-License-Identifier: MIT
// What settings do to a phase: pre-training and the training of the arms.
#include <cmath>
#include <vector>

#include "contexture/models/resnet.hpp"
#include "study/tiny_run.hpp"

using namespace tiny;
using runs::Folder;

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

TEST_CASE("chance of a view is among the validation images of a batch") {
  ExperimentConfig config = tiny_config();
  config.fractions.clear();
  config.pretext = GENERATE("simclr", "vicreg");
  const RunSummary summary = run(config);
  CHECK(summary.validation_images < 256);
  CHECK(summary.pretrain->chance == Approx(1.0 / static_cast<double>(2 * summary.validation_images - 1)));
}

TEST_CASE("settings of the training change the training") {
  ExperimentConfig config = tiny_config();
  config.pretrain_epochs = 0;
  config.fractions = {1.0};
  const auto last_loss = [](const ExperimentConfig& changed) {
    return rows_of(run(changed), {1.0, Arm::scratch, 1}, "train").back().loss;
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
  const auto run_at = [&](double rate, double fraction) {
    config.learning_rate = rate;
    config.fractions = {fraction};
    return run(config);
  };
  const RunSummary low = run_at(0.1, 1), high = run_at(0.3, 0.1);
  for (const Arm arm : {Arm::scratch, Arm::pretrained}) {
    CAPTURE(to_string(arm));
    const auto loss = [&](const RunSummary& summary, double fraction) {
      return rows_of(summary, {fraction, arm, 1}, "train").back().loss;
    };
    CHECK(loss(by_rule, 1) == loss(low, 1));
    CHECK(loss(by_rule, 0.1) == loss(high, 0.1));
  }
  CHECK(by_rule.experiments[0].scratch[0].learning_rate == 0.1);
  CHECK(by_rule.experiments[1].pretrained[0].learning_rate == 0.3);
}

TEST_CASE("a rate of the pre-trained arms, a warm-up and averaged weights change what they should") {
  ExperimentConfig config = tiny_config();
  config.pretrain_epochs = 0;
  config.fractions = {1.0};
  config.epochs = 8;
  const auto curve = [](const RunSummary& summary, Arm arm) {
    std::vector<double> losses;
    for (const PhaseRow& row : rows_of(summary, {1.0, arm, 1}, "validation")) losses.push_back(row.loss);
    return losses;
  };
  const RunSummary plain = run(config);

  ExperimentConfig tuned = config;
  tuned.finetune_learning_rate = 0.05;
  const RunSummary with_rate = run(tuned);
  config.learning_rate = 0.05;
  CHECK(with_rate.experiments[0].scratch[0].learning_rate == 0.3);
  CHECK(with_rate.experiments[0].pretrained[0].learning_rate == 0.05);
  CHECK(curve(with_rate, Arm::scratch) == curve(plain, Arm::scratch));
  CHECK(curve(with_rate, Arm::pretrained) == curve(run(config), Arm::pretrained));
  CHECK(curve(with_rate, Arm::pretrained) != curve(plain, Arm::pretrained));

  config.learning_rate = 0;
  config.warmup = 0;
  const RunSummary at_once = run(config);
  CHECK(curve(at_once, Arm::scratch) != curve(plain, Arm::scratch));
  CHECK(curve(at_once, Arm::pretrained) != curve(plain, Arm::pretrained));

  config.warmup = 0.05;
  config.averaging = 0.1;
  const RunSummary averaged = run(config);
  CHECK(curve(averaged, Arm::pretrained).back() != curve(plain, Arm::pretrained).back());
  CHECK(curve(averaged, Arm::scratch).front() == curve(plain, Arm::scratch).front());
  CHECK(curve(averaged, Arm::scratch).back() != curve(plain, Arm::scratch).back());
  CHECK(rows_of(averaged, {1.0, Arm::scratch, 1}, "train").back().loss ==
        rows_of(plain, {1.0, Arm::scratch, 1}, "train").back().loss);
}
