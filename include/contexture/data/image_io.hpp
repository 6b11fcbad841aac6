// SPDX-License-Identifier: MIT
// Reads image files. Include it where files are read: the decoders cost compile time.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/decode.hpp"
#include "contexture/data/image_format.hpp"

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
  require_input(file != nullptr, path.string(), ": cannot be read: ", std::strerror(errno));
  const std::size_t got = std::fread(bytes.data(), 1, bytes.size(), file.get());
  require_input(got == bytes.size(), path.string(), ": reading stopped at byte ", got, " of ", size);
  return bytes;
}

}  // namespace detail

/// Reads an image file as a set of one image of its own size: PNG, JPEG or BMP; GIF (its first picture), WebP or TIFF
/// where the program is built with them. Grey (1 channel) stays grey, the rest becomes RGB; 16 bits are cut to 8,
/// transparent pixels laid over white, CMYK converted. The orientation tag of cameras is applied to JPEG, WebP and
/// TIFF. Throws InputError that names the file and the reason, also where the file asks for more than the limits,
/// before memory is taken. A JPEG that is going to be shrunk may come at a half, a quarter or an eighth of its size, as
/// small as still covers `enough`: that is several times as fast. 0: as stored.
[[nodiscard]] inline ImageSet read_image_file(const std::filesystem::path& path, const ImageLimits& limits = {},
                                              ImageExtent enough = {}) {
  const std::vector<std::uint8_t> bytes = detail::read_bytes(path, detail::kMostImageBytes);
  try {
    return detail::decode_image(bytes, limits, enough);
  } catch (const InputError& error) {
    throw InputError(message(path.string(), ": ", error.what()));
  }
}

}  // namespace contexture
