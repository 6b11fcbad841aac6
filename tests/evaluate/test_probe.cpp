// SPDX-License-Identifier: MIT
// Probes on features whose classes are known by construction.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <vector>

#include "contexture/core/memory.hpp"
#include "contexture/data/builtin.hpp"
#include "contexture/evaluate/probe.hpp"
#include "contexture/evaluate/reference_encoder.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/models/resnet.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

// Gaussian clusters of unit spread, one a class, centres `apart` from each other along their own axes.
LabelledFeatures clusters(Index count, Index features, Index classes, double apart, unsigned seed) {
  std::mt19937 dice(seed);
  std::normal_distribution<float> normal;
  LabelledFeatures out;
  out.values = empty<float>({static_cast<std::size_t>(count), static_cast<std::size_t>(features)});
  for (Index i = 0; i < count; ++i) {
    const Index label = i % classes;
    out.labels.push_back(static_cast<std::int32_t>(label));
    for (Index j = 0; j < features; ++j)
      out.values.data()[i * features + j] =
          normal(dice) + (j == label ? static_cast<float>(apart / std::sqrt(2.0)) : 0.0F);
  }
  return out;
}

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

}  // namespace

TEST_CASE("linear probe: clusters far apart are told apart without an error", "[probe]") {
  const LabelledFeatures train = clusters(300, 12, 5, 12, 1), validation = clusters(100, 12, 5, 12, 2),
                         test = clusters(500, 12, 5, 12, 3);
  const LinearProbe probe = fit_linear_probe(train, validation, 5);
  CHECK(probe.validation_accuracy == 1.0);
  CHECK(agreement(predict(probe, test.values), test.labels) == 1.0);
}

TEST_CASE("linear probe: overlapping clusters give the Bayes accuracy", "[probe]") {
  // Two classes, distance d between the centres: no classifier is better than Phi(d / 2).
  for (const double apart : {1.0, 2.0, 3.0}) {
    const LabelledFeatures train = clusters(20000, 8, 2, apart, 4), validation = clusters(4000, 8, 2, apart, 5),
                           test = clusters(20000, 8, 2, apart, 6);
    const LinearProbe probe = fit_linear_probe(train, validation, 2);
    // three standard errors of 20,000 answers
    CHECK(agreement(predict(probe, test.values), test.labels) == Approx(normal_cdf(apart / 2)).margin(0.011));
  }
}

TEST_CASE("linear probe: at the optimum the gradient is zero", "[probe]") {
  // Recomputed in double from the folded weights: mean (p - y) x + penalty w = 0 in standardised features.
  const Index n = 400, f = 6, classes = 3;
  LabelledFeatures train = clusters(n, f, classes, 1.5, 7);
  for (Index i = 0; i < n; ++i) {  // correlated, of very different spread, off centre
    float* const row = train.values.data() + i * f;
    row[1] = 0.99F * row[0] + 0.1F * row[1];
    row[2] = 1000 * row[2] + 300;
    row[3] *= 1e-3F;
  }
  for (const double penalty : {1e-1, 1e-3}) {
    const LinearProbe probe =
        fit_linear_probe(train, train, classes, {.penalties = {penalty}, .max_iterations = 500, .tolerance = 1e-6});
    const Moments moments = row_moments(train.values);
    std::vector<double> gradient(static_cast<std::size_t>((f + 1) * classes), 0.0);
    for (Index i = 0; i < n; ++i) {
      const float* const row = train.values.data() + i * f;
      std::vector<double> z(static_cast<std::size_t>(classes));
      double total = 0;
      for (Index c = 0; c < classes; ++c) {
        double sum = static_cast<double>(probe.bias[static_cast<std::size_t>(c)]);
        for (Index j = 0; j < f; ++j)
          sum += static_cast<double>(row[j]) * static_cast<double>(probe.weights.data()[j * classes + c]);
        total += z[static_cast<std::size_t>(c)] = std::exp(sum);
      }
      for (Index c = 0; c < classes; ++c) {
        const double r = z[static_cast<std::size_t>(c)] / total -
                         (train.labels[static_cast<std::size_t>(i)] == static_cast<std::int32_t>(c) ? 1 : 0);
        for (Index j = 0; j < f; ++j)
          gradient[static_cast<std::size_t>(j * classes + c)] +=
              r * (static_cast<double>(row[j]) - moments.mean.data()[j]) /
              std::sqrt(moments.covariance.data()[j * f + j]) / static_cast<double>(n);
        gradient[static_cast<std::size_t>(f * classes + c)] += r / static_cast<double>(n);
      }
    }
    double largest = 0, size = 0;
    for (Index j = 0; j <= f; ++j)
      for (Index c = 0; c < classes; ++c) {
        double g = gradient[static_cast<std::size_t>(j * classes + c)];
        if (j < f) {
          const double w = static_cast<double>(probe.weights.data()[j * classes + c]) *
                           std::sqrt(moments.covariance.data()[j * f + j]);
          g += penalty * w;
          size = std::max(size, std::abs(w));
        }
        largest = std::max(largest, std::abs(g));
      }
    CHECK(size > 0.1);
    CHECK(largest < 1e-4);
  }
}

