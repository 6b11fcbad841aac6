// SPDX-License-Identifier: MIT
// The files of models/image_classifier.hpp.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "contexture/core/error.hpp"
#include "contexture/models/backbone_file.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/nn/serialize.hpp"

namespace contexture {

CONTEXTURE_FUNCTION Metadata ImageClassifier::metadata() const {
  Metadata metadata =
      backbone_metadata(options_.encoder, {.images = {options_.height, options_.width, options_.normalization},
                                           .origin = options_.origin,
                                           .precision = options_.precision});
  metadata["kind"] = "classifier";
  metadata["classifier"] = nlohmann::json{{"classes", options_.class_names}, {"mirror", options_.mirror}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace);
  return metadata;
}

CONTEXTURE_FUNCTION void ImageClassifier::save(const std::filesystem::path& path) {
  contexture::save(*this, path, metadata());
}

CONTEXTURE_FUNCTION ImageClassifier ImageClassifier::load(const std::filesystem::path& path) {
  return load(read_safetensors(path), path.string());
}

CONTEXTURE_FUNCTION ImageClassifier ImageClassifier::load(const TensorFile& file, const std::string& origin) {
  const auto found = file.metadata.find("classifier");
  require_input(found != file.metadata.end(), origin,
                ": its metadata lacks 'classifier', expected a classifier_*.safetensors of an experiment");
  ImageClassifierOptions options;
  options.encoder = backbone_description(file, origin);
  WeightsInfo info = weights_info(file, options.encoder, origin);
  options.height = info.images.height;
  options.width = info.images.width;
  options.precision = info.precision;
  options.origin = std::move(info.origin);
  try {
    const nlohmann::json json = nlohmann::json::parse(found->second);
    json.at("classes").get_to(options.class_names);
    options.mirror = json.value("mirror", false);  // files of earlier versions do not have it
  } catch (const nlohmann::json::exception& error) {
    throw InputError(message(origin, ": damaged metadata 'classifier' (", error.what(), ")"));
  }
  require_input(
      !options.class_names.empty() && options.height > 0 && options.width > 0 && info.images.has_normalization(),
      origin, ": metadata 'classifier' does not fit together: ", found->second);
  options.normalization = std::move(info.images.normalization);
  ImageClassifier classifier(std::move(options), Rng(0));
  contexture::load(classifier, file, origin);
  return classifier;
}

}  // namespace contexture
