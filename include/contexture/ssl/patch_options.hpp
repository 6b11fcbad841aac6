// SPDX-License-Identifier: MIT
// How patches are cut and treated, for every task that is made of patches: the options, their defaults by image size,
// what makes sense together, and all of it as settings.
#pragma once

#include <algorithm>
#include <vector>

#include "contexture/core/compiled.hpp"
#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/ssl/colour.hpp"
#include "contexture/ssl/pretext_settings.hpp"

namespace contexture {

/// Everything about how patches are cut and treated. The values here suit 32 x 32 colour images;
/// patch_defaults() adapts them to other sizes.
struct PatchOptions {
  /// Patches a side. 2 where the image has no room for three patches of 13 px or more.
  int grid = 2;
  /// Side of a patch, in pixels of the resized image. Big enough to show a part of an object.
  int patch = 12;
  /// Free pixels between neighbouring patches before jitter. Half a patch, as in the paper: edges
  /// and textures that continue across the border no longer give the answer away.
  int gap = 6;
  /// Every patch moves by -jitter..jitter pixels in both axes, independently, so that lines that
  /// run on from patch to patch do not line up. At most gap / 2: patches never overlap.
  int jitter = 1;
  /// The grid's corner is uniform over all places where no patch can leave the image; else it is centred.
  bool random_origin = true;
  /// The image is resized by a random factor before it is cut; 32 px become 34 to 46. At its own
  /// size, a JPEG image shows the position of its 8 x 8 blocks in every patch; never include 1.
  float min_scale = 1.0625F;
  float max_scale = 1.4375F;
  /// Every patch is sampled at a fraction of a pixel of its own, in both axes. Enlarging leaves a pattern of sharper
  /// and softer pixels; where all patches are cut from one enlarged image, it runs on from patch to patch and tells how
  /// far one is from the other.
  bool subpixel = true;
  /// Grids cut from an image each time it is seen, each with its own factor, origin and colours.
  int grids_per_image = 1;
  /// Mirror every second grid's image. Off: not every kind of image survives it (text, digits).
  bool flip = false;
  ColourTreatment colour = ColourTreatment::grey;
  /// Share of the grids whose colours are treated (of the patches, with drop_channels). With 2/3 grey,
  /// colours alone do not pay, but the encoder still sees them, as it will when it is used. The
  /// paper treats all of them: 1.
  float colour_probability = 0.66F;
  /// Mean 0 and deviation 1 over all pixels and channels of every patch: brightness and contrast,
  /// which vary smoothly across an image, say nothing about the direction any more. Off: (x - 0.5) * 4.
  bool standardise = true;
  /// A patch whose channels deviate less than this (of 0..1: 5 grey levels) is blank. Standardisation
  /// divides by no less, so that noise is not blown up to the size of a signal.
  float blank_deviation = 0.02F;
  /// Share of the pairs with a blank patch that are used all the same; 0 drops them: nothing can be
  /// learnt from two blanks, and from one only where objects end. A batch of nothing else keeps them.
  float blank_pair_share = 0.0F;
  /// Weigh directions by the inverse of their frequency: in a 2 x 2 grid each diagonal direction
  /// comes half as often as each straight one.
  bool balance_directions = true;

  /// Side of the smallest image, in pixels, in which the jittered grid always has room.
  [[nodiscard]] Index extent() const {
    return static_cast<Index>(grid) * patch + static_cast<Index>(grid - 1) * gap + 2 * static_cast<Index>(jitter);
  }
};

/// Options for square images of this side: 2 x 2 below 64 px, else 3 x 3, unless `grid` says otherwise; below
/// 64 px the grid takes the whole side of the unscaled image, else an eighth of the side is left free; gap
/// half a patch; jitter a twelfth of a patch, at least 1; the largest patch with which that fits. 28 px:
/// 10/5/1, 32 px: 12/6/1, 96 px: 20/10/2 (patch/gap/jitter). Colours are kept where there are not three
/// channels. For images that are not square, give the shorter side. Throws std::invalid_argument under 13 px.
[[nodiscard]] CONTEXTURE_FUNCTION PatchOptions patch_defaults(Index image_size, Index channels = 3, int grid = 0);

/// The side that patches are fitted to: the shorter one. Images too small for patches (under 13 px) get options that
/// the tasks made of patches refuse.
[[nodiscard]] inline Index patch_side(const PretextImages& images) {
  return std::max<Index>(std::min(images.height, images.width), 13);
}

/// Throws std::invalid_argument unless the options make sense together (for whatever images).
CONTEXTURE_FUNCTION void validate(const PatchOptions& o);

/// The settings of patches that every task made of them has.
[[nodiscard]] CONTEXTURE_FUNCTION std::vector<PretextSetting> patch_settings(PatchOptions& o);

}  // namespace contexture

#if !defined(CONTEXTURE_COMPILED)
#include "contexture/ssl/patch_options-inl.hpp"
#endif