TEST_CASE("linear probe: the units of the features do not matter, constant ones do no harm", "[probe]") {
  LabelledFeatures train = clusters(600, 5, 3, 2, 8), validation = clusters(200, 5, 3, 2, 9),
                   test = clusters(400, 5, 3, 2, 10);
  const std::vector<std::int32_t> before = predict(fit_linear_probe(train, validation, 3), test.values);
  for (LabelledFeatures* set : {&train, &validation, &test})
    for (Index i = 0; i < set->count(); ++i)
      for (Index j = 0; j < 5; ++j) {
        float& v = set->values.data()[i * 5 + j];
        v = j == 4 ? 0.3F : v * std::pow(10.0F, static_cast<float>(j) - 2) + 3;
      }
  const std::vector<std::int32_t> after = predict(fit_linear_probe(train, validation, 3), test.values);
  CHECK(agreement(before, after) > 0.97);  // feature 4 carried nothing but noise
}

TEST_CASE("linear probe: labels without meaning stay at chance, more penalty is chosen", "[probe]") {
  LabelledFeatures train = clusters(200, 60, 2, 0, 11), validation = clusters(2000, 60, 2, 0, 12),
                   test = clusters(4000, 60, 2, 0, 13);
  const LinearProbe probe = fit_linear_probe(train, validation, 2);
  CHECK(agreement(predict(probe, train.values), train.labels) > 0.6);
  CHECK(agreement(predict(probe, test.values), test.labels) == Approx(0.5).margin(0.04));
  // With little data and many useless features, the penalty that validation prefers is not the smallest.
  train = clusters(60, 60, 2, 2, 14);
  validation = clusters(2000, 60, 2, 2, 15);
  CHECK(fit_linear_probe(train, validation, 2).penalty > 1e-3);
}

TEST_CASE("linear probe: what cannot be fitted is refused", "[probe]") {
  const LabelledFeatures good = clusters(20, 4, 2, 1, 16);
  LabelledFeatures bad = good;
  bad.labels[0] = 2;
  CHECK_THROWS_AS(fit_linear_probe(bad, good, 2), std::invalid_argument);
  bad = good;
  bad.labels.pop_back();
  CHECK_THROWS_AS(fit_linear_probe(bad, good, 2), std::invalid_argument);
  CHECK_THROWS_AS(fit_linear_probe(good, clusters(20, 5, 2, 1, 16), 2), std::invalid_argument);
  CHECK_THROWS_AS(fit_linear_probe(good, good, 2, {.penalties = {}}), std::invalid_argument);
  CHECK_THROWS_AS(fit_linear_probe(good, good, 2, {.penalties = {0}}), std::invalid_argument);
}

