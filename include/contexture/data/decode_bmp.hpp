// SPDX-License-Identifier: MIT
// BMP: uncompressed, with a palette or with 16, 24 or 32 bits a pixel, as Windows and OS/2 store it (BITMAPFILEHEADER
// and BITMAPCOREHEADER to BITMAPV5HEADER of the Windows API). Run-length coding is refused. Errors are the reason
// alone: the caller knows the file's name.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/image_format.hpp"
#include "contexture/data/stored_pixels.hpp"

namespace contexture::detail {

// Bits of a pixel that hold one of its samples, side by side.
struct BmpSample {
  std::uint32_t mask = 0;

  // From 0 to 255; 0 where there is no such sample.
  [[nodiscard]] std::uint8_t of(std::uint32_t pixel) const {
    if (mask == 0) return 0;
    const std::uint64_t most = mask >> std::countr_zero(mask);
    const std::uint64_t value = (pixel & mask) >> std::countr_zero(mask);
    return static_cast<std::uint8_t>((value * 255 + most / 2) / most);
  }
};

// What stands before the pixels.
struct BmpInfo {
  ImageHeader header;
  bool from_below = true;  // the last row is stored first
  int bits = 0;            // a pixel
  std::size_t palette_at = 0, colours = 0, colour_bytes = 0;
  std::size_t pixels_at = 0;
  std::array<BmpSample, 4> samples{};  // red, green, blue, opacity

  [[nodiscard]] std::size_t row_bytes() const {
    return (static_cast<std::size_t>(header.width) * static_cast<std::size_t>(bits) + 31) / 32 * 4;
  }
};

// The samples of pixels of 16 or 32 bits. Masks are part of the header, or stand behind a short one.
inline std::array<BmpSample, 4> bmp_samples(std::span<const std::uint8_t> bytes, std::size_t header_bytes, int bits,
                                            bool masks) {
  if (!masks && bits == 16) return {BmpSample{0x7C00}, {0x03E0}, {0x001F}, {}};
  if (!masks) return {BmpSample{0xFF0000}, {0x00FF00}, {0x0000FF}, {}};
  const std::size_t count = header_bytes >= 56 ? 4 : 3;
  constexpr std::size_t kMasks = 14 + 40;
  require_input(bytes.size() >= kMasks + 4 * count, "BMP ends in the middle, at byte ", bytes.size());
  std::array<BmpSample, 4> samples{};
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t mask = little_endian(bytes.data() + kMasks + 4 * i, 4);
    const bool side_by_side = mask == 0 || std::has_single_bit((std::uint64_t{mask} >> std::countr_zero(mask)) + 1);
    require_input(side_by_side && (bits == 32 || mask <= 0xFFFF), "BMP is damaged: a sample of bits ", mask, " of ",
                  bits);
    samples[i] = {mask};
  }
  return samples;
}

