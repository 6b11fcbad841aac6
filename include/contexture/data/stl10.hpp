// SPDX-License-Identifier: MIT
// The binary files of STL-10.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/byte_reader.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/dataset_files.hpp"

namespace contexture::detail {

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
