// SPDX-License-Identifier: MIT
// A group of one process: everything is its own. Groups of several are tested where they train (tests/train,
// tests/mpi).
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "contexture/core/process_group.hpp"
#include "support/catch.hpp"
#include "support/processes.hpp"

using namespace contexture;

TEST_CASE("a process alone is the first of one, and sums and shows its own") {
  ProcessGroup& group = process_group();
  CHECK(group.rank() == 0);
  CHECK(group.size() == 1);
  std::vector<double> values{1, 2};
  group.sum(values);
  CHECK(group.begin_sum(std::span(values))->test());
  CHECK(values == std::vector<double>{1, 2});
  CHECK(gather_texts(group, "text") == std::vector<std::string>{"text"});
  CHECK(gather_value(group, 7) == std::vector<int>{7});
  CHECK(of_first(group, 8) == 8);
}

TEST_CASE("a batch is shared where there are several processes, and no longer than the guard lives") {
  {
    const SharedBatchGuard alone(true);
    CHECK(shared_batch() == nullptr);
    CHECK(shared_norm() == nullptr);
  }
  std::array<std::array<bool, 4>, 2> right{};
  processes::run(2, [&](ProcessGroup& group) {
    auto& [whole, own, again, over] = right.at(static_cast<std::size_t>(group.rank()));
    {
      const SharedBatchGuard shared(true);
      whole = shared_batch() == &group && shared_norm() == &group;
      {
        const SharedBatchGuard own_norm(false);
        own = shared_batch() == &group && shared_norm() == nullptr;
      }
      again = shared_norm() == &group;
    }
    over = shared_batch() == nullptr && shared_norm() == nullptr;
  });
  CHECK(right[0] == std::array{true, true, true, true});
  CHECK(right[1] == std::array{true, true, true, true});
}
