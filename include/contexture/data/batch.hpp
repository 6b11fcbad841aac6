// SPDX-License-Identifier: MIT
// From 8-bit images to a batch of normalised floats, augmented on demand. What is random in it is a pure function of
// the stream that is given, so a run that was stopped and resumed sees the same batches.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "contexture/core/compiled.hpp"
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
      : batch_(indices), indices_(indices) {}
  /// One part of a batch.
  BatchIndices(std::span<const Index> batch, const Part& part)
      : BatchIndices(batch, static_cast<std::size_t>(part.begin(std::ssize(batch))),
                     static_cast<std::size_t>(part.end(std::ssize(batch)))) {}

  [[nodiscard]] std::size_t size() const { return indices_.size(); }
  [[nodiscard]] Index operator[](std::size_t k) const { return indices_[k]; }
  [[nodiscard]] auto begin() const { return indices_.begin(); }
  [[nodiscard]] auto end() const { return indices_.end(); }
  [[nodiscard]] Rng stream(const Rng& batch, std::size_t k) const { return batch.split(first_ + k); }
  /// Is it all of its batch?
  [[nodiscard]] bool whole() const { return indices_.size() == batch_.size(); }
  /// The images as far from the end of the batch as these are from its beginning; image k belongs to size() - 1 - k.
  [[nodiscard]] BatchIndices opposite() const {
    return {batch_, batch_.size() - first_ - indices_.size(), batch_.size() - first_};
  }

 private:
  BatchIndices(std::span<const Index> batch, std::size_t first, std::size_t last)
      : first_(first), batch_(batch), indices_(batch.subspan(first, last - first)) {}

  std::size_t first_ = 0;
  std::span<const Index> batch_, indices_;
};

/// The images of a set, and behind them those of another, as if they were one.
struct ImageSource {
  ImageSource(const ImageSet& first, const ImageSet* behind = nullptr)  // NOLINT: a set is a source
      : set(first), more(behind) {}

  const ImageSet& set;
  const ImageSet* more;

  [[nodiscard]] Index count() const { return set.count + (more == nullptr ? 0 : more->count); }
  [[nodiscard]] const std::uint8_t* image(Index i) const {
    return i < set.count ? set.image(i) : more->image(i - set.count);
  }
};

/// Some images of a set, ready for a model.
struct Batch {
  Tensor<float> images;              ///< (N,H,W,C), normalised
  std::vector<std::int32_t> labels;  ///< N, -1 for an image of ImageSource::more; or empty for an unlabelled set
  std::vector<Index> indices;        ///< N, where the images are in the set
  /// Of images that are mixed, else all empty: N, their own share, and index and label of what is mixed in.
  std::vector<float> own;
  std::vector<Index> partners;
  std::vector<std::int32_t> partner_labels;
};

/// Fills `batch` with the images `indices`, augmented on demand (null: not) and normalised. Image k of a batch is
/// augmented from the stream rng.split(k), whichever part of it is made.
/// Runs in the calling thread: it is meant for a Prefetcher, beside the training loop.
CONTEXTURE_FUNCTION void make_batch(const ImageSource& source, const BatchIndices& indices,
                                    const Normalization& normalization, const Augmentation* augmentation,
                                    const Rng& rng, Batch& batch);

/// The targets (N,classes) of a batch whose images are mixed: either label's one, weighted by its image's share.
[[nodiscard]] CONTEXTURE_FUNCTION Tensor<float> mixed_targets(const Batch& batch, Index classes);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/data/batch-inl.hpp"
#endif
