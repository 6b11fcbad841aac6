// SPDX-License-Identifier: MIT
// Tar shards as a data set: what is read, and what is refused with which line.
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "contexture/data/load.hpp"
#include "contexture/data/sampler.hpp"
#include "data/files.hpp"
#include "data/tar_files.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

#if !defined(CONTEXTURE_WITHOUT_ARCHIVE)

using namespace contexture;
using Catch::Matchers::ContainsSubstring;

namespace {

// The first channel of each image, which is its number.
std::vector<int> first_values(const ImageSet& set) {
  std::vector<int> out;
  for (Index i = 0; i < set.count; ++i) out.push_back(set.image(i)[0]);
  return out;
}

std::string shards_refused(const files::TempFolder& folder, const DataOptions& options = {}) {
  return errors::refusal_of([&] { return load_dataset(folder.string(), options); });
}

}  // namespace

TEST_CASE("shards: train and test by name, classes by number") {
  const files::TempFolder folder;
  files::write(folder / "train-000000.tar", files::tar(files::samples(0, 10, 3, true)));
  files::write(folder / "train-000001.tar", files::tar(files::samples(10, 4, 3)));  // unequal
  files::write(folder / "test-000000.tar", files::tar(files::samples(100, 6, 3)));
  files::write(folder / "unlabeled-0.tar", files::tar({{"a/b.png", files::rgb_png(8, 8, 200, 1, 2)}}));
  files::write(folder / "class_names.txt", std::string("ant\nbee\ncow\n"));
  files::write(folder / "notes.txt", std::string("words"));
  const Dataset data = load_dataset(folder.string());
  CHECK(data.class_names == std::vector<std::string>{"ant", "bee", "cow"});
  CHECK(first_values(data.train) == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13});
  CHECK(first_values(data.test) == std::vector<int>{100, 101, 102, 103, 104, 105});
  CHECK(first_values(data.unlabeled) == std::vector<int>{200});
  for (Index i = 0; i < data.train.count; ++i) {
    REQUIRE(data.train.labels[static_cast<std::size_t>(i)] == i % 3);
    REQUIRE(data.train.image(i)[8 * 8 * 3 - 1] == 3 * i % 256);
  }
  CHECK(data.account.used == 21);
  CHECK(data.account.left_out_files() == 11);
  CHECK_THAT(
      data.account.left_out[0].line() + data.account.left_out[1].line(),
      ContainsSubstring("10 files not used, beside the images of shards (.json)") && ContainsSubstring("notes.txt"));
  // Each image once an epoch, whatever shard it came from.
  const EpochSampler sampler(numbered(data.train.count), 7, Rng(3));
  std::set<Index> seen;
  for (std::int64_t step = 0; step < 2; ++step)
    for (const Index i : sampler.batch(step)) seen.insert(i);
  CHECK(seen.size() == 14);
}

TEST_CASE("shards: without parts a fifth is kept for testing; classes by name; parts by folder") {
  const files::TempFolder folder;
  files::TarEntries entries;
  for (int n = 0; n < 20; ++n) {
    const std::string key = "x/" + std::to_string(n) + (n % 2 == 0 ? ".JPG" : ".jpeg");
    entries.emplace_back(key, files::jpeg(1, {static_cast<std::uint8_t>(10 * n)}));
    entries.emplace_back("x/" + std::to_string(n) + ".cls", files::text_bytes(n % 4 < 2 ? "zebra\n" : " ape"));
  }
  files::write(folder / "shard-000000.tar", files::tar(entries));
  const Dataset data = load_dataset(folder.string());
  CHECK(data.class_names == std::vector<std::string>{"ape", "zebra"});
  CHECK(data.train.count == 16);
  CHECK(data.test.count == 4);
  CHECK(data.train.channels == 1);
  for (Index i = 0; i < 16; ++i)
    REQUIRE(data.train.labels[static_cast<std::size_t>(i)] == (*data.train.image(i) / 10 % 4 < 2 ? 1 : 0));

  const files::TempFolder parts;
  files::write(parts / "train/a.tar", files::tar(files::samples(0, 6, 2)));
  files::write(parts / "val/a.tar", files::tar(files::samples(50, 4, 2)));
  const Dataset by_folder = load_dataset(parts.string());
  CHECK(first_values(by_folder.train) == std::vector<int>{0, 1, 2, 3, 4, 5});
  CHECK(first_values(by_folder.test) == std::vector<int>{50, 51, 52, 53});
  files::write(parts / "test/a.tar", files::tar(files::samples(60, 4, 2)));
  CHECK(load_dataset(parts.string()).train.count == 10);  // the validation images have joined

  // Beside folders of classes a tar file is none of the images.
  const files::TempFolder images;
  for (const char* name : {"cat", "dog"})
    for (int n = 0; n < 5; ++n)
      files::write(images / (std::string(name) + "/" + std::to_string(n) + ".png"), files::grey_png(8, 8, 9));
  files::write(images / "backup.tar", files::tar({}));
  CHECK(load_dataset(images.string()).class_names == std::vector<std::string>{"cat", "dog"});
}

