// SPDX-License-Identifier: MIT
// Statistics of a report: intervals, moments, curves over seeds, how fast a loss fell, exact tests, labels saved.
#include <array>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "contains.hpp"
#include "contexture/report/accuracy_words.hpp"
#include "contexture/report/history.hpp"
#include "contexture/report/label_efficiency.hpp"
#include "contexture/report/significance.hpp"
#include "contexture/report/speed_words.hpp"
#include "contexture/report/statistics.hpp"
#include "contexture/report/words.hpp"
#include "made_up_experiment.hpp"
#include "made_up_run.hpp"
#include "support/catch.hpp"

using namespace contexture;
using namespace contexture::report;
using namespace contexture::report::detail;
using made_up::experiment_of, made_up::kNan;

TEST_CASE("Student's t: textbook quantiles, continuous beyond the table", "[report]") {
  CHECK(student_t_95(1) == Approx(12.7062).epsilon(1e-5));
  CHECK(student_t_95(4) == Approx(2.77645).epsilon(1e-5));
  CHECK(student_t_95(30) == Approx(2.04227).epsilon(1e-5));
  CHECK(student_t_95(40) == Approx(2.02108).epsilon(1e-5));
  CHECK(student_t_95(120) == Approx(1.97993).epsilon(1e-5));
  CHECK(student_t_95(1'000'000) == Approx(1.95996).epsilon(1e-5));
  CHECK(std::isnan(student_t_95(0)));
}

TEST_CASE("mean and interval over seeds", "[report]") {
  const Stat three = make_stat({0.02, 0.03, 0.04});
  CHECK(three.mean == Approx(0.03));
  CHECK(three.half_width_95 == Approx(4.302652730 * 0.01 / std::sqrt(3.0)));
  CHECK_FALSE(make_stat({0.5}).has_interval());
  CHECK(make_stat({0.5}).mean == 0.5);
  CHECK(std::isnan(make_stat({}).mean));
  CHECK_FALSE(make_stat({0.5, kNan}).has_interval());
}

TEST_CASE("a moment has a mean only where every seed reached it", "[report]") {
  const Moment all = make_moment({100, 200}), some = make_moment({100, std::nullopt, 300}),
               none = make_moment({std::nullopt});
  CHECK(all.mean == 150);
  CHECK_FALSE(some.mean);
  CHECK(some.mean_reached == 200);
  CHECK_FALSE(none.mean_reached);
  CHECK(steps_text(all) == "150");
  CHECK(steps_text(some) == "200 (2/3)");
  CHECK(steps_text(none) == "never");
  CHECK(steps_text(make_moment({})) == "\u2013");
  CHECK(seconds_text(all, 90) == "4 min");
}

TEST_CASE("curves over seeds: mean, range, gaps and NaN", "[report]") {
  RunSummary run;
  const auto add = [&](std::uint64_t seed, std::int64_t step, double loss) {
    run.history.push_back({{step, 0, static_cast<double>(step) / 10, "train", loss, 0, 0}, {0.1, Arm::scratch, seed}});
  };
  add(0, 10, 2.0), add(0, 20, 1.0), add(1, 10, 4.0), add(1, 20, kNan);
  const auto curves = arm_curves(run, 0.1, Arm::scratch, "train", [](const HistoryRow& r) { return r.loss; });
  REQUIRE(curves.size() == 2);
  CHECK(curves[1].value == std::vector<double>{4.0});
  const auto band = band_of(curves, false);
  REQUIRE(band.size() == 2);
  CHECK(band[0].mean == 3);
  CHECK(band[0].low == 2);
  CHECK(band[0].high == 4);
  CHECK(band[1].mean == 1);
  CHECK(arm_curves(run, 0.5, Arm::scratch, "train", [](const HistoryRow& r) { return r.loss; }).empty());
}

TEST_CASE("how fast a loss fell", "[report]") {
  const SeedCurve curve{0, {10, 20, 40}, {1, 2, 4}, {2.0, 1.0, 0.5}};
  CHECK(first_below(curve, 2.5)->step == 10.0);
  CHECK(first_below(curve, 1.5)->step == 15.0);
  CHECK(first_below(curve, 1.5)->seconds == 1.5);
  CHECK(first_below(curve, 0.75)->step == 30.0);
  CHECK(first_below(curve, 0.75)->seconds == 3.0);
  CHECK_FALSE(first_below(curve, 0.4));
}

