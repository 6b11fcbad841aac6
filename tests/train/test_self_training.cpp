// SPDX-License-Identifier: MIT
// A classifier learns from soft targets: images without labels help, and every option reaches the training.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "contexture/evaluate/score.hpp"
#include "contexture/train/classifier.hpp"
#include "contexture/train/self_training.hpp"
#include "support/catch.hpp"
#include "support/patterns.hpp"
#include "support/runs.hpp"

using namespace contexture;

namespace {

// 300 images, 6 of which have a label, and a teacher that is right on about 70 % of the others and never sure.
struct SmallProblem {
  ImageSet set = patterns::images(300, 1), test = patterns::images(300, 2);
  std::vector<Index> labelled = numbered(6);
  Tensor<float> targets = full<float>({300, 3}, 0.2F);
  Augmentation augmentation;
  TrainingOptions options{.steps = 120, .batch = 32};
  double labelled_share = 0.25;
  ImageClassifier model{
      {12, 12, {.in_channels = 1, .width = 4, .stages = 2}, patterns::kNames, channel_statistics(set, numbered(300))},
      Rng(1)};
  int right = 0;  // of the teacher

  SmallProblem() {
    Rng rng(5);
    for (std::size_t i = 0; i < 300; ++i) {
      const auto truth = static_cast<std::size_t>(set.labels[i]);
      const std::size_t said = rng.uniform() < 0.7F ? truth : (truth + 1 + (rng.uniform() < 0.5F ? 1U : 0U)) % 3;
      right += said == truth;
      targets(i, said) = 0.6F;
    }
    set_label_targets(targets, labelled, set.labels, 0.1);
  }
  FitState train(const Rng& rng = Rng(3), const FitHooks& hooks = {}) {
    return train_on_soft_targets(model,
                                 {.set = set,
                                  .targets = targets,
                                  .labelled = labelled,
                                  .labelled_share = labelled_share,
                                  .augmentation = augmentation},
                                 options, rng, hooks);
  }
  [[nodiscard]] double accuracy() const { return score(model, test, numbered(300)).evaluation.accuracy; }
  TensorMap weights() {
    TensorMap all;
    copy_tensors(state_tensors(model), all);
    return all;
  }
};

}  // namespace

TEST_CASE("train_on_soft_targets: images without labels make a student better than its teacher and than labels alone") {
  SmallProblem student, alone;
  (void)student.train();
  (void)train_classifier(alone.model, {.set = alone.set, .indices = alone.labelled, .label_smoothing = 0.1},
                         alone.options, Rng(3));
  const double teacher = static_cast<double>(student.right) / 300;
  CAPTURE(teacher, alone.accuracy(), student.accuracy());
  CHECK(teacher < 0.75);
  CHECK(student.accuracy() > teacher + 0.1);
  CHECK(student.accuracy() > alone.accuracy() + 0.1);
}

TEST_CASE("set_label_targets: the label's one, smoothed; the sum is 1; other rows stay") {
  Tensor<float> targets = full<float>({4, 3}, 0.5F);
  set_label_targets(targets, std::vector<Index>{2, 0}, std::vector<std::int32_t>{1, 9, 2}, 0.3);
  CHECK(targets(0, 1) == Approx(0.8));
  CHECK(targets(0, 0) == Approx(0.1));
  CHECK(targets(2, 2) == Approx(0.8));
  for (const std::size_t row : {0U, 2U}) CHECK(targets(row, 0) + targets(row, 1) + targets(row, 2) == Approx(1));
  for (const std::size_t row : {1U, 3U}) CHECK(targets(row, 0) == 0.5F);
  CHECK_THROWS_WITH(set_label_targets(targets, std::vector<Index>{1}, std::vector<std::int32_t>{1, 9, 2}, 0),
                    "set_label_targets: label 9, expected 0 to 2");
  CHECK_THROWS_WITH(set_label_targets(targets, std::vector<Index>{3}, std::vector<std::int32_t>{1, 9, 2}, 0),
                    "set_label_targets: image 3");
}

