// SPDX-License-Identifier: MIT
// PNG and JPEG files, sound and damaged; resizing; folders of images.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "contexture/data/image_io.hpp"
#include "contexture/data/load.hpp"
#include "contexture/data/png.hpp"
#include "contexture/data/resample.hpp"
#include "contexture/data/resize.hpp"
#include "data/decoders.hpp"
#include "data/files.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace contexture;
using Catch::Matchers::ContainsSubstring;
using errors::refusal_of;
using files::Bytes;
using files::Decoder;
using files::TempFolder;

namespace {

std::vector<int> first_pixel(const ImageSet& set) { return {set.pixels.begin(), set.pixels.begin() + set.channels}; }

bool near(const std::vector<int>& a, const std::vector<int>& b, int tolerance) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [&](int x, int y) { return std::abs(x - y) <= tolerance; });
}

}  // namespace

TEST_CASE("PNGs that we write are read back") {
  const Index channels = GENERATE(1, 3);
  ImageSet set;
  set.count = 1;
  set.height = 21;
  set.width = 33;
  set.channels = channels;
  Rng rng(1);
  for (Index i = 0; i < set.image_bytes(); ++i) {
    set.pixels.push_back(static_cast<std::uint8_t>(i / 7 + static_cast<Index>(rng.below(9))));
  }
  const TempFolder folder;
  write_png(folder / "a.png", set.image(0), 21, 33, channels);
  const ImageSet back = read_image_file(folder / "a.png");
  CHECK(back.height == 21);
  CHECK(back.width == 33);
  CHECK(back.channels == channels);
  CHECK(back.pixels == set.pixels);
  CHECK_THAT(refusal_of([&] { return write_png(folder / "no/such/a.png", set.image(0), 21, 33, channels), 0; }),
             ContainsSubstring("a.png: cannot write here: No such file or directory"));
  CHECK_THROWS_AS(encode_png(set.image(0), 0, 5, 3), std::invalid_argument);
  CHECK_THROWS_AS(encode_png(set.image(0), 5, 5, 5), std::invalid_argument);
  CHECK_THROWS_AS(encode_png(set.image(0), 65'535, 65'535, 1), std::invalid_argument);
}

TEST_CASE("PNGs with alpha, and small ones where the picture is simple") {
  const Decoder decoded = GENERATE_REF(from_range(files::decoders()));
  const Bytes rgba = {100, 50, 0, 255, 100, 50, 0, 0};
  CHECK(decoded(encode_png(rgba.data(), 1, 2, 4)).pixels == Bytes{100, 50, 0, 255, 255, 255});
  const Bytes grey_alpha = {100, 255, 100, 51};
  CHECK(decoded(encode_png(grey_alpha.data(), 1, 2, 2)).pixels == Bytes{100, 224});
  Bytes slope;  // each pixel one more than its neighbour: a filter leaves ones, and zlib next to nothing
  for (int i = 0; i < 64 * 64; ++i) slope.push_back(static_cast<std::uint8_t>(i % 64 + i / 64));
  CHECK(encode_png(slope.data(), 64, 64, 1).size() < 150);
}

TEST_CASE("opacity, ink and luminance are rounded to the nearest value") {
  int wrong = 0;
  ImageSet pixel = detail::image_of(1, 1, 1), printed = detail::image_of(1, 1, 3);
  for (int value = 0; value < 256; ++value)
    for (int opacity = 0; opacity < 256; ++opacity) {
      const Bytes stored = {static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(opacity)};
      detail::lay_over_white(stored.data(), 2, pixel);
      wrong += pixel.pixels[0] != std::lround((value * opacity + 255 * (255 - opacity)) / 255.0);
      const Bytes inks = {255, stored[0], 0, stored[1]};
      detail::print_on_white(inks.data(), printed);
      wrong += printed.pixels != Bytes{stored[1], static_cast<std::uint8_t>(std::lround(value * opacity / 255.0)), 0};
    }
  CHECK(wrong == 0);
  ImageSet colours{0, 1, 1, 3, {}, {}};
  for (int r = 0; r < 256; r += 15)
    for (int g = 0; g < 256; ++g)
      for (int b = 0; b < 256; b += 15) {
        for (const int v : {r, g, b}) colours.pixels.push_back(static_cast<std::uint8_t>(v));
        ++colours.count;
      }
  const ImageSet grey = with_channels(colours, 1);
  for (std::size_t i = 0; i < grey.pixels.size(); ++i) {  // in thousandths, so that halves are exact
    const std::uint8_t* p = colours.pixels.data() + 3 * i;
    wrong += std::abs(1000 * grey.pixels[i] - (299 * p[0] + 587 * p[1] + 114 * p[2])) > 500;
  }
  CHECK(wrong == 0);
}

