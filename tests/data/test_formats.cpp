// SPDX-License-Identifier: MIT
// IDX, CIFAR and STL-10: what was written is what is read, and every damaged copy gives one clear line.
#include <filesystem>

#include "contexture/data/image_io.hpp"
#include "contexture/data/load.hpp"
#include "data/files.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace contexture;
using Catch::Matchers::ContainsSubstring;
using files::Bytes;
using files::TempFolder;

namespace {

std::string refusal_of(const std::string& path, const DataOptions& options = {}) {
  return errors::refusal_of([&] { return load_dataset(path, options); });
}

Bytes read(const std::filesystem::path& path) { return detail::read_bytes(path, 1 << 30); }

void set_u32(Bytes& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

}  // namespace

TEST_CASE("IDX files, plain and gzipped") {
  const bool gzipped = GENERATE(false, true);
  const TempFolder folder;
  files::write_idx_folder(folder.path(), gzipped);
  const Dataset data = load_dataset(folder.string());
  CHECK(data.name == "MNIST");
  CHECK(data.class_names.front() == "0");
  CHECK(data.class_names.size() == 10);
  REQUIRE(data.train.count == 30);
  REQUIRE(data.test.count == 20);
  CHECK(data.train.height == 6);
  CHECK(data.train.width == 5);
  CHECK(data.train.channels == 1);
  CHECK(data.train.labels[13] == 3);
  for (int n = 0; n < 30; ++n) {
    for (int i = 0; i < 30; ++i) REQUIRE(data.train.image(n)[i] == files::pixel(n, i));
  }
  CHECK(data.notes.empty());
}

TEST_CASE("Fashion-MNIST is known by its folder's name, other sets by class_names.txt") {
  const TempFolder folder;
  files::write_idx_folder(folder / "Fashion-mnist", true);
  CHECK(load_dataset((folder / "Fashion-mnist").string() + "/").class_names[9] == "Ankle boot");
  files::write_idx_folder(folder / "FashionMNIST/raw", false);
  CHECK(load_dataset((folder / "FashionMNIST").string()).name == "Fashion-MNIST");
  files::write_idx_folder(folder / "letters", false);
  std::string names;
  for (char c = 'a'; c <= 'j'; ++c) names += std::string(1, c) + "\r\n";
  files::write(folder / "letters/class_names.txt", names);
  const Dataset letters = load_dataset((folder / "letters").string());
  CHECK(letters.name == "letters");
  CHECK(letters.class_names[2] == "c");
}

TEST_CASE("IDX images are resized on demand") {
  const TempFolder folder;
  files::write_idx_folder(folder.path(), false);
  const Dataset data = load_dataset(folder.string(), {.image_size = 12});
  CHECK(data.train.height == 12);
  CHECK(data.train.width == 12);
  CHECK(data.test.width == 12);
  CHECK(data.train.labels.size() == 30);
  REQUIRE(data.notes.size() == 1);
  CHECK_THAT(data.notes[0], ContainsSubstring("6 x 5") && ContainsSubstring("12 x 12"));
}

TEST_CASE("damaged IDX files") {
  const bool gzipped = GENERATE(false, true);
  const TempFolder folder;
  files::write_idx_folder(folder.path(), gzipped);
  const std::string end = gzipped ? ".gz" : "";
  const auto images = folder / ("train-images-idx3-ubyte" + end);
  const auto labels = folder / ("train-labels-idx1-ubyte" + end);
  const auto pack = [gzipped](const Bytes& bytes) { return gzipped ? files::gzip(bytes) : bytes; };
  Bytes bytes = files::idx_images(30, 6, 5);

  SECTION("cut short") {
    bytes.resize(500);
    files::write(images, pack(bytes));
    CHECK_THAT(refusal_of(folder.string()),
               ContainsSubstring("train-images-idx3-ubyte") && ContainsSubstring("truncated"));
  }
  SECTION("cut inside the header") {
    bytes.resize(10);
    files::write(images, pack(bytes));
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("truncated") && ContainsSubstring("header of 16 bytes"));
  }
  SECTION("empty") {
    files::write(images, Bytes{});
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("truncated: ends at byte 0"));
  }
  SECTION("too long") {
    bytes.push_back(0);
    files::write(images, pack(bytes));
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("oversized") && ContainsSubstring("916"));
  }
  SECTION("bad magic number") {
    bytes[3] = 1;
    files::write(images, pack(bytes));
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("magic number 2049 at byte 0, expected 2051"));
  }
  SECTION("labels where images should be") {
    files::write(labels, pack(bytes));
    CHECK_THAT(refusal_of(folder.string()),
               ContainsSubstring("train-labels") && ContainsSubstring("magic number 2051"));
  }
  SECTION("a header that promises four terabytes") {
    set_u32(bytes, 4, 0x7fffffff);
    set_u32(bytes, 8, 4096);
    files::write(images, pack(bytes));
    CHECK_THAT(refusal_of(folder.string()),
               ContainsSubstring("truncated") && ContainsSubstring("more than the file can hold"));
  }
  SECTION("an extent out of range") {
    set_u32(bytes, 8, 5000);
    files::write(images, pack(bytes));
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("extent 5000 at byte 8, expected 1 to 4096"));
  }
  SECTION("no images") {
    set_u32(bytes, 4, 0);
    files::write(images, pack(bytes));
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("extent 0 at byte 4"));
  }
  SECTION("label out of range") {
    Bytes l = files::idx_labels(30);
    l[8 + 17] = 10;
    files::write(labels, pack(l));
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("label 10 at byte 25, expected 0 to 9"));
  }
  SECTION("labels and images that do not match in number") {
    files::write(labels, pack(files::idx_labels(29)));
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("29 labels, expected 30"));
  }
  SECTION("a missing file") {
    std::filesystem::remove(folder / ("t10k-labels-idx1-ubyte" + end));
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("t10k-labels-idx1-ubyte: missing"));
  }
  SECTION("test images of another size") {
    files::write(folder / ("t10k-images-idx3-ubyte" + end), pack(files::idx_images(20, 5, 6)));
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("5 x 6") && ContainsSubstring("6 x 5"));
  }
}

