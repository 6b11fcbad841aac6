// SPDX-License-Identifier: MIT
// What a run does with what it computes: which weights are tested, whose statistics a saved encoder has, how large the
// steps are. Each on a run of seconds, from its files alone.
#include <algorithm>
#include <cmath>
#include <vector>

#include "contexture/ssl/recalibrate.hpp"
#include "study/tiny_run.hpp"

using namespace tiny;
using runs::Folder;

namespace {

// `count` times the same image of a class, for two classes: every batch of one size has the same gradient.
Dataset repeated(Index count) {
  const Dataset source = builtin_dataset(2, 2, 16);
  Dataset data = source;
  data.class_names.resize(2);
  data.train.pixels.clear();
  data.train.labels.clear();
  for (Index i = 0; i < count; ++i) {
    const std::uint8_t* image = source.train.image(i % 2);
    data.train.pixels.insert(data.train.pixels.end(), image, image + source.train.image_bytes());
    data.train.labels.push_back(static_cast<std::int32_t>(i % 2));
  }
  data.train.count = count;
  return data;
}

// Runs without anything random in its batches, and with plain gradient descent.
ExperimentConfig plain_config() {
  ExperimentConfig config = tiny_config();
  config.fractions = {1.0};
  config.optimizer = "sgd";
  config.weight_decay = 0;
  config.label_smoothing = 0;
  config.averaging = 0;
  config.warmup = 0;
  config.crop_padding = 0;
  config.mirror = Mirror::off;
  config.batch_size = config.pretrain_batch_size = 128;
  config.epochs = 3;
  return config;
}

// Weights of the phase under way when `steps` steps of a run are taken.
TensorMap weights_after(const ExperimentConfig& config, const Dataset& data, int steps) {
  struct StopSoon : Progress {
    void step(std::int64_t, double, double, double) override {
      if (--left == 0) token.request();
    }
    StopToken token;
    int left = 0;
  } progress;
  progress.left = steps;
  const Folder folder("steps");
  CHECK_THROWS_AS(run_experiments(config, data, {.out = folder.path}, progress, &progress.token), Stopped);
  return read_checkpoint(checkpoint_path(folder.path)).model;
}

// How far a weight went.
Tensor<float> moved(const TensorMap& before, const TensorMap& after, const std::string& name) {
  Tensor<float> out = after.at(name);
  for (std::size_t i = 0; i < out.size(); ++i) out.data()[i] -= before.at(name).data()[i];
  return out;
}

double norm_of(const Tensor<float>& x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(sum);
}

// |a - factor * b| / |a|
double apart(const Tensor<float>& a, double factor, const Tensor<float>& b) {
  Tensor<float> difference = a;
  for (std::size_t i = 0; i < a.size(); ++i) difference.data()[i] -= static_cast<float>(factor) * b.data()[i];
  return norm_of(difference) / norm_of(a);
}

}  // namespace

TEST_CASE("the weights that are tested and saved are those that were best on validation") {
  const Folder folder("best");
  ExperimentConfig config = tiny_config();
  config.fractions = {1.0};
  config.pretrain_epochs = 0;
  config.epochs = 10;
  config.averaging = 0;
  config.optimizer = "sgd";
  config.learning_rate = 1;  // large, so that the last weights are not the best: with the first seed where that is so
  RunSummary summary;
  std::vector<PhaseRow> rows;
  for (config.seed = 1; config.seed <= 12; ++config.seed) {
    summary = run(config, folder.path);
    rows = rows_of(summary, {1.0, Arm::scratch, config.seed}, "validation");
    if (rows.back().accuracy < summary.experiments[0].scratch[0].best_val_accuracy) break;
  }
  const ArmResult& arm = summary.experiments[0].scratch[0];
  REQUIRE(rows.back().accuracy < arm.best_val_accuracy);
  const PhaseRow tested = rows_of(summary, {1.0, Arm::scratch, config.seed}, "test").at(0);
  double at_tested = -1, best = -1;
  for (const PhaseRow& row : rows) {
    best = std::max(best, row.accuracy);
    if (row.step == tested.step) at_tested = row.accuracy;
  }
  CHECK(arm.best_val_accuracy == best);
  CHECK(at_tested == best);

  ImageClassifier saved = ImageClassifier::load(folder.path / "classifier_100_scratch.safetensors");
  const RunPlan plan = plan_run(config, tiny_data());
  CHECK(score(saved, tiny_data().train, plan.split(config.seed).validation).evaluation.accuracy == best);
  const Score again = score(saved, tiny_data().test, numbered(48));
  CHECK(again.evaluation.accuracy == arm.test_accuracy);
  CHECK(again.evaluation.macro_f1 == arm.test_macro_f1);
  CHECK(again.evaluation.loss == Approx(tested.loss));
  CHECK(tested.accuracy == arm.test_accuracy);
  CHECK(again.confusion.counts == arm.confusion.counts);
}

