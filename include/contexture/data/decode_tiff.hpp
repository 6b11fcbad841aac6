// SPDX-License-Identifier: MIT
// TIFF by libtiff (4.5 or newer), where CONTEXTURE_WITH_TIFF is defined: the first picture of a file, with 1 to 16 bits
// a sample, in the codings that cameras, scanners and drawing programs write. Errors are the reason alone: the caller
// knows the file's name.
#pragma once

#if defined(CONTEXTURE_WITH_TIFF)
#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/image_format.hpp"
#include "contexture/data/stored_pixels.hpp"

namespace contexture::detail {

// One TIFF in memory, at its first picture.
class TiffReader {
 public:
  TiffReader(std::span<const std::uint8_t> bytes, const ImageLimits& limits) : bytes_(bytes) {
    TIFFOpenOptions* const options = TIFFOpenOptionsAlloc();
    require_state(options != nullptr, "TIFF: no memory");
    const Index pixels = std::min(limits.max_pixels, ImageLimits::kMostPixels);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, static_cast<tmsize_t>(16 * pixels + (1 << 20)));
    TIFFOpenOptionsSetErrorHandlerExtR(options, note, this);
    TIFFOpenOptionsSetWarningHandlerExtR(
        options, [](TIFF*, void*, const char*, const char*, va_list) { return 1; }, nullptr);
    tiff_ = TIFFClientOpenExt("image", "rm", this, read, write, seek, close, size, nullptr, nullptr, options);
    TIFFOpenOptionsFree(options);
    require_input(tiff_ != nullptr, "cannot be decoded: ", reason());
  }
  ~TiffReader() {
    if (tiff_ != nullptr) TIFFClose(tiff_);
  }
  TiffReader(const TiffReader&) = delete;
  TiffReader& operator=(const TiffReader&) = delete;

