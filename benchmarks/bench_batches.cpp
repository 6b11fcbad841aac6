// SPDX-License-Identifier: MIT
// How fast the prefetch thread makes the batches of each pretext task, and those of a classifier with each
// augmentation, in one thread: it has to keep ahead of training. items_per_second counts images of the data set; SimCLR
// and VICReg make two views of each.
//   scripts/bench.sh batches
#include <benchmark/benchmark.h>

#include <string_view>
#include <vector>

#include "contexture/contexture.hpp"
#include "contexture/models/resnet.hpp"

namespace {

using namespace contexture;

ImageSet pictures(Index count, Index channels) {
  ImageSet set = builtin_dataset(count, 1, channels == 3 ? 32 : 28, 1).train;
  if (channels == 3) return set;
  std::vector<std::uint8_t> grey;
  for (std::size_t i = 0; i < set.pixels.size(); i += 3) grey.push_back(set.pixels[i]);
  set.channels = 1;
  set.pixels = grey;
  return set;
}

void make(benchmark::State& state, std::string_view name, Index channels) {
  const ImageSet images = pictures(2048, channels);
  std::vector<Index> all(static_cast<std::size_t>(images.count));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Index>(i);
  const ResNet<float> encoder({.in_channels = channels, .width = 4}, Rng(1));
  const auto task = make_pretext_task<float>(name, pretext_images(images, channel_statistics(images, all), true), {},
                                             encoder, Rng(2));
  const EpochSampler order(all, 128, Rng(3));
  std::int64_t step = 0;
  for (auto _ : state) {
    const PretextBatch batch =
        task->make_batch(images, order.batch(step), Rng(4).split(static_cast<std::uint64_t>(step)));
    benchmark::DoNotOptimize(batch.inputs.data());
    ++step;
  }
  state.SetItemsProcessed(step * 128);
}

struct NamedAugmentation {
  std::string_view name;
  Augmentation augmentation;
};

void make_classifier_batches(benchmark::State& state, const Augmentation& augmentation, Index channels) {
  const ImageSet images = pictures(2048, channels);
  const std::vector<Index> all = numbered(images.count);
  const Normalization normalization = channel_statistics(images, all);
  const EpochSampler order(all, 128, Rng(3));
  std::int64_t step = 0;
  Batch batch;
  for (auto _ : state) {
    make_batch(images, order.batch(step), normalization, &augmentation, Rng(4).split(static_cast<std::uint64_t>(step)),
               batch);
    benchmark::DoNotOptimize(batch.images.data());
    ++step;
  }
  state.SetItemsProcessed(step * 128);
}

}  // namespace

int main(int argc, char** argv) {
  for (const Index channels : {3, 1})
    for (const std::string_view name : pretext_task_names())
      benchmark::RegisterBenchmark(message(name, channels == 3 ? "/32x32x3" : "/28x28x1").c_str(),
                                   [name, channels](benchmark::State& state) { make(state, name, channels); });
  const Augmentation basic{.crop_padding = 4};
  for (const Index channels : {3, 1})
    for (const auto& [name, augmentation] : {NamedAugmentation{"basic", basic},
                                             {"rand_augment", {.crop_padding = 4, .rand_augment = {.operations = 2}}},
                                             {"cutmix", {.crop_padding = 4, .mixing = {.cutmix = 0.5F}}},
                                             {"mixup", {.crop_padding = 4, .mixing = {.mixup = 1}}},
                                             {"strong", strong_augmentation(basic)}})
      benchmark::RegisterBenchmark(message("classifier, ", name, channels == 3 ? "/32x32x3" : "/28x28x1").c_str(),
                                   [augmentation = augmentation, channels](benchmark::State& state) {
                                     make_classifier_batches(state, augmentation, channels);
                                   });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
