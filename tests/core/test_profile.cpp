// SPDX-License-Identifier: MIT
// OpProfiler: counts and adds up what ops report while it lives, and only then.
#include <chrono>
#include <ctime>
#include <stdexcept>
#include <thread>
#include <vector>

#include "contexture/core/profile.hpp"
#include "support/catch.hpp"

using namespace contexture;

TEST_CASE("ops are added up by name while a profiler lives") {
  { const detail::OpTimer nobody_listens("first"); }
  OpProfiler profiler;
  CHECK(profiler.times().empty());
  for (int i = 0; i < 3; ++i) {
    const detail::OpTimer timer("first", 10);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  { const detail::OpTimer timer("second"); }
  const std::vector<OpTime> times = profiler.times();
  REQUIRE(times.size() == 2);
  CHECK(times[0].op == "first");
  CHECK(times[0].calls == 3);
  CHECK(times[0].bytes == 30);
  CHECK(times[0].seconds >= 0.006);
  CHECK(times[0].seconds == profiler.seconds("first"));
  CHECK(times[1].op == "second");
  CHECK(times[1].calls == 1);
  CHECK(times[1].bytes == 0);
  CHECK(profiler.seconds("third") == 0);
}

TEST_CASE("ops of several threads go to the same profiler, and one profiler lives at a time") {
  {
    OpProfiler profiler;
    CHECK_THROWS_AS(OpProfiler(), std::logic_error);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([] {
        for (int i = 0; i < 100; ++i) const detail::OpTimer timer("op");
      });
    for (std::thread& thread : threads) thread.join();
    REQUIRE(profiler.times().size() == 1);
    CHECK(profiler.times()[0].calls == 400);
  }
  const OpProfiler another;
  CHECK(another.times().empty());
}

TEST_CASE("a profiler reads the clock it was made for") {
  const auto wall = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
  const auto processor = [] { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; };
  const auto check = [](ProfileClock clock, auto read) {
    const OpProfiler profiler(clock);
    const double before = read();
    const double now = profiler.now();
    CHECK(before <= now);
    CHECK(now <= read());
  };
  check(ProfileClock::wall, wall);
  check(ProfileClock::processor, processor);
}
