// SPDX-License-Identifier: MIT
// BMP, and GIF, WebP and TIFF where this build reads them: every kind pixel by pixel; damage is told; a build without
// them says so.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>

#include "contexture/core/rng.hpp"
#include "contexture/data/image_io.hpp"
#include "contexture/data/load.hpp"
#include "data/other_images.hpp"
#include "data/tar_files.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace contexture;
using Catch::Matchers::ContainsSubstring;
using files::Bytes;

namespace {

using Colour = std::array<std::uint8_t, 3>;

ImageSet image_of_bytes(const Bytes& bytes, const ImageLimits& limits = {}) {
  return detail::decode_image(bytes, limits, {});
}

std::string refused(const Bytes& bytes, const ImageLimits& limits = {}) {
  return errors::refusal_of([&] { return image_of_bytes(bytes, limits); });
}

// Pixel by pixel, each at most `off` away.
void require_picture(const Bytes& bytes, int width, int height, const std::function<Colour(int x, int y)>& expected,
                     int off = 0) {
  const ImageSet image = image_of_bytes(bytes);
  REQUIRE(image.width == width);
  REQUIRE(image.height == height);
  const detail::ImageHeader header = detail::image_header(bytes, {});
  REQUIRE(header.width == width);
  REQUIRE(header.height == height);
  int worst = 0;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const Colour colour = expected(x, y);
      for (Index c = 0; c < image.channels; ++c) {
        const int got = image.image(0)[(y * width + x) * image.channels + c];
        worst = std::max(worst, std::abs(got - colour[static_cast<std::size_t>(c)]));
      }
    }
  REQUIRE(worst <= off);
}

Colour on_white(Colour colour, int alpha) {
  for (std::uint8_t& v : colour) v = static_cast<std::uint8_t>((v * alpha + 255 * (255 - alpha) + 127) / 255);
  return colour;
}

void set_little(Bytes& bytes, std::size_t at, std::uint32_t value, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> 8 * i);
}

// Cut off anywhere before its last `needless` bytes, it is refused; damaged anywhere, it is refused or decoded.
void require_hardened(const Bytes& sound, std::size_t needless) {
  for (std::size_t bytes = 0; bytes + needless < sound.size(); ++bytes) {
    CAPTURE(bytes);
    (void)refused(Bytes(sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(bytes)));
  }
  Rng rng(11);
  for (int trial = 0; trial < 400; ++trial) {
    Bytes damaged = sound;
    for (std::uint64_t n = 1 + rng.below(4); n > 0; --n)
      damaged[rng.below(static_cast<std::uint32_t>(damaged.size()))] =
          static_cast<std::uint8_t>(rng.below(3) == 0 ? 0xFF : rng.below(256));
    try {
      const ImageSet image = image_of_bytes(damaged, {.max_pixels = 1 << 16});
      REQUIRE(image.pixels.size() == static_cast<std::size_t>(image.image_bytes()));
      REQUIRE(image.height * image.width <= 1 << 16);
    } catch (const InputError& error) {
      REQUIRE(std::string(error.what()).find('\n') == std::string::npos);
    }
  }
}

}  // namespace

TEST_CASE("BMP with a palette") {
  const int bits = GENERATE(1, 4, 8);
  const bool top_down = GENERATE(false, true);
  for (const int width : {1, 7, 8, 13}) {
    for (const std::uint32_t header : {12U, 40U, 108U, 124U}) {
      if (header == 12 && top_down) continue;
      require_picture(files::bmp(width, 5, bits, {.header_bytes = header, .top_down = top_down}), width, 5,
                      [&](int x, int y) { return files::palette_entry(files::index_at(x, y, 1 << bits)); });
    }
  }
  if (bits == 8)
    require_picture(files::bmp(9, 5, 8, {.top_down = top_down, .colours = 20}), 9, 5,
                    [](int x, int y) { return files::palette_entry(files::index_at(x, y, 20)); });
}

TEST_CASE("BMP of 16, 24 and 32 bits a pixel") {
  const bool top_down = GENERATE(false, true);
  for (const int bits : {24, 32})
    require_picture(files::bmp(5, 4, bits, {.top_down = top_down}), 5, 4, files::colour_at);
  require_picture(files::bmp(5, 4, 24, {.header_bytes = top_down ? 40U : 12U}), 5, 4, files::colour_at);
  require_picture(files::bmp(5, 4, 16, {.top_down = top_down}), 5, 4, files::colour_at, 9);  // 5 bits a sample
  require_picture(files::bmp(5, 4, 16, {.masks = {0xF800, 0x07E0, 0x001F}, .top_down = top_down}), 5, 4,
                  files::colour_at, 9);
  for (const std::uint32_t header : {40U, 52U, 56U, 108U, 124U})
    require_picture(
        files::bmp(5, 4, 32, {.header_bytes = header, .masks = {0xFF, 0xFF00, 0xFF0000}, .top_down = top_down}), 5, 4,
        files::colour_at);
  require_picture(files::bmp(5, 4, 32, {.header_bytes = 124, .masks = {0xFF, 0xFF00, 0xFF0000, 0xFF000000}}), 5, 4,
                  [](int x, int y) { return on_white(files::colour_at(x, y), 128); });
  require_picture(files::bmp(5, 4, 32, {.header_bytes = 108, .masks = {0x3FF00000, 0x000FFC00, 0x000003FF}}), 5, 4,
                  files::colour_at, 1);  // 10 bits a sample
}

