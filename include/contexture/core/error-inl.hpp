// SPDX-License-Identifier: MIT
// How messages are written, and thrown.
#pragma once

#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "contexture/core/error.hpp"

namespace contexture::detail {

CONTEXTURE_FUNCTION void append_text(std::ostringstream& out, const void* text) {
  out << static_cast<const char*>(text);
}

CONTEXTURE_FUNCTION std::string escaped(std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x20 && code != 0x7f) {
      out += c;  // bytes of UTF-8 among them
    } else if (c == '\n' || c == '\t' || c == '\r') {
      out.append(c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
    } else {
      out.append("\\x").append({hex[code >> 4], hex[code & 15]});
    }
  }
  return out;
}

CONTEXTURE_FUNCTION std::string joined_message(MessageParts parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  for (const MessagePart& part : parts) part.append(out, part.part);
  return out.str();
}

CONTEXTURE_FUNCTION void throw_invalid_argument(MessageParts parts) {
  throw std::invalid_argument(joined_message(parts));
}
CONTEXTURE_FUNCTION void throw_logic_error(MessageParts parts) { throw std::logic_error(joined_message(parts)); }
CONTEXTURE_FUNCTION void throw_input_error(MessageParts parts) { throw InputError(joined_message(parts)); }

}  // namespace contexture::detail
