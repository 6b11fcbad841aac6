// SPDX-License-Identifier: MIT
// Temporary folders: a killed process's is removed by the next one, and nobody else's.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <iterator>

#include "contexture/report/files.hpp"
#include "support/catch.hpp"
#include "support/runs.hpp"

using namespace contexture;
namespace fs = std::filesystem;

TEST_CASE("temporary folders of killed processes are removed, those of living ones stay") {
  const runs::Folder folder("orphans");
  const auto entries = [&] { return std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()); };
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    fs::create_directory(folder.path / message("contexture-report-", ::getpid(), "-abcdef"));
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  fs::create_directory(folder.path / message("contexture-report-", ::getpid(), "-abcdef"));
  fs::create_directory(folder.path / "contexture-report-of-somebody");
  REQUIRE(entries() == 3);
  report::detail::remove_orphaned_folders(folder.path);
  CHECK(entries() == 2);
  CHECK(fs::exists(folder.path / "contexture-report-of-somebody"));
}
