// SPDX-License-Identifier: MIT
// The pretext tasks beside context prediction: their targets, recovered from the pixels; their losses,
// against formulas written out in double; their gradients; that they can be had by name; and that each
// of them learns.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "contexture/autograd/gradcheck.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/data/sampler.hpp"
#include "contexture/evaluate/diagnostics.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/models/resnet.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/ssl/context_prediction.hpp"
#include "contexture/ssl/jigsaw.hpp"
#include "contexture/ssl/joint.hpp"
#include "contexture/ssl/pretext_task_list.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/ssl/rotation.hpp"
#include "contexture/ssl/simclr.hpp"
#include "contexture/ssl/vicreg.hpp"
#include "contexture/ssl/view_pairs.hpp"
#include "example_pretext_task.hpp"
#include "made_up_images.hpp"
#include "support/catch.hpp"

namespace {

using namespace contexture;
using made_up::as_stored, made_up::first;

// Rows a and b of two tensors of rows of the same size.
bool same_row(const Tensor<float>& x, std::size_t a, const Tensor<float>& y, std::size_t b) {
  const std::size_t size = x.size() / x.shape()[0];
  return std::memcmp(x.data() + a * size, y.data() + b * size, size * sizeof(float)) == 0;
}

// Heads small enough to differentiate numerically, everything else by rule.
PretextValues small_head(std::string_view task) {
  if (task == "rotation") return {};
  if (task == "simclr" || task == "vicreg") return {{"head-hidden", "6"}, {"head-output", "5"}};
  PretextValues given{{"head-hidden", "7"}};
  if (task != "jigsaw") given["head-dropout"] = "0";
  if (task == "context+rotation") given["rotation-weight"] = "0.5";
  return given;
}

PretextImages kind_of(const ImageSet& images, bool flip = true) {
  return pretext_images(images, channel_statistics(images, first(images.count)), flip);
}

std::vector<Variable<double>> all_parameters(Backbone<double>& encoder, PretextTask<double>& task) {
  std::vector<Variable<double>> parameters;
  for (auto& p : encoder.parameters()) parameters.push_back(p.variable);
  for (auto& p : task.parameters()) parameters.push_back(p.variable);
  return parameters;
}

struct Learning {
  double before = 0;  ///< loss
  double after = 0;
  double accuracy = 0;
};

// Losses on other images of the kind, in evaluation mode, before and after `steps` steps.
Learning learn(PretextTask<float>& task, Backbone<float>& encoder, const ImageSet& images, int steps, Index batch = 32,
               double rate = 3e-3) {
  const auto all = first(images.count);
  const auto held_out = std::span(all).last(128);
  Learning result;
  result.before = evaluate_pretext(task, encoder, images, held_out, 64, Rng(6)).loss;
  auto parameters = encoder.parameters();
  for (auto& p : task.parameters()) parameters.push_back(p);
  AdamW<float> optimizer(parameters);
  const EpochSampler order({all.begin(), all.end() - 128}, batch, Rng(4));
  for (int step = 0; step < steps; ++step) {
    const auto made = task.make_batch(images, order.batch(step), Rng(5).split(static_cast<std::uint64_t>(step)));
    task.loss(encoder, made).loss.backward();
    optimizer.step(rate);
    optimizer.zero_grad();
  }
  const auto evaluation = evaluate_pretext(task, encoder, images, held_out, 64, Rng(6));
  result.after = evaluation.loss;
  result.accuracy = evaluation.accuracy;
  return result;
}

}  // namespace

TEST_CASE("a square is turned counter-clockwise, pixel by pixel", "[ssl]") {
  // The square 1 2 / 3 4 in the middle of an image that is 4 pixels wide; the second channel is ten times that.
  const std::vector<float> image{0, 0, 0, 0,  0, 0,  0, 0, 0, 0, 1, 10, 2, 20, 0, 0,
                                 0, 0, 3, 30, 4, 40, 0, 0, 0, 0, 0, 0,  0, 0,  0, 0};
  const std::array<std::array<float, 4>, 4> expected{{{1, 2, 3, 4}, {2, 4, 1, 3}, {4, 3, 2, 1}, {3, 1, 4, 2}}};
  for (int turns = 0; turns < 4; ++turns) {
    std::array<float, 8> out{};
    rotate_square(image.data(), 4, 2, 1, 1, 2, turns, out.data());
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(out[2 * i] == expected[static_cast<std::size_t>(turns)][i]);
      CHECK(out[2 * i + 1] == 10 * expected[static_cast<std::size_t>(turns)][i]);
    }
  }
}

