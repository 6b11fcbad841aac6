// SPDX-License-Identifier: MIT
// The three checks: what they throw, how messages read, and that nothing is formatted on success.
#include <ostream>
#include <string>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/settings.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

struct CountsPrints {
  mutable int* prints;
  friend std::ostream& operator<<(std::ostream& out, const CountsPrints& x) {
    ++*x.prints;
    return out << "printed";
  }
};

}  // namespace

TEST_CASE("message concatenates its parts and prints ranges as shapes") {
  const std::vector<int> shape{128, 32, 32, 3};
  CHECK(message("conv2d: input ", shape, " has ", 3, " channels") == "conv2d: input (128,32,32,3) has 3 channels");
  CHECK(message(std::vector<int>{}) == "()");
  CHECK(message(std::string("text"), ' ', std::string_view("view"), ' ', 0.5) == "text view 0.5");
}

TEST_CASE("each check throws its own type with the message, and only on failure") {
  CHECK_NOTHROW(require(true, "x"));
  CHECK_NOTHROW(require_state(true, "x"));
  CHECK_NOTHROW(require_input(true, "x"));
  CHECK_THROWS_AS(require(false, "x"), std::invalid_argument);
  CHECK_THROWS_AS(require_state(false, "x"), std::logic_error);
  CHECK_THROWS_AS(require_input(false, "x"), InputError);
  CHECK_THROWS_WITH(require(false, "axis ", 4, " of ", std::vector<int>{2, 3}), "axis 4 of (2,3)");
  CHECK_THROWS_WITH(require_input(false, "a.png: broken"), "a.png: broken");
}

TEST_CASE("what a file says neither ends the line of a message nor orders the terminal") {
  const std::string name("a\nb\tc\r\x1b[31m\x7f\0d \xc3\xa4", 17);
  const std::string seen = "name 'a\\nb\\tc\\r\\x1b[31m\\x7f\\x00d \xc3\xa4'";
  CHECK_THROWS_WITH(require_input(false, "name '", name, "'"), seen);
  CHECK(std::string(InputError("name '" + name + "'").what()) == seen);
  CHECK(std::string(SettingError("width", "'1\n2', expected a number").what()) == "width: '1\\n2', expected a number");
}

TEST_CASE("a check that holds formats nothing") {
  int prints = 0;
  require(true, CountsPrints{&prints});
  CHECK(prints == 0);
  CHECK_THROWS(require(false, CountsPrints{&prints}));
  CHECK(prints == 1);
}
