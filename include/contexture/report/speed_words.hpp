// SPDX-License-Identifier: MIT
// Sentences on how fast the arms got there, in steps and in time with pre-training counted, and on pre-training itself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include "contexture/core/finite.hpp"
#include "contexture/report/experiment_view.hpp"
#include "contexture/report/text.hpp"
#include "contexture/report/words.hpp"

namespace contexture::report::detail {

/// How fast the training loss fell. Empty without a history.
[[nodiscard]] inline std::string loss_sentence(const ExperimentView& e, const std::optional<PretrainResult>& pretrain) {
  if (!is_finite(e.loss_start) || !(e.loss_start > e.loss_end)) return {};
  const double half = 0.5 * (e.loss_start + e.loss_end), ninety = e.loss_start - 0.9 * (e.loss_start - e.loss_end);
  std::string out = "The training loss passed " + fixed(half, 2) +
                    " nats (half of the fall that the scratch arm makes in all) " +
                    after_steps(e.scratch.loss_half, e.pretrained.loss_half) + ", and " + fixed(ninety, 2) +
                    " nats (nine tenths) " + after_steps(e.scratch.loss_ninety, e.pretrained.loss_ninety) + "." +
                    in_time({{"half of the fall", e.scratch.loss_half_seconds, e.pretrained.loss_half_seconds},
                             {"nine tenths", e.scratch.loss_ninety_seconds, e.pretrained.loss_ninety_seconds}},
                            pretrain);
  if (is_finite(e.scratch.mean_train_loss.mean) && is_finite(e.pretrained.mean_train_loss.mean))
    out += " Averaged over the whole training it was " + fixed(e.scratch.mean_train_loss.mean, 3) +
           " from scratch and " + fixed(e.pretrained.mean_train_loss.mean, 3) + " pre-trained; at the end " +
           fixed(e.scratch.final_train_loss.mean, 3) + " and " + fixed(e.pretrained.final_train_loss.mean, 3) + ".";
  return out;
}

/// How fast the metrics rose.
[[nodiscard]] inline std::string rise_sentence(const ExperimentView& e, const std::optional<PretrainResult>& pretrain) {
  if (!e.complete()) return {};
  return "The validation accuracy reached 90 % of the scratch arm's best " +
         after_steps(e.scratch.steps_to.at("90"), e.pretrained.steps_to.at("90")) + ", and 99 % of it " +
         after_steps(e.scratch.steps_to.at("99"), e.pretrained.steps_to.at("99")) + "." +
         in_time({{"90 %", e.scratch.seconds_to.at("90"), e.pretrained.seconds_to.at("90")},
                  {"99 %", e.scratch.seconds_to.at("99"), e.pretrained.seconds_to.at("99")}},
                 pretrain);
}

/// Which arm reached its plateau first.
[[nodiscard]] inline std::string plateau_sentence(const ExperimentView& e,
                                                  const std::optional<PretrainResult>& pretrain) {
  if (!e.complete()) return {};
  if (!e.plateau_told())
    return "None can be told: so few validation images leave every accuracy uncertain by \u00b1" +
           fixed(100 * e.plateau_tolerance, 0) + " points.";
  const std::string timed =
      in_time({{"reaching the plateau", e.scratch.plateau_seconds, e.pretrained.plateau_seconds}}, pretrain);
  const Moment &a = e.scratch.plateau_step, &b = e.pretrained.plateau_step;
  const auto step = [](const Moment& m) { return grouped(std::llround(*m.mean_reached)); };
  const auto from_start = [](const Moment& m) { return m.mean_reached && std::llround(*m.mean_reached) == 0; };
  if (from_start(a) || from_start(b))
    return std::string(from_start(a) && from_start(b) ? "Both arms were"
                       : from_start(b)                ? "The pre-trained arm was"
                                                      : "The scratch arm was") +
           " within the noise of the best from the first evaluation on: training moved too little for a plateau, so "
           "there is "
           "nothing to compare.";
  if (!a.mean_reached && !b.mean_reached) return "Neither arm had settled on a plateau when training ended.";
  if (!a.mean_reached)
    return "Only the pre-trained arm settled, at step " + step(b) + "; the scratch arm had not when training ended.";
  if (!b.mean_reached)
    return "Only the scratch arm settled, at step " + step(a) + "; the pre-trained arm had not when training ended.";
  const auto partly = [](const Moment& m) {
    return m.mean ? std::string()
                  : " (in " + std::to_string(m.reached()) + " of " + plural(m.per_seed.size(), "seed") + ")";
  };
  if (std::llround(*a.mean_reached) == std::llround(*b.mean_reached))
    return "Both arms reached their plateau at step " + step(a) + partly(a) + "." + timed;
  const bool pretrained_first = *b.mean_reached < *a.mean_reached;
  const std::string ratio = sooner(a.mean, b.mean);
  return std::string(pretrained_first ? "The pre-trained arm" : "The scratch arm") +
         " reached its plateau first, at step " + step(pretrained_first ? b : a) + partly(pretrained_first ? b : a) +
         " against " + step(pretrained_first ? a : b) + partly(pretrained_first ? a : b) +
         (pretrained_first && !ratio.empty() ? " (" + ratio + ")" : "") + "." + timed;
}

/// The same with the time of pre-training counted.
[[nodiscard]] inline std::string time_sentence(const ExperimentView& e, const std::optional<PretrainResult>& pretrain) {
  if (!e.complete()) return {};
  const Moment &a = e.scratch.seconds_to.at("90"), &b = e.pretrained.seconds_to.at("90");
  const std::string level = "90 % of the scratch arm's best";
  if (!pretrain) {
    std::string out = "The encoder was given, so this run cannot count the time of its pre-training.";
    if (a.mean && b.mean)
      out += " Without it, " + level + " took " + duration(*a.mean) + " from scratch and " + duration(*b.mean) +
             " pre-trained.";
    return out;
  }
  const double cost = pretrain->seconds;
  if (!a.mean || !b.mean)
    return "Pre-training took " + duration(cost) + " before the first of these steps; " + level + " was reached " +
           (b.mean_reached ? "after " + seconds_text(b, cost) : "never") + " with it and " +
           (a.mean_reached ? "after " + seconds_text(a) : "never") + " from scratch.";
  const double with = *b.mean + cost;
  std::string out = "With the " + duration(cost) + " of pre-training counted, the pre-trained arm reached " + level +
                    " after " + duration(with) + ", the scratch arm after " + duration(*a.mean) + ": " +
                    (with < *a.mean   ? "pre-training was ahead"
                     : with > *a.mean ? "scratch was ahead"
                                      : "the same") +
                    ".";
  const double saved = *a.mean - *b.mean;
  if (with > *a.mean && saved > 0)
    out += " Each training saves " + duration(saved) +
           " up to that level, so the encoder pays for its time when it serves " +
           grouped(static_cast<std::int64_t>(std::min(1e9, std::ceil(cost / saved)))) + " of them.";
  else if (with > *a.mean)
    out += " It saves no time up to that level.";
  return out;
}

/// What the pretext accuracy says.
[[nodiscard]] inline std::string pretext_sentence(const PretrainResult& p) {
  std::string out = "The encoder was pre-trained by " + (p.task.empty() ? std::string("a pretext task") : p.task) +
                    " for " + grouped(p.steps) + " steps (" + duration(p.seconds) +
                    "). It ended at a validation loss of " + fixed(p.loss, 3) + " and answered " + percent(p.accuracy) +
                    " of the pretext questions rightly; who knows nothing is right in " + percent(p.chance) + ".";
  if (p.no_better_than_chance())
    out +=
        " That is no better than chance: the encoder has learned nothing from the task. Train it longer, or on more "
        "images: what the pre-trained arms show here says nothing of pre-training.";
  else if (p.accuracy > p.suspicious_accuracy)
    out += " Pretext accuracy is an alarm rather than a score: above " + percent(p.suspicious_accuracy, 0) +
           " on photographs it often means that the encoder found a shortcut, such as edges that continue across the "
           "gap or traces of compression.";
  return out;
}

}  // namespace contexture::report::detail
