// SPDX-License-Identifier: MIT
// The training loop on a toy: a linear classifier on random points.
#include <chrono>
#include <cmath>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "contexture/nn/layers.hpp"
#include "contexture/optim/schedule.hpp"
#include "contexture/train/fit-inl.hpp"
#include "contexture/train/fit.hpp"
#include "contexture/train/history.hpp"
#include "support/catch.hpp"
#include "support/runs.hpp"

using namespace contexture;
using runs::same_bits, runs::same_rows;

namespace {

struct Points {
  Tensor<float> x;
  std::vector<std::int32_t> labels;
};

class ToyModel final : public Module<float> {
 public:
  explicit ToyModel(const Rng& rng) : linear(6, 3, rng.split("linear")), dropout(0.3F, rng.split("dropout")) {}
  Variable<float> forward(const Variable<float>& x) { return linear(dropout(x)); }
  Linear<float> linear;
  Dropout<float> dropout;

 protected:
  void visit(ModuleVisitor<float>& v) override {
    v.child("linear", linear);
    v.child("dropout", dropout);
  }
};

class ToyTask : public FitTask<Points> {
 public:
  ToyTask() : model(Rng(1)) {}
  Module<float>& module() override { return model; }
  Points make_batch(std::int64_t step, const Part&) const override {
    return points(Rng(5).split(static_cast<std::uint64_t>(step)));
  }
  BatchLoss loss(Points& batch) override {
    const Variable<float> logits = model.forward(Variable<float>(batch.x));
    return {softmax_cross_entropy<float>(logits, batch.labels), count_correct(logits.value(), batch.labels),
            static_cast<std::int64_t>(batch.labels.size())};
  }
  Evaluation evaluate() override {
    const NoGrad no_grad;
    model.set_training(false);
    const Points all = points(Rng(6));
    const Variable<float> logits = model.forward(Variable<float>(all.x));
    return {static_cast<double>(softmax_cross_entropy<float>(logits, all.labels).item()),
            static_cast<double>(count_correct(logits.value(), all.labels)) / static_cast<double>(all.labels.size()),
            0.5};
  }
  std::int64_t images_per_step() const override { return 16; }

  static Points points(Rng rng) {
    Points p{empty<float>({16, 6}), {}};
    for (std::size_t i = 0; i < 16; ++i) {
      const auto label = static_cast<std::int32_t>(rng.below(3));
      p.labels.push_back(label);
      for (std::size_t k = 0; k < 6; ++k)
        p.x.data()[i * 6 + k] = rng.normal() + (static_cast<std::int32_t>(k) == label ? 2.0F : 0.0F);
    }
    return p;
  }

  ToyModel model;
};

FitOptions toy_options(std::int64_t steps, double averaging = 0) {
  FitOptions options;
  options.averaging = averaging;
  options.steps = steps;
  options.evaluate_at = evaluation_steps(steps, 8);
  options.learning_rate = Schedule{.peak = 0.2, .total_steps = steps};
  options.steps_per_epoch = 10;
  options.phase = "100, scratch, seed 3";
  options.rng = Rng(9);
  options.save_seconds = 1e9;
  return options;
}

TensorMap weights(Module<float>& module) {
  TensorMap map;
  copy_tensors(state_tensors(module), map);
  return map;
}

struct StopAt : Progress {
  StopAt(StopToken& token, std::int64_t step) : token_(token), at_(step) {}
  void step(std::int64_t step, double, double, double) override {
    if (step == at_) token_.request();
  }
  StopToken& token_;
  std::int64_t at_;
};

}  // namespace

TEST_CASE("fit learns, and twice the same seed gives the same bits") {
  TensorMap first;
  std::vector<HistoryRow> rows;
  for (int run = 0; run < 2; ++run) {
    ToyTask task;
    Sgd<float> optimizer(task.model.parameters());
    FitState state;
    CHECK(fit(task, optimizer, toy_options(60), state) == FitStatus::finished);
    CHECK(state.step == 60);
    CHECK(state.best_accuracy > 0.7);
    if (run == 0) {
      first = weights(task.model);
      rows = state.rows;
    } else {
      CHECK(same_bits(first, weights(task.model)));
      CHECK(same_rows(rows, state.rows));
    }
  }
}

