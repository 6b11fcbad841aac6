// SPDX-License-Identifier: MIT
// A head on frozen features from few labels, and what is found by its answers: suspected labels.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "contexture/data/split.hpp"
#include "contexture/evaluate/frozen_head.hpp"
#include "contexture/evaluate/label_errors.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

// Gaussian clusters of unit spread, image i of class i mod `classes`, centres `apart` from 0 along axes of their own.
struct FewLabels {
  Tensor<float> values;
  std::vector<std::int32_t> labels;
  std::vector<int> fold;
  Index classes;

  FewLabels(std::size_t count, Index of_classes, float apart, unsigned seed) : classes(of_classes) {
    std::mt19937 dice(seed);
    std::normal_distribution<float> normal;
    values = empty<float>({count, 8});
    for (std::size_t i = 0; i < count; ++i) {
      labels.push_back(static_cast<std::int32_t>(i) % static_cast<std::int32_t>(classes));
      for (std::size_t j = 0; j < 8; ++j)
        values(i, j) = normal(dice) + (j == static_cast<std::size_t>(labels[i]) ? apart : 0.0F);
    }
    fold = stratified_folds(labels, numbered(static_cast<Index>(count)), 5, Rng(seed));
  }
  [[nodiscard]] FrozenHead fit(const LinearProbeOptions& options = {}) const {
    return fit_frozen_head({&values, 1}, labels, fold, classes, options);
  }
  [[nodiscard]] FewLabels only(const std::vector<Index>& rows) const {
    FewLabels out = *this;
    out.values = select_rows(values, rows);
    out.labels.clear();
    out.fold.clear();
    for (const Index i : rows) {
      out.labels.push_back(labels[static_cast<std::size_t>(i)]);
      out.fold.push_back(fold[static_cast<std::size_t>(i)]);
    }
    return out;
  }
};

}  // namespace

TEST_CASE("frozen head: every image is answered by the head that did not see it", "[frozen_head]") {
  const FewLabels few(60, 3, 3, 1);
  const LinearProbeOptions options{.penalties = {1e-2}};
  const FrozenHead head = few.fit(options);
  REQUIRE(head.of_fold.size() == 5);
  REQUIRE(head.held_out.shape() == Shape{60, 3});
  for (int f = 0; f < 5; ++f) {
    std::vector<Index> inside, outside;
    for (Index i = 0; i < 60; ++i) (few.fold[static_cast<std::size_t>(i)] == f ? outside : inside).push_back(i);
    // One fold by itself: the same regression on the others' images.
    const FewLabels others = few.only(inside);
    const LinearProbe alone =
        fit_linear_probe({others.values, others.labels}, {others.values, others.labels}, 3, options);
    const Tensor<float> asked = select_rows(few.values, outside);
    const Tensor<float> p = head_probabilities(alone, {&asked, 1});
    for (std::size_t k = 0; k < outside.size(); ++k) {
      double sum = 0;
      for (std::size_t c = 0; c < 3; ++c) {
        CHECK(head.held_out(static_cast<std::size_t>(outside[k]), c) == Approx(p(k, c)).margin(1e-4));
        sum += static_cast<double>(p(k, c));
      }
      CHECK(sum == Approx(1).margin(1e-6));
    }
  }
  CHECK(head.log_loss == Approx(log_loss(head.held_out, few.labels)));
  CHECK(head.probe.validation_accuracy == Approx(agreement(likeliest_classes(head.held_out), few.labels)));
  CHECK(head.probe.validation_accuracy > 0.8);
  // The head itself saw all images.
  const LinearProbe all = fit_linear_probe({few.values, few.labels}, {few.values, few.labels}, 3, options);
  for (std::size_t i = 0; i < all.weights.size(); ++i)
    CHECK(head.probe.weights.data()[i] == Approx(all.weights.data()[i]).margin(2e-3));
}

TEST_CASE("frozen head: the penalty with the lowest cross-validated loss is taken", "[frozen_head]") {
  const FewLabels few(60, 3, 1.5F, 2);
  const std::vector<double> penalties{10, 1, 1e-1, 1e-2, 1e-4};
  double least = 1e9, best = 0;
  for (const double penalty : penalties) {
    const double loss = few.fit({.penalties = {penalty}, .max_iterations = 2000, .tolerance = 1e-6}).log_loss;
    if (loss < least) {
      least = loss;
      best = penalty;
    }
  }
  const FrozenHead head = few.fit({.penalties = penalties, .max_iterations = 2000, .tolerance = 1e-6});
  CHECK(head.probe.penalty == best);
  CHECK(head.log_loss == Approx(least).epsilon(1e-3));
  CHECK((best != penalties.front() && best != penalties.back()));  // else this says little
}

