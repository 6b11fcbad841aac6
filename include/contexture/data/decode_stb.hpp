// SPDX-License-Identifier: MIT
// PNG and JPEG by stb_image, for programs that want no other library. What the check of a file's structure lets
// through, it decodes; memory that it takes is zeroed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/image_format.hpp"
#include "contexture/data/jpeg_check.hpp"
#include "contexture/data/png_check.hpp"
#include "contexture/data/stb_image.hpp"
#include "contexture/data/stored_pixels.hpp"

namespace contexture::detail {

inline ImageSet decode_with_stb(std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  std::vector<std::uint8_t> padded;
  int orientation = 1;
  switch (image_format(bytes)) {
    case ImageHeader::Format::kPng:
      if (const std::size_t palette = check_png(bytes, limits); palette > 0)
        bytes = padded = with_whole_palette(bytes, palette);
      break;
    case ImageHeader::Format::kJpeg: orientation = check_jpeg(bytes, limits).orientation; break;
    default: throw InputError("neither PNG nor JPEG");
  }
  int width = 0;
  int height = 0;
  int stored = 0;
  const std::unique_ptr<stb::stbi_uc, void (*)(void*)> pixels(
      stb::contexture_stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &stored, 0),
      stb::contexture_stbi_image_free);
  require_input(pixels != nullptr, "cannot be decoded: ", stb::contexture_stbi_failure_reason());
  ImageSet image = image_of(height, width, stored <= 2 ? 1 : 3);
  if (stored == image.channels) {
    std::copy_n(pixels.get(), image.pixels.size(), image.pixels.begin());
  } else {
    lay_over_white(pixels.get(), stored, image);
  }
  return turned(std::move(image), orientation);
}

}  // namespace contexture::detail
