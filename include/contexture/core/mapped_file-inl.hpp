// SPDX-License-Identifier: MIT
// How core/mapped_file.hpp asks the system.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "contexture/core/error.hpp"
#include "contexture/core/mapped_file.hpp"

namespace contexture {

CONTEXTURE_FUNCTION MappedFile::MappedFile(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  require_input(file >= 0, path, ": cannot be read: ", std::strerror(errno));
  struct stat info {};
  void* bytes = MAP_FAILED;
  if (::fstat(file, &info) == 0 && info.st_size > 0) {
    size_ = static_cast<std::size_t>(info.st_size);
    bytes = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file, 0);
  }
  const int reason = errno;
  ::close(file);
  require_input(info.st_size > 0, path, ": empty");
  require_input(bytes != MAP_FAILED, path, ": cannot be mapped: ", std::strerror(reason));
  bytes_ = static_cast<std::uint8_t*>(bytes);
}

CONTEXTURE_FUNCTION MappedFile::~MappedFile() { ::munmap(bytes_, size_); }

CONTEXTURE_FUNCTION void MappedFile::expect_sequential() const { (void)::madvise(bytes_, size_, MADV_SEQUENTIAL); }

CONTEXTURE_FUNCTION void MappedFile::expect_random() const { (void)::madvise(bytes_, size_, MADV_RANDOM); }

CONTEXTURE_FUNCTION void MappedFile::forget() const { (void)::madvise(bytes_, size_, MADV_DONTNEED); }

}  // namespace contexture
