// SPDX-License-Identifier: MIT
// What encoders make of images, as plain data for pictures: filled by embedding_view(), drawn by report.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace contexture {

/// How one encoder sees the test images.
struct EncoderView {
  std::string name;                         ///< "random weights", "trained with labels", "pre-trained"
  std::vector<std::int64_t> neighbours;     ///< (queries, neighbours): test images, nearest first
  std::vector<float> x, y;                  ///< one a mapped image: first and second principal component
  std::array<double, 2> variance_shares{};  ///< of the two components, 0..1
  double neighbour_precision = 0;           ///< neighbours of the mapped images that have the image's class, 0..1
};

/// The same images through several encoders, for comparison.
struct EmbeddingView {
  std::vector<std::int64_t> queries;  ///< test images whose neighbours are shown
  std::int64_t neighbours = 0;        ///< a query
  std::vector<std::int64_t> mapped;   ///< test images on the map
  std::vector<EncoderView> encoders;
};

}  // namespace contexture
