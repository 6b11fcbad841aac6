// SPDX-License-Identifier: MIT
// Files that appear complete under their name or not at all: a reader never sees a half-written one, and a failure
// leaves what was there before.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "contexture/core/error.hpp"

namespace contexture::detail {

// Is there a process of this number on this machine? As far as can be seen from here.
inline bool process_lives(long process) {
  return process > 0 && (::kill(static_cast<pid_t>(process), 0) == 0 || errno != ESRCH);
}

// A name beside `path` that no other call has, in this process or another.
inline std::filesystem::path temporary_beside(const std::filesystem::path& path) {
  static std::atomic<unsigned> calls{0};
  return path.string() + ".tmp" + std::to_string(::getpid()) + "." + std::to_string(calls++);
}

// What a write that ended at any place left in `folder`, of processes that are gone. Not those of processes elsewhere
// that write in the same folder over a network: to be called where nobody else writes (core/folder_lock.hpp).
inline void remove_orphaned_temporaries(const std::filesystem::path& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> orphans;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    const std::size_t mark = name.rfind(".tmp");
    if (mark == std::string::npos) continue;
    const char* const end = name.data() + name.size();
    long process = 0;
    unsigned call = 0;
    const auto [dot, bad_process] = std::from_chars(name.data() + mark + 4, end, process);
    if (bad_process != std::errc() || dot == end || *dot != '.') continue;
    const auto [rest, bad_call] = std::from_chars(dot + 1, end, call);
    if (bad_call == std::errc() && rest == end && !process_lives(process)) orphans.push_back(entry.path());
  }
  for (const std::filesystem::path& orphan : orphans) std::filesystem::remove(orphan, error);
}

// To the disk, with the file's bytes or the folder's names. Errno is the reason where it fails.
inline bool sync_to_disk(const std::filesystem::path& path) {
  const int opened = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (opened < 0) return false;
  const bool synced =
      ::fsync(opened) == 0 || errno == EINVAL || errno == EROFS;  // some file systems know no such thing
  const int reason = errno;
  ::close(opened);
  errno = reason;
  return synced;
}

inline std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// Calls write(std::ostream&) on a temporary file in the same folder, then ready(temporary), and renames that to `path`.
// Throws InputError, one line with the path and the system's reason.
template <class Write, class Ready>
void write_atomically(const std::filesystem::path& path, Write write, Ready ready) {
  const std::filesystem::path temporary = temporary_beside(path);
  try {
    errno = 0;
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    require_input(out.good(), path.string(), ": cannot write here: ", std::strerror(errno));
    write(out);
    out.flush();
    require_input(out.good(), path.string(), ": writing failed: ", std::strerror(errno != 0 ? errno : ENOSPC));
    out.close();
    require_input(!out.fail(), path.string(), ": writing failed: ", std::strerror(errno != 0 ? errno : ENOSPC));
    // On the disk before it takes the old file's name, and the name before anybody relies on it: a power cut leaves one
    // or the other.
    require_input(sync_to_disk(temporary), path.string(), ": writing failed: ", std::strerror(errno));
    ready(temporary);
    std::filesystem::rename(temporary, path);
    const std::filesystem::path folder = folder_of(path);
    // A folder may be writable and not readable; then the rename is as safe as the system makes it.
    require_input(sync_to_disk(folder) || errno == EACCES, path.string(), ": writing failed: ", std::strerror(errno));
  } catch (const std::filesystem::filesystem_error& e) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw InputError(message(path.string(), ": cannot write here: ", e.code().message()));
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw;
  }
}

template <class Write>
void write_atomically(const std::filesystem::path& path, Write write) {
  write_atomically(path, write, [](const std::filesystem::path&) {});
}

// `copy` has what `path` has, where there is one; `path` itself stays. To be called before something takes its name.
inline void keep_as(const std::filesystem::path& path, const std::filesystem::path& copy) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return;
  const std::filesystem::path temporary = temporary_beside(copy);
  std::filesystem::create_hard_link(path, temporary, error);
  // Where the file system has no links, the name is missing until the new file takes it.
  std::filesystem::rename(error ? path : temporary, copy);
  std::filesystem::remove(temporary, error);  // renaming does nothing where both names are of one file already
}

}  // namespace contexture::detail