TEST_CASE("damaged gzip files") {
  const TempFolder folder;
  files::write_idx_folder(folder.path(), true);
  const auto images = folder / "train-images-idx3-ubyte.gz";
  Bytes packed = read(images);
  SECTION("cut short") {
    packed.resize(packed.size() - 20);
    files::write(images, packed);
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("truncated: its compressed data ends"));
  }
  SECTION("only the checksum is missing") {
    packed.resize(packed.size() - 3);
    files::write(images, packed);
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("truncated: its compressed data ends"));
  }
  SECTION("a wrong checksum") {
    packed[packed.size() - 6] ^= 1;
    files::write(images, packed);
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("damaged"));
  }
  SECTION("nonsense in the middle") {
    for (std::size_t i = 30; i < 60; ++i) packed[i] = 0xff;
    files::write(images, packed);
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("train-images"));
  }
  SECTION("more behind the end") {
    packed.push_back('x');
    files::write(images, packed);
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("other data follows"));
  }
  SECTION("a bomb: far more data than the header promises") {
    Bytes bytes = files::idx_images(30, 6, 5);
    bytes.resize(50'000'000, 0);
    files::write(images, files::gzip(bytes));
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("oversized"));
  }
  SECTION("several members are one stream") {
    const Bytes bytes = files::idx_images(30, 6, 5);
    Bytes two = files::gzip(Bytes(bytes.begin(), bytes.begin() + 300));
    const Bytes rest = files::gzip(Bytes(bytes.begin() + 300, bytes.end()));
    two.insert(two.end(), rest.begin(), rest.end());
    files::write(images, two);
    CHECK(load_dataset(folder.string()).train.image(29)[29] == files::pixel(29, 29));
  }
}

TEST_CASE("CIFAR-10 binary files") {
  const TempFolder folder;
  const auto inner = folder / "cifar-10-batches-bin";
  for (int i = 1; i <= 5; ++i) {
    files::write(inner / ("data_batch_" + std::to_string(i) + ".bin"), files::cifar_records(20, 1, 10));
  }
  files::write(inner / "test_batch.bin", files::cifar_records(10, 1, 10));
  const auto check = [&](const Dataset& data) {
    CHECK(data.name == "CIFAR-10");
    CHECK(data.class_names[6] == "frog");
    REQUIRE(data.train.count == 100);
    CHECK(data.test.count == 10);
    CHECK(data.train.labels[47] == 7);
    const std::uint8_t* image = data.train.image(43);
    for (int c = 0; c < 3; ++c) REQUIRE(image[(5 * 32 + 9) * 3 + c] == files::pixel(3, c * 1024 + 5 * 32 + 9));
  };
  check(load_dataset(folder.string()));
  check(load_dataset(inner.string()));
  CHECK(load_dataset(inner.string(), {.image_size = 16}).train.height == 16);

  const auto third = inner / "data_batch_3.bin";
  Bytes bytes = read(third);
  SECTION("class names of its own") {
    files::write(inner / "batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
    CHECK(load_dataset(folder.string()).class_names[6] == "g");
  }
  SECTION("cut short") {
    bytes.pop_back();
    files::write(third, bytes);
    CHECK_THAT(refusal_of(folder.string()),
               ContainsSubstring("data_batch_3.bin: 61459 bytes, expected a multiple of 3073"));
  }
  SECTION("too long") {
    bytes.push_back(0);
    files::write(third, bytes);
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("truncated or oversized"));
  }
  SECTION("empty") {
    files::write(third, Bytes{});
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("0 bytes, expected"));
  }
  SECTION("label out of range") {
    bytes[2 * 3073] = 77;
    files::write(third, bytes);
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("label 77 at byte 6146, expected 0 to 9"));
  }
  SECTION("a batch is missing") {
    std::filesystem::remove(third);
    const Dataset data = load_dataset(folder.string());
    CHECK(data.train.count == 80);
    REQUIRE(data.notes.size() == 1);
    CHECK_THAT(data.notes[0], ContainsSubstring("4 of the 5"));
  }
  SECTION("no test batch") {
    std::filesystem::remove(inner / "test_batch.bin");
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("test_batch.bin: missing"));
  }
  SECTION("no training batch") {
    for (int i = 1; i <= 5; ++i) std::filesystem::remove(inner / ("data_batch_" + std::to_string(i) + ".bin"));
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("data_batch_1.bin: missing"));
  }
}

