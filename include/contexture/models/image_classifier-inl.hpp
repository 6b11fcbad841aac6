// SPDX-License-Identifier: MIT
// How the classifier of models/image_classifier.hpp answers, and its files.
#pragma once

#include <nlohmann/json.hpp>
#include <utility>

#include "contexture/core/error.hpp"
#include "contexture/models/backbone_file.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/nn/serialize.hpp"

namespace contexture {

CONTEXTURE_FUNCTION ImageClassifier::ImageClassifier(ImageClassifierOptions options, const Rng& rng)
    : options_(checked(std::move(options))),
      encoder_(make_backbone<float>(options_.encoder, rng.split("encoder"))),
      head_(encoder_->feature_channels(), static_cast<Index>(options_.class_names.size()), {}, rng.split("head")) {}

CONTEXTURE_FUNCTION ImageClassifier::ImageClassifier(ImageClassifier&&) noexcept = default;
CONTEXTURE_FUNCTION ImageClassifier& ImageClassifier::operator=(ImageClassifier&&) noexcept = default;
CONTEXTURE_FUNCTION ImageClassifier::~ImageClassifier() = default;

CONTEXTURE_FUNCTION Variable<float> ImageClassifier::forward(const Variable<float>& images) {
  return head_((*encoder_)(images));
}

CONTEXTURE_FUNCTION Tensor<float> ImageClassifier::logits(Tensor<float> images) const {
  const Inference inference;
  // Asking is const; forward() is not, since the statistics of a batch-norm move in training.
  return const_cast<ImageClassifier&>(*this).forward(Variable<float>(std::move(images))).value();
}

CONTEXTURE_FUNCTION ImageClassifier ImageClassifier::clone() const {
  return with_state_of(*this, ImageClassifier(options_, Rng()));
}

CONTEXTURE_FUNCTION void ImageClassifier::visit(ModuleVisitor<float>& v) {
  v.child("encoder", *encoder_);
  v.child("head", head_);
}

CONTEXTURE_FUNCTION ImageClassifierOptions ImageClassifier::checked(ImageClassifierOptions o) {
  require(!o.class_names.empty() && o.height > 0 && o.width > 0, "ImageClassifier: ", o.class_names.size(),
          " classes, images of ", o.height, " x ", o.width);
  return o;
}

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

CONTEXTURE_FUNCTION void ImageClassifier::save(const std::string& path) { contexture::save(*this, path, metadata()); }

CONTEXTURE_FUNCTION ImageClassifier ImageClassifier::load(const std::string& path) {
  return load(read_safetensors(path), path);
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
