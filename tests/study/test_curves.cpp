// SPDX-License-Identifier: MIT
// Metrics on hand-made counts and curves.

#include "contexture/evaluate/metrics.hpp"
#include "contexture/study/curves.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

// Points at steps 0, 10, 20, ... and seconds = step / 100.
std::vector<CurvePoint> curve_of(const std::vector<double>& accuracies) {
  std::vector<CurvePoint> curve;
  for (std::size_t i = 0; i < accuracies.size(); ++i) {
    const auto step = static_cast<std::int64_t>(10 * i);
    curve.push_back({step, static_cast<double>(step) / 100, accuracies[i]});
  }
  return curve;
}

constexpr std::int64_t kMany = 1'000'000'000;  // validation images: the standard error vanishes

}  // namespace

TEST_CASE("confusion matrix: rows are truth, columns are predictions") {
  const std::vector<std::int32_t> truth{0, 0, 1, 1, 1, 2};
  const std::vector<std::int32_t> predicted{0, 1, 1, 1, 0, 1};
  const ConfusionMatrix matrix = confusion_matrix(truth, predicted, 3);
  CHECK(matrix.counts == std::vector<std::int64_t>{1, 1, 0, 1, 2, 0, 0, 1, 0});
  CHECK(accuracy(matrix) == Approx(3.0 / 6));
  // F1: class 0: 2*1/(2+2) = .5, class 1: 2*2/(3+4) = 4/7, class 2: never predicted = 0.
  CHECK(macro_f1(matrix) == Approx((0.5 + 4.0 / 7 + 0) / 3));
}

TEST_CASE("confusion matrix: what cannot be counted is refused") {
  const std::vector<std::int32_t> good{0, 1};
  const std::vector<std::int32_t> high{0, 2};
  const std::vector<std::int32_t> low{-1, 1};
  const std::vector<std::int32_t> three{0, 1, 1};
  CHECK_THROWS_AS(confusion_matrix(good, high, 2), std::invalid_argument);
  CHECK_THROWS_AS(confusion_matrix(low, good, 2), std::invalid_argument);
  CHECK_THROWS_AS(confusion_matrix(good, three, 2), std::invalid_argument);
  CHECK_THROWS_AS(confusion_matrix(good, good, 0), std::invalid_argument);
}

TEST_CASE("macro-F1 leaves out classes that occur nowhere, counts those that are only predicted") {
  const std::vector<std::int32_t> truth{0, 0, 1};
  CHECK(macro_f1(confusion_matrix(truth, truth, 5)) == Approx(1.0));
  const std::vector<std::int32_t> predicted{0, 3, 1};
  CHECK(macro_f1(confusion_matrix(truth, predicted, 5)) == Approx((2.0 / 3 + 1 + 0) / 3));
  const std::vector<std::int32_t> none;
  CHECK(macro_f1(confusion_matrix(none, none, 5)) == 0);
  CHECK(accuracy(confusion_matrix(none, none, 5)) == 0);
}

TEST_CASE("smoothing is a running median of three with the ends copied") {
  CHECK(smoothed({}).empty());
  CHECK(smoothed(curve_of({.3})) == std::vector<double>{.3});
  CHECK(smoothed(curve_of({.3, .1})) == std::vector<double>{.3, .1});
  CHECK(smoothed(curve_of({.1, .9, .2, .3, .25})) == std::vector<double>{.1, .2, .3, .25, .25});
  const std::vector<double> rising{.1, .2, .5, .6, .7};
  CHECK(smoothed(curve_of(rising)) == rising);  // no lag
  CHECK(smoothed_best(curve_of({.1, .9, .2, .3, .25})) == .3);
  CHECK(smoothed_best({}) == 0);
}

TEST_CASE("plateau: the first step from which the curve stays near its maximum") {
  CHECK_FALSE(plateau({}, 100).has_value());
  CHECK(plateau(curve_of({.1, .5, .8, .8, .8}), kMany)->step == 20);
  CHECK(plateau(curve_of({.8, .8, .8}), kMany)->step == 0);
  // Within half a point counts as there; 0.6 points below does not.
  CHECK(plateau(curve_of({.1, .796, .798, .8, .8}), kMany)->step == 10);
  CHECK(plateau(curve_of({.1, .794, .796, .8, .8}), kMany)->step == 20);
  // One bad evaluation in the middle does not restart the clock, two do.
  CHECK(plateau(curve_of({.1, .8, .8, .2, .8, .8}), kMany)->step == 10);
  CHECK(plateau(curve_of({.1, .8, .8, .2, .2, .8, .8}), kMany)->step == 50);
  // One lucky evaluation does not set the maximum.
  CHECK(plateau(curve_of({.1, .7, .99, .7, .7, .7}), kMany)->step == 10);
  // It got worse and stayed so.
  CHECK_FALSE(plateau(curve_of({.1, .8, .8, .5, .5}), kMany).has_value());
  CHECK(plateau(curve_of({.1, .5, .8}), kMany)->seconds == Approx(.2));
}

