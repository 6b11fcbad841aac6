// SPDX-License-Identifier: MIT
// The loop of train/fit.hpp. With contexture::compiled it is to be included where fit() is called for a batch of
// one's own type.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
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
#include "contexture/train/fit.hpp"
#include "contexture/train/history.hpp"
#include "contexture/train/progress.hpp"

namespace contexture {

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

template <class B>
FitStatus fit(FitTask<B>& task, Optimizer<float>& optimizer, const FitOptions& options, FitState& state,
              const FitHooks& hooks) {
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