TEST_CASE("fit stopped anywhere and resumed gives the same bits as in one go") {
  const double averaging = GENERATE(0.0, 0.1);
  ToyTask whole;
  Sgd<float> whole_optimizer(whole.model.parameters());
  FitState whole_state;
  fit(whole, whole_optimizer, toy_options(30, averaging), whole_state);

  for (const std::int64_t stop_at : {1, 2, 7, 8, 29}) {
    CAPTURE(stop_at);
    ToyTask task;
    Sgd<float> optimizer(task.model.parameters());
    FitState state;
    StopToken stop;
    StopAt progress(stop, stop_at);
    TensorMap saved, saved_optimizer;
    FitState saved_state;
    int saves = 0;
    FitHooks hooks{.progress = &progress, .stop = &stop, .save = [&](const FitRun& now) {
                     ++saves;
                     saved_state = now.state;
                     copy_tensors(state_tensors(now.module), saved);
                     copy_tensors(state_tensors(now.optimizer), saved_optimizer);
                   }};
    CHECK(fit(task, optimizer, toy_options(30, averaging), state, hooks) == FitStatus::stopped);
    CHECK(state.step == stop_at);
    CHECK(saves == 1);

    ToyTask again;
    again.model = ToyModel(Rng(77));  // other weights: all must come from what was saved
    Sgd<float> optimizer_again(again.model.parameters());
    FitState resumed;
    const FitHooks put_back{.begin = [&](const FitRun& run) {
      restore_tensors(saved, state_tensors(run.module), "test");
      restore_tensors(saved_optimizer, state_tensors(run.optimizer), "test");
      run.state = saved_state;
    }};
    CHECK(fit(again, optimizer_again, toy_options(30, averaging), resumed, put_back) == FitStatus::finished);
    CHECK(same_bits(weights(whole.model), weights(again.model)));
    CHECK(same_rows(whole_state.rows, resumed.rows));
    CHECK(same_bits(whole_state.best, resumed.best));
    CHECK(same_bits(whole_state.average, resumed.average));
    CHECK(whole_state.average.empty() == (averaging == 0));
    CHECK(resumed.best_step == whole_state.best_step);
  }
}

TEST_CASE("fit evaluates and keeps the moving average of the weights, and goes on with the weights themselves") {
  struct Watched : ToyTask, Progress {
    Evaluation evaluate() override {
      evaluated = weights(model);
      for (const auto& [name, tensor] : expected)
        for (std::size_t i = 0; i < tensor.size(); ++i)
          CHECK(evaluated.at(name).data()[i] == Approx(static_cast<double>(tensor.data()[i])).margin(1e-6));
      ++evaluations;
      return ToyTask::evaluate();
    }
    void step(std::int64_t step, double, double, double) override {
      const double decay =
          std::min(1 - 1 / (0.1 * 40), (1.0 + static_cast<double>(step)) / (10.0 + static_cast<double>(step)));
      for (const auto& [name, tensor] : weights(model))
        for (std::size_t i = 0; i < tensor.size(); ++i) {
          float& average = expected.at(name).data()[i];
          average = static_cast<float>(decay * average + (1 - decay) * tensor.data()[i]);
        }
    }
    TensorMap expected = weights(model), evaluated;
    int evaluations = 0;
  };
  Watched task;
  Sgd<float> optimizer(task.model.parameters());
  FitState state;
  CHECK(fit(task, optimizer, toy_options(40, 0.1), state, {&task, nullptr, {}}) == FitStatus::finished);
  CHECK(task.evaluations == 9);
  CHECK(same_bits(state.average, task.evaluated));

  ToyTask plain;
  Sgd<float> plain_optimizer(plain.model.parameters());
  FitState plain_state;
  fit(plain, plain_optimizer, toy_options(40), plain_state);
  CHECK(same_bits(weights(plain.model), weights(task.model)));
  CHECK_FALSE(same_bits(plain_state.best, state.best));
  CHECK(state.rows.back().loss != plain_state.rows.back().loss);
}