TEST_CASE("grey, alpha, 16-bit and palette PNGs") {
  const Decoder decoded = GENERATE_REF(from_range(files::decoders()));
  CHECK(first_pixel(decoded(files::grey_png(9, 7, 77))) == std::vector<int>{77});
  CHECK(first_pixel(decoded(files::rgb_png(9, 7, 1, 2, 3))) == std::vector<int>{1, 2, 3});
  const auto flat = [&](const Bytes& one_pixel, const files::PngOptions& options) {
    return first_pixel(decoded(files::png(9, 7, files::flat_rows(9, 7, one_pixel), options)));
  };
  // 16 bits: the high byte counts.
  CHECK(flat({200, 17}, {.depth = 16, .color_type = 0}) == std::vector<int>{200});
  CHECK(flat({200, 17, 5, 9, 255, 255}, {.depth = 16, .color_type = 2}) == std::vector<int>{200, 5, 255});
  // Alpha: over white.
  CHECK(flat({100, 50, 0, 255}, {.color_type = 6}) == std::vector<int>{100, 50, 0});
  CHECK(flat({100, 50, 0, 0}, {.color_type = 6}) == std::vector<int>{255, 255, 255});
  CHECK(flat({0, 0, 0, 128}, {.color_type = 6}) == std::vector<int>{127, 127, 127});
  CHECK(flat({100, 51}, {.color_type = 4}) == std::vector<int>{224});
  CHECK(flat({1}, {.color_type = 3, .palette = {9, 9, 9, 10, 20, 30}}) == std::vector<int>{10, 20, 30});
  // What a palette lacks is black, not what memory holds.
  for (const int entry : {2, 3, 100, 255})
    CHECK(flat({static_cast<std::uint8_t>(entry)}, {.color_type = 3, .palette = {9, 9, 9, 10, 20, 30}}) ==
          std::vector<int>{0, 0, 0});
}

TEST_CASE("grey, colour and CMYK JPEGs") {
  const Decoder decoded = GENERATE_REF(from_range(files::decoders()));
  const ImageSet grey = decoded(files::jpeg(2, {77}));
  CHECK(grey.height == 16);
  CHECK(grey.channels == 1);
  CHECK(near(first_pixel(grey), {77}, 1));
  CHECK(near(first_pixel(decoded(files::jpeg(3, {150, 128, 128}))), {150, 150, 150}, 1));
  CHECK(near(first_pixel(decoded(files::jpeg(1, {76, 85, 255}))), {254, 0, 0}, 2));
  // Adobe stores CMYK inverted: 255 is no ink.
  CHECK(near(first_pixel(decoded(files::jpeg(1, {255, 100, 30, 255}))), {255, 100, 30}, 2));
  CHECK(near(first_pixel(decoded(files::jpeg(1, {255, 100, 30, 128}))), {128, 50, 15}, 2));
  CHECK_THAT(refusal_of([&] {
               return decoded(files::jpeg(1, {1, 2, 3, 4}, false));
             }),
             ContainsSubstring("without the Adobe marker"));
}

TEST_CASE("a PNG that lies about its size") {
  const Decoder decoded = GENERATE_REF(from_range(files::decoders()));
  const auto claiming = [&](std::uint32_t width, std::uint32_t height) {
    return refusal_of([&] {
      return decoded(
          files::png(20, 10, files::flat_rows(20, 10, {1, 2, 3}), {.claimed_width = width, .claimed_height = height}));
    });
  };
  CHECK_THAT(claiming(20, 11), ContainsSubstring("needs 671"));
  CHECK_THAT(claiming(20, 9), ContainsSubstring("more pixel data than the 549 bytes"));
  CHECK_THAT(claiming(8'000, 8'000), ContainsSubstring("cannot hold"));
  CHECK_THAT(claiming(0x7fffffff, 0x7fffffff), ContainsSubstring("expected 1 to 65535"));
  CHECK_THAT(claiming(65'000, 65'000), ContainsSubstring("at most"));
}