TEST_CASE("plateau: few validation images widen the tolerance to two standard errors") {
  // p = .8, n = 400: standard error .02, so .76 is on the edge.
  const std::vector<CurvePoint> curve = curve_of({.1, .7, .765, .78, .8});
  CHECK_FALSE(plateau(curve, 12).has_value());  // so few images blur all of it
  CHECK(plateau(curve, 400)->step == 20);
  CHECK(plateau(curve, kMany)->step == 40);
  CHECK(binomial_standard_error(.8, 400) == Approx(.02));
  CHECK(binomial_standard_error(1, 400) == 0);
  CHECK_THROWS_AS(binomial_standard_error(.5, 0), std::invalid_argument);
}

TEST_CASE("time to accuracy: steps and seconds to shares of the scratch arm's best") {
  const std::vector<CurvePoint> scratch = curve_of({.1, .3, .5, .65, .72, .76, .795, .8});
  ArmResult result;
  fill_speed(result, scratch, kMany, smoothed_best(scratch));
  CHECK(result.steps_to.at("80") == 30);  // .64
  CHECK(result.steps_to.at("90") == 40);  // .72, reached exactly
  CHECK(result.steps_to.at("95") == 50);  // .76
  CHECK(result.steps_to.at("99") == 60);  // .792
  CHECK(result.seconds_to.at("90") == Approx(.4));
  CHECK(result.plateau_step == 60);
  CHECK(result.plateau_seconds == Approx(.6));

  ArmResult slower;
  fill_speed(slower, curve_of({.1, .2, .3, .73, .1, .1}), kMany, .8);
  CHECK_FALSE(slower.steps_to.at("80").has_value());  // the single .73 is smoothed away
  CHECK_FALSE(slower.seconds_to.at("80").has_value());
  CHECK(slower.steps_to.size() == 4);

  ArmResult never;
  fill_speed(never, {}, kMany, .8);
  CHECK_FALSE(never.plateau_step.has_value());
  CHECK_FALSE(never.steps_to.at("80").has_value());
}

TEST_CASE("an arm whose curve ends at its best reaches every share of itself, whatever the rounding") {
  for (int i = 1; i <= 1000; ++i) {
    const std::vector<CurvePoint> curve = curve_of({0, i / 1000.0});
    ArmResult result;
    fill_speed(result, curve, 1000, smoothed_best(curve));
    for (const int percent : kTimeToPercent) CHECK(result.steps_to.at(std::to_string(percent)) == 10);
  }
}

TEST_CASE("evaluation steps: from 0 to the end, denser early, no repeats") {
  const std::vector<std::int64_t> steps = evaluation_steps(1000, 30);
  CHECK(steps.size() == 31);
  CHECK(steps.front() == 0);
  CHECK(steps.back() == 1000);
  for (std::size_t i = 2; i < steps.size(); ++i) {
    CHECK(steps[i] > steps[i - 1]);
    CHECK(steps[i] - steps[i - 1] + 1 >= steps[i - 1] - steps[i - 2]);  // gaps grow, up to rounding
  }
  CHECK(evaluation_steps(3, 30) == std::vector<std::int64_t>{0, 1, 2, 3});
  CHECK(evaluation_steps(1, 1) == std::vector<std::int64_t>{0, 1});
  CHECK(evaluation_steps(0, 5) == std::vector<std::int64_t>{0});
  CHECK_THROWS_AS(evaluation_steps(10, 0), std::invalid_argument);
}

TEST_CASE("the validation curve is cut out of the history by its phase") {
  std::vector<PhaseRow> rows;
  for (const double fraction : {1.0, 0.1})
    for (const Arm arm : {Arm::scratch, Arm::pretrained})
      for (const std::uint64_t seed : {1U, 2U})
        for (const char* split : {"train", "validation", "test"})
          rows.push_back({{7, .5, 1.5, split, 2.0, static_cast<double>(seed) / 10, 0}, {fraction, arm, seed}});
  const std::vector<CurvePoint> curve = validation_curve(rows, {0.1, Arm::scratch, 2});
  REQUIRE(curve.size() == 1);
  CHECK(curve[0].step == 7);
  CHECK(curve[0].seconds == 1.5);
  CHECK(curve[0].accuracy == .2);
}
