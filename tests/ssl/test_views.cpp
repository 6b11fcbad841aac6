// SPDX-License-Identifier: MIT
// Views: which part of the image they show, pixel by pixel, what is done to colours, and from what
// they are drawn.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <set>
#include <vector>

#include "contexture/data/batch.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/ssl/views.hpp"
#include "made_up_images.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

namespace {

using namespace contexture;
using made_up::as_stored;
using tensors::same_bits;

float luminance(const float* rgb) { return 0.299F * rgb[0] + 0.587F * rgb[1] + 0.114F * rgb[2]; }

std::vector<float> one_view(const ViewSampler& sampler, const ImageSet& images, Index i, Rng stream) {
  std::vector<float> out(
      static_cast<std::size_t>(sampler.options().height * sampler.options().width * images.channels));
  std::vector<float> scratch;
  sampler.view(images.image(i), stream, scratch, out.data());
  return out;
}

}  // namespace

TEST_CASE("without augmentation, a view is the image as a classifier sees it", "[ssl]") {
  for (const Index channels : {1, 2, 3, 4}) {
    CAPTURE(channels);
    const ImageSet images = made_up::noise(5, 9, 14, channels);
    const auto indices = std::vector<Index>{3, 0, 4};
    const Normalization normalization = channel_statistics(images, made_up::first(5));
    const ViewSampler sampler(no_augmentation(), 9, 14, channels, normalization);
    const PretextBatch views = sampler.pairs(images, indices, Rng(1));
    Batch batch;
    make_batch(images, indices, normalization, nullptr, Rng(0), batch);
    REQUIRE(views.inputs.shape() == Shape{6, 9, 14, static_cast<std::size_t>(channels)});
    for (std::size_t i = 0; i < batch.images.size(); ++i) {
      REQUIRE(views.inputs.data()[i] == Approx(batch.images.data()[i]).margin(1e-5));
      REQUIRE(views.inputs.data()[batch.images.size() + i] == views.inputs.data()[i]);
    }
    CHECK(views.first == std::vector<std::int32_t>{0, 1, 2});
    CHECK(views.second == std::vector<std::int32_t>{3, 4, 5});
    CHECK(views.images == 3);
    CHECK(views.targets.empty());
  }
}

TEST_CASE("a view shows the part of the image that was drawn, mirrored when that was drawn", "[ssl]") {
  // A quarter of the area without distortion, at the size of the view: pixels are copied.
  ViewOptions options = no_augmentation();
  options.height = 10;
  options.width = 14;
  options.min_area = options.max_area = 0.25F;
  options.flip = true;
  const ImageSet images = made_up::noise(1, 20, 28, 3);
  const ViewSampler sampler(options, 20, 28, 3, as_stored(3));
  int mirrored = 0;
  std::set<Index> rows;
  std::set<Index> columns;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Rng stream(seed);
    const ViewPlacement placement = sampler.place(stream);
    REQUIRE(placement.height == 10);
    REQUIRE(placement.width == 14);
    mirrored += placement.mirrored;
    rows.insert(placement.y);
    columns.insert(placement.x);
    const auto view = one_view(sampler, images, 0, Rng(seed));
    for (Index y = 0; y < 10; ++y)
      for (Index x = 0; x < 14; ++x)
        for (Index c = 0; c < 3; ++c) {
          const Index from = placement.x + (placement.mirrored ? 13 - x : x);
          const std::uint8_t byte = images.pixels[static_cast<std::size_t>(((placement.y + y) * 28 + from) * 3 + c)];
          REQUIRE(view[static_cast<std::size_t>((y * 14 + x) * 3 + c)] ==
                  Approx(static_cast<float>(byte) / 255).margin(1e-6));
        }
  }
  CHECK(mirrored > 60);
  CHECK(mirrored < 140);
  CHECK(rows.size() == 11);  // every place there is, and no other
  CHECK(columns.size() == 15);
}

