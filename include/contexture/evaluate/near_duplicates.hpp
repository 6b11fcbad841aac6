// SPDX-License-Identifier: MIT
// Images that are nearly the same, pixel by pixel: copies, other qualities of JPEG, other sizes, other brightness. Not
// those that an encoder takes for alike. Not part of the umbrella header: it brings BLAS.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/resize.hpp"
#include "contexture/evaluate/features.hpp"
#include "contexture/evaluate/nearest_neighbours.hpp"

namespace contexture {

/// Two images of a set that are nearly the same.
struct NearDuplicate {
  Index first = 0, second = 0;  ///< first < second
  double similarity = 0;        ///< correlation of their pixels, to 1
};

/// Options of near_duplicates().
struct NearDuplicateOptions {
  double similarity = 0.985;  ///< correlation from which on images count as nearly the same
  Index side = 16;            ///< images are compared at this size, pixels
  Index most = 4;             ///< duplicates that are looked for of each image
};

/// Pairs of nearly the same images of which at least one is among the first `labelled` of the set, by falling
/// similarity. Images are compared shrunk, by the correlation of their pixels; those without any contrast are left out.
/// labelled * N * side^2 * channels multiply-adds.
[[nodiscard]] inline std::vector<NearDuplicate> near_duplicates(const ImageSet& set, Index labelled,
                                                                const NearDuplicateOptions& options = {}) {
  require(labelled >= 0 && labelled <= set.count, "near_duplicates: ", labelled, " labelled images of ", set.count);
  require(options.side >= 4 && options.most >= 1 && options.similarity > 0 && options.similarity <= 1,
          "near_duplicates: side ", options.side, ", most ", options.most, ", similarity ", options.similarity,
          ", expected 4 or more, 1 or more, and 0 to 1");
  std::vector<NearDuplicate> out;
  if (labelled == 0 || set.count < 2) return out;
  const Index side = std::min({options.side, set.height, set.width});
  const ImageSet small = resize_and_crop(set, side, side);
  const Index f = small.image_bytes();
  Tensor<float> values = empty<float>({static_cast<std::size_t>(small.count), static_cast<std::size_t>(f)});
  std::vector<bool> flat;
  for (Index i = 0; i < small.count; ++i) {
    const std::uint8_t* const pixel = small.image(i);
    double sum = 0, squares = 0;
    for (Index j = 0; j < f; ++j) sum += pixel[j];
    const double mean = sum / static_cast<double>(f);
    for (Index j = 0; j < f; ++j) {
      const double v = pixel[j] - mean;
      squares += v * v;
      values.data()[i * f + j] = static_cast<float>(v);
    }
    flat.push_back(squares < 4 * static_cast<double>(f));  // a deviation of 2 grey levels
  }
  const Neighbours found =
      nearest_neighbours(values, select_rows(values, numbered(labelled)), std::min(options.most + 1, set.count));
  std::set<std::pair<Index, Index>> seen;  // two labelled images find each other
  for (Index i = 0; i < labelled; ++i) {
    if (flat[static_cast<std::size_t>(i)]) continue;
    for (Index k = 0; k < found.k; ++k) {
      const auto at = static_cast<std::size_t>(i * found.k + k);
      const Index other = found.index[at];
      const auto similarity = static_cast<double>(found.similarity[at]);
      if (other == i || similarity < options.similarity || flat[static_cast<std::size_t>(other)]) continue;
      const std::pair<Index, Index> pair = std::minmax({i, other});
      if (seen.insert(pair).second) out.push_back({pair.first, pair.second, similarity});
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const NearDuplicate& a, const NearDuplicate& b) { return a.similarity > b.similarity; });
  return out;
}

}  // namespace contexture
