// SPDX-License-Identifier: MIT
// The account of a data folder: how many files were used, and what was left out, by reason and with names. What lies
// below the folder is in one of the two, so that nobody learns from half of their images without knowing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/compiled.hpp"
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
  [[nodiscard]] CONTEXTURE_FUNCTION std::string line() const;
};

/// What became of everything below a data folder.
struct DataAccount {
  Index used = 0;                     ///< files whose images or labels are in the data set
  std::vector<LeftOut> left_out;      ///< in the order in which the reasons came up
  std::vector<std::string> warnings;  ///< guesses that a person should check, a line each
  CONTEXTURE_FUNCTION void leave_out(std::string_view reason, const std::string& name, Index count = 1);

  /// Files that were not used, for whatever reason.
  [[nodiscard]] CONTEXTURE_FUNCTION Index left_out_files() const;

  /// What a person has to be told: warnings, then a line for each reason. Control characters of names are shown as '?'.
  [[nodiscard]] CONTEXTURE_FUNCTION std::vector<std::string> lines() const;
};

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/data/account-inl.hpp"
#endif
