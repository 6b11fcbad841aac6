// SPDX-License-Identifier: MIT
// The context-prediction task as training uses it: loss against a calculation pair by pair, gradients,
// validation, tampered batches, batch-norm re-estimation, and (slow) that it learns from pictures
// and from nothing else.
#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "contexture/autograd/gradcheck.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/builtin.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/data/sampler.hpp"
#include "contexture/evaluate/diagnostics.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/models/resnet.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/ssl/context_prediction.hpp"
#include "contexture/ssl/recalibrate.hpp"
#include "made_up_images.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

namespace {

using namespace contexture;
using tensors::random_tensor;

// 2 x 2 patches of 6 px, without dropout: small enough to differentiate numerically.
ContextPredictionOptions small_task(PatchReadout readout) {
  ContextPredictionOptions o{.patches = patch_defaults(17), .readout = readout, .head = {.hidden = 7, .dropout = 0}};
  o.patches.max_scale = 1.3F;
  return o;
}

}  // namespace

TEST_CASE("the context head equals a linear layer on concatenated pairs") {
  ContextHead<double> head(5, {.hidden = 7, .dropout = 0.0F}, Rng(1));
  const Variable<double> features(random_tensor<double>({6, 5}, 2), true);
  const std::vector<std::int32_t> first{0, 1, 4, 5, 2};
  const std::vector<std::int32_t> second{1, 0, 3, 2, 2};
  const Variable<double> logits = head.forward(features, first, second);
  REQUIRE(logits.shape() == Shape{5, 8});
  auto p = head.parameters();
  REQUIRE(p.size() == 4);
  const Variable<double> pairs = concat({gather_rows(features, std::span<const std::int32_t>(first)),
                                         gather_rows(features, std::span<const std::int32_t>(second))},
                                        1);
  Tensor<double> mean = zeros<double>({7}), variance = full<double>({7}, 1.0);
  const Variable<double> hidden =
      batch_norm(linear(pairs, concat({p[0].variable, p[1].variable}, 0)), {}, {}, mean, variance, {.relu = true});
  const Variable<double> expected = linear(hidden, p[2].variable, p[3].variable);
  for (std::size_t i = 0; i < logits.size(); ++i)
    CHECK(logits.value().data()[i] == Approx(expected.value().data()[i]).margin(1e-12));
  CHECK_THROWS_AS(head.forward(features, first, std::span<const std::int32_t>(second).first(3)), std::invalid_argument);
}

TEST_CASE("order of a pair matters to the context head") {
  ContextHead<float> head(5, {.hidden = 7}, Rng(1));
  head.set_training(false);
  const Variable<float> features(random_tensor<float>({2, 5}, 2));
  const std::vector<std::int32_t> a{0}, b{1};
  CHECK(head.forward(features, a, b).value() != head.forward(features, b, a).value());
}

TEST_CASE("the loss is the weighted cross-entropy of every pair on its own", "[ssl]") {
  const auto images = made_up::noise(4, 17, 17, 3);
  for (const auto readout : {PatchReadout::average, PatchReadout::flatten}) {
    ResNet<double> encoder({.width = 3, .stages = 2}, Rng(1));
    ContextPrediction<double> task(small_task(readout), {17, 17}, encoder, Rng(2));
    const auto batch = task.make_batch(images, made_up::first(4), Rng(3));
    REQUIRE(batch.targets.size() == 48);
    // Evaluation mode: no example depends on the others, so each can be had alone.
    encoder.set_training(false);
    task.set_training(false);
    const auto answer = task.loss(encoder, batch);
    double total = 0;
    double weights = 0;
    Index correct = 0;
    const std::size_t size = batch.inputs.size() / batch.inputs.shape()[0];
    for (std::size_t k = 0; k < batch.targets.size(); ++k) {
      PretextBatch one;
      Shape shape = batch.inputs.shape();
      shape[0] = 2;
      one.inputs = empty<float>(shape);
      std::copy_n(batch.inputs.data() + static_cast<std::size_t>(batch.first[k]) * size, size, one.inputs.data());
      std::copy_n(batch.inputs.data() + static_cast<std::size_t>(batch.second[k]) * size, size,
                  one.inputs.data() + size);
      one.first = {0};
      one.second = {1};
      one.targets = {batch.targets[k]};
      const auto logits = task.logits(encoder, one);
      REQUIRE(logits.shape() == Shape{1, 8});
      const double* z = logits.value().data();
      double sum = 0;
      for (int d = 0; d < 8; ++d) sum += std::exp(z[d]);
      const bool diagonal = direction(batch.targets[k]).dy != 0 && direction(batch.targets[k]).dx != 0;
      const double weight = diagonal ? 1.5 : 0.75;
      total += weight * (std::log(sum) - z[batch.targets[k]]);
      weights += weight;
      correct += std::max_element(z, z + 8) - z == batch.targets[k];
    }
    CHECK(answer.loss.item() == Approx(total / weights).epsilon(1e-9));
    CHECK(answer.correct == correct);
    CHECK(answer.count == 48);
  }
}