TEST_CASE("rotation's inputs are the turned images, and its targets say by how much", "[ssl]") {
  ResNet<float> encoder({.width = 4, .stages = 2}, Rng(1));
  const ImageSet images = made_up::noise(60, 9, 9, 3);
  const Normalization normalization = channel_statistics(images, first(60));
  RotationOptions options;
  options.augmentation.crop_padding = 0;
  for (const bool all : {false, true}) {
    options.all_rotations = all;
    const RotationPrediction<float> task(options, {.normalization = normalization}, encoder, Rng(2));
    const auto batch = task.make_batch(images, first(60), Rng(3));
    Batch upright;
    make_batch(images, first(60), normalization, nullptr, Rng(0), upright);
    const std::size_t each = all ? 4 : 1;
    REQUIRE(batch.inputs.shape() == Shape{60 * each, 9, 9, 3});
    REQUIRE(batch.targets.size() == 60 * each);
    CHECK(batch.images == 60);
    std::array<int, 4> seen{};
    for (std::size_t i = 0; i < batch.targets.size(); ++i) {
      Tensor<float> turned = empty<float>({4, 9, 9, 3});
      for (int t = 0; t < 4; ++t)
        rotate_square(upright.images.data() + i / each * 243, 9, 3, 0, 0, 9, t, turned.data() + t * 243);
      for (std::size_t t = 0; t < 4; ++t)
        REQUIRE(same_row(batch.inputs, i, turned, t) == (static_cast<std::int32_t>(t) == batch.targets[i]));
      ++seen[static_cast<std::size_t>(batch.targets[i])];
    }
    for (const int count : seen) CHECK((all ? count == 60 : count > 4));
    const auto again = task.make_batch(images, first(60), Rng(3));
    CHECK(again.targets == batch.targets);
    CHECK((again.inputs == batch.inputs));
    if (!all) CHECK(task.make_batch(images, first(60), Rng(4)).targets != batch.targets);
    const auto some = task.make_batch(images, first(7), Rng(3));  // the others in the batch do not matter
    CHECK(same_row(some.inputs, 6 * each, batch.inputs, 6 * each));
  }
  // Of an image that is not square, a square somewhere in it; cropping and flipping come first.
  const ImageSet wide = made_up::quadrants(40, 20, 3);
  ImageSet strip{40, 5, 80, 3, {}, {}};
  strip.pixels = wide.pixels;
  RotationPrediction<float> task({}, {.normalization = as_stored(3)}, encoder, Rng(2));
  const auto batch = task.make_batch(strip, first(40), Rng(1));
  CHECK(batch.inputs.shape() == Shape{40, 5, 5, 3});
  CHECK(task.logits(encoder, batch).shape() == Shape{40, 4});
  CHECK(task.chance(7) == 0.25);
  CHECK(task.name() == "rotation");
  CHECK_THROWS_AS(RotationPrediction<float>({.head = {.output = 5}}, {.normalization = as_stored(3)}, encoder, Rng(2)),
                  std::invalid_argument);
}

TEST_CASE("the 24 orders of a jigsaw are all there are, in lexicographic order", "[ssl]") {
  std::set<std::array<int, 4>> orders;
  for (int label = 0; label < kJigsawOrders; ++label) {
    const auto order = jigsaw_order(label);
    CHECK(std::is_permutation(order.begin(), order.end(), std::array<int, 4>{0, 1, 2, 3}.begin()));
    if (label > 0) CHECK(jigsaw_order(label - 1) < order);
    orders.insert(order);
  }
  CHECK(orders.size() == 24);
  CHECK(jigsaw_order(0) == std::array<int, 4>{0, 1, 2, 3});
  CHECK_THROWS_AS(jigsaw_order(24), std::invalid_argument);
  CHECK_THROWS_AS(jigsaw_order(-1), std::invalid_argument);
}

