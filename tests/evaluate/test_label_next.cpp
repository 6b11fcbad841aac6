// SPDX-License-Identifier: MIT
// Which images to label next: what its formula says, planted copies, and whether it beats drawing at random. Measured
// on images of one's own, with an encoder of theirs:
//
//   CONTEXTURE_DATA=cifar10 CONTEXTURE_ENCODER=encoder.safetensors build/test/tests/test_evaluate "[.label_next]"
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "contexture/core/parallel.hpp"
#include "contexture/data/builtin.hpp"
#include "contexture/data/load.hpp"
#include "contexture/evaluate/encoder_file.hpp"
#include "contexture/evaluate/label_next.hpp"
#include "contexture/evaluate/reference_encoder.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/train/classifier.hpp"
#include "evaluate/label_next_gain.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

Tensor<float> rows_of(std::size_t rows, const std::vector<float>& values) {
  Tensor<float> out = empty<float>({rows, values.size() / rows});
  std::copy(values.begin(), values.end(), out.data());
  return out;
}

// Of up to `most` images, drawn by a fixed seed.
LabelledFeatures features_of(Backbone<float>& encoder, const ImageSet& set, const Normalization& normalization,
                             std::size_t most = 3000) {
  std::vector<Index> some = numbered(set.count);
  Rng stream(1);
  if (some.size() > most) stream.shuffle(some);
  some.resize(std::min(some.size(), most));
  LabelledFeatures out{std::move(stage_features(encoder, set, some, normalization).back()), {}};
  for (const Index i : some) out.labels.push_back(set.labels[static_cast<std::size_t>(i)]);
  return out;
}

// Learnt with labels from other built-in images: random weights tell nothing of these (chance is all that a head on
// them reaches), and where features tell nothing it does not matter which image is labelled.
ImageClassifier& informed() {
  static ImageClassifier model = [] {
    const Dataset data = builtin_dataset(1200, 0, 16, 7777);
    ImageClassifier learnt({16, 16, {.width = 8}, data.class_names, channel_statistics(data.train, numbered(1200))},
                           Rng(1));
    (void)train_classifier(learnt, {.set = data.train, .indices = numbered(1200)}, {.steps = 250}, Rng(2));
    return learnt;
  }();
  return model;
}

// Built-in images of this seed, as that encoder sees them.
label_next_gain::Problem builtin_problem(std::uint64_t seed) {
  const Dataset data = builtin_dataset(720, 600, 16, seed);
  const Normalization& normalization = informed().options().normalization;
  Backbone<float>& encoder = informed().encoder();
  return {features_of(encoder, data.train, normalization), features_of(encoder, data.test, normalization), 12};
}

}  // namespace

TEST_CASE("label_next: the gains are the formula's, step by step", "[label_next]") {
  std::mt19937 dice(3);
  std::normal_distribution<float> normal;
  const std::size_t l = 3, m = 9, f = 4;
  Tensor<float> labelled = empty<float>({l, f}), asked = empty<float>({m, f}), p = empty<float>({m, 3});
  for (float& v : labelled.storage()) v = normal(dice);
  for (float& v : asked.storage()) v = normal(dice);
  for (float& v : p.storage()) v = std::exp(normal(dice));
  for (std::size_t i = 0; i < m; ++i) {
    const float sum = p(i, 0) + p(i, 1) + p(i, 2);
    for (std::size_t c = 0; c < 3; ++c) p(i, c) /= sum;
  }
  const LabelNextOptions options{.count = 20, .reach = 0.7, .certain = 0.25};
  const std::vector<LabelNext> next = label_next(labelled, asked, p, options);
  REQUIRE(next.size() == m);  // no more than there are

  // The same by the definition, in double.
  std::vector<double> mean(f, 0);
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < f; ++j) mean[j] += static_cast<double>(asked(i, j)) / static_cast<double>(m);
  const auto squared = [&](const Tensor<float>& a, std::size_t i, const Tensor<float>& b, std::size_t k) {
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t j = 0; j < f; ++j) {
      const double x = static_cast<double>(a(i, j)) - mean[j], y = static_cast<double>(b(k, j)) - mean[j];
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    return 2 - 2 * ab / std::sqrt(aa * bb);
  };
  std::vector<double> nearest(m, 4), weight(m), sorted(3);
  double h = 0;
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t k = 0; k < l; ++k) nearest[i] = std::min(nearest[i], squared(asked, i, labelled, k));
    h += options.reach * nearest[i] / static_cast<double>(m);
    for (std::size_t c = 0; c < 3; ++c) sorted[c] = static_cast<double>(p(i, c));
    std::sort(sorted.begin(), sorted.end());
    weight[i] = options.certain + (1 - options.certain) * (1 - (sorted[2] - sorted[1]));
  }
  std::vector<double> covered;
  for (const double d : nearest) covered.push_back(std::exp(-d / h));
  std::vector<bool> taken(m, false);
  for (const LabelNext& n : next) {
    std::vector<double> gain(m, 0);
    for (std::size_t x = 0; x < m; ++x)
      for (std::size_t i = 0; i < m; ++i)
        gain[x] += weight[i] * std::max(0.0, std::exp(-squared(asked, x, asked, i) / h) - covered[i]);
    const auto at = static_cast<std::size_t>(n.image);
    CHECK_FALSE(taken[at]);
    taken[at] = true;
    for (std::size_t x = 0; x < m; ++x)
      if (!taken[x]) CHECK(gain[at] >= gain[x] - 1e-5);
    CHECK(n.gain == Approx(gain[at]).margin(1e-5));
    CHECK(options.certain + (1 - options.certain) * n.uncertainty == Approx(weight[at]).margin(1e-6));
    for (std::size_t i = 0; i < m; ++i) covered[i] = std::max(covered[i], std::exp(-squared(asked, at, asked, i) / h));
  }
}

