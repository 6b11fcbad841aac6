// SPDX-License-Identifier: MIT
// A trained classifier inside an application: what it says of an image. For programs that only ask: with
// contexture::compiled this header brings in a few of the standard library's and nothing else of Contexture, so that a
// source that includes it compiles in well under a second. Training, data sets and probes are not here.
//
//   const Predictor predictor = Predictor::from_memory(weights);  // or load("classifier.safetensors")
//   const Prediction answer = predictor.classify({pixels, height, width, 3});
//   std::puts(predictor.class_names()[answer.label].c_str());
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace contexture {

/// An image in somebody's memory: 8 bits a sample, 0 = black, (height,width,channels) row-major without gaps; 1 channel
/// is grey, 3 are RGB.
struct ImageView {
  const std::uint8_t* pixels = nullptr;
  std::int64_t height = 0, width = 0, channels = 3;
};

/// What a classifier says of an image.
struct Prediction {
  std::size_t label = 0;             ///< the most probable class, a place in class_names()
  std::vector<float> probabilities;  ///< of every class, 0 to 1
};

/// A classifier that only answers. Copies share its weights. Any number of threads may ask one at once.
class Predictor {
 public:
  /// Of a file that ImageClassifier::save() wrote, or an experiment. Throws InputError, a std::runtime_error, naming
  /// the file where it is anything else.
  [[nodiscard]] static Predictor load(const std::string& path);

  /// Of such a file in memory, which is read before this returns; `origin` names it in messages.
  [[nodiscard]] static Predictor from_memory(std::span<const std::byte> file, const std::string& origin = "weights");

  /// Answers as ImageClassifier does to one image, bit for bit, and as class_probabilities() asks it: about the mirror
  /// image too where it was trained on those. An image of another size is resized until it just covers
  /// height() x width(), and what protrudes cut off evenly; RGB becomes grey and grey RGB where that is asked for.
  /// Throws std::invalid_argument for an image without pixels, and for channels that cannot be converted.
  [[nodiscard]] Prediction classify(const ImageView& image) const;

  [[nodiscard]] const std::vector<std::string>& class_names() const;
  /// Of the images that the classifier was trained on, pixels.
  [[nodiscard]] std::int64_t height() const;
  [[nodiscard]] std::int64_t width() const;
  /// 1 or 3.
  [[nodiscard]] std::int64_t channels() const;

 private:
  struct State;
  explicit Predictor(std::shared_ptr<State> state) : state_(std::move(state)) {}

  std::shared_ptr<State> state_;
};

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/evaluate/predictor-inl.hpp"
#endif
