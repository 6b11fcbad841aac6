// SPDX-License-Identifier: MIT
// How much is computed in a given time: a pure function of costs that are made up here, and the costs as measured.
#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "contexture/study/budget.hpp"
#include "contexture/study/costs.hpp"
#include "study/tiny_run.hpp"

using namespace tiny;

namespace {

constexpr Index kFolders[] = {60, 600, 6'000, 60'000};
constexpr double kTimes[] = {120, 240, 600, 3600, 8 * 3600};

TimeRequest request_for(Index images, double seconds, std::set<std::string> given = {}) {
  TimeRequest request{.config = preset_config(preset("quick"), "a folder"), .given = std::move(given)};
  request.seconds = seconds;
  request.train_images = images;
  request.learnt_images = images - images / 10;
  request.unlabeled_images = images / 2;
  return request;
}

// Of a machine of so many seconds a step of 128 images with 16 channels.
auto machine_of(double step, const TimeRequest& request) {
  return [=](const ExperimentConfig& config) {
    const double wide = std::pow(static_cast<double>(config.width) / 16, 1.4);
    const double image = step * wide / 128;
    const double held_out = static_cast<double>(request.train_images - request.learnt_images);
    RunCosts costs;
    costs.spent = 5;
    costs.pretrain_step = image * static_cast<double>(std::min<Index>(128, request.train_images));
    costs.pretrain_evaluation = costs.classifier_evaluation = image * held_out / 3;
    for (const double fraction : config.fractions)
      costs.classifier_step.push_back(
          image * std::min(128.0, std::ceil(fraction * static_cast<double>(request.learnt_images))));
    costs.classifier_test = image * static_cast<double>(request.train_images) / 20;
    costs.report = 5;
    return costs;
  };
}

TimePlan plan_for(const TimeRequest& request, double step = 0.02) {
  return fit_to_time(request, machine_of(step, request));
}

double passes_of(const TimePlan& plan, const TimeRequest& request) {
  return static_cast<double>(plan.pretrain_steps * std::min<Index>(128, request.train_images)) /
         static_cast<double>(request.train_images + request.unlabeled_images);
}

}  // namespace

TEST_CASE("budget: of 60 to 60,000 images every training has enough steps to move, and none more than pay", "[study]") {
  for (const Index images : kFolders)
    for (const double seconds : kTimes) {
      TimeRequest request = request_for(images, seconds);
      request.firm = false;
      const TimePlan plan = plan_for(request);
      CAPTURE(images, seconds, plan.pretrain_steps, plan.fewest_steps, plan.most_steps, plan.config.width);
      CHECK(plan.pretrain_steps >= 1000);
      CHECK(plan.fewest_steps >= 300);
      CHECK((plan.pretrain_steps <= 6000 || passes_of(plan, request) <= 100.1));
      CHECK(passes_of(plan, request) <= 2001);
      const double pass = std::max(1.0, static_cast<double>(request.learnt_images) / 128);
      CHECK(static_cast<double>(plan.most_steps) <= std::max(2400.0, 28 * pass) + 1);
      // The numbers are those of the configuration that is run.
      CHECK(plan.most_steps == classifier_steps(plan.config, request.learnt_images, 1));
      CHECK(plan.fewest_steps == classifier_steps(plan.config, request.learnt_images, 0.1));
      CHECK(plan.config.seeds == 1);
    }
}

TEST_CASE("budget: context prediction ends where it stops to pay, and leaves the time to the classifiers", "[study]") {
  for (const Index images : kFolders) {
    const TimeRequest request = request_for(images, 8 * 3600, {"pretext"});
    REQUIRE(request.config.pretext == "context");
    const TimePlan plan = plan_for(request);
    CAPTURE(images, plan.pretrain_steps);
    CHECK((plan.pretrain_steps <= 2000 || passes_of(plan, request) <= 10.01));
    const TimePlan simclr = plan_for(request_for(images, 8 * 3600));
    CHECK(plan.pretrain_steps < simclr.pretrain_steps);
    CHECK(plan.config.width * plan.most_steps >= simclr.config.width * simclr.most_steps);
  }
}

