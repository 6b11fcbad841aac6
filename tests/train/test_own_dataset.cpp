// SPDX-License-Identifier: MIT
// Trainings on a data set of one's own: they learn, as on the same images in memory, and its faults end them.
#include <stdexcept>

#include "contexture/data/normalisation.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/ssl/rotation.hpp"
#include "contexture/train/classifier.hpp"
#include "contexture/train/pretraining.hpp"
#include "data/example_dataset.hpp"
#include "support/catch.hpp"
#include "support/runs.hpp"

using namespace contexture;

namespace {

struct Trained {
  double accuracy = 0;
  std::vector<HistoryRow> pretraining;
  TensorMap weights;
};

Trained trained_on(const Dataset& data) {
  const Normalization scale{{0.5F}, {0.3F}};
  ImageClassifier model({16, 16, {.in_channels = 1, .width = 4}, data.class_names, scale}, Rng(1));
  RotationPrediction<float> pretext({}, {.height = 16, .width = 16, .channels = 1, .normalization = scale},
                                    model.encoder(), Rng(2));
  Trained out;
  out.pretraining =
      pretrain(model.encoder(), pretext, {.set = data.train, .validation = numbered(20), .normalization = scale},
               {.steps = 6, .batch = 16, .evaluate_at = {6}}, Rng(3))
          .rows;
  const LabelledImages images{
      .set = data.train, .indices = numbered(data.train.count), .augmentation = {.flip = false}};
  (void)train_classifier(model, images, {.steps = 40, .batch = 32}, Rng(4));
  out.accuracy = score(model, data.test, numbered(data.test.count)).evaluation.accuracy;
  copy_tensors(state_tensors(model), out.weights);
  return out;
}

}  // namespace

TEST_CASE("a data set of one's own is learnt from, as the same images in memory are") {
  const Trained own = trained_on(example::waves());
  CHECK(own.accuracy > 0.9);
  Dataset plain = example::waves();
  for (ImageSet* set : {&plain.train, &plain.test}) set->pixels = Pixels(set->pixels.begin(), set->pixels.end());
  const Trained in_memory = trained_on(plain);
  CHECK(runs::same_bits(own.weights, in_memory.weights));
  CHECK(runs::same_rows(own.pretraining, in_memory.pretraining));
  CHECK(own.accuracy == in_memory.accuracy);
}

TEST_CASE("what get() throws ends a training, with the image's number") {
  const auto fails = [](Picture image) -> Picture {
    if (image.pixels[0] == 0) throw std::runtime_error("no pixels today");
    return image;
  };
  ImageSet zeros{8, 16, 16, 1, {}, {}};
  zeros.pixels.assign(std::size_t{8 * 16 * 16}, std::uint8_t{1});
  zeros.labels = {0, 1, 0, 1, 0, 1, 0, 1};
  *zeros.image(5) = 0;
  const ImageSet set = image_set(map(SetSamples(zeros), fails));
  ImageClassifier model({16, 16, {.in_channels = 1, .width = 4}, {"a", "b"}, {{0.5F}, {0.3F}}}, Rng(1));
  const LabelledImages images{.set = set, .indices = numbered(8)};
  CHECK_THROWS_WITH(train_classifier(model, images, {.steps = 4, .batch = 2}, Rng(4)), "image 5: no pixels today");
}
