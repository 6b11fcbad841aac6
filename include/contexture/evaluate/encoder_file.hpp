// SPDX-License-Identifier: MIT
// Encoders on disk, whoever wrote them: encoder*.safetensors of pre-training, or the encoder inside a
// classifier_*.safetensors.
#pragma once

#include <filesystem>
#include <memory>
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

/// What a file of weights, of an encoder or a classifier, holds of an encoder.
struct EncoderFile {
  std::unique_ptr<Backbone<float>> encoder;
  std::string kind;        ///< "encoder", or "classifier": trained with labels
  ImageInput images = {};  ///< that it was trained on; an encoder's file of earlier versions does not tell
  WeightsOrigin origin = {};
  Precision precision = Precision::float32;  ///< that the weights were trained in

  /// What its features are to be asked with; `otherwise` where the file does not tell.
  [[nodiscard]] Normalization normalization_or(const Normalization& otherwise) const {
    return images.has_normalization() ? images.normalization : otherwise;
  }

  /// What people should know before they use it on images of `height` x `width` pixels: one line, or none.
  [[nodiscard]] std::string note(Index height, Index width) const {
    if (!images.has_normalization())
      return "tells no image size and normalisation, as files of earlier versions; those of these images are used";
    if (images.height > 0 && (images.height != height || images.width != width))
      return message("learned from images of ", images.height, " x ", images.width, ", these have ", height, " x ",
                     width);
    return {};
  }
};

/// Reads the encoder of a weight file of this library. Throws InputError naming the file where it is anything else.
[[nodiscard]] inline EncoderFile read_encoder(const std::filesystem::path& path) {
  const TensorFile file = read_safetensors(path);
  const auto kind = file.metadata.find("kind");
  if (kind != file.metadata.end() && kind->second == "classifier") {
    ImageClassifier classifier = ImageClassifier::load(path);
    const ImageClassifierOptions& o = classifier.options();
    return {classifier.take_encoder(), "classifier", {o.height, o.width, o.normalization}, o.origin, o.precision};
  }
  const BackboneDescription description = backbone_description(file, path.string());
  WeightsInfo info = weights_info(file, description, path.string());
  EncoderFile out{make_backbone<float>(description, Rng(0)), "encoder", std::move(info.images), std::move(info.origin),
                  info.precision};
  load(*out.encoder, file, path.string());
  return out;
}

}  // namespace contexture
