// SPDX-License-Identifier: MIT
// The binary files of CIFAR-10 and CIFAR-100.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/byte_reader.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/dataset_files.hpp"

namespace contexture::detail {

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

}  // namespace contexture::detail
