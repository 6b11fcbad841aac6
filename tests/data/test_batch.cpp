// SPDX-License-Identifier: MIT
// Batches: normalisation, and augmentation against a plain definition.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <vector>

#include "contexture/data/batch.hpp"
#include "data/random_set.hpp"
#include "support/catch.hpp"

using namespace contexture;
using random_images::random_set;

namespace {

const Normalization kPlain1 = {{0.0F}, {1.0F}};

}  // namespace

TEST_CASE("a batch without augmentation is the normalised images") {
  const ImageSet set = random_set(6, 4, 5, 3);
  const Normalization n = {{0.1F, 0.2F, 0.3F}, {0.5F, 0.25F, 2.0F}};
  Batch batch;
  const std::vector<Index> indices = {5, 0, 5};
  make_batch(set, indices, n, nullptr, Rng(1), batch);
  CHECK(batch.images.shape() == Shape{3, 4, 5, 3});
  CHECK(batch.indices == indices);
  CHECK(batch.labels == std::vector<std::int32_t>{2, 0, 2});
  for (std::size_t k = 0; k < 3; ++k) {
    for (std::size_t j = 0; j < 60; ++j) {
      const float v = static_cast<float>(set.image(indices[k])[j]) / 255.0F;
      REQUIRE(batch.images.data()[k * 60 + j] == Approx((v - n.mean[j % 3]) / n.stddev[j % 3]).margin(1e-5));
    }
  }
  ImageSet unlabeled = set;
  unlabeled.labels.clear();
  make_batch(unlabeled, indices, n, nullptr, Rng(1), batch);
  CHECK(batch.labels.empty());
}

TEST_CASE("a random crop is one of the shifts of the padded image, mirrored or not") {
  const Index channels = GENERATE(1, 3, 4);
  const ImageSet set = random_set(1, 5, 6, channels);
  const Normalization plain = {std::vector<float>(static_cast<std::size_t>(channels), 0.0F),
                               std::vector<float>(static_cast<std::size_t>(channels), 1.0F)};
  const auto border = GENERATE(Augmentation::Border::kReflect, Augmentation::Border::kZero);
  const Augmentation augmentation{.crop_padding = 2, .flip = true, .border = border};
  const auto padded = [&](Index y, Index x, Index c) -> float {
    if (border == Augmentation::Border::kZero && (y < 0 || y >= 5 || x < 0 || x >= 6)) return 0;
    y = y < 0 ? -y : (y >= 5 ? 8 - y : y);
    x = x < 0 ? -x : (x >= 6 ? 10 - x : x);
    return static_cast<float>(set.pixels[static_cast<std::size_t>((y * 6 + x) * channels + c)]) / 255.0F;
  };
  std::map<int, int> seen;
  const std::vector<Index> indices(400, 0);
  Batch batch;
  make_batch(set, indices, plain, &augmentation, Rng(4), batch);
  for (std::size_t k = 0; k < indices.size(); ++k) {
    const float* image = batch.images.data() + static_cast<Index>(k) * 30 * channels;
    int matches = 0;
    for (int variant = 0; variant < 50; ++variant) {
      const Index dy = variant / 10 - 2;
      const Index dx = variant / 2 % 5 - 2;
      bool same = true;
      for (Index i = 0; i < 30 * channels && same; ++i) {
        const Index x = i / channels % 6;
        const float expected = padded(i / channels / 6 + dy, (variant % 2 == 1 ? 5 - x : x) + dx, i % channels);
        same = std::abs(image[i] - expected) < 1e-5F;
      }
      if (same) {
        ++matches;
        ++seen[variant];
      }
    }
    REQUIRE(matches == 1);
  }
  CHECK(seen.size() == 50);  // 400 draws of 50 variants: for this seed none is missing
}

