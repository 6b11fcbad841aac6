// SPDX-License-Identifier: MIT
// What the first bytes of an image file, or of a member of a shard, say of it.
#pragma once

#include <cstdint>
#include <span>

#include "contexture/core/error.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/dataset_files.hpp"
#include "contexture/data/decode_files.hpp"
#include "contexture/data/image_format.hpp"
#include "contexture/data/image_tree.hpp"

namespace contexture::detail {

inline constexpr std::size_t kFirstBytes = 16'384;  // enough for the header of most

// Fills in state and header from the file's first bytes; reads all of it if need be.
inline void scan_header(ImageFile& file, std::span<const std::uint8_t> first, const ImageLimits& limits) {
  try {
    file.header.format = image_format(first);
    if (!is_readable(file.header.format)) {
      const bool claims = file.header.format == ImageHeader::Format::kOther && is_image_name(file.path);
      require_input(!claims, "not ", kImageKinds, " inside");
      file.state = ImageFile::State::kOther;
      return;
    }
    try {
      file.header = image_header(first, limits);
    } catch (const InputError&) {  // a camera's preview may push a JPEG's frame header far back, a TIFF may end with it
      if (file.bytes <= std::ssize(first)) throw;
      file.header = image_header(EncodedImages().bytes_of(file), limits);
    }
  } catch (const ShardChanged&) {
    throw;
  } catch (const InputError& error) {
    file.set_broken(ImageFile::State::kBroken, error.what());
  }
}

}  // namespace contexture::detail
