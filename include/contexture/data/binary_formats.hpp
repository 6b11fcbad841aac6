// The binary files of well-known data sets: IDX (MNIST, Fashion-MNIST; plain or gzipped), CIFAR-10,
// CIFAR-100 and STL-10. Every size a file claims is held against the bytes it has before memory is
// asked for; every error names the file, the place, and what was expected.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"

namespace contexture::detail {

// Reads a file front to back, through gzip where the file starts like one.
class ByteReader {
 public:
  explicit ByteReader(const std::filesystem::path& path) : path_(path), file_(std::fopen(path.c_str(), "rb"), close) {
    std::error_code error;
    size_ = std::filesystem::file_size(path, error);
    require_input(file_ != nullptr && !error, path.string(), ": cannot be opened for reading");
    refill();
    gzip_ = stream_.avail_in >= 2 && input_[0] == 0x1f && input_[1] == 0x8b;
    if (gzip_) require_state(inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK, "ByteReader: zlib cannot start");
  }
  ~ByteReader() {
    if (gzip_) inflateEnd(&stream_);
  }
  ByteReader(const ByteReader&) = delete;
  ByteReader& operator=(const ByteReader&) = delete;

  // No more than this can come out: deflate packs at most 1032 to 1.
  [[nodiscard]] std::uint64_t most_bytes() const { return gzip_ ? size_ * 1032 : size_; }
  // Bytes handed out so far.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] std::string name() const { return path_.string(); }

  // Fills out[0, n). Throws InputError at the end of the file.
  void read_all(std::uint8_t* out, std::size_t n) {
    const std::size_t got = read(out, n);
    require_input(got == n, path_.string(), ": truncated: ends at byte ", offset_);
  }

  // Fills out[0, n) and returns how much of it: less than n only at the end.
  std::size_t read(std::uint8_t* out, std::size_t n) {
    std::size_t done = 0;
    while (done < n) {
      if (stream_.avail_in == 0) refill();
      const std::size_t step = gzip_ ? inflate_some(out + done, n - done) : copy_some(out + done, n - done);
      if (step == 0) break;
      done += step;
    }
    offset_ += done;
    return done;
  }

 private:
  static void close(std::FILE* file) {
    if (file != nullptr) (void)std::fclose(file);
  }

  void refill() {
    const std::size_t got = std::fread(input_.data(), 1, input_.size(), file_.get());
    require_input(std::ferror(file_.get()) == 0, path_.string(), ": reading failed");
    stream_.next_in = input_.data();
    stream_.avail_in = static_cast<unsigned>(got);
  }

  std::size_t copy_some(std::uint8_t* out, std::size_t n) {
    const std::size_t step = std::min<std::size_t>(n, stream_.avail_in);
    std::copy_n(stream_.next_in, step, out);
    stream_.next_in += step;
    stream_.avail_in -= static_cast<unsigned>(step);
    return step;
  }

