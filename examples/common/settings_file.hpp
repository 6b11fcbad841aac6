// SPDX-License-Identifier: MIT
// A file of settings, one a line: name=value. A value is all that follows, blanks around it left out, and so is one
// pair of quotes around it; nothing is split, so that a list is one value. Lines that begin with # or ; are comments.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <system_error>

#include "common/program.hpp"
#include "contexture/core/error.hpp"

namespace programs {

struct FileSetting {
  std::string value;
  int line = 0;
};

/// The settings of a file by their names.
struct SettingsFile {
  std::string path = {};
  std::map<std::string, FileSetting> settings = {};

  /// "run/config.ini: line 12: "
  [[nodiscard]] std::string place(int line) const { return contexture::message(path, ": line ", line, ": "); }
};

namespace detail {

inline std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace detail

/// A value as it is written behind '=', to be read back exactly. Line breaks have no place in one.
inline std::string written_value(const std::string& text) {
  const bool plain = !text.empty() && detail::trimmed(text) == text && text.front() != '"' && text.front() != '\'' &&
                     text.find_first_of(" #;,[]'\"\t") == std::string::npos;
  return plain ? text : "\"" + text + "\"";
}

/// Throws UsageError with file and line for what is no setting, or one that is there twice.
inline SettingsFile read_settings_file(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status))
    throw UsageError(contexture::message("--config ", path, ": ", error ? error.message() : "no such file"));
  if (std::filesystem::is_directory(status)) throw UsageError(contexture::message("--config ", path, ": a folder"));
  std::ifstream in(path);
  if (!in) throw UsageError(contexture::message("--config ", path, ": cannot be read: ", std::strerror(errno)));
  SettingsFile file;
  file.path = path;
  int number = 0;
  for (std::string text; std::getline(in, text);) {
    ++number;
    if (number == 1 && text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
    const auto wrong = [&](const std::string& what) { return UsageError(file.place(number) + what); };
    if (text.find('\0') != std::string::npos || text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff"))
      throw wrong("not text in UTF-8");
    const std::string_view line = detail::trimmed(text);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    const std::size_t equals = line.find('=');
    const std::string name(detail::trimmed(line.substr(0, equals)));
    if (equals == std::string_view::npos || name.empty())
      throw wrong("'" + std::string(line) + "', expected name=value");
    std::string_view value = detail::trimmed(line.substr(equals + 1));
    if (value.size() >= 2 && value.front() == value.back() && (value.front() == '"' || value.front() == '\''))
      value = value.substr(1, value.size() - 2);
    const auto [known, is_new] = file.settings.emplace(name, FileSetting{std::string(value), number});
    if (!is_new) throw wrong(contexture::message(name, ": here again, first in line ", known->second.line));
  }
  if (in.bad()) throw UsageError(contexture::message("--config ", path, ": cannot be read to its end"));
  return file;
}

}  // namespace programs