TEST_CASE("damaged PNGs") {
  const Decoder decoded = GENERATE_REF(from_range(files::decoders()));
  const Bytes good = files::rgb_png(40, 30, 10, 200, 30);
  REQUIRE(decoded(good).width == 40);
  for (std::size_t size = 8; size < good.size(); ++size) {
    const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    REQUIRE_THROWS_AS(decoded(cut), InputError);
  }
  for (std::size_t at = 8; at < good.size(); ++at) {
    Bytes flipped = good;
    flipped[at] ^= 0x10;
    INFO("byte " << at);
    try {
      (void)decoded(flipped);
      // Only the checksum of the data-less end chunk and case bits of chunk names could pass unnoticed.
      REQUIRE(at >= good.size() - 12);
    } catch (const InputError&) {
    }
  }
}

TEST_CASE("damaged JPEGs") {
  const Decoder decoded = GENERATE_REF(from_range(files::decoders()));
  const Bytes good = files::jpeg(4, {90, 100, 200});
  REQUIRE(decoded(good).width == 32);
  for (std::size_t size = 3; size < good.size(); ++size) {
    const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    REQUIRE_THROWS_AS(decoded(cut), InputError);
  }
  Bytes trailing = good;
  trailing.insert(trailing.end(), 100, 0);
  CHECK(decoded(trailing).width == 32);
  for (std::size_t at = 3; at < good.size(); ++at) {  // must not crash; what is flipped may still decode
    Bytes flipped = good;
    flipped[at] ^= 0x21;
    try {
      (void)decoded(flipped);
    } catch (const InputError&) {
    }
  }
}

TEST_CASE("the size of interlaced pixel data") {
  CHECK(detail::png_raw_size(8, 8, 8, false) == 72);
  CHECK(detail::png_raw_size(8, 8, 8, true) == 64 + 15);  // 15 rows in seven passes
  CHECK(detail::png_raw_size(1, 1, 24, true) == 4);
  CHECK(detail::png_raw_size(5, 3, 1, false) == 6);
}

