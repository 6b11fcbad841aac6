// SPDX-License-Identifier: MIT
// RandAugment: every operation against its formula, written plainly; and that what is drawn is a function of the
// stream alone.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numbers>
#include <set>
#include <vector>

#include "contexture/data/batch.hpp"
#include "contexture/data/rand_augment.hpp"
#include "data/random_set.hpp"
#include "support/catch.hpp"

using namespace contexture;
using random_images::random_set;

namespace {

using Bytes = std::vector<std::uint8_t>;

struct OwnedImage {
  Index height, width, channels;
  Bytes pixels;

  [[nodiscard]] int at(Index y, Index x, Index c) const {
    return pixels[static_cast<std::size_t>((y * width + x) * channels + c)];
  }
};

OwnedImage random_picture(Index height, Index width, Index channels, std::uint64_t seed = 1) {
  Rng rng(seed);
  OwnedImage out{height, width, channels, Bytes(static_cast<std::size_t>(height * width * channels))};
  for (std::uint8_t& p : out.pixels) p = static_cast<std::uint8_t>(rng.between(30, 220));
  return out;
}

OwnedImage after(RandAugmentOp op, float strength, OwnedImage picture) {
  Bytes scratch;
  apply(op, strength, {picture.pixels.data(), picture.height, picture.width, picture.channels}, scratch);
  return picture;
}

// Every pixel is what `expected(y, x, c)` says, before rounding and clamping, up to `most`.
void check(const OwnedImage& result, const std::function<double(Index, Index, Index)>& expected, double most = 0.51) {
  for (Index y = 0; y < result.height; ++y)
    for (Index x = 0; x < result.width; ++x)
      for (Index c = 0; c < result.channels; ++c) {
        CAPTURE(y, x, c);
        REQUIRE(std::abs(result.at(y, x, c) - std::clamp(expected(y, x, c), 0.0, 255.0)) <= most);
      }
}

double grey(const OwnedImage& p, Index y, Index x) {
  double out = 0;
  const std::array<double, 3> weight{0.299, 0.587, 0.114};
  for (Index c = 0; c < p.channels; ++c)
    out +=
        p.at(y, x, c) * (p.channels == 3 ? weight[static_cast<std::size_t>(c)] : 1.0 / static_cast<double>(p.channels));
  return out;
}

Index reflect(Index i, Index n) {
  if (n == 1) return 0;
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
  return i;
}

// The picture at (x, y), between its pixels a bilinear mean, beyond its border mirrored.
double between(const OwnedImage& p, double y, double x, Index c) {
  const auto top = static_cast<Index>(std::floor(y)), left = static_cast<Index>(std::floor(x));
  const double v = y - std::floor(y), u = x - std::floor(x);
  const auto at = [&](Index row, Index column) { return p.at(reflect(row, p.height), reflect(column, p.width), c); };
  return (1 - v) * ((1 - u) * at(top, left) + u * at(top, left + 1)) +
         v * ((1 - u) * at(top + 1, left) + u * at(top + 1, left + 1));
}

}  // namespace

TEST_CASE("RandAugment: brightness, colour and contrast blend with black, the pixel's grey and the mean grey") {
  const Index channels = GENERATE(1, 2, 3, 4);
  const float strength = GENERATE(-1.0F, -0.3F, 0.0F, 0.5F, 1.0F);
  const OwnedImage p = random_picture(5, 7, channels);
  const double f = 1 + 0.9 * static_cast<double>(strength);
  check(after(RandAugmentOp::brightness, strength, p), [&](Index y, Index x, Index c) { return f * p.at(y, x, c); });
  check(
      after(RandAugmentOp::colour, strength, p),
      [&](Index y, Index x, Index c) {
        const double m = channels == 1 ? p.at(y, x, c) : grey(p, y, x);
        return m + f * (p.at(y, x, c) - m);
      },
      1.02);  // the grey is rounded first
  double mean = 0;
  for (Index y = 0; y < 5; ++y)
    for (Index x = 0; x < 7; ++x) mean += grey(p, y, x) / 35;
  check(
      after(RandAugmentOp::contrast, strength, p),
      [&](Index y, Index x, Index c) { return mean + f * (p.at(y, x, c) - mean); }, 1.5);
}

