// What a finished run's encoders make of its test images.
#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/loader.hpp"
#include "contexture/evaluate/embedding.hpp"
#include "contexture/evaluate/encoder_file.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/ssl/recalibrate.hpp"
#include "contexture/study/config.hpp"
#include "contexture/study/phase_id.hpp"
#include "contexture/study/plan.hpp"
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
  const std::vector<Index> all = numbered(data.train.count);
  const Normalization normalization = channel_statistics(data.train, all);
  std::vector<NamedEncoder> encoders;
  EncoderFile file = read_encoder(pretrained);
  auto random = make_backbone<float>(file.encoder->description(), encoder_stream(Rng(config.seed)));
  recalibrate_batch_norm(*random, data.train, all, normalization);
  encoders.push_back({"random weights", std::move(random), normalization});
  if (!config.fractions.empty()) {
    const double most = *std::max_element(config.fractions.begin(), config.fractions.end());
    const std::filesystem::path scratch = weights_path(folder, {most, Arm::scratch, config.seed}, config.seed);
    if (std::filesystem::exists(scratch)) {
      EncoderFile labelled = read_encoder(scratch);
      encoders.push_back({"trained with " + percent_name(most) + " % of the labels", std::move(labelled.encoder),
                          labelled.normalization.value_or(normalization)});
    }
  }
  encoders.push_back({"pre-trained, no labels", std::move(file.encoder), file.normalization.value_or(normalization)});
  return embedding_view(encoders, data.test, options);
}

}  // namespace contexture
