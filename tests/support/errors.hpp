// SPDX-License-Identifier: MIT
// What a caller is told.
#pragma once

#include <concepts>
#include <string>

#include "contexture/core/error.hpp"
#include "support/catch.hpp"

namespace errors {

// The one line of the InputError that f() throws; "accepted" where it does not.
template <std::invocable F>
std::string refusal_of(F&& f) {
  try {
    (void)f();
  } catch (const contexture::InputError& error) {
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    return error.what();
  }
  return "accepted";
}

}  // namespace errors
