// SPDX-License-Identifier: MIT
// A fuzz target: a parser, called with any bytes whatever. It reads them or refuses them with one line; anything else
// (another exception, a line break or no words in what it says, a crash, memory out of proportion) is a finding.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>

#include "contexture/core/error.hpp"

namespace fuzz {

using Bytes = std::span<const std::uint8_t>;

struct Target {
  const char* name;  ///< of its folder of tests/fuzz/corpus as well
  void (*run)(Bytes bytes);
};

/// A folder of this process that is gone when it ends.
inline const std::filesystem::path& scratch() {
  static const struct Folder {
    Folder() : path(std::filesystem::temp_directory_path() / ("contexture-fuzz-" + std::to_string(::getpid()))) {
      std::filesystem::create_directories(path);
    }
    ~Folder() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
    std::filesystem::path path;
  } folder;
  return folder.path;
}

/// A file of those bytes in scratch(); one of that name is replaced. It stays open: to make it anew takes longer than
/// to parse it.
inline std::filesystem::path file_of(const std::string& name, Bytes bytes) {
  static std::map<std::string, int> open_files;
  std::filesystem::path path = scratch() / name;
  const auto [known, is_new] = open_files.try_emplace(name, -1);
  if (is_new) {
    std::filesystem::create_directories(path.parent_path());
    known->second = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  }
  const auto size = static_cast<ssize_t>(bytes.size());
  if (known->second < 0 || ::pwrite(known->second, bytes.data(), bytes.size(), 0) != size ||
      ::ftruncate(known->second, size) != 0)
    throw std::runtime_error("the fuzzer cannot write " + path.string());
  return path;
}

inline std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot be read: " + path.string());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline Bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline std::string text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

inline void require_finding(bool fine, const std::string& what) {
  if (!fine) throw std::logic_error("finding: " + what);
}

/// Calls a parser, which may throw an Error of one line.
template <class Error = contexture::InputError, class Parser>
void try_on(const Parser& parser) {
  try {
    parser();
  } catch (const Error& error) {
    const std::string line = error.what();
    require_finding(!line.empty() && line.find('\n') == std::string::npos, "not one line: " + line);
  }
}

}  // namespace fuzz
