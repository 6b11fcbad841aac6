// SPDX-License-Identifier: MIT
// Kinds of characters, of ASCII's alone: <cctype> asks the application's locale, in some of which bytes of a UTF-8 name
// are letters or blanks.
#pragma once

namespace contexture::detail {

constexpr bool is_ascii_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_ascii_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_ascii_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr char ascii_lower(char c) { return is_ascii_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace contexture::detail
