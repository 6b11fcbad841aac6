// SPDX-License-Identifier: MIT
// stb_image, its PNG and JPEG decoders, in a namespace of its own and with internal linkage, so that it neither clashes
// with nor replaces the application's own copy; every macro it leaves behind is taken away again. Public functions are
// in data/image_io.hpp, through data/decode_stb.hpp. Costs a second or two of compile time.
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
#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#if defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#if defined(STBI_INCLUDE_STB_IMAGE_H)
#error "include contexture/data/stb_image.hpp (image_io.hpp) before stb_image.h in this translation unit"
#endif

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
// Zeroed: a file that leaves part of a picture out must not show what memory held.
#define STBI_MALLOC(size) calloc(1, size)
#define STBI_REALLOC(memory, size) realloc(memory, size)
#define STBI_FREE(memory) free(memory)
// Its functions are extern "C": without a name of their own, an unoptimised source that also has the application's
// copy would define each twice.
#define stbi_load_from_memory contexture_stbi_load_from_memory
#define stbi_load_from_callbacks contexture_stbi_load_from_callbacks
#define stbi_load_gif_from_memory contexture_stbi_load_gif_from_memory
#define stbi_load_16_from_memory contexture_stbi_load_16_from_memory
#define stbi_load_16_from_callbacks contexture_stbi_load_16_from_callbacks
#define stbi_loadf_from_memory contexture_stbi_loadf_from_memory
#define stbi_loadf_from_callbacks contexture_stbi_loadf_from_callbacks
#define stbi_hdr_to_ldr_gamma contexture_stbi_hdr_to_ldr_gamma
#define stbi_hdr_to_ldr_scale contexture_stbi_hdr_to_ldr_scale
#define stbi_ldr_to_hdr_gamma contexture_stbi_ldr_to_hdr_gamma
#define stbi_ldr_to_hdr_scale contexture_stbi_ldr_to_hdr_scale
#define stbi_is_hdr_from_callbacks contexture_stbi_is_hdr_from_callbacks
#define stbi_is_hdr_from_memory contexture_stbi_is_hdr_from_memory
#define stbi_failure_reason contexture_stbi_failure_reason
#define stbi_image_free contexture_stbi_image_free
#define stbi_info_from_memory contexture_stbi_info_from_memory
#define stbi_info_from_callbacks contexture_stbi_info_from_callbacks
#define stbi_is_16_bit_from_memory contexture_stbi_is_16_bit_from_memory
#define stbi_is_16_bit_from_callbacks contexture_stbi_is_16_bit_from_callbacks
#define stbi_set_unpremultiply_on_load contexture_stbi_set_unpremultiply_on_load
#define stbi_convert_iphone_png_to_rgb contexture_stbi_convert_iphone_png_to_rgb
#define stbi_set_flip_vertically_on_load contexture_stbi_set_flip_vertically_on_load
#define stbi_set_unpremultiply_on_load_thread contexture_stbi_set_unpremultiply_on_load_thread
#define stbi_convert_iphone_png_to_rgb_thread contexture_stbi_convert_iphone_png_to_rgb_thread
#define stbi_set_flip_vertically_on_load_thread contexture_stbi_set_flip_vertically_on_load_thread
#define stbi_zlib_decode_malloc_guesssize contexture_stbi_zlib_decode_malloc_guesssize
#define stbi_zlib_decode_malloc_guesssize_headerflag contexture_stbi_zlib_decode_malloc_guesssize_headerflag
#define stbi_zlib_decode_malloc contexture_stbi_zlib_decode_malloc
#define stbi_zlib_decode_buffer contexture_stbi_zlib_decode_buffer
#define stbi_zlib_decode_noheader_malloc contexture_stbi_zlib_decode_noheader_malloc
#define stbi_zlib_decode_noheader_buffer contexture_stbi_zlib_decode_noheader_buffer
namespace contexture::detail::stb {
namespace {
using ::abs, ::pow;  // which our own for variables would hide
#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#else
#include <stb_image.h>
#endif
}  // namespace
}  // namespace contexture::detail::stb
#undef stbi_load_from_memory
#undef stbi_load_from_callbacks
#undef stbi_load_gif_from_memory
#undef stbi_load_16_from_memory
#undef stbi_load_16_from_callbacks
#undef stbi_loadf_from_memory
#undef stbi_loadf_from_callbacks
#undef stbi_hdr_to_ldr_gamma
#undef stbi_hdr_to_ldr_scale
#undef stbi_ldr_to_hdr_gamma
#undef stbi_ldr_to_hdr_scale
#undef stbi_is_hdr_from_callbacks
#undef stbi_is_hdr_from_memory
#undef stbi_failure_reason
#undef stbi_image_free
#undef stbi_info_from_memory
#undef stbi_info_from_callbacks
#undef stbi_is_16_bit_from_memory
#undef stbi_is_16_bit_from_callbacks
#undef stbi_set_unpremultiply_on_load
#undef stbi_convert_iphone_png_to_rgb
#undef stbi_set_flip_vertically_on_load
#undef stbi_set_unpremultiply_on_load_thread
#undef stbi_convert_iphone_png_to_rgb_thread
#undef stbi_set_flip_vertically_on_load_thread
#undef stbi_zlib_decode_malloc_guesssize
#undef stbi_zlib_decode_malloc_guesssize_headerflag
#undef stbi_zlib_decode_malloc
#undef stbi_zlib_decode_buffer
#undef stbi_zlib_decode_noheader_malloc
#undef stbi_zlib_decode_noheader_buffer
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
