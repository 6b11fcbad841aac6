// SPDX-License-Identifier: MIT
// The processes that compute one training together, as the library sees them: numbered from 0, and able to add numbers
// up and to show each other bytes. What carries them is the business of who implements ProcessGroup (train/mpi.hpp); a
// thread that nobody told of a group is the only one of its own.
//
// A call that all processes of a group have to make, in the same order, is collective.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "contexture/core/bfloat16.hpp"
#include "contexture/core/compiled.hpp"

namespace contexture {

/// Processes that compute together: what each gives becomes known to all. Of one process alone unless somebody sets
/// another.
class ProcessGroup {
 public:
  /// A sum under way. Its values may be used once wait() has returned.
  class Pending {
   public:
    virtual ~Pending() = default;
    /// Moves it on without waiting; true once it is done.
    virtual bool test() = 0;
    virtual void wait() = 0;
  };

  virtual ~ProcessGroup() = default;
  /// Number of this process, 0 to size() - 1.
  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  /// Puts the sum over all processes in the place of each value: the same bits in all of them. Collective.
  virtual void sum(std::span<double> values) = 0;
  /// Begins the same sum; values stay untouched until it is done. Collective; several may be under way.
  [[nodiscard]] virtual std::unique_ptr<Pending> begin_sum(std::span<double> values) = 0;
  /// Begins the same of floats.
  [[nodiscard]] virtual std::unique_ptr<Pending> begin_sum(std::span<float> values) = 0;
  /// The same of bfloat16: each sum of two is rounded again.
  [[nodiscard]] virtual std::unique_ptr<Pending> begin_sum(std::span<bfloat16> values) = 0;
  /// What each process gave, in their order; lengths may differ. Collective.
  [[nodiscard]] virtual std::vector<std::vector<std::byte>> gather(std::span<const std::byte> bytes) = 0;
};

namespace detail {

CONTEXTURE_FUNCTION ProcessGroup& only_process() noexcept;

inline ProcessGroup*& current_process_group() noexcept {
  thread_local ProcessGroup* group = nullptr;
  return group;
}

inline ProcessGroup*& batch_sharing_group() noexcept {
  thread_local ProcessGroup* group = nullptr;
  return group;
}

inline ProcessGroup*& norm_sharing_group() noexcept {
  thread_local ProcessGroup* group = nullptr;
  return group;
}

}  // namespace detail

/// The group that this thread computes in.
[[nodiscard]] inline ProcessGroup& process_group() noexcept {
  ProcessGroup* const group = detail::current_process_group();
  return group != nullptr ? *group : detail::only_process();
}

/// This thread computes in a group, or alone, as long as one of these lives.
class ProcessGroupGuard {
 public:
  explicit ProcessGroupGuard(ProcessGroup& group = detail::only_process())
      : before_(std::exchange(detail::current_process_group(), &group)) {}
  ~ProcessGroupGuard() { detail::current_process_group() = before_; }
  ProcessGroupGuard(const ProcessGroupGuard&) = delete;
  ProcessGroupGuard& operator=(const ProcessGroupGuard&) = delete;

 private:
  ProcessGroup* before_;
};

/// While one of these lives, what this thread computes is its part of a batch that the processes of its group share.
/// Nothing changes in a group of one.
class SharedBatchGuard {
 public:
  /// `norm`: batch normalisation takes its statistics of the whole batch, else of this process's part.
  explicit SharedBatchGuard(bool norm) : batch_(detail::batch_sharing_group()), norm_(detail::norm_sharing_group()) {
    ProcessGroup* const group = process_group().size() > 1 ? &process_group() : nullptr;
    detail::batch_sharing_group() = group;
    detail::norm_sharing_group() = norm ? group : nullptr;
  }
  ~SharedBatchGuard() {
    detail::batch_sharing_group() = batch_;
    detail::norm_sharing_group() = norm_;
  }
  SharedBatchGuard(const SharedBatchGuard&) = delete;
  SharedBatchGuard& operator=(const SharedBatchGuard&) = delete;

 private:
  ProcessGroup *batch_, *norm_;
};

/// The processes that share this thread's batch; null: it is this process's alone.
[[nodiscard]] inline ProcessGroup* shared_batch() noexcept { return detail::batch_sharing_group(); }

/// Those whose parts batch normalisation sees as one; null: it sees this process's.
[[nodiscard]] inline ProcessGroup* shared_norm() noexcept { return detail::norm_sharing_group(); }

/// What each process gave, one after the other. Collective.
template <class T>
[[nodiscard]] std::vector<T> gather_values(ProcessGroup& group, std::span<const T> values) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::vector<T> all;
  for (const std::vector<std::byte>& part : group.gather(std::as_bytes(values))) {
    const std::size_t before = all.size();
    all.resize(before + part.size() / sizeof(T));
    if (!part.empty()) std::memcpy(all.data() + before, part.data(), part.size());
  }
  return all;
}

/// One value of each process, in their order. Collective.
template <class T>
[[nodiscard]] std::vector<T> gather_value(ProcessGroup& group, const T& value) {
  return gather_values<T>(group, std::span<const T>(&value, 1));
}

/// The first process's value. Collective.
template <class T>
[[nodiscard]] T of_first(ProcessGroup& group, const T& value) {
  return group.size() == 1 ? value : gather_value(group, value).front();
}

/// Texts of all processes, in their order. Collective.
[[nodiscard]] CONTEXTURE_FUNCTION std::vector<std::string> gather_texts(ProcessGroup& group, const std::string& text);

/// Puts the first process's values in the place of this one's. Collective; as many in all processes.
template <class T>
void take_from_first(ProcessGroup& group, std::span<T> values) {
  if (group.size() == 1) return;
  const std::span<const T> given = group.rank() == 0 ? std::span<const T>(values) : std::span<const T>();
  const std::vector<std::vector<std::byte>> all = group.gather(std::as_bytes(given));
  if (group.rank() != 0 && !values.empty())
    std::memcpy(values.data(), all.front().data(), std::min(values.size_bytes(), all.front().size()));
}

/// A part of what is divided evenly among processes.
struct Part {
  std::int64_t index = 0, of = 1;
  [[nodiscard]] std::int64_t begin(std::int64_t count) const { return index * count / of; }
  [[nodiscard]] std::int64_t end(std::int64_t count) const { return (index + 1) * count / of; }
};

/// This process's part of what its group divides.
[[nodiscard]] inline Part part_of(const ProcessGroup& group) { return {group.rank(), group.size()}; }

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/core/process_group-inl.hpp"
#endif