TEST_CASE("label_next: copies of the most uncertain image are not taken together", "[label_next]") {
  // Two copies of an uncertain image, a less uncertain one elsewhere, and certain ones beside the label.
  const Tensor<float> labelled = rows_of(1, {1, 0, 0});
  const Tensor<float> asked = rows_of(6, {0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0.1F, 0, 1, 0, 0.1F, 1, 0.05F, 0.05F});
  const Tensor<float> p = rows_of(6, {0.5F, 0.5F, 0.5F, 0.5F, 0.7F, 0.3F, 1, 0, 1, 0, 1, 0});
  const std::vector<LabelNext> next = label_next(labelled, asked, p, {.count = 3});
  REQUIRE(next.size() == 3);
  CHECK(next[0].image == 0);  // of equals the first
  CHECK(next[0].uncertainty == 1);
  CHECK(next[1].image == 2);
  CHECK(next[1].uncertainty == Approx(0.6));
  for (std::size_t i = 1; i < next.size(); ++i) CHECK(next[i].gain <= next[i - 1].gain);
  // Uncertainty counts: where it is the other way round, so is the order.
  Tensor<float> other = p;
  for (std::size_t i = 0; i < 3; ++i) {
    other(i, 0) = i < 2 ? 0.95F : 0.5F;
    other(i, 1) = 1 - other(i, 0);
  }
  CHECK(label_next(labelled, rows_of(6, {0, 1, 0, 1, 0.02F, 0, 0, 0, 1, 1, 0.1F, 0, 1, 0, 0.1F, 1, 0.05F, 0.05F}),
                   other, {.count = 1})[0]
            .image == 2);
}

TEST_CASE("label_next: the same whatever the threads, a sample of many, nonsense refused", "[label_next]") {
  const label_next_gain::Problem problem = builtin_problem(1);
  const Tensor<float> known = select_rows(problem.pool.values, numbered(24));
  Tensor<float> p = empty<float>({720, 12});
  for (std::size_t i = 0; i < p.size(); ++i) p.data()[i] = static_cast<float>((i * 7919) % 101) / 606;
  const auto images = [&](const LabelNextOptions& options) {
    std::vector<Index> out;
    for (const LabelNext& n : label_next(known, problem.pool.values, p, options)) out.push_back(n.image);
    return out;
  };
  const std::vector<Index> all = images({.count = 40});
  const int threads = num_threads();
  set_num_threads(1);
  CHECK(images({.count = 40}) == all);
  set_num_threads(threads);
  CHECK(images({.count = 40, .seed = 2}) == all);  // nothing is drawn where all are looked at
  const std::vector<Index> some = images({.count = 40, .most = 100, .seed = 5});
  CHECK(some == images({.count = 40, .most = 100, .seed = 5}));
  CHECK(some != images({.count = 40, .most = 100, .seed = 6}));
  CHECK(images({.count = 200, .most = 100}).size() == 100);
  CHECK(images({.count = 0}).empty());
  CHECK(label_next(known, select_rows(problem.pool.values, {}), zeros<float>({0, 12})).empty());
  CHECK_THROWS_WITH(images({.reach = 0}),
                    Catch::Matchers::ContainsSubstring("label_next: count 50, most 4000, reach 0"));
  CHECK_THROWS_WITH(label_next(known, problem.pool.values, zeros<float>({3, 12})),
                    Catch::Matchers::ContainsSubstring("label_next: features (24,"));
}

