// SPDX-License-Identifier: MIT
// Error reporting: three checks that format their message only when they fail, in every
// build type. They differ in whose fault a failure is, and so in what is thrown:
//   require        the caller's mistake (shapes, options)        std::invalid_argument
//   require_state  an object used out of order                   std::logic_error
//   require_input  what the outside world gave (files, disk)     contexture::InputError
// Message style: `op: what is wrong (value that came), what was expected`.
#pragma once

#include <cstddef>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace contexture {

/// A file, folder or device did not hold what it should; what() is one line that names it.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
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
void append_part(std::ostringstream& out, const Part& part) {
  if constexpr (ShapeLike<Part>) {  // shapes read as (N,H,W,C)
    out << '(';
    bool first = true;
    for (const auto& extent : part) {
      out << (first ? "" : ",") << extent;
      first = false;
    }
    out << ')';
  } else {
    out << part;
  }
}

}  // namespace detail

/// Concatenates the parts; anything with begin/end/size prints as a shape: (128,32,32,3). Numbers are written as in
/// C++, whatever the application's locale: names of files and identities of runs are made of such texts.
template <class... Parts>
[[nodiscard]] std::string message(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  (detail::append_part(out, parts), ...);
  return out.str();
}

/// Throws std::invalid_argument with the concatenated parts unless `ok`.
template <class... Parts>
void require(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    throw std::invalid_argument(message(parts...));
}

/// Throws std::logic_error with the concatenated parts unless `ok`.
template <class... Parts>
void require_state(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    throw std::logic_error(message(parts...));
}

/// Throws InputError with the concatenated parts unless `ok`.
template <class... Parts>
void require_input(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    throw InputError(message(parts...));
}

}  // namespace contexture
