// Writing result files: each appears complete under its name or not at all, and a failure names
// the file and the reason. Also a temporary folder that cleans up after itself.
#pragma once

#include <fcntl.h>
#include <stdlib.h>  // mkdtemp
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "contexture/core/error.hpp"

namespace contexture::detail::report {

/// Writes `bytes` to `path` through a temporary file beside it and a rename.
/// Throws InputError ("cannot write results/history.csv: No space left on device").
inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::path partial = path;
  partial += ".partial";
  const auto fail = [&](int error) {
    std::error_code ignored;
    std::filesystem::remove(partial, ignored);
    throw InputError(message("cannot write ", path.string(), ": ", std::strerror(error)));
  };
  const int file = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) fail(errno);
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::write(file, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int error = n == 0 ? ENOSPC : errno;
      ::close(file);
      fail(error);
    }
    done += static_cast<std::size_t>(n);
  }
  // Some file systems (NFS, quotas) report a full disk only here.
  if (::fsync(file) != 0 && errno != EINVAL && errno != EROFS) {
    const int error = errno;
    ::close(file);
    fail(error);
  }
  if (::close(file) != 0) fail(errno);
  std::error_code error;
  std::filesystem::rename(partial, path, error);
  if (error) fail(error.value());
}

/// The folder exists afterwards, or InputError says why not.
inline void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  require_input(!error && std::filesystem::is_directory(folder), "cannot create the folder ", folder.string(), ": ",
                error ? error.message() : "a file is in the way");
}

/// Contents of a file; empty optional when it cannot be read or is empty.
[[nodiscard]] inline std::optional<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::string out{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in.bad() || out.empty()) return std::nullopt;
  return out;
}

/// A fresh folder under the system's temporary folder, removed with its contents on destruction.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code error;
    std::string name = (std::filesystem::temp_directory_path(error) / "contexture-report-XXXXXX").string();
    require_input(!error, "no temporary folder: ", error.message());
    require_input(::mkdtemp(name.data()) != nullptr, "cannot create a temporary folder ", name, ": ",
                  std::strerror(errno));
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace contexture::detail::report