TEST_CASE("nearest_neighbours: as found by sorting all similarities", "[probe]") {
  std::mt19937 dice(17);
  std::normal_distribution<float> normal;
  // Beyond one block of queries and one block of rows.
  const Index n = 2100, q = 70, f = 7;
  Tensor<float> among = empty<float>({static_cast<std::size_t>(n), static_cast<std::size_t>(f)});
  Tensor<float> queries = empty<float>({static_cast<std::size_t>(q), static_cast<std::size_t>(f)});
  for (float& v : among) v = normal(dice);
  for (float& v : queries) v = normal(dice);
  const Neighbours found = nearest_neighbours(among, queries, 20);
  REQUIRE(found.k == 20);
  for (Index i = 0; i < q; ++i) {
    std::vector<std::pair<double, Index>> all;
    for (Index r = 0; r < n; ++r) {
      double ab = 0, aa = 0, bb = 0;
      for (Index j = 0; j < f; ++j) {
        const auto a = static_cast<double>(among.data()[r * f + j]), b = static_cast<double>(queries.data()[i * f + j]);
        ab += a * b;
        aa += a * a;
        bb += b * b;
      }
      all.emplace_back(-ab / std::sqrt(aa * bb), r);
    }
    std::sort(all.begin(), all.end());
    for (Index k = 0; k < 20; ++k) {
      const auto at = static_cast<std::size_t>(i * 20 + k);
      CHECK(static_cast<double>(found.similarity[at]) == Approx(-all[static_cast<std::size_t>(k)].first).margin(1e-5));
    }
    CHECK(found.index[static_cast<std::size_t>(i * 20)] == all[0].second);
  }
  // Fewer rows than asked for; equal similarities in the order of the rows; rows of zeros are similar to nothing.
  Tensor<float> few = zeros<float>({3, 2});
  few(1, 0) = 2;
  few(2, 0) = 5;
  Tensor<float> one = zeros<float>({1, 2});
  one(0, 0) = 1;
  const Neighbours ties = nearest_neighbours(few, one, 20);
  CHECK(ties.k == 3);
  CHECK(ties.index == std::vector<Index>{1, 2, 0});
  CHECK(ties.similarity == std::vector<float>{1, 1, 0});
}

TEST_CASE("kNN: clusters, and the weighted vote by hand", "[probe]") {
  const LabelledFeatures train = clusters(500, 10, 5, 9, 18), test = clusters(300, 10, 5, 9, 19);
  CHECK(agreement(knn_predict(train, test.values, 5), test.labels) > 0.99);

  // At angles 0 (class 0) and twice 60 degrees (class 1): 1 vote of exp(1/t) against 2 of exp(1/(2t)).
  LabelledFeatures hand;
  hand.values = zeros<float>({3, 2});
  hand.values(0, 0) = 1;
  hand.values(1, 0) = hand.values(2, 0) = 0.5F;
  hand.values(1, 1) = 0.8660254F;
  hand.values(2, 1) = -0.8660254F;
  hand.labels = {0, 1, 1};
  Tensor<float> query = zeros<float>({1, 2});
  query(0, 0) = 1;
  // They draw at t = 1 / (2 ln 2) = 0.7213.
  CHECK(knn_predict(hand, query, 2, {.k = 3, .temperature = 0.70})[0] == 0);
  CHECK(knn_predict(hand, query, 2, {.k = 3, .temperature = 0.74})[0] == 1);
  CHECK(knn_predict(hand, query, 2, {.k = 3})[0] == 0);
  CHECK(knn_predict(hand, query, 2, {.k = 3, .temperature = 1e-30})[0] == 0);  // no overflow
  hand.labels[2] = 2;
  CHECK_THROWS_AS(knn_predict(hand, query, 2), std::invalid_argument);
}