#if !defined(CONTEXTURE_POOL_BYPASS)  // AddressSanitizer: a minute there, for nothing that the others do not run
TEST_CASE("label_next: labels bring more than as many drawn at random", "[label_next]") {
  // Seeds that nothing was chosen on; the method's options were, on seeds 1 to 5, see below.
  std::vector<double> more;
  for (std::uint64_t seed = 101; seed <= 110; ++seed) {
    const label_next_gain::Gain gain = label_next_gain::measure(builtin_problem(seed), 2, 36, seed);
    more.push_back(gain.chosen - gain.random);
  }
  const label_next_gain::Difference difference = label_next_gain::difference(more);
  CAPTURE(difference.mean, difference.half, difference.above);
  CHECK(difference.mean > 0.005);  // 0.020 +- 0.018, 8 of 10, where it was measured
  CHECK(difference.above >= 6);
}
#endif

TEST_CASE("label_next: measured", "[.label_next]") {
  const char* const folder = std::getenv("CONTEXTURE_DATA");
  const char* const file = std::getenv("CONTEXTURE_ENCODER");
  label_next_gain::Problem own;
  if (folder != nullptr) {
    Dataset data = load_dataset(folder);
    const Normalization normalization = channel_statistics(data.train, numbered(data.train.count));
    std::unique_ptr<Backbone<float>> encoder =
        file != nullptr ? read_encoder(file).encoder
                        : random_encoder({.in_channels = data.train.channels}, data.train, normalization, 1);
    own = {features_of(*encoder, data.train, normalization), features_of(*encoder, data.test, normalization),
           static_cast<Index>(data.class_names.size())};
  }
  const auto table = [&](std::uint64_t from, std::uint64_t to, Index first, Index count, const LabelNextOptions& o) {
    std::vector<double> random, uncertain, chosen, over_random, over_uncertain;
    for (std::uint64_t seed = from; seed <= to; ++seed) {
      const label_next_gain::Gain g =
          label_next_gain::measure(folder != nullptr ? own : builtin_problem(seed), first, count, seed, o);
      random.push_back(100 * (g.random - g.before));
      uncertain.push_back(100 * (g.uncertain - g.before));
      chosen.push_back(100 * (g.chosen - g.before));
      over_random.push_back(100 * (g.chosen - g.random));
      over_uncertain.push_back(100 * (g.chosen - g.uncertain));
    }
    const label_next_gain::Difference r = label_next_gain::difference(over_random),
                                      u = label_next_gain::difference(over_uncertain);
    std::printf(
        "seeds %3d to %3d  %2d a class, %3d more  reach %.2f certain %.2f  gain %5.2f (random %5.2f, uncertain "
        "%5.2f)  over random %+.2f +- %.2f, %d of %zu; over uncertain %+.2f +- %.2f\n",
        static_cast<int>(from), static_cast<int>(to), static_cast<int>(first), static_cast<int>(count), o.reach,
        o.certain, label_next_gain::difference(chosen).mean, label_next_gain::difference(random).mean,
        label_next_gain::difference(uncertain).mean, r.mean, r.half, r.above, over_random.size(), u.mean, u.half);
    std::fflush(stdout);
  };
  const Index classes = folder != nullptr ? own.classes : 12;
  if (folder == nullptr)
    for (const double reach : {0.1, 0.3, 1.0})  // what was chosen from
      for (const double certain : {0.0, 0.5, 1.0}) table(1, 5, 2, 3 * classes, {.reach = reach, .certain = certain});
  for (const Index first : {2, 5})  // what it is worth
    for (const Index count : {3, 10}) table(101, 110, first, count * classes, {});
}
