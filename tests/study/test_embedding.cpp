// SPDX-License-Identifier: MIT
// What the report shows of encoders, against values computed independently, and from the files of a run.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <vector>

#include "contexture/models/resnet.hpp"
#include "contexture/report/files.hpp"
#include "contexture/study/embedding_of_run.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

// Class 0 is noise on dark images, class 1 on bright ones; classes alternate.
ImageSet two_classes(Index count) {
  ImageSet set{count, 8, 8, 3, {}, {}};
  Rng rng(3);
  for (Index i = 0; i < count; ++i) {
    set.labels.push_back(static_cast<std::int32_t>(i % 2));
    for (Index p = 0; p < set.image_bytes(); ++p)
      set.pixels.push_back(static_cast<std::uint8_t>((i % 2 == 0 ? 10 : 200) + rng.below(30)));
  }
  return set;
}

const Normalization kNormalization{{0.5F, 0.5F, 0.5F}, {0.25F, 0.25F, 0.25F}};

}  // namespace

TEST_CASE("embedding_view: neighbours and map", "[train]") {
  const ImageSet set = two_classes(30);
  std::vector<NamedEncoder> encoders;
  encoders.push_back({"a", make_backbone<float>({.in_channels = 3, .width = 4, .stages = 2}, Rng(1)), kNormalization});
  encoders.push_back({"b", make_backbone<float>({.in_channels = 3, .width = 8, .stages = 1}, Rng(2)), kNormalization});
  const EmbeddingView view = embedding_view(encoders, set, {.queries = 5, .neighbours = 4, .mapped = 10});
  CHECK(view.queries == std::vector<std::int64_t>{0, 1, 2, 3, 4});
  REQUIRE(view.mapped.size() == 10);
  CHECK(std::adjacent_find(view.mapped.begin(), view.mapped.end(), std::greater_equal<>()) == view.mapped.end());
  CHECK(view.mapped.front() >= 0);
  CHECK(view.mapped.back() < 30);
  // Both classes, which take turns in the set, are on the map.
  CHECK(std::any_of(view.mapped.begin(), view.mapped.end(), [](std::int64_t i) { return i % 2 == 0; }));
  CHECK(std::any_of(view.mapped.begin(), view.mapped.end(), [](std::int64_t i) { return i % 2 == 1; }));
  CHECK(view.neighbours == 4);
  REQUIRE(view.encoders.size() == 2);
  CHECK(view.encoders[1].name == "b");
  std::vector<Index> all;
  for (Index i = 0; i < 30; ++i) all.push_back(i);
  for (std::size_t e = 0; e < 2; ++e) {
    const EncoderView& v = view.encoders[e];
    const Tensor<float> features = stage_features(*encoders[e].encoder, set, all, kNormalization).back();
    const std::size_t f = features.shape()[1];
    REQUIRE(v.neighbours.size() == 20);
    for (std::size_t q = 0; q < 5; ++q) {
      const auto cosine = [&](std::size_t i) {
        double ab = 0, aa = 0, bb = 0;
        for (std::size_t j = 0; j < f; ++j) {
          const auto a = static_cast<double>(features(q, j)), b = static_cast<double>(features(i, j));
          ab += a * b;
          aa += a * a;
          bb += b * b;
        }
        return ab / std::sqrt(aa * bb);
      };
      std::vector<double> best;
      for (std::size_t i = 0; i < 30; ++i)
        if (i != q) best.push_back(cosine(i));
      std::sort(best.rbegin(), best.rend());
      for (std::size_t k = 0; k < 4; ++k) {
        const auto found = static_cast<std::size_t>(v.neighbours[q * 4 + k]);
        CHECK(found != q);
        CHECK(cosine(found) == Approx(best[k]).margin(1e-5));
      }
    }
    CHECK(v.neighbour_precision >= 0.5);
    CHECK(v.neighbour_precision <= 1);
    REQUIRE(v.x.size() == 10);
    double mean = 0;
    for (const float x : v.x) mean += static_cast<double>(x) / 10;
    CHECK(mean == Approx(0).margin(1e-4));
    CHECK(v.variance_shares[0] >= v.variance_shares[1]);
    CHECK(v.variance_shares[0] + v.variance_shares[1] <= 1 + 1e-9);
    // The two kinds of images are the first component.
    for (std::size_t i = 0; i < 10; ++i) {
      const bool same_side = (v.x[i] > 0) == (v.x[0] > 0);
      CHECK(same_side == (view.mapped[i] % 2 == view.mapped[0] % 2));
    }
  }
  ImageSet one = two_classes(1);
  CHECK_THROWS_AS(embedding_view(encoders, one), std::invalid_argument);
  one = two_classes(3);
  one.labels.clear();  // unlabelled, and fewer images than asked for
  const EmbeddingView few = embedding_view(encoders, one);
  CHECK(few.queries.size() == 3);
  CHECK(few.neighbours == 2);
  CHECK(few.mapped.size() == 3);
}