TEST_CASE("a jigsaw's label is the order that its patches' own pixels show", "[ssl]") {
  ResNet<float> encoder({.width = 4, .stages = 2}, Rng(1));
  JigsawOptions options = jigsaw_defaults(32);
  options.patches.standardise = false;  // (x - 0.5) * 4
  options.patches.colour = ColourTreatment::keep;
  options.patches.min_scale = options.patches.max_scale = 1;
  options.patches.random_origin = options.patches.subpixel = false;
  options.patches.grids_per_image = 2;
  const Jigsaw<float> task(options, {32, 32}, encoder, Rng(2));
  // The four quadrants are told apart by their brightness: 30, 90, 150 and 210 of 255 at the middle.
  const ImageSet images = made_up::quadrants(300, 32, 3);
  const auto batch = task.make_batch(images, first(300), Rng(3));
  REQUIRE(batch.targets.size() == 600);
  REQUIRE(batch.first.size() == 600);
  CHECK(batch.skipped == 0);
  const std::size_t size = batch.inputs.size() / batch.inputs.shape()[0];
  std::array<int, 24> seen{};
  for (std::size_t k = 0; k < 600; ++k) {
    REQUIRE(batch.first[k] == static_cast<std::int32_t>(4 * k));
    const auto order = jigsaw_order(batch.targets[k]);
    for (std::size_t i = 0; i < 4; ++i) {
      const float* patch = batch.inputs.data() + (4 * k + i) * size;
      double mean = 0;
      for (std::size_t p = 0; p < size; ++p) mean += static_cast<double>(patch[p]) / static_cast<double>(size);
      const double brightness = 255 * (mean / 4 + 0.5);
      REQUIRE(order[i] == static_cast<int>(std::lround((brightness - 30) / 60)));
    }
    ++seen[static_cast<std::size_t>(batch.targets[k])];
  }
  for (const int count : seen) CHECK(count > 5);  // expected 25
}

TEST_CASE("a jigsaw's patches are those of context prediction, in another order", "[ssl]") {
  ResNet<float> encoder({.width = 4, .stages = 2}, Rng(1));
  const ImageSet images = made_up::noise(20, 32, 32, 3);
  Jigsaw<float> task(jigsaw_defaults(32), {32, 32}, encoder, Rng(2));
  const auto batch = task.make_batch(images, first(20), Rng(3));
  const auto plain = PatchSampler(patch_defaults(32), 32, 32, 3).sample(images, first(20), Rng(3));
  for (std::size_t k = 0; k < 20; ++k) {
    const auto order = jigsaw_order(batch.targets[k]);
    for (std::size_t i = 0; i < 4; ++i)
      CHECK(same_row(batch.inputs, 4 * k + i, plain.inputs, 4 * k + static_cast<std::size_t>(order[i])));
  }
  CHECK(task.logits(encoder, batch).shape() == Shape{20, 24});
  CHECK(task.chance(7) == Approx(1.0 / 24));
  CHECK(jigsaw_defaults(96).patches.grid == 2);
  CHECK_NOTHROW(Jigsaw<float>(jigsaw_defaults(96), {96, 96}, encoder, Rng(2)));
  CHECK_THROWS_AS(Jigsaw<float>({.patches = patch_defaults(96)}, {96, 96}, encoder, Rng(2)), std::invalid_argument);
}

TEST_CASE("jigsaws with two blank patches are left out, unless there is nothing else", "[ssl]") {
  ResNet<float> encoder({.width = 4, .stages = 2}, Rng(1));
  JigsawOptions options = jigsaw_defaults(32);
  options.patches.random_origin = false;
  Jigsaw<float> task(options, {32, 32}, encoder, Rng(2));
  ImageSet images = made_up::noise(6, 32, 32, 3);
  const auto blank = [&](Index i, Index from_row, Index to_row, Index from_column) {
    for (Index y = from_row; y < to_row; ++y)
      std::fill(images.image(i) + (y * 32 + from_column) * 3, images.image(i) + (y + 1) * 32 * 3, std::uint8_t{77});
  };
  blank(1, 0, 16, 0);   // the upper half: two patches
  blank(3, 0, 16, 16);  // one quadrant: one patch
  blank(4, 0, 32, 0);   // everything
  const auto batch = task.make_batch(images, first(6), Rng(3));
  CHECK(batch.skipped == 2);
  CHECK(batch.first == std::vector<std::int32_t>{0, 8, 12, 20});
  CHECK(batch.targets.size() == 4);
  // Which puzzles are asked does not change the answers in evaluation mode.
  encoder.set_training(false);
  task.set_training(false);
  PretextBatch complete = batch;
  complete.first = {0, 4, 8, 12, 16, 20};
  complete.targets.assign(6, 0);
  const auto some = task.logits(encoder, batch);
  const auto all = task.logits(encoder, complete);
  for (std::size_t k = 0; k < 4; ++k)
    for (std::size_t c = 0; c < 24; ++c)
      CHECK(some.value().data()[k * 24 + c] ==
            Approx(all.value().data()[static_cast<std::size_t>(batch.first[k] / 4) * 24 + c]).margin(1e-5));
  const auto nothing = task.make_batch(images, std::vector<Index>{1, 4}, Rng(3));
  CHECK(nothing.targets.size() == 2);
  CHECK(nothing.skipped == 0);
  // One alone has no batch statistics in the head.
  const auto one = task.make_batch(images, std::vector<Index>{1, 2, 4}, Rng(3));
  CHECK(one.first == std::vector<std::int32_t>{0, 4, 8});
  CHECK(one.targets.size() == 3);
  encoder.set_training(true);
  task.set_training(true);
  CHECK_NOTHROW(task.loss(encoder, one));
  const auto single = task.make_batch(images, std::vector<Index>{2}, Rng(3));
  CHECK_THROWS_WITH(task.loss(encoder, single), Catch::Matchers::ContainsSubstring("a batch of 1 puzzle"));
  encoder.set_training(false);
  task.set_training(false);
  CHECK(task.loss(encoder, single).count == 1);
}

