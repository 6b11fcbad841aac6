// SPDX-License-Identifier: MIT
// BMP, GIF and TIFF files made by hand, and WebP and coded TIFF files made with the libraries that read them: the
// picture is colour_at() or, where there is a palette, the colours of palette_entry().
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#if defined(CONTEXTURE_WITH_TIFF)
#include <tiffio.h>
#endif
#if defined(CONTEXTURE_WITH_WEBP)
#include <webp/encode.h>
#endif

#include "data/exif_files.hpp"
#include "data/files.hpp"

namespace files {

inline std::array<std::uint8_t, 3> colour_at(int x, int y) {
  return {static_cast<std::uint8_t>(7 * x + y), static_cast<std::uint8_t>(200 - 3 * y),
          static_cast<std::uint8_t>(x * y)};
}
inline int index_at(int x, int y, int colours) { return (x + 2 * y) % colours; }
inline std::array<std::uint8_t, 3> palette_entry(int index) {
  return {static_cast<std::uint8_t>(index), static_cast<std::uint8_t>(255 - index),
          static_cast<std::uint8_t>(7 * index)};
}

inline void put_little(Bytes& out, std::uint32_t value, int width) {
  for (int i = 0; i < width; ++i) out.push_back(static_cast<std::uint8_t>(value >> 8 * i));
}

struct BmpKind {
  std::uint32_t header_bytes = 40;
  std::array<std::uint32_t, 4> masks{};  // red, green, blue, opacity; none: the usual ones
  bool top_down = false;
  std::uint32_t colours = 0;  // said to be in the palette; 0: all
};

// A sample of 8 bits in the bits of a mask.
inline std::uint32_t in_mask(int value, std::uint32_t mask) {
  if (mask == 0) return 0;
  const std::uint32_t most = mask >> std::countr_zero(mask);
  return (static_cast<std::uint32_t>(value) * most / 255) << std::countr_zero(mask);
}

inline Bytes bmp(int width, int height, int bits, const BmpKind& how = {}) {
  const bool core = how.header_bytes == 12, masked = how.masks[0] != 0;
  const int colours = bits <= 8 ? (how.colours > 0 ? static_cast<int>(how.colours) : 1 << bits) : 0;
  const std::uint32_t row = static_cast<std::uint32_t>(width * bits + 31) / 32 * 4;
  const std::uint32_t behind = masked && how.header_bytes == 40 ? 12 : 0;
  const std::uint32_t pixels_at = 14 + how.header_bytes + behind + static_cast<std::uint32_t>(colours * (core ? 3 : 4));
  Bytes out = {'B', 'M'};
  for (const std::uint32_t v : {pixels_at + row * static_cast<std::uint32_t>(height), 0U, pixels_at, how.header_bytes})
    put_little(out, v, 4);
  put_little(out, static_cast<std::uint32_t>(width), core ? 2 : 4);
  put_little(out, static_cast<std::uint32_t>(how.top_down ? -height : height), core ? 2 : 4);
  for (const int v : {1, bits}) put_little(out, static_cast<std::uint32_t>(v), 2);
  if (!core)
    for (const std::uint32_t v : {masked ? 3U : 0U, 0U, 0U, 0U, how.colours, 0U}) put_little(out, v, 4);
  if (masked)
    for (std::size_t i = 0; i < (how.header_bytes >= 56 ? 4U : 3U); ++i) put_little(out, how.masks[i], 4);
  out.resize(pixels_at - static_cast<std::uint32_t>(colours * (core ? 3 : 4)), 0);
  for (int i = 0; i < colours; ++i) {
    const auto entry = palette_entry(i);
    out.insert(out.end(), entry.rbegin(), entry.rend());
    if (!core) out.push_back(0);
  }
  for (int line = 0; line < height; ++line) {
    const int y = how.top_down ? line : height - 1 - line;
    const std::size_t begin = out.size();
    std::uint32_t packed = 0;
    for (int x = 0; x < width; ++x) {
      const auto colour = colour_at(x, y);
      if (bits <= 8) {
        packed = packed << bits | static_cast<std::uint32_t>(index_at(x, y, colours));
        if ((x + 1) * bits % 8 == 0) out.push_back(static_cast<std::uint8_t>(packed));
      } else if (masked || bits == 16) {
        const auto masks = masked ? how.masks : std::array<std::uint32_t, 4>{0x7C00, 0x03E0, 0x001F, 0};
        std::uint32_t pixel = in_mask(128, masks[3]);
        for (std::size_t c = 0; c < 3; ++c) pixel |= in_mask(colour[c], masks[c]);
        put_little(out, pixel, bits / 8);
      } else {
        out.insert(out.end(), colour.rbegin(), colour.rend());
        if (bits == 32) out.push_back(77);  // not looked at
      }
    }
    if (const int left = width * bits % 8; bits <= 8 && left != 0)
      out.push_back(static_cast<std::uint8_t>(packed << (8 - left)));
    out.resize(begin + row, 0);
  }
  return out;
}

struct GifKind {
  int left = 0, top = 0, width = 0, height = 0;  // of the picture; 0: of the screen
  int transparent = -1;
  bool interlaced = false;
  bool own_palette = false;  // of the picture; the screen has none then
};

// A GIF of 100 colours whose codes are never longer than 8 bits. A second picture follows.
inline Bytes gif(int width, int height, const GifKind& how = {}) {
  constexpr int kColours = 100, kSize = 7;  // a palette of 128, the rest of which is black
  const int w = how.width > 0 ? how.width : width, h = how.height > 0 ? how.height : height;
  Bytes out = text_bytes("GIF89a");
  const auto number = [&out](int value) { put_little(out, static_cast<std::uint32_t>(value), 2); };
  const auto byte = [&out](int value) { out.push_back(static_cast<std::uint8_t>(value)); };
  const auto palette = [&] {
    for (int i = 0; i < 1 << kSize; ++i) {
      const auto entry = i < kColours ? palette_entry(i) : std::array<std::uint8_t, 3>{};
      out.insert(out.end(), entry.begin(), entry.end());
    }
  };
  number(width);
  number(height);
  for (const int v : {how.own_palette ? 0 : 0x80 | (kSize - 1), 0, 0}) byte(v);
  if (!how.own_palette) palette();
  const Bytes comment = {0x21, 0xFE, 2, 'h', 'i', 0};
  out.insert(out.end(), comment.begin(), comment.end());
  if (how.transparent >= 0)
    for (const int v : {0x21, 0xF9, 4, 1, 0, 0, how.transparent, 0}) byte(v);
  for (const int picture : {0, 1}) {
    byte(0x2C);
    for (const int v : {how.left, how.top, w, h}) number(v);
    byte((how.interlaced ? 0x40 : 0) | (how.own_palette ? 0x80 | (kSize - 1) : 0));
    if (how.own_palette) palette();
    std::vector<int> rows;
    for (const auto& [first, step] : {std::pair{0, 8}, {4, 8}, {2, 4}, {1, 2}})
      for (int y = first; y < h; y += step) rows.push_back(y);
    if (!how.interlaced) std::sort(rows.begin(), rows.end());
    Bytes codes = {1 << kSize};
    int since = 0;
    for (const int y : rows)
      for (int x = 0; x < w; ++x) {
        if (++since == 100) codes.push_back(1 << kSize);  // begin again before codes get longer
        since %= 100;
        codes.push_back(static_cast<std::uint8_t>(picture == 0 ? index_at(x, y, kColours) : 3));
      }
    codes.push_back((1 << kSize) + 1);
    byte(kSize);
    for (std::size_t at = 0; at < codes.size(); at += 255) {
      const std::size_t count = std::min<std::size_t>(255, codes.size() - at);
      byte(static_cast<int>(count));
      out.insert(out.end(), codes.begin() + static_cast<std::ptrdiff_t>(at),
                 codes.begin() + static_cast<std::ptrdiff_t>(at + count));
    }
    byte(0);
  }
  byte(0x3B);
  return out;
}

struct TiffKind {
  bool big_endian = false;
  int orientation = 1;
  int samples = 3;  // 1: the first of colour_at(); 2, 4: with an opacity of 128
  int bits = 8;
  int coding = 1;
  std::uint32_t claimed_width = 0;  // 0: the truth
};

// An uncompressed TIFF whose directory stands at its end.
inline Bytes tiff(int width, int height, const TiffKind& how = {}) {
  Bytes out(2, how.big_endian ? 'M' : 'I');
  const auto number = [&](std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i)
      out.push_back(static_cast<std::uint8_t>(value >> 8 * (how.big_endian ? bytes - 1 - i : i)));
  };
  const auto size = static_cast<std::uint32_t>(width * height * how.samples * how.bits / 8);
  number(42, 2);
  number(8 + size, 4);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int s = 0; s < how.samples; ++s) {
        const bool opacity = how.samples % 2 == 0 && s + 1 == how.samples;
        const std::uint32_t value = opacity ? 128 : colour_at(x, y)[static_cast<std::size_t>(s)];
        number(how.bits == 16 ? value << 8 | value : value, how.bits / 8);
      }
  const auto u = [](int value) { return static_cast<std::uint32_t>(value); };
  const std::uint32_t bits_at = 8 + size + 2 + 12 * 12 + 4;
  using Entry = std::array<std::uint32_t, 4>;  // tag, type, count, value
  const std::array<Entry, 12> entries = {{{256, 4, 1, how.claimed_width > 0 ? how.claimed_width : u(width)},
                                          {257, 4, 1, u(height)},
                                          {258, 3, u(how.samples), how.samples <= 2 ? u(how.bits) : bits_at},
                                          {259, 3, 1, u(how.coding)},
                                          {262, 3, 1, how.samples <= 2 ? 1U : 2U},
                                          {273, 4, 1, 8},
                                          {274, 3, 1, u(how.orientation)},
                                          {277, 3, 1, u(how.samples)},
                                          {278, 4, 1, u(height)},
                                          {279, 4, 1, size},
                                          {284, 3, 1, 1},
                                          {338, 3, how.samples % 2 == 0 ? 1U : 0U, 2}}};
  number(how.samples % 2 == 0 ? 12 : 11, 2);
  for (const auto& [tag, type, count, value] : entries) {
    if (count == 0) continue;
    number(tag, 2);
    number(type, 2);
    number(count, 4);
    if (type == 3 && count <= 2) {
      number(value, 2);
      number(count == 2 ? value : 0, 2);
    } else {
      number(value, 4);
    }
  }
  number(0, 4);
  out.resize(bits_at, 0);
  for (int s = 0; s < how.samples; ++s) number(u(how.bits), 2);
  return out;
}