TEST_CASE("gradients of context prediction agree with differences", "[ssl]") {
  const auto images = made_up::noise(3, 17, 17, 3);
  for (const auto readout : {PatchReadout::average, PatchReadout::flatten}) {
    for (const bool training : {true, false}) {
      ResNet<double> encoder({.width = 2, .stages = 2}, Rng(4));
      auto options = small_task(readout);
      options.label_smoothing = training ? 0.1 : 0.0;
      ContextPrediction<double> task(options, {17, 17}, encoder, Rng(5));
      encoder.set_training(training);
      task.set_training(training);
      const auto batch = task.make_batch(images, made_up::first(3), Rng(6));
      std::vector<Variable<double>> parameters;
      for (auto& p : encoder.parameters()) parameters.push_back(p.variable);
      for (auto& p : task.parameters()) parameters.push_back(p.variable);
      CHECK(gradcheck([&](std::span<const Variable<double>>) { return task.loss(encoder, batch).loss; }, parameters,
                      {.step = 1e-6, .tolerance = 2e-5, .directions = 1}) == "");
    }
  }
}

TEST_CASE("the task says what it is and names its head's parameters", "[ssl]") {
  ResNet<float> encoder({.width = 4, .stages = 2}, Rng(1));
  ContextPrediction<float> task({}, {32, 32}, encoder, Rng(2));
  CHECK(task.name() == "context prediction");
  CHECK(task.chance(1) == Approx(1.0 / 6));
  CHECK(task.suspicious_accuracy() == Approx(0.6));
  std::set<std::string> names;
  for (auto& p : encoder.parameters()) names.insert(p.name);
  const auto head = task.parameters();
  CHECK(head.size() == 4);
  for (const auto& p : head) {
    CHECK(p.name.rfind("context_head.", 0) == 0);
    CHECK(names.insert(p.name).second);
  }
  for (const auto& b : task.buffers()) CHECK(b.name.rfind("context_head.", 0) == 0);
  CHECK_THROWS_AS(ContextPrediction<float>({}, {28, 28}, encoder, Rng(2)), std::invalid_argument);
  CHECK_THROWS_AS(ContextPrediction<float>({}, {32, 32, 1}, encoder, Rng(2)), std::invalid_argument);
  // Images with another number of channels than the encoder takes.
  CHECK_THROWS_AS(task.make_batch(made_up::noise(1, 32, 32, 1), made_up::first(1), Rng(1)), std::invalid_argument);
}

TEST_CASE("validation asks the same questions every time and changes nothing", "[ssl]") {
  const auto images = made_up::noise(50, 32, 32, 3);
  ResNet<float> encoder({.width = 4, .stages = 2}, Rng(1));
  ContextPrediction<float> task({.head = {.hidden = 16}}, {32, 32}, encoder, Rng(2));
  std::vector<Tensor<float>> before;
  for (auto& b : encoder.buffers()) before.push_back(*b.tensor);
  for (auto& b : task.buffers()) before.push_back(*b.tensor);
  const auto a = evaluate_pretext<float>(task, encoder, images, made_up::first(50), 16, Rng(3));
  const auto b = evaluate_pretext<float>(task, encoder, images, made_up::first(50), 16, Rng(3));
  CHECK(a.loss == b.loss);
  CHECK(a.accuracy == b.accuracy);
  CHECK(a.count == 600);
  CHECK(encoder.training());
  CHECK(task.training());
  std::size_t i = 0;
  for (auto& buffer : encoder.buffers()) CHECK((*buffer.tensor == before[i++]));
  for (auto& buffer : task.buffers()) CHECK((*buffer.tensor == before[i++]));
  // By hand, in evaluation mode.
  encoder.set_training(false);
  task.set_training(false);
  double loss = 0;
  Index correct = 0;
  for (std::uint64_t k = 0; k < 4; ++k) {
    std::vector<Index> part;  // 12, 13, 12 and 13 images
    for (std::uint64_t n = 50 * k / 4; n < 50 * (k + 1) / 4; ++n) part.push_back(static_cast<Index>(n));
    const auto answer = task.loss(encoder, task.make_batch(images, part, Rng(3).split(k)));
    loss += static_cast<double>(answer.loss.item()) * static_cast<double>(answer.count);
    correct += answer.correct;
  }
  CHECK(a.loss == Approx(loss / 600));
  CHECK(a.accuracy == Approx(static_cast<double>(correct) / 600));
  (void)evaluate_pretext<float>(task, encoder, images, made_up::first(5), 2, Rng(3));
  CHECK_FALSE(encoder.training());  // as it was
  CHECK_THROWS_AS(evaluate_pretext<float>(task, encoder, images, made_up::first(5), 0, Rng(3)), std::invalid_argument);
  CHECK_THROWS_AS(evaluate_pretext<float>(task, encoder, images, made_up::first(0), 8, Rng(3)), std::invalid_argument);
}

