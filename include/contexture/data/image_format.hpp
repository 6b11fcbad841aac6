// SPDX-License-Identifier: MIT
// What kind of image a file is by its first bytes, and what PNG and JPEG files say of themselves. Files are not
// trusted: a header that asks for more pixels than allowed is refused here, before memory is asked for. Whether a file
// is whole and sound is in data/png_check.hpp and data/jpeg_check.hpp. Errors are the reason alone: the caller knows
// the file's name.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/exif.hpp"

namespace contexture::detail {

struct ImageHeader {
  enum class Format { kOther, kPng, kJpeg, kBmp, kGif, kWebp, kTiff };
  Format format = Format::kOther;
  Index height = 0;  // as it is to be shown
  Index width = 0;
  int orientation = 1;  // by which it is turned to be shown: see turned()
  int components = 0;   // stored per pixel: JPEG 1, 3, 4; PNG samples, 1 for a palette
  bool grey = false;
};

inline std::uint32_t big_endian(const std::uint8_t* p, int bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | p[i];
  return value;
}

inline std::uint32_t little_endian(const std::uint8_t* p, int bytes) {
  std::uint32_t value = 0;
  for (int i = bytes - 1; i >= 0; --i) value = value << 8 | p[i];
  return value;
}

inline constexpr Index kMostSide = 65'535;

inline void check_extent(const ImageHeader& header, const ImageLimits& limits) {
  const Index most = std::min(limits.max_pixels, ImageLimits::kMostPixels);
  require_input(header.height >= 1 && header.width >= 1 && header.height <= kMostSide && header.width <= kMostSide &&
                    header.height * header.width <= most,
                "claims ", header.width, " x ", header.height, " pixels, expected 1 to ", kMostSide,
                " a side and at most ", most, " in all (the setting max-pixels)");
}

inline ImageHeader png_header(std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  require_input(bytes.size() >= 33 && big_endian(bytes.data() + 8, 4) == 13 &&
                    std::equal(bytes.begin() + 12, bytes.begin() + 16, "IHDR"),
                "PNG without a header, ", bytes.size(), " bytes");
  ImageHeader header;
  header.format = ImageHeader::Format::kPng;
  const std::uint32_t width = big_endian(bytes.data() + 16, 4);
  const std::uint32_t height = big_endian(bytes.data() + 20, 4);
  header.width = width;
  header.height = height;
  check_extent(header, limits);
  const int color = bytes[25];
  constexpr std::array<int, 7> kSamples = {1, 0, 3, 1, 2, 0, 4};
  require_input(color <= 6 && kSamples[static_cast<std::size_t>(color)] != 0, "PNG colour type ", color,
                ", expected 0, 2, 3, 4 or 6");
  header.components = kSamples[static_cast<std::size_t>(color)];
  header.grey = color == 0 || color == 4;
  return header;
}

inline bool is_jpeg_frame(int marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

// The frame header of a JPEG, the segment `body` behind its marker and length.
inline ImageHeader jpeg_frame(int marker, std::span<const std::uint8_t> body, const ImageLimits& limits) {
  require_input(marker <= 0xC2, "JPEG of an unusual kind (frame type ", marker - 0xC0,
                "), expected baseline or progressive");
  require_input(body.size() >= 6, "JPEG frame header of ", body.size(), " bytes, expected 6 or more");
  require_input(body[0] == 8, "JPEG with ", static_cast<int>(body[0]), " bits a sample, expected 8");
  ImageHeader header;
  header.format = ImageHeader::Format::kJpeg;
  header.height = big_endian(body.data() + 1, 2);
  header.width = big_endian(body.data() + 3, 2);
  header.components = body[5];
  header.grey = header.components == 1;
  check_extent(header, limits);
  require_input(header.components == 1 || header.components == 3 || header.components == 4, "JPEG of ",
                header.components, " components, expected 1, 3 or 4");
  return header;
}

inline constexpr int kExifMarker = 0xE1;  // APP1, before the frame; the first that holds Exif data counts

// A segment of a JPEG: what lies from byte `at` to byte `next`.
struct JpegSegment {
  int marker = 0;
  std::size_t at = 0;
  std::size_t next = 0;
  std::span<const std::uint8_t> body;  // behind the marker and the length; empty for an end marker
};

// The segment at byte `at` or, behind padding, a little later.
inline JpegSegment jpeg_segment(std::span<const std::uint8_t> bytes, std::size_t at) {
  for (;; ++at) {
    require_input(at + 2 <= bytes.size(), "JPEG ends in the middle, at byte ", bytes.size());
    require_input(bytes[at] == 0xFF, "JPEG is damaged at byte ", at, ": ", static_cast<int>(bytes[at]),
                  ", expected 255");
    if (bytes[at + 1] != 0xFF) break;
  }
  const int marker = bytes[at + 1];
  if (marker == 0xD9) return {marker, at, at + 2, {}};
  require_input(marker >= 0xC0 && (marker < 0xD0 || marker > 0xD8), "JPEG is damaged at byte ", at, ": marker ", marker,
                ", expected the beginning of a segment");
  require_input(at + 4 <= bytes.size(), "JPEG ends in the middle, at byte ", bytes.size());
  const std::size_t length = big_endian(bytes.data() + at + 2, 2);
  require_input(length >= 2 && length <= bytes.size() - at - 2, "JPEG ends in the middle: the segment at byte ", at,
                " has ", length, " bytes, the file ", bytes.size());
  return {marker, at, at + 2 + length, bytes.subspan(at + 4, length - 2)};
}

// The header of a picture that is to be shown by an orientation of Exif data (0: there were none).
inline ImageHeader held(ImageHeader header, int orientation) {
  header.orientation = std::max(orientation, 1);
  if (is_on_its_side(header.orientation)) std::swap(header.height, header.width);
  return header;
}

// What a JPEG says about itself, up to its frame header: a file's first bytes will do.
inline ImageHeader jpeg_header(std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  int orientation = 0;
  for (std::size_t at = 2;;) {
    const JpegSegment segment = jpeg_segment(bytes, at);
    require_input(segment.marker != 0xD9 && segment.marker != 0xDA, "JPEG without a frame header before byte ",
                  segment.at);
    if (is_jpeg_frame(segment.marker)) return held(jpeg_frame(segment.marker, segment.body, limits), orientation);
    if (segment.marker == kExifMarker && orientation == 0) orientation = exif_orientation(segment.body);
    at = segment.next;
  }
}

// What an image may be of, where this build reads all of them.
inline constexpr const char* kImageKinds = "PNG, JPEG, BMP, GIF, WebP or TIFF";

// Names that such files have.
inline constexpr std::array<std::string_view, 8> kImageExtensions = {".png", ".jpg",  ".jpeg", ".bmp",
                                                                     ".gif", ".webp", ".tif",  ".tiff"};

inline const char* format_name(ImageHeader::Format format) {
  switch (format) {
    case ImageHeader::Format::kPng: return "PNG";
    case ImageHeader::Format::kJpeg: return "JPEG";
    case ImageHeader::Format::kBmp: return "BMP";
    case ImageHeader::Format::kGif: return "GIF";
    case ImageHeader::Format::kWebp: return "WebP";
    case ImageHeader::Format::kTiff: return "TIFF";
    case ImageHeader::Format::kOther: break;
  }
  return "";
}

// As such a file is called.
inline const char* format_extension(ImageHeader::Format format) {
  switch (format) {
    case ImageHeader::Format::kPng: return ".png";
    case ImageHeader::Format::kJpeg: return ".jpg";
    case ImageHeader::Format::kBmp: return ".bmp";
    case ImageHeader::Format::kGif: return ".gif";
    case ImageHeader::Format::kWebp: return ".webp";
    case ImageHeader::Format::kTiff: return ".tif";
    case ImageHeader::Format::kOther: break;
  }
  return "";
}

// Whether this build reads files of that kind.
inline bool is_readable(ImageHeader::Format format) {
  switch (format) {
#if !defined(CONTEXTURE_WITH_GIF)
    case ImageHeader::Format::kGif: return false;
#endif
#if !defined(CONTEXTURE_WITH_WEBP)
    case ImageHeader::Format::kWebp: return false;
#endif
#if !defined(CONTEXTURE_WITH_TIFF)
    case ImageHeader::Format::kTiff: return false;
#endif
    default: return format != ImageHeader::Format::kOther;
  }
}

// "BM" begins many a text: what stands further on counts too.
inline bool is_bmp(std::span<const std::uint8_t> bytes) {
  constexpr std::array<std::uint32_t, 7> kHeaders = {12, 40, 52, 56, 64, 108, 124};
  return bytes.size() >= 18 && bytes[0] == 'B' && bytes[1] == 'M' &&
         std::find(kHeaders.begin(), kHeaders.end(), little_endian(bytes.data() + 14, 4)) != kHeaders.end();
}

inline ImageHeader::Format image_format(std::span<const std::uint8_t> bytes) {
  const auto has = [&](std::size_t at, std::string_view text) {
    return bytes.size() >= at + text.size() &&
           std::equal(text.begin(), text.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at),
                      [](char c, std::uint8_t byte) { return static_cast<std::uint8_t>(c) == byte; });
  };
  using Format = ImageHeader::Format;
  if (has(0, "\x89PNG\r\n\x1a\n")) return Format::kPng;
  if (has(0, "\xFF\xD8\xFF")) return Format::kJpeg;
  if (has(0, "GIF87a") || has(0, "GIF89a")) return Format::kGif;
  if (has(0, "RIFF") && has(8, "WEBP")) return Format::kWebp;
  if (has(0, {"II\x2A\0", 4}) || has(0, {"MM\0\x2A", 4})) return Format::kTiff;
  return is_bmp(bytes) ? Format::kBmp : Format::kOther;
}

}  // namespace contexture::detail
