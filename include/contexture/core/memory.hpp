// SPDX-License-Identifier: MIT
// Aligned, pooled memory for tensors and kernel workspaces. Training asks for the same few
// dozen sizes at every step; the pool hands freed blocks out again, so a steady-state step
// takes nothing from the operating system (and pays no page faults). Under AddressSanitizer
// the pool is bypassed, so that overruns and use-after-free stay visible.
#pragma once

#include <pthread.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define CONTEXTURE_POOL_BYPASS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONTEXTURE_POOL_BYPASS 1
#endif
#endif

namespace contexture {

/// What the pool holds, in bytes and calls; see memory_stats().
struct MemoryStats {
  std::size_t bytes_in_use = 0;          ///< handed out now
  std::size_t bytes_cached = 0;          ///< freed by tensors, kept for reuse
  std::size_t peak_bytes_in_use = 0;     ///< the most handed out at once since reset_peak_memory()
  std::uint64_t system_allocations = 0;  ///< how often the operating system was asked
};

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

}  // namespace detail

/// A snapshot of the tensor memory pool.
[[nodiscard]] inline MemoryStats memory_stats() { return detail::MemoryPool::instance().stats(); }

/// Starts peak_bytes_in_use afresh, from what is in use now.
inline void reset_peak_memory() noexcept { detail::MemoryPool::instance().reset_peak(); }

/// Gives every cached block back to the operating system.
inline void release_cached_memory() noexcept { detail::MemoryPool::instance().release_cached(); }

/// Standard allocator over the pool; memory is 64-byte aligned and not zeroed. All instances
/// are equal.
template <class T>
class PoolAllocator {
 public:
  using value_type = T;

  PoolAllocator() noexcept = default;
  template <class U>
  PoolAllocator(const PoolAllocator<U>&) noexcept {}  // NOLINT: rebinding conversion

  [[nodiscard]] T* allocate(std::size_t n) {
    if (n > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
    return static_cast<T*>(detail::MemoryPool::instance().allocate(n * sizeof(T)));
  }
  void deallocate(T* p, std::size_t n) noexcept { detail::MemoryPool::instance().deallocate(p, n * sizeof(T)); }

  friend bool operator==(const PoolAllocator&, const PoolAllocator&) noexcept { return true; }
};

/// Uninitialised, 64-byte aligned scratch memory of `n` elements of a trivial type, taken from
/// the pool and given back on destruction.
template <class T>
class Workspace {
 public:
  explicit Workspace(std::size_t n) : size_(n), data_(PoolAllocator<T>().allocate(n)) {}
  ~Workspace() { PoolAllocator<T>().deallocate(data_, size_); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  [[nodiscard]] T* data() noexcept { return data_; }
  [[nodiscard]] const T* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  T& operator[](std::size_t i) noexcept { return data_[i]; }

 private:
  std::size_t size_;
  T* data_;
};

}  // namespace contexture
