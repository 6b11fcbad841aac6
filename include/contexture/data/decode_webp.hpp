// SPDX-License-Identifier: MIT
// WebP by libwebp, where CONTEXTURE_WITH_WEBP is defined: still pictures. Errors are the reason alone: the caller knows
// the file's name.
#pragma once

#if defined(CONTEXTURE_WITH_WEBP)
#include <webp/decode.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/exif.hpp"
#include "contexture/data/image_format.hpp"
#include "contexture/data/stored_pixels.hpp"

namespace contexture::detail {

// The orientation that the chunk EXIF of a RIFF file tells; 1 where there is none. Most files do not have one, and say
// so at their beginning; else its first bytes will not do.
inline int webp_orientation(std::span<const std::uint8_t> bytes) {
  constexpr std::uint8_t kHasExif = 8;
  const auto is = [&](std::size_t at, std::string_view name) {
    return std::equal(name.begin(), name.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
  };
  if (bytes.size() < 21 || !is(12, "VP8X") || (bytes[20] & kHasExif) == 0) return 1;
  for (std::size_t at = 12; bytes.size() - at >= 8;) {
    const std::size_t length = little_endian(bytes.data() + at + 4, 4);
    require_input(length <= bytes.size() - at - 8, "WebP ends in the middle: the chunk at byte ", at, " has ", length,
                  " bytes, the file ", bytes.size());
    if (is(at, "EXIF")) {
      const std::span<const std::uint8_t> body = bytes.subspan(at + 8, length);
      const int orientation = exif_orientation(body);  // some writers put a JPEG's prefix before it
      return orientation > 0 ? orientation : tiff_orientation(body);
    }
    at += std::min(8 + length + length % 2, bytes.size() - at);
  }
  return 1;
}

inline WebPBitstreamFeatures webp_features(std::span<const std::uint8_t> bytes) {
  WebPBitstreamFeatures features;
  require_input(WebPGetFeatures(bytes.data(), bytes.size(), &features) == VP8_STATUS_OK, "WebP without a sound header");
  require_input(features.has_animation == 0, "an animated WebP, expected a still one");
  return features;
}

inline ImageHeader webp_header(std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  const WebPBitstreamFeatures features = webp_features(bytes);
  ImageHeader header;
  header.format = ImageHeader::Format::kWebp;
  header.height = features.height;
  header.width = features.width;
  header.components = features.has_alpha != 0 ? 4 : 3;
  check_extent(header, limits);
  return held(header, webp_orientation(bytes));
}

inline ImageSet decode_webp(std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  const int orientation = webp_header(bytes, limits).orientation;
  const WebPBitstreamFeatures features = webp_features(bytes);
  const bool opacity = features.has_alpha != 0;
  ImageSet image = image_of(features.height, features.width, 3);
  const std::size_t row_bytes = static_cast<std::size_t>(image.width) * (opacity ? 4 : 3);
  std::vector<std::uint8_t> transparent(opacity ? row_bytes * static_cast<std::size_t>(image.height) : 0);
  std::uint8_t* const out = opacity ? transparent.data() : image.pixels.data();
  const std::size_t size = row_bytes * static_cast<std::size_t>(image.height);
  const auto decode = opacity ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  require_input(decode(bytes.data(), bytes.size(), out, size, static_cast<int>(row_bytes)) != nullptr,
                "cannot be decoded: WebP image data is damaged or cut off");
  if (opacity) lay_over_white(transparent.data(), 4, image);
  return turned(std::move(image), orientation);
}

}  // namespace contexture::detail
#endif
