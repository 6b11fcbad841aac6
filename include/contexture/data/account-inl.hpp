// SPDX-License-Identifier: MIT
// How data/account.hpp counts and tells.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/account.hpp"

namespace contexture {

CONTEXTURE_FUNCTION std::string LeftOut::line() const {
  std::string text = message(count, count == 1 ? " file" : " files", " not used, ", reason, ": ");
  for (std::size_t i = 0; i < names.size(); ++i) text.append(i == 0 ? "" : ", ").append(names[i]);
  if (count > named) text += message(" and ", count - named, " more");
  return text;
}

CONTEXTURE_FUNCTION void DataAccount::leave_out(std::string_view reason, const std::string& name, Index count) {
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

CONTEXTURE_FUNCTION Index DataAccount::left_out_files() const {
  Index files = 0;
  for (const LeftOut& entry : left_out) files += entry.count;
  return files;
}

CONTEXTURE_FUNCTION std::vector<std::string> DataAccount::lines() const {
  std::vector<std::string> out = warnings;
  for (const LeftOut& entry : left_out) out.push_back(entry.line());
  for (std::string& line : out)
    std::replace_if(
        line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return out;
}

}  // namespace contexture
