// SPDX-License-Identifier: MIT
// Whether a JPEG is whole and sound, segment by segment and also between its scans, before a decoder sees it: the
// tables that a scan names were defined, no Huffman table holds more codes than there are, scans and sampling are those
// that the format knows. (A Huffman table of more than 256 codes overwrites stb_image 2.27's memory.) What is left
// to a decoder are the bits of the image data. Errors are the reason alone: the caller knows the file's name.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/image_format.hpp"

namespace contexture::detail {

// Follows the segments of one JPEG; check() may be called once.
class JpegCheck {
 public:
  JpegCheck(std::span<const std::uint8_t> bytes, const ImageLimits& limits) : bytes_(bytes), limits_(limits) {}

  ImageHeader check() {
    for (at_ = 2;;) {
      const JpegSegment segment = jpeg_segment(bytes_, at_);
      segment_ = segment.at;
      at_ = segment.next;
      if (segment.marker == 0xD9) break;
      follow(segment.marker, segment.body);
    }
    sound(header_.components != 0, "the end before a frame header");
    sound(header_.components != 4 || adobe_, "4 components without the Adobe marker");
    for (const Component& component : components_)
      sound(component.scanned, "the end, without image data of component ", component.id);
    return held(header_, orientation_);
  }

 private:
  static constexpr int kMostScans = 100;  // writers use about ten; each goes through the whole image

  struct Component {
    int id = 0;
    int quantization = 0;
    bool scanned = false;
  };

  // What is wrong, and in which segment.
  template <class... Parts>
  void sound(bool ok, const Parts&... parts) const {
    require_input(ok, "JPEG is damaged in the segment at byte ", segment_, ": ", parts...);
  }

  void follow(int marker, std::span<const std::uint8_t> body) {
    if (marker == 0xC4) {
      huffman_tables(body);
    } else if (marker == 0xDB) {
      quantization_tables(body);
    } else if (marker == 0xDA) {
      scan(body);
    } else if (marker == 0xDD) {
      sound(body.size() == 2, "a restart interval of ", body.size(), " bytes, expected 2");
    } else if (is_jpeg_frame(marker)) {
      frame(marker, body);
    } else if (marker == kExifMarker) {
      if (orientation_ == 0 && header_.components == 0) orientation_ = exif_orientation(body);
    } else if (marker == 0xEE) {
      adobe_ = adobe_ || (body.size() >= 12 && std::equal(body.begin(), body.begin() + 5, "Adobe"));
    } else {
      sound((marker >= 0xE0 && marker <= 0xEF) || marker == 0xFE, "marker ", marker,
            ", expected a table, a frame, a scan or a comment");
    }
  }

  void huffman_tables(std::span<const std::uint8_t> body) {
    while (!body.empty()) {
      const int kind = body[0] >> 4, number = body[0] & 15;
      sound(kind <= 1 && number <= 3 && body.size() >= 17, "Huffman table ", number, " of kind ", kind,
            ", expected 0 to 3 of kind 0 or 1, whole");
      const std::span<const std::uint8_t> counts = body.subspan(1, 16);
      const std::size_t codes = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
      const std::size_t most = kind == 0 ? 16 : 256;
      sound(codes <= most, "a Huffman table of ", codes, " codes, expected at most ", most);
      sound(codes <= body.size() - 17, "a Huffman table of ", codes, " codes with ", body.size() - 17, " symbols");
      std::size_t room = 1;  // codes left of this length
      for (const std::uint8_t count : counts) {
        room *= 2;
        sound(count <= room, "a Huffman table with more codes than bits can tell apart");
        room -= count;
      }
      const std::span<const std::uint8_t> symbols = body.subspan(17, codes);
      sound(kind == 1 || std::all_of(symbols.begin(), symbols.end(), [](int symbol) { return symbol <= 15; }),
            "a Huffman table for differences of more than 15 bits");
      huffman_[static_cast<std::size_t>(kind)][static_cast<std::size_t>(number)] = true;
      body = body.subspan(17 + codes);
    }
  }

  void quantization_tables(std::span<const std::uint8_t> body) {
    while (!body.empty()) {
      const int bytes = 1 + (body[0] >> 4), number = body[0] & 15;
      const auto size = static_cast<std::size_t>(1 + 64 * bytes);
      sound(bytes <= 2 && number <= 3 && body.size() >= size, "quantization table ", number, " of ", 8 * bytes,
            " bits, expected 0 to 3 of 8 or 16 bits, whole");
      quantization_[static_cast<std::size_t>(number)] = true;
      body = body.subspan(size);
    }
  }

