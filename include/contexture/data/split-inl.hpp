// SPDX-License-Identifier: MIT
// The splits of data/split.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/data/split.hpp"

namespace contexture {

namespace detail {

// The given images class by class (first index: class), each class ordered by its images' ranks.
inline std::vector<std::vector<Index>> ranked_by_class(const char* who, std::span<const std::int32_t> labels,
                                                       std::span<const Index> from, const Rng& rng) {
  std::vector<std::vector<std::pair<std::uint64_t, Index>>> ranked;
  for (const Index i : from) {
    require(i >= 0 && i < static_cast<Index>(labels.size()), who, ": image ", i, " of ", labels.size());
    const std::int32_t label = labels[static_cast<std::size_t>(i)];
    require(label >= 0, who, ": image ", i, " has label ", label, ", expected 0 or more");
    if (static_cast<std::size_t>(label) >= ranked.size()) ranked.resize(static_cast<std::size_t>(label) + 1);
    ranked[static_cast<std::size_t>(label)].emplace_back(rng.split(static_cast<std::uint64_t>(i)).bits64(), i);
  }
  std::vector<std::vector<Index>> classes(ranked.size());
  for (std::size_t c = 0; c < ranked.size(); ++c) {
    std::sort(ranked[c].begin(), ranked[c].end());
    classes[c].reserve(ranked[c].size());
    for (const auto& [rank, i] : ranked[c]) classes[c].push_back(i);
  }
  return classes;
}

}  // namespace detail

CONTEXTURE_FUNCTION Split stratified_split(std::span<const std::int32_t> labels, double validation_fraction,
                                           const Rng& rng) {
  require(validation_fraction >= 0 && validation_fraction < 1, "stratified_split: validation fraction ",
          validation_fraction, ", expected 0 <= fraction < 1");
  std::vector<Index> all(labels.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Index>(i);
  Split split;
  for (const auto& members : detail::ranked_by_class("stratified_split", labels, all, rng)) {
    const auto n = static_cast<Index>(members.size());
    if (n == 0) continue;
    Index held_out = std::llround(validation_fraction * static_cast<double>(n));
    if (validation_fraction > 0) held_out = std::max<Index>(held_out, 1);
    held_out = std::min(held_out, n - 1);
    split.validation.insert(split.validation.end(), members.begin(), members.begin() + held_out);
    split.train.insert(split.train.end(), members.begin() + held_out, members.end());
  }
  std::sort(split.train.begin(), split.train.end());
  std::sort(split.validation.begin(), split.validation.end());
  return split;
}

CONTEXTURE_FUNCTION std::vector<Index> label_subset(std::span<const std::int32_t> labels, std::span<const Index> from,
                                                    double fraction, const Rng& rng,
                                                    std::span<const std::string> class_names) {
  require(fraction > 0 && fraction <= 1, "label_subset: fraction ", fraction, ", expected 0 < fraction <= 1");
  std::vector<Index> subset;
  const auto classes = detail::ranked_by_class("label_subset", labels, from, rng);
  for (std::size_t c = 0; c < classes.size(); ++c) {
    const auto n = static_cast<Index>(classes[c].size());
    if (n == 0) continue;
    const Index kept = std::llround(fraction * static_cast<double>(n));
    require_input(kept > 0, "label fraction ", fraction, ": leaves class ",
                  c < class_names.size() ? "'" + class_names[c] + "'" : std::to_string(c), " with none of its ", n,
                  n == 1 ? " label" : " labels", ", expected a fraction of at least ",
                  std::ceil(500.0 / static_cast<double>(n)) / 1000, ", or more images of that class");
    subset.insert(subset.end(), classes[c].begin(), classes[c].begin() + kept);
  }
  std::sort(subset.begin(), subset.end());
  return subset;
}

CONTEXTURE_FUNCTION std::vector<int> stratified_folds(std::span<const std::int32_t> labels, std::span<const Index> from,
                                                      int folds, const Rng& rng) {
  require(folds >= 2, "stratified_folds: ", folds, " folds, expected 2 or more");
  std::vector<int> fold_of(labels.size(), -1);
  std::int64_t next = 0;
  for (const auto& members : detail::ranked_by_class("stratified_folds", labels, from, rng))
    for (const Index i : members) fold_of[static_cast<std::size_t>(i)] = static_cast<int>(next++ % folds);
  std::vector<int> out;
  for (const Index i : from) out.push_back(fold_of[static_cast<std::size_t>(i)]);
  return out;
}

CONTEXTURE_FUNCTION std::vector<Index> classes_in_turn(std::span<const std::int32_t> labels, std::size_t count) {
  std::vector<Index> out;
  std::vector<bool> used(labels.size(), false);
  while (out.size() < std::min(count, labels.size())) {
    std::vector<std::int32_t> seen;  // classes of this turn
    for (std::size_t i = 0; i < labels.size() && out.size() < count; ++i) {
      if (used[i] || std::find(seen.begin(), seen.end(), labels[i]) != seen.end()) continue;
      used[i] = true;
      seen.push_back(labels[i]);
      out.push_back(static_cast<Index>(i));
    }
  }
  return out;
}

}  // namespace contexture
