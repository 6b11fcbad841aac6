// SPDX-License-Identifier: MIT
// Tables as comma-separated text (RFC 4180): fields with commas, quotes or line breaks stand in quotes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {

/// A row of a table, and the line of the file that it begins on, from 1.
struct CsvRow {
  Index line = 0;
  std::vector<std::string> fields;
};

namespace detail {

inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // as spreadsheets write it

// Reads one table; a row ends at LF or CRLF, and rows of nothing are left out.
class CsvReader {
 public:
  CsvReader(std::string_view text, std::string_view name) : text_(text), name_(name) {
    if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  }

  std::vector<CsvRow> rows() {
    std::vector<CsvRow> out;
    while (at_ < text_.size()) {
      CsvRow row{line_, {}};
      do {
        row.fields.push_back(field());
      } while (take(','));
      take('\r');
      require_input(at_ == text_.size() || take('\n'), name_, ": line ", line_,
                    ": text behind a closing quote, expected a comma or the end of the line");
      ++line_;
      if (row.fields.size() > 1 || !row.fields[0].empty()) out.push_back(std::move(row));
    }
    return out;
  }

 private:
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::string field() {
    if (!take('"')) {
      const std::size_t end = std::min(text_.find_first_of(",\n", at_), text_.size());
      std::string out(text_.substr(at_, end - at_));
      at_ = end;
      if (out.ends_with('\r') && (at_ == text_.size() || text_[at_] == '\n')) out.pop_back();
      return out;
    }
    const Index opened = line_;
    std::string out;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        if (at_ == text_.size() || text_[at_] != '"') return out;
      }
      line_ += c == '\n';
      out += c;
    }
    throw InputError(message(name_, ": line ", opened, ": a quote that is not closed"));
  }

  std::string_view text_, name_;
  std::size_t at_ = 0;
  Index line_ = 1;
};

}  // namespace detail

/// The rows of a table, empty lines left out. `name` is the file's, for messages. Throws InputError for a quote that is
/// not closed, or text behind one that is.
[[nodiscard]] inline std::vector<CsvRow> parse_csv(std::string_view text, std::string_view name) {
  return detail::CsvReader(text, name).rows();
}

/// A row as a line, with its line break.
[[nodiscard]] inline std::string csv_line(const std::vector<std::string>& fields) {
  std::string out;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) out += ',';
    const std::string& field = fields[i];
    // A line of one empty field would be no line at all; a mark at the beginning of a file would be taken for the
    // file's.
    if (field.find_first_of(",\"\r\n") == std::string::npos && !field.starts_with(detail::kByteOrderMark) &&
        !(field.empty() && fields.size() == 1)) {
      out += field;
      continue;
    }
    out += '"';
    for (const char c : field) out.append(c == '"' ? 2 : 1, c);
    out += '"';
  }
  return out + "\n";
}

}  // namespace contexture
