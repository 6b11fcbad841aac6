// SPDX-License-Identifier: MIT
// Writing result files: each appears complete under its name or not at all, and a failure names
// the file and the reason. Also a temporary folder that cleans up after itself.
#pragma once

#include <fcntl.h>
#include <stdlib.h>  // mkdtemp
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "contexture/core/atomic_file.hpp"
#include "contexture/core/error.hpp"

namespace contexture::report {

/// Writes `bytes` to `path`, complete or not at all.
/// Throws InputError ("results/history.csv: writing failed: No space left on device").
inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  contexture::detail::write_atomically(path, [&](std::ostream& out) { out << bytes; });
}

/// The folder exists afterwards, or InputError says why not.
inline void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  require_input(!error && std::filesystem::is_directory(folder), "cannot create the folder ", folder.string(), ": ",
                error ? error.message() : "a file is in the way");
}

namespace detail {

/// Contents of a file; empty optional when it cannot be read or is empty.
[[nodiscard]] inline std::optional<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::string out{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in.bad() || out.empty()) return std::nullopt;
  return out;
}

inline constexpr std::string_view kTemporaryFolder = "contexture-report-";

/// Removes the temporary folders that processes which are gone left in `parent`. A folder's lock tells so where process
/// numbers do not (containers that share it).
inline void remove_orphaned_folders(const std::filesystem::path& parent) {
  std::error_code error;
  std::vector<std::filesystem::path> orphans;
  for (const auto& entry : std::filesystem::directory_iterator(parent, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kTemporaryFolder)) continue;
    long process = 0;
    const char* const begin = name.data() + kTemporaryFolder.size();
    const auto [end, bad] = std::from_chars(begin, name.data() + name.size(), process);
    if (bad != std::errc() || *end != '-' || contexture::detail::process_lives(process)) continue;
    const int folder = ::open(entry.path().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) continue;
    if (::flock(folder, LOCK_EX | LOCK_NB) == 0) orphans.push_back(entry.path());
    ::close(folder);
  }
  for (const std::filesystem::path& orphan : orphans) std::filesystem::remove_all(orphan, error);
}

/// A fresh folder under the system's temporary folder, removed with its contents on destruction, or by the next process
/// that makes one.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code error;
    const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
    require_input(!error, "no temporary folder: ", error.message());
    remove_orphaned_folders(parent);
    std::string name = (parent / message(kTemporaryFolder, ::getpid(), "-XXXXXX")).string();
    require_input(::mkdtemp(name.data()) != nullptr, "cannot create a temporary folder ", name, ": ",
                  std::strerror(errno));
    path_ = name;
    lock_ = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock_ >= 0) (void)::flock(lock_, LOCK_EX | LOCK_NB);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
    if (lock_ >= 0) ::close(lock_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace detail

}  // namespace contexture::report