TEST_CASE("a damaged BMP is told by its fault") {
  const Bytes sound = files::bmp(6, 5, 24);
  const auto with = [&](std::size_t at, std::uint32_t value, std::size_t width) {
    Bytes bytes = sound;
    set_little(bytes, at, value, width);
    return refused(bytes);
  };
  CHECK_THAT(with(18, 0, 4), ContainsSubstring("claims 0 x 5 pixels"));
  CHECK_THAT(with(18, 0xFFFFFFFF, 4), ContainsSubstring("claims -1 x 5 pixels"));
  CHECK_THAT(with(22, 0x80000000, 4), ContainsSubstring("claims 6 x 2147483648 pixels"));
  CHECK_THAT(with(22, 60'000, 4), ContainsSubstring("60000 rows of 20 bytes"));
  CHECK_THAT(with(28, 7, 2), ContainsSubstring("BMP of 7 bits a pixel"));
  CHECK_THAT(with(28, 0, 2), ContainsSubstring("BMP of 0 bits a pixel"));
  CHECK_THAT(with(30, 1, 4), ContainsSubstring("BMP of coding 1, expected 0 or 3"));
  CHECK_THAT(with(30, 3, 4), ContainsSubstring("BMP of 24 bits a pixel"));
  CHECK_THAT(with(10, 0xFFFFFFF0, 4), ContainsSubstring("BMP ends in the middle"));
  CHECK_THAT(with(10, 20, 4), ContainsSubstring("pixels from byte 20 on, inside its header"));
  CHECK_THAT(with(14, 41, 4), ContainsSubstring("not PNG, JPEG, BMP"));
  CHECK_THAT(refused(sound, {.max_pixels = 29}), ContainsSubstring("at most 29 in all (the setting max-pixels)"));
  Bytes masks = files::bmp(6, 5, 32, {.masks = {0xFF, 0xFF00, 0xFF0000}});
  set_little(masks, 54, 0x0F0F, 4);
  CHECK_THAT(refused(masks), ContainsSubstring("a sample of bits 3855 of 32"));
  Bytes palette = files::bmp(6, 5, 8, {.colours = 20});
  palette[palette.size() - 8] = 20;
  CHECK_THAT(refused(palette), ContainsSubstring("colour 20 of a palette of 20"));
  set_little(palette, 46, 257, 4);
  CHECK_THAT(refused(palette), ContainsSubstring("a palette of 257 colours, expected at most 256"));
  for (const Bytes& whole : {sound, files::bmp(6, 5, 8, {.colours = 20}), files::bmp(6, 5, 1, {.header_bytes = 12}),
                             files::bmp(6, 5, 32, {.masks = {0xFF, 0xFF00, 0xFF0000}})})
    require_hardened(whole, 0);
  CHECK_THAT(refused(files::text_bytes("BM is how this text begins, and no picture")), ContainsSubstring("not PNG"));
}

#if defined(CONTEXTURE_WITH_GIF)
TEST_CASE("the first picture of a GIF, on white") {
  const auto colour = [](int x, int y) { return files::palette_entry(files::index_at(x, y, 100)); };
  for (const int height : {1, 2, 5, 9, 17}) {
    require_picture(files::gif(23, height), 23, height, colour);
    require_picture(files::gif(23, height, {.interlaced = true}), 23, height, colour);
  }
  require_picture(files::gif(8, 9, {.own_palette = true}), 8, 9, colour);
  require_picture(files::gif(8, 9, {.transparent = 5}), 8, 9, [&](int x, int y) {
    return files::index_at(x, y, 100) == 5 ? Colour{255, 255, 255} : colour(x, y);
  });
  require_picture(files::gif(12, 11, {.left = 3, .top = 2, .width = 4, .height = 5}), 12, 11, [&](int x, int y) {
    return x >= 3 && x < 7 && y >= 2 && y < 7 ? colour(x - 3, y - 2) : Colour{255, 255, 255};
  });
}

TEST_CASE("a damaged GIF is told by its fault") {
  CHECK_THAT(refused(files::gif(8, 9, {.left = 1, .width = 8})), ContainsSubstring("a picture of 8 x 9 at 1, 0 on a"));
  CHECK_THAT(refused(files::gif(8, 9), {.max_pixels = 71}), ContainsSubstring("at most 71 in all"));
  Bytes bytes = files::gif(8, 9);
  set_little(bytes, 6, 0xFFFF, 2);
  set_little(bytes, 8, 0xFFFF, 2);
  CHECK_THAT(refused(bytes), ContainsSubstring("claims 65535 x 65535 pixels"));
  bytes = files::gif(8, 9);
  bytes[10] = 0;  // no palette: what was one is read as something else
  (void)refused(bytes);
  bytes = files::gif(8, 9, {.own_palette = true});
  const Bytes empty(bytes.begin(), bytes.begin() + 13);
  bytes = empty;
  bytes.push_back(0x3B);
  CHECK_THAT(refused(bytes), ContainsSubstring("GIF without a picture"));
  constexpr std::size_t kSecond = 46;  // the second picture and the end are not looked at
  require_hardened(files::gif(6, 5), kSecond);
}
#endif

#if defined(CONTEXTURE_WITH_WEBP)
TEST_CASE("still WebP pictures, upright") {
  require_picture(files::webp(23, 9, {}), 23, 9, files::colour_at);
  require_picture(
      files::webp(64, 32, {.lossy = true}), 64, 32,
      [](int, int) {
        return Colour{128, 128, 128};
      },
      200);
  require_picture(files::webp(23, 9, {.opacity = true}), 23, 9,
                  [](int x, int y) { return on_white(files::colour_at(x, y), 128); });
  require_picture(files::webp(23, 9, {.orientation = 1}), 23, 9, files::colour_at);
  require_picture(files::webp(23, 9, {.orientation = 3}), 23, 9,
                  [](int x, int y) { return files::colour_at(22 - x, 8 - y); });
  require_picture(files::webp(23, 9, {.orientation = 6}), 9, 23,
                  [](int x, int y) { return files::colour_at(y, 8 - x); });
  require_picture(files::webp(23, 9, {.orientation = 9}), 23, 9, files::colour_at);
}

TEST_CASE("a damaged WebP is told by its fault") {
  CHECK_THAT(refused(files::webp(8, 9, {.animated = true})), ContainsSubstring("an animated WebP"));
  CHECK_THAT(refused(files::webp(8, 9, {}), {.max_pixels = 71}), ContainsSubstring("at most 71 in all"));
  require_hardened(files::webp(6, 5, {}), 0);
  require_hardened(files::webp(20, 20, {.lossy = true}), 0);
  require_hardened(files::webp(6, 5, {.orientation = 6}), 0);
}
#endif

#if defined(CONTEXTURE_WITH_TIFF)
TEST_CASE("TIFF by hand: byte orders, samples, orientations") {
  const bool big = GENERATE(false, true);
  for (const int bits : {8, 16}) {
    require_picture(files::tiff(23, 9, {.big_endian = big, .bits = bits}), 23, 9, files::colour_at);
    const Bytes grey = files::tiff(23, 9, {.big_endian = big, .samples = 1, .bits = bits});
    CHECK(image_of_bytes(grey).channels == 1);
    CHECK(detail::image_header(grey, {}).grey);
    require_picture(grey, 23, 9, files::colour_at);
  }
  for (const int samples : {2, 4})
    require_picture(
        files::tiff(23, 9, {.big_endian = big, .samples = samples}), 23, 9,
        [](int x, int y) { return on_white(files::colour_at(x, y), 128); }, 1);
  using Shown = std::function<Colour(int x, int y)>;
  const std::array<Shown, 8> shown = {Shown(files::colour_at),
                                      [](int x, int y) { return files::colour_at(22 - x, y); },
                                      [](int x, int y) { return files::colour_at(22 - x, 8 - y); },
                                      [](int x, int y) { return files::colour_at(x, 8 - y); },
                                      [](int x, int y) { return files::colour_at(y, x); },
                                      [](int x, int y) { return files::colour_at(y, 8 - x); },
                                      [](int x, int y) { return files::colour_at(22 - y, 8 - x); },
                                      [](int x, int y) { return files::colour_at(22 - y, x); }};
  for (int o = 1; o <= 8; ++o)
    require_picture(files::tiff(23, 9, {.big_endian = big, .orientation = o}), o < 5 ? 23 : 9, o < 5 ? 9 : 23,
                    shown[static_cast<std::size_t>(o - 1)]);
}

TEST_CASE("TIFF in tiles, coded") {
  for (const auto& [name, coding] : files::tiff_codings()) {
    CAPTURE(name);
    if (coding == COMPRESSION_CCITTFAX4)
      require_picture(files::coded_tiff(40, 20, coding), 40, 20, [](int x, int y) {
        const auto v = static_cast<std::uint8_t>(files::index_at(x, y, 2) == 0 ? 255 : 0);
        return Colour{v, v, v};
      });
    else
      require_picture(files::coded_tiff(16, 16, coding), 16, 16, files::colour_at, coding == COMPRESSION_JPEG ? 60 : 0);
  }
}

TEST_CASE("a damaged TIFF is told by its fault") {
  CHECK_THAT(refused(files::tiff(8, 9), {.max_pixels = 71}), ContainsSubstring("at most 71 in all"));
  CHECK_THAT(refused(files::tiff(8, 9, {.claimed_width = 70'000})), ContainsSubstring("claims 70000 x 9 pixels"));
  CHECK_THAT(refused(files::tiff(8, 9, {.claimed_width = 20'000})), ContainsSubstring("cannot be decoded"));
  CHECK_THAT(refused(files::tiff(8, 9, {.coding = 34'712})), ContainsSubstring("TIFF of coding 34712"));
  require_hardened(files::tiff(6, 5, {.samples = 1}), 18);  // where further pictures are, and padding
  require_hardened(files::coded_tiff(16, 16, COMPRESSION_LZW), 0);
  require_hardened(files::coded_tiff(16, 16, COMPRESSION_JPEG), 0);
}
#endif

TEST_CASE("a folder of all kinds of images: what this build does not read is told") {
  const files::TempFolder folder;
  std::string without;
  int used = 0;
  const auto put = [&](const std::string& name, const Bytes& bytes) {
    for (int i = 0; i < 3; ++i)
      for (const char* const part : {"set/train/a/", "set/train/b/", "set/test/a/", "set/test/b/"})
        files::write(folder / (part + std::to_string(i) + name), bytes);
  };
  put(".png", files::rgb_png(8, 9, 1, 2, 3));
  put(".bmp", files::bmp(8, 9, 24));
  put(".gif", files::gif(8, 9));
  put(".tif", files::tiff(8, 9));
  used = 6 + 6;
#if defined(CONTEXTURE_WITH_GIF)
  used += 6;
#else
  without += "12 files not used, built without GIF (.gif)";
#endif
#if defined(CONTEXTURE_WITH_TIFF)
  used += 6;
#else
  without += "12 files not used, built without TIFF (.tif)";
#endif
#if defined(CONTEXTURE_WITH_WEBP)
  put(".webp", files::webp(8, 9, {}));
  used += 6;
#endif
  const DataOptions lenient{.max_broken = 0.9};
  const Dataset data = load_dataset((folder / "set").string(), lenient);
  CHECK(data.train.count == used);
  CHECK(data.train.height == 9);
  CHECK(data.train.width == 8);
  CHECK(data.account.left_out.empty() == without.empty());
  for (const auto& left : data.account.left_out)
    CHECK_THAT(without, ContainsSubstring(left.line().substr(0, left.line().find(':'))));
  // Called so, and something else inside: broken, whatever is built in.
  for (const char* const name : {"a.webp", "a.gif", "a.TIFF", "a.bmp", "a.jpeg"})
    files::write(folder / ("set/train/a/" + std::string(name)), std::string("words"));
  const Dataset more = load_dataset((folder / "set").string(), lenient);
  REQUIRE(!more.account.left_out.empty());
  bool told = false;
  for (const auto& left : more.account.left_out) told = told || (left.reason == "broken" && left.count == 5);
  CHECK(told);
}

#if !defined(CONTEXTURE_WITHOUT_ARCHIVE)
TEST_CASE("a shard of all kinds of images") {
  const files::TempFolder folder;
  files::TarEntries entries;
  int key = 100, images = 0;
  for (int again = 0; again < 4; ++again)
    for (const auto& [extension, bytes] : {
           std::pair<const char*, Bytes>{".png", files::rgb_png(8, 9, 1, 2, 3)}, {".bmp", files::bmp(8, 9, 24)},
#if defined(CONTEXTURE_WITH_GIF)
               {".gif", files::gif(8, 9)},
#endif
#if defined(CONTEXTURE_WITH_WEBP)
               {".webp", files::webp(8, 9, {})},
#endif
#if defined(CONTEXTURE_WITH_TIFF)
               {".tif", files::tiff(8, 9)},
#endif
         }) {
      const std::string name = std::to_string(key++);
      entries.emplace_back(name + extension, bytes);
      entries.emplace_back(name + ".cls", files::text_bytes(std::to_string(key % 2)));
      ++images;
    }
  files::write(folder / "train-0.tar", files::tar(entries));
  files::write(folder / "test-0.tar", files::tar(entries));
  CHECK(load_dataset(folder.string()).train.count == images);
}
#endif
