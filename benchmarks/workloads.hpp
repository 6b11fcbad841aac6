// SPDX-License-Identifier: MIT
// The training steps that are measured: an encoder with the classifier, context prediction on 2x2 patches of 12 px,
// and SimCLR on two views of 20 px, on a batch of 128 built-in images of 32x32x3. Batches are made
// beforehand: what is timed is forward, backward and the optimiser.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/contexture.hpp"
#include "contexture/models/resnet.hpp"
#include "contexture/models/resnet18.hpp"
#include "contexture/ssl/context_prediction.hpp"
#include "contexture/ssl/simclr.hpp"
#include "contexture/ssl/view_pairs.hpp"

namespace contexture::benchmarks {

inline constexpr Index kBatch = 128;  // images
inline constexpr Index kClasses = 12;

/// The first images of the built-in data set.
inline const ImageSet& batch_images() {
  static const ImageSet images = builtin_dataset(kBatch, 1).train;
  return images;
}

/// What is trained: an encoder, on how many images, and by which optimiser.
struct Setup {
  std::string_view network = ResNet<float>::kName;
  Index width = 24;
  Index blocks = 1;       ///< a stage
  bool muon = false;      ///< else SGD with Nesterov momentum
  Index images = kBatch;  ///< of the classifier: kBatch or fewer

  [[nodiscard]] BackboneDescription description() const {
    BackboneDescription its = default_description(network);
    its.width = width;
    its.blocks_per_stage = blocks;
    return its;
  }
};

/// ResNet-18, as it is.
inline Setup resnet18_setup() { return {.network = ResNet18<float>::kName, .width = 64, .blocks = 2}; }

/// A model, a batch that does not change, and an optimiser.
class Workload {
 public:
  virtual ~Workload() = default;

  struct Answer {
    Variable<float> output;  ///< logits, or SimCLR's embeddings
    Variable<float> loss;
  };
  [[nodiscard]] virtual Answer forward() = 0;
  virtual void set_training(bool training) = 0;

  /// One step; returns the output of its forward pass.
  Tensor<float> train(double lr) {
    optimizer_->zero_grad();
    const Answer answer = forward();
    answer.loss.backward();
    optimizer_->step(lr);
    return answer.output.value();
  }

  /// In the order in which modules list them, the encoder's first.
  [[nodiscard]] const std::vector<NamedParameter<float>>& parameters() const { return parameters_; }
  /// (N,H,W,3): images, patches or views.
  [[nodiscard]] const Tensor<float>& inputs() const { return inputs_.value(); }

  /// Multiply-adds of the encoder's convolutions in a forward pass.
  [[nodiscard]] double forward_multiply_adds() const { return forward_multiply_adds_; }
  /// And in a training step: two gradients a layer, save the stem's with respect to the images.
  [[nodiscard]] double step_multiply_adds() const { return 3 * forward_multiply_adds_ - stem_multiply_adds_; }

 protected:
  // To be called once, by the constructor of the derived class.
  void prepare(const Backbone<float>& encoder, std::vector<NamedParameter<float>> parameters, Tensor<float> inputs,
               bool muon) {
    parameters_ = std::move(parameters);
    if (muon)
      optimizer_ = std::make_unique<Muon<float>>(parameters_);
    else
      optimizer_ = std::make_unique<Sgd<float>>(parameters_);
    inputs_ = Variable<float>(std::move(inputs));
    const Index n = dim(inputs_.value(), 0), h = dim(inputs_.value(), 1), w = dim(inputs_.value(), 2);
    const BackboneDescription& options = encoder.description();
    forward_multiply_adds_ = static_cast<double>(n * encoder.multiply_adds(h, w));
    stem_multiply_adds_ = static_cast<double>(n * h * w * 9 * options.in_channels * options.width);
  }

  Variable<float> inputs_;

 private:
  std::vector<NamedParameter<float>> parameters_;
  std::unique_ptr<Optimizer<float>> optimizer_;
  double forward_multiply_adds_ = 0, stem_multiply_adds_ = 0;
};

/// Encoder and classifier on whole images.
class ClassificationWorkload final : public Workload {
 public:
  explicit ClassificationWorkload(const Setup& setup)
      : encoder_(make_backbone<float>(setup.description(), Rng(1))),
        head_(encoder_->feature_channels(), kClasses, {}, Rng(2)),
        labels_(batch_images().labels.begin(), batch_images().labels.begin() + setup.images) {
    const ImageSet& images = batch_images();
    Tensor<float> x = empty<float>({static_cast<std::size_t>(setup.images), static_cast<std::size_t>(images.height),
                                    static_cast<std::size_t>(images.width), static_cast<std::size_t>(images.channels)});
    for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(images.pixels[i]) / 64.0F - 2.0F;
    std::vector<NamedParameter<float>> parameters = encoder_->parameters();
    for (const NamedParameter<float>& p : head_.parameters()) parameters.push_back(p);
    prepare(*encoder_, std::move(parameters), std::move(x), setup.muon);
  }

