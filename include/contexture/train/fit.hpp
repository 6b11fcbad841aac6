// SPDX-License-Identifier: MIT
// The training loop, once, for every kind of task: batches from a background thread, loss, backward
// pass, optional clipping, optimiser step, evaluation at fixed steps, the best weights kept. A task
// says what a batch, a loss and an evaluation are; what a person sees while it runs goes through
// Progress (nothing is printed here); where and when state is saved is the caller's hook. All that
// the loop remembers is in FitState, so a run continues from a copy of it bit by bit. In a thread with a process group
// the loop is one of several, each with its part of every batch (data_parallel.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/optim/state_tensors.hpp"
#include "contexture/train/history.hpp"
#include "contexture/train/progress.hpp"
#include "contexture/train/reducer.hpp"

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

/// Trains until options.steps are taken or a stop is requested; continues from `state`. Evaluation
/// at step s comes before update s + 1. With options.averaging the moving average of the weights is evaluated and
/// kept as state.best; the module ends with the weights themselves. Several processes stop and save together, a step
/// after one wished it. Throws Diverged when a loss or, before saving, a weight is not finite; nothing is saved then,
/// so what was saved last is good.
template <class B>
FitStatus fit(FitTask<B>& task, Optimizer<float>& optimizer, const FitOptions& options, FitState& state,
              const FitHooks& hooks = {});

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/train/fit-inl.hpp"
#endif
