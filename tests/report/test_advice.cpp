// SPDX-License-Identifier: MIT
// What a report tells its reader to do: one answer first, whatever the run found, and never more than it can show.
#include <cstdint>
#include <string>
#include <vector>

#include "contains.hpp"
#include "contexture/report/advice.hpp"
#include "contexture/report/terminal.hpp"
#include "made_up_experiment.hpp"
#include "made_up_run.hpp"
#include "support/catch.hpp"

using namespace contexture;
using namespace contexture::report;
using contexture::report::detail::headline;
using made_up::experiment_of;

namespace {

ExperimentView all_labels(const std::vector<double>& scratch, const std::vector<double>& pretrained) {
  ExperimentView out = experiment_of(scratch, pretrained);
  out.key = "100";
  out.label_fraction = 1;
  out.labels = 1000;
  return out;
}

// One seed on a test set of `right.size()` images; which of them either arm answers rightly.
ExperimentView one_seed(RunSummary& run, const std::vector<bool>& scratch, const std::vector<bool>& pretrained) {
  ExperimentResult e{
      .label_fraction = 1, .labels = 60, .seeds = {0}, .scratch = {ArmResult{}}, .pretrained = {ArmResult{}}};
  run.test_images = static_cast<std::int64_t>(scratch.size());
  run.test_labels.assign(scratch.size(), 0);
  const auto answer = [](const std::vector<bool>& right, ArmResult& arm) {
    for (const bool r : right) {
      arm.answers.predicted.push_back(r ? 0 : 1);
      arm.test_accuracy += (r ? 1.0 : 0.0) / static_cast<double>(right.size());
    }
    arm.best_val_accuracy = arm.test_accuracy;
  };
  answer(scratch, e.scratch[0]);
  answer(pretrained, e.pretrained[0]);
  return view_of(run, e);
}

std::vector<bool> right(int count, int of) {
  std::vector<bool> out(static_cast<std::size_t>(of));
  for (int i = 0; i < count; ++i) out[static_cast<std::size_t>(i)] = true;
  return out;
}

}  // namespace

TEST_CASE("advice: a clear gain says which weights, and what pre-training is worth", "[report]") {
  RunSummary run;
  run.test_images = 10000;
  const ExperimentView few = experiment_of({0.70, 0.701, 0.699}, {0.78, 0.781, 0.779});
  CHECK(
      advice(run, {all_labels({0.90, 0.901, 0.899}, {0.94, 0.941, 0.939}), few}) ==
      "Use classifier_100_pretrained, right on 94.0 % of the test images: pre-training is worth 4.0 points with 100 % "
      "and 8.0 points with 10 % of the labels. Then label more images of every class: from 10 % to 100 % of the labels "
      "test accuracy rose by 16 points.");
  CHECK(advice(run, {all_labels({0.94, 0.941, 0.939}, {0.92, 0.921, 0.919}), few})
            .starts_with("Use classifier_100_scratch, right on 94.0 % of the test images: pre-training is worth 8.0 "
                         "points with 10 % of the "
                         "labels, and costs 2.0 points with 100 %. "));
}

TEST_CASE("advice: a student that does better on validation images than its teacher is the one to use", "[report]") {
  RunSummary run;
  run.test_images = 10000;
  const ExperimentView view = all_labels({0.90, 0.901, 0.899}, {0.94, 0.941, 0.939});
  const auto students = [](double validation) {
    ArmResult student;
    student.best_val_accuracy = validation;
    student.test_accuracy = 0.955;
    return std::vector<ArmResult>(3, student);
  };
  ExperimentResult& results = run.experiments.emplace_back();
  results.label_fraction = 1;
  results.more[Arm::scratch_selftrained] = students(0.99);  // the verdict is for pre-training
  results.more[Arm::pretrained_selftrained] = students(0.5);
  CHECK(advice(run, {view}).starts_with("Use classifier_100_pretrained, right on 94.0 %"));
  results.more[Arm::pretrained_selftrained] = students(0.97);
  CHECK(advice(run, {view})
            .starts_with("Use classifier_100_pretrained_selftrained, right on 95.5 % of the test "
                         "images: pre-training is worth 4.0 points"));
  results.more[Arm::pretrained_selftrained].pop_back();  // not all seeds are done
  CHECK(advice(run, {view}).starts_with("Use classifier_100_pretrained, right on 94.0 %"));
}

TEST_CASE("advice: harm says to leave pre-training out", "[report]") {
  RunSummary run;
  run.test_images = 10000;
  CHECK(advice(run, {all_labels({0.94, 0.941, 0.939}, {0.92, 0.921, 0.919})}) ==
        "Use classifier_100_scratch, right on 94.0 % of the test images: leave pre-training out, it costs 2.0 points "
        "with "
        "100 % of the labels.");
}

