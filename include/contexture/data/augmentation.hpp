// SPDX-License-Identifier: MIT
// How training images are varied: a random crop of the padded image, mirrored or not; on demand, changes of one's own
// and RandAugment before, and mixtures of two images after.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/mixing.hpp"
#include "contexture/data/rand_augment.hpp"

namespace contexture {

/// Changes an image in place; what is random about it comes from `rng`. Batches are made beside the training loop, in
/// another thread: it writes to nothing but the image.
using ImageChange = std::function<void(const PixelView& image, Rng& rng)>;

/// One change after the other. Throws std::invalid_argument where one is empty.
[[nodiscard]] CONTEXTURE_FUNCTION ImageChange compose(std::vector<ImageChange> changes);

/// The change with that probability, else none. Throws std::invalid_argument for a probability outside [0, 1].
[[nodiscard]] CONTEXTURE_FUNCTION ImageChange sometimes(float probability, ImageChange change);

/// One operation of RandAugment, with a strength drawn from -strength to strength. Throws std::invalid_argument for a
/// strength outside [0, 1].
[[nodiscard]] CONTEXTURE_FUNCTION ImageChange random_change(RandAugmentOp op, float strength);

/// Brightness, contrast and colour, each by a factor from 1 - strength to 1 + strength. Throws std::invalid_argument
/// for a strength outside [0, 0.9].
[[nodiscard]] CONTEXTURE_FUNCTION ImageChange colour_jitter(float strength);

/// How a training image is varied before it is used.
struct Augmentation {
  enum class Border { kReflect, kZero };
  int crop_padding = 4;                  ///< pixels added on every side before a random crop of the image's size
  bool flip = true;                      ///< mirror left-right, every second image
  Border border = Border::kReflect;      ///< what the added pixels are: the mirrored image, or black
  RandAugmentOptions rand_augment = {};  ///< before the crop
  MixingOptions mixing = {};             ///< of the finished images; the loss is for targets that are mixed as well
  ImageChange own = {};                  ///< before all others: a change of one's own, or compose() of several
};

/// The same with RandAugment and CutMix, for trainings that see an image many times.
[[nodiscard]] inline Augmentation strong_augmentation(Augmentation basic) {
  basic.rand_augment.operations = std::max(basic.rand_augment.operations, 2);
  basic.mixing.cutmix = 0.5F;
  return basic;
}

namespace detail {

// One row of the image shifted by dx (columns outside: reflected, or 0) and mirrored on demand.
CONTEXTURE_FUNCTION void shifted_row(const std::uint8_t* source, Index width, Index channels, Index dx, bool flip,
                                     bool reflect, std::uint8_t* out);

}  // namespace detail

/// Mirrors rows (rows,width,channels) left-right, in place: those of an image, or of many.
CONTEXTURE_FUNCTION void mirror_columns(float* pixels, Index rows, Index width, Index channels);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/data/augmentation-inl.hpp"
#endif
