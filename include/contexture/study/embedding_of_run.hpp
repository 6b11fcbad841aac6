// SPDX-License-Identifier: MIT
// What a finished run's encoders make of its test images.
#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "contexture/core/precision.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/evaluate/embedding.hpp"
#include "contexture/evaluate/encoder_file.hpp"
#include "contexture/evaluate/reference_encoder.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/phase_id.hpp"
#include "contexture/study/run_files.hpp"

namespace contexture {

/// The view of a finished run whose files are in `folder`: random weights (those that the run's first seed begins
/// from), the classifier trained from scratch with the most labels, and the pre-trained encoder. Empty without test
/// images or without an encoder's file.
[[nodiscard]] inline std::optional<EmbeddingView> embedding_of_run(const ExperimentConfig& config, const Dataset& data,
                                                                   const std::filesystem::path& folder,
                                                                   const EmbeddingOptions& options = {}) {
  const std::filesystem::path pretrained = config.encoder.empty()
                                               ? weights_path(folder, pretraining_phase(config.seed), config.seed)
                                               : std::filesystem::path(config.encoder);
  if (data.test.count < 2 || data.train.count < 1 || !std::filesystem::exists(pretrained)) return std::nullopt;
  const PrecisionGuard precision(config.precision);
  const Normalization normalization = channel_statistics(data.train, numbered(data.train.count));
  std::vector<NamedEncoder> encoders;
  EncoderFile file = read_encoder(pretrained);
  encoders.push_back({"random weights",
                      random_encoder(file.encoder->description(), data.train, normalization, config.seed),
                      normalization});
  if (!config.fractions.empty()) {
    const double most = *std::max_element(config.fractions.begin(), config.fractions.end());
    const std::filesystem::path scratch = weights_path(folder, {most, Arm::scratch, config.seed}, config.seed);
    if (std::filesystem::exists(scratch)) {
      EncoderFile labelled = read_encoder(scratch);
      encoders.push_back({"trained with " + percent_name(most) + " % of the labels", std::move(labelled.encoder),
                          labelled.normalization_or(normalization)});
    }
  }
  encoders.push_back({"pre-trained, no labels", std::move(file.encoder), file.normalization_or(normalization)});
  return embedding_view(encoders, data.test, options);
}

}  // namespace contexture
