// SPDX-License-Identifier: MIT
// Tables of numbers as NumPy's files (.npy, format 1.0:
// numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>

#include "contexture/core/error.hpp"

namespace contexture {

/// The bytes of a file that numpy.load() reads as a float32 array (rows,columns). Throws std::invalid_argument unless
/// there are as many numbers.
[[nodiscard]] inline std::string npy_of(std::size_t rows, std::size_t columns, std::span<const float> numbers) {
  static_assert(std::endian::native == std::endian::little, "the header says little-endian");
  require(numbers.size() == rows * columns, "npy_of: ", numbers.size(), " numbers for ", rows, " x ", columns);
  std::string header = message("{'descr': '<f4', 'fortran_order': False, 'shape': (", rows, ", ", columns, "), }");
  constexpr std::size_t kBefore = 10, kAlignment = 64;  // the data begin at a multiple of 64
  header.resize((kBefore + header.size() + 1 + kAlignment - 1) / kAlignment * kAlignment - kBefore - 1, ' ');
  header += '\n';
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(header.size() & 0xff);
  out += static_cast<char>(header.size() >> 8);
  out += header;
  const std::size_t begin = out.size();
  out.resize(begin + numbers.size_bytes());
  if (!numbers.empty()) std::memcpy(out.data() + begin, numbers.data(), numbers.size_bytes());
  return out;
}

}  // namespace contexture