TEST_CASE("CIFAR-100 binary files: the fine labels") {
  const TempFolder folder;
  files::write(folder / "train.bin", files::cifar_records(200, 2, 100));
  files::write(folder / "test.bin", files::cifar_records(100, 2, 100));
  const Dataset data = load_dataset(folder.string());
  CHECK(data.name == "CIFAR-100");
  CHECK(data.class_names.size() == 100);
  CHECK(data.train.labels[199] == 99);
  CHECK(data.test.image(99)[3071] == files::pixel(99, 3071));
  Bytes bytes = read(folder / "test.bin");
  bytes[1] = 100;
  files::write(folder / "test.bin", bytes);
  CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("label 100 at byte 1, expected 0 to 99"));
}

TEST_CASE("STL-10 binary files: planes stored column by column") {
  constexpr int kRecord = 3 * 96 * 96;
  const TempFolder folder;
  const auto images = [](int count) {
    Bytes out;
    for (int n = 0; n < count; ++n) {
      for (int i = 0; i < kRecord; ++i) out.push_back(files::pixel(n, i));
    }
    return out;
  };
  files::write(folder / "train_X.bin", images(3));
  files::write(folder / "train_y.bin", Bytes{1, 10, 2});
  files::write(folder / "test_X.bin", images(2));
  files::write(folder / "test_y.bin", Bytes{3, 3});
  files::write(folder / "unlabeled_X.bin", images(4));
  const Dataset data = load_dataset(folder.string());
  CHECK(data.name == "STL-10");
  CHECK(data.train.labels == std::vector<std::int32_t>{0, 9, 1});
  CHECK(data.unlabeled.count == 4);
  CHECK(data.unlabeled.labels.empty());
  for (int c = 0; c < 3; ++c) {
    REQUIRE(data.train.image(2)[(7 * 96 + 50) * 3 + c] == files::pixel(2, c * 9216 + 50 * 96 + 7));
  }
  const Dataset small = load_dataset(folder.string(), {.image_size = 32});
  CHECK(small.unlabeled.width == 32);
  CHECK(small.unlabeled.pixels.size() == 4 * 3072);

  SECTION("label out of range") {
    files::write(folder / "train_y.bin", Bytes{1, 0, 2});
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("label 0 at byte 1, expected 1 to 10"));
  }
  SECTION("too few labels") {
    files::write(folder / "test_y.bin", Bytes{1});
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("1 labels, expected 2"));
  }
  SECTION("cut short") {
    Bytes bytes = images(4);
    bytes.resize(bytes.size() - 7);
    files::write(folder / "unlabeled_X.bin", bytes);
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("expected a multiple of 27648"));
  }
  SECTION("no test images") {
    std::filesystem::remove(folder / "test_X.bin");
    CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("test_X.bin: missing"));
  }
}

TEST_CASE("class names with a byte order mark, and in UTF-16") {
  const TempFolder folder;
  files::write_idx_folder(folder.path(), false);
  const auto names = folder / "class_names.txt";
  std::string ten;
  for (const char c : std::string("abcdefghij")) ten += std::string(1, c) + "\r\n";
  files::write(names, "\xef\xbb\xbf" + ten);
  const Dataset data = load_dataset(folder.string());
  CHECK(data.class_names.front() == "a");
  CHECK(data.class_names.back() == "j");
  Bytes utf16 = {0xff, 0xfe};
  for (const char c : ten) {
    utf16.push_back(static_cast<std::uint8_t>(c));
    utf16.push_back(0);
  }
  files::write(names, utf16);
  CHECK_THAT(refusal_of(folder.string()),
             ContainsSubstring("class_names.txt: line 1: ") && ContainsSubstring("UTF-16"));
  files::write(names, Bytes(utf16.begin() + 2, utf16.end()));
  CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("class_names.txt: line 1: ") && ContainsSubstring("UTF-8"));
}

TEST_CASE("load_dataset says what it could not find") {
  const TempFolder folder;
  CHECK_THAT(refusal_of((folder / "nowhere").string()),
             ContainsSubstring("nowhere") && ContainsSubstring("no such folder"));
  CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("an empty folder"));
  files::write(folder / "readme.txt", "hello");
  CHECK_THAT(refusal_of(folder.string()), ContainsSubstring("expected IDX, CIFAR or STL-10 files, or folders"));
  CHECK_THAT(refusal_of((folder / "readme.txt").string()), ContainsSubstring("a file, expected"));
  CHECK_THROWS_AS(load_dataset("builtin", {.image_size = 3}), std::invalid_argument);
  CHECK_THROWS_AS(load_dataset("builtin", {.image_size = -32}), std::invalid_argument);
  CHECK(load_dataset("builtin", {.image_size = 0, .builtin_train = 12, .builtin_test = 12}).train.height == 32);
}
