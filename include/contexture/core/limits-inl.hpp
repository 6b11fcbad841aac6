// SPDX-License-Identifier: MIT
// The limits of core/limits.hpp.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include "contexture/core/error.hpp"
#include "contexture/core/limits.hpp"

namespace contexture::detail {

// What a small file of the system's says; empty where there is none. Without streams: every source includes this.
inline std::string text_in(const std::string& path) {
  std::string text;
  std::FILE* const file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return text;
  char bytes[512];
  for (std::size_t n = 0; (n = std::fread(bytes, 1, sizeof(bytes), file)) > 0;) text.append(bytes, n);
  std::fclose(file);
  return text;
}

// The whole numbers at the beginning of a file; none for "max", or where there is no such file.
inline std::vector<double> numbers_in(const std::string& path) {
  std::vector<double> numbers;
  const std::string text = text_in(path);
  const char *at = text.data(), *const end = at + text.size();
  for (std::int64_t number = 0;;) {
    while (at != end && (*at == ' ' || *at == '\n')) ++at;
    const auto [stop, error] = std::from_chars(at, end, number);
    if (error != std::errc()) return numbers;
    numbers.push_back(static_cast<double>(number));
    at = stop;
  }
}

CONTEXTURE_FUNCTION std::vector<std::string> control_groups(const std::string& root, const std::string& controller) {
  std::vector<std::string> folders;
  const std::string groups = text_in(root + "proc/self/cgroup");
  for (std::size_t begin = 0, end = 0; (end = groups.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string line = groups.substr(begin, end - begin);  // "0::/path", before version 2 "5:cpu,cpuacct:/path"
    const std::size_t first = line.find(':'), second = line.find(":/", first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::string names = ",";
    names.append(line, first + 1, second - first - 1).push_back(',');
    if (names != ",," && names.find("," + controller + ",") == std::string::npos) continue;
    std::string folder = root + "sys/fs/cgroup/" + (names == ",," ? "" : controller + "/");
    folders.push_back(folder);
    for (std::size_t at = second + 2; at < line.size();) {
      const std::size_t slash = std::min(line.find('/', at), line.size());
      folder += line.substr(at, slash - at) + "/";
      folders.push_back(folder);
      at = slash + 1;
    }
  }
  return folders;
}

CONTEXTURE_FUNCTION double processor_quota(const std::string& root) {
  double least = std::numeric_limits<double>::max();
  for (const std::string& folder : control_groups(root, "cpu")) {
    std::vector<double> time = numbers_in(folder + "cpu.max");  // quota and period, in microseconds
    if (time.empty())
      for (const char* name : {"cpu.cfs_quota_us", "cpu.cfs_period_us"})
        for (const double number : numbers_in(folder + name)) time.push_back(number);
    if (time.size() == 2 && time[0] > 0 && time[1] > 0) least = std::min(least, time[0] / time[1]);
  }
  return least;
}

CONTEXTURE_FUNCTION int available_processors(const std::string& root) {
  int processors = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) processors = std::max(1, CPU_COUNT(&set));
#endif
  const double quota = std::round(processor_quota(root));
  return quota < processors ? std::max(1, static_cast<int>(quota)) : processors;
}

CONTEXTURE_FUNCTION MemoryLimit memory_limit(const std::string& root) {
  MemoryLimit least;
  const auto take = [&](double bytes, const char* of) {
    if (bytes > 0 && bytes < least.bytes) least = {bytes, of};
  };
  take(static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE)), "this machine");
  for (const std::string& folder : control_groups(root, "memory"))
    for (const char* name : {"memory.max", "memory.limit_in_bytes"})
      for (const double bytes : numbers_in(folder + name)) take(bytes, "its control group");
  for (const auto resource : {RLIMIT_AS, RLIMIT_DATA}) {
    rlimit limit{};
    if (::getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
      take(static_cast<double>(limit.rlim_cur), resource == RLIMIT_AS ? "ulimit -v" : "ulimit -d");
  }
  return least;
}

CONTEXTURE_FUNCTION void require_memory(std::string_view what, double bytes, const std::string& root) {
  const MemoryLimit limit = memory_limit(root);
  const auto gib = [](double size) { return std::round(size / 107374182.4) / 10; };
  require_input(bytes <= limit.bytes, what, ": need ", gib(bytes), " GiB of memory, more than the ", gib(limit.bytes),
                " GiB of ", limit.of);
}

}  // namespace contexture::detail
