// What PNG and JPEG files say of themselves, and whether they are whole. Files are not trusted: a decoder sees a file
// only after its structure was checked here, so that a header cannot ask for memory the file could never fill, and
// damage is reported instead of shown as a grey half of a picture. Errors are the reason alone: the caller knows the
// file's name.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture::detail {

struct ImageHeader {
  enum class Format { kOther, kPng, kJpeg };
  Format format = Format::kOther;
  Index height = 0;
  Index width = 0;
  int components = 0;  // stored per pixel: JPEG 1, 3, 4; PNG samples, 1 for a palette
  bool grey = false;
};

inline std::uint32_t big_endian(const std::uint8_t* p, int bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | p[i];
  return value;
}

inline constexpr Index kMostSide = 65'535;
inline constexpr Index kMostPixels = Index{1} << 28;

inline void check_extent(const ImageHeader& header) {
  require_input(header.height >= 1 && header.width >= 1 && header.height <= kMostSide && header.width <= kMostSide &&
                    header.height * header.width <= kMostPixels,
                "claims ", header.width, " x ", header.height, " pixels, expected 1 to ", kMostSide,
                " a side and at most ", kMostPixels, " in all");
}

// Bytes that the pixel data of a PNG inflates to: one filter byte a row, seven passes if interlaced.
inline std::uint64_t png_raw_size(Index width, Index height, int bits, bool interlaced) {
  const auto pass = [bits](Index w, Index h) {
    return w == 0 || h == 0 ? std::uint64_t{0} : static_cast<std::uint64_t>(h * (1 + (w * bits + 7) / 8));
  };
  if (!interlaced) return pass(width, height);
  constexpr std::array<std::array<Index, 4>, 7> kAdam7 = {
      {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}};
  std::uint64_t size = 0;
  for (const auto& [x, y, dx, dy] : kAdam7) {
    size += pass((width - x + dx - 1) / dx, (height - y + dy - 1) / dy);
  }
  return size;
}

inline ImageHeader png_header(std::span<const std::uint8_t> bytes) {
  require_input(bytes.size() >= 33 && big_endian(bytes.data() + 8, 4) == 13 &&
                    std::equal(bytes.begin() + 12, bytes.begin() + 16, "IHDR"),
                "PNG without a header, ", bytes.size(), " bytes");
  ImageHeader header;
  header.format = ImageHeader::Format::kPng;
  const std::uint32_t width = big_endian(bytes.data() + 16, 4);
  const std::uint32_t height = big_endian(bytes.data() + 20, 4);
  header.width = width;
  header.height = height;
  check_extent(header);
  const int color = bytes[25];
  constexpr std::array<int, 7> kSamples = {1, 0, 3, 1, 2, 0, 4};
  require_input(color <= 6 && kSamples[static_cast<std::size_t>(color)] != 0, "PNG colour type ", color,
                ", expected 0, 2, 3, 4 or 6");
  header.components = kSamples[static_cast<std::size_t>(color)];
  header.grey = color == 0 || color == 4;
  return header;
}

// Follows the chunks of a PNG to its end: lengths, checksums, and that the pixel data inflates to
// exactly what the header promises. (stb checks none of the three.) Returns where the palette's chunk begins, where
// pixels are its entries; else 0.
inline std::size_t check_png(std::span<const std::uint8_t> bytes) {
  const ImageHeader header = png_header(bytes);
  const int depth = bytes[24];
  require_input(depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16, "PNG bit depth ", depth,
                ", expected 1, 2, 4, 8 or 16");
  const std::uint64_t raw = png_raw_size(header.width, header.height, depth * header.components, bytes[28] != 0);
  // Deflate packs at most 1032 to 1.
  require_input(raw / 1032 <= bytes.size(), "claims ", header.width, " x ", header.height, " pixels, which ",
                bytes.size(), " bytes cannot hold");
  z_stream stream{};
  require_state(inflateInit(&stream) == Z_OK, "check_png: zlib cannot start");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&stream, inflateEnd);
  std::array<std::uint8_t, 16'384> scratch;
  std::uint64_t inflated = 0;
  bool data_ended = false;
  std::size_t palette = 0;
  std::size_t at = 8;
  for (;;) {
    require_input(bytes.size() - at >= 12, "PNG ends in the middle, at byte ", bytes.size());
    const std::uint64_t length = big_endian(bytes.data() + at, 4);
    require_input(length <= bytes.size() - at - 12, "PNG ends in the middle: the chunk at byte ", at, " has ", length,
                  " bytes, the file ", bytes.size());
    const std::string_view type(reinterpret_cast<const char*>(bytes.data() + at + 4), 4);
    const std::uint8_t* body = bytes.data() + at + 8;
    if ((type[0] & 0x20) == 0) {  // upper case: needed to show the image
      const std::uint32_t expected = big_endian(body + length, 4);
      const std::uint32_t computed = static_cast<std::uint32_t>(crc32(0, body - 4, static_cast<unsigned>(length + 4)));
      require_input(expected == computed, "PNG checksum of the chunk at byte ", at, " is wrong");
    }
    if (type == "IEND") break;
    if (type == "PLTE" && palette == 0 && bytes[25] == 3) palette = at;
    if (type == "IDAT" && !data_ended) {
      stream.next_in = const_cast<Bytef*>(body);
      stream.avail_in = static_cast<unsigned>(length);
      for (bool more = length > 0; more;) {
        stream.next_out = scratch.data();
        stream.avail_out = static_cast<unsigned>(scratch.size());
        const int status = inflate(&stream, Z_NO_FLUSH);
        require_input(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR,
                      "PNG pixel data is damaged (chunk at byte ", at, ")");
        inflated += scratch.size() - stream.avail_out;
        require_input(inflated <= raw, "PNG holds more pixel data than its header's ", header.width, " x ",
                      header.height);
        data_ended = status == Z_STREAM_END;
        more = !data_ended && (stream.avail_in > 0 || stream.avail_out == 0);
      }
    }
    at += 12 + static_cast<std::size_t>(length);
  }
  require_input(inflated == raw && data_ended, "PNG holds ", inflated, " bytes of pixel data, its header's ",
                header.width, " x ", header.height, " need ", raw);
  return palette;
}

