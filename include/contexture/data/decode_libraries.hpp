// SPDX-License-Identifier: MIT
// PNG and JPEG by libpng and libjpeg-turbo. Both report errors by a jump: the functions below that they jump out of and
// into own nothing that would have to be destroyed; memory belongs to their callers.
#pragma once

// jpeglib.h uses FILE and size_t, and includes neither.
// clang-format off
#include <stddef.h>
#include <stdio.h>
#include <jerror.h>
#include <jpeglib.h>
#include <png.h>
// clang-format on

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/image_format.hpp"
#include "contexture/data/jpeg_check.hpp"
#include "contexture/data/png_check.hpp"
#include "contexture/data/stored_pixels.hpp"

namespace contexture::detail {

// By what a JPEG is shrunk while it is decoded: 8, 4, 2 or 1, the largest that leaves it `enough` pixels each way.
// libjpeg-turbo has fast ways for these.
inline unsigned jpeg_shrinking(const ImageHeader& header, ImageExtent enough) {
  if (enough.height < 1 || enough.width < 1) return 1;
  Index by = 8;
  while (by > 1 && (header.height < enough.height * by || header.width < enough.width * by)) by /= 2;
  return static_cast<unsigned>(by);
}

// One JPEG. start() and read() return false where libjpeg gave up; reason() is why.
class JpegReader {
 public:
  explicit JpegReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {
    info_.err = jpeg_std_error(&manager_);
    info_.client_data = this;
    manager_.error_exit = [](j_common_ptr info) { self(info).give_up(); };
    manager_.output_message = [](j_common_ptr) {};
    manager_.emit_message = [](j_common_ptr info, int level) {
      if (level < 0 && is_damage(info->err->msg_code)) self(info).give_up();
    };
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  // Reads the header. Samples are grey, RGB or CMYK from here on, the picture is shrunk by 1, 2, 4 or 8 (rounded up).
  bool start(unsigned shrinking) {
    if (setjmp(back_) != 0) return false;
    jpeg_create_decompress(&info_);
    jpeg_mem_src(&info_, bytes_.data(), static_cast<unsigned long>(bytes_.size()));
    jpeg_read_header(&info_, TRUE);
    if (info_.num_components == 1) info_.out_color_space = JCS_GRAYSCALE;
    if (info_.num_components == 3) info_.out_color_space = JCS_RGB;
    if (info_.num_components == 4) info_.out_color_space = JCS_CMYK;
    info_.scale_num = 1;
    info_.scale_denom = shrinking;
    jpeg_start_decompress(&info_);
    return true;
  }

  // Reads all rows and what follows them.
  bool read(std::uint8_t* out) {
    if (setjmp(back_) != 0) return false;
    const std::size_t row_bytes = std::size_t{info_.output_width} * static_cast<std::size_t>(stored());
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = out + info_.output_scanline * row_bytes;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  [[nodiscard]] Index height() const { return info_.output_height; }
  [[nodiscard]] Index width() const { return info_.output_width; }
  [[nodiscard]] Index stored() const { return info_.output_components; }
  [[nodiscard]] const char* reason() const { return reason_.data(); }

 private:
  static JpegReader& self(j_common_ptr info) { return *static_cast<JpegReader*>(info->client_data); }

  // Warnings after which part of the picture would be made up. Others tell of oddities that change no pixel.
  static bool is_damage(int code) {
    return code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_JPEG_EOF || code == JWRN_MUST_RESYNC;
  }

  [[noreturn]] void give_up() {
    manager_.format_message(reinterpret_cast<j_common_ptr>(&info_), reason_.data());
    std::longjmp(back_, 1);
  }

  std::span<const std::uint8_t> bytes_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr manager_{};
  std::jmp_buf back_{};
  std::array<char, JMSG_LENGTH_MAX> reason_{};
};

inline ImageSet decode_jpeg(std::span<const std::uint8_t> bytes, unsigned shrinking) {
  JpegReader reader(bytes);
  require_input(reader.start(shrinking), "cannot be decoded: ", reader.reason());
  ImageSet image = image_of(reader.height(), reader.width(), reader.stored() == 1 ? 1 : 3);
  if (reader.stored() == image.channels) {
    require_input(reader.read(image.pixels.data()), "cannot be decoded: ", reader.reason());
    return image;
  }
  std::vector<std::uint8_t> inks(static_cast<std::size_t>(image.height * image.width * reader.stored()));
  require_input(reader.read(inks.data()), "cannot be decoded: ", reader.reason());
  print_on_white(inks.data(), image);
  return image;
}

// One PNG. start() and read() return false where libpng gave up; reason() is why.
class PngReader {
 public:
  explicit PngReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  // Reads the header. Samples are 8 bits of grey or RGB, with or without opacity, from here on.
  bool start() {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, give_up, [](png_structp, png_const_charp) {});
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) return false;
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_user_limits(png_, static_cast<png_uint_32>(kMostSide), static_cast<png_uint_32>(kMostSide));
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);  // texts, profiles: not looked at
    png_set_read_fn(png_, this, take);
    png_read_info(png_, info_);
    png_set_expand(png_);  // palettes, fewer than 8 bits, a transparent colour
    png_set_strip_16(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  // Reads all rows and what follows them.
  bool read(std::uint8_t* out) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    const std::size_t row_bytes = png_get_rowbytes(png_, info_);
    for (int pass = 0; pass < passes_; ++pass) {
      for (Index y = 0; y < height(); ++y) png_read_row(png_, out + static_cast<std::size_t>(y) * row_bytes, nullptr);
    }
    png_read_end(png_, nullptr);
    return true;
  }