TEST_CASE("embedding_of_run: from the files of a run", "[train]") {
  const report::detail::TemporaryFolder folder;
  Dataset data;
  data.train = two_classes(40);
  data.test = two_classes(12);
  data.class_names = {"dark", "bright"};
  ExperimentConfig config;
  config.fractions = {0.5, 1};
  CHECK_FALSE(embedding_of_run(config, data, folder.path()));
  const BackboneDescription options{.in_channels = 3, .width = 4};
  ResNet<float> encoder(options, Rng(9));
  save(encoder, folder.path() / "encoder.safetensors", backbone_metadata(options));
  const auto two = embedding_of_run(config, data, folder.path());
  REQUIRE(two);
  REQUIRE(two->encoders.size() == 2);
  CHECK(two->encoders[1].name == "pre-trained, no labels");
  // Each is told by where its images lie on the map.
  const auto map_of = [&](const auto& network) {
    auto same = make_backbone<float>(options, Rng());
    same->copy_state(network);
    std::vector<NamedEncoder> one;
    one.push_back({"", std::move(same), channel_statistics(data.train, numbered(data.train.count))});
    return embedding_view(one, data.test).encoders[0].x;
  };
  CHECK(two->encoders[1].x == map_of(encoder));
  // Random weights are those that training begins from.
  CHECK(two->encoders[0].x !=
        map_of(ResNet<float>(options, Rng(config.seed).split("initialisation").split("encoder"))));  // other statistics
  const auto random =
      random_encoder(options, data.train, channel_statistics(data.train, numbered(data.train.count)), config.seed);
  CHECK(two->encoders[0].x == map_of(*random));
  ImageClassifier classifier({8, 8, options, data.class_names, kNormalization}, Rng(5));
  classifier.save(folder.path() / "classifier_100_scratch.safetensors");
  const auto three = embedding_of_run(config, data, folder.path());
  REQUIRE(three->encoders.size() == 3);
  CHECK(three->encoders[1].name == "trained with 100 % of the labels");
  CHECK(three->encoders[1].x != three->encoders[2].x);
  CHECK(three->encoders[2].x == two->encoders[1].x);
  // In the precision of the run.
  config.precision = Precision::bfloat16;
  const auto reduced = embedding_of_run(config, data, folder.path());
  REQUIRE(reduced->encoders.size() == 3);
  CHECK(reduced->encoders[1].x != three->encoders[1].x);
  CHECK(active_precision() == Precision::float32);
  // Either kind of file gives its encoder, and says what it is.
  CHECK(read_encoder(folder.path() / "encoder.safetensors").kind == "encoder");
  const EncoderFile labelled = read_encoder(folder.path() / "classifier_100_scratch.safetensors");
  CHECK(labelled.kind == "classifier");
  REQUIRE(labelled.images.has_normalization());
  CHECK(labelled.images.normalization.stddev == kNormalization.stddev);
  CHECK_THROWS_AS(read_encoder(folder.path() / "nothing.safetensors"), InputError);
}