TEST_CASE("resampling is the triangle filter") {
  const Edge edge = GENERATE(Edge::repeat, Edge::cut);
  Rng rng(3);
  // Against the filter written down naively, in two dimensions and in double.
  for (const auto& [from, to] : {std::pair<Index, Index>{32, 32},
                                 {32, 46},
                                 {32, 34},
                                 {31, 17},
                                 {96, 40},
                                 {1, 5},
                                 {2, 7},
                                 {5, 1},
                                 {3, 2},
                                 {30, 10}}) {
    CAPTURE(from, to);
    // Rows over the whole image; columns over three quarters of it, a third of a resized pixel off its left edge.
    const double part = 0.75 * static_cast<double>(from + 3) / static_cast<double>(to + 2), shift = 1.0 / 3;
    const ResampleAxis rows = resample_axis(from, to, 0, 0, edge);
    const ResampleAxis columns = resample_axis(from + 3, to + 2, shift, part, edge);
    for (const auto* axis : {&rows, &columns}) {
      for (Index i = 0; i < axis->to; ++i) {
        REQUIRE(axis->start[static_cast<std::size_t>(i)] >= 0);
        REQUIRE(axis->start[static_cast<std::size_t>(i)] + axis->taps <= axis->from);
      }
    }
    for (const Index channels : {1, 2, 3}) {
      ImageSet image{1, from, from + 3, channels, {}, {}};
      for (Index i = 0; i < image.image_bytes(); ++i) image.pixels.push_back(static_cast<std::uint8_t>(rng.below(256)));
      std::vector<float> out(static_cast<std::size_t>(to * (to + 2) * channels));
      std::vector<float> scratch;
      resample_window(image.image(0), channels, rows, columns, 0, 0, to, to + 2, scratch, out.data());
      const auto taps = [edge](Index i, Index n, double ratio, double moved) {  // source sample -> weight
        std::map<Index, double> weight;
        const double radius = std::max(1.0, ratio);
        const double centre = (static_cast<double>(i) + 0.5 + moved) * ratio - 0.5;
        double total = 0;
        for (Index k = -n - 2; k < 2 * n + 2; ++k) {
          const double w = 1 - std::abs(static_cast<double>(k) - centre) / radius;
          if (w <= 0 || (edge == Edge::cut && (k < 0 || k >= n))) continue;
          weight[std::clamp<Index>(k, 0, n - 1)] += w;
          total += w;
        }
        for (auto& [k, w] : weight) w /= total;
        return weight;
      };
      for (Index y = 0; y < to; ++y) {
        for (Index x = 0; x < to + 2; ++x) {
          for (Index c = 0; c < channels; ++c) {
            double expected = 0;
            for (const auto& [v, wv] : taps(y, from, static_cast<double>(from) / static_cast<double>(to), 0)) {
              for (const auto& [u, wu] : taps(x, from + 3, part, shift)) {
                expected += wv * wu * image.pixels[static_cast<std::size_t>((v * (from + 3) + u) * channels + c)];
              }
            }
            REQUIRE(static_cast<double>(out[static_cast<std::size_t>((y * (to + 2) + x) * channels + c)]) ==
                    Approx(expected / 255).margin(1e-5));
          }
        }
      }
      if (to < 3) continue;  // a window is a part of the whole
      std::vector<float> window(static_cast<std::size_t>((to - 2) * to * channels));
      resample_window(image.image(0), channels, rows, columns, 1, 2, to - 2, to, scratch, window.data());
      for (Index y = 0; y < to - 2; ++y) {
        for (Index i = 0; i < to * channels; ++i) {
          REQUIRE(window[static_cast<std::size_t>(y * to * channels + i)] ==
                  out[static_cast<std::size_t>(((y + 1) * (to + 2) + 2) * channels + i)]);
        }
      }
    }
  }
  CHECK_THROWS_AS(resample_axis(0, 3), std::invalid_argument);
  CHECK_THROWS_AS(resample_axis(3, 3, 4, 1, Edge::cut), std::invalid_argument);
}

TEST_CASE("resizing keeps means and flat colours, and copies where only cropping is due") {
  ImageSet set;
  set.count = 2;
  set.height = 48;
  set.width = 36;
  set.channels = 3;
  Rng rng(1);
  for (Index i = 0; i < 2 * set.image_bytes(); ++i) set.pixels.push_back(static_cast<std::uint8_t>(rng.below(256)));
  set.labels = {4, 5};

  const ImageSet cropped = resize_and_crop(set, 24, 36);  // rows 12 to 35
  CHECK(cropped.labels == set.labels);
  CHECK(std::equal(cropped.image(1), cropped.image(1) + cropped.image_bytes(), set.image(1) + 12 * 36 * 3));

  for (const auto& [h, w] : {std::pair<Index, Index>{12, 9}, {7, 5}, {96, 72}, {50, 50}}) {
    const ImageSet small = resize_and_crop(set, h, w);
    REQUIRE(small.height == h);
    REQUIRE(small.width == w);
    double mean = 0;
    for (const auto v : small.pixels) mean += v / static_cast<double>(small.pixels.size());
    CHECK(mean == Approx(127.5).margin(6));
    ImageSet flat = set;
    std::fill(flat.pixels.begin(), flat.pixels.end(), std::uint8_t{201});
    for (const auto v : resize_and_crop(flat, h, w).pixels) REQUIRE(v == 201);
  }
  // Shrinking a fine checkerboard gives grey, not stripes.
  ImageSet checks;
  checks.count = checks.channels = 1;
  checks.height = checks.width = 64;
  for (int i = 0; i < 64 * 64; ++i) checks.pixels.push_back((i / 64 + i) % 2 == 0 ? 255 : 0);
  for (const auto v : resize_and_crop(checks, 16, 16).pixels) REQUIRE(std::abs(v - 128) < 4);
  CHECK_THROWS_AS(resize_and_crop(set, 0, 5), std::invalid_argument);
}

