// SPDX-License-Identifier: MIT
// Text as the formats of a report want it: HTML, Markdown, gnuplot, base64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "contexture/report/text.hpp"

namespace contexture::report::detail {

/// For HTML text and quoted attributes.
[[nodiscard]] inline std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : clean(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

/// For Markdown running text and table cells.
[[nodiscard]] inline std::string markdown_escaped(std::string_view text) {
  std::string out;
  for (const char c : clean(text)) {
    if (std::string_view("\\`*_[]<>|#~").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

/// A gnuplot string constant. In single quotes nothing is special but the quote itself, which gnuplot 5.4 cannot take
/// everywhere even when doubled: text with one goes into double quotes, and what is special there becomes its number.
[[nodiscard]] inline std::string gnuplot_quoted(std::string_view text) {
  if (text.find('\'') == std::string_view::npos) return "'" + std::string(text) + "'";
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '\'': out += "\\047"; break;
      case '"': out += "\\042"; break;
      case '\\': out += "\\134"; break;
      case '`': out += "\\140"; break;  // runs a command
      case '@': out += "\\100"; break;  // inserts a variable
      default: out += c;
    }
  }
  return out + "\"";
}

[[nodiscard]] inline std::string base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : kDigits[group >> (18 - 6 * k) & 63U];
  }
  return out;
}

[[nodiscard]] inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

}  // namespace contexture::report::detail
