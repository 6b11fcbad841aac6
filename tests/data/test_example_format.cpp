// SPDX-License-Identifier: MIT
// The file format that docs/HACKING.md walks through: what it reads, and what it refuses.
#include "data/example_format.hpp"
#include "data/files.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace contexture;
using Catch::Matchers::ContainsSubstring;
using errors::refusal_of;

namespace {
// Two images of 2 x 2 pixels, of classes 1 and 0.
const files::Bytes kTwoImages{'T', 'I', 'N', 'Y', 2, 2, 2, 1, 10, 11, 12, 13, 0, 20, 21, 22, 23};
}  // namespace

TEST_CASE("the example format is recognised and read, plain and gzipped") {
  const files::TempFolder folder;
  CHECK_FALSE(example::is_tiny_folder(folder.path()));
  files::write(folder / "train.tiny", kTwoImages);
  files::write(folder / "test.tiny", files::gzip(kTwoImages));
  CHECK(example::is_tiny_folder(folder.path()));
  const Dataset data = example::load_tiny(folder.path());
  CHECK(data.class_names == std::vector<std::string>{"0", "1"});
  CHECK(data.train.count == 2);
  CHECK(data.train.height == 2);
  CHECK(data.train.labels == std::vector<std::int32_t>{1, 0});
  CHECK(data.train.pixels == std::vector<std::uint8_t>{10, 11, 12, 13, 20, 21, 22, 23});
  CHECK(data.test.pixels == data.train.pixels);
}

TEST_CASE("the example format refuses damaged files in one line that names the place") {
  const files::TempFolder folder;
  const auto path = folder / "train.tiny";
  const auto refusal = [&](const files::Bytes& bytes) {
    files::write(path, bytes);
    int classes = 0;
    return refusal_of([&] { return example::read_tiny(path, classes); });
  };
  const auto changed = [](std::size_t at, std::uint8_t to) {
    files::Bytes bytes = kTwoImages;
    bytes[at] = to;
    return bytes;
  };
  CHECK_THAT(refusal(changed(0, 'X')), ContainsSubstring("train.tiny: does not begin with TINY"));
  CHECK_THAT(refusal({'T', 'I'}), ContainsSubstring("truncated: ends at byte 2"));
  CHECK_THAT(refusal(changed(4, 0)), ContainsSubstring("side 0"));
  CHECK_THAT(refusal(changed(5, 1)), ContainsSubstring("1 classes"));
  CHECK_THAT(refusal(changed(6, 200)), ContainsSubstring("promises 200 images"));
  CHECK_THAT(refusal(changed(12, 2)), ContainsSubstring("label 2 at byte 12, expected 0 to 1"));
  files::Bytes longer = kTwoImages;
  longer.push_back(0);
  CHECK_THAT(refusal(longer), ContainsSubstring("goes on at byte 17"));
}