TEST_CASE("with_channels") {
  ImageSet set;
  set.count = set.height = 1;
  set.width = 2;
  set.channels = 3;
  set.pixels = {255, 0, 0, 10, 10, 10};
  set.labels = {3};
  const ImageSet grey = with_channels(set, 1);
  CHECK(grey.pixels == Bytes{76, 10});
  CHECK(grey.labels == set.labels);
  CHECK(with_channels(grey, 3).pixels == Bytes{76, 76, 76, 10, 10, 10});
  CHECK_THROWS_AS(with_channels(set, 2), std::invalid_argument);
}

TEST_CASE("a folder with train, test and unlabeled") {
  const TempFolder folder;
  for (int i = 0; i < 5; ++i) {
    const auto v = static_cast<std::uint8_t>(10 * i);
    files::write(folder / ("train/dog/" + std::to_string(i) + ".png"), files::rgb_png(10, 8, v, 0, 1));
    files::write(folder / ("train/cat/" + std::to_string(i) + ".png"), files::rgb_png(10, 8, v, 0, 2));
    files::write(folder / ("unlabeled/deep/er/" + std::to_string(i) + ".png"), files::rgb_png(10, 8, v, 0, 3));
  }
  files::write(folder / "test/cat/x.jpeg", files::rgb_png(10, 8, 7, 7, 8));  // known by content, not by name
  files::write(folder / "test/dog/y", files::rgb_png(10, 8, 9, 9, 1));
  files::write(folder / "train/cat/notes.txt", "not an image");
  files::write(folder / "train/cat/.hidden.png", "not looked at");
  const Dataset data = load_dataset(folder.string());
  CHECK(data.name == folder.path().filename().string());
  CHECK(data.class_names == std::vector<std::string>{"cat", "dog"});
  CHECK(data.train.count == 10);
  CHECK(data.train.height == 8);
  CHECK(data.train.width == 10);
  CHECK(data.train.channels == 3);
  CHECK(data.train.labels == std::vector<std::int32_t>{0, 0, 0, 0, 0, 1, 1, 1, 1, 1});
  for (Index i = 0; i < 10; ++i) {
    CHECK(data.train.image(i)[0] == 10 * (i % 5));
    CHECK(data.train.image(i)[2] == (i < 5 ? 2 : 1));
  }
  CHECK(data.test.labels == std::vector<std::int32_t>{0, 1});
  CHECK(data.unlabeled.count == 5);
  CHECK(data.unlabeled.labels.empty());
  CHECK(data.notes.empty());
  CHECK(data.account.used == 17);
  CHECK(data.account.lines() ==
        std::vector<std::string>{"1 file not used, hidden: train/cat/.hidden.png",
                                 "1 file not used, not PNG, JPEG, BMP, GIF, WebP or TIFF (.txt): train/cat/notes.txt"});

  files::write(folder / "test/zebra/z.png", files::rgb_png(10, 8, 9, 9, 1));
  CHECK_THAT(refusal_of([&] { return load_dataset(folder.string()); }), ContainsSubstring("zebra: a class that"));
}

TEST_CASE("a folder of classes is split by seed, stratified") {
  const TempFolder folder;
  for (int i = 0; i < 20; ++i) {
    const auto v = static_cast<std::uint8_t>(i);
    files::write(folder / ("a/" + std::to_string(i) + ".png"), files::grey_png(8, 8, v));
    if (i < 10) files::write(folder / ("b/" + std::to_string(i) + ".png"), files::grey_png(8, 8, v));
  }
  const Dataset data = load_dataset(folder.string(), {.seed = 1});
  CHECK(data.train.channels == 1);
  CHECK(class_counts(data.train.labels, 2) == std::vector<Index>{16, 8});
  CHECK(class_counts(data.test.labels, 2) == std::vector<Index>{4, 2});
  std::vector<std::pair<int, int>> all;  // class and value: every image in exactly one split
  for (Index i = 0; i < 24; ++i) all.emplace_back(data.train.labels[static_cast<std::size_t>(i)], *data.train.image(i));
  for (Index i = 0; i < 6; ++i) all.emplace_back(data.test.labels[static_cast<std::size_t>(i)], *data.test.image(i));
  std::sort(all.begin(), all.end());
  CHECK(std::unique(all.begin(), all.end()) == all.end());
  CHECK(load_dataset(folder.string(), {.seed = 1}).test.pixels == data.test.pixels);
  bool differs = false;
  for (std::uint64_t seed = 2; seed < 6; ++seed) {
    differs = differs || load_dataset(folder.string(), {.seed = seed}).test.pixels != data.test.pixels;
  }
  CHECK(differs);
  REQUIRE_FALSE(data.notes.empty());
  CHECK_THAT(data.notes[0], ContainsSubstring("6 of 30"));
}

