// SPDX-License-Identifier: MIT
// A file format of one's own, as docs/HACKING.md shows it from the first #include on.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include "contexture/data/byte_reader.hpp"
#include "contexture/data/dataset.hpp"

namespace example {

using namespace contexture;

// train.tiny and test.tiny: the bytes 'T' 'I' 'N' 'Y', then side, classes and the number of images, a byte each; then
// for every image its class number and side x side grey pixels.
inline ImageSet read_tiny(const std::filesystem::path& path, int& classes) {
  contexture::detail::ByteReader reader(path);  // through gzip as well
  std::array<std::uint8_t, 7> header{};
  reader.read_all(header.data(), header.size());
  require_input(header[0] == 'T' && header[1] == 'I' && header[2] == 'N' && header[3] == 'Y', reader.name(),
                ": does not begin with TINY");
  ImageSet set;
  set.height = set.width = header[4];
  classes = header[5];
  set.count = header[6];
  set.channels = 1;
  require_input(set.height >= 1 && classes >= 2 && set.count >= 1, reader.name(), ": side ", set.height, ", ", classes,
                " classes, ", set.count, " images at byte 4, expected 1, 2 and 1 or more");
  // What the header claims is held against the bytes there are before memory is asked for.
  require_input(static_cast<std::uint64_t>(set.count * (1 + set.image_bytes())) <= reader.most_bytes(), reader.name(),
                ": truncated: its header promises ", set.count, " images, more than the file can hold");
  set.pixels.resize(static_cast<std::size_t>(set.count * set.image_bytes()));
  for (Index i = 0; i < set.count; ++i) {
    std::uint8_t label = 0;
    reader.read_all(&label, 1);
    require_input(label < classes, reader.name(), ": label ", int{label}, " at byte ", reader.offset() - 1,
                  ", expected 0 to ", classes - 1);
    set.labels.push_back(label);
    reader.read_all(set.image(i), static_cast<std::size_t>(set.image_bytes()));
  }
  std::uint8_t extra = 0;
  const bool ends_here = reader.read(&extra, 1) == 0;
  require_input(ends_here, reader.name(), ": goes on at byte ", reader.offset() - 1,
                ", where its header says that it ends");
  return set;
}

// What load_dataset() asks of every folder, in turn.
inline bool is_tiny_folder(const std::filesystem::path& folder) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(folder / "train.tiny", ignored);
}

inline Dataset load_tiny(const std::filesystem::path& folder) {
  Dataset data;
  data.name = folder.filename().string();
  int classes = 0;
  int test_classes = 0;
  data.train = read_tiny(folder / "train.tiny", classes);
  data.test = read_tiny(folder / "test.tiny", test_classes);
  require_input(test_classes == classes && data.test.height == data.train.height, folder.string(),
                ": train.tiny and test.tiny have other sides or classes");
  for (int i = 0; i < classes; ++i) data.class_names.push_back(std::to_string(i));
  return data;
}

}  // namespace example