TEST_CASE("stage_features: means of the feature maps in evaluation mode", "[probe]") {
  ImageSet set{5, 8, 8, 3, {}, {}};
  std::mt19937 dice(20);
  for (Index i = 0; i < set.count * set.image_bytes(); ++i)
    set.pixels.push_back(static_cast<std::uint8_t>(dice() & 255U));
  ResNet<float> encoder({.in_channels = 3, .width = 4, .stages = 2}, Rng(1));
  encoder.set_training(true);
  const Normalization normalization{{0.5F, 0.5F, 0.5F}, {0.2F, 0.2F, 0.2F}};
  const std::vector<Index> some{4, 0, 2};
  const std::vector<Tensor<float>> found = stage_features(encoder, set, some, normalization, 2);
  CHECK(encoder.training());
  REQUIRE(found.size() == 3);
  CHECK(stage_name(0) == "stem");
  CHECK(stage_name(2) == "stage 2");
  encoder.set_training(false);
  Batch batch;
  make_batch(set, some, normalization, nullptr, Rng(0), batch);
  const NoGrad no_grad;
  const std::vector<Variable<float>> maps = encoder.forward_stages(Variable<float>(batch.images));
  for (std::size_t s = 0; s < 3; ++s) {
    const Shape& shape = maps[s].shape();
    REQUIRE(found[s].shape() == Shape{3, shape[3]});
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t c = 0; c < shape[3]; ++c) {
        double mean = 0;
        for (std::size_t y = 0; y < shape[1]; ++y)
          for (std::size_t x = 0; x < shape[2]; ++x)
            mean += static_cast<double>(maps[s].value()(i, y, x, c)) / static_cast<double>(shape[1] * shape[2]);
        CHECK(static_cast<double>(found[s](i, c)) == Approx(mean).margin(1e-5));
      }
  }
  const Tensor<float> rows = select_rows(found[0], std::vector<Index>{2, 2, 0});
  CHECK(rows(0, 1) == found[0](2, 1));
  CHECK(rows(2, 3) == found[0](0, 3));
  CHECK_THROWS_AS(select_rows(found[0], std::vector<Index>{3}), std::invalid_argument);
}

TEST_CASE("probing an encoder: every stage, every share of the labels, split as the experiments are", "[probe]") {
  const Dataset data = builtin_dataset(240, 48, 16);
  const ProbeImages images = probe_images(data, {.validation = 0.2, .fractions = {1.0, 0.25}, .seed = 3});
  CHECK(images.split.train == stratified_split(data.train.labels, 0.2, Rng(3).split("validation")).train);
  REQUIRE(images.subsets.size() == 2);
  CHECK(images.subsets[0].size() == images.split.train.size());
  const std::vector<Index> quarter = label_subset(data.train.labels, images.split.train, 0.25, Rng(3).split("labels"));
  REQUIRE(images.subsets[1].size() == quarter.size());
  for (std::size_t i = 0; i < quarter.size(); ++i)
    CHECK(images.split.train[static_cast<std::size_t>(images.subsets[1][i])] == quarter[i]);

  const Normalization normalization = channel_statistics(data.train, numbered(240));
  const auto encoder = random_encoder({.in_channels = 3, .width = 2}, data.train, normalization, 3);
  const std::vector<StageProbes> probes = probe_encoder(*encoder, normalization, images);
  REQUIRE(probes.size() == 4);
  CHECK(probes[0].stage == "stem");
  CHECK(probes[3].features == 16);
  for (const StageProbes& stage : probes) {
    REQUIRE(stage.results.size() == 2);
    CHECK(stage.results[1].labels == static_cast<Index>(quarter.size()));
    CHECK(stage.results[1].fraction == 0.25);
    for (const ProbeResult& r : stage.results)
      for (const ProbeScore& score : {r.linear, r.knn}) {
        REQUIRE(score.test.has_value());
        CHECK((*score.test >= 0 && *score.test <= 1));
        CHECK((score.validation >= 0 && score.validation <= 1));
        CHECK(score.validation > 0);
      }
  }
  const ProbeImages alone = probe_images(data, {.test = false});
  CHECK(alone.test.empty());
  CHECK_FALSE(probe_encoder(*encoder, normalization, alone)[0].results[0].knn.test.has_value());
  Dataset one = data;
  one.class_names.resize(1);
  CHECK_THROWS_AS(probe_images(one, {}), InputError);
  one = data;
  one.test.count = 0;
  CHECK_THROWS_AS(probe_images(one, {}), InputError);
}
