// SPDX-License-Identifier: MIT
// What a classifier answers to images, and how good its answers are.
#pragma once

#include <span>

#include "contexture/core/compiled.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/evaluate/metrics.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/train/fit.hpp"

namespace contexture {

/// Answers of a classifier on some images, and how good they are; `evaluation` and `confusion` are
/// empty where the images have no labels.
struct Score {
  Evaluation evaluation;
  TestAnswers answers;
  ConfusionMatrix confusion;
};

/// What a classifier says of the images `indices` of a set: a probability for every class, (N,classes). Asked as
/// score() asks, but by every process for itself. Throws std::invalid_argument where image size or channels are not the
/// classifier's.
[[nodiscard]] CONTEXTURE_FUNCTION Tensor<float> class_probabilities(const ImageClassifier& classifier,
                                                                    const ImageSet& set, std::span<const Index> indices,
                                                                    Index batch_size = 256);

/// Asks the classifier, in evaluation mode, about the images `indices` of a set; its answer is the mean of the
/// logits for the image and its mirror image where its options say so. Several threads may ask one classifier; the
/// processes of a group share its batches out, and all have the whole score: collective. Throws
/// std::invalid_argument where image size or channels are not the classifier's.
[[nodiscard]] CONTEXTURE_FUNCTION Score score(const ImageClassifier& classifier, const ImageSet& set,
                                              std::span<const Index> indices, Index batch_size = 256);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/evaluate/score-inl.hpp"
#endif