TEST_CASE("the image size of a folder") {
  const TempFolder folder;
  const auto fill = [&](std::uint32_t width, std::uint32_t height, std::uint32_t odd) {
    for (int i = 0; i < 6; ++i) {
      for (const char* c : {"a/", "b/"}) {
        files::write(folder / (c + std::to_string(i) + ".png"),
                     files::rgb_png(i == 3 ? odd : width, height, 40, 90, static_cast<std::uint8_t>(i)));
      }
    }
  };
  fill(20, 20, 20);
  CHECK(load_dataset(folder.string()).train.width == 20);
  CHECK(load_dataset(folder.string(), {.image_size = 16}).train.width == 16);
  fill(20, 24, 50);  // mixed: the median of the short sides, as a square
  const Dataset mixed = load_dataset(folder.string());
  CHECK(mixed.train.width == 20);
  CHECK(mixed.train.height == 20);
  CHECK_THAT(mixed.notes.back(), ContainsSubstring("resized and cropped to 20 x 20"));
  for (int i = 6; i < 100; ++i) {  // one image of another size among 200 changes nothing
    for (const char* c : {"a/", "b/"}) {
      files::write(folder / (c + std::to_string(i) + ".png"), files::rgb_png(20, 24, 40, 90, 1));
    }
  }
  fill(20, 24, 20);
  files::write(folder / "a/3.png", files::rgb_png(99, 70, 1, 1, 2));
  const Dataset stray = load_dataset(folder.string());
  CHECK(stray.train.height == 24);
  CHECK(stray.train.width == 20);
  CHECK(stray.train.count + stray.test.count == 200);
  CHECK_THAT(stray.notes.back(), ContainsSubstring("resized and cropped to 24 x 20"));
}

TEST_CASE("large images become 64 pixels a side unless asked otherwise") {
  const TempFolder folder;
  for (int i = 0; i < 3; ++i) {
    for (const char* c : {"a/", "b/"}) {
      files::write(folder / (c + std::to_string(i) + ".png"), files::rgb_png(200, 150, 40, 90, 1));
    }
  }
  CHECK(load_dataset(folder.string()).test.height == 64);
  CHECK(load_dataset(folder.string(), {.image_size = 150}).test.height == 150);
}

TEST_CASE("colour files with grey pixels make a grey set, one colour image a colour set") {
  const TempFolder folder;
  for (int i = 0; i < 6; ++i) {
    const auto v = static_cast<std::uint8_t>(i * 40);
    files::write(folder / ("a/" + std::to_string(i) + ".png"), files::rgb_png(8, 8, v, v, v));
    files::write(folder / ("b/" + std::to_string(i) + ".jpg"), files::jpeg(1, {v}));
  }
  CHECK(load_dataset(folder.string()).train.channels == 1);
  files::write(folder / "b/colour.png", files::rgb_png(8, 8, 1, 2, 3));
  const Dataset colour = load_dataset(folder.string());
  CHECK(colour.train.channels == 3);
  CHECK(colour.train.count + colour.test.count == 13);
}

