// SPDX-License-Identifier: MIT
// How an encoder or a classifier is trained: what pretrain() and train_classifier() are told, and what both make of it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/optim/schedule.hpp"
#include "contexture/train/fit.hpp"

namespace contexture {

/// Makes the optimiser of these parameters.
using OptimizerFactory = std::function<std::unique_ptr<Optimizer<float>>(std::vector<NamedParameter<float>>)>;

/// The factory of an optimiser, Sgd, AdamW or Muon, with these options.
template <template <class> class O, class Options>
[[nodiscard]] OptimizerFactory optimizer_factory(const Options& options) {
  return [options](std::vector<NamedParameter<float>> parameters) {
    return std::make_unique<O<float>>(std::move(parameters), options);
  };
}

/// How long, how fast and by which optimiser.
struct TrainingOptions {
  std::int64_t steps = 1000;                   ///< optimiser steps
  Index batch = 64;                            ///< images a step; as many as there are where those are fewer
  double learning_rate = 0.1;                  ///< peak of the one-cycle schedule
  double warmup = 0.2;                         ///< share of the steps in which the rate rises to its peak
  OptimizerFactory optimizer = {};             ///< without: Sgd as it stands
  std::vector<std::int64_t> evaluate_at = {};  ///< steps, rising, at which it is validated; see evaluation_steps()
  double averaging = 0;                        ///< as FitOptions::averaging
  std::string phase = {};                      ///< which training this is, for messages only
  double save_seconds = 30;                    ///< as FitOptions::save_seconds
  std::optional<Rng> dropout = {};             ///< its stream; without: one of the training's
  ProcessOptions processes = {};               ///< as FitOptions::processes
};

namespace detail {

// Each process has an image of every batch.
inline void check_processes(Index batch) {
  require_input(batch >= process_group().size(), "batches of ", batch, " images for ", process_group().size(),
                " processes, expected an image for each: start fewer, or take larger batches");
}

// Throws std::invalid_argument for options that make no sense; `who` opens the message.
inline void check_training(const char* who, const TrainingOptions& o, Index images) {
  require(images >= 1, who, ": no images to learn from");
  require(o.steps >= 0 && o.batch >= 1, who, ": ", o.steps, " steps of ", o.batch,
          " images, expected 0 or more of 1 or more");
  check_processes(std::min(o.batch, images));
  require(std::isfinite(o.learning_rate) && o.learning_rate >= 0 && o.warmup >= 0 && o.warmup <= 1, who,
          ": learning rate ", o.learning_rate, ", warm-up ", o.warmup, ", expected 0 or more, and 0 to 1");
}

// Trains a task on so many images, from the options; the state is what fit() left.
template <class B>
FitState train(FitTask<B>& task, const TrainingOptions& o, Index images, const Rng& rng, const FitHooks& hooks) {
  const std::unique_ptr<Optimizer<float>> optimizer =
      o.optimizer ? o.optimizer(task.module().parameters()) : std::make_unique<Sgd<float>>(task.module().parameters());
  FitOptions options;
  options.steps = o.steps;
  options.evaluate_at = o.evaluate_at;
  options.learning_rate =
      Schedule{.peak = o.learning_rate, .total_steps = std::max<std::int64_t>(o.steps, 1), .warmup_fraction = o.warmup};
  options.averaging = o.averaging;
  options.steps_per_epoch = static_cast<double>(images) / static_cast<double>(task.images_per_step());
  options.phase = o.phase;
  options.rng = o.dropout.value_or(rng.split("dropout"));
  options.save_seconds = o.save_seconds;
  options.processes = o.processes;
  FitState state;
  fit(task, *optimizer, options, state, hooks);
  return state;
}

}  // namespace detail
}  // namespace contexture
