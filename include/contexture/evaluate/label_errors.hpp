// SPDX-License-Identifier: MIT
// Labels that are probably wrong: where heads or classifiers that did not see an image are surer of another class than
// they usually are of that class ("confident learning": Northcutt, Jiang and Chuang, arXiv 1911.00068).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {

/// An image whose label is suspected.
struct SuspectedLabel {
  Index image = 0;  ///< row of the probabilities
  std::int32_t label = 0, suggested = 0;
  float label_probability = 0, suggested_probability = 0;
};

/// The images whose label is suspected, by falling difference of the two probabilities. `held_out` (N,classes):
/// probabilities by classifiers that did not see the image. A class c is suggested where p(c) is the largest, is not
/// the label's, and is at least the mean of p(c) over the images labelled c. Throws std::invalid_argument for labels
/// outside [0, classes).
[[nodiscard]] inline std::vector<SuspectedLabel> suspected_labels(const Tensor<float>& held_out,
                                                                  std::span<const std::int32_t> labels) {
  require(held_out.dimension() == 2 && held_out.shape()[0] == labels.size(), "suspected_labels: ", held_out.shape(),
          " probabilities for ", labels.size(), " labels");
  const auto classes = held_out.shape()[1];
  std::vector<double> sum(classes, 0), count(classes, 0);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    require(labels[i] >= 0 && static_cast<std::size_t>(labels[i]) < classes, "suspected_labels: label ", labels[i],
            " of ", classes, " classes");
    const auto c = static_cast<std::size_t>(labels[i]);
    sum[c] += static_cast<double>(held_out(i, c));
    ++count[c];
  }
  std::vector<SuspectedLabel> out;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const float* const p = held_out.data() + i * classes;
    const auto best = static_cast<std::size_t>(std::max_element(p, p + classes) - p);
    const auto label = static_cast<std::size_t>(labels[i]);
    if (best == label || count[best] == 0 || static_cast<double>(p[best]) < sum[best] / count[best]) continue;
    out.push_back({static_cast<Index>(i), labels[i], static_cast<std::int32_t>(best), p[label], p[best]});
  }
  std::stable_sort(out.begin(), out.end(), [](const SuspectedLabel& a, const SuspectedLabel& b) {
    return a.suggested_probability - a.label_probability > b.suggested_probability - b.label_probability;
  });
  return out;
}

}  // namespace contexture