TEST_CASE("budget: the parts sum to the time, unless longer trainings would gain nothing", "[study]") {
  for (const Index images : kFolders)
    for (const double seconds : kTimes) {
      const TimeRequest request = request_for(images, seconds);
      const RunCosts costs = machine_of(0.02, request)(request.config);
      CAPTURE(images, seconds);
      const TimePlan plan = plan_for(request);
      CHECK(plan.seconds() <= seconds);
      if (!plan.enough) CHECK(plan.seconds() >= 0.97 * seconds);
      CHECK(plan.rest == costs.spent + costs.report);
      CHECK(plan.seconds() == plan.pretraining + plan.arms + plan.rest);
    }
  CHECK(plan_for(request_for(60, 8 * 3600)).enough);
  CHECK_FALSE(plan_for(request_for(600, 600)).enough);
  CHECK_FALSE(plan_for(request_for(60'000, 3600)).enough);
}

TEST_CASE("budget: more time never means a shorter training of the same network, nor a narrower one", "[study]") {
  for (const Index images : kFolders) {
    TimePlan before;
    before.config.width = 0;
    for (double seconds = 20; seconds < 30'000; seconds *= 1.1) {
      TimeRequest request = request_for(images, seconds);
      request.firm = false;
      const TimePlan plan = plan_for(request);
      CAPTURE(images, seconds);
      CHECK(plan.config.width >= before.config.width);
      CHECK((plan.config.self_training || !before.config.self_training || plan.config.width > before.config.width));
      if (plan.config.width == before.config.width && plan.config.self_training != before.config.self_training) {
        CHECK((plan.pretrain_steps >= 1000 && plan.further_arms == 4));  // students take some of the time, no less
      } else if (plan.config.width == before.config.width) {
        CHECK(plan.pretrain_steps >= before.pretrain_steps);
        CHECK(plan.fewest_steps >= before.fewest_steps);
        CHECK(plan.most_steps >= before.most_steps);
      } else {  // wider only where that network, too, is trained well
        CHECK((plan.config.width <= 16 || plan.pretrain_steps >= 2000));
      }
      before = plan;
    }
    CHECK(before.config.width == 64);
  }
}

TEST_CASE("budget: students where few images have labels and good trainings fit; their time is counted", "[study]") {
  TimeRequest request = request_for(6'000, 3600);
  request.config.fractions = {1, 0.5, 0.1};
  const TimePlan with = plan_for(request);
  CHECK(with.config.self_training);
  CHECK(with.further_arms == 4);  // of the half as well: a third of all, with those without labels
  request.unlabeled_images = 0;
  CHECK(plan_for(request).further_arms == 2);
  CHECK_FALSE(plan_for(request_for(6'000, 150)).config.self_training);

  request.config.fractions = {1, 0.6};
  CHECK_FALSE(plan_for(request).config.self_training);
  request.config.fractions = {0.1};
  CHECK_FALSE(fit_to_time(request_for(6'000, 3600, {"self-training"}), machine_of(0.02, request)).config.self_training);

  // Both settings of one configuration: what the students add is two arms of three times the steps, and the answers.
  request = request_for(6'000, 3600, {"pretext", "width", "pretrain-epochs", "epochs", "self-training"});
  request.config.fractions = {0.1};
  const RunCosts costs = machine_of(0.02, request)(request.config);
  const TimePlan without = plan_for(request);
  request.config.self_training = true;
  const TimePlan students = plan_for(request);
  const double steps = static_cast<double>(without.fewest_steps);
  const double evaluations = 17 * costs.classifier_evaluation;
  CHECK(students.arms - without.arms ==
        Approx(2 * (3 * steps * costs.classifier_step[0] + evaluations + costs.classifier_test +
                    costs.classifier_evaluation * (5'400.0 + 3'000) / 600)));
  request.config.self_training = false;
  request.config.same_time = true;
  CHECK(plan_for(request).arms - without.arms == Approx(without.arms / 2 + without.pretraining));
}

TEST_CASE("budget: what is given stays, and the rest is fitted", "[study]") {
  TimeRequest request = request_for(600, 600, {"epochs"});
  request.config.epochs = 3;
  TimePlan plan = plan_for(request);
  CHECK(plan.config.epochs == 3);  // 13 steps: it was asked for
  CHECK(plan.config.pretext == "simclr");
  CHECK(plan.config.finetune_learning_rate == 0.1);
  CHECK(plan.pretrain_steps > 2000);

  CHECK(plan.config.encoder_rate == 1);  // 540 labels
  CHECK(plan_for(request_for(500, 600)).config.encoder_rate == 0.1);
  CHECK(plan_for(request_for(500, 600, {"encoder-rate"})).config.encoder_rate == 1);

  request = request_for(600, 600, {"pretext", "pretrain-epochs", "finetune-learning-rate", "width"});
  request.config.width = 12;
  plan = plan_for(request);
  CHECK(plan.config.pretext == "context");
  CHECK(plan.config.pretrain_epochs == 10);
  CHECK(plan.config.finetune_learning_rate == 0);
  CHECK(plan.config.width == 12);
  CHECK(plan.fewest_steps >= 1000);

  request = request_for(600, 600);
  request.config.pretext_options["patch"] = "9";  // of the task that the configuration names
  plan = plan_for(request);
  CHECK(plan.config.pretext == "context");
  CHECK(plan.config.finetune_learning_rate == 0);

  request = request_for(600, 600);
  request.config.encoder = "given.safetensors";
  plan = plan_for(request);
  CHECK(plan.pretraining == 0);
  CHECK(plan.config.width == 16);  // the file's

  request = request_for(600, 600);
  request.config.fractions.clear();  // pre-training alone
  plan = plan_for(request);
  CHECK(plan.arms == 0);
  CHECK(plan.pretrain_steps >= 2000);

  const TimeRequest many = [&] {
    TimeRequest out = request_for(600, 240);
    out.config.seeds = 2;
    return out;
  }();
  CHECK(plan_for(many).pretrain_steps < plan_for(request_for(600, 240)).pretrain_steps);
}

TEST_CASE("budget: a time that is too short is refused with one that would do, or the least is planned", "[study]") {
  TimeRequest request = request_for(600, 3);
  std::string said;
  try {
    (void)plan_for(request);
  } catch (const SettingError& error) {
    said = error.what();
  }
  CAPTURE(said);
  CHECK(said.starts_with(
      "time: 3s is too short: the shortest run here, of 1005 steps of pre-training and at least 302 of"));
  const std::string would_do = said.substr(said.rfind(' ') + 1);
  request.seconds = parse_time("time", would_do);
  CHECK(request.seconds < 120);
  CHECK(plan_for(request).config.width == 8);
  request.seconds = 3;
  request.firm = false;
  CHECK(plan_for(request).pretrain_steps == 1005);  // three digits of passes, upward
  CHECK(plan_for(request).seconds() > 3);

  request = request_for(600, 60, {"epochs"});
  request.config.epochs = 1000;
  CHECK_THROWS_AS(plan_for(request), SettingError);
  request = request_for(600, 600);
  request.config.scratch_from = "a run";
  CHECK_THROWS_AS(plan_for(request), SettingError);
}

TEST_CASE("budget: the costs are those of the run's own trainings", "[study]") {
  ExperimentConfig config = tiny_config();
  const RunCosts costs = measure_costs(config, tiny_data(), 0.01);
  CHECK(costs.classifier_step.size() == 2);
  for (const double part :
       {costs.pretrain_step, costs.pretrain_evaluation, costs.pretrain_end, costs.classifier_step.front(),
        costs.classifier_step.back(), costs.classifier_evaluation, costs.classifier_test, costs.report}) {
    CHECK(part > 1e-6);  // more than to look at the clock twice
    CHECK(part < 60);
  }
  // What is not timed by itself follows from what is: by how many images there are.
  const RunPlan plan = plan_run(config, tiny_data());
  const double answer = costs.classifier_evaluation / static_cast<double>(plan.split(config.seed).validation.size());
  CHECK(costs.classifier_test == Approx(answer * 48));
  const double features = std::max(costs.pretrain_end / 240, answer / (plan.classifier.mirror ? 2 : 1));
  CHECK(costs.report - contexture::detail::kDrawingSeconds == Approx(3 * features * 48));
  config.width = 32;  // of 2: some 100 times the multiply-adds
  CHECK(measure_costs(config, tiny_data(), 0.01).classifier_step.front() > 2 * costs.classifier_step.front());
  config.encoder = "given.safetensors";
  CHECK(measure_costs(config, tiny_data(), 0.01).pretrain_step == 0);
  config = tiny_config();
  config.fractions.clear();
  CHECK(measure_costs(config, tiny_data(), 0.01).classifier_step.empty());
  config.fractions = {0.001};
  CHECK_THROWS_AS(measure_costs(config, tiny_data(), 0.01), InputError);
}
