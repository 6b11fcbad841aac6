// SPDX-License-Identifier: MIT
// Tables for terminals and log files.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "contexture/report/text.hpp"

namespace contexture {

/// Aligned columns, two spaces between them, a rule below the first row; the first `left` columns are flush left,
/// the others right. A shorter row leaves its last columns empty. Ends with a newline.
[[nodiscard]] inline std::string plain_table(const std::vector<std::vector<std::string>>& rows, std::size_t left) {
  using report::columns;
  std::vector<std::size_t> width;
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (c == width.size()) width.push_back(0);
      width[c] = std::max(width[c], columns(row[c]));
    }
  std::string out;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      const std::string pad(width[c] - columns(rows[r][c]), ' ');
      line += c < left ? rows[r][c] + pad : pad + rows[r][c];
      if (c + 1 < rows[r].size()) line += "  ";
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    if (r == 0) {
      std::size_t total = 2 * (width.size() - std::min<std::size_t>(width.size(), 1));
      for (const std::size_t w : width) total += w;
      out += std::string(total, '-') + "\n";
    }
  }
  return out;
}

}  // namespace contexture