TEST_CASE("the fall of the loss is measured against the scratch arm's, both arms alike", "[report]") {
  RunSummary run;
  ExperimentResult e{
      .label_fraction = 0.1, .labels = 10, .seeds = {0}, .scratch = {ArmResult{}}, .pretrained = {ArmResult{}}};
  for (const auto& [arm, values] :
       {std::pair{Arm::scratch, std::vector{2.0, 1.0, 0.0}}, std::pair{Arm::pretrained, std::vector{1.0, 0.0, 0.0}}})
    for (std::size_t i = 0; i < 3; ++i)
      run.history.push_back({{100 * static_cast<std::int64_t>(i + 1), 0, 0, "train", values[i], 0, 0}, {0.1, arm, 0}});
  const ExperimentView view = view_of(run, e);
  CHECK(view.loss_start == 2);
  CHECK(view.loss_end == 0);
  CHECK(view.scratch.loss_half.mean == 200);
  CHECK(view.pretrained.loss_half.mean == 100);
  CHECK(*view.scratch.loss_ninety.mean == Approx(280));
  CHECK(*view.pretrained.loss_ninety.mean == Approx(180));
  CHECK(view.scratch.mean_train_loss.mean == Approx(1));
  CHECK(view.pretrained.mean_train_loss.mean == Approx(1.0 / 3));
  CHECK(contains(loss_sentence(view, std::nullopt), "passed 1.00 nats"));
  CHECK(contains(loss_sentence(view, std::nullopt),
                 "after 200 steps from scratch and after 100 pre-trained (2.0 times sooner)"));
  CHECK(contains(loss_sentence(view, std::nullopt),
                 "and 0.20 nats (nine tenths) after 280 steps from scratch and after 180 pre-trained"));
  run.history.back().loss = kNan;  // runs of different length: their means do not compare
  CHECK_FALSE(contains(loss_sentence(view_of(run, e), std::nullopt), "Averaged"));
  CHECK(loss_sentence(view_of(RunSummary{}, e), std::nullopt).empty());
}

TEST_CASE("a seed without one of its arms is left out of losses and curves as well", "[report]") {
  made_up::Run run = made_up::make({.fractions = {0.1}});
  const auto losses = [&] {
    const ExperimentView view = views_of(run.summary)[0];
    return std::array{view.scratch.loss_half.per_seed.size(), view.pretrained.loss_half.per_seed.size(),
                      arm_curves(run.summary, 0.1, Arm::scratch, "validation", [](const HistoryRow& r) {
                        return r.accuracy;
                      }).size()};
  };
  CHECK(losses() == std::array<std::size_t, 3>{3, 3, 3});
  ExperimentResult& experiment = run.summary.experiments[0];
  experiment.seeds.erase(experiment.seeds.begin() + 1);
  experiment.scratch.erase(experiment.scratch.begin() + 1);
  experiment.pretrained.erase(experiment.pretrained.begin() + 1);
  CHECK(losses() == std::array<std::size_t, 3>{2, 2, 2});
}

TEST_CASE("exact tests: p-values by hand", "[report]") {
  CHECK(fair_coin_p(0, 0) == 1);
  CHECK(fair_coin_p(5, 5) == Approx(2.0 / 32));
  CHECK(fair_coin_p(0, 6) == Approx(2.0 / 64));
  CHECK(fair_coin_p(2, 4) == 1);
  CHECK(fair_coin_p(1, 8) == Approx(2 * 9.0 / 256));
  CHECK(fair_coin_p(7, 8) == fair_coin_p(1, 8));
  // sum C(25, k), k <= 6, doubled: 2 * (1 + 25 + 300 + 2300 + 12650 + 53130 + 177100) / 2^25
  CHECK(fair_coin_p(6, 25) == Approx(2 * 245506.0 / 33554432).epsilon(1e-12));
  CHECK(fair_coin_p(4900, 10000) == Approx(0.0466).margin(0.0001));  // normal, continuity-corrected: z = 1.99
  CHECK(fair_coin_p(0, 5000) == 0);

  const SignTest five = sign_test(std::vector<double>{0.1, 0.2, 0.05, 0.3, 0.1});
  CHECK(five.better == 5);
  CHECK(five.p == 0.0625);
  CHECK(five.smallest_p() == 0.0625);
  const SignTest mixed = sign_test(std::vector<double>{0.1, -0.2, 0, 0.3, kNan});
  CHECK(mixed.better == 2);
  CHECK(mixed.worse == 1);
  CHECK(mixed.ties == 1);
  CHECK(mixed.p == 1);
  CHECK(std::isnan(sign_test({}).p));

  const std::vector<std::int32_t> truth{0, 0, 0, 0, 1, 1, 1, 1, 1, 1};
  const std::vector<std::int32_t> a{0, 0, 1, 1, 0, 0, 0, 0, 1, 1};  // right: 0 1 8 9
  const std::vector<std::int32_t> b{1, 0, 0, 0, 1, 1, 1, 1, 1, 0};  // right: 1 2 3 4 5 6 7 8
  const McNemar one = mcnemar(truth, a, b);
  CHECK(one.scratch == 2);     // 0 9
  CHECK(one.pretrained == 6);  // 2 to 7
  CHECK(one.p == Approx(2 * (1 + 8 + 28) / 256.0));
  const std::vector<std::vector<std::int32_t>> same{a}, other{b};
  CHECK(mcnemar_over_seeds(truth, same, other).p == one.p);
  // The same answers three times over are no more evidence than once.
  CHECK(mcnemar_over_seeds(truth, std::vector{a, a, a}, std::vector{b, b, b}).p == one.p);
  // Seeds that contradict each other image by image cancel.
  const McNemar none = mcnemar_over_seeds(truth, std::vector{a, b}, std::vector{b, a});
  CHECK(none.scratch + none.pretrained == 0);
  CHECK(none.p == 1);
  CHECK_THROWS_AS(mcnemar(truth, a, std::vector<std::int32_t>{0}), std::invalid_argument);

  CHECK(p_text(0.0004) == "p < 0.001");
  CHECK(p_text(0.0312) == "p = 0.031");
  CHECK(p_text(0.25) == "p = 0.25");
}

