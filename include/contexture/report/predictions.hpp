// SPDX-License-Identifier: MIT
// What a classifier says of images, as a table for programs: path, class, and the probability of every class.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "contexture/data/csv.hpp"
#include "contexture/report/text.hpp"

namespace contexture::report {

namespace detail {

/// A name without what would end a line: a table has a line an image.
[[nodiscard]] inline std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return text;
}

}  // namespace detail

/// The table's first line: path, class, then p(<class>) for every class.
[[nodiscard]] inline std::string predictions_header(const std::vector<std::string>& class_names) {
  std::vector<std::string> fields{"path", "class"};
  for (const std::string& name : class_names) fields.push_back("p(" + detail::one_line(name) + ")");
  return csv_line(fields);
}

/// The line of one image; `probabilities` has one a class, with six decimals in the table.
[[nodiscard]] inline std::string predictions_line(const std::string& path, const std::vector<std::string>& class_names,
                                                  const float* probabilities) {
  const auto classes = static_cast<std::ptrdiff_t>(class_names.size());
  const std::ptrdiff_t best = std::max_element(probabilities, probabilities + classes) - probabilities;
  std::vector<std::string> fields{detail::one_line(path),
                                  detail::one_line(class_names[static_cast<std::size_t>(best)])};
  for (std::ptrdiff_t c = 0; c < classes; ++c) fields.push_back(fixed(static_cast<double>(probabilities[c]), 6));
  return csv_line(fields);
}

/// The same of an encoder's features: path, then f0, f1, ...
[[nodiscard]] inline std::string features_header(std::size_t features) {
  std::vector<std::string> fields{"path"};
  for (std::size_t i = 0; i < features; ++i) fields.push_back("f" + std::to_string(i));
  return csv_line(fields);
}

/// Six decimals of each.
[[nodiscard]] inline std::string features_line(const std::string& path, std::span<const float> features) {
  std::vector<std::string> fields{detail::one_line(path)};
  for (const float x : features) fields.push_back(fixed(static_cast<double>(x), 6));
  return csv_line(fields);
}

}  // namespace contexture::report
