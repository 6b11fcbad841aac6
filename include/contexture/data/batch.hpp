// SPDX-License-Identifier: MIT
// From 8-bit images to a batch of normalised floats, augmented on demand. What is random in it is a pure function of
// the stream that is given, so a run that was stopped and resumed sees the same batches.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/process_group.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/augmentation.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/normalisation.hpp"

namespace contexture {

/// The images of a batch by their numbers in a set, or a part of them that stand in a row. Refers to a list that is
/// kept elsewhere. Image k here is number first + k of the batch, and what is random about it comes from stream(rng,
/// k), whatever part it is in.
class BatchIndices {
 public:
  template <class List>
  requires std::convertible_to<const List&, std::span<const Index>> BatchIndices(const List& indices)
      : indices_(indices) {}
  /// One part of a batch.
  BatchIndices(std::span<const Index> batch, const Part& part)
      : first_(static_cast<std::size_t>(part.begin(std::ssize(batch)))),
        indices_(batch.subspan(first_, static_cast<std::size_t>(part.end(std::ssize(batch))) - first_)) {}

  [[nodiscard]] std::size_t size() const { return indices_.size(); }
  [[nodiscard]] Index operator[](std::size_t k) const { return indices_[k]; }
  [[nodiscard]] auto begin() const { return indices_.begin(); }
  [[nodiscard]] auto end() const { return indices_.end(); }
  [[nodiscard]] Rng stream(const Rng& batch, std::size_t k) const { return batch.split(first_ + k); }

 private:
  std::size_t first_ = 0;
  std::span<const Index> indices_;
};

/// Some images of a set, ready for a model.
struct Batch {
  Tensor<float> images;              ///< (N,H,W,C), normalised
  std::vector<std::int32_t> labels;  ///< N, or empty for an unlabelled set
  std::vector<Index> indices;        ///< N, where the images are in the set
};

/// Fills `batch` with the images `indices`, augmented on demand (null: not) and normalised, in one
/// pass from bytes to floats. Image k of a batch is augmented from the stream rng.split(k).
/// Runs in the calling thread: it is meant for a Prefetcher, beside the training loop.
inline void make_batch(const ImageSet& set, const BatchIndices& indices, const Normalization& normalization,
                       const Augmentation* augmentation, const Rng& rng, Batch& batch) {
  detail::check_image_set("make_batch", set);
  const auto channels = static_cast<std::size_t>(set.channels);
  require(normalization.mean.size() == channels && normalization.stddev.size() == channels,
          "make_batch: ", normalization.mean.size(), " means and ", normalization.stddev.size(),
          " deviations for images of ", channels, " channels");
  require(augmentation == nullptr || augmentation->crop_padding >= 0, "make_batch: crop padding ",
          augmentation == nullptr ? 0 : augmentation->crop_padding, ", expected 0 or more");
  const Index row = set.width * set.channels;
  // value * scale + offset, spelled out for a whole row so that the loop below vectorises.
  std::vector<float> scale(static_cast<std::size_t>(row));
  std::vector<float> offset(static_cast<std::size_t>(row));
  for (std::size_t i = 0; i < scale.size(); ++i) {
    const float stddev = normalization.stddev[i % channels];
    require(stddev > 0, "make_batch: standard deviation ", stddev, ", expected more than 0");
    scale[i] = 1.0F / (255.0F * stddev);
    offset[i] = -normalization.mean[i % channels] / stddev;
  }

  const Shape shape = {indices.size(), static_cast<std::size_t>(set.height), static_cast<std::size_t>(set.width),
                       channels};
  if (batch.images.shape() != shape) batch.images = empty<float>(shape);
  batch.indices.assign(indices.begin(), indices.end());
  batch.labels.clear();
  std::vector<std::uint8_t> shifted(static_cast<std::size_t>(row));
  float* out = batch.images.data();
  for (std::size_t k = 0; k < indices.size(); ++k) {
    const Index i = indices[k];
    require(i >= 0 && i < set.count, "make_batch: image ", i, " of ", set.count);
    if (!set.labels.empty()) batch.labels.push_back(set.labels[static_cast<std::size_t>(i)]);
    Index dx = 0;
    Index dy = 0;
    bool flip = false;
    bool reflect = false;
    if (augmentation != nullptr) {
      Rng stream = indices.stream(rng, k);
      const int padding = augmentation->crop_padding;
      if (padding > 0) {
        dy = stream.between(-padding, padding);
        dx = stream.between(-padding, padding);
      }
      flip = augmentation->flip && stream.bernoulli(0.5F);
      reflect = augmentation->border == Augmentation::Border::kReflect;
    }
    for (Index y = 0; y < set.height; ++y, out += row) {
      Index sy = y + dy;
      const bool outside = sy < 0 || sy >= set.height;
      if (outside && reflect) sy = detail::reflected(sy, set.height);
      const std::uint8_t* source = shifted.data();
      if (outside && !reflect) {
        std::fill(shifted.begin(), shifted.end(), std::uint8_t{0});
      } else {
        source = set.image(i) + sy * row;
        if (dx != 0 || flip) {
          detail::shifted_row(source, set.width, set.channels, dx, flip, reflect, shifted.data());
          source = shifted.data();
        }
      }
      for (Index j = 0; j < row; ++j)
        out[j] =
            static_cast<float>(source[j]) * scale[static_cast<std::size_t>(j)] + offset[static_cast<std::size_t>(j)];
    }
  }
}

}  // namespace contexture
