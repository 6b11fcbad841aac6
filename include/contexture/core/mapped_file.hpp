// SPDX-License-Identifier: MIT
// A file whose bytes stand in memory without being read: the system fetches pages when they are touched, and takes them
// back when memory is short.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "contexture/core/compiled.hpp"

namespace contexture {

/// All bytes of a file. They may be written, which changes this process's memory and never the file. The file may be
/// removed or replaced meanwhile; one that somebody shortens ends the process (SIGBUS).
class MappedFile {
 public:
  /// Throws InputError, naming the file, where it cannot be mapped.
  explicit CONTEXTURE_FUNCTION MappedFile(const std::string& path);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  CONTEXTURE_FUNCTION ~MappedFile();
  [[nodiscard]] std::uint8_t* data() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return size_; }

  /// How the bytes are going to be read: one after the other, or here and there, where reading ahead is in vain.
  CONTEXTURE_FUNCTION void expect_sequential() const;
  CONTEXTURE_FUNCTION void expect_random() const;

  /// What was read so far need not stay in this process's memory. What was written is lost.
  CONTEXTURE_FUNCTION void forget() const;

 private:
  std::uint8_t* bytes_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/core/mapped_file-inl.hpp"
#endif
