// SPDX-License-Identifier: MIT
// The interface of a pretext task: what a batch is, what the loss is, what to monitor. A new task is
// one header that implements PretextTask; training, validation and reports need no more of it.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/picture.hpp"
#include "contexture/models/backbone.hpp"
#include "contexture/nn/module.hpp"
#include "contexture/ssl/pretext_batch.hpp"
#include "contexture/ssl/pretext_picture.hpp"
#include "contexture/ssl/pretext_settings.hpp"

namespace contexture {

/// The loss of one batch, and how many of its examples were answered rightly.
template <class T>
struct PretextLoss {
  Variable<T> loss;                     ///< scalar, mean over the examples
  Index correct = 0;                    ///< examples whose most probable answer is the right one
  Index count = 0;                      ///< examples
  std::vector<PretextLoss> parts = {};  ///< one a part, of a task that is made of tasks
  double weight = -1;                   ///< what the mean was divided by; negative: the number of examples

  [[nodiscard]] double mean_weight() const { return weight < 0 ? static_cast<double>(count) : weight; }
};

/// A task whose answers come with the images. As a module it is the head that answers it: trained besides the encoder
/// and thrown away afterwards; visit() lists it under names that do not clash with the encoder's. The encoder belongs
/// to the caller: it is what is kept.
template <class T>
class PretextTask : public Module<T> {
 public:
  using Module<T>::visit;  // for tasks that wrap another

  /// For people: "context prediction".
  [[nodiscard]] virtual std::string name() const = 0;
  /// Accuracy that can be had without looking at the images, where so many of them are asked about at a time.
  [[nodiscard]] virtual double chance(Index batch_images) const = 0;
  /// Validation accuracy above which natural images are probably not being looked at but a trace of
  /// how they were stored, cut or resized; 1: no such bound is known.
  [[nodiscard]] virtual double suspicious_accuracy() const { return 1; }

  /// The batch of the images `indices`, or a part of it, a pure function of its arguments: give the run's stream
  /// split by step. What is random about image k comes from indices.stream(rng, k), so that parts have what the whole
  /// batch has. Runs on the prefetch thread, beside loss(): thread safe.
  [[nodiscard]] virtual PretextBatch make_batch(const ImageSet& images, const BatchIndices& indices,
                                                const Rng& rng) const = 0;

  /// Forward pass of a batch; in training mode when `encoder` and the task are. Where processes share a batch, it is
  /// that of a part. A loss that compares examples with each other takes them from rows_of_batch(); the mean over the
  /// processes' losses, by their weights, is the batch's.
  [[nodiscard]] virtual PretextLoss<T> loss(Backbone<T>& encoder, const PretextBatch& batch) = 0;

