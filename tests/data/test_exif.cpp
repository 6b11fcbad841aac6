// SPDX-License-Identifier: MIT
// Photographs are shown as their camera was held: all eight orientations, by every decoder and through every way that
// images come by; what is wrong with the tag changes nothing.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "contexture/data/image_io.hpp"
#include "contexture/data/load.hpp"
#include "contexture/data/scan_header.hpp"
#include "data/decoders.hpp"
#include "data/exif_files.hpp"
#include "data/tar_files.hpp"
#include "support/catch.hpp"

using namespace contexture;
using files::Bytes;

#if !defined(CONTEXTURE_WITH_STB_IMAGE)
namespace {

// Where the pixel that is stored at (row, column) of h x w is shown: table 6 of Exif 2.32.
std::array<Index, 2> shown_at(Index row, Index column, Index h, Index w, int orientation) {
  switch (orientation) {
    case 2: return {row, w - 1 - column};
    case 3: return {h - 1 - row, w - 1 - column};
    case 4: return {h - 1 - row, column};
    case 5: return {column, row};
    case 6: return {column, h - 1 - row};
    case 7: return {w - 1 - column, h - 1 - row};
    case 8: return {w - 1 - column, row};
    default: return {row, column};
  }
}

ImageSet expected_of(const ImageSet& stored, int orientation) {
  ImageSet out = stored;
  if (orientation >= 5) std::swap(out.height, out.width);
  for (Index row = 0; row < stored.height; ++row) {
    for (Index column = 0; column < stored.width; ++column) {
      const auto [y, x] = shown_at(row, column, stored.height, stored.width, orientation);
      std::copy_n(stored.image(0) + (row * stored.width + column) * stored.channels, stored.channels,
                  out.image(0) + (y * out.width + x) * out.channels);
    }
  }
  return out;
}

void require_same_image(const ImageSet& image, const ImageSet& expected) {
  REQUIRE(image.height == expected.height);
  REQUIRE(image.width == expected.width);
  REQUIRE(image.channels == expected.channels);
  REQUIRE(image.pixels == expected.pixels);
}

}  // namespace

TEST_CASE("a JPEG is shown as its camera was held") {
  const files::Decoder decoded = GENERATE_REF(from_range(files::decoders()));
  const Bytes jpeg = files::written_jpeg(20, 33, {}, Rng(1));
  const Bytes grey = files::jpeg(2, {90});
  const ImageSet stored = decoded(jpeg);
  for (std::uint32_t orientation = 1; orientation <= 8; ++orientation) {
    const ImageSet expected = expected_of(stored, static_cast<int>(orientation));
    require_same_image(decoded(files::held(jpeg, orientation)), expected);
    require_same_image(
        decoded(files::with_segment(jpeg, 0xE1, files::exif({.value = orientation, .big_endian = false}))), expected);
    CHECK(decoded(files::held(grey, orientation)).channels == 1);
    // What the first bytes tell is what comes out.
    const detail::ImageHeader header = detail::jpeg_header(files::held(jpeg, orientation), {});
    CHECK(header.height == expected.height);
    CHECK(header.width == expected.width);
  }
}

TEST_CASE("a JPEG that is decoded small is turned as well") {
  const Bytes jpeg = files::written_jpeg(96, 128, {}, Rng(2));
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const bool on_its_side = orientation >= 5;
    const ImageExtent enough{on_its_side ? 64 : 48, on_its_side ? 48 : 64};
    const ImageSet stored = detail::decode_with_libraries(jpeg, {}, {48, 64});
    REQUIRE(stored.height == 48);
    require_same_image(
        detail::decode_with_libraries(files::held(jpeg, static_cast<std::uint32_t>(orientation)), {}, enough),
        expected_of(stored, orientation));
  }
}

