// SPDX-License-Identifier: MIT
// A number that tells bytes from other bytes: damage on a disk, other images, other weights. No protection against
// somebody who wants two of the same.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace contexture {

/// 64 bits of all bytes added. Each step maps the number and the next eight bytes one to one, so that a change within
/// eight bytes always changes it, and any other does so but for one case in 2^64. How the bytes are divided among calls
/// matters where a call has not a multiple of eight.
class Fingerprint {
 public:
  void add(const void* bytes, std::size_t size) {
    const auto* p = static_cast<const unsigned char*>(bytes);
    for (; size >= 8; size -= 8, p += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, p, 8);
      hash_ = (hash_ ^ word) * 0x100000001b3ULL;
      hash_ ^= hash_ >> 29;
    }
    for (; size > 0; --size, ++p) hash_ = (hash_ ^ *p) * 0x100000001b3ULL;
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }
  /// In hexadecimal, with `digits` at least.
  [[nodiscard]] std::string text(std::size_t digits = 1) const {
    char text[24];
    const auto [end, error] = std::to_chars(text, text + sizeof(text), hash_, 16);
    (void)error;
    const auto length = static_cast<std::size_t>(end - text);
    return std::string(digits > length ? digits - length : 0, '0') + std::string(text, length);
  }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

}  // namespace contexture
