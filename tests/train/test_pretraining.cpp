// SPDX-License-Identifier: MIT
// Pre-training: what it takes its batches from, what it leaves, what it refuses.
#include <cmath>
#include <set>

#include "contexture/data/builtin.hpp"
#include "contexture/models/resnet.hpp"
#include "contexture/ssl/context_prediction.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/ssl/recalibrate.hpp"
#include "contexture/train/pretraining.hpp"
#include "support/catch.hpp"
#include "support/runs.hpp"
#include "support/tensors.hpp"

using namespace contexture;
using tensors::same_bits;

TEST_CASE("unlabelled images take part in pre-training, in their share of the steps") {
  Dataset data = builtin_dataset(240, 48, 16);
  data.unlabeled = builtin_dataset(480, 0, 16, 9).train;
  data.unlabeled.labels.clear();
  ResNet<float> encoder({.in_channels = 3, .width = 2}, Rng(1));
  ContextPrediction<float> pretext({.patches = patch_defaults(16)}, {16, 16}, encoder, Rng(2));
  const PretrainImages images{.set = data.train, .validation = {0, 1, 2, 3}, .more = &data.unlabeled};
  const detail::PretrainTask task(encoder, pretext, images, 32, Rng(3));
  CHECK(images.count() == 720);
  std::int64_t labelled_steps = 0;
  for (std::int64_t step = 0; step < 30; ++step) {
    const Tensor<float> inputs = task.make_batch(step, {}).inputs;
    CHECK(same_bits(inputs, task.make_batch(step, {}).inputs));
    // Where the step reads labelled images, it draws them and their patches as a run without others does.
    const Rng patches = Rng(3).split("patches").split(static_cast<std::uint64_t>(step));
    const EpochSampler order(numbered(240), 32, Rng(3).split("order"));
    if (same_bits(inputs, pretext.make_batch(data.train, order.batch(labelled_steps), patches).inputs))
      ++labelled_steps;
  }
  CHECK(labelled_steps == 10);
}

TEST_CASE("pre-training trains the encoder and the head, and knows by how many images chance goes") {
  const Dataset data = builtin_dataset(240, 48, 16);
  const auto images = pretext_images(data.train, channel_statistics(data.train, numbered(240)), false);
  ResNet<float> encoder({.in_channels = 3, .width = 2}, Rng(1));
  const auto simclr = make_pretext_task<float>("simclr", images, {}, encoder, Rng(2));
  CHECK(validation_chance(*simclr, 24) == Approx(1.0 / 47));
  CHECK(validation_chance(*simclr, 1) == Approx(1.0 / 3));  // a view of one image has no other to be told from
  detail::PretrainTask task(encoder, *simclr, {.set = data.train, .validation = numbered(24)}, 32, Rng(3));
  std::size_t of_encoder = 0, of_head = 0;
  for (const auto& parameter : task.module().parameters()) {
    of_encoder += parameter.name.starts_with("encoder.") ? 1U : 0U;
    of_head += parameter.name.starts_with("head.") ? 1U : 0U;
  }
  CHECK(of_encoder == encoder.parameters().size());
  CHECK(of_head == simclr->parameters().size());
}

TEST_CASE("few unlabelled images are not repeated within a batch") {
  Dataset data = builtin_dataset(240, 48, 16);
  data.unlabeled = builtin_dataset(12, 0, 16).train;
  data.unlabeled.labels.clear();
  ResNet<float> encoder({.in_channels = 3, .width = 2}, Rng(1));
  ContextPrediction<float> pretext({.patches = patch_defaults(16)}, {16, 16}, encoder, Rng(2));
  const PretrainImages images{.set = data.train, .validation = {0, 1, 2, 3}, .more = &data.unlabeled};
  const detail::PretrainTask task(encoder, pretext, images, 32, Rng(3));
  std::set<Index> sizes;
  for (std::int64_t step = 0; step < 30; ++step) sizes.insert(task.make_batch(step, {}).images);
  CHECK(sizes == std::set<Index>{12, 32});
}

namespace {

// An encoder that learns context prediction from built-in images of 16 px.
struct SmallPretraining {
  Dataset data = builtin_dataset(240, 12, 16);
  ResNet<float> encoder{{.in_channels = 3, .width = 4}, Rng(1)};
  ContextPrediction<float> task{{.patches = patch_defaults(16), .head = {.dropout = 0.2F}}, {16, 16}, encoder, Rng(2)};
  PretrainImages images{.set = data.train, .validation = numbered(96)};
  TrainingOptions options{.steps = 120, .batch = 32, .evaluate_at = {0, 120}};

  FitState train(const Rng& rng = Rng(3), const FitHooks& hooks = {}) {
    return pretrain(encoder, task, images, options, rng, hooks);
  }
  TensorMap weights() {
    TensorMap all;
    copy_tensors(state_tensors(encoder), all);
    return all;
  }
};

}  // namespace

