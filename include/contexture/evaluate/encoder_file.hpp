// SPDX-License-Identifier: MIT
// Encoders on disk, whoever wrote them: encoder*.safetensors of pre-training, or the encoder inside a
// classifier_*.safetensors.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "contexture/core/error.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/models/backbone_file.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/nn/serialize.hpp"

namespace contexture {

/// What of a network matters beside its weights, in a few words: "width 16, 3 stages of 2". The default kind of network
/// goes without its name.
[[nodiscard]] inline std::string architecture_text(const BackboneDescription& o) {
  return message(o.network == BackboneDescription{}.network ? "" : o.network + ", ", "width ", o.width, ", ", o.stages,
                 " stages of ", o.blocks_per_stage, o.affine ? "" : ", no affine batch-norm");
}

struct EncoderFile {
  std::unique_ptr<Backbone<float>> encoder;
  std::string kind;                            ///< "encoder", or "classifier": trained with labels
  std::optional<Normalization> normalization;  ///< of a classifier's images; an encoder's file does not tell
  Precision precision;                         ///< that the weights were trained in
};

/// Reads the encoder of a weight file of this library. Throws InputError naming the file where it is anything else.
[[nodiscard]] inline EncoderFile read_encoder(const std::filesystem::path& path) {
  const TensorFile file = read_safetensors(path);
  const auto kind = file.metadata.find("kind");
  if (kind != file.metadata.end() && kind->second == "classifier") {
    ImageClassifier classifier = ImageClassifier::load(path);
    return {classifier.take_encoder(), "classifier", classifier.options().normalization,
            classifier.options().precision};
  }
  EncoderFile out{make_backbone<float>(backbone_description(file, path.string()), Rng(0)), "encoder", std::nullopt,
                  trained_precision(file, path.string())};
  load(*out.encoder, file, path.string());
  return out;
}

}  // namespace contexture
