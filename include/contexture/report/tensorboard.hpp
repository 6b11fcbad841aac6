// SPDX-License-Identifier: MIT
// history.csv as event files of TensorBoard, so that people's own tools show a run: one a label fraction, arm and seed.
// The format: TFRecord frames (length, its checksum, bytes, their checksum) around protocol buffers of the message
// Event (tensorflow/core/util/event.proto), of which a few fields are written here by hand.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"
#include "contexture/report/history.hpp"

namespace contexture::report {

namespace detail {

/// CRC-32C (Castagnoli), bit by bit from a table of bytes.
[[nodiscard]] inline std::uint32_t crc32c(std::string_view bytes) {
  static const std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> out{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      out[i] = i;
      for (int bit = 0; bit < 8; ++bit) out[i] = (out[i] >> 1) ^ ((out[i] & 1U) != 0 ? 0x82F63B78U : 0U);
    }
    return out;
  }();
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char c : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xFFU];
  return ~crc;
}

/// Little-endian, whatever the machine.
template <class Unsigned>
[[nodiscard]] std::string little_endian(Unsigned value) {
  std::string out;
  for (std::size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i) & 0xFFU);
  return out;
}

/// One record of a TFRecord file.
[[nodiscard]] inline std::string tf_record(std::string_view bytes) {
  const auto masked = [](std::string_view text) {
    const std::uint32_t crc = crc32c(text);
    return little_endian<std::uint32_t>(((crc >> 15) | (crc << 17)) + 0xA282EAD8U);
  };
  const std::string length = little_endian<std::uint64_t>(bytes.size());
  return length + masked(length) + std::string(bytes) + masked(bytes);
}

[[nodiscard]] inline std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7FU) | 0x80U);
  return out + static_cast<char>(value);
}
[[nodiscard]] inline std::string length_delimited(char tag, std::string_view bytes) {
  return tag + varint(bytes.size()) + std::string(bytes);
}

/// An Event with one number: wall_time (1), step (2), summary (5) with a value (1) of tag (1) and simple_value (2).
[[nodiscard]] inline std::string scalar_event(double seconds, std::int64_t step, std::string_view tag, float value) {
  const std::string number =
      length_delimited('\x0a', tag) + '\x15' + little_endian(std::bit_cast<std::uint32_t>(value));
  return '\x09' + little_endian(std::bit_cast<std::uint64_t>(seconds)) + '\x10' +
         varint(static_cast<std::uint64_t>(step)) + length_delimited('\x2a', length_delimited('\x0a', number));
}

}  // namespace detail

/// The event files of a history.csv: "10_pretrained_seed1" to the bytes of a file. Their times are seconds since the
/// phase began; what is not finite is left out. Throws InputError naming the line that is none of history.csv.
[[nodiscard]] inline std::map<std::string, std::string> tensorboard_events(std::string_view history) {
  using namespace detail;
  std::map<std::string, std::string> out;
  for (const HistoryLine& line : read_history(history)) {
    const bool pretraining = line.experiment == "pretrain";
    std::string& file = out[pretraining ? message("pretrain_seed", line.seed)
                                        : message(line.experiment, "_", line.arm, "_seed", line.seed)];
    if (file.empty())
      file = tf_record('\x09' + little_endian<std::uint64_t>(0) + length_delimited('\x1a', "brain.Event:2"));
    for (const auto& [name, value] :
         {std::pair("loss", line.loss), std::pair("accuracy", line.accuracy), std::pair("macro_f1", line.macro_f1)})
      if (is_finite(value))
        file += tf_record(scalar_event(is_finite(line.seconds) ? line.seconds : 0, line.step,
                                       message(name, "/", line.split), static_cast<float>(value)));
  }
  return out;
}

}  // namespace contexture::report
