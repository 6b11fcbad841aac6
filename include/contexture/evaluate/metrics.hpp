// SPDX-License-Identifier: MIT
// How good a classifier is: confusion counts, accuracy, macro-F1. Pure functions on answers.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "contexture/core/error.hpp"

namespace contexture {

/// Answers of one model on the test split, in test-set order.
struct TestAnswers {
  std::vector<std::int32_t> predicted;
  std::vector<float> confidence;  ///< softmax probability of the predicted class
};

/// Confusion counts, row = true class, column = predicted class, row-major (classes x classes).
struct ConfusionMatrix {
  std::int64_t classes = 0;
  std::vector<std::int64_t> counts;
};

/// Counts of (true class, predicted class) pairs. Throws std::invalid_argument where the two
/// differ in length or a class is outside [0, classes).
[[nodiscard]] inline ConfusionMatrix confusion_matrix(std::span<const std::int32_t> truth,
                                                      std::span<const std::int32_t> predicted, std::int64_t classes) {
  require(classes > 0, "confusion_matrix: ", classes, " classes, expected at least 1");
  require(truth.size() == predicted.size(), "confusion_matrix: ", truth.size(), " true classes and ", predicted.size(),
          " predictions");
  ConfusionMatrix matrix{classes, std::vector<std::int64_t>(static_cast<std::size_t>(classes * classes), 0)};
  for (std::size_t i = 0; i < truth.size(); ++i) {
    require(truth[i] >= 0 && truth[i] < classes && predicted[i] >= 0 && predicted[i] < classes,
            "confusion_matrix: pair ", i, " is (", truth[i], ",", predicted[i], "), expected classes 0 to ",
            classes - 1);
    ++matrix.counts[static_cast<std::size_t>(truth[i] * classes + predicted[i])];
  }
  return matrix;
}

/// From low to high, 0..1.
struct ShareInterval {
  double low = 0;
  double high = 1;
};

/// 95 % interval of a share of which `right` of `count` were seen (Wilson, "Probable inference", 1927): sensible for
/// few and for none, too. Throws std::invalid_argument unless 0 <= right <= count.
[[nodiscard]] inline ShareInterval wilson_interval(std::int64_t right, std::int64_t count) {
  require(right >= 0 && right <= count, "wilson_interval: ", right, " of ", count);
  if (count == 0) return {};
  constexpr double z = 1.959963984540054;
  const auto n = static_cast<double>(count);
  const double share = static_cast<double>(right) / n;
  const double middle = (share + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
  return {right == 0 ? 0 : middle - half, right == count ? 1 : middle + half};
}

/// Share of right answers, 0..1; 0 for an empty matrix.
[[nodiscard]] inline double accuracy(const ConfusionMatrix& matrix) {
  std::int64_t right = 0;
  std::int64_t all = 0;
  for (std::int64_t t = 0; t < matrix.classes; ++t)
    for (std::int64_t p = 0; p < matrix.classes; ++p) {
      const std::int64_t count = matrix.counts[static_cast<std::size_t>(t * matrix.classes + p)];
      all += count;
      if (t == p) right += count;
    }
  return all == 0 ? 0.0 : static_cast<double>(right) / static_cast<double>(all);
}

/// Unweighted mean over classes of F1 = 2 TP / (2 TP + FP + FN). A class that occurs neither in
/// the truth nor among the predictions has no F1 and is left out; 0 where none is left.
[[nodiscard]] inline double macro_f1(const ConfusionMatrix& matrix) {
  double sum = 0;
  std::int64_t present = 0;
  for (std::int64_t k = 0; k < matrix.classes; ++k) {
    std::int64_t truth = 0;
    std::int64_t predicted = 0;
    for (std::int64_t j = 0; j < matrix.classes; ++j) {
      truth += matrix.counts[static_cast<std::size_t>(k * matrix.classes + j)];
      predicted += matrix.counts[static_cast<std::size_t>(j * matrix.classes + k)];
    }
    if (truth + predicted == 0) continue;
    const std::int64_t right = matrix.counts[static_cast<std::size_t>(k * matrix.classes + k)];
    sum += 2.0 * static_cast<double>(right) / static_cast<double>(truth + predicted);
    ++present;
  }
  return present == 0 ? 0.0 : sum / static_cast<double>(present);
}

}  // namespace contexture
