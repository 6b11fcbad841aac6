// SPDX-License-Identifier: MIT
// The shortcut checks as they are run: complete, reproducible, on images without labels.
#include <stdexcept>
#include <vector>

#include "contexture/data/builtin.hpp"
#include "contexture/evaluate/shortcuts.hpp"
#include "contexture/models/resnet.hpp"
#include "contexture/ssl/context_prediction.hpp"
#include "support/catch.hpp"

using namespace contexture;

TEST_CASE("measure_shortcuts: every check is trained and measured, twice alike", "[train]") {
  Dataset data = builtin_dataset(60, 12, 24, 1);
  data.train.labels.clear();
  const ContextPredictionOptions context{.patches = patch_defaults(24)};
  const ShortcutOptions options{.width = 4, .steps = 3, .batch_size = 16};
  struct Counting final : Progress {
    void begin(const PhaseInfo& info) override {
      ++phases;
      CHECK(info.of == 7);
      CHECK(info.steps == 3);
    }
    void step(std::int64_t, double, double, double) override { ++steps; }
    int phases = 0, steps = 0;
  } progress;
  const ShortcutMeasurements m = measure_shortcuts(context, data.train, options, progress);
  CHECK(progress.phases == 7);
  CHECK(progress.steps == 21);
  CHECK(m.images == 12);
  CHECK(m.names[1] == "gap " + std::to_string(context.patches.gap));
  REQUIRE(m.accuracy.size() == 7);
  for (const double accuracy : m.accuracy) {
    CHECK(accuracy >= 0);
    CHECK(accuracy <= 1);
  }
  CHECK(m.chance == Approx(1.0 / 6));
  CHECK(m.position_chance == 0.25);
  CHECK(m.train_accuracy > 0);
  CHECK(m.position_accuracy > 0);
  CHECK(m.random_position_accuracy > 0);
  CHECK(judge_shortcuts(m).size() == 9);

  Progress silent;
  const ShortcutMeasurements again = measure_shortcuts(context, data.train, options, silent);
  CHECK(again.accuracy == m.accuracy);
  CHECK(again.train_accuracy == m.train_accuracy);
  // The control has random weights, and so does not depend on how long the encoders are trained.
  ShortcutOptions longer = options;
  longer.steps = 6;
  const ShortcutMeasurements more = measure_shortcuts(context, data.train, longer, silent);
  CHECK(more.random_position_accuracy == m.random_position_accuracy);
  CHECK(more.accuracy != m.accuracy);
  CHECK(again.position_accuracy == m.position_accuracy);

  StopToken stop;
  stop.request();
  CHECK_THROWS_AS(measure_shortcuts(context, data.train, options, silent, &stop), Stopped);
  Dataset few = builtin_dataset(6, 2, 24, 1);
  CHECK_THROWS_AS(measure_shortcuts(context, few.train, options, silent), InputError);
  for (const ShortcutOptions& wrong : {ShortcutOptions{.steps = 0}, ShortcutOptions{.batch_size = 1},
                                       ShortcutOptions{.validation = 0}, ShortcutOptions{.validation = 1}})
    CHECK_THROWS_AS(measure_shortcuts(context, data.train, wrong, silent), std::invalid_argument);
  ContextPredictionOptions large = context;
  large.patches.patch = 40;
  CHECK_THROWS_AS(measure_shortcuts(large, data.train, options, silent), std::invalid_argument);
}

TEST_CASE("position: features that show the place are recognised", "[train]") {
  // Images that are bright in the upper left and dark elsewhere: without standardisation one patch tells its place, but
  // for random scale and origin.
  ImageSet set{120, 32, 32, 1, {}, {}};
  Rng rng(4);
  for (Index i = 0; i < set.count; ++i)
    for (Index y = 0; y < 32; ++y)
      for (Index x = 0; x < 32; ++x) set.pixels.push_back(static_cast<std::uint8_t>(4 * y + 2 * x + rng.below(20)));
  PatchOptions context = patch_defaults(32, 1);
  context.standardise = false;
  const PatchSampler sampler(context, 32, 32, 1);
  ResNet<float> encoder({.in_channels = 1, .width = 8, .stages = 2}, Rng(1));
  std::vector<Index> train, held_out;
  for (Index i = 0; i < 120; ++i) (i < 80 ? train : held_out).push_back(i);
  CHECK(detail::position_accuracy(encoder, sampler, set, train, held_out, Rng(2)) > 0.7);
  // The same patches without brightness and contrast, of plain noise: nothing to tell.
  for (std::uint8_t& p : set.pixels) p = static_cast<std::uint8_t>(rng.below(256));
  CHECK(detail::position_accuracy(encoder, sampler, set, train, held_out, Rng(2)) < 0.5);
}
