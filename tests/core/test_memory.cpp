// SPDX-License-Identifier: MIT
// The memory pool: alignment, reuse, statistics, steady state, impossible requests, threads.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "contexture/core/memory.hpp"
#include "contexture/core/tensor.hpp"
#include "support/catch.hpp"

using namespace contexture;

TEST_CASE("blocks of every size are 64-byte aligned, big ones by 2 MiB, writable and big enough") {
  for (std::size_t n :
       {0U, 1U, 63U, 64U, 65U, 255U, 256U, 257U, 1000U, 4095U, 4097U, 1000003U, 1U << 22U, (9U << 20U) + 1U}) {
    INFO("bytes " << n);
    Workspace<unsigned char> block(n);
    CHECK(reinterpret_cast<std::uintptr_t>(block.data()) % 64 == 0);
    if (n >= 1U << 22U) CHECK(reinterpret_cast<std::uintptr_t>(block.data()) % (1U << 21U) == 0);
    std::memset(block.data(), 0xa5, n);  // AddressSanitizer watches
    CHECK(block.size() == n);
  }
}

TEST_CASE("no two live blocks overlap") {
  std::vector<std::pair<unsigned char*, std::size_t>> blocks;
  PoolAllocator<unsigned char> allocator;
  for (std::size_t i = 0; i < 200; ++i) {
    const std::size_t n = 1 + i * 37 % 700;
    blocks.emplace_back(allocator.allocate(n), n);
    std::memset(blocks.back().first, static_cast<int>(i), n);
  }
  bool intact = true;
  for (std::size_t i = 0; i < blocks.size(); ++i)
    for (std::size_t j = 0; j < blocks[i].second; ++j) intact = intact && blocks[i].first[j] == i;
  CHECK(intact);
  for (const auto& [p, n] : blocks) allocator.deallocate(p, n);
}

TEST_CASE("statistics follow what is handed out, and peak falls only when it is reset") {
  const MemoryStats before = memory_stats();
  {
    Workspace<float> block(1000);  // 4000 bytes: in the size class 4096
    const MemoryStats during = memory_stats();
    CHECK(during.bytes_in_use == before.bytes_in_use + 4096);
    CHECK(during.peak_bytes_in_use >= during.bytes_in_use);
  }
  const MemoryStats after = memory_stats();
  CHECK(after.bytes_in_use == before.bytes_in_use);
  CHECK(after.peak_bytes_in_use >= before.bytes_in_use + 4096);
  reset_peak_memory();
  CHECK(memory_stats().peak_bytes_in_use == after.bytes_in_use);
}

TEST_CASE("at most a quarter of a block is unused") {
  for (std::size_t n = 257; n < 5000000; n = n * 21 / 20 + 1) {
    const std::size_t before = memory_stats().bytes_in_use;
    Workspace<char> block(n);
    const std::size_t handed_out = memory_stats().bytes_in_use - before;
    REQUIRE(handed_out >= n);
    REQUIRE(static_cast<double>(handed_out) <= 1.25 * static_cast<double>(n) + 64);
  }
}

#if !defined(CONTEXTURE_POOL_BYPASS)
TEST_CASE("steady state: repeating the same work asks the system for nothing") {
  const auto step = [] {
    Tensor<float> x = zeros<float>({8, 16, 16, 12});
    Tensor<float> y = empty_like(x);
    Tensor<double> z = full<double>({7, 5}, 3.0);
    Workspace<float> scratch(3 * 16 * 16);
    std::copy(x.data(), x.data() + x.size(), y.data());
    Tensor<float> moved = std::move(y);
    Tensor<float> copy = moved;
    return copy(0, 0, 0, 0) + static_cast<float>(z(0, 0));
  };
  step();
  const MemoryStats warm = memory_stats();
  for (int i = 0; i < 100; ++i) step();
  const MemoryStats after = memory_stats();
  CHECK(after.system_allocations == warm.system_allocations);
  CHECK(after.bytes_cached == warm.bytes_cached);
  CHECK(after.bytes_in_use == warm.bytes_in_use);
}

TEST_CASE("release_cached_memory empties the cache and leaves live blocks alone") {
  Workspace<int> live(100);
  live[99] = 42;
  { Workspace<int> gone(12345); }
  CHECK(memory_stats().bytes_cached > 0);
  release_cached_memory();
  CHECK(memory_stats().bytes_cached == 0);
  CHECK(live[99] == 42);
}

#if !defined(__SANITIZE_THREAD__)  // which stops the program instead
TEST_CASE("a request beyond all memory throws, frees the cache and leaves the pool usable") {
  const std::size_t before = memory_stats().bytes_in_use;
  CHECK_THROWS_AS(PoolAllocator<char>().allocate(std::size_t{1} << 62), std::bad_alloc);
  CHECK(memory_stats().bytes_in_use == before);
  CHECK(memory_stats().peak_bytes_in_use < std::size_t{1} << 62);
  Workspace<char> block(1 << 20);
  block[(1 << 20) - 1] = 1;
}
#endif
#endif

TEST_CASE("sizes that overflow throw before anything is counted") {
  const std::size_t before = memory_stats().bytes_in_use;
  const std::size_t most = std::numeric_limits<std::size_t>::max();
  CHECK_THROWS_AS(PoolAllocator<double>().allocate(most / 4), std::bad_array_new_length);
  CHECK_THROWS_AS(PoolAllocator<char>().allocate(most - 10), std::bad_alloc);
  CHECK(memory_stats().bytes_in_use == before);
}

TEST_CASE("after fork() both processes allocate and free") {
  const Workspace<char> before(1000);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  { const Workspace<char> block(5000); }
  if (child == 0) ::_exit(memory_stats().bytes_in_use >= 1000 ? 7 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 7);
}

TEST_CASE("threads may allocate and free at once, also each other's blocks") {
  const std::size_t before = memory_stats().bytes_in_use;
  std::vector<Tensor<float>> made(8);
  {
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < made.size(); ++t)
      threads.emplace_back([t, &made] {
        for (std::size_t i = 1; i < 200; ++i) made[t] = full<float>({i, 3}, static_cast<float>(t));
      });
    for (std::thread& thread : threads) thread.join();
  }
  for (std::size_t t = 0; t < made.size(); ++t) CHECK(made[t](198, 2) == static_cast<float>(t));
  made.clear();
  CHECK(memory_stats().bytes_in_use == before);
}
