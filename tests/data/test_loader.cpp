// Batches: statistics, normalisation, augmentation against a plain definition, order of the images,
// and the background thread.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <stdexcept>

#include "contexture/data/loader.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

ImageSet random_set(Index count, Index height, Index width, Index channels) {
  ImageSet set;
  set.count = count;
  set.height = height;
  set.width = width;
  set.channels = channels;
  Rng rng(17);
  for (Index i = 0; i < count * set.image_bytes(); ++i) set.pixels.push_back(static_cast<std::uint8_t>(rng.below(256)));
  for (Index i = 0; i < count; ++i) set.labels.push_back(static_cast<std::int32_t>(i % 3));
  return set;
}

const Normalization kPlain1 = {{0.0F}, {1.0F}};

}  // namespace

TEST_CASE("channel statistics are those of the chosen images") {
  const ImageSet set = random_set(40, 5, 7, 3);
  const std::vector<Index> chosen = {3, 8, 9, 21, 39};
  const Normalization n = channel_statistics(set, chosen);
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0;
    double square = 0;
    double count = 0;
    for (const Index i : chosen) {
      for (Index p = 0; p < 35; ++p) {
        const double v = set.image(i)[p * 3 + static_cast<Index>(c)] / 255.0;
        sum += v;
        square += v * v;
        ++count;
      }
    }
    CHECK(n.mean[c] == Approx(sum / count));
    CHECK(n.stddev[c] == Approx(std::sqrt(square / count - sum / count * sum / count)));
  }
  ImageSet flat = set;
  std::fill(flat.pixels.begin(), flat.pixels.end(), std::uint8_t{51});
  const Normalization constant = channel_statistics(flat, chosen);
  CHECK(constant.mean[0] == Approx(0.2));
  CHECK(constant.stddev[0] == Approx(1.0 / 255));
  CHECK_THROWS_AS(channel_statistics(set, {}), std::invalid_argument);
  CHECK_THROWS_AS(channel_statistics(set, std::vector<Index>{40}), std::invalid_argument);
}

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

TEST_CASE("every epoch is a permutation of the images, whatever the batch") {
  const auto n = GENERATE(1, 2, 3, 7, 16, 17, 100);
  const auto size = GENERATE(1, 3, 16, 150);
  std::vector<Index> indices;
  for (Index i = 0; i < n; ++i) indices.push_back(1000 + 3 * i);
  const EpochSampler sampler(indices, size, Rng(5));
  CHECK(sampler.steps_per_epoch() == (n + size - 1) / size);
  std::vector<Index> drawn;
  std::int64_t step = 0;
  while (static_cast<Index>(drawn.size()) < 4 * n) {
    const auto batch = sampler.batch(step++);
    REQUIRE(static_cast<Index>(batch.size()) == size);
    drawn.insert(drawn.end(), batch.begin(), batch.end());
  }
  for (Index epoch = 0; epoch < 4; ++epoch) {
    std::vector<Index> one(drawn.begin() + epoch * n, drawn.begin() + (epoch + 1) * n);
    std::sort(one.begin(), one.end());
    REQUIRE(one == indices);
  }
}

TEST_CASE("a batch is a pure function of seed and step") {
  std::vector<Index> indices(1000);
  std::iota(indices.begin(), indices.end(), 0);
  const EpochSampler a(indices, 32, Rng(5));
  const EpochSampler b(indices, 32, Rng(5));
  const EpochSampler c(indices, 32, Rng(6));
  const auto late = a.batch(1'000'000);
  (void)b.batch(3);
  CHECK(b.batch(1'000'000) == late);
  CHECK(c.batch(1'000'000) != late);
  CHECK(a.batch(0) != a.batch(1));
}

TEST_CASE("the order of the images is close to uniform") {
  // Each of 11 images at each of 11 places over many epochs: chi-square with 100 degrees of freedom.
  std::vector<Index> indices(11);
  std::iota(indices.begin(), indices.end(), 0);
  const EpochSampler sampler(indices, 11, Rng(2));
  constexpr int kEpochs = 11'000;
  std::vector<double> count(121, 0.0);
  std::vector<double> follows(121, 0.0);
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const auto order = sampler.batch(epoch);
    for (std::size_t place = 0; place < 11; ++place) ++count[place * 11 + static_cast<std::size_t>(order[place])];
    for (std::size_t place = 1; place < 11; ++place) {
      ++follows[static_cast<std::size_t>(order[place - 1] * 11 + order[place])];
    }
  }
  double places = 0;
  for (const double c : count) places += (c - 1000.0) * (c - 1000.0) / 1000.0;
  double neighbours = 0;
  for (std::size_t i = 0; i < 121; ++i) {
    if (i / 11 != i % 11) neighbours += (follows[i] - 1000.0) * (follows[i] - 1000.0) / 1000.0;
  }
  CHECK(places < 150.0);      // 100 expected, standard deviation 14
  CHECK(neighbours < 170.0);  // about 110 expected
}

