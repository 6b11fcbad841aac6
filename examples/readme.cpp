// SPDX-License-Identifier: MIT
// The README's program, from its first #include on: tests/checks/doc_snippet.sh holds the two
// together, and case_readme of tests/programs/run.sh runs it.
//
// Expected (10 seconds on 2 cores): 57 to 62 % of the held-out images are named rightly, by how the
// compiler rounds; chance is 8 %.
#include <cstdio>

#include "contexture/contexture.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/train/classifier.hpp"
#include "contexture/train/pretraining.hpp"
using namespace contexture;

int main() {
  const Rng rng(1);
  const Dataset data = builtin_dataset(6000, 0);  // or load_dataset("my-images")
  const Split split = stratified_split(data.train.labels, 0.1, rng.split("split"));
  const std::vector<Index> few = label_subset(data.train.labels, split.train, 0.1, rng);
  const Normalization scale = channel_statistics(data.train, split.train);
  ImageClassifier model({32, 32, {.width = 16}, data.class_names, scale}, rng.split("model"));
  ContextPrediction<float> task({.patches = patch_defaults(32)}, {32, 32}, model.encoder(), rng.split("task"));
  pretrain(model.encoder(), task, {data.train, split.train}, {.steps = 200}, rng.split("pre-training"));
  train_classifier(model, {data.train, few}, {.steps = 200}, rng.split("training"));
  std::printf("%.1f %%\n", 100 * score(model, data.train, split.validation).evaluation.accuracy);
}