TEST_CASE("RandAugment: sharpness blends with the smoothed image, inside the border") {
  const OwnedImage p = random_picture(6, 5, GENERATE(1, 3));
  const float strength = GENERATE(-1.0F, 0.4F, 1.0F);
  const double f = 1 + 0.9 * static_cast<double>(strength);
  check(
      after(RandAugmentOp::sharpness, strength, p),
      [&](Index y, Index x, Index c) -> double {
        if (y == 0 || x == 0 || y == 5 || x == 4) return p.at(y, x, c);
        double smooth = 0;
        for (Index dy = -1; dy <= 1; ++dy)
          for (Index dx = -1; dx <= 1; ++dx) smooth += p.at(y + dy, x + dx, c) * (dy == 0 && dx == 0 ? 5 : 1) / 13.0;
        return smooth + f * (p.at(y, x, c) - smooth);
      },
      1.0);
}

TEST_CASE("RandAugment: posterize drops low bits, solarize turns bright pixels over") {
  const OwnedImage p = random_picture(4, 4, 3);
  for (const auto& [strength, bits] : {std::pair{0.0F, 0}, {0.3F, 1}, {-0.5F, 2}, {1.0F, 4}})
    check(
        after(RandAugmentOp::posterize, strength, p),
        [&, low = bits](Index y, Index x, Index c) -> double { return p.at(y, x, c) >> low << low; }, 0);
  for (const float strength : {0.0F, 0.4F, -0.4F, 1.0F})
    check(
        after(RandAugmentOp::solarize, strength, p),
        [&](Index y, Index x, Index c) -> double {
          const int v = p.at(y, x, c);
          return static_cast<float>(v) >= 255 * (1 - std::abs(strength)) ? 255 - v : v;
        },
        0);
}

TEST_CASE("RandAugment: auto-contrast stretches, equalize flattens every channel; a flat one stays") {
  OwnedImage p = random_picture(8, 8, 3);
  for (std::size_t i = 2; i < p.pixels.size(); i += 3) p.pixels[i] = 77;
  const auto extreme = [&](Index c, bool most) {
    int out = most ? 0 : 255;
    for (std::size_t i = static_cast<std::size_t>(c); i < p.pixels.size(); i += 3)
      out = most ? std::max<int>(out, p.pixels[i]) : std::min<int>(out, p.pixels[i]);
    return out;
  };
  check(after(RandAugmentOp::auto_contrast, 0.3F, p), [&](Index y, Index x, Index c) -> double {
    const int low = extreme(c, false), high = extreme(c, true);
    return low == high ? p.at(y, x, c) : 255.0 * (p.at(y, x, c) - low) / (high - low);
  });

  // Pillow: a value becomes (pixels below it + step / 2) / step, step = (pixels - those of the largest value) / 255.
  OwnedImage large = random_picture(32, 32, 3, 2);
  for (std::size_t i = 2; i < large.pixels.size(); i += 3) large.pixels[i] = 77;
  check(
      after(RandAugmentOp::equalize, 0.3F, large),
      [&](Index y, Index x, Index c) -> double {
        std::int64_t below = 0, of_largest = 0;
        int largest = 0;
        for (std::size_t i = static_cast<std::size_t>(c); i < large.pixels.size(); i += 3) {
          below += large.pixels[i] < large.at(y, x, c);
          largest = std::max<int>(largest, large.pixels[i]);
        }
        for (std::size_t i = static_cast<std::size_t>(c); i < large.pixels.size(); i += 3)
          of_largest += large.pixels[i] == largest;
        const std::int64_t step = (1024 - of_largest) / 255;
        if (step == 0) return large.at(y, x, c);
        return static_cast<double>((below + step / 2) / step);
      },
      0);
}

TEST_CASE("RandAugment: shears, shifts and turns take each pixel from where the formula says") {
  const OwnedImage p = random_picture(9, 12, GENERATE(1, 3));
  const float strength = GENERATE(-1.0F, 0.25F, 1.0F);
  const double s = strength, my = 4, mx = 5.5;
  const auto moved = [&](RandAugmentOp op, const auto& source) {
    check(
        after(op, strength, p),
        [&](Index y, Index x, Index c) {
          const auto [sy, sx] = source(static_cast<double>(y) - my, static_cast<double>(x) - mx);
          return between(p, sy + my, sx + mx, c);
        },
        2.0);  // places are rounded to 1/256 of a pixel
  };
  moved(RandAugmentOp::shear_x, [&](double y, double x) { return std::pair{y, x + 0.3 * s * y}; });
  moved(RandAugmentOp::shear_y, [&](double y, double x) { return std::pair{y + 0.3 * s * x, x}; });
  moved(RandAugmentOp::translate_x, [&](double y, double x) { return std::pair{y, x + 150.0 / 331 * s * 12}; });
  moved(RandAugmentOp::translate_y, [&](double y, double x) { return std::pair{y + 150.0 / 331 * s * 9, x}; });
  moved(RandAugmentOp::rotate, [&](double y, double x) {
    const double angle = s * std::numbers::pi / 6;
    return std::pair{std::sin(angle) * x + std::cos(angle) * y, std::cos(angle) * x - std::sin(angle) * y};
  });
}