  /// What the task makes of one image, for people: by default, the inputs of a batch of that image alone.
  [[nodiscard]] virtual PretextPicture picture(const ImageSet& images, Index image, const Rng& rng) const {
    PretextPicture out{picture_of(images, image), {}};
    const Tensor<float> seen = make_batch(images, std::array{image}, rng).inputs;
    const Index count = dim(seen, 0), height = dim(seen, 1), width = dim(seen, 2), channels = dim(seen, 3);
    const auto columns = static_cast<Index>(std::ceil(std::sqrt(static_cast<double>(count))));
    for (Index n = 0; n < count; ++n) {
      const float* const values = seen.data() + n * height * width * channels;
      out.patches.push_back({n / columns, n % columns, 0, 0, {}, picture_of(values, height, width, channels)});
    }
    return out;
  }
};

/// The batch's floats as a constant of the graph's element type.
template <class T>
[[nodiscard]] Variable<T> input_variable(const Tensor<float>& values) {
  if constexpr (std::is_same_v<T, float>) {
    return Variable<T>(values);
  } else {
    Tensor<T> converted = empty<T>(values.shape());
    std::copy(values.data(), values.data() + values.size(), converted.data());
    return Variable<T>(std::move(converted));
  }
}

namespace detail {

// An encoder takes images of as many channels as the task is for.
template <class T>
void require_channels(const char* task, const PretextImages& images, const Backbone<T>& encoder) {
  require(encoder.description().in_channels == images.channels, task, ": images of ", images.channels,
          " channels, the encoder takes ", encoder.description().in_channels);
}

}  // namespace detail

/// Mean loss and accuracy of a pretext task over some images.
struct PretextEvaluation {
  double loss = 0;
  double accuracy = 0;                        ///< 0..1
  Index count = 0;                            ///< examples
  std::vector<PretextEvaluation> parts = {};  ///< one a part, of a task that is made of tasks
};

namespace detail {

// Adds a batch's answers to sums over examples: loss, and right answers in the place of accuracy.
template <class T>
void add_answers(const PretextLoss<T>& answer, PretextEvaluation& sums) {
  sums.loss += static_cast<double>(answer.loss.item()) * static_cast<double>(answer.count);
  sums.accuracy += static_cast<double>(answer.correct);
  sums.count += answer.count;
  sums.parts.resize(answer.parts.size());
  for (std::size_t i = 0; i < answer.parts.size(); ++i) add_answers(answer.parts[i], sums.parts[i]);
}

inline void append_sums(const PretextEvaluation& sums, std::vector<double>& numbers) {
  numbers.insert(numbers.end(), {sums.loss, sums.accuracy, static_cast<double>(sums.count)});
  numbers.push_back(static_cast<double>(sums.parts.size()));
  for (const PretextEvaluation& part : sums.parts) append_sums(part, numbers);
}

// Adds what append_sums() wrote; returns where it ends.
inline const double* add_sums(const double* numbers, PretextEvaluation& sums) {
  sums.loss += numbers[0];
  sums.accuracy += numbers[1];
  sums.count += static_cast<Index>(numbers[2]);
  sums.parts.resize(std::max(sums.parts.size(), static_cast<std::size_t>(numbers[3])));
  const auto parts = static_cast<std::size_t>(numbers[3]);
  numbers += 4;
  for (std::size_t i = 0; i < parts; ++i) numbers = add_sums(numbers, sums.parts[i]);
  return numbers;
}

// Sums over all processes, which may have had different numbers of batches, or none.
inline void add_up_processes(PretextEvaluation& sums) {
  ProcessGroup& group = process_group();
  if (group.size() == 1) return;
  std::vector<double> own;
  append_sums(sums, own);
  const std::vector<double> all = gather_values<double>(group, own);
  sums = {};
  for (const double* at = all.data(); at != all.data() + all.size();) at = add_sums(at, sums);
}

inline void divide_by_count(PretextEvaluation& sums) {
  const auto count = static_cast<double>(std::max<Index>(sums.count, 1));
  sums.loss /= count;
  sums.accuracy /= count;
  for (PretextEvaluation& part : sums.parts) divide_by_count(part);
}

}  // namespace detail

/// Batches, of nearly equal size, that evaluate_pretext() makes of so many images.
[[nodiscard]] inline Index pretext_evaluation_batches(Index images, Index batch_size) {
  return (images + batch_size - 1) / batch_size;
}

/// Answers the task on the images `indices` in evaluation mode and without a tape, in as few batches as have at most
/// `batch_size` images, of equal size up to one image (no task is left with a last image alone), batch b drawn from
/// rng.split(b): with the same stream, every call asks the same questions. The processes of a group share the batches
/// out, and all have the result: collective.
template <class T>
[[nodiscard]] PretextEvaluation evaluate_pretext(PretextTask<T>& task, Backbone<T>& encoder, const ImageSet& images,
                                                 std::span<const Index> indices, Index batch_size, const Rng& rng) {
  require(batch_size >= 1, "evaluate_pretext: batch of ", batch_size, ", expected 1 or more");
  require(!indices.empty(), "evaluate_pretext: no images");
  const Inference inference;
  PretextEvaluation result;
  const auto total = static_cast<Index>(indices.size());
  const Index batches = pretext_evaluation_batches(total, batch_size);
  const Part own = part_of(process_group());
  for (Index b = own.begin(batches); b < own.end(batches); ++b) {
    const Index begin = b * total / batches, end = (b + 1) * total / batches;
    const auto part = indices.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    const PretextBatch batch = task.make_batch(images, part, rng.split(static_cast<std::uint64_t>(b)));
    detail::add_answers(task.loss(encoder, batch), result);
  }
  detail::add_up_processes(result);
  detail::divide_by_count(result);
  return result;
}

}  // namespace contexture
