// SPDX-License-Identifier: MIT
// IDX files, plain or gzipped: MNIST, Fashion-MNIST, and whatever else comes in them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/byte_reader.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/dataset_files.hpp"

namespace contexture::detail {

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

inline std::array<std::string, 4> idx_names(const std::string& stem, int rank) {
  const std::string type = "idx" + std::to_string(rank) + "-ubyte";
  return {stem + '-' + type, stem + '.' + type, stem + '-' + type + ".gz", stem + '.' + type + ".gz"};
}

inline bool is_idx_folder(const std::filesystem::path& folder) {
  return find_file(folder, idx_names("train-images", 3)) || find_file(folder, idx_names("t10k-images", 3));
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

}  // namespace contexture::detail
