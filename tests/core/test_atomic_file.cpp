// SPDX-License-Identifier: MIT
// Whole files or none: what is there after a write that worked, and after each way it can fail.
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <string>

#include "contexture/core/atomic_file.hpp"
#include "contexture/core/folder_lock.hpp"
#include "contexture/core/mapped_file.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/full_disk.hpp"

using namespace contexture;
using files::bytes_of, files::Folder;
namespace fs = std::filesystem;

namespace {

std::ptrdiff_t entries(const Folder& folder) {
  return std::distance(fs::directory_iterator(folder.path), fs::directory_iterator());
}

void write(const fs::path& path, const std::string& text) {
  detail::write_atomically(path, [&](std::ostream& out) { out << text; });
}

}  // namespace

TEST_CASE("write_atomically: the old file or the new one, and nothing else") {
  const Folder folder;
  const fs::path path = folder.path / "a.txt";
  write(path, "old");
  write(path, "new");
  CHECK(bytes_of(path) == "new");
  {
    std::string what;
    try {
      const FullDisk full(1000);
      write(path, std::string(100'000, 'x'));
    } catch (const InputError& error) {
      what = error.what();
    }
    CHECK(what == path.string() + ": writing failed: File too large");
  }
  CHECK_THROWS_AS(detail::write_atomically(path, [](std::ostream&) { throw std::runtime_error("of the caller's"); }),
                  std::runtime_error);
  CHECK(bytes_of(path) == "new");
  CHECK(entries(folder) == 1);
}

TEST_CASE("keep_as: the copy has what the file has, which stays, and nothing else is left") {
  const Folder folder;
  const fs::path path = folder.path / "a.txt", copy = folder.path / "a.previous.txt";
  detail::keep_as(path, copy);  // nothing to keep
  CHECK(entries(folder) == 0);
  write(path, "first");
  detail::keep_as(path, copy);
  CHECK(bytes_of(copy) == "first");
  CHECK(bytes_of(path) == "first");
  detail::keep_as(path, copy);  // both are one file
  CHECK(entries(folder) == 2);
  write(path, "second");
  CHECK(bytes_of(copy) == "first");
  detail::keep_as(path, copy);
  CHECK(bytes_of(copy) == "second");
  CHECK(bytes_of(path) == "second");
  CHECK(entries(folder) == 2);
}

TEST_CASE("a process without standard input writes, locks and maps files as any other") {
  const Folder folder;
  const fs::path path = folder.path / "a.txt";
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {  // the files that it opens get the number 0
    ::close(STDIN_FILENO);
    int done = 0;
    try {
      write(path, "text");
      ++done;
      { const FolderLock lock(folder.path); }
      ++done;
      done += MappedFile(path).size() == 4;
    } catch (...) {
    }
    ::_exit(done);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 3);
  CHECK(entries(folder) == 1);
}

TEST_CASE("write_atomically: places that cannot be written are named with the reason") {
  const Folder folder;
  const fs::path absent = folder.path / "absent" / "a.txt";
  CHECK_THROWS_WITH(write(absent, "x"), absent.string() + ": cannot write here: No such file or directory");
  fs::create_directories(folder.path / "folder" / "in the way");
  CHECK_THROWS_WITH(write(folder.path / "folder", "x"),
                    Catch::Matchers::ContainsSubstring("folder: cannot write here: Is a directory"));
  CHECK(entries(folder) == 1);
}