TEST_CASE("RandAugment: strength 0 and identity change nothing; one pixel is enough for all; more than 1 is refused") {
  const OwnedImage p = random_picture(6, 6, 3), one = random_picture(1, 1, GENERATE(1, 3));
  for (std::size_t i = 0; i < kRandAugmentOps.size(); ++i) {
    const auto op = static_cast<RandAugmentOp>(i);
    CAPTURE(kRandAugmentOps[i]);
    if (op < RandAugmentOp::solarize && op != RandAugmentOp::colour) CHECK(after(op, 0, p).pixels == p.pixels);
    CHECK(after(op, 0.7F, one).pixels.size() == one.pixels.size());
    CHECK_THROWS_AS(after(op, 1.5F, p), std::invalid_argument);
  }
  CHECK(after(RandAugmentOp::identity, 1, p).pixels == p.pixels);
  CHECK(after(RandAugmentOp::rotate, 1, one).pixels == one.pixels);
}

TEST_CASE("RandAugment: the same stream gives the same pixels, and in time every operation with either sign") {
  const OwnedImage p = random_picture(16, 16, 3);
  const auto drawn = [&](std::uint64_t seed, const RandAugmentOptions& options) {
    OwnedImage out = p;
    Rng rng(seed);
    Bytes scratch;
    rand_augment(options, {out.pixels.data(), 16, 16, 3}, rng, scratch);
    return out.pixels;
  };
  CHECK(drawn(1, {}) == p.pixels);
  CHECK(drawn(1, {.operations = 2}) == drawn(1, {.operations = 2}));
  CHECK(drawn(1, {.operations = 2}) != drawn(1, {.operations = 2, .magnitude = 0.9F}));
  std::set<Bytes> seen, wanted;
  for (std::size_t i = 0; i < kRandAugmentOps.size(); ++i)
    for (const float sign : {-0.3F, 0.3F}) wanted.insert(after(static_cast<RandAugmentOp>(i), sign, p).pixels);
  for (std::uint64_t seed = 0; seed < 400; ++seed) seen.insert(drawn(seed, {.operations = 1}));
  CHECK(seen == wanted);
}

TEST_CASE("RandAugment in a batch: before the crop, from a stream of its own, the crop stays what it was") {
  const ImageSet set = random_set(4, 12, 12, 3);
  const Normalization plain{{0, 0, 0}, {1, 1, 1}};
  const std::vector<Index> indices{0, 1, 2, 3, 0, 1, 2, 3};
  Augmentation augmentation{.crop_padding = 3};
  Batch with, again, varied;
  augmentation.rand_augment = {.operations = 2};
  make_batch(set, indices, plain, &augmentation, Rng(3), with);
  make_batch(set, indices, plain, &augmentation, Rng(3), again);
  CHECK(std::equal(with.images.begin(), with.images.end(), again.images.begin()));

  // The operations by hand, image by image, then a batch without them.
  ImageSet done = set;
  done.count = 8;
  done.pixels.clear();
  for (std::size_t k = 0; k < 8; ++k) {
    Bytes image(set.image(indices[k]), set.image(indices[k]) + set.image_bytes()), scratch;
    Rng rng = Rng(3).split(k).split("rand augment");
    rand_augment(augmentation.rand_augment, {image.data(), 12, 12, 3}, rng, scratch);
    done.pixels.insert(done.pixels.end(), image.begin(), image.end());
  }
  done.labels.assign(8, 0);
  augmentation.rand_augment = {};
  make_batch(done, numbered(8), plain, &augmentation, Rng(3), varied);
  CHECK(std::equal(with.images.begin(), with.images.end(), varied.images.begin()));
}
