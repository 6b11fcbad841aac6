// SPDX-License-Identifier: MIT
// Trainings that several processes share follow the one that a single process does. The processes are threads here; the
// suite of tests/mpi has them by MPI.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <string>
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
#include "contexture/train/reducer.hpp"
#include "support/catch.hpp"
#include "support/processes.hpp"
#include "support/runs.hpp"

using namespace contexture;
using runs::same_bits;

namespace {

const Dataset& data() {
  static const Dataset set = builtin_dataset(240, 48, 16);
  return set;
}

// The loss of every step; optionally asks for a stop.
struct Losses : Progress {
  void step(std::int64_t step, double loss, double, double) override {
    losses.push_back(loss);
    if (step == stop_at) stop.request();
  }
  std::vector<double> losses;
  std::int64_t stop_at = -1;
  StopToken stop;
};

// What a process has after a training.
struct Trained {
  std::vector<double> losses;
  std::vector<HistoryRow> rows;
  TensorMap weights;
  FitState state;
};

struct Plan {
  std::string task = "context";
  std::int64_t steps = 12;
  Index batch = 24;
  std::optional<bool> share_norm = {};
  std::int64_t stop_at = -1;  // in process `stopper`
  int stopper = 0;
  double learning_rate = 0.05;
};

std::unique_ptr<PretextTask<float>> made(const std::string& name, Backbone<float>& encoder) {
  const auto images = pretext_images(data().train, channel_statistics(data().train, numbered(240)), false);
  if (name != "joint") return make_pretext_task<float>(name, images, {}, encoder, Rng(2));
  std::vector<JointPart<float>> parts;
  parts.push_back({make_pretext_task<float>("context", images, {}, encoder, Rng(2)), 1.0});
  parts.push_back({make_pretext_task<float>("simclr", images, {}, encoder, Rng(3)), 0.5});
  return std::make_unique<JointTask<float>>(std::move(parts));
}

Trained train(const Plan& plan) {
  Losses progress;
  if (process_group().rank() == plan.stopper) progress.stop_at = plan.stop_at;
  const FitHooks hooks{.progress = &progress, .stop = &progress.stop};
  TrainingOptions options{.steps = plan.steps,
                          .batch = plan.batch,
                          .learning_rate = plan.learning_rate,
                          .evaluate_at = {0, plan.steps},
                          .share_norm = plan.share_norm};
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
  out.rows = out.state.rows;
  return out;
}

std::vector<Trained> train_together(int size, const Plan& plan) {
  std::vector<Trained> all(static_cast<std::size_t>(size));
  processes::run(size, [&](ProcessGroup& group) { all[static_cast<std::size_t>(group.rank())] = train(plan); });
  return all;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

}  // namespace

TEST_CASE("every task, shared by processes, has one process's losses and validation") {
  const std::string task =
      GENERATE(as<std::string>(), "context", "rotation", "jigsaw", "simclr", "vicreg", "joint", "classifier");
  const int size = GENERATE(2, 3);
  CAPTURE(task, size);
  const Plan plan{.task = task, .steps = 8, .learning_rate = 0.01};
  const Trained alone = train(plan);
  const std::vector<Trained> together = train_together(size, plan);
  for (const Trained& one : together) {
    CHECK(largest_difference(one.losses, alone.losses) < 1e-4);
    CHECK(same_bits(one.weights, together[0].weights));
    CHECK(runs::same_rows(one.rows, together[0].rows));
    REQUIRE(one.rows.size() == alone.rows.size());
    for (std::size_t i = 0; i < alone.rows.size(); ++i) {
      CHECK(std::abs(one.rows[i].loss - alone.rows[i].loss) < 1e-3);
      CHECK(one.rows[i].epoch == alone.rows[i].epoch);
    }
  }
  CHECK(alone.losses.front() != Approx(alone.losses.back()).margin(1e-4));  // it does train
}

namespace {

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

std::vector<double> smooth_losses(std::int64_t steps) {
  SmoothTask task;
  Losses progress;
  (void)detail::train(task, {.steps = steps, .learning_rate = 0.1}, 240, Rng(5), {.progress = &progress});
  return progress.losses;
}

}  // namespace

TEST_CASE("two and three processes follow one over 200 steps") {
  const int size = GENERATE(2, 3);
  const std::vector<double> alone = smooth_losses(200);
  std::vector<double> together;
  processes::run(size, [&](ProcessGroup& group) {
    const std::vector<double> own = smooth_losses(200);
    if (group.rank() == 0) together = own;
  });
  REQUIRE(alone.size() == 200);
  CHECK(largest_difference(together, alone) < 1e-4);
  CHECK(alone.front() > alone.back() + 0.5);
}

TEST_CASE("twice the same processes give the same bits") {
  const Plan plan{.task = "simclr"};
  CHECK(same_bits(train_together(2, plan)[0].weights, train_together(2, plan)[1].weights));
}

TEST_CASE("with statistics of their own, processes differ from one but not from each other") {
  const Plan own{.task = "rotation", .share_norm = false};
  const std::vector<Trained> together = train_together(2, own);
  CHECK(same_bits(together[0].weights, together[1].weights));
  CHECK(largest_difference(together[0].losses, train(own).losses) > 1e-4);
  const Plan many{.task = "rotation", .steps = 3, .batch = 128};  // 64 images each: their own by default
  const Plan many_own{.task = "rotation", .steps = 3, .batch = 128, .share_norm = false};
  CHECK(same_bits(train_together(2, many)[0].weights, train_together(2, many_own)[0].weights));
}

TEST_CASE("a stop that one process wishes stops all after the same step") {
  const Plan plan{.task = "rotation", .stop_at = 5, .stopper = 1};
  for (const Trained& one : train_together(2, plan)) CHECK(one.state.step == 5);
}

TEST_CASE("processes diverge together") {
  std::atomic<int> diverged{0};
  processes::run(2, [&](ProcessGroup&) {
    try {
      (void)train({.task = "classifier", .learning_rate = 1e30});
    } catch (const Diverged&) {
      ++diverged;
    }
  });
  CHECK(diverged == 2);
}

TEST_CASE("more processes than images in a batch are refused") {
  CHECK_THROWS_WITH(train_together(3, {.task = "rotation", .batch = 2}),
                    Catch::Contains("batches of 2 images for 3 processes"));
}

TEST_CASE("processes at different steps are refused") {
  CHECK_THROWS_WITH(processes::run(2,
                                   [](ProcessGroup& group) {
                                     ResNet<float> encoder({.in_channels = 3, .width = 2}, Rng(1));
                                     const auto task = made("rotation", encoder);
                                     FitHooks hooks;
                                     hooks.begin = [&](const FitRun& run) { run.state.step = group.rank(); };
                                     (void)pretrain(encoder, *task, {.set = data().train}, {.steps = 4}, Rng(5), hooks);
                                   }),
                    Catch::Contains("process 1 would go on from step 1, process 0 from step 0"));
}

TEST_CASE("gradients travel while backward goes on, and those that nobody has stay away") {
  for (const std::size_t bucket : {std::size_t{1}, std::size_t{40}, BucketReducer::kBucket}) {
    CAPTURE(bucket);
    std::mutex mutex;
    std::string wrong;
    processes::run(3, [&](ProcessGroup& group) {
      auto& threads = dynamic_cast<processes::ThreadGroup&>(group);
      const float factor = static_cast<float>(group.rank() + 1);
      Linear<float> first(4, 5, Rng(1)), second(5, 3, Rng(2)), unused(2, 2, Rng(3)), sometimes(4, 5, Rng(4));
      std::vector<NamedParameter<float>> parameters;
      for (Linear<float>* layer : {&unused, &sometimes, &first, &second})
        for (NamedParameter<float>& p : layer->parameters()) parameters.push_back(p);
      BucketReducer reducer(group, parameters, bucket);
      for (int step = 0; step < 2; ++step) {  // buckets are used again
        for (NamedParameter<float>& p : parameters) p.variable.zero_grad();
        const Variable<float> x(full<float>({2, 4}, 1.0F));
        Variable<float> hidden = first(x);
        if (group.rank() == 1) hidden = add(hidden, sometimes(x));
        const int before = threads.sums();
        int early = 0;
        scale(sum(second(hidden)), factor).backward(full<float>({}, 1.0F), [&](const void* leaf) {
          reducer.ready(leaf);
          early = threads.sums() - before;
        });
        reducer.finish();
        const std::lock_guard lock(mutex);
        // 1 + 2 + 3 times the gradient of the sum of outputs.
        if (std::abs(second.parameters()[1].variable.grad().data()[0] - 12.0F) > 1e-4F) wrong += "bias of the second; ";
        const Tensor<float> reduced = first.parameters()[0].variable.grad();
        first.zero_grad();
        scale(sum(second(first(x))), 6.0F).backward();
        const Tensor<float>& expected = first.parameters()[0].variable.grad();
        for (std::size_t i = 0; i < expected.size(); ++i)
          if (std::abs(reduced.data()[i] - expected.data()[i]) > 1e-4F) wrong += "weights of the first; ";
        if (!sometimes.parameters()[1].variable.has_grad()) wrong += "a gradient of one process is missing; ";
        if (unused.parameters()[0].variable.has_grad()) wrong += "a gradient of nobody; ";
        if (bucket == 1 && early < 2) wrong += message("nothing travelled early: ", early, "; ");
      }
    });
    CHECK(wrong == "");
  }
}

TEST_CASE("a classifier's scores and an encoder's features do not depend on the number of processes") {
  const ImageClassifier model(
      {16, 16, {.width = 4}, data().class_names, channel_statistics(data().train, numbered(240))}, Rng(1));
  const Score alone = score(model, data().train, numbered(240), 32);
  std::mutex mutex;
  std::vector<Score> scores;
  processes::run(3, [&](ProcessGroup&) {
    Score own = score(model, data().train, numbered(240), 32);
    const std::lock_guard lock(mutex);
    scores.push_back(std::move(own));
  });
  for (const Score& one : scores) {
    CHECK(one.answers.predicted == alone.answers.predicted);
    CHECK(one.answers.confidence == alone.answers.confidence);
    CHECK(one.evaluation.accuracy == alone.evaluation.accuracy);
    CHECK(one.evaluation.macro_f1 == alone.evaluation.macro_f1);
    CHECK(one.evaluation.loss == Approx(alone.evaluation.loss).epsilon(1e-12));
  }
}
