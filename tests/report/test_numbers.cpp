// The figures and the words of a report: intervals, moments, curves over seeds, and sentences that
// say gain, loss, tie and never as the numbers have it.
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "contains.hpp"
#include "contexture/report/terminal.hpp"
#include "contexture/report/words.hpp"
#include "made_up_run.hpp"
#include "support/catch.hpp"

using namespace contexture;
using namespace contexture::detail::report;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// An experiment with these test accuracies, one a seed, and nothing else.
ExperimentView experiment_of(const std::vector<double>& scratch, const std::vector<double>& pretrained) {
  ExperimentResult e;
  e.label_fraction = 0.1;
  e.labels = 400;
  const auto fill = [](const std::vector<double>& values, std::vector<ArmResult>& arm) {
    for (const double v : values) {
      ArmResult& r = arm.emplace_back();
      r.best_val_accuracy = r.test_accuracy = r.test_macro_f1 = v;
    }
  };
  fill(scratch, e.scratch);
  fill(pretrained, e.pretrained);
  return view_of(RunSummary{}, e);
}

}  // namespace

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

TEST_CASE("numbers as people read them", "[report]") {
  CHECK(percent(0.7344) == "73.4 %");
  CHECK(percent(kNan) == "n/a");
  CHECK(points(0.029) == "+2.9");
  CHECK(points(-0.0041) == "\u22120.4");
  CHECK(points(0.0001) == "0.0");
  CHECK(points(-0.0001) == "0.0");
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(-1234567) == "-1,234,567");
  CHECK(duration(0.84) == "0.84 s");
  CHECK(duration(41.2) == "41 s");
  CHECK(duration(99.7) == "1 min 40 s");
  CHECK(duration(200) == "3 min 20 s");
  CHECK(duration(3599.8) == "1 h");
  CHECK(duration(3900) == "1 h 5 min");
  CHECK(duration(kNan) == "n/a");
  CHECK(exact(0.1) == "0.1");
  CHECK(exact(kNan) == "nan");
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foobar") == "Zm9vYmFy");
}

TEST_CASE("names from outside are made harmless", "[report]") {
  CHECK(html_escaped("<b>\"R&D\"'</b>") == "&lt;b&gt;&quot;R&amp;D&quot;&#39;&lt;/b&gt;");
  CHECK(markdown_escaped("a|b*c_d<e>") == "a\\|b\\*c\\_d\\<e\\>");
  CHECK(gnuplot_quoted("it's\\n") == "'it''s\\n'");
  CHECK(clean("line\nbreak\tend") == "line break end");
  CHECK(clean("Gr\xc3\xb6\xc3\x9f"
              "e") ==
        "Gr\xc3\xb6\xc3\x9f"
        "e");
  CHECK(clean("\xff"
              "a\xc3") ==
        "\uFFFD"
        "a\uFFFD");                                      // stray byte, cut sequence
  CHECK(clean("\xc0\xaf") == "\uFFFD\uFFFD");            // overlong
  CHECK(clean("\xed\xa0\x80") == "\uFFFD\uFFFD\uFFFD");  // surrogate
  CHECK(shortened("abcdef", 4) == "abc\u2026");
  CHECK(shortened("abcd", 4) == "abcd");
  CHECK(abridged("abcdefghij", 7) == "abcd\u2026ij");
  CHECK(abridged("abcdefg", 7) == "abcdefg");
  CHECK(columns("Gr\xc3\xb6\xc3\x9f"
                "e") == 5);
}

