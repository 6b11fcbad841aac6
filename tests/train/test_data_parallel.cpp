// SPDX-License-Identifier: MIT
// Trainings that several processes share follow the one that a single process does. The processes are threads here; the
// suite of tests/mpi has them by MPI.
#include <atomic>
#include <cmath>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "contexture/models/resnet.hpp"
#include "contexture/train/bucket_reducer.hpp"
#include "support/catch.hpp"
#include "support/processes.hpp"
#include "support/runs.hpp"
#include "support/shared_training.hpp"

namespace shared_training {  // so that its names are not every test's

using runs::same_bits;

namespace {

std::vector<Trained> train_together(int size, const Plan& plan) {
  std::vector<Trained> all(static_cast<std::size_t>(size));
  processes::run(size, [&](ProcessGroup& group) { all[static_cast<std::size_t>(group.rank())] = train(plan); });
  return all;
}

}  // namespace

TEST_CASE("every task, shared by processes, has one process's losses and validation") {
  const std::string task =
      GENERATE(as<std::string>(), "context", "rotation", "jigsaw", "simclr", "vicreg", "joint", "classifier");
  const int size = GENERATE(2, 3);
  CAPTURE(task, size);
  const Plan plan{.task = task, .steps = 8, .learning_rate = 0.01};
  const Trained alone = train(plan);
  const std::vector<Trained> together = train_together(size, plan);
  for (const Trained& one : together) {
    CHECK(largest_difference(one.losses, alone.losses) < 1e-4);
    CHECK(same_bits(one.weights, together[0].weights));
    CHECK(runs::same_rows(one.rows, together[0].rows));
    REQUIRE(one.rows.size() == alone.rows.size());
    for (std::size_t i = 0; i < alone.rows.size(); ++i) {
      CHECK(std::abs(one.rows[i].loss - alone.rows[i].loss) < 1e-3);
      CHECK(one.rows[i].epoch == alone.rows[i].epoch);
      if (is_finite(alone.rows[i].accuracy)) CHECK(std::abs(one.rows[i].accuracy - alone.rows[i].accuracy) < 0.2);
    }
  }
  CHECK(alone.losses.front() != Approx(alone.losses.back()).margin(1e-4));  // it does train
}

TEST_CASE("right answers and images are counted over all processes") {
  const std::string task = GENERATE(as<std::string>(), "rotation", "classifier");
  const int size = GENERATE(2, 3);
  CAPTURE(task, size);
  const Plan plan{.task = task, .steps = 2, .learning_rate = 0};  // so that all answers are the same
  const Trained alone = train(plan);
  const std::vector<Trained> together = train_together(size, plan);
  for (const Trained& one : together) {
    CHECK(one.accuracies == alone.accuracies);
    REQUIRE(one.rows.size() == alone.rows.size());
    for (std::size_t i = 0; i < alone.rows.size(); ++i)
      if (alone.rows[i].split == "train") CHECK(one.rows[i].accuracy == alone.rows[i].accuracy);
  }
  REQUIRE(alone.accuracies.size() == 2);
  CHECK((alone.accuracies[0] > 0 && alone.accuracies[0] < 1));
}

TEST_CASE("two and three processes follow one over 200 steps") {
  const int size = GENERATE(2, 3);
  const std::vector<double> alone = smooth_losses(200);
  std::vector<double> together;
  processes::run(size, [&](ProcessGroup& group) {
    const std::vector<double> own = smooth_losses(200);
    if (group.rank() == 0) together = own;
  });
  REQUIRE(alone.size() == 200);
  CHECK(largest_difference(together, alone) < 1e-4);
  CHECK(alone.front() > alone.back() + 0.5);
}

TEST_CASE("twice the same processes give the same bits") {
  const Plan plan{.task = "simclr"};
  CHECK(same_bits(train_together(2, plan)[0].weights, train_together(2, plan)[1].weights));
}

TEST_CASE("with statistics of their own, processes differ from one but not from each other") {
  const Plan own{.task = "rotation", .processes = {.share_norm = false}};
  const std::vector<Trained> together = train_together(2, own);
  CHECK(same_bits(together[0].weights, together[1].weights));
  CHECK(largest_difference(together[0].losses, train(own).losses) > 1e-4);
  const Plan many{.task = "rotation", .steps = 3, .batch = 128};  // 64 images each: their own by default
  const Plan many_own{.task = "rotation", .steps = 3, .batch = 128, .processes = {.share_norm = false}};
  CHECK(same_bits(train_together(2, many)[0].weights, train_together(2, many_own)[0].weights));
}

TEST_CASE("gradients can travel as bfloat16") {
  const Plan exact{.task = "rotation"};
  const Plan rounded{.task = "rotation", .processes = {.gradients = Precision::bfloat16}};
  const std::vector<Trained> reference = train_together(3, exact);
  const std::vector<Trained> together = train_together(3, rounded);
  CHECK(same_bits(together[0].weights, together[1].weights));
  CHECK(same_bits(together[0].weights, together[2].weights));
  CHECK(same_bits(train(rounded).weights, train(exact).weights));  // one process sends none
  CHECK_FALSE(same_bits(together[0].weights, reference[0].weights));
  CHECK(std::abs(together[0].losses.at(4) - reference[0].losses.at(4)) < 1e-2);
  CHECK(together[0].losses.at(4) != reference[0].losses.at(4));
}

TEST_CASE("a stop that one process wishes stops all after the same step, the next one") {
  const Plan plan{.task = "rotation", .stop_at = 5, .stopper = 1};
  for (const Trained& one : train_together(2, plan)) CHECK(one.state.step == 6);
}

TEST_CASE("processes diverge together") {
  std::atomic<int> diverged{0};
  processes::run(2, [&](ProcessGroup&) {
    try {
      (void)train({.task = "classifier", .learning_rate = 1e30});
    } catch (const Diverged&) {
      ++diverged;
    }
  });
  CHECK(diverged == 2);
}

TEST_CASE("more processes than images in a batch are refused") {
  CHECK_THROWS_WITH(train_together(3, {.task = "rotation", .batch = 2}),
                    Catch::Matchers::ContainsSubstring("batches of 2 images for 3 processes"));
}

TEST_CASE("processes at different steps are refused") {
  CHECK_THROWS_WITH(processes::run(2,
                                   [](ProcessGroup& group) {
                                     ResNet<float> encoder({.in_channels = 3, .width = 2}, Rng(1));
                                     const auto task = made("rotation", encoder);
                                     FitHooks hooks;
                                     hooks.begin = [&](const FitRun& run) { run.state.step = group.rank(); };
                                     (void)pretrain(encoder, *task, {.set = data().train}, {.steps = 4}, Rng(5), hooks);
                                   }),
                    Catch::Matchers::ContainsSubstring("process 1 would go on from step 1, process 0 from step 0"));
}

TEST_CASE("gradients travel while backward goes on, and those that nobody has stay away") {
  for (const std::size_t bucket : {std::size_t{1}, std::size_t{40}, BucketReducer::kBucket}) {
    CAPTURE(bucket);
    std::mutex mutex;
    std::string wrong;
    processes::run(3, [&](ProcessGroup& group) {
      auto& threads = dynamic_cast<processes::ThreadGroup&>(group);
      const float factor = static_cast<float>(group.rank() + 1);
      Linear<float> first(4, 5, Rng(1)), second(5, 3, Rng(2)), unused(2, 2, Rng(3)), sometimes(4, 5, Rng(4));
      std::vector<NamedParameter<float>> parameters;
      for (Linear<float>* layer : {&unused, &sometimes, &first, &second})
        for (NamedParameter<float>& p : layer->parameters()) parameters.push_back(p);
      BucketReducer reducer(group, parameters, Precision::float32, bucket);
      for (int step = 0; step < 2; ++step) {  // buckets are used again
        for (NamedParameter<float>& p : parameters) p.variable.zero_grad();
        const Variable<float> x(full<float>({2, 4}, 1.0F));
        Variable<float> hidden = first(x);
        if (group.rank() == 1) hidden = add(hidden, sometimes(x));
        const int before = threads.sums();
        int early = 0;
        scale(sum(second(hidden)), factor).backward(full<float>({}, 1.0F), [&](const void* leaf) {
          reducer.ready(leaf);
          early = threads.sums() - before;
        });
        reducer.finish(1);
        const std::lock_guard lock(mutex);
        // 1 + 2 + 3 times the gradient of the sum of outputs.
        if (std::abs(second.parameters()[1].variable.grad().data()[0] - 12.0F) > 1e-4F) wrong += "bias of the second; ";
        const Tensor<float> reduced = first.parameters()[0].variable.grad();
        first.zero_grad();
        scale(sum(second(first(x))), 6.0F).backward();
        const Tensor<float>& expected = first.parameters()[0].variable.grad();
        for (std::size_t i = 0; i < expected.size(); ++i)
          if (std::abs(reduced.data()[i] - expected.data()[i]) > 1e-4F) wrong += "weights of the first; ";
        if (!sometimes.parameters()[1].variable.has_grad()) wrong += "a gradient of one process is missing; ";
        if (unused.parameters()[0].variable.has_grad()) wrong += "a gradient of nobody; ";
        if (bucket == 1 && early < 2) wrong += message("nothing travelled early: ", early, "; ");
      }
    });
    CHECK(wrong == "");
  }
}

TEST_CASE("a classifier's scores and an encoder's features do not depend on the number of processes") {
  const ImageClassifier model(
      {16, 16, {.width = 4}, data().class_names, channel_statistics(data().train, numbered(240))}, Rng(1));
  const Score alone = score(model, data().train, numbered(240), 32);
  std::mutex mutex;
  std::vector<Score> scores;
  processes::run(3, [&](ProcessGroup&) {
    Score own = score(model, data().train, numbered(240), 32);
    const std::lock_guard lock(mutex);
    scores.push_back(std::move(own));
  });
  for (const Score& one : scores) {
    CHECK(one.answers.predicted == alone.answers.predicted);
    CHECK(one.answers.confidence == alone.answers.confidence);
    CHECK(one.evaluation.accuracy == alone.evaluation.accuracy);
    CHECK(one.evaluation.macro_f1 == alone.evaluation.macro_f1);
    CHECK(one.evaluation.loss == Approx(alone.evaluation.loss).epsilon(1e-12));
  }
}

}  // namespace shared_training