  [[nodiscard]] Index height() const { return png_get_image_height(png_, info_); }
  [[nodiscard]] Index width() const { return png_get_image_width(png_, info_); }
  [[nodiscard]] Index stored() const { return png_get_channels(png_, info_); }
  [[nodiscard]] const char* reason() const { return reason_.data(); }

 private:
  [[noreturn]] static void give_up(png_structp png, png_const_charp words) {
    PngReader& self = *static_cast<PngReader*>(png_get_error_ptr(png));
    std::strncpy(self.reason_.data(), words, self.reason_.size() - 1);
    png_longjmp(png, 1);
  }

  static void take(png_structp png, png_bytep out, std::size_t count) {
    PngReader& self = *static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > self.bytes_.size()) png_error(png, "the file ends in the middle");
    std::copy_n(self.bytes_.begin(), count, out);
    self.bytes_ = self.bytes_.subspan(count);
  }

  std::span<const std::uint8_t> bytes_;  // not read yet
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int passes_ = 1;
  std::array<char, 128> reason_{"out of memory"};
};

inline ImageSet decode_png(std::span<const std::uint8_t> bytes) {
  PngReader reader(bytes);
  require_input(reader.start(), "cannot be decoded: ", reader.reason());
  ImageSet image = image_of(reader.height(), reader.width(), reader.stored() <= 2 ? 1 : 3);
  if (reader.stored() == image.channels) {
    require_input(reader.read(image.pixels.data()), "cannot be decoded: ", reader.reason());
    return image;
  }
  std::vector<std::uint8_t> stored(static_cast<std::size_t>(image.height * image.width * reader.stored()));
  require_input(reader.read(stored.data()), "cannot be decoded: ", reader.reason());
  lay_over_white(stored.data(), reader.stored(), image);
  return image;
}

inline ImageSet decode_with_libraries(std::span<const std::uint8_t> bytes, const ImageLimits& limits,
                                      ImageExtent enough = {}) {
  switch (image_format(bytes)) {
    case ImageHeader::Format::kPng: (void)check_png(bytes, limits); return decode_png(bytes);
    case ImageHeader::Format::kJpeg: {
      const ImageHeader header = check_jpeg(bytes, limits);
      return turned(decode_jpeg(bytes, jpeg_shrinking(header, enough)), header.orientation);
    }
    default: break;
  }
  throw InputError("neither PNG nor JPEG");
}

}  // namespace contexture::detail
