// SPDX-License-Identifier: MIT
// Frozen features of an encoder: the globally averaged feature map of every stage, for images with classes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/normalisation.hpp"
#include "contexture/models/backbone.hpp"

namespace contexture {

/// Features of some images with the images' classes.
struct LabelledFeatures {
  Tensor<float> values;              ///< (N,F)
  std::vector<std::int32_t> labels;  ///< N
  [[nodiscard]] Index count() const { return static_cast<Index>(labels.size()); }
};

/// What stage_features() returns at position i: "stem", "stage 1", ...
[[nodiscard]] inline std::string stage_name(std::size_t i) { return i == 0 ? "stem" : "stage " + std::to_string(i); }

namespace detail {

// Of so many images, those that this process asks about in batches: from the first to before the second. They begin
// and end where batches do, so that an answer does not depend on the number of processes.
inline std::pair<std::size_t, std::size_t> own_images(std::size_t images, Index batch_size) {
  const auto size = static_cast<std::int64_t>(batch_size), count = static_cast<std::int64_t>(images);
  const std::int64_t batches = (count + size - 1) / size;
  const Part own = part_of(process_group());
  return {static_cast<std::size_t>(std::min(count, own.begin(batches) * size)),
          static_cast<std::size_t>(std::min(count, own.end(batches) * size))};
}

}  // namespace detail

/// Global averages of the feature maps of the stem and of every stage, one tensor (N,F) each, for the images
/// `indices` of a set, in their order. In evaluation mode and without a tape; several threads may ask one encoder, and
/// the processes of a group share its batches out: collective.
[[nodiscard]] inline std::vector<Tensor<float>> stage_features(Backbone<float>& encoder, const ImageSet& images,
                                                               std::span<const Index> indices,
                                                               const Normalization& normalization,
                                                               Index batch_size = 256) {
  require(batch_size >= 1, "stage_features: batch of ", batch_size, ", expected 1 or more");
  const Inference inference;
  std::vector<Tensor<float>> out;
  for (const Index channels : encoder.stage_channels())
    out.push_back(empty<float>({indices.size(), static_cast<std::size_t>(channels)}));
  Batch batch;
  const auto [from, to] = detail::own_images(indices.size(), batch_size);
  for (std::size_t begin = from; begin < to; begin += static_cast<std::size_t>(batch_size)) {
    const std::size_t size = std::min(static_cast<std::size_t>(batch_size), indices.size() - begin);
    make_batch(images, indices.subspan(begin, size), normalization, nullptr, Rng(0), batch);
    const std::vector<Variable<float>> maps = encoder.forward_stages(Variable<float>(batch.images));
    for (std::size_t s = 0; s < out.size(); ++s) {
      const Variable<float> averages = global_avg_pool(maps[s]);
      const std::size_t features = out[s].shape()[1];
      std::copy(averages.value().data(), averages.value().data() + size * features, out[s].data() + begin * features);
    }
  }
  if (ProcessGroup& group = process_group(); group.size() > 1)
    for (Tensor<float>& values : out) {
      const std::size_t features = values.shape()[1];
      const std::vector<float> all =
          gather_values<float>(group, std::span<const float>(values.data() + from * features, (to - from) * features));
      std::copy(all.begin(), all.end(), values.data());
    }
  return out;
}

/// The rows `rows` of values (N,F).
[[nodiscard]] inline Tensor<float> select_rows(const Tensor<float>& values, std::span<const Index> rows) {
  require(values.dimension() == 2, "select_rows: values ", values.shape(), ", expected (N,F)");
  const Index n = dim(values, 0), f = dim(values, 1);
  Tensor<float> out = empty<float>({rows.size(), static_cast<std::size_t>(f)});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    require(rows[i] >= 0 && rows[i] < n, "select_rows: row ", rows[i], " of ", n);
    std::copy_n(values.data() + rows[i] * f, f, out.data() + static_cast<Index>(i) * f);
  }
  return out;
}

/// Share of equal entries, 0..1; 0 for none.
[[nodiscard]] inline double agreement(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  require(a.size() == b.size(), "agreement: ", a.size(), " and ", b.size(), " answers");
  std::size_t equal = 0;
  for (std::size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i];
  return a.empty() ? 0 : static_cast<double>(equal) / static_cast<double>(a.size());
}

}  // namespace contexture
