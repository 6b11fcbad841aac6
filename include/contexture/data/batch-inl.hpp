// SPDX-License-Identifier: MIT
// The batches of data/batch.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/augmentation.hpp"
#include "contexture/data/batch.hpp"
#include "contexture/data/border.hpp"
#include "contexture/data/mixing.hpp"
#include "contexture/data/rand_augment.hpp"

namespace contexture {

namespace detail {

// Makes images of a source ready: augmented on demand, and normalised, in one pass from bytes to floats.
class BatchMaker {
 public:
  BatchMaker(const ImageSource& source, const Normalization& normalization, const Augmentation* augmentation)
      : source_(source), set_(source.set), augmentation_(augmentation), row_(set_.width * set_.channels) {
    check_image_set("make_batch", set_);
    if (source.more != nullptr && source.more->count > 0)
      require(source.more->height == set_.height && source.more->width == set_.width &&
                  source.more->channels == set_.channels,
              "make_batch: two sets of images of different sizes");
    const auto channels = static_cast<std::size_t>(set_.channels);
    require(normalization.mean.size() == channels && normalization.stddev.size() == channels,
            "make_batch: ", normalization.mean.size(), " means and ", normalization.stddev.size(),
            " deviations for images of ", channels, " channels");
    if (augmentation != nullptr) {
      require(augmentation->crop_padding >= 0, "make_batch: crop padding ", augmentation->crop_padding,
              ", expected 0 or more");
      check_mixing(augmentation->mixing);
    }
    // value * scale + offset, spelled out for a whole row so that the loop below vectorises.
    scale_.resize(static_cast<std::size_t>(row_));
    offset_.resize(static_cast<std::size_t>(row_));
    for (std::size_t i = 0; i < scale_.size(); ++i) {
      const float stddev = normalization.stddev[i % channels];
      require(stddev > 0, "make_batch: standard deviation ", stddev, ", expected more than 0");
      scale_[i] = 1.0F / (255.0F * stddev);
      offset_[i] = -normalization.mean[i % channels] / stddev;
    }
    shifted_.resize(static_cast<std::size_t>(row_));
  }

  [[nodiscard]] Shape shape(std::size_t images) const {
    return {images, static_cast<std::size_t>(set_.height), static_cast<std::size_t>(set_.width),
            static_cast<std::size_t>(set_.channels)};
  }

  [[nodiscard]] std::vector<std::int32_t> labels(const BatchIndices& indices) const {
    std::vector<std::int32_t> out;
    if (set_.labels.empty()) return out;
    for (const Index i : indices) out.push_back(i < set_.count ? set_.labels[static_cast<std::size_t>(i)] : -1);
    return out;
  }

  void operator()(const BatchIndices& indices, const Rng& rng, float* out) {
    for (std::size_t k = 0; k < indices.size(); ++k, out += set_.height * row_) {
      const Index i = indices[k];
      require(i >= 0 && i < source_.count(), "make_batch: image ", i, " of ", source_.count());
      if (augmentation_ == nullptr) {
        write(source_.image(i), {}, out);
        continue;
      }
      Rng stream = indices.stream(rng, k);
      Placement place;
      const int padding = augmentation_->crop_padding;
      if (padding > 0) {
        place.dy = stream.between(-padding, padding);
        place.dx = stream.between(-padding, padding);
      }
      place.flip = augmentation_->flip && stream.bernoulli(0.5F);
      place.reflect = augmentation_->border == Augmentation::Border::kReflect;
      write(varied(source_.image(i), stream), place, out);
    }
  }

 private:
  struct Placement {
    Index dx = 0, dy = 0;
    bool flip = false, reflect = false;
  };

  // The image after changes of the caller's own and RandAugment.
  const std::uint8_t* varied(const std::uint8_t* image, const Rng& stream) {
    const bool by_operations = augmentation_->rand_augment.operations > 0;
    if (!by_operations && !augmentation_->own) return image;
    varied_.assign(image, image + set_.image_bytes());
    const PixelView view{varied_.data(), set_.height, set_.width, set_.channels};
    if (augmentation_->own) {
      Rng own = stream.split("own");
      augmentation_->own(view, own);
    }
    if (by_operations) {
      Rng operations = stream.split("rand augment");
      rand_augment(augmentation_->rand_augment, view, operations, scratch_);
    }
    return varied_.data();
  }