TEST_CASE("fit evaluates at the given steps and averages the training loss since the last row") {
  struct Counted : ToyTask {
    BatchLoss loss(Points& batch) override {
      BatchLoss result = ToyTask::loss(batch);
      losses.push_back(static_cast<double>(result.loss.item()));
      return result;
    }
    std::vector<double> losses;
  } task;
  Sgd<float> optimizer(task.model.parameters());
  FitOptions options = toy_options(10);
  options.evaluate_at = {0, 1, 4, 10};
  FitState state;
  fit(task, optimizer, options, state);
  REQUIRE(state.rows.size() == 7);  // no training row at step 0
  CHECK(state.rows[0].split == "validation");
  CHECK(state.rows[0].step == 0);
  CHECK(state.rows[0].macro_f1 == 0.5);
  const std::vector<std::pair<std::size_t, std::pair<std::size_t, std::size_t>>> expected{
      {1, {0, 1}}, {3, {1, 4}}, {5, {4, 10}}};
  for (const auto& [row, range] : expected) {
    double sum = 0;
    for (std::size_t i = range.first; i < range.second; ++i) sum += task.losses[i];
    CHECK(state.rows[row].split == "train");
    CHECK(state.rows[row].step == static_cast<std::int64_t>(range.second));
    CHECK(state.rows[row].loss == Approx(sum / static_cast<double>(range.second - range.first)));
    CHECK(state.rows[row + 1].split == "validation");
    CHECK(state.rows[row + 1].epoch == Approx(static_cast<double>(range.second) / 10));
  }
  CHECK(state.rows.back().seconds <= state.seconds);
  CHECK(state.training_seconds <= state.seconds);
}

TEST_CASE("fit keeps the weights of the best validation accuracy, the earliest of equals") {
  struct Scripted : ToyTask {
    Evaluation evaluate() override {
      snapshots.push_back(weights(model));
      return {1.0, script[snapshots.size() - 1], 0};
    }
    std::vector<double> script{.2, .5, .7, .7, .6};
    std::vector<TensorMap> snapshots;
  } task;
  Sgd<float> optimizer(task.model.parameters());
  FitOptions options = toy_options(8);
  options.evaluate_at = {0, 2, 4, 6, 8};
  FitState state;
  fit(task, optimizer, options, state);
  CHECK(state.best_accuracy == .7);
  CHECK(state.best_step == 4);
  CHECK(same_bits(state.best, task.snapshots[2]));
  CHECK_FALSE(same_bits(state.best, task.snapshots[3]));
}

TEST_CASE("a loss that is not finite stops the run, names the step, and nothing bad is saved") {
  struct Poisoned : ToyTask {
    BatchLoss loss(Points& batch) override {
      if (++calls == 6) batch.x.data()[3] = value;
      return ToyTask::loss(batch);
    }
    int calls = 0;
    float value = std::numeric_limits<float>::quiet_NaN();
  };
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Poisoned task;
    task.model.dropout = Dropout<float>(0.0F, Rng(0));
    task.value = value;
    Sgd<float> optimizer(task.model.parameters());
    FitOptions options = toy_options(20);
    options.save_seconds = 0;  // between all steps
    std::int64_t last_saved = -1;
    FitState state;
    try {
      fit(task, optimizer, options, state, {.save = [&](const FitRun& now) { last_saved = now.state.step; }});
      FAIL("expected Diverged");
    } catch (const Diverged& error) {
      CHECK(error.step() == 5);
      CHECK(std::string(error.what()).find("step 5") != std::string::npos);
    }
    CHECK(last_saved == 5);  // the weights before the bad batch
    CHECK(detail::all_finite(task.model.linear.parameters()[0].variable.value()));
  }
}

TEST_CASE("weights that are not finite are not saved") {
  struct Broken : ToyTask {
    BatchLoss loss(Points& batch) override {
      BatchLoss result = ToyTask::loss(batch);
      if (++calls == 4)
        model.linear.parameters()[0].variable.mutable_value().data()[0] = std::numeric_limits<float>::infinity();
      return result;
    }
    int calls = 0;
  } task;
  Sgd<float> optimizer(task.model.parameters());
  FitOptions options = toy_options(20);
  options.save_seconds = 0;
  options.evaluate_at = {0, 20};
  std::int64_t last_saved = -1;
  FitState state;
  CHECK_THROWS_AS(
      fit(task, optimizer, options, state, {.save = [&](const FitRun& now) { last_saved = now.state.step; }}),
      Diverged);
  CHECK(last_saved == 3);
}

