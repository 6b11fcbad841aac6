// SPDX-License-Identifier: MIT
// RandAugment (Cubuk et al., arXiv 1909.13719): a few operations on 8-bit pixels, drawn at random, all of one strength.
// The fourteen operations and their largest strengths are those of torchvision.transforms.RandAugment; what lies beyond
// the border is the mirrored image, not black.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/core/tensor.hpp"

namespace contexture {

/// What is done to an image, with s the signed strength, -1 to 1. Pixels are rounded, and clamped to 0 to 255.
enum class RandAugmentOp {
  identity,
  shear_x,        ///< rows shift by 0.3 s of their distance to the middle one
  shear_y,        ///< likewise columns
  translate_x,    ///< by 0.45 s of the width
  translate_y,    ///< by 0.45 s of the height
  rotate,         ///< by 30 s degrees about the middle
  brightness,     ///< pixel * f, f = 1 + 0.9 s
  colour,         ///< grey + f (pixel - grey), grey the pixel's luminance (Rec. 601; other than 3 channels: its mean)
  contrast,       ///< m + f (pixel - m), m the rounded mean luminance of the image
  sharpness,      ///< b + f (pixel - b), b smoothed by (1 1 1; 1 5 1; 1 1 1) / 13; pixels at the border stay
  posterize,      ///< keeps the 8 - round(4 |s|) highest bits
  solarize,       ///< pixels of at least 255 (1 - |s|) become 255 - pixel
  auto_contrast,  ///< every channel is stretched to 0 to 255; one of a single value stays
  equalize        ///< every channel's histogram is flattened, as Pillow's ImageOps.equalize does
};

/// Their names, by their values.
inline constexpr std::array<std::string_view, 14> kRandAugmentOps{
    "identity", "shear_x",  "shear_y",   "translate_x", "translate_y", "rotate",        "brightness",
    "colour",   "contrast", "sharpness", "posterize",   "solarize",    "auto_contrast", "equalize"};

/// An image (height,width,channels) that is kept elsewhere.
struct PixelView {
  std::uint8_t* pixels;
  Index height, width, channels;

  [[nodiscard]] Index row_bytes() const { return width * channels; }
  [[nodiscard]] Index bytes() const { return height * row_bytes(); }
};

/// Options of RandAugment.
struct RandAugmentOptions {
  int operations = 0;      ///< of an image; 0: none
  float magnitude = 0.3F;  ///< strength of each, 0 to 1; the sign is drawn
};

/// Applies one operation in place. `scratch` is working memory, kept between calls.
CONTEXTURE_FUNCTION void apply(RandAugmentOp op, float strength, const PixelView& image,
                               std::vector<std::uint8_t>& scratch);

/// Applies options.operations operations in place, drawn with their signs from `rng`.
CONTEXTURE_FUNCTION void rand_augment(const RandAugmentOptions& options, const PixelView& image, Rng& rng,
                                      std::vector<std::uint8_t>& scratch);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/data/rand_augment-inl.hpp"
#endif
