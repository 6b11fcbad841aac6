// Reads PNG and JPEG files. Include it where files are read: the decoder costs a second or two of compile time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <system_error>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/image_format.hpp"
#include "contexture/data/stb_image.hpp"

namespace contexture {
namespace detail {

inline constexpr std::uintmax_t kMostImageBytes = std::uintmax_t{1} << 28;

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
      stb::contexture_stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &stored, 0),
      stb::contexture_stbi_image_free);
  require_input(pixels != nullptr, "cannot be decoded: ", stb::contexture_stbi_failure_reason());
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

}  // namespace contexture