TEST_CASE("tampering shuffles targets or partners and nothing else", "[ssl]") {
  const auto images = made_up::noise(40, 32, 32, 3);
  ResNet<float> encoder({.width = 4, .stages = 2}, Rng(1));
  ContextPrediction<float> task({}, {32, 32}, encoder, Rng(2));
  const auto honest = task.make_batch(images, made_up::first(40), Rng(8));
  for (const auto tampering : {Tampering::none, Tampering::shuffled_targets, Tampering::foreign_partner}) {
    TamperedTask<float> tampered(task, tampering);
    CHECK(tampered.chance(7) == task.chance(7));
    CHECK(tampered.parameters().front().name == task.parameters().front().name);
    CHECK(tampered.parameters().size() == task.parameters().size());
    auto batch = tampered.make_batch(images, made_up::first(40), Rng(8));
    CHECK((batch.inputs == honest.inputs));
    CHECK(batch.first == honest.first);
    CHECK((batch.targets == honest.targets) == (tampering != Tampering::shuffled_targets));
    CHECK((batch.second == honest.second) == (tampering != Tampering::foreign_partner));
    CHECK(std::is_permutation(batch.targets.begin(), batch.targets.end(), honest.targets.begin()));
    CHECK(std::is_permutation(batch.second.begin(), batch.second.end(), honest.second.begin()));
    const auto again = tampered.make_batch(images, made_up::first(40), Rng(8));
    CHECK(batch.targets == again.targets);
    CHECK(batch.second == again.second);
    CHECK(tampered.loss(encoder, batch).count == 480);
  }
}

TEST_CASE("shortcut checks differ in what they name and share the scales", "[ssl]") {
  for (const Index size : {28, 32, 96}) {
    const auto checks = shortcut_checks(patch_defaults(size), size, size);
    REQUIRE(checks.size() == 7);
    const int gap = patch_defaults(size).gap;
    CHECK(checks[0].options.gap == 0);
    CHECK(checks[1].options.gap == gap);
    CHECK(checks[2].options.gap == 2 * gap);
    CHECK(checks[3].tampering == Tampering::foreign_partner);
    CHECK(checks[4].tampering == Tampering::border_only);
    CHECK(checks[5].tampering == Tampering::border_hidden);
    CHECK(checks[6].tampering == Tampering::shuffled_targets);
    for (const auto& check : checks) {
      CHECK(check.options.min_scale == checks[0].options.min_scale);
      CHECK(check.options.max_scale == checks[0].options.max_scale);
      CHECK(check.options.patch == patch_defaults(size).patch);
      CHECK_NOTHROW(PatchSampler(check.options, size, size, 3));
    }
  }
}

TEST_CASE("re-estimated statistics are plain averages over the batches", "[ssl]") {
  BatchNorm<double> norm(3, {.momentum = 0.25});
  norm.set_training(false);
  Rng rng(3);
  std::vector<Tensor<double>> batches;
  for (int k = 0; k < 5; ++k) {
    Tensor<double> x = empty<double>({20, 3});
    for (std::size_t i = 0; i < x.size(); ++i) {
      x.data()[i] = static_cast<double>(rng.normal()) * (k + 1) + static_cast<double>(i % 3);
    }
    batches.push_back(x);
  }
  recalibrate_batch_norm<double>(norm, 5, [&](Index k) {
    CHECK(norm.training());
    (void)norm(Variable<double>(batches[static_cast<std::size_t>(k)]));
  });
  CHECK_FALSE(norm.training());
  CHECK(norm.momentum() == 0.25);
  const auto buffers = norm.buffers();
  for (std::size_t c = 0; c < 3; ++c) {
    double mean = 0;
    double variance = 0;
    for (const auto& x : batches) {
      double s = 0;
      double q = 0;
      for (std::size_t i = 0; i < 20; ++i) s += x.data()[i * 3 + c] / 20;
      for (std::size_t i = 0; i < 20; ++i) q += std::pow(x.data()[i * 3 + c] - s, 2) / 19;
      mean += s / 5;
      variance += q / 5;
    }
    CHECK(buffers[0].tensor->data()[c] == Approx(mean));
    CHECK(buffers[1].tensor->data()[c] == Approx(variance));
  }
  // A forward pass that throws leaves modes and momenta as they were.
  CHECK_THROWS_AS(recalibrate_batch_norm<double>(norm, 2, [](Index) { throw std::runtime_error("no"); }),
                  std::runtime_error);
  CHECK_FALSE(norm.training());
  CHECK(norm.momentum() == 0.25);
}

