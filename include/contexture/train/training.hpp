// SPDX-License-Identifier: MIT
// How an encoder or a classifier is trained: what pretrain() and train_classifier() are told, and what both make of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/optim/optimizer.hpp"
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

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/train/training-inl.hpp"
#endif
