// SPDX-License-Identifier: MIT
// Data sets larger than memory is to hold: the same images from a file that is mapped, however it came about; and what
// becomes of a cache that is damaged, of other data, unfinished, or has no room.
#include <sys/resource.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "contexture/core/mapped_file.hpp"
#include "contexture/data/load.hpp"
#include "contexture/data/pixels.hpp"
#include "data/files.hpp"
#include "data/tar_files.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace contexture;
using Catch::Matchers::ContainsSubstring;

namespace {

// What is decoded goes to a cache, since memory is to hold one byte.
DataOptions through(const std::filesystem::path& cache) { return {.memory_limit = 1, .cache = cache}; }

std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) out.push_back(entry.path());
  return out;
}

// The only file of a folder.
std::filesystem::path only_file(const std::filesystem::path& folder) {
  const auto files = files_of(folder);
  REQUIRE(files.size() == 1);
  return files[0];
}

void require_same(const Dataset& a, const Dataset& b) {
  const std::vector<const ImageSet*> theirs{&b.train, &b.test, &b.unlabeled};
  std::size_t part = 0;
  for (const ImageSet* set : {&a.train, &a.test, &a.unlabeled}) {
    const ImageSet& other = *theirs[part++];
    REQUIRE(set->count == other.count);
    REQUIRE(set->height == other.height);
    REQUIRE(set->width == other.width);
    REQUIRE(set->channels == other.channels);
    REQUIRE(set->pixels == other.pixels);
    REQUIRE(set->labels == other.labels);
  }
  REQUIRE(a.name == b.name);
  REQUIRE(a.class_names == b.class_names);
  REQUIRE(a.account.used == b.account.used);
  REQUIRE(a.account.lines() == b.account.lines());
}

// Two classes of `each` training images of 32 x 32 in colour, some for testing, some without labels; and a text.
void write_colours(const std::filesystem::path& folder, int each) {
  for (int n = 0; n < each; ++n)
    for (const char* name : {"cat", "dog"}) {
      const auto value = [&](int times) { return static_cast<std::uint8_t>((n * times + name[0]) % 256); };
      const files::Bytes png = files::rgb_png(32, 32, value(1), value(5), value(7));
      files::write(folder / "train" / name / (std::to_string(n) + ".png"), png);
      if (n < 3) files::write(folder / "test" / name / (std::to_string(n) + ".png"), png);
      if (n < 5) files::write(folder / "unlabeled" / (name + std::to_string(n) + ".png"), png);
    }
  files::write(folder / "train/cat/notes.txt", std::string("words"));
}

void flip_byte(const std::filesystem::path& path, std::streamoff at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  if (at < 0) at += static_cast<std::streamoff>(std::filesystem::file_size(path));
  file.seekg(at);
  const int byte = file.get();
  file.seekp(at);
  file.put(static_cast<char>(byte ^ 1));
}

}  // namespace

TEST_CASE("pixels: a mapped file reads like memory, and is never written") {
  const files::TempFolder folder;
  const files::Bytes bytes{1, 2, 3, 4, 5, 6, 7, 8};
  files::write(folder / "bytes", bytes);
  const auto file = std::make_shared<const MappedFile>(folder / "bytes");
  Pixels pixels(file, 2, 4);
  CHECK(pixels == std::vector<std::uint8_t>{3, 4, 5, 6});
  CHECK(pixels.is_mapped());
  Pixels more = pixels;
  more.insert(more.end(), bytes.begin(), bytes.begin() + 2);
  more.push_back(9);
  CHECK(more == std::vector<std::uint8_t>{3, 4, 5, 6, 1, 2, 9});
  CHECK_FALSE(more.is_mapped());
  CHECK(pixels.size() == 4);
  pixels[0] = 77;
  CHECK(pixels != std::vector<std::uint8_t>{3, 4, 5, 6});
  CHECK(MappedFile(folder / "bytes").data()[2] == 3);
  CHECK_THROWS_AS(Pixels(file, 5, 4), std::invalid_argument);
  files::write(folder / "empty", files::Bytes());
  CHECK_THAT(errors::refusal_of([&] { return MappedFile(folder / "empty").size(); }),
             ContainsSubstring("empty: empty"));
  CHECK_THAT(errors::refusal_of([&] { return MappedFile(folder / "none").size(); }), ContainsSubstring("No such file"));
}

