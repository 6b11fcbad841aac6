// SPDX-License-Identifier: MIT
// A file whose bytes stand in memory without being read: the system fetches pages when they are touched, and takes them
// back when memory is short.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <utility>

#include "contexture/core/error.hpp"

namespace contexture {

/// All bytes of a file. They may be written, which changes this process's memory and never the file. The file may be
/// removed or replaced meanwhile; one that somebody shortens ends the process (SIGBUS).
class MappedFile {
 public:
  /// Throws InputError, naming the file, where it cannot be mapped.
  explicit MappedFile(const std::filesystem::path& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    require_input(file >= 0, path.string(), ": cannot be read: ", std::strerror(errno));
    struct stat info {};
    void* bytes = MAP_FAILED;
    if (::fstat(file, &info) == 0 && info.st_size > 0) {
      size_ = static_cast<std::size_t>(info.st_size);
      bytes = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file, 0);
    }
    const int reason = errno;
    ::close(file);
    require_input(info.st_size > 0, path.string(), ": empty");
    require_input(bytes != MAP_FAILED, path.string(), ": cannot be mapped: ", std::strerror(reason));
    bytes_ = static_cast<std::uint8_t*>(bytes);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() { ::munmap(bytes_, size_); }

  [[nodiscard]] std::uint8_t* data() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return size_; }

  /// How the bytes are going to be read: one after the other, or here and there, where reading ahead is in vain.
  void expect_sequential() const { (void)::madvise(bytes_, size_, MADV_SEQUENTIAL); }
  void expect_random() const { (void)::madvise(bytes_, size_, MADV_RANDOM); }
  /// What was read so far need not stay in this process's memory. What was written is lost.
  void forget() const { (void)::madvise(bytes_, size_, MADV_DONTNEED); }

 private:
  std::uint8_t* bytes_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace contexture