TEST_CASE("after re-estimation an encoder answers whole images as it did in training mode", "[ssl]") {
  const auto images = builtin_dataset(96, 1, 32, 5).train;
  const auto indices = made_up::first(96);
  const Normalization normalization = channel_statistics(images, indices);
  ResNet<float> encoder({.width = 4, .stages = 2}, Rng(1));
  for (auto& b : encoder.buffers()) std::fill_n(b.tensor->data(), b.tensor->size(), 9.0F);  // of something else
  std::vector<Tensor<float>> weights;
  for (auto& p : encoder.parameters()) weights.push_back(p.variable.value());
  recalibrate_batch_norm(encoder, images, indices, normalization, 96);
  std::size_t i = 0;
  for (auto& p : encoder.parameters()) CHECK((p.variable.value() == weights[i++]));
  Batch batch;
  make_batch(images, indices, normalization, nullptr, Rng(0), batch);
  const Tensor<float> in_training = encoder(Variable<float>(batch.images)).value();
  encoder.set_training(false);
  const Tensor<float> in_evaluation = encoder(Variable<float>(batch.images)).value();
  for (std::size_t k = 0; k < in_training.size(); ++k) {
    REQUIRE(in_evaluation.data()[k] == Approx(in_training.data()[k]).margin(0.02));
  }
  // More images than are used, in several batches: spread over the whole list.
  recalibrate_batch_norm(encoder, images, indices, normalization, 10, 32);
  CHECK_FALSE(encoder.training());
  std::vector<Tensor<float>> spread;
  for (const auto& b : encoder.buffers()) spread.push_back(*b.tensor);
  std::vector<Index> every_third;
  for (Index k = 0; k < 32; ++k) every_third.push_back(3 * k);
  recalibrate_batch_norm(encoder, images, every_third, normalization, 10);
  i = 0;
  for (const auto& b : encoder.buffers()) CHECK((*b.tensor == spread[i++]));
  recalibrate_batch_norm(encoder, images, std::span(indices).first(32), normalization, 10);
  CHECK_FALSE((*encoder.buffers()[0].tensor == spread[0]));
  CHECK_THROWS_AS(recalibrate_batch_norm(encoder, images, std::vector<Index>{}, normalization), std::invalid_argument);
}

namespace {

// Validation accuracy after some steps on the built-in pictures.
double accuracy_after(Tampering tampering, int steps) {
  const auto data = builtin_dataset(1200, 300, 32, 3);
  ResNet<float> encoder({.width = 8, .stages = 2}, Rng(1));
  ContextPrediction<float> task({.head = {.hidden = 64, .dropout = 0}}, {32, 32}, encoder, Rng(2));
  TamperedTask<float> tampered(task, tampering);
  auto parameters = encoder.parameters();
  for (auto& p : task.parameters()) parameters.push_back(p);
  AdamW<float> optimizer(parameters);
  const EpochSampler order(made_up::first(1200), 64, Rng(4));
  const Rng rng(5);
  for (int step = 0; step < steps; ++step) {
    const auto batch = tampered.make_batch(data.train, order.batch(step), rng.split(static_cast<std::uint64_t>(step)));
    tampered.loss(encoder, batch).loss.backward();
    optimizer.step(3e-3);
    optimizer.zero_grad();
  }
  return evaluate_pretext<float>(tampered, encoder, data.test, made_up::first(300), 100, Rng(6)).accuracy;
}

}  // namespace

TEST_CASE("context prediction learns from pictures", "[ssl]") {
  const double accuracy = accuracy_after(Tampering::none, 60);
  CHECK(accuracy > 0.24);  // chance is 0.167
}

TEST_CASE("shuffled targets cannot be learnt", "[.slow][ssl]") {
  // 300 images have 3,600 pairs: chance plus five standard errors.
  const double accuracy = accuracy_after(Tampering::shuffled_targets, 400);
  CHECK(accuracy < 1.0 / 6 + 0.031);
  CHECK(accuracy_after(Tampering::none, 400) > 0.35);
}
