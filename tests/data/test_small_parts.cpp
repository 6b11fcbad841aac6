// SPDX-License-Identifier: MIT
// Bounds and names that the loaders rest on, each by itself.

#include "contexture/data/byte_reader.hpp"
#include "contexture/data/cifar.hpp"
#include "contexture/data/image_caches.hpp"
#include "contexture/data/image_format.hpp"
#include "contexture/data/jpeg_check.hpp"
#include "contexture/data/shards.hpp"
#include "data/files.hpp"
#include "support/catch.hpp"

namespace small_data_parts {

using namespace contexture;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using files::Bytes;

TEST_CASE("an image has at most 65,535 pixels a side, and that many are one image") {
  const auto check = [](Index height, Index width) {
    detail::ImageHeader header;
    header.height = height;
    header.width = width;
    detail::check_extent(header, {});
  };
  CHECK_NOTHROW(check(1, 65'535));
  CHECK_NOTHROW(check(65'535, 1));
  for (const auto& [height, width] : {std::pair<Index, Index>{1, 65'536}, {65'536, 1}, {0, 1}, {1, 0}})
    CHECK_THROWS_WITH(check(height, width), ContainsSubstring("expected 1 to 65535 a side"));
}

TEST_CASE("a Huffman table of a third kind is refused by its kind") {
  Bytes bytes{0xFF, 0xD8, 0xFF, 0xC4, 0, 19, 0x20};
  bytes.resize(bytes.size() + 16, 0);
  CHECK_THROWS_WITH(detail::check_jpeg(bytes, {}), ContainsSubstring("Huffman table 0 of kind 2"));
}

TEST_CASE("a cache is named after its folder, without what a file's name should not have") {
  const files::TempFolder cache;
  DataOptions options;
  options.cache = cache.path();
  const auto name_of = [&](const char* folder) {
    return detail::ImageCaches(folder, options).place_of({}).file.filename().string();
  };
  CHECK_THAT(name_of("/some/my pictures!"), StartsWith("my_pictures_"));
  CHECK_THAT(name_of("/some/Set-7_b"), StartsWith("Set-7_b"));
}

TEST_CASE("what lies beside shards is counted within a part, and taken for a part above") {
  const files::TempFolder folder;
  files::write(folder / "stray/a.txt", Bytes(3, 0));
  files::write(folder / "stray/b.txt", Bytes(3, 0));
  detail::ShardFolder within, above;
  detail::add_shards(folder.path(), detail::SplitPart::train, within);
  REQUIRE(within.rest.size() == 1);
  CHECK(within.rest[0].count == 2);
  detail::add_shards(folder.path(), detail::SplitPart::none, above);
  CHECK(above.rest.empty());
}

TEST_CASE("CIFAR-10 has five files to train on, and a sixth is none of them") {
  const files::TempFolder folder;
  for (const char* name : {"data_batch_1.bin", "data_batch_5.bin", "data_batch_6.bin", "test_batch.bin"})
    files::write(folder / name, Bytes(1 + 3 * 32 * 32, 1));
  const Dataset data = detail::load_cifar10(folder.path());
  CHECK(data.train.count == 2);
  CHECK(data.test.count == 1);
  REQUIRE(data.notes.size() == 1);
  CHECK_THAT(data.notes[0], StartsWith("2 of the 5"));
}

TEST_CASE("a folder is no file, and is said to be a folder") {
  const files::TempFolder folder;
  CHECK_THROWS_WITH(detail::ByteReader(folder.path()), ContainsSubstring("cannot be read: Is a directory"));
}

TEST_CASE("images that no memory can hold are refused before any is asked for") {
  ImageSet set{0, 8, 8, 3, {}, {}};
  CHECK_THROWS_WITH(detail::make_room(set, Index{1} << 40), ContainsSubstring("1099511627776 images of 8 x 8 x 3"));
  CHECK_NOTHROW(detail::make_room(set, 2));
}

}  // namespace small_data_parts
