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

CONTEXTURE_FUNCTION void ImageClassifier::save(const std::filesystem::path& path) {
  Metadata metadata = backbone_metadata(options_.encoder, options_.precision);
  metadata["kind"] = "classifier";
  metadata["classifier"] = nlohmann::json{
      {"height", options_.height},
      {"width", options_.width},
      {"classes", options_.class_names},
      {"mean", options_.normalization.mean},
      {"stddev", options_.normalization.stddev},
      {"mirror",
       options_.mirror}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  contexture::save(*this, path, metadata);
}

CONTEXTURE_FUNCTION ImageClassifier ImageClassifier::load(const std::filesystem::path& path) {
  const TensorFile file = read_safetensors(path);
  const auto found = file.metadata.find("classifier");
  require_input(found != file.metadata.end(), path.string(),
                ": its metadata lacks 'classifier', expected a classifier_*.safetensors of an experiment");
  ImageClassifierOptions options;
  options.encoder = backbone_description(file, path.string());
  options.precision = trained_precision(file, path.string());
  try {
    const nlohmann::json json = nlohmann::json::parse(found->second);
    json.at("height").get_to(options.height);
    json.at("width").get_to(options.width);
    json.at("classes").get_to(options.class_names);
    json.at("mean").get_to(options.normalization.mean);
    json.at("stddev").get_to(options.normalization.stddev);
    options.mirror = json.value("mirror", false);  // files of earlier versions do not have it
  } catch (const nlohmann::json::exception& error) {
    throw InputError(message(path.string(), ": damaged metadata 'classifier' (", error.what(), ")"));
  }
  require_input(!options.class_names.empty() && options.height > 0 && options.height <= 4096 && options.width > 0 &&
                    options.width <= 4096 &&
                    static_cast<Index>(options.normalization.mean.size()) == options.encoder.in_channels &&
                    options.normalization.stddev.size() == options.normalization.mean.size(),
                path.string(), ": metadata 'classifier' does not fit together: ", found->second);
  ImageClassifier classifier(std::move(options), Rng(0));
  contexture::load(classifier, file, path.string());
  return classifier;
}

}  // namespace contexture