TEST_CASE("half of the images are mirrored, and every shift is as frequent as any other") {
  const ImageSet set{1, 1, 2, 1, {0, 255}, {}};
  constexpr std::size_t kCount = 20'000;  // the standard deviation of a share of one half is 0.0035
  Batch batch;
  const Augmentation mirroring{.crop_padding = 0, .flip = true};
  make_batch(set, std::vector<Index>(kCount, 0), kPlain1, &mirroring, Rng(4), batch);
  int mirrored = 0;
  for (std::size_t k = 0; k < kCount; ++k) mirrored += batch.images.data()[2 * k] > 0.5F;
  CHECK(mirrored / static_cast<double>(kCount) == Approx(0.5).margin(0.015));

  ImageSet spot{1, 9, 9, 1, std::vector<std::uint8_t>(81, 0), {}};
  spot.pixels[40] = 255;
  const Augmentation shifting{.crop_padding = 2, .flip = false, .border = Augmentation::Border::kZero};
  make_batch(spot, std::vector<Index>(kCount, 0), kPlain1, &shifting, Rng(4), batch);
  std::map<std::ptrdiff_t, int> places;
  for (std::size_t k = 0; k < kCount; ++k) {
    const float* image = batch.images.data() + 81 * k;
    ++places[std::max_element(image, image + 81) - image];
  }
  CHECK(places.size() == 25);
  for (const auto& [place, count] : places) CHECK(count == Approx(kCount / 25.0).margin(150));  // 28 is one deviation
}

TEST_CASE("augmentation of an image depends on its place in the batch and the stream only") {
  const ImageSet set = random_set(10, 8, 8, 3);
  const Normalization n = {{0, 0, 0}, {1, 1, 1}};
  const Augmentation augmentation{};
  Batch a;
  Batch b;
  make_batch(set, std::vector<Index>{1, 2, 3, 4}, n, &augmentation, Rng(4), a);
  make_batch(set, std::vector<Index>{9, 2, 3, 7}, n, &augmentation, Rng(4), b);
  CHECK(std::equal(a.images.data() + 192, a.images.data() + 3 * 192, b.images.data() + 192));
  make_batch(set, std::vector<Index>{1, 2, 3, 4}, n, &augmentation, Rng(5), b);
  CHECK_FALSE(std::equal(a.images.data(), a.images.data() + 4 * 192, b.images.data()));
  make_batch(set, std::vector<Index>{1, 2, 3, 4}, n, &augmentation, Rng(4), b);
  CHECK(std::equal(a.images.data(), a.images.data() + 4 * 192, b.images.data()));
}

TEST_CASE("a padding larger than the image still reflects") {
  const ImageSet set = random_set(1, 3, 1, 1);
  const Augmentation augmentation{.crop_padding = 9, .flip = false};
  Batch batch;
  make_batch(set, std::vector<Index>(50, 0), kPlain1, &augmentation, Rng(4), batch);
  for (const float v : batch.images) {
    const auto byte = static_cast<std::uint8_t>(std::lround(v * 255));
    REQUIRE(std::find(set.pixels.begin(), set.pixels.end(), byte) != set.pixels.end());
  }
}

TEST_CASE("make_batch says what does not fit") {
  const ImageSet set = random_set(2, 4, 4, 3);
  const Normalization n = {{0, 0, 0}, {1, 1, 1}};
  Batch batch;
  CHECK_THROWS_AS(make_batch(set, std::vector<Index>{2}, n, nullptr, Rng(1), batch), std::invalid_argument);
  CHECK_THROWS_AS(make_batch(set, std::vector<Index>{0}, kPlain1, nullptr, Rng(1), batch), std::invalid_argument);
  const Augmentation negative{.crop_padding = -1};
  CHECK_THROWS_AS(make_batch(set, std::vector<Index>{0}, n, &negative, Rng(1), batch), std::invalid_argument);
  const Normalization zero = {{0, 0, 0}, {1, 0, 1}};
  CHECK_THROWS_AS(make_batch(set, std::vector<Index>{0}, zero, nullptr, Rng(1), batch), std::invalid_argument);
  ImageSet broken = set;
  broken.pixels.pop_back();
  CHECK_THROWS_AS(make_batch(broken, std::vector<Index>{0}, n, nullptr, Rng(1), batch), std::invalid_argument);
}

TEST_CASE("mirror_columns turns every row around, pixel by pixel") {
  std::vector<float> two_rows{1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60};  // of three pixels with two channels
  mirror_columns(two_rows.data(), 2, 3, 2);
  CHECK(two_rows == std::vector<float>{5, 6, 3, 4, 1, 2, 50, 60, 30, 40, 10, 20});
}