TEST_CASE("frozen head: views of an image are learnt from together and answered by their mean", "[frozen_head]") {
  const FewLabels few(30, 3, 3, 3);
  Tensor<float> other = few.values;  // the same images with two features exchanged
  for (std::size_t i = 0; i < 30; ++i) std::swap(other(i, 6), other(i, 7));
  const std::vector<Tensor<float>> views{few.values, other};
  const FrozenHead head = fit_frozen_head(views, few.labels, few.fold, 3);
  for (std::size_t c = 0; c < 3; ++c)  // so both features weigh alike
    CHECK(head.probe.weights(6, c) == Approx(head.probe.weights(7, c)).margin(1e-3));
  const Tensor<float> a = probe_logits(head.probe, views[0]), b = probe_logits(head.probe, views[1]);
  const Tensor<float> p = head_probabilities(head.probe, views);
  for (std::size_t i = 0; i < 30; ++i) {
    double total = 0;
    for (std::size_t c = 0; c < 3; ++c) total += std::exp(static_cast<double>(a(i, c) + b(i, c)) / 2);
    for (std::size_t c = 0; c < 3; ++c)
      CHECK(static_cast<double>(p(i, c)) == Approx(std::exp(static_cast<double>(a(i, c) + b(i, c)) / 2) / total));
  }
}

TEST_CASE("frozen head: what does not fit together is refused", "[frozen_head]") {
  const FewLabels few(20, 2, 3, 4);
  const auto refused = [&](const auto& change, const std::string& words) {
    FewLabels bad = few;
    change(bad);
    CHECK_THROWS_WITH(bad.fit(), Catch::Matchers::ContainsSubstring("fit_frozen_head: " + words));
  };
  refused([](FewLabels& f) { f.fold.pop_back(); }, "1 views, 20 labels, 19 folds");
  refused([](FewLabels& f) { f.labels[3] = 2; }, "label 2 of 2 classes");
  refused([](FewLabels& f) { f.labels[3] = -1; }, "label -1 of 2 classes");
  refused([](FewLabels& f) { f.values = zeros<float>({19, 8}); }, "features (19,8) for 20 labels");
  refused([](FewLabels& f) { std::fill(f.fold.begin(), f.fold.end(), 0); }, "fold 0 has 20 of 20 images");
  refused([](FewLabels& f) { std::replace(f.fold.begin(), f.fold.end(), 2, 1); }, "fold 2 has 0 of 20 images");
  CHECK_THROWS_WITH(few.fit({.penalties = {}}), Catch::Matchers::ContainsSubstring("0 penalties"));
  CHECK_THROWS_AS(head_probabilities(few.fit().probe, {}), std::invalid_argument);
  CHECK_THROWS_AS(log_loss(zeros<float>({2, 2}), std::vector<std::int32_t>{0}), std::invalid_argument);
}

TEST_CASE("suspected labels: planted errors are found, and hardly anything else", "[label_errors]") {
  FewLabels few(200, 4, 6, 5);
  const std::vector<std::size_t> planted{3, 50, 77, 120, 199};
  for (const std::size_t i : planted) few.labels[i] = (few.labels[i] + 1) % 4;
  const std::vector<SuspectedLabel> found = suspected_labels(few.fit().held_out, few.labels);
  REQUIRE(found.size() >= planted.size());
  CHECK(found.size() <= planted.size() + 2);
  for (std::size_t k = 0; k < planted.size(); ++k) {  // the surest first
    const auto i = static_cast<std::size_t>(found[k].image);
    CHECK(std::count(planted.begin(), planted.end(), i) == 1);
    CHECK(found[k].label == few.labels[i]);
    CHECK(found[k].suggested == static_cast<std::int32_t>(i % 4));
    CHECK(found[k].suggested_probability > found[k].label_probability);
  }
  CHECK(suspected_labels(FewLabels(200, 4, 8, 6).fit().held_out, FewLabels(200, 4, 8, 6).labels).empty());
}

TEST_CASE("suspected labels: another class, where it is surer than it usually is of that class", "[label_errors]") {
  Tensor<float> p = empty<float>({5, 2});
  const std::vector<float> first{0.9F, 0.7F, 0.3F, 0.2F, 0.81F};  // class 0's; its mean over its images is 0.8
  for (std::size_t i = 0; i < 5; ++i) {
    p(i, 0) = first[i];
    p(i, 1) = 1 - first[i];
  }
  const std::vector<std::int32_t> labels{0, 0, 1, 1, 1};
  std::vector<SuspectedLabel> found = suspected_labels(p, labels);
  REQUIRE(found.size() == 1);
  CHECK(found[0].image == 4);
  CHECK(found[0].label == 1);
  CHECK(found[0].suggested == 0);
  CHECK(found[0].label_probability == Approx(0.19));
  CHECK(found[0].suggested_probability == Approx(0.81));
  p(4, 0) = 0.79F;  // less sure than usually
  p(4, 1) = 0.21F;
  CHECK(suspected_labels(p, labels).empty());
  CHECK(suspected_labels(zeros<float>({0, 2}), {}).empty());
  // A class that no image is labelled as is never suggested.
  CHECK(suspected_labels(p, std::vector<std::int32_t>{1, 1, 1, 1, 1}).empty());
  CHECK_THROWS_AS(suspected_labels(p, std::vector<std::int32_t>{0, 0, 1, 1, 2}), std::invalid_argument);
  CHECK_THROWS_AS(suspected_labels(p, std::vector<std::int32_t>{0, 0}), std::invalid_argument);
}
