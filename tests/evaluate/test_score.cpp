// What a classifier answers, against the same computed by hand.
#include <algorithm>

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
  const NoGrad no_grad;
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
