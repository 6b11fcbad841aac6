// SPDX-License-Identifier: MIT
// What a classifier answers, against the same computed by hand.
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

#include "contexture/data/builtin.hpp"
#include "contexture/evaluate/encoder_file.hpp"
#include "contexture/evaluate/features.hpp"
#include "contexture/evaluate/reference_encoder.hpp"
#include "contexture/evaluate/score.hpp"
#include "contexture/models/backbone_file.hpp"
#include "contexture/nn/serialize.hpp"
#include "contexture/ssl/recalibrate.hpp"
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

TEST_CASE("score: images of another height, width or number of channels are refused") {
  const ImageClassifier classifier({4, 2, {.in_channels = 1, .width = 1, .stages = 1}, {"a", "b"}, {{0.5F}, {0.25F}}},
                                   Rng(4));
  const auto images = [](Index height, Index width, Index channels) {
    return ImageSet{
        1,  height, width, channels, std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * channels)),
        {0}};
  };
  CHECK_NOTHROW(score(classifier, images(4, 2, 1), numbered(1)));
  for (const ImageSet& other : {images(2, 4, 1), images(4, 4, 1), images(2, 2, 1), images(4, 2, 3)})
    CHECK_THROWS_AS(score(classifier, other, numbered(1)), std::invalid_argument);
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

TEST_CASE("score asks in evaluation mode, whatever mode the classifier is in") {
  const ImageClassifierOptions options{
      4, 4, {.in_channels = 1, .width = 2, .stages = 1}, {"a", "b"}, {{0.5F}, {0.25F}}};
  ImageClassifier classifier(options, Rng(4));
  ImageSet set{6, 4, 4, 1, {}, {0, 1, 0, 1, 0, 1}};
  for (int i = 0; i < 96; ++i) set.pixels.push_back(static_cast<std::uint8_t>(i * 37));
  classifier.set_training(false);
  const Score expected = score(classifier, set, numbered(6));
  classifier.set_training(true);
  const Score again = score(classifier, set, numbered(6));
  CHECK(again.answers.confidence == expected.answers.confidence);
  CHECK(classifier.training());
  // Image by image, and in one batch.
  const Score one_by_one = score(classifier, set, numbered(6), 1);
  CHECK(one_by_one.answers.predicted == expected.answers.predicted);
  CHECK(one_by_one.evaluation.loss == Approx(expected.evaluation.loss));
}

