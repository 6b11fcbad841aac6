// SPDX-License-Identifier: MIT
// The pool behind core/memory.hpp.
#pragma once

#include <pthread.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <limits>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "contexture/core/memory.hpp"

namespace contexture {
namespace detail {

class MemoryPool {
 public:
  static constexpr std::size_t kAlignment = 64;  // one cache line, one AVX-512 vector

  // Never destroyed: tensors with static storage duration may be freed after it would be. A process that fork() makes
  // finds it unlocked and whole, whatever another thread was at.
  static MemoryPool& instance() {
    static MemoryPool* const pool = [] {
      ::pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                       [] { instance().mutex_.unlock(); });
      return new MemoryPool;
    }();
    return *pool;
  }

  void* allocate(std::size_t bytes) {
    const std::size_t size = rounded(bytes);
    {
      const std::lock_guard lock(mutex_);
      stats_.bytes_in_use += size;
#if !defined(CONTEXTURE_POOL_BYPASS)
      auto found = free_.find(size);
      if (found != free_.end() && !found->second.empty()) {
        void* block = found->second.back();
        found->second.pop_back();
        stats_.bytes_cached -= size;
        stats_.peak_bytes_in_use = std::max(stats_.peak_bytes_in_use, stats_.bytes_in_use);
        return block;
      }
#endif
      ++stats_.system_allocations;
    }
    try {
      return take(size);
    } catch (const std::bad_alloc&) {
      release_cached();  // what is cached in other sizes may be what is missing
    }
    try {
      return take(size);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      stats_.bytes_in_use -= size;
      throw;
    }
  }

  void deallocate(void* block, std::size_t bytes) noexcept {
    const std::size_t size = rounded(bytes);
    const std::lock_guard lock(mutex_);
    stats_.bytes_in_use -= size;
#if !defined(CONTEXTURE_POOL_BYPASS)
    try {
      free_[size].push_back(block);
      stats_.bytes_cached += size;
      return;
    } catch (...) {  // no memory for the list itself: give the block back below
    }
#endif
    ::operator delete(block, alignment(size));
  }

  void release_cached() noexcept {
    const std::lock_guard lock(mutex_);
    for (auto& [size, blocks] : free_) {
      for (void* block : blocks) ::operator delete(block, alignment(size));
      blocks.clear();
    }
    stats_.bytes_cached = 0;
  }

  void reset_peak() noexcept {
    const std::lock_guard lock(mutex_);
    stats_.peak_bytes_in_use = stats_.bytes_in_use;
  }

  MemoryStats stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  // From the system; what it refuses has not been in use.
  void* take(std::size_t size) {
    void* const block = ::operator new(size, alignment(size));
#if defined(__linux__)
    if (is_huge(size)) madvise(block, size / kHugePage * kHugePage, MADV_HUGEPAGE);  // a wish: fewer misses of the TLB
#endif
    const std::lock_guard lock(mutex_);
    stats_.peak_bytes_in_use = std::max(stats_.peak_bytes_in_use, stats_.bytes_in_use);
    return block;
  }

  // Blocks of several of Linux's huge pages begin with one.
  static constexpr std::size_t kHugePage = std::size_t{1} << 21;
  static constexpr bool is_huge(std::size_t size) { return size >= 2 * kHugePage; }
  static constexpr std::align_val_t alignment(std::size_t size) {
    return std::align_val_t{is_huge(size) ? kHugePage : kAlignment};
  }

  // Size classes: four steps per power of two, so at most a quarter of a block is unused.
  static std::size_t rounded(std::size_t bytes) {
    if (bytes <= 4 * kAlignment) return (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
    if (bytes > std::numeric_limits<std::size_t>::max() / 2) throw std::bad_alloc();
    const std::size_t step = std::bit_floor(bytes - 1) / 4;
    return (bytes + step - 1) / step * step;
  }

  mutable std::mutex mutex_;
  std::unordered_map<std::size_t, std::vector<void*>> free_;
  MemoryStats stats_;
};

CONTEXTURE_FUNCTION void* pool_allocate(std::size_t bytes) { return MemoryPool::instance().allocate(bytes); }
CONTEXTURE_FUNCTION void pool_deallocate(void* block, std::size_t bytes) noexcept {
  MemoryPool::instance().deallocate(block, bytes);
}

}  // namespace detail

CONTEXTURE_FUNCTION MemoryStats memory_stats() { return detail::MemoryPool::instance().stats(); }

CONTEXTURE_FUNCTION void reset_peak_memory() noexcept { detail::MemoryPool::instance().reset_peak(); }

CONTEXTURE_FUNCTION void release_cached_memory() noexcept { detail::MemoryPool::instance().release_cached(); }

}  // namespace contexture
