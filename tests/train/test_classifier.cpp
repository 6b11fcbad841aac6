// SPDX-License-Identifier: MIT
// A classifier learns from labelled images: it learns, from those it is given, and keeps what was best.
#include <cmath>
#include <cstdint>
#include <vector>

#include "contexture/data/builtin.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/optim/muon.hpp"
#include "contexture/train/classifier.hpp"
#include "support/catch.hpp"
#include "support/runs.hpp"

using namespace contexture;

namespace {

// A classifier that learns from the first 160 of 240 built-in images of 16 px, and is validated on the others.
struct SmallTraining {
  Dataset data = builtin_dataset(240, 12, 16);
  ImageClassifier model{{16, 16, {.width = 4}, data.class_names, channel_statistics(data.train, numbered(240))},
                        Rng(1)};
  LabelledImages images{.set = data.train, .indices = numbered(160), .evaluate = [this] { return validate(); }};
  TrainingOptions options{.steps = 150, .batch = 32, .evaluate_at = {0, 150}};

  [[nodiscard]] Evaluation validate() const {
    std::vector<Index> others;
    for (Index i = 160; i < 240; ++i) others.push_back(i);
    return score(model, data.train, others).evaluation;
  }
  FitState train(const Rng& rng = Rng(3), const FitHooks& hooks = {}) {
    return train_classifier(model, images, options, rng, hooks);
  }
  TensorMap weights() {
    TensorMap all;
    copy_tensors(state_tensors(model), all);
    return all;
  }
};

}  // namespace

TEST_CASE("train_classifier: the loss falls, and the same stream gives the same bits") {
  SmallTraining first, second, other;
  const FitState state = first.train();
  CHECK(state.step == 150);
  REQUIRE(state.rows.size() == 3);                    // validation, then both at the end
  CHECK(state.rows[1].loss < std::log(12.0) - 0.15);  // the mean over all steps
  CHECK(state.rows[1].accuracy > 2.0 / 12);
  CHECK(state.rows[2].loss < state.rows[0].loss - 1);
  CHECK(runs::same_rows(state.rows, second.train().rows));
  CHECK(runs::same_bits(first.weights(), second.weights()));
  (void)other.train(Rng(4));
  CHECK_FALSE(runs::same_bits(first.weights(), other.weights()));
}

TEST_CASE("train_classifier: every option reaches the training") {
  const auto weights_after = [](const auto& change) {
    SmallTraining training;
    training.options = {.steps = 8, .batch = 32};
    change(training);
    (void)training.train();
    return training.weights();
  };
  const TensorMap plain = weights_after([](SmallTraining&) {});
  const auto changed = [&](const auto& change) { return !runs::same_bits(plain, weights_after(change)); };
  CHECK_FALSE(changed([](SmallTraining& o) { o.options.optimizer = optimizer_factory<Sgd>(SgdOptions{}); }));
  CHECK(changed([](SmallTraining& o) { o.options.optimizer = optimizer_factory<Muon>(MuonOptions{}); }));
  CHECK(changed([](SmallTraining& o) { o.options.steps = 7; }));
  CHECK(changed([](SmallTraining& o) { o.options.batch = 16; }));
  CHECK(changed([](SmallTraining& o) { o.options.learning_rate = 0.2; }));
  CHECK(changed([](SmallTraining& o) { o.options.warmup = 0; }));
  CHECK(changed([](SmallTraining& o) { o.images.indices = numbered(159); }));
  CHECK(changed([](SmallTraining& o) { o.images.augmentation.flip = false; }));
  CHECK(changed([](SmallTraining& o) { o.images.augmentation.crop_padding = 1; }));
  CHECK(changed([](SmallTraining& o) { o.images.augmentation.rand_augment.operations = 1; }));
  CHECK(changed([](SmallTraining& o) { o.images.augmentation.mixing.mixup = 1; }));
  CHECK(changed([](SmallTraining& o) { o.images.label_smoothing = 0.1; }));
  // Labels of other images are not looked at.
  CHECK_FALSE(changed([](SmallTraining& o) { o.data.train.labels[200] = 99; }));
}

TEST_CASE("train_classifier: its state is saved as often as was asked for") {
  const auto saved_at = [](double seconds) {
    SmallTraining training;
    training.options = {.steps = 4, .batch = 8, .save_seconds = seconds};
    std::vector<std::int64_t> steps;
    (void)training.train(Rng(3), {.save = [&](const FitRun& run) { steps.push_back(run.state.step); }});
    return steps;
  };
  CHECK(saved_at(0) == std::vector<std::int64_t>{0, 1, 2, 3});
  CHECK(saved_at(1e9).empty());
}