TEST_CASE("the part that is shown lies inside the image and has the area and shape asked for", "[ssl]") {
  for (const auto& [height, width] : {std::pair<Index, Index>{32, 32}, {20, 60}, {3, 2}, {1, 1}}) {
    CAPTURE(height, width);
    int mirrored = 0;
    const ViewOptions options = view_defaults(3, true);
    const ViewSampler sampler(options, height, width, 3, as_stored(3));
    CHECK(sampler.options().height == height);
    CHECK(sampler.options().width == width);
    Rng stream(5);
    double least = 1;
    double most = 0;
    double wide = 1;
    for (int i = 0; i < 3000; ++i) {
      const ViewPlacement p = sampler.place(stream);
      REQUIRE((p.y >= 0 && p.x >= 0 && p.height >= 1 && p.width >= 1));
      REQUIRE((p.y + p.height <= height && p.x + p.width <= width));
      const double area =
          static_cast<double>(p.height * p.width) / (static_cast<double>(height) * static_cast<double>(width));
      least = std::min(least, area);
      most = std::max(most, area);
      const double aspect = (static_cast<double>(p.width) / static_cast<double>(width)) /
                            (static_cast<double>(p.height) / static_cast<double>(height));
      wide = std::max({wide, aspect, 1 / aspect});
      mirrored += p.mirrored;
    }
    CHECK(mirrored / 3000.0 == Approx(0.5).margin(0.04));  // 0.009 is one deviation
    if (height < 20) continue;                             // whole pixels are coarse there
    CHECK(least == Approx(0.2).margin(0.015));
    CHECK(most > 0.95);
    CHECK(wide == Approx(4.0 / 3).margin(0.12));
  }
}

TEST_CASE("a view depends on the stream, the image and its place in the list alone", "[ssl]") {
  const ImageSet images = made_up::noise(8, 16, 16, 3);
  const ViewSampler sampler(view_defaults(3, true), 16, 16, 3, channel_statistics(images, made_up::first(8)));
  const auto all = sampler.pairs(images, made_up::first(8), Rng(3));
  CHECK(same_bits(all.inputs, sampler.pairs(images, made_up::first(8), Rng(3)).inputs));
  CHECK_FALSE(same_bits(all.inputs, sampler.pairs(images, made_up::first(8), Rng(4)).inputs));
  const std::size_t size = 16 * 16 * 3;
  const auto some = sampler.pairs(images, made_up::first(3), Rng(3));
  CHECK(std::memcmp(all.inputs.data(), some.inputs.data(), 3 * size * sizeof(float)) == 0);
  CHECK(std::memcmp(all.inputs.data() + 8 * size, some.inputs.data() + 3 * size, 3 * size * sizeof(float)) == 0);
  for (std::size_t k = 0; k < 8; ++k)  // two views differ
    CHECK(std::memcmp(all.inputs.data() + k * size, all.inputs.data() + (8 + k) * size, size * sizeof(float)) != 0);
  const auto twice = sampler.pairs(images, std::vector<Index>{2, 2}, Rng(3));
  CHECK(std::memcmp(twice.inputs.data(), twice.inputs.data() + size, size * sizeof(float)) != 0);
  CHECK(sampler.pairs(images, std::vector<Index>{}, Rng(3)).inputs.shape()[0] == 0);
}

TEST_CASE("hue and saturation keep luminance and leave greys alone", "[ssl]") {
  const auto apply = [](const std::array<float, 9>& m, const std::array<float, 3>& x) {
    std::array<float, 3> y{};
    for (std::size_t i = 0; i < 3; ++i) y[i] = m[3 * i] * x[0] + m[3 * i + 1] * x[1] + m[3 * i + 2] * x[2];
    return y;
  };
  const std::array<std::array<float, 3>, 3> colours{{{0.8F, 0.1F, 0.3F}, {0.2F, 0.9F, 0.4F}, {0.5F, 0.5F, 0.5F}}};
  for (const auto& colour : colours) {
    const float light = luminance(colour.data());
    for (const float turn : {-0.5F, -0.1F, 0.0F, 0.07F, 0.25F}) {
      const auto turned = apply(detail::hue_matrix(turn), colour);
      CHECK(luminance(turned.data()) == Approx(light).margin(1e-3));
      const auto back = apply(detail::hue_matrix(-turn), turned);
      for (std::size_t c = 0; c < 3; ++c) CHECK(back[c] == Approx(colour[c]).margin(1e-3));
      if (colour[0] == colour[1])
        for (std::size_t c = 0; c < 3; ++c) CHECK(turned[c] == Approx(0.5).margin(1e-3));
    }
    for (const float share : {0.0F, 0.6F, 1.0F, 1.4F}) {
      const auto changed = apply(detail::saturation_matrix(share), colour);
      CHECK(luminance(changed.data()) == Approx(light).margin(1e-5));
      for (std::size_t c = 0; c < 3; ++c) CHECK(changed[c] - light == Approx(share * (colour[c] - light)).margin(1e-5));
    }
  }
  // A third of the circle, three times, is a whole turn; and it is not nothing.
  const std::array<float, 3> red{0.6F, 0.3F, 0.3F};
  const auto third = detail::hue_matrix(1.0F / 3);
  const auto once = apply(third, red);
  CHECK(std::abs(once[0] - red[0]) > 0.1F);
  const auto thrice = apply(third, apply(third, once));
  for (std::size_t c = 0; c < 3; ++c) CHECK(thrice[c] == Approx(red[c]).margin(2e-3));
}

