// SPDX-License-Identifier: MIT
// An image classifier as people use it: the network together with what is needed to ask it about an
// image, namely image size, normalisation and the classes' names. Its file needs nothing beside it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/models/backbone_file.hpp"
#include "contexture/models/heads.hpp"
#include "contexture/models/networks.hpp"
#include "contexture/nn/module.hpp"

namespace contexture {

/// What an ImageClassifier is made from.
struct ImageClassifierOptions {
  Index height = 0, width = 0;  ///< of the images, pixels; channels are encoder.in_channels
  BackboneDescription encoder;
  std::vector<std::string> class_names;
  Normalization normalization;
  bool mirror = false;  ///< score() (evaluate/score.hpp) asks about an image and its mirror image: where training
                        ///< mirrors them too
  Precision precision = active_precision();  ///< that the weights are trained in, for their file; what forward()
                                             ///< computes in is its thread's
  WeightsOrigin origin = {};                 ///< for their file
};

/// Encoder and linear classifier: images (N,H,W,C), normalised -> logits (N,classes).
class ImageClassifier final : public UnaryModule<float> {
 public:
  /// Throws std::invalid_argument without classes or for images without pixels. Encoder and head draw their weights
  /// from streams of their own: the head's do not depend on the encoder.
  CONTEXTURE_FUNCTION ImageClassifier(ImageClassifierOptions options, const Rng& rng);
  CONTEXTURE_FUNCTION ImageClassifier(ImageClassifier&&) noexcept;
  CONTEXTURE_FUNCTION ImageClassifier& operator=(ImageClassifier&&) noexcept;
  CONTEXTURE_FUNCTION ~ImageClassifier() override;

  [[nodiscard]] CONTEXTURE_FUNCTION Variable<float> forward(const Variable<float>& images) override;

  /// Answers to images (N,H,W,C), normalised -> logits (N,classes): in evaluation mode whatever the mode is, without a
  /// tape. Nothing is written to the classifier: any number of threads may ask one at once, as long as none trains it.
  [[nodiscard]] CONTEXTURE_FUNCTION Tensor<float> logits(Tensor<float> images) const;

  [[nodiscard]] const ImageClassifierOptions& options() const { return options_; }
  [[nodiscard]] Backbone<float>& encoder() { return *encoder_; }
  /// The encoder alone; the classifier cannot be used any more.
  [[nodiscard]] std::unique_ptr<Backbone<float>> take_encoder() { return std::move(encoder_); }
  [[nodiscard]] ClassifierHead<float>& head() { return head_; }

  [[nodiscard]] CONTEXTURE_FUNCTION ImageClassifier clone() const;

  /// What save() says of where the weights come from.
  void set_origin(WeightsOrigin origin) { options_.origin = std::move(origin); }

  /// What save() writes beside the weights: all of options().
  [[nodiscard]] Metadata metadata() const;

  /// Writes weights, statistics and options into one file. Throws InputError where it can't be written.
  void save(const std::string& path);

  /// Reads what save() wrote. Throws InputError naming the file where it is anything else.
  [[nodiscard]] static ImageClassifier load(const std::string& path);

  /// The same of a file that was read already; `origin` names it in messages.
  [[nodiscard]] static ImageClassifier load(const TensorFile& file, const std::string& origin);

 protected:
  CONTEXTURE_FUNCTION void visit(ModuleVisitor<float>& v) override;

 private:
  static CONTEXTURE_FUNCTION ImageClassifierOptions checked(ImageClassifierOptions o);

  ImageClassifierOptions options_;
  std::unique_ptr<Backbone<float>> encoder_;
  ClassifierHead<float> head_;
};

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/models/image_classifier-inl.hpp"
#endif