TEST_CASE("EpochSampler refuses empty sets and batches") {
  CHECK_THROWS_AS(EpochSampler({}, 4, Rng(1)), std::invalid_argument);
  CHECK_THROWS_AS(EpochSampler({1}, 0, Rng(1)), std::invalid_argument);
  CHECK_THROWS_AS(EpochSampler({1}, 1, Rng(1)).batch(-1), std::invalid_argument);
}

TEST_CASE("the prefetcher hands out all steps in order") {
  const auto depth = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{7});
  Prefetcher<std::unique_ptr<std::int64_t>> prefetcher(
      5, 105, [](std::int64_t step) { return std::make_unique<std::int64_t>(step * step); }, depth);
  for (std::int64_t step = 5; step < 105; ++step) {
    REQUIRE(prefetcher.remaining() == 105 - step);
    REQUIRE(*prefetcher.next() == step * step);
  }
  CHECK_THROWS_AS(prefetcher.next(), std::logic_error);
}

TEST_CASE("the prefetcher works ahead, but no further than its depth") {
  std::atomic<int> made{0};
  Prefetcher<int> prefetcher(
      0, 100, [&](std::int64_t step) { return ++made, static_cast<int>(step); }, 3);
  for (int tries = 0; made < 3 && tries < 5000; ++tries) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(made == 3);
  CHECK(prefetcher.next() == 0);
  for (int tries = 0; made < 4 && tries < 5000; ++tries) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(made == 4);
}

TEST_CASE("the prefetcher forwards an exception in its place") {
  Prefetcher<int> prefetcher(0, 10, [](std::int64_t step) {
    if (step == 3) throw std::runtime_error("third");
    return static_cast<int>(step);
  });
  for (int i = 0; i < 3; ++i) CHECK(prefetcher.next() == i);
  CHECK_THROWS_WITH(prefetcher.next(), "third");
  CHECK_THROWS_WITH(prefetcher.next(), "third");
}

TEST_CASE("a prefetcher can be destroyed at any time") {
  for (int taken = 0; taken < 6; ++taken) {
    Prefetcher<std::vector<int>> prefetcher(
        0, 1'000'000, [](std::int64_t) { return std::vector<int>(100); }, 2);
    for (int i = 0; i < taken; ++i) (void)prefetcher.next();
  }
  Prefetcher<int> nothing(4, 4, [](std::int64_t) { return 1; });
  CHECK_THROWS_AS(nothing.next(), std::logic_error);
  CHECK_THROWS_AS(Prefetcher<int>(4, 3, [](std::int64_t) { return 1; }), std::invalid_argument);
  CHECK_THROWS_AS(Prefetcher<int>(
                      0, 3, [](std::int64_t) { return 1; }, 0),
                  std::invalid_argument);
  CHECK_THROWS_AS(Prefetcher<int>(0, 3, nullptr), std::invalid_argument);
}

TEST_CASE("prefetched batches are those made in place") {
  const ImageSet set = random_set(50, 8, 8, 3);
  std::vector<Index> indices(50);
  std::iota(indices.begin(), indices.end(), 0);
  const Normalization n = channel_statistics(set, indices);
  const EpochSampler sampler(indices, 8, Rng(1));
  const Augmentation augmentation{};
  const Rng rng(2);
  const auto make = [&](std::int64_t step) {
    Batch batch;
    make_batch(set, sampler.batch(step), n, &augmentation, rng.split(static_cast<std::uint64_t>(step)), batch);
    return batch;
  };
  Prefetcher<Batch> prefetcher(10, 20, make);  // as after a resume
  for (std::int64_t step = 10; step < 20; ++step) {
    const Batch ahead = prefetcher.next();
    const Batch now = make(step);
    REQUIRE(ahead.indices == now.indices);
    REQUIRE(std::equal(now.images.data(), now.images.data() + now.images.size(), ahead.images.data()));
  }
}
