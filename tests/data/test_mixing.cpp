// SPDX-License-Identifier: MIT
// CutMix and Mixup: what is mixed is what the targets say, in whole batches and in parts of them.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "contexture/data/batch.hpp"
#include "contexture/data/split.hpp"
#include "data/random_set.hpp"
#include "support/catch.hpp"

using namespace contexture;
using random_images::random_set;

namespace {

// Image i is of value i + 1 all over, and of label i.
ImageSet flat_images(Index count, Index side, Index channels) {
  ImageSet set{count, side, side, channels, {}, {}};
  for (Index i = 0; i < count; ++i) {
    set.pixels.insert(set.pixels.end(), static_cast<std::size_t>(set.image_bytes()), static_cast<std::uint8_t>(i + 1));
    set.labels.push_back(static_cast<std::int32_t>(i));
  }
  return set;
}

Normalization bytes_as_they_are(Index channels) {
  const auto n = static_cast<std::size_t>(channels);
  return {std::vector<float>(n, 0.0F), std::vector<float>(n, 1.0F / 255.0F)};
}

Batch mixed(const ImageSet& set, const BatchIndices& indices, const MixingOptions& mixing, std::uint64_t seed = 1) {
  const Augmentation augmentation{.crop_padding = 0, .flip = false, .mixing = mixing};
  Batch batch;
  make_batch(set, indices, bytes_as_they_are(set.channels), &augmentation, Rng(seed), batch);
  return batch;
}

}  // namespace

TEST_CASE("CutMix: the own share is the area that stays, the rectangle is the partner's") {
  const Index channels = GENERATE(1, 3), side = GENERATE(1, 7, 16);
  const ImageSet set = flat_images(40, side, channels);
  const Batch batch = mixed(set, numbered(40), {.cutmix = 1});
  double sum = 0;
  for (std::size_t k = 0; k < 40; ++k) {
    CHECK(batch.partners[k] == static_cast<Index>(39 - k));
    CHECK(batch.partner_labels[k] == static_cast<std::int32_t>(39 - k));
    const float* const image = batch.images.data() + static_cast<Index>(k) * set.image_bytes();
    Index own = 0, other = 0, top = side, bottom = -1, left = side, right = -1;
    for (Index i = 0; i < side * side; ++i)
      for (Index c = 0; c < channels; ++c) {
        const auto value = std::lround(image[i * channels + c]);
        REQUIRE((value == static_cast<long>(k + 1) || value == static_cast<long>(40 - k)));
        const bool mine = value == static_cast<long>(k + 1);
        ++(mine ? own : other);
        if (mine) continue;
        top = std::min(top, i / side);
        bottom = std::max(bottom, i / side);
        left = std::min(left, i % side);
        right = std::max(right, i % side);
      }
    CHECK(batch.own[k] == Approx(static_cast<double>(own) / static_cast<double>(own + other)).margin(1e-6));
    if (other > 0) CHECK(other == (bottom - top + 1) * (right - left + 1) * channels);  // all of the rectangle
    sum += static_cast<double>(batch.own[k]);
  }
  if (side == 16) CHECK((sum / 40 > 0.45 && sum / 40 < 0.85));
}

TEST_CASE("Mixup: the image is the weighted mean, and so is the target") {
  const ImageSet set = flat_images(30, 4, 1);
  const Batch batch = mixed(set, numbered(30), {.mixup = 1, .mixup_alpha = 1});
  for (std::size_t k = 0; k < 30; ++k) {
    const double expected = static_cast<double>(batch.own[k]) * static_cast<double>(k + 1) +
                            (1 - static_cast<double>(batch.own[k])) * static_cast<double>(30 - k);
    for (Index i = 0; i < 16; ++i)
      CHECK(batch.images.data()[static_cast<Index>(k) * 16 + i] == Approx(expected).epsilon(1e-4));
  }
  CHECK(*std::max_element(batch.own.begin(), batch.own.end()) - *std::min_element(batch.own.begin(), batch.own.end()) >
        0.5F);
}

TEST_CASE("mixed targets: every row sums to 1, with the shares at both labels, added up where they are the same") {
  const ImageSet set = random_set(20, 6, 6, 3);
  const Batch batch = mixed(set, numbered(20), {.cutmix = 0.5F, .mixup = 0.5F});
  const Tensor<float> targets = mixed_targets(batch, 10);
  for (std::size_t k = 0; k < 20; ++k) {
    double sum = 0;
    for (std::size_t c = 0; c < 10; ++c) sum += static_cast<double>(targets(k, c));
    CHECK(sum == Approx(1));
    const auto own = static_cast<std::size_t>(batch.labels[k]),
               other = static_cast<std::size_t>(batch.partner_labels[k]);
    CHECK(targets(k, own) == Approx(own == other ? 1 : batch.own[k]).margin(1e-6));
  }
  CHECK_THROWS_AS(mixed_targets(batch, 1), std::invalid_argument);
  Batch plain = batch;
  plain.own.clear();
  CHECK_THROWS_AS(mixed_targets(plain, 10), std::invalid_argument);
}

