// SPDX-License-Identifier: MIT
// The summary of a run, from its plan and its state.
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/study/checkpoint.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/curves.hpp"
#include "contexture/study/plan.hpp"
#include "contexture/study/results.hpp"

namespace contexture {

namespace detail {

inline double peak_rss_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
#if defined(__APPLE__)
  return static_cast<double>(usage.ru_maxrss) / (1024.0 * 1024.0);
#else
  return static_cast<double>(usage.ru_maxrss) / 1024.0;  // KiB
#endif
}

// The seeds that an experiment is reported for: those with both arms, or, where there is none, those with one of
// them: of the arm that more seeds have.
inline std::vector<std::uint64_t> seeds_with_arms(const RunPlan& plan, const RunState& state, double fraction) {
  std::vector<std::uint64_t> both, scratch, pretrained;
  for (const std::uint64_t seed : plan.seeds()) {
    const bool a = state.arms.contains({fraction, Arm::scratch, seed});
    const bool b = state.arms.contains({fraction, Arm::pretrained, seed});
    if (a && b) both.push_back(seed);
    if (a) scratch.push_back(seed);
    if (b) pretrained.push_back(seed);
  }
  if (!both.empty()) return both;
  return scratch.size() >= pretrained.size() ? scratch : pretrained;
}

inline PretrainResult mean_pretraining(const RunState& state) {
  PretrainResult mean;
  const auto n = static_cast<double>(state.pretraining.size());
  for (const auto& [phase, result] : state.pretraining) {
    mean.task = result.task;
    mean.chance = result.chance;
    mean.suspicious_accuracy = result.suspicious_accuracy;
    mean.steps = result.steps;
    mean.seconds += result.seconds / n;
    mean.loss += result.loss / n;
    mean.accuracy += result.accuracy / n;
    mean.images_per_second += result.images_per_second / n;
  }
  return mean;
}

inline ExperimentResult experiment_of(const RunPlan& plan, const RunState& state, double fraction, const Split& split) {
  ExperimentResult out;
  out.label_fraction = fraction;
  for (const std::uint64_t seed : seeds_with_arms(plan, state, fraction)) {
    out.seeds.push_back(seed);
    const double reference = smoothed_best(validation_curve(state.history, {fraction, Arm::scratch, seed}));
    for (const Arm which : {Arm::scratch, Arm::pretrained}) {
      const PhaseId phase{fraction, which, seed};
      const auto found = state.arms.find(phase);
      if (found == state.arms.end()) continue;
      ArmResult arm = found->second;
      fill_speed(arm, validation_curve(state.history, phase), static_cast<std::int64_t>(split.validation.size()),
                 reference);
      (which == Arm::scratch ? out.scratch : out.pretrained).push_back(std::move(arm));
    }
  }
  for (const Arm which : {Arm::scratch_selftrained, Arm::pretrained_selftrained, Arm::scratch_same_time}) {
    std::vector<ArmResult> arms;
    for (const std::uint64_t seed : out.seeds)
      if (const auto found = state.arms.find({fraction, which, seed}); found != state.arms.end()) {
        arms.push_back(found->second);
        fill_speed(arms.back(), validation_curve(state.history, found->first),
                   static_cast<std::int64_t>(split.validation.size()),
                   smoothed_best(validation_curve(state.history, {fraction, Arm::scratch, seed})));
      }
    if (!arms.empty() && arms.size() == out.seeds.size()) out.more[which] = std::move(arms);
  }
  out.labels = static_cast<std::int64_t>(plan.labels(plan.config.seed, split, fraction).size());
  return out;
}

}  // namespace detail

/// What a run measured, whose state is this; it took `seconds`.
[[nodiscard]] inline RunSummary summary_of(const RunPlan& plan, const RunState& state, double seconds) {
  const ExperimentConfig& config = plan.config;
  const Dataset& data = plan.data;
  const ImageClassifierOptions& classifier = plan.classifier;
  RunSummary out;
  out.dataset = data.name;
  out.class_names = data.class_names;
  out.data = data.account;
  out.data_notes = data.notes;
  out.test_images = data.test.count;
  out.test_labels = data.test.labels;
  out.unlabeled_images = data.unlabeled.count;
  out.height = data.train.height;
  out.width = data.train.width;
  out.channels = data.train.channels;
  const Split split = plan.split(config.seed);
  out.train_images = static_cast<std::int64_t>(split.train.size());
  out.validation_images = static_cast<std::int64_t>(split.validation.size());
  out.config = describe(plan);
  out.config["scratch-from"] = state.scratch_from;
  if (config.mirror == Mirror::automatic) out.config["flip"] = classifier.mirror ? "auto (on)" : "auto (off)";
  out.machine = state.machine;
  out.scratch_machine = state.scratch_machine;
  const std::unique_ptr<Backbone<float>> encoder = make_backbone<float>(classifier.encoder, Rng(0));
  out.encoder_parameters = static_cast<std::int64_t>(encoder->parameter_count());
  out.encoder_multiply_adds = encoder->multiply_adds(out.height, out.width);
  if (!state.pretraining.empty()) out.pretrain = detail::mean_pretraining(state);
  out.origin = state.origin;
  if (out.origin) out.pretrain = out.origin->measured;
  double training_seconds = 0, images = 0;
  for (const double fraction : config.fractions) {
    out.experiments.push_back(detail::experiment_of(plan, state, fraction, split));
    for (const std::vector<ArmResult>* arms : {&out.experiments.back().scratch, &out.experiments.back().pretrained})
      for (const ArmResult& arm : *arms) {
        training_seconds += arm.training_seconds;
        images += static_cast<double>(arm.images);
      }
  }
  for (const Divergence& d : state.diverged) out.diverged.push_back(d.what);
  out.history = state.history;
  out.seconds_total = seconds;
  out.peak_rss_mib = detail::peak_rss_mib();
  out.images_per_second = training_seconds > 0 ? images / training_seconds : 0;
  return out;
}

}  // namespace contexture
