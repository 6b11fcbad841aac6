// SPDX-License-Identifier: MIT
// The one line that a file which cannot be read is refused with.
#pragma once

#include <concepts>
#include <string>

#include "contexture/core/error.hpp"
#include "support/catch.hpp"

namespace files {

/// The message of the InputError that f() throws.
template <std::invocable F>
std::string error_of(F&& f) {
  try {
    (void)f();
  } catch (const contexture::InputError& error) {
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    return error.what();
  }
  FAIL("no InputError");
  return "";
}

}  // namespace files