TEST_CASE("what a batch maker throws comes out of fit") {
  struct Failing : ToyTask {
    Points make_batch(std::int64_t step, const Part& part) const override {
      require_input(step < 3, "disk gone");
      return ToyTask::make_batch(step, part);
    }
  } task;
  Sgd<float> optimizer(task.model.parameters());
  FitState state;
  CHECK_THROWS_AS(fit(task, optimizer, toy_options(20), state), InputError);
  CHECK(state.step == 3);
}

TEST_CASE("evaluations are at 0, at the end and where i^1.5 of the steps are done, without repeats") {
  CHECK(evaluation_steps(1000, 4) == std::vector<std::int64_t>{0, 125, 354, 650, 1000});
  CHECK(evaluation_steps(3, 16) == std::vector<std::int64_t>{0, 1, 2, 3});
  CHECK(evaluation_steps(10, 1) == std::vector<std::int64_t>{0, 10});
  CHECK(evaluation_steps(0, 5) == std::vector<std::int64_t>{0});
  CHECK_THROWS_AS(evaluation_steps(-1, 5), std::invalid_argument);
  CHECK_THROWS_AS(evaluation_steps(10, 0), std::invalid_argument);
}

TEST_CASE("what fit tells while it goes: every step's loss, accuracy and speed, and every row") {
  struct Told : ToyTask, Progress {
    BatchLoss loss(Points& batch) override {
      BatchLoss result = ToyTask::loss(batch);
      last_loss = static_cast<double>(result.loss.item());
      right += result.correct;
      last_accuracy = static_cast<double>(result.correct) / 16;
      return result;
    }
    Evaluation evaluate() override {
      evaluations.push_back(ToyTask::evaluate());
      return evaluations.back();
    }
    void step(std::int64_t step, double loss, double accuracy, double images_per_second) override {
      CHECK(step == ++steps);
      CHECK(loss == last_loss);
      CHECK(accuracy == last_accuracy);
      CHECK(images_per_second == Approx(static_cast<double>(16 * step) / state.training_seconds));
    }
    void row(const HistoryRow& row) override {
      rows.push_back(row);
      if (row.split != "train") return;
      CHECK(row.accuracy == static_cast<double>(right) / static_cast<double>(16 * (row.step - last_row)));
      last_row = row.step;
      right = 0;
    }
    FitState state;
    std::vector<HistoryRow> rows;
    std::vector<Evaluation> evaluations;
    std::int64_t steps = 0, right = 0, last_row = 0;
    double last_loss = 0, last_accuracy = 0;
  } task;
  Sgd<float> optimizer(task.model.parameters());
  fit(task, optimizer, toy_options(12), task.state, {&task, nullptr, {}});
  CHECK(task.steps == 12);
  CHECK(same_rows(task.rows, task.state.rows));
  std::size_t seen = 0;
  for (const HistoryRow& row : task.rows) {
    if (row.split != "validation") continue;
    CHECK(row.accuracy == task.evaluations.at(seen).accuracy);
    CHECK(row.loss == task.evaluations.at(seen++).loss);
  }
  CHECK(seen == task.evaluations.size());
}

TEST_CASE("fit counts the time of evaluations apart, and saves no more often than it may") {
  struct Slow : ToyTask {
    BatchLoss loss(Points& batch) override {
      std::this_thread::sleep_for(std::chrono::milliseconds(4));
      return ToyTask::loss(batch);
    }
    Evaluation evaluate() override {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      return ToyTask::evaluate();
    }
  } task;
  Sgd<float> optimizer(task.model.parameters());
  FitOptions options = toy_options(40);
  options.evaluate_at = {0, 20, 40};
  options.save_seconds = 0.1;
  int saves = 0;
  FitState state;
  fit(task, optimizer, options, state, {.save = [&](const FitRun&) { ++saves; }});
  CHECK(state.training_seconds >= 0.16);
  CHECK(state.seconds - state.training_seconds >= 0.09);
  CHECK(saves >= 1);
  CHECK(saves <= static_cast<int>(state.seconds / 0.1));
}

