// SPDX-License-Identifier: MIT
// Folders with one owner: who comes second is told whose it is, and what a killed owner leaves is in nobody's way.
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "contexture/core/folder_lock.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

using namespace contexture;
namespace fs = std::filesystem;

namespace {

std::string answer(const fs::path& folder) {
  try {
    const FolderLock lock(folder);
    return "free";
  } catch (const InputError& error) {
    return error.what();
  }
}

// While one of these lives, the file system has no locks.
struct WithoutLocks {
  WithoutLocks() { on = true; }
  ~WithoutLocks() { on = false; }
  WithoutLocks(const WithoutLocks&) = delete;
  WithoutLocks& operator=(const WithoutLocks&) = delete;
  static inline bool on = false;
};

}  // namespace

// Takes the place of the system's in this program, whose parameters have reserved names.
// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
extern "C" int flock(int file, int operation) noexcept {
  if (!WithoutLocks::on) return static_cast<int>(::syscall(SYS_flock, file, operation));
  errno = ENOLCK;
  return -1;
}

TEST_CASE("where the file system has no locks, a folder's owner is known by its number") {
  const files::Folder folder;
  const WithoutLocks none;
  const auto owned_by = [&](const std::string& owner) {
    std::ofstream(folder.path / FolderLock::kFileName) << owner;
    return answer(folder.path);
  };
  std::array<char, 256> name{};
  REQUIRE(::gethostname(name.data(), name.size() - 1) == 0);
  const std::string host = name.data();
  const pid_t gone = ::fork();
  REQUIRE(gone >= 0);
  if (gone == 0) ::_exit(0);
  ::waitpid(gone, nullptr, 0);

  CHECK(answer(folder.path) == "free");
  CHECK(owned_by("") == "free");
  CHECK(owned_by("no number") == "free");
  CHECK(owned_by(message(gone, " ", host, "\n")) == "free");
  CHECK(owned_by(message(::getpid(), " ", host, "\n")) == "free");
  const pid_t living = ::fork();
  REQUIRE(living >= 0);
  if (living == 0) {
    ::pause();
    ::_exit(0);
  }
  CHECK_THAT(
      owned_by(message(living, " ", host, "\n")),
      Catch::Matchers::ContainsSubstring(message("a run that is alive writes here, process ", living, " on ", host)) &&
          Catch::Matchers::ContainsSubstring(
              message("if it is not alive: remove ", (folder.path / FolderLock::kFileName).string())));
  ::kill(living, SIGKILL);
  ::waitpid(living, nullptr, 0);
  // Of a text that is no owner's as much is told as fits, and of another machine nothing is known.
  CHECK_THAT(owned_by("1 " + std::string(400, 'x')),
             Catch::Matchers::ContainsSubstring("process 1 on " + std::string(297, 'x') + ";"));
  CHECK_THAT(owned_by(message(gone, " elsewhere.", host, "\n")),
             Catch::Matchers::ContainsSubstring(message("process ", gone, " on elsewhere.", host)));
}

TEST_CASE("a folder that is held is refused with its owner's name, and free afterwards") {
  const files::Folder folder;
  {
    FolderLock lock(folder.path);
    const std::string refusal = answer(folder.path);
    CHECK_THAT(refusal, Catch::Matchers::ContainsSubstring(
                            message(folder.path.string(), ": a run that is alive writes here, process ", ::getpid())));
    CHECK(refusal.find('\n') == std::string::npos);
    FolderLock elsewhere = std::move(lock);
    CHECK(answer(folder.path) == refusal);
  }
  CHECK(fs::is_empty(folder.path));
  CHECK(answer(folder.path) == "free");
  CHECK_THAT(answer(folder.path / "absent"), Catch::Matchers::ContainsSubstring("cannot write here: No such file"));
}

TEST_CASE("an owner that was killed leaves a folder that can be had, without its half-written files") {
  const files::Folder folder;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const FolderLock lock(folder.path);
    std::ofstream(folder.path / message("weights.tmp", ::getpid(), ".3")) << "half";
    const bool told = ::write(ready[1], "x", 1) == 1;
    if (told) ::pause();
    ::_exit(1);
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  for (const int end : ready) ::close(end);
  CHECK_THAT(answer(folder.path), Catch::Matchers::ContainsSubstring(message("process ", child, " on ")));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(fs::exists(folder.path / FolderLock::kFileName));
  const std::string living = message("mine.tmp", ::getpid(), ".0");
  for (const std::string& name : {living, std::string("a.tmp"), std::string("a.tmp12"), std::string("a.tmpx.1")})
    std::ofstream(folder.path / name) << "kept";
  CHECK(answer(folder.path) == "free");
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 4);
  CHECK(fs::exists(folder.path / living));
}

TEST_CASE("a child of fork() that ends leaves the lock to its owner") {
  const files::Folder folder;
  FolderLock lock(folder.path);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    { const FolderLock copy = std::move(lock); }
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  CHECK(fs::exists(folder.path / FolderLock::kFileName));
  CHECK_THAT(answer(folder.path), Catch::Matchers::ContainsSubstring("a run that is alive writes here"));
}