  std::size_t inflate_some(std::uint8_t* out, std::size_t n) {
    const auto room = static_cast<unsigned>(std::min<std::size_t>(n, 1U << 30));
    stream_.next_out = out;
    stream_.avail_out = room;
    while (stream_.avail_out == room) {
      if (stream_.avail_in == 0) refill();
      if (ended_) {  // a gzip file may hold several members, one after the other
        if (stream_.avail_in == 0) return 0;
        require_input(*stream_.next_in == 0x1f, path_.string(), ": other data follows the ", offset_,
                      " compressed bytes");
        inflateReset(&stream_);
        ended_ = false;
      }
      require_input(stream_.avail_in > 0, path_.string(), ": truncated: its compressed data ends in the middle, after ",
                    offset_, " bytes or a little more");
      const int status = inflate(&stream_, Z_NO_FLUSH);
      ended_ = status == Z_STREAM_END;
      require_input(ended_ || status == Z_OK || status == Z_BUF_ERROR, path_.string(),
                    ": its compressed data is damaged, after ", offset_, " bytes or a little more");
    }
    return room - stream_.avail_out;
  }

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, void (*)(std::FILE*)> file_;
  std::uintmax_t size_ = 0;
  std::uint64_t offset_ = 0;
  bool gzip_ = false;
  bool ended_ = false;
  z_stream stream_{};
  std::array<std::uint8_t, 65'536> input_;
};

struct IdxArray {
  std::vector<Index> extents;
  std::vector<std::uint8_t> values;
};

// An IDX file of unsigned bytes with `rank` extents: two zero bytes, type 8, rank, the extents as
// big-endian 32-bit numbers, the values.
inline IdxArray read_idx(const std::filesystem::path& path, int rank) {
  ByteReader reader(path);
  std::array<std::uint8_t, 4> word;
  const auto next_word = [&] {
    const std::size_t got = reader.read(word.data(), 4);
    require_input(got == 4, reader.name(), ": truncated: ends at byte ", reader.offset(), " inside its header of ",
                  4 + 4 * rank, " bytes");
    return static_cast<std::uint32_t>(word[0]) << 24 | static_cast<std::uint32_t>(word[1]) << 16 |
           static_cast<std::uint32_t>(word[2]) << 8 | word[3];
  };
  const std::uint32_t magic = next_word();
  const std::uint32_t expected = 0x800U + static_cast<std::uint32_t>(rank);
  require_input(magic == expected, reader.name(), ": magic number ", magic, " at byte 0, expected ", expected,
                " (IDX, unsigned bytes, ", rank, rank == 1 ? " dimension)" : " dimensions)");
  IdxArray array;
  std::uint64_t count = 1;
  for (int i = 0; i < rank; ++i) {
    const std::uint32_t extent = next_word();
    array.extents.push_back(extent);
    const std::uint32_t most = i == 0 ? 0x7fffffffU : 4096U;
    require_input(extent >= 1 && extent <= most, reader.name(), ": extent ", extent, " at byte ", 4 + 4 * i,
                  ", expected 1 to ", most);
    count *= extent;  // at most 2^31 * 2^12 * 2^12
  }
  require_input(count <= reader.most_bytes(), reader.name(), ": truncated: its header promises ", count,
                " values, more than the file can hold");
  array.values.resize(static_cast<std::size_t>(count));
  const std::size_t got = reader.read(array.values.data(), array.values.size());
  require_input(got == count, reader.name(), ": truncated: ends at byte ", reader.offset(), ", expected ", count,
                " values after the header of ", 4 + 4 * rank, " bytes");
  std::uint8_t extra = 0;
  const bool ends_here = reader.read(&extra, 1) == 0;
  require_input(ends_here, reader.name(), ": oversized: goes on at byte ", reader.offset() - 1,
                ", where its header says that it ends");
  return array;
}

// Non-empty lines of a text file, trimmed; empty when there is no such file.
inline std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; lines.size() < 100'000 && std::getline(file, line);) {
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0) line.pop_back();
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

// The first of the names that exists in the folder as a file.
template <class Names>
std::optional<std::filesystem::path> find_file(const std::filesystem::path& folder, const Names& names) {
  for (const auto& name : names) {
    std::error_code ignored;
    if (std::filesystem::is_regular_file(folder / name, ignored)) return folder / name;
  }
  return std::nullopt;
}

inline std::array<std::string, 4> idx_names(const std::string& stem, int rank) {
  const std::string type = "idx" + std::to_string(rank) + "-ubyte";
  return {stem + '-' + type, stem + '.' + type, stem + '-' + type + ".gz", stem + '.' + type + ".gz"};
}

inline bool is_idx_folder(const std::filesystem::path& folder) {
  return find_file(folder, idx_names("train-images", 3)) || find_file(folder, idx_names("t10k-images", 3));
}

// Lower-case name of a folder; with its parent's where the name alone says nothing ("raw").
inline std::string folder_name(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::path full = std::filesystem::weakly_canonical(folder, error);
  if (error) full = folder.lexically_normal();
  std::string name = full.filename().string();
  if (name == "raw") name = full.parent_path().filename().string();
  return name;
}

inline bool contains_ignoring_case(std::string_view text, std::string_view part) {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end();
}

