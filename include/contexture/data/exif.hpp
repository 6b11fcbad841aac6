// SPDX-License-Identifier: MIT
// How a camera was held: the orientation tag of Exif 2.32 (CIPA DC-008, 4.6.4), read with every offset checked.
// Whatever is wrong with it counts as no tag: the picture itself is sound.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace contexture::detail {

// Unsigned integers of a TIFF structure, in its byte order. The caller sees to it that they are there.
class TiffNumbers {
 public:
  TiffNumbers(std::span<const std::uint8_t> bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}

  [[nodiscard]] std::uint32_t operator()(std::size_t at, std::size_t width) const {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = value << 8 | bytes_[at + (big_endian_ ? i : width - 1 - i)];
    return value;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  bool big_endian_;
};

// The orientation, 1 to 8, in a TIFF structure that Exif data are; 1, as stored, where there is none to be trusted.
inline int tiff_orientation(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kEntry = 12;  // tag, type, count, value
  constexpr std::uint32_t kOrientation = 0x0112, kShort = 3;
  constexpr std::array<std::uint8_t, 4> kLittle = {'I', 'I', 42, 0}, kBig = {'M', 'M', 0, 42};
  if (bytes.size() < 8) return 1;
  const bool big = std::equal(kBig.begin(), kBig.end(), bytes.begin());
  if (!big && !std::equal(kLittle.begin(), kLittle.end(), bytes.begin())) return 1;
  const TiffNumbers number(bytes, big);
  const std::size_t directory = number(4, 4);
  if (directory < 8 || directory > bytes.size() - 2) return 1;
  const std::size_t whole = (bytes.size() - directory - 2) / kEntry;  // entries that there is room for
  const std::size_t entries = std::min<std::size_t>(number(directory, 2), whole);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + i * kEntry;
    if (number(at, 2) != kOrientation) continue;
    const std::uint32_t value = number(at + 8, 2);
    const bool sound = number(at + 2, 2) == kShort && number(at + 4, 4) == 1 && value >= 1 && value <= 8;
    return sound ? static_cast<int>(value) : 1;
  }
  return 1;
}

// The same of the body of a JPEG's APP1 segment; 0 where that holds no Exif data.
inline int exif_orientation(std::span<const std::uint8_t> body) {
  constexpr std::array<std::uint8_t, 6> kExif = {'E', 'x', 'i', 'f', 0, 0};
  if (body.size() < kExif.size() || !std::equal(kExif.begin(), kExif.end(), body.begin())) return 0;
  return tiff_orientation(body.subspan(kExif.size()));
}

// Whether a picture so held is shown with its sides exchanged.
inline bool is_on_its_side(int orientation) { return orientation >= 5; }

}  // namespace contexture::detail
