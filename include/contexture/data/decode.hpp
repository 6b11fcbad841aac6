// SPDX-License-Identifier: MIT
// The one seam between files that are not trusted and what decodes them: libjpeg-turbo and libpng or, with
// CONTEXTURE_WITH_STB_IMAGE (a CMake option of the same name), stb_image. Either sees a file only after its structure
// was checked. Costs a second or two of compile time with stb_image.
#pragma once

#include <cstdint>
#include <span>

#include "contexture/data/dataset.hpp"
#include "contexture/data/image_format.hpp"
#if defined(CONTEXTURE_WITH_STB_IMAGE)
#include "contexture/data/decode_stb.hpp"
#else
#include "contexture/data/decode_libraries.hpp"
#endif

namespace contexture::detail {

// Decodes the bytes of a PNG or JPEG to grey or RGB. `enough`: see read_image_file(). Throws InputError with the reason
// alone: the caller knows the file's name.
inline ImageSet decode_image(std::span<const std::uint8_t> bytes, const ImageLimits& limits, ImageExtent enough) {
#if defined(CONTEXTURE_WITH_STB_IMAGE)
  (void)enough;  // it decodes at full size alone
  return decode_with_stb(bytes, limits);
#else
  return decode_with_libraries(bytes, limits, enough);
#endif
}

}  // namespace contexture::detail