TEST_CASE("with one seed the verdict is on the answers, paired image by image", "[report]") {
  RunSummary run;
  run.test_images = 1000;
  run.test_labels.assign(1000, 0);
  ExperimentResult e{
      .label_fraction = 0.1, .labels = 10, .seeds = {0}, .scratch = {ArmResult{}}, .pretrained = {ArmResult{}}};
  // 700 and 720 right: the pre-trained arm gains 25 images and loses 5.
  for (int i = 0; i < 1000; ++i) {
    e.scratch[0].answers.predicted.push_back(i < 700 ? 0 : 1);
    e.pretrained[0].answers.predicted.push_back(i >= 5 && i < 725 ? 0 : 1);
  }
  e.scratch[0].test_accuracy = 0.7;
  e.pretrained[0].test_accuracy = 0.72;
  Judgement j = judge(view_of(run, e), 1000);
  CHECK(j.smallest == 0.012);  // of 30 images 21 to 9: p = 0.043
  CHECK(j.low > 0);
  CHECK(j.high < 0.03);
  CHECK(j.verdict == Verdict::gain);
  CHECK(contains(accuracy_sentence(view_of(run, e), 1000),
                 "+2.0 points (one seed; exact 95 % interval of 1,000 test images +0.9 to +2.7, McNemar's test "
                 "p < 0.001)"));
  // Four images against none are more than two standard errors, and one in eight fair coins does as much.
  ExperimentResult few = e;
  few.pretrained[0].answers.predicted = few.scratch[0].answers.predicted;
  std::fill_n(few.pretrained[0].answers.predicted.begin() + 700, 4, 0);
  few.pretrained[0].test_accuracy = 0.704;
  j = judge(view_of(run, few), 1000);
  CHECK(j.smallest == 0.006);
  CHECK(j.low < 0);
  CHECK(j.verdict == Verdict::tie);
  CHECK(contains(accuracy_sentence(view_of(run, few), 1000), "within the noise of the test set"));
  // Just above and below 1 in 20, with more than two standard errors or less: 3 of 14 images, 4 of 17.
  const auto with = [&](int lost, int gained) {
    ExperimentResult some = e;
    some.pretrained[0].answers.predicted = some.scratch[0].answers.predicted;
    std::fill_n(some.pretrained[0].answers.predicted.begin(), lost, 1);
    std::fill_n(some.pretrained[0].answers.predicted.begin() + 700, gained, 0);
    some.pretrained[0].test_accuracy = 0.7 + (gained - lost) / 1000.0;
    const ExperimentView view = view_of(run, some);
    return std::pair(view.mcnemar->p, judge(view, 1000).verdict);
  };
  CHECK(with(3, 11).first == Approx(0.0574).margin(0.0001));
  CHECK(with(3, 11).second == Verdict::tie);
  CHECK(with(4, 13).first == Approx(0.0490).margin(0.0001));
  CHECK(with(4, 13).second == Verdict::gain);
  CHECK(with(13, 4).second == Verdict::loss);
  // As if the two were independent, nothing could be told.
  run.test_labels.clear();
  j = judge(view_of(run, e), 1000);
  CHECK(j.smallest == Approx(2 * std::sqrt(0.7 * 0.3 / 1000 + 0.72 * 0.28 / 1000)));
  CHECK(j.verdict == Verdict::tie);
}