TEST_CASE("broken images are named and skipped; more than 1 % of them stop the run") {
  const TempFolder folder;
  for (int i = 0; i < 150; ++i) {
    files::write(folder / ("train/a/" + std::to_string(i) + ".png"), files::rgb_png(8, 8, 1, 2, 3));
    files::write(folder / ("train/b/" + std::to_string(i) + ".png"), files::rgb_png(8, 8, 3, 2, 3));
  }
  files::write(folder / "test/a/1.png", files::rgb_png(8, 8, 3, 2, 3));
  Bytes cut = files::rgb_png(8, 8, 3, 2, 3);
  cut.resize(cut.size() - 20);
  files::write(folder / "train/a/33.png", cut);
  files::write(folder / "train/b/44.png", "words");
  files::write(folder / "train/b/45.jpg", Bytes{});
  const Dataset data = load_dataset(folder.string());  // 3 of 302
  CHECK(data.train.count == 298);
  CHECK(class_counts(data.train.labels, 2) == std::vector<Index>{149, 149});
  for (Index i = 0; i < data.train.count; ++i) {
    REQUIRE(data.train.image(i)[0] == (data.train.labels[static_cast<std::size_t>(i)] == 0 ? 1 : 3));
  }
  CHECK(data.account.used == 299);
  REQUIRE(data.account.left_out.size() == 1);
  const LeftOut& broken = data.account.left_out[0];
  CHECK(broken.reason == "broken");
  CHECK(broken.count == 3);
  REQUIRE(broken.names.size() == 3);
  CHECK_THAT(broken.names[0], Catch::Matchers::StartsWith("train/a/33.png: PNG ends in the middle"));
  CHECK(broken.names[1] == "train/b/44.png: not PNG, JPEG, BMP, GIF, WebP or TIFF inside");
  CHECK(broken.names[2] == "train/b/45.jpg: not PNG, JPEG, BMP, GIF, WebP or TIFF inside");
  files::write(folder / "train/b/46.jpg", "more");
  CHECK_THAT(refusal_of([&] { return load_dataset(folder.string()); }),
             ContainsSubstring("4 of 303 images are broken, expected at most 1 % (") && ContainsSubstring("33.png: ") &&
                 ContainsSubstring("44.png: ") && ContainsSubstring("45.jpg: ") && ContainsSubstring("46.jpg: "));
  CHECK(load_dataset(folder.string(), {.max_broken = 0.02}).account.left_out[0].count == 4);
}

TEST_CASE("a class all of whose images turn out broken is refused") {
  const TempFolder folder;
  for (int i = 0; i < 250; ++i)
    for (const char* name : {"a", "b"})
      files::write(folder / (name + ("/" + std::to_string(i)) + ".png"), files::rgb_png(8, 8, 1, 2, 3));
  Bytes damaged = files::rgb_png(8, 8, 3, 2, 3);  // its header is good
  damaged[damaged.size() - 20] ^= 0xFF;
  for (int i = 0; i < 3; ++i) files::write(folder / ("c/" + std::to_string(i) + ".png"), damaged);
  CHECK_THAT(refusal_of([&] { return load_dataset(folder.string()); }),
             ContainsSubstring("/c: 0 images, expected at least 2 in a class"));
}

TEST_CASE("folders that cannot be learned from") {
  const TempFolder folder;
  const auto error = [&] { return refusal_of([&] { return load_dataset(folder.string()); }); };
  for (int i = 0; i < 5; ++i) files::write(folder / ("a/" + std::to_string(i) + ".png"), files::rgb_png(8, 8, 1, 2, 3));
  CHECK_THAT(error(), ContainsSubstring("one class folder, a/, expected at least 2"));
  std::filesystem::create_directories(folder / "b");
  CHECK_THAT(error(), ContainsSubstring("/b: 0 images, expected at least 3"));
  files::write(folder / "b/readme.md", "hello");
  CHECK_THAT(error(), ContainsSubstring("/b: 0 images, expected at least 3"));
  files::write(folder / "b/1.png", files::rgb_png(8, 8, 1, 2, 3));
  CHECK_THAT(error(), ContainsSubstring("/b: 1 image, expected at least 3"));
  std::filesystem::create_directories(folder / "test");
  CHECK_THAT(error(), ContainsSubstring("has test/ but no train/"));
  std::filesystem::rename(folder / "test", folder / "val");
  CHECK_THAT(error(), ContainsSubstring("has val/ but no train/"));
  std::filesystem::create_directories(folder / "train");
  CHECK_THAT(error(), ContainsSubstring("expected IDX, CIFAR or STL-10 files, or folders"));
}
