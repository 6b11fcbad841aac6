// SPDX-License-Identifier: MIT
// Writes messages in the wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding), field by field: as
// much of it as a format needs whose fields are integers, floats, texts and messages. It knows no schema.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace contexture {

/// A message that grows by fields; bytes() is its encoding. A field that repeats is written several times.
class ProtobufMessage {
 public:
  /// int32, int64, enum: negative numbers take ten bytes, as the format wants it.
  ProtobufMessage& integer(std::uint32_t field, std::int64_t value) {
    key(field, 0);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }

  /// float, little-endian.
  ProtobufMessage& number(std::uint32_t field, float value) {
    key(field, 5);
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>(bits >> shift & 0xffu);
    return *this;
  }

  /// string or bytes.
  ProtobufMessage& text(std::uint32_t field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }

  ProtobufMessage& message(std::uint32_t field, const ProtobufMessage& value) { return text(field, value.bytes()); }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  void key(std::uint32_t field, std::uint32_t wire_type) { varint(std::uint64_t{field} << 3 | wire_type); }

  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7f) | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

}  // namespace contexture
