// SPDX-License-Identifier: MIT
// The stored inputs of the fuzzers for images and data sets are read, or refused in one line.
#include "fuzz/data_targets.hpp"
#include "fuzz/replay.hpp"
#include "support/catch.hpp"

TEST_CASE("what the fuzzers have stored for images and data sets is read, or refused in one line") {
  fuzz::replay(fuzz::data_targets());
}