TEST_CASE("pretrain: the loss falls, and the same stream gives the same bits") {
  SmallPretraining first, second, other;
  const FitState state = first.train();
  CHECK(state.step == 120);
  REQUIRE(state.rows.size() == 3);  // validation, then both at the end
  CHECK(state.rows[0].loss > std::log(6.0) - 0.1);
  CHECK(state.rows[2].loss < state.rows[0].loss - 0.1);
  CHECK(state.rows[2].accuracy > validation_chance(first.task, 96) + 0.1);
  CHECK(runs::same_rows(state.rows, second.train().rows));
  CHECK(runs::same_bits(first.weights(), second.weights()));
  (void)other.train(Rng(4));
  CHECK_FALSE(runs::same_bits(first.weights(), other.weights()));
}

TEST_CASE("pretrain: every option reaches the training") {
  SmallPretraining plain;
  plain.options.steps = 8;
  plain.options.evaluate_at = {};
  (void)plain.train();
  const TensorMap weights = plain.weights();
  const auto changed = [&](const auto& change) {
    SmallPretraining other;
    other.options.steps = 8;
    other.options.evaluate_at = {};
    change(other);
    (void)other.train();
    return !runs::same_bits(weights, other.weights());
  };
  CHECK_FALSE(changed([](SmallPretraining&) {}));
  CHECK_FALSE(changed([](SmallPretraining& o) { o.images.indices = numbered(240); }));
  CHECK_FALSE(changed([](SmallPretraining& o) { o.options.optimizer = optimizer_factory<Sgd>(SgdOptions{}); }));
  CHECK_FALSE(changed([](SmallPretraining& o) { o.options.dropout = Rng(3).split("dropout"); }));
  CHECK(changed([](SmallPretraining& o) { o.options.dropout = Rng(4); }));
  CHECK(changed([](SmallPretraining& o) { o.options.optimizer = optimizer_factory<Sgd>(SgdOptions{.momentum = 0}); }));
  CHECK(changed([](SmallPretraining& o) { o.options.steps = 7; }));
  CHECK(changed([](SmallPretraining& o) { o.options.batch = 16; }));
  CHECK(changed([](SmallPretraining& o) { o.options.learning_rate = 0.2; }));
  CHECK(changed([](SmallPretraining& o) { o.options.warmup = 0; }));
  CHECK(changed([](SmallPretraining& o) { o.images.indices = numbered(100); }));
  CHECK(changed([](SmallPretraining& o) { o.images.more = &o.data.train; }));
  CHECK(changed([](SmallPretraining& o) { o.images.recalibrate = false; }));
}

TEST_CASE("pretrain: the encoder ends with the batch-norm statistics of whole images") {
  SmallPretraining plain, patches;
  plain.images.indices = patches.images.indices = {1, 5, 9, 30, 31, 77, 100, 101};
  patches.images.recalibrate = false;
  (void)plain.train();
  (void)patches.train();
  CHECK_FALSE(runs::same_bits(plain.weights(), patches.weights()));
  recalibrate_batch_norm(patches.encoder, patches.data.train, patches.images.indices,
                         channel_statistics(patches.data.train, patches.images.indices));
  CHECK(runs::same_bits(plain.weights(), patches.weights()));

  SmallPretraining scaled;
  scaled.images.indices = plain.images.indices;
  scaled.images.normalization = {{0.5F, 0.5F, 0.5F}, {0.1F, 0.1F, 0.1F}};
  (void)scaled.train();
  CHECK_FALSE(runs::same_bits(plain.weights(), scaled.weights()));
}

TEST_CASE("pretrain: a batch has no more images than there are, a stop is honoured, nonsense refused") {
  SmallPretraining few;
  few.images.indices = {3, 4, 5};
  few.options = {.steps = 2};
  const std::int64_t pairs = few.train().examples;  // 12 an image, less those of blank patches
  CHECK(pairs > 36);
  CHECK(pairs <= 2 * 3 * 12);

  SmallPretraining stopped;
  const TensorMap before = stopped.weights();
  StopToken stop;
  stop.request();
  CHECK(stopped.train(Rng(3), {.stop = &stop}).step == 0);
  CHECK(runs::same_bits(before, stopped.weights()));

  const auto refused = [](const auto& change, const std::string& words) {
    SmallPretraining bad;
    change(bad);
    CHECK_THROWS_WITH(bad.train(), Catch::Matchers::ContainsSubstring(words));
  };
  refused([](SmallPretraining& o) { o.options.steps = -1; }, "pretrain: -1 steps of 32 images");
  refused([](SmallPretraining& o) { o.options.batch = 0; }, "pretrain: 120 steps of 0 images");
  refused([](SmallPretraining& o) { o.options.learning_rate = NAN; }, "pretrain: learning rate");
  refused([](SmallPretraining& o) { o.options.warmup = 1.5; }, "warm-up 1.5");
  refused([](SmallPretraining& o) { o.images.validation.clear(); }, "PretrainImages::validation has no images");
  refused([](SmallPretraining& o) { o.data.train.count = 0, o.data.train.pixels.clear(), o.data.train.labels.clear(); },
          "pretrain: no images to learn from");
  refused([](SmallPretraining& o) { o.images.indices = {0, 240}; }, "240");
}