  [[nodiscard]] Answer forward() override {
    const Variable<float> logits = head_((*encoder_)(inputs_));
    return {logits, softmax_cross_entropy<float>(logits, labels_)};
  }
  void set_training(bool training) override {
    encoder_->set_training(training);
    head_.set_training(training);
  }
  [[nodiscard]] const std::vector<std::int32_t>& labels() const { return labels_; }

 private:
  std::unique_ptr<Backbone<float>> encoder_;
  ClassifierHead<float> head_;
  std::vector<std::int32_t> labels_;
};

/// Encoder and context head on 512 patches, 12 ordered pairs an image (less those with blank patches).
class ContextWorkload final : public Workload {
 public:
  explicit ContextWorkload(const Setup& setup, float dropout = ContextHeadOptions{}.dropout)
      : encoder_(make_backbone<float>(setup.description(), Rng(1))),
        task_({.head = {.dropout = dropout}}, pretext_images(batch_images(), {}, false), *encoder_, Rng(2)) {
    pairs_ = task_.make_batch(batch_images(), numbered(kBatch), Rng(3));
    std::vector<NamedParameter<float>> parameters = encoder_->parameters();
    for (const NamedParameter<float>& p : task_.parameters()) parameters.push_back(p);
    prepare(*encoder_, std::move(parameters), pairs_.inputs, setup.muon);
    for (const double weight : task_.sampler().direction_weights()) weights_.push_back(static_cast<float>(weight));
  }

  [[nodiscard]] Answer forward() override {
    const Variable<float> logits = task_.logits(*encoder_, pairs_);
    return {logits, softmax_cross_entropy<float>(logits, pairs_.targets, {.class_weights = weights_})};
  }
  void set_training(bool training) override {
    encoder_->set_training(training);
    task_.set_training(training);
  }
  /// Which patches are compared, and the answers.
  [[nodiscard]] const PretextBatch& pairs() const { return pairs_; }
  /// Of the eight directions, in the loss.
  [[nodiscard]] const std::vector<float>& class_weights() const { return weights_; }

 private:
  std::unique_ptr<Backbone<float>> encoder_;
  ContextPrediction<float> task_;
  PretextBatch pairs_;
  std::vector<float> weights_;
};

/// Encoder and projection head on two views of every image.
class SimclrWorkload final : public Workload {
 public:
  explicit SimclrWorkload(const Setup& setup)
      : encoder_(make_backbone<float>(setup.description(), Rng(1))),
        task_(SimclrSpec::defaults(seen()), seen(), *encoder_, Rng(2)),
        views_(task_.make_batch(batch_images(), numbered(kBatch), Rng(3))),
        partners_(view_partners(views_)) {
    std::vector<NamedParameter<float>> parameters = encoder_->parameters();
    for (const NamedParameter<float>& p : task_.parameters()) parameters.push_back(p);
    prepare(*encoder_, std::move(parameters), views_.inputs, setup.muon);
  }

  /// Simclr::loss(), save that nobody counts the right answers.
  [[nodiscard]] Answer forward() override {
    const Variable<float> embeddings = normalize_rows(task_.embed(*encoder_, views_));
    return {embeddings, softmax_cross_entropy<float>(self_similarity(embeddings, 1 / temperature()), partners_)};
  }
  void set_training(bool training) override {
    encoder_->set_training(training);
    task_.set_training(training);
  }
  /// Of every view, the row of the other one.
  [[nodiscard]] const std::vector<std::int32_t>& partners() const { return partners_; }
  [[nodiscard]] float temperature() const { return static_cast<float>(task_.options().temperature); }

 private:
  static PretextImages seen() {
    return pretext_images(batch_images(), channel_statistics(batch_images(), numbered(kBatch)), true);
  }

  std::unique_ptr<Backbone<float>> encoder_;
  Simclr<float> task_;
  PretextBatch views_;
  std::vector<std::int32_t> partners_;
};

}  // namespace contexture::benchmarks