// What a JPEG says about itself, up to its frame header. With `complete`, also checks that the image
// data has an end (stb paints what is missing grey and calls it success).
inline ImageHeader jpeg_header(std::span<const std::uint8_t> bytes, bool complete) {
  ImageHeader header;
  header.format = ImageHeader::Format::kJpeg;
  bool adobe = false;
  std::size_t at = 2;
  for (;;) {
    require_input(at + 4 <= bytes.size(), "JPEG ends before its image, at byte ", bytes.size());
    require_input(bytes[at] == 0xFF, "JPEG is damaged at byte ", at, ": ", static_cast<int>(bytes[at]),
                  ", expected 255");
    const int marker = bytes[at + 1];
    if (marker == 0xFF) {  // padding
      ++at;
      continue;
    }
    if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) {  // without a length
      at += 2;
      continue;
    }
    require_input(marker != 0xD9, "JPEG ends before its image, at byte ", at);
    const std::size_t length = big_endian(bytes.data() + at + 2, 2);
    require_input(length >= 2 && length <= bytes.size() - at - 2, "JPEG ends in the middle: the segment at byte ", at,
                  " has ", length, " bytes, the file ", bytes.size());
    const std::uint8_t* body = bytes.data() + at + 4;
    if (marker == 0xEE && length >= 14 && std::equal(body, body + 5, "Adobe")) adobe = true;
    const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame) {
      require_input(marker <= 0xC2, "JPEG of an unusual kind (frame type ", marker - 0xC0,
                    "), expected baseline or progressive");
      require_input(length >= 8 && body[0] == 8, "JPEG with ", static_cast<int>(body[0]), " bits a sample, expected 8");
      header.height = big_endian(body + 1, 2);
      header.width = big_endian(body + 3, 2);
      header.components = body[5];
      header.grey = header.components == 1;
      check_extent(header);
      require_input(header.components == 1 || header.components == 3 || header.components == 4, "JPEG of ",
                    header.components, " components, expected 1, 3 or 4");
      // Each 8 x 8 block takes at least one bit.
      require_input(header.height * header.width / 512 <= static_cast<Index>(bytes.size()) || !complete, "claims ",
                    header.width, " x ", header.height, " pixels, which ", bytes.size(), " bytes cannot hold");
      if (!complete) return header;
    }
    at += 2 + length;
    if (marker == 0xDA) break;  // the image data follows
  }
  require_input(header.components != 0, "JPEG without a frame header");
  require_input(header.components != 4 || adobe, "JPEG of 4 components without the Adobe marker");
  constexpr std::array<std::uint8_t, 2> kEnd = {0xFF, 0xD9};  // never occurs inside image data
  const bool ended = std::search(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), kEnd.begin(),
                                 kEnd.end()) != bytes.end();
  require_input(ended, "JPEG ends in the middle, at byte ", bytes.size());
  return header;
}

inline ImageHeader::Format image_format(std::span<const std::uint8_t> bytes) {
  constexpr std::array<std::uint8_t, 8> kPng = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  if (bytes.size() >= 8 && std::equal(kPng.begin(), kPng.end(), bytes.begin())) return ImageHeader::Format::kPng;
  if (bytes.size() >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF) return ImageHeader::Format::kJpeg;
  return ImageHeader::Format::kOther;
}

// A checked PNG whose palette is the chunk at byte `at`, with black for the entries that it lacks: stb takes them from
// memory that nobody wrote. The chunk's checksum is not kept. Palettes that are whole, or that stb refuses, stay.
inline std::vector<std::uint8_t> with_whole_palette(std::span<const std::uint8_t> bytes, std::size_t at) {
  constexpr std::size_t kWhole = 3 * 256;
  std::vector<std::uint8_t> out(bytes.begin(), bytes.end());
  const std::size_t length = big_endian(out.data() + at, 4);
  if (length >= kWhole || length % 3 != 0) return out;
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(at + 8 + length), kWhole - length, 0);
  out[at + 2] = kWhole >> 8;
  out[at + 3] = kWhole & 255;
  return out;
}

}  // namespace contexture::detail
