// SPDX-License-Identifier: MIT
// What the system grants this process: processors and memory, by affinity, by its control groups (containers, systemd),
// by limits of the shell (ulimit). Where it does not say, there is no limit.
#pragma once

#include <sys/resource.h>

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/compiled.hpp"

namespace contexture::detail {

// The folders below `root` with this controller's limits for this process, each with a slash at its end: of its control
// group and of all above it, of which each may be the tightest. A container sees its own group as the topmost one.
CONTEXTURE_FUNCTION std::vector<std::string> control_groups(const std::string& root, const std::string& controller);

// Processors' worth of time that the control groups grant; infinite where they don't limit it.
CONTEXTURE_FUNCTION double processor_quota(const std::string& root = "/");

// Processors this process can keep busy; at least 1. Threads beyond a quota are all stopped together when it is used
// up, so that more of them are slower than as many as fit.
CONTEXTURE_FUNCTION int available_processors(const std::string& root = "/");

// Bytes of addresses that OpenBLAS's x86-64 builds take for each thread that calls them, with what the system adds.
inline constexpr std::size_t kOpenblasBuffer = (std::size_t{32} << 22) + (std::size_t{1} << 20);

// Whether the process has a limit of its own (ulimit -v, -d), at which the system refuses it memory.
inline bool memory_is_limited() {
  rlimit space{}, data{};
  return (::getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) ||
         (::getrlimit(RLIMIT_DATA, &data) == 0 && data.rlim_cur != RLIM_INFINITY);
}

struct MemoryLimit {
  double bytes = std::numeric_limits<double>::max();
  std::string of = {};  // who sets it
};

// The most memory that this process can ever have.
CONTEXTURE_FUNCTION MemoryLimit memory_limit(const std::string& root = "/");

// Throws InputError where `what` cannot be had, before the system is asked: it may grant more than there is, and end
// the process when that is used.
CONTEXTURE_FUNCTION void require_memory(std::string_view what, double bytes, const std::string& root = "/");

}  // namespace contexture::detail

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/core/limits-inl.hpp"
#endif
