// SPDX-License-Identifier: MIT
// The stored inputs of the fuzzers for the programs are read, or refused in one line.
#include "fuzz/program_targets.hpp"
#include "fuzz/replay.hpp"
#include "support/catch.hpp"

TEST_CASE("what the fuzzers have stored for the programs is read, or refused in one line") {
  fuzz::replay(fuzz::program_targets());
}
