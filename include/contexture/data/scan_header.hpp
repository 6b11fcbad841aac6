// SPDX-License-Identifier: MIT
// What the first bytes of an image file, or of a member of a shard, say of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
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
    switch (image_format(first)) {
      case ImageHeader::Format::kPng: file.header = png_header(first, limits); break;
      case ImageHeader::Format::kJpeg: try { file.header = jpeg_header(first, limits);
        } catch (const InputError&) {  // a camera's preview may push the frame header far back
          if (file.bytes <= std::ssize(first)) throw;
          file.header = jpeg_header(EncodedImages().bytes_of(file), limits);
        }
        break;
      case ImageHeader::Format::kOther: {
        const std::string extension = file.path.extension().string();
        const bool claims = contains_ignoring_case(extension, ".png") || contains_ignoring_case(extension, ".jpg") ||
                            contains_ignoring_case(extension, ".jpeg");
        require_input(!claims, "neither PNG nor JPEG inside");
        file.state = ImageFile::State::kOther;
        break;
      }
    }
  } catch (const ShardChanged&) {
    throw;
  } catch (const InputError& error) {
    file.set_broken(ImageFile::State::kBroken, error.what());
  }
}

}  // namespace contexture::detail