  void frame(int marker, std::span<const std::uint8_t> body) {
    sound(header_.components == 0, "a second frame header");
    header_ = jpeg_frame(marker, body, limits_);
    progressive_ = marker == 0xC2;
    const auto count = static_cast<std::size_t>(header_.components);
    sound(body.size() == 6 + 3 * count, "a frame header of ", body.size(), " bytes, expected ", 6 + 3 * count);
    // Each 8 x 8 block takes at least one bit.
    require_input(header_.height * header_.width / 512 <= static_cast<Index>(bytes_.size()), "claims ", header_.width,
                  " x ", header_.height, " pixels, which ", bytes_.size(), " bytes cannot hold");
    int across = 1, down = 1;
    for (std::size_t c = 0; c < count; ++c) {
      across = std::max(across, body[7 + 3 * c] >> 4);
      down = std::max(down, body[7 + 3 * c] & 15);
    }
    for (std::size_t c = 0; c < count; ++c) {
      const int id = body[6 + 3 * c], h = body[7 + 3 * c] >> 4, v = body[7 + 3 * c] & 15, table = body[8 + 3 * c];
      sound(find(id) == nullptr, "component ", id, " twice");
      sound(h >= 1 && h <= 4 && v >= 1 && v <= 4 && across % h == 0 && down % v == 0, "sampling ", h, " x ", v,
            " of at most ", across, " x ", down, ", expected divisors, and at most 4");
      sound(table <= 3, "quantization table ", table, ", expected 0 to 3");
      components_.push_back({.id = id, .quantization = table});
    }
  }

  void scan(std::span<const std::uint8_t> body) {
    sound(header_.components != 0, "image data before a frame header");
    sound(++scans_ <= kMostScans, "more than ", kMostScans, " scans");
    const std::size_t count = body.empty() ? 0 : body[0];
    sound(count >= 1 && count <= components_.size() && body.size() == 4 + 2 * count, "a scan header of ", body.size(),
          " bytes for ", count, " components");
    const int first = body[1 + 2 * count], last = body[2 + 2 * count];
    const int high = body[3 + 2 * count] >> 4, low = body[3 + 2 * count] & 15;
    if (progressive_) {
      sound(first == 0 ? last == 0 : first <= last && last <= 63 && count == 1, "a scan of coefficients ", first,
            " to ", last, " of ", count, " components");
      sound(low <= 13 && (high == 0 || high == low + 1), "a scan from bit ", high, " to bit ", low);
    } else {
      sound(first == 0 && last == 63 && high == 0 && low == 0, "a scan of coefficients ", first, " to ", last,
            ", bits ", high, " to ", low, ", expected all");
    }
    std::vector<int> seen;
    for (std::size_t c = 0; c < count; ++c) {
      const int id = body[1 + 2 * c], dc = body[2 + 2 * c] >> 4, ac = body[2 + 2 * c] & 15;
      Component* const component = find(id);
      sound(component != nullptr, "component ", id, ", which the frame does not have");
      sound(std::find(seen.begin(), seen.end(), id) == seen.end(), "component ", id, " twice in a scan");
      seen.push_back(id);
      sound(quantization_[static_cast<std::size_t>(component->quantization)], "quantization table ",
            component->quantization, " was never defined");
      if (first == 0 && high == 0) named(0, dc);
      if (last > 0) named(1, ac);
      component->scanned = component->scanned || (first == 0 && high == 0);
    }
    skip_image_data();
  }

  // A scan decodes with Huffman table `number` of `kind`.
  void named(int kind, int number) const {
    sound(number <= 3 && huffman_[static_cast<std::size_t>(kind)][static_cast<std::size_t>(number)], "Huffman table ",
          number, " of kind ", kind, " was never defined");
  }

  // To the marker behind the image data: neither a 255 that is part of it (a 0 follows) nor a restart.
  void skip_image_data() {
    for (;;) {
      at_ = static_cast<std::size_t>(
          std::find(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), bytes_.end(), std::uint8_t{0xFF}) -
          bytes_.begin());
      std::size_t next = at_;
      while (next < bytes_.size() && bytes_[next] == 0xFF) ++next;
      require_input(next < bytes_.size(), "JPEG ends in the middle, at byte ", bytes_.size());
      if (bytes_[next] != 0 && (bytes_[next] < 0xD0 || bytes_[next] > 0xD7)) return;
      at_ = next + 1;
    }
  }

  Component* find(int id) {
    const auto found = std::find_if(components_.begin(), components_.end(),
                                    [id](const Component& component) { return component.id == id; });
    return found == components_.end() ? nullptr : &*found;
  }

  std::span<const std::uint8_t> bytes_;
  ImageLimits limits_;
  std::size_t at_ = 0;       // what comes next
  std::size_t segment_ = 0;  // the segment in hand
  ImageHeader header_;
  bool progressive_ = false;
  bool adobe_ = false;
  int orientation_ = 0;  // 0: no Exif data so far
  int scans_ = 0;
  std::vector<Component> components_;
  std::array<std::array<bool, 4>, 2> huffman_{};  // defined so far: for differences, for the other coefficients
  std::array<bool, 4> quantization_{};
};

inline ImageHeader check_jpeg(std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  return JpegCheck(bytes, limits).check();
}

}  // namespace contexture::detail
