// Reads PNG and JPEG files (stb_image, kept private to each translation unit) and fits images to a
// size. Files are not trusted: a decoder sees a file only after its structure was checked, so that a
// header cannot ask for memory the file could never fill, and damage is reported instead of shown as
// a grey half of a picture. Costs a second or two of compile time; include it where files are read.
#pragma once

// Everything stb includes itself must be included here first, outside our namespace.
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#if defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/png.hpp"
#include "contexture/data/resample.hpp"

#if defined(STBI_INCLUDE_STB_IMAGE_H)
#error "include contexture/data/image_io.hpp before stb_image.h in this translation unit"
#endif

// stb in a namespace of its own and with internal linkage, so that it neither clashes with nor
// replaces the application's own copy; every macro it leaves behind is taken away again.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma push_macro("STB_IMAGE_IMPLEMENTATION")
#pragma push_macro("STB_IMAGE_STATIC")
#undef STB_IMAGE_IMPLEMENTATION
#undef STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ASSERT(x) ((void)0)
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
namespace contexture::detail::stb {
namespace {
#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#else
#include <stb_image.h>
#endif
}  // namespace
}  // namespace contexture::detail::stb
#undef STBI_INCLUDE_STB_IMAGE_H
#undef STBIDEF
#undef STBI_ASSERT
#undef STBI_ONLY_PNG
#undef STBI_ONLY_JPEG
#undef STBI_NO_STDIO
#undef STBI_NO_BMP
#undef STBI_NO_PSD
#undef STBI_NO_TGA
#undef STBI_NO_GIF
#undef STBI_NO_HDR
#undef STBI_NO_PIC
#undef STBI_NO_PNM
#undef STBI_NO_LINEAR
#undef STBI_VERSION
#undef STBI_MALLOC
#undef STBI_REALLOC
#undef STBI_REALLOC_SIZED
#undef STBI_FREE
#undef STBI_SSE2
#undef STBI_NEON
#undef STBI_SIMD_ALIGN
#undef STBI_MAX_DIMENSIONS
#undef STBI_THREAD_LOCAL
#undef STBI_NOTUSED
#undef STBI_HAS_LROTL
#undef STBI__X86_TARGET
#undef STBI__X64_TARGET
#undef STBI__ZFAST_BITS
#undef STBI__ZFAST_MASK
#undef STBI__ZNSYMS
#undef STBI__MARKER_none
#undef STBI__RESTART
#undef STBI__COMBO
#undef STBI__CASE
#undef STBI__BYTECAST
#undef STBI__F2FIXED
#undef STBI__PNG_TYPE
#undef STBI_EXTERN
#undef STBI__IDCT_1D
#undef stbi__DNL
#undef stbi__de_iphone_flag
#undef stbi__unpremultiply_on_load
#undef stbi__vertically_flip_on_load
#undef stbi_inline
#undef stbi_lrot
#undef stbi__err
#undef stbi__errpf
#undef stbi__errpuc
#undef stbi__div4
#undef stbi__div16
#undef stbi__float2fixed
#undef stbi__f2f
#undef stbi__fsh
#undef stbi__SOI
#undef stbi__EOI
#undef stbi__SOF
#undef stbi__SOS
#undef stbi__SOF_progressive
#undef FAST_BITS
#pragma pop_macro("STB_IMAGE_STATIC")
#pragma pop_macro("STB_IMAGE_IMPLEMENTATION")
#pragma GCC diagnostic pop