inline ImageSet load_idx_split(const std::filesystem::path& folder, const std::string& stem, std::size_t classes) {
  const auto find = [&](const std::string& what, int rank) {
    const auto names = idx_names(stem + '-' + what, rank);
    const auto path = find_file(folder, names);
    require_input(path.has_value(), (folder / names[0]).string(),
                  ": missing (plain or .gz), expected beside its sisters");
    return *path;
  };
  const auto images_path = find("images", 3);
  const auto labels_path = find("labels", 1);
  IdxArray images = read_idx(images_path, 3);
  const IdxArray labels = read_idx(labels_path, 1);
  require_input(labels.extents[0] == images.extents[0], labels_path.string(), ": ", labels.extents[0],
                " labels, expected ", images.extents[0], ", one for each image in ", images_path.filename().string());
  ImageSet set;
  set.count = images.extents[0];
  set.height = images.extents[1];
  set.width = images.extents[2];
  set.channels = 1;
  set.pixels = std::move(images.values);
  for (std::size_t i = 0; i < labels.values.size(); ++i) {
    require_input(labels.values[i] < classes, labels_path.string(), ": label ", static_cast<int>(labels.values[i]),
                  " at byte ", i + 8, ", expected 0 to ", classes - 1);
    set.labels.push_back(labels.values[i]);
  }
  return set;
}

// MNIST and whatever comes in its files. Class names from class_names.txt if there, else the garments
// where the folder's name says "fashion", else the digits.
inline Dataset load_idx(const std::filesystem::path& folder) {
  Dataset data;
  data.name = contains_ignoring_case(folder_name(folder), "fashion") ? "Fashion-MNIST" : "MNIST";
  data.class_names = read_lines(folder / "class_names.txt");
  if (!data.class_names.empty()) {
    data.name = folder_name(folder);
  } else if (data.name == "MNIST") {
    for (char digit = '0'; digit <= '9'; ++digit) data.class_names.emplace_back(1, digit);
  } else {
    data.class_names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                        "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  }
  data.train = load_idx_split(folder, "train", data.class_names.size());
  data.test = load_idx_split(folder, "t10k", data.class_names.size());
  require_input(data.train.height == data.test.height && data.train.width == data.test.width, folder.string(),
                ": training images of ", data.train.height, " x ", data.train.width, ", test images of ",
                data.test.height, " x ", data.test.width, ", expected one size");
  return data;
}

// Planes (C,H,W), or (C,W,H) when column-major, to pixels (H,W,C).
inline void interleave(const std::uint8_t* planes, Index side, bool column_major, std::uint8_t* out) {
  const Index plane = side * side;
  for (Index y = 0; y < side; ++y) {
    for (Index x = 0; x < side; ++x) {
      const Index at = column_major ? x * side + y : y * side + x;
      for (Index c = 0; c < 3; ++c) *out++ = planes[c * plane + at];
    }
  }
}

// Number of records in a file of fixed-size records. Throws InputError on an empty file or a rest.
inline Index record_count(const std::filesystem::path& path, Index record_bytes, const char* what) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  require_input(!error, path.string(), ": missing or unreadable, expected ", what);
  const auto record = static_cast<std::uintmax_t>(record_bytes);
  require_input(size > 0 && size % record == 0, path.string(), ": ", size, " bytes, expected a multiple of ", record,
                " (", what, "); the file is truncated or oversized");
  return static_cast<Index>(size / record);
}

// Appends a file of CIFAR records: `label_bytes` labels, of which the last counts, then 32 x 32 R, G, B.
inline void append_cifar(const std::filesystem::path& path, Index label_bytes, std::size_t classes, ImageSet& set) {
  constexpr Index kSide = 32;
  const Index record = label_bytes + 3 * kSide * kSide;
  const Index added = record_count(path, record, label_bytes == 1 ? "CIFAR-10 records" : "CIFAR-100 records");
  set.height = set.width = kSide;
  set.channels = 3;
  const Index first = set.count;
  set.count += added;
  set.pixels.resize(static_cast<std::size_t>(set.count * set.image_bytes()));
  ByteReader reader(path);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(record));
  for (Index i = 0; i < added; ++i) {
    reader.read_all(bytes.data(), bytes.size());
    const std::uint8_t label = bytes[static_cast<std::size_t>(label_bytes - 1)];
    require_input(label < classes, path.string(), ": label ", static_cast<int>(label), " at byte ",
                  i * record + label_bytes - 1, ", expected 0 to ", classes - 1);
    set.labels.push_back(label);
    interleave(bytes.data() + label_bytes, kSide, false, set.image(first + i));
  }
}

inline bool is_cifar10_folder(const std::filesystem::path& folder) {
  return find_file(folder, std::array{"data_batch_1.bin", "test_batch.bin"}).has_value();
}

