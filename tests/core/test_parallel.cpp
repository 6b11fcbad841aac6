// SPDX-License-Identifier: MIT
// Parallel loops: every item once, same chunks whatever the threads, exceptions, nesting, several
// callers, resizing. Run it under ThreadSanitizer after touching the pool (preset thread).
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include "contexture/core/limits.hpp"
#include "contexture/core/parallel.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

struct ThreadsForThisTest {
  explicit ThreadsForThisTest(int n) : before(num_threads()) { set_num_threads(n); }
  ~ThreadsForThisTest() { set_num_threads(before); }
  ThreadsForThisTest(const ThreadsForThisTest&) = delete;
  ThreadsForThisTest& operator=(const ThreadsForThisTest&) = delete;
  int before;
};

// A signal handler in which a thread stays, as one does that the system gives no processor, until a byte is written to
// it.
std::array<int, 2> asleep{-1, -1};
std::atomic<bool> handler_entered{false}, handler_left{false};

void stay_asleep(int) {
  handler_entered = true;
  char byte = 0;
  (void)!::read(asleep[0], &byte, 1);
  handler_left = true;
}

}  // namespace

TEST_CASE("parallel_for visits every index exactly once") {
  const int threads = GENERATE(1, 2, 3, 8);
  const ThreadsForThisTest guard(threads);
  for (const Index n : {0, 1, 2, 7, 64, 1000, 4097}) {
    for (const Index grain : {-1, 0, 1, 3, 100, 100000}) {
      INFO("threads " << threads << ", n " << n << ", grain " << grain);
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(n));
      parallel_for(n, grain, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
      });
      bool once = true;
      for (const auto& count : visits) once = once && count == 1;
      REQUIRE(once);
    }
  }
}

TEST_CASE("parallel_for makes no range much shorter than its grain") {
  const ThreadsForThisTest guard(4);
  std::atomic<int> ranges{0};
  parallel_for(1000, 300, [&](Index, Index) { ++ranges; });
  CHECK(ranges <= 4);
  ranges = 0;
  parallel_for(1000, 1000, [&](Index begin, Index end) {
    ++ranges;
    CHECK(end - begin == 1000);
  });
  CHECK(ranges == 1);
}

TEST_CASE("parallel_chunks cuts by n and chunks only, evenly and in order") {
  for (const int threads : {1, 2, 5}) {
    const ThreadsForThisTest guard(threads);
    std::vector<Index> begins(7, -1);
    std::vector<Index> ends(7, -1);
    parallel_chunks(31, 7, [&](Index chunk, Index begin, Index end) {
      begins[static_cast<std::size_t>(chunk)] = begin;
      ends[static_cast<std::size_t>(chunk)] = end;
    });
    CHECK(begins == std::vector<Index>{0, 5, 10, 15, 19, 23, 27});
    CHECK(ends == std::vector<Index>{5, 10, 15, 19, 23, 27, 31});
  }
  int calls = 0;
  parallel_chunks(0, 4, [&](Index, Index, Index) { ++calls; });
  parallel_chunks(4, 0, [&](Index, Index, Index) { ++calls; });
  CHECK(calls == 0);
  std::atomic<int> chunks{0};
  std::atomic<bool> single{true};  // Catch2's own checks are for one thread only
  parallel_chunks(3, 100, [&](Index, Index begin, Index end) {
    ++chunks;
    if (end != begin + 1) single = false;
  });
  CHECK(single);
  CHECK(chunks == 3);
}

TEST_CASE("each thread begins with a share of neighbouring chunks, and takes over what others leave") {
  const ThreadsForThisTest guard(3);
  constexpr Index kChunks = 11;
  std::array<std::atomic<int>, kChunks> runs{};
  std::array<std::thread::id, kChunks> by;
  std::atomic<int> begun{0};
  std::array<std::atomic<Index>, 3> first{-1, -1, -1};
  thread_local bool waited = false;
  parallel_chunks(kChunks, kChunks, [&](Index chunk, Index, Index) {
    const auto at = static_cast<std::size_t>(chunk);
    ++runs[at];
    by[at] = std::this_thread::get_id();
    if (waited) return;
    waited = true;
    first[static_cast<std::size_t>(begun++)] = chunk;
    while (begun < 3) std::this_thread::yield();  // all three run a chunk at once
  });
  for (const auto& count : runs) CHECK(count == 1);
  std::vector<Index> starts(first.begin(), first.end());
  std::sort(starts.begin(), starts.end());
  CHECK(starts == std::vector<Index>{0, 4, 8});  // shares of 4, 4 and 3
  CHECK(by[0] != by[4]);
  CHECK(by[4] != by[8]);
}

