// SPDX-License-Identifier: MIT
// What trainings refuse before they begin, and how they are named when they fail.

#include "contexture/data/builtin.hpp"
#include "contexture/train/classifier.hpp"
#include "contexture/train/self_training.hpp"
#include "support/catch.hpp"

namespace small_train_parts {

using namespace contexture;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

ImageClassifier small_classifier() {
  return ImageClassifier({8,
                          8,
                          {.in_channels = 3, .width = 2, .stages = 1},
                          {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"},
                          {{0.5F, 0.5F, 0.5F}, {0.25F, 0.25F, 0.25F}}},
                         Rng(1));
}

TEST_CASE("sets whose pixels or labels are not as many as they say are refused by who was asked") {
  ImageSet set = builtin_dataset(12, 0, 8).train;
  ImageClassifier model = small_classifier();
  const Tensor<float> targets = full<float>({12, 12}, 1.0F / 12);
  const TrainingOptions options{.steps = 1, .batch = 4};
  const auto trained = [&] { return train_classifier(model, {.set = set, .indices = numbered(12)}, options, Rng(1)); };
  const auto taught = [&] {
    return train_on_soft_targets(model, {.set = set, .targets = targets, .labelled = numbered(6)}, options, Rng(1));
  };
  CHECK(trained().step == 1);
  CHECK(taught().step == 1);
  set.labels.pop_back();
  CHECK_THROWS_WITH(trained(), StartsWith("train_classifier: 11 labels for 12 images"));
  CHECK_THROWS_WITH(taught(), StartsWith("train_on_soft_targets: 11 labels for 12 images"));
}

TEST_CASE("a training that diverges says which it was") {
  const ImageSet set = builtin_dataset(12, 0, 8).train;
  ImageClassifier model = small_classifier();
  TrainingOptions options{.steps = 50, .batch = 12, .learning_rate = 1e30, .phase = "the third one"};
  CHECK_THROWS_WITH(train_classifier(model, {.set = set, .indices = numbered(12)}, options, Rng(1)),
                    ContainsSubstring("(the third one)"));
}

}  // namespace small_train_parts
