// SPDX-License-Identifier: MIT
// Fuzz targets of data/: images, data sets, lists of names.
#pragma once

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "contexture/data/byte_reader.hpp"
#include "contexture/data/cifar.hpp"
#include "contexture/data/csv.hpp"
#include "contexture/data/dataset_files.hpp"
#include "contexture/data/decode.hpp"
#include "contexture/data/decode_stb.hpp"
#include "contexture/data/idx.hpp"
#include "contexture/data/image_cache_format.hpp"
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

// As the images and as the labels of a set that is sound but for them, where it is a file of that kind at all.
inline void run_idx(Bytes bytes) {
  const std::filesystem::path alone = file_of("idx-alone", bytes);
  int rank = 0;
  for (const int r : {1, 3})
    try_on([&] {
      (void)contexture::detail::read_idx(alone, r);
      rank = r;
    });
  if (rank == 0) return;
  const std::filesystem::path folder = scratch() / "idx";
  files::write_idx_folder(folder, false);
  files::write(folder / (rank == 3 ? "train-images-idx3-ubyte" : "train-labels-idx1-ubyte"),
               files::Bytes(bytes.begin(), bytes.end()));
  try_on([&] {
    const contexture::Dataset data = contexture::detail::load_idx(folder);
    check_set(data.train);
    for (const int label : data.train.labels)
      require_finding(label >= 0 && static_cast<std::size_t>(label) < data.class_names.size(), "a label of no class");
  });
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
  const std::filesystem::path folder = file_of("shards/shard-0.tar", bytes).parent_path();
  for (const bool labels : {true, false})
    try_on([&] {
      const contexture::Dataset data = contexture::load_dataset(
          folder.string(), {.limits = {.max_pixels = 1 << 18}, .max_broken = 1, .labels = labels});
      check_set(data.train);
      for (const int label : data.train.labels)
        require_finding(label >= 0 && static_cast<std::size_t>(label) < data.class_names.size(), "a label of no class");
    });
}

// What was read is written and read again.
inline void run_csv(Bytes bytes) {
  try_on([&] {
    const std::vector<contexture::CsvRow> rows = contexture::parse_csv(text_of(bytes), "table.csv");
    std::string again;
    for (const contexture::CsvRow& row : rows) again += contexture::csv_line(row.fields);
    const std::vector<contexture::CsvRow> same = contexture::parse_csv(again, "again.csv");
    require_finding(same.size() == rows.size(), "rows are lost");
    for (std::size_t i = 0; i < rows.size(); ++i)
      require_finding(same[i].fields == rows[i].fields, "a row reads back as another one");
  });
}

// The first page of a file with decoded images: no sum of its sizes may overflow.
inline void run_cache_header(Bytes bytes) {
  try_on([&] {
    contexture::detail::CacheEnd end;
    const contexture::detail::CacheLayout layout = contexture::detail::parse_cache_header(bytes, end);
    require_finding(layout.end() > 0 && layout.end() <= layout.end() + end.bytes, "sizes that overflow");
  });
}

// What stands behind the pixels there. Its checksum is not in the way.
inline void run_cache_end(Bytes bytes) {
  contexture::Dataset data;
  data.train.count = 3;
  try {
    try_on([&] {
      contexture::detail::parse_cache_end(bytes, data);
      require_finding(data.train.labels.empty() || data.train.labels.size() == 3, "labels of no images");
    });
  } catch (const nlohmann::json::exception&) {
    // as open_image_cache() does: a damaged end
  }
}

inline std::vector<Target> data_targets() {
  return {{"png", run_image},
          {"jpeg", run_image},
          {"bmp", run_image},
          {"gif", run_image},
          {"webp", run_image},
          {"tiff", run_image},
          {"idx", run_idx},
          {"gzip", run_gzip},
          {"cifar", run_cifar},
          {"stl10", run_stl10},
          {"shard", run_shard},
          {"class_names", run_class_names},
          {"csv", run_csv},
          {"cache_header", run_cache_header},
          {"cache_end", run_cache_end}};
}

}  // namespace fuzz
