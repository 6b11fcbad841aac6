// SPDX-License-Identifier: MIT
// The interface of a pretext task: what a batch is, what the loss is, what to monitor. A new task is
// one header that implements PretextTask; training, validation and reports need no more of it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/dataset.hpp"
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
  [[nodiscard]] virtual PretextPicture picture(const ImageSet& images, Index image, const Rng& rng) const;
};

/// The batch's floats as a constant of the graph's element type.
template <class T>
[[nodiscard]] Variable<T> input_variable(const Tensor<float>& values);

namespace detail {

// An encoder takes images of as many channels as the task is for.
template <class T>
void require_channels(const char* task, const PretextImages& images, const Backbone<T>& encoder);

}  // namespace detail

/// Mean loss and accuracy of a pretext task over some images.
struct PretextEvaluation {
  double loss = 0;
  double accuracy = 0;                        ///< 0..1
  Index count = 0;                            ///< examples
  std::vector<PretextEvaluation> parts = {};  ///< one a part, of a task that is made of tasks
};

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
                                                 std::span<const Index> indices, Index batch_size, const Rng& rng);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/ssl/pretext-inl.hpp"
#endif
