// Encoders on disk, whoever wrote them: encoder*.safetensors of pre-training, or the encoder inside a
// classifier_*.safetensors.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "contexture/core/error.hpp"
#include "contexture/models/encoder.hpp"
#include "contexture/nn/serialize.hpp"
#include "contexture/train/classifier.hpp"

namespace contexture {

struct EncoderFile {
  Encoder<float> encoder;
  std::string kind;                            ///< "encoder", or "classifier": trained with labels
  std::optional<Normalization> normalization;  ///< of a classifier's images; an encoder's file does not tell
};

/// Reads the encoder of a weight file of this library. Throws InputError naming the file where it is anything else.
[[nodiscard]] inline EncoderFile read_encoder(const std::filesystem::path& path) {
  const TensorFile file = read_safetensors(path);
  const auto kind = file.metadata.find("kind");
  if (kind != file.metadata.end() && kind->second == "classifier") {
    ImageClassifier classifier = ImageClassifier::load(path);
    return {std::move(classifier.encoder()), "classifier", classifier.options().normalization};
  }
  EncoderFile out{Encoder<float>(encoder_options(file, path.string()), Rng(0)), "encoder", std::nullopt};
  load(out.encoder, file, path.string());
  return out;
}

}  // namespace contexture
