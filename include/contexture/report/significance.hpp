// SPDX-License-Identifier: MIT
// Exact tests on paired results: the sign test over seeds, and McNemar's test on the answers that two classifiers give
// to the same test images. No approximation, no distribution assumed. docs/evaluation.md says what each can and cannot
// tell.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/finite.hpp"

namespace contexture::report {

/// Probability of a split of n fair coin throws at least as uneven as k to n - k, on either side: the two-sided exact
/// binomial test of a share of one half. 1 for n = 0.
[[nodiscard]] inline double fair_coin_p(std::int64_t k, std::int64_t n) {
  require(k >= 0 && k <= n, "fair_coin_p: ", k, " of ", n);
  const std::int64_t tail = std::min(k, n - k);
  const auto total = static_cast<double>(n);
  // P(tail), and below it each term from the one above: C(n, m-1) = C(n, m) m / (n-m+1).
  const auto m = static_cast<double>(tail);
  double term =
      std::exp(std::lgamma(total + 1) - std::lgamma(m + 1) - std::lgamma(total - m + 1) - total * std::log(2.0));
  double sum = 0;
  for (double i = m; i >= 0 && term > 0; --i) {
    sum += term;
    term *= i / (total - i + 1);
  }
  return std::min(1.0, 2 * sum);
}

/// How often a paired difference is above and below zero.
struct SignTest {
  std::int64_t better = 0, worse = 0, ties = 0;
  double p = std::numeric_limits<double>::quiet_NaN();  ///< two-sided, ties left out; NaN without pairs
  /// The smallest p that as many pairs can give: 2^(1-n). With 5 pairs it is 0.0625.
  [[nodiscard]] double smallest_p() const {
    return std::min(1.0, std::exp2(1.0 - static_cast<double>(better + worse)));
  }
};

/// Sign test (Dixon and Mood, 1946) of paired differences, one a seed.
[[nodiscard]] inline SignTest sign_test(std::span<const double> differences) {
  SignTest out;
  for (const double d : differences) {
    if (!is_finite(d)) continue;
    ++(d > 0 ? out.better : d < 0 ? out.worse : out.ties);
  }
  if (out.better + out.worse + out.ties > 0) out.p = fair_coin_p(out.better, out.better + out.worse);
  return out;
}

/// Test images on which one arm does better than the other, and the exact test that neither is favoured.
struct McNemar {
  std::int64_t scratch = 0;     ///< images that favour the scratch arm
  std::int64_t pretrained = 0;  ///< images that favour the pre-trained arm
  double p = std::numeric_limits<double>::quiet_NaN();
};

/// McNemar's test (1947), exact: of the images that just one of the two classifiers answers rightly, how many are
/// either's.
[[nodiscard]] inline McNemar mcnemar(std::span<const std::int32_t> truth, std::span<const std::int32_t> scratch,
                                     std::span<const std::int32_t> pretrained) {
  require(truth.size() == scratch.size() && truth.size() == pretrained.size(), "mcnemar: ", truth.size(), " labels, ",
          scratch.size(), " and ", pretrained.size(), " answers");
  McNemar out;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const bool a = scratch[i] == truth[i], b = pretrained[i] == truth[i];
    out.scratch += a && !b;
    out.pretrained += b && !a;
  }
  out.p = fair_coin_p(out.pretrained, out.pretrained + out.scratch);
  return out;
}

