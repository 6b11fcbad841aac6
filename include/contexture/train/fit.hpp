// SPDX-License-Identifier: MIT
// The training loop, once, for every kind of task: batches from a background thread, loss, backward
// pass, optional clipping, optimiser step, evaluation at fixed steps, the best weights kept. A task
// says what a batch, a loss and an evaluation are; what a person sees while it runs goes through
// Progress (nothing is printed here); where and when state is saved is the caller's hook. All that
// the loop remembers is in FitState, so a run continues from a copy of it bit by bit. In a thread with a process group
// the loop is one of several, each with its part of every batch (data_parallel.hpp).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/prefetch.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/optim/state_tensors.hpp"
#include "contexture/optim/weight_average.hpp"
#include "contexture/train/data_parallel.hpp"
#include "contexture/train/history.hpp"
#include "contexture/train/progress.hpp"

namespace contexture {

/// The loss, or a weight, stopped being a finite number.
class Diverged : public std::runtime_error {
 public:
  Diverged(const std::string& what, std::int64_t step) : std::runtime_error(what), step_(step) {}
  /// Optimiser steps taken when it was noticed.
  [[nodiscard]] std::int64_t step() const noexcept { return step_; }

 private:
  std::int64_t step_;
};

/// Result of the loss of one batch.
struct BatchLoss {
  Variable<float> loss;       ///< scalar mean over the examples
  std::int64_t correct = 0;   ///< right answers among the examples
  std::int64_t examples = 0;  ///< rows of the logits: images, or patch pairs
  double weight = -1;         ///< what the mean was divided by; negative: the number of examples