inline Dataset load_cifar10(const std::filesystem::path& folder) {
  Dataset data;
  data.name = "CIFAR-10";
  data.class_names = read_lines(folder / "batches.meta.txt");
  if (data.class_names.size() != 10) {
    data.class_names = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  }
  int batches = 0;
  for (int i = 1; i <= 5; ++i) {
    const auto path = find_file(folder, std::array{"data_batch_" + std::to_string(i) + ".bin"});
    if (!path) continue;
    append_cifar(*path, 1, 10, data.train);
    ++batches;
  }
  require_input(batches > 0, (folder / "data_batch_1.bin").string(), ": missing, expected beside test_batch.bin");
  if (batches < 5) data.notes.push_back(message(batches, " of the 5 CIFAR-10 training files are there"));
  append_cifar(folder / "test_batch.bin", 1, 10, data.test);
  return data;
}

inline bool is_cifar100_folder(const std::filesystem::path& folder) {
  return find_file(folder, std::array{"train.bin", "test.bin"}).has_value();
}

inline Dataset load_cifar100(const std::filesystem::path& folder) {
  Dataset data;
  data.name = "CIFAR-100";
  data.class_names = read_lines(folder / "fine_label_names.txt");
  if (data.class_names.size() != 100) {
    data.class_names.clear();
    for (int i = 0; i < 100; ++i) data.class_names.push_back("class " + std::to_string(i));
  }
  append_cifar(folder / "train.bin", 2, 100, data.train);
  append_cifar(folder / "test.bin", 2, 100, data.test);
  return data;
}

inline bool is_stl10_folder(const std::filesystem::path& folder) {
  return find_file(folder, std::array{"train_X.bin", "test_X.bin"}).has_value();
}

// `fit` brings a block of images to the wanted size: the unlabelled split alone is 2.8 GB at its own.
template <class Fit>
ImageSet load_stl10_images(const std::filesystem::path& path, const Fit& fit) {
  constexpr Index kSide = 96;
  constexpr Index kRecord = 3 * kSide * kSide;
  constexpr Index kBlock = 500;
  const Index count = record_count(path, kRecord, "STL-10 images");
  ByteReader reader(path);
  ImageSet block;
  block.height = block.width = kSide;
  block.channels = 3;
  ImageSet set;
  std::vector<std::uint8_t> bytes;
  for (Index done = 0; done < count; done += block.count) {
    block.count = std::min(kBlock, count - done);
    bytes.resize(static_cast<std::size_t>(block.count * kRecord));
    reader.read_all(bytes.data(), bytes.size());
    block.pixels.resize(bytes.size());
    parallel_for(block.count, 8, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) interleave(bytes.data() + i * kRecord, kSide, true, block.image(i));
    });
    const ImageSet fitted = fit(block);
    if (done == 0) {
      set.height = fitted.height;
      set.width = fitted.width;
      set.channels = fitted.channels;
      set.pixels.reserve(static_cast<std::size_t>(count * set.image_bytes()));
    }
    set.pixels.insert(set.pixels.end(), fitted.pixels.begin(), fitted.pixels.end());
  }
  set.count = count;
  return set;
}

inline void load_stl10_labels(const std::filesystem::path& path, ImageSet& set) {
  const Index count = record_count(path, 1, "STL-10 labels");
  require_input(count == set.count, path.string(), ": ", count, " labels, expected ", set.count,
                ", one for each image");
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(count));
  ByteReader reader(path);
  reader.read_all(labels.data(), labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    require_input(labels[i] >= 1 && labels[i] <= 10, path.string(), ": label ", static_cast<int>(labels[i]),
                  " at byte ", i, ", expected 1 to 10");
    set.labels.push_back(labels[i] - 1);
  }
}

template <class Fit>
Dataset load_stl10(const std::filesystem::path& folder, const Fit& fit) {
  Dataset data;
  data.name = "STL-10";
  data.class_names = read_lines(folder / "class_names.txt");
  if (data.class_names.size() != 10) {
    data.class_names = {"airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"};
  }
  data.train = load_stl10_images(folder / "train_X.bin", fit);
  load_stl10_labels(folder / "train_y.bin", data.train);
  data.test = load_stl10_images(folder / "test_X.bin", fit);
  load_stl10_labels(folder / "test_y.bin", data.test);
  if (const auto path = find_file(folder, std::array{"unlabeled_X.bin"})) {
    data.unlabeled = load_stl10_images(*path, fit);
  }
  return data;
}

}  // namespace contexture::detail
