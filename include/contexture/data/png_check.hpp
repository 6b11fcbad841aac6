// SPDX-License-Identifier: MIT
// Whether a PNG is whole and sound, chunk by chunk, before a decoder sees it: damage is reported instead of shown as a
// grey half of a picture, and a decoder never meets a combination that the format does not know. Errors are the
// reason alone: the caller knows the file's name.
#pragma once

#include <zlib.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/image_format.hpp"

namespace contexture::detail {

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

// Inflates the pixel data of a PNG and counts it.
class PngData {
 public:
  explicit PngData(std::uint64_t expected) : expected_(expected) {
    require_state(inflateInit(&stream_) == Z_OK, "check_png: zlib cannot start");
  }
  ~PngData() { inflateEnd(&stream_); }
  PngData(const PngData&) = delete;
  PngData& operator=(const PngData&) = delete;

  void add(std::span<const std::uint8_t> packed, std::size_t at) {
    stream_.next_in = const_cast<Bytef*>(packed.data());
    stream_.avail_in = static_cast<unsigned>(packed.size());
    for (bool more = !packed.empty() && !ended_; more;) {
      stream_.next_out = scratch_.data();
      stream_.avail_out = static_cast<unsigned>(scratch_.size());
      const int status = inflate(&stream_, Z_NO_FLUSH);
      require_input(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR,
                    "PNG pixel data is damaged (chunk at byte ", at, ")");
      inflated_ += scratch_.size() - stream_.avail_out;
      require_input(inflated_ <= expected_, "PNG holds more pixel data than the ", expected_,
                    " bytes that its header's size needs");
      ended_ = status == Z_STREAM_END;
      more = !ended_ && (stream_.avail_in > 0 || stream_.avail_out == 0);
    }
  }

  void end() const {
    require_input(inflated_ == expected_ && ended_, "PNG holds ", inflated_,
                  " bytes of pixel data, its header's size needs ", expected_);
  }

 private:
  z_stream stream_{};
  std::array<std::uint8_t, 16'384> scratch_;
  std::uint64_t expected_;
  std::uint64_t inflated_ = 0;
  bool ended_ = false;
};

// What the header says beside the size: combinations that the format knows.
inline void check_png_header(std::span<const std::uint8_t> bytes) {
  const int depth = bytes[24], color = bytes[25];
  const bool small = depth == 1 || depth == 2 || depth == 4;
  require_input(depth == 8 || (depth == 16 && color != 3) || (small && (color == 0 || color == 3)), "PNG bit depth ",
                depth, " of colour type ", color, ", expected 8, 16 (no palette), or 1, 2, 4 (grey or palette)");
  require_input(bytes[26] == 0 && bytes[27] == 0 && bytes[28] <= 1, "PNG compression ", static_cast<int>(bytes[26]),
                ", filter ", static_cast<int>(bytes[27]), ", interlacing ", static_cast<int>(bytes[28]),
                ", expected 0, 0, and 0 or 1");
}

// Follows the chunks of a PNG.
class PngCheck {
 public:
  PngCheck(std::span<const std::uint8_t> bytes, const ImageHeader& header)
      : bytes_(bytes),
        color_(bytes[25]),
        data_(png_raw_size(header.width, header.height, bytes[24] * header.components, bytes[28] != 0)) {}

  // Returns where the palette's chunk begins, where pixels are its entries; else 0.
  std::size_t check() {
    for (std::size_t at = 8;;) {
      require_input(bytes_.size() - at >= 12, "PNG ends in the middle, at byte ", bytes_.size());
      const std::size_t length = big_endian(bytes_.data() + at, 4);
      require_input(length <= bytes_.size() - at - 12, "PNG ends in the middle: the chunk at byte ", at, " has ",
                    length, " bytes, the file ", bytes_.size());
      const std::string_view type(reinterpret_cast<const char*>(bytes_.data() + at + 4), 4);
      const std::span<const std::uint8_t> body = bytes_.subspan(at + 8, length);
      const bool needed = (type[0] & 0x20) == 0;  // upper case: needed to show the image
      if (needed) {
        const std::uint32_t expected = big_endian(body.data() + length, 4);
        const auto computed = static_cast<std::uint32_t>(crc32(0, body.data() - 4, static_cast<unsigned>(length + 4)));
        require_input(expected == computed, "PNG checksum of the chunk at byte ", at, " is wrong");
      }
      if (type == "IEND") break;
      follow(type, body, at, needed);
      in_data_ = type == "IDAT";
      seen_data_ = seen_data_ || in_data_;
      at += 12 + length;
    }
    data_.end();
    require_input(color_ != 3 || palette_ > 0, "PNG without its palette");
    return color_ == 3 ? palette_ : 0;
  }

 private:
  void follow(std::string_view type, std::span<const std::uint8_t> body, std::size_t at, bool needed) {
    const auto in_place = [&](bool ok) {
      require_input(ok, "PNG chunk ", type, " at byte ", at, " of ", body.size(), " bytes is out of place");
    };
    if (type == "IDAT") {
      in_place(in_data_ || !seen_data_);
      data_.add(body, at);
    } else if (type == "PLTE") {
      const std::size_t entries = body.size() / 3;
      const std::size_t most = color_ == 3 ? std::size_t{1} << bytes_[24] : 256;
      in_place(palette_ == 0 && !seen_data_ && color_ != 0 && color_ != 4 && body.size() % 3 == 0 && entries >= 1 &&
               entries <= most);
      palette_ = at;
      entries_ = entries;
    } else if (type == "tRNS") {  // which entry, grey or colour is transparent
      in_place(!seen_data_ && (color_ == 3   ? body.size() <= entries_
                               : color_ == 0 ? body.size() == 2
                                             : color_ == 2 && body.size() == 6));
    } else if (type == "IHDR") {
      in_place(at == 8);
    } else {
      require_input(!needed, "PNG chunk at byte ", at, " of an unknown kind that is needed to show the image");
    }
  }

  std::span<const std::uint8_t> bytes_;
  int color_;
  PngData data_;
  bool in_data_ = false;  // the chunk before was of pixel data
  bool seen_data_ = false;
  std::size_t palette_ = 0;
  std::size_t entries_ = 0;
};

// Returns where the palette's chunk begins, where pixels are its entries; else 0.
inline std::size_t check_png(std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  const ImageHeader header = png_header(bytes, limits);
  check_png_header(bytes);
  // Deflate packs at most 1032 to 1.
  require_input(
      png_raw_size(header.width, header.height, bytes[24] * header.components, bytes[28] != 0) / 1032 <= bytes.size(),
      "claims ", header.width, " x ", header.height, " pixels, which ", bytes.size(), " bytes cannot hold");
  return PngCheck(bytes, header).check();
}

// A checked PNG whose palette is the chunk at byte `at`, with black for the entries that it lacks: stb takes them from
// memory that nobody wrote. The chunk's checksum is not kept.
inline std::vector<std::uint8_t> with_whole_palette(std::span<const std::uint8_t> bytes, std::size_t at) {
  constexpr std::size_t kWhole = 3 * 256;
  std::vector<std::uint8_t> out(bytes.begin(), bytes.end());
  const std::size_t length = big_endian(out.data() + at, 4);
  if (length >= kWhole) return out;
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(at + 8 + length), kWhole - length, 0);
  out[at + 2] = kWhole >> 8;
  out[at + 3] = kWhole & 255;
  return out;
}

}  // namespace contexture::detail
