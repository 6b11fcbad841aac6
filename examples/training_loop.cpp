// SPDX-License-Identifier: MIT
// A training loop of one's own: images that are varied in a way of one's own, a batch in four parts whose gradients add
// up, and an end where it no longer improves on held-out images. docs/faq.md shows it.
//
// Expected (10 seconds on 2 cores): it stops after 30 to 55 rounds, by how the processor rounds, and names 60 to 70 %
// of the held-out images rightly; chance is 8 %.
#include <cstdio>

#include "contexture/contexture.hpp"
using namespace contexture;

int main() {
  const Rng rng(1);
  const Dataset data = builtin_dataset(2400, 0);
  const Split split = stratified_split(data.train.labels, 0.2, rng.split("split"));
  const Normalization normalization = channel_statistics(data.train, split.train);
  const auto classes = static_cast<Index>(data.class_names.size());

  Sequential<float> net;
  net.add(Conv2d<float>(3, 16, {.kernel = 3, .stride = 2}, rng.split("conv1"))).add(GroupNorm<float>(16));
  net.add(Relu<float>()).add(Conv2d<float>(16, 32, {.kernel = 3, .stride = 2}, rng.split("conv2")));
  net.add(GroupNorm<float>(32)).add(Relu<float>()).add(MaxPool2d<float>());
  net.add(Flatten<float>()).add(Linear<float>(32 * 4 * 4, classes, rng.split("linear")));
  Sequential<float> best = net.clone();

  constexpr int kParts = 4, kRounds = 120, kSteps = 20, kPatience = 6;
  const EpochSampler sampler(split.train, 32, rng.split("batches"));
  const Augmentation varied{.own = sometimes(0.5F, colour_jitter(0.1F))};  // beside shifts and mirrors
  AdamW<float> adam(net.parameters());
  Batch batch;
  double best_accuracy = 0;
  int round = 0;
  for (int best_round = 0; round < kRounds && round - best_round < kPatience; ++round) {
    for (int step = round * kSteps; step < (round + 1) * kSteps; ++step) {
      adam.zero_grad();
      for (int part = 0; part < kParts; ++part) {
        const int number = step * kParts + part;
        make_batch(data.train, sampler.batch(number), normalization, &varied, rng.split("shifts").split(number), batch);
        const Variable<float> loss = softmax_cross_entropy<float>(net(Variable<float>(batch.images)), batch.labels);
        scale(loss, 1.0F / kParts).backward();  // gradients add up until zero_grad()
      }
      adam.step(3e-3);
    }
    const Inference inference;
    make_batch(data.train, split.validation, normalization, nullptr, rng, batch);
    const Index right = count_correct<float>(net(Variable<float>(batch.images)).value(), batch.labels);
    const double accuracy = static_cast<double>(right) / static_cast<double>(batch.labels.size());
    if (accuracy > best_accuracy) {
      best_accuracy = accuracy;
      best_round = round;
      best.copy_state(net);
    }
  }
  net.copy_state(best);
  std::printf("stopped after %d rounds\n%.1f %%\n", round, 100 * best_accuracy);
}
