// SPDX-License-Identifier: MIT
// Numbers and names as people read them: percentages, durations, counts, lists, and names from outside made safe for
// one line. What a file format wants of them is in escape.hpp.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/finite.hpp"

namespace contexture::report {

/// `value` with `digits` decimals; "n/a" where it is not finite. Independent of the locale.
[[nodiscard]] inline std::string fixed(double value, int digits) {
  if (!is_finite(value)) return "n/a";
  char text[400];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits).ptr;
  std::string out(text, end);
  if (out.find_first_not_of("-0.") == std::string::npos && out[0] == '-') out.erase(0, 1);  // no "-0.0"
  return out;
}

/// Shortest decimal that reads back as the same double; "nan", "inf" as they are.
[[nodiscard]] inline std::string exact(double value) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

/// 18000 -> "18,000".
[[nodiscard]] inline std::string grouped(std::int64_t value) {
  std::string out = std::to_string(value);
  for (std::size_t i = out.size(); i > 3 + (value < 0 ? 1U : 0U); i -= 3) out.insert(i - 3, 1, ',');
  return out;
}

/// 0.7344 -> "73.4 %".
[[nodiscard]] inline std::string percent(double share, int digits = 1) {
  return is_finite(share) ? fixed(100 * share, digits) + " %" : "n/a";
}

/// 0.029 -> "+2.9", -0.004 -> "−0.4", with a true minus sign; for accuracy differences in points.
[[nodiscard]] inline std::string points(double difference, int digits = 1) {
  const std::string text = fixed(100 * difference, digits);
  if (text == "n/a") return text;
  if (text[0] == '-') return "\u2212" + text.substr(1);
  return text.find_first_not_of("0.") == std::string::npos ? text : "+" + text;
}

/// Seconds as "0.84 s", "2.5 s", "41 s", "3 min 20 s", "1 h 5 min".
[[nodiscard]] inline std::string duration(double seconds) {
  if (!is_finite(seconds)) return "n/a";
  if (seconds < 9.95) return fixed(seconds, seconds < 0.995 ? 2 : 1) + " s";
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 100) return std::to_string(whole) + " s";
  const auto pair = [](std::int64_t big, const char* big_unit, std::int64_t small, const char* small_unit) {
    std::string out = std::to_string(big) + " " + big_unit;
    if (small > 0) out += " " + std::to_string(small) + " " + small_unit;
    return out;
  };
  if (whole < 3600) return pair(whole / 60, "min", whole % 60, "s");
  const std::int64_t minutes = (whole + 30) / 60;
  return pair(minutes / 60, "h", minutes % 60, "min");
}

/// 12.4e6 -> "12.4 M", 38200 -> "38.2 k".
[[nodiscard]] inline std::string compact(double value) {
  if (value >= 1e9) return fixed(value / 1e9, 2) + " G";
  if (value >= 1e6) return fixed(value / 1e6, 1) + " M";
  if (value >= 1e4) return fixed(value / 1e3, 1) + " k";
  return fixed(value, 0);
}

namespace detail {

/// Splits valid UTF-8 into code points; every byte that is not part of one becomes U+FFFD, control
/// characters become spaces. Names of folders may hold anything.
[[nodiscard]] inline std::vector<std::string> code_points(std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80                   ? 1
                               : lead >= 0xC2 && lead < 0xE0 ? 2
                               : lead >= 0xE0 && lead < 0xF0 ? 3
                               : lead >= 0xF0 && lead < 0xF5 ? 4
                                                             : 0;
    bool good = length > 0 && i + length <= text.size();
    for (std::size_t k = 1; good && k < length; ++k) good = (static_cast<unsigned char>(text[i + k]) & 0xC0) == 0x80;
    if (good && length >= 3) {  // overlong forms, surrogates, beyond U+10FFFF
      const auto second = static_cast<unsigned char>(text[i + 1]);
      good = !(lead == 0xE0 && second < 0xA0) && !(lead == 0xED && second >= 0xA0) &&
             !(lead == 0xF0 && second < 0x90) && !(lead == 0xF4 && second >= 0x90);
    }
    if (!good) {
      out.emplace_back("\uFFFD");
      ++i;
    } else {
      out.emplace_back(length == 1 && (lead < 0x20 || lead == 0x7F) ? " " : std::string(text.substr(i, length)));
      i += length;
    }
  }
  return out;
}

}  // namespace detail

/// Valid UTF-8 on one line.
[[nodiscard]] inline std::string clean(std::string_view text) {
  std::string out;
  for (const std::string& c : detail::code_points(text)) out += c;
  return out;
}

/// At most `most` code points, the last an ellipsis where something was cut.
[[nodiscard]] inline std::string shortened(std::string_view text, std::size_t most) {
  const std::vector<std::string> points = detail::code_points(text);
  std::string out;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (points.size() > most && i + 1 >= most) return out + "\u2026";
    out += points[i];
  }
  return out;
}

/// At most `most` code points, the middle replaced by an ellipsis: names often differ at their end.
[[nodiscard]] inline std::string abridged(std::string_view text, std::size_t most) {
  const std::vector<std::string> points = detail::code_points(text);
  const std::size_t tail = most / 3, head = most - tail - 1;
  std::string out;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (points.size() > most && i == head) out += "\u2026";
    if (points.size() <= most || i < head || i >= points.size() - tail) out += points[i];
  }
  return out;
}

/// Number of columns a text takes on a terminal, taking every code point as one.
[[nodiscard]] inline std::size_t columns(std::string_view text) { return detail::code_points(text).size(); }

/// "a", "a and b", "a, b and c".
[[nodiscard]] inline std::string listed(const std::vector<std::string>& parts) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i)
    out += (i == 0 ? "" : i + 1 == parts.size() ? " and " : ", ") + parts[i];
  return out;
}

/// 1, "seed" -> "1 seed"; 3, "seed" -> "3 seeds".
[[nodiscard]] inline std::string plural(std::size_t n, std::string_view word) {
  return std::to_string(n) + " " + std::string(word) + (n == 1 ? "" : "s");
}

}  // namespace contexture::report
