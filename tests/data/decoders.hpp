// SPDX-License-Identifier: MIT
// The decoders of images that this build has, each as a function from a file's bytes; and JPEGs as cameras write them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/data/decode.hpp"
#include "contexture/data/decode_stb.hpp"
#include "data/files.hpp"

namespace files {

using Decoder = contexture::ImageSet (*)(const Bytes& bytes);

inline std::vector<Decoder> decoders() {
  std::vector<Decoder> all = {[](const Bytes& bytes) { return contexture::detail::decode_with_stb(bytes, {}); }};
#if !defined(CONTEXTURE_WITH_STB_IMAGE)
  all.push_back([](const Bytes& bytes) { return contexture::detail::decode_with_libraries(bytes, {}); });
#endif
  return all;
}

#if !defined(CONTEXTURE_WITH_STB_IMAGE)
struct JpegKind {
  bool progressive = false;
  int restart = 0;
  int sampling = 2;
  int quality = 90;
};

// A colour JPEG by libjpeg of a smooth picture with some noise.
inline Bytes written_jpeg(contexture::Index height, contexture::Index width, const JpegKind& how, contexture::Rng rng) {
  Bytes rows;
  for (contexture::Index y = 0; y < height; ++y) {
    for (contexture::Index x = 0; x < width; ++x) {
      for (const contexture::Index v : {3 * x, 2 * y + x, 200 - y}) {
        rows.push_back(static_cast<std::uint8_t>(
            std::clamp<contexture::Index>(v + static_cast<contexture::Index>(rng.below(20)), 0, 255)));
      }
    }
  }
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, how.quality, TRUE);
  if (how.progressive) jpeg_simple_progression(&info);
  info.restart_interval = static_cast<unsigned>(how.restart);
  info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = how.sampling;
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = rows.data() + static_cast<std::size_t>(info.next_scanline) * static_cast<std::size_t>(3 * width);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  const Bytes out(memory, memory + size);
  jpeg_destroy_compress(&info);
  std::free(memory);
  return out;
}
#endif

}  // namespace files
