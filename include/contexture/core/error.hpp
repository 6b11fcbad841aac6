// SPDX-License-Identifier: MIT
// Error reporting: three checks that format their message only when they fail, in every
// build type. They differ in whose fault a failure is, and so in what is thrown:
//   require        the caller's mistake (shapes, options)        std::invalid_argument
//   require_state  an object used out of order                   std::logic_error
//   require_input  what the outside world gave (files, disk)     contexture::InputError
// Message style: `op: what is wrong (value that came), what was expected`.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "contexture/core/compiled.hpp"

namespace contexture {

namespace detail {
// Control characters as C writes them, such as \n and \x1b: what a file says stays in its line, and orders no terminal.
[[nodiscard]] CONTEXTURE_FUNCTION std::string escaped(std::string_view text);
}  // namespace detail

/// A file, folder or device did not hold what it should; what() is one line that names it.
class InputError : public std::runtime_error {
 public:
  explicit InputError(std::string_view text) : std::runtime_error(detail::escaped(text)) {}
};

namespace detail {

template <class Range>
concept ShapeLike = requires(const Range& r) {
  r.begin();
  r.end();
  r.size();
}
&&!std::is_convertible_v<const Range&, std::string_view>;

template <class Part>
void append_part(std::ostringstream& out, const void* part) {
  const Part& value = *static_cast<const Part*>(part);
  if constexpr (ShapeLike<Part>) {  // shapes read as (N,H,W,C)
    out << '(';
    bool first = true;
    for (const auto& extent : value) {
      out << (first ? "" : ",") << extent;
      first = false;
    }
    out << ')';
  } else {
    out << value;
  }
}

CONTEXTURE_FUNCTION void append_text(std::ostringstream& out, const void* text);

// A part of a message and what writes it: how a check looks to its source does not depend on what it says, so that
// the hundreds there are cost little to compile. Refers to the part.
struct MessagePart {
  template <class Part>
  MessagePart(const Part& its_part) : part(&its_part), append(&append_part<Part>) {}  // NOLINT
  template <std::size_t N>
  MessagePart(const char (&text)[N]) : part(text), append(&append_text) {}  // NOLINT

  const void* part;
  void (*append)(std::ostringstream&, const void*);
};
using MessageParts = std::initializer_list<MessagePart>;

[[nodiscard]] CONTEXTURE_FUNCTION std::string joined_message(MessageParts parts);
[[noreturn]] CONTEXTURE_FUNCTION void throw_invalid_argument(MessageParts parts);
[[noreturn]] CONTEXTURE_FUNCTION void throw_logic_error(MessageParts parts);
[[noreturn]] CONTEXTURE_FUNCTION void throw_input_error(MessageParts parts);

}  // namespace detail

/// Concatenates the parts; anything with begin/end/size prints as a shape: (128,32,32,3). Numbers are written as in
/// C++, whatever the application's locale: names of files and identities of runs are made of such texts.
template <class... Parts>
[[nodiscard]] std::string message(const Parts&... parts) {
  return detail::joined_message({parts...});
}

/// Throws std::invalid_argument with the concatenated parts unless `ok`.
template <class... Parts>
void require(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    detail::throw_invalid_argument({parts...});
}

/// Throws std::logic_error with the concatenated parts unless `ok`.
template <class... Parts>
void require_state(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    detail::throw_logic_error({parts...});
}

/// Throws InputError with the concatenated parts unless `ok`.
template <class... Parts>
void require_input(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    detail::throw_input_error({parts...});
}

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/core/error-inl.hpp"
#endif
