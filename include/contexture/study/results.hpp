// SPDX-License-Identifier: MIT
// What a run measured, as plain data: filled by run_experiments(), read by report. No behaviour beyond
// small derived values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "contexture/core/finite.hpp"
#include "contexture/data/account.hpp"
#include "contexture/evaluate/metrics.hpp"
#include "contexture/study/phase_id.hpp"
#include "contexture/train/history.hpp"

namespace contexture {

/// A row of history.csv.
struct PhaseRow : HistoryRow {
  PhaseId phase = {};
};

/// A phase that ended without a result because its loss stopped being finite.
struct Divergence {
  PhaseId phase = {};
  std::string what = {};
  std::int64_t step = 0;
};

/// One arm of one experiment with one seed.
struct ArmResult {
  double best_val_accuracy = 0;
  double test_accuracy = 0;  ///< of the weights with the best validation accuracy
  double test_macro_f1 = 0;
  double final_train_loss = 0;
  std::optional<std::int64_t> plateau_step;  ///< null: never settled
  /// Percent of the scratch arm's best validation accuracy ("80", "90", "95", "99") -> first step
  /// at which the smoothed validation accuracy reaches it; null: never.
  std::map<std::string, std::optional<std::int64_t>> steps_to;
  /// Same keys: seconds instead of steps, pre-training not included.
  std::map<std::string, std::optional<double>> seconds_to;
  std::optional<double> plateau_seconds;
  double seconds = 0;           ///< training and evaluation
  double training_seconds = 0;  ///< without evaluation
  std::int64_t steps = 0;
  std::int64_t images = 0;   ///< that all steps took in
  double learning_rate = 0;  ///< peak, at a batch of 128 images
  TestAnswers answers;
  ConfusionMatrix confusion;
};

/// One experiment: a label fraction, both arms, one entry per seed.
struct ExperimentResult {
  double label_fraction = 1;  ///< 0..1
  std::int64_t labels = 0;    ///< labelled training images used
  std::vector<std::uint64_t> seeds;
  std::vector<ArmResult> scratch;     ///< parallel to seeds
  std::vector<ArmResult> pretrained;  ///< parallel to seeds
  /// Further arms, each parallel to seeds: those that all of them have.
  std::map<Arm, std::vector<ArmResult>> more = {};
};

/// What pre-training measured, of one seed or the mean over them.
struct PretrainResult {
  std::string task;     ///< "context prediction"
  double seconds = 0;   ///< training and evaluation
  double loss = 0;      ///< last validation loss
  double accuracy = 0;  ///< last validation accuracy of the pretext task
  double chance = 0;    ///< accuracy of an encoder that knows nothing
  std::int64_t steps = 0;
  double images_per_second = 0;
  double suspicious_accuracy = 1;  ///< above it, look for a shortcut; 1: never

  /// The encoder has learned nothing from the task, or too little to be told from it.
  [[nodiscard]] bool no_better_than_chance() const { return is_finite(accuracy) && accuracy <= chance + 0.02; }
};

/// What is known of the run that made the encoder of another.
struct EncoderOrigin {
  bool same_data = false;    ///< all images and labels of its data set are those of this run
  std::string machine = {};  ///< as in RunSummary
  PretrainResult measured = {};
};

/// The whole run.
struct RunSummary {
  std::string dataset;  ///< "builtin", "builtin-64", "Fashion-MNIST (IDX)", ...
  std::vector<std::string> class_names;
  std::int64_t train_images = 0, validation_images = 0, test_images = 0, unlabeled_images = 0;
  DataAccount data;                       ///< what became of the files of a data folder
  std::vector<std::string> data_notes;    ///< how they were read
  std::vector<std::int32_t> test_labels;  ///< in the order of TestAnswers; empty: tests on answers are left out
  std::int64_t height = 0, width = 0, channels = 0;
  std::map<std::string, std::string> config;  ///< effective option -> value
  std::string machine;                        ///< cpu_report().line(); of a resumed run all, joined by "; then "
  std::string scratch_machine;                ///< of the run that the arms from scratch are of, where it is another
  /// Phases that ended without a result because their loss stopped being finite, a line each. Their arms are left out
  /// of experiments, with all of their seed where other seeds have both.
  std::vector<std::string> diverged;
  std::int64_t encoder_parameters = 0;
  std::int64_t encoder_multiply_adds = 0;  ///< per image
  std::optional<PretrainResult> pretrain;  ///< means over seeds; of a given encoder, what `origin` measured, if known
  std::optional<EncoderOrigin> origin;     ///< of a given encoder; empty: none, or the run that made it is not known
  std::vector<ExperimentResult> experiments;
  std::vector<PhaseRow> history;
  double seconds_total = 0;
  double peak_rss_mib = 0;
  double images_per_second = 0;  ///< training throughput of the classifier arms
};

}  // namespace contexture
