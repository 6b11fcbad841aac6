// SPDX-License-Identifier: MIT
// The nearest of some vectors by cosine, and the class of an image by the vote of its nearest neighbours.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/parallel.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/evaluate/features.hpp"
#include "contexture/kernels/matmul.hpp"

namespace contexture {

/// The nearest of some vectors to each query, most similar first.
struct Neighbours {
  Index k = 0;
  std::vector<Index> index;       ///< (Q,k), rows of the vectors searched
  std::vector<float> similarity;  ///< (Q,k), cosine
};

namespace detail {

// Rows scaled to unit length; rows of zeros stay.
[[nodiscard]] inline Tensor<float> unit_rows(const Tensor<float>& values) {
  Tensor<float> out = values;
  const Index n = dim(values, 0), f = dim(values, 1);
  for (Index i = 0; i < n; ++i) {
    float* const row = out.data() + i * f;
    double square = 0;
    for (Index j = 0; j < f; ++j) square += static_cast<double>(row[j]) * static_cast<double>(row[j]);
    if (square <= 0) continue;
    const auto scale = static_cast<float>(1 / std::sqrt(square));
    for (Index j = 0; j < f; ++j) row[j] *= scale;
  }
  return out;
}

}  // namespace detail

/// The k rows of `among` (N,F) that are most similar to each row of `queries` (Q,F) by cosine; of equals the first
/// row. k is cut to N. Exhaustive: N * Q * F multiply-adds.
[[nodiscard]] inline Neighbours nearest_neighbours(const Tensor<float>& among, const Tensor<float>& queries, Index k) {
  require(among.dimension() == 2 && queries.dimension() == 2 && dim(among, 1) == dim(queries, 1),
          "nearest_neighbours: ", queries.shape(), " among ", among.shape(), ", expected (Q,F) and (N,F)");
  require(k >= 1 && dim(among, 0) >= 1, "nearest_neighbours: ", k, " of ", dim(among, 0), ", expected 1 or more");
  const Index n = dim(among, 0), f = dim(among, 1), q = dim(queries, 0);
  k = std::min(k, n);
  const Tensor<float> base = detail::unit_rows(among), asked = detail::unit_rows(queries);
  Neighbours out{k, std::vector<Index>(static_cast<std::size_t>(q * k)),
                 std::vector<float>(static_cast<std::size_t>(q * k))};
  constexpr Index kQueries = 64, kRows = 2048;  // a block of similarities stays in the cache
  parallel_chunks(q, (q + kQueries - 1) / kQueries, [&](Index, Index begin, Index end) {
    std::vector<float> block(static_cast<std::size_t>((end - begin) * kRows));
    for (Index first = 0; first < n; first += kRows) {
      const Index rows = std::min(kRows, n - first);
      gemm(Transpose::no, Transpose::yes, end - begin, rows, f, 1.0F, asked.data() + begin * f, f,
           base.data() + first * f, f, 0.0F, block.data(), rows);
      for (Index i = begin; i < end; ++i) {
        Index* const index = out.index.data() + i * k;
        float* const similarity = out.similarity.data() + i * k;
        const float* const row = block.data() + (i - begin) * rows;
        for (Index r = 0; r < rows; ++r) {
          const Index held = std::min(first + r, k);  // so far
          if (held == k && !(row[r] > similarity[k - 1])) continue;
          Index at = held == k ? k - 1 : held;
          for (; at > 0 && row[r] > similarity[at - 1]; --at) {
            similarity[at] = similarity[at - 1];
            index[at] = index[at - 1];
          }
          similarity[at] = row[r];
          index[at] = first + r;
        }
      }
    }
  });
  return out;
}

/// How neighbours vote. The defaults are those of DINO (Caron et al., arXiv 2104.14294), whose
/// vote is that of Wu et al. (arXiv 1805.01978): a neighbour of similarity s counts exp(s / temperature).
struct KnnOptions {
  Index k = 20;
  double temperature = 0.07;
};

/// The class of each query by its neighbours' weighted vote; of equal votes the first class.
/// Throws std::invalid_argument for labels outside [0, classes).
[[nodiscard]] inline std::vector<std::int32_t> knn_predict(const LabelledFeatures& train, const Tensor<float>& queries,
                                                           Index classes, const KnnOptions& options = {}) {
  require(options.temperature > 0, "knn_predict: temperature ", options.temperature, ", expected more than 0");
  require(dim(train.values, 0) == train.count(), "knn_predict: ", train.values.shape(), " features for ", train.count(),
          " labels");
  for (const std::int32_t label : train.labels)
    require(label >= 0 && label < classes, "knn_predict: label ", label, " of ", classes, " classes");
  const Neighbours found = nearest_neighbours(train.values, queries, options.k);
  std::vector<std::int32_t> out;
  std::vector<double> votes(static_cast<std::size_t>(classes));
  for (Index i = 0; i < dim(queries, 0); ++i) {
    std::fill(votes.begin(), votes.end(), 0.0);
    const auto row = static_cast<std::size_t>(i * found.k);
    for (std::size_t j = row; j < row + static_cast<std::size_t>(found.k); ++j)  // relative to the best: no overflow
      votes[static_cast<std::size_t>(train.labels[static_cast<std::size_t>(found.index[j])])] +=
          std::exp(static_cast<double>(found.similarity[j] - found.similarity[row]) / options.temperature);
    out.push_back(static_cast<std::int32_t>(std::max_element(votes.begin(), votes.end()) - votes.begin()));
  }
  return out;
}

}  // namespace contexture
