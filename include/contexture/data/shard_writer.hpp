// SPDX-License-Identifier: MIT
// Writes tar shards, which libarchive has to be there for (data/tar.hpp). A shard appears under its name once it has
// been read back from the disk and found to be what was written.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <system_error>

#include "contexture/core/atomic_file.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/fingerprint.hpp"
#include "contexture/data/tar.hpp"

namespace contexture {

#if !defined(CONTEXTURE_WITHOUT_ARCHIVE)

/// One tar file, member by member. Throws InputError, naming it, where it cannot be written.
class ShardWriter {
 public:
  explicit ShardWriter(const std::filesystem::path& path)
      : path_(path), temporary_(detail::temporary_beside(path)), tar_(archive_write_new(), archive_write_free) {
    archive_write_set_format_pax_restricted(tar_.get());  // plain ustar where names are not too long for it
    archive_write_set_bytes_in_last_block(tar_.get(), 1);
    check(archive_write_open_filename(tar_.get(), temporary_.c_str()));
  }
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;
  /// Without close() nothing is left.
  ~ShardWriter() {
    tar_.reset();
    std::error_code ignored;
    std::filesystem::remove(temporary_, ignored);
  }

  void add(const std::string& name, std::span<const std::uint8_t> bytes) {
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(), archive_entry_free);
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_size(entry.get(), std::ssize(bytes));
    archive_entry_set_mtime(entry.get(), 0, 0);  // the same images, the same bytes
    check(archive_write_header(tar_.get(), entry.get()));
    if (!bytes.empty())
      check(archive_write_data(tar_.get(), bytes.data(), bytes.size()) == std::ssize(bytes) ? ARCHIVE_OK
                                                                                            : ARCHIVE_FATAL);
    print(printed_, name, bytes);
    ++members_;
  }

  /// Ends the file, reads it back and gives it its name.
  void close() {
    check(archive_write_close(tar_.get()));
    read_anew();
    Fingerprint found;
    std::size_t members = 0;
    detail::for_each_tar_member(temporary_, std::numeric_limits<std::size_t>::max(),
                                [&](const detail::TarMember& member, std::span<const std::uint8_t> bytes) {
                                  print(found, member.name, bytes);
                                  ++members;
                                });
    require_input(members == members_ && found.value() == printed_.value(), path_.string(),
                  ": what was written cannot be read back as it was, ", members, " of ", members_,
                  " members; is the disk sound?");
    std::error_code error;
    std::filesystem::rename(temporary_, path_, error);
    require_input(!error, path_.string(), ": cannot write here: ", error.message());
    (void)detail::sync_to_disk(detail::folder_of(path_));
  }

 private:
  static void print(Fingerprint& to, const std::string& name, std::span<const std::uint8_t> bytes) {
    to.add(name.c_str(), name.size() + 1);
    to.add(bytes.data(), bytes.size());
  }

  void check(int status) const {
    if (status == ARCHIVE_OK || status == ARCHIVE_WARN) return;
    const char* const words = archive_error_string(tar_.get());
    throw InputError(message(path_.string(), ": writing failed: ", words == nullptr ? "unknown reason" : words));
  }

  // To the disk, and out of the system's memory: what is read next comes from the disk.
  void read_anew() const {
    require_input(detail::sync_to_disk(temporary_), path_.string(), ": writing failed: ", std::strerror(errno));
    const int file = ::open(temporary_.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    (void)::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    ::close(file);
  }

  std::filesystem::path path_, temporary_;
  std::unique_ptr<archive, int (*)(archive*)> tar_;
  Fingerprint printed_;
  std::size_t members_ = 0;
};

#else

/// Of a build without libarchive.
class ShardWriter {
 public:
  explicit ShardWriter(const std::filesystem::path& path) {
    throw InputError(
        message(path.string(), ": cannot be written: this program was built with CONTEXTURE_WITHOUT_ARCHIVE"));
  }
  void add(const std::string&, std::span<const std::uint8_t>) {}
  void close() {}
};

#endif

}  // namespace contexture