/// The same over several seeds, whose classifiers answered the same images. Their discordant answers must not be added
/// up: an image that is hard for one seed is hard for the others, so they are no independent throws. The image is the
/// unit: it favours the arm that more seeds answered rightly, and the test is on how many images favour either. With
/// one seed this is McNemar's test.
[[nodiscard]] inline McNemar mcnemar_over_seeds(std::span<const std::int32_t> truth,
                                                std::span<const std::vector<std::int32_t>> scratch,
                                                std::span<const std::vector<std::int32_t>> pretrained) {
  require(scratch.size() == pretrained.size(), "mcnemar_over_seeds: ", scratch.size(), " and ", pretrained.size(),
          " seeds");
  std::vector<std::int64_t> balance(truth.size(), 0);
  for (std::size_t seed = 0; seed < scratch.size(); ++seed) {
    require(scratch[seed].size() == truth.size() && pretrained[seed].size() == truth.size(),
            "mcnemar_over_seeds: ", truth.size(), " labels, ", scratch[seed].size(), " and ", pretrained[seed].size(),
            " answers");
    for (std::size_t i = 0; i < truth.size(); ++i)
      balance[i] += static_cast<std::int64_t>(pretrained[seed][i] == truth[i]) -
                    static_cast<std::int64_t>(scratch[seed][i] == truth[i]);
  }
  McNemar out;
  for (const std::int64_t b : balance) {
    out.scratch += b < 0;
    out.pretrained += b > 0;
  }
  out.p = fair_coin_p(out.pretrained, out.pretrained + out.scratch);
  return out;
}

/// The exact 95 % interval of the difference of two accuracies on `images` images that the test goes with: given how
/// many images favour either arm, the share that favours the pre-trained one is binomial (Clopper and Pearson, 1934).
/// It leaves out zero just where p < 0.05, and it is at the edge of what is possible where no image, or few, favour
/// either.
struct DifferenceInterval {
  double low = std::numeric_limits<double>::quiet_NaN(), high = std::numeric_limits<double>::quiet_NaN();
};

namespace detail {

/// Probability of at most k of n throws, each with chance `share`.
[[nodiscard]] inline double binomial_below(std::int64_t k, std::int64_t n, double share) {
  if (k < 0 || (share >= 1 && k < n)) return 0;
  if (k >= n || share <= 0) return 1;
  const auto total = static_cast<double>(n), m = static_cast<double>(k);
  if (m > total * share) return 1 - binomial_below(n - k - 1, n, 1 - share);  // the tail that falls from here
  double term = std::exp(std::lgamma(total + 1) - std::lgamma(m + 1) - std::lgamma(total - m + 1) +
                         m * std::log(share) + (total - m) * std::log1p(-share));
  double sum = 0;
  for (double i = m; i >= 0 && term > 0; --i) {
    sum += term;
    term *= i * (1 - share) / ((total - i + 1) * share);
    if (term < 1e-18 * sum) break;
  }
  return std::min(1.0, sum);
}

/// The largest chance with which at most k of n still have a probability of 2.5 %.
[[nodiscard]] inline double binomial_upper(std::int64_t k, std::int64_t n) {
  if (k >= n) return 1;
  double low = 0, high = 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (binomial_below(k, n, middle) > 0.025 ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace detail

/// The exact interval of the difference in accuracy of two classifiers on the same images, that goes with McNemar's
/// test.
[[nodiscard]] inline DifferenceInterval exact_interval(const McNemar& m, std::int64_t images) {
  const std::int64_t n = m.scratch + m.pretrained;
  if (images <= 0) return {};
  if (n == 0) return {0, 0};
  const double share = static_cast<double>(n) / static_cast<double>(images);
  return {share * (1 - 2 * detail::binomial_upper(m.scratch, n)),
          share * (2 * detail::binomial_upper(m.pretrained, n) - 1)};
}

/// The smallest difference of two accuracies that the exact test tells from chance (p < 0.05) on `images` images of
/// which `discordant` are answered rightly by one classifier alone. Six images, all for the same one, are the fewest:
/// above 1 there is no such difference.
[[nodiscard]] inline double smallest_telling(std::int64_t discordant, std::int64_t images) {
  if (images <= 0) return std::numeric_limits<double>::quiet_NaN();
  const std::int64_t n = std::max<std::int64_t>(discordant, 6);
  std::int64_t worse = n / 2;
  while (worse > 0 && fair_coin_p(worse, n) >= 0.05) --worse;
  return static_cast<double>(n - 2 * worse) / static_cast<double>(images);
}

}  // namespace contexture::report
