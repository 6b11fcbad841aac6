// SPDX-License-Identifier: MIT
// The functions of evaluate/predictor.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/resize.hpp"
#include "contexture/evaluate/predictor.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/kernels/conv/packed_weights.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/nn/safetensors.hpp"

namespace contexture {

// The classifier, and its weights as convolutions read them: packed at the first image, kept for all.
struct Predictor::State {
  explicit State(ImageClassifier loaded) : classifier(std::move(loaded)) {}

  const ImageClassifier classifier;
  kernels::PackedWeights packed;
};

CONTEXTURE_FUNCTION Predictor Predictor::load(const std::string& path) {
  return Predictor(std::make_shared<State>(ImageClassifier::load(path)));
}

CONTEXTURE_FUNCTION Predictor Predictor::from_memory(std::span<const std::byte> file, const std::string& origin) {
  return Predictor(std::make_shared<State>(ImageClassifier::load(read_safetensors(file, origin), origin)));
}

CONTEXTURE_FUNCTION Prediction Predictor::classify(const ImageView& image) const {
  require(image.pixels != nullptr && image.height > 0 && image.width > 0 && image.channels > 0,
          "Predictor: an image of ", image.height, " x ", image.width, " x ", image.channels,
          image.pixels == nullptr ? " at a null pointer" : "", ", expected pixels");
  const std::size_t bytes = static_cast<std::size_t>(image.height * image.width * image.channels);
  ImageSet set{1, image.height, image.width, image.channels, {image.pixels, image.pixels + bytes}, {}};
  if (image.channels != channels()) set = with_channels(set, channels());
  const kernels::KeepPackedWeights kept(state_->packed);
  const Tensor<float> probabilities =
      class_probabilities(state_->classifier, resize_and_crop(set, height(), width()), std::array{Index{0}});
  const std::span<const float> row(probabilities.data(), probabilities.size());
  require_input(std::all_of(row.begin(), row.end(), is_finite<float>),
                "Predictor: the weights give no number for this image, expected those of a training that went well");
  const auto best = std::max_element(row.begin(), row.end());
  return {static_cast<std::size_t>(best - row.begin()), {row.begin(), row.end()}};
}

CONTEXTURE_FUNCTION const std::vector<std::string>& Predictor::class_names() const {
  return state_->classifier.options().class_names;
}
CONTEXTURE_FUNCTION std::int64_t Predictor::height() const { return state_->classifier.options().height; }
CONTEXTURE_FUNCTION std::int64_t Predictor::width() const { return state_->classifier.options().width; }
CONTEXTURE_FUNCTION std::int64_t Predictor::channels() const {
  return state_->classifier.options().encoder.in_channels;
}

}  // namespace contexture
