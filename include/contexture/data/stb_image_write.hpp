// SPDX-License-Identifier: MIT
// stb_image_write in a namespace of its own and with internal linkage, so that it neither clashes with nor replaces the
// application's own copy. Public functions are in data/png.hpp.
#pragma once

// Everything stb includes itself must be included here first, outside our namespace.
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#if defined(INCLUDE_STB_IMAGE_WRITE_H)
#error "include contexture/data/stb_image_write.hpp (png.hpp) before stb_image_write.h in this translation unit"
#endif

namespace contexture::detail {

// What stb has packed by zlib, whose files are smaller than those of its own packer: a zlib stream of data[0, size),
// size at most 2^30 and a little, from malloc and *packed bytes long; null without memory.
inline unsigned char* zlib_packed(const unsigned char* data, int size, int* packed) {
  uLongf room = compressBound(static_cast<uLong>(size));
  auto* const out = static_cast<unsigned char*>(malloc(room));
  if (out == nullptr || compress2(out, &room, data, static_cast<uLong>(size), Z_BEST_COMPRESSION) != Z_OK) {
    free(out);
    return nullptr;
  }
  *packed = static_cast<int>(room);
  return out;
}

}  // namespace contexture::detail

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma push_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma push_macro("STB_IMAGE_WRITE_STATIC")
#undef STB_IMAGE_WRITE_IMPLEMENTATION
#undef STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#define STBIW_ASSERT(x) ((void)0)
#define STBIW_ZLIB_COMPRESS(data, size, packed, quality) ::contexture::detail::zlib_packed(data, size, packed)
namespace contexture::detail::stb {
namespace {
using ::abs, ::pow;  // which our own for variables would hide
#if __has_include(<stb/stb_image_write.h>)
#include <stb/stb_image_write.h>
#else
#include <stb_image_write.h>
#endif
}  // namespace
}  // namespace contexture::detail::stb
#undef INCLUDE_STB_IMAGE_WRITE_H
#undef STBIWDEF
#undef STBI_WRITE_NO_STDIO
#undef STBIW_ASSERT
#undef STBIW_ZLIB_COMPRESS
#undef STBIW_MALLOC
#undef STBIW_REALLOC
#undef STBIW_FREE
#undef STBIW_REALLOC_SIZED
#undef STBIW_MEMMOVE
#undef STBIW_UCHAR
#undef stbiw__max
#undef stbiw__wpng4
#undef stbiw__wp32
#undef stbiw__wptag
#pragma pop_macro("STB_IMAGE_WRITE_STATIC")
#pragma pop_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma GCC diagnostic pop
