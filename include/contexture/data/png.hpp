// SPDX-License-Identifier: MIT
// Writes PNG files (stb_image_write, kept private to each translation unit; zlib packs them), so that a program which
// only draws pictures does not compile a decoder. Reading is in data/image_io.hpp.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <new>
#include <ostream>
#include <vector>

#include "contexture/core/atomic_file.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/stb_image_write.hpp"

namespace contexture {

/// An 8-bit PNG of pixels (height,width,channels): 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA.
/// Throws std::invalid_argument on any other number of channels, sizes outside 1 to 65,535, or more than 2^28 pixels.
[[nodiscard]] inline std::vector<std::uint8_t> encode_png(const std::uint8_t* pixels, Index height, Index width,
                                                          Index channels) {
  constexpr Index kMost = Index{1} << 28;  // pixels: stb counts a picture's bytes in an int
  require(height >= 1 && width >= 1 && height <= 65'535 && width <= 65'535 && height * width <= kMost &&
              channels >= 1 && channels <= 4,
          "encode_png: ", height, " x ", width, " x ", channels, ", expected sides of 1 to 65535, at most ", kMost,
          " pixels and 1 to 4 channels");
  int size = 0;
  const std::unique_ptr<std::uint8_t, void (*)(void*)> png(
      detail::stb::stbi_write_png_to_mem(pixels, static_cast<int>(width * channels), static_cast<int>(width),
                                         static_cast<int>(height), static_cast<int>(channels), &size),
      std::free);
  if (png == nullptr) throw std::bad_alloc();
  return {png.get(), png.get() + size};
}

/// Writes encode_png's bytes to `path`: the file is there as a whole or not at all. Throws InputError with the reason
/// when it cannot be written.
inline void write_png(const std::filesystem::path& path, const std::uint8_t* pixels, Index height, Index width,
                      Index channels) {
  const std::vector<std::uint8_t> bytes = encode_png(pixels, height, width, channels);
  detail::write_atomically(path, [&](std::ostream& out) {
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  });
}

}  // namespace contexture