TEST_CASE("train_on_soft_targets: a quarter of every batch has labels, the rest is drawn from all images") {
  SmallProblem p;
  const SoftlyLabelledImages images{.set = p.set, .targets = p.targets, .labelled = {7, 8, 9}};
  const contexture::detail::SoftClassifierTask task(p.model, images, 32, Rng(1));
  CHECK(task.images_per_step() == 32);
  std::vector<int> seen(300, 0);
  for (std::int64_t step = 0; step < 25; ++step) {  // 24 others a step: two passes over 300
    const Batch batch = task.make_batch(step, {});
    REQUIRE(batch.indices.size() == 32);
    for (std::size_t k = 0; k < 8; ++k) CHECK((batch.indices[k] >= 7 && batch.indices[k] <= 9));
    for (std::size_t k = 8; k < 32; ++k) ++seen[static_cast<std::size_t>(batch.indices[k])];
  }
  CHECK(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 2; }));

  // Of a share that rounds to none or to all there is one all the same.
  for (const auto& [share, labelled] : {std::pair<double, std::ptrdiff_t>{0.001, 1}, {0.999, 3}}) {
    const SoftlyLabelledImages few{
        .set = p.set, .targets = p.targets, .labelled = {7}, .labelled_share = share, .indices = {1, 2, 3}};
    const contexture::detail::SoftClassifierTask small(p.model, few, 4, Rng(1));
    const Batch batch = small.make_batch(0, {});
    CHECK(batch.indices.size() == 4);
    CHECK(std::count(batch.indices.begin(), batch.indices.end(), 7) == labelled);
  }
}

TEST_CASE("train_on_soft_targets: the same stream gives the same bits, every option reaches it, labels are not used") {
  const auto weights_after = [](const auto& change, const Rng& rng = Rng(3)) {
    SmallProblem p;
    p.options.steps = 6;
    change(p);
    CHECK(p.train(rng).step == p.options.steps);
    return p.weights();
  };
  const auto nothing = [](SmallProblem&) {};
  const TensorMap plain = weights_after(nothing);
  const auto changed = [&](const auto& change) { return !runs::same_bits(plain, weights_after(change)); };
  CHECK_FALSE(changed(nothing));
  CHECK_FALSE(changed([](SmallProblem& p) { std::fill(p.set.labels.begin(), p.set.labels.end(), -1); }));
  CHECK_FALSE(runs::same_bits(plain, weights_after(nothing, Rng(4))));
  CHECK(changed([](SmallProblem& p) { p.options.steps = 5; }));
  CHECK(changed([](SmallProblem& p) { p.options.batch = 16; }));
  CHECK(changed([](SmallProblem& p) { p.options.learning_rate = 0.2; }));
  CHECK(changed([](SmallProblem& p) { p.labelled_share = 0.5; }));
  CHECK(changed([](SmallProblem& p) { p.labelled = numbered(5); }));
  CHECK(changed([](SmallProblem& p) { p.augmentation.flip = false; }));
  CHECK(changed([](SmallProblem& p) { p.augmentation.mixing.cutmix = 1; }));
  CHECK(changed([](SmallProblem& p) { p.augmentation.rand_augment.operations = 2; }));
  CHECK(changed(
      [](SmallProblem& p) { std::rotate(p.targets.data() + 300, p.targets.data() + 301, p.targets.data() + 900); }));
}

TEST_CASE("train_on_soft_targets: images of two sets are as those of one; others than asked for are not drawn") {
  SmallProblem whole, parts;
  const ImageSet all = parts.set;
  parts.set.count = 200;
  parts.set.labels.resize(200);
  parts.set.pixels.resize(static_cast<std::size_t>(200 * all.image_bytes()));
  ImageSet more{100, 12, 12, 1, {all.image(200), all.image(200) + 100 * all.image_bytes()}, {}};
  const auto train = [](SmallProblem& p, const ImageSet* behind) {
    p.options.steps = 6;
    (void)train_on_soft_targets(p.model, {.set = p.set, .targets = p.targets, .labelled = p.labelled, .more = behind},
                                p.options, Rng(3));
  };
  train(whole, nullptr);
  train(parts, &more);
  CHECK(runs::same_bits(whole.weights(), parts.weights()));

  const SoftlyLabelledImages images{
      .set = whole.set, .targets = whole.targets, .labelled = {1}, .indices = {5, 6, 7, 8}};
  const contexture::detail::SoftClassifierTask task(whole.model, images, 16, Rng(1));
  for (const Index i : task.make_batch(0, {}).indices) CHECK((i == 1 || (i >= 5 && i <= 8)));
}