TEST_CASE("fit refuses steps that are not among its own") {
  ToyTask task;
  Sgd<float> optimizer(task.model.parameters());
  for (const auto& [step, steps] : {std::pair<std::int64_t, std::int64_t>{11, 10}, {-1, 10}, {0, -1}}) {
    FitState state;
    state.step = step;
    FitOptions options = toy_options(10);
    options.steps = steps;
    CHECK_THROWS_WITH(fit(task, optimizer, options, state),
                      Catch::Matchers::ContainsSubstring(message("fit: step ", step)));
  }
  FitState state;
  FitOptions options = toy_options(10);
  options.learning_rate = {};
  CHECK_THROWS_WITH(fit(task, optimizer, options, state), "fit: no learning rate");
  for (const double averaging : {-0.01, 0.11}) {
    options = toy_options(10, averaging);
    CHECK_THROWS_AS(fit(task, optimizer, options, state), std::invalid_argument);
  }
}

TEST_CASE("every step of fit has a dropout of its own, by its number and the stream") {
  struct Masked : ToyTask {
    BatchLoss loss(Points& batch) override {
      masks.push_back(model.dropout(Variable<float>(full<float>({16, 6}, 1.0F))).value());
      return ToyTask::loss(batch);
    }
    std::vector<Tensor<float>> masks;
  };
  const auto masks_of = [](std::uint64_t seed) {
    Masked task;
    Sgd<float> optimizer(task.model.parameters());
    FitOptions options = toy_options(4);
    options.rng = Rng(seed);
    FitState state;
    fit(task, optimizer, options, state);
    return task.masks;
  };
  const std::vector<Tensor<float>> masks = masks_of(9), other = masks_of(10);
  REQUIRE(masks.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t k = 0; k < i; ++k) CHECK_FALSE((masks[i] == masks[k]));
    CHECK_FALSE((masks[i] == other[i]));
    ToyModel model(Rng(1));
    model.reseed(Rng(9).split(i));
    CHECK((model.dropout(Variable<float>(full<float>({16, 6}, 1.0F))).value() == masks[i]));
  }
}

TEST_CASE("fit clips gradients and follows the schedule") {
  ToyTask task;
  Sgd<float> optimizer(task.model.parameters(), {.momentum = 0, .nesterov = false, .weight_decay = 0});
  FitOptions options = toy_options(1);
  options.clip_norm = 1e-3;
  options.learning_rate = [](std::int64_t step) { return step == 0 ? 2.0 : 0.0; };
  const TensorMap before = weights(task.model);
  FitState state;
  fit(task, optimizer, options, state);
  double squares = 0;
  for (const auto& [name, tensor] : weights(task.model))
    for (std::size_t i = 0; i < tensor.size(); ++i)
      squares += std::pow(static_cast<double>(tensor.data()[i] - before.at(name).data()[i]), 2);
  CHECK(std::sqrt(squares) == Approx(2e-3).epsilon(1e-3));
}

TEST_CASE("once warm, steps ask the operating system for no tensor memory") {
  struct Watched : Progress {
    void step(std::int64_t step, double, double, double) override {
      if (step == 20) before = memory_stats().system_allocations;
      after = memory_stats().system_allocations;
    }
    std::uint64_t before = 0, after = 0;
  } progress;
  ToyTask task;
  Sgd<float> optimizer(task.model.parameters());
  FitState state;
  fit(task, optimizer, toy_options(400), state, {&progress, nullptr, {}});
#if !defined(CONTEXTURE_POOL_BYPASS)
  // How far the prefetch thread is ahead varies, and with it how many batches live at once: a handful
  // of blocks may still come, not one a step.
  CHECK(progress.after - progress.before <= 12);
#endif
}

TEST_CASE("fit without steps evaluates once") {
  ToyTask task;
  Sgd<float> optimizer(task.model.parameters());
  FitState state;
  CHECK(fit(task, optimizer, toy_options(0), state) == FitStatus::finished);
  CHECK(state.rows.size() == 1);
  CHECK(state.best_step == 0);
}