TEST_CASE("chunk-wise reduction has the same bits with any number of threads") {
  std::vector<float> values(10007);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 1.0F / static_cast<float>(i + 1);
  const auto sum = [&] {
    std::vector<float> partial(16, 0.0F);
    parallel_chunks(static_cast<Index>(values.size()), 16, [&](Index chunk, Index begin, Index end) {
      float s = 0;
      for (Index i = begin; i < end; ++i) s += values[static_cast<std::size_t>(i)];
      partial[static_cast<std::size_t>(chunk)] = s;
    });
    return std::accumulate(partial.begin(), partial.end(), 0.0F);
  };
  float expected = 0;
  {
    const ThreadsForThisTest guard(1);
    expected = sum();
  }
  for (const int threads : {2, 3, 7}) {
    const ThreadsForThisTest guard(threads);
    for (int i = 0; i < 20; ++i) REQUIRE(sum() == expected);
  }
}

TEST_CASE("an exception reaches the caller, and the pool goes on working") {
  const int threads = GENERATE(1, 2, 4);
  const ThreadsForThisTest guard(threads);
  for (int repeat = 0; repeat < 50; ++repeat) {
    for (const Index bad : {0, 7, 15}) {
      CHECK_THROWS_WITH(parallel_chunks(16, 16,
                                        [&](Index chunk, Index, Index) {
                                          if (chunk == bad) throw std::runtime_error("chunk " + std::to_string(chunk));
                                        }),
                        "chunk " + std::to_string(bad));
    }
    std::atomic<int> done{0};
    parallel_chunks(16, 16, [&](Index, Index, Index) { ++done; });
    REQUIRE(done == 16);
  }
}

TEST_CASE("when every chunk throws, one exception comes out") {
  const ThreadsForThisTest guard(3);
  CHECK_THROWS_AS(parallel_for(1000, 1, [](Index, Index) { throw std::domain_error("x"); }), std::domain_error);
  CHECK_THROWS_AS(parallel_for(1000, 1, [](Index, Index) { throw 42; }), int);
}

TEST_CASE("nested loops run in the thread they are called from, and cover everything") {
  const ThreadsForThisTest guard(3);
  std::vector<std::atomic<int>> visits(12 * 50);
  std::atomic<bool> same_thread{true};
  parallel_chunks(12, 12, [&](Index outer, Index, Index) {
    const std::thread::id here = std::this_thread::get_id();
    parallel_for(50, 1, [&](Index begin, Index end) {
      if (std::this_thread::get_id() != here) same_thread = false;
      for (Index i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(outer * 50 + i)];
    });
  });
  CHECK(same_thread);
  bool once = true;
  for (const auto& count : visits) once = once && count == 1;
  CHECK(once);
}

TEST_CASE("a nested loop's exception passes through both loops") {
  const ThreadsForThisTest guard(2);
  CHECK_THROWS_WITH(parallel_chunks(4, 4,
                                    [](Index, Index, Index) {
                                      parallel_chunks(4, 4, [](Index chunk, Index, Index) {
                                        if (chunk == 3) throw std::runtime_error("inner");
                                      });
                                    }),
                    "inner");
  CHECK_FALSE(detail::inside_parallel_region());
}

TEST_CASE("several application threads may run loops at once") {
  const ThreadsForThisTest guard(3);
  std::vector<long> sums(4, 0);
  std::vector<std::thread> callers;
  for (long& sum : sums)
    callers.emplace_back([&sum] {
      for (int repeat = 0; repeat < 200; ++repeat) {
        std::vector<long> partial(8, 0);
        parallel_chunks(1000, 8, [&](Index chunk, Index begin, Index end) {
          for (Index i = begin; i < end; ++i) partial[static_cast<std::size_t>(chunk)] += i;
        });
        sum += std::accumulate(partial.begin(), partial.end(), 0L);
      }
    });
  for (std::thread& caller : callers) caller.join();
  for (const long sum : sums) CHECK(sum == 200L * 499500L);
}

TEST_CASE("set_num_threads while loops run waits for them") {
  const ThreadsForThisTest guard(2);
  std::atomic<bool> stop{false};
  std::atomic<bool> correct{true};
  std::thread caller([&] {
    while (!stop) {
      std::atomic<int> done{0};
      parallel_chunks(32, 32, [&](Index, Index, Index) { ++done; });
      if (done != 32) correct = false;
    }
  });
  for (int i = 0; i < 40; ++i) set_num_threads(1 + i % 4);
  stop = true;
  caller.join();
  CHECK(correct);
}