// An image of mid tones, so that nothing is clamped.
struct MidTones {
  MidTones() {
    for (auto& p : images.pixels) p = static_cast<std::uint8_t>(100 + p % 40);
    for (const auto p : images.pixels) image.push_back(static_cast<float>(p) / 255);
    for (std::size_t i = 0; i < image.size(); i += 3) mean += static_cast<double>(luminance(&image[i])) / 64;
  }

  // Calls check(view) for 300 views.
  template <class Check>
  void views(const ViewOptions& options, Check&& check) const {
    const ViewSampler sampler(options, 8, 8, 3, as_stored(3));
    for (std::uint64_t seed = 0; seed < 300; ++seed) check(one_view(sampler, images, 0, Rng(seed)));
  }

  ImageSet images = made_up::noise(1, 8, 8, 3);
  std::vector<float> image;
  double mean = 0;
};

TEST_CASE("each colour change does what it says, within its range", "[ssl]") {
  const MidTones tones;
  const std::vector<float>& image = tones.image;
  const double mean = tones.mean;

  ViewOptions off = no_augmentation();
  off.brightness = off.contrast = off.saturation = off.hue = 0;
  off.colour_probability = 1;
  float low = 10;
  float high = 0;
  const auto in_range = [&](float factor) {
    low = std::min(low, factor);
    high = std::max(high, factor);
  };

  tones.views(off, [&](const std::vector<float>& v) {
    for (std::size_t i = 0; i < v.size(); ++i) REQUIRE(v[i] == Approx(image[i]).margin(1e-5));
  });

  ViewOptions options = off;
  options.brightness = 0.3F;
  tones.views(options, [&](const std::vector<float>& v) {
    const float factor = v[0] / image[0];
    in_range(factor);
    for (std::size_t i = 0; i < v.size(); ++i) REQUIRE(v[i] == Approx(factor * image[i]).margin(1e-5));
  });
  CHECK(low == Approx(0.7).margin(0.01));
  CHECK(high == Approx(1.3).margin(0.01));

  options = off;
  options.contrast = 0.5F;
  low = 10;
  high = 0;
  tones.views(options, [&](const std::vector<float>& v) {
    const auto centre = static_cast<float>(mean);
    const float factor = (v[0] - centre) / (image[0] - centre);
    in_range(factor);
    for (std::size_t i = 0; i < v.size(); ++i)
      REQUIRE(v[i] - centre == Approx(factor * (image[i] - centre)).margin(1e-5));
  });
  CHECK(low == Approx(0.5).margin(0.01));
  CHECK(high == Approx(1.5).margin(0.01));

  options = off;
  options.saturation = 0.4F;
  options.hue = 0.2F;
  tones.views(options, [&](const std::vector<float>& v) {
    for (std::size_t i = 0; i < v.size(); i += 3)
      REQUIRE(luminance(&v[i]) == Approx(luminance(&image[i])).margin(1e-3));
  });

  // All four in random order: brightness and contrast are the only ones that change the mean luminance.
  options.brightness = 0.3F;
  options.contrast = 0.5F;
  tones.views(options, [&](const std::vector<float>& v) {
    double now = 0;
    for (std::size_t i = 0; i < v.size(); i += 3) now += static_cast<double>(luminance(&v[i])) / 64;
    REQUIRE(now > 0.69 * mean);
    REQUIRE(now < 1.31 * mean);
  });
}

