// SPDX-License-Identifier: MIT
// Words of a report: sentences that say gain, loss, tie and never as the numbers have it.
#include <optional>
#include <string>
#include <vector>

#include "contains.hpp"
#include "contexture/report/accuracy_words.hpp"
#include "contexture/report/speed_words.hpp"
#include "contexture/report/terminal.hpp"
#include "made_up_experiment.hpp"
#include "made_up_run.hpp"
#include "support/catch.hpp"

using namespace contexture;
using namespace contexture::report;
using namespace contexture::report::detail;
using made_up::experiment_of, made_up::kNan;

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
  ExperimentView blurred = e;
  blurred.plateau_tolerance = 0.28;  // twelve validation images
  CHECK(plateau_sentence(blurred, std::nullopt) ==
        "None can be told: so few validation images leave every accuracy uncertain by \u00b128 points.");
  blurred = e;
  blurred.scratch.plateau_step = make_moment({0, 0});
  blurred.pretrained.plateau_step = make_moment({300, 400});
  CHECK(contains(plateau_sentence(blurred, std::nullopt), "The scratch arm was within the noise of the best"));
  CHECK(sooner(470, 1) == "more than 20 times sooner");
  CHECK(sooner(1, 470) == "more than 20 times later");
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
                 "Not to be told from noise: the difference with 10 % (+0.1 points; noise \u00b1"));
  CHECK(headline(run, {}).empty());
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
  CHECK(contains(pretext_sentence(p), "Train it longer, or on more images"));
  CHECK(p.no_better_than_chance());
  p.accuracy = 0.19;
  CHECK_FALSE(p.no_better_than_chance());
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