TEST_CASE("SimCLR's loss is NT-Xent, view by view", "[ssl]") {
  const ImageSet images = made_up::noise(6, 12, 12, 3);
  ResNet<double> encoder({.width = 3, .stages = 2}, Rng(1));
  for (const double temperature : {0.1, 0.5, 2.0}) {
    Simclr<double> task(
        {.views = view_defaults(3, true), .head = {.hidden = 8, .output = 5}, .temperature = temperature},
        kind_of(images), encoder, Rng(2));
    PretextBatch batch = task.make_batch(images, first(6), Rng(3));
    for (const bool tampered : {false, true}) {
      if (tampered) tamper(batch, Tampering::foreign_partner, Rng(4));
      const auto answer = task.loss(encoder, batch);
      const auto embeddings = task.embed(encoder, batch);
      REQUIRE(embeddings.shape() == Shape{12, 5});
      const double* z = embeddings.value().data();
      const auto similarity = [&](std::size_t i, std::size_t j) {
        double dot = 0, ii = 0, jj = 0;
        for (std::size_t d = 0; d < 5; ++d) {
          dot += z[i * 5 + d] * z[j * 5 + d];
          ii += z[i * 5 + d] * z[i * 5 + d];
          jj += z[j * 5 + d] * z[j * 5 + d];
        }
        return dot / std::sqrt(ii * jj);
      };
      double loss = 0;
      Index correct = 0;
      const auto view = [&](std::size_t i, std::size_t partner) {
        double sum = 0;
        std::size_t nearest = i == 0 ? 1 : 0;
        for (std::size_t j = 0; j < 12; ++j) {
          if (j == i) continue;
          sum += std::exp(similarity(i, j) / temperature);
          if (similarity(i, j) > similarity(i, nearest)) nearest = j;
        }
        loss += (std::log(sum) - similarity(i, partner) / temperature) / 12;
        correct += nearest == partner;
      };
      for (std::size_t k = 0; k < 6; ++k) {
        const auto a = static_cast<std::size_t>(batch.first[k]);
        const auto b = static_cast<std::size_t>(batch.second[k]);
        view(a, b);
        view(b, a);
      }
      CHECK(answer.loss.item() == Approx(loss).epsilon(1e-9));
      CHECK(answer.correct == correct);
      CHECK(answer.count == 12);
    }
    CHECK(task.chance(6) == Approx(1.0 / 11));
  }
  CHECK_THROWS_AS(Simclr<double>({.temperature = 0}, kind_of(images), encoder, Rng(2)), std::invalid_argument);
}