TEST_CASE("the exact interval of a difference goes with the exact test", "[report]") {
  // Clopper and Pearson's interval of 9 in 10 is 0.5550 to 0.9975.
  const DifferenceInterval d = exact_interval({.scratch = 1, .pretrained = 9, .p = 0}, 100);
  CHECK(d.low == Approx(0.1 * (2 * 0.5550 - 1)).margin(2e-5));
  CHECK(d.high == Approx(0.1 * (2 * 0.99747 - 1)).margin(2e-5));
  for (std::int64_t n = 1; n < 60; ++n)
    for (std::int64_t k = 0; k <= n; ++k) {
      const DifferenceInterval i = exact_interval({.scratch = n - k, .pretrained = k, .p = 0}, 100);
      INFO(k << " of " << n);
      REQUIRE((i.low > 0 || i.high < 0) == (fair_coin_p(k, n) < 0.05));
    }
  const DifferenceInterval many = exact_interval({.scratch = 4000, .pretrained = 4200, .p = 0}, 100000);
  CHECK(many.low == Approx(0.002 - 1.96 * std::sqrt(8200.0) / 100000).margin(2e-5));
  CHECK(many.high == Approx(0.002 + 1.96 * std::sqrt(8200.0) / 100000).margin(2e-5));
  CHECK(exact_interval({.scratch = 0, .pretrained = 0, .p = 1}, 100).high == 0);

  CHECK(smallest_telling(0, 24) == 0.25);  // six images
  CHECK(smallest_telling(8, 24) == Approx(8.0 / 24));
  CHECK(smallest_telling(9, 24) == Approx(7.0 / 24));
  CHECK(smallest_telling(0, 5) > 1);
  CHECK(smallest_telling(1000, 10000) == Approx(0.0064));
}

TEST_CASE("labels saved: between measurements linearly in the logarithm", "[report]") {
  const std::vector<LabelAccuracy> curve{{100, 0.40}, {1000, 0.60}, {10000, 0.70}};
  CHECK(*labels_to_reach(curve, 0.50) == Approx(100 * std::sqrt(10.0)));
  CHECK(*labels_to_reach(curve, 0.60) == Approx(1000));
  CHECK(*labels_to_reach(curve, 0.65) == Approx(1000 * std::sqrt(10.0)));
  CHECK(*labels_to_reach(curve, 0.30) == 100);
  CHECK_FALSE(labels_to_reach(curve, 0.71));
  CHECK_FALSE(labels_to_reach({}, 0.5));
  for (int most = 2; most < 1000; ++most) {  // exp(log(540)) is more than 540
    const double labels = *labels_to_reach(std::vector<LabelAccuracy>{{1, 0.3}, {1.0 * most, 0.6}}, 0.6);
    REQUIRE(labels <= most);
    REQUIRE(labels == Approx(most));
  }
  CHECK(*labels_to_reach(std::vector<LabelAccuracy>{{10, 0.5}, {20, 0.4}, {40, 0.6}}, 0.55) ==
        Approx(20 * std::pow(2.0, 0.75)));  // a curve that falls in between

  std::vector<ExperimentView> views;
  const std::vector<double> labels{10000, 1000, 100}, scratch{0.70, 0.60, 0.40}, pretrained{0.72, 0.65, 0.50};
  for (std::size_t i = 0; i < 3; ++i) {
    views.push_back(experiment_of({scratch[i], scratch[i]}, {pretrained[i], pretrained[i]}));
    views.back().labels = static_cast<std::int64_t>(labels[i]);
  }
  CHECK(label_efficiency(views).empty());  // three are no curve
  views.push_back(experiment_of({0.30, 0.30}, {0.30, 0.20}));
  views.back().labels = 10;
  const std::vector<LabelsSaved> found = label_efficiency(views);
  REQUIRE(found.size() == 4);
  CHECK(found[0].experiment->labels == 10);
  CHECK(found[0].at_most);
  CHECK(*found[0].scratch_labels == 10);
  CHECK(*found[0].factor() == 1);
  CHECK(*found[1].scratch_labels == Approx(100 * std::sqrt(10.0)));
  CHECK(*found[1].factor() == Approx(std::sqrt(10.0)));
  CHECK(*found[2].saved() == Approx(1000 * std::sqrt(10.0) - 1000));
  REQUIRE(found[2].per_seed.size() == 2);
  CHECK(*found[2].per_seed[1] == Approx(1000 * std::sqrt(10.0)));
  CHECK_FALSE(found[3].scratch_labels);
  CHECK_FALSE(found[3].saved());
  CHECK(labels_saved_sentence(found) ==
        "Labels that the scratch arm needs to reach the pre-trained arm's test accuracy: with 10, at most 10, so none "
        "are saved; with 100, 316 (3.2 times as many); with 1,000, 3,162 (3.2 times as many); with 10,000, more than "
        "that.");
}
