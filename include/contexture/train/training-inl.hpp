// SPDX-License-Identifier: MIT
// How train/training.hpp's options become a call of fit().
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>

#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/optim/optimizer.hpp"
#include "contexture/optim/schedule.hpp"
#include "contexture/train/fit-inl.hpp"
#include "contexture/train/fit.hpp"
#include "contexture/train/training.hpp"

namespace contexture {

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
