// SPDX-License-Identifier: MIT
// Computes what the report shows of encoders: nearest neighbours of some test images, a 2-D map of test images by
// principal components, and the filters of the first layer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/linalg.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/data/split.hpp"
#include "contexture/evaluate/embedding_data.hpp"
#include "contexture/evaluate/features.hpp"
#include "contexture/evaluate/nearest_neighbours.hpp"
#include "contexture/models/backbone.hpp"

namespace contexture {

/// An encoder to look into, under the name that the report gives it.
struct NamedEncoder {
  std::string name;
  std::unique_ptr<Backbone<float>> encoder;
  Normalization normalization;  ///< of the images it is given
};

/// Options of an embedding for a report.
struct EmbeddingOptions {
  Index queries = 8;     ///< images whose neighbours are shown: the first of every class in turn
  Index neighbours = 5;  ///< a query
  Index mapped = 1000;   ///< images on the map, drawn at random, always the same ones
};

namespace detail {

// Every image's place on the map and the queries; encoders are still to come.
inline EmbeddingView embedding_frame(const ImageSet& images, const EmbeddingOptions& options) {
  EmbeddingView out;
  const auto queries = static_cast<std::size_t>(std::min(options.queries, images.count));
  if (images.labels.empty()) {
    out.queries.resize(queries);
    std::iota(out.queries.begin(), out.queries.end(), std::int64_t{0});
  } else {
    out.queries = classes_in_turn(images.labels, queries);
  }
  const Index mapped = std::min(options.mapped, images.count);
  // Not every k-th: where classes take turns, a stride would show some of them only.
  out.mapped.resize(static_cast<std::size_t>(images.count));
  std::iota(out.mapped.begin(), out.mapped.end(), std::int64_t{0});
  Rng(0).split("map").shuffle(out.mapped);
  out.mapped.resize(static_cast<std::size_t>(mapped));
  std::sort(out.mapped.begin(), out.mapped.end());
  out.neighbours = std::min(options.neighbours, images.count - 1);
  return out;
}

// The `count` nearest of each of the rows of features (N,F), itself left out.
inline std::vector<std::int64_t> nearest_others(const Tensor<float>& features, const std::vector<std::int64_t>& rows,
                                                Index count) {
  const Neighbours found = nearest_neighbours(features, select_rows(features, rows), count + 1);
  std::vector<std::int64_t> kept;
  for (std::size_t q = 0; q < rows.size(); ++q) {
    Index taken = 0;
    for (Index k = 0; k < found.k && taken < count; ++k) {
      const Index row = found.index[q * static_cast<std::size_t>(found.k) + static_cast<std::size_t>(k)];
      if (row == rows[q]) continue;
      kept.push_back(row);
      ++taken;
    }
  }
  return kept;
}

// First and second principal component of the mapped images.
inline void fill_map(const Tensor<float>& points, EncoderView& view) {
  const Index components = std::min<Index>(2, dim(points, 1));
  const PrincipalComponents pca = principal_components(points, components);
  const Tensor<float> map = project(pca, points);
  const std::vector<double> shares = pca.variance_shares();
  for (Index i = 0; i < dim(points, 0); ++i) {
    view.x.push_back(map.data()[i * components]);
    view.y.push_back(components > 1 ? map.data()[i * components + 1] : 0.0F);
  }
  for (std::size_t c = 0; c < shares.size(); ++c) view.variance_shares[c] = shares[c];
}

}  // namespace detail

/// The views of the encoders on a set of images, by the globally averaged features of the last stage and cosine
/// similarity; a query is not its own neighbour. The encoders' modes are as before afterwards.
/// Throws std::invalid_argument for fewer than two images.
[[nodiscard]] inline EmbeddingView embedding_view(std::span<NamedEncoder> encoders, const ImageSet& images,
                                                  const EmbeddingOptions& options = {}) {
  require(images.count >= 2, "embedding_view: ", images.count, " images, expected 2 or more");
  require(options.queries >= 1 && options.neighbours >= 1 && options.mapped >= 1, "embedding_view: ", options.queries,
          " queries, ", options.neighbours, " neighbours, ", options.mapped, " mapped images, expected 1 or more");
  EmbeddingView out = detail::embedding_frame(images, options);
  const std::vector<Index> all = numbered(images.count);
  for (NamedEncoder& named : encoders) {
    const Tensor<float> features = std::move(stage_features(*named.encoder, images, all, named.normalization).back());
    EncoderView view;
    view.name = named.name;
    view.neighbours = detail::nearest_others(features, out.queries, out.neighbours);
    if (!images.labels.empty()) {
      const std::vector<std::int64_t> around = detail::nearest_others(features, out.mapped, out.neighbours);
      const auto k = static_cast<std::size_t>(out.neighbours);
      std::size_t same = 0;
      for (std::size_t i = 0; i < around.size(); ++i)
        same += images.labels[static_cast<std::size_t>(around[i])] ==
                images.labels[static_cast<std::size_t>(out.mapped[i / k])];
      view.neighbour_precision = static_cast<double>(same) / static_cast<double>(around.size());
    }
    detail::fill_map(select_rows(features, out.mapped), view);
    out.encoders.push_back(std::move(view));
  }
  return out;
}

}  // namespace contexture
