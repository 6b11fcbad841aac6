// SPDX-License-Identifier: MIT
// A folder that one process at a time writes its results to. The lock is the kernel's, on a file in the folder that
// says whose it is, so that it ends with its process however that ends; the file of a killed one is taken over.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <string>
#include <utility>

#include "contexture/core/atomic_file.hpp"
#include "contexture/core/error.hpp"

namespace contexture {

/// Holds a folder for this process until it is destroyed. Another thread or process that wants it meanwhile gets an
/// InputError that names the owner.
class FolderLock {
 public:
  FolderLock() = default;
  /// Of an existing folder. Also removes what processes that are gone left half-written there.
  explicit FolderLock(const std::filesystem::path& folder) : path_(folder / kFileName) {
    // The owner before may remove the file between our opening and locking it: then another one is in its place.
    do {
      close();
      file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
      require_input(file_ >= 0, path_.string(), ": cannot write here: ", std::strerror(errno));
      if (::flock(file_, LOCK_EX | LOCK_NB) != 0) refuse(folder, errno);
    } while (!is_at_path());
    const std::string owner = message(::getpid(), " ", host(), "\n");
    const bool written = ::ftruncate(file_, 0) == 0 &&
                         ::pwrite(file_, owner.data(), owner.size(), 0) == static_cast<ssize_t>(owner.size());
    if (!written) {
      const int reason = errno;
      release();
      throw InputError(message(path_.string(), ": writing failed: ", std::strerror(reason)));
    }
    detail::remove_orphaned_temporaries(folder);
  }
  FolderLock(FolderLock&& other) noexcept
      : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)), process_(other.process_) {}
  FolderLock& operator=(FolderLock&& other) noexcept {
    if (this != &other) {
      release();
      path_ = std::move(other.path_);
      file_ = std::exchange(other.file_, -1);
      process_ = other.process_;
    }
    return *this;
  }
  ~FolderLock() { release(); }

  [[nodiscard]] bool held() const { return file_ >= 0; }
  /// Name of the file in the folder.
  static constexpr const char* kFileName = ".contexture.lock";

 private:
  static std::string host() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data() : "unknown";
  }

  [[nodiscard]] bool is_at_path() const {
    struct stat ours {
    }, there{};
    return ::fstat(file_, &ours) == 0 && ::stat(path_.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
  }

  // The lock was not to be had, for this reason. Returns where the file system has no locks and the file's owner, by
  // its number, is gone.
  void refuse(const std::filesystem::path& folder, int reason) {
    std::array<char, 300> bytes{};
    const ssize_t size = ::pread(file_, bytes.data(), bytes.size() - 1, 0);
    std::istringstream text(size > 0 ? bytes.data() : "");
    text.imbue(std::locale::classic());
    long process = 0;
    std::string where;
    const bool known = static_cast<bool>(text >> process >> where);
    if (reason != EWOULDBLOCK) {
      const bool gone = where == host() && (!detail::process_lives(process) || process == ::getpid());
      if (!known || gone) return;
    }
    close();
    throw InputError(
        message(folder.string(), ": a run that is alive writes here",
                known ? message(", process ", process, " on ", where) : std::string(),
                "; wait until it has ended, or give another folder",
                reason == EWOULDBLOCK ? std::string() : message(" (if it is not alive: remove ", path_.string(), ")")));
  }

  void close() {
    if (file_ >= 0) ::close(file_);
    file_ = -1;
  }

  // The file goes before the lock does: who opened it meanwhile sees that it is no longer the one. A process that
  // fork() made has a copy of this, and the lock is not its own.
  void release() {
    if (file_ >= 0 && process_ == ::getpid()) ::unlink(path_.c_str());
    close();
  }

  std::filesystem::path path_;
  int file_ = -1;
  pid_t process_ = ::getpid();
};

}  // namespace contexture