TEST_CASE("an orientation that is not to be trusted is none") {
  const files::Decoder decoded = GENERATE_REF(from_range(files::decoders()));
  const Bytes jpeg = files::written_jpeg(20, 33, {}, Rng(1));
  const ImageSet stored = decoded(jpeg);
  using Tag = files::ExifTag;
  for (const bool big : {true, false}) {
    for (Tag tag : {Tag{.value = 0}, Tag{.value = 9}, Tag{.value = 0xFFFF}, Tag{.value = 6, .type = 4},
                    Tag{.value = 6, .count = 2}, Tag{.value = 6, .count = 0}, Tag{.value = 6, .tag = 0x0113},
                    Tag{.value = 6, .directory = 0}, Tag{.value = 6, .directory = 7}, Tag{.value = 6, .directory = 37},
                    Tag{.value = 6, .directory = 0xFFFFFFFF}, Tag{.value = 6, .entries = 1}}) {
      tag.big_endian = big;
      require_same_image(decoded(files::with_segment(jpeg, 0xE1, files::exif(tag))), stored);
    }
    // More entries are claimed than there are: what is there counts.
    const Tag many{.value = 3, .big_endian = big, .entries = 0xFFFF};
    require_same_image(decoded(files::with_segment(jpeg, 0xE1, files::exif(many))), expected_of(stored, 3));
  }
  // Cut off anywhere.
  const Bytes whole = files::exif({.value = 6});
  constexpr std::size_t kEndOfTag = 6 + 8 + 2 + 2 * 12;
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes));
    require_same_image(decoded(files::with_segment(jpeg, 0xE1, cut)), expected_of(stored, bytes < kEndOfTag ? 1 : 6));
  }
  // Other things that are kept in such a segment, another byte order, and the tag behind the frame.
  require_same_image(decoded(files::with_segment(files::held(jpeg, 6), 0xE1, files::text_bytes("http://ns.adobe.com"))),
                     expected_of(stored, 6));
  require_same_image(decoded(files::with_segment(files::held(jpeg, 6), 0xE1, files::exif({.value = 3}))),
                     expected_of(stored, 3));
  Bytes mixed = files::exif({.value = 6});
  mixed[7] = 'I';
  require_same_image(decoded(files::with_segment(jpeg, 0xE1, mixed)), stored);
  Bytes late = jpeg;
  Bytes segment;
  files::append_jpeg_segment(segment, 0xE1, files::exif({.value = 6}));
  const std::array<std::uint8_t, 2> scan = {0xFF, 0xDA};
  late.insert(std::search(late.begin(), late.end(), scan.begin(), scan.end()), segment.begin(), segment.end());
  require_same_image(decoded(late), stored);
}

TEST_CASE("images on their side come upright from files, shards and a cache") {
  const files::TempFolder folder;
  files::TarEntries train, test;
  for (int n = 0; n < 16; ++n) {
    // As a camera stores them: half of them on their side.
    const bool side = n % 2 == 0;
    const Bytes jpeg = files::written_jpeg(side ? 24 : 40, side ? 40 : 24, {}, Rng(static_cast<std::uint64_t>(n)));
    const Bytes photo = files::held(jpeg, side ? 6 : 3);
    const std::string name = std::to_string(100 + n);
    files::write(
        folder / ((n < 12 ? "photos/train/" : "photos/test/") + std::to_string(n % 4 / 2) + "/" + name + ".jpg"),
        photo);
    files::TarEntries& part = n < 12 ? train : test;
    part.emplace_back(name + ".jpg", photo);
    part.emplace_back(name + ".cls", files::text_bytes(std::to_string(n % 4 / 2)));
  }
  const Dataset photos = load_dataset((folder / "photos").string());
  // All are portraits, so they keep their size.
  REQUIRE(photos.train.height == 40);
  REQUIRE(photos.train.width == 24);
  REQUIRE(photos.train.count == 12);
  const Bytes stored = files::written_jpeg(24, 40, {}, Rng(0));
  const ImageSet first = expected_of(detail::decode_with_libraries(stored, {}), 6);
  CHECK(std::equal(first.pixels.begin(), first.pixels.end(), photos.train.image(0)));
  const Dataset mapped = load_dataset((folder / "photos").string(), {.memory_limit = 1, .cache = folder / "cache"});
  CHECK(mapped.train.pixels == photos.train.pixels);
  CHECK(mapped.test.pixels == photos.test.pixels);
  // Smaller ones.
  const Dataset small = load_dataset((folder / "photos").string(), {.image_size = 10});
  const Dataset small_mapped =
      load_dataset((folder / "photos").string(), {.image_size = 10, .memory_limit = 1, .cache = folder / "cache"});
  CHECK(small.train.pixels == small_mapped.train.pixels);
#if !defined(CONTEXTURE_WITHOUT_ARCHIVE)
  files::write(folder / "shards/train-0.tar", files::tar(train));
  files::write(folder / "shards/test-0.tar", files::tar(test));
  const Dataset shards = load_dataset((folder / "shards").string());
  REQUIRE(shards.train.height == 40);
  REQUIRE(shards.train.width == 24);
  std::vector<bool> found;
  for (Index i = 0; i < shards.train.count; ++i)
    for (Index k = 0; k < photos.train.count; ++k)
      if (std::equal(shards.train.image(i), shards.train.image(i) + shards.train.image_bytes(), photos.train.image(k)))
        found.push_back(true);
  CHECK(found.size() == 12);
#endif
}
#endif