TEST_CASE("curves over seeds: mean, range, gaps and NaN", "[report]") {
  RunSummary run;
  const auto add = [&](std::uint64_t seed, std::int64_t step, double loss) {
    run.history.push_back({{step, 0, static_cast<double>(step) / 10, "train", loss, 0, 0}, {0.1, Arm::scratch, seed}});
  };
  add(0, 10, 2.0), add(0, 20, 1.0), add(1, 10, 4.0), add(1, 20, kNan);
  const auto curves = seed_curves(run, 0.1, Arm::scratch, "train", [](const HistoryRow& r) { return r.loss; });
  REQUIRE(curves.size() == 2);
  CHECK(curves[1].value == std::vector<double>{4.0});
  const auto band = band_of(curves, false);
  REQUIRE(band.size() == 2);
  CHECK(band[0].mean == 3);
  CHECK(band[0].low == 2);
  CHECK(band[0].high == 4);
  CHECK(band[1].mean == 1);
  CHECK(seed_curves(run, 0.5, Arm::scratch, "train", [](const HistoryRow& r) { return r.loss; }).empty());
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
  CHECK(view.scratch.mean_train_loss.mean == Approx(1));
  CHECK(view.pretrained.mean_train_loss.mean == Approx(1.0 / 3));
  CHECK(contains(loss_sentence(view, std::nullopt), "passed 1.00 nats"));
  CHECK(contains(loss_sentence(view, std::nullopt),
                 "after 200 steps from scratch and after 100 pre-trained (2.0 times sooner)"));
  run.history.back().loss = kNan;  // runs of different length: their means do not compare
  CHECK_FALSE(contains(loss_sentence(view_of(run, e), std::nullopt), "Averaged"));
  CHECK(loss_sentence(view_of(RunSummary{}, e), std::nullopt).empty());
}

TEST_CASE("the sentence on accuracy says gain, loss and tie, and how sure", "[report]") {
  const std::string gain = accuracy_sentence(experiment_of({0.70, 0.71, 0.72}, {0.73, 0.745, 0.75}), 10000);
  CHECK(contains(gain, "raised test accuracy from 71.0 % to 74.2 %: +3.2 points"));
  CHECK(contains(gain, "over 3 seeds"));
  const std::string loss = accuracy_sentence(experiment_of({0.70, 0.71, 0.72}, {0.69, 0.701, 0.711}), 10000);
  CHECK(contains(loss, "Pre-training cost 0.9 points of test accuracy"));
  CHECK(contains(loss, "share one test set"));  // less than two standard errors of 10,000 images
  CHECK_FALSE(contains(gain, "share one test set"));
  const std::string tie = accuracy_sentence(experiment_of({0.70, 0.71, 0.72}, {0.72, 0.70, 0.72}), 10000);
  CHECK(contains(tie, "within the noise between seeds"));
  const std::string one_tie = accuracy_sentence(experiment_of({0.700}, {0.702}), 2000);
  CHECK(contains(one_tie,
                 "The difference of +0.2 points is within the noise of the test set (twice the standard error of 2,000 "
                 "test images is"));
  const std::string one_gain = accuracy_sentence(experiment_of({0.60}, {0.70}), 2000);
  CHECK(contains(one_gain, "+10.0 points (one seed; twice the standard error of 2,000 test images is"));
  CHECK(contains(accuracy_sentence(experiment_of({1.0}, {1.0}), 100), "the same in both arms: 100.0 %"));
  CHECK(contains(accuracy_sentence(experiment_of({0.6}, {}), 100), "nothing to compare"));
  CHECK(contains(accuracy_sentence(experiment_of({}, {}), 100), "Nothing was measured"));
  CHECK(contains(accuracy_sentence(experiment_of({0.6}, {kNan}), 100), "n/a"));
}

TEST_CASE("the sentences on speed name sooner, later and never", "[report]") {
  CHECK(sooner(100, 50) == "2.0 times sooner");
  CHECK(sooner(50, 100) == "2.0 times later");
  CHECK(sooner(100, 100) == "no difference");
  CHECK(sooner(100, 98) == "about the same");
  CHECK(sooner(100, 0) == "from the start");
  CHECK(sooner(std::nullopt, 5) == "");

  ExperimentView e = experiment_of({0.7, 0.7}, {0.8, 0.8});
  e.scratch.steps_to["90"] = make_moment({400, 420});
  e.pretrained.steps_to["90"] = make_moment({100, 105});
  e.scratch.steps_to["99"] = make_moment({900, 900});
  e.pretrained.steps_to["99"] = make_moment({std::nullopt, std::nullopt});
  CHECK(rise_sentence(e, std::nullopt) ==
        "The validation accuracy reached 90 % of the scratch arm's best after 410 steps from scratch and after 103 "
        "pre-trained (4.0 times sooner), and 99 % of it after 900 steps from scratch and never pre-trained.");

  CHECK(contains(plateau_sentence(e, std::nullopt), "Neither arm"));
  e.scratch.plateau_step = make_moment({1000, 1200});
  CHECK(contains(plateau_sentence(e, std::nullopt), "Only the scratch arm settled, at step 1,100"));
  e.pretrained.plateau_step = make_moment({500, std::nullopt});
  CHECK(plateau_sentence(e, std::nullopt) ==
        "The pre-trained arm reached its plateau first, at step 500 (in 1 of 2 seeds) against 1,100.");
  e.pretrained.plateau_step = make_moment({1500, 1500});
  CHECK(plateau_sentence(e, std::nullopt) == "The scratch arm reached its plateau first, at step 1,100 against 1,500.");
}

