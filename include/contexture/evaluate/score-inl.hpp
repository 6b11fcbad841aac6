// SPDX-License-Identifier: MIT
// The answers and scores of evaluate/score.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/data/augmentation.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/evaluate/features.hpp"
#include "contexture/evaluate/metrics.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/kernels/softmax.hpp"

namespace contexture {

namespace detail {

// Calls answer(first place in `indices`, batch, logits (n,classes)) for batches of the images, in their order.
template <class Answer>
void for_each_answer(const ImageClassifier& classifier, const ImageSet& set, std::span<const Index> indices,
                     Index batch_size, const Answer& answer) {
  const ImageClassifierOptions& options = classifier.options();
  require(set.height == options.height && set.width == options.width && set.channels == options.encoder.in_channels,
          "score: images of ", set.height, " x ", set.width, " x ", set.channels, ", the classifier is for ",
          options.height, " x ", options.width, " x ", options.encoder.in_channels);
  Batch batch;
  for (std::size_t begin = 0; begin < indices.size(); begin += static_cast<std::size_t>(batch_size)) {
    const std::size_t size = std::min(static_cast<std::size_t>(batch_size), indices.size() - begin);
    make_batch(set, indices.subspan(begin, size), options.normalization, nullptr, Rng(0), batch);
    Tensor<float> logits = classifier.logits(batch.images);
    if (options.mirror) {
      mirror_columns(batch.images.data(), static_cast<Index>(size) * set.height, set.width, set.channels);
      const Tensor<float> mirrored = classifier.logits(batch.images);
      for (std::size_t i = 0; i < logits.size(); ++i) logits.data()[i] = 0.5F * (logits.data()[i] + mirrored.data()[i]);
    }
    answer(begin, batch, logits);
  }
}

}  // namespace detail

CONTEXTURE_FUNCTION Tensor<float> class_probabilities(const ImageClassifier& classifier, const ImageSet& set,
                                                      std::span<const Index> indices, Index batch_size) {
  const std::size_t classes = classifier.options().class_names.size();
  Tensor<float> out = empty<float>({indices.size(), classes});
  detail::for_each_answer(
      classifier, set, indices, batch_size, [&](std::size_t begin, const Batch&, const Tensor<float>& logits) {
        kernels::softmax(dim(logits, 0), static_cast<Index>(classes), logits.data(), out.data() + begin * classes);
      });
  return out;
}

CONTEXTURE_FUNCTION Score score(const ImageClassifier& classifier, const ImageSet& set, std::span<const Index> indices,
                                Index batch_size) {
  const auto classes = static_cast<Index>(classifier.options().class_names.size());
  Score out;
  std::vector<std::int32_t> truth;
  double loss = 0;
  const auto [from, to] = detail::own_images(indices.size(), batch_size);
  detail::for_each_answer(classifier, set, indices.subspan(from, to - from), batch_size,
                          [&](std::size_t, const Batch& batch, const Tensor<float>& logits) {
                            const std::size_t size = batch.indices.size();
                            Tensor<float> probability = empty<float>(logits.shape());
                            kernels::softmax(static_cast<Index>(size), classes, logits.data(), probability.data());
                            for (std::size_t i = 0; i < size; ++i) {
                              const float* const p = probability.data() + static_cast<Index>(i) * classes;
                              const float* const best = std::max_element(p, p + classes);
                              out.answers.predicted.push_back(static_cast<std::int32_t>(best - p));
                              out.answers.confidence.push_back(*best);
                              if (batch.labels.empty()) continue;
                              // From the logits: the probability of a hopeless class underflows to 0.
                              const float* const z = logits.data() + static_cast<Index>(i) * classes;
                              const double top = static_cast<double>(z[best - p]);
                              loss +=
                                  top - static_cast<double>(z[batch.labels[i]]) - std::log(static_cast<double>(*best));
                            }
                            truth.insert(truth.end(), batch.labels.begin(), batch.labels.end());
                          });
  if (ProcessGroup& group = process_group(); group.size() > 1) {
    out.answers.predicted = gather_values<std::int32_t>(group, out.answers.predicted);
    out.answers.confidence = gather_values<float>(group, out.answers.confidence);
    truth = gather_values<std::int32_t>(group, truth);
    group.sum(std::span(&loss, 1));
  }
  if (truth.empty()) return out;
  out.confusion = confusion_matrix(truth, out.answers.predicted, classes);
  out.evaluation = {loss / static_cast<double>(truth.size()), accuracy(out.confusion), macro_f1(out.confusion)};
  return out;
}

}  // namespace contexture