  void write(const std::uint8_t* image, const Placement& place, float* out) {
    for (Index y = 0; y < set_.height; ++y, out += row_) {
      Index sy = y + place.dy;
      const bool outside = sy < 0 || sy >= set_.height;
      if (outside && place.reflect) sy = reflected(sy, set_.height);
      const std::uint8_t* source = shifted_.data();
      if (outside && !place.reflect) {
        std::fill(shifted_.begin(), shifted_.end(), std::uint8_t{0});
      } else {
        source = image + sy * row_;
        if (place.dx != 0 || place.flip) {
          shifted_row(source, set_.width, set_.channels, place.dx, place.flip, place.reflect, shifted_.data());
          source = shifted_.data();
        }
      }
      const float* const scale = scale_.data();
      const float* const offset = offset_.data();
      for (Index j = 0; j < row_; ++j) out[j] = static_cast<float>(source[j]) * scale[j] + offset[j];
    }
  }

  const ImageSource source_;
  const ImageSet& set_;
  const Augmentation* augmentation_;
  const Index row_;
  std::vector<float> scale_, offset_;
  std::vector<std::uint8_t> shifted_, varied_, scratch_;
};

// Mixes the images of a batch with those opposite, as they were before.
inline void mix_batch(BatchMaker& maker, const BatchIndices& indices, const MixingOptions& mixing, const Rng& rng,
                      Batch& batch) {
  const BatchIndices opposite = indices.opposite();
  Tensor<float> others = batch.images;
  if (!indices.whole()) maker(opposite, rng, others.data());
  const Index height = dim(batch.images, 1), width = dim(batch.images, 2), channels = dim(batch.images, 3);
  const std::vector<std::int32_t> labels = maker.labels(opposite);
  for (std::size_t k = 0; k < indices.size(); ++k) {
    const std::size_t other = indices.size() - 1 - k;
    Rng stream = indices.stream(rng, k).split("mixing");
    const Mixture mixture = draw_mixture(mixing, height, width, stream);
    const auto bytes = static_cast<std::size_t>(height * width * channels);
    mix(mixture, others.data() + other * bytes, width, channels, batch.images.data() + k * bytes);
    batch.own.push_back(mixture.own);
    batch.partners.push_back(opposite[other]);
    if (!labels.empty()) batch.partner_labels.push_back(labels[other]);
  }
}

}  // namespace detail

CONTEXTURE_FUNCTION void make_batch(const ImageSource& source, const BatchIndices& indices,
                                    const Normalization& normalization, const Augmentation* augmentation,
                                    const Rng& rng, Batch& batch) {
  detail::BatchMaker maker(source, normalization, augmentation);
  if (const Shape shape = maker.shape(indices.size()); batch.images.shape() != shape)
    batch.images = empty<float>(shape);
  maker(indices, rng, batch.images.data());
  batch.indices.assign(indices.begin(), indices.end());
  batch.labels = maker.labels(indices);
  batch.own.clear();
  batch.partners.clear();
  batch.partner_labels.clear();
  if (augmentation != nullptr && augmentation->mixing.any())
    detail::mix_batch(maker, indices, augmentation->mixing, rng, batch);
}

CONTEXTURE_FUNCTION Tensor<float> mixed_targets(const Batch& batch, Index classes) {
  require(batch.own.size() == batch.labels.size() && batch.partner_labels.size() == batch.labels.size(),
          "mixed_targets: ", batch.labels.size(), " labels, ", batch.own.size(), " shares, expected a mixed batch");
  Tensor<float> targets = zeros<float>({batch.labels.size(), static_cast<std::size_t>(classes)});
  for (std::size_t k = 0; k < batch.labels.size(); ++k) {
    float* const row = targets.data() + static_cast<Index>(k) * classes;
    for (const std::int32_t label : {batch.labels[k], batch.partner_labels[k]})
      require(label >= 0 && label < classes, "mixed_targets: label ", label, ", expected 0 to ", classes - 1);
    row[batch.labels[k]] += batch.own[k];
    row[batch.partner_labels[k]] += 1 - batch.own[k];
  }
  return targets;
}

}  // namespace contexture