TEST_CASE("the sentence on time counts pre-training, and when it pays", "[report]") {
  ExperimentView e = experiment_of({0.7}, {0.8});
  e.scratch.seconds_to["90"] = make_moment({40.0});
  e.pretrained.seconds_to["90"] = make_moment({10.0});
  const PretrainResult costly{.task = "context prediction", .seconds = 90},
      cheap{.task = "context prediction", .seconds = 20};
  CHECK(contains(time_sentence(e, costly), "after 1 min 40 s, the scratch arm after 40 s: scratch was ahead"));
  CHECK(contains(time_sentence(e, costly), "when it serves 3 of them"));
  CHECK(contains(time_sentence(e, cheap), "pre-training was ahead"));
  CHECK(contains(time_sentence(e, std::nullopt), "The encoder was given"));
  e.pretrained.seconds_to["90"] = make_moment({std::nullopt});
  CHECK(contains(time_sentence(e, costly), "was reached never with it and after 40 s from scratch"));
}

TEST_CASE("the headline groups the experiments by what happened", "[report]") {
  RunSummary run;
  run.test_images = 10000;
  const auto views = [](double all, double few) {
    std::vector<ExperimentView> out = {experiment_of({0.9, 0.901, 0.899}, {0.9 + all, 0.901 + all, 0.899 + all}),
                                       experiment_of({0.7, 0.701, 0.699}, {0.7 + few, 0.701 + few, 0.699 + few})};
    out[0].key = "100";
    return out;
  };
  CHECK(headline(run, views(-0.02, 0.03)) ==
        "Pre-training raised test accuracy by 3.0 points with 10 % and cost 2.0 points with 100 % of the labels.");
  CHECK(contains(headline(run, {experiment_of({0.7}, {0.9})}), "This rests on one seed"));
  CHECK(contains(headline(run, {experiment_of({0.7}, {0.701})}),
                 "made no difference that can be told from noise with 10 %"));
  CHECK(contains(headline(run, {}), "nothing to compare"));
}

TEST_CASE("pretext accuracy at chance and beyond belief is called out", "[report]") {
  PretrainResult p{"context prediction", 90, 1.3, 0.46, 0.167, 500, 4000, 0.6};
  CHECK(contains(pretext_sentence(p), "46.0 %"));
  CHECK_FALSE(contains(pretext_sentence(p), "alarm"));
  p.accuracy = 0.82;
  CHECK(contains(pretext_sentence(p), "above 60 % on photographs it often means that the encoder found a shortcut"));
  p.suspicious_accuracy = 1;  // of tasks without such a bound
  CHECK_FALSE(contains(pretext_sentence(p), "alarm"));
  p.accuracy = 0.17;
  CHECK(contains(pretext_sentence(p), "no better than chance"));
}

TEST_CASE("the summary table has a line per arm and fits a terminal", "[report]") {
  const std::string table = summary_table(made_up::make().summary);
  std::size_t lines = 0;
  for (std::size_t at = 0, end; (end = table.find('\n', at)) != std::string::npos; at = end + 1, ++lines)
    if (lines < 8) CHECK(columns(table.substr(at, end - at)) <= 80);
  CHECK(lines >= 9);
  CHECK(contains(table, "from scratch"));
  CHECK(contains(table, "100 %"));
  CHECK(contains(table, "Pre-training"));
  CHECK(contains(summary_table(RunSummary{}), "nothing to compare"));
}

