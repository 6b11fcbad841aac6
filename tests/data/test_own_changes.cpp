// SPDX-License-Identifier: MIT
// Changes of one's own to training images: composed, drawn, and in a batch.
#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "contexture/data/batch.hpp"
#include "data/random_set.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

ImageChange add_of(int number) {
  return [number](const PixelView& image, Rng&) {
    for (Index i = 0; i < image.bytes(); ++i) image.pixels[i] = static_cast<std::uint8_t>(image.pixels[i] + number);
  };
}
ImageChange times_of(int number) {
  return [number](const PixelView& image, Rng&) {
    for (Index i = 0; i < image.bytes(); ++i) image.pixels[i] = static_cast<std::uint8_t>(image.pixels[i] * number);
  };
}

std::vector<std::uint8_t> after(const ImageChange& change, std::vector<std::uint8_t> pixels, std::uint64_t seed = 1) {
  Rng rng(seed);
  change({pixels.data(), 1, std::ssize(pixels) / 3, 3}, rng);
  return pixels;
}

std::vector<float> batch_of(const ImageSet& set, const Augmentation& augmentation, const BatchIndices& indices) {
  Batch batch;
  const Normalization plain{{0, 0, 0}, {1, 1, 1}};
  make_batch(set, indices, plain, &augmentation, Rng(5), batch);
  return {batch.images.data(), batch.images.data() + batch.images.size()};
}

}  // namespace

TEST_CASE("changes of an image, one after the other and now and then") {
  const std::vector<std::uint8_t> pixels = {1, 2, 3, 10, 20, 30};
  CHECK(after(compose({add_of(1), times_of(2)}), pixels) == std::vector<std::uint8_t>{4, 6, 8, 22, 42, 62});
  CHECK(after(compose({times_of(2), add_of(1)}), pixels) == std::vector<std::uint8_t>{3, 5, 7, 21, 41, 61});
  CHECK(after(compose({}), pixels) == pixels);
  CHECK(after(sometimes(0, add_of(1)), pixels) == pixels);
  CHECK(after(sometimes(1, add_of(1)), pixels) == after(add_of(1), pixels));
  int changed = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed)
    changed += after(sometimes(0.25F, add_of(1)), pixels, seed) != pixels;
  CHECK(changed > 70);
  CHECK(changed < 130);
  CHECK_THROWS_AS(compose({add_of(1), {}}), std::invalid_argument);
  CHECK_THROWS_AS(sometimes(0.5F, {}), std::invalid_argument);
  CHECK_THROWS_AS(sometimes(1.5F, add_of(1)), std::invalid_argument);
  CHECK_THROWS_AS(random_change(RandAugmentOp::rotate, -0.1F), std::invalid_argument);
}

TEST_CASE("colours jitter by factors within their bounds, the same by the same stream") {
  const std::vector<std::uint8_t> grey(30, 100);  // contrast and colour leave a flat grey as it is
  std::uint8_t least = 255, most = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const std::vector<std::uint8_t> out = after(colour_jitter(0.3F), grey, seed);
    REQUIRE(std::count(out.begin(), out.end(), out[0]) == 30);
    least = std::min(least, out[0]);
    most = std::max(most, out[0]);
    REQUIRE(out == after(colour_jitter(0.3F), grey, seed));
  }
  CHECK(least >= 69);
  CHECK(least < 75);
  CHECK(most <= 131);
  CHECK(most > 125);
  CHECK(after(colour_jitter(0), {1, 2, 3, 200, 100, 50}) == std::vector<std::uint8_t>{1, 2, 3, 200, 100, 50});
  CHECK_THROWS_AS(colour_jitter(1), std::invalid_argument);
}

TEST_CASE("a batch's images are changed before they are cropped, whichever part of it is made") {
  const ImageSet set = random_images::random_set(6, 5, 4, 3);
  const std::vector<Index> all = {3, 0, 5, 1};
  ImageSet changed = set;
  for (Index i = 0; i < changed.count * changed.image_bytes(); ++i)
    changed.pixels[static_cast<std::size_t>(i)] =
        static_cast<std::uint8_t>(changed.pixels[static_cast<std::size_t>(i)] + 9);
  const Augmentation usual{.crop_padding = 2};
  const Augmentation own{.crop_padding = 2, .own = add_of(9)};
  CHECK(batch_of(set, own, all) == batch_of(changed, usual, all));
  CHECK_FALSE(batch_of(set, own, all) == batch_of(set, usual, all));
  // What is drawn is of an image's own stream: a part of a batch is as in the whole, and crops stay where they were.
  const Augmentation drawn{.crop_padding = 2, .own = colour_jitter(0.5F)};
  const std::vector<float> whole = batch_of(set, drawn, all),
                           part = batch_of(set, drawn, BatchIndices(all, Part{1, 2}));
  REQUIRE(2 * part.size() == whole.size());
  CHECK(std::equal(part.begin(), part.end(), whole.begin() + std::ssize(part)));
  const Augmentation nothing{.crop_padding = 2, .own = [](const PixelView&, Rng& rng) { (void)rng.uniform(); }};
  CHECK(batch_of(set, nothing, all) == batch_of(set, usual, all));
}