TEST_CASE("train_classifier: where images are mixed, the loss is that of targets mixed alike, and smoothed") {
  SmallTraining training;
  training.images.augmentation.mixing = {.cutmix = 0.5F, .mixup = 0.5F};
  training.images.label_smoothing = 0.2;
  contexture::detail::ClassifierTask task(training.model, training.images, 32, Rng(5));
  Batch batch = task.make_batch(0, {});
  REQUIRE(batch.own.size() == 32);
  const Tensor<float> targets = mixed_targets(batch, 12);
  training.model.set_training(true);
  const BatchLoss loss = task.loss(batch);
  Batch again = task.make_batch(0, {});
  const Variable<float> logits = training.model(Variable<float>(std::move(again.images)));
  double expected = 0;
  std::int64_t right = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    const float* const z = logits.value().data() + 12 * i;
    double sum = 0;
    for (std::size_t c = 0; c < 12; ++c) sum += std::exp(static_cast<double>(z[c]));
    for (std::size_t c = 0; c < 12; ++c)
      expected += (0.8 * static_cast<double>(targets(i, c)) + 0.2 / 12) * (std::log(sum) - static_cast<double>(z[c]));
    const float* const row = targets.data() + 12 * i;
    right += (std::max_element(z, z + 12) - z) == (std::max_element(row, row + 12) - row);
  }
  CHECK(static_cast<double>(loss.loss.item()) == Approx(expected / 32).epsilon(1e-4));
  CHECK(loss.correct == right);
  CHECK(loss.examples == 32);
}

TEST_CASE(
    "train_classifier: the model ends with the weights that were best, as the last ones where none were asked for") {
  SmallTraining best;
  best.options = {.steps = 6, .batch = 32, .evaluate_at = {0, 3, 6}};
  std::vector<TensorMap> seen;
  best.images.evaluate = [&best, &seen] {
    seen.push_back(best.weights());
    return Evaluation{1, seen.size() == 2 ? 0.9 : 0.1, 0};
  };
  CHECK(best.train().best_step == 3);
  REQUIRE(seen.size() == 3);
  CHECK(runs::same_bits(best.weights(), seen[1]));
  CHECK_FALSE(runs::same_bits(seen[1], seen[2]));

  SmallTraining last;
  last.options = {.steps = 6, .batch = 32};
  (void)last.train();
  CHECK(runs::same_bits(last.weights(), seen[2]));
}

TEST_CASE("train_classifier: a batch has no more images than there are, a stop is honoured, nonsense refused") {
  SmallTraining few;
  few.images.indices = {3, 4, 5};
  few.options = {.steps = 2};
  CHECK(few.train().examples == 6);

  SmallTraining stopped;
  const TensorMap before = stopped.weights();
  StopToken stop;
  stop.request();
  CHECK(stopped.train(Rng(3), {.stop = &stop}).step == 0);
  CHECK(runs::same_bits(before, stopped.weights()));

  const auto refused = [](const auto& change, const std::string& words) {
    SmallTraining bad;
    change(bad);
    CHECK_THROWS_WITH(bad.train(), Catch::Matchers::ContainsSubstring(words));
  };
  refused([](SmallTraining& o) { o.images.indices.clear(); }, "train_classifier: no images to learn from");
  refused([](SmallTraining& o) { o.images.indices = {0, 240}; }, "train_classifier: image 240 of 240");
  refused([](SmallTraining& o) { o.data.train.labels.clear(); }, "train_classifier: images without labels");
  refused([](SmallTraining& o) { o.data.train.labels[7] = 12; }, "image 7 has label 12, expected 0 to 11");
  refused([](SmallTraining& o) { o.data = builtin_dataset(240, 12, 20); },
          "images of 20 x 20 x 3, the classifier is for 16 x 16 x 3");
  refused([](SmallTraining& o) { o.images.evaluate = {}; }, "LabelledImages::evaluate is not given");
  refused([](SmallTraining& o) { o.options.averaging = 0.1, o.options.evaluate_at = {}; }, "averaged weights");
  refused([](SmallTraining& o) { o.options.batch = 0; }, "train_classifier: 150 steps of 0 images");
}