TEST_CASE("shards: without .cls they are for pre-training alone") {
  const files::TempFolder folder;
  files::TarEntries entries = files::samples(0, 10, 2);
  entries.erase(entries.begin() + 7);  // 000003.cls
  files::write(folder / "shard-0.tar", files::tar(entries));
  CHECK_THAT(shards_refused(folder), ContainsSubstring("shard-0.tar: sample 000003 has no .cls"));
  const Dataset data = load_dataset(folder.string(), {.labels = false});
  CHECK(data.train.count == 10);
  CHECK(data.train.labels.empty());
  CHECK(data.class_names.empty());
}

TEST_CASE("shards: what is damaged is refused, with the place") {
  const files::TempFolder folder;
  const files::Bytes good = files::tar(files::samples(0, 12, 2));
  const auto with = [&](const files::Bytes& bytes) {
    files::write(folder / "shard-0.tar", bytes);
    return shards_refused(folder);
  };
  const auto cut = [&](std::size_t size) {
    return with({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)});
  };
  CHECK_THAT(cut(512 * 9 + 20), ContainsSubstring("shard-0.tar: ") && ContainsSubstring("cut off"));  // in a header
  CHECK_THAT(cut(512 * 8 + 40), ContainsSubstring("shard-0.tar: ") && ContainsSubstring("cut off"));
  CHECK_THAT(cut(512 * 8), ContainsSubstring("shard-0.tar: ") && ContainsSubstring("cut off"));  // between two members
  CHECK_THAT(cut(good.size() - 1024), ContainsSubstring("mark of the end is missing"));
  CHECK_THAT(with(files::gzip(good)), ContainsSubstring("compressed by gzip, expected a plain tar"));
  CHECK_THAT(with(files::text_bytes("nonsense")), ContainsSubstring("shard-0.tar: no tar file"));
  files::Bytes flipped = good;
  flipped[512 * 8 + 3] ^= 1;  // in a header, whose checksum is wrong then
  CHECK_THAT(with(flipped), ContainsSubstring("shard-0.tar: damaged or cut off near byte"));

  files::TarEntries entries = files::samples(0, 12, 2);
  std::swap(entries[1], entries[2]);
  CHECK_THAT(with(files::tar(entries)),
             ContainsSubstring("sample 000000 do not follow each other (000001 comes between)"));
  entries = files::samples(0, 12, 2);
  entries.insert(entries.begin() + 1, {"000000.jpg", files::jpeg(1, {9})});
  CHECK_THAT(with(files::tar(entries)), ContainsSubstring("000000.jpg: a second image of its sample"));
  entries = files::samples(0, 12, 2);
  entries[1].second.clear();
  CHECK_THAT(with(files::tar(entries)), ContainsSubstring("000000.cls: 0 bytes, expected a class's number or name"));
  entries[1].second = files::text_bytes("cat");
  CHECK_THAT(with(files::tar(entries)), ContainsSubstring("numbers (0) and names (cat)"));
  entries = files::samples(0, 12, 2);
  entries.erase(entries.begin());  // a class without its image: more than the share that may be broken
  CHECK_THAT(with(files::tar(entries)),
             ContainsSubstring("1 of 12 images are broken") && ContainsSubstring("000000.cls: a class without"));
  entries = files::samples(0, 12, 2);
  entries[4].second.resize(60);
  CHECK_THAT(with(files::tar(entries)), ContainsSubstring("shard-0.tar/000002.png"));

  files::write(folder / "class_names.txt", std::string("only\ntwo\n"));
  CHECK_THAT(with(files::tar(files::samples(0, 12, 3))),
             ContainsSubstring("class 2 of a shard, expected 0 to 1 of the 2 in"));
  files::write(folder / "train-1.tar", good);
  CHECK_THAT(shards_refused(folder), ContainsSubstring("shard-0.tar is no part of a data set by its name"));
}

TEST_CASE("shards: one that goes while it is read is named") {
  const files::TempFolder folder;
  files::write(folder / "a.tar", files::tar(files::samples(0, 12, 2)));
  files::write(folder / "b.tar", files::tar(files::samples(20, 12, 2)));
  const auto change = [&](auto how) {
    DataOptions options;
    options.progress = [&](const LoadProgress& progress) {
      if (progress.what.find("shards") != std::string::npos) how();
    };
    return shards_refused(folder, options);
  };
  CHECK_THAT(change([&] { files::write(folder / "b.tar", files::tar(files::samples(20, 13, 2))); }),
             ContainsSubstring("b.tar: has changed while it was read"));
  CHECK_THAT(change([&] { std::filesystem::remove(folder / "b.tar"); }),
             ContainsSubstring("b.tar: was listed, and now cannot be read: No such file"));
}

#endif
