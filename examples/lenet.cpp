// SPDX-License-Identifier: MIT
// A network out of modules: LeNet-5 (LeCun et al., Proc. IEEE 1998, section II B) with ReLU and maxima, on the built-in
// images.
//
// Expected (10 seconds on 2 cores): it names about 70 % of the held-out images rightly; chance is 8 %.
#include <cstdio>

#include "contexture/contexture.hpp"
using namespace contexture;

int main() {
  const Rng rng(1);
  const Dataset data = builtin_dataset(6000, 0);
  const Split split = stratified_split(data.train.labels, 0.1, rng.split("split"));
  const Normalization scale = channel_statistics(data.train, split.train);
  const auto classes = static_cast<Index>(data.class_names.size());

  Sequential<float> net;
  net.add(Conv2d<float>(3, 6, {.kernel = 5}, rng.split("conv1"))).add(Relu<float>()).add(MaxPool2d<float>());
  net.add(Conv2d<float>(6, 16, {.kernel = 5, .padding = 0}, rng.split("conv2")))
      .add(Relu<float>())
      .add(MaxPool2d<float>());
  net.add(Flatten<float>()).add(Linear<float>(16 * 6 * 6, 120, rng.split("linear1"))).add(Relu<float>());
  net.add(Linear<float>(120, 84, rng.split("linear2"))).add(Relu<float>());
  net.add(Linear<float>(84, classes, rng.split("linear3")));

  constexpr int kSteps = 800;
  const EpochSampler sampler(split.train, 64, rng.split("batches"));
  const Augmentation shift_and_mirror;
  const Schedule rate{.peak = 2e-3, .total_steps = kSteps};
  AdamW<float> adam(net.parameters());
  Batch batch;
  for (int step = 0; step < kSteps; ++step) {
    make_batch(data.train, sampler.batch(step), scale, &shift_and_mirror, rng.split("augmentation").split(step), batch);
    adam.zero_grad();
    const Variable<float> loss = softmax_cross_entropy<float>(net(Variable<float>(batch.images)), batch.labels);
    loss.backward();
    adam.step(rate(step));
    if (step % 200 == 0) std::printf("step %3d: loss %.2f\n", step, static_cast<double>(loss.value()()));
  }

  const Inference inference;
  make_batch(data.train, split.validation, scale, nullptr, rng, batch);
  const Index right = count_correct<float>(net(Variable<float>(batch.images)).value(), batch.labels);
  std::printf("%.1f %%\n", 100.0 * static_cast<double>(right) / static_cast<double>(batch.labels.size()));
}
