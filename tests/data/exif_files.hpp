// SPDX-License-Identifier: MIT
// JPEGs that say how their camera was held.
#pragma once

#include <cstdint>

#include "data/files.hpp"

namespace files {

struct ExifTag {
  std::uint32_t value = 1;
  bool big_endian = true;
  std::uint32_t tag = 0x0112;
  std::uint32_t type = 3;
  std::uint32_t count = 1;
  std::uint32_t directory = 8;  // where it is said to be
  std::uint32_t entries = 2;    // that are claimed; two are there
};

// The body of an APP1 segment with a directory of two entries, the second as told.
inline Bytes exif(const ExifTag& how) {
  Bytes out = {'E', 'x', 'i', 'f', 0, 0};
  const auto put = [&](std::uint32_t value, int width) {
    for (int i = 0; i < width; ++i)
      out.push_back(static_cast<std::uint8_t>(value >> 8 * (how.big_endian ? width - 1 - i : i)));
  };
  out.insert(out.end(), 2, how.big_endian ? 'M' : 'I');
  put(42, 2);
  put(how.directory, 4);
  put(how.entries, 2);
  for (const std::uint32_t v : {0x0100U, 4U}) put(v, 2);  // the image's width, a long
  for (const std::uint32_t v : {1U, 7U}) put(v, 4);
  for (const std::uint32_t v : {how.tag, how.type}) put(v, 2);
  put(how.count, 4);
  put(how.value, 2);
  put(0, 2);
  put(0, 4);  // no further directory
  return out;
}

// The JPEG with one more segment in front.
inline Bytes with_segment(const Bytes& jpeg, int marker, const Bytes& body) {
  Bytes out = {0xFF, 0xD8};
  append_jpeg_segment(out, marker, body);
  out.insert(out.end(), jpeg.begin() + 2, jpeg.end());
  return out;
}

inline Bytes held(const Bytes& jpeg, std::uint32_t orientation) {
  return with_segment(jpeg, 0xE1, exif({.value = orientation}));
}

}  // namespace files
