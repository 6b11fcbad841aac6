// SPDX-License-Identifier: MIT
// The statistics of data/normalisation.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/data/normalisation.hpp"

namespace contexture {

CONTEXTURE_FUNCTION Normalization channel_statistics(const ImageSet& set, std::span<const Index> indices) {
  detail::check_image_set("channel_statistics", set);
  require(!indices.empty(), "channel_statistics: no images");
  for (const Index i : indices) require(i >= 0 && i < set.count, "channel_statistics: image ", i, " of ", set.count);
  struct Sums {
    std::vector<std::uint64_t> value, square;
  };
  // Integer sums: exact, so the result does not depend on how the loop was cut.
  constexpr Index kChunks = 16;
  const auto channels = static_cast<std::size_t>(set.channels);
  std::vector<Sums> partial(kChunks, {std::vector<std::uint64_t>(channels), std::vector<std::uint64_t>(channels)});
  parallel_chunks(static_cast<Index>(indices.size()), kChunks, [&](Index chunk, Index begin, Index end) {
    Sums& sums = partial[static_cast<std::size_t>(chunk)];
    for (Index k = begin; k < end; ++k) {
      const std::uint8_t* p = set.image(indices[static_cast<std::size_t>(k)]);
      for (Index pixel = 0; pixel < set.height * set.width; ++pixel) {
        for (std::size_t c = 0; c < channels; ++c, ++p) {
          sums.value[c] += *p;
          sums.square[c] += static_cast<std::uint64_t>(*p) * *p;
        }
      }
    }
  });
  const double n = static_cast<double>(indices.size()) * static_cast<double>(set.height * set.width);
  Normalization result;
  for (std::size_t c = 0; c < channels; ++c) {
    std::uint64_t value = 0;
    std::uint64_t square = 0;
    for (const Sums& sums : partial) {
      value += sums.value[c];
      square += sums.square[c];
    }
    const double mean = static_cast<double>(value) / n;
    const double variance = std::max(0.0, static_cast<double>(square) / n - mean * mean);
    result.mean.push_back(static_cast<float>(mean / 255));
    result.stddev.push_back(static_cast<float>(std::max(std::sqrt(variance), 1.0) / 255));
  }
  return result;
}

}  // namespace contexture
