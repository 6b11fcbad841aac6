// SPDX-License-Identifier: MIT
// Fuzz targets of data/: images, data sets, lists of names.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "contexture/data/byte_reader.hpp"
#include "contexture/data/cifar.hpp"
#include "contexture/data/dataset_files.hpp"
#include "contexture/data/decode.hpp"
#include "contexture/data/decode_stb.hpp"
#include "contexture/data/idx.hpp"
#include "contexture/data/load.hpp"
#include "contexture/data/stl10.hpp"
#include "data/files.hpp"
#include "fuzz/target.hpp"

namespace fuzz {

// What comes out has the size that it says.
inline void check_set(const contexture::ImageSet& set) {
  require_finding(set.pixels.size() == static_cast<std::size_t>(set.count * set.height * set.width * set.channels),
                  "pixels of another size");
}

// By every decoder of its kind; small images, so that time goes into parsing.
inline void run_image(Bytes bytes) {
  const contexture::ImageLimits limits{.max_pixels = 1 << 18};
  // What a sound file says of itself is what comes out.
  try_on([&] {
    const contexture::ImageSet image = contexture::detail::decode_image(bytes, limits, {});
    const contexture::detail::ImageHeader header = contexture::detail::image_header(bytes, limits);
    require_finding(image.height == header.height && image.width == header.width, "an image of another size");
    require_finding(image.count == 1 && (image.channels == 1 || image.channels == 3), "an image of no such channels");
    check_set(image);
  });
  using Format = contexture::detail::ImageHeader::Format;
  const Format format = contexture::detail::image_format(bytes);
  if (format != Format::kPng && format != Format::kJpeg) return;
  const auto check_image = [&](const contexture::ImageSet& image) {
    check_set(image);
    require_finding(image.count == 1 && image.height >= 1 && image.width >= 1 &&
                        image.height * image.width <= limits.max_pixels && (image.channels == 1 || image.channels == 3),
                    "an image of no such size");
  };
  try_on([&] { check_image(contexture::detail::decode_with_stb(bytes, limits)); });
#if !defined(CONTEXTURE_WITH_STB_IMAGE)
  for (const contexture::Index enough : {0, 8})
    try_on([&] { check_image(contexture::detail::decode_with_libraries(bytes, limits, {enough, enough})); });
#endif
}

// As the images and as the labels of a set that is sound but for them.
inline void run_idx(Bytes bytes) {
  const std::filesystem::path folder = scratch() / "idx";
  for (const char* const name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"}) {
    files::write_idx_folder(folder, false);
    files::write(folder / name, files::Bytes(bytes.begin(), bytes.end()));
    try_on([&] {
      const contexture::Dataset data = contexture::detail::load_idx(folder);
      check_set(data.train);
      for (const int label : data.train.labels)
        require_finding(label >= 0 && static_cast<std::size_t>(label) < data.class_names.size(), "a label of no class");
    });
  }
}

// In pieces of several sizes; at most 4 MB of what comes out, for time.
inline void run_gzip(Bytes bytes) {
  const std::filesystem::path path = file_of("packed", bytes);
  try_on([&] {
    contexture::detail::ByteReader reader(path);
    std::array<std::uint8_t, 7000> piece{};
    for (std::size_t size = 1; reader.offset() < (1U << 22); size = size % 7000 + 611) {
      const std::size_t wanted = std::min(size, piece.size());
      if (reader.read(piece.data(), wanted) < wanted) break;
    }
    require_finding(reader.offset() <= reader.most_bytes(), "more bytes than its most_bytes()");
  });
}

inline void run_cifar(Bytes bytes) {
  const std::filesystem::path path = file_of("cifar.bin", bytes);
  for (const int label_bytes : {1, 2}) {
    const std::size_t classes = label_bytes == 1 ? 10 : 100;
    try_on([&] {
      contexture::ImageSet set;
      contexture::detail::append_cifar(path, label_bytes, classes, set);
      check_set(set);
      for (const int label : set.labels)
        require_finding(static_cast<std::size_t>(label) < classes, "a label of no class");
    });
  }
}

inline void run_stl10(Bytes bytes) {
  const std::filesystem::path path = file_of("stl10.bin", bytes);
  const auto as_they_are = [](const contexture::ImageSet& block) { return block; };
  try_on([&] { check_set(contexture::detail::load_stl10_images(path, as_they_are)); });
  try_on([&] {
    contexture::ImageSet set;
    set.count = static_cast<contexture::Index>(bytes.size());
    contexture::detail::load_stl10_labels(path, set);
    for (const int label : set.labels) require_finding(label >= 0 && label < 10, "a label of no class");
  });
}

inline void run_class_names(Bytes bytes) {
  const std::filesystem::path path = file_of("class_names.txt", bytes);
  try_on([&] {
    for (const std::string& name : contexture::detail::read_lines(path))
      require_finding(!name.empty() && name.find_first_of(std::string("\n\0", 2)) == std::string::npos,
                      "a name with a line break or a zero byte, or none");
  });
}

// With and without labels; small images.
inline void run_shard(Bytes bytes) {
  const std::filesystem::path folder = scratch() / "shards";
  files::write(folder / "shard-0.tar", files::Bytes(bytes.begin(), bytes.end()));
  for (const bool labels : {true, false})
    try_on([&] {
      const contexture::Dataset data = contexture::load_dataset(
          folder.string(), {.limits = {.max_pixels = 1 << 18}, .max_broken = 1, .labels = labels});
      check_set(data.train);
      for (const int label : data.train.labels)
        require_finding(label >= 0 && static_cast<std::size_t>(label) < data.class_names.size(), "a label of no class");
    });
}

inline std::vector<Target> data_targets() {
  return {{"png", run_image},   {"jpeg", run_image},  {"bmp", run_image},   {"gif", run_image},
          {"webp", run_image},  {"tiff", run_image},  {"idx", run_idx},     {"gzip", run_gzip},
          {"cifar", run_cifar}, {"stl10", run_stl10}, {"shard", run_shard}, {"class_names", run_class_names}};
}

}  // namespace fuzz