#if defined(CONTEXTURE_WITH_TIFF)
inline std::vector<std::pair<const char*, int>> tiff_codings() {
  return {{"lzw", COMPRESSION_LZW},
          {"jpeg", COMPRESSION_JPEG},
          {"packbits", COMPRESSION_PACKBITS},
          {"deflate", COMPRESSION_ADOBE_DEFLATE},
          {"fax4", COMPRESSION_CCITTFAX4}};
}

// By libtiff, in tiles; with fax black and white by index_at().
inline Bytes coded_tiff(int width, int height, int coding) {
  const TempFolder folder;
  const std::string path = (folder / "a.tif").string();
  TIFF* const tiff = TIFFOpen(path.c_str(), "w");
  const bool fax = coding == COMPRESSION_CCITTFAX4;
  for (const auto& [tag, value] : {std::pair{TIFFTAG_IMAGEWIDTH, width},
                                   {TIFFTAG_IMAGELENGTH, height},
                                   {TIFFTAG_TILEWIDTH, 16},
                                   {TIFFTAG_TILELENGTH, 16},
                                   {TIFFTAG_COMPRESSION, coding},
                                   {TIFFTAG_SAMPLESPERPIXEL, fax ? 1 : 3},
                                   {TIFFTAG_BITSPERSAMPLE, fax ? 1 : 8},
                                   {TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG},
                                   {TIFFTAG_PHOTOMETRIC, fax ? PHOTOMETRIC_MINISWHITE : PHOTOMETRIC_RGB}})
    TIFFSetField(tiff, static_cast<std::uint32_t>(tag), value);
  for (int top = 0; top < height; top += 16)
    for (int left = 0; left < width; left += 16) {
      Bytes tile(fax ? 32 : 768, 0);
      for (int y = 0; y < 16; ++y)
        for (int x = 0; x < 16; ++x) {
          const auto colour = colour_at(left + x, top + y);
          const auto at = static_cast<std::size_t>(16 * y + x);
          if (fax)
            tile[at / 8] = static_cast<std::uint8_t>(tile[at / 8] | index_at(left + x, top + y, 2) << (7 - x % 8));
          else
            std::copy(colour.begin(), colour.end(), tile.begin() + static_cast<std::ptrdiff_t>(3 * at));
        }
      TIFFWriteTile(tiff, tile.data(), static_cast<std::uint32_t>(left), static_cast<std::uint32_t>(top), 0, 0);
    }
  TIFFClose(tiff);
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}
#endif