TEST_CASE("VICReg's loss is its three terms, number by number", "[ssl]") {
  const ImageSet images = made_up::noise(7, 12, 12, 3);
  ResNet<double> encoder({.width = 3, .stages = 2}, Rng(1));
  struct Weights {
    double invariance, variance, covariance;
  };
  for (const Weights& w : {Weights{25, 25, 1}, {1, 0, 0}, {0, 2, 0}, {0, 0, 3}}) {
    Vicreg<double> task({.views = view_defaults(3, true),
                         .head = {.hidden = 8, .hidden_layers = 2, .output = 4},
                         .invariance_weight = w.invariance,
                         .variance_weight = w.variance,
                         .covariance_weight = w.covariance},
                        kind_of(images), encoder, Rng(2));
    const auto batch = task.make_batch(images, first(7), Rng(3));
    const auto embeddings = task.embed(encoder, batch);
    const double* z = embeddings.value().data();
    double expected = 0;
    for (std::size_t k = 0; k < 28; ++k) expected += w.invariance * std::pow(z[k] - z[28 + k], 2) / 28;
    for (const double* view : {z, z + 28}) {
      const auto covariance = [&](std::size_t a, std::size_t b) {
        double mean_a = 0, mean_b = 0, sum = 0;
        for (std::size_t i = 0; i < 7; ++i) {
          mean_a += view[i * 4 + a] / 7;
          mean_b += view[i * 4 + b] / 7;
        }
        for (std::size_t i = 0; i < 7; ++i) sum += (view[i * 4 + a] - mean_a) * (view[i * 4 + b] - mean_b);
        return sum / 6;
      };
      for (std::size_t a = 0; a < 4; ++a) {
        expected += w.variance / 2 * std::max(0.0, 1 - std::sqrt(covariance(a, a) + 1e-4)) / 4;
        for (std::size_t b = 0; b < 4; ++b)
          if (a != b) expected += w.covariance * std::pow(covariance(a, b), 2) / 4;
      }
    }
    CHECK(task.loss(encoder, batch).loss.item() == Approx(expected).epsilon(1e-9));
  }
  CHECK_THROWS_AS(Vicreg<double>({.variance_weight = -1}, kind_of(images), encoder, Rng(2)), std::invalid_argument);
}

TEST_CASE("partners are found by their rows, and refused where they are not pairs", "[ssl]") {
  PretextBatch batch;
  batch.inputs = zeros<float>({4, 1, 1, 1});
  batch.first = {2, 0};
  batch.second = {1, 3};
  CHECK(view_partners(batch) == std::vector<std::int32_t>{3, 2, 1, 0});
  batch.second = {1, 1};
  CHECK_THROWS_AS(view_partners(batch), std::invalid_argument);
  batch.second = {1, 4};
  CHECK_THROWS_AS(view_partners(batch), std::invalid_argument);
  batch.second = {1};
  CHECK_THROWS_AS(view_partners(batch), std::invalid_argument);
  CHECK(retrieval_chance(1) == 1);
  CHECK(retrieval_chance(256) == Approx(1.0 / 511));
  // Two pairs of alike vectors, and one number that decides nothing but length.
  const Variable<double> z(tensor_of<double>({4, 2}, std::array<double, 8>{1, 0.1, -5, -1, -1, -0.1, 30, 1}));
  CHECK(retrieved_partners(z, std::array<std::int32_t, 4>{3, 2, 1, 0}) == 4);
  CHECK(retrieved_partners(z, std::array<std::int32_t, 4>{1, 0, 3, 2}) == 0);
}

TEST_CASE("gradients of every task agree with differences", "[ssl]") {
  const ImageSet images = made_up::noise(12, 17, 17, 3);
  for (const std::string_view name : pretext_task_names()) {
    for (const bool training : {true, false}) {
      CAPTURE(std::string(name), training);
      ResNet<double> encoder({.width = 2, .stages = 2}, Rng(4));
      const auto task = make_pretext_task<double>(name, kind_of(images), small_head(name), encoder, Rng(5));
      const auto batch = task->make_batch(images, first(12), Rng(6));
      if (!training) {  // running statistics of this task's inputs, else activations die or explode
        for (int i = 0; i < 40; ++i) (void)task->loss(encoder, batch);
        encoder.set_training(false);
        task->set_training(false);
      }
      CHECK(gradcheck([&](std::span<const Variable<double>>) { return task->loss(encoder, batch).loss; },
                      all_parameters(encoder, *task), {.step = 1e-7, .tolerance = 2e-5, .directions = 1}) == "");
    }
  }
}