  [[nodiscard]] double mean_weight() const { return weight < 0 ? static_cast<double>(examples) : weight; }
};

/// Result of a pass over the validation split.
struct Evaluation {
  double loss = 0;      ///< mean cross-entropy, nats
  double accuracy = 0;  ///< 0..1
  double macro_f1 = 0;  ///< 0..1
};

/// What is trained on what. B is whatever a batch is.
template <class B>
class FitTask {
 public:
  virtual ~FitTask() = default;
  /// Everything that is trained or has running statistics.
  virtual Module<float>& module() = 0;
  /// A part of the batch of a step, in one process all of it: a pure function of both. Runs on the prefetch thread.
  virtual B make_batch(std::int64_t step, const Part& part) const = 0;
  /// Forward pass of a batch, in training mode; may consume the batch. Of several processes each has its part.
  virtual BatchLoss loss(B& batch) = 0;
  /// A pass over the validation split, in evaluation mode; may leave the mode changed. Several processes call it
  /// together.
  virtual Evaluation evaluate() = 0;
  /// Images that a step takes in, those of all processes.
  [[nodiscard]] virtual std::int64_t images_per_step() const = 0;
};

/// The largest FitOptions::averaging: the window grows by one step in nine, so that a longer one is never reached.
inline constexpr double kMostAveraging = 0.1;

/// Options of fit().
struct FitOptions {
  std::int64_t steps = 0;                             ///< optimiser steps in all
  std::vector<std::int64_t> evaluate_at;              ///< rising; see evaluation_steps()
  std::function<double(std::int64_t)> learning_rate;  ///< step -> rate
  double averaging = 0;        ///< share of the steps over which weights are averaged, to kMostAveraging; 0: not
  double clip_norm = 0;        ///< global gradient norm is clipped to this; 0: not
  double steps_per_epoch = 1;  ///< for HistoryRow::epoch only
  std::string phase;           ///< which training this is, for messages only: "10, scratch, seed 1"
  Rng rng{0};                  ///< dropout of step s draws from rng.split(s)
  double save_seconds = 30;    ///< at least this long between two calls of FitHooks::save
  std::size_t prefetch = 4;    ///< batches made ahead
  ProcessOptions processes = {};
};

/// All that the loop remembers, besides the module's tensors and the optimiser's.
struct FitState {
  std::int64_t step = 0;         ///< optimiser steps taken
  std::int64_t evaluations = 0;  ///< entries of evaluate_at that are done
  double seconds = 0;            ///< training and evaluation
  double training_seconds = 0;   ///< without evaluation
  double loss_sum = 0;           ///< since the last row, over examples
  std::int64_t correct = 0;      ///< since the last row
  std::int64_t examples = 0;     ///< since the last row
  double best_accuracy = -1;     ///< on validation; below 0: not evaluated yet
  std::int64_t best_step = -1;   ///< the earliest with best_accuracy
  std::vector<HistoryRow> rows;
  TensorMap best;     ///< parameters and buffers at best_step
  TensorMap average;  ///< of parameters and buffers, where FitOptions::averaging is above 0
};

/// A training as hooks see it: what a run is continued from, besides its options.
struct FitRun {
  FitState& state;
  Module<float>& module;
  Optimizer<float>& optimizer;
};

/// What fit() calls while it goes; all may be left out.
struct FitHooks {
  Progress* progress = nullptr;
  const StopToken* stop = nullptr;
  std::function<void(const FitRun&)> begin =
      {};  ///< before anything else: may put back what `save` kept, in all processes
  std::function<void(const FitRun&)> save = {};  ///< between two steps: now and then, and when stopped
};

/// How fit() ended.
enum class FitStatus { finished, stopped };

namespace detail {

class Stopwatch {
 public:
  double lap() {  // seconds since construction or the last lap
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double> passed = now - last_;
    last_ = now;
    return passed.count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

inline bool all_finite(const Tensor<float>& tensor) {
  return std::all_of(tensor.data(), tensor.data() + tensor.size(), is_finite<float>);
}

inline void require_finite(Module<float>& module, std::int64_t step) {
  for (const auto& [name, tensor] : state_tensors(module))
    if (!all_finite(*tensor))
      throw Diverged(message("weights of ", name, " became NaN or infinite at step ", step), step);
}

inline const char* not_finite(double value) { return is_nan(value) ? "NaN" : "infinite"; }

// " (10, scratch, seed 1)": which training of the caller's.
inline std::string phase_of(const FitOptions& options) {
  return options.phase.empty() ? std::string() : message(" (", options.phase, ")");
}

inline void check_fit(const FitOptions& options, std::int64_t step) {
  require(options.steps >= 0 && step >= 0 && step <= options.steps, "fit: step ", step, " of ", options.steps);
  require(static_cast<bool>(options.learning_rate), "fit: no learning rate");
  require(options.averaging >= 0 && options.averaging <= kMostAveraging, "fit: averaging ", options.averaging,
          ", expected 0 to ", kMostAveraging);
}

// Rows "train" and "validation", and the best weights.
template <class B>
void evaluate_now(FitTask<B>& task, const FitOptions& options, const FitRun& run, const FitHooks& hooks,
                  Stopwatch& watch) {
  FitState& state = run.state;
  const double trained = watch.lap();
  state.seconds += trained;
  state.training_seconds += trained;
  const Evaluation evaluation = of_first(process_group(), task.evaluate());
  if (!is_finite(evaluation.loss))
    throw Diverged(message("validation loss became ", not_finite(evaluation.loss), " at step ", state.step, " of ",
                           options.steps, phase_of(options)),
                   state.step);
  state.seconds += watch.lap();

  HistoryRow row{state.step, static_cast<double>(state.step) / options.steps_per_epoch, state.seconds, "train"};
  if (state.examples > 0) {
    row.loss = state.loss_sum / static_cast<double>(state.examples);
    row.accuracy = static_cast<double>(state.correct) / static_cast<double>(state.examples);
    state.rows.push_back(row);
    if (hooks.progress != nullptr) hooks.progress->row(row);
  }
  state.loss_sum = 0;
  state.correct = state.examples = 0;
  row.split = "validation";
  row.loss = evaluation.loss;
  row.accuracy = evaluation.accuracy;
  row.macro_f1 = evaluation.macro_f1;
  state.rows.push_back(row);
  if (hooks.progress != nullptr) hooks.progress->row(row);

  if (evaluation.accuracy > state.best_accuracy) {  // ties: the earlier
    state.best_accuracy = evaluation.accuracy;
    state.best_step = state.step;
    copy_tensors(state_tensors(task.module()), state.best);
  }
  ++state.evaluations;
}

}  // namespace detail

/// Trains until options.steps are taken or a stop is requested; continues from `state`. Evaluation
/// at step s comes before update s + 1. With options.averaging the moving average of the weights is evaluated and
/// kept as state.best; the module ends with the weights themselves. Several processes stop and save together, a step
/// after one wished it. Throws Diverged when a loss or, before saving, a weight is not finite; nothing is saved then,
/// so what was saved last is good.
template <class B>
FitStatus fit(FitTask<B>& task, Optimizer<float>& optimizer, const FitOptions& options, FitState& state,
              const FitHooks& hooks = {}) {
  Module<float>& module = task.module();
  const FitRun run{state, module, optimizer};
  if (hooks.begin) hooks.begin(run);
  detail::check_fit(options, state.step);
  std::vector<NamedParameter<float>> parameters = module.parameters();
  const auto save = [&] {
    if (!hooks.save) return;
    detail::require_finite(module, state.step);
    hooks.save(run);
  };

  detail::DataParallel processes(module, task.images_per_step(), options.processes);
  double saved_at = state.seconds;
  const auto wishes = [&]() -> detail::DataParallel::Wishes {
    return {.stop = hooks.stop != nullptr && hooks.stop->requested(),
            .save = state.seconds - saved_at >= options.save_seconds};
  };
  processes.begin(optimizer, state.step);
  detail::WeightAverage average(module, state.average, options.averaging * static_cast<double>(options.steps));
  Prefetcher<B> batches(
      state.step, options.steps,
      [&task, part = processes.part()](std::int64_t step) { return task.make_batch(step, part); }, options.prefetch);
  detail::Stopwatch watch;
  for (;;) {
    const auto next = static_cast<std::size_t>(state.evaluations);
    if (next < options.evaluate_at.size() && options.evaluate_at[next] == state.step) {
      average.exchange();
      processes.require_same_weights(state.step);
      detail::evaluate_now(task, options, run, hooks, watch);
      average.exchange();
    }
    const bool finished = state.step == options.steps;
    const auto [stop, due] = processes.agreed(wishes());
    const bool stopped = !finished && stop;
    if (stopped || (!finished && due)) {
      save();
      saved_at = state.seconds;
      watch.lap();  // saving is not training
    }
    if (stopped) return FitStatus::stopped;
    if (finished) return FitStatus::finished;

    B batch = batches.next();
    module.set_training(true);
    module.reseed(options.rng.split(static_cast<std::uint64_t>(state.step)));
    optimizer.zero_grad();
    const SharedBatchGuard shared(processes.share_norm());
    BatchLoss result = task.loss(batch);
    detail::LossSums sums{static_cast<double>(result.loss.item()), result.mean_weight(), result.correct,
                          result.examples};
    const float share = processes.begin_step(sums, wishes());
    result.loss.backward(full<float>(result.loss.shape(), share), processes.observer());
    processes.finish_step(sums);
    const double loss = sums.loss;
    if (!is_finite(loss))
      throw Diverged(message("training loss became ", detail::not_finite(loss), " at step ", state.step, " of ",
                             options.steps, detail::phase_of(options), "; a lower learning rate may help"),
                     state.step);
    if (options.clip_norm > 0) clip_grad_norm(std::span(parameters), options.clip_norm);
    optimizer.step(options.learning_rate(state.step));
    average.update(++state.step);
    state.loss_sum += loss * static_cast<double>(sums.examples);
    state.correct += sums.correct;
    state.examples += sums.examples;
    const double passed = watch.lap();
    state.seconds += passed;
    state.training_seconds += passed;
    if (hooks.progress == nullptr) continue;
    hooks.progress->step(
        state.step, loss,
        static_cast<double>(sums.correct) / static_cast<double>(std::max<std::int64_t>(sums.examples, 1)),
        state.training_seconds > 0 ? static_cast<double>(state.step * task.images_per_step()) / state.training_seconds
                                   : 0);
    watch.lap();  // nor is telling
  }
}

}  // namespace contexture