TEST_CASE("confusion matrix, accuracy and macro-F1 by hand") {
  const std::vector<std::int32_t> truth{0, 0, 0, 1, 1, 3}, predicted{0, 0, 1, 1, 0, 1};
  const ConfusionMatrix matrix = confusion_matrix(truth, predicted, 5);
  CHECK(matrix.counts ==
        std::vector<std::int64_t>{2, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK(accuracy(matrix) == Approx(3.0 / 6));
  // Of 0: 2 right, 3 there, 3 said; of 1: 1, 2, 3; of 3: 0, 1, 0; 2 and 4 are nowhere.
  CHECK(macro_f1(matrix) == Approx((4.0 / 6 + 2.0 / 5 + 0) / 3));
  CHECK(macro_f1(confusion_matrix(std::vector<std::int32_t>{1}, std::vector<std::int32_t>{1}, 2)) == 1);
  CHECK(macro_f1(confusion_matrix({}, {}, 2)) == 0);
  CHECK(accuracy(confusion_matrix({}, {}, 2)) == 0);
  CHECK_THROWS_AS(confusion_matrix({}, {}, 0), std::invalid_argument);
  CHECK_THROWS_AS(confusion_matrix(truth, std::vector<std::int32_t>{0}, 5), std::invalid_argument);
  for (const auto& [t, p] : {std::pair{2, 0}, {0, 2}, {-1, 0}, {0, -1}})
    CHECK_THROWS_AS(confusion_matrix(std::vector<std::int32_t>{t}, std::vector<std::int32_t>{p}, 2),
                    std::invalid_argument);
}

TEST_CASE("agreement is the share of equal answers") {
  const std::vector<std::int32_t> a{1, 2, 3, 4, 9}, b{1, 2, 0, 4, 9};
  CHECK(agreement(std::span(a).first(4), std::span(b).first(4)) == 0.75);
  CHECK(agreement({}, {}) == 0);
  CHECK_THROWS_AS(agreement(a, std::span(b).first(4)), std::invalid_argument);
}

TEST_CASE("the encoder of random weights has the statistics of the images it is shown") {
  ImageSet set{32, 8, 8, 1, {}, {}};
  for (int i = 0; i < 32 * 64; ++i) set.pixels.push_back(static_cast<std::uint8_t>(i * i / 7));
  const Normalization normalization{{0.4F}, {0.2F}};
  const BackboneDescription description{.in_channels = 1, .width = 2, .stages = 2};
  const auto encoder = random_encoder(description, set, normalization, 7);
  const auto plain = make_backbone<float>(description, encoder_stream(Rng(7)));
  for (std::size_t i = 0; i < plain->parameters().size(); ++i)
    CHECK((plain->parameters()[i].variable.value() == encoder->parameters()[i].variable.value()));
  recalibrate_batch_norm(*plain, set, numbered(32), normalization);
  for (std::size_t i = 0; i < plain->buffers().size(); ++i)
    CHECK((*plain->buffers()[i].tensor == *encoder->buffers()[i].tensor));
  CHECK((*encoder->buffers()[0].tensor != *make_backbone<float>(description, Rng(1))->buffers()[0].tensor));
}

TEST_CASE("an encoder is read from its own file and from a classifier's") {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("contexture-encoders-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const BackboneDescription description{.in_channels = 1, .width = 2, .stages = 2};
  const auto encoder = make_backbone<float>(description, Rng(3));
  save(*encoder, folder / "encoder.safetensors", backbone_metadata(description));
  ImageClassifier classifier({8, 8, description, {"a", "b"}, {{0.5F}, {0.25F}}}, Rng(4));
  classifier.save(folder / "classifier.safetensors");
  const EncoderFile own = read_encoder(folder / "encoder.safetensors");
  CHECK(own.kind == "encoder");
  CHECK_FALSE(own.images.has_normalization());
  const EncoderFile inside = read_encoder(folder / "classifier.safetensors");
  CHECK(inside.kind == "classifier");
  REQUIRE(inside.images.has_normalization());
  CHECK(inside.images.normalization.mean == std::vector<float>{0.5F});
  for (std::size_t i = 0; i < encoder->parameters().size(); ++i) {
    CHECK((own.encoder->parameters()[i].variable.value() == encoder->parameters()[i].variable.value()));
    CHECK((inside.encoder->parameters()[i].variable.value() == classifier.encoder().parameters()[i].variable.value()));
  }
  write_safetensors(folder / "other.safetensors", {}, {{"kind", "encoder"}});
  CHECK_THROWS_WITH(read_encoder(folder / "other.safetensors"),
                    Catch::Matchers::ContainsSubstring("other.safetensors"));
  fs::remove_all(folder);
}

TEST_CASE("Wilson's interval of a share") {
  // Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3.
  const ShareInterval a = wilson_interval(81, 263);
  CHECK(a.low == Approx(0.2553).margin(5e-5));
  CHECK(a.high == Approx(0.3662).margin(5e-5));
  const ShareInterval b = wilson_interval(15, 148);
  CHECK(b.low == Approx(0.0624).margin(5e-5));
  CHECK(b.high == Approx(0.1605).margin(5e-5));
  const ShareInterval none = wilson_interval(0, 20), all = wilson_interval(29, 29);
  CHECK(none.low == 0);
  CHECK(none.high == Approx(0.1611).margin(5e-5));
  CHECK(all.low == Approx(0.8830).margin(5e-5));
  CHECK(all.high == 1);
  CHECK(wilson_interval(0, 0).low == 0);
  CHECK(wilson_interval(0, 0).high == 1);
  CHECK_THROWS_AS(wilson_interval(3, 2), std::invalid_argument);
  CHECK_THROWS_AS(wilson_interval(-1, 2), std::invalid_argument);
}

TEST_CASE("class probabilities: a row an image, that sums to 1, and agrees with the score") {
  const Dataset data = builtin_dataset(30, 0, 16);
  const ImageClassifier classifier(
      {16, 16, {.width = 4}, data.class_names, channel_statistics(data.train, numbered(30)), true}, Rng(1));
  const std::vector<Index> some{4, 0, 29, 7, 7};
  const Tensor<float> p = class_probabilities(classifier, data.train, some, 2);
  const Score scored = score(classifier, data.train, some);
  REQUIRE(p.shape() == Shape{5, 12});
  for (std::size_t i = 0; i < 5; ++i) {
    double sum = 0;
    for (std::size_t c = 0; c < 12; ++c) sum += static_cast<double>(p(i, c));
    CHECK(sum == Approx(1).margin(1e-6));
    CHECK(p(i, static_cast<std::size_t>(scored.answers.predicted[i])) == Approx(scored.answers.confidence[i]));
  }
  CHECK(class_probabilities(classifier, data.train, {}).shape() == Shape{0, 12});
}
