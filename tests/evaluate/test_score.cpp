// What a classifier answers, against the same computed by hand.
#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "contexture/data/builtin.hpp"
#include "contexture/evaluate/score.hpp"
#include "support/catch.hpp"

using namespace contexture;

TEST_CASE("score: loss and accuracy as computed by hand") {
  ImageClassifierOptions options{2, 2, {.in_channels = 1, .width = 1, .stages = 1}, {"a", "b", "c"}, {{0.5F}, {0.25F}}};
  ImageClassifier classifier(options, Rng(4));
  ImageSet set{3, 2, 2, 1, {0, 50, 100, 150, 200, 250, 30, 60, 90, 120, 5, 6}, {0, 1, 2}};
  const Score whole = score(classifier, set, numbered(3));
  Batch batch;
  make_batch(set, numbered(3), options.normalization, nullptr, Rng(0), batch);
  const Inference inference;
  const Variable<float> logits = classifier(Variable<float>(batch.images));
  CHECK(whole.evaluation.loss ==
        Approx(static_cast<double>(softmax_cross_entropy<float>(logits, set.labels).item())).epsilon(1e-5));
  CHECK(whole.evaluation.accuracy == Approx(static_cast<double>(count_correct(logits.value(), set.labels)) / 3));

  ImageSet mirrored = set;  // 2 x 2 pixels, one channel: a row is two bytes
  for (std::size_t i = 0; i < mirrored.pixels.size(); i += 2) std::swap(mirrored.pixels[i], mirrored.pixels[i + 1]);
  make_batch(mirrored, numbered(3), options.normalization, nullptr, Rng(0), batch);
  const Variable<float> mean = scale(add(logits, classifier(Variable<float>(batch.images))), 0.5F);
  options.mirror = true;
  ImageClassifier both(options, Rng(4));  // the same weights
  CHECK(score(both, set, numbered(3)).evaluation.loss ==
        Approx(static_cast<double>(softmax_cross_entropy<float>(mean, set.labels).item())).epsilon(1e-5));
  CHECK(score(both, mirrored, numbered(3)).answers.confidence == score(both, set, numbered(3)).answers.confidence);

  set.labels.clear();
  const Score unlabelled = score(classifier, set, numbered(3));
  CHECK(unlabelled.answers.predicted == whole.answers.predicted);
  CHECK(unlabelled.confusion.counts.empty());
}

// Under ThreadSanitizer (preset thread) any write to the shared classifier is an error.
TEST_CASE("score: six threads ask one classifier, which stays as it was") {
  const Dataset data = builtin_dataset(24, 0, 16);
  const std::vector<Index> all = numbered(24);
  const ImageClassifierOptions options{
      16, 16, {.width = 4, .blocks_per_stage = 1}, data.class_names, channel_statistics(data.train, all), true};
  const ImageClassifier classifier(options, Rng(1));  // in training mode, as it is made
  const Score alone = score(classifier, data.train, all);
  std::atomic<int> same{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        const Score mine = score(classifier, data.train, all, 7);
        if (mine.answers.predicted == alone.answers.predicted && mine.evaluation.accuracy == alone.evaluation.accuracy)
          ++same;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(same == 30);
  CHECK(classifier.training());
}

TEST_CASE("logits are those of evaluation mode and record nothing, whatever the mode is") {
  ImageClassifier classifier({8, 8, {.width = 2}, {"a", "b"}, {{0.5F, 0.5F, 0.5F}, {1.0F, 1.0F, 1.0F}}}, Rng(1));
  const Tensor<float> images = full<float>({3, 8, 8, 3}, 0.5F);
  const Tensor<float> training = classifier.logits(images);
  CHECK(classifier.training());
  classifier.set_training(false);
  CHECK((classifier.logits(images) == training));
  CHECK((classifier(Variable<float>(images)).value() == training));
  classifier.set_training(true);
  CHECK(classifier(Variable<float>(images)).requires_grad());  // as ever, once nobody only asks
  CHECK((classifier.logits(images) != training));              // the statistics have moved
}