namespace contexture {
namespace detail {

// The whole file. Throws InputError, naming it, when it cannot be read or is larger than `most`.
inline std::vector<std::uint8_t> read_bytes(const std::filesystem::path& path, std::uintmax_t most) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  require_input(!error, path.string(), ": cannot be read: ", error.message());
  require_input(size <= most, path.string(), ": ", size, " bytes, expected at most ", most);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  require_input(file != nullptr, path.string(), ": cannot be opened for reading");
  const std::size_t got = std::fread(bytes.data(), 1, bytes.size(), file.get());
  require_input(got == bytes.size(), path.string(), ": reading stopped at byte ", got, " of ", size);
  return bytes;
}

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

// Decodes the bytes of a PNG or JPEG to grey or RGB. Throws InputError with the reason alone: the
// caller knows the file's name.
inline ImageSet decode_image(std::span<const std::uint8_t> bytes) {
  std::vector<std::uint8_t> padded;
  switch (image_format(bytes)) {
    case ImageHeader::Format::kPng:
      if (const std::size_t palette = check_png(bytes); palette > 0)
        bytes = padded = with_whole_palette(bytes, palette);
      break;
    case ImageHeader::Format::kJpeg: (void)jpeg_header(bytes, true); break;
    case ImageHeader::Format::kOther: throw InputError("neither PNG nor JPEG");
  }
  int width = 0;
  int height = 0;
  int stored = 0;
  const std::unique_ptr<stb::stbi_uc, void (*)(void*)> pixels(
      stb::stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &stored, 0), std::free);
  require_input(pixels != nullptr, "cannot be decoded: ", stb::stbi_failure_reason());
  ImageSet image;
  image.count = 1;
  image.height = height;
  image.width = width;
  image.channels = stored <= 2 ? 1 : 3;
  image.pixels.resize(static_cast<std::size_t>(image.image_bytes()));
  const std::uint8_t* in = pixels.get();
  if (stored == image.channels) {
    std::copy(in, in + image.pixels.size(), image.pixels.begin());
    return image;
  }
  // Transparent pixels show white paper.
  for (Index i = 0; i < image.height * image.width; ++i, in += stored) {
    const int alpha = in[image.channels];
    for (Index c = 0; c < image.channels; ++c) {
      image.pixels[static_cast<std::size_t>(i * image.channels + c)] =
          static_cast<std::uint8_t>((in[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  }
  return image;
}

inline constexpr std::uintmax_t kMostImageBytes = std::uintmax_t{1} << 28;

// The crop of aspect height:width that is as large as possible and central, resampled.
class Fitter {
 public:
  Fitter(Index in_height, Index in_width, Index channels, Index height, Index width)
      : Fitter(in_height, in_width, channels, height, width,
               std::min(static_cast<double>(in_height) / static_cast<double>(height),
                        static_cast<double>(in_width) / static_cast<double>(width))) {}

  void operator()(const std::uint8_t* in, std::uint8_t* out) const {
    std::vector<float> row(static_cast<std::size_t>(columns_.to * channels_)), scratch;
    for (Index y = 0; y < rows_.to; ++y) {
      resample_window(in, channels_, rows_, columns_, y, 0, 1, columns_.to, scratch, row.data());
      for (const float v : row) *out++ = static_cast<std::uint8_t>(std::clamp(255 * v + 0.5F, 0.0F, 255.0F));
    }
  }

 private:
  Fitter(Index in_height, Index in_width, Index channels, Index height, Index width, double ratio)
      : channels_(channels),
        rows_(resample_axis(in_height, height, margin(in_height, height, ratio), ratio, Edge::cut)),
        columns_(resample_axis(in_width, width, margin(in_width, width, ratio), ratio, Edge::cut)) {}

  // What is cut off in front, in resized pixels. At ratio 1 whole pixels are, so that the rest is copied as it is.
  static double margin(Index in, Index out, double ratio) {
    const double m = 0.5 * (static_cast<double>(in) / ratio - static_cast<double>(out));
    return ratio == 1.0 ? std::floor(m) : m;
  }

  Index channels_;
  ResampleAxis rows_, columns_;
};

}  // namespace detail

/// Reads a PNG or JPEG file as a set of one image of its own size: grey (1 channel) stays grey, the
/// rest becomes RGB; 16 bits are cut to 8, transparent pixels laid over white, CMYK converted. The
/// orientation tag of cameras is not applied. Throws InputError that names the file and the reason.
[[nodiscard]] inline ImageSet read_image_file(const std::filesystem::path& path) {
  const std::vector<std::uint8_t> bytes = detail::read_bytes(path, detail::kMostImageBytes);
  try {
    return detail::decode_image(bytes);
  } catch (const InputError& error) {
    throw InputError(message(path.string(), ": ", error.what()));
  }
}

/// Every image of the set brought to height x width: resized (triangle filter, widened when
/// shrinking) until it just covers that size, and what protrudes cut off evenly on both sides.
/// Labels are kept. Throws std::invalid_argument for a size outside 1 to 65,535.
[[nodiscard]] inline ImageSet resize_and_crop(const ImageSet& set, Index height, Index width) {
  require(height >= 1 && width >= 1 && height <= detail::kMostSide && width <= detail::kMostSide,
          "resize_and_crop: to ", height, " x ", width, ", expected 1 to ", detail::kMostSide);
  if (set.height == height && set.width == width) return set;
  ImageSet out;
  out.count = set.count;
  out.height = height;
  out.width = width;
  out.channels = set.channels;
  out.labels = set.labels;
  if (set.count == 0) return out;
  detail::check_image_set("resize_and_crop", set);
  out.pixels.resize(static_cast<std::size_t>(out.count * out.image_bytes()));
  const detail::Fitter fit(set.height, set.width, set.channels, height, width);
  parallel_for(set.count, 16, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) fit(set.image(i), out.image(i));
  });
  return out;
}

/// The same pixels with 1 (grey) or 3 (RGB) channels; RGB becomes grey by BT.601 luma.
/// Throws std::invalid_argument for other numbers of channels, in the set or asked for.
[[nodiscard]] inline ImageSet with_channels(const ImageSet& set, Index channels) {
  require((channels == 1 || channels == 3) && (set.channels == 1 || set.channels == 3), "with_channels: from ",
          set.channels, " to ", channels, ", expected 1 or 3");
  if (set.channels == channels) return set;
  ImageSet out;
  out.count = set.count;
  out.height = set.height;
  out.width = set.width;
  out.channels = channels;
  out.labels = set.labels;
  out.pixels.resize(static_cast<std::size_t>(out.count * out.image_bytes()));
  const std::size_t n = static_cast<std::size_t>(set.count * set.height * set.width);
  for (std::size_t i = 0; i < n; ++i) {
    if (channels == 3) {
      for (std::size_t c = 0; c < 3; ++c) out.pixels[3 * i + c] = set.pixels[i];
    } else {
      const std::uint8_t* p = set.pixels.data() + 3 * i;
      out.pixels[i] = static_cast<std::uint8_t>((299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000);
    }
  }
  return out;
}

}  // namespace contexture
