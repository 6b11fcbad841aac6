// SPDX-License-Identifier: MIT
// A fuzz target: a parser, called with any bytes whatever. It reads them or refuses them with one line; anything else
// (another exception, a line break or no words in what it says, a crash, memory out of proportion) is a finding.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
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

/// A file of those bytes in scratch(); one of that name is replaced.
inline std::filesystem::path file_of(const std::string& name, Bytes bytes) {
  std::filesystem::path path = scratch() / name;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("the fuzzer cannot write " + path.string());
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
