// Files that appear complete under their name or not at all: a reader never sees a half-written one, and a failure
// leaves what was there before.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "contexture/core/error.hpp"

namespace contexture::detail {

// A name beside `path` that no other call has, in this process or another.
inline std::filesystem::path temporary_beside(const std::filesystem::path& path) {
  static std::atomic<unsigned> calls{0};
  return path.string() + ".tmp" + std::to_string(::getpid()) + "." + std::to_string(calls++);
}

// Calls write(std::ostream&) on a temporary file in the same folder and renames that to `path`. Throws InputError, one
// line with the path and the system's reason.
template <class Write>
void write_atomically(const std::filesystem::path& path, Write write) {
  const std::filesystem::path temporary = temporary_beside(path);
  try {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    require_input(out.good(), path.string(), ": cannot write here: ", std::strerror(errno));
    write(out);
    out.flush();
    require_input(out.good(), path.string(), ": writing failed: ", std::strerror(errno != 0 ? errno : ENOSPC));
    out.close();
    require_input(!out.fail(), path.string(), ": writing failed: ", std::strerror(errno != 0 ? errno : ENOSPC));
    // On the disk before it takes the old file's name: a power cut leaves one or the other.
    const int written = ::open(temporary.c_str(), O_RDONLY | O_CLOEXEC);
    const bool synced = written >= 0 && (::fsync(written) == 0 || errno == EINVAL || errno == EROFS);
    const int reason = errno;
    if (written >= 0) ::close(written);
    require_input(synced, path.string(), ": writing failed: ", std::strerror(reason));
    std::filesystem::rename(temporary, path);
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

}  // namespace contexture::detail