TEST_CASE("advice: no gain that matters is told from none that shows", "[report]") {
  RunSummary run;
  run.test_images = 100000;
  const std::string tight = advice(run, {all_labels({0.90, 0.901, 0.899}, {0.901, 0.901, 0.899})});
  CHECK(contains(tight, "pre-training changes that by at most 0.2 points, so it can be left out."));
  CHECK_FALSE(contains(tight, "To decide it"));
  // Two seeds that vary: the interval is 12.7 times the standard error.
  const std::vector<ExperimentView> two{all_labels({0.80, 0.82}, {0.85, 0.84})};
  CHECK(
      contains(advice(run, two),
               "whether pre-training helps is not decided by this run. To decide it, repeat the run with five seeds: 2 "
               "seeds, as they vary here, cannot show less than 19 points."));
  CHECK(contains(resolution_sentence(run, two), "2 seeds, as they vary here, cannot show one below 19 points."));
  for (const std::string& text : {tight, advice(run, two), headline(run, two)})
    CHECK_FALSE(contains(text, "no difference"));
}

TEST_CASE("advice: too small a test set says so, and how many images would do", "[report]") {
  RunSummary run;
  const std::vector<ExperimentView> views{one_seed(run, right(14, 24), right(17, 24))};
  REQUIRE(views[0].mcnemar);
  CHECK(
      advice(run, views) ==
      "Use classifier_100_pretrained, right on 70.8 % of the test images: whether pre-training helps is not decided by "
      "this run. To decide it, keep more test images: about 96 would show a difference as large as the one seen, 12 "
      "points.");
  CHECK(resolution_sentence(run, views) ==
        "24 test images cannot show a difference below 25 points (exact test, p < 0.05).");
  CHECK(
      headline(run, views) ==
      "Not to be told from noise: the difference with 100 % (+12.5 points; interval \u22125.2 to +12.5) of the labels. "
      "This rests on one seed: how much it varies from seed to seed is not known.");
  RunSummary tiny;
  const std::vector<ExperimentView> four{one_seed(tiny, right(1, 4), right(4, 4))};
  CHECK(contains(resolution_sentence(tiny, four), "4 test images cannot show any difference"));
}

TEST_CASE("advice: one seed that shows nothing is repeated; an encoder that learned nothing is trained on",
          "[report]") {
  RunSummary run;
  std::vector<bool> shifted = right(843, 1000);  // 43 more right, 40 others wrong
  for (std::size_t i = 0; i < 40; ++i) shifted[i] = false;
  const std::vector<ExperimentView> views{one_seed(run, right(800, 1000), shifted)};
  CHECK(contains(advice(run, views), "To decide it, repeat the run with five seeds: one seed does not tell how much"));
  run.pretrain = PretrainResult{.task = "context prediction", .accuracy = 0.13, .chance = 0.125};
  CHECK(contains(advice(run, views), "Pre-train longer or on more images before judging it"));
}

TEST_CASE("advice: without a test set or a second arm there is nothing to say but that", "[report]") {
  RunSummary run;
  CHECK(contains(advice(run, {}), "nothing to compare yet"));
  CHECK(contains(advice(run, {experiment_of({0.7}, {})}), "nothing to compare yet"));
  CHECK(advice(run, {all_labels({0.7}, {0.8})}).starts_with("Keep some images aside as a test set"));
  CHECK(resolution_sentence(run, {all_labels({0.7}, {0.8})}).empty());
}

TEST_CASE("advice: the class that is missed most is labelled first, if that is more than chance", "[report]") {
  RunSummary run;
  run.test_images = 300;
  run.class_names = {"cat", "dog", "fox"};
  ExperimentView e = all_labels({0.80, 0.80, 0.80}, {0.90, 0.901, 0.899});
  e.pretrained.confusion = {3, {180, 60, 60, 0, 300, 0, 0, 0, 300}};  // three seeds of 100 images a class
  CHECK(contains(
      advice(run, {e}),
      " Then label about 330 more images of \u201ccat\u201d, as many as it has now: it is missed most, and only "
      "60 % of its test images are right."));
  e.pretrained.confusion = {3, {288, 7, 5, 2, 298, 0, 0, 1, 299}};  // 96 of 100 against 98: chance
  CHECK_FALSE(contains(advice(run, {e}), "more images of"));
  e.pretrained.confusion = {3, {180, 60, 60, 0, 300, 0, 0, 0, 300}};
  e.label_fraction = 0.5;  // there are labels that were not used
  CHECK_FALSE(contains(advice(run, {e}), "more images of"));
}

TEST_CASE("advice is the same on the terminal, and what the run can show stands beside it", "[report]") {
  const RunSummary run = made_up::make().summary;
  const std::vector<ExperimentView> views = views_of(run);
  const std::string table = summary_table(run);
  CHECK(contains(table, "\n" + advice(run, views) + "\n"));
  CHECK(contains(table, "\n" + resolution_sentence(run, views) + "\n"));
  CHECK(contains(resolution_sentence(run, views), "40 test images cannot show a difference below"));
}
