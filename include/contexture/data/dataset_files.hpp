// SPDX-License-Identifier: MIT
// What the readers of data sets share: finding a set's files in its folder, lists of names, files of records. Every
// size a file claims is held against the bytes it has before memory is asked for; every error names the file, the
// place, and what was expected.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "contexture/core/ascii.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture::detail {

// Non-empty lines of a text file in UTF-8, with a byte order mark or without, trimmed; empty when there is no such
// file. Throws InputError for one in UTF-16, or that is no text.
inline std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  bool first = true;
  for (std::string line; lines.size() < 100'000 && std::getline(file, line); first = false) {
    require_input(line.find('\0') == std::string::npos &&
                      !(first && (line.starts_with("\xff\xfe") || line.starts_with("\xfe\xff"))),
                  path.string(), ": line ", lines.size() + 1,
                  ": zero bytes or a mark of UTF-16, expected text in UTF-8");
    if (first && line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);
    while (!line.empty() && is_ascii_space(line.back())) line.pop_back();
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

// The first of the names that exists in the folder as a file.
template <class Names>
std::optional<std::filesystem::path> find_file(const std::filesystem::path& folder, const Names& names) {
  for (const auto& name : names) {
    std::error_code ignored;
    if (std::filesystem::is_regular_file(folder / name, ignored)) return folder / name;
  }
  return std::nullopt;
}

// Name of a folder; with its parent's where the name alone says nothing ("raw").
inline std::string folder_name(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::path full = std::filesystem::weakly_canonical(folder, error);
  if (error) full = folder.lexically_normal();
  std::string name = full.filename().string();
  if (name == "raw") name = full.parent_path().filename().string();
  return name;
}

inline bool contains_ignoring_case(std::string_view text, std::string_view part) {
  const auto same = [](char a, char b) { return ascii_lower(a) == ascii_lower(b); };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end();
}

// Planes (C,H,W), or (C,W,H) when column-major, to pixels (H,W,C).
inline void interleave(const std::uint8_t* planes, Index side, bool column_major, std::uint8_t* out) {
  const Index plane = side * side;
  for (Index y = 0; y < side; ++y) {
    for (Index x = 0; x < side; ++x) {
      const Index at = column_major ? x * side + y : y * side + x;
      for (Index c = 0; c < 3; ++c) *out++ = planes[c * plane + at];
    }
  }
}

// Number of records in a file of fixed-size records. Throws InputError on an empty file or a rest.
inline Index record_count(const std::filesystem::path& path, Index record_bytes, const char* what) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  const bool missing = error == std::errc::no_such_file_or_directory;
  require_input(!error, path.string(), ": ", missing ? "missing" : "cannot be read: " + error.message(), ", expected ",
                what);
  const auto record = static_cast<std::uintmax_t>(record_bytes);
  require_input(size > 0 && size % record == 0, path.string(), ": ", size, " bytes, expected a multiple of ", record,
                " (", what, "); the file is truncated or oversized");
  return static_cast<Index>(size / record);
}

}  // namespace contexture::detail
