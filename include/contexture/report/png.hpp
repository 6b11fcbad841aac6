// A picture as the bytes of a PNG file, for embedding in a page. Grey or RGB, 8 bits.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "contexture/core/error.hpp"
#include "contexture/report/inputs.hpp"

namespace contexture::detail::report {

/// PNG (ISO 15948): signature, header, one zlib stream of unfiltered rows, end.
/// Throws std::invalid_argument for a picture whose sizes do not agree.
[[nodiscard]] inline std::string png_bytes(const Picture& p) {
  require(p.height > 0 && p.width > 0 && p.channels > 0 &&
              p.pixels.size() == static_cast<std::size_t>(p.height * p.width * p.channels),
          "png_bytes: ", p.pixels.size(), " bytes of pixels for ", p.height, " x ", p.width, " x ", p.channels);
  const std::size_t kept = p.channels < 3 ? 1 : 3;  // further channels (alpha, depth) are not colour
  std::string rows;
  for (Index y = 0; y < p.height; ++y) {
    rows += '\0';
    for (Index x = 0; x < p.width; ++x)
      rows.append(reinterpret_cast<const char*>(p.pixels.data()) + (y * p.width + x) * p.channels, kept);
  }
  uLongf size = ::compressBound(static_cast<uLong>(rows.size()));
  std::string packed(size, '\0');
  const int state = ::compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                                reinterpret_cast<const Bytef*>(rows.data()), static_cast<uLong>(rows.size()), 9);
  require_state(state == Z_OK, "png_bytes: zlib failed with ", state);
  packed.resize(size);

  const auto big_endian = [](std::uint64_t v) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(v >> shift & 0xFF);
    return out;
  };
  std::string out = "\x89PNG\r\n\x1a\n";
  const auto chunk = [&](std::string_view type, std::string_view data) {
    const std::string body = std::string(type) + std::string(data);
    const uLong crc = ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
    out += big_endian(data.size()) + body + big_endian(crc);
  };
  std::string header =
      big_endian(static_cast<std::uint64_t>(p.width)) + big_endian(static_cast<std::uint64_t>(p.height));
  header += {8, static_cast<char>(kept == 1 ? 0 : 2), 0, 0, 0};
  chunk("IHDR", header);
  chunk("IDAT", packed);
  chunk("IEND", "");
  return out;
}

}  // namespace contexture::detail::report
