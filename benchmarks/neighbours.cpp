// SPDX-License-Identifier: MIT
// For bench_compile: what the features of an untrained encoder tell, by their nearest neighbours.
#include <cstdio>

#include "contexture/contexture.hpp"
#include "contexture/evaluate/features.hpp"
#include "contexture/evaluate/nearest_neighbours.hpp"
using namespace contexture;

int main() {
  const Dataset data = builtin_dataset(2000, 500);
  const std::vector<Index> train = numbered(data.train.count), test = numbered(data.test.count);
  const Normalization scale = channel_statistics(data.train, train);
  const auto encoder = make_backbone<float>({.width = 16}, Rng(1));
  const LabelledFeatures known{stage_features(*encoder, data.train, train, scale).back(), data.train.labels};
  const Tensor<float> asked = stage_features(*encoder, data.test, test, scale).back();
  const std::vector<std::int32_t> answers = knn_predict(known, asked, std::ssize(data.class_names));
  Index right = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) right += answers[i] == data.test.labels[i];
  std::printf("%.1f %%\n", 100.0 * static_cast<double>(right) / static_cast<double>(answers.size()));
}
