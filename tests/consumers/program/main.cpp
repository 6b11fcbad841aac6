// SPDX-License-Identifier: MIT
// A program as a user would write it: trains a small network to tell horizontal from vertical
// strokes, and fails (exit status 1) unless it has learnt to.
#include <cstdio>

#include "network.hpp"

int main() {
  using namespace contexture;
  const Rng rng(1);
  Network network(rng.split("network"));
  AdamW<float> optimizer(network.parameters());
  const Examples examples = strokes(64, rng.split("data"));
  const Variable<float> images(examples.images);

  float first = 0;
  float last = 0;
  for (int step = 0; step < 100; ++step) {
    const Variable<float> loss = softmax_cross_entropy(network.logits(images), examples.labels);
    Variable<float>(loss).backward();
    optimizer.step(0.01);
    for (auto& parameter : network.parameters()) parameter.variable.zero_grad();
    if (step == 0) first = loss.item();
    last = loss.item();
  }
  std::printf("%s\nloss %.3f -> %.3f\n", cpu_report().line().c_str(), static_cast<double>(first),
              static_cast<double>(last));
  return last < 0.2F * first ? 0 : 1;
}