TEST_CASE("image cache: the same images as in memory, and again without decoding") {
  const files::TempFolder folder, cache;
  write_colours(folder / "set", 40);
  const std::string set = (folder / "set").string();
  const Dataset in_memory = load_dataset(set);
  CHECK_FALSE(in_memory.train.pixels.is_mapped());
  const Dataset cached = load_dataset(set, through(cache.path()));
  CHECK(cached.train.pixels.is_mapped());
  require_same(in_memory, cached);
  CHECK_THAT(cached.notes.back(), ContainsSubstring(only_file(cache.path()).string()));
  // Files that cannot be read any more, and have the same size and time, are not looked at.
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / "set")) {
    if (!entry.is_regular_file()) continue;
    const auto time = entry.last_write_time();
    files::write(entry.path(), files::Bytes(static_cast<std::size_t>(entry.file_size()), 0));
    std::filesystem::last_write_time(entry.path(), time);
  }
  require_same(in_memory, load_dataset(set, through(cache.path())));
  DataOptions without_labels = through(cache.path());
  without_labels.labels = false;  // classes are found all the same
  require_same(in_memory, load_dataset(set, without_labels));
  // A file that has changed makes it another data set.
  files::write(folder / "set/train/cat/0.png", files::rgb_png(32, 32, 9, 9, 1));
  CHECK_THAT(errors::refusal_of([&] { return load_dataset(set, through(cache.path())); }),
             ContainsSubstring("are broken"));
}

TEST_CASE("image cache: trees, shards, broken images and grey ones") {
  const files::TempFolder folder, cache;
  for (int n = 0; n < 150; ++n)
    files::write(folder / ("tree/" + std::to_string(n) + ".png"),
                 n % 50 == 7 ? files::text_bytes("\x89PNG\r\n\x1a\n")
                             : files::rgb_png(9, 8, 5, 5, static_cast<std::uint8_t>(n)));
  DataOptions options = {.max_broken = 0.05, .labels = false};
  const std::string tree = (folder / "tree").string();
  const Dataset in_memory = load_dataset(tree, options);
  CHECK(in_memory.train.count == 147);
  options.memory_limit = 1;
  options.cache = cache / "a/b";  // made
  require_same(in_memory, load_dataset(tree, options));
  require_same(in_memory, load_dataset(tree, options));

  for (int n = 0; n < 20; ++n)
    files::write(folder / ("one/" + std::to_string(n) + ".png"), files::grey_png(5, 7, static_cast<std::uint8_t>(n)));
  const std::string one = (folder / "one").string();
  const Dataset one_channel = load_dataset(one, {.labels = false});
  CHECK(one_channel.train.channels == 1);
  require_same(one_channel, load_dataset(one, options));

  // A PNG that is damaged behind its header is broken only once it is decoded: gaps are closed. All grey in colour.
  for (int n = 0; n < 3000; ++n) {
    const auto value = static_cast<std::uint8_t>(n % 251);
    files::Bytes png = files::rgb_png(4, 4, value, value, value);
    if (n % 1000 == 7) png[png.size() - 20] ^= 1;
    files::write(folder / ("grey/" + std::string(n % 2 == 0 ? "a/" : "b/") + std::to_string(n) + ".png"), png);
  }
  const std::string grey = (folder / "grey").string();
  const Dataset grey_in_memory = load_dataset(grey);
  CHECK(grey_in_memory.train.channels == 1);
  CHECK(grey_in_memory.account.left_out_files() == 3);
  require_same(grey_in_memory, load_dataset(grey, through(cache / "grey")));
  require_same(grey_in_memory, load_dataset(grey, through(cache / "grey")));
#if !defined(CONTEXTURE_WITHOUT_ARCHIVE)
  for (int s = 0; s < 5; ++s)
    files::write(folder / ("shards/train-" + std::to_string(s) + ".tar"),
                 files::tar(files::samples(40 * s, 40 + s, 3)));
  files::write(folder / "shards/test-0.tar", files::tar(files::samples(220, 20, 3)));
  const std::string shards = (folder / "shards").string();
  require_same(load_dataset(shards), load_dataset(shards, through(cache / "shards")));
  require_same(load_dataset(shards), load_dataset(shards, through(cache / "shards")));
#endif
}

