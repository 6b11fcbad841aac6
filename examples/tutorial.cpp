// SPDX-License-Identifier: MIT
// The program of docs/tutorial.md, from its first #include on: tests/checks/doc_snippet.sh holds the two together, and
// case_tutorial of tests/programs/run.sh runs it.
//
// Expected (10 seconds on 2 cores): about 63 % of the held-out images are named rightly; chance is 8 %.
#include <cstdio>

#include "contexture/contexture.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/train/pretraining.hpp"
using namespace contexture;

struct Lines final : Progress {  // what a training tells: here a line an evaluation
  void row(const HistoryRow& row) override {
    std::printf("step %3d, %s: loss %.2f, %.0f %% right\n", static_cast<int>(row.step), row.split.c_str(), row.loss,
                100 * row.accuracy);
  }
};

int main() {
  const Rng rng(1);
  const Dataset data = builtin_dataset(6000, 0);  // or load_dataset("folder") of contexture/data/load.hpp
  const Split split = stratified_split(data.train.labels, 0.1, rng.split("split"));
  const Normalization scale = channel_statistics(data.train, split.train);
  ImageClassifier model({32, 32, {.width = 16}, data.class_names, scale}, rng.split("model"));

  // Without labels: in which direction does one patch lie from another?
  ContextPrediction<float> pretext({.patches = patch_defaults(32)}, {32, 32}, model.encoder(), rng.split("pretext"));
  const PretrainImages images{.set = data.train, .indices = split.train, .validation = split.validation};
  Lines lines;
  pretrain(model.encoder(), pretext, images, {.steps = 200, .evaluate_at = evaluation_steps(200, 4)},
           rng.split("pre-training"), {.progress = &lines});

  // With a tenth of the labels: what is it? The loop by hand.
  const EpochSampler labelled(label_subset(data.train.labels, split.train, 0.1, rng), 64, rng.split("labelled"));
  const Augmentation shift_and_mirror;
  const Schedule rate{.peak = 0.1, .total_steps = 200};  // one-cycle
  Sgd<float> sgd(model.parameters());
  for (int step = 0; step < 200; ++step) {
    Batch batch;
    const Rng stream = rng.split("augmentation").split(step);
    make_batch(data.train, labelled.batch(step), scale, &shift_and_mirror, stream, batch);
    sgd.zero_grad();
    softmax_cross_entropy<float>(model(Variable<float>(batch.images)), batch.labels).backward();
    sgd.step(rate(step));
  }
  std::printf("%.1f %%\n", 100 * score(model, data.train, split.validation).evaluation.accuracy);
  model.save("classifier.safetensors");
}