// A file's first bytes will do.
inline BmpInfo bmp_info(std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  require_input(bytes.size() >= 26, "BMP without a header, ", bytes.size(), " bytes");
  const std::uint8_t* const at = bytes.data();
  const std::size_t header_bytes = little_endian(at + 14, 4);
  const bool core = header_bytes == 12;
  require_input(bytes.size() >= 14 + header_bytes, "BMP ends in the middle, at byte ", bytes.size());
  BmpInfo info;
  info.header.format = ImageHeader::Format::kBmp;
  info.header.components = 3;
  const auto signed_of = [&](std::size_t offset) {
    return Index{static_cast<std::int32_t>(little_endian(at + offset, 4))};
  };
  const Index height = core ? Index{little_endian(at + 20, 2)} : signed_of(22);
  info.header.width = core ? Index{little_endian(at + 18, 2)} : signed_of(18);
  info.header.height = std::abs(height);
  info.from_below = height > 0;
  check_extent(info.header, limits);
  info.bits = static_cast<int>(little_endian(at + (core ? 24 : 28), 2));
  const std::uint32_t coding = core ? 0 : little_endian(at + 30, 4);
  const bool masks = coding == 3, by_palette = info.bits == 1 || info.bits == 4 || info.bits == 8;
  require_input(coding == 0 || masks, "BMP of coding ", coding, ", expected 0 or 3, uncompressed");
  require_input(
      masks ? info.bits == 16 || info.bits == 32 : by_palette || info.bits == 16 || info.bits == 24 || info.bits == 32,
      "BMP of ", info.bits, " bits a pixel, expected 1, 4, 8, 16, 24 or 32");
  if (by_palette) {
    const std::size_t most = std::size_t{1} << info.bits, used = core ? 0 : little_endian(at + 46, 4);
    info.colour_bytes = core ? 3 : 4;
    info.palette_at = 14 + header_bytes;
    info.colours = used == 0 ? most : used;
    require_input(info.colours <= most, "BMP is damaged: a palette of ", info.colours, " colours, expected at most ",
                  most);
  } else {
    info.samples = bmp_samples(bytes, header_bytes, info.bits, masks);
  }
  info.pixels_at = little_endian(at + 10, 4);
  require_input(info.pixels_at >= 14 + header_bytes, "BMP is damaged: pixels from byte ", info.pixels_at,
                " on, inside its header");
  return info;
}

inline ImageHeader bmp_header(std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  return bmp_info(bytes, limits).header;
}

// One row of pixels that are entries of a palette.
inline void bmp_palette_row(std::span<const std::uint8_t> bytes, const BmpInfo& info, const std::uint8_t* row,
                            std::uint8_t* out) {
  const int per_byte = 8 / info.bits;
  for (Index x = 0; x < info.header.width; ++x, out += 3) {
    const int shift = 8 - info.bits * static_cast<int>(x % per_byte + 1);
    const std::size_t colour = static_cast<std::size_t>(row[x / per_byte] >> shift & ((1 << info.bits) - 1));
    require_input(colour < info.colours, "BMP is damaged: colour ", colour, " of a palette of ", info.colours);
    const std::uint8_t* const entry = bytes.data() + info.palette_at + colour * info.colour_bytes;
    std::reverse_copy(entry, entry + 3, out);  // stored as blue, green, red
  }
}

inline ImageSet decode_bmp(std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  const BmpInfo info = bmp_info(bytes, limits);
  const std::size_t rows = static_cast<std::size_t>(info.header.height);
  require_input(info.pixels_at <= bytes.size() && info.row_bytes() <= (bytes.size() - info.pixels_at) / rows,
                "BMP ends in the middle: ", rows, " rows of ", info.row_bytes(), " bytes from byte ", info.pixels_at,
                " on, the file has ", bytes.size());
  require_input(info.palette_at + info.colours * info.colour_bytes <= bytes.size(), "BMP ends in its palette, at byte ",
                bytes.size());
  ImageSet image = image_of(info.header.height, info.header.width, 3);
  const bool opacity = info.samples[3].mask != 0;
  const Index stored = opacity ? 4 : 3;
  std::vector<std::uint8_t> transparent(opacity ? static_cast<std::size_t>(4 * image.height * image.width) : 0);
  std::uint8_t* const all = opacity ? transparent.data() : image.pixels.data();
  for (Index y = 0; y < image.height; ++y) {
    const std::uint8_t* row = bytes.data() + info.pixels_at + static_cast<std::size_t>(y) * info.row_bytes();
    std::uint8_t* out = all + (info.from_below ? image.height - 1 - y : y) * image.width * stored;
    if (info.colours > 0) {
      bmp_palette_row(bytes, info, row, out);
      continue;
    }
    for (Index x = 0; x < image.width; ++x, row += info.bits / 8) {
      const std::uint32_t pixel = little_endian(row, info.bits / 8);
      for (Index c = 0; c < stored; ++c) *out++ = info.samples[static_cast<std::size_t>(c)].of(pixel);
    }
  }
  if (opacity) lay_over_white(transparent.data(), 4, image);
  return image;
}

}  // namespace contexture::detail
