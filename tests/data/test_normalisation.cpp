// SPDX-License-Identifier: MIT
// Statistics of the channels, against plain sums.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "contexture/data/normalisation.hpp"
#include "data/random_set.hpp"
#include "support/catch.hpp"

using namespace contexture;
using random_images::random_set;

TEST_CASE("channel statistics are those of the chosen images") {
  const ImageSet set = random_set(40, 5, 7, 3);
  const std::vector<Index> chosen = {3, 8, 9, 21, 39};
  const Normalization n = channel_statistics(set, chosen);
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0;
    double square = 0;
    double count = 0;
    for (const Index i : chosen) {
      for (Index p = 0; p < 35; ++p) {
        const double v = set.image(i)[p * 3 + static_cast<Index>(c)] / 255.0;
        sum += v;
        square += v * v;
        ++count;
      }
    }
    CHECK(n.mean[c] == Approx(sum / count));
    CHECK(n.stddev[c] == Approx(std::sqrt(square / count - sum / count * sum / count)));
  }
  ImageSet flat = set;
  std::fill(flat.pixels.begin(), flat.pixels.end(), std::uint8_t{51});
  const Normalization constant = channel_statistics(flat, chosen);
  CHECK(constant.mean[0] == Approx(0.2));
  CHECK(constant.stddev[0] == Approx(1.0 / 255));
  CHECK_THROWS_AS(channel_statistics(set, {}), std::invalid_argument);
  CHECK_THROWS_AS(channel_statistics(set, std::vector<Index>{40}), std::invalid_argument);
}