TEST_CASE("a joint task adds up its parts' losses and keeps their scores apart", "[ssl]") {
  const ImageSet images = made_up::noise(10, 17, 17, 3);
  ResNet<double> encoder({.width = 3, .stages = 2}, Rng(1));
  const auto made = [&](const char* name) {
    return make_pretext_task<double>(name, kind_of(images), small_head(name), encoder, Rng(5));
  };
  const auto task = made("context+rotation"), context = made("context"), rotation = made("rotation");
  encoder.set_training(false);
  for (auto* each : {&task, &context, &rotation}) (*each)->set_training(false);
  const auto batch = task->make_batch(images, first(10), Rng(6));
  REQUIRE(batch.parts.size() == 2);
  CHECK(batch.images == 10);
  const auto alone = context->make_batch(images, first(10), Rng(6).split(0));
  CHECK((batch.parts[0].inputs == alone.inputs));
  CHECK(batch.parts[0].targets == alone.targets);
  const auto answer = task->loss(encoder, batch);
  const auto a = context->loss(encoder, batch.parts[0]);
  const auto b = rotation->loss(encoder, batch.parts[1]);
  CHECK(answer.loss.item() == Approx(a.loss.item() + 0.5 * b.loss.item()));
  CHECK(answer.correct == a.correct);
  CHECK(answer.count == a.count);
  REQUIRE(answer.parts.size() == 2);
  CHECK(answer.parts[1].loss.item() == Approx(b.loss.item()));
  CHECK(answer.parts[1].correct == b.correct);
  CHECK(task->chance(7) == context->chance(7));
  CHECK(task->suspicious_accuracy() == context->suspicious_accuracy());
  CHECK(task->name() == "context prediction + rotation");

  const auto evaluation = evaluate_pretext(*task, encoder, images, first(10), 4, Rng(7));
  REQUIRE(evaluation.parts.size() == 2);
  CHECK(evaluation.parts[0].count == evaluation.count);
  CHECK(evaluation.parts[0].accuracy == evaluation.accuracy);
  CHECK(evaluation.parts[1].count == 10);
  double right = 0;
  for (std::uint64_t k = 0; k < 3; ++k) {
    std::vector<Index> part;  // 3, 3 and 4 images
    for (std::uint64_t n = 10 * k / 3; n < 10 * (k + 1) / 3; ++n) part.push_back(static_cast<Index>(n));
    right += static_cast<double>(
        rotation->loss(encoder, rotation->make_batch(images, part, Rng(7).split(k).split(1))).correct);
  }
  CHECK(evaluation.parts[1].accuracy == Approx(right / 10));

  auto tampered = batch;
  tamper(tampered, Tampering::shuffled_targets, Rng(1));
  CHECK(tampered.parts[0].targets != batch.parts[0].targets);
  CHECK_THROWS_AS(task->loss(encoder, alone), std::invalid_argument);
  CHECK_THROWS_AS(JointTask<double>({}), std::invalid_argument);
}

TEST_CASE("tasks are had by name, for images of any size and kind", "[ssl]") {
  struct Kind {
    Index height, width, channels;
  };
  for (const Kind& kind : {Kind{28, 28, 1}, {32, 32, 3}, {40, 64, 3}, {32, 32, 4}}) {
    const ImageSet images = made_up::noise(6, kind.height, kind.width, kind.channels);
    for (const bool flip : {false, true}) {
      const PretextImages made_for = kind_of(images, flip);
      CHECK(ContextPredictionSpec::defaults(made_for).patches.flip == flip);
      CHECK(JigsawSpec::defaults(made_for).patches.flip == flip);
      CHECK(RotationSpec::defaults(made_for).augmentation.flip == flip);
      const ViewOptions views = SimclrSpec::defaults(made_for).views;
      CHECK(views.flip == flip);
      CHECK(views.height * 8 / kind.height == 5);
      CHECK(views.width * 8 / kind.width == 5);
      for (const std::string_view name : pretext_task_names()) {
        CAPTURE(std::string(name), kind.height, kind.width, kind.channels);
        ResNet<float> encoder({.in_channels = kind.channels, .width = 4, .stages = 2}, Rng(1));
        const auto task = make_pretext_task<float>(name, made_for, {}, encoder, Rng(2));
        CHECK_FALSE(task->name().empty());
        CHECK(task->chance(6) > 0);
        CHECK(task->chance(6) < task->suspicious_accuracy());
        const auto answer = task->loss(encoder, task->make_batch(images, first(6), Rng(3)));
        CHECK(std::isfinite(answer.loss.item()));
        CHECK(answer.correct <= answer.count);
        CHECK(answer.count > 0);
        std::set<std::string> names;
        for (auto& p : encoder.parameters()) names.insert(p.name);
        for (auto& p : task->parameters()) CHECK(names.insert(p.name).second);
        for (auto& p : encoder.buffers()) names.insert(p.name);
        for (auto& b : task->buffers()) CHECK(names.insert(b.name).second);
        CHECK_THROWS_AS(task->make_batch(images, std::vector<Index>{6}, Rng(3)), std::invalid_argument);
      }
    }
  }
  ResNet<float> encoder({.width = 4, .stages = 2}, Rng(1));
  CHECK_THROWS_WITH(
      make_pretext_task<float>("contexts", {32, 32}, {}, encoder, Rng(2)),
      "pretext task 'contexts', expected one of context, rotation, context+rotation, jigsaw, simclr, vicreg");
}

