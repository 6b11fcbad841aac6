// SPDX-License-Identifier: MIT
// Trainings of every task, for tests that compare those that processes share with the one that a single process does.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "contexture/data/builtin.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/models/image_classifier.hpp"
#include "contexture/models/resnet.hpp"
#include "contexture/nn/layers.hpp"
#include "contexture/ssl/joint.hpp"
#include "contexture/ssl/pretext_tasks.hpp"
#include "contexture/train/classifier.hpp"
#include "contexture/train/pretraining.hpp"
#include "contexture/train/training-inl.hpp"

namespace shared_training {

using namespace contexture;

inline const Dataset& data() {
  static const Dataset set = builtin_dataset(240, 48, 16);
  return set;
}

// The loss of every step, and the share of right answers; optionally asks for a stop.
struct Losses : Progress {
  void step(std::int64_t step, double loss, double accuracy, double) override {
    losses.push_back(loss);
    accuracies.push_back(accuracy);
    if (step == stop_at) stop.request();
  }
  std::vector<double> losses, accuracies;
  std::int64_t stop_at = -1;
  StopToken stop;
};

// What a process has after a training.
struct Trained {
  std::vector<double> losses, accuracies;
  std::vector<HistoryRow> rows;
  TensorMap weights;
  FitState state;
};

struct Plan {
  std::string task = "context";
  std::int64_t steps = 12;
  Index batch = 24;
  ProcessOptions processes = {};
  std::int64_t stop_at = -1;  // in process `stopper`
  int stopper = 0;
  double learning_rate = 0.05;
};

inline std::unique_ptr<PretextTask<float>> made(const std::string& name, Backbone<float>& encoder) {
  const auto images = pretext_images(data().train, channel_statistics(data().train, numbered(240)), false);
  if (name != "joint") return make_pretext_task<float>(name, images, {}, encoder, Rng(2));
  std::vector<JointPart<float>> parts;
  parts.push_back({make_pretext_task<float>("context", images, {}, encoder, Rng(2)), 1.0});
  parts.push_back({make_pretext_task<float>("simclr", images, {}, encoder, Rng(3)), 0.5});
  return std::make_unique<JointTask<float>>(std::move(parts));
}

inline Trained train(const Plan& plan) {
  Losses progress;
  if (process_group().rank() == plan.stopper) progress.stop_at = plan.stop_at;
  const FitHooks hooks{.progress = &progress, .stop = &progress.stop};
  TrainingOptions options{.steps = plan.steps,
                          .batch = plan.batch,
                          .learning_rate = plan.learning_rate,
                          .evaluate_at = {0, plan.steps},
                          .processes = plan.processes};
  Trained out;
  // Another process's weights would do as well: training begins with the first one's.
  const Rng init(1 + static_cast<std::uint64_t>(process_group().rank()));
  if (plan.task == "classifier") {
    ImageClassifier model({16, 16, {.width = 4}, data().class_names, channel_statistics(data().train, numbered(240))},
                          init);
    const LabelledImages images{.set = data().train,
                                .indices = numbered(200),
                                .augmentation = {.crop_padding = 2, .flip = true},
                                .label_smoothing = 0.1,
                                .evaluate = [&] {
                                  const std::vector<Index> held_out{200, 210, 220, 239};
                                  return score(model, data().train, held_out).evaluation;
                                }};
    out.state = train_classifier(model, images, options, Rng(5), hooks);
    copy_tensors(state_tensors(model), out.weights);
  } else {
    ResNet<float> encoder({.in_channels = 3, .width = 4}, init);
    const std::unique_ptr<PretextTask<float>> task = made(plan.task, encoder);
    const PretrainImages images{.set = data().train, .validation = numbered(40)};
    out.state = pretrain(encoder, *task, images, options, Rng(5), hooks);
    copy_tensors(state_tensors(encoder), out.weights);
  }
  out.losses = progress.losses;
  out.accuracies = progress.accuracies;
  out.rows = out.state.rows;
  return out;
}

inline double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return 1e9;
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

// Convolutions, batch-norm and GELU. A ReLU whose input is within rounding of 0 sends two runs apart by more than all
// rounding, as it does between two instruction sets; this network has no such place.
class SmoothNetwork final : public UnaryModule<float> {
 public:
  explicit SmoothNetwork(const Rng& rng)
      : conv1_(3, 8, {.kernel = 3, .stride = 2}, rng.split("conv1")),
        norm1_(8),
        conv2_(8, 16, {.kernel = 3, .stride = 2}, rng.split("conv2")),
        norm2_(16),
        output_(16, 12, rng.split("output")) {}
  [[nodiscard]] Variable<float> forward(const Variable<float>& x) override {
    return output_(global_avg_pool(gelu(norm2_(conv2_(gelu(norm1_(conv1_(x))))))));
  }

 protected:
  void visit(ModuleVisitor<float>& v) override {
    v.child("conv1", conv1_);
    v.child("norm1", norm1_);
    v.child("conv2", conv2_);
    v.child("norm2", norm2_);
    v.child("output", output_);
  }

 private:
  Conv2d<float> conv1_;
  BatchNorm<float> norm1_;
  Conv2d<float> conv2_;
  BatchNorm<float> norm2_;
  Linear<float> output_;
};

class SmoothTask final : public FitTask<Batch> {
 public:
  Module<float>& module() override { return network_; }
  Batch make_batch(std::int64_t step, const Part& part) const override {
    Batch batch;
    const std::vector<Index> whole = sampler_.batch(step);
    contexture::make_batch(data().train, BatchIndices(whole, part), normalization_, &augmentation_,
                           Rng(4).split(static_cast<std::uint64_t>(step)), batch);
    return batch;
  }
  BatchLoss loss(Batch& batch) override {
    const Variable<float> logits = network_(Variable<float>(batch.images));
    return {softmax_cross_entropy<float>(logits, batch.labels), count_correct(logits.value(), batch.labels),
            static_cast<std::int64_t>(batch.labels.size())};
  }
  Evaluation evaluate() override { return {}; }
  [[nodiscard]] std::int64_t images_per_step() const override { return sampler_.batch_size(); }

 private:
  SmoothNetwork network_{Rng(1)};
  EpochSampler sampler_{numbered(240), 40, Rng(3)};
  Normalization normalization_ = channel_statistics(data().train, numbered(240));
  Augmentation augmentation_{.crop_padding = 2, .flip = true};
};

inline std::vector<double> smooth_losses(std::int64_t steps) {
  SmoothTask task;
  Losses progress;
  (void)detail::train(task, {.steps = steps, .learning_rate = 0.1}, 240, Rng(5), {.progress = &progress});
  return progress.losses;
}

}  // namespace shared_training