TEST_CASE("every moment in steps is told in wall time as well, pre-training counted", "[report]") {
  ExperimentView e = experiment_of({0.7, 0.7}, {0.8, 0.8});
  const PretrainResult pretrain{.task = "context prediction", .seconds = 90};
  e.scratch.steps_to["90"] = make_moment({400, 420});
  e.pretrained.steps_to["90"] = make_moment({100, 105});
  e.scratch.seconds_to["90"] = make_moment({40.0, 42.0});
  e.pretrained.seconds_to["90"] = make_moment({10.0, 10.0});
  CHECK(contains(rise_sentence(e, pretrain), "(4.0 times sooner)"));
  CHECK(contains(rise_sentence(e, pretrain),
                 " In time, with the 90 s of pre-training counted: 90 % took 41 s from scratch and 1 min 40 s "
                 "pre-trained (2.4 times later)."));
  CHECK(
      contains(rise_sentence(e, std::nullopt), " In time, without the pre-training of the encoder, which was given: "));
  e.scratch.plateau_step = make_moment({1000, 1000});
  e.pretrained.plateau_step = make_moment({500, std::nullopt});
  e.scratch.plateau_seconds = make_moment({100.0, 100.0});
  e.pretrained.plateau_seconds = make_moment({50.0, std::nullopt});
  CHECK(contains(plateau_sentence(e, pretrain),
                 "reaching the plateau took 1 min 40 s from scratch and 2 min 20 s (1/2) pre-trained."));
  // The whole page: wherever a sentence says "sooner", the same paragraph counts pre-training.
  const made_up::Run run = made_up::make();
  for (const ExperimentView& view : views_of(run.summary))
    for (const std::string& sentence :
         {loss_sentence(view, run.summary.pretrain), rise_sentence(view, run.summary.pretrain),
          plateau_sentence(view, run.summary.pretrain)})
      if (contains(sentence, "sooner")) CHECK(contains(sentence, "of pre-training counted"));
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

TEST_CASE("the sentence on certainty tells what few seeds can show", "[report]") {
  const std::string five = significance_sentence(experiment_of({0.7, 0.7, 0.7, 0.7, 0.7}, {0.8, 0.8, 0.8, 0.8, 0.8}));
  CHECK(five ==
        "The pre-trained arm is better with 5 of 5 seeds (exact sign test: p = 0.062; as few as these cannot give less "
        "than 0.0625).");
  CHECK_FALSE(contains(significance_sentence(experiment_of(std::vector<double>(6, 0.7), std::vector<double>(6, 0.8))),
                       "as few as these"));
  CHECK(significance_sentence(experiment_of({0.7}, {0.8})).empty());  // one seed, answers not known
  RunSummary run;
  run.test_labels = {0, 1, 1, 0};
  ExperimentResult e{
      .label_fraction = 0.1, .labels = 10, .seeds = {0}, .scratch = {ArmResult{}}, .pretrained = {ArmResult{}}};
  e.scratch[0].answers.predicted = {1, 1, 0, 1};
  e.pretrained[0].answers.predicted = {0, 1, 1, 0};
  CHECK(significance_sentence(view_of(run, e)) ==
        "Of the test images that just one of the two classifiers answers rightly, the pre-trained one has 3 and the "
        "scratch one 0 (exact McNemar test: p = 0.25).");
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
  CHECK(j.noise == Approx(2 * std::sqrt(30 - 20.0 * 20 / 1000) / 1000));
  CHECK(j.verdict == Verdict::gain);
  CHECK(contains(accuracy_sentence(view_of(run, e), 1000),
                 "+2.0 points (one seed; McNemar's exact test on 1,000 test images: p < 0.001)"));
  // Four images against none are more than two standard errors, and one in eight fair coins does as much.
  ExperimentResult few = e;
  few.pretrained[0].answers.predicted = few.scratch[0].answers.predicted;
  std::fill_n(few.pretrained[0].answers.predicted.begin() + 700, 4, 0);
  few.pretrained[0].test_accuracy = 0.704;
  j = judge(view_of(run, few), 1000);
  CHECK(j.noise < 0.004);
  CHECK(j.verdict == Verdict::tie);
  CHECK(contains(accuracy_sentence(view_of(run, few), 1000), "within the noise of the test set"));
  // As if the two were independent, nothing could be told.
  run.test_labels.clear();
  j = judge(view_of(run, e), 1000);
  CHECK(j.noise == Approx(2 * std::sqrt(0.7 * 0.3 / 1000 + 0.72 * 0.28 / 1000)));
  CHECK(j.verdict == Verdict::tie);
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
