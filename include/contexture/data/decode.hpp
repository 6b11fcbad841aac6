// SPDX-License-Identifier: MIT
// The one seam between files that are not trusted and what decodes them: libjpeg-turbo and libpng or, with
// CONTEXTURE_WITH_STB_IMAGE (a CMake option of the same name), stb_image. Either sees a file only after its structure
// was checked. Costs a second or two of compile time with stb_image. BMP needs no library; GIF, WebP and TIFF are read
// where CONTEXTURE_WITH_GIF, CONTEXTURE_WITH_WEBP and CONTEXTURE_WITH_TIFF are defined, alike in all of a program (the
// CMake target contexture::image_formats defines those whose libraries are there).
#pragma once

#include <cstdint>
#include <span>

#include "contexture/core/error.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/decode_bmp.hpp"
#include "contexture/data/decode_gif.hpp"
#include "contexture/data/decode_tiff.hpp"
#include "contexture/data/decode_webp.hpp"
#include "contexture/data/image_format.hpp"
#if defined(CONTEXTURE_WITH_STB_IMAGE)
#include "contexture/data/decode_stb.hpp"
#else
#include "contexture/data/decode_libraries.hpp"
#endif

namespace contexture::detail {

// What an image says about itself. For most a file's first bytes will do; where they do not, InputError is thrown.
inline ImageHeader image_header(std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  const ImageHeader::Format format = image_format(bytes);
  switch (format) {
    case ImageHeader::Format::kPng: return png_header(bytes, limits);
    case ImageHeader::Format::kJpeg: return jpeg_header(bytes, limits);
    case ImageHeader::Format::kBmp: return bmp_header(bytes, limits);
#if defined(CONTEXTURE_WITH_GIF)
    case ImageHeader::Format::kGif: return gif_header(bytes, limits);
#endif
#if defined(CONTEXTURE_WITH_WEBP)
    case ImageHeader::Format::kWebp: return webp_header(bytes, limits);
#endif
#if defined(CONTEXTURE_WITH_TIFF)
    case ImageHeader::Format::kTiff: return tiff_header(bytes, limits);
#endif
    default: break;
  }
  if (format != ImageHeader::Format::kOther)
    throw InputError(message(format_name(format), ", which this program was built without"));
  throw InputError(message("not ", kImageKinds));
}

// Decodes the bytes of an image to grey or RGB. `enough`: see read_image_file(). Throws InputError with the reason
// alone: the caller knows the file's name.
inline ImageSet decode_image(std::span<const std::uint8_t> bytes, const ImageLimits& limits, ImageExtent enough) {
  switch (image_format(bytes)) {
    case ImageHeader::Format::kPng:
    case ImageHeader::Format::kJpeg: break;
    case ImageHeader::Format::kBmp: return decode_bmp(bytes, limits);
#if defined(CONTEXTURE_WITH_GIF)
    case ImageHeader::Format::kGif: return decode_gif(bytes, limits);
#endif
#if defined(CONTEXTURE_WITH_WEBP)
    case ImageHeader::Format::kWebp: return decode_webp(bytes, limits);
#endif
#if defined(CONTEXTURE_WITH_TIFF)
    case ImageHeader::Format::kTiff: return decode_tiff(bytes, limits);
#endif
    default: (void)image_header(bytes, limits);  // says why not
  }
#if defined(CONTEXTURE_WITH_STB_IMAGE)
  (void)enough;  // it decodes at full size alone
  return decode_with_stb(bytes, limits);
#else
  return decode_with_libraries(bytes, limits, enough);
#endif
}

}  // namespace contexture::detail