TEST_CASE("image cache: one that was not finished is gone on with") {
  const files::TempFolder folder, cache;
  write_colours(folder / "set", 1500);  // two blocks of 1024 images, and a rest
  const std::string set = (folder / "set").string();
  const Dataset in_memory = load_dataset(set);
  DataOptions options = through(cache.path());
  options.progress = [](const LoadProgress& progress) {
    if (progress.done == 2048) throw std::runtime_error("stopped");
  };
  CHECK_THROWS_WITH(load_dataset(set, options), "stopped");
  const std::filesystem::path part = only_file(cache.path());
  CHECK(part.extension() == ".part");
  // What is decoded is not decoded again: behind their headers, five images of the first block are broken now.
  for (int n = 0; n < 5; ++n) {
    const std::filesystem::path image = folder / ("set/train/cat/" + std::to_string(n) + ".png");
    const auto time = std::filesystem::last_write_time(image);
    flip_byte(image, -20);
    std::filesystem::last_write_time(image, time);
  }
  SECTION("as it is") {
    const Dataset data = load_dataset(set, through(cache.path()));
    require_same(in_memory, data);
    CHECK(data.notes.back() == "2048 of them were decoded by a run that was stopped");
  }
  SECTION("after damage to a block, which alone is decoded again") {
    flip_byte(part, 8192 + 5000);
    CHECK(load_dataset(set, through(cache.path())).train.count == in_memory.train.count - 5);
  }
  CHECK(only_file(cache.path()).extension() == ".images");
}

TEST_CASE("image cache: damaged, cut off or of other data it is refused") {
  const files::TempFolder folder, cache, others;
  write_colours(folder / "set", 30);
  const std::string set = (folder / "set").string();
  (void)load_dataset(set, through(cache.path()));
  const std::filesystem::path file = only_file(cache.path());
  const auto refusal = [&] { return errors::refusal_of([&] { return load_dataset(set, through(cache.path())); }); };
  for (const std::streamoff at : {std::streamoff{3}, std::streamoff{40}, std::streamoff{4096 + 1},
                                  std::streamoff{8192 + 700}, std::streamoff{-300}, std::streamoff{-2}}) {
    flip_byte(file, at);
    CHECK_THAT(refusal(),
               ContainsSubstring(file.string() + ": ") && ContainsSubstring("remove it, and it is made again"));
    flip_byte(file, at);
  }
  CHECK(load_dataset(set, through(cache.path())).train.count == 60);
  const auto size = std::filesystem::file_size(file);
  std::filesystem::resize_file(file, size - 1);
  CHECK_THAT(refusal(), ContainsSubstring(" bytes, expected "));
  std::filesystem::resize_file(file, 100);
  CHECK_THAT(refusal(), ContainsSubstring("cut off at byte 100"));
  write_colours(folder / "more/set", 31);
  (void)load_dataset((folder / "more/set").string(), through(others.path()));
  std::filesystem::copy_file(only_file(others.path()), file, std::filesystem::copy_options::overwrite_existing);
  CHECK_THAT(refusal(), ContainsSubstring("a cache of other data"));
  std::filesystem::remove(file);
  CHECK(load_dataset(set, through(cache.path())).train.count == 60);
}

TEST_CASE("image cache: a folder without room or that is none is told before anything is decoded") {
  const files::TempFolder folder, cache;
  write_colours(folder / "set", 30);
  const std::string set = (folder / "set").string();
  files::write(cache / "file", std::string("x"));
  CHECK_THAT(errors::refusal_of([&] { return load_dataset(set, through(cache / "file")); }),
             ContainsSubstring("file: cannot be created: "));
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit small{100'000, before.rlim_max};
  const auto signal_before = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string said = errors::refusal_of([&] { return load_dataset(set, through(cache / "small")); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, signal_before);
  CHECK_THAT(said,
             ContainsSubstring(".images: needs 0.1 GiB: File too large") && ContainsSubstring("give another folder"));
  CHECK(files_of(cache / "small").empty());
  CHECK(load_dataset(set, through(cache / "small")).train.count == 60);
}

TEST_CASE("image cache: two that want the same one fill it once") {
  const files::TempFolder folder, cache;
  write_colours(folder / "set", 100);
  const std::string set = (folder / "set").string();
  std::vector<Dataset> data(3);
  std::vector<std::thread> threads;
  for (Dataset& one : data) threads.emplace_back([&] { one = load_dataset(set, through(cache.path())); });
  for (std::thread& thread : threads) thread.join();
  for (const Dataset& one : data) require_same(load_dataset(set), one);
  CHECK(only_file(cache.path()).extension() == ".images");
}
