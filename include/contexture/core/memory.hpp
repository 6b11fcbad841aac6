// SPDX-License-Identifier: MIT
// Aligned, pooled memory for tensors and kernel workspaces. Training asks for the same few
// dozen sizes at every step; the pool hands freed blocks out again, so a steady-state step
// takes nothing from the operating system (and pays no page faults). Under AddressSanitizer
// the pool is bypassed, so that overruns and use-after-free stay visible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>

#include "contexture/core/compiled.hpp"

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

[[nodiscard]] CONTEXTURE_FUNCTION void* pool_allocate(std::size_t bytes);
CONTEXTURE_FUNCTION void pool_deallocate(void* block, std::size_t bytes) noexcept;

}  // namespace detail

/// A snapshot of the tensor memory pool.
[[nodiscard]] CONTEXTURE_FUNCTION MemoryStats memory_stats();

/// Starts peak_bytes_in_use afresh, from what is in use now.
CONTEXTURE_FUNCTION void reset_peak_memory() noexcept;

/// Gives every cached block back to the operating system.
CONTEXTURE_FUNCTION void release_cached_memory() noexcept;

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
    return static_cast<T*>(detail::pool_allocate(n * sizeof(T)));
  }
  void deallocate(T* p, std::size_t n) noexcept { detail::pool_deallocate(p, n * sizeof(T)); }

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

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/core/memory-inl.hpp"
#endif