TEST_CASE("a loop does not wait for workers that have not begun it") {
  const ThreadsForThisTest guard(2);
  const pthread_t caller = pthread_self();
  std::atomic<pthread_t> worker = caller;
  for (int tries = 0; tries < 10'000 && pthread_equal(worker, caller) != 0; ++tries)
    parallel_chunks(8, 8, [&](Index, Index, Index) {
      std::this_thread::sleep_for(std::chrono::microseconds(50));  // the worker's chance
      if (pthread_equal(pthread_self(), caller) == 0) worker = pthread_self();
    });
  REQUIRE(pthread_equal(worker, caller) == 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // by now it waits

  REQUIRE(::pipe(asleep.data()) == 0);
  struct sigaction handler {};
  struct sigaction former {};
  handler.sa_handler = stay_asleep;
  REQUIRE(sigaction(SIGUSR2, &handler, &former) == 0);
  REQUIRE(pthread_kill(worker, SIGUSR2) == 0);
  while (!handler_entered) std::this_thread::yield();

  // Where the loop waits all the same, the worker is let go after some seconds, so that the test fails and ends.
  std::atomic<bool> done{false}, released{false};
  std::thread watchdog([&] {
    for (int i = 0; i < 1000 && !done; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    released = !done;
    CHECK(::write(asleep[1], "x", 1) == 1);
  });
  int visited = 0;  // by the caller alone
  parallel_chunks(8, 8, [&](Index, Index, Index) { ++visited; });
  CHECK_FALSE(released);
  CHECK(visited == 8);
  done = true;
  watchdog.join();
  while (!handler_left) std::this_thread::yield();
  std::atomic<int> again{0};
  parallel_chunks(100, 100, [&](Index, Index, Index) { ++again; });
  CHECK(again == 100);
  sigaction(SIGUSR2, &former, nullptr);
  for (const int end : asleep) ::close(end);
}

#if defined(__linux__)
TEST_CASE("a thread leaves its processor, and may return to it") {
  std::thread([] {
    cpu_set_t before;
    CHECK(sched_getaffinity(0, sizeof(before), &before) == 0);
    // From each of them, the first as well. The system may move it back at any time: once out of many tries is enough.
    for (int from = 0; from < CPU_SETSIZE && CPU_COUNT(&before) > 1; ++from) {
      if (!CPU_ISSET(static_cast<std::size_t>(from), &before)) continue;
      cpu_set_t start;
      CPU_ZERO(&start);
      CPU_SET(static_cast<std::size_t>(from), &start);
      bool left = false;
      for (int tries = 0; tries < 1000 && !left; ++tries) {
        CHECK(sched_setaffinity(0, sizeof(start), &start) == 0);
        CHECK(sched_setaffinity(0, sizeof(before), &before) == 0);
        const int processor = detail::current_processor();
        detail::leave_processor(processor);
        left = processor == from && detail::current_processor() != processor;
      }
      CHECK(left);
    }
    cpu_set_t after;
    CHECK(sched_getaffinity(0, sizeof(after), &after) == 0);
    CHECK(CPU_EQUAL(&before, &after));

    // With nowhere to go it stays, tied to the one processor that it was given.
    const int only = detail::current_processor();
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(only), &one);
    CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
    detail::leave_processor(only);
    CHECK(sched_getaffinity(0, sizeof(after), &after) == 0);
    CHECK(CPU_EQUAL(&one, &after));
    CHECK(detail::current_processor() == only);
  }).join();
}
#endif

TEST_CASE("set_num_threads refuses nonsense, and calls from inside a loop") {
  const ThreadsForThisTest guard(2);
  CHECK_THROWS_AS(set_num_threads(0), std::invalid_argument);
  CHECK_THROWS_AS(set_num_threads(-3), std::invalid_argument);
  CHECK_THROWS_AS(set_num_threads(1025), std::invalid_argument);
  CHECK_THROWS_AS(parallel_chunks(8, 8, [](Index, Index, Index) { set_num_threads(1); }), std::logic_error);
  CHECK(num_threads() == 2);
}

TEST_CASE("CONTEXTURE_NUM_THREADS is read strictly") {
  const auto count = [](const char* text) {
    ::setenv("CONTEXTURE_NUM_THREADS", text, 1);
    return detail::initial_thread_count();
  };
  const char* before = std::getenv("CONTEXTURE_NUM_THREADS");
  const std::string restore = before == nullptr ? "" : before;
  CHECK(count("3") == 3);
  CHECK(count("1024") == 1024);
  CHECK(count("") == detail::available_processors());
  for (const char* bad : {"0", "-1", "2x", " 2", "1.5", "1025", "99999999999999999999", "all"}) {
    INFO(bad);
    CHECK_THROWS_AS(count(bad), std::invalid_argument);
  }
  if (before == nullptr)
    ::unsetenv("CONTEXTURE_NUM_THREADS");
  else
    ::setenv("CONTEXTURE_NUM_THREADS", restore.c_str(), 1);
}