#if defined(CONTEXTURE_WITH_WEBP)
struct WebpKind {
  bool lossy = false;
  bool opacity = false;   // of 128 everywhere
  int orientation = 0;    // 0: no Exif data
  bool animated = false;  // as it says; there is one picture
};

inline Bytes webp(int width, int height, const WebpKind& how) {
  Bytes pixels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      for (const std::uint8_t v : colour_at(x, y)) pixels.push_back(v);
      if (how.opacity) pixels.push_back(128);
    }
  std::uint8_t* memory = nullptr;
  const std::size_t size = how.lossy     ? WebPEncodeRGB(pixels.data(), width, height, 3 * width, 90, &memory)
                           : how.opacity ? WebPEncodeLosslessRGBA(pixels.data(), width, height, 4 * width, &memory)
                                         : WebPEncodeLosslessRGB(pixels.data(), width, height, 3 * width, &memory);
  Bytes out(memory, memory + size);
  WebPFree(memory);
  if (how.orientation == 0 && !how.animated) return out;
  // RIFF, WEBP, VP8X with its flags, what was written, EXIF.
  Bytes extended = text_bytes("VP8X");
  put_little(extended, 10, 4);
  put_little(extended, (how.orientation > 0 ? 8U : 0U) | (how.animated ? 2U : 0U) | (how.opacity ? 16U : 0U), 4);
  put_little(extended, static_cast<std::uint32_t>(width - 1), 3);
  put_little(extended, static_cast<std::uint32_t>(height - 1), 3);
  out.insert(out.begin() + 12, extended.begin(), extended.end());
  if (how.orientation > 0) {
    const Bytes tag = exif({.value = static_cast<std::uint32_t>(how.orientation)});
    for (const std::uint8_t byte : text_bytes("EXIF")) out.push_back(byte);
    put_little(out, static_cast<std::uint32_t>(tag.size() - 6), 4);
    out.insert(out.end(), tag.begin() + 6, tag.end());
  }
  Bytes length;
  put_little(length, static_cast<std::uint32_t>(out.size() - 8), 4);
  std::copy(length.begin(), length.end(), out.begin() + 4);
  return out;
}
#endif

}  // namespace files
