// Writing result files: each appears complete under its name or not at all, and a failure names
// the file and the reason. Also a temporary folder that cleans up after itself.
#pragma once

#include <stdlib.h>  // mkdtemp

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

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

}  // namespace detail

}  // namespace contexture::report