TEST_CASE("mixing: shares of the images are mixed, a batch of one stays, batches are a function of the stream") {
  const ImageSet set = random_set(200, 8, 8, 1);
  const Batch batch = mixed(set, numbered(200), {.cutmix = 0.25F});
  const auto whole = std::count(batch.own.begin(), batch.own.end(), 1.0F);
  CHECK((whole > 120 && whole < 180));
  const Batch again = mixed(set, numbered(200), {.cutmix = 0.25F}),
              other = mixed(set, numbered(200), {.cutmix = 0.25F}, 2);
  CHECK(batch.own == again.own);
  CHECK(batch.own != other.own);
  CHECK(std::equal(batch.images.begin(), batch.images.end(), again.images.begin()));

  const Batch one = mixed(set, std::vector<Index>{7}, {.mixup = 1});
  for (Index i = 0; i < 64; ++i)
    CHECK(one.images.data()[i] == Approx(static_cast<double>(set.image(7)[i])).margin(1e-3));
  CHECK(one.partners == std::vector<Index>{7});
  CHECK(mixed(set, numbered(5), {}).own.empty());
}

TEST_CASE("mixing: the parts of a batch are what the whole is, with all that is random") {
  const ImageSet set = random_set(23, 10, 10, 3);
  const std::vector<Index> indices = numbered(23);
  const Augmentation augmentation{
      .crop_padding = 2, .rand_augment = {.operations = 2}, .mixing = {.cutmix = 0.5F, .mixup = 0.5F}};
  const Normalization n = bytes_as_they_are(3);
  Batch whole;
  make_batch(set, indices, n, &augmentation, Rng(8), whole);
  std::size_t at = 0;
  for (std::int64_t p = 0; p < 3; ++p) {
    Batch part;
    make_batch(set, BatchIndices(indices, Part{p, 3}), n, &augmentation, Rng(8), part);
    CHECK(std::equal(part.images.begin(), part.images.end(),
                     whole.images.begin() + static_cast<std::ptrdiff_t>(at * 300)));
    for (std::size_t k = 0; k < part.own.size(); ++k, ++at) {
      CHECK(part.own[k] == whole.own[at]);
      CHECK(part.partners[k] == whole.partners[at]);
      CHECK(part.partner_labels[k] == whole.partner_labels[at]);
    }
  }
  CHECK(at == 23);
}

TEST_CASE("a batch of two sets: the second set's images are numbered behind the first's, without labels") {
  const ImageSet set = random_set(5, 4, 4, 1);
  ImageSet more = random_set(3, 4, 4, 1);
  more.pixels.assign(more.pixels.size(), 200);
  Batch batch;
  make_batch({set, &more}, std::vector<Index>{4, 5, 7}, bytes_as_they_are(1), nullptr, Rng(1), batch);
  CHECK(batch.labels == std::vector<std::int32_t>{set.labels[4], -1, -1});
  CHECK(batch.images.data()[16] == Approx(200));
  CHECK(batch.images.data()[0] == Approx(static_cast<double>(set.image(4)[0])));
  CHECK_THROWS_AS(make_batch({set, &more}, std::vector<Index>{8}, bytes_as_they_are(1), nullptr, Rng(1), batch),
                  std::invalid_argument);
  const ImageSet larger = random_set(3, 5, 4, 1);
  CHECK_THROWS_AS(make_batch({set, &larger}, std::vector<Index>{0}, bytes_as_they_are(1), nullptr, Rng(1), batch),
                  std::invalid_argument);
}

TEST_CASE("mixing: shares and alphas that make no sense are refused") {
  const ImageSet set = random_set(4, 4, 4, 1);
  for (const MixingOptions& o :
       {MixingOptions{.cutmix = -0.1F}, MixingOptions{.cutmix = 0.6F, .mixup = 0.6F},
        MixingOptions{.mixup = 1, .mixup_alpha = 0}, MixingOptions{.cutmix = 1, .cutmix_alpha = 2}})
    CHECK_THROWS_AS(mixed(set, numbered(4), o), std::invalid_argument);
}
