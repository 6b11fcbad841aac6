// SPDX-License-Identifier: MIT
// A classifier inside an application: from a file and from memory, beside ImageClassifier, asked by several threads.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "contexture/data/builtin.hpp"
#include "contexture/data/resize.hpp"
#include "contexture/evaluate/predictor.hpp"
#include "contexture/evaluate/score.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"

using namespace contexture;
using Catch::Matchers::ContainsSubstring;

namespace {

// A classifier whose batch statistics and biases are none of 0 and 1, for images of the built-in set.
ImageClassifier some_classifier(const Dataset& data, bool mirror) {
  const std::vector<Index> all = numbered(data.train.count);
  const Normalization scale = channel_statistics(data.train, all);
  ImageClassifier made({16, 16, {.width = 4, .stages = 2}, data.class_names, scale, mirror}, Rng(1));
  Batch batch;
  make_batch(data.train, all, scale, nullptr, Rng(0), batch);
  const NoGrad no_grad;
  (void)made(Variable<float>(batch.images));  // in training mode: running statistics move
  // Images share most of their features: without the rest, all would be named alike.
  const Tensor<float> logits = made.logits(batch.images);
  const std::size_t classes = data.class_names.size();
  for (NamedParameter<float>& p : made.parameters())
    if (p.name == "head.output.bias")
      for (std::size_t i = 0; i < logits.size(); ++i)
        p.variable.mutable_value().data()[i % classes] -=
            logits.data()[i] * static_cast<float>(classes) / static_cast<float>(logits.size());
  return made;
}

std::string bytes_of(ImageClassifier& classifier, const std::filesystem::path& path) {
  classifier.save(path);
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::span<const std::byte> view(const std::string& bytes) {
  return std::as_bytes(std::span<const char>(bytes.data(), bytes.size()));
}

ImageView view(const ImageSet& set, Index i) { return {set.image(i), set.height, set.width, set.channels}; }

std::vector<float> expected(const ImageClassifier& classifier, const ImageSet& set, Index i) {
  const Tensor<float> p = class_probabilities(classifier, set, std::array{i});
  return {p.begin(), p.end()};
}

}  // namespace

TEST_CASE("predictor: a file and its bytes answer as the classifier does, bit for bit") {
  const files::Folder folder;
  const Dataset data = builtin_dataset(24, 0, 16);
  for (const bool mirror : {false, true}) {
    ImageClassifier classifier = some_classifier(data, mirror);
    std::string bytes = bytes_of(classifier, folder.path / "c.safetensors");
    const Predictor loaded = Predictor::load((folder.path / "c.safetensors").string());
    const Predictor embedded = Predictor::from_memory(view(bytes));
    bytes.assign(bytes.size(), 'x');  // it keeps none of them
    CHECK(loaded.class_names() == data.class_names);
    CHECK((loaded.height() == 16 && loaded.width() == 16 && loaded.channels() == 3));
    std::vector<bool> named(data.class_names.size());
    for (Index i = 0; i < data.train.count; ++i) {
      const Prediction answer = loaded.classify(view(data.train, i));
      CHECK(answer.probabilities == expected(classifier, data.train, i));
      CHECK(embedded.classify(view(data.train, i)).probabilities == answer.probabilities);
      for (const float p : answer.probabilities) CHECK(p <= answer.probabilities[answer.label]);
      named[answer.label] = true;
    }
    CHECK(std::count(named.begin(), named.end(), true) > 1);  // else the label is not tested
  }
}

TEST_CASE("predictor: height and width are the classifier's, each its own") {
  const files::Folder folder;
  ImageClassifier classifier({8, 4, {.in_channels = 1, .width = 2, .stages = 1}, {"a", "b"}, {{0.5F}, {0.25F}}},
                             Rng(1));
  const std::string bytes = bytes_of(classifier, folder.path / "c.safetensors");
  const Predictor predictor = Predictor::from_memory(view(bytes));
  CHECK(predictor.height() == 8);
  CHECK(predictor.width() == 4);
}

TEST_CASE("predictor: images of other sizes and channels are made to fit as for data sets") {
  const files::Folder folder;
  const Dataset data = builtin_dataset(24, 0, 16), large = builtin_dataset(2, 0, 40);
  ImageClassifier classifier = some_classifier(data, false);
  const std::string bytes = bytes_of(classifier, folder.path / "c.safetensors");
  const Predictor predictor = Predictor::from_memory(view(bytes));
  const ImageSet grey = with_channels(large.train, 1);
  CHECK(predictor.classify(view(large.train, 1)).probabilities ==
        expected(classifier, resize_and_crop(large.train, 16, 16), 1));
  CHECK(predictor.classify(view(grey, 1)).probabilities ==
        expected(classifier, resize_and_crop(with_channels(grey, 3), 16, 16), 1));
}

// Under ThreadSanitizer (preset thread) any write to what they share is an error.
TEST_CASE("predictor: six threads ask one, and get what one thread gets") {
  const files::Folder folder;
  const Dataset data = builtin_dataset(24, 0, 16);
  ImageClassifier classifier = some_classifier(data, true);
  const std::string bytes = bytes_of(classifier, folder.path / "c.safetensors");
  const Predictor predictor = Predictor::from_memory(view(bytes));
  std::atomic<int> same{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&, t, copy = predictor] {
      const Predictor& asked = t % 2 == 0 ? predictor : copy;
      for (Index i = 0; i < data.train.count; ++i)
        same += asked.classify(view(data.train, i)).probabilities == expected(classifier, data.train, i);
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(same == 6 * data.train.count);
}

TEST_CASE("predictor: what it is given wrongly it says in one line") {
  const files::Folder folder;
  const Dataset data = builtin_dataset(24, 0, 16);
  ImageClassifier classifier = some_classifier(data, false);
  std::string bytes = bytes_of(classifier, folder.path / "c.safetensors");
  const Predictor predictor = Predictor::from_memory(view(bytes));
  const std::uint8_t* const pixels = data.train.image(0);
  CHECK_THROWS_WITH(predictor.classify({nullptr, 16, 16, 3}), ContainsSubstring("null pointer"));
  CHECK_THROWS_WITH(predictor.classify({pixels, 0, 16, 3}), ContainsSubstring("0 x 16 x 3"));
  CHECK_THROWS_WITH(predictor.classify({pixels, 16, -1, 3}), ContainsSubstring("16 x -1 x 3"));
  CHECK_THROWS_WITH(predictor.classify({pixels, 16, 8, 4}), ContainsSubstring("expected 1 or 3"));
  CHECK_THROWS_AS(predictor.classify({pixels, 16, 8, 4}), std::invalid_argument);

  const auto refusal = [](const std::string& file) {
    return errors::refusal_of([&] { return Predictor::from_memory(view(file), "the app's weights"); });
  };
  CHECK_THAT(refusal(""), ContainsSubstring("the app's weights: 0 bytes, too short"));
  CHECK_THAT(refusal(bytes.substr(0, bytes.size() - 4)), ContainsSubstring("the app's weights: "));
  std::string flipped = bytes;
  flipped[flipped.size() - 100] ^= 1;
  CHECK_THAT(refusal(flipped), ContainsSubstring("damaged"));
  CHECK_THAT(refusal("PK\x03\x04 and so on"), ContainsSubstring("zip file"));
  CHECK_THAT(errors::refusal_of([] { return Predictor::load("nowhere.safetensors"); }),
             ContainsSubstring("nowhere.safetensors: no such file"));

  for (NamedParameter<float>& p : classifier.parameters())
    if (p.name == "head.output.weight")
      for (float& x : p.variable.mutable_value()) x = std::numeric_limits<float>::max();
  bytes = bytes_of(classifier, folder.path / "c.safetensors");
  const Predictor huge = Predictor::from_memory(view(bytes));
  CHECK_THAT(errors::refusal_of([&] { return huge.classify(view(data.train, 0)); }),
             ContainsSubstring("the weights give no number"));
}
