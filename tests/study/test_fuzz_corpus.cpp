// SPDX-License-Identifier: MIT
// The stored inputs of the fuzzers for weights and checkpoints are read, or refused in one line.
#include "fuzz/replay.hpp"
#include "fuzz/weight_targets.hpp"
#include "support/catch.hpp"

TEST_CASE("what the fuzzers have stored for weights and checkpoints is read, or refused in one line") {
  fuzz::replay(fuzz::weight_targets());
}
