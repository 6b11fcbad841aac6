// SPDX-License-Identifier: MIT
// What the system grants, from made-up files of its own, and that what is not to be had is refused beforehand.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "contexture/core/error.hpp"
#include "contexture/core/limits.hpp"
#include "support/catch.hpp"

using namespace contexture;
namespace fs = std::filesystem;

namespace {

// A root folder of a system, with the files that tell of control groups.
class SystemRoot {
 public:
  SystemRoot() { fs::create_directories(path_); }
  SystemRoot(const SystemRoot&) = delete;
  SystemRoot& operator=(const SystemRoot&) = delete;
  ~SystemRoot() { fs::remove_all(path_); }

  SystemRoot& file(const std::string& name, const std::string& text) {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
    return *this;
  }
  [[nodiscard]] std::string root() const { return path_.string() + "/"; }

 private:
  fs::path path_ = fs::temp_directory_path() / message("contexture-limits-", ::getpid());
};

constexpr double kNone = std::numeric_limits<double>::max();

}  // namespace

TEST_CASE("a quota of processors is seen, the tightest of a group and those above it", "[core]") {
  SystemRoot system;
  CHECK(detail::processor_quota(system.root()) == kNone);
  CHECK(detail::available_processors(system.root()) >= 1);
  system.file("proc/self/cgroup", "0::/user.slice/my app\n").file("sys/fs/cgroup/cpu.max", "max 100000\n");
  CHECK(detail::processor_quota(system.root()) == kNone);
  system.file("sys/fs/cgroup/user.slice/my app/cpu.max", "250000 100000\n");
  CHECK(detail::processor_quota(system.root()) == 2.5);
  system.file("sys/fs/cgroup/user.slice/cpu.max", "50000 100000\n");
  CHECK(detail::processor_quota(system.root()) == 0.5);
  CHECK(detail::available_processors(system.root()) == 1);
}

TEST_CASE("control groups of version 1, and as a container sees them", "[core]") {
  SystemRoot system;
  system.file("proc/self/cgroup",
              "9:name=systemd:/x\n4:memory:/docker/abc\n2:cpuset:/y\n1:cpu,cpuacct:/docker/abc\n0::/z\n");
  // Of the folders in the first file, a container has none but the topmost.
  system.file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n").file("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  CHECK(detail::processor_quota(system.root()) == kNone);
  system.file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
  CHECK(detail::processor_quota(system.root()) == 1);
  CHECK(detail::available_processors(system.root()) == 1);
  const double all = detail::memory_limit(system.root()).bytes;
  CHECK(all > 0);
  system.file("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK(detail::memory_limit(system.root()).bytes == all);
  system.file("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "104857600\n");
  CHECK(detail::memory_limit(system.root()).bytes == 104857600);
  CHECK(detail::memory_limit(system.root()).of == "its control group");
}

TEST_CASE("memory beyond a control group's is refused before the system is asked", "[core]") {
  SystemRoot system;
  system.file("proc/self/cgroup", "0::/box\n").file("sys/fs/cgroup/box/memory.max", "1073741824\n");
  CHECK_NOTHROW(detail::require_memory("70 images", 1073741824.0, system.root()));
  CHECK_THROWS_WITH(detail::require_memory("70 images", 31 * 1073741824.0, system.root()),
                    "70 images: need 31 GiB of memory, more than the 1 GiB of its control group");
  CHECK_THROWS_AS(detail::require_memory("70 images", 1e18), InputError);
}

TEST_CASE("a limit that a process has of its own is seen, of addresses or of data", "[core]") {
  const auto limited = [](int resource) {  // in a process of its own; more than anybody has, so that nothing fails
    const pid_t child = ::fork();
    if (child == 0) {
      const rlimit none{RLIM_INFINITY, RLIM_INFINITY}, much{rlim_t{1} << 50, RLIM_INFINITY};
      const bool set = ::setrlimit(RLIMIT_AS, resource == RLIMIT_AS ? &much : &none) == 0 &&
                       ::setrlimit(RLIMIT_DATA, resource == RLIMIT_DATA ? &much : &none) == 0;
      ::_exit(set ? static_cast<int>(detail::memory_is_limited()) : 2);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  rlimit now{};
  REQUIRE(::getrlimit(RLIMIT_AS, &now) == 0);
  if (now.rlim_max != RLIM_INFINITY) return;  // none may be lifted here
  CHECK(limited(RLIMIT_AS) == 1);
  CHECK(limited(RLIMIT_DATA) == 1);
  CHECK(limited(RLIMIT_CORE) == 0);
}

TEST_CASE("files of the system that make no sense limit nothing", "[core]") {
  SystemRoot system;
  for (const char* groups : {"", "\n", "0\n", "0:\n", "0::\n", "::\n", "0::relative\n", "0::/../x\n", "no end"}) {
    CAPTURE(groups);
    system.file("proc/self/cgroup", groups).file("sys/fs/cgroup/cpu.max", "lots\n");
    CHECK(detail::processor_quota(system.root()) == kNone);
  }
  system.file("proc/self/cgroup", "0::/\n");
  for (const char* quota : {"", "max", "100000", "0 100000", "100000 0", "-5 100000", "99999999999999999999 1"}) {
    CAPTURE(quota);
    system.file("sys/fs/cgroup/cpu.max", quota);
    CHECK(detail::processor_quota(system.root()) == kNone);
  }
}