TEST_CASE("tasks without patches take images that are too small for patches, and no batch is left with one image",
          "[ssl]") {
  const ImageSet images = made_up::noise(17, 8, 8, 3);
  const PretextImages small = kind_of(images, false);
  ResNet<float> encoder({.width = 4, .stages = 2}, Rng(1));
  for (const std::string_view name : {"rotation", "simclr", "vicreg"}) {
    CAPTURE(std::string(name));
    const auto task = make_pretext_task<float>(name, small, {}, encoder, Rng(2));
    const PretextEvaluation answer =
        evaluate_pretext(*task, encoder, images, first(17), 8, Rng(3));  // 6, 5 and 6 images
    CHECK(std::isfinite(answer.loss));
    CHECK(answer.count == (name == "rotation" ? 17 : 34));
    if (name != "rotation")
      CHECK_THROWS_WITH(task->loss(encoder, task->make_batch(images, first(1), Rng(4))),
                        Catch::Matchers::ContainsSubstring("a batch of 1 image"));
  }
  for (const std::string_view name : {"context", "jigsaw"})
    CHECK_THROWS_AS(make_pretext_task<float>(name, small, {}, encoder, Rng(2)), std::invalid_argument);
}

TEST_CASE("black images, and some of one colour, give every task losses and gradients that are numbers", "[ssl]") {
  ImageSet images = made_up::noise(6, 32, 32, 3);
  for (const int level : {0, 255}) {
    std::fill(images.pixels.begin(), images.pixels.end(), static_cast<std::uint8_t>(level));
    for (const std::string_view name : pretext_task_names()) {
      CAPTURE(std::string(name), level);
      ResNet<float> encoder({.width = 4, .stages = 2}, Rng(4));
      const auto task = make_pretext_task<float>(name, kind_of(images), {}, encoder, Rng(5));
      const auto answer = task->loss(encoder, task->make_batch(images, first(6), Rng(6)));
      CHECK(std::isfinite(answer.loss.item()));
      CHECK(answer.count > 0);
      answer.loss.backward();
      for (auto& p : encoder.parameters())
        for (const float g : p.variable.grad().storage()) REQUIRE(std::isfinite(g));
      for (auto& p : task->parameters())
        for (const float g : p.variable.grad().storage()) REQUIRE(std::isfinite(g));
      CHECK(std::isfinite(evaluate_pretext(*task, encoder, images, first(6), 6, Rng(7)).loss));
    }
  }
}

TEST_CASE("losses and gradients have the same bits with any number of threads", "[ssl]") {
  const ImageSet images = made_up::noise(40, 32, 32, 3);
  const int before = num_threads();
  for (const std::string_view name : pretext_task_names()) {
    std::vector<Tensor<float>> reference;
    for (const int threads : {1, 2, 3}) {
      CAPTURE(std::string(name), threads);
      set_num_threads(threads);
      ResNet<float> encoder({.width = 4, .stages = 2}, Rng(4));
      const auto task = make_pretext_task<float>(name, kind_of(images), {}, encoder, Rng(5));
      const auto answer = task->loss(encoder, task->make_batch(images, first(40), Rng(6)));
      std::vector<Tensor<float>> result{answer.loss.value()};
      answer.loss.backward();
      for (auto& p : task->parameters()) result.push_back(p.variable.grad());
      if (threads == 1) reference = result;
      REQUIRE(result.size() == reference.size());
      for (std::size_t i = 0; i < result.size(); ++i) CHECK((result[i] == reference[i]));
    }
  }
  set_num_threads(before);
}

