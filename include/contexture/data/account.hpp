// SPDX-License-Identifier: MIT
// The account of a data folder: how many files were used, and what was left out, by reason and with names. What lies
// below the folder is in one of the two, so that nobody learns from half of their images without knowing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {

/// Files that were not used, for one reason.
struct LeftOut {
  static constexpr std::size_t kMostNames = 10;

  std::string reason;              ///< "built without WebP (.webp)"
  Index count = 0;                 ///< files; a folder counts with the files in it
  std::vector<std::string> names;  ///< the first kMostNames, relative to the data folder
  Index named = 0;                 ///< files that `names` stand for

  /// "200 files not used, built without WebP (.webp): a/1.webp, a/2.webp, ... and 190 more"
  [[nodiscard]] std::string line() const {
    std::string text = message(count, count == 1 ? " file" : " files", " not used, ", reason, ": ");
    for (std::size_t i = 0; i < names.size(); ++i) text.append(i == 0 ? "" : ", ").append(names[i]);
    if (count > named) text += message(" and ", count - named, " more");
    return text;
  }
};

/// What became of everything below a data folder.
struct DataAccount {
  Index used = 0;                     ///< files whose images or labels are in the data set
  std::vector<LeftOut> left_out;      ///< in the order in which the reasons came up
  std::vector<std::string> warnings;  ///< guesses that a person should check, a line each

  void leave_out(std::string_view reason, const std::string& name, Index count = 1) {
    auto entry = std::find_if(left_out.begin(), left_out.end(), [&](const LeftOut& o) { return o.reason == reason; });
    if (entry == left_out.end()) {
      left_out.emplace_back();
      left_out.back().reason = reason;
      entry = left_out.end() - 1;
    }
    entry->count += count;
    if (entry->names.size() == LeftOut::kMostNames) return;
    entry->names.push_back(name);
    entry->named += count;
  }

  /// Files that were not used, for whatever reason.
  [[nodiscard]] Index left_out_files() const {
    Index files = 0;
    for (const LeftOut& entry : left_out) files += entry.count;
    return files;
  }

  /// What a person has to be told: warnings, then a line for each reason. Control characters of names are shown as '?'.
  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> out = warnings;
    for (const LeftOut& entry : left_out) out.push_back(entry.line());
    for (std::string& line : out)
      std::replace_if(
          line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    return out;
  }
};

}  // namespace contexture