TEST_CASE("a pre-trained encoder has the statistics of whole images, in its file and where its arm begins") {
  const Folder folder("statistics");
  ExperimentConfig config = tiny_config();
  config.fractions = {1.0};
  const RunSummary summary = run(config, folder.path);
  const TensorFile file = read_safetensors(folder.path / "encoder.safetensors");
  const RunPlan plan = plan_run(config, tiny_data());
  ImageClassifier model(plan.classifier, Rng(config.seed).split("initialisation"));
  restore_tensors(file.tensors, state_tensors(model.encoder()), "encoder");
  const double loss = score(model, tiny_data().train, plan.split(1).validation).evaluation.loss;
  CHECK(rows_of(summary, {1.0, Arm::pretrained, 1}, "validation").at(0).loss == loss);

  REQUIRE_FALSE(model.encoder().buffers().empty());
  for (const NamedBuffer<float>& buffer : model.encoder().buffers())
    std::fill_n(buffer.tensor->data(), buffer.tensor->size(), 7.0F);
  recalibrate_batch_norm(model.encoder(), tiny_data().train, numbered(240), plan.classifier.normalization);
  for (const NamedBuffer<float>& buffer : model.encoder().buffers())
    CHECK(runs::same_bits({{"", *buffer.tensor}}, {{"", file.tensors.at(buffer.name)}}));
}

TEST_CASE("the learning rate of an arm is for a batch of 128: with one of 64, steps are half as long") {
  ExperimentConfig config = plain_config();
  config.pretrain_epochs = 0;
  config.validation = 0.001;
  const auto first_step = [&config](Index images, double rate) {
    config.learning_rate = rate;
    const Dataset data = repeated(images + 2);  // one of each class is held out; the others are one batch
    TensorMap start;
    ImageClassifier model(plan_run(config, data).classifier, Rng(config.seed).split("initialisation"));
    copy_tensors(state_tensors(model), start);
    return moved(start, weights_after(config, data, 1), "encoder.stem.weight");
  };
  const Tensor<float> of_64 = first_step(64, 0.125), of_128 = first_step(128, 0.125);
  REQUIRE(norm_of(of_64) > 0);
  CHECK(apart(of_64, 0.5, of_128) < 0.01);
  CHECK(apart(first_step(64, 0.25), 1, of_128) < 0.01);
}

TEST_CASE("the learning rate of pre-training is for a batch of 128 as well") {
  ExperimentConfig config = plain_config();
  config.fractions.clear();
  config.pretrain_epochs = 20;
  config.pretext = "rotation";
  config.pretext_options = {{"rotation-crop-padding", "0"}, {"all-rotations", "on"}};
  const auto second_step = [&config](Index images) {  // the rate rises from 0 at the first one
    config.pretrain_batch_size = images;
    Dataset data = repeated(images);
    for (Index i = 0; i < images; ++i) std::copy_n(data.train.image(0), data.train.image_bytes(), data.train.image(i));
    return moved(weights_after(config, data, 1), weights_after(config, data, 2), "encoder.stem.weight");
  };
  const Tensor<float> of_64 = second_step(64), of_128 = second_step(128);
  REQUIRE(norm_of(of_64) > 0);
  CHECK(apart(of_64, 0.5, of_128) < 0.01);
}
