// Writes PNG files with zlib alone, so that a program which only draws pictures does not compile a
// decoder. Reading is in data/image_io.hpp.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <span>
#include <string_view>
#include <vector>

#include "contexture/core/atomic_file.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {
namespace detail {

inline void append_big_endian(std::vector<std::uint8_t>& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

inline void append_png_chunk(std::vector<std::uint8_t>& out, std::string_view type,
                             std::span<const std::uint8_t> body) {
  append_big_endian(out, static_cast<std::uint32_t>(body.size()));
  const std::size_t start = out.size();
  out.insert(out.end(), type.begin(), type.end());
  out.insert(out.end(), body.begin(), body.end());
  append_big_endian(
      out, static_cast<std::uint32_t>(crc32(0, out.data() + start, static_cast<unsigned>(out.size() - start))));
}

// The value PNG's filter `kind` predicts from the bytes to the left, above, and above left.
inline int png_prediction(int kind, int left, int up, int corner) {
  switch (kind) {
    case 1: return left;
    case 2: return up;
    case 3: return (left + up) / 2;
    case 4: {
      const int p = left + up - corner;
      const int a = std::abs(p - left);
      const int b = std::abs(p - up);
      const int c = std::abs(p - corner);
      return a <= b && a <= c ? left : (b <= c ? up : corner);
    }
    default: return 0;
  }
}

}  // namespace detail

/// An 8-bit PNG of pixels (height,width,channels): 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA.
/// Throws std::invalid_argument on any other number of channels, or sizes outside 1 to 65,535.
[[nodiscard]] inline std::vector<std::uint8_t> encode_png(const std::uint8_t* pixels, Index height, Index width,
                                                          Index channels) {
  require(height >= 1 && width >= 1 && height <= 65'535 && width <= 65'535 && channels >= 1 && channels <= 4,
          "encode_png: ", height, " x ", width, " x ", channels, ", expected sides of 1 to 65535 and 1 to 4 channels");
  // Per row the filter whose differences are smallest in sum, as the PNG specification advises.
  const auto row = static_cast<std::size_t>(width * channels);
  const auto step = static_cast<std::size_t>(channels);
  std::vector<std::uint8_t> raw;
  raw.reserve((row + 1) * static_cast<std::size_t>(height));
  std::vector<std::uint8_t> line(row);
  std::vector<std::uint8_t> best(row);
  for (Index y = 0; y < height; ++y) {
    const std::uint8_t* p = pixels + static_cast<std::size_t>(y) * row;
    const std::uint8_t* above = y > 0 ? p - row : nullptr;
    std::uint64_t least = ~std::uint64_t{0};
    std::uint8_t chosen = 0;
    for (int kind = 0; kind <= 4; ++kind) {
      std::uint64_t cost = 0;
      for (std::size_t i = 0; i < row; ++i) {
        const int left = i >= step ? p[i - step] : 0;
        const int up = above != nullptr ? above[i] : 0;
        const int corner = above != nullptr && i >= step ? above[i - step] : 0;
        line[i] = static_cast<std::uint8_t>(p[i] - detail::png_prediction(kind, left, up, corner));
        cost += static_cast<std::uint64_t>(std::abs(static_cast<std::int8_t>(line[i])));
      }
      if (cost < least) {
        least = cost;
        chosen = static_cast<std::uint8_t>(kind);
        best.swap(line);
      }
    }
    raw.push_back(chosen);
    raw.insert(raw.end(), best.begin(), best.end());
  }
  uLongf packed_size = compressBound(static_cast<uLong>(raw.size()));
  std::vector<std::uint8_t> packed(packed_size);
  require_state(compress2(packed.data(), &packed_size, raw.data(), static_cast<uLong>(raw.size()), 9) == Z_OK,
                "encode_png: zlib failed to compress ", raw.size(), " bytes");
  packed.resize(packed_size);

  std::vector<std::uint8_t> out = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  std::vector<std::uint8_t> header;
  detail::append_big_endian(header, static_cast<std::uint32_t>(width));
  detail::append_big_endian(header, static_cast<std::uint32_t>(height));
  constexpr std::array<std::uint8_t, 5> kColorType = {0, 0, 4, 2, 6};
  header.insert(header.end(), {8, kColorType[static_cast<std::size_t>(channels)], 0, 0, 0});
  detail::append_png_chunk(out, "IHDR", header);
  detail::append_png_chunk(out, "IDAT", packed);
  detail::append_png_chunk(out, "IEND", {});
  return out;
}

/// Writes encode_png's bytes to `path`: the file is there as a whole or not at all. Throws InputError with the reason
/// when it cannot be written.
inline void write_png(const std::filesystem::path& path, const std::uint8_t* pixels, Index height, Index width,
                      Index channels) {
  const std::vector<std::uint8_t> bytes = encode_png(pixels, height, width, channels);
  detail::write_atomically(path, [&](std::ostream& out) {
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  });
}

}  // namespace contexture