TEST_CASE("rotation learns from pictures that are lit from above", "[ssl]") {
  const ImageSet images = made_up::lit_from_above(640, 16);
  ResNet<float> encoder({.width = 6, .stages = 2}, Rng(1));
  const auto task = make_pretext_task<float>("rotation", kind_of(images), {}, encoder, Rng(2));
  const Learning result = learn(*task, encoder, images, 150);
  CAPTURE(result.before, result.after, result.accuracy);
  CHECK(result.after < 0.7 * std::log(4.0));
  CHECK(result.accuracy > 0.7);
}

TEST_CASE("jigsaws are learnt from the built-in pictures", "[ssl]") {
  const ImageSet images = builtin_dataset(640, 1, 32, 3).train;
  ResNet<float> encoder({.width = 6, .stages = 2}, Rng(1));
  const auto task = make_pretext_task<float>("jigsaw", kind_of(images), {{"head-hidden", "64"}}, encoder, Rng(2));
  const Learning result = learn(*task, encoder, images, 140);
  CAPTURE(result.before, result.after, result.accuracy);
  CHECK(result.after < 0.8 * std::log(24.0));
  CHECK(result.accuracy > 0.25);  // chance is 0.042
}

TEST_CASE("SimCLR and VICReg learn to find an image's other view", "[ssl]") {
  const ImageSet images = builtin_dataset(640, 1, 16, 3).train;
  for (const std::string_view name : {"simclr", "vicreg"}) {
    CAPTURE(std::string(name));
    ResNet<float> encoder({.width = 6, .stages = 2}, Rng(1));
    PretextValues given{{"view-height", "16"},  // easier than the defaults, for the little time there is
                        {"view-width", "16"},
                        {"view-min-area", "0.5"},
                        {"view-grey-probability", "0"},
                        {"view-colour-probability", "0.3"}};
    if (name == "simclr") {
      given["temperature"] = "0.2";
    } else {
      given["head-hidden"] = given["head-output"] = "64";
    }
    const auto task = make_pretext_task<float>(name, kind_of(images), given, encoder, Rng(2));
    const auto all = first(640);
    const double untrained = evaluate_pretext(*task, encoder, images, std::span(all).last(128), 64, Rng(6)).accuracy;
    const Learning result = learn(*task, encoder, images, 200, 64);
    CAPTURE(untrained, result.before, result.after, result.accuracy);
    CHECK(result.accuracy > 30 * task->chance(64));
    CHECK(result.accuracy > 1.5 * untrained);
    CHECK(result.after < result.before);
  }
}

TEST_CASE("the worked example of HACKING.md is a pretext task", "[ssl]") {
  ImageSet images = made_up::lit_from_above(640, 12);
  for (Index i = 0; i < images.count; ++i) {  // on its side: lit from the left
    std::vector<float> upright(images.image(i), images.image(i) + images.image_bytes());
    std::vector<float> turned(upright.size());
    rotate_square(upright.data(), 12, 3, 0, 0, 12, 1, turned.data());
    std::transform(turned.begin(), turned.end(), images.image(i), [](float v) { return static_cast<std::uint8_t>(v); });
  }
  ResNet<float> encoder({.width = 6, .stages = 2}, Rng(1));
  using Tasks = PretextTaskList<example::MirrorSpec>;
  CHECK(Tasks::settings("mirror").at(0).default_text == "0.5");
  CHECK(Tasks::values("mirror", kind_of(images), {{"mirror-share", "0.25"}}).at("mirror-share") == "0.25");
  const auto made = Tasks::make<float>("mirror", kind_of(images), {{"mirror-share", "1"}}, encoder, Rng(2));
  CHECK(made->make_batch(images, first(9), Rng(3)).targets == std::vector<std::int32_t>(9, 1));
  CHECK(made->chance(1) == 1);
  example::MirrorPrediction<float> task({}, encoder, Rng(2));
  CHECK(task.parameters().front().name == "mirror_head.output.weight");
  const auto batch = task.make_batch(images, first(50), Rng(3));
  const auto again = task.make_batch(images, first(50), Rng(3));
  CHECK((batch.inputs == again.inputs));
  CHECK(batch.targets == again.targets);
  const Learning result = learn(task, encoder, images, 100);
  CAPTURE(result.before, result.after, result.accuracy);
  CHECK(result.after < 0.7 * std::log(2.0));
  CHECK(result.accuracy > 0.8);
  TamperedTask<float> tampered(task, Tampering::shuffled_targets);
  const auto wrong = evaluate_pretext<float>(tampered, encoder, images, first(300), 100, Rng(6));
  CHECK(std::abs(wrong.accuracy - 0.5) < 0.12);
}