TEST_CASE("grey and colour changes come as often as they are asked for", "[ssl]") {
  const MidTones tones;
  const std::vector<float>& image = tones.image;
  ViewOptions options = no_augmentation();
  options.grey_probability = 0.2F;
  int grey = 0;
  tones.views(options, [&](const std::vector<float>& v) {
    const bool is_grey = v[0] == Approx(v[1]).margin(1e-5) && v[0] == Approx(v[2]).margin(1e-5);
    grey += is_grey;
    for (std::size_t i = 0; i < v.size(); ++i)
      REQUIRE(v[i] == Approx(is_grey ? luminance(&image[i - i % 3]) : image[i]).margin(1e-5));
  });
  CHECK(grey > 35);  // of 300, expected 60
  CHECK(grey < 90);

  options = view_defaults(3, false);
  options.min_area = 1;
  options.aspect = 1;
  options.grey_probability = 0;
  int changed = 0;
  tones.views(options, [&](const std::vector<float>& v) { changed += v[0] != Approx(image[0]).margin(1e-5); });
  CHECK(changed > 205);  // of 300, expected 240
  CHECK(changed < 275);
}

TEST_CASE("colours stay between black and white, and grey images get brightness and contrast", "[ssl]") {
  for (const Index channels : {1, 3, 4}) {
    const ImageSet images = made_up::noise(20, 12, 12, channels);
    ViewOptions options = view_defaults(channels, true);
    options.brightness = options.contrast = 1;
    const ViewSampler sampler(options, 12, 12, channels, as_stored(channels));
    const auto batch = sampler.pairs(images, made_up::first(20), Rng(2));
    const auto [least, most] = std::minmax_element(batch.inputs.data(), batch.inputs.data() + batch.inputs.size());
    CHECK(*least == 0.0F);
    CHECK(*most == 1.0F);
  }
  ImageSet grey = made_up::noise(1, 8, 8, 1);
  for (auto& p : grey.pixels) p = static_cast<std::uint8_t>(100 + p % 40);
  ViewOptions options = view_defaults(1, false);
  CHECK(options.saturation == 0);
  CHECK(options.grey_probability == 0);
  options.min_area = options.aspect = options.colour_probability = 1;
  const ViewSampler sampler(options, 8, 8, 1, as_stored(1));
  std::set<float> slopes;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto v = one_view(sampler, grey, 0, Rng(seed));
    const auto byte = [&](std::size_t i) { return static_cast<float>(grey.pixels[i]) / 255; };
    const std::size_t other = static_cast<std::size_t>(
        std::find_if(grey.pixels.begin(), grey.pixels.end(),
                     [&](auto p) { return p > grey.pixels[0] + 5 || p + 5 < grey.pixels[0]; }) -
        grey.pixels.begin());
    const float slope = (v[other] - v[0]) / (byte(other) - byte(0));
    slopes.insert(slope);
    for (std::size_t i = 0; i < v.size(); ++i) REQUIRE(v[i] == Approx(v[0] + slope * (byte(i) - byte(0))).margin(1e-4));
    CHECK(slope > 0.35F);  // 0.6 * 0.6
    CHECK(slope < 1.97F);  // 1.4 * 1.4
  }
  CHECK(slopes.size() > 40);
}

TEST_CASE("views refuse options and images that make no sense", "[ssl]") {
  const auto refuses = [](ViewOptions o) {
    CHECK_THROWS_AS(ViewSampler(o, 8, 8, 3, as_stored(3)), std::invalid_argument);
  };
  refuses({.height = -1});
  refuses({.min_area = 0});
  refuses({.min_area = 0.6F, .max_area = 0.5F});
  refuses({.max_area = 1.5F});
  refuses({.aspect = 0.5F});
  refuses({.colour_probability = 1.1F});
  refuses({.brightness = -0.1F});
  refuses({.hue = 0.6F});
  refuses({.min_area = std::nanf("")});
  CHECK_THROWS_AS(ViewSampler({}, 8, 8, 3, as_stored(1)), std::invalid_argument);
  CHECK_THROWS_AS(ViewSampler({}, 0, 8, 3, as_stored(3)), std::invalid_argument);
  CHECK_THROWS_AS(ViewSampler({}, 8, 8, 1, {{0}, {0}}), std::invalid_argument);
  const ViewSampler sampler({}, 8, 8, 3, as_stored(3));
  const ImageSet images = made_up::noise(2, 8, 8, 3);
  CHECK_THROWS_AS(sampler.pairs(images, std::vector<Index>{2}, Rng(1)), std::invalid_argument);
  CHECK_THROWS_AS(sampler.pairs(made_up::noise(2, 8, 9, 3), std::vector<Index>{0}, Rng(1)), std::invalid_argument);
}
