// SPDX-License-Identifier: MIT
// The one seam to tar files: libarchive; where CONTEXTURE_WITHOUT_ARCHIVE is defined (CMake:
// CONTEXTURE_WITH_ARCHIVE=OFF) they are refused. A plain tar keeps each file in one piece, so that members are read
// like files once it is known where they lie.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#if !defined(CONTEXTURE_WITHOUT_ARCHIVE)
#include <archive.h>
#include <archive_entry.h>
#endif

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture::detail {

// A regular file in a tar file.
struct TarMember {
  std::string name;  // with its folders
  Index offset = 0;  // of its first byte in the tar file
  Index bytes = 0;
};

// Gets a member and its first bytes, of which the reader was told how many it may have.
using TarVisitor = std::function<void(const TarMember&, std::span<const std::uint8_t>)>;

#if !defined(CONTEXTURE_WITHOUT_ARCHIVE)

// Whether the file ends with tar's mark of the end, 1024 zeros: one that was cut off between two members does not.
inline bool has_tar_end(const std::filesystem::path& path, Index size) {
  std::array<char, 1024> end{};
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  return size >= std::ssize(end) && file != nullptr && std::fseek(file.get(), -std::ssize(end), SEEK_END) == 0 &&
         std::fread(end.data(), 1, end.size(), file.get()) == end.size() &&
         std::all_of(end.begin(), end.end(), [](char c) { return c == 0; });
}

// Calls `visit` for every regular file in the order of the tar file. Throws InputError that names the tar file where it
// is damaged, cut off, compressed or no tar file.
inline void for_each_tar_member(const std::filesystem::path& path, std::size_t first_bytes, const TarVisitor& visit) {
  const std::unique_ptr<archive, int (*)(archive*)> tar(archive_read_new(), archive_read_free);
  std::error_code error;
  const auto size = static_cast<Index>(std::filesystem::file_size(path, error));
  require_input(!error, path.string(), ": cannot be read: ", error.message());
  archive_read_support_filter_all(tar.get());  // to say what a compressed one is
  archive_read_support_format_tar(tar.get());
  const auto reason = [&] {
    const char* const words = archive_error_string(tar.get());
    return words == nullptr ? std::string("no tar header") : std::string(words);
  };
  require_input(archive_read_open_filename(tar.get(), path.c_str(), std::size_t{1} << 16) == ARCHIVE_OK, path.string(),
                ": no tar file");
  require_input(archive_filter_code(tar.get(), 0) == ARCHIVE_FILTER_NONE, path.string(), ": compressed by ",
                archive_filter_name(tar.get(), 0), ", expected a plain tar file (images are compressed already)");
  TarMember member;
  std::vector<std::uint8_t> first;
  for (archive_entry* entry = nullptr;;) {
    const int status = archive_read_next_header(tar.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    const auto at = static_cast<Index>(archive_filter_bytes(tar.get(), 0));
    require_input(status == ARCHIVE_OK || status == ARCHIVE_WARN, path.string(), ": damaged or cut off near byte ", at,
                  " of ", size, member.name.empty() ? "" : ", behind " + member.name, ": ", reason());
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr) continue;
    const char* const name = archive_entry_pathname(entry);
    const bool is_line = name != nullptr && *name != '\0' && std::none_of(name, name + std::strlen(name), [](char c) {
                           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
                         });
    require_input(is_line, path.string(), ": a member near byte ", at, " has no name, or one with control characters");
    member = {name, at, static_cast<Index>(archive_entry_size(entry))};
    require_input(archive_entry_sparse_count(entry) == 0, path.string(), ": ", member.name,
                  " is stored with holes, expected whole files");
    require_input(member.bytes <= size - at, path.string(), ": cut off: ", member.name, " ends at byte ",
                  at + member.bytes, ", the file at ", size);
    first.resize(std::min(static_cast<std::size_t>(member.bytes), first_bytes));
    const la_ssize_t got = first.empty() ? 0 : archive_read_data(tar.get(), first.data(), first.size());
    require_input(got == std::ssize(first), path.string(), ": ", member.name, " cannot be read: ", reason());
    visit(member, first);
  }
  require_input(has_tar_end(path, size), path.string(), ": cut off at byte ", size,
                member.name.empty() ? "" : ", behind " + member.name, ": tar's mark of the end is missing");
}

#else

inline void for_each_tar_member(const std::filesystem::path& path, std::size_t, const TarVisitor&) {
  throw InputError(
      message(path.string(), ": tar files cannot be read: this program was built with CONTEXTURE_WITHOUT_ARCHIVE"));
}

#endif

}  // namespace contexture::detail