TEST_CASE("train_on_soft_targets: mixed images have mixed targets, and the best weights on validation are kept") {
  SmallProblem p;
  const SoftlyLabelledImages images{
      .set = p.set, .targets = p.targets, .labelled = p.labelled, .augmentation = {.mixing = {.mixup = 1}}};
  contexture::detail::SoftClassifierTask task(p.model, images, 32, Rng(1));
  Batch batch = task.make_batch(0, {}), again = task.make_batch(0, {});
  p.model.set_training(true);
  const double loss = static_cast<double>(task.loss(batch).loss.item());
  const Variable<float> logits = p.model(Variable<float>(std::move(again.images)));
  Tensor<float> targets = zeros<float>({32, 3});
  for (std::size_t k = 0; k < 32; ++k)
    for (std::size_t c = 0; c < 3; ++c)
      targets(k, c) = again.own[k] * p.targets(static_cast<std::size_t>(again.indices[k]), c) +
                      (1 - again.own[k]) * p.targets(static_cast<std::size_t>(again.partners[k]), c);
  CHECK(loss == Approx(static_cast<double>(softmax_cross_entropy<float>(logits, targets).item())).epsilon(1e-5));

  SmallProblem best, last;
  best.options = last.options = {.steps = 6, .batch = 32};
  (void)last.train();
  best.options.evaluate_at = {0, 3, 6};
  std::vector<TensorMap> seen;
  const FitState state = train_on_soft_targets(best.model,
                                               {.set = best.set,
                                                .targets = best.targets,
                                                .labelled = best.labelled,
                                                .evaluate =
                                                    [&] {
                                                      seen.push_back(best.weights());
                                                      return Evaluation{1, seen.size() == 2 ? 0.9 : 0.1, 0};
                                                    }},
                                               best.options, Rng(3));
  CHECK(state.best_step == 3);
  CHECK(runs::same_bits(best.weights(), seen.at(1)));
  CHECK(runs::same_bits(last.weights(), seen.at(2)));
}

TEST_CASE("train_on_soft_targets: it ends with averaged weights, a stop is honoured, nonsense refused") {
  SmallProblem averaged, last;
  averaged.options.steps = last.options.steps = 40;
  averaged.options.averaging = 0.1;
  (void)averaged.train();
  (void)last.train();
  CHECK_FALSE(runs::same_bits(averaged.weights(), last.weights()));

  SmallProblem stopped;
  const TensorMap before = stopped.weights();
  StopToken stop;
  stop.request();
  CHECK(stopped.train(Rng(3), {.stop = &stop}).step == 0);
  CHECK(runs::same_bits(before, stopped.weights()));

  const auto refused = [](const auto& change, const std::string& words) {
    SmallProblem bad;
    bad.options.steps = 1;
    change(bad);
    CHECK_THROWS_WITH(bad.train(), Catch::Matchers::ContainsSubstring("train_on_soft_targets: " + words));
  };
  refused([](SmallProblem& p) { p.labelled.clear(); }, "no images to learn from");
  refused([](SmallProblem& p) { p.labelled = {300}; }, "image 300 of 300");
  refused([](SmallProblem& p) { p.targets = zeros<float>({300, 4}); }, "targets (300,4), expected (300,3)");
  refused([](SmallProblem& p) { p.options.batch = 1; }, "batch of 1, labelled share 0.25");
  refused([](SmallProblem& p) { p.labelled_share = 1; }, "batch of 32, labelled share 1");
  refused([](SmallProblem& p) { p.options.evaluate_at = {1}; },
          "evaluate_at and SoftlyLabelledImages::evaluate, expected both or neither");
  refused(
      [](SmallProblem& p) {
        p.set = patterns::images(300, 1);
        p.set.height = 24;
        p.set.width = 6;
      },
      "images of 24 x 6 x 1");
  SmallProblem negative;
  negative.targets(250, 0) = -1;
  negative.options.steps = 40;
  CHECK_THROWS_WITH(negative.train(), "softmax_cross_entropy: soft target -1, expected a finite number >= 0");
}