  ImageHeader header(const ImageLimits& limits) {
    ImageHeader header;
    header.format = ImageHeader::Format::kTiff;
    std::uint32_t width = 0, height = 0;
    TIFFGetField(tiff_, TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetField(tiff_, TIFFTAG_IMAGELENGTH, &height);
    header.width = width;
    header.height = height;
    check_extent(header, limits);
    const int samples = short_field(TIFFTAG_SAMPLESPERPIXEL), bits = short_field(TIFFTAG_BITSPERSAMPLE);
    const int coding = short_field(TIFFTAG_COMPRESSION), photometric = short_field(TIFFTAG_PHOTOMETRIC);
    require_input(samples >= 1 && samples <= 5, "TIFF of ", samples, " samples a pixel, expected 1 to 5");
    require_input(bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16, "TIFF of ", bits,
                  " bits a sample, expected 1, 2, 4, 8 or 16");
    constexpr std::array<int, 9> kCodings = {COMPRESSION_NONE,      COMPRESSION_CCITTRLE,      COMPRESSION_CCITTFAX3,
                                             COMPRESSION_CCITTFAX4, COMPRESSION_LZW,           COMPRESSION_JPEG,
                                             COMPRESSION_PACKBITS,  COMPRESSION_ADOBE_DEFLATE, COMPRESSION_DEFLATE};
    require_input(std::find(kCodings.begin(), kCodings.end(), coding) != kCodings.end(), "TIFF of coding ", coding,
                  ", expected none, fax, LZW, JPEG, PackBits or Deflate");
    header.grey = photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE;
    header.components = samples;
    const int orientation = short_field(TIFFTAG_ORIENTATION);
    return held(header, orientation <= 8 ? orientation : 1);
  }

  // The picture as it is stored: for each pixel red, green, blue and opacity.
  std::vector<std::uint32_t> pixels() {
    std::array<char, 1024> why{};
    require_input(TIFFRGBAImageOK(tiff_, why.data()) != 0, "cannot be decoded: ", why.data());
    struct Picture {
      ~Picture() {
        if (begun) TIFFRGBAImageEnd(&of);
      }
      TIFFRGBAImage of{};
      bool begun = false;
    } picture;
    picture.begun = TIFFRGBAImageBegin(&picture.of, tiff_, 1, why.data()) != 0;
    require_input(picture.begun, "cannot be decoded: ", why.data());
    // Not turned by libtiff, which knows half of the ways only.
    picture.of.orientation = picture.of.req_orientation = ORIENTATION_TOPLEFT;
    unmultiplied_ = picture.of.alpha == EXTRASAMPLE_UNASSALPHA;
    const std::uint32_t width = picture.of.width, height = picture.of.height;
    std::vector<std::uint32_t> out(std::size_t{width} * height);
    const bool whole = TIFFRGBAImageGet(&picture.of, out.data(), width, height) != 0;
    require_input(whole && reason_[0] == '\0', "cannot be decoded: ", reason());
    return out;
  }

  // Samples of pixels() were not multiplied by their opacity where the file says so (libtiff does it for colours
  // alone).
  [[nodiscard]] bool unmultiplied() const { return unmultiplied_; }

 private:
  [[nodiscard]] int short_field(std::uint32_t tag) const {
    std::uint16_t value = 0;
    TIFFGetFieldDefaulted(tiff_, tag, &value);
    return value;
  }

  [[nodiscard]] std::string reason() const {
    return reason_[0] == '\0' ? "TIFF image data is damaged" : reason_.data();
  }

  static TiffReader& self(thandle_t handle) { return *static_cast<TiffReader*>(handle); }

  // The first error is the cause.
  static int note(TIFF*, void* user, const char*, const char* format, va_list arguments) {
    TiffReader& reader = self(user);
    if (reader.reason_[0] == '\0') std::vsnprintf(reader.reason_.data(), reader.reason_.size(), format, arguments);
    return 1;
  }
  static tmsize_t read(thandle_t handle, void* out, tmsize_t count) {
    TiffReader& reader = self(handle);
    if (count <= 0 || reader.at_ >= reader.bytes_.size()) return 0;
    const std::size_t got = std::min(static_cast<std::size_t>(count), reader.bytes_.size() - reader.at_);
    std::copy_n(reader.bytes_.data() + reader.at_, got, static_cast<std::uint8_t*>(out));
    reader.at_ += got;
    return static_cast<tmsize_t>(got);
  }
  static tmsize_t write(thandle_t, void*, tmsize_t) { return -1; }
  static toff_t seek(thandle_t handle, toff_t offset, int whence) {
    TiffReader& reader = self(handle);
    const toff_t from = whence == SEEK_CUR ? reader.at_ : whence == SEEK_END ? reader.bytes_.size() : 0;
    reader.at_ = static_cast<std::size_t>(from + offset);
    return reader.at_;
  }
  static int close(thandle_t) { return 0; }
  static toff_t size(thandle_t handle) { return self(handle).bytes_.size(); }

  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
  TIFF* tiff_ = nullptr;
  std::array<char, 300> reason_{};
  bool unmultiplied_ = false;
};

// The whole file is needed: what describes the picture may stand at its end.
inline ImageHeader tiff_header(std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  return TiffReader(bytes, limits).header(limits);
}

inline ImageSet decode_tiff(std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  TiffReader reader(bytes, limits);
  const ImageHeader header = reader.header(limits);
  const std::vector<std::uint32_t> pixels = reader.pixels();
  const bool on_its_side = is_on_its_side(header.orientation);
  ImageSet image = image_of(on_its_side ? header.width : header.height, on_its_side ? header.height : header.width,
                            header.grey ? 1 : 3);
  const bool multiply = header.grey && reader.unmultiplied();
  std::uint8_t* out = image.pixels.data();
  for (const std::uint32_t pixel : pixels) {
    const int alpha = static_cast<int>(TIFFGetA(pixel));
    const std::array<int, 3> colour = {static_cast<int>(TIFFGetR(pixel)), static_cast<int>(TIFFGetG(pixel)),
                                       static_cast<int>(TIFFGetB(pixel))};
    for (Index c = 0; c < image.channels; ++c) {
      const int value = colour[static_cast<std::size_t>(c)];
      const int on_black = multiply ? (value * alpha + 127) / 255 : value;
      *out++ = static_cast<std::uint8_t>(std::min(on_black + 255 - alpha, 255));  // over white
    }
  }
  return turned(std::move(image), header.orientation);
}

}  // namespace contexture::detail
#endif
